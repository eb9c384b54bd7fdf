//! Cross-entropy: our kernels on a CPU, composed elsewhere. The softmax is wide.

use super::{Cx, Lowered, split_last, take};
use crate::graph::ops::nll::{Nll, NllGrad};
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &Nll, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [logits, targets] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::nll(logits, targets, op.live)?.into());
    }
    composed(op, cx, logits, targets)
}

pub fn lower_grad(op: &NllGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dnll, logits, targets, lse] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::nll_grad(dnll, logits, targets, lse, op.live)?.into());
    }
    composed_grad(op, cx, [dnll, logits, targets, lse])
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed(op: &Nll, cx: &Cx<'_>, logits: &Tensor, targets: &Tensor) -> Lowered {
    let picked = logits.f_gather(-1, &targets.f_unsqueeze(-1)?, false)?.f_squeeze_dim(-1)?;
    let lse = logits.f_narrow(-1, 0, op.live as i64)?.f_to_kind(cx.kinds.wide)?.f_logsumexp(-1, false)?;
    Ok(vec![lse.f_sub(&picked.f_to_kind(cx.kinds.wide)?)?, lse])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(op: &NllGrad, cx: &Cx<'_>, [dnll, logits, targets, lse]: [&Tensor; 4]) -> Lowered {
    let (_, width) = split_last(logits)?;
    let live = op.live as i64;
    let dnll = dnll.f_to_kind(cx.kinds.wide)?.f_unsqueeze(-1)?;
    let mut d = logits.f_narrow(-1, 0, live)?.f_to_kind(cx.kinds.wide)?.f_sub(&lse.f_unsqueeze(-1)?)?;
    d = d.f_exp_()?;
    d = d.f_mul_(&dnll)?;
    d = d.f_scatter_add_(-1, &targets.f_unsqueeze(-1)?, &dnll.f_neg()?)?;
    Ok(vec![d.f_to_kind(cx.kinds.compute)?.f_constant_pad_nd([0, width - live])?])
}
