//! Rows of a batch, and back.

use super::{Cx, Lowered, take};
use crate::graph::ops::gather_rows::{GatherRows, ScatterRows};
use tch::Tensor;

pub fn lower(_: &GatherRows, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, rows, _] = take(inputs)?;
    let all = x.dim() as i64;
    let flat = if all > 2 { x.f_flatten(0, 1)? } else { x.f_reshape([-1])? };
    Ok(vec![flat.f_index_select(0, rows)?])
}

pub fn lower_scatter(_: &ScatterRows, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, places] = take(inputs)?;
    let mut shape = x.size();
    let mut first = shape.clone();
    if let Some(n) = first.first_mut() {
        *n = 1;
    }
    // Place 0 is a row of zeros.
    let rows = Tensor::f_cat(&[&x.f_new_zeros(&first[..], (x.f_kind()?, x.device()))?, x], 0)?;
    shape.splice(..1, places.size());
    Ok(vec![rows.f_index_select(0, &places.f_reshape([-1])?)?.f_view(&shape[..])?])
}
