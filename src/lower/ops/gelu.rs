//! The exact GELU: libtorch computes both directions in fp32 inside.

use super::{Cx, Lowered, take};
use crate::graph::ops::gelu::{Gelu, GeluGrad};
use tch::Tensor;

pub fn lower(_: &Gelu, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    Ok(vec![x.f_gelu("none")?])
}

pub fn lower_grad(_: &GeluGrad, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, x] = take(inputs)?;
    Ok(vec![x.f_gelu_backward(dy, "none")?])
}
