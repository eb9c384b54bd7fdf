//! The head and its cross-entropy as one operation, so that logits of all positions never exist at once: whoever
//! runs it takes the rows in chunks. Made by fusion of `linear`, `nll` and `weighted_sum`.
//!
//! The cotangent of the loss is 1 and the weights are known beforehand, so a chunk's gradients can follow its logits
//! at once ([`HeadLossStep`]); where only forward and backward pass exist apart, the latter makes the logits again.

use super::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use super::nll::{Nll, NllGrad};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, DimSizes, Elem, Type, Value};

/// `(x [.., D], w [V, D], targets [..], weights [..] wide) -> (loss [] wide, nll [..] wide, lse [..] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct HeadLoss {
    /// Ids from here on cannot be predicted.
    pub live: u64,
}

/// `(x, w, targets, weights, lse) -> (dx, dw wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct HeadLossGrad {
    pub live: u64,
}

/// Both: `(x, w, targets, weights) -> (loss, nll, lse, dx, dw wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct HeadLossStep {
    pub live: u64,
}

fn check(inputs: &[&Type]) -> Result<(), Mismatch> {
    let [x, w, targets, weights] = inputs else {
        return Err(Mismatch("head_loss takes features, a weight, targets and weights".into()));
    };
    let fits = match (x.shape.split_last(), w.shape.as_slice()) {
        (Some((inner, rows)), [_, width]) => {
            inner == width && rows == targets.shape && rows == weights.shape && weights.elem == Elem::Wide
        }
        _ => false,
    };
    match fits && matches!(targets.elem, Elem::Index { .. }) {
        true => Ok(()),
        false => Err(Mismatch(format!("head_loss of {x} by {w} for {targets} weighed by {weights}"))),
    }
}

fn losses(weights: &Type) -> Vec<Type> {
    vec![Type::wide([]), weights.clone(), weights.clone()]
}

fn grads(x: &Type, w: &Type) -> Vec<Type> {
    vec![x.clone(), Type::wide(w.shape.clone())]
}

/// FLOPs of one of the three matrix products.
fn product_flops(inputs: &[&Type], sizes: DimSizes) -> f64 {
    let (Some(x), Some(w)) = (inputs.first(), inputs.get(1)) else { return 0.0 };
    let vocab = w.shape.first().map_or(0, |d: &Dim| d.size(sizes));
    2.0 * x.n_elements(sizes) as f64 * vocab as f64
}

#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn forward(live: u64, inputs: &[&Array]) -> Vec<Array> {
    let logits = &Linear.reference(&inputs[..2])[0];
    let [nll, lse] = <[Array; 2]>::try_from(Nll { live }.reference(&[logits, inputs[2]])).unwrap_or_else(|_| {
        let none = || Array::zeros([0]);
        [none(), none()]
    });
    let loss = nll.data.iter().zip(&inputs[3].data).map(|(a, b)| a * b).sum();
    vec![Array::scalar(loss), nll, lse]
}

#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn backward(live: u64, inputs: &[&Array], lse: &Array) -> Vec<Array> {
    let (x, w) = (inputs[0], inputs[1]);
    let logits = &Linear.reference(&[x, w])[0];
    let dlogits = &NllGrad { live }.reference(&[inputs[3], logits, inputs[2], lse])[0];
    let mut grads = LinearInputGrad.reference(&[dlogits, w]);
    grads.extend(LinearWeightGrad.reference(&[dlogits, x]));
    grads
}

impl Operation for HeadLoss {
    fn name(&self) -> &'static str {
        "head_loss"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        check(inputs)?;
        Ok(inputs.get(3).map_or(vec![], |weights| losses(weights)))
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        product_flops(inputs, sizes)
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    /// As of `weighted_sum`: the loss is where a backward pass starts, with cotangent 1.
    fn vjp(&self, cx: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        let all = [cx.input(0), cx.input(1), cx.input(2), cx.input(3), cx.output(2)];
        let grads = cx.emit(HeadLossGrad { live: self.live }, &all);
        vec![grads.first().copied(), grads.get(1).copied(), None, None]
    }

    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        forward(self.live, inputs)
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}

impl Operation for HeadLossGrad {
    fn name(&self) -> &'static str {
        "head_loss_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, w, _, weights, lse] = inputs else { return Err(Mismatch("head_loss_grad takes five tensors".into())) };
        check(inputs.get(..4).unwrap_or_default())?;
        match lse == weights {
            true => Ok(grads(x, w)),
            false => Err(Mismatch(format!("head_loss_grad with {lse} for {weights}"))),
        }
    }

    /// The logits are made again.
    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        3.0 * product_flops(inputs, sizes)
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 5]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        backward(self.live, &inputs[..4], inputs[4])
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}

impl Operation for HeadLossStep {
    fn name(&self) -> &'static str {
        "head_loss_step"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        check(inputs)?;
        let [x, w, _, weights] = inputs else { return Ok(vec![]) };
        Ok(losses(weights).into_iter().chain(grads(x, w)).collect())
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        3.0 * product_flops(inputs, sizes)
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 4]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let mut all = forward(self.live, inputs);
        let grads = backward(self.live, inputs, &all[2]);
        all.extend(grads);
        all
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}
