//! Sum of two tensors; the second may lack leading dimensions and is then broadcast over them.

use super::sum_to::SumTo;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value, shape_text};

/// `(a [.., S], b [S]) -> [.., S]`
#[derive(Clone, Debug, PartialEq)]
pub struct Add;

/// The type of an elementwise product or sum of `a` and `b`, where b's shape ends a's.
pub(super) fn infer_broadcast(word: &str, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
    match inputs {
        [a, b] if matches!(a.elem, Elem::Index { .. }) || matches!(b.elem, Elem::Index { .. }) => {
            Err(Mismatch(format!("{word} takes floating-point tensors, not {a} and {b}")))
        }
        [a, b] if a.elem == b.elem && a.shape.ends_with(&b.shape) => Ok(vec![(*a).clone()]),
        [a, b] => Err(Mismatch(format!("{} and {} do not fit", shape_text(&a.shape), shape_text(&b.shape)))),
        _ => Err(Mismatch(format!("{word} takes two tensors"))),
    }
}

/// `f` over `a` and the broadcast `b`.
#[allow(clippy::indexing_slicing)] // b's size divides a's after `infer_broadcast`
pub(super) fn broadcast(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    let n = b.data.len().max(1);
    Array::new(a.shape.clone(), a.data.iter().enumerate().map(|(i, x)| f(*x, b.data[i % n])).collect())
}

/// The cotangent of a broadcast operand: summed over the dimensions it lacked.
pub(super) fn sum_leading(cx: &mut Vjp<'_>, grad: Value) -> Option<Value> {
    let drop = cx.input_type(0).shape.len() - cx.input_type(1).shape.len();
    if drop == 0 { Some(grad) } else { cx.emit(SumTo { drop }, &[grad]).first().copied() }
}

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("+", inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let db = sum_leading(cx, dy);
        vec![Some(dy), db]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![broadcast(inputs[0], inputs[1], |a, b| a + b)]
    }
}
