//! Precedence: a flat chain of operands and operators becomes a tree.
//!
//! From the tightest: `^` (to the right), unary minus (`-x^2` is `-(x^2)`), `*` `/` `%`, `+` `-`, `..`, comparisons and
//! `in` (one only), `not`, `and`, `or`. Recurses at most once per operator.

use pest::iterators::Pair;

use super::grammar::Rule;
use crate::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::base::Span;

/// One element of a flat chain.
pub(super) enum Link {
    Operand(Expr),
    Prefix(UnaryOp, Span),
    Operator(Infix, Span),
}

/// What stands between two operands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Infix {
    Binary(BinaryOp),
    Range,
}

const OR: &[Infix] = &[Infix::Binary(BinaryOp::Or)];
const AND: &[Infix] = &[Infix::Binary(BinaryOp::And)];
const COMPARE: &[Infix] = &[
    Infix::Binary(BinaryOp::Eq),
    Infix::Binary(BinaryOp::Ne),
    Infix::Binary(BinaryOp::Lt),
    Infix::Binary(BinaryOp::Le),
    Infix::Binary(BinaryOp::Gt),
    Infix::Binary(BinaryOp::Ge),
    Infix::Binary(BinaryOp::In),
];
const RANGE: &[Infix] = &[Infix::Range];
const SUM: &[Infix] = &[Infix::Binary(BinaryOp::Add), Infix::Binary(BinaryOp::Sub)];
const PRODUCT: &[Infix] = &[Infix::Binary(BinaryOp::Mul), Infix::Binary(BinaryOp::Div), Infix::Binary(BinaryOp::Mod)];
const POWER: &[Infix] = &[Infix::Binary(BinaryOp::Pow)];

pub(super) type Links = std::iter::Peekable<std::vec::IntoIter<Link>>;

pub(super) fn is_operator(pair: &Pair<'_, Rule>) -> bool {
    infix(pair).is_some() || matches!(pair.as_rule(), Rule::negation | Rule::inverse)
}

pub(super) fn infix(pair: &Pair<'_, Rule>) -> Option<Infix> {
    Some(Infix::Binary(match (pair.as_rule(), pair.as_str()) {
        (Rule::span_mark, _) => return Some(Infix::Range),
        (Rule::plus, _) => BinaryOp::Add,
        (Rule::minus, _) => BinaryOp::Sub,
        (Rule::times, _) => BinaryOp::Mul,
        (Rule::divide, _) => BinaryOp::Div,
        (Rule::modulo, _) => BinaryOp::Mod,
        (Rule::power, _) => BinaryOp::Pow,
        (Rule::comparison, "==") => BinaryOp::Eq,
        (Rule::comparison, "!=") => BinaryOp::Ne,
        (Rule::comparison, "<") => BinaryOp::Lt,
        (Rule::comparison, "<=") => BinaryOp::Le,
        (Rule::comparison, ">") => BinaryOp::Gt,
        (Rule::comparison, _) => BinaryOp::Ge,
        (Rule::both, _) => BinaryOp::And,
        (Rule::either, _) => BinaryOp::Or,
        (Rule::member, _) => BinaryOp::In,
        _ => return None,
    }))
}

/// Why a chain of operands and operators is no expression.
pub(super) struct Misfit {
    /// Where; the whole expression if nowhere in particular.
    pub at: Option<Span>,
    pub message: &'static str,
    pub help: &'static str,
}

pub(super) type Climbed = Result<Expr, Misfit>;

fn binary(op: Infix, op_span: Span, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    let (left, right) = (Box::new(left), Box::new(right));
    let kind = match op {
        Infix::Binary(op) => ExprKind::Binary { op, op_span, left, right },
        Infix::Range => ExprKind::Range { low: left, high: right },
    };
    Expr { kind, span }
}

/// The next link as an operator, if it is one of `ops`.
fn take(links: &mut Links, ops: &[Infix]) -> Option<(Infix, Span)> {
    let next = links.next_if(|link| matches!(link, Link::Operator(op, _) if ops.contains(op)))?;
    match next {
        Link::Operator(op, span) => Some((op, span)),
        Link::Operand(_) | Link::Prefix(..) => None,
    }
}

/// A chain of operators of one strength, to the left.
fn chain(links: &mut Links, ops: &[Infix], tighter: impl Fn(&mut Links) -> Climbed) -> Climbed {
    let mut left = tighter(links)?;
    while let Some((op, span)) = take(links, ops) {
        left = binary(op, span, left, tighter(links)?);
    }
    Ok(left)
}

/// At most one operator of a strength.
fn single(
    links: &mut Links,
    ops: &[Infix],
    tighter: impl Fn(&mut Links) -> Climbed,
    message: &'static str,
    help: &'static str,
) -> Climbed {
    let left = tighter(links)?;
    let Some((op, span)) = take(links, ops) else { return Ok(left) };
    let all = binary(op, span, left, tighter(links)?);
    match take(links, ops) {
        Some((_, second)) => Err(Misfit { at: Some(second), message, help }),
        None => Ok(all),
    }
}

pub(super) fn either(links: &mut Links) -> Climbed {
    chain(links, OR, both)
}

fn both(links: &mut Links) -> Climbed {
    chain(links, AND, inverse)
}

fn inverse(links: &mut Links) -> Climbed {
    match links.next_if(|link| matches!(link, Link::Prefix(UnaryOp::Not, _))) {
        Some(Link::Prefix(op, at)) => {
            let operand = Box::new(inverse(links)?);
            let span = at.to(operand.span);
            Ok(Expr { kind: ExprKind::Unary { op, operand }, span })
        }
        _ => compare(links),
    }
}

fn compare(links: &mut Links) -> Climbed {
    single(links, COMPARE, range, "comparisons do not chain", "join two of them: `a < b and b < c`")
}

fn range(links: &mut Links) -> Climbed {
    single(links, RANGE, sum, "a range has two ends", "write `low..high`")
}

fn sum(links: &mut Links) -> Climbed {
    chain(links, SUM, product)
}

fn product(links: &mut Links) -> Climbed {
    chain(links, PRODUCT, signed)
}

fn signed(links: &mut Links) -> Climbed {
    match links.next() {
        Some(Link::Prefix(UnaryOp::Neg, at)) => {
            let operand = Box::new(signed(links)?);
            let span = at.to(operand.span);
            Ok(Expr { kind: ExprKind::Unary { op: UnaryOp::Neg, operand }, span })
        }
        Some(Link::Prefix(UnaryOp::Not, at)) => Err(Misfit {
            at: Some(at),
            message: "`not` is weaker than the operator before it",
            help: "put `not ...` in parentheses",
        }),
        Some(Link::Operand(base)) => match take(links, POWER) {
            Some((op, span)) => Ok(binary(op, span, base, signed(links)?)),
            None => Ok(base),
        },
        Some(Link::Operator(_, at)) => {
            Err(Misfit { at: Some(at), message: "an operator without its value", help: "write a value before it" })
        }
        None => Err(Misfit { at: None, message: "an operator without its value", help: "write a value after it" }),
    }
}
