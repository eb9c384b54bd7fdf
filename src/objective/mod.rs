//! Objectives as data: how a batch is corrupted, which positions are predicted and what each weighs.
//! Host-side and libtorch-free; `graph::training` turns the description into nodes.
//!
//! Formulas: `README.md` beside this file.

pub mod corrupt;
pub mod describe;
pub mod draws;
pub mod evaluate;
mod moments;
pub mod schedule;
#[cfg(test)]
mod tests;

pub use corrupt::{Corruptor, corrupt};
pub use describe::{Fact, describe};
pub use evaluate::evaluation_rows;
pub use schedule::{MaskPlan, MaskRate};

use crate::check::spec::Objective;

/// Who may attend to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Position i sees 0..=i.
    Causal,
    /// Every position sees every position.
    Full,
}

impl Pattern {
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Causal => "causal",
            Pattern::Full => "full",
        }
    }
}

/// The attention that an objective asks for; the model itself does not say.
pub fn pattern(objective: &Objective) -> Pattern {
    match objective {
        Objective::NextToken => Pattern::Causal,
        Objective::MaskedDiffusion(_) => Pattern::Full,
    }
}

/// Whether each sequence has a noise level, which a model may read as `t`.
pub fn has_noise_level(objective: &Objective) -> bool {
    match objective {
        Objective::NextToken => false,
        Objective::MaskedDiffusion(_) => true,
    }
}

/// Rows of a batch as the model sees them, row-major `[rows, seq]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Corrupted {
    pub rows: usize,
    pub seq: usize,
    /// What the model reads.
    pub tokens: Vec<u32>,
    /// What each position is to predict; any valid id where the weight is 0.
    pub targets: Vec<u32>,
    /// The loss is `sum(weights * nll)`: the global denominator is in the weights. In f64.
    pub weights: Vec<f64>,
    /// Per row: the share of its target positions that are masked (1 for next token).
    pub mask_rate: Vec<f64>,
    /// Per row: its noise level, which a model may read; empty where the objective has none.
    pub t: Vec<f64>,
}
