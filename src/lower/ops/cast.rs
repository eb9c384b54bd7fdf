//! Between compute and wide precision; no copy where they are the same.

use super::{Cx, Lowered, take};
use crate::graph::ops::cast::Cast;
use tch::Tensor;

pub fn lower(op: &Cast, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    Ok(vec![x.f_to_kind(if op.wide { cx.kinds.wide } else { cx.kinds.compute })?])
}
