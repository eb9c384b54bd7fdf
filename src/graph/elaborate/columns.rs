//! Values of a term at many indices at once. Indices are whole numbers and conditions on them true or false, so
//! almost all columns are of one kind, and computing one is a loop over plain numbers.

use super::atoms::{Atom, Binary, Unary, binary, unary};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// One value at all indices; `None` is none.
    Same(Option<Atom>),
    Whole(Vec<i64>),
    Truth(Vec<bool>),
    Any(Vec<Option<Atom>>),
}

impl Column {
    pub const NONE: Column = Column::Same(None);

    pub fn at(&self, i: usize) -> Option<Atom> {
        match self {
            Column::Same(atom) => *atom,
            Column::Whole(all) => all.get(i).copied().map(Atom::Whole),
            Column::Truth(all) => all.get(i).copied().map(Atom::Bool),
            Column::Any(all) => all.get(i).copied().flatten(),
        }
    }

    /// Clears the places whose value is another one.
    pub fn keep(&self, wanted: Option<Atom>, kept: &mut [bool]) {
        match (self, wanted) {
            (Column::Truth(all), Some(Atom::Bool(b))) => {
                kept.iter_mut().zip(all).for_each(|(keep, value)| *keep &= *value == b);
            }
            (Column::Whole(all), Some(Atom::Whole(n))) => {
                kept.iter_mut().zip(all).for_each(|(keep, value)| *keep &= *value == n);
            }
            _ => kept.iter_mut().enumerate().for_each(|(i, keep)| *keep &= self.at(i) == wanted),
        }
    }

    pub fn unary(&self, f: Unary, n: usize) -> Column {
        match (f, self) {
            (_, Column::Same(a)) => Column::Same(unary(f, *a)),
            (Unary::Not, Column::Truth(all)) => Column::Truth(all.iter().map(|b| !b).collect()),
            (Unary::IsWhole, Column::Whole(_)) => Column::Same(Some(Atom::Bool(true))),
            (Unary::Floor | Unary::Ceil, Column::Whole(_)) => self.clone(),
            _ => Column::Any((0..n).map(|i| unary(f, self.at(i))).collect()),
        }
    }

    pub fn binary(&self, f: Binary, other: &Column, n: usize) -> Column {
        if let (Column::Same(a), Column::Same(b)) = (self, other) {
            return Column::Same(binary(f, *a, *b));
        }
        let plain = match (Wholes::of(self), Wholes::of(other)) {
            (Some(a), Some(b)) => of_wholes(f, a, b),
            _ => match (Truths::of(self), Truths::of(other)) {
                (Some(a), Some(b)) => of_truths(f, a, b),
                _ => None,
            },
        };
        plain.unwrap_or_else(|| Column::Any((0..n).map(|i| binary(f, self.at(i), other.at(i))).collect()))
    }
}

/// A column of one kind, or its only value.
#[derive(Clone, Copy)]
enum Side<'a, T> {
    Same(T),
    Each(&'a [T]),
}

type Wholes<'a> = Side<'a, i64>;
type Truths<'a> = Side<'a, bool>;

