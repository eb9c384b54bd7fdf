//! `[B, T, H * d]` to `[B, H, T, d]`: a view wherever the input's memory allows one.

use super::{Cx, Lowered, take};
use crate::graph::ops::split_heads::SplitHeads;
use crate::lower::error::Fault;
use tch::Tensor;

pub fn lower(op: &SplitHeads, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    let [b, t, width] = x.size()[..] else { return Err(Fault::Shape(x.size())) };
    let heads = op.heads as i64;
    Ok(vec![x.f_reshape([b, t, heads, width / heads.max(1)])?.f_transpose(1, 2)?])
}
