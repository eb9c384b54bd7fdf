//! Attention: libtorch's fused kernels where there are, composed elsewhere. `lse` is wide `[B, H, T]`.
//!
//! Shared heads of keys and values are copied out to one for each head of queries, and their gradients
//! added up. A window is a mask of `[T, T]`: on a CPU the fused kernel takes it, elsewhere the scores
//! are composed.

use super::{Cx, Lowered, take};
use crate::graph::ops::attend::{Attend, AttendGrad, Sight};
use crate::lower::error::Fault;
use crate::lower::kernels;
use crate::objective::Pattern;
use tch::{Device, Kind, Tensor};

/// Head widths that flash attention on a GPU takes.
const FLASH_WIDTH_MULTIPLE: i64 = 8;
const FLASH_WIDTH_MAX: i64 = 256;

fn is_causal(sight: Sight) -> bool {
    match sight.pattern {
        Pattern::Causal | Pattern::BlockCausal { .. } | Pattern::TwoStream { .. } => true,
        Pattern::Full => false,
    }
}

fn width(q: &Tensor) -> i64 {
    q.size().last().copied().unwrap_or(0)
}

fn has_flash(cx: &Cx<'_>, sight: Sight, q: &Tensor) -> bool {
    let width = width(q);
    let fits = width % FLASH_WIDTH_MULTIPLE == 0 && width <= FLASH_WIDTH_MAX && sight.window.is_none();
    matches!(cx.device, Device::Cuda(_)) && cx.kinds.compute == Kind::BFloat16 && fits
}

/// Keys or values with a head for each head of queries.
fn spread(q: &Tensor, k: &Tensor) -> Result<Tensor, Fault> {
    let ([b, h, t, d], [_, shared, ..]) = (sizes(q)?, sizes(k)?);
    if h == shared {
        return Ok(k.shallow_clone());
    }
    Ok(k.f_unsqueeze(2)?.f_expand([b, shared, h / shared.max(1), t, d], false)?.f_reshape([b, h, t, d])?)
}

/// The gradient of [`spread`].
fn gather(cx: &Cx<'_>, k: &Tensor, dk: Tensor) -> Result<Tensor, Fault> {
    let ([b, h, t, d], [_, shared, ..]) = (sizes(&dk)?, sizes(k)?);
    if h == shared {
        return Ok(dk);
    }
    let groups = dk.f_reshape([b, shared, h / shared.max(1), t, d])?;
    Ok(groups.f_sum_dim_intlist(2, false, cx.kinds.wide)?.f_to_kind(cx.kinds.compute)?)
}

fn sizes(x: &Tensor) -> Result<[i64; 4], Fault> {
    x.size().try_into().map_err(Fault::Shape)
}

/// Whether the fused kernel is to be causal, and the mask it gets instead where there is a window.
fn fused_sight(sight: Sight, kind: Kind, q: &Tensor) -> Result<(bool, Option<Tensor>), Fault> {
    let [_, _, t, _] = sizes(q)?;
    match sight.window {
        Some(window) if (window as i64) < t => {
            let mask = Tensor::f_zeros([t, t], (kind, q.device()))?;
            Ok((false, Some(mask.f_masked_fill(&hidden(sight, t, q.device())?, f64::NEG_INFINITY)?)))
        }
        _ => Ok((is_causal(sight), None)),
    }
}

/// `[T, T]`: where row i does not see column j.
fn hidden(sight: Sight, t: i64, device: Device) -> Result<Tensor, Fault> {
    let all = Tensor::f_ones([t, t], (Kind::Bool, device))?;
    // The lowest diagonal that is seen, and the first above that is not.
    let reach = sight.window.map_or(t, |w| w.saturating_sub(1).min(t as u64) as i64);
    let above = if is_causal(sight) { 1 } else { reach + 1 };
    Ok(all.f_triu(above)?.f_logical_or(&all.f_tril(-reach - 1)?)?)
}

