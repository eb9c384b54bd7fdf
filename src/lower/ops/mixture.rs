//! The loss of replaced tokens: our kernels on a CPU, composed elsewhere. Everything is wide.

use super::{Cx, Lowered, split_last, take};
use crate::graph::ops::mixture::{Mixture, MixtureGrad};
use crate::lower::error::Fault;
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &Mixture, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let inputs = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::mixture(inputs, op.live)?.into());
    }
    composed(op, cx, inputs)
}

pub fn lower_grad(op: &MixtureGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dloss, logits, targets, tokens, alpha, uniform, lse] = take(inputs)?;
    if cx.is_cpu() {
        return Ok(kernels::mixture_grad(dloss, [logits, targets, tokens, alpha, uniform], lse, op.live)?.into());
    }
    composed_grad(op, cx, [dloss, logits, targets, tokens, alpha, uniform, lse])
}

/// What loss and gradient are made of; names as in the operation's file. `[B, T, live]` or `[B, T, 1]`.
struct Parts {
    p: Tensor,
    targets: Tensor,
    /// log(alpha p_j / u): infinite where u or alpha is 0.
    odds: Tensor,
    /// -log(q_j / q_theta_j) for j other than x, where u > 0.
    soft: Tensor,
    /// log(q_x / q_theta_x).
    log_ratio_x: Tensor,
    /// log r, 0 where z cannot be predicted.
    log_r: Tensor,
    /// z where it can be predicted, else 0; and where it can.
    z: Tensor,
    z_is_live: Tensor,
    alpha: Tensor,
    u: Tensor,
}

fn parts(
    cx: &Cx<'_>,
    live: u64,
    [logits, targets, tokens, alpha, u]: [&Tensor; 5],
    lse: &Tensor,
) -> Result<Parts, Fault> {
    let (wide, live) = (cx.kinds.wide, live as i64);
    let column = |x: &Tensor| x.f_to_kind(wide)?.f_view([-1, 1, 1]);
    let (alpha, u) = (column(alpha)?, column(u)?);
    let (targets, tokens) = (targets.f_unsqueeze(-1)?, tokens.f_unsqueeze(-1)?);
    let log_p = logits.f_narrow(-1, 0, live)?.f_to_kind(wide)?.f_sub(&lse.f_unsqueeze(-1)?)?;
    let (log_alpha, log_u) = (alpha.f_log()?, u.f_log()?);
    let never = alpha.f_full_like(f64::NEG_INFINITY)?;
    let is_mixed = alpha.f_gt(0.0)?;
    let odds = log_p.f_add(&log_alpha.f_sub(&log_u)?.f_where_self(&is_mixed, &never)?)?;
    let soft = odds.f_logaddexp(&odds.f_zeros_like()?)?;
    let log_p_x = log_p.f_gather(-1, &targets, false)?;
    let log_q_theta_x = log_p_x.f_add(&log_alpha)?.f_logaddexp(&log_u)?;
    let zero = log_q_theta_x.f_zeros_like()?;
    let log_ratio_x = alpha.f_add(&u)?.f_log()?.f_sub(&log_q_theta_x)?.f_where_self(&is_mixed, &zero)?;
    let z_is_live = tokens.f_lt(live)?;
    let z = tokens.f_mul(&z_is_live)?;
    let elsewhere = soft.f_gather(-1, &z, false)?.f_neg()?;
    let log_r = log_ratio_x.f_where_self(&tokens.f_eq_tensor(&targets)?, &elsewhere)?;
    let log_r = log_r.f_where_self(&z_is_live.f_logical_and(&is_mixed)?, &zero)?;
    Ok(Parts { p: log_p.f_exp()?, targets, odds, soft, log_ratio_x, log_r, z, z_is_live, alpha, u })
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed(op: &Mixture, cx: &Cx<'_>, inputs: [&Tensor; 5]) -> Lowered {
    let live = inputs[0].f_narrow(-1, 0, op.live as i64)?.f_to_kind(cx.kinds.wide)?;
    let lse = live.f_logsumexp(-1, false)?;
    let of = parts(cx, op.live, inputs, &lse)?;
    // Of all j but x: u log(q_j / q_theta_j), nothing where u is 0.
    let at_x = of.soft.f_gather(-1, &of.targets, false)?;
    let others = of.soft.f_sum_dim_intlist(-1, true, cx.kinds.wide)?.f_sub(&at_x)?.f_mul(&of.u)?;
    let others = others.f_where_self(&of.u.f_gt(0.0)?, &at_x.f_zeros_like()?)?;
    let divergence = of.alpha.f_add(&of.u)?.f_mul(&of.log_ratio_x)?.f_sub(&others)?;
    let loss = divergence.f_add(&of.log_r.f_expm1()?.f_sub(&of.log_r)?)?;
    Ok(vec![loss.f_squeeze_dim(-1)?, lse])
}

/// As [`composed`], for the gradient.
pub fn composed_grad(op: &MixtureGrad, cx: &Cx<'_>, inputs: [&Tensor; 7]) -> Lowered {
    let [dloss, logits, targets, tokens, alpha, uniform, lse] = inputs;
    let (_, width) = split_last(logits)?;
    let of = parts(cx, op.live, [logits, targets, tokens, alpha, uniform], lse)?;
    let s = of.odds.f_sigmoid()?;
    let s_x = s.f_gather(-1, &of.targets, false)?;
    let s_z = s.f_gather(-1, &of.z, false)?;
    let mut c = s.f_mul(&of.u)?.f_neg()?;
    c = c.f_scatter_add_(-1, &of.targets, &s_x.f_mul(&of.alpha)?.f_neg()?)?;
    let at_z = of.log_r.f_expm1()?.f_neg()?.f_mul(&s_z)?.f_mul(&of.z_is_live)?;
    c = c.f_scatter_add_(-1, &of.z, &at_z)?;
    let total = c.f_sum_dim_intlist(-1, true, cx.kinds.wide)?;
    let dloss = dloss.f_to_kind(cx.kinds.wide)?.f_unsqueeze(-1)?;
    let d = c.f_sub(&of.p.f_mul(&total)?)?.f_mul(&dloss)?;
    // A position without weight has no gradient, however wild its logits are.
    let d = d.f_where_self(&dloss.f_ne(0.0)?, &d.f_zeros_like()?)?;
    Ok(vec![d.f_to_kind(cx.kinds.compute)?.f_constant_pad_nd([0, width - op.live as i64])?])
}
