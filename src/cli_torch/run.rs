//! `dlmc run`

use super::sample::{newest_weights, special};
use super::{asked, open_device, read_data, with_data, with_graph};
use crate::check::CheckedSpec;
use crate::check::spec::Arm;
use crate::cli::args::RunArgs;
use crate::cli::data::same_data;
use crate::cli::{RUN_FAILED, fail, graph, report};
use crate::data::Prepared;
use crate::decode::Request;
use crate::eval::Asked;
use crate::graph::ValidGraph;
use crate::lower::device;
use crate::sample::Trained;
use crate::store::metrics::EndReason;
use crate::store::{ExperimentRecord, Lock, RunEntry, RunFolder, SpecSource, StoreError, run_id, run_name};
use crate::train::{self, Limits, Setup};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
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

fn run_all(args: &RunArgs) -> Result<ExitCode, ExitCode> {
    let device = open_device(&args.device)?;
    let compiled = graph::compiled(&args.spec)?;
    let spec = &compiled.spec;
    let chosen: Vec<(Arm, &ValidGraph)> = graph::select(&compiled, args.arm.as_deref(), args.point.as_deref())?
        .into_iter()
        .filter_map(|i| Some((spec.variants().get(i)?, compiled.models.get(i)?)))
        .map(|(arm, model)| (with_graph(arm, model), model.as_ref()))
        .collect();
    let limits = limits(args)?;
    // Every corpus is read before anything is written.
    let corpora = read_corpora(&chosen)?;
    let known = |((arm, model), data): ((Arm, _), &Arc<Prepared>)| (with_data(&arm, data), model);
    let chosen: Vec<(Arm, &ValidGraph)> = chosen.into_iter().zip(&corpora).map(known).collect();
    let (chosen, asked) = asked::read(chosen, &corpora)?;
    let folder = args.out.join(spec.name());
    let store_failed = |error: StoreError| fail(&error.to_string(), RUN_FAILED);
    let runs: Vec<(RunFolder, String)> =
        folders(&args.out, &folder, spec.name(), &chosen, &corpora).map_err(store_failed)?;
    let entry = |((arm, _), (run, _)): (&(Arm, &ValidGraph), &(RunFolder, String))| RunEntry {
        arm: arm.name.clone(),
        point: arm.point.name(),
        folder: run.name(),
    };
    let mut experiment = ExperimentRecord::of(spec);
    let earlier = ExperimentRecord::read(&folder).ok();
    experiment.note_runs(chosen.iter().zip(&runs).map(entry).collect(), earlier.as_ref());
    experiment.write(&folder).map_err(store_failed)?;
    eprintln!("{}", headline(spec, &chosen, device));
    let set = args.spec.set.iter().map(|over| (over.path.clone(), over.value.clone())).collect();
    let source = SpecSource { files: compiled.files.clone(), set };
    let mut stopped = false;
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for ((((arm, model), data), asked), (run, id)) in chosen.iter().zip(corpora).zip(asked).zip(&runs) {
        // Variants that come out the same are one run.
        if !done.insert(id) {
            continue;
        }
        match one(arm, model, data, asked, run, &experiment.name, &source, &limits, device) {
            Ok(EndReason::Finished) => {}
            Ok(reason) => {
                stopped = true;
                eprintln!("{:>8}  stopped: {}; `dlmc run` again goes on from here", arm.title(), reason.words());
                if reason == EndReason::Interrupted {
                    break;
                }
            }
            Err(message) => {
                // A failed arm is shown in the report beside the others.
                fail(&message, RUN_FAILED);
                report::report(&folder, &experiment, false, false);
                return Err(ExitCode::from(RUN_FAILED));
            }
        }
    }
    let strict = args.strict && !stopped;
    Ok(report::report(&folder, &experiment, strict, false))
}

