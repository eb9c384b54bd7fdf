//! Elementwise functions: the nonlinearities of feed-forward layers and gates, exponential and logarithm.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `x * sigmoid(x)`
    Silu,
    /// `x * Phi(x)` with the exact normal distribution function, as `torch.nn.GELU()`.
    Gelu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`: GPT-2's approximation.
    GeluTanh,
    /// `max(x, 0)`, with slope 0 at 0.
    Relu,
    Tanh,
    Sigmoid,
    Exp,
    /// The natural logarithm.
    Log,
}

/// `x -> f(x)`
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    pub function: Function,
}

/// `(dy, x) -> dy * f'(x)`
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationGrad {
    pub function: Function,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The standard normal distribution function.
fn phi(x: f64) -> f64 {
    0.5 * (1.0 + libm::erf(x * FRAC_1_SQRT_2))
}

const GELU_TANH_CUBIC: f64 = 0.044715;

/// The argument of the tanh in `GeluTanh`, and its slope.
fn gelu_tanh_inner(x: f64) -> (f64, f64) {
    let factor = FRAC_2_PI.sqrt();
    (factor * (x + GELU_TANH_CUBIC * x.powi(3)), factor * (1.0 + 3.0 * GELU_TANH_CUBIC * x * x))
}

impl Function {
    pub const ALL: [Function; 8] = [
        Function::Silu,
        Function::Gelu,
        Function::GeluTanh,
        Function::Relu,
        Function::Tanh,
        Function::Sigmoid,
        Function::Exp,
        Function::Log,
    ];

    /// As the language calls it.
    pub fn name(self) -> &'static str {
        match self {
            Function::Silu => "silu",
            Function::Gelu => "gelu",
            Function::GeluTanh => "gelu_tanh",
            Function::Relu => "relu",
            Function::Tanh => "tanh",
            Function::Sigmoid => "sigmoid",
            Function::Exp => "exp",
            Function::Log => "log",
        }
    }

    fn grad_name(self) -> &'static str {
        match self {
            Function::Silu => "silu_grad",
            Function::Gelu => "gelu_grad",
            Function::GeluTanh => "gelu_tanh_grad",
            Function::Relu => "relu_grad",
            Function::Tanh => "tanh_grad",
            Function::Sigmoid => "sigmoid_grad",
            Function::Exp => "exp_grad",
            Function::Log => "log_grad",
        }
    }

    pub(super) fn value(self, x: f64) -> f64 {
        match self {
            Function::Silu => x * sigmoid(x),
            Function::Gelu => x * phi(x),
            Function::GeluTanh => 0.5 * x * (1.0 + gelu_tanh_inner(x).0.tanh()),
            Function::Relu => x.max(0.0),
            Function::Tanh => x.tanh(),
            Function::Sigmoid => sigmoid(x),
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
        }
    }

    pub(super) fn slope(self, x: f64) -> f64 {
        match self {
            Function::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
            Function::Gelu => phi(x) + x * (-0.5 * x * x).exp() / (2.0 * PI).sqrt(),
            Function::GeluTanh => {
                let (inner, slope) = gelu_tanh_inner(x);
                let tanh = inner.tanh();
                0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope
            }
            Function::Relu => f64::from(u8::from(x > 0.0)),
            Function::Tanh => 1.0 - x.tanh().powi(2),
            Function::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Function::Exp => x.exp(),
            Function::Log => 1.0 / x,
        }
    }
}

impl Operation for Activation {
    fn name(&self) -> &'static str {
        self.function.name()
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            // Wide ones stay so: the noise level is one.
            [x] if matches!(x.elem, Elem::Compute | Elem::Wide) => Ok(vec![(*x).clone()]),
            [x] => Err(Mismatch(format!("{} takes a floating-point tensor, not {x}", self.name()))),
            _ => Err(Mismatch(format!("{} takes one tensor", self.name()))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
        let x = cx.input(0);
        vec![cx.emit(ActivationGrad { function: self.function }, &[dy, x]).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].map(|x| self.function.value(x))]
    }
}

impl Operation for ActivationGrad {
    fn name(&self) -> &'static str {
        self.function.grad_name()
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match inputs {
            [dy, x] if dy.shape == x.shape => Ok(vec![(*x).clone()]),
            _ => Err(Mismatch(format!("{} takes a cotangent and an input of one shape", self.name()))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        vec![inputs[0].zip(inputs[1], |dy, x| dy * self.function.slope(x))]
    }
}
