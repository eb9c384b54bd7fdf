//! Objectives as data: how a batch is corrupted, which positions are predicted and what each weighs.
//! Host-side and libtorch-free; `graph::training` turns the description into nodes.
//!
//! Formulas: `README.md` beside this file.

pub mod answers;
mod block;
pub mod corrupt;
pub mod deciles;
pub mod describe;
pub mod draws;
pub mod evaluate;
mod masked;
pub mod mixture;
mod moments;
mod next_token;
mod rows;
pub mod schedule;
#[cfg(test)]
mod tests;

pub use answers::{Answer, answer_rows, n_answer_rows};
pub use corrupt::{Corruptor, Global, Noise, Step, corrupt};
pub use deciles::Deciles;
pub use describe::{Fact, describe, evaluation};
pub use evaluate::{evaluation_rows, prior};
pub use mixture::{Mixing, Process};
pub use schedule::{MaskPlan, MaskRate};

use crate::check::spec::{Objective, Targets};

/// Who may attend to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// Position i sees 0..=i.
    Causal,
    /// Every position sees every position.
    Full,
    /// Position i sees its own block and those before it.
    BlockCausal { block: u64 },
    /// Two copies of a sequence, noisy then clean, each of half the length (BD3LM, domain B.6). A noisy position
    /// sees its own noisy block and the clean blocks before it; a clean one sees its own clean block and those
    /// before it.
    TwoStream { block: u64 },
}

impl Pattern {
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Causal => "causal",
            Pattern::Full => "full",
            Pattern::BlockCausal { .. } => "block_causal",
            Pattern::TwoStream { .. } => "two_stream",
        }
    }

    /// Whether position `i` sees position `j`, of `t`.
    pub fn sees(self, i: usize, j: usize, t: usize) -> bool {
        let block_of = |i: usize, block: u64| i as u64 / block.max(1);
        match self {
            Pattern::Causal => j <= i,
            Pattern::Full => true,
            Pattern::BlockCausal { block } => block_of(j, block) <= block_of(i, block),
            Pattern::TwoStream { block } => {
                let half = t / 2;
                let (noisy_i, noisy_j) = (i < half, j < half);
                let (bi, bj) = (block_of(i % half.max(1), block), block_of(j % half.max(1), block));
                match (noisy_i, noisy_j) {
                    (true, true) => bi == bj,
                    (true, false) => bj < bi,
                    (false, true) => false,
                    (false, false) => bj <= bi,
                }
            }
        }
    }
}

/// The attention that an objective trains and is evaluated with; the model itself does not say.
pub fn pattern(objective: &Objective) -> Pattern {
    match objective {
        Objective::NextToken(_) => Pattern::Causal,
        Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => Pattern::Full,
        Objective::BlockDiffusion(blocks) => Pattern::TwoStream { block: blocks.block },
        Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => Pattern::Full,
    }
}

/// The attention that text is drawn with: that of training, where the clean blocks before are there already.
pub fn sampling_pattern(objective: &Objective) -> Pattern {
    match pattern(objective) {
        Pattern::TwoStream { block } => Pattern::BlockCausal { block },
        other => other,
    }
}

/// Whether each sequence has a noise level, which a model may read as `t`.
pub fn has_noise_level(objective: &Objective) -> bool {
    match objective {
        Objective::NextToken(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => false,
        // A level for each block, and so none for the sequence.
        Objective::BlockDiffusion(_) => false,
        Objective::MaskedDiffusion(_) | Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => true,
    }
}

/// Whether the model has to read `t`: with uniform noise nothing in a sequence tells how much of it is noise.
pub fn needs_noise_level(objective: &Objective) -> bool {
    match objective {
        Objective::UniformDiffusion(_) => true,
        Objective::HybridDiffusion(hybrid) => hybrid.uniform > 0.0,
        Objective::NextToken(_) | Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) => false,
        Objective::MaskedLm(_) | Objective::BlockDiffusion(_) => false,
    }
}

