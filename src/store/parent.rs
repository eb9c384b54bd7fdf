//! The checkpoint that a run starts from: where `checkpoint("...", step: N)` of a spec, or `--from`, is found.

use super::checkpoint::{SavedCheckpoint, checkpoints, newest_checkpoint, read_checkpoint};
use super::error::{Result, StoreError};
use super::experiment::{ExperimentRecord, FILE};
use super::lock::Lock;
use super::run_folder::RunFolder;
use crate::check::spec::{Arm, StartFrom};
use std::path::{Path, PathBuf};

/// A state to start from, whole.
#[derive(Debug)]
pub struct Start {
    /// The run that it is of.
    pub run: RunFolder,
    /// Of that run.
    pub lock: Lock,
    pub saved: SavedCheckpoint,
}

/// Finds and reads the state. `from` is an experiment in `runs` (then the run of this arm and point, else its only
/// one), or a run's folder or a checkpoint's, in `runs` or as a path of its own.
pub fn find(runs: &Path, start: &StartFrom, arm: &Arm) -> Result<Start> {
    let places = [runs.join(&start.from), PathBuf::from(&start.from)];
    let Some(place) = places.iter().find(|place| place.is_dir()) else {
        return Err(refused(
            format!("there is no experiment and no run `{}` to start from", start.from),
            &format!(
                "`{}` is looked for in `{}`; run it first, or name another folder with --out",
                start.from,
                runs.display()
            ),
        ));
    };
    let is_checkpoint = place.join("state.json").is_file();
    if is_checkpoint {
        let run = place.parent().and_then(Path::parent).map(RunFolder::at).filter(|run| run.lock_path().exists());
        let run = run.ok_or_else(|| {
            refused(
                format!("`{}` stands in no run's folder", place.display()),
                "the run's lock says whose weights they are",
            )
        })?;
        let saved = read_checkpoint(place)?;
        if start.step.is_some_and(|step| step != saved.step) {
            let message = format!("`{}` is step {}, not {}", place.display(), saved.step, start.step.unwrap_or(0));
            return Err(refused(message, "leave the step out, or name the run"));
        }
        return Ok(Start { lock: run.read_lock()?, run, saved });
    }
    let run = if place.join(FILE).is_file() { run_of(place, arm)? } else { RunFolder::at(place) };
    if !run.lock_path().exists() {
        let message = format!("`{}` is no run's folder and no experiment's", run.path().display());
        return Err(refused(message, "name an experiment, a run's folder, or a folder in its `checkpoints`"));
    }
    let lock = run.read_lock()?;
    Ok(Start { saved: state_of(&run, start.step)?, lock, run })
}

/// The run of the same arm at the same point; else the only run of the experiment.
fn run_of(experiment: &Path, arm: &Arm) -> Result<RunFolder> {
    let record = ExperimentRecord::read(experiment)?;
    let point = arm.point.name();
    let same = record.runs.iter().find(|run| run.arm == arm.name && run.point == point);
    let of_arm: Vec<_> = record.runs.iter().filter(|run| run.arm == arm.name).collect();
    let entry = same.or_else(|| of_arm.first().copied().filter(|_| of_arm.len() == 1)).or_else(|| {
        let mut folders: Vec<&str> = record.runs.iter().map(|run| run.folder.as_str()).collect();
        folders.sort_unstable();
        folders.dedup();
        record.runs.first().filter(|_| folders.len() == 1)
    });
    match entry {
        Some(entry) => Ok(RunFolder::at(experiment.join(&entry.folder))),
        None => {
            let have: Vec<&str> = record.runs.iter().map(|run| run.folder.as_str()).collect();
            let message = format!("`{}` has no run of `{}` to start from", experiment.display(), arm.title());
            Err(refused(message, &format!("name one of its runs: {}", have.join(", "))))
        }
    }
}

fn state_of(run: &RunFolder, step: Option<u64>) -> Result<SavedCheckpoint> {
    let folder = run.checkpoints_path();
    let all = checkpoints(&folder);
    let kept: Vec<String> = all.iter().map(|(step, _)| step.to_string()).collect();
    let kept =
        if kept.is_empty() { "it has none yet".into() } else { format!("it has those of steps {}", kept.join(", ")) };
    match step {
        Some(step) => match all.iter().find(|(found, _)| *found == step) {
            Some((_, path)) => read_checkpoint(path),
            None => Err(refused(
                format!("`{}` has no checkpoint of step {step}", run.path().display()),
                &format!("{kept}; `checkpoint_keep: [{step} steps]` in that run's spec keeps this one"),
            )),
        },
        None => newest_checkpoint(&folder)
            .saved
            .ok_or_else(|| refused(format!("`{}` has no whole checkpoint to start from", run.path().display()), &kept)),
    }
}

fn refused(message: String, help: &str) -> StoreError {
    StoreError::Parent(format!("{message}\n  = help: {help}"))
}
