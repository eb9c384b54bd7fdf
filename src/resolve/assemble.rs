//! The text of an experiment to a [`ResolvedSpec`]: bases laid under it, definitions opened, arms laid over
//! the fields they share, `--set` over all, axes read.

use super::eval::{Eval, expected_kind};
use super::experiment::{ARM_FIELDS, ResolvedArm, ResolvedSpec, SetValue, lay, unknown_field};
use super::grid::{self, Fixed};
use super::library::{DefId, Kind, Library};
use super::point::{Axis, Point};
use super::sweep::{self, Sweep, Written, covers};
use super::value::{Layer, Node, Origin, Record, Value, overlay};
use crate::ast::{self, Expr, ExprKind, Item};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, SourceMap, Span};
use indexmap::IndexMap;
use std::sync::Arc;

/// Arms of an experiment.
const MAX_ARMS: usize = 64;
const EXPERIMENT_FIELDS: &[&str] = &[
    "cite",
    "model",
    "objective",
    "data",
    "train",
    "eval",
    "arms",
    "factors",
    "sweep",
    "replicates",
    "expect",
    "allow",
];

pub struct Assembly<'a, 'e> {
    pub eval: &'a mut Eval<'e>,
    pub library: &'a Arc<Library>,
    pub map: &'a SourceMap,
}

/// The fields of an experiment, its bases' below its own.
#[derive(Default)]
struct Parts {
    fields: Record,
    sweep: Vec<Written>,
    sweep_span: Option<Span>,
    claims: Vec<ast::Claim>,
}

impl Assembly<'_, '_> {
    pub fn experiment(
        &mut self,
        id: DefId,
        definition: &ast::Definition,
        overrides: &[(Vec<ast::Ident>, Expr, Arc<str>)],
    ) -> ResolvedSpec {
        let name = &definition.name;
        let mut parts = Parts::default();
        for (depth, part) in self.bases(id, definition).iter().enumerate() {
            self.lay_part(part, depth as u16, &mut parts);
        }
        let mut fields = parts.fields;
        let mut take = |field: &str| fields.fields.shift_remove(field);
        let arms = take("arms");
        let factors = take("factors").map(|(_, n)| n);
        let cite = take("cite").map(|(_, n)| n);
        let allow = take("allow").map(|(_, n)| n);
        let replicates = take("replicates").map(|(_, n)| n);
        let expect = take("expect");
        for (field, node) in [("cite", &cite), ("factors", &factors), ("allow", &allow), ("replicates", &replicates)] {
            node.iter().for_each(|node| self.eval.nothing_assumed(field, node));
        }
        fields.fields.retain(|name, _| ARM_FIELDS.contains(&name.as_str()));
        let expect = self.expect(expect, !parts.claims.is_empty());
        let overrides = self.overrides(overrides);
        let arms_span = arms.as_ref().map_or(name.span, |(span, _)| *span);
        let arms = self.arms(name, arms, &fields, &overrides);
        let before = self.eval.out.n_errors();
        let mut sweep = match parts.sweep_span {
            Some(span) => sweep::read(&parts.sweep, span, ARM_FIELDS, self.map, self.eval),
            None => Sweep::default(),
        };
        self.open_settings(&mut sweep);
        self.report_arms(&sweep, &arms);
        collapse(&mut sweep, &overrides);
        let mut replicates = replicates.and_then(|node| sweep::replicates(&node, self.eval));
        let mut points = vec![];
        if self.eval.out.n_errors() == before {
            points = self.points(&sweep, replicates.as_ref(), &fields, &arms, &overrides);
        }
        if points.is_empty() {
            // Where the sweep is wrong, the arms are looked at without it.
            (sweep, replicates, points) = (Sweep::default(), None, vec![Point::default()]);
        }
        ResolvedSpec {
            name: name.text.clone(),
            span: name.span,
            library: self.library.clone(),
            doc: None,
            cite,
            arms,
            factors,
            allow,
            expect,
            claims: parts.claims,
            arms_span,
            axes: sweep.axes.iter().cloned().chain(replicates).collect(),
            points,
            collapsed: std::mem::take(&mut sweep.collapsed),
            is_part: false,
            sweep,
            overrides,
            opened: self.eval.opened.clone(),
        }
    }

