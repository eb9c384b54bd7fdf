//! Sum of two tensors; the second may lack dimensions and is then broadcast over them.

use super::sum_to::SumTo;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value, shape_text};

/// `(a [.., S], b [S]) -> [.., S]`, or `(a [B, .., S], b [B, S]) -> [B, .., S]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Add {
    pub second: Second,
}

/// Which dimensions of the first operand the second one has. Names decide, not sizes: `[B, D]` never is
/// `[T, D]`, whatever B and T are in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Second {
    /// The last ones, or all.
    #[default]
    Last,
    /// The batch and the last ones: the same for all positions of a sequence.
    Batch,
}

impl Second {
    /// How `b` lies in `a`, where it fits.
    pub fn of(a: &[Dim], b: &[Dim]) -> Option<Second> {
        match (a, b) {
            _ if a.ends_with(b) => Some(Second::Last),
            ([Dim::Batch, a @ ..], [Dim::Batch, b @ ..]) if a.ends_with(b) => Some(Second::Batch),
            _ => None,
        }
    }

    /// For operands of these types; what does not fit is for `infer` to say.
    pub fn between(a: &Type, b: &Type) -> Second {
        Second::of(&a.shape, &b.shape).unwrap_or_default()
    }

    pub fn attributes(self) -> Vec<(&'static str, String)> {
        match self {
            Second::Last => vec![],
            Second::Batch => vec![("second", "batch".into())],
        }
    }
}

/// The type of an elementwise product or sum of `a` and `b`.
pub(super) fn infer_broadcast(word: &str, second: Second, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
    match inputs {
        [a, b] if matches!(a.elem, Elem::Index { .. }) || matches!(b.elem, Elem::Index { .. }) => {
            Err(Mismatch(format!("{word} takes floating-point tensors, not {a} and {b}")))
        }
        [a, b] if a.elem == b.elem && Second::of(&a.shape, &b.shape) == Some(second) => Ok(vec![(*a).clone()]),
        [a, b] => Err(Mismatch(format!("{} and {} do not fit", shape_text(&a.shape), shape_text(&b.shape)))),
        _ => Err(Mismatch(format!("{word} takes two tensors"))),
    }
}

/// `f` over `a` and the broadcast `b`.
#[allow(clippy::indexing_slicing)] // b's size divides a's after `infer_broadcast`
pub(super) fn broadcast(second: Second, a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Array {
    let n_batch = match second {
        Second::Last => 1,
        Second::Batch => a.shape.first().copied().unwrap_or(1).max(1),
    };
    let (in_a, in_b) = (a.data.len() / n_batch, b.data.len() / n_batch);
    let at = |i: usize| i / in_a.max(1) * in_b + i % in_b.max(1);
    Array::new(a.shape.clone(), a.data.iter().enumerate().map(|(i, x)| f(*x, b.data[at(i)])).collect())
}

/// The cotangent of a broadcast operand: summed over the dimensions it lacked.
pub(super) fn sum_lacking(cx: &mut Vjp<'_>, second: Second, grad: Value) -> Option<Value> {
    let drop = cx.input_type(0).shape.len() - cx.input_type(1).shape.len();
    let from = match second {
        Second::Last => 0,
        Second::Batch => 1,
    };
    if drop == 0 { Some(grad) } else { cx.emit(SumTo { from, drop }, &[grad]).first().copied() }
}

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_broadcast("+", self.second, inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let db = sum_lacking(cx, self.second, dy);
        vec![Some(dy), db]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![broadcast(self.second, inputs[0], inputs[1], |a, b| a + b)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.second.attributes()
    }
}
