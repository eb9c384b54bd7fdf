//! Scaled dot-product attention: `softmax(q k^T / sqrt(d) + pattern) v`. Who may attend to whom is
//! the objective's [`Pattern`], narrowed by the model's window. Several query heads may share a head
//! of keys and values. The log-sum-exp of each row is kept for the backward pass. Dropout is of the
//! probabilities.

use super::dropout::{Drops, Key, is_draw};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, DimSizes, Elem, Type, Value};
use crate::objective::Pattern;

/// `(q [B, H, T, d], k, v [B, Hkv, T, d]) -> (out [B, H, T, d], lse [B, H, T] wide)`, where Hkv divides H; where
/// it drops, the place of the draws comes after v
#[derive(Clone, Debug, PartialEq)]
pub struct Attend {
    pub sight: Sight,
    /// Elements `[H, T, T]` of a row.
    pub drops: Option<Drops>,
}

/// `(dout, q, k, v, out, lse) -> (dq, dk, dv)`; where it drops, the place of the draws comes after lse
#[derive(Clone, Debug, PartialEq)]
pub struct AttendGrad {
    pub sight: Sight,
    pub drops: Option<Drops>,
}

/// Which positions a position sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sight {
    pub pattern: Pattern,
    /// At most `window - 1` positions before its own, and as many behind where the pattern shows those. Of two
    /// streams, positions count within their own.
    pub window: Option<u64>,
}

impl Sight {
    /// Whether position `i` sees position `j`, of `t`.
    pub fn sees(self, i: usize, j: usize, t: usize) -> bool {
        let near = self.window.is_none_or(|w| (self.place(i, t).abs_diff(self.place(j, t)) as u64) < w.max(1));
        near && self.pattern.sees(i, j, t)
    }

    /// The positions that position `i` of `t` sees.
    pub fn of(self, i: usize, t: usize) -> Vec<usize> {
        (0..t).filter(|j| self.sees(i, *j, t)).collect()
    }

    /// Where position `i` of `t` stands in its stream.
    fn place(self, i: usize, t: usize) -> usize {
        match self.pattern {
            Pattern::Causal | Pattern::Full | Pattern::BlockCausal { .. } => i,
            Pattern::TwoStream { .. } => i % (t / 2).max(1),
        }
    }

    /// Pairs of positions of which the first sees the second.
    pub fn n_pairs(self, t: u64) -> f64 {
        let reach = |n: u64| self.window.map_or(n, |w| w.max(1) - 1).min(n.saturating_sub(1)) as f64;
        // Pairs (i, j) with j < i < n, no further apart than the window reaches: none for the first position, one
        // more for each that follows, up to the reach.
        let before = |n: u64| reach(n) * (reach(n) + 1.0) / 2.0 + (n as f64 - 1.0 - reach(n)).max(0.0) * reach(n);
        // The same within blocks, the last of which may be short.
        let within = |n: u64, block: u64| (n / block) as f64 * before(block) + before(n % block);
        let length = t as f64;
        match self.pattern {
            Pattern::Causal => length + before(t),
            Pattern::Full => length + 2.0 * before(t),
            Pattern::BlockCausal { block } => length + before(t) + within(t, block.max(1)),
            Pattern::TwoStream { .. } if t < 2 => length,
            Pattern::TwoStream { block } => {
                let half = t / 2;
                let within = within(half, block.max(1));
                let noisy = half as f64 + 2.0 * within;
                let noisy_to_clean = before(half) - within;
                let clean = half as f64 + before(half) + within;
                // Two streams have an even length. One position more stands at the start of the clean one again.
                let last = (t - 1) as usize;
                let meet = |j: usize| {
                    u32::from(self.sees(last, j, t as usize)) + u32::from(j != last && self.sees(j, last, t as usize))
                };
                let odd = if t % 2 == 1 { (0..=last).map(meet).sum() } else { 0 };
                noisy + noisy_to_clean + clean + f64::from(odd)
            }
        }
    }

