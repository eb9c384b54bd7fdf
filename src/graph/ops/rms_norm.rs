//! Root-mean-square normalisation over the last dimension (Zhang and Sennrich 2019):
//! `y = x * rstd * gain`, `rstd = 1 / sqrt(mean(x^2) + eps)`; without a gain it is 1. Statistics are wide.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(x [.., D]) -> (y [.., D], rstd [..] wide)`, or `(x, gain [D]) -> ..`
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    pub eps: f64,
}

/// `(dy, x, rstd) -> dx`, or `(dy, x, rstd, gain) -> (dx, dgain [D] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNormGrad;

/// Of a norm over the last dimension: the output's type and that of a statistic.
pub(super) fn infer_norm(name: &str, inputs: &[&Type]) -> Result<(Type, Type), Mismatch> {
    let [x, gain @ ..] = inputs else { return Err(Mismatch(format!("{name} takes a tensor and a gain"))) };
    match (x.shape.split_last(), gain) {
        (Some((_, rows)), []) if x.elem == Elem::Compute => Ok(((*x).clone(), Type::wide(rows))),
        (Some((width, rows)), [gain]) if gain.shape == [*width] && x.elem == Elem::Compute => {
            Ok(((*x).clone(), Type::wide(rows)))
        }
        (_, []) => Err(Mismatch(format!("{name} does not take {x}"))),
        (_, [gain, ..]) => Err(Mismatch(format!("{name} with a gain of {gain} does not take {x}"))),
    }
}

/// The types of a norm's gradients.
pub(super) fn norm_grads(x: &Type, gain: &[&Type]) -> Vec<Type> {
    let dgain = gain.iter().map(|gain| Type::wide(gain.shape.clone()));
    std::iter::once(x.clone()).chain(dgain).collect()
}

/// A norm's gain, or ones.
pub(super) fn gain_of(gain: Option<&&Array>, width: usize) -> Vec<f64> {
    gain.map_or_else(|| vec![1.0; width], |gain| gain.data.clone())
}

impl Operation for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let (y, rows) = infer_norm(self.name(), inputs)?;
        Ok(vec![y, rows])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![] };
        let mut inputs = vec![dy, cx.input(0)];
        let gain = cx.n_inputs() > 1;
        let gain = gain.then(|| cx.input(1));
        inputs.push(cx.output(1));
        inputs.extend(gain);
        cx.emit(RmsNormGrad, &inputs).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let width = x.width();
        let gain = gain_of(inputs.get(1), width);
        let mut y = x.clone();
        let mut rstd = Array::zeros(&x.shape[..x.shape.len() - 1]);
        for (row, r) in y.data.chunks_mut(width).zip(rstd.data.iter_mut()) {
            let mean_square = row.iter().map(|v| v * v).sum::<f64>() / width as f64;
            *r = 1.0 / (mean_square + self.eps).sqrt();
            row.iter_mut().zip(&gain).for_each(|(v, g)| *v *= *r * g);
        }
        vec![y, rstd]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("eps", format!("{:e}", self.eps))]
    }
}

impl Operation for RmsNormGrad {
    fn name(&self) -> &'static str {
        "rms_norm_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [dy, x, _, gain @ ..] if dy.shape == x.shape && gain.len() < 2 => Ok(norm_grads(x, gain)),
            _ => Err(Mismatch("rms_norm_grad takes a cotangent, an input, its statistic and its gain".into())),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 4]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, x, rstd) = (inputs[0], inputs[1], inputs[2]);
        let width = x.width();
        let gain = gain_of(inputs.get(3), width);
        let mut dx = Array::zeros(x.shape.clone());
        let mut dgain = Array::zeros([width]);
        for (i, r) in rstd.data.iter().enumerate() {
            let at = i * width..(i + 1) * width;
            let (dy, x, dx) = (&dy.data[at.clone()], &x.data[at.clone()], &mut dx.data[at]);
            let dot: f64 = (0..width).map(|j| dy[j] * gain[j] * x[j]).sum::<f64>() / width as f64;
            for j in 0..width {
                dgain.data[j] += dy[j] * x[j] * r;
                dx[j] = r * (dy[j] * gain[j] - x[j] * r * r * dot);
            }
        }
        [dx, dgain].into_iter().take(inputs.len() - 2).collect()
    }
}
