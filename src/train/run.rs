//! A whole run: steps, evaluations, log, checkpoints, and every way to end.

use super::checkpoint::{self, CheckpointError};
use super::progress::Progress;
use super::setup::Setup;
use super::step::{StepError, Stepper};
use crate::eval::Evaluator;
use crate::lower::{LowerError, device};
use crate::store::metrics::{Checkpoint, End, EndReason, Eval, Record, Start};
use crate::store::{Lock, MetricsLog, RunFolder, StoreError, latest_checkpoint, read_checkpoint, read_metrics};
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

/// Trains the arm in its run folder: from the last checkpoint if there is one, to the end of the
/// budget or to a limit. A finished run is not repeated.
pub fn run(
    setup: &mut Setup,
    experiment: &str,
    folder: &RunFolder,
    lock: &mut Lock,
    limits: &Limits,
) -> Result<RunResult, RunError> {
    let steps = setup.arm.budget.steps;
    let start = start_record(setup, experiment, folder);
    lock.init_hash = start.init_hash.clone();
    if let Some(done) = finished(folder)? {
        return Ok(done);
    }
    let data = setup.data.clone();
    let mut stepper = Stepper::new(setup, &data)?;
    let saved = latest_checkpoint(&folder.checkpoints_path());
    match &saved {
        Some((_, path)) => checkpoint::restore(&mut stepper, &read_checkpoint(path)?)?,
        None => folder.write_lock(lock)?,
    }
    let mut log = folder.open_log()?;
    log.truncate_after(stepper.step)?;
    log.append(&Record::Start(Start { from_step: stepper.step, ..start }))?;
    let mut progress = Progress::new(&stepper.setup.arm.title(), stepper.step, steps);
    if stepper.step > 0 {
        progress.line(&format!("{:>8}  continues from step {}", stepper.setup.arm.title(), stepper.step));
    }
    let outcome = steps_loop(&mut stepper, folder, &mut log, &mut progress, limits);
    progress.finish();
    outcome
}

fn steps_loop(
    stepper: &mut Stepper<'_>,
    folder: &RunFolder,
    log: &mut MetricsLog,
    progress: &mut Progress,
    limits: &Limits,
) -> Result<RunResult, RunError> {
    let arm = stepper.setup.arm.clone();
    let steps = arm.budget.steps;
    let data = stepper.setup.data.clone();
    let evaluator = Evaluator::new(&arm, &data, stepper.setup.device);
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
        progress.step(&record);
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
            progress.eval(&record);
            log.append(&Record::Eval(record))?;
        }
        if stepper.step.is_multiple_of(arm.train.checkpoint_every_steps) {
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
    let path = checkpoint::save(stepper, &folder.checkpoints_path())?;
    let shown = path.strip_prefix(folder.path()).unwrap_or(&path);
    log.append(&Record::Checkpoint(Checkpoint {
        step: stepper.step,
        path: shown.display().to_string(),
        weights_hash: stepper.setup.weights.hash()?,
    }))?;
    Ok(())
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

/// Whether the run reached its budget, so that there is nothing left to train.
pub fn is_finished(folder: &RunFolder) -> Result<bool, RunError> {
    Ok(finished(folder)?.is_some())
}

/// The end of a run that reached its budget.
fn finished(folder: &RunFolder) -> Result<Option<RunResult>, RunError> {
    if !folder.metrics_path().exists() {
        return Ok(None);
    }
    let ends: Vec<End> = read_metrics(&folder.metrics_path())?
        .into_iter()
        .filter_map(|r| if let Record::End(end) = r { Some(end) } else { None })
        .collect();
    Ok(ends.iter().any(|e| e.reason == EndReason::Finished).then(|| RunResult {
        reason: EndReason::Finished,
        step: ends.last().map_or(0, |e| e.step),
        train_seconds: ends.iter().map(|e| e.train_seconds).sum(),
        eval_seconds: ends.iter().map(|e| e.eval_seconds).sum(),
    }))
}

fn start_record(setup: &Setup, experiment: &str, folder: &RunFolder) -> Start {
    let arm = &setup.arm;
    Start {
        run: folder.name(),
        experiment: experiment.into(),
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
        init_hash: setup.init_hash.clone(),
        data_hash: setup.data.data_hash.clone(),
        valid_hash: setup.data.valid_hash.clone(),
        n_valid_documents: u64::from(setup.data.n_valid_documents),
        loss_unit: setup.data.codec.loss_unit().into(),
        precision: arm.train.precision.name().into(),
        device: device::name(setup.device),
        threads: device::n_threads() as u64,
        libtorch: device::libtorch_version(),
        code: super::setup::code_version(),
    }
}
