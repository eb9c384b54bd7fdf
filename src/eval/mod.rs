//! What a run measures at each evaluation: the loss on its texts (`text`), and how likely it finds the options of tasks
//! (`task`).

mod task;
mod text;

pub use task::{TaskAsked, scores};

pub use text::{Evaluation, TextLoss, TextRows, ratio};

use crate::check::spec::{Arm, Metric, TextSet};
use crate::data::tasks::TaskSet;
use crate::data::{Chunks, HeldOut, Prepared};
use crate::lower::{Executable, LowerError};
use crate::store::metrics::Measured;
use std::collections::BTreeMap;
use std::sync::Arc;
use tch::{Device, Tensor};

/// What an evaluation reads besides the arm's own data.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The named corpora of `eval.corpora`.
    pub corpora: BTreeMap<String, Arc<HeldOut>>,
    pub tasks: Arc<[TaskSet]>,
}

/// Everything that an arm is evaluated on, ready to be run.
pub struct Evaluator {
    valid: TextLoss,
    /// What else a loss is measured on.
    texts: Vec<TextLoss>,
    tasks: Vec<TaskAsked>,
    device: Device,
}

/// The rows of validation as host data.
pub fn valid_rows(arm: &Arm, data: &Arc<Prepared>) -> TextRows {
    TextLoss::new("valid", arm, Chunks::valid(data)).rows()
}

impl Evaluator {
    /// `asked` is what the arm's evaluation reads besides its data.
    pub fn new(arm: &Arm, data: &Arc<Prepared>, asked: &Asked, device: Device) -> Evaluator {
        let text = |set: &TextSet| match set {
            TextSet::Train => Some(TextLoss::new(set.name(), arm, Chunks::train(data))),
            TextSet::Corpus(corpus) => {
                let rows = asked.corpora.get(&corpus.name)?;
                Some(TextLoss::new(set.name(), arm, Chunks::held_out(data, rows)))
            }
        };
        Evaluator {
            valid: TextLoss::new("valid", arm, Chunks::valid(data)),
            texts: arm.eval.sets.iter().filter_map(text).collect(),
            tasks: (0..asked.tasks.len()).map(|which| TaskAsked::new(arm, asked.tasks.clone(), which)).collect(),
            device,
        }
    }

    /// Runs everything with a loss program and these compute weights: the validation loss, and what else is measured.
    pub fn evaluate(&self, loss: &Executable, weights: &[Tensor]) -> Result<(Evaluation, Vec<Measured>), LowerError> {
        let valid = self.valid.evaluate(loss, weights, self.device)?;
        let mut measures = vec![];
        for text in &self.texts {
            let found = text.evaluate(loss, weights, self.device)?;
            measures.push(Measured {
                metric: Metric::Loss(text.name.clone()).to_string(),
                value: found.loss,
                se: found.se,
                set: text.hash().into(),
                items: found.documents,
            });
        }
        for task in &self.tasks {
            measures.extend(task.evaluate(loss, weights, self.device)?);
        }
        Ok((valid, measures))
    }
}
