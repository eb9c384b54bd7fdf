//! Root-mean-square normalisation over the last dimension with a gain (Zhang and Sennrich 2019):
//! `y = x * rstd * gain`, `rstd = 1 / sqrt(mean(x^2) + eps)`. Statistics are wide.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(x [.., D], gain [D]) -> (y [.., D], rstd [..] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    pub eps: f64,
}

/// `(dy, x, gain, rstd) -> (dx, dgain [D] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNormGrad;

impl Operation for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, gain] = inputs else { return Err(Mismatch("rms_norm takes a tensor and a gain".into())) };
        match (x.shape.split_last(), gain.shape.as_slice()) {
            (Some((width, rows)), [g]) if width == g && x.elem == Elem::Compute => {
                Ok(vec![(*x).clone(), Type::wide(rows)])
            }
            _ => Err(Mismatch(format!("rms_norm with a gain of {gain} does not take {x}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let (x, gain, rstd) = (cx.input(0), cx.input(1), cx.output(1));
        cx.emit(RmsNormGrad, &[dy, x, gain, rstd]).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, gain) = (inputs[0], inputs[1]);
        let width = x.width();
        let mut y = x.clone();
        let mut rstd = Array::zeros(&x.shape[..x.shape.len() - 1]);
        for (row, r) in y.data.chunks_mut(width).zip(rstd.data.iter_mut()) {
            let mean_square = row.iter().map(|v| v * v).sum::<f64>() / width as f64;
            *r = 1.0 / (mean_square + self.eps).sqrt();
            row.iter_mut().zip(&gain.data).for_each(|(v, g)| *v *= *r * g);
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
        let [dy, x, gain, _] = inputs else { return Err(Mismatch("rms_norm_grad takes four tensors".into())) };
        if dy.shape != x.shape {
            return Err(Mismatch(format!("rms_norm_grad of {dy} for {x}")));
        }
        Ok(vec![(*x).clone(), Type::wide(gain.shape.clone())])
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 4]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, x, gain, rstd) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        let width = x.width();
        let mut dx = Array::zeros(x.shape.clone());
        let mut dgain = Array::zeros([width]);
        for (i, r) in rstd.data.iter().enumerate() {
            let at = i * width..(i + 1) * width;
            let (dy, x, dx) = (&dy.data[at.clone()], &x.data[at.clone()], &mut dx.data[at]);
            let dot: f64 = (0..width).map(|j| dy[j] * gain.data[j] * x[j]).sum::<f64>() / width as f64;
            for j in 0..width {
                dgain.data[j] += dy[j] * x[j] * r;
                dx[j] = r * (dy[j] * gain.data[j] - x[j] * r * r * dot);
            }
        }
        vec![dx, dgain]
    }
}
