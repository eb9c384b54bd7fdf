//! The validation curve of a run, pulled out of its records.

use crate::store::metrics::{EndReason, Record, Start};

/// One evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub step: u64,
    pub tokens: u64,
    pub epoch: f64,
    pub loss: f64,
    /// Standard error over documents.
    pub se: f64,
    /// None where the validation targets are no text.
    pub bits_per_byte: Option<f64>,
    /// By tenth of how much is noise; see `store::metrics::Eval`.
    pub loss_by_decile: Vec<Option<f64>>,
    pub in_decay: bool,
    /// `[sum of NLL in nats, targets]` per document.
    pub documents: Vec<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    Finished,
    /// Ended on purpose or by a failure before the budget's end.
    Stopped {
        step: u64,
        reason: EndReason,
        message: Option<String>,
    },
    /// No record says how it ended: still running, or killed.
    Open {
        step: u64,
    },
    /// The log holds no start.
    NotStarted,
}

impl Completion {
    pub fn of(records: &[Record]) -> Completion {
        let mut state = Completion::NotStarted;
        let mut last_step = 0;
        for record in records {
            match record {
                Record::Start(_) => state = Completion::Open { step: 0 },
                Record::End(end) if end.reason == EndReason::Finished => state = Completion::Finished,
                Record::End(end) => {
                    state = Completion::Stopped { step: end.step, reason: end.reason, message: end.message.clone() };
                }
                Record::Step(_) | Record::Eval(_) | Record::Checkpoint(_) => {}
            }
            last_step = record.step();
        }
        if let Completion::Open { step } = &mut state {
            *step = last_step;
        }
        state
    }

    pub fn words(&self) -> String {
        match self {
            Completion::Finished => "finished".into(),
            Completion::Stopped { step, reason, message: None } => format!("{} after step {step}", reason.words()),
            Completion::Stopped { step, reason, message: Some(message) } => {
                format!("{} after step {step} ({message})", reason.words())
            }
            Completion::Open { step } => format!("still running or killed, last seen at step {step}"),
            Completion::NotStarted => "not started".into(),
        }
    }
}

/// A run's validation curve, by step.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub arm: String,
    /// The name of its point of the sweep; empty without one.
    pub point: String,
    /// True where the loss is the exact likelihood, false where it is an upper bound.
    pub exact: bool,
    pub unit: String,
    pub valid_hash: String,
    pub steps: u64,
    pub decay_from_step: u64,
    pub completion: Completion,
    pub points: Vec<Point>,
}

impl Series {
    /// `None` where the log holds no start. An evaluation that was done twice (killed before the next
    /// checkpoint) counts once, as last done.
    pub fn from_records(arm: &str, point: &str, records: &[Record]) -> Option<Series> {
        let start: &Start = records.iter().rev().find_map(|r| if let Record::Start(s) = r { Some(s) } else { None })?;
        let mut points: Vec<Point> = vec![];
        for record in records {
            if let Record::Eval(eval) = record {
                points.retain(|p| p.step != eval.step);
                points.push(Point {
                    step: eval.step,
                    tokens: eval.tokens,
                    epoch: eval.epoch,
                    loss: eval.loss,
                    se: eval.se,
                    bits_per_byte: eval.bits_per_byte,
                    loss_by_decile: eval.loss_by_decile.clone(),
                    in_decay: eval.in_decay,
                    documents: eval.documents.clone(),
                });
            }
        }
        points.sort_by_key(|p| p.step);
        Some(Series {
            arm: arm.to_owned(),
            point: point.to_owned(),
            exact: start.exact,
            unit: start.loss_unit.clone(),
            valid_hash: start.valid_hash.clone(),
            steps: start.steps,
            decay_from_step: start.decay_from_step,
            completion: Completion::of(records),
            points,
        })
    }

    /// `mdm`, or `mdm at unique=0.5B`.
    pub fn title(&self) -> String {
        title(&self.arm, &self.point)
    }

    /// Why it decides nothing, if its run is not finished.
    pub fn incomplete(&self) -> Option<String> {
        (self.completion != Completion::Finished)
            .then(|| format!("the run of `{}` is not complete: {}", self.title(), self.completion.words()))
    }

    /// The evaluation with the lowest loss; the earliest of equals.
    pub fn best(&self) -> Option<&Point> {
        self.points.iter().filter(|p| p.loss.is_finite()).min_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// The epoch at which the learning rate starts to fall, interpolated in steps; `None` without a decay.
    pub fn decay_from_epoch(&self) -> Option<f64> {
        let last = self.points.last()?;
        (self.decay_from_step < self.steps && last.step > 0)
            .then(|| last.epoch * self.decay_from_step as f64 / last.step as f64)
    }
}

/// `mdm`, or `mdm at unique=0.5B`: an arm at a point of the sweep.
pub fn title(arm: &str, point: &str) -> String {
    if point.is_empty() { arm.to_owned() } else { format!("{arm} at {point}") }
}