    fn attributes(self) -> Vec<(&'static str, String)> {
        let block = match self.pattern {
            Pattern::Causal | Pattern::Full => None,
            Pattern::BlockCausal { block } | Pattern::TwoStream { block } => Some(("block", block.to_string())),
        };
        let window = self.window.map(|w| ("window", w.to_string()));
        std::iter::once(("pattern", self.pattern.name().to_string())).chain(block).chain(window).collect()
    }
}

/// FLOPs of one matrix product over all pairs that see each other.
fn product_flops(sight: Sight, q: &Type, sizes: DimSizes) -> f64 {
    match q.shape.as_slice() {
        [b, h, t, d] => 2.0 * (b.size(sizes) * h.size(sizes) * d.size(sizes)) as f64 * sight.n_pairs(t.size(sizes)),
        _ => 0.0,
    }
}

impl Operation for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let (q, k, v) = match (inputs, &self.drops) {
            ([q, k, v], None) => (q, k, v),
            ([q, k, v, draw], Some(_)) if is_draw(draw) => (q, k, v),
            _ => return Err(Mismatch("attend takes q, k and v".into())),
        };
        match (q.shape.as_slice(), k.shape.as_slice()) {
            ([b, Dim::Fixed(h), t, d @ Dim::Fixed(_)], [kb, Dim::Fixed(shared), kt, kd])
                if q.elem == Elem::Compute && k.elem == q.elem && k == v && (b, t, d) == (kb, kt, kd) =>
            {
                if *shared == 0 || h % shared != 0 {
                    return Err(Mismatch(format!(
                        "{shared} heads of keys and values do not divide {h} heads of queries"
                    )));
                }
                Ok(vec![(*q).clone(), Type::wide([*b, Dim::Fixed(*h), *t])])
            }
            _ => Err(Mismatch(format!(
                "attend takes q, k and v of one shape [B, heads, T, width] (k and v may have fewer heads), not {q}, {k} and {v}"
            ))),
        }
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        inputs.first().map_or(0.0, |q| 2.0 * product_flops(self.sight, q, sizes))
    }

    fn along_t(&self) -> AlongT {
        AlongT::Mixing
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dout) = cx.cotangent(cotangents, 0) else { return vec![None; cx.n_inputs()] };
        let mut all = vec![dout, cx.input(0), cx.input(1), cx.input(2), cx.output(0), cx.output(1)];
        if self.drops.is_some() {
            all.push(cx.input(3));
        }
        let grads = cx.emit(AttendGrad { sight: self.sight, drops: self.drops.clone() }, &all);
        grads.into_iter().map(Some).chain(self.drops.is_some().then_some(None)).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let (t, d) = (q.shape[2], q.shape[3]);
        let factors = factors(self.drops.as_ref(), q, inputs.get(3).copied());
        let mut out = Array::zeros(q.shape.clone());
        let mut lse = Array::zeros(&q.shape[..3]);
        for (head, lse_head) in lse.data.chunks_mut(t).enumerate() {
            let (at, at_kv) = (head * t * d, shared_head(head, q, k) * t * d);
            for (i, lse) in lse_head.iter_mut().enumerate() {
                let seen = self.sight.of(i, t);
                let scores = scores(&q.data[at + i * d..], &k.data[at_kv..], &seen, d);
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                *lse = max + scores.iter().map(|s| (s - max).exp()).sum::<f64>().ln();
                for (j, s) in seen.iter().zip(&scores) {
                    let p = (s - *lse).exp() * factors(head, i, *j);
                    for c in 0..d {
                        out.data[at + i * d + c] += p * v.data[at_kv + j * d + c];
                    }
                }
            }
        }
        vec![out, lse]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        attributes(self.sight, self.drops.as_ref())
    }
}

fn attributes(sight: Sight, drops: Option<&Drops>) -> Vec<(&'static str, String)> {
    let drops = drops.map(Drops::attributes).unwrap_or_default();
    sight
        .attributes()
        .into_iter()
        .chain(drops.into_iter().map(|(name, value)| (if name == "rate" { "dropout" } else { name }, value)))
        .collect()
}

