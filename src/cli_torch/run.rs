//! `dlmc run`: which runs there are to be, which of them exist, a process for each of the others, and the report.

use super::sample::{newest_weights, special};
use super::{asked, open_device, read_data, with_data, with_graph};
use crate::base::number::grouped;
use crate::check::spec::{Arm, FlatField};
use crate::cli::args::{Accepted, RunArgs, SpecArgs};
use crate::cli::data::same_data;
use crate::cli::front::Compiled;
use crate::cli::{RUN_FAILED, SPEC_ERRORS, fail, graph, report};
use crate::data::Prepared;
use crate::decode::Request;
use crate::graph::ValidGraph;
use crate::lower::{device, hash_tensors};
use crate::optimize::Passes;
use crate::resolve::Override;
use crate::runner::{Job, Outcome, Policy, Pool, Table, Task, threads_each};
use crate::sample::Trained;
use crate::store::{
    Accept, ExperimentRecord, Parent, RunEntry, RunFolder, SpecSource, StoreError, hold_experiment, parent, run_id,
    run_name,
};
use crate::train::checkpoint::MODEL;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tch::Device;

pub fn run(args: &RunArgs) -> ExitCode {
    match run_all(args) {
        Ok(code) | Err(code) => code,
    }
}

/// A variant with the run that it is.
struct Chosen {
    arm: Arm,
    parent: Option<Parent>,
    run: RunFolder,
    id: String,
}

fn run_all(args: &RunArgs) -> Result<ExitCode, ExitCode> {
    let started = Instant::now();
    let device = open_device(&args.device)?;
    let spec_args = with_start(args);
    let compiled = graph::compiled(&spec_args)?;
    let indices = graph::select(&compiled, args.arm.as_deref(), args.point.as_deref())?;
    let interrupted = signals().map_err(|message| fail(&message, RUN_FAILED))?;
    // Everything that a run is made of is read before anything is written.
    let chosen = choose(args, &compiled, &indices)?;
    let folder = args.out.join(compiled.spec.name());
    let store_failed = |error: StoreError| fail(&error.with_help(), RUN_FAILED);
    let experiment = note_experiment(&compiled, &folder, &chosen).map_err(store_failed)?;
    let tasks = tasks(args, &spec_args, &compiled, &chosen, device).map_err(store_failed)?;
    eprintln!("{}", headline(&compiled, &chosen, args, device));
    let n_distinct = chosen.iter().map(|one| &one.id).collect::<BTreeSet<_>>().len();
    if n_distinct > tasks.len() {
        eprintln!("{:>8}  {} of {n_distinct} finished before", "", n_distinct - tasks.len());
    }
    let pool = Pool {
        program: this_program(),
        arguments: vec!["worker".into()],
        policy: Policy {
            jobs: args.jobs,
            fail_fast: args.fail_fast,
            deadline: args.time_limit.map(|seconds| started + Duration::from_secs_f64(seconds)),
            interrupted,
        },
    };
    let mut table = Table::new(&tasks);
    let outcomes = pool.run(&tasks, &mut table);
    drop(table);
    let stopped = outcomes.iter().any(|outcome| *outcome != Outcome::Finished);
    let code = report::report(&folder, &experiment, args.strict && !stopped, false);
    let failed: Vec<&str> = tasks
        .iter()
        .zip(&outcomes)
        .filter_map(|(task, outcome)| matches!(outcome, Outcome::Failed(_)).then_some(task.title.as_str()))
        .collect();
    if !failed.is_empty() {
        return Err(fail(
            &format!("{} of {} runs failed: {}", failed.len(), n_distinct, failed.join("; ")),
            RUN_FAILED,
        ));
    }
    let left = outcomes.iter().filter(|outcome| **outcome == Outcome::NotStarted).count();
    if left > 0 {
        eprintln!("{left} of {n_distinct} runs not begun; `dlmc run` again begins them");
    }
    Ok(code)
}

/// `--from` is `train.start` by another door.
fn with_start(args: &RunArgs) -> SpecArgs {
    let mut spec = args.spec.clone();
    if let Some(from) = &args.from {
        let value = format!("checkpoint({:?})", from.display().to_string());
        spec.set.insert(0, Override { path: "train.start".into(), value });
    }
    spec
}

