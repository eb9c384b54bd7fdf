//! A run from its folder: the spec of its lock compiled again, its last weights, its tokenizer.

use super::super::{compile_source, read_data, with_data};
use crate::check::spec::Objective;
use crate::cli::{RUN_FAILED, USAGE, fail, graph};
use crate::data::Codec;
use crate::sample::Trained;
use crate::store::{Lock, RunFolder, StoreError, TensorData, latest_checkpoint, read_checkpoint};
use crate::train::checkpoint::{AVERAGE, MODEL};
use std::path::Path;
use std::process::ExitCode;
use tch::Device;

pub struct Run {
    /// Of its folder.
    pub name: String,
    pub trained: Trained,
    pub codec: Codec,
    /// Of the checkpoint.
    pub step: u64,
}

pub fn load(path: &Path, device: Device) -> Result<Run, ExitCode> {
    let folder = RunFolder::at(path);
    let lock: Lock = folder.read_lock().map_err(|error| {
        fail(&format!("{error}\n  = help: name a run's folder, for example runs/quickstart/ar-0123..."), USAGE)
    })?;
    let failed = |error: &dyn std::fmt::Display| fail(&error.to_string(), RUN_FAILED);
    let Some((step, tensors)) = newest_weights(&folder).map_err(|e| failed(&e))? else {
        return Err(fail(&format!("`{}` has no checkpoint yet", path.display()), RUN_FAILED));
    };
    let compiled = compile_source(&lock.source, &lock.experiment).map_err(|message| fail(&message, RUN_FAILED))?;
    let point = (!lock.point.is_empty()).then_some(lock.point.as_str());
    let (arm, model) = graph::choose(&compiled, Some(&lock.arm), point)?;
    let data = read_data(arm)?;
    let (arm, codec) = (with_data(arm, &data), data.codec.clone());
    let trained = Trained::new(&arm, model, &tensors, device)
        .map_err(|error| failed(&format!("the spec no longer fits the run's weights: {error}")))?;
    Ok(Run { name: folder.name(), trained, codec, step })
}

/// A finished run that predicts the next token of the same tokens.
pub fn judge(path: &Path, judged: &Run, device: Device) -> Result<Run, ExitCode> {
    let folder = RunFolder::at(path);
    let judge = load(path, device)?;
    let arm = &judge.trained.arm;
    let shown = path.display();
    if !matches!(arm.objective, Objective::NextToken(_)) {
        let message = format!(
            "--judge: `{shown}` trains {}, which gives a text no likelihood but a bound\n  = help: name a run of \
             `next_token`",
            arm.objective.name()
        );
        return Err(fail(&message, USAGE));
    }
    if judge.codec != judged.codec || arm.vocab.eod != judged.trained.arm.vocab.eod {
        let message = format!("--judge: the tokens of `{shown}` are not those of `{}`", judged.name);
        return Err(fail(&message, USAGE));
    }
    if !folder.is_finished().map_err(|error| fail(&error.to_string(), RUN_FAILED))? {
        return Err(fail(&format!("--judge: `{shown}` has not finished"), USAGE));
    }
    Ok(judge)
}

/// The weights of the last checkpoint, with its step: the averaged ones where the run has them, as in evaluation.
pub fn newest_weights(folder: &RunFolder) -> Result<Option<(u64, Vec<TensorData>)>, StoreError> {
    let Some((step, path)) = latest_checkpoint(&folder.checkpoints_path()) else { return Ok(None) };
    let mut files = read_checkpoint(&path)?.files;
    let tensors = files.remove(AVERAGE).or_else(|| files.remove(MODEL)).unwrap_or_default();
    Ok(Some((step, tensors)))
}