impl<'a> Wholes<'a> {
    fn of(column: &'a Column) -> Option<Wholes<'a>> {
        match column {
            Column::Same(Some(Atom::Whole(n))) => Some(Side::Same(*n)),
            Column::Whole(all) => Some(Side::Each(all)),
            _ => None,
        }
    }
}

impl<'a> Truths<'a> {
    fn of(column: &'a Column) -> Option<Truths<'a>> {
        match column {
            Column::Same(Some(Atom::Bool(b))) => Some(Side::Same(*b)),
            Column::Truth(all) => Some(Side::Each(all)),
            _ => None,
        }
    }
}

/// `f` of both sides, place by place; of two single values nothing, which `binary` has done.
fn zip<T: Copy, R, C: FromIterator<R> + Default>(a: Side<'_, T>, b: Side<'_, T>, f: impl Fn(T, T) -> R) -> C {
    match (a, b) {
        (Side::Each(a), Side::Same(b)) => a.iter().map(|a| f(*a, b)).collect(),
        (Side::Same(a), Side::Each(b)) => b.iter().map(|b| f(a, *b)).collect(),
        (Side::Each(a), Side::Each(b)) => a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect(),
        (Side::Same(_), Side::Same(_)) => C::default(),
    }
}

/// `None` where some result is no whole number of 64 bits.
fn of_wholes(f: Binary, a: Wholes<'_>, b: Wholes<'_>) -> Option<Column> {
    let whole = |f: fn(i64, i64) -> Option<i64>| {
        let all: AllOf = zip(a, b, f);
        all.0.map(Column::Whole)
    };
    let truth = |f: fn(i64, i64) -> bool| Some(Column::Truth(zip(a, b, f)));
    match f {
        Binary::Add => whole(i64::checked_add),
        Binary::Sub => whole(i64::checked_sub),
        Binary::Mul => whole(i64::checked_mul),
        Binary::Mod => whole(|a, b| (b > 0).then(|| a.rem_euclid(b))),
        Binary::Min => whole(|a, b| Some(a.min(b))),
        Binary::Max => whole(|a, b| Some(a.max(b))),
        Binary::Eq => truth(|a, b| a == b),
        Binary::Ne => truth(|a, b| a != b),
        Binary::Lt => truth(|a, b| a < b),
        Binary::Le => truth(|a, b| a <= b),
        Binary::Gt => truth(|a, b| a > b),
        Binary::Ge => truth(|a, b| a >= b),
        Binary::Div | Binary::Pow | Binary::And | Binary::Or | Binary::RoundUp | Binary::RoundDown => None,
    }
}

/// All whole numbers, or `None` as soon as one is none.
#[derive(Default)]
struct AllOf(Option<Vec<i64>>);

impl FromIterator<Option<i64>> for AllOf {
    fn from_iter<I: IntoIterator<Item = Option<i64>>>(all: I) -> AllOf {
        AllOf(all.into_iter().collect())
    }
}

fn of_truths(f: Binary, a: Truths<'_>, b: Truths<'_>) -> Option<Column> {
    match f {
        Binary::And => Some(Column::Truth(zip(a, b, |a, b| a && b))),
        Binary::Or => Some(Column::Truth(zip(a, b, |a, b| a || b))),
        Binary::Eq => Some(Column::Truth(zip(a, b, |a, b| a == b))),
        Binary::Ne => Some(Column::Truth(zip(a, b, |a, b| a != b))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns are the values one by one, whatever their kinds.
    #[test]
    fn columns_agree_with_single_values() {
        use Binary::*;
        let half = Atom::number(crate::base::Number::ratio(1, 2));
        let columns = [
            Column::Whole(vec![0, 1, 7, -3]),
            Column::Whole(vec![4, 0, 2, i64::MAX]),
            Column::Truth(vec![true, false, true, false]),
            Column::Any(vec![half, None, Some(Atom::Whole(3)), Some(Atom::Bool(true))]),
            Column::Same(Some(Atom::Whole(4))),
            Column::Same(Some(Atom::Bool(true))),
            Column::Same(Some(Atom::None)),
            Column::NONE,
        ];
        let all = [Add, Sub, Mul, Div, Mod, Eq, Ne, Lt, Le, Gt, Ge, And, Or, Min, Max, RoundUp, RoundDown];
        for a in &columns {
            for f in [Unary::Neg, Unary::Not, Unary::Floor, Unary::Ceil, Unary::Sqrt, Unary::IsWhole] {
                let column = a.unary(f, 4);
                (0..4).for_each(|i| assert_eq!(column.at(i), unary(f, a.at(i)), "{f:?} {a:?}"));
            }
            for b in &columns {
                for f in all {
                    let column = a.binary(f, b, 4);
                    (0..4).for_each(|i| assert_eq!(column.at(i), binary(f, a.at(i), b.at(i)), "{f:?} {a:?} {b:?}"));
                }
            }
            for wanted in [None, Some(Atom::Bool(true)), Some(Atom::Whole(7)), half] {
                let mut kept = vec![true; 4];
                a.keep(wanted, &mut kept);
                (0..4).for_each(|i| assert_eq!(kept.get(i), Some(&(a.at(i) == wanted))));
            }
        }
    }
}
