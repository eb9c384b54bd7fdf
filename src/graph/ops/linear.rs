//! `y = x W^T`: the last dimension of x against rows of W `[out, in]` (PyTorch's layout).

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, DimSizes, Elem, Type, Value, shape_text};

/// `(x [.., in], w [out, in]) -> [.., out]`
#[derive(Clone, Debug, PartialEq)]
pub struct Linear;

/// `(dy [.., out], w [out, in]) -> dx [.., in]`
#[derive(Clone, Debug, PartialEq)]
pub struct LinearInputGrad;

/// `(dy [.., out], x [.., in]) -> dw [out, in]`, wide
#[derive(Clone, Debug, PartialEq)]
pub struct LinearWeightGrad;

fn last(t: &Type) -> Option<Dim> {
    t.shape.last().copied()
}

fn rows(t: &Type) -> &[Dim] {
    t.shape.split_last().map_or(&[], |(_, rows)| rows)
}

impl Operation for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, w] = inputs else { return Err(Mismatch("linear takes a tensor and a weight".into())) };
        let [out, inner] = w.shape.as_slice() else {
            return Err(Mismatch(format!("linear's weight has to be a matrix, not {}", shape_text(&w.shape))));
        };
        if last(x) != Some(*inner) || x.elem != Elem::Compute {
            return Err(Mismatch(format!("linear from width {inner} does not take {x}")));
        }
        let mut shape = rows(x).to_vec();
        shape.push(*out);
        Ok(vec![Type::compute(shape)])
    }

    fn flops(&self, inputs: &[&Type], outputs: &[Type], sizes: DimSizes) -> f64 {
        let (Some(x), Some(y)) = (inputs.first(), outputs.first()) else { return 0.0 };
        2.0 * y.n_elements(sizes) as f64 * last(x).map_or(1, |d| d.size(sizes)) as f64
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (x, w) = (cx.input(0), cx.input(1));
        let dx = cx.emit(LinearInputGrad, &[dy, w]);
        let dw = cx.emit(LinearWeightGrad, &[dy, x]);
        vec![dx.first().copied(), dw.first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, w) = (inputs[0], inputs[1]);
        let (n_out, n_in) = (w.shape[0], w.shape[1]);
        let mut shape = x.shape.clone();
        *shape.last_mut().unwrap_or(&mut 0) = n_out;
        let data = x
            .data
            .chunks(n_in)
            .flat_map(|row| w.data.chunks(n_in).map(|w_row| row.iter().zip(w_row).map(|(a, b)| a * b).sum()))
            .collect();
        vec![Array::new(shape, data)]
    }
}

impl Operation for LinearInputGrad {
    fn name(&self) -> &'static str {
        "linear_input_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dy, w] = inputs else { return Err(Mismatch("linear_input_grad takes two tensors".into())) };
        match w.shape.as_slice() {
            [out, inner] if last(dy) == Some(*out) => {
                let mut shape = rows(dy).to_vec();
                shape.push(*inner);
                Ok(vec![Type::compute(shape)])
            }
            _ => Err(Mismatch(format!("linear_input_grad of {dy} by {w}"))),
        }
    }

    fn flops(&self, inputs: &[&Type], outputs: &[Type], sizes: DimSizes) -> f64 {
        let (Some(dy), Some(dx)) = (inputs.first(), outputs.first()) else { return 0.0 };
        2.0 * dx.n_elements(sizes) as f64 * last(dy).map_or(1, |d| d.size(sizes)) as f64
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, w) = (inputs[0], inputs[1]);
        let (n_out, n_in) = (w.shape[0], w.shape[1]);
        let mut shape = dy.shape.clone();
        *shape.last_mut().unwrap_or(&mut 0) = n_in;
        let mut out = Array::zeros(shape);
        for (dy_row, dx_row) in dy.data.chunks(n_out).zip(out.data.chunks_mut(n_in)) {
            for (g, w_row) in dy_row.iter().zip(w.data.chunks(n_in)) {
                for (dx, w) in dx_row.iter_mut().zip(w_row) {
                    *dx += g * w;
                }
            }
        }
        vec![out]
    }
}

impl Operation for LinearWeightGrad {
    fn name(&self) -> &'static str {
        "linear_weight_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dy, x] = inputs else { return Err(Mismatch("linear_weight_grad takes two tensors".into())) };
        match (last(dy), last(x)) {
            (Some(out), Some(inner)) if rows(dy) == rows(x) => Ok(vec![Type::wide([out, inner])]),
            _ => Err(Mismatch(format!("linear_weight_grad of {dy} with {x}"))),
        }
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        let (Some(dy), Some(x)) = (inputs.first(), inputs.get(1)) else { return 0.0 };
        2.0 * dy.n_elements(sizes) as f64 * last(x).map_or(1, |d| d.size(sizes)) as f64
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, x) = (inputs[0], inputs[1]);
        let (n_out, n_in) = (dy.width(), x.width());
        let mut out = Array::zeros([n_out, n_in]);
        for (dy_row, x_row) in dy.data.chunks(n_out).zip(x.data.chunks(n_in)) {
            for (g, dw_row) in dy_row.iter().zip(out.data.chunks_mut(n_in)) {
                for (dw, x) in dw_row.iter_mut().zip(x_row) {
                    *dw += g * x;
                }
            }
        }
        vec![out]
    }
}
