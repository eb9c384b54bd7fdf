//! `dlmc sample`

use super::{open_device, read_data};
use crate::base::source::Memory;
use crate::check::spec::Arm;
use crate::cli::args::SampleArgs;
use crate::cli::{RUN_FAILED, USAGE, env, fail, front, graph, print, render};
use crate::resolve::Override;
use crate::sample::{Request, Sampler};
use crate::store::{Lock, RunFolder, latest_checkpoint, read_checkpoint};
use crate::train::Setup;
use crate::train::checkpoint::MODEL;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// How an id that is no text is shown.
pub fn special(arm: &Arm, id: u32) -> String {
    match u64::from(id) {
        id if id == arm.vocab.eod => "<end of document>".into(),
        id if Some(id) == arm.vocab.mask => "<mask>".into(),
        id => format!("<{id}>"),
    }
}

pub fn run(args: &SampleArgs) -> ExitCode {
    match sample(args) {
        Ok(code) | Err(code) => code,
    }
}

fn sample(args: &SampleArgs) -> Result<ExitCode, ExitCode> {
    if args.tokens == 0 || args.count == 0 || args.temperature.is_nan() || args.temperature < 0.0 {
        return Err(fail("--tokens and --count are at least 1, --temperature at least 0", USAGE));
    }
    let device = open_device(&args.device)?;
    let folder = RunFolder::at(&args.run);
    let lock: Lock = folder.read_lock().map_err(|error| {
        fail(&format!("{error}\n  = help: name a run's folder, for example runs/quickstart/ar-0123..."), USAGE)
    })?;
    let Some((step, checkpoint)) = latest_checkpoint(&folder.checkpoints_path()) else {
        return Err(fail(&format!("`{}` has no checkpoint yet", args.run.display()), RUN_FAILED));
    };
    let compiled = compile_lock(&lock)?;
    let point = (!lock.point.is_empty()).then_some(lock.point.as_str());
    let (arm, model) = graph::choose(&compiled, Some(&lock.arm), point)?;
    let data = read_data(arm)?;
    let mut setup = Setup::new(arm, model, data, device).map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
    let saved = read_checkpoint(&checkpoint).map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
    let tensors = saved.files.get(MODEL).map_or(&[][..], Vec::as_slice);
    setup
        .weights
        .import(tensors)
        .map_err(|e| fail(&format!("the spec no longer fits the run's weights: {e}"), RUN_FAILED))?;
    let prompt = setup.data.codec.encode(&args.prompt).map_err(|e| {
        let diagnostic = e.diagnose(&arm.data);
        fail(&format!("--prompt: {}", diagnostic.message), USAGE)
    })?;
    let room = arm.data.seq - 1;
    if prompt.len() as u64 + args.tokens > room {
        let message = format!(
            "a prompt of {} and {} new tokens do not fit the model's {room} positions after the first",
            prompt.len(),
            args.tokens
        );
        return Err(fail(&message, USAGE));
    }
    let weights = setup.weights.compute().map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
    let sampler = Sampler { model: &setup.model, weights: &weights, vocab: arm.vocab, device };
    for index in 0..args.count {
        let request = Request {
            prompt: prompt.clone(),
            n_tokens: args.tokens,
            temperature: args.temperature,
            steps: args.steps.unwrap_or(args.tokens),
            seed: args.seed,
            index: index as u32,
        };
        let started = Instant::now();
        let sampled = sampler.generate(&arm.objective, &request).map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
        let seconds = started.elapsed().as_secs_f64();
        let text = setup.data.codec.decode(&sampled.tokens, |id| special(arm, id));
        print(&format!("{}{text}\n", args.prompt));
        eprintln!(
            "--- text {} of {}, step {step}: {} tokens, {} network calls, {:.0} tokens/s, entropy {:.3} nats a token",
            index + 1,
            args.count,
            sampled.tokens.len(),
            sampled.n_calls,
            sampled.tokens.len() as f64 / seconds,
            sampled.entropy
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The spec as it was run: the texts in the lock and every value that was set.
fn compile_lock(lock: &Lock) -> Result<front::Compiled, ExitCode> {
    let files = lock.source.files.iter().map(|(name, text)| (PathBuf::from(name), text.clone())).collect();
    let Some((main, _)) = lock.source.files.first() else {
        return Err(fail("the lock holds no spec", RUN_FAILED));
    };
    let set: Vec<Override> =
        lock.source.set.iter().map(|(path, value)| Override { path: path.clone(), value: value.clone() }).collect();
    let outcome = front::compile(Path::new(main), &Memory(files), Some(&lock.experiment), &set, None);
    outcome.compiled.ok_or_else(|| {
        eprint!("{}", render::human(&outcome.diagnostics, &outcome.sources, env::color()));
        fail("the spec in the lock does not compile with this dlmc", RUN_FAILED)
    })
}
