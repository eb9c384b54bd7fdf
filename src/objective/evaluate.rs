//! Rows whose weighted loss is a chunk's negative log-likelihood (next token) or an unbiased estimate of its bound,
//! whatever the weights of training are: exact counts wherever tokens are masked alone, levels of noise in (0, 1)
//! where they are replaced. Every objective predicts x_2..x_L.
#![allow(clippy::indexing_slicing)] // positions of a chunk, by blocks of it

use super::Corrupted;
use super::block::BlockCut;
use super::draws::{exact_mask, word};
use super::mixture::{ByFate, Mixing, Process, per_alpha, replaced};
use super::rows::Layout;
use super::schedule::MaskRate;
use crate::base::philox::{Purpose, Stream};
use crate::check::formula::Formula;
use crate::check::spec::{BlockDiffusion, Objective, Targets, UniformDiffusion, Vocab};

/// Places stay this far inside (0, 1), where no weight is infinite. Weighted losses fall towards the ends or stay
/// bounded, so that a bound changes by some multiple of this.
const INSIDE: f64 = 1e-9;

/// Rows for one validation chunk: `sum(weights * loss)` over them, with [`prior`] for each target, is the estimate
/// of -log p(x_2..x_L | x_1) in nats, not divided by anything.
///
/// Bounds take `draws` rows. Masked objectives: row j masks k_j = floor((u + j) / draws * n) + 1 of the n
/// targets with one u per chunk (systematic), so each k in 1..=n is equally likely on average and the
/// rows of a chunk spread over small and large k; block diffusion does so in each block. Where tokens are replaced,
/// row j is at the place s = (u + j) / draws of its range, with uniform noise 1 - alpha = s^2, with hybrid noise
/// t = s^3. Towards no noise a replaced token weighs 1 over the level though its chance is the level, or the level's
/// root: levels drawn evenly would have an infinite variance, these have a finite one. Draws depend on (seed, chunk,
/// j) alone: every evaluation of a run, of another arm or of a resumed run asks the same questions. A model that reads
/// `t` is told the schedule's name of the level: the schedule draws nothing.
pub fn evaluation_rows(
    objective: &Objective,
    vocab: &Vocab,
    chunk: &[u32],
    chunk_index: u64,
    draws: u64,
    eval_seed: u32,
) -> Corrupted {
    let questions = Questions {
        chunk,
        at: chunk_index,
        draws: draws.max(1),
        levels: Stream::new(eval_seed, Purpose::Eval),
        noise: Stream::new(eval_seed, Purpose::EvalMask),
        mask_id: vocab.mask_id(),
    };
    if chunk.is_empty() {
        return Corrupted::default();
    }
    match objective {
        Objective::NextToken(_) => {
            let mut out = Corrupted { seq: chunk.len(), ..Corrupted::default() };
            out.push_shifted(chunk, chunk, 1.0);
            out
        }
        Objective::MaskedDiffusion(masked) => {
            let rate = MaskRate::new(masked);
            let layout = Layout { targets: Targets::Matched, shift: masked.shift };
            questions.masked(layout, |share| Some(rate.level(share)))
        }
        Objective::AnyOrder(_) | Objective::MaskedLm(_) => questions.masked(Layout::PLAIN, |_| None),
        Objective::BlockDiffusion(blocks) => questions.blocks(blocks),
        Objective::UniformDiffusion(uniform) => questions.uniform(uniform, vocab.n_predictable()),
        Objective::HybridDiffusion(hybrid) => {
            let live = vocab.n_predictable();
            let process = Process::hybrid(hybrid, live);
            questions.replaced(live, |place| {
                let (t, slope) = (place.powi(3), 3.0 * place * place);
                (t, process.mixing(t), process.elbo_weights(t).times(slope))
            })
        }
    }
}

/// What is added to the rows' loss for each target: the constant KL(q(z_1|x) || uniform) in nats of uniform
/// diffusion whose alpha(1) is above 0, since text is drawn from all noise (domain B.7). 0 elsewhere: what a masking
/// schedule leaves at its ends plays no part in exact counts, and hybrid noise ends in masks alone.
pub fn prior(objective: &Objective, vocab: &Vocab) -> f64 {
    let Objective::UniformDiffusion(uniform) = objective else { return 0.0 };
    let (alpha, live) = (last(&uniform.schedule), vocab.n_predictable() as f64);
    // q log(N q) for the token itself and the N - 1 others.
    let term = |times_live: f64| if times_live > 0.0 { times_live / live * times_live.ln() } else { 0.0 };
    term(live * alpha + 1.0 - alpha) + (live - 1.0) * term(1.0 - alpha)
}

