//! `repeat`: each distinct body of it elaborated once, whatever the count.
//!
//! The body is elaborated for the first index. Its trace says which static values it asked for
//! ([`super::fixed`]); all indices at which these are the same share it. The first index that is left is the
//! next to be elaborated, until none is left. So what a repeat costs grows with its distinct bodies; an
//! index more costs the comparison of the values asked for.
//!
//! Names work in the order of the indices. A name that exists before the repeat and is assigned inside is
//! carried. A name that only the body assigns may be read at an index without being assigned there, once an
//! earlier index has: whenever an index is elaborated, all before it have a body. What has a value at an
//! index has one at all later indices, so a body that may read it at its first index may at every other.

use super::fixed::{Late, Level};
use super::frames::{Argument, Frame};
use super::params::Part;
use super::{Builder, Diagnostic, Env, Expr, Span, Stmt, Tensor, Type, Unbound, Val, Value, code};
use crate::ast::Ident;
use crate::base::number::grouped;
use crate::graph::Indices;
use crate::resolve::names::assigned;
use std::collections::BTreeMap;

/// Layers of one repeat.
const MAX_COUNT: u64 = 100_000;
/// Distinct layers of one repeat.
const MAX_BODIES: usize = 256;

/// A repeat while its bodies are elaborated.
pub(super) struct Loop<'a> {
    /// Unique in the model.
    pub region: u32,
    pub label: String,
    pub count: u64,
    pub span: Span,
    /// Names that exist before, with their tensors there.
    pub carried: Vec<(String, Tensor, Type)>,
    /// Names that only the body assigns, where it does first, and what is in them.
    pub late: BTreeMap<String, (Span, Late)>,
    pub collects: BTreeMap<&'a str, Span>,
    pub bodies: Vec<Elaborated>,
    /// Parameters that there were before.
    pub first_param: usize,
    /// Whether there is a region to be made: no error so far.
    pub sound: bool,
}

/// A body, and where it runs.
pub(super) struct Elaborated {
    pub frame: Frame,
    pub index: u64,
    pub members: Indices,
    /// What the next index gets, for each carried name.
    pub carried: Vec<Value>,
    /// What it leaves in names that only the body assigns.
    pub late: BTreeMap<String, Tensor>,
    /// What the next index gets, for each of those names that is carried.
    pub late_results: Vec<Value>,
    pub collected: BTreeMap<String, Value>,
}

