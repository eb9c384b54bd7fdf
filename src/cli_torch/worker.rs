//! One run in a process of its own: the hidden command that `dlmc run` starts. The job comes on standard input, what
//! happens goes out as events on standard output (`runner::job`).

use super::run::{identity, samples};
use super::{asked, with_data, with_graph};
use crate::check::spec::{Arm, StartFrom};
use crate::cli::{RUN_FAILED, env, graph};
use crate::data::{Prepared, prepare};
use crate::lower::{device, hash_tensors};
use crate::optimize::{Pass, Passes};
use crate::runner::{Event, Job};
use crate::store::metrics::{EndReason, Eval, Step};
use crate::store::{Lock, RunFolder, StoreError, newest_checkpoint, parent, resume};
use crate::train::checkpoint::MODEL;
use crate::train::setup::code_version;
use crate::train::{self, From, Limits, Setup, Watch};
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Steps are told this often at most.
const TELL: Duration = Duration::from_millis(100);

pub fn run() -> ExitCode {
    match work() {
        Ok((reason, step)) => {
            tell(&Event::Ends { reason, step });
            ExitCode::SUCCESS
        }
        Err(message) => {
            tell(&Event::Fails { message });
            ExitCode::from(RUN_FAILED)
        }
    }
}

fn tell(event: &Event) {
    // Whoever listened may be gone; the end of the input says so, and the run ends in order.
    let text = serde_json::to_string(event).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
}

fn work() -> Result<(EndReason, u64), String> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).map_err(|error| format!("no job: {error}"))?;
    let job: Job = serde_json::from_str(&text).map_err(|error| format!("not a job: {error}"))?;
    let interrupted = listen()?;
    let deadline = job.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.max(0.0)));
    let limits = Limits { steps: job.steps, deadline, interrupted };
    let device = device::parse(&job.device).map_err(|error| error.to_string())?;
    device::set_n_threads(job.threads);

    let compiled = super::compile_source(&job.source, &job.experiment)?;
    let point = (!job.point.is_empty()).then_some(job.point.as_str());
    let (arm, model) = graph::choose(&compiled, Some(&job.arm), point).map_err(|_| "the spec lacks this run")?;
    let arm = with_graph(arm, model);
    let data = prepare(&arm.data, &arm.vocab, &arm.train.seeds, &env::corpus()).map(Arc::new).map_err(|error| {
        let diagnostic = error.diagnose(&arm.data);
        format!("{}: {}", diagnostic.code, diagnostic.message)
    })?;
    let arm = with_data(&arm, &data);
    let asked = asked::of_arm(&arm, &data).map_err(|wrong| format!("{}: {}", wrong.code, wrong.message))?;
    let arm = asked::with_hashes(arm, &asked);
    let (arm, id) = identity(arm, job.parent.as_ref(), &data.data_hash, &job.without);
    if id != job.id {
        return Err("the data changed after the runs were planned\n  = help: `dlmc run` again plans anew".into());
    }

    let off: Vec<Pass> = job.without.iter().filter_map(|name| Pass::parse(name)).collect();
    let passes = Passes::default().without(&off);
    let folder = RunFolder::at(&job.folder);
    let failed = |error: StoreError| error.with_help();
    folder.make().map_err(failed)?;
    let _hold = folder.hold().map_err(failed)?;
    let wanted = lock(&job, &arm, &data, &folder);
    let found = resume::same_run(&folder, &wanted).map_err(failed)?;
    let result = if folder.is_finished().map_err(failed)? {
        (EndReason::Finished, arm.budget.steps)
    } else {
        let (from, mut lock) = state(&job, &arm, &folder, found, wanted).map_err(failed)?;
        let mut setup = Setup::new(&arm, model, data.clone(), device, &passes).map_err(|e| e.to_string())?;
        setup.asked = asked;
        let result = train::run(&mut setup, &folder, &mut lock, from, &limits, &mut Teller::default())
            .map_err(|error| error.with_help())?;
        (result.reason, result.step)
    };
    if result.0 == EndReason::Finished && arm.eval.sample_tokens > 0 && !folder.samples_path().exists() {
        let text = samples(&arm, model, &folder, &data, device)?;
        folder.write_samples(&text).map_err(failed)?;
    }
    Ok(result)
}

/// Signals and the end of the starter set the flag; training ends its step and leaves a checkpoint.
fn listen() -> Result<Arc<AtomicBool>, String> {
    let interrupted = super::run::signals()?;
    let flag = interrupted.clone();
    std::thread::spawn(move || {
        let mut rest = vec![];
        // An error is an end too.
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        flag.store(true, Ordering::Relaxed);
    });
    Ok(interrupted)
}

fn lock(job: &Job, arm: &Arm, data: &Prepared, folder: &RunFolder) -> Lock {
    let mut lock = Lock::of_arm(&job.experiment, arm, &folder.name());
    lock.source = job.source.clone();
    lock.data_hash = data.data_hash.clone();
    lock.valid_hash = data.valid.hash.clone();
    lock.code = code_version();
    lock.libtorch = device::libtorch_version();
    lock.threads = device::n_threads() as u64;
    lock.device = job.device.clone();
    lock.parent = job.parent.clone();
    lock
}

/// Where the run takes its first step from: its own newest whole checkpoint, else its parent's, else the beginning.
fn state(
    job: &Job,
    arm: &Arm,
    folder: &RunFolder,
    found: Option<Lock>,
    wanted: Lock,
) -> Result<(From, Lock), StoreError> {
    let newest = newest_checkpoint(&folder.checkpoints_path());
    let used = newest.saved.as_ref().map_or("the beginning".into(), |saved| format!("step {}", saved.step));
    for broken in &newest.broken {
        tell(&Event::Note { text: format!("{broken}\n{:10}it is passed over: the run goes on from {used}", "") });
    }
    if let (Some(saved), Some(found)) = (newest.saved, found) {
        let lock = resume::continued(folder, found, &wanted, saved.step, job.accept)?;
        return Ok((From::Own(saved), lock));
    }
    let (Some(wished), Some(known)) = (&arm.train.start, &job.parent) else { return Ok((From::Initial, wanted)) };
    let wished = StartFrom { step: Some(known.step), ..wished.clone() };
    let start = parent::find(&job.runs, &wished, arm)?;
    let hash = start.saved.files.get(MODEL).and_then(|tensors| hash_tensors(tensors).ok());
    if hash.as_ref() != Some(&known.weights_hash) || start.run.id() != known.run {
        return Err(StoreError::Parent("the run to start from changed after this one was planned".into()));
    }
    Ok((From::Parent { saved: start.saved, keeps_optimizer: known.keeps_optimizer }, wanted))
}

#[derive(Default)]
struct Teller {
    told: Option<Instant>,
}

impl Watch for Teller {
    fn starts(&mut self, from_step: u64, steps: u64) {
        tell(&Event::Starts { from_step, steps });
    }

    fn step(&mut self, record: &Step) {
        if self.told.is_none_or(|at| at.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            let loss = Some(record.loss).filter(|x| x.is_finite());
            tell(&Event::Step { step: record.step, loss, tokens_per_s: record.tokens_per_s });
        }
    }

    fn eval(&mut self, record: &Eval) {
        let finite = |x: f64| Some(x).filter(|x| x.is_finite());
        let (loss, se) = (finite(record.loss), finite(record.se));
        let others = record.measures.iter().map(|m| (m.metric.to_string(), finite(m.value))).collect();
        tell(&Event::Eval { step: record.step, epoch: record.epoch, loss, se, others });
    }

    fn note(&mut self, text: &str) {
        tell(&Event::Note { text: text.into() });
    }
}
