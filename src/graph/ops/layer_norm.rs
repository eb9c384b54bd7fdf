//! Layer normalisation over the last dimension: `y = (x - mean) * rstd * gain`,
//! `rstd = 1 / sqrt(var(x) + eps)`; without a gain it is 1. Statistics are wide. A bias is a sum of its own.

use super::rms_norm::{gain_of, infer_norm, norm_grads};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `(x [.., D]) -> (y [.., D], mean [..] wide, rstd [..] wide)`, or `(x, gain [D]) -> ..`
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    pub eps: f64,
}

/// `(dy, x, mean, rstd) -> dx`, or `(dy, x, mean, rstd, gain) -> (dx, dgain [D] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormGrad;

impl Operation for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let (y, rows) = infer_norm(self.name(), inputs)?;
        Ok(vec![y, rows.clone(), rows])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![] };
        let mut inputs = vec![dy, cx.input(0)];
        let gain = cx.n_inputs() > 1;
        let gain = gain.then(|| cx.input(1));
        inputs.extend([cx.output(1), cx.output(2)]);
        inputs.extend(gain);
        cx.emit(LayerNormGrad, &inputs).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let width = x.width();
        let gain = gain_of(inputs.get(1), width);
        let mut y = x.clone();
        let mut mean = Array::zeros(&x.shape[..x.shape.len() - 1]);
        let mut rstd = mean.clone();
        for ((row, m), r) in y.data.chunks_mut(width).zip(mean.data.iter_mut()).zip(rstd.data.iter_mut()) {
            *m = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|v| (v - *m).powi(2)).sum::<f64>() / width as f64;
            *r = 1.0 / (variance + self.eps).sqrt();
            row.iter_mut().zip(&gain).for_each(|(v, g)| *v = (*v - *m) * *r * g);
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
        match inputs {
            [dy, x, _, _, gain @ ..] if dy.shape == x.shape && gain.len() < 2 => Ok(norm_grads(x, gain)),
            _ => Err(Mismatch("layer_norm_grad takes a cotangent, an input, its statistics and its gain".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 5]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, x, mean, rstd) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let width = x.width();
        let gain = gain_of(inputs.get(4), width);
        let mut dx = Array::zeros(x.shape.clone());
        let mut dgain = Array::zeros([width]);
        for (i, (m, r)) in mean.data.iter().zip(&rstd.data).enumerate() {
            let at = i * width..(i + 1) * width;
            let (dy, x, dx) = (&dy.data[at.clone()], &x.data[at.clone()], &mut dx.data[at]);
            let normal = |j: usize| (x[j] - m) * r;
            let sum: f64 = (0..width).map(|j| dy[j] * gain[j]).sum::<f64>() / width as f64;
            let dot: f64 = (0..width).map(|j| dy[j] * gain[j] * normal(j)).sum::<f64>() / width as f64;
            for j in 0..width {
                dgain.data[j] += dy[j] * normal(j);
                dx[j] = r * (dy[j] * gain[j] - sum - normal(j) * dot);
            }
        }
        [dx, dgain].into_iter().take(inputs.len() - 3).collect()
    }
}
