//! The record of a run: one JSON object a line, tagged by `kind`. This file is the schema.
//!
//! JSON has no word for NaN or infinity: such a number is written as `null` and read back as NaN, so
//! that the line that tells of a diverged loss stays readable.

use serde::{Deserialize, Deserializer, Serialize};

fn number_or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

fn pairs_or_nan<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[f64; 2]>, D::Error> {
    let pairs = Vec::<[Option<f64>; 2]>::deserialize(from)?;
    Ok(pairs.into_iter().map(|pair| pair.map(|x| x.unwrap_or(f64::NAN))).collect())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant)] // nearly all records of a log are steps, which are large too
pub enum Record {
    Start(Start),
    Step(Step),
    Eval(Eval),
    Checkpoint(Checkpoint),
    End(End),
}

impl Record {
    /// The step this record belongs to; for a start, the one it continues from.
    pub fn step(&self) -> u64 {
        match self {
            Record::Start(start) => start.from_step,
            Record::Step(step) => step.step,
            Record::Eval(eval) => eval.step,
            Record::Checkpoint(checkpoint) => checkpoint.step,
            Record::End(end) => end.step,
        }
    }
}

/// Written when a run starts or continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub run: String,
    pub experiment: String,
    pub arm: String,
    /// The name of its point of the sweep; empty without one.
    #[serde(default)]
    pub point: String,
    pub objective: String,
    /// True where validation loss is the exact likelihood, false where it is an upper bound on the NLL.
    pub exact: bool,
    /// 0, or the step of the checkpoint it continues from.
    pub from_step: u64,
    pub steps: u64,
    /// The first step of the learning-rate decay; `steps` where there is none.
    pub decay_from_step: u64,
    pub tokens_per_step: u64,
    pub unique_tokens: u64,
    pub params: u64,
    /// Matrix-product FLOPs of one training step (forward and backward), counted.
    #[serde(deserialize_with = "number_or_nan")]
    pub flops_per_step: f64,
    pub init_hash: String,
    pub data_hash: String,
    pub valid_hash: String,
    pub n_valid_documents: u64,
    /// `nats/byte`, `nats/char`, `nats/token`
    pub loss_unit: String,
    pub precision: String,
    pub device: String,
    pub threads: u64,
    pub libtorch: String,
    pub code: String,
}

/// One optimizer step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counts from 1: the number of finished updates.
    pub step: u64,
    pub tokens: u64,
    #[serde(deserialize_with = "number_or_nan")]
    pub epoch: f64,
    /// The training loss, weighted as the objective says, nats per target.
    #[serde(deserialize_with = "number_or_nan")]
    pub loss: f64,
    /// Mean loss over the positions that the training loss reads: cross-entropy, unweighted; where tokens are replaced,
    /// the mixture's with weights of at most 2.
    #[serde(deserialize_with = "number_or_nan")]
    pub loss_plain: f64,
    /// Loss by tenth of how much of its input is noise, as in an evaluation; `null` where the step had none (or one
    /// that is not a number).
    pub loss_by_decile: Vec<Option<f64>>,
    /// Positions that the loss reads over all target positions: 1 for next token, 2 where it reads the rows twice.
    #[serde(deserialize_with = "number_or_nan")]
    pub masked_fraction: f64,
    #[serde(deserialize_with = "number_or_nan")]
    pub lr: f64,
    /// Before clipping.
    #[serde(deserialize_with = "number_or_nan")]
    pub grad_norm: f64,
    /// Share of the steps so far that were clipped.
    #[serde(deserialize_with = "number_or_nan")]
    pub clip_fraction: f64,
    /// ||update|| / ||weights||, over all parameters.
    #[serde(deserialize_with = "number_or_nan")]
    pub update_ratio: f64,
    #[serde(deserialize_with = "number_or_nan")]
    pub tokens_per_s: f64,
    /// Peak resident memory of the process so far (CPU) or peak allocated memory (CUDA).
    pub memory_bytes: u64,
    /// Of the clean token ids of the step's batch, equal in every arm of an experiment.
    pub batch_hash: String,
}

/// One evaluation on the validation chunks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    pub step: u64,
    /// Training tokens seen, exactly.
    pub tokens: u64,
    #[serde(deserialize_with = "number_or_nan")]
    pub epoch: f64,
    /// Nats per target token: exact NLL, or the objective's bound with its own exact weights.
    #[serde(deserialize_with = "number_or_nan")]
    pub loss: f64,
    /// Standard error over documents.
    #[serde(deserialize_with = "number_or_nan")]
    pub se: f64,
    /// The same in bits per byte of the targets' text; none where they are no text.
    #[serde(default)]
    pub bits_per_byte: Option<f64>,
    /// Loss by tenth of how much is noise: the share of targets masked, the chance of noise, or for next token the
    /// place in the row; `null` where a tenth had no targets. See `objective::deciles`.
    #[serde(default)]
    pub loss_by_decile: Vec<Option<f64>>,
    /// Whether the learning rate was already decaying.
    pub in_decay: bool,
    /// `[sum of NLL in nats, targets]` per document, in a fixed order equal in all arms.
    #[serde(deserialize_with = "pairs_or_nan")]
    pub documents: Vec<[f64; 2]>,
    /// What else was measured; the loss above is `loss(valid)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measured>,
    #[serde(deserialize_with = "number_or_nan")]
    pub seconds: f64,
}

/// One metric of an evaluation besides the loss on the validation documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `loss(train)`, `hellaswag.acc_norm`: as claims write it.
    pub metric: String,
    /// The sum of the first over the sum of the second numbers of `items`.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// Standard error over items.
    #[serde(deserialize_with = "number_or_nan")]
    pub se: f64,
    /// Hash of the texts or items that it was measured on: equal where two runs can be paired.
    pub set: String,
    /// What is resampled, in a fixed order equal in all arms: per document `[sum of NLL, targets]`, per item of a task
    /// `[score, 1]`.
    #[serde(deserialize_with = "pairs_or_nan")]
    pub items: Vec<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub step: u64,
    /// Relative to the run folder.
    pub path: String,
    /// Of the weights, by path.
    pub weights_hash: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub step: u64,
    pub reason: EndReason,
    /// Seconds of training and of evaluation in this process.
    #[serde(deserialize_with = "number_or_nan")]
    pub train_seconds: f64,
    #[serde(deserialize_with = "number_or_nan")]
    pub eval_seconds: f64,
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    Finished,
    /// `--steps` reached before the budget's end.
    StepLimit,
    TimeLimit,
    Interrupted,
    /// A loss or gradient that is not a number, or exploded.
    NonFinite,
}

impl EndReason {
    /// In the words of the reports.
    pub fn words(self) -> &'static str {
        match self {
            EndReason::Finished => "finished",
            EndReason::StepLimit => "stopped at the step limit",
            EndReason::TimeLimit => "stopped at the time limit",
            EndReason::Interrupted => "interrupted",
            EndReason::NonFinite => "failed: a loss or gradient was not a finite number",
        }
    }
}
