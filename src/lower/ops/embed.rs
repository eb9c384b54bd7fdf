//! Rows of a table. The gradient is summed in wide precision: libtorch's bf16 sum on a CPU stops
//! growing after a few hundred equal rows.

use super::{Cx, Lowered, split_last, take};
use crate::graph::ops::embed::{Embed, EmbedGrad};
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(_: &Embed, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [table, index] = take(inputs)?;
    Ok(vec![Tensor::f_embedding(table, index, -1, false, false)?])
}

pub fn lower_grad(op: &EmbedGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, index] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::embed_grad(dy, index, op.rows)?.into());
    }
    composed_grad(op, cx, dy, index)
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed_grad(op: &EmbedGrad, cx: &Cx<'_>, dy: &Tensor, index: &Tensor) -> Lowered {
    let (_, width) = split_last(dy)?;
    let wide = dy.f_to_kind(cx.kinds.wide)?.f_reshape([-1, width])?;
    Ok(vec![Tensor::f_embedding_dense_backward(&wide, &index.f_reshape([-1])?, op.rows as i64, -1, false)?])
}
