//! What `dlmc plan` says a training step will hold, against what processes of their own are measured to hold; and
//! steps in less room, which do the same to the last digit.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::Precision;
use dlmc::graph::ValidGraph;
use dlmc::graph::ops::Input;
use dlmc::lower::Executable;
use dlmc::objective::{Loss, Pattern};
use dlmc::optimize::{self, Goal, Passes, Room};
use dlmc::program::{Conditions, Place, flatten};
use serde_json::Value;
use std::process::Command;
use support::{LIVE, VOCAB, bindings, decoder};
use tch::{Device, Kind, Tensor};

/// The share by which a measured peak may be off. Libtorch's own buffers and pages of libraries are not predicted one
/// by one.
const SHARE: f64 = 0.1;

/// Activations are most of what it holds.
const SHAPE: &[&str] = &[
    "model.layers=4",
    "model.dim=128",
    "model.heads=4",
    "model.ffn=344",
    "train.batch=32 seqs",
    "data.unique=20K tokens",
    "data.valid=2K tokens",
];

fn json(command: &str, arm: &[&str], set: &[&str]) -> Value {
    let mut process = Command::new(env!("CARGO_BIN_EXE_dlmc-torch"));
    process.current_dir(env!("CARGO_MANIFEST_DIR")).args([command, "specs/bench/byte.dlm", "--json"]).args(arm);
    SHAPE.iter().chain(set).for_each(|set| _ = process.args(["--set", set]));
    let output = process.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// Of the steps that are measured the loss reads as much as on average.
fn predicted(arm: &str, set: &[&str]) -> Value {
    let plan = json("plan", &[], set);
    let arms = plan["arms"].as_array().unwrap();
    arms.iter().find(|a| a["arm"] == arm).unwrap()["memory"]["cpu"].clone()
}

fn bench(arm: &str, set: &[&str]) -> Value {
    json("bench", &["--arm", arm, "--warmup", "1", "--steps", "2"], set)
}

fn compare(what: &str, predicted: &Value, measured: &Value) -> f64 {
    let (predicted, measured) =
        (predicted["expected_peak_bytes"].as_f64().unwrap(), measured["peak_memory_bytes"].as_f64().unwrap());
    println!("{what}: predicted {:.1} MB, measured {:.1} MB", predicted / 1e6, measured / 1e6);
    assert!((predicted / measured - 1.0).abs() <= SHARE, "{what}: predicted {predicted}, measured {measured}");
    measured
}

#[test]
fn a_peak_is_as_predicted() {
    for precision in ["bf16", "fp32"] {
        for arm in ["ar", "mdm"] {
            let set = format!("train.precision={precision}");
            compare(&format!("{arm}, {precision}"), &predicted(arm, &[&set]), &bench(arm, &[&set]));
        }
    }
}

/// Less room, less memory, the same losses.
#[test]
fn a_step_fits_the_room_that_it_is_given() {
    let whole = predicted("ar", &["train.precision=fp32"]);
    let of = |name: &str| whole[name].as_f64().unwrap();
    let all = bench("ar", &["train.precision=fp32"]);
    let mut last = compare("all", &whole, &all);
    for share in [0.75, 0.5] {
        let room = (of("peak_bytes") - (1.0 - share) * of("activation_bytes")) as u64;
        let memory = format!("train.memory={room} bytes");
        let set = ["train.precision=fp32", &memory];
        let plan = predicted("ar", &set);
        assert!(plan["peak_bytes"].as_u64().unwrap() <= room && plan["fits"] == true, "{plan}");
        let fitted = bench("ar", &set);
        let measured = compare(&memory, &plan, &fitted);
        assert!(measured < last, "{measured} after {last}");
        last = measured;
        for loss in ["loss_first", "loss_last"] {
            assert_eq!(fitted[loss], all[loss]);
        }
    }
}

fn run(graph: &ValidGraph, precision: Precision) -> Vec<Tensor> {
    let bindings = bindings(graph, 7, 3, 16);
    let kinds = dlmc::lower::Kinds::from(precision);
    let tensor = |array: &dlmc::graph::Array, kind: Kind| {
        let shape: Vec<i64> = array.shape.iter().map(|n| *n as i64).collect();
        Tensor::from_slice(&array.data).view(&shape[..]).to_kind(kind)
    };
    let program = flatten(graph);
    let params: Vec<Tensor> =
        program.params.iter().map(|param| tensor(&bindings.params[&param.path], kinds.compute)).collect();
    let inputs: Vec<(Input, Tensor)> = bindings
        .inputs
        .iter()
        .map(|(input, array)| {
            let wide = matches!(input, Input::Weights | Input::NoiseLevel | Input::Alpha | Input::Uniform);
            (*input, tensor(array, if wide { kinds.wide } else { Kind::Int64 }))
        })
        .collect();
    let outputs = Executable::new(program, precision, Device::Cpu).run(&params, &inputs).unwrap();
    outputs.named.into_values().chain(outputs.grads.into_iter().flatten()).collect()
}

/// The same operations on the same inputs: not within a tolerance, but bit by bit.
#[test]
fn what_is_computed_again_changes_no_bit() {
    for (call, pattern) in [
        ("decoder(layers: 3, dim: 16, heads: 2, ffn: 20, tied: true)", Pattern::Full),
        (
            "decoder(layers: 2, dim: 16, heads: 2, ffn: 20, attention_dropout: 0.2, residual_dropout: 0.1, \
             ffn_dropout: 0.5, embedding_dropout: 0.3)",
            Pattern::Causal,
        ),
    ] {
        let model = decoder(call, pattern, VOCAB, 16);
        let goal = Goal { live: LIVE, loss: Loss::CrossEntropy, reads_some: true };
        let plain = optimize::training(&model, goal, &Passes::default()).unwrap();
        for precision in [Precision::Bf16, Precision::Fp32] {
            let of = Conditions {
                // Larger than what runs, so that activations are most of what a step would hold.
                sizes: dlmc::graph::DimSizes::all(64, 64),
                precision,
                place: Place::Cpu,
                average: false,
                noisy: false,
            };
            let fitted = optimize::training_within(&model, goal, &Passes::default(), Room { bytes: 0, of }).unwrap();
            assert!(fitted.n_recomputed > 0);
            let (a, b) = (run(&plain, precision), run(&fitted.graph, precision));
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(&b) {
                assert!(a.equal(b), "{call}, {}", precision.name());
            }
        }
    }
}