/// The variants, each with its data read, its parent found and its folder known.
fn choose(args: &RunArgs, compiled: &Compiled, indices: &[usize]) -> Result<Vec<Chosen>, ExitCode> {
    let spec = &compiled.spec;
    let variants = indices.iter().filter_map(|i| Some((spec.variants().get(*i)?, compiled.models.get(*i)?)));
    let arms: Vec<Arm> = variants.map(|(arm, model)| with_graph(arm, model)).collect();
    let corpora = read_corpora(&arms)?;
    let arms = arms.iter().zip(&corpora).map(|(arm, data)| with_data(arm, data)).collect();
    let arms = asked::read(arms, &corpora)?;
    let mut by_id = RunFolder::by_id(&args.out);
    let mut chosen = vec![];
    for (arm, data) in arms.into_iter().zip(corpora) {
        let parent = match &arm.train.start {
            Some(start) => {
                let found = parent_of(&args.out, start, &arm);
                Some(found.map_err(|error| fail(&format!("{}: {}", arm.title(), error.with_help()), SPEC_ERRORS))?)
            }
            None => None,
        };
        let (arm, id) = identity(arm, parent.as_ref(), &data.data_hash, &off(&args.no_opt.passes()));
        let new = || RunFolder::of(&args.out, spec.name(), &run_name(&arm), &id);
        // One run serves every experiment that contains it.
        let run = by_id.entry(id.clone()).or_insert_with(new).clone();
        chosen.push(Chosen { arm, parent, run, id });
    }
    Ok(chosen)
}

/// What makes the run this run and no other: the arm with the state it starts from among its fields, and the id.
pub fn identity(mut arm: Arm, parent: Option<&Parent>, data_hash: &str, without: &[String]) -> (Arm, String) {
    // A run of fewer passes is another run: it rounds differently.
    if !without.is_empty() {
        arm.flat.push(FlatField::new("optimizer_passes.off", without.join(" "), "derived"));
        arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
    }
    if let Some(parent) = parent {
        let optimizer = if parent.keeps_optimizer { "keep" } else { "reset" };
        let fields = [
            ("start.run", parent.run.clone()),
            ("start.step", parent.step.to_string()),
            ("start.weights", parent.weights_hash.clone()),
            ("start.optimizer", optimizer.to_string()),
        ];
        arm.flat.extend(fields.map(|(path, value)| FlatField::new(path, value, "derived")));
        arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
    }
    let id = run_id(&arm, data_hash);
    (arm, id)
}

/// The state that an arm starts from, and that its tokens mean there what they mean here.
fn parent_of(runs: &Path, start: &crate::check::spec::StartFrom, arm: &Arm) -> Result<Parent, StoreError> {
    let found = parent::find(runs, start, arm)?;
    for path in ["data.tokenizer", "vocab.end_of_document"] {
        let theirs = found.lock.fields.iter().find(|field| field.path == path).map(|field| field.value.as_str());
        let ours = arm.flat.iter().find(|field| field.path == path).map(|field| field.value.as_str());
        if theirs != ours {
            let word = |value: Option<&str>| value.unwrap_or("(nothing)").to_string();
            let run = found.run.path().display();
            let message =
                format!("`{run}` has other tokens: its {path} is {}, here it is {}", word(theirs), word(ours));
            return Err(StoreError::Parent(message));
        }
    }
    let tensors = found.saved.files.get(MODEL).map(Vec::as_slice).unwrap_or_default();
    let weights_hash = hash_tensors(tensors).map_err(|error| StoreError::Parent(error.to_string()))?;
    Ok(Parent { run: found.run.id(), step: found.saved.step, weights_hash, keeps_optimizer: start.keeps_optimizer })
}

/// Writes down which folder holds which run; what others wrote meanwhile stays.
fn note_experiment(compiled: &Compiled, folder: &Path, chosen: &[Chosen]) -> Result<ExperimentRecord, StoreError> {
    let entry = |one: &Chosen| {
        let name = one.run.name();
        let is_here = one.run.path().parent() == Some(folder);
        let elsewhere = one.run.path().parent().and_then(Path::file_name).map(|e| e.to_string_lossy().into_owned());
        let folder = match elsewhere {
            Some(other) if !is_here => format!("../{other}/{name}"),
            _ => name,
        };
        RunEntry { arm: one.arm.name.clone(), point: one.arm.point.name(), folder }
    };
    let _hold = hold_experiment(folder)?;
    let mut experiment = ExperimentRecord::of(&compiled.spec);
    let earlier = ExperimentRecord::read(folder).ok();
    experiment.note_runs(chosen.iter().map(entry).collect(), earlier.as_ref());
    experiment.write(folder)?;
    Ok(experiment)
}

/// The runs that are not there yet, whole. Variants that come out the same are one run.
fn tasks(
    args: &RunArgs,
    spec_args: &SpecArgs,
    compiled: &Compiled,
    chosen: &[Chosen],
    device: Device,
) -> Result<Vec<Task>, StoreError> {
    let set = spec_args.set.iter().map(|over| (over.path.clone(), over.value.clone())).collect();
    let source = SpecSource { files: compiled.files.clone(), set };
    let threads = args.threads.unwrap_or_else(|| threads_each(device::n_threads(), args.jobs));
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut tasks = vec![];
    for one in chosen {
        let lacks_samples = one.arm.eval.sample_tokens > 0 && !one.run.samples_path().exists();
        if !known.insert(&one.id) || (one.run.is_finished()? && !lacks_samples) {
            continue;
        }
        let job = Job {
            source: source.clone(),
            experiment: compiled.spec.name().into(),
            arm: one.arm.name.clone(),
            point: one.arm.point.name(),
            folder: one.run.path().to_owned(),
            id: one.id.clone(),
            runs: args.out.clone(),
            parent: one.parent.clone(),
            device: device::name(device),
            threads,
            without: off(&args.no_opt.passes()),
            steps: args.steps,
            seconds: None,
            accept: accept(&args.accept),
        };
        let budget = &one.arm.budget;
        let steps = args.steps.map_or(budget.steps, |steps| steps.min(budget.steps));
        tasks.push(Task {
            title: one.arm.title(),
            job,
            total_tokens: steps * budget.tokens_per_step,
            tokens_per_step: budget.tokens_per_step,
        });
    }
    Ok(tasks)
}

