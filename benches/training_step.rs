//! Time of a training step of the quickstart's model, by precision and attention pattern:
//! `cargo bench --features torch --bench training_step`. A step is forward, backward, clipping and
//! AdamW on a batch that is already there. `dlmc bench SPEC --profile` shows where it goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dlmc::check::spec::{AdamW, Precision};
use dlmc::graph::ops::Input;
use dlmc::graph::training::training_graph;
use dlmc::lower::{AdamWState, Executable, GradBuffer, Weights};
use dlmc::objective::Pattern;
use dlmc::program::flatten;
use support::{Draws, decoder};
use tch::{Device, Kind, Tensor};

const MODEL: &str = "decoder(layers: 4, dim: 128, heads: 4, ffn: 344, tied: false)";
const VOCAB: u64 = 320;
const LIVE: u64 = 257;
const BATCH: usize = 32;
const SEQ: usize = 128;
const OPTIMIZER: AdamW = AdamW { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
/// Few samples: a step takes a tenth of a second.
const SAMPLES: usize = 20;

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

fn training_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("training_step");
    group.sample_size(SAMPLES).throughput(Throughput::Elements((BATCH * SEQ) as u64));
    for precision in [Precision::Bf16, Precision::Fp32] {
        for pattern in [Pattern::Causal, Pattern::Full] {
            let graph =
                training_graph(&decoder(MODEL, pattern, VOCAB, SEQ as u64), LIVE, dlmc::objective::Loss::CrossEntropy)
                    .unwrap();
            let program = flatten(&graph);
            let mut weights = Weights::init(&program.params, 1, precision, Device::Cpu).unwrap();
            let mut state = AdamWState::new(&weights).unwrap();
            let mut grads = GradBuffer::new(&weights).unwrap();
            let executable = Executable::new(program, precision, Device::Cpu);
            let inputs = batch(pattern);
            let mut step = 0;
            group.bench_function(format!("{} {}", precision.name(), pattern.name()), |b| {
                b.iter(|| {
                    step += 1;
                    let params = weights.compute().unwrap();
                    let outputs = executable.run(&params, &inputs).unwrap();
                    grads.accumulate(&outputs.grads).unwrap();
                    state.step(&mut weights, &mut grads, &OPTIMIZER, 1e-3, Some(1.0), step).unwrap();
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, training_step);
criterion_main!(benches);
