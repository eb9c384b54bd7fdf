//! `[B, H, T, d]` to `[B, T, H * d]`: a view where the heads already lie side by side, as they do
//! behind `split_heads` and attention.

use super::{Cx, Lowered, take};
use crate::graph::ops::merge_heads::MergeHeads;
use crate::lower::error::Fault;
use tch::Tensor;

pub fn lower(_: &MergeHeads, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    let [b, h, t, d] = x.size()[..] else { return Err(Fault::Shape(x.size())) };
    Ok(vec![x.f_transpose(1, 2)?.f_reshape([b, t, h * d])?])
}
