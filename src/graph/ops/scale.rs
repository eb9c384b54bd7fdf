//! A tensor times a number of the spec.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `x -> factor * x`
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pub factor: f64,
}

/// One floating tensor, of either precision, and the same again.
pub(super) fn infer_float(name: &str, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
    match inputs {
        [x] if !matches!(x.elem, Elem::Index { .. }) => Ok(vec![(*x).clone()]),
        [x] => Err(Mismatch(format!("{name} takes a floating-point tensor, not {x}"))),
        _ => Err(Mismatch(format!("{name} takes one tensor"))),
    }
}

impl Operation for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_float(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
        vec![cx.emit(self.clone(), &[dy]).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| self.factor * x)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("factor", self.factor.to_string())]
    }
}
