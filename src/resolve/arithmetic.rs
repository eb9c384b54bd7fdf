//! What operators and functions make of values: exact numbers, units that combine, truth.
//! Pure: what cannot be is an [`Unfit`] that the evaluation words.

use super::value::{Node, Value};
use crate::ast::BinaryOp;
use crate::base::{Number, Unit};

/// Why an operation has no result.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfit {
    /// Units that do not combine.
    Units(Option<Unit>, Option<Unit>),
    /// Infinite, or not a number.
    NoValue,
    /// The left (`false`) or the right operand is of another type than this.
    Wants(bool, &'static str),
    /// Values of two types are never equal.
    Incomparable,
}

/// A number and its unit.
pub type Quantity = (Number, Option<Unit>);

/// `a op b` of plain numbers; not a number where `op` makes no number.
pub fn arithmetic(op: BinaryOp, a: Number, b: Number) -> Number {
    match op {
        BinaryOp::Add => a.add(b),
        BinaryOp::Sub => a.sub(b),
        BinaryOp::Mul => a.mul(b),
        BinaryOp::Div => a.div(b),
        BinaryOp::Mod => a.modulo(b),
        BinaryOp::Pow => a.pow(b),
        BinaryOp::Eq
        | BinaryOp::Ne
        | BinaryOp::Lt
        | BinaryOp::Le
        | BinaryOp::Gt
        | BinaryOp::Ge
        | BinaryOp::And
        | BinaryOp::Or
        | BinaryOp::In => Number::Real(f64::NAN),
    }
}

/// The number in the base unit of its dimension: KiB become bytes, minutes seconds, per cents fractions.
pub fn in_base((number, unit): Quantity) -> Number {
    unit.map_or(number, |unit| number.mul(unit.factor()))
}

/// Two numbers that may be added or compared, in one unit.
pub(super) fn alike(a: Quantity, b: Quantity) -> Result<(Number, Number, Option<Unit>), Unfit> {
    match (a.1, b.1) {
        (x, y) if x == y => Ok((a.0, b.0, x)),
        (Some(x), Some(y)) if x.dimension() == y.dimension() => {
            let base = Unit::ALL.iter().map(|(unit, _)| *unit);
            let base = base.clone().find(|u| u.dimension() == x.dimension() && u.factor() == Number::int(1));
            Ok((in_base(a), in_base(b), base))
        }
        (x, y) => Err(Unfit::Units(x, y)),
    }
}

/// `a op b` of two values; names compare by their text.
pub fn binary(op: BinaryOp, a: &Value, b: &Value) -> Result<Value, Unfit> {
    match op {
        BinaryOp::And | BinaryOp::Or => {
            let truth = |value: &Value, right| match value {
                Value::Bool(b) => Ok(*b),
                _ => Err(Unfit::Wants(right, "true or false")),
            };
            let (a, b) = (truth(a, false)?, truth(b, true)?);
            Ok(Value::Bool(if op == BinaryOp::And { a && b } else { a || b }))
        }
        BinaryOp::Eq => equal(a, b).map(Value::Bool),
        BinaryOp::Ne => equal(a, b).map(|same| Value::Bool(!same)),
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
            let (a, b, _) = alike(number(a, false)?, number(b, true)?)?;
            Ok(Value::Bool(match op {
                BinaryOp::Lt => a < b,
                BinaryOp::Le => a <= b,
                BinaryOp::Gt => a > b,
                _ => a >= b,
            }))
        }
        BinaryOp::In => match b {
            Value::List(items) => {
                let mut found = false;
                for item in items {
                    found |= equal(a, &item.value)?;
                }
                Ok(Value::Bool(found))
            }
            Value::Range(low, high) => {
                let x = number(a, false)?;
                let ((a, low, _), (b, high, _)) =
                    (alike(x, number(&low.value, true)?)?, alike(x, number(&high.value, true)?)?);
                Ok(Value::Bool(a >= low && b <= high))
            }
            _ => Err(Unfit::Wants(true, "a list or a range")),
        },
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mod => {
            let (a, b, unit) = alike(number(a, false)?, number(b, true)?)?;
            finite(arithmetic(op, a, b), unit)
        }
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow => {
            let (a, b) = (number(a, false)?, number(b, true)?);
            match (op, a.1, b.1) {
                (_, unit, None) if op != BinaryOp::Pow || unit.is_none() => finite(arithmetic(op, a.0, b.0), unit),
                (BinaryOp::Mul, None, unit) => finite(arithmetic(op, a.0, b.0), unit),
                (BinaryOp::Div, Some(x), Some(y)) if x.dimension() == y.dimension() => {
                    finite(arithmetic(op, in_base(a), in_base(b)), None)
                }
                (_, x, y) => Err(Unfit::Units(x, y)),
            }
        }
    }
}

fn finite(number: Number, unit: Option<Unit>) -> Result<Value, Unfit> {
    if number.is_finite() { Ok(Value::Number { number, unit }) } else { Err(Unfit::NoValue) }
}

fn number(value: &Value, right: bool) -> Result<Quantity, Unfit> {
    match value {
        Value::Number { number, unit } => Ok((*number, *unit)),
        _ => Err(Unfit::Wants(right, "a number")),
    }
}

/// Whether two values are the same; of two types, neither yes nor no.
pub fn equal(a: &Value, b: &Value) -> Result<bool, Unfit> {
    let all = |a: &[Node], b: &[Node]| {
        let mut same = a.len() == b.len();
        for (a, b) in a.iter().zip(b) {
            same &= equal(&a.value, &b.value)?;
        }
        Ok(same)
    };
    match (a, b) {
        (Value::Number { number: a, unit: ua }, Value::Number { number: b, unit: ub }) => {
            alike((*a, *ua), (*b, *ub)).map(|(a, b, _)| a == b)
        }
        // `shape == "8+0.5"`: a name that is no word is written as a text.
        (Value::Str(a) | Value::Word(a), Value::Str(b) | Value::Word(b)) => Ok(a == b),
        // `model == decoder`: a call goes by its name.
        (Value::Call { name, .. }, Value::Word(word)) | (Value::Word(word), Value::Call { name, .. }) => {
            Ok(name == word)
        }
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::None, Value::None) => Ok(true),
        // `clip == none`
        (Value::None, _) | (_, Value::None) => Ok(false),
        (Value::Tuple(a), Value::Tuple(b)) | (Value::List(a), Value::List(b)) => all(a, b),
        _ => Err(Unfit::Incomparable),
    }
}

/// floor, ceil, sqrt, min, max; `None` where there is no such function of so many numbers.
pub fn function(name: &str, numbers: &[Number]) -> Option<Number> {
    Some(match (name, numbers) {
        ("floor", [x]) => x.floor(),
        ("ceil", [x]) => x.ceil(),
        ("sqrt", [x]) => x.sqrt(),
        ("min", [a, b]) => a.smaller(*b),
        ("max", [a, b]) => a.larger(*b),
        _ => return None,
    })
}
