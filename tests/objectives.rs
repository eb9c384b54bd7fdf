//! Every objective against PyTorch's: `tests/python/objectives.py` states each as its paper does, with noise of its
//! own. Loss and gradients of one batch in f64 and fp32, then 500 steps of training on that side's batches and noise,
//! after which both bounds, each estimated with its own masks, have to agree.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::base::philox::{Purpose, Stream};
use dlmc::check::spec::{Arm, Precision};
use dlmc::graph::Array;
use dlmc::graph::training::{loss_graph, training_graph};
use dlmc::lower::{AdamWState, Executable, GradBuffer, Weights, inputs};
use dlmc::objective::{self, Corrupted, Corruptor, Noise, evaluation_rows};
use dlmc::program::{Program, flatten};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::oracle::{Tensors, array, compile, distance, draw, f64s, i64s, python, read_tensors, write_tensors};
use tch::Device;

/// Both sides sum in orders of their own; in f64 that leaves 1e-16 a step, amplified some thousand times by
/// quotients of small probabilities.
const F64_TOLERANCE: f64 = 1e-10;
/// The same in fp32: 2^-24 a step, a few dozen steps deep.
const F32_TOLERANCE: f64 = 1e-5;
/// Nats per target between the two bounds after training. Training itself is the same up to rounding; each bound is
/// a mean over noise of its own, whose standard errors are below 0.01.
const BOUND_TOLERANCE: f64 = 0.03;
/// The bound has to have left that of guessing by frequency (3.3 nats) behind, else agreeing means little.
const LEARNED: f64 = 3.3;

const SEQ: usize = 64;
const ROWS: usize = 16;
const STEPS: usize = 500;
const WARMUP: usize = 25;
const PEAK_LR: f64 = 2e-3;
const CLIP: f64 = 1.0;
const BETAS: (f64, f64) = (0.9, 0.95);
const EPS: f64 = 1e-8;
const WEIGHT_DECAY: f64 = 0.1;
const SEED: u32 = 11;
/// Rows and draws that both bounds are estimated by.
const VALID_ROWS: usize = 96;
const DRAWS: u64 = 32;
/// Where tokens are replaced, which a bound weighs with 1/t: more draws for the same error.
const DRAWS_REPLACED: u64 = 64;

const SIZES: &str = "layers: 2, dim: 64, heads: 4, ffn: 172";

/// The decoder told the noise level, for objectives whose input does not show it.
const TIMED: &str = "
model timed(layers: int, dim: int, heads: int, ffn: int) {
    c = linear(silu(linear(sinusoid(t, 32), dim) as first), dim) as second
    x = embed(tokens, dim) + c
    repeat layers as layer {
        x = x + attention(rmsnorm(x) as attention_norm, heads: heads)
        x = x + swiglu(rmsnorm(x) as ffn_norm, hidden: ffn)
    }
    return unembed(rmsnorm(x) as norm, tied: true)
}
";

#[test]
fn next_token() {
    check("next_token()", "next_token", json!({}), STEPS);
}

#[test]
fn next_token_on_masked_inputs() {
    check("next_token(input_mask: 30%)", "next_token", json!({ "input_mask": 0.3 }), STEPS);
}

#[test]
fn next_token_with_an_auxiliary_loss() {
    let spec = "next_token(auxiliary: masked_inputs(rate: 20%, weight: 0.5))";
    check(spec, "next_token", json!({ "auxiliary": [0.2, 0.5] }), STEPS);
}

#[test]
fn masked_n1() {
    masked("keep, t: iid(0, 1), estimator: bernoulli", json!({ "form": "n1" }), STEPS);
}

#[test]
fn masked_n1_cosine() {
    masked("cosine, t: iid(0, 1), estimator: bernoulli", json!({ "form": "n1", "schedule": "cosine" }), 0);
}

#[test]
fn masked_n1_by_importance() {
    let options = json!({ "form": "n1", "low": 1e-3, "importance": true });
    masked("keep, t: importance(1e-3, 1), estimator: bernoulli", options, 0);
}

#[test]
fn masked_n1_shifted() {
    masked("keep, t: iid(0, 1), estimator: bernoulli, shift: true", json!({ "form": "n1", "shift": true }), STEPS);
}

#[test]
fn masked_n2() {
    masked("keep, t: iid(0, 1), estimator: row_mean", json!({ "form": "n2" }), STEPS);
}

#[test]
fn masked_n3() {
    masked("keep, t: iid(0, 1), estimator: batch_mean", json!({ "form": "n3" }), STEPS);
}

#[test]
fn masked_n4() {
    masked("keep, t: iid(0, 1), estimator: bernoulli, weight: flat", json!({ "form": "n4" }), STEPS);
}

