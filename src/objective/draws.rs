//! The draws of an objective, each a pure function of (seed, step, row, position).
#![allow(clippy::indexing_slicing)] // a stratum per draw of the global batch

use crate::base::philox::{Purpose, Stream};
use crate::check::spec::TKind;

/// The draws behind the noise levels of one step's global batch, one for each row (or each row and block).
/// Strata are dealt by a permutation, so that every micro-batch sees low and high levels alike.
#[derive(Clone, Debug)]
pub struct Levels {
    noise: Stream,
    step: u32,
    /// The stratum of each draw; empty for independent ones.
    strata: Vec<u32>,
    /// The one draw that all share, if they do.
    shared: Option<f64>,
}

/// Channels of [`Purpose::Noise`]: a counter's last word says what the number is for.
mod noise_channel {
    pub const LEVEL: u32 = 0;
    pub const LENGTH: u32 = 1;
    pub const SHARED_LEVEL: u32 = 2;
}

/// Channels of [`Purpose::Mask`]; 0 is that of samples without replacement.
pub(super) mod mask_channel {
    pub const TOKEN: u32 = 1;
    pub const FORCED: u32 = 2;
    pub const INPUT: u32 = 3;
    pub const AUXILIARY: u32 = 4;
}

impl Levels {
    /// For `n` draws in the global batch.
    pub fn new(kind: TKind, n: u64, step: u64, seed: u32) -> Levels {
        let noise = Stream::new(seed, Purpose::Noise);
        let strata = match kind {
            TKind::Iid => vec![],
            TKind::Stratified | TKind::Systematic | TKind::Importance => {
                Stream::new(seed, Purpose::Strata).permutation(word(n), word(step))
            }
        };
        let shared =
            (kind == TKind::Systematic).then(|| noise.uniform([word(step), 0, 0, noise_channel::SHARED_LEVEL]));
        Levels { noise, step: word(step), strata, shared }
    }

    /// Uniform in [0, 1), by its number in the global batch.
    pub fn u(&self, index: u64) -> f64 {
        let own = || self.noise.uniform([self.step, word(index), 0, noise_channel::LEVEL]);
        let u = self.shared.unwrap_or_else(own);
        match self.strata.get(index as usize) {
            Some(stratum) => (f64::from(*stratum) + u) / self.strata.len() as f64,
            None => own(),
        }
    }
}

/// The length that a step's rows are cut to: with chance `chance` uniform in 2..=time, else all of it.
pub fn length(seed: u32, step: u64, chance: f64, time: usize) -> usize {
    let [cut, at] = Stream::new(seed, Purpose::Noise).uniforms([word(step), 0, 0, noise_channel::LENGTH]);
    if time <= 2 || cut >= chance { time } else { below(at, time - 1) + 2 }
}

/// Which of `n` positions are masked when each is on its own with chance `rate`.
pub fn independent_mask(stream: &Stream, step: u64, row: u64, rate: f64, n: usize, channel: u32) -> Vec<bool> {
    (0..n).map(|i| stream.uniform([word(step), word(row), word(i as u64), channel]) < rate).collect()
}

/// The position that is masked where none is but one has to be.
pub fn forced_position(stream: &Stream, step: u64, row: u64, n: usize) -> usize {
    below(stream.uniform([word(step), word(row), 0, mask_channel::FORCED]), n)
}

/// `k` of `n` positions, every subset equally likely.
pub fn exact_mask(stream: &Stream, step: u64, row: u64, k: usize, n: usize) -> Vec<bool> {
    let mut masked = vec![false; n];
    for i in stream.sample_without_replacement(word(n as u64), word(k as u64), word(step), word(row)) {
        masked[i as usize] = true;
    }
    masked
}

/// A whole number below `n` of a uniform one; 53 bits over a few thousand (or ids: a few hundred thousand) leave
/// no bias to speak of.
pub(super) fn below(u: f64, n: usize) -> usize {
    ((u * n as f64) as usize).min(n.saturating_sub(1))
}

/// Counters are 32 bits wide; no step, row or position of a run comes near 2^32.
pub(super) fn word(n: u64) -> u32 {
    n as u32
}
