//! Between compute and wide precision. The identity in exact arithmetic.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `x -> x` as compute (`wide: false`) or wide elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    pub wide: bool,
}

impl Operation for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [x] if !matches!(x.elem, Elem::Index { .. }) => {
                let elem = if self.wide { Elem::Wide } else { Elem::Compute };
                Ok(vec![Type { elem, ..(*x).clone() }])
            }
            _ => Err(Mismatch("cast takes one floating-point tensor".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
        vec![cx.emit(Cast { wide: !self.wide }, &[dy]).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].clone()]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("wide", self.wide.to_string())]
    }
}