/// The names of the passes that are off.
fn off(passes: &Passes) -> Vec<String> {
    passes.off().into_iter().map(|pass| pass.name().to_string()).collect()
}

fn accept(given: &[Accepted]) -> Accept {
    given.iter().fold(Accept::default(), |all, one| match one {
        Accepted::Code => Accept { code: true, ..all },
        Accepted::Threads => Accept { threads: true, ..all },
        Accepted::Device => Accept { device: true, ..all },
        Accepted::All => Accept::ALL,
    })
}

/// This very executable, also when another one was built over it meanwhile.
fn this_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}

/// `quickstart: ar and mdm on cpu, 2 threads`, `e: 10 runs on cpu, 2 at a time, 1 thread each`
fn headline(compiled: &Compiled, chosen: &[Chosen], args: &RunArgs, device: Device) -> String {
    let spec = &compiled.spec;
    let first = chosen.first().map(|one| &one.arm.point);
    let what = if chosen.iter().all(|one| Some(&one.arm.point) == first) {
        let names: Vec<&str> = chosen.iter().map(|one| one.arm.name.as_str()).collect();
        let at = first.filter(|p| !p.is_only()).map_or(String::new(), |p| format!(" at {p}"));
        format!("{}{at}", names.join(" and "))
    } else {
        format!("{} runs", grouped(chosen.len() as u64))
    };
    let threads = args.threads.unwrap_or_else(|| threads_each(device::n_threads(), args.jobs));
    let s = if threads == 1 { "" } else { "s" };
    let at_a_time = if args.jobs > 1 { format!("{} at a time, ", args.jobs) } else { String::new() };
    let each = if args.jobs > 1 { " each" } else { "" };
    format!("{}: {what} on {}, {at_a_time}{threads} thread{s}{each}", spec.name(), device::name(device))
}

/// One reading for all variants that read the same.
fn read_corpora(arms: &[Arm]) -> Result<Vec<Arc<Prepared>>, ExitCode> {
    let mut distinct: Vec<(&Arm, Arc<Prepared>)> = vec![];
    let mut corpora = vec![];
    for arm in arms {
        let data = match distinct.iter().find(|(other, _)| same_data(other, arm)) {
            Some((_, data)) => data.clone(),
            None => {
                let data = read_data(arm)?;
                distinct.push((arm, data.clone()));
                data
            }
        };
        corpora.push(data);
    }
    Ok(corpora)
}

/// Set by the first Ctrl-C or SIGTERM, so that what is at work ends in order; the second ends the process at once.
pub fn signals() -> Result<Arc<AtomicBool>, String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(RUN_FAILED), interrupted.clone())
            .and_then(|_| signal_hook::flag::register(signal, interrupted.clone()))
            .map_err(|error| format!("cannot listen for signals: {error}"))?;
    }
    Ok(interrupted)
}

/// A few texts from the final weights, as the arm's sampler draws them.
pub fn samples(
    arm: &Arm,
    model: &ValidGraph,
    run: &RunFolder,
    data: &Prepared,
    device: Device,
) -> Result<String, String> {
    const N_TEXTS: u32 = 2;
    let Some((_, tensors)) = newest_weights(run).map_err(|e| e.to_string())? else { return Ok(String::new()) };
    let trained = Trained::new(arm, model, &tensors, device).map_err(|e| e.to_string())?;
    // The context token takes one position.
    let n_tokens = arm.eval.sample_tokens as usize;
    let request = Request::continuation(&[], n_tokens, 0..N_TEXTS, arm.train.seeds.eval);
    let texts = trained.draw_all(&arm.sampler, &request).map_err(|e| e.to_string())?;
    let mut out = String::new();
    for (index, text) in texts.iter().enumerate() {
        out.push_str(&format!(
            "--- text {} of {N_TEXTS}: {} tokens by {}, {} network calls, entropy {:.3} nats a token\n",
            index + 1,
            text.tokens.len(),
            arm.sampler,
            text.n_calls,
            text.entropy
        ));
        out.push_str(&data.codec.decode(&text.tokens, |id| special(arm, id)));
        out.push('\n');
    }
    Ok(out)
}
