//! Sum, the second operand broadcast.

use super::{Cx, Lowered, take};
use crate::graph::ops::add::{Add, Second};
use crate::lower::error::Fault;
use tch::Tensor;

pub fn lower(op: &Add, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [a, b] = take(inputs)?;
    Ok(vec![a.f_add(&laid_out(op.second, a, b)?)?])
}

/// The second operand with a dimension of 1 for each one it lacks behind the batch; libtorch broadcasts
/// over those before it by itself.
pub(super) fn laid_out(second: Second, a: &Tensor, b: &Tensor) -> Result<Tensor, Fault> {
    match second {
        Second::Last => Ok(b.shallow_clone()),
        Second::Batch => {
            let mut shape = b.size();
            let lacking = a.dim().saturating_sub(b.dim());
            if shape.is_empty() {
                return Err(Fault::Shape(shape));
            }
            shape.splice(1..1, std::iter::repeat_n(1, lacking));
            Ok(b.f_reshape(shape)?)
        }
    }
}
