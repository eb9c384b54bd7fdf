//! Attention: our kernel for bf16 on CPUs with the vectors it needs, libtorch's fused kernels where there are
//! others, composed elsewhere. `lse` is wide `[B, H, T]`.
//!
//! Our kernel knows shared heads, and is told what each query sees as runs of keys. For the others, shared heads
//! of keys and values are copied out to one for each head of queries, and their gradients added up. What the fused kernels do not know (windows, blocks) is a mask of `[T, T]`, made once for each
//! sight and length: on a CPU the fused kernel takes it, elsewhere the scores are composed. With dropout they
//! are composed everywhere, and what is dropped is drawn again for the backward pass.

use super::{Cx, Lowered, dropout, take};
use crate::graph::ops::attend::{Attend, AttendGrad, Sight};
use crate::graph::ops::dropout::Drops;
use crate::lower::error::Fault;
use crate::lower::kernels;
use crate::objective::Pattern;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Head widths that flash attention on a GPU takes.
const FLASH_WIDTH_MULTIPLE: i64 = 8;
const FLASH_WIDTH_MAX: i64 = 256;
/// The widest head that our attention takes.
const OWN_WIDTH_MAX: i64 = 256;

/// Masks that an executable keeps, newest last. A model has few sights and runs on few lengths; text that grows
/// has many lengths, of which the last are enough.
const MASKS_MAX: usize = 16;

/// Which rows of which square, and what says who sees whom: an additive mask of this kind, a bool one, or runs in
/// int32.
type Key = (Sight, Range<i64>, i64, Kind);

/// Masks of `[rows, T]`, and runs of `[rows, n, 2]`, that were made already.
#[derive(Default)]
pub struct Masks(RefCell<VecDeque<(Key, Tensor)>>);

impl Masks {
    /// Of these rows of a square of `t`: in bool, true where a position is hidden; in floating point, minus
    /// infinity there.
    fn get(&self, sight: Sight, rows: Range<i64>, t: i64, kind: Kind, device: Device) -> Result<Tensor, Fault> {
        self.kept((sight, rows.clone(), t, kind), || {
            let hidden = hidden(sight, rows, t)?.f_to_device(device)?;
            match kind {
                Kind::Bool => Ok(hidden),
                kind => {
                    let open = Tensor::f_zeros(hidden.size(), (kind, device))?;
                    Ok(open.f_masked_fill(&hidden, f64::NEG_INFINITY)?)
                }
            }
        })
    }

    /// Of these rows of a square of `t`: int32 `[rows, n, 2]`, the positions that each sees as runs from..to.
    fn runs(&self, sight: Sight, rows: Range<i64>, t: i64) -> Result<Tensor, Fault> {
        self.kept((sight, rows.clone(), t, Kind::Int), || runs(sight, rows, t))
    }

    fn kept(&self, key: Key, make: impl FnOnce() -> Result<Tensor, Fault>) -> Result<Tensor, Fault> {
        if let Some((_, mask)) = self.0.borrow().iter().find(|(known, _)| *known == key) {
            return Ok(mask.shallow_clone());
        }
        let mask = make()?;
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MASKS_MAX {
            kept.pop_front();
        }
        kept.push_back((key, mask.shallow_clone()));
        Ok(mask)
    }
}

/// `[rows, T]`: where row i does not see column j of T.
fn hidden(sight: Sight, rows: Range<i64>, t: i64) -> Result<Tensor, Fault> {
    let n = t.max(0) as usize;
    let shape = [rows.end - rows.start, t];
    let row = |i: i64| (0..n).map(move |j| !sight.sees(i.max(0) as usize, j, n));
    let hidden: Vec<bool> = rows.flat_map(row).collect();
    Ok(Tensor::f_from_slice(&hidden)?.f_view(shape)?)
}

