//! A whole run: steps, evaluations, log, checkpoints, and every way to end.

use super::checkpoint::{self, CheckpointError};
use super::progress::Watch;
use super::setup::Setup;
use super::step::{StepError, Stepper};
use crate::eval::Evaluator;
use crate::lower::{LowerError, device};
use crate::store::checkpoint::{checkpoint_path, drop_checkpoints_after};
use crate::store::metrics::{Checkpoint, End, EndReason, Eval, Record, Start};
use crate::store::{Lock, MetricsLog, RunFolder, SavedCheckpoint, StoreError, latest_checkpoint};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("{broken}\n  = note: the last good checkpoint is {checkpoint}")]
    Broken { broken: Box<StepError>, checkpoint: String },
    #[error(
        "{path} ends at step {last}, before the checkpoint of step {step}\n  = note: nothing was changed\n  = help: move the \
         run's folder away to begin anew, or put its log back"
    )]
    LogGap { path: String, step: u64, last: u64 },
}

impl RunError {
    /// The message, and what can be done, where that is known.
    pub fn with_help(&self) -> String {
        match self {
            RunError::Store(error) | RunError::Checkpoint(CheckpointError::Store(error)) => error.with_help(),
            RunError::Lower(_) | RunError::Checkpoint(_) | RunError::Broken { .. } | RunError::LogGap { .. } => {
                self.to_string()
            }
        }
    }
}

/// When to stop before the budget's end.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Finished updates in all.
    pub steps: Option<u64>,
    pub deadline: Option<Instant>,
    /// Set by Ctrl-C and SIGTERM.
    pub interrupted: Arc<AtomicBool>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    pub reason: EndReason,
    pub step: u64,
    pub train_seconds: f64,
    pub eval_seconds: f64,
}

/// The state that a run takes its first step from.
#[derive(Debug)]
pub enum From {
    Initial,
    /// A checkpoint of its own: it was interrupted.
    Own(SavedCheckpoint),
    /// The checkpoint of another run; steps, schedule and data begin anew.
    Parent {
        saved: SavedCheckpoint,
        keeps_optimizer: bool,
    },
}

/// Trains the arm in its run folder to the end of the budget or to a limit. The caller holds the folder and knows that
/// `lock` may stand there.
pub fn run(
    setup: &mut Setup,
    folder: &RunFolder,
    lock: &mut Lock,
    from: From,
    limits: &Limits,
    watch: &mut dyn Watch,
) -> Result<RunResult, RunError> {
    let steps = setup.arm.budget.steps;
    let start = start_record(setup, lock, folder);
    let data = setup.data.clone();
    let mut stepper = Stepper::new(setup, &data)?;
    let is_own = matches!(from, From::Own(_));
    match from {
        From::Initial => {}
        From::Own(saved) => checkpoint::restore(&mut stepper, &saved)?,
        From::Parent { saved, keeps_optimizer } => checkpoint::start_from(&mut stepper, &saved, keeps_optimizer)?,
    }
    let mut log = folder.open_log()?;
    if is_own {
        let kept = log.truncate_after(stepper.step)?;
        goes_on(&kept, &stepper, folder, &mut log)?;
    } else {
        log.clear()?;
        lock.init_hash = stepper.setup.weights.hash()?;
    }
    drop_checkpoints_after(&folder.checkpoints_path(), stepper.step)?;
    folder.write_lock(lock)?;
    log.append(&Record::Start(Start { from_step: stepper.step, init_hash: lock.init_hash.clone(), ..start }))?;
    watch.starts(stepper.step, steps);
    steps_loop(&mut stepper, folder, &mut log, watch, limits)
}

/// A checkpoint is written after the lines of its steps and before its own. So where a kill came between, that one line
/// is missing; and where others are, the log is not this run's.
fn goes_on(kept: &[Record], stepper: &Stepper<'_>, folder: &RunFolder, log: &mut MetricsLog) -> Result<(), RunError> {
    let last = kept.iter().rev().find_map(|r| if let Record::Step(step) = r { Some(step.step) } else { None });
    if last != Some(stepper.step) {
        let path = folder.metrics_path().display().to_string();
        return Err(RunError::LogGap { path, step: stepper.step, last: last.unwrap_or(0) });
    }
    let is_noted = kept.iter().any(|r| matches!(r, Record::Checkpoint(c) if c.step == stepper.step));
    if !is_noted {
        note_checkpoint(stepper, folder, log)?;
    }
    Ok(())
}