/// What the probability of (head, counted over the batch, position, position seen) is multiplied by.
#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn factors(drops: Option<&Drops>, q: &Array, draw: Option<&Array>) -> impl Fn(usize, usize, usize) -> f64 {
    let (b, h, t) = (q.shape[0], q.shape[1], q.shape[2]);
    let key = Key::of(draw.map_or(&[][..], |draw| &draw.data));
    let all = drops.map(|drops| drops.factors(key, Some(b), b * h * t * t));
    move |head, i, j| all.as_ref().map_or(1.0, |all| all[(head * t + i) * t + j])
}

/// The head of keys and values, counted over the batch, of a head of queries counted so.
#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn shared_head(head: usize, q: &Array, k: &Array) -> usize {
    head / (q.shape[1] / k.shape[1])
}

/// Scaled scores of one query against the keys it sees.
#[allow(clippy::indexing_slicing)] // called with slices of a checked shape
fn scores(q: &[f64], k: &[f64], seen: &[usize], d: usize) -> Vec<f64> {
    let scale = 1.0 / (d as f64).sqrt();
    seen.iter().map(|j| scale * (0..d).map(|c| q[c] * k[j * d + c]).sum::<f64>()).collect()
}

impl Operation for AttendGrad {
    fn name(&self) -> &'static str {
        "attend_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let (dout, q, k, v, out) = match (inputs, &self.drops) {
            ([dout, q, k, v, out, _], None) => (dout, q, k, v, out),
            ([dout, q, k, v, out, _, draw], Some(_)) if is_draw(draw) => (dout, q, k, v, out),
            _ => return Err(Mismatch("attend_grad takes six tensors".into())),
        };
        if dout.shape != q.shape || out.shape != q.shape {
            return Err(Mismatch(format!("attend_grad of {dout} for {q}")));
        }
        Ok(vec![(*q).clone(), (*k).clone(), (*v).clone()])
    }

    /// Five products, as flash attention's backward pass counts: scores again, dv, dp, dq, dk. The
    /// recomputed scores are not counted, so that backward is twice forward.
    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        inputs.get(1).map_or(0.0, |q| 4.0 * product_flops(self.sight, q, sizes))
    }

    fn along_t(&self) -> AlongT {
        AlongT::Mixing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 6 + usize::from(self.drops.is_some())]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dout, q, k, v, out, lse) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]);
        let (t, d) = (q.shape[2], q.shape[3]);
        let scale = 1.0 / (d as f64).sqrt();
        let factors = factors(self.drops.as_ref(), q, inputs.get(6).copied());
        let (mut dq, mut dk, mut dv) =
            (Array::zeros(q.shape.clone()), Array::zeros(k.shape.clone()), Array::zeros(k.shape.clone()));
        for head in 0..lse.data.len() / t.max(1) {
            let (at, at_kv) = (head * t * d, shared_head(head, q, k) * t * d);
            for i in 0..t {
                let row = at + i * d;
                let delta: f64 = (0..d).map(|c| dout.data[row + c] * out.data[row + c]).sum();
                let seen = self.sight.of(i, t);
                for (j, s) in seen.iter().zip(scores(&q.data[row..], &k.data[at_kv..], &seen, d)) {
                    let key = at_kv + j * d;
                    let p = (s - lse.data[head * t + i]).exp();
                    let factor = factors(head, i, *j);
                    let dp: f64 = factor * (0..d).map(|c| dout.data[row + c] * v.data[key + c]).sum::<f64>();
                    let ds = p * (dp - delta) * scale;
                    for c in 0..d {
                        dv.data[key + c] += factor * p * dout.data[row + c];
                        dq.data[row + c] += ds * k.data[key + c];
                        dk.data[key + c] += ds * q.data[row + c];
                    }
                }
            }
        }
        vec![dq, dk, dv]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        attributes(self.sight, self.drops.as_ref())
    }
}
