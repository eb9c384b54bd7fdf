//! The loss.

use super::{Cx, Lowered, take};
use crate::graph::ops::weighted_sum::WeightedSum;
use tch::Tensor;

pub fn lower(_: &WeightedSum, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [nll, weights] = take(inputs)?;
    Ok(vec![nll.f_mul(weights)?.f_sum(cx.kinds.wide)?])
}
