//! `dlmc bench`: training steps of one arm, where their time goes, and an evaluation.

mod profile;

use super::{open_device, set_up};
use crate::cli::args::BenchArgs;
use crate::cli::{RUN_FAILED, USAGE, fail, graph, print};
use crate::data::Prepared;
use crate::eval::{Evaluator, valid_rows};
use crate::graph::DimSizes;
use crate::lower::{Timings, device};
use crate::objective;
use crate::train::{Setup, Stepper};
use profile::Profile;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

pub fn run(args: &BenchArgs) -> ExitCode {
    match bench(args) {
        Ok(code) | Err(code) => code,
    }
}

fn bench(args: &BenchArgs) -> Result<ExitCode, ExitCode> {
    if args.steps == 0 {
        return Err(fail("--steps is at least 1", USAGE));
    }
    let device = open_device(&args.device)?;
    let compiled = graph::compiled(&args.spec)?;
    let mut setup = set_up(&compiled, args.arm.as_deref(), args.point.as_deref(), device, &args.no_opt.passes())?;
    let data = setup.data.clone();
    let measured = Measured::new(args, &mut setup, &data)?;
    let validation = match args.validate {
        true => Some(Validation::new(&setup, &data)?),
        false => None,
    };
    if args.json {
        let mut line = measured.json(&setup);
        if let Value::Object(fields) = &mut line {
            if let Some(profile) = &measured.profile {
                fields.insert("profile".into(), profile.json());
            }
            if let Some(validation) = &validation {
                fields.insert("validation".into(), validation.json());
            }
        }
        print(&format!("{line}\n"));
    } else {
        print(&measured.text(&setup));
        if let Some(validation) = &validation {
            print(&validation.text());
        }
        if let Some(profile) = &measured.profile {
            print(&profile.text());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the steps took and gave.
struct Measured {
    /// Median seconds of a step.
    step: f64,
    n_steps: u64,
    /// Of every step, those before the measured ones too.
    losses: Vec<f64>,
    peak_memory: Option<u64>,
    /// Of a step's matrix products: of pruned ones those of the rows that the loss read, on average.
    executed_flops: f64,
    profile: Option<Profile>,
}

impl Measured {
    fn new(args: &BenchArgs, setup: &mut Setup, data: &Arc<Prepared>) -> Result<Measured, ExitCode> {
        let device = setup.device;
        let mut stepper = Stepper::new(setup, data).map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
        let (mut seconds, mut losses, mut read) = (vec![], vec![], 0.0);
        for i in 0..args.warmup + args.steps {
            if i == args.warmup && args.profile {
                stepper.timings = Some(Timings::default());
            }
            let started = Instant::now();
            let record = stepper.advance().map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
            device::synchronize(device);
            if i >= args.warmup {
                seconds.push(started.elapsed().as_secs_f64());
                read += record.masked_fraction / args.steps as f64;
            }
            losses.push(record.loss);
        }
        let all = seconds.iter().sum();
        let profile = stepper.timings.take().map(|timings| Profile::new(timings, args.steps, all));
        let arm = &setup.arm;
        let shape = objective::shape(&arm.objective, arm.data.seq);
        let rows = (read * (arm.train.batch_seqs * shape.targets) as f64).round() as u64;
        let sizes = DimSizes { rows, ..DimSizes::all(arm.train.batch_seqs * shape.rows, shape.time) };
        Ok(Measured {
            step: median(&mut seconds),
            n_steps: args.steps,
            losses,
            // Before an evaluation, which is no part of it.
            peak_memory: device::peak_memory_bytes(device),
            executed_flops: setup.training.executed_flops(sizes),
            profile,
        })
    }

    fn tokens_per_s(&self, setup: &Setup) -> f64 {
        setup.arm.budget.tokens_per_step as f64 / self.step
    }

    fn loss_first(&self) -> f64 {
        self.losses.first().copied().unwrap_or(0.0)
    }

    fn loss_last(&self) -> f64 {
        self.losses.last().copied().unwrap_or(0.0)
    }

    fn json(&self, setup: &Setup) -> Value {
        let arm = &setup.arm;
        let params: u64 = setup.training.program().params.iter().map(|p| p.n_elements()).sum();
        json!({
            "tokens_per_s": self.tokens_per_s(setup),
            "step_ms_median": 1e3 * self.step,
            "params": params,
            "loss_first": self.loss_first(),
            "loss_last": self.loss_last(),
            "losses": self.losses,
            "flops_per_step": setup.flops_per_step,
            "executed_flops_per_step": self.executed_flops,
            "flops_per_s": self.executed_flops / self.step,
            "peak_memory_bytes": self.peak_memory,
            "arm": arm.name,
            "batch": arm.train.batch_seqs,
            "seq": arm.data.seq,
            "vocab": arm.vocab.size,
            "precision": arm.train.precision.name(),
            "device": device::name(setup.device),
            "threads": device::n_threads(),
        })
    }

    fn text(&self, setup: &Setup) -> String {
        let memory = self.peak_memory.map(|bytes| format!(", {:.2} GiB at most", bytes as f64 / f64::from(1 << 30)));
        format!(
            "{}: {:.0} tokens/s, {:.2} ms a step (median of {}), {:.1} GFLOP/s executed, loss {:.4} -> {:.4}{}\n",
            setup.arm.name,
            self.tokens_per_s(setup),
            1e3 * self.step,
            self.n_steps,
            self.executed_flops / self.step / 1e9,
            self.loss_first(),
            self.loss_last(),
            memory.unwrap_or_default(),
        )
    }
}

/// One evaluation of the validation documents with the weights as they are.
struct Validation {
    loss: f64,
    seconds: f64,
    /// Rows that the model read: those of a bound are several for each chunk.
    n_rows: usize,
    n_tokens: usize,
}

impl Validation {
    fn new(setup: &Setup, data: &Arc<Prepared>) -> Result<Validation, ExitCode> {
        let failed = |error: crate::lower::LowerError| fail(&error.to_string(), RUN_FAILED);
        let rows = valid_rows(&setup.arm, data).rows;
        let evaluator = Evaluator::new(&setup.arm, data, &Default::default(), setup.device);
        let started = Instant::now();
        let weights = setup.weights.compute().map_err(failed)?;
        let (found, _) = evaluator.evaluate(&setup.loss, &weights).map_err(failed)?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Validation { loss: found.loss, seconds, n_rows: rows.rows, n_tokens: rows.rows * rows.seq })
    }

    fn tokens_per_s(&self) -> f64 {
        self.n_tokens as f64 / self.seconds
    }

    fn json(&self) -> Value {
        json!({
            "loss": self.loss,
            "seconds": self.seconds,
            "rows": self.n_rows,
            "tokens": self.n_tokens,
            "tokens_per_s": self.tokens_per_s(),
        })
    }

    fn text(&self) -> String {
        let (tokens_per_s, seconds) = (self.tokens_per_s(), self.seconds);
        format!(
            "validation: {tokens_per_s:.0} tokens/s, {} rows in {seconds:.2} s, loss {:.4}\n",
            self.n_rows, self.loss
        )
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match (values.get(n / 2), values.get((n.max(1) - 1) / 2)) {
        (Some(a), Some(b)) => 0.5 * (a + b),
        _ => f64::NAN,
    }
}
