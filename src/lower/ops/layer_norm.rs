//! Layer norm: our kernels on a CPU, composed elsewhere. Statistics are wide. Without a gain it is ones.

use super::rms_norm::ones;
use super::{Cx, Lowered, rows};
use crate::graph::ops::layer_norm::{LayerNorm, LayerNormGrad};
use crate::lower::error::Fault;
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &LayerNorm, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let (x, gain) = match inputs {
        [x] => (x, ones(cx, x)?),
        [x, gain] => (x, gain.shallow_clone()),
        _ => return Err(Fault::Arity { got: inputs.len(), takes: 2 }),
    };
    if cx.is_cpu() {
        return Ok(kernels::layer_norm(x, &gain, op.eps)?.into());
    }
    composed(op, cx, x, &gain)
}

pub fn lower_grad(op: &LayerNormGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let (dy, x, mean, rstd, gain) = match inputs {
        [dy, x, mean, rstd] => (dy, x, mean, rstd, ones(cx, x)?),
        [dy, x, mean, rstd, gain] => (dy, x, mean, rstd, gain.shallow_clone()),
        _ => return Err(Fault::Arity { got: inputs.len(), takes: 5 }),
    };
    let mut grads: Vec<Tensor> = if cx.is_cpu() {
        kernels::layer_norm_grad(dy, x, &gain, mean, rstd)?.into()
    } else {
        composed_grad(op, cx, [dy, x, mean, rstd, &gain])?
    };
    // Without a gain there is no gradient of one.
    grads.truncate(inputs.len() - 3);
    Ok(grads)
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed(op: &LayerNorm, cx: &Cx<'_>, x: &Tensor, gain: &Tensor) -> Lowered {
    let wide = cx.kinds.wide;
    let x = x.f_to_kind(wide)?;
    let mean = x.f_mean_dim(-1, true, wide)?;
    let centred = x.f_sub(&mean)?;
    let rstd = centred.f_square()?.f_mean_dim(-1, true, wide)?.f_add_scalar(op.eps)?.f_rsqrt()?;
    let y = centred.f_mul(&rstd)?.f_mul(&gain.f_to_kind(wide)?)?;
    Ok(vec![y.f_to_kind(cx.kinds.compute)?, mean.f_squeeze_dim(-1)?, rstd.f_squeeze_dim(-1)?])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(_: &LayerNormGrad, cx: &Cx<'_>, [dy, x, mean, rstd, gain]: [&Tensor; 5]) -> Lowered {
    let wide = cx.kinds.wide;
    let (dy, x, gain) = (dy.f_to_kind(wide)?, x.f_to_kind(wide)?, gain.f_to_kind(wide)?);
    let rstd = rstd.f_unsqueeze(-1)?;
    let normal = x.f_sub(&mean.f_unsqueeze(-1)?)?.f_mul(&rstd)?;
    let dnormal = dy.f_mul(&gain)?;
    let dgain = rows(&dy.f_mul(&normal)?)?.f_sum_dim_intlist(0, false, wide)?;
    let total = dnormal.f_mean_dim(-1, true, wide)?;
    let dot = dnormal.f_mul(&normal)?.f_mean_dim(-1, true, wide)?;
    let dx = dnormal.f_sub(&total)?.f_sub(&normal.f_mul(&dot)?)?.f_mul(&rstd)?;
    Ok(vec![dx.f_to_kind(cx.kinds.compute)?, dgain])
}
