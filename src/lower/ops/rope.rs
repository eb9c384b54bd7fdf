//! Rotary embedding. Cosines and sines are computed in f64 once for each head width, base and number
//! of positions, and rounded once to wide.

use super::{Cx, Lowered, take};
use crate::graph::ops::rope::Rope;
use crate::lower::error::Fault;
use crate::lower::kernels;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tch::Tensor;

/// Positions, d, bits of the base.
type Key = (Vec<i64>, i64, u64);

/// Tables that are kept: a model has few widths and bases, and rows of few lengths.
const MAX_TABLES: usize = 64;

/// Cosines and sines, both `[T, d / 2]`.
#[derive(Default)]
pub struct Tables(RefCell<BTreeMap<Key, (Tensor, Tensor)>>);

pub fn lower(op: &Rope, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, positions] = take(inputs)?;
    if positions.size() != [cx.positions.len() as i64] {
        return Err(Fault::Shape(positions.size()));
    }
    let (cos, sin) = tables(op, cx, x)?;
    if cx.is_cpu() {
        return Ok(kernels::rope(x, &cos, &sin, op.inverse)?.into());
    }
    composed(op, cx, x, (&cos, &sin))
}

/// From libtorch's operations, for devices without our kernel.
pub fn composed(op: &Rope, cx: &Cx<'_>, x: &Tensor, (cos, sin): (&Tensor, &Tensor)) -> Lowered {
    let wide = x.f_to_kind(cx.kinds.wide)?;
    let half = x.size().last().copied().unwrap_or(0) / 2;
    let (a, b) = (wide.f_narrow(-1, 0, half)?, wide.f_narrow(-1, half, half)?);
    let sin = if op.inverse { sin.f_neg()? } else { sin.shallow_clone() };
    let first = a.f_mul(cos)?.f_sub(&b.f_mul(&sin)?)?;
    let second = b.f_mul(cos)?.f_add(&a.f_mul(&sin)?)?;
    Ok(vec![Tensor::f_cat(&[first, second], -1)?.f_to_kind(cx.kinds.compute)?])
}

/// The tables for the run's positions, from the cache or new.
pub fn tables(op: &Rope, cx: &Cx<'_>, x: &Tensor) -> Result<(Tensor, Tensor), Fault> {
    let d = x.size().last().copied().unwrap_or(0);
    let key = (cx.positions.to_vec(), d, op.base.to_bits());
    if let Some((cos, sin)) = cx.tables.0.borrow().get(&key) {
        return Ok((cos.shallow_clone(), sin.shallow_clone()));
    }
    let forward = Rope { inverse: false, ..op.clone() };
    let angles: Vec<f64> = key.0.iter().flat_map(|p| forward.angles(*p as f64, d as usize)).collect();
    let shape = [key.0.len() as i64, d / 2];
    let make = |f: fn(f64) -> f64| -> Result<Tensor, Fault> {
        let values: Vec<f64> = angles.iter().map(|a| f(*a)).collect();
        let table = Tensor::f_from_slice(&values)?.f_reshape(shape)?;
        Ok(table.f_to_kind(cx.kinds.wide)?.f_to_device(cx.device)?)
    };
    let made = (make(f64::cos)?, make(f64::sin)?);
    let mut tables = cx.tables.0.borrow_mut();
    // A text that grows token by token asks for a table at each length, once.
    if tables.len() >= MAX_TABLES {
        tables.clear();
    }
    tables.insert(key, (made.0.shallow_clone(), made.1.shallow_clone()));
    Ok(made)
}
