//! Written formulas: from the syntax tree to pieces of terms, with the mistakes that a formula can
//! have. A condition of `if` is decided exactly, on the intervals between the numbers it compares with.

use super::algebra::Algebra;
use super::range::Domain;
use super::term::{Function, Term};
use super::{Cut, Formula, Piece, combine};
use crate::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, UnaryOp};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, Number, Rational, Span};

/// The values of names that are defined outside of a formula; `Some(None)` is one that is no plain number.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Option<Number>>;

/// A written formula of one variable, as written: not yet simplified. Where there are mistakes it is
/// `None`, and all of them are reported.
pub fn formula(expr: &Expr, variable: &str, names: Lookup<'_>, out: &mut Diagnostics) -> Option<Formula> {
    Reader { variable, names, out }.formula(expr)
}

struct Reader<'a> {
    variable: &'a str,
    names: Lookup<'a>,
    out: &'a mut Diagnostics,
}

/// What a condition says about t.
enum Condition {
    Compare(Side, BinaryOp, Side),
    All(Box<Condition>, Box<Condition>),
    Any(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

#[derive(Clone, Copy)]
enum Side {
    Variable,
    Number(Rational),
}

impl Reader<'_> {
    fn formula(&mut self, expr: &Expr) -> Option<Formula> {
        match &expr.kind {
            ExprKind::Number(lit) if lit.unit.is_none() => Some(number(lit.value).into()),
            ExprKind::Number(lit) => {
                let unit = lit.unit.map_or("", |(unit, _)| unit.word());
                self.out.push(
                    Diagnostic::error(code::WRONG_UNIT, format!("a formula's numbers have no unit, not `{unit}`"))
                        .at(expr.span, "a plain number is wanted here")
                        .help("formulas are of plain numbers: 10% is `0.1`"),
                );
                None
            }
            ExprKind::Name(name) if name == self.variable => Some(Formula::t()),
            ExprKind::Name(name) if name == "pi" => Some(Term::Pi.into()),
            ExprKind::Name(name) => match (self.names)(name) {
                Some(Some(value)) => Some(number(value).into()),
                Some(None) => {
                    self.out.push(
                        Diagnostic::error(code::WRONG_TYPE, format!("`{name}` is no plain number"))
                            .at(expr.span, "a number without a unit is wanted here")
                            .help("formulas are of plain numbers"),
                    );
                    None
                }
                None => {
                    self.unknown(name, expr.span);
                    None
                }
            },
            ExprKind::Unary { op: UnaryOp::Neg, operand } => {
                let operand = self.formula(operand)?;
                Some(one(&operand, &|a| Term::Product(vec![Term::int(-1), a.clone()])))
            }
            ExprKind::Binary { op, left, right, .. } => self.binary(expr, *op, left, right),
            ExprKind::Call { callee, args, .. } => self.call(expr, callee, args),
            ExprKind::If { branches, otherwise } => self.pieces(branches, otherwise),
            _ => {
                self.no_formula(expr.span);
                None
            }
        }
    }

    fn no_formula(&mut self, span: Span) {
        self.out.push(
            Diagnostic::error(code::WRONG_TYPE, "a formula is made of numbers, its variable, + - * / ^ and functions")
                .at(span, "this is none of them")
                .help("pieces are written `if t < 0.5 { 1 - t } else { 0.5 }`"),
        );
    }

    fn unknown(&mut self, name: &str, span: Span) {
        let closest = suggest(name, [self.variable, "pi"]).unwrap_or(self.variable).to_string();
        self.out.push(
            Diagnostic::error(code::UNKNOWN_NAME, format!("there is no value `{name}` in this formula"))
                .at(span, "not known here")
                .help(format!("did you mean `{closest}`?")),
        );
    }

    fn binary(&mut self, expr: &Expr, op: BinaryOp, left: &Expr, right: &Expr) -> Option<Formula> {
        let with: &dyn Fn(&Term, &Term) -> Term = match op {
            BinaryOp::Add => &|a, b| Term::Sum(vec![a.clone(), b.clone()]),
            BinaryOp::Sub => &|a, b| Term::Sum(vec![a.clone(), Term::Product(vec![Term::int(-1), b.clone()])]),
            BinaryOp::Mul => &|a, b| Term::Product(vec![a.clone(), b.clone()]),
            BinaryOp::Div => {
                &|a, b| Term::Product(vec![a.clone(), Term::Power(Box::new(b.clone()), Box::new(Term::int(-1)))])
            }
            BinaryOp::Pow => &|a, b| Term::Power(Box::new(a.clone()), Box::new(b.clone())),
            _ => {
                self.no_formula(expr.span);
                return None;
            }
        };
        let (a, b) = (self.formula(left), self.formula(right));
        Some(combine(&a?, &b?, with))
    }

    fn call(&mut self, expr: &Expr, callee: &Ident, args: &[Arg]) -> Option<Formula> {
        let names = || Function::ALL.iter().map(|f| f.name()).chain(["sqrt"]);
        let function = Function::ALL.iter().find(|f| f.name() == callee.text);
        if function.is_none() && callee.text != "sqrt" {
            let message = format!("there is no function `{}` in a formula", callee.text);
            let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, message).at(callee.span, "not known in a formula");
            let help = match callee.text.as_str() {
                // What a researcher may reach for, and how to say it.
                "min" | "max" | "clamp" | "abs" => "write the pieces out: `if t < 0.5 { ... } else { ... }`".into(),
                "ln" => "`log` is the natural logarithm".into(),
                name => match suggest(name, names()) {
                    Some(closest) => format!("did you mean `{closest}`?"),
                    None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                },
            };
            self.out.push(diagnostic.help(help));
            return None;
        }
        let [Arg { name: None, value, .. }] = args else {
            self.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("`{}` takes one value", callee.text))
                    .at(expr.span, "here")
                    .help(format!("for example `{}({})`", callee.text, self.variable)),
            );
            return None;
        };
        let argument = self.formula(value)?;
        Some(one(&argument, &|a| match function {
            Some(function) => Term::Call(*function, Box::new(a.clone())),
            None => Term::Power(Box::new(a.clone()), Box::new(Term::ratio(1, 2))),
        }))
    }

    /// `if C { a } else if D { b } else { c }`: conditions decided between the numbers in them.
    fn pieces(&mut self, branches: &[(Expr, Expr)], otherwise: &Expr) -> Option<Formula> {
        // All branches and conditions are read before any gives up, for their mistakes.
        let conditions: Vec<Option<Condition>> = branches.iter().map(|(c, _)| self.condition(c)).collect();
        let values = branches.iter().map(|(_, value)| value).chain([otherwise]);
        let bodies: Vec<(Span, Option<Formula>)> = values.map(|e| (e.span, self.formula(e))).collect();
        let conditions: Vec<Condition> = conditions.into_iter().collect::<Option<_>>()?;
        let bodies: Vec<(Span, Formula)> =
            bodies.into_iter().map(|(span, f)| Some((span, f?))).collect::<Option<_>>()?;

        let mut joints = vec![];
        conditions.iter().for_each(|condition| condition.numbers(&mut joints));
        let mut cuts: Vec<Cut> = joints
            .into_iter()
            .filter(|at| (Rational::ZERO..=Rational::ONE).contains(at))
            .flat_map(|at| [Cut { at, after: false }, Cut { at, after: true }])
            .chain([Cut::START, Cut::END])
            .collect();
        cuts.sort();
        cuts.dedup();
        let mut pieces: Vec<Piece> = vec![];
        let mut taken = vec![false; bodies.len()];
        for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
            // Between two cuts no comparison changes, so one t decides for all.
            let t = from.at.checked_add(to.at)?.checked_div(Rational::int(2))?;
            let branch = conditions.iter().position(|c| c.holds(t)).unwrap_or(conditions.len());
            if let (Some((_, body)), Some(taken)) = (bodies.get(branch), taken.get_mut(branch)) {
                *taken = true;
                pieces.extend(body.between(*from, *to));
            }
        }
        for ((span, _), _) in bodies.iter().zip(taken).filter(|(_, taken)| !taken) {
            self.out.push(
                Diagnostic::error(code::NO_EFFECT, format!("no {} in [0, 1] comes to this branch", self.variable))
                    .at(*span, "never taken")
                    .help("take it out, or change the conditions before it"),
            );
        }
        // Cuts that divide nothing are none.
        let mut merged: Vec<Piece> = vec![];
        for piece in pieces {
            match merged.last_mut() {
                Some(last) if last.term == piece.term => last.end = piece.end,
                _ => merged.push(piece),
            }
        }
        Some(Formula { pieces: merged })
    }

    fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        match &expr.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => Some(Condition::Not(Box::new(self.condition(operand)?))),
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
                let (a, b) = (self.condition(left), self.condition(right));
                let (a, b) = (Box::new(a?), Box::new(b?));
                Some(if *op == BinaryOp::And { Condition::All(a, b) } else { Condition::Any(a, b) })
            }
            ExprKind::Binary { op: BinaryOp::In, left, right, .. } => match &right.kind {
                ExprKind::Range { low, high } => {
                    let (t, low, high) = (self.side(left), self.side(low), self.side(high));
                    let (t, low, high) = (t?, low?, high?);
                    let above = Condition::Compare(low, BinaryOp::Le, t);
                    let below = Condition::Compare(t, BinaryOp::Le, high);
                    Some(Condition::All(Box::new(above), Box::new(below)))
                }
                _ => self.no_condition(right.span),
            },
            ExprKind::Binary {
                op: op @ (BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge),
                left,
                right,
                ..
            } => {
                let (a, b) = (self.side(left), self.side(right));
                Some(Condition::Compare(a?, *op, b?))
            }
            _ => self.no_condition(expr.span),
        }
    }

    /// The variable, or an exact number.
    fn side(&mut self, expr: &Expr) -> Option<Side> {
        let formula = self.formula(expr)?;
        let algebra = Algebra { on: Domain::UNIT };
        match formula.single().map(|term| algebra.simplify(term)) {
            Some(Term::T) => Some(Side::Variable),
            Some(Term::Number(r)) => Some(Side::Number(r)),
            _ => {
                self.no_condition::<()>(expr.span);
                None
            }
        }
    }

    fn no_condition<T>(&mut self, span: Span) -> Option<T> {
        let t = self.variable;
        self.out.push(
            Diagnostic::error(code::BAD_PIECE, format!("a condition of a formula compares `{t}` with numbers"))
                .at(span, "this does not")
                .help(format!(
                    "for example `{t} < 0.5`, `{t} in 0.2..0.4`, `{t} >= 0.2 and {t} < 0.4`; the numbers are fractions, not pi or log 2"
                )),
        );
        None
    }
}

