//! `sum(weights * nll)`: the loss. Global denominators are already in the weights, so a
//! micro-batch's loss and gradients simply add up to the batch's.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `(nll [B, T] wide, weights [B, T] wide) -> [] wide`
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedSum;

impl Operation for WeightedSum {
    fn name(&self) -> &'static str {
        "weighted_sum"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [nll, weights] if nll == weights => Ok(vec![Type::wide([])]),
            _ => Err(Mismatch("weighted_sum takes losses and weights of one shape".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    /// The loss is where a backward pass starts, with cotangent 1: d loss / d nll is the weights.
    fn vjp(&self, cx: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![Some(cx.input(1)), None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![Array::scalar(inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| a * b).sum())]
    }
}
