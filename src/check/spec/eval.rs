//! When a run is evaluated, and what each evaluation measures.

use super::Metric;

#[derive(Clone, Debug, PartialEq)]
pub struct Eval {
    /// Steps at which to evaluate, ascending; the last step is always among them.
    pub at_steps: Vec<u64>,
    /// Texts that a loss is measured on besides the validation documents.
    pub sets: Vec<TextSet>,
    /// Systematic draws of k per row of text for masked bounds.
    pub draws: u64,
    /// Rows per evaluation batch.
    pub batch_seqs: u64,
    /// Tokens to sample at the end, and from how many prompts; 0 samples none.
    pub sample_tokens: u64,
}

/// A text that a loss is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextSet {
    /// A slice of the training chunks, free of the noise that training adds: as many tokens as are validated on.
    Train,
}

impl TextSet {
    /// As `loss(NAME)` calls it.
    pub fn name(&self) -> &str {
        match self {
            TextSet::Train => "train",
        }
    }
}

impl Eval {
    /// Everything that each evaluation measures, the loss on the validation documents first.
    pub fn measures(&self) -> Vec<Metric> {
        let sets = self.sets.iter().map(|set| Metric::Loss(set.name().into()));
        std::iter::once(Metric::valid_loss()).chain(sets).collect()
    }
}
