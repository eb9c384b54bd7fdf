//! When a run is evaluated, and what each evaluation measures.

use super::{Metric, Objective, Source, TaskScore};
use crate::base::Span;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub struct Eval {
    /// Steps at which to evaluate, ascending; the last step is always among them.
    pub at_steps: Vec<u64>,
    /// Texts that a loss is measured on besides the validation documents.
    pub sets: Vec<TextSet>,
    /// Multiple choice by likelihood, in the order of the file.
    pub tasks: Vec<Task>,
    /// Systematic draws of k per row of text for masked bounds.
    pub draws: u64,
    /// Rows per evaluation batch.
    pub batch_seqs: u64,
    /// Tokens to sample at the end, and from how many prompts; 0 samples none.
    pub sample_tokens: u64,
}

/// A text that a loss is measured on.
#[derive(Clone, Debug, PartialEq)]
pub enum TextSet {
    /// A slice of the training chunks, free of the noise that training adds: as many tokens as are validated on.
    Train,
    Corpus(Corpus),
}

/// A text of another source, read as validation documents are.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    pub name: String,
    pub source: Source,
    /// Rounded down to whole sequences, but at least one.
    pub tokens: u64,
    pub max_per_document: Option<u64>,
}

impl TextSet {
    /// As `loss(NAME)` calls it.
    pub fn name(&self) -> &str {
        match self {
            TextSet::Train => "train",
            TextSet::Corpus(corpus) => &corpus.name,
        }
    }
}

impl Eval {
    /// Everything that each evaluation measures, the loss on the validation documents first.
    pub fn measures(&self) -> Vec<Metric> {
        let sets = self.sets.iter().map(|set| Metric::Loss(set.name().into()));
        let tasks = self.tasks.iter().flat_map(|task| {
            let scores = TaskScore::ALL.into_iter();
            scores.map(|score| Metric::Task(task.name.clone(), score))
        });
        std::iter::once(Metric::valid_loss()).chain(sets).chain(tasks).collect()
    }
}

/// Items with several options each, of which the model should find one the likeliest.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub name: String,
    /// A jsonl file, plain or packed.
    pub file: TaskFile,
    pub format: TaskFormat,
    /// So many items, drawn by the evaluation seed; `None`: all.
    pub limit: Option<u64>,
    /// Solved examples before each item, and the file that they come from.
    pub shots: Option<(u64, TaskFile)>,
    /// Draws of masks per option, under objectives that mask.
    pub masks: u64,
}

/// A path with the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskFile {
    pub path: String,
    /// Relative to this: the folder of the spec file.
    pub base: PathBuf,
    pub span: Span,
}

/// How a row becomes an item; the prompts are those of lm-evaluation-harness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskFormat {
    Hellaswag,
    MmluLetters,
    MmluCloze,
    Arc,
    Piqa,
    Options,
}

impl TaskFormat {
    pub const ALL: [TaskFormat; 6] = [
        TaskFormat::Hellaswag,
        TaskFormat::MmluLetters,
        TaskFormat::MmluCloze,
        TaskFormat::Arc,
        TaskFormat::Piqa,
        TaskFormat::Options,
    ];

    pub fn name(self) -> &'static str {
        match self {
            TaskFormat::Hellaswag => "hellaswag",
            TaskFormat::MmluLetters => "mmlu_letters",
            TaskFormat::MmluCloze => "mmlu_cloze",
            TaskFormat::Arc => "arc",
            TaskFormat::Piqa => "piqa",
            TaskFormat::Options => "options",
        }
    }
}

/// Whether a model so trained gives the options of a task likelihoods: exactly, or by masking the answer. Blocks are cut
/// by their place in a sequence and an answer ends anywhere; where tokens are replaced, the context would be noise too.
pub fn scores_answers(objective: &Objective) -> bool {
    match objective {
        Objective::NextToken(_) => true,
        Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => true,
        Objective::BlockDiffusion(_) | Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => false,
    }
}
