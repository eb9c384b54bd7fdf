//! What an evaluation measures, by name: the same name in claims, in the log and in reports.

use crate::check::claims::types::Quantity;
use std::fmt;

/// Closed: a new kind is a variant here, and what the evaluation logs under its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Mean loss over the targets of a set of texts: `loss(valid)`, `loss(train)`, `loss(NAME)` for a set of
    /// `eval.corpora`.
    Loss(String),
    /// A score of a task of `eval.tasks`: `hellaswag.acc_norm`.
    Task(String, TaskScore),
}

/// What is read of a multiple-choice task, each a mean over its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskScore {
    /// Share of items whose most likely option is the right one.
    Acc,
    /// The same with each option's log-likelihood divided by its characters (lm-evaluation-harness).
    AccNorm,
    /// Nats a token of the right option.
    NllRight,
    /// Nats a token of the wrong options, their mean.
    NllWrong,
    /// `nll_wrong - nll_right`, item by item.
    NllGap,
}

impl TaskScore {
    pub const ALL: [TaskScore; 5] =
        [TaskScore::Acc, TaskScore::AccNorm, TaskScore::NllRight, TaskScore::NllWrong, TaskScore::NllGap];

    /// As a member is written.
    pub fn name(self) -> &'static str {
        match self {
            TaskScore::Acc => "acc",
            TaskScore::AccNorm => "acc_norm",
            TaskScore::NllRight => "nll_right",
            TaskScore::NllWrong => "nll_wrong",
            TaskScore::NllGap => "nll_gap",
        }
    }
}

impl Metric {
    /// The loss on the validation documents, which every evaluation measures.
    pub fn valid_loss() -> Metric {
        Metric::Loss("valid".into())
    }

    /// From its text, without spaces.
    pub fn parse(text: &str) -> Option<Metric> {
        if let Some(set) = text.strip_prefix("loss(").and_then(|rest| rest.strip_suffix(')')) {
            return Some(Metric::Loss(set.into()));
        }
        let (task, score) = text.split_once('.')?;
        let score = TaskScore::ALL.into_iter().find(|known| known.name() == score)?;
        Some(Metric::Task(task.into(), score))
    }

    /// Which end of it is the good one: decides what "best" means.
    pub fn lower_is_better(&self) -> bool {
        match self {
            Metric::Loss(_) | Metric::Task(_, TaskScore::NllRight) => true,
            Metric::Task(_, TaskScore::Acc | TaskScore::AccNorm | TaskScore::NllWrong | TaskScore::NllGap) => false,
        }
    }

    /// What its value is a mean over, and what is resampled.
    pub fn item_word(&self) -> &'static str {
        match self {
            Metric::Loss(_) => "documents",
            Metric::Task(..) => "items",
        }
    }

    /// Whether an objective that only bounds the likelihood from below makes it an upper bound: true of losses.
    /// Scores count or subtract losses, and are neither.
    pub fn is_loss(&self) -> bool {
        match self {
            Metric::Loss(_) | Metric::Task(_, TaskScore::NllRight | TaskScore::NllWrong) => true,
            Metric::Task(_, TaskScore::Acc | TaskScore::AccNorm | TaskScore::NllGap) => false,
        }
    }

    /// The better of two values, smallest first: what sorts before the other is better.
    pub fn better_first(&self, a: f64, b: f64) -> std::cmp::Ordering {
        if self.lower_is_better() { a.total_cmp(&b) } else { b.total_cmp(&a) }
    }

    pub fn quantity(&self) -> Quantity {
        match self {
            Metric::Loss(_) | Metric::Task(_, TaskScore::NllRight | TaskScore::NllWrong | TaskScore::NllGap) => {
                Quantity::Loss
            }
            Metric::Task(_, TaskScore::Acc | TaskScore::AccNorm) => Quantity::Share,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Loss(set) => write!(f, "loss({set})"),
            Metric::Task(task, score) => write!(f, "{task}.{}", score.name()),
        }
    }
}
