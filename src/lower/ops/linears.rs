//! Several products of the same features as one. Weights that lie one after the other are one matrix without a copy,
//! and so are gradients that their makers put side by side; others are joined first.

use super::{Cx, Lowered, rows, split_last};
use crate::graph::ops::linears::{Linears, LinearsGrad};
use crate::lower::error::Fault;
use tch::Tensor;

pub fn lower(_: &Linears, _: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, weights @ ..] = inputs else { return Err(Fault::Arity { got: 0, takes: 2 }) };
    let (mut shape, _) = split_last(x)?;
    let w = joined_rows(weights)?;
    let y = rows(x)?.f_mm(&w.f_transpose(0, 1)?)?;
    shape.push(w.size().first().copied().unwrap_or(0));
    let y = y.f_view(&shape[..])?;
    split(&y, -1, weights)
}

pub fn lower_grad(_: &LinearsGrad, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    let [x, rest @ ..] = inputs else { return Err(Fault::Arity { got: 0, takes: 3 }) };
    let (weights, dys) = rest.split_at(rest.len() / 2);
    let dy = rows(&joined_columns(dys)?)?;
    let (w, x_rows) = (joined_rows(weights)?, rows(x)?);
    let mut all = vec![dy.f_mm(&w)?.f_view(&x.size()[..])?];
    let dw = dy.f_transpose(0, 1)?.f_mm(&x_rows)?;
    for (i, part) in split(&dw, 0, weights)?.into_iter().enumerate() {
        all.push(cx.wide_into(i + 1, part)?);
    }
    Ok(all)
}

/// Parts of a tensor along a dimension, as long as these weights have rows.
fn split(of: &Tensor, dim: i64, weights: &[&Tensor]) -> Lowered {
    let sizes: Vec<i64> = weights.iter().map(|w| w.size().first().copied().unwrap_or(0)).collect();
    Ok(of.f_split_with_sizes(&sizes[..], dim)?)
}

/// Matrices of one width, one below the other.
fn joined_rows(parts: &[&Tensor]) -> Result<Tensor, Fault> {
    let Some(first) = parts.first() else { return Err(Fault::Arity { got: 0, takes: 1 }) };
    let (_, width) = split_last(first)?;
    let mut end = first.data_ptr() as usize;
    let mut n = 0;
    for part in parts {
        let follows = part.is_contiguous() && part.data_ptr() as usize == end && part.size().get(1) == Some(&width);
        if !follows {
            return Ok(Tensor::f_cat(parts, 0)?);
        }
        let height = part.size().first().copied().unwrap_or(0);
        n += height;
        end += (height * width) as usize * part.f_kind()?.elt_size_in_bytes();
    }
    match first.f_as_strided([n, width], [width, 1], None::<i64>) {
        // Of other tensors that only happen to be neighbours in memory.
        Err(_) => Ok(Tensor::f_cat(parts, 0)?),
        Ok(view) => Ok(view),
    }
}

/// Tensors that differ in the last dimension, side by side.
fn joined_columns(parts: &[&Tensor]) -> Result<Tensor, Fault> {
    let Some(first) = parts.first() else { return Err(Fault::Arity { got: 0, takes: 1 }) };
    let (mut shape, _) = split_last(first)?;
    let strides = first.stride();
    let mut end = first.data_ptr() as usize;
    let mut width = 0;
    for part in parts {
        let (_, own) = split_last(part)?;
        if part.stride() != strides || part.data_ptr() as usize != end || strides.last() != Some(&1) {
            return Ok(Tensor::f_cat(parts, -1)?);
        }
        width += own;
        end += own as usize * part.f_kind()?.elt_size_in_bytes();
    }
    // Rows have to be as wide as what is in them: else something else lies between.
    if !shape.is_empty() && strides.get(shape.len() - 1) != Some(&width) {
        return Ok(Tensor::f_cat(parts, -1)?);
    }
    shape.push(width);
    match first.f_as_strided(&shape[..], &strides[..], None::<i64>) {
        Err(_) => Ok(Tensor::f_cat(parts, -1)?),
        Ok(view) => Ok(view),
    }
}
