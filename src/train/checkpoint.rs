//! What of a run goes into a checkpoint, and back.

use super::step::Stepper;
use crate::lower::LowerError;
use crate::program::ParamInstance;
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
    let notes = json!({
        "step": stepper.step,
        "clipped_steps": stepper.clipped_steps,
        "earlier_updates": stepper.earlier_updates,
    });
    Ok(write_checkpoint(folder, stepper.step, &files, &notes, &stepper.setup.arm.train.checkpoint_keep)?)
}

/// Puts a saved state back.
pub fn restore(stepper: &mut Stepper<'_>, saved: &SavedCheckpoint) -> Result<(), CheckpointError> {
    stepper.setup.weights.import(file(saved, MODEL)?)?;
    stepper.optimizer.import([file(saved, FIRST_MOMENT)?, file(saved, SECOND_MOMENT)?])?;
    if let Some(ema) = &mut stepper.ema {
        ema.weights_mut().import(file(saved, AVERAGE)?)?;
    }
    stepper.clipped_steps = number(saved, "clipped_steps")
        .ok_or_else(|| CheckpointError::Unfit("its state.json has no clipped_steps".into()))?;
    // Checkpoints of before runs had parents do not say.
    stepper.earlier_updates = number(saved, "earlier_updates").unwrap_or(0);
    stepper.step = saved.step;
    Ok(())
}

/// Starts a run at the state of another one: weights, average and, if they are kept, moments. Steps, and with them
/// schedule, data and noise, begin anew; the correction of Adam's bias goes on, since it belongs to the moments.
pub fn start_from(
    stepper: &mut Stepper<'_>,
    saved: &SavedCheckpoint,
    keeps_optimizer: bool,
) -> Result<(), CheckpointError> {
    let weights = file(saved, MODEL)?;
    fits(weights, stepper.setup.weights.params())?;
    stepper.setup.weights.import(weights)?;
    if keeps_optimizer {
        stepper.optimizer.import([file(saved, FIRST_MOMENT)?, file(saved, SECOND_MOMENT)?])?;
        stepper.earlier_updates = saved.step + number(saved, "earlier_updates").unwrap_or(0);
    }
    if let Some(ema) = &mut stepper.ema {
        // A parent without an average starts one at its weights.
        ema.weights_mut().import(file(saved, AVERAGE).unwrap_or(weights))?;
    }
    Ok(())
}

fn file<'a>(saved: &'a SavedCheckpoint, name: &str) -> Result<&'a [TensorData], CheckpointError> {
    let found = saved.files.get(name).map(Vec::as_slice);
    found.ok_or_else(|| CheckpointError::Unfit(format!("it has no `{name}`")))
}

fn number(saved: &SavedCheckpoint, name: &str) -> Option<u64> {
    saved.state.get(name).and_then(serde_json::Value::as_u64)
}

/// Names every parameter that is in one and not in the other, or has another shape.
fn fits(saved: &[TensorData], model: &[ParamInstance]) -> Result<(), CheckpointError> {
    /// More than anybody reads.
    const MAX_SHOWN: usize = 8;
    let mut wrong: Vec<String> = vec![];
    for param in model {
        match saved.iter().find(|tensor| tensor.name == param.path) {
            None => wrong.push(format!("`{}` is not in the checkpoint", param.path)),
            Some(tensor) if tensor.shape != param.shape => wrong.push(format!(
                "`{}` is {:?} in the checkpoint, {:?} in this model",
                param.path, tensor.shape, param.shape
            )),
            Some(_) => {}
        }
    }
    let strangers = saved.iter().filter(|tensor| !model.iter().any(|param| param.path == tensor.name));
    wrong.extend(strangers.map(|tensor| format!("`{}` is not in this model", tensor.name)));
    if wrong.is_empty() {
        return Ok(());
    }
    let n = wrong.len();
    wrong.truncate(MAX_SHOWN);
    if n > MAX_SHOWN {
        wrong.push(format!("and {} more", n - MAX_SHOWN));
    }
    let (s, verb) = if n == 1 { ("", "does") } else { ("s", "do") };
    Err(CheckpointError::Unfit(format!("{n} parameter{s} {verb} not fit\n  {}", wrong.join("\n  "))))
}