impl Condition {
    fn numbers(&self, into: &mut Vec<Rational>) {
        match self {
            Condition::Compare(a, _, b) => {
                for side in [a, b] {
                    if let Side::Number(r) = side {
                        into.push(*r);
                    }
                }
            }
            Condition::All(a, b) | Condition::Any(a, b) => {
                a.numbers(into);
                b.numbers(into);
            }
            Condition::Not(a) => a.numbers(into),
        }
    }

    fn holds(&self, t: Rational) -> bool {
        match self {
            Condition::Compare(a, op, b) => {
                let value = |side: &Side| match side {
                    Side::Variable => t,
                    Side::Number(r) => *r,
                };
                let order = value(a).cmp(&value(b));
                match op {
                    BinaryOp::Eq => order.is_eq(),
                    BinaryOp::Ne => order.is_ne(),
                    BinaryOp::Lt => order.is_lt(),
                    BinaryOp::Le => order.is_le(),
                    BinaryOp::Gt => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
            Condition::All(a, b) => a.holds(t) && b.holds(t),
            Condition::Any(a, b) => a.holds(t) || b.holds(t),
            Condition::Not(a) => !a.holds(t),
        }
    }
}

/// Every piece made into another.
fn one(formula: &Formula, make: &dyn Fn(&Term) -> Term) -> Formula {
    let pieces = formula.pieces.iter().map(|piece| Piece { end: piece.end, term: make(&piece.term) });
    Formula { pieces: pieces.collect() }
}

/// Exact: a number beyond 128 bits is its decimal digits times a power of ten.
fn number(value: Number) -> Term {
    match value {
        Number::Exact(r) => Term::Number(r),
        Number::Real(x) => match Rational::from_decimal(x) {
            Some(r) => Term::Number(r),
            None => {
                let text = format!("{x:e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let mantissa = mantissa.parse().ok().and_then(Rational::from_decimal);
                let power = Term::Power(Box::new(Term::int(10)), Box::new(Term::int(exponent.parse().unwrap_or(0))));
                Term::Product(vec![Term::Number(mantissa.unwrap_or(Rational::ZERO)), power])
            }
        },
    }
}
