//! Rows whose weighted loss is a chunk's negative log-likelihood (next token) or an unbiased estimate
//! of its bound (masked). One estimator for every masked objective: exact counts, no schedule, no clamp.

use super::Corrupted;
use super::corrupt::mask_id;
use super::draws::{exact_mask, word};
use super::schedule::MaskRate;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Objective, Vocab};

/// Rows for one validation chunk: `sum(weights * nll)` over them is the estimate of
/// -log p(x_2..x_L | x_1) in nats, not divided by anything.
///
/// Masked objectives take `draws` rows. Row j masks k_j = floor((u + j) / draws * n) + 1 of the n
/// targets with one u per chunk (systematic), so each k in 1..=n is equally likely on average and the
/// rows of a chunk spread over small and large k. Masks depend on (seed, chunk, j) alone: every
/// evaluation of a run, of another arm or of a resumed run asks the same questions. A model that reads
/// `t` is told alpha^-1(1 - k_j / n): the schedule names noise levels, and draws nothing.
pub fn evaluation_rows(
    objective: &Objective,
    vocab: &Vocab,
    chunk: &[u32],
    chunk_index: u64,
    draws: u64,
    eval_seed: u32,
) -> Corrupted {
    let mut out = Corrupted { seq: chunk.len(), ..Corrupted::default() };
    if chunk.is_empty() {
        return out;
    }
    match objective {
        Objective::NextToken(_) => out.push_shifted(chunk, 1.0),
        Objective::MaskedDiffusion(masked_diffusion) => {
            let rate = MaskRate::new(masked_diffusion);
            let n_targets = chunk.len() - 1;
            let draws = draws.max(1);
            let u = Stream::new(eval_seed, Purpose::Eval).uniform([word(chunk_index), 0, 0, 0]);
            let masks = Stream::new(eval_seed, Purpose::EvalMask);
            for draw in 0..draws {
                let k = systematic_count(u, draw, draws, n_targets);
                let masked = exact_mask(&masks, chunk_index, draw, k, n_targets);
                let weight = n_targets as f64 / k.max(1) as f64 / draws as f64;
                let t = rate.level(k as f64 / n_targets.max(1) as f64);
                out.push_masked(chunk, &masked, weight, mask_id(vocab), t);
            }
        }
        _ => {}
    }
    out
}

/// The number of masked targets in row `draw`; 0 only where there is no target.
pub(super) fn systematic_count(u: f64, draw: u64, draws: u64, n_targets: usize) -> usize {
    let place = (u + draw as f64) / draws as f64;
    ((place * n_targets as f64) as usize + 1).min(n_targets)
}
