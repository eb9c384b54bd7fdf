//! Expressions: tensors are added and scaled, static values computed, names looked up.

use super::atoms::{Binary, Unary};
use super::calls::Site;
use super::fixed::Fixed;
use super::{
    Atom, Builder, Diagnostic, Dim, Elem, Env, Expr, ExprKind, Init, Input, MAX_DEPTH, MAX_WORK, Op, Span, Tensor,
    Type, Unbound, Val, Value, code,
};
use crate::ast::{BinaryOp, UnaryOp};
use crate::base::Diagnostics;
use crate::base::number::grouped;
use crate::graph::ops::{
    activation::Function,
    add::{Add, Second},
    cast::Cast,
    mul::Mul,
    offset::Offset,
    scale::Scale,
};
use crate::resolve::builtins::FUNCTIONS;
use std::collections::BTreeSet;

impl Builder<'_> {
    /// Whether there is still room for so much work; says once that there is not.
    pub(super) fn work(&mut self, n: usize, span: Span) -> bool {
        let before = self.n_work;
        self.n_work = self.n_work.saturating_add(n);
        if self.n_work > MAX_WORK && before <= MAX_WORK {
            self.report(
                Diagnostic::error(code::TOO_MANY, "the model takes too many steps to build")
                    .at(span, format!("given up after {} expressions", grouped(MAX_WORK as u64)))
                    .help("use `repeat` for layers that are alike"),
            );
        }
        self.n_work <= MAX_WORK
    }

    pub(super) fn expr(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        if !self.work(1, expr.span) {
            return None;
        }
        if self.depth >= MAX_DEPTH {
            self.report(
                Diagnostic::error(code::TOO_MANY, format!("expressions and calls nest deeper than {MAX_DEPTH}"))
                    .at(expr.span, "this one")
                    .help("give parts a name of their own"),
            );
            // The first says it.
            self.n_work = MAX_WORK + 1;
            return None;
        }
        self.depth += 1;
        let value = self.value(expr, env);
        self.depth -= 1;
        value
    }

    fn value(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        match &expr.kind {
            ExprKind::Number(lit) => {
                let number = match lit.unit {
                    Some((unit, _)) => lit.value.mul(unit.factor()),
                    None => lit.value,
                };
                Fixed::number(number, expr.span).map(Val::Static)
            }
            ExprKind::Bool(b) => Some(Val::Static(Fixed::new(Atom::Bool(*b), expr.span))),
            ExprKind::None => Some(Val::Static(Fixed::new(Atom::None, expr.span))),
            ExprKind::Name(name) => self.name(name, expr.span, env),
            ExprKind::Unary { op: UnaryOp::Not, operand } => {
                let truth = self.truth(operand, env)?;
                self.unary(Unary::Not, truth, expr.span).map(Val::Static)
            }
            ExprKind::Unary { op: UnaryOp::Neg, operand } => match self.expr(operand, env)? {
                Val::Static(n) if n.is_number() => self.unary(Unary::Neg, n, expr.span).map(Val::Static),
                Val::Tensor(t) => self.op(Scale { factor: -1.0 }.into(), &[t], expr.span).map(Val::Tensor),
                other => self.wanted("a tensor or a number", &other, operand.span),
            },
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
                self.either_or_both(*op, left, right, expr.span, env).map(Val::Static)
            }
            ExprKind::Binary { op: BinaryOp::In, left, right, .. } => {
                self.member(left, right, expr.span, env).map(Val::Static)
            }
            ExprKind::Binary { op, left, right, .. } => {
                let (a, b) = (self.expr(left, env), self.expr(right, env));
                self.combine(*op, a?, b?, expr)
            }
            ExprKind::Tuple(items) => {
                let values: Option<Vec<Val>> = items.iter().map(|e| self.single(e, env)).collect();
                Some(Val::Many(values?))
            }
            ExprKind::Call { callee, args, alias, share } => {
                let site = Site { name: alias.as_ref().unwrap_or(callee), share: share.is_some(), span: expr.span };
                self.call(callee, args, site, env)
            }
            ExprKind::If { branches, otherwise } => {
                for (condition, value) in branches {
                    if self.condition(condition, env)? {
                        return self.expr(value, env);
                    }
                }
                self.expr(otherwise, env)
            }
            // Reported by resolve.
            ExprKind::Str(_) | ExprKind::List { .. } | ExprKind::Record(_) => None,
            ExprKind::Range { .. } | ExprKind::Extend { .. } | ExprKind::Claims(_) => None,
        }
    }

    fn name(&mut self, name: &str, span: Span, env: &Env) -> Option<Val> {
        match env.locals.get(name) {
            Some(Val::Tensor(t)) => return Some(Val::Tensor(Tensor { span, ..t.clone() })),
            Some(Val::Late(level)) => return self.late(*level, name, span).map(Val::Tensor),
            Some(Val::Failed) => return None,
            Some(other) => return Some(other.clone()),
            None => {}
        }
        if let Some((dim, origin)) = env.dims.get(name) {
            return match dim {
                Dim::Fixed(n) => Fixed::whole(*n, origin.unwrap_or(span)).map(Val::Static),
                Dim::Batch | Dim::Time | Dim::Rows => {
                    self.report(
                        Diagnostic::error(code::DYNAMIC_SHAPE, format!("`{name}` is the symbolic dimension {dim}"))
                            .at(span, "a static number is wanted here")
                            .help(if *dim == Dim::Time {
                                "`seq` is the number of positions"
                            } else {
                                "nothing may depend on the batch size"
                            }),
                    );
                    None
                }
            };
        }
        match name {
            "tokens" => Some(Val::Tensor(self.input(Input::Tokens, span))),
            "positions" => Some(Val::Tensor(self.input(Input::Positions, span))),
            "t" => {
                if !self.inputs.noise_level {
                    self.report(
                        Diagnostic::error(
                            code::NO_NOISE_LEVEL,
                            "the model reads `t`, and this objective gives a sequence no noise level",
                        )
                        .at(span, "the noise level of a sequence")
                        .help("give this arm a model that does not read `t`, or an objective with a noise level"),
                    );
                }
                Some(Val::Tensor(self.input(Input::NoiseLevel, span)))
            }
            "seq" => Fixed::whole(self.inputs.seq, span).map(Val::Static),
            "vocab" => Fixed::whole(self.inputs.vocab, span).map(Val::Static),
            "zeros" => Some(Val::Init(Init::Zeros)),
            "ones" => Some(Val::Init(Init::Ones)),
            _ => {
                // Without an entry it is unknown, which resolve has reported.
                if let Some(unbound) = env.unbound.get(name).cloned() {
                    self.no_value(name, span, unbound, env);
                }
                None
            }
        }
    }

    /// A name that is bound on other ways than the one that was taken.
    fn no_value(&mut self, name: &str, span: Span, unbound: Unbound, env: &Env) {
        let place = || env.level.and_then(|level| self.levels.get(level)).map_or(String::new(), |level| level.place());
        let diagnostic = match unbound {
            Unbound::Untaken { condition, held, bound } => {
                let why = if held { "this holds, so the other branch is not taken" } else { "this does not hold" };
                Diagnostic::error(code::UNASSIGNED, format!("`{name}` has no value here"))
                    .at(span, "read here")
                    .also(bound, "bound here alone")
                    .also(condition, why)
                    .help("bind it in every branch, or before the `if`")
            }
            Unbound::Unassigned { bound } => {
                let message = format!("`{name}` is read at {} before anything is assigned to it", place());
                Diagnostic::error(code::UNASSIGNED, message)
                    .at(span, "no value yet")
                    .also(bound, "first assigned here")
                    .help("assign it before the repeat, or at an earlier index than it is read")
            }
            Unbound::NotCarried { kind, index, bound } => {
                let message = format!("`{name}` is {kind} of index {index}, which is gone at {}", place());
                Diagnostic::error(code::UNASSIGNED, message)
                    .at(span, "no value here")
                    .also(bound, "assigned here")
                    .help("only tensors are carried from index to index; make numbers of the label")
            }
        };
        self.report(diagnostic);
    }

    /// `and`, `or`. A right side that the left one makes unnecessary may be wrong (`n > 0 and 8 / n > 2`), and
    /// is looked at only for what it depends on.
    fn either_or_both(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span, env: &mut Env) -> Option<Fixed> {
        let f = Binary::of(op)?;
        let left = self.truth(left, env)?;
        if left.term().is_some() && !is_static(right) {
            self.know(left);
        }
        let decides = left.shown() == Atom::Bool(op == BinaryOp::Or);
        let right = if !decides {
            Some(self.truth(right, env)?)
        } else if left.term().is_some() && is_static(right) {
            self.quietly(|builder| builder.truth(right, env))
        } else {
            None
        };
        match right {
            Some(right) => self.binary(f, left, right, span),
            None => Some(Fixed::new(self.know(left), span)),
        }
    }

    /// What it gives, without what it reports.
    fn quietly<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let outer = (std::mem::take(self.out), std::mem::replace(&mut self.quiet, true));
        let result = f(self);
        let said = std::mem::replace(self.out, outer.0);
        self.quiet = outer.1;
        // Giving up is said in any case.
        let mut given_up = Diagnostics::default();
        said.iter().filter(|d| d.code == code::TOO_MANY).for_each(|d| given_up.push(d.clone()));
        self.out.extend(given_up);
        result
    }

    /// `x in [a, b]`, `x in low..high`
    fn member(&mut self, left: &Expr, right: &Expr, span: Span, env: &mut Env) -> Option<Fixed> {
        let x = self.fixed(left, env)?;
        match &right.kind {
            ExprKind::Range { low, high } => {
                let (low, high) = (self.fixed(low, env), self.fixed(high, env));
                let low = self.comparison(Binary::Ge, x, low?, span)?;
                let high = self.comparison(Binary::Le, x, high?, span)?;
                self.binary(Binary::And, low, high, span)
            }
            ExprKind::List { items, .. } => {
                let mut found = Fixed::new(Atom::Bool(false), span);
                for item in items {
                    let item = self.fixed(item, env)?;
                    let same = self.comparison(Binary::Eq, x, item, span)?;
                    found = self.binary(Binary::Or, found, same, span)?;
                }
                Some(found)
            }
            // Reported by resolve.
            _ => None,
        }
    }

    /// A static value that is no tensor.
    fn fixed(&mut self, expr: &Expr, env: &mut Env) -> Option<Fixed> {
        match self.expr(expr, env)? {
            Val::Static(fixed) => Some(fixed),
            other => {
                self.wanted("a number", &other, expr.span);
                None
            }
        }
    }

    fn comparison(&mut self, f: Binary, a: Fixed, b: Fixed, span: Span) -> Option<Fixed> {
        let result = self.binary(f, a, b, span);
        if result.is_none() {
            let message = format!("{} does not compare with {}", a.shown(), b.shown());
            self.report(
                Diagnostic::error(code::TENSOR_OR_NUMBER, message)
                    .at(span, format!("{} and {}", a.kind(), b.kind()))
                    .help("`<` and `>` compare numbers, `==` and `!=` also true with false"),
            );
        }
        result
    }

    fn combine(&mut self, op: BinaryOp, a: Val, b: Val, expr: &Expr) -> Option<Val> {
        let span = expr.span;
        match (a, b) {
            (Val::Static(a), Val::Static(b)) if op.is_logical() => {
                self.comparison(Binary::of(op)?, a, b, span).map(Val::Static)
            }
            (Val::Static(a), Val::Static(b)) if a.is_number() && b.is_number() => {
                self.arithmetic(op, a, b, span).map(Val::Static)
            }
            (Val::Tensor(a), Val::Tensor(b)) if !op.is_logical() => match op {
                BinaryOp::Add => self.commute(|second| Add { second }.into(), a, b, span),
                BinaryOp::Mul => self.commute(|second| Mul { second }.into(), a, b, span),
                BinaryOp::Sub => {
                    let b = self.op(Scale { factor: -1.0 }.into(), &[b], span)?;
                    self.commute(|second| Add { second }.into(), a, b, span)
                }
                _ => {
                    self.report(
                        Diagnostic::error(code::TENSOR_OR_NUMBER, format!("`{}` between tensors", op.symbol()))
                            .at(span, "tensors are added, subtracted and multiplied")
                            .help("a tensor is scaled with `*` and `/` by a number"),
                    );
                    None
                }
            },
            (Val::Tensor(t), Val::Static(n)) | (Val::Static(n), Val::Tensor(t))
                if op == BinaryOp::Mul && n.is_number() =>
            {
                let factor = self.know_number(n).to_f64();
                self.op(Scale { factor }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Static(n)) | (Val::Static(n), Val::Tensor(t))
                if op == BinaryOp::Add && n.is_number() =>
            {
                let by = self.know_number(n).to_f64();
                self.op(Offset { by }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Static(n)) if op == BinaryOp::Sub && n.is_number() => {
                let by = -self.know_number(n).to_f64();
                self.op(Offset { by }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Static(n), Val::Tensor(t)) if op == BinaryOp::Sub && n.is_number() => {
                let by = self.know_number(n).to_f64();
                let t = self.op(Scale { factor: -1.0 }.into(), &[t], span)?;
                self.op(Offset { by }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Static(n)) if op == BinaryOp::Div && n.is_number() => {
                let by = self.know_number(n).to_f64();
                if by == 0.0 {
                    self.report(
                        Diagnostic::error(code::BAD_ARITHMETIC, "a tensor divided by 0")
                            .at(span, "not a number anywhere")
                            .also(n.origin, "0 comes from here")
                            .help("divide by something else than 0"),
                    );
                    return None;
                }
                self.op(Scale { factor: 1.0 / by }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Failed, _) | (_, Val::Failed) => None,
            (a, b) => {
                let list = matches!(a, Val::List(_)) || matches!(b, Val::List(_));
                let both_static = matches!((&a, &b), (Val::Static(_), Val::Static(_)));
                self.report(
                    Diagnostic::error(
                        code::TENSOR_OR_NUMBER,
                        format!("`{}` between {} and {}", op.symbol(), a.kind(), b.kind()),
                    )
                    .at(span, "these do not combine")
                    .help(if list {
                        "`pick(list, k)` gives one tensor of a collected list"
                    } else if op.is_logical() {
                        "numbers, switches and indices compare; the values of a tensor only the run knows"
                    } else if both_static {
                        "numbers are computed with; what is true or false combines with `and`, `or` and `not`"
                    } else {
                        "a tensor takes a number with `+`, `-` and `*`, and is divided by one"
                    }),
                );
                None
            }
        }
    }

    fn arithmetic(&mut self, op: BinaryOp, a: Fixed, b: Fixed, span: Span) -> Option<Fixed> {
        let result = self.binary(Binary::of(op)?, a, b, span);
        if result.is_none() {
            let message = format!("{} {} {} has no value", a.shown(), op.symbol(), b.shown());
            let mut diagnostic = Diagnostic::error(code::BAD_ARITHMETIC, message)
                .at(span, "infinite, or not a number")
                .help("divide by something else than 0, and stay below 10^308");
            for n in [a, b] {
                // A number written in the expression itself needs no second mark.
                if n.origin.file != span.file || n.origin.end < span.start || n.origin.start > span.end {
                    diagnostic = diagnostic.also(n.origin, format!("{} comes from here", n.shown()));
                }
            }
            self.report(diagnostic);
        }
        result
    }

    /// A commutative operation, the larger operand first: the second is broadcast.
    fn commute(&mut self, op: impl Fn(Second) -> Op, a: Tensor, b: Tensor, span: Span) -> Option<Val> {
        let swap = self.type_of(&a).shape.len() < self.type_of(&b).shape.len();
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let second = Second::between(&self.type_of(&a), &self.type_of(&b));
        self.op(op(second), &[a, b], span).map(Val::Tensor)
    }

    /// Adds an operation, and gives its first result.
    pub(super) fn op(&mut self, op: Op, inputs: &[Tensor], span: Span) -> Option<Tensor> {
        self.results(op, inputs, span)?.into_iter().next()
    }

    /// Adds an operation; a mismatch names what every operand is. The noise level comes in wide precision;
    /// what computes with it gets it in the model's.
    pub(super) fn results(&mut self, op: Op, inputs: &[Tensor], span: Span) -> Option<Vec<Tensor>> {
        let keeps = match &op {
            Op::Scale(_) | Op::Offset(_) | Op::Sinusoid(_) | Op::Cast(_) => true,
            // A noise level is scaled after these: `-log(1 - t)`.
            Op::Activation(op) => matches!(op.function, Function::Exp | Function::Log),
            _ => false,
        };
        let inputs: Option<Vec<Tensor>> = inputs
            .iter()
            .map(|input| match self.type_of(input).elem {
                Elem::Wide if !keeps => self.op(Cast { wide: false }.into(), std::slice::from_ref(input), input.span),
                _ => Some(input.clone()),
            })
            .collect();
        let inputs = inputs?;
        let width = inputs.first().and_then(|t| t.width);
        let values: Vec<Value> = inputs.iter().map(|t| self.here(t)).collect();
        let types: Vec<Type> = inputs.iter().map(|t| self.type_of(t)).collect();
        let inferred = op.operation()?.infer(&types.iter().collect::<Vec<_>>());
        match inferred {
            Ok(types) => {
                let n = types.len();
                let value = self.add(op, &values, types, span)?;
                let frame = self.frames.len() - 1;
                let port = |port: usize| Value { port: port as u16, ..value };
                Some((0..n).map(|i| Tensor { frame, value: port(i), span, width }).collect())
            }
            Err(mismatch) => {
                let mut diagnostic = Diagnostic::error(code::SHAPE_MISMATCH, mismatch.to_string())
                    .at(span, format!("in this {}", op.name()));
                let mut marked = BTreeSet::new();
                for (tensor, ty) in inputs.iter().zip(&types) {
                    if tensor.span != span && marked.insert(tensor.span) {
                        diagnostic = diagnostic.also(tensor.span, format!("this is {ty}"));
                    }
                    if let Some(width) = tensor.width.filter(|w| marked.insert(*w)) {
                        diagnostic = diagnostic.also(width, "a width comes from here");
                    }
                }
                let help = match op.name() {
                    "attend" if types.iter().all(|ty| ty.shape.len() == 4) => {
                        "split k and v into as many heads as q, or into a number that divides it"
                    }
                    "attend" => "split the heads first: `split_heads(x, heads)` gives [B, heads, T, width]",
                    "add" | "mul" => {
                        "one shape ends like the other, or both begin with B and do; `linear(x, n)` makes a width of n"
                    }
                    _ => "`linear(x, n)` makes a width of n, `split_heads` and `merge_heads` the rest",
                };
                self.report(diagnostic.help(help));
                None
            }
        }
    }
}

/// Whether an expression makes no nodes: all that it calls are functions of numbers.
fn is_static(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Str(_) | ExprKind::Record(_) | ExprKind::Extend { .. } | ExprKind::Claims(_) => false,
        ExprKind::Call { callee, .. } if !FUNCTIONS.iter().any(|(name, _)| *name == callee.text) => false,
        _ => expr.parts().into_iter().all(is_static),
    }
}
