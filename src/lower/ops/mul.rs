//! Elementwise product, the second operand broadcast.

use super::add::laid_out;
use super::{Cx, Lowered, take};
use crate::graph::ops::mul::Mul;
use tch::Tensor;

pub fn lower(op: &Mul, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [a, b] = take(inputs)?;
    Ok(vec![a.f_mul(&laid_out(op.second, a, b)?)?])
}
