//! Gradients to new weights: AdamW with decoupled decay (Loshchilov and Hutter 2019), as
//! `torch.optim.AdamW` computes it, behind `torch.nn.utils.clip_grad_norm_`. Everything runs on the
//! flat tensors: one kernel of ours on a CPU, libtorch's fused one elsewhere, and one look at the device.

use super::error::{Fault, LowerError};
use super::kernels::{self, AdamWConstants};
use super::ops::Destination;
use super::weights::{self, Layout, Weights};
use crate::check::spec::AdamW;
use crate::store::TensorData;
use tch::{Device, Kind, Tensor};

/// What `clip_grad_norm_` adds to the norm.
const CLIP_EPS: f64 = 1e-6;

/// The sum of gradients of a step, wide.
#[derive(Debug)]
pub struct GradBuffer {
    flat: Tensor,
    views: Vec<Tensor>,
    /// Nothing was added since the last step: what is there is old.
    is_stale: bool,
}

impl GradBuffer {
    pub fn new(weights: &Weights) -> Result<GradBuffer, LowerError> {
        let flat = weights.flat.f_zeros_like()?;
        let views = weights.layout.views(&flat)?;
        // So that the first step of a process does what every other does, down to the sign of a zero.
        Ok(GradBuffer { flat, views, is_stale: true })
    }

    /// Adds one micro-batch's gradients (`Outputs::grads`). The first after a step replaces.
    pub fn accumulate(&mut self, grads: &[Option<Tensor>]) -> Result<(), LowerError> {
        self.accumulate_but(grads, |_| false)
    }

    /// Where the gradient of parameter `i` may be written, or added to, as it is made. Every gradient that is made
    /// so has to be left out of the `accumulate_but` that follows.
    pub(super) fn place(&self, i: usize) -> Option<Destination> {
        let tensor = self.views.get(i)?.shallow_clone();
        Some(Destination { tensor, adds: !self.is_stale })
    }

    /// As [`GradBuffer::accumulate`], but for what is there already.
    pub(super) fn accumulate_but(
        &mut self,
        grads: &[Option<Tensor>],
        is_there: impl Fn(usize) -> bool,
    ) -> Result<(), LowerError> {
        if grads.len() != self.views.len() {
            return Err(LowerError::Params { got: grads.len(), takes: self.views.len() });
        }
        let is_stale = std::mem::replace(&mut self.is_stale, false);
        tch::no_grad(|| {
            for (i, (view, grad)) in self.views.iter_mut().zip(grads).enumerate() {
                match grad {
                    Some(_) if is_there(i) => {}
                    Some(grad) if is_stale => view.f_copy_(grad)?,
                    Some(grad) => view.f_add_(grad).map(drop)?,
                    None if is_stale => view.f_zero_().map(drop)?,
                    None => {}
                }
            }
            Ok(())
        })
    }

    /// By parameter.
    pub fn views(&self) -> &[Tensor] {
        &self.views
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Of all gradients, before clipping.
    pub grad_norm: f64,
    pub clipped: bool,
    /// Norm of the change over norm of the weights before it; 0 after a step that was not taken.
    pub update_ratio: f64,
    /// Whether the gradient norm was finite. If not, nothing was changed.
    pub finite: bool,
}

/// First and second moments.
#[derive(Debug)]
pub struct AdamWState {
    layout: Layout,
    m: Tensor,
    v: Tensor,
}

impl AdamWState {
    pub fn new(weights: &Weights) -> Result<AdamWState, LowerError> {
        let zeros = || weights.flat.f_zeros_like();
        Ok(AdamWState { layout: weights.layout.clone(), m: zeros()?, v: zeros()? })
    }

    /// One step with rate `lr`. `step_number` counts from 1. The gradients are used up: the next
    /// `accumulate` starts a new sum.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        grads: &mut GradBuffer,
        optimizer: &AdamW,
        lr: f64,
        clip: Option<f64>,
        step_number: u64,
    ) -> Result<StepStats, LowerError> {
        grads.is_stale = true;
        let step = || match weights.flat.device() {
            Device::Cpu => self.fused(weights, grads, constants(optimizer, lr, step_number), clip),
            Device::Cuda(_) | Device::Mps | Device::Vulkan => {
                self.on_device(weights, grads, optimizer, lr, clip, step_number)
            }
        };
        tch::no_grad(step).map_err(LowerError::Optimizer)
    }

    /// The same step with libtorch's kernel, as it runs on other devices than a CPU.
    pub fn step_on_device(
        &mut self,
        weights: &mut Weights,
        grads: &mut GradBuffer,
        optimizer: &AdamW,
        lr: f64,
        clip: Option<f64>,
        step_number: u64,
    ) -> Result<StepStats, LowerError> {
        grads.is_stale = true;
        tch::no_grad(|| self.on_device(weights, grads, optimizer, lr, clip, step_number)).map_err(LowerError::Optimizer)
    }

