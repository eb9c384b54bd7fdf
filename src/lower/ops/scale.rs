//! A tensor times a number.

use super::{Cx, Lowered, take};
use crate::graph::ops::scale::Scale;
use tch::Tensor;

pub fn lower(op: &Scale, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    Ok(vec![x.f_mul_scalar(op.factor)?])
}
