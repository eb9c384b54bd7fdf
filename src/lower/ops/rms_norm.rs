//! RMS norm: our kernels on a CPU, composed elsewhere. Statistics are wide. Without a gain it is ones.

use super::{Cx, Lowered, rows};
use crate::graph::ops::rms_norm::{RmsNorm, RmsNormGrad};
use crate::lower::error::Fault;
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &RmsNorm, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let (x, gain) = match inputs {
        [x] => (x, ones(cx, x)?),
        [x, gain] => (x, gain.shallow_clone()),
        _ => return Err(Fault::Arity { got: inputs.len(), takes: 2 }),
    };
    if cx.is_cpu() {
        return Ok(kernels::rms_norm(x, &gain, op.eps)?.into());
    }
    composed(op, cx, x, &gain)
}

pub fn lower_grad(op: &RmsNormGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let (dy, x, rstd, gain) = match inputs {
        [dy, x, rstd] => (dy, x, rstd, ones(cx, x)?),
        [dy, x, rstd, gain] => (dy, x, rstd, gain.shallow_clone()),
        _ => return Err(Fault::Arity { got: inputs.len(), takes: 4 }),
    };
    let mut grads: Vec<Tensor> = if cx.is_cpu() {
        kernels::rms_norm_grad(dy, x, &gain, rstd)?.into()
    } else {
        composed_grad(op, cx, [dy, x, rstd, &gain])?
    };
    // Without a gain there is no gradient of one.
    grads.truncate(inputs.len() - 2);
    Ok(grads)
}

/// The gain of a norm that has none.
pub(super) fn ones(cx: &Cx<'_>, x: &Tensor) -> Result<Tensor, Fault> {
    let width = x.size().last().copied().unwrap_or(1);
    Ok(Tensor::f_ones([width], (cx.kinds.compute, cx.device))?)
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed(op: &RmsNorm, cx: &Cx<'_>, x: &Tensor, gain: &Tensor) -> Lowered {
    let wide = x.f_to_kind(cx.kinds.wide)?;
    let rstd = wide.f_square()?.f_mean_dim(-1, true, cx.kinds.wide)?.f_add_scalar(op.eps)?.f_rsqrt()?;
    let y = wide.f_mul(&rstd)?.f_mul(&gain.f_to_kind(cx.kinds.wide)?)?;
    Ok(vec![y.f_to_kind(cx.kinds.compute)?, rstd.f_squeeze_dim(-1)?])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(_: &RmsNormGrad, cx: &Cx<'_>, [dy, x, rstd, gain]: [&Tensor; 4]) -> Lowered {
    let wide = cx.kinds.wide;
    let (dy, x, gain, rstd) = (dy.f_to_kind(wide)?, x.f_to_kind(wide)?, gain.f_to_kind(wide)?, rstd.f_unsqueeze(-1)?);
    let normal = x.f_mul(&rstd)?;
    let dnormal = dy.f_mul(&gain)?;
    let dgain = rows(&dy.f_mul(&normal)?)?.f_sum_dim_intlist(0, false, wide)?;
    let dot = dnormal.f_mul(&normal)?.f_mean_dim(-1, true, wide)?;
    let dx = dnormal.f_sub(&normal.f_mul(&dot)?)?.f_mul(&rstd)?;
    Ok(vec![dx.f_to_kind(cx.kinds.compute)?, dgain])
}
