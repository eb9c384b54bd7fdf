//! Static values as data: what operators and functions make of them. The elaborator and the traces of
//! repeats both compute here, so they cannot disagree.

use crate::ast::BinaryOp;
use crate::base::Number;
use crate::base::number::Rational;

/// A static value. Whole numbers have a form of their own, so that equal ones are the same atom and
/// arithmetic on indices is cheap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    None,
    Bool(bool),
    Whole(i64),
    Fraction(Rational),
    /// The bits of a finite f64.
    Real(u64),
    /// No value at this index, of an expression whose value does not matter here.
    Wrong,
}

/// Functions of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unary {
    Neg,
    Not,
    Floor,
    Ceil,
    Sqrt,
    /// Whether a number is whole.
    IsWhole,
}

/// Functions of two values. Those of [`BinaryOp`] but `in`, which is made of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Min,
    Max,
    RoundUp,
    RoundDown,
}

impl Atom {
    /// `None` for an infinite number, or none at all.
    pub fn number(number: Number) -> Option<Atom> {
        match (number.to_i64(), number) {
            (Some(n), _) => Some(Atom::Whole(n)),
            (None, Number::Exact(r)) => Some(Atom::Fraction(r)),
            (None, Number::Real(x)) if x.is_finite() => Some(Atom::Real(x.to_bits())),
            (None, Number::Real(_)) => None,
        }
    }

    pub fn to_number(self) -> Option<Number> {
        match self {
            Atom::Whole(n) => Some(Number::int(n)),
            Atom::Fraction(r) => Some(Number::Exact(r)),
            Atom::Real(bits) => Some(Number::Real(f64::from_bits(bits))),
            Atom::Bool(_) | Atom::None | Atom::Wrong => None,
        }
    }

    pub fn to_bool(self) -> Option<bool> {
        match self {
            Atom::Bool(b) => Some(b),
            Atom::None | Atom::Wrong | Atom::Whole(_) | Atom::Fraction(_) | Atom::Real(_) => None,
        }
    }
}

impl std::fmt::Display for Atom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to_number() {
            Some(number) => write!(f, "{number}"),
            None => f.write_str(match self {
                Atom::Bool(true) => "true",
                Atom::Bool(false) => "false",
                Atom::Wrong => "no value",
                Atom::None | Atom::Whole(_) | Atom::Fraction(_) | Atom::Real(_) => "none",
            }),
        }
    }
}

impl Binary {
    /// `None` for `in`, which is no function of two values.
    pub fn of(op: BinaryOp) -> Option<Binary> {
        Some(match op {
            BinaryOp::Add => Binary::Add,
            BinaryOp::Sub => Binary::Sub,
            BinaryOp::Mul => Binary::Mul,
            BinaryOp::Div => Binary::Div,
            BinaryOp::Mod => Binary::Mod,
            BinaryOp::Pow => Binary::Pow,
            BinaryOp::Eq => Binary::Eq,
            BinaryOp::Ne => Binary::Ne,
            BinaryOp::Lt => Binary::Lt,
            BinaryOp::Le => Binary::Le,
            BinaryOp::Gt => Binary::Gt,
            BinaryOp::Ge => Binary::Ge,
            BinaryOp::And => Binary::And,
            BinaryOp::Or => Binary::Or,
            BinaryOp::In => return None,
        })
    }
}

/// `None` where there is no such value; so also of an operand that has none.
pub(super) fn unary(f: Unary, a: Option<Atom>) -> Option<Atom> {
    let a = a?;
    match f {
        Unary::Not => a.to_bool().map(|b| Atom::Bool(!b)),
        Unary::IsWhole => a.to_number().map(|n| Atom::Bool(n.to_i64().is_some())),
        Unary::Neg => Atom::number(a.to_number()?.neg()),
        Unary::Floor => Atom::number(a.to_number()?.floor()),
        Unary::Ceil => Atom::number(a.to_number()?.ceil()),
        Unary::Sqrt => Atom::number(a.to_number()?.sqrt()),
    }
}

/// `None` where there is no such value. `and` and `or` need their right side only where the left does
/// not decide.
pub(super) fn binary(f: Binary, a: Option<Atom>, b: Option<Atom>) -> Option<Atom> {
    match (f, a?.to_bool()) {
        (Binary::And, Some(false)) | (Binary::Or, Some(true)) => return a,
        (Binary::And | Binary::Or, Some(_)) => return b?.to_bool().map(Atom::Bool),
        (Binary::And | Binary::Or, None) => return None,
        _ => {}
    }
    let (a, b) = (a?, b?);
    if let (Atom::Whole(a), Atom::Whole(b)) = (a, b)
        && let Some(result) = of_whole(f, a, b)
    {
        return Some(result);
    }
    match f {
        Binary::Eq => same(a, b).map(Atom::Bool),
        Binary::Ne => same(a, b).map(|same| Atom::Bool(!same)),
        _ => of_numbers(f, a.to_number()?, b.to_number()?),
    }
}