/// alpha(1).
fn last(schedule: &Formula) -> f64 {
    1.0 - MaskRate::of(schedule).at(1.0)
}

/// What is asked about one chunk.
struct Questions<'a> {
    chunk: &'a [u32],
    at: u64,
    draws: u64,
    levels: Stream,
    noise: Stream,
    mask_id: u32,
}

impl Questions<'_> {
    /// The one draw of the chunk, or of one of its blocks.
    fn u(&self, block: usize) -> f64 {
        self.levels.uniform([word(self.at), word(block as u64), 0, 0])
    }

    /// A row of which a share is masked tells the model `told(share)`.
    fn masked(&self, layout: Layout, told: impl Fn(f64) -> Option<f64>) -> Corrupted {
        let mut out = Corrupted { seq: self.chunk.len(), ..Corrupted::default() };
        let n = layout.n_targets(self.chunk.len());
        for draw in 0..self.draws {
            let k = systematic_count(self.u(0), draw, self.draws, n);
            let masked = exact_mask(&self.noise, self.at, draw, k, n);
            let weight = n as f64 / k.max(1) as f64 / self.draws as f64;
            let t = told(k as f64 / n.max(1) as f64);
            out.push_masked(layout, self.chunk, &masked, weight, self.mask_id, t);
        }
        out
    }

    fn blocks(&self, objective: &BlockDiffusion) -> Corrupted {
        let cut = BlockCut::new(objective.block, self.chunk.len());
        // Blocks of one token leave nothing to draw.
        let draws = if cut.block == 1 { 1 } else { self.draws };
        let mut out = Corrupted { seq: 2 * self.chunk.len(), ..Corrupted::default() };
        let n_blocks = cut.n_blocks() as u64;
        for draw in 0..draws {
            let mut z = self.chunk.to_vec();
            for (block, targets) in cut.blocks().enumerate() {
                // Blocks of one row take different strata: low and high levels side by side, as in training.
                let k = systematic_count(self.u(block), (draw + block as u64) % draws, draws, targets.len());
                let masked = exact_mask(&self.noise, self.at, draw * n_blocks + block as u64, k, targets.len());
                let hidden = targets.zip(masked).filter(|(_, masked)| *masked);
                hidden.for_each(|(i, _)| z[i] = self.mask_id);
            }
            out.push_two_streams(cut, self.chunk, &z, self.mask_id, |block, k| {
                cut.targets(block).len() as f64 / k as f64 / draws as f64
            });
        }
        out
    }

    /// The uniform NELBO as an integral over alpha from alpha(1) to 1, of which the schedule is only a naming: so it
    /// is whole even where alpha(0) is below 1.
    fn uniform(&self, objective: &UniformDiffusion, live: u64) -> Corrupted {
        let (rate, last) = (MaskRate::of(&objective.schedule), last(&objective.schedule));
        self.replaced(live, |place| {
            let (noise, slope) = ((1.0 - last) * place * place, (1.0 - last) * 2.0 * place);
            let mixing = Mixing { alpha: 1.0 - noise, mask: 0.0, uniform: noise / live as f64 };
            (rate.level(noise), mixing, per_alpha(mixing.alpha, live as f64).times(slope))
        })
    }

    /// `level` gives for a place in (0, 1) what the model is told, how tokens are replaced and what each weighs.
    fn replaced(&self, live: u64, level: impl Fn(f64) -> (f64, Mixing, ByFate)) -> Corrupted {
        let mut out = Corrupted { seq: self.chunk.len(), ..Corrupted::default() };
        let u = self.u(0);
        for draw in 0..self.draws {
            let (t, mixing, weights) = level(((u + draw as f64) / self.draws as f64).clamp(INSIDE, 1.0 - INSIDE));
            // A row of draws for each (chunk, draw): what is drawn for one is drawn for no other.
            let stream = &self.noise;
            let z = replaced(stream, self.at, draw, mixing, self.chunk, live as usize, self.mask_id);
            out.push_replaced(self.chunk, &z, t, mixing, self.mask_id, weights.times(1.0 / self.draws as f64));
        }
        out
    }
}

/// The number of masked targets in row `draw`; 0 only where there is no target.
pub(super) fn systematic_count(u: f64, draw: u64, draws: u64, n_targets: usize) -> usize {
    let place = (u + draw as f64) / draws as f64;
    ((place * n_targets as f64) as usize + 1).min(n_targets)
}
