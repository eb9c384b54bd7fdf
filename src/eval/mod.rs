//! What a run measures at each evaluation: the loss on its texts. `text` measures one text.

mod text;

pub use text::{Evaluation, TextLoss, TextRows, ratio};

use crate::check::spec::{Arm, Metric, TextSet};
use crate::data::{Chunks, Prepared};
use crate::lower::{Executable, LowerError};
use crate::store::metrics::Measured;
use std::sync::Arc;
use tch::{Device, Tensor};

/// Everything that an arm is evaluated on, ready to be run.
pub struct Evaluator {
    valid: TextLoss,
    /// What else a loss is measured on.
    texts: Vec<TextLoss>,
    device: Device,
}

/// The rows of validation as host data.
pub fn valid_rows(arm: &Arm, data: &Arc<Prepared>) -> TextRows {
    TextLoss::new("valid", arm, Chunks::valid(data)).rows()
}

impl Evaluator {
    pub fn new(arm: &Arm, data: &Arc<Prepared>, device: Device) -> Evaluator {
        let text = |set: &TextSet| match set {
            TextSet::Train => TextLoss::new(set.name(), arm, Chunks::train(data)),
        };
        Evaluator {
            valid: TextLoss::new("valid", arm, Chunks::valid(data)),
            texts: arm.eval.sets.iter().map(text).collect(),
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
        Ok((valid, measures))
    }
}
