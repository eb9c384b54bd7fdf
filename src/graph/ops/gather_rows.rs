//! Rows of a batch: the positions that the loss reads, as rows of their own, and back. Made by row pruning.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// `(x [B, T, ..], rows [R], places [B, T]) -> [R, ..]`; `places` is there for the way back.
#[derive(Clone, Debug, PartialEq)]
pub struct GatherRows;

/// `(x [R, ..], places [B, T]) -> [B, T, ..]`, zero at positions that are no row
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterRows;

/// The type of a tensor of all positions, of which only the rows are left.
pub fn row_type(of: &Type) -> Option<Type> {
    match of.shape.as_slice() {
        [Dim::Batch, Dim::Time, rest @ ..] => {
            let shape: Vec<Dim> = std::iter::once(Dim::Rows).chain(rest.iter().copied()).collect();
            Some(Type { shape, ..of.clone() })
        }
        _ => None,
    }
}

/// The type of `Input::Rows`.
pub fn rows_type() -> Type {
    Type::new(Elem::Index { cardinality: u64::MAX }, [Dim::Rows])
}

/// The type of `Input::Places`.
pub fn places_type() -> Type {
    Type::new(Elem::Index { cardinality: u64::MAX }, [Dim::Batch, Dim::Time])
}

impl Operation for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [x, rows, places] if **rows == rows_type() && **places == places_type() => match row_type(x) {
                Some(ty) => Ok(vec![ty]),
                None => Err(Mismatch(format!("gather_rows takes a tensor of all positions, not {x}"))),
            },
            _ => Err(Mismatch("gather_rows takes a tensor, rows and places".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None; 3] };
        let places = cx.input(2);
        vec![cx.emit(ScatterRows, &[dy, places]).first().copied(), None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, rows) = (inputs[0], inputs[1]);
        let width: usize = x.shape[2..].iter().product();
        let shape: Vec<usize> = std::iter::once(rows.data.len()).chain(x.shape[2..].iter().copied()).collect();
        let row = |at: &f64| x.data[*at as usize * width..][..width].to_vec();
        vec![Array::new(shape, rows.data.iter().flat_map(row).collect())]
    }
}

impl Operation for ScatterRows {
    fn name(&self) -> &'static str {
        "scatter_rows"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [x, places] if **places == places_type() => match x.shape.as_slice() {
                [Dim::Rows, rest @ ..] => {
                    let shape: Vec<Dim> = [Dim::Batch, Dim::Time].into_iter().chain(rest.iter().copied()).collect();
                    Ok(vec![Type { shape, ..(*x).clone() }])
                }
                _ => Err(Mismatch(format!("scatter_rows takes rows, not {x}"))),
            },
            _ => Err(Mismatch("scatter_rows takes rows and places".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, places) = (inputs[0], inputs[1]);
        let width: usize = x.shape[1..].iter().product();
        let shape: Vec<usize> = places.shape.iter().chain(&x.shape[1..]).copied().collect();
        let row = |place: &f64| match *place as usize {
            0 => vec![0.0; width],
            place => x.data[(place - 1) * width..][..width].to_vec(),
        };
        vec![Array::new(shape, places.data.iter().flat_map(row).collect())]
    }
}
