//! Elementwise product of two tensors; the second may lack leading dimensions.

use super::add::{broadcast, infer_broadcast, sum_leading};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `(a [.., S], b [S]) -> [.., S]`
#[derive(Clone, Debug, PartialEq)]
pub struct Mul;

impl Operation for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("*", inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (a, b) = (cx.input(0), cx.input(1));
        let da = cx.emit(Mul, &[dy, b]).first().copied();
        let db = cx.emit(Mul, &[dy, a]).first().copied();
        let db = db.and_then(|g| sum_leading(cx, g));
        vec![da, db]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![broadcast(inputs[0], inputs[1], |a, b| a * b)]
    }
}
