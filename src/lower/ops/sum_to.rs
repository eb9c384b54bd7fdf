//! Sum over some dimensions, in wide precision.

use super::{Cx, Lowered, take};
use crate::graph::ops::sum_to::SumTo;
use tch::Tensor;

pub fn lower(op: &SumTo, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    if op.drop == 0 {
        // libtorch sums over everything where no dimension is named.
        return Ok(vec![x.f_to_kind(cx.kinds.wide)?]);
    }
    let dims: Vec<i64> = (op.from..op.from + op.drop).map(|i| i as i64).collect();
    Ok(vec![x.f_sum_dim_intlist(dims, false, cx.kinds.wide)?])
}