fn steps_loop(
    stepper: &mut Stepper<'_>,
    folder: &RunFolder,
    log: &mut MetricsLog,
    watch: &mut dyn Watch,
    limits: &Limits,
) -> Result<RunResult, RunError> {
    let arm = stepper.setup.arm.clone();
    let steps = arm.budget.steps;
    let data = stepper.setup.data.clone();
    let evaluator = Evaluator::new(&arm, &data, &stepper.setup.asked, stepper.setup.device);
    let (mut train_time, mut eval_time) = (Duration::ZERO, Duration::ZERO);
    let mut saved_at = if stepper.step > 0 { Some(stepper.step) } else { None };
    let reason = loop {
        if stepper.step >= steps {
            break EndReason::Finished;
        }
        if limits.steps.is_some_and(|n| stepper.step >= n) {
            break EndReason::StepLimit;
        }
        if limits.interrupted.load(Ordering::Relaxed) {
            break EndReason::Interrupted;
        }
        if limits.deadline.is_some_and(|at| Instant::now() >= at) {
            break EndReason::TimeLimit;
        }
        let started = Instant::now();
        let record = match stepper.advance() {
            Ok(record) => record,
            Err(StepError::Lower(error)) => return Err(error.into()),
            Err(broken) => return Err(stop_broken(broken, folder, log, train_time, eval_time)?),
        };
        train_time += started.elapsed();
        watch.step(&record);
        log.append(&Record::Step(record))?;
        if arm.eval.at_steps.binary_search(&stepper.step).is_ok() {
            let started = Instant::now();
            let (found, measures) = match &stepper.ema {
                Some(ema) => evaluator.evaluate(&stepper.setup.loss, &ema.weights().compute()?)?,
                None => evaluator.evaluate(&stepper.setup.loss, &stepper.setup.weights.compute()?)?,
            };
            eval_time += started.elapsed();
            let decay_from = arm.train.lr_schedule.decay_from(steps);
            let record = Eval {
                step: stepper.step,
                tokens: stepper.tokens(),
                epoch: stepper.epoch(),
                loss: found.loss,
                se: found.se,
                bits_per_byte: found.bits_per_byte,
                loss_by_decile: found.loss_by_decile,
                in_decay: stepper.step > decay_from,
                documents: found.documents,
                measures,
                seconds: started.elapsed().as_secs_f64(),
            };
            watch.eval(&record);
            log.append(&Record::Eval(record))?;
        }
        let (every, keep) = (arm.train.checkpoint_every_steps, &arm.train.checkpoint_keep);
        if stepper.step.is_multiple_of(every) || keep.names(stepper.step) {
            save(stepper, folder, log)?;
            saved_at = Some(stepper.step);
        }
    };
    if saved_at != Some(stepper.step) && stepper.step > 0 {
        save(stepper, folder, log)?;
    }
    let result = RunResult {
        reason,
        step: stepper.step,
        train_seconds: train_time.as_secs_f64(),
        eval_seconds: eval_time.as_secs_f64(),
    };
    log.append(&Record::End(end_of(&result, None)))?;
    log.sync()?;
    Ok(result)
}

fn end_of(result: &RunResult, message: Option<String>) -> End {
    End {
        step: result.step,
        reason: result.reason,
        train_seconds: result.train_seconds,
        eval_seconds: result.eval_seconds,
        message,
    }
}

fn save(stepper: &Stepper<'_>, folder: &RunFolder, log: &mut MetricsLog) -> Result<(), RunError> {
    log.sync()?;
    checkpoint::save(stepper, &folder.checkpoints_path())?;
    note_checkpoint(stepper, folder, log)
}

fn note_checkpoint(stepper: &Stepper<'_>, folder: &RunFolder, log: &mut MetricsLog) -> Result<(), RunError> {
    let path = checkpoint_path(&folder.checkpoints_path(), stepper.step);
    let shown = path.strip_prefix(folder.path()).unwrap_or(&path);
    let weights_hash = stepper.setup.weights.hash()?;
    let path = shown.display().to_string();
    Ok(log.append(&Record::Checkpoint(Checkpoint { step: stepper.step, path, weights_hash }))?)
}

/// Logs a step that broke; the weights on disk are those of the last good checkpoint.
fn stop_broken(
    broken: StepError,
    folder: &RunFolder,
    log: &mut MetricsLog,
    train: Duration,
    eval: Duration,
) -> Result<RunError, RunError> {
    let step = match &broken {
        StepError::Broken { record, .. } => {
            log.append(&Record::Step((**record).clone()))?;
            record.step
        }
        StepError::Lower(_) => 0,
    };
    let result = RunResult {
        reason: EndReason::NonFinite,
        step,
        train_seconds: train.as_secs_f64(),
        eval_seconds: eval.as_secs_f64(),
    };
    log.append(&Record::End(end_of(&result, Some(broken.to_string()))))?;
    log.sync()?;
    let checkpoint = latest_checkpoint(&folder.checkpoints_path())
        .map_or("none: the run broke before its first".to_string(), |(_, path)| path.display().to_string());
    Ok(RunError::Broken { broken: Box::new(broken), checkpoint })
}

fn start_record(setup: &Setup, lock: &Lock, folder: &RunFolder) -> Start {
    let arm = &setup.arm;
    Start {
        run: folder.name(),
        experiment: lock.experiment.clone(),
        arm: arm.name.clone(),
        point: arm.point.name(),
        objective: arm.objective.name().into(),
        exact: arm.objective.is_exact(),
        from_step: 0,
        steps: arm.budget.steps,
        decay_from_step: arm.train.lr_schedule.decay_from(arm.budget.steps),
        tokens_per_step: arm.budget.tokens_per_step,
        unique_tokens: setup.data.train.len() as u64,
        params: setup.training.program().params.iter().map(|p| p.n_elements()).sum(),
        flops_per_step: setup.flops_per_step,
        init_hash: lock.init_hash.clone(),
        data_hash: setup.data.data_hash.clone(),
        valid_hash: setup.data.valid.hash.clone(),
        n_valid_documents: u64::from(setup.data.valid.n_documents),
        loss_unit: setup.data.codec.loss_unit().into(),
        precision: arm.train.precision.name().into(),
        device: device::name(setup.device),
        threads: device::n_threads() as u64,
        libtorch: device::libtorch_version(),
        code: lock.code.clone(),
    }
}
