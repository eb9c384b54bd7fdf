//! What can be done with lists. All of it is bookkeeping: a program has no instruction for taking an
//! element, an absent element is a zero that is made only where an operation reads it, and nothing
//! but a sum of two present elements computes anything.

use super::indices::table_text;
use super::ops::Mismatch;
use super::{Elem, Type};

#[derive(Clone, Debug, PartialEq)]
pub enum ListOp {
    /// `list -> element`
    Pick { index: u64 },
    /// `list -> list`: element i is the input's element `table[i]`, which may come several times.
    Gather { table: Vec<u64> },
    /// `element -> list`: `count` times the same.
    Copies { count: u64 },
    /// `element -> list`: zeros but at `index`; the gradient of `Pick`.
    Place { index: u64, count: u64 },
    /// `list -> list`: element j is the sum of the input's elements i with `table[i] == j`, zeros where
    /// there is none; the gradient of `Gather`.
    Scatter { table: Vec<u64>, count: u64 },
    /// `(list, list) -> list`, element by element.
    Sum,
}

impl ListOp {
    pub fn name(&self) -> &'static str {
        match self {
            ListOp::Pick { .. } => "pick",
            ListOp::Gather { .. } => "gather",
            ListOp::Copies { .. } => "copies",
            ListOp::Place { .. } => "place",
            ListOp::Scatter { .. } => "scatter",
            ListOp::Sum => "list_sum",
        }
    }

    /// The output type, or why the inputs do not fit.
    pub fn infer(&self, inputs: &[&Type]) -> Result<Type, Mismatch> {
        let name = self.name();
        let below = |table: &[u64], n: u64| match table.iter().find(|i| **i >= n) {
            Some(index) => Err(Mismatch(format!("{name} at {index} of a list of {n}"))),
            None => Ok(()),
        };
        match (self, inputs) {
            (ListOp::Copies { count }, [element]) if *count > 0 => Ok(element.listed(*count)),
            (ListOp::Place { index, count }, [element]) if is_float(element) => {
                below(&[*index], *count)?;
                Ok(element.listed(*count))
            }
            (ListOp::Sum, [a, b]) if a == b && !a.list.is_empty() && is_float(a) => Ok((*a).clone()),
            (_, [list]) => {
                let (Some(element), Some(n)) = (list.element(), list.list.first()) else {
                    return Err(Mismatch(format!("{name} takes a list, not {list}")));
                };
                match self {
                    ListOp::Pick { index } => {
                        below(&[*index], *n)?;
                        Ok(element)
                    }
                    ListOp::Gather { table } if !table.is_empty() => {
                        below(table, *n)?;
                        Ok(element.listed(table.len() as u64))
                    }
                    ListOp::Scatter { table, count } if table.len() as u64 == *n && is_float(&element) => {
                        below(table, *count)?;
                        Ok(element.listed(*count))
                    }
                    _ => Err(Mismatch(format!("{name} does not fit {list}"))),
                }
            }
            _ => Err(Mismatch(format!("{name} of {} values", inputs.len()))),
        }
    }

    /// Attributes as text, for listings and snapshots.
    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        let table = |table: &[u64]| ("table", format!("[{}]", table_text(table)));
        match self {
            ListOp::Pick { index } => vec![("index", index.to_string())],
            ListOp::Gather { table: of } => vec![table(of)],
            ListOp::Copies { count } => vec![("count", count.to_string())],
            ListOp::Place { index, count } => vec![("index", index.to_string()), ("count", count.to_string())],
            ListOp::Scatter { table: of, count } => vec![table(of), ("count", count.to_string())],
            ListOp::Sum => vec![],
        }
    }
}

fn is_float(ty: &Type) -> bool {
    !matches!(ty.elem, Elem::Index { .. })
}
