//! Gated activations. SiLU's are our kernels on a CPU; the others are the activation's, and a product.

use super::{Cx, Lowered, activation, one, take};
use crate::graph::ops::activation::{Activation, ActivationGrad, Function};
use crate::graph::ops::gated::{Gated, GatedGrad};
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &Gated, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [gate, up] = take(inputs)?;
    if cx.is_cpu() && op.function == Function::Silu {
        return Ok(kernels::swiglu(gate, up)?.into());
    }
    let activated = one(activation::lower(&Activation { function: op.function }, cx, &[gate])?)?;
    Ok(vec![activated.f_mul(up)?])
}

pub fn lower_grad(op: &GatedGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, gate, up] = take(inputs)?;
    if cx.is_cpu() && op.function == Function::Silu {
        return Ok(kernels::swiglu_grad(dy, gate, up)?.into());
    }
    let function = op.function;
    let activated = one(activation::lower(&Activation { function }, cx, &[gate])?)?;
    let dgate = one(activation::lower_grad(&ActivationGrad { function }, cx, &[&dy.f_mul(up)?, gate])?)?;
    Ok(vec![dgate, dy.f_mul(&activated)?])
}