/// What is computed at each position; the step's loss is `sum(weights * loss)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// -log p(target).
    CrossEntropy,
    /// KL(q(.|x) || q(.|x_theta)) + r - log r - 1 with r = q(z|x)/q(z|x_theta), where q mixes a token, with
    /// chance alpha, and uniform noise (GIDD's form, of which the uniform NELBO is a case; domain B.9).
    Mixture,
}

pub fn loss(objective: &Objective) -> Loss {
    match objective {
        Objective::NextToken(_) | Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) => Loss::CrossEntropy,
        Objective::MaskedLm(_) | Objective::BlockDiffusion(_) => Loss::CrossEntropy,
        Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => Loss::Mixture,
    }
}

/// Whether the loss reads only some positions of what the model reads, as masks leave them. The others have weight 0.
pub fn reads_some(objective: &Objective) -> bool {
    match objective {
        // All but the last of a row.
        Objective::NextToken(_) => false,
        Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => true,
        Objective::BlockDiffusion(_) => true,
        // Every token may be noise.
        Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => false,
    }
}

/// The share of the positions that the model reads which the loss reads, on average over a training run.
pub fn read_share(objective: &Objective, seq: u64) -> f64 {
    if !reads_some(objective) {
        return 1.0;
    }
    let shape = shape(objective, seq);
    let of_targets = match objective {
        Objective::MaskedDiffusion(masked) => schedule::mean_rate(masked),
        Objective::BlockDiffusion(blocks) => schedule::mean_rate(&blocks.noise),
        // Uniform in 1..=n of n.
        Objective::AnyOrder(_) => 0.5 + 0.5 / shape.targets.max(1) as f64,
        Objective::MaskedLm(lm) => lm.rate,
        Objective::NextToken(_) | Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => 1.0,
    };
    of_targets * shape.targets as f64 / shape.time.max(1) as f64
}

/// What a step makes of `seq` tokens of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows that the model reads for each sequence.
    pub rows: u64,
    /// Positions in each.
    pub time: u64,
    /// Tokens of the sequence that are predicted, in training.
    pub targets: u64,
}

pub fn shape(objective: &Objective, seq: u64) -> Shape {
    let plain = Shape { rows: 1, time: seq, targets: seq.saturating_sub(1) };
    match objective {
        Objective::NextToken(ar) => Shape { rows: 1 + u64::from(ar.auxiliary.is_some()), ..plain },
        Objective::MaskedDiffusion(masked) => match masked.targets {
            Targets::Matched => plain,
            Targets::MegaDlms => Shape { time: seq.saturating_sub(2), targets: seq.saturating_sub(2), ..plain },
        },
        Objective::BlockDiffusion(_) => Shape { time: 2 * seq, ..plain },
        Objective::AnyOrder(_) | Objective::MaskedLm(_) => plain,
        Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => plain,
    }
}

/// Rows of a batch as the model sees them, row-major `[rows, seq]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Corrupted {
    pub rows: usize,
    /// Positions in a row: those of [`Shape::time`], or fewer where a step's rows were cut.
    pub seq: usize,
    /// What the model reads.
    pub tokens: Vec<u32>,
    /// What each position is to predict; any valid id where the weight is 0.
    pub targets: Vec<u32>,
    /// The loss is `sum(weights * loss)`: the global denominator is in the weights. In f64.
    pub weights: Vec<f64>,
    /// Per position, in 0..=1: what its loss is filed under. The share of targets that are masked (in its row, or
    /// its block), the chance of noise where tokens are replaced at random, or for next token its place in the row.
    pub share: Vec<f64>,
    /// Per row: its noise level, which a model may read; empty where the objective has none.
    pub t: Vec<f64>,
    /// [`Loss::Mixture`] alone, per row: the chance that a token is still clean, ...
    pub alpha: Vec<f64>,
    /// ... and that of each predictable id by uniform noise.
    pub uniform: Vec<f64>,
    /// Of a row's tokens, where they are not 0, 1, 2, ...
    pub positions: Vec<u32>,
    /// Where dropout takes its draws.
    pub draw: Draw,
}

/// The place of a batch's first row among all draws: dropout in row i takes those of (seed, step, row + i).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Draw {
    pub seed: u32,
    pub step: u32,
    pub row: u32,
}
