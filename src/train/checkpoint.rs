//! What of a run goes into a checkpoint, and back.

use super::step::Stepper;
use crate::lower::LowerError;
use crate::store::{SavedCheckpoint, StoreError, write_checkpoint};
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
/// Optimizer moments and averaged weights.
pub const STATE: &str = "state.safetensors";

/// Weights by path in `model.safetensors`; moments and average in `state.safetensors`.
pub fn save(stepper: &Stepper<'_>, folder: &Path) -> Result<PathBuf, CheckpointError> {
    let mut state = stepper.optimizer.export(&stepper.setup.weights)?;
    if let Some(ema) = &stepper.ema {
        state.extend(ema.export(&stepper.setup.weights)?);
    }
    let files = [(MODEL, stepper.setup.weights.export()?), (STATE, state)];
    let notes = json!({ "step": stepper.step, "clipped_steps": stepper.clipped_steps });
    Ok(write_checkpoint(folder, stepper.step, &files, &notes)?)
}

/// Puts a saved state back.
pub fn restore(stepper: &mut Stepper<'_>, saved: &SavedCheckpoint) -> Result<(), CheckpointError> {
    let file = |name: &str| saved.files.get(name).ok_or_else(|| CheckpointError::Unfit(format!("it has no `{name}`")));
    stepper.setup.weights.import(file(MODEL)?)?;
    let state = file(STATE)?;
    stepper.optimizer.import(&stepper.setup.weights, state)?;
    if let Some(ema) = &mut stepper.ema {
        ema.import(&stepper.setup.weights, state)?;
    }
    let clipped = saved.state.get("clipped_steps").and_then(serde_json::Value::as_u64);
    stepper.clipped_steps =
        clipped.ok_or_else(|| CheckpointError::Unfit("its state.json has no clipped_steps".into()))?;
    stepper.step = saved.step;
    Ok(())
}
