//! Zeros of another tensor's type.

use super::{Cx, Lowered, take};
use crate::graph::ops::zeros_like::ZerosLike;
use tch::Tensor;

pub fn lower(_: &ZerosLike, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    Ok(vec![x.f_zeros_like()?])
}
