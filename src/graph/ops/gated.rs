//! A gated activation, `f(gate) * up`: the hidden features of SwiGLU and its kin (Shazeer 2020). Made by fusion of an
//! activation with the product that follows; what lies between is never stored.

use super::activation::Function;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(gate, up) -> f(gate) * up`
#[derive(Clone, Debug, PartialEq)]
pub struct Gated {
    pub function: Function,
}

/// `(dy, gate, up) -> (dgate, dup)`
#[derive(Clone, Debug, PartialEq)]
pub struct GatedGrad {
    pub function: Function,
}

impl Operation for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [gate, up] if gate == up && gate.elem == Elem::Compute => Ok(vec![(*gate).clone()]),
            _ => Err(Mismatch("gated takes two tensors of one type".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (gate, up) = (cx.input(0), cx.input(1));
        cx.emit(GatedGrad { function: self.function }, &[dy, gate, up]).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |gate, up| self.function.value(gate) * up)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("function", self.function.name().to_string())]
    }
}

impl Operation for GatedGrad {
    fn name(&self) -> &'static str {
        "gated_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [dy, gate, up] if dy == gate && gate == up => Ok(vec![(*gate).clone(), (*up).clone()]),
            _ => Err(Mismatch("gated_grad takes three tensors of one type".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 3]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, gate, up) = (inputs[0], inputs[1], inputs[2]);
        let dgate = gate.zip(up, |gate, up| self.function.slope(gate) * up).zip(dy, |slope, dy| slope * dy);
        let dup = gate.zip(dy, |gate, dy| self.function.value(gate) * dy);
        vec![dgate, dup]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("function", self.function.name().to_string())]
    }
}
