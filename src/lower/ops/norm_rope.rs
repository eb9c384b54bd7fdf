//! QK-norm with rotary embedding: our kernels on a CPU, one after the other elsewhere.

use super::rope::{self, tables};
use super::{Cx, Lowered, one, rms_norm, take};
use crate::graph::ops::norm_rope::{NormRope, NormRopeGrad};
use crate::graph::ops::rms_norm::{RmsNorm, RmsNormGrad};
use crate::graph::ops::rope::Rope;
use crate::lower::error::Fault;
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &NormRope, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, positions, gain] = take(inputs)?;
    let turn = Rope { base: op.base, inverse: false };
    if cx.is_cpu() {
        let (cos, sin) = checked_tables(&turn, cx, x, positions)?;
        return Ok(kernels::norm_rope(x, gain, &cos, &sin, op.eps)?.into());
    }
    let mut all = rms_norm::lower(&RmsNorm { eps: op.eps }, cx, &[x, gain])?;
    if let Some(y) = all.first_mut() {
        *y = one(rope::lower(&turn, cx, &[y, positions])?)?;
    }
    Ok(all)
}

pub fn lower_grad(op: &NormRopeGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, x, rstd, positions, gain] = take(inputs)?;
    let turn = Rope { base: op.base, inverse: true };
    if cx.is_cpu() {
        let (cos, sin) = checked_tables(&turn, cx, x, positions)?;
        return Ok(kernels::norm_rope_grad(dy, x, rstd, gain, &cos, &sin, cx.into(0))?.into());
    }
    let turned = one(rope::lower(&turn, cx, &[dy, positions])?)?;
    rms_norm::lower_grad(&RmsNormGrad, cx, &[&turned, x, rstd, gain])
}

fn checked_tables(turn: &Rope, cx: &Cx<'_>, x: &Tensor, positions: &Tensor) -> Result<(Tensor, Tensor), Fault> {
    if positions.size() != [cx.positions.len() as i64] {
        return Err(Fault::Shape(positions.size()));
    }
    tables(turn, cx, x)
}
