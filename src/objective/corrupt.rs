//! From clean rows to what the model reads, what it predicts and what each prediction weighs, in two halves: noise
//! is drawn ([`Corruptor::draw`]), then weighed ([`Corruptor::weigh`]). Whoever has noise of his own, as a test
//! against another implementation does, hands it to the second.

use super::block::Blocks;
use super::draws::{Levels, word};
use super::masked::Masked;
use super::mixture::Replaced;
use super::next_token::NextToken;
use super::schedule::MaskPlan;
use super::{Corrupted, Draw, shape};
use crate::check::spec::{Objective, Vocab};

/// An objective made ready for one sequence length. Build it once, use it at every step.
#[derive(Clone, Debug)]
pub struct Corruptor {
    seq: usize,
    /// Rows that the model reads for each sequence.
    rows_each: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    NextToken(NextToken),
    Masked(Masked),
    Blocks(Box<Blocks>),
    Replaced(Replaced),
}

/// What the micro-batches of one step have in common.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) step: u64,
    pub(super) seed: u32,
    pub(super) batch_rows: u64,
    pub(super) levels: Levels,
    /// Positions of a row, as far as the noise goes: fewer than a chunk's where the step's rows are cut.
    pub(super) time: usize,
    global: Global,
}

/// What weights need to know of the global batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Global {
    /// Its sequences.
    pub rows: u64,
    /// Its masked tokens, which N3 divides by; by importance, each counts by its row's [`MaskPlan::tilt`]. Read by
    /// `estimator: batch_mean` and `masked_lm` alone, and 0 elsewhere.
    pub masked: f64,
}

/// The noise of some sequences: what was drawn, apart from what it weighs.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Noise {
    /// Rows of `z`: as many as sequences; twice that with the auxiliary loss of `next_token`, each sequence's own row
    /// and then the one with masked inputs.
    pub rows: usize,
    /// Positions in a row of `z`: those of a chunk; fewer where rows are cut or, as with MegaDLMs' targets, leave out
    /// the chunk's ends. Block diffusion: of the noisy stream alone.
    pub time: usize,
    /// What the model reads in place of the clean tokens, `[rows, time]`: the mask id where a token is masked.
    pub z: Vec<u32>,
    /// The noise level of each row, or of each block row by row. Empty where an objective draws none; not read where
    /// the weights follow from how many are masked (`estimator: count`).
    pub t: Vec<f64>,
}

impl Corruptor {
    pub fn new(objective: &Objective, vocab: &Vocab, seq: usize) -> Corruptor {
        let (mask_id, live) = (vocab.mask_id(), vocab.n_predictable());
        let kind = match objective {
            Objective::NextToken(next) => Kind::NextToken(NextToken { objective: *next, seq, mask_id }),
            Objective::MaskedDiffusion(masked) => Kind::Masked(Masked::diffusion(masked, seq, mask_id)),
            Objective::AnyOrder(any) => Kind::Masked(Masked::any_order(*any, seq, mask_id)),
            Objective::MaskedLm(fixed) => Kind::Masked(Masked::fixed(*fixed, seq, mask_id)),
            Objective::BlockDiffusion(blocks) => Kind::Blocks(Box::new(Blocks::new(blocks, seq, mask_id))),
            Objective::UniformDiffusion(uniform) => Kind::Replaced(Replaced::uniform(uniform, live, seq, mask_id)),
            Objective::HybridDiffusion(hybrid) => Kind::Replaced(Replaced::hybrid(hybrid, live, seq, mask_id)),
        };
        Corruptor { seq, rows_each: shape(objective, seq as u64).rows, kind }
    }

    /// The plan of a masked-diffusion objective, for rows that are not cut.
    pub fn plan(&self) -> Option<&MaskPlan> {
        match &self.kind {
            Kind::Masked(masked) => masked.plan(),
            Kind::NextToken(_) | Kind::Blocks(_) | Kind::Replaced(_) => None,
        }
    }

    /// Draws what is drawn once for a step, and finds what its weights need of the whole batch of `batch_rows`
    /// sequences.
    pub fn step(&self, batch_rows: u64, step: u64, seed: u32) -> Step {
        let levels = match &self.kind {
            Kind::NextToken(_) => Levels::new(crate::check::spec::TKind::Iid, batch_rows, step, seed),
            Kind::Masked(masked) => masked.levels(batch_rows, step, seed),
            Kind::Blocks(blocks) => blocks.levels(batch_rows, step, seed),
            Kind::Replaced(replaced) => replaced.levels(batch_rows, step, seed),
        };
        let time = match &self.kind {
            Kind::Masked(masked) => masked.time_at(step, seed),
            Kind::NextToken(_) | Kind::Blocks(_) | Kind::Replaced(_) => self.seq,
        };
        let global = Global { rows: batch_rows, masked: 0.0 };
        let mut step = Step { step, seed, batch_rows, levels, time, global };
        if let Kind::Masked(masked) = &self.kind {
            step.global = masked.global(&step);
        }
        step
    }

    /// The noise of the sequences `clean`, which are numbers `first_row..` of the step's batch.
    pub fn draw(&self, step: &Step, clean: &[u32], first_row: u64) -> Noise {
        match &self.kind {
            Kind::NextToken(next) => next.draw(step, clean, first_row),
            Kind::Masked(masked) => masked.draw(step, clean, first_row),
            Kind::Blocks(blocks) => blocks.draw(step, clean, first_row),
            Kind::Replaced(replaced) => replaced.draw(step, clean, first_row),
        }
    }

    /// What the model reads and what it predicts, weighed, for noise that may come from anywhere: it has to fit
    /// `clean` row by row, and be what the objective could draw. `global` is [`Corruptor::global_of`] the noise of
    /// the whole batch.
    pub fn weigh(&self, clean: &[u32], noise: &Noise, global: Global) -> Corrupted {
        match &self.kind {
            Kind::NextToken(next) => next.weigh(clean, noise, global),
            Kind::Masked(masked) => masked.weigh(clean, noise, global),
            Kind::Blocks(blocks) => blocks.weigh(clean, noise, global),
            Kind::Replaced(replaced) => replaced.weigh(clean, noise, global),
        }
    }

    /// What weights need to know of a global batch, from the noise of all of it.
    pub fn global_of(&self, noise: &Noise) -> Global {
        match &self.kind {
            Kind::Masked(masked) => masked.global_of(noise),
            Kind::NextToken(_) | Kind::Blocks(_) | Kind::Replaced(_) => {
                Global { rows: noise.rows as u64 / self.rows_each, masked: 0.0 }
            }
        }
    }

    /// One micro-batch: `clean` holds sequences `first_row..` of the step's batch. Weights are over the global batch:
    /// summing `weights * loss` over all its micro-batches gives the loss of the step, however it was split.
    pub fn rows(&self, step: &Step, clean: &[u32], first_row: u64) -> Corrupted {
        let mut out = self.weigh(clean, &self.draw(step, clean, first_row), step.global);
        out.draw = Draw { seed: step.seed, step: word(step.step), row: word(first_row * self.rows_each) };
        out
    }

    /// [`Corruptor::rows`] of a step that is planned for this one micro-batch. Where there are several,
    /// [`Corruptor::step`] once is cheaper.
    pub fn corrupt(&self, clean: &[u32], first_row: u64, batch_rows: u64, step: u64, seed: u32) -> Corrupted {
        self.rows(&self.step(batch_rows, step, seed), clean, first_row)
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
