//! From clean rows to what the model reads, what it predicts and what each prediction weighs.
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * seq

use super::draws::{NoiseLevels, exact_mask, independent_mask};
use super::schedule::MaskPlan;
use super::{Corrupted, Draw};
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Estimator, Objective, Vocab};

/// An objective made ready for one sequence length. Build it once, use it at every step.
#[derive(Clone, Debug)]
pub struct Corruptor {
    seq: usize,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    NextToken,
    Masked { plan: MaskPlan, mask_id: u32 },
}

impl Corruptor {
    pub fn new(objective: &Objective, vocab: &Vocab, seq: usize) -> Corruptor {
        let kind = match objective {
            Objective::NextToken(_) => Kind::NextToken,
            Objective::MaskedDiffusion(masked) => {
                Kind::Masked { plan: MaskPlan::new(masked, seq), mask_id: mask_id(vocab) }
            }
            _ => Kind::NextToken,
        };
        Corruptor { seq, kind }
    }

    /// The plan of a masked objective.
    pub fn plan(&self) -> Option<&MaskPlan> {
        match &self.kind {
            Kind::NextToken => None,
            Kind::Masked { plan, .. } => Some(plan),
        }
    }

    /// Corrupts `clean`, which holds rows `first_row..` of the global batch of `batch_rows` rows at
    /// `step`. Weights are over the global batch: summing `weights * nll` over all its micro-batches
    /// gives the loss of the step, however it was split.
    pub fn corrupt(&self, clean: &[u32], first_row: u64, batch_rows: u64, step: u64, seed: u32) -> Corrupted {
        match &self.kind {
            Kind::NextToken => next_token(clean, self.seq, batch_rows),
            Kind::Masked { plan, mask_id } => {
                let levels = NoiseLevels::new(plan, batch_rows, step, seed);
                let scale = 1.0 / (batch_rows as f64 * plan.n_targets() as f64);
                let masks = Stream::new(seed, Purpose::Mask);
                let mut out = Corrupted { seq: self.seq, ..Corrupted::default() };
                for (i, row) in clean.chunks_exact(self.seq.max(1)).enumerate() {
                    let row_index = first_row + i as u64;
                    let t = levels.t(plan, row_index);
                    // The model is told what the mask was drawn by: t, or the level of the count.
                    let (masked, weight, told) = match plan.estimator() {
                        Estimator::Bernoulli => (
                            independent_mask(seed, step, row_index, plan.rate(t), plan.n_targets()),
                            plan.bernoulli_weight(t),
                            t,
                        ),
                        Estimator::Count | Estimator::RowMean | Estimator::BatchMean => {
                            let k = plan.count(t);
                            let masked = exact_mask(&masks, step, row_index, k, plan.n_targets());
                            (masked, plan.count_weight(k), plan.level(k))
                        }
                    };
                    out.push_masked(row, &masked, weight * scale, *mask_id, told);
                }
                out
            }
        }
    }
}

/// [`Corruptor::corrupt`] for a single use.
pub fn corrupt(
    objective: &Objective,
    vocab: &Vocab,
    clean: &[u32],
    seq: usize,
    first_row: u64,
    batch_rows: u64,
    step: u64,
    noise_seed: u32,
) -> Corrupted {
    Corruptor::new(objective, vocab, seq).corrupt(clean, first_row, batch_rows, step, noise_seed)
}

/// `check` gives the vocabulary a mask id whenever an arm needs one; without it the first padding id
/// serves, which is in no data either.
pub(super) fn mask_id(vocab: &Vocab) -> u32 {
    vocab.mask.unwrap_or(vocab.n_predictable()) as u32
}

fn next_token(clean: &[u32], seq: usize, batch_rows: u64) -> Corrupted {
    let mut out = Corrupted { seq, ..Corrupted::default() };
    let weight = 1.0 / (batch_rows as f64 * seq.saturating_sub(1) as f64);
    for row in clean.chunks_exact(seq.max(1)) {
        out.push_shifted(row, weight);
    }
    out
}

impl Corrupted {
    /// A row whose position i predicts token i + 1; the last predicts nothing.
    pub(super) fn push_shifted(&mut self, row: &[u32], weight: f64) {
        let last = row.len() - 1;
        self.rows += 1;
        self.tokens.extend_from_slice(row);
        self.targets.extend_from_slice(&row[1..]);
        self.targets.push(row[last]);
        self.weights.extend(std::iter::repeat_n(weight, last));
        self.weights.push(0.0);
        self.share.extend((0..row.len()).map(|i| i as f64 / row.len() as f64));
    }

    /// A row whose position i predicts token i where it is masked. `masked` starts at position 1:
    /// the first position is context. `t` is the noise level that the model is told.
    pub(super) fn push_masked(&mut self, row: &[u32], masked: &[bool], weight: f64, mask_id: u32, t: f64) {
        let mut n_masked = 0usize;
        self.rows += 1;
        for (i, token) in row.iter().enumerate() {
            let hidden = i > 0 && masked[i - 1];
            n_masked += usize::from(hidden);
            self.tokens.push(if hidden { mask_id } else { *token });
            self.weights.push(if hidden { weight } else { 0.0 });
        }
        self.targets.extend_from_slice(row);
        let share = n_masked as f64 / masked.len().max(1) as f64;
        self.share.extend(row.iter().map(|_| share));
        self.t.push(t);
    }

    /// Adds the rows of another batch of the same kind and length.
    pub fn extend(&mut self, other: Corrupted) {
        self.rows += other.rows;
        self.tokens.extend(other.tokens);
        self.targets.extend(other.targets);
        self.weights.extend(other.weights);
        self.share.extend(other.share);
        self.t.extend(other.t);
        self.alpha.extend(other.alpha);
        self.uniform.extend(other.uniform);
        self.positions = other.positions;
    }

    /// Some of the rows.
    pub fn part(&self, rows: std::ops::Range<usize>) -> Corrupted {
        let at = rows.start * self.seq..rows.end * self.seq;
        let ids = |all: &[u32]| all.get(at.clone()).unwrap_or_default().to_vec();
        let each = |all: &[f64]| all.get(at.clone()).unwrap_or_default().to_vec();
        let of_rows = |all: &[f64]| all.get(rows.clone()).unwrap_or_default().to_vec();
        Corrupted {
            rows: rows.len(),
            seq: self.seq,
            tokens: ids(&self.tokens),
            targets: ids(&self.targets),
            weights: each(&self.weights),
            share: each(&self.share),
            t: of_rows(&self.t),
            alpha: of_rows(&self.alpha),
            uniform: of_rows(&self.uniform),
            positions: self.positions.clone(),
            draw: Draw { row: self.draw.row + rows.start as u32, ..self.draw },
        }
    }
}