/// `[rows, n, 2]`: the runs of columns from..to of T that row i sees, with empty ones where it has fewer.
fn runs(sight: Sight, rows: Range<i64>, t: i64) -> Result<Tensor, Fault> {
    let n = t.max(0) as usize;
    let seen_in = |i: usize| match native(sight, t) {
        Native::Full => vec![(0, n)],
        Native::Causal => vec![(0, (i + 1).min(n))],
        Native::None => {
            let mut found: Vec<(usize, usize)> = Vec::new();
            for j in (0..n).filter(|j| sight.sees(i, *j, n)) {
                match found.last_mut() {
                    Some((_, to)) if *to == j => *to = j + 1,
                    _ => found.push((j, j + 1)),
                }
            }
            found
        }
    };
    let n_rows = rows.end - rows.start;
    let mut found: Vec<_> = rows.map(|i| seen_in(i.max(0) as usize)).collect();
    let n_runs = found.iter().map(Vec::len).max().unwrap_or(0);
    found.iter_mut().for_each(|runs| runs.resize(n_runs, (0, 0)));
    let flat: Vec<i32> = found.into_iter().flatten().flat_map(|(from, to)| [from as i32, to as i32]).collect();
    Ok(Tensor::f_from_slice(&flat)?.f_view([n_rows, n_runs as i64, 2])?)
}

/// What a fused kernel knows itself.
enum Native {
    Causal,
    Full,
    /// Nothing: it needs a mask.
    None,
}

fn native(sight: Sight, t: i64) -> Native {
    match sight.pattern {
        _ if sight.window.is_some_and(|window| window < t.max(0) as u64) => Native::None,
        Pattern::Causal => Native::Causal,
        Pattern::Full => Native::Full,
        Pattern::BlockCausal { block } if block >= t.max(0) as u64 => Native::Full,
        Pattern::BlockCausal { block: 0 | 1 } => Native::Causal,
        Pattern::BlockCausal { .. } | Pattern::TwoStream { .. } => Native::None,
    }
}

fn width(q: &Tensor) -> i64 {
    q.size().last().copied().unwrap_or(0)
}

/// Whether flash attention on a GPU can take this, and whether causally.
fn flash_sight(cx: &Cx<'_>, sight: Sight, q: &Tensor) -> Result<Option<bool>, Fault> {
    let [_, _, t, width] = sizes(q)?;
    let fits = width % FLASH_WIDTH_MULTIPLE == 0 && width <= FLASH_WIDTH_MAX;
    if !fits || !matches!(cx.device, Device::Cuda(_)) || cx.kinds.compute != Kind::BFloat16 {
        return Ok(None);
    }
    Ok(match native(sight, t) {
        Native::Causal => Some(true),
        Native::Full => Some(false),
        Native::None => None,
    })
}

/// Keys or values with a head for each head of queries.
fn spread(q: &Tensor, k: &Tensor) -> Result<Tensor, Fault> {
    let ([_, h, ..], [b, shared, t, d]) = (sizes(q)?, sizes(k)?);
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

/// Whether the fused kernel is to be causal, and the mask it gets instead of what it does not know.
fn fused_sight(cx: &Cx<'_>, sight: Sight, kind: Kind, q: &Tensor) -> Result<(bool, Option<Tensor>), Fault> {
    let [_, _, t, _] = sizes(q)?;
    Ok(match native(sight, t) {
        Native::Causal => (true, None),
        Native::Full => (false, None),
        Native::None => (false, Some(cx.masks.get(sight, 0..t, t, kind, q.device())?)),
    })
}

/// Whether our kernel takes this, and is the faster one: libtorch's uses AMX where there is.
fn is_own(cx: &Cx<'_>, q: &Tensor) -> bool {
    let units = kernels::bf16_units();
    let fits = cx.is_cpu() && cx.kinds.compute == Kind::BFloat16 && (1..=OWN_WIDTH_MAX).contains(&width(q));
    fits && units.vectors && !units.tiles
}

pub fn lower(op: &Attend, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let qkv @ [q, k, v] = take(inputs.get(..3).unwrap_or_default())?;
    if op.drops.is_none() && is_own(cx, q) {
        return own(op, cx, qkv);
    }
    let (k, v) = (spread(q, k)?, spread(q, v)?);
    if op.drops.is_some() {
        return composed(op, cx, [q, &k, &v]);
    }
    if cx.is_cpu() {
        return fused(op, cx, [q, &k, &v]);
    }
    if let Some(causal) = flash_sight(cx, op.sight, q)? {
        return Ok(kernels::flash(q, &k, &v, causal)?.into());
    }
    composed(op, cx, [q, &k, &v])
}

/// With our kernel, which needs bf16 on a CPU that has [`kernels::Bf16Units::vectors`].
pub fn own(op: &Attend, cx: &Cx<'_>, qkv: [&Tensor; 3]) -> Lowered {
    let [_, _, t, _] = sizes(qkv[0])?;
    Ok(kernels::attention(qkv, &cx.masks.runs(op.sight, 0..t, t)?)?.into())
}

/// As [`own`], for the gradient.
pub fn own_grad(op: &AttendGrad, cx: &Cx<'_>, [dout, q, k, v, out, lse]: [&Tensor; 6]) -> Result<[Tensor; 3], Fault> {
    let [_, _, t, _] = sizes(q)?;
    kernels::attention_grad(
        dout,
        [q, k, v],
        out,
        lse,
        &cx.masks.runs(op.sight, 0..t, t)?,
        [cx.into(0), cx.into(1), cx.into(2)],
    )
}

/// With libtorch's kernel for CPUs; a head of keys and values for each of queries.
pub fn fused(op: &Attend, cx: &Cx<'_>, [q, k, v]: [&Tensor; 3]) -> Lowered {
    let (causal, mask) = fused_sight(cx, op.sight, cx.kinds.compute, q)?;
    let (out, lse) =
        Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, mask.as_ref(), None)?;
    Ok(vec![out, lse])
}

