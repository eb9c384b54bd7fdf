//! Sum over leading dimensions: the gradient of a broadcast.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `[.., S] -> [S]`, wide; `drop` leading dimensions are summed over.
#[derive(Clone, Debug, PartialEq)]
pub struct SumTo {
    pub drop: usize,
}

impl Operation for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [x] if !matches!(x.elem, Elem::Index { .. }) => match x.shape.get(self.drop..) {
                Some(shape) => Ok(vec![Type::wide(shape)]),
                None => Err(Mismatch(format!("sum_to drops {} dimensions of {x}", self.drop))),
            },
            _ => Err(Mismatch("sum_to takes one floating-point tensor".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let mut out = Array::zeros(&inputs[0].shape[self.drop..]);
        let n = out.data.len().max(1);
        for (i, x) in inputs[0].data.iter().enumerate() {
            out.data[i % n] += x;
        }
        vec![out]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("drop", self.drop.to_string())]
    }
}
