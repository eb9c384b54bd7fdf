//! SiLU: our kernels on a CPU, libtorch's elsewhere.

use super::{Cx, Lowered, take};
use crate::graph::ops::silu::{Silu, SiluGrad};
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(_: &Silu, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::silu(x)?.into());
    }
    Ok(vec![x.f_silu()?])
}

pub fn lower_grad(_: &SiluGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, x] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::silu_grad(dy, x)?.into());
    }
    Ok(vec![x.f_silu_backward(dy)?])
}
