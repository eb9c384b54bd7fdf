//! Cosines and sines of a number, in f64 whatever the precision: an angle of a thousand has few digits
//! left in fp32, and the tensor is small.

use super::{Cx, Lowered, take};
use crate::graph::ops::sinusoid::Sinusoid;
use tch::{Kind, Tensor};

pub fn lower(op: &Sinusoid, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x] = take(inputs)?;
    let frequencies = Tensor::f_from_slice(&op.frequencies())?.f_to_device(cx.device)?;
    let angles = x.f_to_kind(Kind::Double)?.f_unsqueeze(-1)?.f_mul(&frequencies)?;
    let y = Tensor::f_cat(&[angles.f_cos()?, angles.f_sin()?], -1)?;
    Ok(vec![y.f_to_kind(cx.kinds.compute)?])
}
