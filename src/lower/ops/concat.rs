//! Tensors side by side.

use super::{Cx, Lowered};
use crate::graph::ops::concat::Concat;
use tch::Tensor;

pub fn lower(_: &Concat, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    Ok(vec![Tensor::f_cat(inputs, -1)?])
}
