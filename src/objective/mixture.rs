//! Objectives that replace tokens at random: uniform-state diffusion (UDLM, Duo) and its hybrid with masks (GIDD).
//! Every position but the context has a loss, whose weight depends on what it was replaced by.
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * seq

use super::Corrupted;
use super::corrupt::{Global, Noise, Step};
use super::draws::{Levels, below, mask_channel, word};
use super::schedule::MaskRate;
use crate::base::philox::{Purpose, Stream};
use crate::check::formula::Formula;
use crate::check::spec::{HybridDiffusion, HybridWeight, Objective, TSampling, UniformDiffusion};

/// Noise levels keep away from 0 and 1, where weights have no limit: 1/t of a token that was replaced, 1/(1 - t) of a
/// loss that vanishes faster. Towards 0 a weighted loss may grow as 1/sqrt(t), so that a bound loses about the root of
/// this end; towards 1 it falls.
const INSIDE: (f64, f64) = (1e-18, 1.0 - 1e-12);
/// No weight of GIDD's dynamic weighting is larger, which matters where t is near 1 (its `max_loss_weight`).
const LARGEST_DYNAMIC: f64 = 2.0;

/// q(z|x) at one noise level: x itself with chance `alpha`, the mask token with `mask`, and each of the predictable
/// ids (x among them) with `uniform`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    pub alpha: f64,
    pub mask: f64,
    pub uniform: f64,
}

/// What the loss of a token weighs, by what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ByFate {
    /// It is what it was, kept or drawn anew.
    pub same: f64,
    pub masked: f64,
    pub replaced: f64,
}

impl ByFate {
    /// Each times `scale`. A schedule that is 0 before t = 1 has nothing left to predict there: no weight.
    pub fn times(self, scale: f64) -> ByFate {
        let of = |weight: f64| if weight.is_finite() { weight.max(0.0) * scale } else { 0.0 };
        ByFate { same: of(self.same), masked: of(self.masked), replaced: of(self.replaced) }
    }
}

/// How tokens are replaced, and what the loss of one weighs in the bound, per unit of t.
#[derive(Clone, Debug)]
pub enum Process {
    Uniform { alpha: Formula, noise: MaskRate, derivative: Formula, live: f64 },
    Hybrid { peak: f64, live: f64 },
}

impl Process {
    /// Of an objective that replaces tokens, over `live` predictable ids.
    pub fn of(objective: &Objective, live: u64) -> Option<Process> {
        match objective {
            Objective::UniformDiffusion(uniform) => Some(Process::uniform(uniform, live)),
            Objective::HybridDiffusion(hybrid) => Some(Process::hybrid(hybrid, live)),
            Objective::NextToken(_) | Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) => None,
            Objective::MaskedLm(_) | Objective::BlockDiffusion(_) => None,
        }
    }

    pub fn uniform(objective: &UniformDiffusion, live: u64) -> Process {
        Process::Uniform {
            alpha: objective.schedule.clone(),
            noise: MaskRate::of(&objective.schedule),
            derivative: objective.proof.derivative.clone(),
            live: live as f64,
        }
    }

    /// c(t) = peak * sqrt(t (1 - t)), the weight of uniform noise against the 1 of token and mask together;
    /// peak = 2 p/(1-p), so that p of all is uniform at t = 1/2.
    pub fn hybrid(objective: &HybridDiffusion, live: u64) -> Process {
        Process::Hybrid { peak: 2.0 * objective.uniform / (1.0 - objective.uniform), live: live as f64 }
    }

    pub fn mixing(&self, t: f64) -> Mixing {
        match self {
            Process::Uniform { noise, live, .. } => {
                let noise = noise.at(t);
                Mixing { alpha: 1.0 - noise, mask: 0.0, uniform: noise / live }
            }
            Process::Hybrid { peak, live } => {
                let c = peak * (t * (1.0 - t)).sqrt();
                let all = 1.0 + c;
                Mixing { alpha: (1.0 - t) / all, mask: t / all, uniform: c / all / live }
            }
        }
    }

    /// What [`super::Loss::Mixture`] of a token weighs in the bound at t in (0, 1), per unit of t.
    ///
    /// Uniform: -alpha'/(alpha N q(z|x)). Hybrid, with c' = c (1-2t)/(2t(1-t)) put in, so that no 0/0 is left where
    /// nothing is uniform: 1/(t(1-t)) masked; half of it replaced; c / (2 t (N-1) (1-t)(1-t + c/(N-1))) else.
    pub(super) fn elbo_weights(&self, t: f64) -> ByFate {
        match self {
            Process::Uniform { alpha, derivative, live, .. } => {
                per_alpha(alpha.eval(t), *live).times(-derivative.eval(t))
            }
            Process::Hybrid { peak, live } => {
                let (c, clean) = (peak * (t * (1.0 - t)).sqrt() / live, 1.0 - t);
                let masked = 1.0 / (t * clean);
                ByFate { same: 0.5 * c * masked / (clean + c), masked, replaced: 0.5 * masked }.times(1.0)
            }
        }
    }

    /// GIDD's dynamic weights (von Ruette et al., arXiv 2503.04482): the bound's, times 2 t (1 - t), as far as that
    /// is bounded.
    fn dynamic_weights(&self, t: f64) -> ByFate {
        let Process::Hybrid { peak, live } = self else { return self.elbo_weights(t) };
        let alpha = self.mixing(t).alpha;
        let noise_to_signal = (1.0 - alpha) / alpha;
        let same = (peak / (live + 1.0) * noise_to_signal.sqrt()).min(LARGEST_DYNAMIC);
        ByFate { same, masked: 2.0, replaced: 1.0 }
    }
}

