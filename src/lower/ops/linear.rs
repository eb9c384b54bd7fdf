//! Matrix products. Sums run in fp32 inside libtorch's bf16 product; the weight's gradient is wide.

use super::{Cx, Lowered, rows, split_last, take};
use crate::graph::ops::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use tch::Tensor;

pub fn lower(_: &Linear, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, w] = take(inputs)?;
    let (mut shape, _) = split_last(x)?;
    let y = rows(x)?.f_mm(&w.f_transpose(0, 1)?)?;
    shape.push(w.size().first().copied().unwrap_or(0));
    Ok(vec![y.f_view(&shape[..])?])
}

pub fn lower_input_grad(_: &LinearInputGrad, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, w] = take(inputs)?;
    let (mut shape, _) = split_last(dy)?;
    let (_, n_in) = split_last(w)?;
    shape.push(n_in);
    Ok(vec![rows(dy)?.f_mm(w)?.f_view(&shape[..])?])
}

pub fn lower_weight_grad(_: &LinearWeightGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [dy, x] = take(inputs)?;
    let dw = rows(dy)?.f_transpose(0, 1)?.f_mm(&rows(x)?)?;
    Ok(vec![cx.wide_into(0, dw)?])
}
