//! Graphs made of other graphs, where a run needs a model otherwise than it was elaborated.

use super::{Op, ValidGraph};
use crate::objective::Pattern;

/// The model with this attention in place of its own; windows stay. What trains on two streams draws text with
/// blocks that see those before them.
pub fn with_pattern(model: &ValidGraph, pattern: Pattern) -> ValidGraph {
    model.with_operations(|op| match op {
        Op::Attend(attend) => attend.sight.pattern = pattern,
        Op::AttendGrad(attend) => attend.sight.pattern = pattern,
        _ => {}
    })
}
