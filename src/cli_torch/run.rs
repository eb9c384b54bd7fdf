//! `dlmc run`

use super::{open_device, read_data, with_graph};
use crate::check::spec::Arm;
use crate::cli::args::RunArgs;
use crate::cli::{RUN_FAILED, fail, graph, report};
use crate::data::Prepared;
use crate::graph::ValidGraph;
use crate::lower::device;
use crate::sample::{Request, Sampler};
use crate::store::metrics::EndReason;
use crate::store::{ExperimentRecord, Lock, RunFolder, SpecSource, run_id};
use crate::train::{self, Limits, Setup};
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
    let chosen: Vec<(Arm, &ValidGraph)> = match &args.arm {
        Some(name) => {
            let (arm, model) = graph::choose(&compiled, Some(name))?;
            vec![(with_graph(arm, model), model)]
        }
        None => {
            compiled.spec.variants().iter().zip(&compiled.models).map(|(a, m)| (with_graph(a, m), m.as_ref())).collect()
        }
    };
    let limits = limits(args)?;
    // Every corpus is read before anything is written.
    let mut corpora: Vec<Arc<Prepared>> = vec![];
    for (i, (arm, _)) in chosen.iter().enumerate() {
        let same = chosen.iter().take(i).position(|(other, _)| {
            other.data == arm.data && other.vocab == arm.vocab && other.train.seeds == arm.train.seeds
        });
        let data = match same.and_then(|j| corpora.get(j)) {
            Some(data) => data.clone(),
            None => read_data(arm)?,
        };
        corpora.push(data);
    }
    let experiment = ExperimentRecord::of(&compiled.spec);
    let folder = args.out.join(&experiment.name);
    let store_failed = |error: crate::store::StoreError| fail(&error.to_string(), RUN_FAILED);
    std::fs::create_dir_all(&folder).map_err(|error| fail(&format!("{}: {error}", folder.display()), RUN_FAILED))?;
    experiment.write(&folder).map_err(store_failed)?;
    eprintln!(
        "{}: {} on {}, {} threads",
        experiment.name,
        chosen.iter().map(|(a, _)| a.name.as_str()).collect::<Vec<_>>().join(" and "),
        device::name(device),
        device::n_threads()
    );
    let set = args.spec.set.iter().map(|over| (over.path.clone(), over.value.clone())).collect();
    let source = SpecSource { files: compiled.files.clone(), set };
    let mut stopped = false;
    for ((arm, model), data) in chosen.iter().zip(corpora) {
        let id = run_id(arm, &data.data_hash);
        let run = RunFolder::create(&args.out, &experiment.name, &arm.name, &id).map_err(store_failed)?;
        match one(arm, model, data, &run, &experiment.name, &source, &limits, device) {
            Ok(EndReason::Finished) => {}
            Ok(reason) => {
                stopped = true;
                eprintln!("{:>8}  stopped: {}; `dlmc run` again goes on from here", arm.name, reason.words());
                if reason == EndReason::Interrupted {
                    break;
                }
            }
            Err(message) => {
                // A failed arm is shown in the report beside the others.
                fail(&message, RUN_FAILED);
                report::report(&folder, &experiment, false);
                return Err(ExitCode::from(RUN_FAILED));
            }
        }
    }
    let strict = args.strict && !stopped;
    Ok(report::report(&folder, &experiment, strict))
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
    run: &RunFolder,
    experiment: &str,
    source: &SpecSource,
    limits: &Limits,
    device: Device,
) -> Result<EndReason, String> {
    let mut setup = Setup::new(arm, model, data.clone(), device).map_err(|e| e.to_string())?;
    let mut lock = Lock::of_arm(experiment, arm, &run.name());
    lock.source = source.clone();
    lock.data_hash = data.data_hash.clone();
    lock.valid_hash = data.valid_hash.clone();
    lock.code = crate::train::setup::code_version();
    lock.libtorch = device::libtorch_version();
    lock.threads = device::n_threads() as u64;
    let result = train::run(&mut setup, experiment, run, &mut lock, limits).map_err(|e| e.to_string())?;
    if result.reason == EndReason::Finished && arm.eval.sample_tokens > 0 && !run.samples_path().exists() {
        let text = samples(&setup).map_err(|e| e.to_string())?;
        run.write_samples(&text).map_err(|e| e.to_string())?;
    }
    Ok(result.reason)
}

/// A few texts from the final weights.
fn samples(setup: &Setup) -> Result<String, crate::lower::LowerError> {
    const N_TEXTS: u32 = 2;
    let arm = &setup.arm;
    let weights = setup.weights.compute()?;
    let sampler = Sampler { model: &setup.model, weights: &weights, vocab: arm.vocab, device: setup.device };
    // The context token takes one position.
    let n_tokens = arm.eval.sample_tokens.min(arm.data.seq - 1);
    let mut out = String::new();
    for index in 0..N_TEXTS {
        let request =
            Request { prompt: vec![], n_tokens, temperature: 1.0, steps: n_tokens, seed: arm.train.seeds.eval, index };
        let sampled = sampler.generate(&arm.objective, &request)?;
        out.push_str(&format!(
            "--- text {} of {N_TEXTS}: {} tokens, {} network calls, entropy {:.3} nats a token\n",
            index + 1,
            sampled.tokens.len(),
            sampled.n_calls,
            sampled.entropy
        ));
        out.push_str(&setup.data.codec.decode(&sampled.tokens, |id| super::sample::special(arm, id)));
        out.push('\n');
    }
    Ok(out)
}
