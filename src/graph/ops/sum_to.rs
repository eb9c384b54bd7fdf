//! Sum over some dimensions: the gradient of a broadcast.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `[.., S] -> [S]`, wide; `drop` dimensions are summed over, the first of them at `from` (0, or 1
/// behind the batch).
#[derive(Clone, Debug, PartialEq)]
pub struct SumTo {
    pub from: usize,
    pub drop: usize,
}

impl Operation for SumTo {
    fn name(&self) -> &'static str {
        "sum_to"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [x] if !matches!(x.elem, Elem::Index { .. }) => {
                match (x.shape.get(..self.from), x.shape.get(self.from + self.drop..)) {
                    (Some(before), Some(after)) => Ok(vec![Type::wide([before, after].concat())]),
                    _ => Err(Mismatch(format!("sum_to drops {} dimensions of {x}", self.drop))),
                }
            }
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
        let x = inputs[0];
        let (before, after) = (&x.shape[..self.from], &x.shape[self.from + self.drop..]);
        let mut out = Array::zeros([before, after].concat());
        let summed: usize = x.shape[self.from..self.from + self.drop].iter().product();
        let n = after.iter().product::<usize>();
        for (i, x) in x.data.iter().enumerate() {
            out.data[i / (summed * n).max(1) * n + i % n.max(1)] += x;
        }
        vec![out]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let drop = ("drop", self.drop.to_string());
        if self.from == 0 { vec![drop] } else { vec![("from", self.from.to_string()), drop] }
    }
}
