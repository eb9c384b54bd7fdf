//! A tensor plus a number of the spec.

use super::scale::infer_float;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `x -> x + by`
#[derive(Clone, Debug, PartialEq)]
pub struct Offset {
    pub by: f64,
}

impl Operation for Offset {
    fn name(&self) -> &'static str {
        "offset"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_float(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![cx.cotangent(cotangents, 0)]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x + self.by)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("by", self.by.to_string())]
    }
}