    fn fused(
        &mut self,
        weights: &mut Weights,
        grads: &GradBuffer,
        constants: [AdamWConstants; 2],
        clip: Option<f64>,
    ) -> Result<StepStats, Fault> {
        let grad_norm = kernels::square_sum(&grads.flat)?.sqrt();
        if !grad_norm.is_finite() {
            return Ok(StepStats { grad_norm, clipped: false, update_ratio: 0.0, finite: false });
        }
        let factor = clip_factor(grad_norm, clip);
        let mut sums = [0.0; 2];
        for (mut constants, range) in constants.into_iter().zip([self.layout.decayed(), self.layout.not_decayed()]) {
            constants.gradient_factor = factor;
            let part = kernels::adamw(&mut weights.flat, &grads.flat, &mut self.m, &mut self.v, range, &constants)?;
            sums = [sums[0] + part[0], sums[1] + part[1]];
        }
        let [squares, changes] = sums;
        let update_ratio = if squares > 0.0 { (changes / squares).sqrt() } else { 0.0 };
        Ok(StepStats { grad_norm, clipped: factor < 1.0, update_ratio, finite: true })
    }

    /// With libtorch's fused kernel. The device itself turns a step with a non-finite norm into one that changes
    /// nothing, so that it need not be waited for.
    fn on_device(
        &mut self,
        weights: &mut Weights,
        grads: &mut GradBuffer,
        optimizer: &AdamW,
        lr: f64,
        clip: Option<f64>,
        step_number: u64,
    ) -> Result<StepStats, Fault> {
        let (p, g) = (&mut weights.flat, &mut grads.flat);
        let norm = g.f_norm()?;
        let broken = norm.f_isfinite()?.f_logical_not()?.f_to_kind(Kind::Float)?;
        if let Some(clip) = clip {
            let factor = norm.f_add_scalar(CLIP_EPS)?.f_reciprocal()?.f_mul_scalar(clip)?.f_clamp_max(1.0)?;
            // The gaps between parameters stay 0 whatever the norm is.
            let _ = g.f_mul_(&factor.f_nan_to_num(1.0, None, None)?)?;
        }
        let weight_norm = p.f_norm()?;
        let old = p.f_detach_copy()?;
        let step = Tensor::f_full([1], step_number as f64, (Kind::Float, p.device()))?;
        for (decay, range) in [(optimizer.weight_decay, self.layout.decayed()), (0.0, self.layout.not_decayed())] {
            let n = range.end - range.start;
            if n == 0 {
                continue;
            }
            let part = |x: &Tensor| x.f_narrow(0, range.start, n);
            let parts = [part(p)?, part(g)?, part(&self.m)?, part(&self.v)?];
            let hyper = [lr, optimizer.beta1, optimizer.beta2, decay, optimizer.eps];
            kernels::fused_adamw(parts.each_ref(), &step, hyper, &broken)?;
        }
        let sums = Tensor::f_stack(&[norm, weight_norm, p.f_sub(&old)?.f_norm()?], 0)?;
        let values = Vec::<f64>::try_from(&sums.f_to_kind(Kind::Double)?)?;
        let [grad_norm, weight_norm, change_norm] = values[..] else { return Err(Fault::Shape(sums.size())) };
        let update_ratio = if weight_norm > 0.0 { change_norm / weight_norm } else { 0.0 };
        let finite = grad_norm.is_finite();
        Ok(StepStats { grad_norm, clipped: finite && clip_factor(grad_norm, clip) < 1.0, update_ratio, finite })
    }

    /// The first and the second moments, by path.
    pub fn export(&self) -> Result<[Vec<TensorData>; 2], LowerError> {
        Ok([weights::export(&self.layout, &self.m)?, weights::export(&self.layout, &self.v)?])
    }

    /// Takes over what [`AdamWState::export`] gave.
    pub fn import(&mut self, [m, v]: [&[TensorData]; 2]) -> Result<(), LowerError> {
        weights::import(&self.layout, &self.m, m)?;
        weights::import(&self.layout, &self.v, v)
    }
}

/// The constants of a step for parameters that decay and for those that do not.
fn constants(optimizer: &AdamW, lr: f64, step_number: u64) -> [AdamWConstants; 2] {
    let steps = step_number as f64;
    [1.0 - lr * optimizer.weight_decay, 1.0].map(|decay_factor| AdamWConstants {
        gradient_factor: 1.0,
        decay_factor,
        beta1: optimizer.beta1,
        beta2: optimizer.beta2,
        eps: optimizer.eps,
        step_size: lr / (1.0 - optimizer.beta1.powf(steps)),
        root_correction2: (1.0 - optimizer.beta2.powf(steps)).sqrt(),
    })
}

/// `clip_grad_norm_`'s coefficient.
fn clip_factor(norm: f64, clip: Option<f64>) -> f64 {
    clip.map_or(1.0, |max| (max / (norm + CLIP_EPS)).min(1.0))
}

/// An exponential moving average of the weights: `average += (1 - decay) * (weights - average)`.
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    average: Weights,
}

impl Ema {
    /// Starts at the weights.
    pub fn new(weights: &Weights, decay: f64) -> Result<Ema, LowerError> {
        Ok(Ema { decay, average: weights.with_flat(weights.flat.f_detach_copy()?) })
    }

    /// Call after each step.
    pub fn update(&mut self, weights: &Weights) -> Result<(), LowerError> {
        let decay = self.decay;
        Ok(tch::no_grad(|| self.average.flat.f_lerp_(&weights.flat, 1.0 - decay)).map(drop)?)
    }

    pub fn weights(&self) -> &Weights {
        &self.average
    }

    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.average
    }
}
