//! A tensor plus a number.

use super::{Cx, Lowered, take};
use crate::graph::ops::offset::Offset;
use tch::Tensor;

pub fn lower(op: &Offset, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    Ok(vec![x.f_add_scalar(op.by)?])
}
