//! Elementwise product, the second operand broadcast.

use super::{Cx, Lowered, take};
use crate::graph::ops::mul::Mul;
use tch::Tensor;

pub fn lower(_: &Mul, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [a, b] = take(inputs)?;
    Ok(vec![a.f_mul(b)?])
}