    /// The experiments that this one extends, the first one first, and itself.
    fn bases(&mut self, id: DefId, definition: &ast::Definition) -> Vec<ast::Definition> {
        let mut chain = vec![definition.clone()];
        let mut seen = vec![id];
        let mut base = definition.base.clone();
        while let Some(name) = base.take() {
            let file = name.span.file;
            let Some(id) = self.library.find(file, Kind::Experiment, &name.text, name.span, self.eval.out) else {
                break;
            };
            if seen.contains(&id) {
                self.eval.out.push(
                    Diagnostic::error(code::CIRCULAR_VALUE, format!("`{}` is made of itself", name.text))
                        .at(name.span, "this closes the circle")
                        .help("give one of them fields of its own"),
                );
                break;
            }
            seen.push(id);
            if let Some(def) = self.library.def(id)
                && let Item::Experiment(other) = &*def.item
            {
                base = other.base.clone();
                chain.push(other.clone());
            }
        }
        chain.reverse();
        chain
    }

    /// Lays one definition's fields over those of its bases.
    fn lay_part(&mut self, definition: &ast::Definition, depth: u16, parts: &mut Parts) {
        let mut plain: Vec<ast::Field> = vec![];
        let mut sweep: Vec<Written> = vec![];
        let mut sweep_at: Option<Span> = None;
        for field in &definition.fields {
            match (field.path.as_slice(), &field.value.kind) {
                ([first], ExprKind::Record(fields)) if first.text == "sweep" => {
                    self.report_twice(first, sweep_at);
                    sweep_at = Some(first.span);
                    sweep.extend(fields.iter().filter_map(|f| self.swept(f)));
                }
                ([first, rest @ ..], _) if first.text == "sweep" && !rest.is_empty() => {
                    sweep_at = sweep_at.or(Some(first.span));
                    sweep.push((rest.to_vec(), field.value.clone()));
                }
                ([first], _) if first.text == "sweep" => self.eval.out.push(
                    Diagnostic::error(code::BAD_SWEEP, "`sweep` is a record of axes")
                        .at(field.value.span, "not that")
                        .help("for example `sweep: { data.unique: [0.5B, 1B] tokens }`"),
                ),
                ([first], ExprKind::Claims(claims)) => {
                    parts.claims = claims.clone();
                    let _ = first;
                    plain.push(field.clone());
                }
                _ => plain.push(field.clone()),
            }
        }
        let mut own: IndexMap<String, Span> = IndexMap::new();
        for (path, expr) in sweep {
            let dotted = sweep::dotted(&path);
            let at = path.iter().map(|p| p.span).reduce(Span::to).unwrap_or(expr.span);
            if let Some(first) = own.insert(dotted.clone(), at) {
                self.eval.out.push(
                    Diagnostic::error(code::DUPLICATE_FIELD, format!("`{dotted}` is given twice"))
                        .at(at, "again here")
                        .also(first, "first here")
                        .help("keep one of them"),
                );
                continue;
            }
            // An axis of the base gives way to one of the same path.
            parts.sweep.retain(|(other, _)| sweep::dotted(other) != dotted);
            parts.sweep.push((path, expr));
        }
        parts.sweep_span = sweep_at.or(parts.sweep_span);
        let mut fields = self.eval.within(Layer::Experiment, depth, |eval| eval.record(&plain));
        self.known_fields(&mut fields);
        self.open_fields(&mut fields);
        if let Some((_, Node { value: Value::Record(arms), .. })) = fields.fields.get_mut("arms") {
            self.bound_arms(&definition.name, arms);
            for (_, arm) in arms.fields.values_mut() {
                if let Value::Record(fields) = &mut arm.value {
                    self.open_fields(fields);
                }
            }
        }
        let origin = Origin::new(Layer::Experiment, definition.name.span);
        let under = std::mem::take(&mut parts.fields);
        let mut whole = Node::new(Value::Record(under), definition.name.span, origin.clone());
        overlay(&mut whole, Node::new(Value::Record(fields), definition.name.span, origin));
        if let Value::Record(record) = whole.value {
            parts.fields = record;
        }
    }

