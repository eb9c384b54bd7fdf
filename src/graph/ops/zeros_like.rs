//! Zeros of another tensor's type: where a gradient sum starts.

use super::scale::infer_float;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `x -> 0 * x` (also where x is not finite)
#[derive(Clone, Debug, PartialEq)]
pub struct ZerosLike;

impl Operation for ZerosLike {
    fn name(&self) -> &'static str {
        "zeros_like"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_float(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![Array::zeros(inputs[0].shape.clone())]
    }
}
