//! `silu(x) = x * sigmoid(x)`.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `x -> silu(x)`
#[derive(Clone, Debug, PartialEq)]
pub struct Silu;

/// `(dy, x) -> dx`
#[derive(Clone, Debug, PartialEq)]
pub struct SiluGrad;

/// An elementwise function of one floating tensor.
pub(super) fn infer_unary(name: &str, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
    match inputs {
        [x] if x.elem == Elem::Compute => Ok(vec![(*x).clone()]),
        [x] => Err(Mismatch(format!("{name} takes a floating-point tensor, not {x}"))),
        _ => Err(Mismatch(format!("{name} takes one tensor"))),
    }
}

/// The gradient of an elementwise function: cotangent and input of one shape.
pub(super) fn infer_unary_grad(name: &str, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
    match inputs {
        [dy, x] if dy.shape == x.shape => Ok(vec![(*x).clone()]),
        _ => Err(Mismatch(format!("{name} takes a cotangent and an input of one shape"))),
    }
}

/// The vjp of an elementwise function whose gradient operation reads (dy, x).
pub(super) fn vjp_unary(
    cx: &mut Vjp<'_>,
    cotangents: &[Option<Value>],
    grad: impl Into<super::Op>,
) -> Vec<Option<Value>> {
    let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
    let x = cx.input(0);
    vec![cx.emit(grad, &[dy, x]).first().copied()]
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Operation for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        vjp_unary(cx, cotangents, SiluGrad)
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x * sigmoid(x))]
    }
}

impl Operation for SiluGrad {
    fn name(&self) -> &'static str {
        "silu_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary_grad(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |dy, x| {
            let s = sigmoid(x);
            dy * s * (1.0 + x * (1.0 - s))
        })]
    }
}
