//! Elementwise product of two tensors; the second may lack dimensions, as in a sum.

use super::add::{Second, broadcast, infer_broadcast, sum_lacking};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `(a [.., S], b [S]) -> [.., S]`, or `(a [B, .., S], b [B, S]) -> [B, .., S]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mul {
    pub second: Second,
}

impl Operation for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("*", self.second, inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (a, b) = (cx.input(0), cx.input(1));
        let da = cx.emit(self.clone(), &[dy, b]).first().copied();
        let db = cx.emit(Mul::default(), &[dy, a]).first().copied();
        let db = db.and_then(|g| sum_lacking(cx, self.second, g));
        vec![da, db]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![broadcast(self.second, inputs[0], inputs[1], |a, b| a * b)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.second.attributes()
    }
}
