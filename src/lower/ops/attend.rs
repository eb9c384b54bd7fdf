//! Attention: libtorch's fused kernels where there are, composed elsewhere. `lse` is wide `[B, H, T]`.

use super::{Cx, Lowered, take};
use crate::graph::ops::attend::{Attend, AttendGrad};
use crate::lower::error::Fault;
use crate::lower::kernels;
use crate::objective::Pattern;
use tch::{Device, Kind, Tensor};

/// Head widths that flash attention on a GPU takes.
const FLASH_WIDTH_MULTIPLE: i64 = 8;
const FLASH_WIDTH_MAX: i64 = 256;

fn is_causal(pattern: Pattern) -> bool {
    match pattern {
        Pattern::Causal => true,
        Pattern::Full => false,
    }
}

fn width(q: &Tensor) -> i64 {
    q.size().last().copied().unwrap_or(0)
}

fn has_flash(cx: &Cx<'_>, q: &Tensor) -> bool {
    let width = width(q);
    let fits = width % FLASH_WIDTH_MULTIPLE == 0 && width <= FLASH_WIDTH_MAX;
    matches!(cx.device, Device::Cuda(_)) && cx.kinds.compute == Kind::BFloat16 && fits
}

pub fn lower(op: &Attend, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [q, k, v] = take(inputs)?;
    let causal = is_causal(op.pattern);
    if cx.is_cpu() {
        let (out, lse) =
            Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, None::<&Tensor>, None)?;
        return Ok(vec![out, lse]);
    }
    if has_flash(cx, q) {
        return Ok(kernels::flash(q, k, v, causal)?.into());
    }
    composed(op, cx, [q, k, v])
}

pub fn lower_grad(op: &AttendGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dout, q, k, v, out, lse] = take(inputs)?;
    let causal = is_causal(op.pattern);
    if cx.is_cpu() {
        // libtorch's backward is five times slower in bf16 than in fp32, casts included.
        let wide = |x: &Tensor| x.f_to_kind(cx.kinds.wide);
        let (dq, dk, dv) = Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu_backward(
            &wide(dout)?,
            &wide(q)?,
            &wide(k)?,
            &wide(v)?,
            &wide(out)?,
            lse,
            0.0,
            causal,
            None::<&Tensor>,
            None,
        )?;
        let compute = |x: Tensor| x.f_to_kind(cx.kinds.compute);
        return Ok(vec![compute(dq)?, compute(dk)?, compute(dv)?]);
    }
    if has_flash(cx, q) {
        return Ok(kernels::flash_grad(dout, [q, k, v], out, lse, causal)?.into());
    }
    composed_grad(op, cx, [dout, q, k, v, out, lse])
}

/// Scaled scores, minus infinity where the pattern forbids. In wide precision.
fn scores(cx: &Cx<'_>, pattern: Pattern, q: &Tensor, k: &Tensor) -> Result<Tensor, Fault> {
    let scale = 1.0 / (width(q) as f64).sqrt();
    let scores = q.f_matmul(&k.f_transpose(-2, -1)?)?.f_mul_scalar(scale)?;
    match pattern {
        Pattern::Full => Ok(scores),
        Pattern::Causal => {
            let t = scores.size().last().copied().unwrap_or(0);
            let later = Tensor::f_ones([t, t], (Kind::Bool, cx.device))?.f_triu(1)?;
            Ok(scores.f_masked_fill(&later, f64::NEG_INFINITY)?)
        }
    }
}

/// From libtorch's operations, for devices and precisions without a fused kernel.
pub fn composed(op: &Attend, cx: &Cx<'_>, [q, k, v]: [&Tensor; 3]) -> Lowered {
    let wide = cx.kinds.wide;
    let (q, k, v) = (q.f_to_kind(wide)?, k.f_to_kind(wide)?, v.f_to_kind(wide)?);
    let scores = scores(cx, op.pattern, &q, &k)?;
    let lse = scores.f_logsumexp(-1, false)?;
    let p = scores.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    Ok(vec![p.f_matmul(&v)?.f_to_kind(cx.kinds.compute)?, lse])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(op: &AttendGrad, cx: &Cx<'_>, [dout, q, k, v, out, lse]: [&Tensor; 6]) -> Lowered {
    let wide = cx.kinds.wide;
    let (dout, out) = (dout.f_to_kind(wide)?, out.f_to_kind(wide)?);
    let (q, k, v) = (q.f_to_kind(wide)?, k.f_to_kind(wide)?, v.f_to_kind(wide)?);
    let p = scores(cx, op.pattern, &q, &k)?.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    let delta = dout.f_mul(&out)?.f_sum_dim_intlist(-1, true, wide)?;
    let dp = dout.f_matmul(&v.f_transpose(-2, -1)?)?;
    let ds = dp.f_sub(&delta)?.f_mul(&p)?.f_mul_scalar(1.0 / (width(&q) as f64).sqrt())?;
    let compute = |x: Tensor| x.f_to_kind(cx.kinds.compute);
    Ok(vec![
        compute(ds.f_matmul(&k)?)?,
        compute(ds.f_transpose(-2, -1)?.f_matmul(&q)?)?,
        compute(p.f_transpose(-2, -1)?.f_matmul(&dout)?)?,
    ])
}