    fn report_twice(&mut self, name: &ast::Ident, first: Option<Span>) {
        if let Some(first) = first {
            self.eval.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", name.text))
                    .at(name.span, "again here")
                    .also(first, "first here")
                    .help("keep one of them"),
            );
        }
    }

    fn swept(&mut self, field: &ast::Field) -> Option<Written> {
        if field.path.is_empty() {
            self.eval.out.push(
                Diagnostic::error(code::SYNTAX, "an axis without a path")
                    .at(field.span, "write `path: [values]`")
                    .help("for example `data.unique: [0.5B, 1B] tokens`"),
            );
            return None;
        }
        Some((field.path.clone(), field.value.clone()))
    }

    /// Reports fields that no experiment has. A misspelt one goes on under the name that was meant, so that
    /// nothing follows from it.
    fn known_fields(&mut self, fields: &mut Record) {
        let mut misspelt = vec![];
        for (name, (span, node)) in &fields.fields {
            if !EXPERIMENT_FIELDS.contains(&name.as_str()) {
                self.eval.out.push(unknown_field("an experiment", name, *span, EXPERIMENT_FIELDS));
                misspelt.extend(suggest(name, EXPERIMENT_FIELDS.iter().copied()).map(|n| (n, *span, node.clone())));
            }
        }
        for (name, span, node) in misspelt {
            fields.fields.entry(name.to_string()).or_insert((span, node));
        }
        for node in fields.bare.drain(..) {
            self.eval.out.push(
                Diagnostic::error(code::SYNTAX, "an experiment's entries are `name: value`")
                    .at(node.span, "without a name"),
            );
        }
    }

    fn expect(&mut self, expect: Option<(Span, Node)>, is_read: bool) -> Record {
        match expect {
            Some((_, Node { value: Value::Record(record), .. })) => record,
            Some((span, node)) if !is_read => {
                self.eval.out.push(
                    Diagnostic::error(
                        code::WRONG_TYPE,
                        format!("`expect` is a record of claims, not {}", node.value.kind()),
                    )
                    .at(node.span, "here")
                    .also(span, "for this")
                    .help("write `expect: { crossover(loss(valid), of: mdm, under: ar) }`"),
                );
                Record::default()
            }
            _ => Record::default(),
        }
    }

    fn bound_arms(&mut self, name: &ast::Ident, arms: &mut Record) {
        if let Some((_, (beyond, _))) = arms.fields.get_index(MAX_ARMS) {
            self.eval.out.push(
                Diagnostic::error(code::TOO_MANY, format!("experiment `{}` has {} arms", name.text, arms.fields.len()))
                    .at(*beyond, format!("at most {MAX_ARMS} are possible"))
                    .help("make several experiments of it"),
            );
            arms.fields.truncate(MAX_ARMS);
        }
    }

    fn arms(
        &mut self,
        name: &ast::Ident,
        arms: Option<(Span, Node)>,
        fields: &Record,
        overrides: &[SetValue],
    ) -> Vec<ResolvedArm> {
        const HELP: &str = "write `arms: { ar: { objective: ar }, mdm: { objective: mdm } }`";
        match arms {
            Some((_, Node { value: Value::Record(mut record), .. })) if !record.fields.is_empty() => {
                self.bound_arms(name, &mut record);
                let arms = record.fields.into_iter();
                arms.map(|(arm, (span, node))| self.arm(arm, span, node, fields, overrides)).collect()
            }
            Some((span, node)) => {
                if node.value != Value::Faulty {
                    self.eval.out.push(
                        Diagnostic::error(
                            code::WRONG_TYPE,
                            format!("`arms` is a record of arms, not {}", node.value.kind()),
                        )
                        .at(node.span, "here")
                        .also(span, "for this")
                        .help(HELP),
                    );
                }
                vec![]
            }
            None => {
                self.eval.out.push(
                    Diagnostic::error(code::MISSING_FIELD, format!("experiment `{}` has no `arms`", name.text))
                        .at(name.span, "of this experiment")
                        .help(HELP),
                );
                vec![]
            }
        }
    }

    fn arm(&mut self, name: String, span: Span, node: Node, base: &Record, overrides: &[SetValue]) -> ResolvedArm {
        let mut arm = ResolvedArm { name, span, fields: base.clone(), sets: IndexMap::new() };
        match node.value {
            Value::Record(record) => {
                let layer = Layer::Arm(Arc::from(arm.name.as_str()));
                for (field, (field_span, mut value)) in record.fields {
                    if !ARM_FIELDS.contains(&field.as_str()) {
                        self.eval.out.push(unknown_field("an arm", &field, field_span, ARM_FIELDS));
                        continue;
                    }
                    leaves(&field, &value, &mut arm.sets);
                    value.for_each(&mut |inner| {
                        if inner.origin.layer == Layer::Experiment {
                            inner.origin.layer = layer.clone();
                        }
                    });
                    lay(&mut arm.fields, [field.as_str()].into_iter(), field_span, value);
                }
            }
            Value::Faulty => {}
            other => self.eval.out.push(
                Diagnostic::error(code::WRONG_TYPE, format!("an arm is a record, not {}", other.kind()))
                    .at(node.span, format!("for the arm `{}`", arm.name))
                    .help("write `{ objective: NAME }`"),
            ),
        }
        for set in overrides {
            let at = set.path.first().map_or(set.node.span, |p| p.span);
            lay(&mut arm.fields, set.path.iter().map(|p| p.text.as_str()), at, set.node.clone());
        }
        arm
    }

    fn overrides(&mut self, overrides: &[(Vec<ast::Ident>, Expr, Arc<str>)]) -> Vec<SetValue> {
        let mut values = vec![];
        for (path, expr, text) in overrides {
            let expected = match path.as_slice() {
                [only] => expected_kind(&only.text),
                _ => None,
            };
            let mut node = self.eval.within(Layer::Set(text.clone()), 0, |eval| eval.expr(expr, expected));
            if let [only] = path.as_slice() {
                self.open(&only.text, &mut node);
            }
            values.push(SetValue { path: path.clone(), node });
        }
        values
    }

    fn open_settings(&mut self, sweep: &mut Sweep) {
        for assignment in sweep.settings.iter_mut().flatten().flatten() {
            if let [only] = assignment.path.as_slice() {
                self.open(only, &mut assignment.node);
            }
        }
    }

    fn open_fields(&mut self, fields: &mut Record) {
        for (name, (_, node)) in &mut fields.fields {
            self.open(name, node);
        }
    }

    /// Replaces the name of a definition by what it defines, and marks the model of a call.
    fn open(&mut self, field: &str, node: &mut Node) {
        let kind = match expected_kind(field) {
            Some(kind) if kind != Kind::Schedule => kind,
            _ => return,
        };
        let (word, span) = match &node.value {
            Value::Word(word) => (word.clone(), node.span),
            Value::Call { name, name_span, .. } if kind == Kind::Model => (name.clone(), *name_span),
            _ => return,
        };
        let file = if span.file == node.span.file { self.eval.scope_of(node) } else { span.file };
        // An objective's name may also be a call without arguments, as `next_token`.
        let Some(id) = self.library.find(file, kind, &word, span, self.eval.out) else {
            node.value = Value::Faulty;
            self.eval.reached.extend(self.library.guess(file, kind, &word));
            return;
        };
        if kind == Kind::Model {
            self.eval.reached.insert(id);
            let args = match std::mem::replace(&mut node.value, Value::Faulty) {
                Value::Call { args, .. } => args,
                _ => Default::default(),
            };
            node.value = Value::Call { name: word, name_span: span, args: self.named_arguments(id, args) };
            return;
        }
        let mut opened = self.eval.open(id, span);
        opened.assume(&node.origin.assumed);
        node.origin.assume(&opened.origin.assumed);
        node.value = opened.value;
        node.span = opened.span;
    }

    /// A model's arguments by name, so that a stronger layer reaches those that were given by position.
    fn named_arguments(&self, model: DefId, mut args: super::value::Args) -> super::value::Args {
        args.def = Some(model);
        let Some(block) = self.library.block(model) else { return args };
        let names: Vec<&str> = block.params.iter().map(|p| p.name.text.as_str()).take(args.positional.len()).collect();
        if names.len() == args.positional.len() && !names.iter().any(|name| args.named.contains_key(*name)) {
            let mut named: IndexMap<String, (Span, Node)> = IndexMap::new();
            for (name, value) in names.into_iter().zip(args.positional.drain(..)) {
                named.insert(name.to_string(), (value.span, value));
            }
            named.extend(args.named);
            args.named = named;
        }
        args
    }

    /// What an arm sets, a stronger axis would silently replace.
    fn report_arms(&mut self, sweep: &Sweep, arms: &[ResolvedArm]) {
        for (axis, values) in sweep.axes.iter().zip(&sweep.settings) {
            let mut reported: Vec<&str> = vec![];
            for assignment in values.iter().flatten() {
                let clash = arms.iter().find_map(|arm| {
                    let mut set = arm.sets.iter();
                    set.find(|(path, _)| covers(&assignment.path, &split(path))).map(|(path, span)| (arm, path, span))
                });
                let Some((arm, path, span)) = clash.filter(|(_, path, _)| !reported.contains(&path.as_str())) else {
                    continue;
                };
                reported.push(path);
                self.eval.out.push(
                    Diagnostic::error(code::SWEPT_TWICE, format!("both the sweep and an arm set `{path}`"))
                        .at(assignment.at, format!("by the axis `{}`", axis.label))
                        .also(*span, format!("by the arm `{}`", arm.name))
                        .help("take it out of the arm, or out of the sweep"),
                );
            }
        }
    }

    fn points(
        &mut self,
        sweep: &Sweep,
        replicates: Option<&Axis>,
        fields: &Record,
        arms: &[ResolvedArm],
        overrides: &[SetValue],
    ) -> Vec<Point> {
        let mut fields = fields.clone();
        for set in overrides {
            let at = set.path.first().map_or(set.node.span, |p| p.span);
            lay(&mut fields, set.path.iter().map(|p| p.text.as_str()), at, set.node.clone());
        }
        let span = sweep.span.unwrap_or(Span::new(crate::base::FileId(0), 0, 0));
        let base = Node::new(Value::Record(fields), span, Origin::new(Layer::Experiment, span));
        let set: Vec<(Vec<String>, String)> =
            arms.iter().flat_map(|arm| arm.sets.keys().map(|path| (split(path), arm.name.clone()))).collect();
        let fixed = Fixed { base: &base, arms: &set, changed: !overrides.is_empty(), n_arms: arms.len().max(1) };
        grid::points(sweep, replicates, &fixed, self.eval)
    }
}

