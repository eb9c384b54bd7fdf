//! Layer normalisation over the last dimension with a gain and no bias:
//! `y = (x - mean) * rstd * gain`, `rstd = 1 / sqrt(var(x) + eps)`. Statistics are wide.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(x [.., D], gain [D]) -> (y [.., D], mean [..] wide, rstd [..] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    pub eps: f64,
}

/// `(dy, x, gain, mean, rstd) -> (dx, dgain [D] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormGrad;

impl Operation for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, gain] = inputs else { return Err(Mismatch("layer_norm takes a tensor and a gain".into())) };
        match (x.shape.split_last(), gain.shape.as_slice()) {
            (Some((width, rows)), [g]) if width == g && x.elem == Elem::Compute => {
                Ok(vec![(*x).clone(), Type::wide(rows), Type::wide(rows)])
            }
            _ => Err(Mismatch(format!("layer_norm with a gain of {gain} does not take {x}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (x, gain, mean, rstd) = (cx.input(0), cx.input(1), cx.output(1), cx.output(2));
        cx.emit(LayerNormGrad, &[dy, x, gain, mean, rstd]).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, gain) = (inputs[0], inputs[1]);
        let width = x.width();
        let mut y = x.clone();
        let mut mean = Array::zeros(&x.shape[..x.shape.len() - 1]);
        let mut rstd = mean.clone();
        for ((row, m), r) in y.data.chunks_mut(width).zip(mean.data.iter_mut()).zip(rstd.data.iter_mut()) {
            *m = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|v| (v - *m).powi(2)).sum::<f64>() / width as f64;
            *r = 1.0 / (variance + self.eps).sqrt();
            row.iter_mut().zip(&gain.data).for_each(|(v, g)| *v = (*v - *m) * *r * g);
        }
        vec![y, mean, rstd]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("eps", format!("{:e}", self.eps))]
    }
}

impl Operation for LayerNormGrad {
    fn name(&self) -> &'static str {
        "layer_norm_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dy, x, gain, _, _] = inputs else { return Err(Mismatch("layer_norm_grad takes five tensors".into())) };
        if dy.shape != x.shape {
            return Err(Mismatch(format!("layer_norm_grad of {dy} for {x}")));
        }
        Ok(vec![(*x).clone(), Type::wide(gain.shape.clone())])
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 5]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, x, gain, mean, rstd) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
        let width = x.width();
        let mut dx = Array::zeros(x.shape.clone());
        let mut dgain = Array::zeros([width]);
        for (i, (m, r)) in mean.data.iter().zip(&rstd.data).enumerate() {
            let at = i * width..(i + 1) * width;
            let (dy, x, dx) = (&dy.data[at.clone()], &x.data[at.clone()], &mut dx.data[at]);
            let normal = |j: usize| (x[j] - m) * r;
            let sum: f64 = (0..width).map(|j| dy[j] * gain.data[j]).sum::<f64>() / width as f64;
            let dot: f64 = (0..width).map(|j| dy[j] * gain.data[j] * normal(j)).sum::<f64>() / width as f64;
            for j in 0..width {
                dgain.data[j] += dy[j] * normal(j);
                dx[j] = r * (dy[j] * gain.data[j] - sum - normal(j) * dot);
            }
        }
        vec![dx, dgain]
    }
}
