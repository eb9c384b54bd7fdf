//! Scaled dot-product attention: `softmax(q k^T / sqrt(d) + pattern) v`. Who may attend to whom is
//! the objective's [`Pattern`], narrowed by the model's window. Several query heads may share a head
//! of keys and values. The log-sum-exp of each row is kept for the backward pass.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, DimSizes, Elem, Type, Value};
use crate::objective::Pattern;
use std::ops::Range;

/// `(q [B, H, T, d], k, v [B, Hkv, T, d]) -> (out [B, H, T, d], lse [B, H, T] wide)`, where Hkv divides H
#[derive(Clone, Debug, PartialEq)]
pub struct Attend {
    pub sight: Sight,
}

/// `(dout, q, k, v, out, lse) -> (dq, dk, dv)`
#[derive(Clone, Debug, PartialEq)]
pub struct AttendGrad {
    pub sight: Sight,
}

/// Which positions a position sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub pattern: Pattern,
    /// At most `window - 1` positions before its own, and as many behind where the pattern shows those.
    pub window: Option<u64>,
}

impl Sight {
    /// The positions that position i of t sees.
    pub fn of(self, i: usize, t: usize) -> Range<usize> {
        let reach = self.window.map_or(t, |w| (w.max(1) - 1) as usize);
        let end = match self.pattern {
            Pattern::Causal | Pattern::BlockCausal { .. } | Pattern::TwoStream { .. } => i + 1,
            Pattern::Full => i.saturating_add(reach).saturating_add(1),
        };
        i.saturating_sub(reach)..end.min(t)
    }

    /// Pairs of positions of which the first sees the second.
    fn n_pairs(self, t: u64) -> f64 {
        // Before its own: none for the first position, one more for each that follows, up to the reach.
        let reach = self.window.map_or(t, |w| w.max(1) - 1).min(t.saturating_sub(1)) as f64;
        let t = t as f64;
        let before = reach * (reach + 1.0) / 2.0 + (t - 1.0 - reach) * reach;
        match self.pattern {
            Pattern::Causal | Pattern::BlockCausal { .. } | Pattern::TwoStream { .. } => t + before,
            Pattern::Full => t + 2.0 * before,
        }
    }

    fn attributes(self) -> Vec<(&'static str, String)> {
        let window = self.window.map(|w| ("window", w.to_string()));
        std::iter::once(("pattern", self.pattern.name().to_string())).chain(window).collect()
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
        let [q, k, v] = inputs else { return Err(Mismatch("attend takes q, k and v".into())) };
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
        let Some(dout) = cx.cotangent(cotangents, 0) else { return vec![None, None, None] };
        let all = [dout, cx.input(0), cx.input(1), cx.input(2), cx.output(0), cx.output(1)];
        cx.emit(AttendGrad { sight: self.sight }, &all).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let (t, d) = (q.shape[2], q.shape[3]);
        let mut out = Array::zeros(q.shape.clone());
        let mut lse = Array::zeros(&q.shape[..3]);
        for (head, lse_head) in lse.data.chunks_mut(t).enumerate() {
            let (at, at_kv) = (head * t * d, shared_head(head, q, k) * t * d);
            for (i, lse) in lse_head.iter_mut().enumerate() {
                let seen = self.sight.of(i, t);
                let scores = scores(&q.data[at + i * d..], &k.data[at_kv..], seen.clone(), d);
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                *lse = max + scores.iter().map(|s| (s - max).exp()).sum::<f64>().ln();
                for (j, s) in seen.zip(&scores) {
                    let p = (s - *lse).exp();
                    for c in 0..d {
                        out.data[at + i * d + c] += p * v.data[at_kv + j * d + c];
                    }
                }
            }
        }
        vec![out, lse]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.sight.attributes()
    }
}

/// The head of keys and values, counted over the batch, of a head of queries counted so.
#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn shared_head(head: usize, q: &Array, k: &Array) -> usize {
    head / (q.shape[1] / k.shape[1])
}

/// Scaled scores of one query against the keys it sees.
#[allow(clippy::indexing_slicing)] // called with slices of a checked shape
fn scores(q: &[f64], k: &[f64], seen: Range<usize>, d: usize) -> Vec<f64> {
    let scale = 1.0 / (d as f64).sqrt();
    seen.map(|j| scale * (0..d).map(|c| q[c] * k[j * d + c]).sum::<f64>()).collect()
}

impl Operation for AttendGrad {
    fn name(&self) -> &'static str {
        "attend_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dout, q, k, v, out, _] = inputs else { return Err(Mismatch("attend_grad takes six tensors".into())) };
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
        vec![None; 6]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dout, q, k, v, out, lse) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]);
        let (t, d) = (q.shape[2], q.shape[3]);
        let scale = 1.0 / (d as f64).sqrt();
        let (mut dq, mut dk, mut dv) =
            (Array::zeros(q.shape.clone()), Array::zeros(k.shape.clone()), Array::zeros(k.shape.clone()));
        for head in 0..lse.data.len() / t.max(1) {
            let (at, at_kv) = (head * t * d, shared_head(head, q, k) * t * d);
            for i in 0..t {
                let row = at + i * d;
                let delta: f64 = (0..d).map(|c| dout.data[row + c] * out.data[row + c]).sum();
                let seen = self.sight.of(i, t);
                for (j, s) in seen.clone().zip(scores(&q.data[row..], &k.data[at_kv..], seen, d)) {
                    let key = at_kv + j * d;
                    let p = (s - lse.data[head * t + i]).exp();
                    let dp: f64 = (0..d).map(|c| dout.data[row + c] * v.data[key + c]).sum();
                    let ds = p * (dp - delta) * scale;
                    for c in 0..d {
                        dv.data[key + c] += p * dout.data[row + c];
                        dq.data[row + c] += ds * k.data[key + c];
                        dk.data[key + c] += ds * q.data[row + c];
                    }
                }
            }
        }
        vec![dq, dk, dv]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.sight.attributes()
    }
}