fn split(path: &str) -> Vec<String> {
    path.split('.').map(str::to_string).collect()
}

/// `--set` is stronger than an axis: what it sets the axis no longer does. An axis that is left with nothing
/// to set falls away, and of values that have become the same one stays.
fn collapse(sweep: &mut Sweep, overrides: &[SetValue]) {
    let mut set: IndexMap<String, Span> = IndexMap::new();
    for over in overrides {
        let path = over.path.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(".");
        leaves(&path, &over.node, &mut set);
    }
    let set: Vec<Vec<String>> = set.keys().map(|path| split(path)).collect();
    if set.is_empty() {
        return;
    }
    let mut gone = vec![];
    for (i, (axis, values)) in sweep.axes.iter_mut().zip(&mut sweep.settings).enumerate() {
        let before: usize = values.iter().map(Vec::len).sum();
        for assignments in values.iter_mut() {
            assignments.retain(|a| !set.iter().any(|path| covers(path, &a.path)));
        }
        if before == values.iter().map(Vec::len).sum::<usize>() {
            continue;
        }
        if values.iter().all(Vec::is_empty) {
            sweep.collapsed.push((axis.label.clone(), values.len()));
            gone.push(i);
            continue;
        }
        let all = std::mem::take(values);
        let texts = std::mem::take(&mut axis.values);
        for (assignments, text) in all.into_iter().zip(texts) {
            let same = |other: &Vec<sweep::Assignment>| {
                other.len() == assignments.len()
                    && other.iter().zip(&assignments).all(|(a, b)| a.path == b.path && a.node.value == b.node.value)
            };
            if !values.iter().any(same) {
                values.push(assignments);
                axis.values.push(text);
            }
        }
    }
    for i in gone.into_iter().rev() {
        sweep.axes.remove(i);
        sweep.settings.remove(i);
    }
}

/// The paths that a value sets, with their places.
fn leaves(path: &str, node: &Node, into: &mut IndexMap<String, Span>) {
    match &node.value {
        Value::Record(record) if record.def.is_none() => {
            for (name, (_, inner)) in &record.fields {
                leaves(&format!("{path}.{name}"), inner, into);
            }
        }
        _ => {
            into.insert(path.to_string(), node.origin.span);
        }
    }
}
