//! Elementwise functions. SiLU has our kernels on a CPU; the others are libtorch's, which computes
//! both directions of GELU in fp32 inside.

use super::{Cx, Lowered, take};
use crate::graph::ops::activation::{Activation, ActivationGrad, Function};
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &Activation, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    let y = match op.function {
        Function::Silu if cx.is_cpu() => return Ok(kernels::silu(x)?.into()),
        Function::Silu => x.f_silu()?,
        Function::Gelu => x.f_gelu("none")?,
        Function::GeluTanh => x.f_gelu("tanh")?,
        Function::Relu => x.f_relu()?,
        Function::Tanh => x.f_tanh()?,
        Function::Sigmoid => x.f_sigmoid()?,
        Function::Exp => x.f_exp()?,
        Function::Log => x.f_log()?,
    };
    Ok(vec![y])
}

pub fn lower_grad(op: &ActivationGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, x] = take(inputs)?;
    let dx = match op.function {
        Function::Silu if cx.is_cpu() => return Ok(kernels::silu_grad(dy, x)?.into()),
        Function::Silu => x.f_silu_backward(dy)?,
        Function::Gelu => x.f_gelu_backward(dy, "none")?,
        Function::GeluTanh => x.f_gelu_backward(dy, "tanh")?,
        Function::Relu => x.f_threshold_backward(dy, 0.0)?,
        Function::Exp => dy.f_mul(&x.f_exp()?)?,
        Function::Log => dy.f_div(x)?,
        // From the input again, in wide precision: 1 - tanh(x)^2 loses all its digits to bf16.
        Function::Tanh | Function::Sigmoid => {
            let (dy, x) = (dy.f_to_kind(cx.kinds.wide)?, x.f_to_kind(cx.kinds.wide)?);
            let dx = match op.function {
                Function::Tanh => Tensor::f_tanh_backward(&dy, &x.f_tanh()?)?,
                _ => Tensor::f_sigmoid_backward(&dy, &x.f_sigmoid()?)?,
            };
            dx.f_to_kind(cx.kinds.compute)?
        }
    };
    Ok(vec![dx])
}
