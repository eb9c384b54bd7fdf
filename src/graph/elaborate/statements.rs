//! Statements of a block: bindings, choices, requirements, results.

use super::{Atom, Builder, Diagnostic, Env, Expr, ExprKind, Fixed, Span, Stmt, Unbound, Val, ast, code};
use crate::ast::{BinaryOp, Ident};
use crate::resolve::names::assigned;

/// How statements end.
pub(super) enum Flow {
    Through,
    Returned(Option<Val>),
}

impl Builder<'_> {
    /// Runs the body of a block; gives what `return` returns.
    pub(super) fn run(&mut self, stmts: &[Stmt], env: &mut Env) -> Option<Val> {
        match self.statements(stmts, env) {
            Flow::Returned(value) => value,
            // Reported by resolve.
            Flow::Through => None,
        }
    }

    /// After an error the rest still runs, so that all mistakes show; names that an error left unbound
    /// are not reported again.
    pub(super) fn statements(&mut self, stmts: &[Stmt], env: &mut Env) -> Flow {
        for stmt in stmts {
            match stmt {
                Stmt::Bind { targets, value, span } => {
                    let value = self.expr(value, env);
                    self.bind(targets, value, *span, env);
                }
                Stmt::Repeat { count, label, body, span } => self.repeat(count, label.as_ref(), body, *span, env),
                Stmt::If { branches, otherwise, .. } => {
                    if let Flow::Returned(value) = self.choose(branches, otherwise.as_deref(), env) {
                        return Flow::Returned(value);
                    }
                }
                Stmt::Require { condition, text, .. } => self.require(condition, text.as_deref(), env),
                Stmt::Collect { target, value, .. } => self.collect(target, value, env),
                Stmt::Return { values, .. } => {
                    return Flow::Returned(match values.as_slice() {
                        [only] => self.expr(only, env),
                        several => {
                            let values: Vec<Option<Val>> = several.iter().map(|v| self.single(v, env)).collect();
                            values.into_iter().collect::<Option<Vec<Val>>>().map(Val::Many)
                        }
                    });
                }
            }
        }
        Flow::Through
    }

    fn bind(&mut self, targets: &[Ident], value: Option<Val>, span: Span, env: &mut Env) {
        let values = match (targets, value) {
            (targets, None) => targets.iter().map(|_| Val::Failed).collect(),
            ([_], Some(Val::Many(values))) => self.return_count(1, values.len(), span),
            ([_], Some(value)) => vec![value],
            (targets, Some(Val::Many(values))) if values.len() == targets.len() => values,
            (targets, Some(value)) => {
                let n = if let Val::Many(values) = &value { values.len() } else { 1 };
                self.return_count(targets.len(), n, span)
            }
        };
        for (target, value) in targets.iter().zip(values) {
            env.unbound.remove(&target.text);
            env.locals.insert(target.text.clone(), value);
        }
    }

    /// One value of several: not several itself, or a line could double what the one before made.
    pub(super) fn single(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        match self.expr(expr, env)? {
            many @ Val::Many(_) => self.wanted("a single value", &many, expr.span),
            value => Some(value),
        }
    }

    fn return_count(&mut self, wanted: usize, got: usize, span: Span) -> Vec<Val> {
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        self.report(
            Diagnostic::error(code::RETURN_COUNT, format!("{} for {}", plural(wanted, "name"), plural(got, "value")))
                .at(span, "these do not match")
                .help("write one name per value: `(y, v) = f(x)`"),
        );
        vec![Val::Failed; wanted]
    }

    /// Runs the branch whose condition holds. What it binds stays bound.
    fn choose(&mut self, branches: &[(Expr, Vec<Stmt>)], otherwise: Option<&[Stmt]>, env: &mut Env) -> Flow {
        let mut taken = branches.len();
        for (i, (condition, _)) in branches.iter().enumerate() {
            match self.condition(condition, env) {
                Some(false) => {}
                Some(true) => {
                    taken = i;
                    break;
                }
                None => {
                    let bodies = branches.iter().map(|(_, body)| body.as_slice()).chain(otherwise);
                    for (name, _) in bodies.flat_map(|body| assigned(body, false)) {
                        env.locals.insert(name.to_string(), Val::Failed);
                    }
                    return Flow::Through;
                }
            }
        }
        let body = branches.get(taken).map(|(_, body)| body.as_slice()).or(otherwise);
        let flow = body.map_or(Flow::Through, |body| self.statements(body, env));
        // What the others would have bound, in case that it is read.
        let held = branches.get(taken).map(|(condition, _)| condition.span);
        for (i, (condition, body)) in branches.iter().enumerate().filter(|(i, _)| *i != taken) {
            let (condition, held) =
                if i < taken { (condition.span, false) } else { (held.unwrap_or(condition.span), true) };
            untaken(body, condition, held, env);
        }
        if let (Some(condition), Some(body)) = (held, otherwise) {
            untaken(body, condition, true, env);
        }
        flow
    }

    /// A condition, which is known before the run.
    pub(super) fn condition(&mut self, expr: &Expr, env: &mut Env) -> Option<bool> {
        let fixed = self.truth(expr, env)?;
        self.know(fixed).to_bool()
    }

    /// A static truth, not yet asked for.
    pub(super) fn truth(&mut self, expr: &Expr, env: &mut Env) -> Option<Fixed> {
        match self.expr(expr, env)? {
            Val::Static(fixed) if fixed.is_bool() => Some(fixed),
            value @ (Val::Tensor(_) | Val::List(_)) => {
                let what = value.kind();
                self.report(
                    Diagnostic::error(code::TENSOR_OR_NUMBER, format!("a condition on {what}"))
                        .at(expr.span, format!("this is {what}, whose values only the run knows"))
                        .help(
                            "a condition is made of numbers, switches and indices; to choose by the values of a tensor, \
                             multiply with a gate: `x * sigmoid(g)`",
                        ),
                );
                None
            }
            other => {
                self.wanted("true or false", &other, expr.span);
                None
            }
        }
    }

    fn require(&mut self, condition: &Expr, text: Option<&str>, env: &mut Env) {
        if self.condition(condition, env) != Some(false) {
            return;
        }
        let message = match text {
            Some(text) => format!("a requirement is not met: {text}"),
            None => "a requirement is not met".to_string(),
        };
        let call = self.calls.last().copied().unwrap_or(condition.span);
        let part = self.failing_part(condition, env);
        let mut diagnostic = Diagnostic::error(code::REQUIREMENT, message).at(call, "by this call");
        let mut says = "this does not hold".to_string();
        if let ExprKind::Binary { op, left, right, .. } = &part.kind
            && op.is_logical()
            && let Some(Val::Static(a)) = self.expr(left, env)
        {
            says = format!("the left side is {}", a.shown());
            let mut sides = vec![a];
            if *op != BinaryOp::In
                && let Some(Val::Static(b)) = self.expr(right, env)
            {
                says = format!("{says}, the right side is {}", b.shown());
                sides.push(b);
            }
            diagnostic = diagnostic.also(part.span, says.clone());
            let within =
                |span: Span| span.file == part.span.file && span.start >= part.span.start && span.end <= part.span.end;
            for side in sides.into_iter().filter(|side| !within(side.origin)) {
                diagnostic = diagnostic.also(side.origin, format!("{} comes from here", side.shown()));
            }
        } else {
            diagnostic = diagnostic.also(part.span, says);
        }
        self.report(diagnostic.help("change what the call is given, or the requirement"));
    }

    /// The part of a condition that does not hold: of several that have to, the first.
    fn failing_part<'e>(&mut self, condition: &'e Expr, env: &mut Env) -> &'e Expr {
        if let ExprKind::Binary { op: BinaryOp::And, left, right, .. } = &condition.kind {
            return match self.expr(left, env) {
                Some(Val::Static(fixed)) if fixed.shown() == Atom::Bool(false) => self.failing_part(left, env),
                _ => self.failing_part(right, env),
            };
        }
        condition
    }

    /// `collect NAME = e`: resolve has seen that it stands in the body of a repeat.
    fn collect(&mut self, target: &Ident, value: &Expr, env: &mut Env) {
        let value = match self.expr(value, env) {
            Some(Val::Tensor(tensor)) => tensor,
            Some(other) => {
                self.wanted("a tensor to be collected", &other, value.span);
                return;
            }
            None => return,
        };
        if let Some(level) = env.level.and_then(|level| self.levels.get_mut(level)) {
            level.collected.insert(target.text.clone(), value);
        }
    }
}

/// Notes names that a branch which is not taken would have bound.
fn untaken(body: &[Stmt], condition: Span, held: bool, env: &mut Env) {
    for (name, bound) in assigned(body, false) {
        if !env.locals.contains_key(name) {
            env.unbound.entry(name.to_string()).or_insert(Unbound::Untaken { condition, held, bound });
        }
    }
}

pub(super) fn span_of(stmt: &ast::Stmt) -> Span {
    match stmt {
        Stmt::Bind { span, .. } | Stmt::Repeat { span, .. } | Stmt::Return { span, .. } => *span,
        Stmt::If { span, .. } | Stmt::Require { span, .. } | Stmt::Collect { span, .. } => *span,
    }
}