/// 1/(alpha N q(z|x)) of uniform noise: the weights of the uniform NELBO per unit of alpha.
pub(super) fn per_alpha(alpha: f64, live: f64) -> ByFate {
    let of = |kept: f64| 1.0 / (alpha * (kept + 1.0 - alpha));
    ByFate { same: of(live * alpha), masked: 0.0, replaced: of(0.0) }
}

/// Away from the ends.
pub(super) fn inside(t: f64) -> f64 {
    t.clamp(INSIDE.0, INSIDE.1)
}

#[derive(Clone, Debug)]
pub(super) struct Replaced {
    pub process: Process,
    t: TSampling,
    dynamic: bool,
    seq: usize,
    live: usize,
    mask_id: u32,
}

impl Replaced {
    pub fn uniform(objective: &UniformDiffusion, live: u64, seq: usize, mask_id: u32) -> Replaced {
        let process = Process::uniform(objective, live);
        Replaced { process, t: objective.t, dynamic: false, seq, live: live as usize, mask_id }
    }

    pub fn hybrid(objective: &HybridDiffusion, live: u64, seq: usize, mask_id: u32) -> Replaced {
        let process = Process::hybrid(objective, live);
        let dynamic = objective.weight == HybridWeight::Dynamic;
        Replaced { process, t: objective.t, dynamic, seq, live: live as usize, mask_id }
    }

    pub fn levels(&self, rows: u64, step: u64, seed: u32) -> Levels {
        Levels::new(self.t.kind, rows, step, seed)
    }

    pub fn draw(&self, step: &Step, clean: &[u32], first_row: u64) -> Noise {
        let stream = Stream::new(step.seed, Purpose::Mask);
        let mut noise = Noise { time: self.seq, ..Noise::default() };
        for (i, row) in clean.chunks_exact(self.seq.max(1)).enumerate() {
            let at = first_row + i as u64;
            let t = inside(self.t.low + (self.t.high - self.t.low) * step.levels.u(at));
            let mixing = self.process.mixing(t);
            noise.rows += 1;
            noise.t.push(t);
            noise.z.extend(replaced(&stream, step.step, at, mixing, row, self.live, self.mask_id));
        }
        noise
    }

    pub fn weigh(&self, clean: &[u32], noise: &Noise, global: Global) -> Corrupted {
        let mut out = Corrupted { seq: self.seq, ..Corrupted::default() };
        let scale = 1.0 / (global.rows as f64 * self.seq.saturating_sub(1) as f64);
        // A single t is no integral, and dynamic weights belong to none.
        let width = if self.dynamic || self.t.high <= self.t.low { 1.0 } else { self.t.high - self.t.low };
        let rows = clean.chunks_exact(self.seq.max(1)).zip(noise.z.chunks_exact(self.seq.max(1)));
        for ((row, z), t) in rows.zip(&noise.t) {
            let t = inside(*t);
            let weights = if self.dynamic { self.process.dynamic_weights(t) } else { self.process.elbo_weights(t) };
            out.push_replaced(row, z, t, self.process.mixing(t), self.mask_id, weights.times(width * scale));
        }
        out
    }
}

/// A row through q(z|x); its first token is context.
pub(super) fn replaced(
    stream: &Stream,
    step: u64,
    row: u64,
    mixing: Mixing,
    clean: &[u32],
    live: usize,
    mask_id: u32,
) -> Vec<u32> {
    let noise = 1.0 - mixing.alpha;
    let one = |(i, x): (usize, &u32)| {
        let Some(target) = i.checked_sub(1) else { return *x };
        let [what, id] = stream.uniforms([word(step), word(row), word(target as u64), mask_channel::TOKEN]);
        if what < mixing.mask {
            mask_id
        } else if what < noise {
            below(id, live) as u32
        } else {
            *x
        }
    };
    clean.iter().enumerate().map(one).collect()
}

impl Corrupted {
    /// A row whose position i predicts token i, weighed by what became of it.
    pub(super) fn push_replaced(
        &mut self,
        clean: &[u32],
        z: &[u32],
        t: f64,
        mixing: Mixing,
        mask_id: u32,
        weights: ByFate,
    ) {
        self.rows += 1;
        self.tokens.extend_from_slice(z);
        self.targets.extend_from_slice(clean);
        for (i, (x, z)) in clean.iter().zip(z).enumerate() {
            let weight = if *z == mask_id {
                weights.masked
            } else if z == x {
                weights.same
            } else {
                weights.replaced
            };
            self.weights.push(if i == 0 { 0.0 } else { weight });
            self.share.push(1.0 - mixing.alpha);
        }
        self.t.push(t);
        self.alpha.push(mixing.alpha);
        self.uniform.push(mixing.uniform);
    }
}
