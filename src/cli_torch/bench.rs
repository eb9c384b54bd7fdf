//! `dlmc bench`

use super::{open_device, set_up};
use crate::cli::args::BenchArgs;
use crate::cli::{RUN_FAILED, USAGE, fail, graph, print};
use crate::lower::execute::Timings;
use crate::train::Stepper;
use serde_json::json;
use std::process::ExitCode;
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
    let (flops, arm) = (setup.flops_per_step, setup.arm.clone());
    let params: u64 = setup.training.program().params.iter().map(|p| p.n_elements()).sum();
    let mut stepper = Stepper::new(&mut setup, &data).map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
    let (mut seconds, mut losses) = (vec![], vec![]);
    for i in 0..args.warmup + args.steps {
        if i == args.warmup && args.profile {
            stepper.timings = Some(Timings::new());
        }
        let started = Instant::now();
        let record = stepper.advance().map_err(|e| fail(&e.to_string(), RUN_FAILED))?;
        if i >= args.warmup {
            seconds.push(started.elapsed().as_secs_f64());
        }
        losses.push(record.loss);
    }
    let median = median(&mut seconds);
    let tokens_per_s = arm.budget.tokens_per_step as f64 / median;
    let (first, last) = (losses.first().copied().unwrap_or(0.0), losses.last().copied().unwrap_or(0.0));
    if args.json {
        let line = json!({
            "tokens_per_s": tokens_per_s,
            "step_ms_median": 1e3 * median,
            "params": params,
            "loss_first": first,
            "loss_last": last,
            "flops_per_s": flops / median,
            "arm": arm.name,
            "precision": arm.train.precision.name(),
            "peak_memory_bytes": crate::lower::device::peak_memory_bytes(device),
            "device": crate::lower::device::name(device),
            "threads": crate::lower::device::n_threads(),
        });
        print(&format!("{line}\n"));
    } else {
        print(&format!(
            "{}: {tokens_per_s:.0} tokens/s, {:.2} ms a step (median of {}), {:.1} GFLOP/s counted, loss {first:.4} -> {last:.4}\n",
            arm.name,
            1e3 * median,
            args.steps,
            flops / median / 1e9
        ));
    }
    if let Some(timings) = &stepper.timings {
        let steps = args.steps as f64;
        let mut table: Vec<_> = timings.iter().collect();
        table.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let total: f64 = table.iter().map(|(_, (seconds, _))| seconds).sum();
        for (name, (seconds, calls)) in table {
            eprintln!(
                "{name:>20}  {:>6.0} calls  {:>8.3} ms a step  {:>5.1}%",
                *calls as f64 / steps,
                1e3 * seconds / steps,
                100.0 * seconds / total
            );
        }
        let rest = 1e3 * (seconds.iter().sum::<f64>() - total) / steps;
        eprintln!("{:>20}  {:>12}  {rest:>8.3} ms a step outside the program (data, draws, update)", "rest", "");
    }
    Ok(ExitCode::SUCCESS)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match (values.get(n / 2), values.get((n.max(1) - 1) / 2)) {
        (Some(a), Some(b)) => 0.5 * (a + b),
        _ => f64::NAN,
    }
}
