//! The draws of an objective, each a pure function of (seed, step, row, position).
#![allow(clippy::indexing_slicing)] // a stratum per row of the global batch

use super::schedule::MaskPlan;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::TKind;

/// The noise levels of one step's global batch. Strata are dealt to rows by a permutation, so that
/// every micro-batch sees low and high t alike.
#[derive(Clone, Debug)]
pub struct NoiseLevels {
    noise: Stream,
    step: u32,
    /// The stratum of each row of the global batch; empty for independent draws.
    strata: Vec<u32>,
}

impl NoiseLevels {
    pub fn new(plan: &MaskPlan, batch_rows: u64, step: u64, seed: u32) -> NoiseLevels {
        let strata = match plan.t_sampling().kind {
            TKind::Iid => vec![],
            TKind::Stratified | TKind::Systematic | TKind::Importance => {
                Stream::new(seed, Purpose::Strata).permutation(word(batch_rows), word(step))
            }
        };
        NoiseLevels { noise: Stream::new(seed, Purpose::Noise), step: word(step), strata }
    }

    /// t of a row of the global batch.
    pub fn t(&self, plan: &MaskPlan, row: u64) -> f64 {
        let u = self.noise.uniform([self.step, word(row), 0, 0]);
        match self.strata.get(row as usize) {
            Some(stratum) => plan.t_at((f64::from(*stratum) + u) / self.strata.len() as f64),
            None => plan.t_at(u),
        }
    }
}

/// Which of `n_targets` positions are masked when each is on its own with chance `rate`.
pub fn independent_mask(seed: u32, step: u64, row: u64, rate: f64, n_targets: usize) -> Vec<bool> {
    let stream = Stream::new(seed, Purpose::Mask);
    (0..n_targets).map(|i| stream.uniform([word(step), word(row), word(i as u64), 1]) < rate).collect()
}

/// `k` of `n_targets` positions, every subset equally likely.
pub fn exact_mask(stream: &Stream, step: u64, row: u64, k: usize, n_targets: usize) -> Vec<bool> {
    let mut masked = vec![false; n_targets];
    for i in stream.sample_without_replacement(word(n_targets as u64), word(k as u64), word(step), word(row)) {
        masked[i as usize] = true;
    }
    masked
}

/// Counters are 32 bits wide; no step, row or position of a run comes near 2^32.
pub(super) fn word(n: u64) -> u32 {
    n as u32
}