/// As [`fused`], for the gradient.
pub fn fused_grad(op: &AttendGrad, cx: &Cx<'_>, [dout, q, k, v, out, lse]: [&Tensor; 6]) -> Result<[Tensor; 3], Fault> {
    // libtorch's backward is five times slower in bf16 than in fp32, casts included.
    let wide = |x: &Tensor| x.f_to_kind(cx.kinds.wide);
    let (causal, mask) = fused_sight(cx, op.sight, cx.kinds.wide, q)?;
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
    Ok([compute(dq)?, compute(dk)?, compute(dv)?])
}

/// Attention of new positions, which follow those whose keys and values are `before`. Also gives the keys and
/// values of all, heads as they came.
pub fn lower_after(
    op: &Attend,
    cx: &Cx<'_>,
    inputs: &[&Tensor],
    before: Option<&[Tensor; 2]>,
) -> Result<(Vec<Tensor>, [Tensor; 2]), Fault> {
    let [q, k, v] = take(inputs)?;
    let Some([keys, values]) = before else {
        return Ok((lower(op, cx, inputs)?, [k.shallow_clone(), v.shallow_clone()]));
    };
    let all = [Tensor::f_cat(&[keys, k], 2)?, Tensor::f_cat(&[values, v], 2)?];
    let ([_, _, t, _], [_, _, n, _]) = (sizes(q)?, sizes(&all[0])?);
    let rows = n - t..n;
    if is_own(cx, q) {
        let outputs = kernels::attention([q, &all[0], &all[1]], &cx.masks.runs(op.sight, rows, n)?)?;
        return Ok((outputs.into(), all));
    }
    let [spread_k, spread_v] = [spread(q, &all[0])?, spread(q, &all[1])?];
    let mask = |kind: Kind| match see_all(op.sight, rows.clone(), n) {
        true => Ok(None),
        false => cx.masks.get(op.sight, rows.clone(), n, kind, q.device()).map(Some),
    };
    if cx.is_cpu() {
        let (out, lse) = Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu(
            q,
            &spread_k,
            &spread_v,
            0.0,
            false,
            mask(cx.kinds.compute)?.as_ref(),
            None,
        )?;
        return Ok((vec![out, lse], all));
    }
    Ok((composed_with(cx, [q, &spread_k, &spread_v], mask(Kind::Bool)?, None)?, all))
}

/// Whether each of these last rows sees all of `n`.
fn see_all(sight: Sight, rows: Range<i64>, n: i64) -> bool {
    let near = sight.window.is_none_or(|window| window >= n.max(0) as u64);
    near && match sight.pattern {
        Pattern::Causal => rows.start + 1 >= n,
        Pattern::BlockCausal { block } => {
            let block = block.max(1) as i64;
            rows.start / block == (n - 1).max(0) / block
        }
        Pattern::Full => true,
        Pattern::TwoStream { .. } => false,
    }
}

