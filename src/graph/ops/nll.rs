//! Cross-entropy per position, from logits. Ids from `live` on (mask token, padding) have logit
//! minus infinity: nobody can predict them, in any arm.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(logits [B, T, V], targets [B, T]) -> (nll [B, T] wide, lse [B, T] wide)`, in nats
#[derive(Clone, Debug, PartialEq)]
pub struct Nll {
    pub live: u64,
}

/// `(dnll, logits, targets, lse) -> dlogits`
#[derive(Clone, Debug, PartialEq)]
pub struct NllGrad {
    pub live: u64,
}

impl Operation for Nll {
    fn name(&self) -> &'static str {
        "nll"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [logits, targets] = inputs else { return Err(Mismatch("nll takes logits and targets".into())) };
        match logits.shape.split_last() {
            Some((_, rows)) if rows == targets.shape && matches!(targets.elem, Elem::Index { .. }) => {
                Ok(vec![Type::wide(rows), Type::wide(rows)])
            }
            _ => Err(Mismatch(format!("nll of {logits} for {targets}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dnll) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let all = [dnll, cx.input(0), cx.input(1), cx.output(1)];
        vec![cx.emit(NllGrad { live: self.live }, &all).first().copied(), None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (logits, targets) = (inputs[0], inputs[1]);
        let (width, live) = (logits.width(), self.live as usize);
        let mut nll = Array::zeros(targets.shape.clone());
        let mut lse = nll.clone();
        for (i, row) in logits.data.chunks(width).enumerate() {
            let max = row[..live].iter().copied().fold(f64::NEG_INFINITY, f64::max);
            lse.data[i] = max + row[..live].iter().map(|x| (x - max).exp()).sum::<f64>().ln();
            nll.data[i] = lse.data[i] - row[targets.data[i] as usize];
        }
        vec![nll, lse]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}

impl Operation for NllGrad {
    fn name(&self) -> &'static str {
        "nll_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dnll, logits, _, _] = inputs else { return Err(Mismatch("nll_grad takes four tensors".into())) };
        match logits.shape.split_last() {
            Some((_, rows)) if rows == dnll.shape => Ok(vec![(*logits).clone()]),
            _ => Err(Mismatch(format!("nll_grad of {dnll} for {logits}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 4]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dnll, logits, targets, lse) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let (width, live) = (logits.width(), self.live as usize);
        let mut out = Array::zeros(logits.shape.clone());
        for (i, (row, d)) in logits.data.chunks(width).zip(out.data.chunks_mut(width)).enumerate() {
            for j in 0..live {
                d[j] = dnll.data[i] * (row[j] - lse.data[i]).exp();
            }
            d[targets.data[i] as usize] -= dnll.data[i];
        }
        vec![out]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}
