//! `gelu(x) = x * Phi(x)` with the exact normal distribution function, as `torch.nn.GELU()`.

use super::silu::{infer_unary, infer_unary_grad, vjp_unary};
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `x -> gelu(x)`
#[derive(Clone, Debug, PartialEq)]
pub struct Gelu;

/// `(dy, x) -> dx`
#[derive(Clone, Debug, PartialEq)]
pub struct GeluGrad;

/// The standard normal distribution function.
fn phi(x: f64) -> f64 {
    0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

impl Operation for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        vjp_unary(cx, cotangents, GeluGrad)
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| x * phi(x))]
    }
}

impl Operation for GeluGrad {
    fn name(&self) -> &'static str {
        "gelu_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        infer_unary_grad(self.name(), inputs)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        vec![inputs[0].zip(inputs[1], |dy, x| dy * (phi(x) + x * density(x)))]
    }
}
