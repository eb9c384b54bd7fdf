//! Dropout. What is dropped is drawn on the host by our kernel, on a GPU too: draws are counters, not a
//! state, and there a step waits for the copy.

use super::{Cx, Lowered, take};
use crate::graph::ops::dropout::{Dropout, Drops, NO_ROW};
use crate::lower::error::Fault;
use crate::lower::kernels;
use tch::Tensor;

pub fn lower(op: &Dropout, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    if let [x, _, rows, places] = inputs {
        let mut shape = places.size();
        shape.extend(x.size().get(1..).unwrap_or_default());
        let all = dropped(&op.drops, cx, true, &shape)?.f_flatten(0, 1)?;
        return Ok(vec![apply(&op.drops, x, &all.f_index_select(0, rows)?)?]);
    }
    let [x, _] = take(inputs)?;
    let dropped = dropped(&op.drops, cx, op.has_rows, &x.size())?;
    Ok(vec![apply(&op.drops, x, &dropped)?])
}

/// True where an element of a tensor of this shape is dropped.
pub fn dropped(drops: &Drops, cx: &Cx<'_>, has_rows: bool, shape: &[i64]) -> Result<Tensor, Fault> {
    let n: i64 = shape.iter().product();
    let (first, n_rows) = match (has_rows, shape.first()) {
        (true, Some(rows)) => (cx.draw.first_row, *rows),
        _ => (NO_ROW, 1),
    };
    let counter = [cx.draw.step, first, drops.word()];
    let [flat] = kernels::dropped(cx.draw.seed, counter, n_rows, n / n_rows.max(1), drops.threshold())?;
    Ok(flat.f_view(shape)?.f_to_device(cx.device)?)
}

pub fn apply(drops: &Drops, x: &Tensor, dropped: &Tensor) -> Result<Tensor, Fault> {
    Ok(x.f_masked_fill(dropped, 0.0)?.f_mul_scalar_(drops.scale())?)
}
