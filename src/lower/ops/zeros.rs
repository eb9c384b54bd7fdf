//! Zeros of a given shape.

use super::{Cx, Lowered};
use crate::graph::ops::zeros::Zeros;
use tch::Tensor;

pub fn lower(op: &Zeros, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let like: Option<Vec<usize>> = inputs.first().map(|x| x.size().iter().map(|n| *n as usize).collect());
    let sizes: Vec<i64> = op.sizes(like.as_deref()).iter().map(|n| *n as i64).collect();
    let kind = if op.wide { cx.kinds.wide } else { cx.kinds.compute };
    Ok(vec![Tensor::f_zeros(sizes, (kind, cx.device))?])
}
