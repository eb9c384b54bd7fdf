//! What an expression of a claim is: a number of some quantity, a crossover, a best evaluation, or
//! something that is claimed. Everything that does not go together is said here.

use super::Reader;
use super::call::FORMS;
use super::types::{Arithmetic, Crossover, Gap, Measure, Progress, Quantity, Relation, Statement, Value};
use crate::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, UnaryOp};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Number, Span, Unit};
use crate::resolve::Value as NodeValue;

#[derive(Clone, Debug)]
pub(super) enum Typed {
    /// Written out, exact.
    Constant(Number, Option<Unit>),
    Number(Value, Quantity),
    Best(Measure),
    Onset(Measure),
    Crossover(Crossover),
    /// `left == right`, which still needs its tolerance.
    Equality(Value, Value, Quantity),
    Statement(Statement),
}

impl Typed {
    pub(super) fn words(&self) -> String {
        match self {
            Typed::Constant(..) => "a number".into(),
            Typed::Number(_, quantity) => quantity.words().into(),
            Typed::Best(_) => "the best evaluation of an arm".into(),
            Typed::Onset(_) => "the onset of overfitting".into(),
            Typed::Crossover(_) => "a crossover".into(),
            Typed::Equality(..) | Typed::Statement(Statement::Compare { .. }) => "a comparison".into(),
            Typed::Statement(_) => "a claim".into(),
        }
    }
}

impl Reader<'_, '_> {
    /// `None`: it is wrong, and reported.
    pub(super) fn typed(&mut self, expr: &Expr) -> Option<Typed> {
        let place = |reader: &mut Self, what: &str| {
            reader.report(
                Diagnostic::error(code::BAD_CLAIM, format!("{what} has no place in a claim"))
                    .at(expr.span, "a number, a crossover or a comparison is wanted here")
                    .help("for example `best(loss(valid), of: ARM) < 2`"),
            );
            None
        };
        match &expr.kind {
            ExprKind::Number(literal) => Some(Typed::Constant(literal.value, literal.unit.map(|(unit, _)| unit))),
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Call { callee, args, alias, share } => {
                if let Some(span) = alias.as_ref().map(|alias| alias.span).or(*share) {
                    self.report(
                        Diagnostic::error(code::NO_EFFECT, "a claim has no parameters to name or to share")
                            .at(span, "without effect here")
                            .help("take it out"),
                    );
                }
                self.call(callee, args, expr.span)
            }
            ExprKind::Unary { op: UnaryOp::Neg, operand } => match self.typed(operand)? {
                Typed::Constant(number, unit) => Some(Typed::Constant(number.neg(), unit)),
                other => {
                    let (value, quantity) = self.number(other, operand.span)?;
                    Some(Typed::Number(Value::Negative(Box::new(value)), quantity))
                }
            },
            ExprKind::Unary { op: UnaryOp::Not, .. } => {
                self.report(
                    Diagnostic::error(code::BAD_CLAIM, "a claim is turned around by `no`")
                        .at(expr.span, "`not` belongs to conditions")
                        .help("begin the line with `no`"),
                );
                None
            }
            ExprKind::Binary { op, op_span, left, right } => self.binary(*op, *op_span, left, right, expr.span),
            ExprKind::Bool(_) => place(self, "true or false"),
            ExprKind::Str(_) => place(self, "a text"),
            ExprKind::None => place(self, "`none`"),
            ExprKind::If { .. } => place(self, "`if`"),
            ExprKind::Range { .. } => place(self, "a range"),
            ExprKind::Tuple(_) | ExprKind::List { .. } => place(self, "a list"),
            ExprKind::Extend { .. } | ExprKind::Record(_) | ExprKind::Claims(_) => place(self, "a record"),
        }
    }