#[test]
fn masked_count() {
    masked("keep, t: iid(0, 1), estimator: count", json!({ "form": "count" }), STEPS);
}

#[test]
fn megadlms() {
    check("megadlms()", "megadlms", json!({}), STEPS);
}

#[test]
fn any_order() {
    check("any_order()", "any_order", json!({}), STEPS);
}

#[test]
fn masked_lm() {
    check("masked_lm(rate: 30%)", "masked_lm", json!({ "rate": 0.3 }), STEPS);
}

#[test]
fn blocks() {
    let spec = "block_diffusion(block: 8, schedule: keep, t: iid(0, 1), estimator: bernoulli)";
    check(spec, "blocks", json!({ "block": 8 }), STEPS);
}

#[test]
fn blocks_of_one() {
    let spec = "block_diffusion(block: 1, schedule: keep, t: iid(0, 1), estimator: bernoulli)";
    check(spec, "blocks", json!({ "block": 1 }), 0);
}

#[test]
fn blocks_with_clipped_rates() {
    let spec = "block_diffusion(block: 16, schedule: keep, t: iid(0.3, 0.8), estimator: bernoulli)";
    check(spec, "blocks", json!({ "block": 16, "low": 0.3, "high": 0.8 }), 0);
}

#[test]
fn uniform() {
    check("uniform_diffusion(schedule: keep, t: iid(0, 1))", "uniform", json!({}), STEPS);
}

#[test]
fn uniform_cosine() {
    check("uniform_diffusion(schedule: cosine, t: iid(0, 1))", "uniform", json!({ "schedule": "cosine" }), 0);
}

#[test]
fn hybrid() {
    let spec = "hybrid_diffusion(uniform: 20%, t: iid(1e-4, 0.9999), weight: elbo)";
    check(spec, "hybrid", json!({ "uniform": 0.2 }), STEPS);
}

#[test]
fn hybrid_with_dynamic_weights() {
    let spec = "hybrid_diffusion(uniform: 10%, t: iid(1e-4, 0.9999), weight: dynamic)";
    check(spec, "hybrid", json!({ "uniform": 0.1, "weight": "dynamic" }), STEPS);
}

fn masked(options: &str, oracle: Value, steps: usize) {
    check(&format!("masked_diffusion(schedule: {options})"), "masked", oracle, steps);
}

fn check(spec: &str, name: &str, options: Value, steps: usize) {
    let Some(python) = python() else {
        println!("skipped: no Python with torch (`make setup` makes one in .venv; DLMC_PYTHON names another)");
        return;
    };
    // Small tensors; tests run beside each other and beside Python.
    tch::set_num_threads(1);
    let text = shakespeare();
    let steps = match &text {
        Some(_) => steps,
        None => {
            println!("training skipped: ../shared/data/tinyshakespeare/input.txt is not here");
            0
        }
    };
    let case = Case::new(spec, text.as_deref());
    let folder = tempfile::tempdir().unwrap();
    case.write(folder.path(), name, &options, steps);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/oracle.py");
    let arguments = [format!("--steps={steps}"), format!("--draws={}", case.draws())];
    let output = Command::new(python).arg(script).arg(folder.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "oracle.py failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("result.json")).unwrap()).unwrap();
    let noise = read_tensors(&folder.path().join("noise.safetensors"));
    let f64 = case.one_batch_agrees(folder.path(), &result, &noise, "f64", Precision::Fp64, F64_TOLERANCE);
    let f32 = case.one_batch_agrees(folder.path(), &result, &noise, "f32", Precision::Fp32, F32_TOLERANCE);
    let bounds = if steps > 0 { case.training_agrees(&result, &noise) } else { String::new() };
    println!("{spec}: loss and gradients off by {f64:.1e} in f64, {f32:.1e} in fp32{bounds}");
}

/// Tiny Shakespeare, where it is at hand.
fn shakespeare() -> Option<Vec<u8>> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/tinyshakespeare/input.txt")).ok()
}

struct Case {
    arm: Arm,
    corruptor: Corruptor,
    training: Program,
    loss: Program,
    weights: Tensors,
    /// `[STEPS, ROWS, SEQ]` and `[VALID_ROWS, SEQ]`.
    train: Vec<u32>,
    valid: Vec<u32>,
}

