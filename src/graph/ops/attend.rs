//! Scaled dot-product attention: `softmax(q k^T / sqrt(d) + pattern) v`. Who may attend to whom is
//! the objective's [`Pattern`]. The log-sum-exp of each row is kept for the backward pass.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, DimSizes, Elem, Type, Value};
use crate::objective::Pattern;

/// `(q, k, v [B, H, T, d]) -> (out [B, H, T, d], lse [B, H, T] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct Attend {
    pub pattern: Pattern,
}

/// `(dout, q, k, v, out, lse) -> (dq, dk, dv)`
#[derive(Clone, Debug, PartialEq)]
pub struct AttendGrad {
    pub pattern: Pattern,
}

/// Pairs of positions that attend to each other in a sequence.
fn n_pairs(pattern: Pattern, t: u64) -> f64 {
    let t = t as f64;
    match pattern {
        Pattern::Causal => t * (t + 1.0) / 2.0,
        Pattern::Full => t * t,
    }
}

/// FLOPs of one matrix product over all allowed pairs.
fn product_flops(pattern: Pattern, q: &Type, sizes: DimSizes) -> f64 {
    match q.shape.as_slice() {
        [b, h, t, d] => 2.0 * (b.size(sizes) * h.size(sizes) * d.size(sizes)) as f64 * n_pairs(pattern, t.size(sizes)),
        _ => 0.0,
    }
}

impl Operation for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [q, k, v] = inputs else { return Err(Mismatch("attend takes q, k and v".into())) };
        match q.shape.as_slice() {
            [b, h, t, Dim::Fixed(_)] if q.elem == Elem::Compute && k == q && v == q => {
                Ok(vec![(*q).clone(), Type::wide([*b, *h, *t])])
            }
            _ => Err(Mismatch(format!(
                "attend takes q, k and v of one shape [B, heads, T, width], not {q}, {k} and {v}"
            ))),
        }
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        inputs.first().map_or(0.0, |q| 2.0 * product_flops(self.pattern, q, sizes))
    }

    fn along_t(&self) -> AlongT {
        AlongT::Mixing
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dout) = cx.cotangent(cotangents, 0) else { return vec![None, None, None] };
        let all = [dout, cx.input(0), cx.input(1), cx.input(2), cx.output(0), cx.output(1)];
        cx.emit(AttendGrad { pattern: self.pattern }, &all).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (q, k, v) = (inputs[0], inputs[1], inputs[2]);
        let (t, d) = (q.shape[2], q.shape[3]);
        let mut out = Array::zeros(q.shape.clone());
        let mut lse = Array::zeros(&q.shape[..3]);
        for (head, lse_head) in lse.data.chunks_mut(t).enumerate() {
            let at = head * t * d;
            for (i, lse) in lse_head.iter_mut().enumerate() {
                let scores = scores(self.pattern, &q.data[at..], &k.data[at..], i, t, d);
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                *lse = max + scores.iter().map(|s| (s - max).exp()).sum::<f64>().ln();
                for (j, s) in scores.iter().enumerate() {
                    let p = (s - *lse).exp();
                    for c in 0..d {
                        out.data[at + i * d + c] += p * v.data[at + j * d + c];
                    }
                }
            }
        }
        vec![out, lse]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("pattern", self.pattern.name().to_string())]
    }
}

/// Scaled scores of query i against the keys it may see (a prefix of all, in both patterns).
#[allow(clippy::indexing_slicing)] // called with slices of a checked shape
fn scores(pattern: Pattern, q: &[f64], k: &[f64], i: usize, t: usize, d: usize) -> Vec<f64> {
    let n = match pattern {
        Pattern::Causal => i + 1,
        Pattern::Full => t,
    };
    let scale = 1.0 / (d as f64).sqrt();
    (0..n).map(|j| scale * (0..d).map(|c| q[i * d + c] * k[j * d + c]).sum::<f64>()).collect()
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
        inputs.get(1).map_or(0.0, |q| 4.0 * product_flops(self.pattern, q, sizes))
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
            (Array::zeros(q.shape.clone()), Array::zeros(q.shape.clone()), Array::zeros(q.shape.clone()));
        for head in 0..lse.data.len() / t.max(1) {
            let at = head * t * d;
            for i in 0..t {
                let row = at + i * d;
                let delta: f64 = (0..d).map(|c| dout.data[row + c] * out.data[row + c]).sum();
                for (j, s) in scores(self.pattern, &q.data[at..], &k.data[at..], i, t, d).iter().enumerate() {
                    let p = (s - lse.data[head * t + i]).exp();
                    let dp: f64 = (0..d).map(|c| dout.data[row + c] * v.data[at + j * d + c]).sum();
                    let ds = p * (dp - delta) * scale;
                    for c in 0..d {
                        dv.data[at + j * d + c] += p * dout.data[row + c];
                        dq.data[row + c] += ds * k.data[at + j * d + c];
                        dk.data[at + j * d + c] += ds * q.data[row + c];
                    }
                }
            }
        }
        vec![dq, dk, dv]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("pattern", self.pattern.name().to_string())]
    }
}
