//! Parts along the last dimension, as views.

use super::{Cx, Lowered, take};
use crate::graph::ops::chunk::Chunk;
use tch::Tensor;

pub fn lower(op: &Chunk, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    let mut from = 0;
    let mut parts = vec![];
    for width in op.widths.iter().map(|w| *w as i64) {
        parts.push(x.f_narrow(-1, from, width)?);
        from += width;
    }
    Ok(parts)
}
