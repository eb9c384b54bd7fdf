//! Every pass of the optimizer, alone and with the others, against the graph as it was: the same loss, the same loss
//! at each position that is read, the same gradients. In f64 through the interpreter, which shares nothing with the
//! passes; with libtorch in the precisions that train.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::Precision;
use dlmc::graph::training::training_graph;
use dlmc::graph::{DimSizes, ValidGraph, text};
use dlmc::objective::{Loss, Pattern};
use dlmc::optimize::{self, Goal, Pass, Passes, Room};
use dlmc::program::{Conditions, Place};
use dlmc::reference::{Bindings, evaluate};
use support::{LIVE, VOCAB, bindings, decoder, distance, hand, model};

/// Sums in another order, no more.
const F64_TOLERANCE: f64 = 1e-10;

const GOAL: Goal = Goal { live: LIVE, loss: Loss::CrossEntropy, reads_some: true };

/// Models with everything that passes look for or have to leave alone.
fn models() -> Vec<(String, ValidGraph)> {
    let mut all = vec![];
    for (call, pattern) in [
        ("decoder(layers: 2, dim: 16, heads: 2, ffn: 20, tied: true)", Pattern::Full),
        ("decoder(layers: 1, dim: 8, heads: 1, ffn: 6, tied: false)", Pattern::Full),
        ("decoder(layers: 3, dim: 16, heads: 4, ffn: 6, tied: false)", Pattern::TwoStream { block: 3 }),
        (
            "decoder(layers: 2, dim: 16, heads: 2, ffn: 20, attention_dropout: 0.2, residual_dropout: 0.1, \
             ffn_dropout: 0.5, embedding_dropout: 0.3)",
            Pattern::Causal,
        ),
    ] {
        all.push((call.to_string(), decoder(call, pattern, VOCAB, 16)));
    }
    let dropped = model(support::layers::DROPPED, "dropped(dim: 8, rate: 0.3)", Pattern::Full, VOCAB, 16);
    all.push(("dropped".into(), dropped));
    for pattern in ["A", "AAAB", "AAABAAAB", "ABAB"] {
        all.push((pattern.into(), hand::patterned(pattern, VOCAB)));
    }
    for tied in [true, false] {
        all.push((format!("everything, tied: {tied}"), hand::everything(tied, VOCAB)));
    }
    all.push(("lists of lists".into(), hand::lists_of_lists(VOCAB)));
    all.push(("two stacks".into(), hand::two_stacks(VOCAB)));
    all
}

fn choices() -> Vec<(String, Passes)> {
    let mut all: Vec<(String, Passes)> =
        Pass::ALL.into_iter().map(|pass| (pass.name().to_string(), Passes::only(pass))).collect();
    all.extend(
        Pass::ALL.into_iter().map(|pass| (format!("without {}", pass.name()), Passes::default().without(&[pass]))),
    );
    all.push(("all".into(), Passes::default()));
    all
}