pub fn lower_grad(op: &AttendGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dout, q, k, v, out, lse] = take(inputs.get(..6).unwrap_or_default())?;
    if op.drops.is_none() && is_own(cx, q) {
        return Ok(own_grad(op, cx, [dout, q, k, v, out, lse])?.into());
    }
    let (shared_k, shared_v) = (k, v);
    let (k, v) = (&spread(q, k)?, &spread(q, v)?);
    let [dq, dk, dv] = if op.drops.is_some() {
        composed_grad(op, cx, [dout, q, k, v, out, lse])?
    } else if cx.is_cpu() {
        fused_grad(op, cx, [dout, q, k, v, out, lse])?
    } else if let Some(causal) = flash_sight(cx, op.sight, q)? {
        kernels::flash_grad(dout, [q, k, v], out, lse, causal)?
    } else {
        composed_grad(op, cx, [dout, q, k, v, out, lse])?
    };
    Ok(vec![dq, gather(cx, shared_k, dk)?, gather(cx, shared_v, dv)?])
}

/// What to hide in scores of a whole sequence, if anything.
fn hiding(cx: &Cx<'_>, sight: Sight, q: &Tensor) -> Result<Option<Tensor>, Fault> {
    let [_, _, t, _] = sizes(q)?;
    match native(sight, t) {
        Native::Full => Ok(None),
        Native::Causal | Native::None => cx.masks.get(sight, 0..t, t, Kind::Bool, q.device()).map(Some),
    }
}

/// Scaled scores, minus infinity where a position does not see another. In wide precision.
fn scores(hidden: Option<&Tensor>, q: &Tensor, k: &Tensor) -> Result<Tensor, Fault> {
    let scale = 1.0 / (width(q) as f64).sqrt();
    let scores = q.f_matmul(&k.f_transpose(-2, -1)?)?.f_mul_scalar(scale)?;
    match hidden {
        Some(hidden) => Ok(scores.f_masked_fill(hidden, f64::NEG_INFINITY)?),
        None => Ok(scores),
    }
}

/// Which of these probabilities are dropped, if any.
fn dropped<'a>(cx: &Cx<'_>, drops: Option<&'a Drops>, p: &Tensor) -> Result<Option<(&'a Drops, Tensor)>, Fault> {
    drops.map(|drops| Ok((drops, dropout::dropped(drops, cx, true, &p.size())?))).transpose()
}

/// Probabilities, or their gradient, with some dropped.
fn drop(dropped: Option<&(&Drops, Tensor)>, p: Tensor) -> Result<Tensor, Fault> {
    match dropped {
        Some((drops, dropped)) => dropout::apply(drops, &p, dropped),
        None => Ok(p),
    }
}

/// From libtorch's operations, for devices and precisions without a fused kernel; a head of keys and
/// values for each of queries.
pub fn composed(op: &Attend, cx: &Cx<'_>, qkv: [&Tensor; 3]) -> Lowered {
    let hidden = hiding(cx, op.sight, qkv[0])?;
    composed_with(cx, qkv, hidden, op.drops.as_ref())
}

fn composed_with(cx: &Cx<'_>, [q, k, v]: [&Tensor; 3], hidden: Option<Tensor>, drops: Option<&Drops>) -> Lowered {
    let wide = cx.kinds.wide;
    let (q, k, v) = (q.f_to_kind(wide)?, k.f_to_kind(wide)?, v.f_to_kind(wide)?);
    let scores = scores(hidden.as_ref(), &q, &k)?;
    let lse = scores.f_logsumexp(-1, false)?;
    let p = scores.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    let p = drop(dropped(cx, drops, &p)?.as_ref(), p)?;
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
    let p = scores(hiding(cx, op.sight, &q)?.as_ref(), &q, &k)?.f_sub(&lse.f_unsqueeze(-1)?)?.f_exp_()?;
    let delta = dout.f_mul(&out)?.f_sum_dim_intlist(-1, true, wide)?;
    // The elements that the forward pass dropped.
    let dropped = dropped(cx, op.drops.as_ref(), &p)?;
    let dp = drop(dropped.as_ref(), dout.f_matmul(&v.f_transpose(-2, -1)?)?)?;
    let ds = dp.f_sub(&delta)?.f_mul(&p)?.f_mul_scalar(1.0 / (width(&q) as f64).sqrt())?;
    let p = drop(dropped.as_ref(), p)?;
    let compute = |x: Tensor| x.f_to_kind(cx.kinds.compute);
    Ok([
        compute(ds.f_matmul(&k)?)?,
        compute(ds.f_transpose(-2, -1)?.f_matmul(&q)?)?,
        compute(p.f_transpose(-2, -1)?.f_matmul(&dout)?)?,
    ])
}
