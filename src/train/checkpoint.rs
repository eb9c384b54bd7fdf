//! What of a run goes into a checkpoint, and back.

use super::step::Stepper;
use crate::lower::LowerError;
use crate::store::{SavedCheckpoint, StoreError, TensorData, write_checkpoint};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error("the checkpoint does not fit the run: {0}")]
    Unfit(String),
}

/// Weights by parameter path.
pub const MODEL: &str = "model.safetensors";
const FIRST_MOMENT: &str = "adam_m.safetensors";
const SECOND_MOMENT: &str = "adam_v.safetensors";
/// The averaged weights, where the spec asks for them.
pub const AVERAGE: &str = "average.safetensors";

/// Weights, moments and average, each a file of tensors by parameter path.
pub fn save(stepper: &Stepper<'_>, folder: &Path) -> Result<PathBuf, CheckpointError> {
    let [m, v] = stepper.optimizer.export()?;
    let mut files = vec![(MODEL, stepper.setup.weights.export()?), (FIRST_MOMENT, m), (SECOND_MOMENT, v)];
    if let Some(ema) = &stepper.ema {
        files.push((AVERAGE, ema.weights().export()?));
    }
    let notes = json!({ "step": stepper.step, "clipped_steps": stepper.clipped_steps });
    Ok(write_checkpoint(folder, stepper.step, &files, &notes)?)
}

/// Puts a saved state back.
pub fn restore(stepper: &mut Stepper<'_>, saved: &SavedCheckpoint) -> Result<(), CheckpointError> {
    let file = |name: &str| -> Result<&[TensorData], CheckpointError> {
        let found = saved.files.get(name).map(Vec::as_slice);
        found.ok_or_else(|| CheckpointError::Unfit(format!("it has no `{name}`")))
    };
    stepper.setup.weights.import(file(MODEL)?)?;
    stepper.optimizer.import([file(FIRST_MOMENT)?, file(SECOND_MOMENT)?])?;
    if let Some(ema) = &mut stepper.ema {
        ema.weights_mut().import(file(AVERAGE)?)?;
    }
    let clipped = saved.state.get("clipped_steps").and_then(serde_json::Value::as_u64);
    stepper.clipped_steps =
        clipped.ok_or_else(|| CheckpointError::Unfit("its state.json has no clipped_steps".into()))?;
    stepper.step = saved.step;
    Ok(())
}
