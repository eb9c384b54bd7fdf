//! Zeros of a given shape: where the gradient sum of a shared parameter starts, and what a carried
//! value is before the first layer that assigns it.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value, shape_text};

/// `() -> shape`, or `([B, T, ..]) -> shape` for a shape with symbolic dimensions, whose sizes the
/// input gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Zeros {
    pub shape: Vec<Dim>,
    pub wide: bool,
}

impl Zeros {
    /// The sizes of `shape`, where the input's first two dimensions are B and T.
    pub fn sizes(&self, like: Option<&[usize]>) -> Vec<usize> {
        let at = |i: usize| like.and_then(|sizes| sizes.get(i)).copied().unwrap_or(0);
        let size = |dim: &Dim| match dim {
            Dim::Fixed(n) => *n as usize,
            Dim::Batch => at(0),
            Dim::Time => at(1),
            // `infer` lets none in: what is read of rows is never all zeros.
            Dim::Rows => 0,
        };
        self.shape.iter().map(size).collect()
    }
}

impl Operation for Zeros {
    fn name(&self) -> &'static str {
        "zeros"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let has_rows = self.shape.contains(&Dim::Rows);
        let is_static = self.shape.iter().all(|dim| matches!(dim, Dim::Fixed(_)));
        let fits = match inputs {
            [] => is_static,
            [like] => !is_static && like.shape.starts_with(&[Dim::Batch, Dim::Time]),
            _ => false,
        };
        if !fits || has_rows {
            return Err(Mismatch(format!("zeros of {} take their sizes from [B, T, ..]", shape_text(&self.shape))));
        }
        Ok(vec![Type::new(if self.wide { Elem::Wide } else { Elem::Compute }, self.shape.clone())])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None]
    }

    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![Array::zeros(self.sizes(inputs.first().map(|a| a.shape.as_slice())))]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("shape", shape_text(&self.shape)), ("wide", self.wide.to_string())]
    }
}