impl Case {
    fn new(objective: &str, text: Option<&[u8]>) -> Case {
        let model =
            if objective.starts_with("uniform") || objective.starts_with("hybrid") { "timed" } else { "decoder" };
        let schedules = ["schedule keep(t) = 1 - t", "schedule cosine(t) = 1 - cos(pi / 2 * (1 - t))"];
        let schedule = schedules.into_iter().zip(["schedule: keep", "schedule: cosine"]);
        let schedule = schedule.filter(|(_, used)| objective.contains(used)).map(|(text, _)| text).collect::<String>();
        let spec = format!(
            "use \"lib/decoder.dlm\" {{ {} }}
{schedule}
objective tested = {objective}
data drawn {{
    source: files(\"drawn.txt\")
    tokenizer: bytes
    unique: 64K tokens
    epochs: 10
    seq: {SEQ}
    valid: 1K tokens
}}
{}
experiment parity {{
    model: {model}({SIZES})
    data: drawn
    train: {{
        batch: {ROWS} seqs
        optimizer: adamw(lr: {PEAK_LR}, betas: ({}, {}), weight_decay: {WEIGHT_DECAY}, eps: {EPS})
        lr_schedule: constant(warmup: {WARMUP} steps)
        clip: {CLIP}
        precision: fp32
    }}
    eval: {{ every: 10%, loss: valid }}
    arms: {{ tested: {{ objective: tested }} }}
}}
",
            if model == "timed" { "attention, swiglu" } else { "decoder" },
            if model == "timed" { TIMED } else { "" },
            BETAS.0,
            BETAS.1,
        );
        let compiled = compile("decoder", spec);
        let arm = compiled.spec.variants()[0].clone();
        let (live, loss) = (arm.vocab.n_predictable(), objective::loss(&arm.objective));
        let training = flatten(&training_graph(&compiled.models[0], live, loss).unwrap());
        let weights =
            training.params.iter().enumerate().map(|(i, p)| (p.path.clone(), draw(SEED, i as u32, p))).collect();
        let (train, valid) = rows(text);
        Case {
            corruptor: Corruptor::new(&arm.objective, &arm.vocab, SEQ),
            loss: flatten(&loss_graph(&compiled.models[0], live, loss).unwrap()),
            arm,
            training,
            weights,
            train,
            valid,
        }
    }

    fn draws(&self) -> u64 {
        match objective::loss(&self.arm.objective) {
            objective::Loss::CrossEntropy => DRAWS,
            objective::Loss::Mixture => DRAWS_REPLACED,
        }
    }

    fn lr(&self, step: usize) -> f64 {
        PEAK_LR * ((step + 1) as f64 / WARMUP as f64).min(1.0)
    }

    fn write(&self, folder: &Path, name: &str, options: &Value, steps: usize) {
        let args: BTreeMap<&str, &str> = SIZES.split(", ").map(|arg| arg.split_once(": ").unwrap()).collect();
        let case = json!({
            "objective": { "name": name, "options": options },
            "seq": SEQ,
            "vocab": self.arm.vocab.size,
            "live": self.arm.vocab.n_predictable(),
            // Objectives without a mask never look at it.
            "mask": self.arm.vocab.n_predictable(),
            "seed": SEED,
            "model": { "name": self.arm.model.name, "args": args },
            "optimizer": { "beta1": BETAS.0, "beta2": BETAS.1, "eps": EPS, "weight_decay": WEIGHT_DECAY },
            "clip": CLIP,
            "lr": (0..steps).map(|step| self.lr(step)).collect::<Vec<f64>>(),
        });
        std::fs::write(folder.join("case.json"), case.to_string()).unwrap();
        let init: Vec<_> =
            self.weights.iter().map(|(path, w)| (path.as_str(), Dtype::F64, &w.shape, f64s(&w.data))).collect();
        write_tensors(&folder.join("init.safetensors"), &init);
        let (train, valid) = (vec![STEPS, ROWS, SEQ], vec![VALID_ROWS, SEQ]);
        write_tensors(
            &folder.join("clean.safetensors"),
            &[("train", Dtype::I64, &train, i64s(&self.train)), ("valid", Dtype::I64, &valid, i64s(&self.valid))],
        );
    }

    /// A step's rows under the other side's noise, with our weights.
    fn corrupted(&self, step: usize, noise: &Tensors) -> Corrupted {
        let clean = &self.train[step * ROWS * SEQ..(step + 1) * ROWS * SEQ];
        let of = |name: &str| noise.get(name).map(|all| slice(all, step)).unwrap_or_default();
        let ids = |values: &[f64]| values.iter().map(|id| *id as u32).collect::<Vec<u32>>();
        let (z, again) = (of("z"), of("again"));
        let time = z.len() / ROWS;
        // An auxiliary loss has each row twice, one after the other.
        let both = z.chunks(time).zip(again.chunks(time)).flat_map(|(one, other)| [ids(one), ids(other)].concat());
        let z = if again.is_empty() { ids(&z) } else { both.collect() };
        let noise = Noise { rows: z.len() / time, time, z, t: of("t") };
        self.corruptor.weigh(clean, &noise, self.corruptor.global_of(&noise))
    }

    fn start(&self, precision: Precision) -> Weights {
        let mut weights = Weights::init(&self.training.params, SEED, precision, Device::Cpu).unwrap();
        for (path, values) in &self.weights {
            weights.set(path, &values.data).unwrap();
        }
        weights
    }

    /// Gives the largest relative error of the loss and of each parameter's gradient.
    fn one_batch_agrees(
        &self,
        folder: &Path,
        result: &Value,
        noise: &Tensors,
        name: &str,
        precision: Precision,
        tolerance: f64,
    ) -> f64 {
        let theirs = read_tensors(&folder.join(format!("grads_{name}.safetensors")));
        let executable = Executable::new(self.training.clone(), precision, Device::Cpu);
        let batch = self.corrupted(0, noise);
        let outputs =
            executable.run(&self.start(precision).compute().unwrap(), &inputs(&batch, Device::Cpu).unwrap()).unwrap();
        let loss = result["loss"][name].as_f64().unwrap();
        let mut worst = (outputs.scalar("loss").unwrap() - loss).abs() / loss.abs();
        assert!(worst <= tolerance, "{name}: the loss is {}, not {loss}", outputs.scalar("loss").unwrap());
        assert_eq!(theirs.len(), self.training.params.len());
        for (param, grad) in self.training.params.iter().zip(&outputs.grads) {
            let error = distance(&array(grad.as_ref().unwrap()), &theirs[&param.path]);
            assert!(error <= tolerance, "{name}: the gradient of {} is off by {error:.2e}", param.path);
            worst = worst.max(error);
        }
        worst
    }

    /// Trains, then compares the bounds. Says what they are.
    fn training_agrees(&self, result: &Value, noise: &Tensors) -> String {
        let executable = Executable::new(self.training.clone(), Precision::Fp32, Device::Cpu);
        let mut weights = self.start(Precision::Fp32);
        let (mut grads, mut state) = (GradBuffer::new(&weights).unwrap(), AdamWState::new(&weights).unwrap());
        let train = &self.arm.train;
        for step in 0..STEPS {
            let tensors = inputs(&self.corrupted(step, noise), Device::Cpu).unwrap();
            let outputs = executable.run(&weights.compute().unwrap(), &tensors).unwrap();
            grads.accumulate(&outputs.grads).unwrap();
            state.step(&mut weights, &mut grads, &train.optimizer, self.lr(step), train.clip, step as u64 + 1).unwrap();
        }
        let ours = self.bound(&weights);
        let (theirs, se) = (result["bound"].as_f64().unwrap(), result["se"].as_f64().unwrap());
        assert!((ours - theirs).abs() <= BOUND_TOLERANCE, "bounds: {ours} and {theirs}");
        assert!(ours < LEARNED, "nothing was learned: {ours}");
        format!("; after {STEPS} steps a bound of {ours:.4}, theirs {theirs:.4} (standard error over rows {se:.4})")
    }

    /// Nats per target.
    fn bound(&self, weights: &Weights) -> f64 {
        let executable = Executable::new(self.loss.clone(), Precision::Fp32, Device::Cpu);
        let compute = weights.compute().unwrap();
        let mut nats = 0.0;
        for (index, chunk) in self.valid.chunks(SEQ).enumerate() {
            let rows = evaluation_rows(&self.arm.objective, &self.arm.vocab, chunk, index as u64, self.draws(), SEED);
            nats += executable.run(&compute, &inputs(&rows, Device::Cpu).unwrap()).unwrap().scalar("loss").unwrap();
        }
        nats / (VALID_ROWS * (SEQ - 1)) as f64
    }
}

/// Windows of the text: training from its first nine tenths, validation evenly from the rest. Without a text, ids of
/// which few are much more frequent than the others.
fn rows(text: Option<&[u8]>) -> (Vec<u32>, Vec<u32>) {
    let stream = Stream::new(SEED, Purpose::Order);
    let Some(text) = text else {
        let id = |i: usize| (stream.uniform([0, i as u32, 0, 0]).powi(3) * 250.0) as u32;
        return ((0..STEPS * ROWS * SEQ).map(id).collect(), (0..VALID_ROWS * SEQ).map(id).collect());
    };
    let n_train = text.len() / 10 * 9;
    let window = |start: usize| text[start..start + SEQ].iter().map(|byte| u32::from(*byte));
    let train =
        (0..STEPS * ROWS).flat_map(|i| window((stream.uniform([0, i as u32, 0, 0]) * (n_train - SEQ) as f64) as usize));
    let stride = (text.len() - n_train - SEQ) / VALID_ROWS;
    (train.collect(), (0..VALID_ROWS).flat_map(|i| window(n_train + i * stride)).collect())
}

/// Of a stack over steps, one step's.
fn slice(all: &Array, step: usize) -> Vec<f64> {
    let n = all.data.len() / all.shape[0];
    all.data[step * n..(step + 1) * n].to_vec()
}
