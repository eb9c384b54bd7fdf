//! `repeat`: one elaboration of its body, whatever the count.

use super::frames::Frame;
use super::{Builder, Diagnostic, Env, Expr, Span, Stmt, Tensor, Val, Value, code};
use crate::ast::Ident;
use crate::base::number::grouped;
use crate::graph::{Node, Op, Region, Run};
use std::collections::BTreeSet;

/// Layers of one repeat.
const MAX_COUNT: u64 = 100_000;

impl Builder<'_> {
    pub(super) fn repeat(
        &mut self,
        count: &Expr,
        label: Option<&Ident>,
        body: &[Stmt],
        span: Span,
        env: &mut Env,
    ) -> Option<()> {
        let counted = self.expr(count, env);
        let origin = if let Some(Val::Number(n)) = &counted { n.origin } else { count.span };
        let n = counted.and_then(|value| self.whole_number("the count of a repeat", value, count.span));
        if let Some(n) = n.filter(|n| *n > MAX_COUNT) {
            let mut diagnostic = Diagnostic::error(code::TOO_MANY, format!("a repeat of {}", grouped(n)))
                .at(origin, format!("at most {} are possible", grouped(MAX_COUNT)));
            if origin != count.span {
                diagnostic = diagnostic.also(count.span, "repeated so often");
            }
            self.report(diagnostic);
            return None;
        }
        // The body starts with a copy of all names.
        if !self.work(env.locals.len(), span) {
            return None;
        }
        // A body is looked at once even where the count is wrong, for its own mistakes.
        let n = n.unwrap_or(1);
        if n == 0 {
            return Some(());
        }

        // What the body assigns and the outside has is carried from layer to layer.
        let mut assigned = BTreeSet::new();
        names_assigned(body, &mut assigned);
        let mut carried: Vec<(String, Tensor)> = vec![];
        for name in assigned {
            match env.locals.get(name) {
                Some(Val::Tensor(tensor)) => carried.push((name.to_string(), tensor.clone())),
                Some(other) => {
                    let kind = other.kind();
                    self.report(
                        Diagnostic::error(
                            code::TENSOR_OR_NUMBER,
                            format!("`{name}` is {kind}, which cannot change from layer to layer"),
                        )
                        .at(span, "assigned in this repeat")
                        .help("only tensors are carried; use another name"),
                    );
                }
                None => {}
            }
        }
        let initial: Vec<Value> = carried.iter().map(|(_, t)| self.here(t)).collect();
        let types: Vec<_> = carried.iter().map(|(_, t)| self.type_of(t)).collect();
        let mut frame = Frame { n_carried: carried.len(), count: Some(n), ..Frame::default() };
        let depth = self.frames.len();
        let mut inner = env.clone();
        for (i, ((name, tensor), ty)) in carried.iter().zip(&types).enumerate() {
            let node = Node { op: Op::Argument(i), span: None, scope: String::new(), types: vec![ty.clone()] };
            let value = Value { node: frame.body.add(node, &[]), port: 0 };
            frame.body.arguments.push(ty.clone());
            inner.locals.insert(name.clone(), Val::Tensor(Tensor { frame: depth, value, ..tensor.clone() }));
        }
        if let Some(label) = label {
            inner.locals.insert(label.text.clone(), Val::Label);
        }
        let name = label.map_or("repeat", |l| &l.text).to_string();
        self.frames.push(frame);
        self.scope.extend([name.clone(), "*".into()]);
        self.body(body, &mut inner);
        self.scope.truncate(self.scope.len() - 2);

        // What the next layer gets has to be what this one got.
        let mut results = vec![];
        for ((name, before), ty) in carried.iter().zip(&types) {
            let Some(Val::Tensor(after)) = inner.locals.get(name).cloned() else { continue };
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
            let value = self.here(&after);
            results.push((name.clone(), before.clone(), value));
        }
        let complete = results.len() == carried.len();
        if let Some(frame) = self.frames.last_mut() {
            frame.body.results = results.iter().map(|(_, _, v)| *v).collect();
        }
        let (body, frame) = self.close_frame()?;
        if !complete {
            for (name, _) in &carried {
                env.locals.remove(name);
            }
            return None;
        }
        let inputs: Vec<Value> = initial.iter().chain(&frame.invariants).copied().collect();
        let region = Region {
            label: name,
            runs: vec![Run { body, first: 0, count: n }],
            n_carried: carried.len(),
            n_invariant: frame.invariants.len(),
            mapped: vec![],
            collected: vec![],
            reversed: false,
        };
        let node = self.add(Op::Repeat(region), &inputs, types, span)?.node;
        for (port, (name, before, _)) in results.into_iter().enumerate() {
            let value = Value { node, port: port as u16 };
            env.locals.insert(name, Val::Tensor(Tensor { frame: self.frames.len() - 1, value, ..before }));
        }
        Some(())
    }
}

fn names_assigned<'a>(body: &'a [Stmt], into: &mut BTreeSet<&'a str>) {
    for stmt in body {
        match stmt {
            Stmt::Bind { targets, .. } => into.extend(targets.iter().map(|t| t.text.as_str())),
            Stmt::Repeat { body, .. } => names_assigned(body, into),
            Stmt::Return { .. } | Stmt::If { .. } | Stmt::Require { .. } | Stmt::Collect { .. } => {}
        }
    }
}