pub fn lower(op: &Attend, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [q, k, v] = take(inputs)?;
    let (k, v) = (spread(q, k)?, spread(q, v)?);
    if cx.is_cpu() {
        let (causal, mask) = fused_sight(op.sight, cx.kinds.compute, q)?;
        let (out, lse) =
            Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu(q, &k, &v, 0.0, causal, mask.as_ref(), None)?;
        return Ok(vec![out, lse]);
    }
    if has_flash(cx, op.sight, q) {
        return Ok(kernels::flash(q, &k, &v, is_causal(op.sight))?.into());
    }
    composed(op, cx, [q, &k, &v])
}

pub fn lower_grad(op: &AttendGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dout, q, k, v, out, lse] = take(inputs)?;
    let (shared_k, shared_v) = (k, v);
    let (k, v) = (&spread(q, k)?, &spread(q, v)?);
    let [dq, dk, dv] = if cx.is_cpu() {
        // libtorch's backward is five times slower in bf16 than in fp32, casts included.
        let wide = |x: &Tensor| x.f_to_kind(cx.kinds.wide);
        let (causal, mask) = fused_sight(op.sight, cx.kinds.wide, q)?;
        let (dq, dk, dv) = Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu_backward(
            &wide(dout)?,
            &wide(q)?,
            &wide(k)?,
            &wide(v)?,
            &wide(out)?,
            lse,
            0.0,
            causal,
            mask.as_ref(),
            None,
        )?;
        let compute = |x: Tensor| x.f_to_kind(cx.kinds.compute);
        [compute(dq)?, compute(dk)?, compute(dv)?]
    } else if has_flash(cx, op.sight, q) {
        kernels::flash_grad(dout, [q, k, v], out, lse, is_causal(op.sight))?
    } else {
        composed_grad(op, cx, [dout, q, k, v, out, lse])?
    };
    Ok(vec![dq, gather(cx, shared_k, dk)?, gather(cx, shared_v, dv)?])
}

/// Scaled scores, minus infinity where a position does not see another. In wide precision.
fn scores(cx: &Cx<'_>, sight: Sight, q: &Tensor, k: &Tensor) -> Result<Tensor, Fault> {
    let scale = 1.0 / (width(q) as f64).sqrt();
    let scores = q.f_matmul(&k.f_transpose(-2, -1)?)?.f_mul_scalar(scale)?;
    if sight.window.is_none() && !is_causal(sight) {
        return Ok(scores);
    }
    let t = scores.size().last().copied().unwrap_or(0);
    Ok(scores.f_masked_fill(&hidden(sight, t, cx.device)?, f64::NEG_INFINITY)?)
}

/// From libtorch's operations, for devices and precisions without a fused kernel; a head of keys and
/// values for each of queries.
pub fn composed(op: &Attend, cx: &Cx<'_>, [q, k, v]: [&Tensor; 3]) -> Lowered {
    let wide = cx.kinds.wide;
    let (q, k, v) = (q.f_to_kind(wide)?, k.f_to_kind(wide)?, v.f_to_kind(wide)?);
    let scores = scores(cx, op.sight, &q, &k)?;
    let lse = scores.f_logsumexp(-1, false)?;
    let p = scores.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    Ok(vec![p.f_matmul(&v)?.f_to_kind(cx.kinds.compute)?, lse])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(
    op: &AttendGrad,
    cx: &Cx<'_>,
    [dout, q, k, v, out, lse]: [&Tensor; 6],
) -> Result<[Tensor; 3], Fault> {
    let wide = cx.kinds.wide;
    let (dout, out) = (dout.f_to_kind(wide)?, out.f_to_kind(wide)?);
    let (q, k, v) = (q.f_to_kind(wide)?, k.f_to_kind(wide)?, v.f_to_kind(wide)?);
    let p = scores(cx, op.sight, &q, &k)?.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    let delta = dout.f_mul(&out)?.f_sum_dim_intlist(-1, true, wide)?;
    let dp = dout.f_matmul(&v.f_transpose(-2, -1)?)?;
    let ds = dp.f_sub(&delta)?.f_mul(&p)?.f_mul_scalar(1.0 / (width(&q) as f64).sqrt())?;
    let compute = |x: Tensor| x.f_to_kind(cx.kinds.compute);
    Ok([
        compute(ds.f_matmul(&k)?)?,
        compute(ds.f_transpose(-2, -1)?.f_matmul(&q)?)?,
        compute(p.f_transpose(-2, -1)?.f_matmul(&dout)?)?,
    ])
}
