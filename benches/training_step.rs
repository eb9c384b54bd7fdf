//! Time of a training step of the quickstart's model, by precision and attention pattern:
//! `cargo bench --features torch --bench training_step [-- --profile] [-- --threads 2]`.
//! A step is forward, backward, clipping and AdamW on a batch that is already there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/support/mod.rs"]
mod support;

use dlmc::check::spec::{AdamW, Precision};
use dlmc::graph::ops::Input;
use dlmc::graph::training::training_graph;
use dlmc::lower::execute::Timings;
use dlmc::lower::{AdamWState, Executable, GradBuffer, Weights, device};
use dlmc::objective::Pattern;
use dlmc::program::flatten;
use std::time::Instant;
use support::{Draws, decoder};
use tch::{Device, Kind, Tensor};

const MODEL: &str = "decoder(layers: 4, dim: 128, heads: 4, ffn: 344, tied: false)";
const VOCAB: u64 = 320;
const LIVE: u64 = 257;
const BATCH: usize = 32;
const SEQ: usize = 128;
const OPTIMIZER: AdamW = AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
const WARM_UP: u64 = 5;
const STEPS: u64 = 30;

/// Tokens of which, in a diffusion batch, half weigh nothing.
fn batch(pattern: Pattern) -> Vec<(Input, Tensor)> {
    let mut draws = Draws::new(1);
    let shape = [BATCH as i64, SEQ as i64];
    let ids =
        |draws: &mut Draws| Tensor::from_slice(&draws.ids(&[BATCH, SEQ], LIVE).data).to_kind(Kind::Int64).view(shape);
    let weights: Vec<f32> = (0..BATCH * SEQ)
        .map(|_| if pattern == Pattern::Full && draws.below(2) == 0 { 0.0 } else { 1.0 / (BATCH * SEQ) as f32 })
        .collect();
    let (tokens, targets) = (ids(&mut draws), ids(&mut draws));
    let weights = Tensor::from_slice(&weights).view(shape);
    vec![(Input::Tokens, tokens), (Input::Targets, targets), (Input::Weights, weights)]
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--threads") {
        device::set_n_threads(arguments[at + 1].parse().unwrap());
    }
    println!("libtorch {}, {} threads, {MODEL}, {BATCH} x {SEQ}", device::libtorch_version(), device::n_threads());
    for precision in [Precision::Bf16, Precision::Fp32] {
        for pattern in [Pattern::Causal, Pattern::Full] {
            measure(precision, pattern, arguments.iter().any(|a| a == "--profile"));
        }
    }
}

fn measure(precision: Precision, pattern: Pattern, is_profiled: bool) {
    let graph = training_graph(&decoder(MODEL, pattern, VOCAB, SEQ as u64), LIVE).unwrap();
    let program = flatten(&graph);
    let mut weights = Weights::init(&program.params, 1, precision, Device::Cpu).unwrap();
    let mut state = AdamWState::new(&weights).unwrap();
    let mut grads = GradBuffer::new(&weights).unwrap();
    let executable = Executable::new(program, precision, Device::Cpu);
    let inputs = batch(pattern);
    let mut times = vec![];
    let mut timings = Timings::new();
    let mut loss = 0.0;
    for step in 1..=WARM_UP + STEPS {
        let start = Instant::now();
        let params = weights.compute().unwrap();
        let outputs = if is_profiled && step > WARM_UP {
            executable.run_timed(&params, &inputs, &mut timings)
        } else {
            executable.run(&params, &inputs)
        };
        let outputs = outputs.unwrap();
        let ran = start.elapsed().as_secs_f64();
        grads.accumulate(&outputs.grads).unwrap();
        state.step(&mut weights, &mut grads, &OPTIMIZER, 1e-3, Some(1.0), step).unwrap();
        loss = f64::try_from(&outputs.named["loss"]).unwrap();
        if step > WARM_UP {
            times.push(start.elapsed().as_secs_f64());
            if is_profiled {
                let (seconds, calls) = timings.entry("(update)").or_default();
                *seconds += start.elapsed().as_secs_f64() - ran;
                *calls += 1;
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let rate = (BATCH * SEQ) as f64 / median;
    println!(
        "{} {}: {:.1} ms a step (fastest {:.1}), {rate:.0} tokens/s, loss {loss:.4}",
        precision.name(),
        pattern.name(),
        1e3 * median,
        1e3 * times[0]
    );
    let mut rows: Vec<_> = timings.into_iter().collect();
    rows.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    for (op, (seconds, calls)) in rows {
        println!("  {op:20} {:8.3} ms  {:4} calls", 1e3 * seconds / STEPS as f64, calls / STEPS);
    }
}