/// The largest distance of any output or gradient.
fn distance_of(a: &ValidGraph, b: &ValidGraph, bindings: &Bindings) -> (String, f64) {
    let (a, b) = (evaluate(a, bindings).unwrap(), evaluate(b, bindings).unwrap());
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let weights = &bindings.inputs[&dlmc::graph::ops::Input::Weights].data;
    let of = |name: &String| {
        // What the loss does not read may be anything.
        let read = |data: &[f64]| -> Vec<f64> {
            let all = data.iter().zip(weights.iter().chain(std::iter::repeat(&1.0)));
            all.filter(|(_, w)| name != "nll" || **w != 0.0).map(|(x, _)| *x).collect()
        };
        (name.clone(), distance(&read(&a[name].data), &read(&b[name].data)))
    };
    a.keys().map(of).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

#[test]
fn passes_change_nothing_in_f64() {
    for (name, model) in models() {
        let plain = training_graph(&model, LIVE, Loss::CrossEntropy).unwrap();
        let bindings = bindings(&plain, 7, 3, 6);
        for (which, passes) in choices() {
            let optimized = optimize::training(&model, GOAL, &passes).unwrap();
            let (worst, distance) = distance_of(&optimized, &plain, &bindings);
            assert!(distance <= F64_TOLERANCE, "{name}, {which}: {worst} is off by {distance:e}");
        }
    }
}

/// Of batches so large that activations are most of what a step holds.
fn conditions(precision: Precision) -> Conditions {
    Conditions { sizes: DimSizes::all(64, 64), precision, place: Place::Cpu, average: false, noisy: false }
}

/// Rooms between all and next to nothing that are tried, about.
const STEPS: u64 = 12;

/// In ever less room, until no less is to be had: every choice of what is computed again, a peak that falls, and the
/// same numbers.
#[test]
fn less_room_changes_nothing_in_f64() {
    let mut n_fitted = 0;
    for (name, model) in models() {
        let plain = training_graph(&model, LIVE, Loss::CrossEntropy).unwrap();
        let bindings = bindings(&plain, 7, 3, 6);
        for passes in [Passes::only(Pass::Recompute), Passes::default()] {
            let of = conditions(Precision::Fp64);
            let mut bytes = u64::MAX;
            loop {
                let fitted = optimize::training_within(&model, GOAL, &passes, Room { bytes, of }).unwrap();
                if bytes == u64::MAX {
                    assert_eq!(fitted.n_recomputed, 0);
                } else if fitted.fits() {
                    n_fitted += 1;
                }
                let (worst, distance) = distance_of(&fitted.graph, &plain, &bindings);
                assert!(distance <= F64_TOLERANCE, "{name} in {bytes}: {worst} is off by {distance:e}");
                if !fitted.fits() {
                    break;
                }
                bytes = fitted.memory.peak() - 1 - fitted.memory.activations / STEPS;
            }
        }
    }
    assert!(n_fitted > 50, "{n_fitted}");
}

#[test]
fn nothing_is_pruned_where_the_loss_reads_all() {
    let model = decoder("decoder(layers: 2, dim: 16, heads: 2, ffn: 20)", Pattern::Causal, VOCAB, 16);
    let goal = Goal { reads_some: false, ..GOAL };
    let graph = optimize::training(&model, goal, &Passes::only(Pass::PruneRows)).unwrap();
    let plain = training_graph(&model, LIVE, Loss::CrossEntropy).unwrap();
    assert_eq!(text::text(graph.graph(), true), text::text(plain.graph(), true));
}

/// What each pass makes of a decoder.
#[test]
fn snapshots() {
    let call = "decoder(layers: 2, dim: 16, heads: 2, ffn: 20, tied: false)";
    let model = decoder(call, Pattern::Full, VOCAB, 16);
    // Without a limit nothing is computed again.
    for pass in Pass::ALL.into_iter().filter(|pass| *pass != Pass::Recompute) {
        let graph = optimize::training(&model, GOAL, &Passes::only(pass)).unwrap();
        insta::assert_snapshot!(format!("pass_{}", pass.name()), text::text(graph.graph(), true));
    }
    let graph = optimize::training(&model, GOAL, &Passes::default()).unwrap();
    insta::assert_snapshot!("pass_all", text::text(graph.graph(), true));
    let room = Room { bytes: 0, of: conditions(Precision::Fp32) };
    let fitted = optimize::training_within(&model, GOAL, &Passes::default(), room).unwrap();
    insta::assert_snapshot!("pass_all_in_little_room", text::text(fitted.graph.graph(), true));
}

/// The same on libtorch, where programs write gradients in place.
#[cfg(feature = "torch")]
mod lowered {
    use super::*;
    use dlmc::check::spec::Precision;
    use dlmc::graph::Array;
    use dlmc::graph::ops::Input;
    use dlmc::lower::{Executable, GradBuffer, Weights};
    use dlmc::program::flatten;
    use std::collections::BTreeMap;
    use tch::{Device, Kind, Tensor};

    /// Of a tensor, relative, against the unoptimized graph: fp32 sums in another order.
    const FP32_TOLERANCE: f64 = 1e-5;
    /// How much larger the bf16 error against f64 may be than the unoptimized graph's, over all gradients.
    const BF16_FACTOR: f64 = 1.1;

    fn tensors(bindings: &Bindings) -> Vec<(Input, Tensor)> {
        let tensor = |(input, array): (&Input, &Array)| {
            let shape: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
            let kind = match input {
                Input::Weights | Input::NoiseLevel | Input::Alpha | Input::Uniform => Kind::Double,
                Input::Tokens | Input::Positions | Input::Targets | Input::Draw => Kind::Int64,
                Input::Rows | Input::Places => Kind::Int64,
            };
            (*input, Tensor::from_slice(&array.data).view(&shape[..]).to_kind(kind))
        };
        bindings.inputs.iter().map(tensor).collect()
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
    }

    /// Loss and gradients of two micro-batches, the second the same as the first.
    fn run(graph: &ValidGraph, bindings: &Bindings, precision: Precision) -> BTreeMap<String, Vec<f64>> {
        tch::set_num_threads(1);
        let program = flatten(graph);
        let paths: Vec<String> = program.params.iter().map(|p| p.path.clone()).collect();
        let mut weights = Weights::init(&program.params, 1, precision, Device::Cpu).unwrap();
        for (path, value) in &bindings.params {
            weights.set(path, &value.data).unwrap();
        }
        let mut grads = GradBuffer::new(&weights).unwrap();
        let executable = Executable::new(program, precision, Device::Cpu);
        let compute = weights.compute().unwrap();
        let mut out = BTreeMap::new();
        for _ in 0..2 {
            let outputs = executable.run_into(&compute, &tensors(bindings), &mut grads, None).unwrap();
            out.insert("loss".to_string(), values(&outputs.named["loss"]));
        }
        out.extend(paths.into_iter().zip(grads.views()).map(|(path, grad)| (path, values(grad))));
        out
    }

    fn worst(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> (String, f64) {
        let of = |name: &String| (name.clone(), distance(&a[name], &b[name]));
        a.keys().map(of).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    }

    #[test]
    fn passes_change_nothing_in_fp32() {
        for (name, model) in models() {
            let plain = training_graph(&model, LIVE, Loss::CrossEntropy).unwrap();
            let bindings = bindings(&plain, 7, 3, 6);
            let wanted = run(&plain, &bindings, Precision::Fp32);
            for (which, passes) in choices() {
                let optimized = optimize::training(&model, GOAL, &passes).unwrap();
                let (worst, distance) = worst(&run(&optimized, &bindings, Precision::Fp32), &wanted);
                assert!(distance <= FP32_TOLERANCE, "{name}, {which}: {worst} is off by {distance:e}");
            }
        }
    }

    /// Over seeds, since one error of few bits says little.
    #[test]
    fn passes_lose_no_precision_in_bf16() {
        let call = "decoder(layers: 3, dim: 64, heads: 4, ffn: 96, tied: false)";
        let model = decoder(call, Pattern::Full, VOCAB, 32);
        let plain = training_graph(&model, LIVE, Loss::CrossEntropy).unwrap();
        let errors = |graph: &ValidGraph| -> f64 {
            let error = |seed| {
                let mut bindings = bindings(&plain, seed, 4, 32);
                // As large as weights are at the start of a run.
                bindings.params.values_mut().filter(|w| w.shape.len() > 1).for_each(|w| *w = w.map(|x| 0.1 * x));
                let exact = run(&plain, &bindings, Precision::Fp64);
                let got = run(graph, &bindings, Precision::Bf16);
                exact.keys().map(|name| distance(&got[name], &exact[name])).sum::<f64>()
            };
            (1..=4).map(error).sum()
        };
        let before = errors(&plain);
        for (which, passes) in choices() {
            let after = errors(&optimize::training(&model, GOAL, &passes).unwrap());
            assert!(after <= BF16_FACTOR * before, "{which}: {after:e}, without passes {before:e}");
        }
    }
}