/// `quickstart: ar and mdm on cpu, 2 threads`, `e: 2 arms x 5 points = 10 runs on cpu, 2 threads`
fn headline(spec: &CheckedSpec, chosen: &[(Arm, &ValidGraph)], device: Device) -> String {
    let first = chosen.first().map(|(arm, _)| &arm.point);
    let what = if chosen.iter().all(|(arm, _)| Some(&arm.point) == first) {
        let names: Vec<&str> = chosen.iter().map(|(arm, _)| arm.name.as_str()).collect();
        let at = first.filter(|p| !p.is_only()).map_or(String::new(), |p| format!(" at {p}"));
        format!("{}{at}", names.join(" and "))
    } else {
        format!("{} runs", chosen.len())
    };
    format!("{}: {what} on {}, {} threads", spec.name(), device::name(device), device::n_threads())
}

/// One corpus for all variants that read the same.
fn read_corpora(chosen: &[(Arm, &ValidGraph)]) -> Result<Vec<Arc<Prepared>>, ExitCode> {
    let mut distinct: Vec<(&Arm, Arc<Prepared>)> = vec![];
    let mut corpora = vec![];
    for (arm, _) in chosen {
        let same = |(other, _): &&(&Arm, Arc<Prepared>)| same_data(other, arm);
        let data = match distinct.iter().find(same) {
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

/// The folder and the id of each variant's run; a run that is there under another name is that run.
fn folders(
    out: &Path,
    experiment: &Path,
    name: &str,
    chosen: &[(Arm, &ValidGraph)],
    corpora: &[Arc<Prepared>],
) -> Result<Vec<(RunFolder, String)>, StoreError> {
    let id_of = |run: &RunFolder| run.name().rsplit_once('-').map_or(String::new(), |(_, id)| id.to_string());
    let mut by_id: BTreeMap<String, RunFolder> =
        RunFolder::list(experiment).into_iter().map(|run| (id_of(&run), run)).collect();
    let mut all = vec![];
    for ((arm, _), data) in chosen.iter().zip(corpora) {
        let id = run_id(arm, &data.data_hash);
        let run = match by_id.get(&id) {
            Some(run) => run.clone(),
            None => RunFolder::create(out, name, &run_name(arm), &id)?,
        };
        by_id.insert(id.clone(), run.clone());
        all.push((run, id));
    }
    Ok(all)
}

fn limits(args: &RunArgs) -> Result<Limits, ExitCode> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal ends the process at once; the first lets the step finish.
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(RUN_FAILED), interrupted.clone())
            .and_then(|_| signal_hook::flag::register(signal, interrupted.clone()))
            .map_err(|error| fail(&format!("cannot listen for signals: {error}"), RUN_FAILED))?;
    }
    let deadline = args.time_limit.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
    Ok(Limits { steps: args.steps, deadline, interrupted })
}

/// Trains one arm and writes its samples. An error is the message of a failed run.
fn one(
    arm: &Arm,
    model: &ValidGraph,
    data: Arc<Prepared>,
    asked: Asked,
    run: &RunFolder,
    experiment: &str,
    source: &SpecSource,
    limits: &Limits,
    device: Device,
) -> Result<EndReason, String> {
    let wants_samples = arm.eval.sample_tokens > 0 && !run.samples_path().exists();
    if !wants_samples && train::is_finished(run).map_err(|e| e.to_string())? {
        return Ok(EndReason::Finished);
    }
    let mut setup = Setup::new(arm, model, data.clone(), device).map_err(|e| e.to_string())?;
    setup.asked = asked;
    let mut lock = Lock::of_arm(experiment, arm, &run.name());
    lock.source = source.clone();
    lock.data_hash = data.data_hash.clone();
    lock.valid_hash = data.valid_hash.clone();
    lock.code = crate::train::setup::code_version();
    lock.libtorch = device::libtorch_version();
    lock.threads = device::n_threads() as u64;
    let result = train::run(&mut setup, experiment, run, &mut lock, limits).map_err(|e| e.to_string())?;
    if result.reason == EndReason::Finished && arm.eval.sample_tokens > 0 && !run.samples_path().exists() {
        let text = samples(arm, model, run, &data, device)?;
        run.write_samples(&text).map_err(|e| e.to_string())?;
    }
    Ok(result.reason)
}

/// A few texts from the final weights, as the arm's sampler draws them.
fn samples(arm: &Arm, model: &ValidGraph, run: &RunFolder, data: &Prepared, device: Device) -> Result<String, String> {
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
