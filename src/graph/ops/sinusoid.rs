//! Features of a number as cosines and sines of many frequencies: the timestep embedding of DiT and
//! MDLM (after Vaswani et al. 2017). With `half = dim / 2` and `f_i = max_period^(-i / half)` the row of x is
//! `cos(scale x f_0), .., cos(scale x f_half-1), sin(scale x f_0), ..`. Computed in f64.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Type, Value};

/// `[..] -> [.., dim]`; not differentiated: what it takes is data.
#[derive(Clone, Debug, PartialEq)]
pub struct Sinusoid {
    pub dim: u64,
    pub max_period: f64,
    pub scale: f64,
}

impl Sinusoid {
    /// What x is multiplied by, for each of the `dim / 2` angles.
    pub fn frequencies(&self) -> Vec<f64> {
        let half = (self.dim / 2).max(1);
        (0..half).map(|i| self.scale * (-self.max_period.ln() * i as f64 / half as f64).exp()).collect()
    }
}

impl Operation for Sinusoid {
    fn name(&self) -> &'static str {
        "sinusoid"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x] = inputs else { return Err(Mismatch("sinusoid takes one tensor".into())) };
        if self.dim == 0 || self.dim % 2 == 1 {
            return Err(Mismatch(format!("sinusoid makes pairs: a width of {} is not even", self.dim)));
        }
        Ok(vec![Type::compute([x.shape.as_slice(), &[Dim::Fixed(self.dim)]].concat())])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let frequencies = self.frequencies();
        let mut shape = x.shape.clone();
        shape.push(self.dim as usize);
        let row = |x: &f64| {
            let angles: Vec<f64> = frequencies.iter().map(|f| x * f).collect();
            angles.iter().map(|a| a.cos()).chain(angles.iter().map(|a| a.sin())).collect::<Vec<f64>>()
        };
        vec![Array::new(shape, x.data.iter().flat_map(row).collect())]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![
            ("dim", self.dim.to_string()),
            ("max_period", self.max_period.to_string()),
            ("scale", self.scale.to_string()),
        ]
    }
}