impl Builder<'_> {
    pub(super) fn repeat(&mut self, count: &Expr, label: Option<&Ident>, body: &[Stmt], span: Span, env: &mut Env) {
        let collects: BTreeMap<&str, Span> = body
            .iter()
            .filter_map(|stmt| match stmt {
                Stmt::Collect { target, .. } => Some((target.text.as_str(), target.span)),
                _ => None,
            })
            .collect();
        let Ok(n) = self.count(count, env) else {
            return self.abandon(&assigned(body, true), &collects, env);
        };
        // A body is looked at once even where the count is wrong, for its own mistakes.
        let count = n.unwrap_or(1);
        if count == 0 {
            for name in collects.keys() {
                env.locals.insert(name.to_string(), Val::List(super::List { of: None, count: 0 }));
            }
            return;
        }
        self.n_regions += 1;
        let mut building = Loop {
            region: self.n_regions,
            label: label.map_or("repeat", |l| &l.text).to_string(),
            count,
            span,
            carried: vec![],
            late: BTreeMap::new(),
            collects,
            bodies: vec![],
            first_param: self.graph.params.len(),
            sound: n.is_some(),
        };
        self.carry(&mut building, body, env);
        let n_errors = self.n_errors;
        let mut remaining: Vec<u64> = (0..count).collect();
        while let Some(index) = remaining.first().copied() {
            if building.bodies.len() >= MAX_BODIES {
                self.too_many_bodies(&building, label.map_or(span, |l| l.span));
                building.sound = false;
                break;
            }
            // The body starts with a copy of all names.
            if !self.work(env.locals.len() + env.unbound.len(), span) {
                building.sound = false;
                break;
            }
            match self.one_body(&mut building, index, remaining, label, body, n_errors, env) {
                Some(rest) => remaining = rest,
                None => {
                    building.sound = false;
                    break;
                }
            }
        }
        self.region(building, env);
    }

    /// The count; `Err` where there is none to go on with, `Ok(None)` where it is wrong.
    fn count(&mut self, count: &Expr, env: &mut Env) -> Result<Option<u64>, ()> {
        let counted = self.expr(count, env);
        let origin = if let Some(Val::Static(n)) = &counted { n.origin } else { count.span };
        let n = counted.and_then(|value| self.whole_number("the count of a repeat", value, count.span));
        if let Some(n) = n.filter(|n| *n > MAX_COUNT) {
            let mut diagnostic = Diagnostic::error(code::TOO_MANY, format!("a repeat of {}", grouped(n)))
                .at(origin, format!("at most {} are possible", grouped(MAX_COUNT)));
            if origin != count.span {
                diagnostic = diagnostic.also(count.span, "repeated so often");
            }
            self.report(diagnostic);
            return Err(());
        }
        Ok(n)
    }

    /// After an error: what a repeat would have assigned has no value.
    fn abandon(&mut self, assigned: &BTreeMap<&str, Span>, collects: &BTreeMap<&str, Span>, env: &mut Env) {
        let known = assigned.keys().filter(|name| env.locals.contains_key(**name));
        for name in known.chain(collects.keys()).map(|name| name.to_string()).collect::<Vec<_>>() {
            env.locals.insert(name, Val::Failed);
        }
    }

    /// Sorts the names that the body assigns: those from outside are carried.
    fn carry(&mut self, building: &mut Loop<'_>, body: &[Stmt], env: &mut Env) {
        for (name, bound) in assigned(body, true) {
            // What is carried from an earlier index of a repeat around this one is read from there.
            if let Some(Val::Late(level)) = env.locals.get(name)
                && let Some(tensor) = self.late(*level, name, bound)
            {
                env.locals.insert(name.to_string(), Val::Tensor(tensor));
            }
            match env.locals.get(name) {
                Some(Val::Tensor(tensor)) => {
                    let ty = self.type_of(tensor);
                    building.carried.push((name.to_string(), tensor.clone(), ty));
                }
                Some(Val::Failed) => {}
                Some(other) => {
                    let kind = other.kind();
                    self.report(
                        Diagnostic::error(
                            code::TENSOR_OR_NUMBER,
                            format!("`{name}` is {kind}, which cannot change from layer to layer"),
                        )
                        .at(building.span, "assigned in this repeat")
                        .help("only tensors are carried; use another name"),
                    );
                    building.sound = false;
                }
                None => {
                    building.late.insert(name.to_string(), (bound, Late::Unassigned));
                }
            }
        }
    }

    /// Elaborates the body for one index. Gives the indices that are left: those that do not share it.
    fn one_body(
        &mut self,
        building: &mut Loop<'_>,
        index: u64,
        remaining: Vec<u64>,
        label: Option<&Ident>,
        body: &[Stmt],
        n_errors: usize,
        env: &Env,
    ) -> Option<Vec<u64>> {
        let (depth, level) = (self.frames.len(), self.levels.len());
        let (ordinal, first_param) = (building.bodies.len() as u32, self.graph.params.len());
        let mut frame = Frame::default();
        let mut inner = Env { level: Some(level), ..env.clone() };
        for (i, (name, tensor, ty)) in building.carried.iter().enumerate() {
            let value = frame.argument(Argument::Carried(i), ty.clone());
            inner.locals.insert(name.clone(), Val::Tensor(Tensor { frame: depth, value, ..tensor.clone() }));
        }
        for (name, (bound, late)) in &building.late {
            let bound = *bound;
            match late {
                Late::Assigned { .. } => {
                    inner.locals.insert(name.clone(), Val::Late(level));
                }
                Late::Failed => {
                    inner.locals.insert(name.clone(), Val::Failed);
                }
                Late::Unassigned => {
                    inner.unbound.insert(name.clone(), Unbound::Unassigned { bound });
                }
                Late::Other { kind, index } => {
                    inner.unbound.insert(name.clone(), Unbound::NotCarried { kind, index: *index, bound });
                }
            }
        }
        let text = label.map(|l| l.text.clone());
        let mut here = Level::new(building.region, ordinal, text, building.count, index);
        here.late = building.late.iter().map(|(name, (_, late))| (name.clone(), late.clone())).collect();
        here.n_errors = (n_errors, self.n_errors);
        self.frames.push(frame);
        self.levels.push(here);
        let scope = self.scope.len();
        self.scope.push(Part { text: building.label.clone(), level: Some(level) });
        self.scope.push(Part { text: "*".into(), level: Some(level) });
        if let Some(label) = label
            && let Some(value) = self.index(label.span)
        {
            inner.locals.insert(label.text.clone(), Val::Static(value));
        }
        self.statements(body, &mut inner);
        self.scope.truncate(scope);

        let (carried, late) = self.results_of(building, index, &inner);
        let collected = self.levels.last_mut().map(|here| std::mem::take(&mut here.collected)).unwrap_or_default();
        let collected: BTreeMap<String, Value> =
            collected.into_iter().map(|(name, tensor)| (name, self.here(&tensor))).collect();
        let shared = self.members(remaining, building.span);
        let members = shared.as_ref().map_or(Indices::of_ranges([(index, 1)]), |(members, _)| ranges(members));
        building.sound &= self.picks_are_in_range(&members);
        self.levels.pop();
        let frame = self.frames.pop()?;
        self.params_exist_at(first_param, building.region, &members);
        building.sound &= carried.len() == building.carried.len();
        building.bodies.push(Elaborated { frame, index, members, carried, late, late_results: vec![], collected });
        shared.map(|(_, rest)| rest)
    }

    /// What a body leaves in the names that go from index to index: what the next one gets has to be what
    /// this one got.
    fn results_of(
        &mut self,
        building: &mut Loop<'_>,
        index: u64,
        inner: &Env,
    ) -> (Vec<Value>, BTreeMap<String, Tensor>) {
        let mut carried = vec![];
        for (name, before, ty) in &building.carried {
            let after = match inner.locals.get(name) {
                Some(Val::Tensor(after)) => after.clone(),
                None | Some(Val::Failed) => continue,
                Some(other) => {
                    let message = format!("a layer makes `{name}` {}, which is not carried", other.kind());
                    self.report(
                        Diagnostic::error(code::TENSOR_OR_NUMBER, message)
                            .at(building.span, "assigned in this repeat")
                            .also(before.span, format!("before the repeat it is {ty}"))
                            .help("only tensors are carried; use another name"),
                    );
                    continue;
                }
            };
            let got = self.type_of(&after);
            if got != *ty {
                self.report(
                    Diagnostic::error(code::CARRIED_SHAPE, format!("a layer turns `{name}` from {ty} into {got}"))
                        .at(after.span, format!("this is {got}"))
                        .also(before.span, format!("before the repeat it is {ty}"))
                        .help("the next layer has to be able to take what this one gives"),
                );
                continue;
            }
            carried.push(self.here(&after));
        }
        let mut left = BTreeMap::new();
        for (name, (_, late)) in &mut building.late {
            match inner.locals.get(name) {
                None | Some(Val::Late(_)) => {}
                Some(Val::Failed) => *late = Late::Failed,
                Some(Val::Tensor(tensor)) => {
                    left.insert(name.clone(), tensor.clone());
                    if !matches!(late, Late::Assigned { .. }) {
                        *late = Late::Assigned { ty: self.type_of(tensor), width: tensor.width };
                    }
                }
                Some(other) => *late = Late::Other { kind: other.kind(), index },
            }
        }
        (carried, left)
    }

    /// A name that the repeat at this level carries since an earlier index, read in its body.
    pub(super) fn late(&mut self, level: usize, name: &str, span: Span) -> Option<Tensor> {
        let Some(Late::Assigned { ty, width, .. }) = self.levels.get(level)?.late.get(name) else { return None };
        let (ty, width) = (ty.clone(), *width);
        let frame = self.frames.get_mut(level + 1)?;
        let value = match frame.late.get(name) {
            Some(value) => *value,
            None => {
                let value = frame.argument(Argument::Late(name.to_string()), ty);
                frame.late.insert(name.to_string(), value);
                value
            }
        };
        Some(Tensor { frame: level + 1, value, span, width })
    }

    fn too_many_bodies(&mut self, building: &Loop<'_>, at: Span) {
        let message = format!("`{}` has more than {MAX_BODIES} different layers", building.label);
        self.report(
            Diagnostic::error(code::TOO_MANY, message)
                .at(at, format!("at most {MAX_BODIES} are possible, and {} are asked for", grouped(building.count)))
                .help("let layers differ in a few ways: `i % 4 == 3`, `i < 2`, `i in [0, 5]`"),
        );
    }
}

/// Rising indices as ranges.
fn ranges(indices: &[u64]) -> Indices {
    let mut ranges: Vec<(u64, u64)> = vec![];
    for index in indices {
        match ranges.last_mut() {
            Some((first, count)) if *first + *count == *index => *count += 1,
            _ => ranges.push((*index, 1)),
        }
    }
    Indices::of_ranges(ranges)
}