/// The short way for whole numbers; `None` where the long way has to be gone.
fn of_whole(f: Binary, a: i64, b: i64) -> Option<Atom> {
    Some(match f {
        Binary::Add => Atom::Whole(a.checked_add(b)?),
        Binary::Sub => Atom::Whole(a.checked_sub(b)?),
        Binary::Mul => Atom::Whole(a.checked_mul(b)?),
        Binary::Div if a.checked_rem(b)? == 0 => Atom::Whole(a.checked_div(b)?),
        Binary::Mod if b > 0 => Atom::Whole(a.rem_euclid(b)),
        Binary::Eq => Atom::Bool(a == b),
        Binary::Ne => Atom::Bool(a != b),
        Binary::Lt => Atom::Bool(a < b),
        Binary::Le => Atom::Bool(a <= b),
        Binary::Gt => Atom::Bool(a > b),
        Binary::Ge => Atom::Bool(a >= b),
        Binary::Min => Atom::Whole(a.min(b)),
        Binary::Max => Atom::Whole(a.max(b)),
        Binary::Div | Binary::Mod | Binary::Pow => return None,
        Binary::And | Binary::Or | Binary::RoundUp | Binary::RoundDown => return None,
    })
}

/// Whether two values are equal. `none` equals itself alone; a number and a truth do not compare.
fn same(a: Atom, b: Atom) -> Option<bool> {
    match (a, b) {
        (Atom::Wrong, _) | (_, Atom::Wrong) => None,
        (Atom::Bool(a), Atom::Bool(b)) => Some(a == b),
        (Atom::None, b) => Some(b == Atom::None),
        (a, Atom::None) => Some(a == Atom::None),
        _ => Some(a.to_number()? == b.to_number()?),
    }
}

fn of_numbers(f: Binary, a: Number, b: Number) -> Option<Atom> {
    let number = match f {
        Binary::Add => a.add(b),
        Binary::Sub => a.sub(b),
        Binary::Mul => a.mul(b),
        Binary::Div => a.div(b),
        Binary::Pow => a.pow(b),
        Binary::Mod => a.modulo(b),
        Binary::Min => a.smaller(b),
        Binary::Max => a.larger(b),
        Binary::RoundUp => a.round_to(b, true),
        Binary::RoundDown => a.round_to(b, false),
        Binary::Lt => return Some(Atom::Bool(a < b)),
        Binary::Le => return Some(Atom::Bool(a <= b)),
        Binary::Gt => return Some(Atom::Bool(a > b)),
        Binary::Ge => return Some(Atom::Bool(a >= b)),
        Binary::Eq | Binary::Ne | Binary::And | Binary::Or => return None,
    };
    Atom::number(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(n: i64) -> Option<Atom> {
        Some(Atom::Whole(n))
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        for (a, b, r) in [(7, 4, 3), (-7, 4, 1), (7, -4, -1), (-7, -4, -3), (8, 4, 0)] {
            assert_eq!(binary(Binary::Mod, whole(a), whole(b)), whole(r), "{a} % {b}");
        }
        assert_eq!(binary(Binary::Mod, whole(7), whole(0)), None);
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        use Binary::*;
        for f in [Add, Sub, Mul, Div, Mod, Lt, Le, Gt, Ge, Min, Max] {
            for a in [-9, -1, 0, 1, 4, 12] {
                for b in [-4, -1, 0, 1, 3, 4] {
                    let long = of_numbers(f, Number::int(a), Number::int(b));
                    assert_eq!(binary(f, whole(a), whole(b)), long, "{f:?} {a} {b}");
                }
            }
        }
        // Beyond 64 bits it is exact all the same.
        let big = binary(Binary::Mul, whole(i64::MAX), whole(4));
        assert_eq!(binary(Binary::Div, big, whole(4)), whole(i64::MAX));
    }

    #[test]
    fn what_the_left_side_decides_needs_no_right_side() {
        let no = Some(Atom::Bool(false));
        assert_eq!(binary(Binary::And, no, None), no);
        assert_eq!(binary(Binary::Or, no, None), None);
        assert_eq!(binary(Binary::Eq, Some(Atom::None), whole(1)), no);
        assert_eq!(binary(Binary::Eq, Some(Atom::Bool(true)), whole(1)), None);
    }
}
