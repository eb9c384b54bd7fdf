//! What the starting process and a worker tell each other: a job on the worker's standard input, events as lines of
//! JSON on its standard output. The input stays open as long as the starter lives; its end asks the worker to end too,
//! with a checkpoint, so nothing goes on training unseen.

use crate::store::metrics::EndReason;
use crate::store::{Accept, Parent, SpecSource};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One run to be made, or to go on. The spec comes as text: the file may change while a sweep runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub source: SpecSource,
    pub experiment: String,
    pub arm: String,
    /// The point's name; empty without a sweep.
    pub point: String,
    pub folder: PathBuf,
    /// What the starter found the run to be; the worker finds the same, or refuses.
    pub id: String,
    /// Where runs are, and so where a parent is.
    pub runs: PathBuf,
    pub parent: Option<Parent>,
    pub device: String,
    pub threads: usize,
    /// Passes of the optimizer that are switched off, by name.
    #[serde(default)]
    pub without: Vec<String>,
    /// Finished updates in all, if it is to stop before the budget's end.
    pub steps: Option<u64>,
    /// Seconds that are left, from the worker's start on.
    pub seconds: Option<f64>,
    pub accept: Accept,
}

/// What a worker tells of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Starts {
        from_step: u64,
        steps: u64,
    },
    Step {
        step: u64,
        loss: Option<f64>,
        tokens_per_s: f64,
    },
    /// `others`: metrics besides the loss on the validation documents.
    Eval {
        step: u64,
        epoch: f64,
        loss: Option<f64>,
        se: Option<f64>,
        others: Vec<(String, Option<f64>)>,
    },
    Note {
        text: String,
    },
    Ends {
        reason: EndReason,
        step: u64,
    },
    Fails {
        message: String,
    },
}