    /// The number that something is, with what it measures.
    pub(super) fn number(&mut self, typed: Typed, span: Span) -> Option<(Value, Quantity)> {
        match typed {
            Typed::Constant(number, unit) => {
                let quantity = match unit {
                    None | Some(Unit::Percent) => Quantity::Bare,
                    Some(Unit::Epochs) => Quantity::Epochs,
                    Some(Unit::Tokens) => Quantity::Tokens,
                    Some(Unit::Steps) => Quantity::Steps,
                    Some(other) => {
                        self.report(
                            Diagnostic::error(code::WRONG_UNIT, format!("nothing is measured in {}", other.word()))
                                .at(span, "in a claim")
                                .help("a claim takes epochs, tokens, steps, and numbers without a unit for losses"),
                        );
                        return None;
                    }
                };
                let factor = unit.map_or(Number::int(1), Unit::factor);
                Some((Value::Number(number.mul(factor).to_f64()), quantity))
            }
            Typed::Number(value, quantity) => Some((value, quantity)),
            Typed::Best(measure) => {
                let quantity = measure.metric.quantity();
                Some((Value::Best(measure), quantity))
            }
            Typed::Crossover(_) | Typed::Onset(_) => {
                let example = match typed {
                    Typed::Onset(_) => "`let onset = onset(...)`, then `onset.epoch`",
                    _ => "`let cross = crossover(...)`, then `cross.epoch`",
                };
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, format!("{} where a number is wanted", typed.words()))
                        .at(span, "a number is wanted here")
                        .help(format!("give it a name and take a member: {example}")),
                );
                None
            }
            Typed::Equality(..) | Typed::Statement(_) => {
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, format!("{} where a number is wanted", typed.words()))
                        .at(span, "a number is wanted here")
                        .help("claims do not combine: write each on a line of its own"),
                );
                None
            }
        }
    }

    fn number_of(&mut self, expr: &Expr) -> Option<(Value, Quantity)> {
        let typed = self.typed(expr)?;
        self.number(typed, expr.span)
    }

    /// A name of a `let`, or a member of what it stands for.
    fn name(&mut self, name: &str, span: Span) -> Option<Typed> {
        let (first, member) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        if let Some(found) = self.lets.get_mut(first) {
            found.used = true;
            let (typed, needs) = (found.typed.clone(), found.needs.clone());
            self.left_out = found.left_out.clone().or(self.left_out.take());
            for needed in needs.into_iter().chain([first.to_string()]) {
                if !self.needs.contains(&needed) {
                    self.needs.push(needed);
                }
            }
            return match member {
                None => typed,
                Some(member) => self.member(typed?, first, member, span),
            };
        }
        if let Some(later) = self.all_lets.get(first).copied() {
            let within = self.defining.as_deref() == Some(first);
            let message = if within {
                format!("`{first}` is defined by itself")
            } else {
                format!("`{first}` is used before it is defined")
            };
            self.report(
                Diagnostic::error(code::LET_ORDER, message)
                    .at(span, "not known yet")
                    .also(later, "defined here")
                    .help(if within { "say what it stands for" } else { "move the `let` above this line" }),
            );
            // It is used all the same.
            self.used_early.insert(first.to_string());
            return None;
        }
        if self.subject.spec.let_value(span.file, first).is_some() {
            return self.written(&Expr { kind: ExprKind::Name(name.to_string()), span });
        }
        if self.subject.arms.iter().any(|arm| arm == first) {
            self.report(
                Diagnostic::error(code::CLAIM_TYPE, format!("the arm `{first}` where a value is wanted"))
                    .at(span, "an arm has many values")
                    .help(format!("for example `final(loss(valid), of: {first})`")),
            );
            return None;
        }
        let known: Vec<String> = self.lets.keys().cloned().chain(FORMS.iter().map(|(n, ..)| n.to_string())).collect();
        let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("nothing is called `{first}`"))
            .at(span, "no `let` of this `expect`");
        self.report(match suggest(first, known.iter().map(String::as_str)) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => diagnostic.help(format!("define it above: `let {first} = ...`")),
        });
        None
    }

    /// The number that a `let` of the file holds.
    fn written(&mut self, expr: &Expr) -> Option<Typed> {
        let node = self.subject.spec.evaluate(expr, self.cx.out);
        match node.value {
            NodeValue::Number { number, unit } => Some(Typed::Constant(number, unit)),
            NodeValue::Faulty => None,
            other => {
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, format!("{} where a number is wanted", other.kind()))
                        .at(expr.span, "a number is wanted here"),
                );
                None
            }
        }
    }

    fn member(&mut self, typed: Typed, name: &str, member: &str, span: Span) -> Option<Typed> {
        let progress = Progress::ALL.into_iter().find(|progress| progress.name() == member);
        match (typed, progress) {
            (Typed::Crossover(crossover), Some(progress)) => {
                Some(Typed::Number(Value::CrossingAt(crossover, progress), progress.quantity()))
            }
            (Typed::Best(measure), Some(progress)) => {
                Some(Typed::Number(Value::BestAt(measure, progress), progress.quantity()))
            }
            (Typed::Onset(measure), Some(progress)) => {
                Some(Typed::Number(Value::OnsetAt(measure, progress), progress.quantity()))
            }
            (Typed::Crossover(_) | Typed::Best(_) | Typed::Onset(_), None) => {
                let names = Progress::ALL.map(Progress::name);
                let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, format!("`{name}` has no member `{member}`"))
                    .at(span, "not a member of it");
                self.report(match suggest(member, names) {
                    Some(closest) => diagnostic.help(format!("did you mean `{name}.{closest}`?")),
                    None => diagnostic.help(format!("its members are {}", names.join(", "))),
                });
                None
            }
            (other, _) => {
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, format!("`{name}` is {}, which has no members", other.words()))
                        .at(span, "no member is possible here")
                        .help("a crossover, a best evaluation and an onset have `.epoch`, `.tokens` and `.step`"),
                );
                None
            }
        }
    }

    fn call(&mut self, callee: &Ident, args: &[Arg], span: Span) -> Option<Typed> {
        let Some((_, by_position, by_name)) = FORMS.iter().find(|(name, ..)| *name == callee.text) else {
            self.unknown_call(callee, span);
            return None;
        };
        let args = self.args(callee, args, span, by_position, by_name);
        match callee.text.as_str() {
            "crossover" => {
                let (metric, of) = (self.metric(&args), self.arm(&args, "of"));
                let better = match &metric {
                    Some(metric) if metric.lower_is_better() => format!("less of `{metric}` is better: `under: ARM`"),
                    Some(metric) => format!("more of `{metric}` is better: `over: ARM`"),
                    None => "a loss is better under, an accuracy over".into(),
                };
                let (than, under) = match (args.get("under"), args.get("over")) {
                    (Some(arm), None) => (self.arm_of(arm), true),
                    (None, Some(arm)) => (self.arm_of(arm), false),
                    (given, _) => {
                        let message = if given.is_some() {
                            "a crossover goes under or over, not both"
                        } else {
                            "a crossover goes under or over another arm"
                        };
                        self.report(
                            Diagnostic::error(code::BAD_CLAIM, message)
                                .at(span, "one of `under: ARM` and `over: ARM`")
                                .help(better),
                        );
                        (None, true)
                    }
                };
                let each = self.each(&args);
                let (of, than) = self.two_arms(of, than, span)?;
                Some(Typed::Crossover(Crossover { metric: metric?, of, than, under, each: each? }))
            }
            "best" | "final" | "onset" => {
                let (metric, of, each) = (self.metric(&args), self.arm(&args, "of"), self.each(&args));
                let measure = Measure { metric: metric?, of: of?, each: each? };
                let quantity = measure.metric.quantity();
                Some(match callee.text.as_str() {
                    "best" => Typed::Best(measure),
                    "onset" => Typed::Onset(measure),
                    _ => Typed::Number(Value::Final(measure), quantity),
                })
            }
            "gap" => {
                let metric = self.metric(&args);
                let (of, to, each) = (self.arm(&args, "of"), self.arm(&args, "to"), self.each(&args));
                let (of, to) = self.two_arms(of, to, span)?;
                let metric = metric?;
                let quantity = metric.quantity();
                Some(Typed::Number(Value::Gap(Gap { metric, of, to, each: each? }), quantity))
            }
            "published" => {
                let value = self.need(&args, "value", "published(1.88, \"the paper's table 2\")");
                let source = self.need(&args, "source", "published(1.88, \"the paper's table 2\")");
                let (value, quantity) = self.number_of(value?)?;
                let source = source?;
                match (value, &source.kind) {
                    (Value::Number(value), ExprKind::Str(text)) if !text.trim().is_empty() => {
                        Some(Typed::Number(Value::Published { value, source: text.clone() }, quantity))
                    }
                    (Value::Number(_), _) => {
                        self.report(
                            Diagnostic::error(code::WRONG_TYPE, "a published value says where it was published")
                                .at(source.span, "a text in quotes is wanted here"),
                        );
                        None
                    }
                    _ => {
                        self.report(
                            Diagnostic::error(code::CLAIM_TYPE, "a published value is a number")
                                .at(span, "a number written out is wanted here"),
                        );
                        None
                    }
                }
            }
            increasing => {
                let value = self.need(&args, "value", "increasing(cross.epoch, along: data.unique)");
                let along = self.need(&args, "along", "along: data.unique");
                let along_span = along.map_or(span, |along| along.span);
                let along = along.and_then(|along| self.axis_of(along));
                let value_span = value.map_or(span, |value| value.span);
                let (value, quantity) = self.number_of(value?)?;
                let along = along?;
                if self.is_replicate(along, along_span, "seeds have no order") {
                    return None;
                }
                let reads = value.reads();
                if reads.is_empty() {
                    self.claims_nothing(value_span, "the same number at every point");
                    return None;
                }
                if reads.iter().all(|read| read.each().contains(&along)) {
                    let label = self.axis_labels().get(along).copied().unwrap_or_default().to_string();
                    self.report(
                        Diagnostic::error(code::BAD_CLAIM, format!("the value does not vary along `{label}`"))
                            .at(value_span, "`best_over` leaves one value for all its points")
                            .also(along_span, "along this axis")
                            .help("take the axis out of `best_over`, or go along another"),
                    );
                    return None;
                }
                let increasing = increasing == "increasing";
                Some(Typed::Statement(Statement::Monotone { value, quantity, along, increasing }))
            }
        }
    }

    fn unknown_call(&mut self, callee: &Ident, span: Span) {
        let name = callee.text.as_str();
        if name == "loss" {
            self.report(
                Diagnostic::error(code::CLAIM_TYPE, "a metric of no arm")
                    .at(span, "of which arm, and when?")
                    .help("write `final(loss(valid), of: ARM)` or `best(loss(valid), of: ARM)`"),
            );
            return;
        }
        let names = FORMS.iter().map(|(name, ..)| *name);
        let diagnostic =
            Diagnostic::error(code::UNKNOWN_NAME, format!("there is no claim `{name}`")).at(callee.span, "not known");
        self.report(match suggest(name, names.clone()) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => diagnostic.help(format!("claims are made of {}", names.collect::<Vec<_>>().join(", "))),
        });
    }

    fn binary(&mut self, op: BinaryOp, op_span: Span, left: &Expr, right: &Expr, span: Span) -> Option<Typed> {
        let relation = match op {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div => {
                return self.arithmetic(op, left, right, span);
            }
            BinaryOp::Eq => None,
            BinaryOp::Ne => Some(Relation::Different),
            BinaryOp::Lt => Some(Relation::Less),
            BinaryOp::Le => Some(Relation::LessOrEqual),
            BinaryOp::Gt => Some(Relation::Greater),
            BinaryOp::Ge => Some(Relation::GreaterOrEqual),
            BinaryOp::Pow | BinaryOp::Mod => {
                self.report(
                    Diagnostic::error(code::BAD_CLAIM, format!("`{}` has no place in a claim", op.symbol()))
                        .at(op_span, "one of + - * / is wanted here"),
                );
                return None;
            }
            BinaryOp::And | BinaryOp::Or => {
                self.report(
                    Diagnostic::error(code::BAD_CLAIM, format!("claims are not joined by `{}`", op.symbol()))
                        .at(op_span, "one claim a line is wanted")
                        .help("all claims have to hold: write each on a line of its own"),
                );
                return None;
            }
            BinaryOp::In => {
                self.report(
                    Diagnostic::error(code::BAD_CLAIM, "`in` belongs to the condition of a claim")
                        .at(op_span, "no value is looked up here")
                        .help("write `CLAIM at AXIS in [a, b]`, or `x == y within z`"),
                );
                return None;
            }
        };
        let (a, b) = (self.number_of(left), self.number_of(right));
        let ((a, qa), (b, qb)) = (a?, b?);
        let quantity = self.joined((&a, qa, left.span), (&b, qb, right.span), "compare")?;
        if a.is_constant() && b.is_constant() {
            self.claims_nothing(span, "both sides are numbers that the spec writes");
            return None;
        }
        if a == b {
            self.report(
                Diagnostic::error(code::BAD_CLAIM, "a value against itself")
                    .at(right.span, "the same on both sides")
                    .help("compare two different arms, or an arm with a number"),
            );
            return None;
        }
        if quantity == Quantity::Share {
            self.is_share(&a, left.span)?;
            self.is_share(&b, right.span)?;
        }
        Some(match relation {
            Some(relation) => Typed::Statement(Statement::Compare { left: a, relation, right: b, quantity }),
            None => Typed::Equality(a, b, quantity),
        })
    }

    /// A number beside a share is one too, or the difference of two.
    fn is_share(&mut self, value: &Value, span: Span) -> Option<()> {
        match value {
            Value::Number(x) | Value::Published { value: x, .. } if x.abs() > 1.0 => {
                let text = self.cx.map.text(span).to_string();
                let help = match value {
                    Value::Number(_) => format!("write `{text}%` for a percentage"),
                    _ => "write the number with its `%`".into(),
                };
                self.report(
                    Diagnostic::error(code::OUT_OF_RANGE, format!("{x} is no share of items"))
                        .at(span, "between 0 and 1 is wanted here")
                        .help(help),
                );
                None
            }
            _ => Some(()),
        }
    }

    pub(super) fn claims_nothing(&mut self, span: Span, why: &str) {
        self.report(
            Diagnostic::error(code::CLAIMS_NOTHING, "this claims nothing about the runs")
                .at(span, why.to_string())
                .help("compare a value of the runs: `final(loss(valid), of: ARM) < 2`"),
        );
    }

    /// The quantity of two numbers that add up or compare: a bare number is what the other side is, if that
    /// is a loss, a share or a ratio; what has a unit in the language has to say it.
    fn joined(&mut self, a: (&Value, Quantity, Span), b: (&Value, Quantity, Span), verb: &str) -> Option<Quantity> {
        use Quantity::{Bare, Epochs, Loss, Ratio, Share, Steps, Tokens};
        match (a.1, b.1) {
            (x, y) if x == y => return Some(x),
            (Bare, x @ (Loss | Share | Ratio)) | (x @ (Loss | Share | Ratio), Bare) => return Some(x),
            (Bare, Epochs | Tokens | Steps) | (Epochs | Tokens | Steps, Bare) => {
                let (bare, other) = if a.1 == Bare { (a, b) } else { (b, a) };
                let unit = match other.1 {
                    Epochs => Unit::Epochs,
                    Tokens => Unit::Tokens,
                    _ => Unit::Steps,
                };
                let text = self.cx.map.text(bare.2).to_string();
                self.report(
                    Diagnostic::error(code::WRONG_UNIT, format!("a number without a unit beside {}", other.1.words()))
                        .at(bare.2, format!("`{}` is wanted here", unit.word()))
                        .also(other.2, other.1.words())
                        .help(format!("write `{text} {}`", unit.word())),
                );
            }
            (x, y) => {
                let mut diagnostic =
                    Diagnostic::error(code::CLAIM_TYPE, format!("{} and {} do not {verb}", x.words(), y.words()))
                        .at(b.2, y.words())
                        .also(a.2, x.words());
                let lengths = [Epochs, Tokens, Steps];
                diagnostic = if lengths.contains(&x) && lengths.contains(&y) {
                    diagnostic.help("take the same member on both sides: `.epoch`, `.tokens` or `.step`")
                } else {
                    diagnostic.help("both sides have to measure the same")
                };
                self.report(diagnostic);
            }
        }
        None
    }

    fn arithmetic(&mut self, op: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Option<Typed> {
        let (a, b) = (self.typed(left), self.typed(right));
        let (a, b) = (a?, b?);
        if let (Typed::Constant(x, None), Typed::Constant(y, None)) = (&a, &b) {
            let result = match op {
                BinaryOp::Add => x.add(*y),
                BinaryOp::Sub => x.sub(*y),
                BinaryOp::Mul => x.mul(*y),
                _ => x.div(*y),
            };
            return self.finite(result.to_f64(), span).map(|_| Typed::Constant(result, None));
        }
        let (a, b) = (self.number(a, left.span), self.number(b, right.span));
        let ((a, qa), (b, qb)) = (a?, b?);
        use Quantity::{Bare, Ratio};
        let plain = |q: Quantity| q == Bare || q == Ratio;
        let (op, quantity) = match op {
            BinaryOp::Add | BinaryOp::Sub => {
                let quantity = self.joined((&a, qa, left.span), (&b, qb, right.span), "add up")?;
                (if op == BinaryOp::Add { Arithmetic::Add } else { Arithmetic::Sub }, quantity)
            }
            BinaryOp::Mul if qa == Bare || (qa == Ratio && !plain(qb)) => (Arithmetic::Mul, qb),
            BinaryOp::Mul if plain(qb) => (Arithmetic::Mul, qa),
            BinaryOp::Div if qb == Bare || (qb == Ratio && qa != Bare) => (Arithmetic::Div, qa),
            BinaryOp::Div if qa == qb || (qa == Bare && qb == Ratio) => (Arithmetic::Div, Ratio),
            _ => {
                let message = format!("`{}` between {} and {}", op.symbol(), qa.words(), qb.words());
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, message)
                        .at(span, "nothing that a claim could be about")
                        .help("* and / take a number without a unit; / takes two of the same too"),
                );
                return None;
            }
        };
        if let (Value::Number(x), Value::Number(y)) = (&a, &b) {
            let result = match op {
                Arithmetic::Add => x + y,
                Arithmetic::Sub => x - y,
                Arithmetic::Mul => x * y,
                Arithmetic::Div => x / y,
            };
            let quantity = if quantity == Ratio { Bare } else { quantity };
            return self.finite(result, span).map(|result| Typed::Number(Value::Number(result), quantity));
        }
        Some(Typed::Number(Value::Binary { op, left: Box::new(a), right: Box::new(b) }, quantity))
    }

    fn finite(&mut self, result: f64, span: Span) -> Option<f64> {
        if result.is_finite() {
            return Some(result);
        }
        self.report(
            Diagnostic::error(code::BAD_ARITHMETIC, "this number has no value")
                .at(span, "infinite, or not a number")
                .help("divide by something else than 0, and stay below 10^308"),
        );
        None
    }
}
