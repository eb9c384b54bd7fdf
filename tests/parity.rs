//! Loss, gradients and training steps against PyTorch's own autograd and optimizer.
//!
//! Each case is compiled from a spec, given drawn weights and corrupted batches, and written as an
//! export folder; `tests/python/parity.py` computes the same in plain PyTorch. Compared are the f64
//! interpreter (our derivatives alone) and the lowering to libtorch (what trains).
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dlmc::base::philox::{Purpose, Stream};
use dlmc::base::source::Memory;
use dlmc::check::spec::{Arm, Precision};
use dlmc::cli::front;
use dlmc::graph::ops::Input;
use dlmc::graph::training::training_graph;
use dlmc::graph::{Array, ValidGraph};
use dlmc::lower::{AdamWState, Executable, GradBuffer, Outputs, Weights};
use dlmc::objective::{self, Corrupted, Corruptor};
use dlmc::program::{ParamInstance, Program, flatten};
use dlmc::reference::{self, Bindings, Datum};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::{Device, Kind, Tensor};

/// Both sides sum in orders of their own; in f64 that leaves 1e-16 a step, and weights times 10 amplify
/// it some ten thousand times (attention scores of several hundred make the softmax all but a step).
const F64_TOLERANCE: f64 = 1e-10;
/// The same in fp32, at weights as they are initialised: 2^-24 a step, a few dozen steps deep.
const F32_TOLERANCE: f64 = 1e-5;
/// At weights times 10 PyTorch's own fp32 gradients are up to 2e-3 from its f64 ones, so two right
/// answers in fp32 do not agree to 1e-5. There the f64 gradient is the reference and the error may be
/// at most this many times PyTorch's own (or `F32_TOLERANCE`, where that is more).
const F32_AMPLIFIED: f64 = 2.0;
/// Fifty updates carry each other's rounding on; Adam divides by small second moments.
const FINAL_WEIGHTS_TOLERANCE: f64 = 1e-8;
/// Relative change of each tensor in the fifty steps, which the comparison above must not miss.
const LEAST_CHANGE: f64 = 1e-3;
/// No gradient of these cases is this small; below it a comparison would be of zeros.
const LEAST_NORM: f64 = 1e-5;

const SEQ: usize = 32;
const ROWS: usize = 4;
const STEPS: usize = 50;
const WARMUP: usize = 10;
const PEAK_LR: f64 = 3e-3;
const BETAS: (f64, f64) = (0.9, 0.95);
const EPS: f64 = 1e-8;
const WEIGHT_DECAY: f64 = 0.1;
/// Between the smallest and the largest gradient norm of the fifty steps.
const CLIP: f64 = 0.7;
const SEED: u32 = 7;

/// Weights are multiples of this: they and ten times them are exact in fp32.
const GRID: f64 = 1.0 / (1 << 20) as f64;
/// Of normal draws around 0 (matrices) or 1 (gains). Larger than 0.02, so that attention is not uniform.
const WEIGHT_STD: f64 = 0.05;

const DECODER: &str = "decoder(layers: 2, dim: 64, heads: 4, ffn: 172, tied: false)";
const GPT: &str = "gpt(layers: 2, dim: 64, heads: 4)";

#[test]
fn decoder_next_token() {
    check("decoder", DECODER, "ar");
}

#[test]
fn decoder_masked_diffusion() {
    check("decoder", DECODER, "mdm");
}

#[test]
fn gpt_next_token() {
    check("gpt", GPT, "ar");
}

#[test]
fn gpt_masked_diffusion() {
    check("gpt", GPT, "mdm");
}

fn check(model: &str, call: &str, arm: &str) {
    let Some(python) = python() else {
        println!("skipped: no Python with torch (`make setup` makes one in .venv; DLMC_PYTHON names another)");
        return;
    };
    let case = Case::new(model, call, arm);
    let folder = tempfile::tempdir().unwrap();
    case.write(folder.path());
    let theirs = Theirs::compute(&python, folder.path());
    case.interpreter_agrees(&theirs);
    case.lowering_agrees_in_f64(&theirs);
    case.lowering_agrees_in_f32(&theirs);
    case.fifty_steps_agree(&theirs);
}

/// `DLMC_PYTHON`, or the project's own.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("DLMC_PYTHON") {
        return Some(python.into());
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    own.exists().then_some(own)
}

/// A tensor in f64 by path, whatever it was computed in.
type Tensors = BTreeMap<String, Array>;

struct Case {
    call: String,
    arm: Arm,
    training: ValidGraph,
    program: Program,
    weights: Tensors,
    batches: Vec<Corrupted>,
    lr: Vec<f64>,
}

impl Case {
    fn new(model: &str, call: &str, arm: &str) -> Case {
        let spec = format!(
            "use \"lib/{model}.dlm\" {{ {model} }}
schedule keep(t) = 1 - t
objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep, t: stratified(0, 1), weight: elbo, estimator: count)
data drawn {{
    source: files(\"drawn.txt\")
    tokenizer: bytes
    unique: 64K tokens
    epochs: 10
    seq: {SEQ}
    valid: 1K tokens
}}
experiment parity {{
    model: {call}
    data: drawn
    train: {{
        batch: {ROWS} seqs
        optimizer: adamw(lr: {PEAK_LR}, betas: ({}, {}), weight_decay: {WEIGHT_DECAY}, eps: {EPS})
        lr_schedule: constant(warmup: {WARMUP} steps)
        clip: {CLIP}
        precision: fp64
    }}
    eval: {{ every: 10%, loss: valid }}
    arms: {{ ar: {{ objective: ar }}, mdm: {{ objective: mdm }} }}
}}
",
            BETAS.0, BETAS.1
        );
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("specs/lib/{model}.dlm"));
        let sources = Memory(BTreeMap::from([
            (PathBuf::from("parity.dlm"), spec),
            (PathBuf::from(format!("lib/{model}.dlm")), std::fs::read_to_string(library).unwrap()),
        ]));
        let outcome = front::compile(Path::new("parity.dlm"), &sources, None, &[], None);
        let messages: Vec<&String> = outcome.diagnostics.iter().map(|d| &d.message).collect();
        let compiled = outcome.compiled.unwrap_or_else(|| panic!("the spec of the case has errors: {messages:?}"));
        let index = compiled.spec.arms().iter().position(|a| a.name == arm).unwrap();
        let arm = compiled.spec.arms()[index].clone();
        let training = training_graph(&compiled.models[index], arm.vocab.n_predictable()).unwrap();
        let program = flatten(&training);
        let weights = program.params.iter().enumerate().map(|(i, p)| (p.path.clone(), draw(i as u32, p))).collect();
        let corruptor = Corruptor::new(&arm.objective, &arm.vocab, SEQ);
        let batches =
            (0..STEPS).map(|step| corruptor.corrupt(&clean(step, &arm), 0, ROWS as u64, step as u64, SEED)).collect();
        let lr = (0..STEPS).map(|step| PEAK_LR * ((step + 1) as f64 / WARMUP as f64).min(1.0)).collect();
        Case { call: call.into(), arm, training, program, weights, batches, lr }
    }

    /// The export folder.
    fn write(&self, folder: &Path) {
        let args: BTreeMap<&str, &str> = self.call[self.call.find('(').unwrap() + 1..self.call.len() - 1]
            .split(", ")
            .map(|arg| arg.split_once(": ").unwrap())
            .collect();
        let param = |p: &ParamInstance| serde_json::json!({ "path": p.path, "shape": p.shape, "decays": p.decays() });
        let meta = serde_json::json!({
            "experiment": "parity",
            "arm": self.arm.name,
            "objective": self.arm.objective.name(),
            "seq": SEQ,
            "batch": ROWS,
            "vocab": self.arm.vocab.size,
            "live": self.arm.vocab.n_predictable(),
            "steps": STEPS,
            "precision": "fp64",
            "model": { "name": self.arm.model.name, "args": args },
            "optimizer": { "lr": PEAK_LR, "beta1": BETAS.0, "beta2": BETAS.1, "eps": EPS, "weight_decay": WEIGHT_DECAY },
            "clip": CLIP,
            "lr": self.lr,
            "eval_at": [],
            "params": self.program.params.iter().map(param).collect::<Vec<_>>(),
            "pattern": objective::pattern(&self.arm.objective).name(),
        });
        std::fs::write(folder.join("meta.json"), meta.to_string()).unwrap();
        let init: Vec<_> =
            self.weights.iter().map(|(path, w)| (path.as_str(), Dtype::F64, &w.shape, f64s(&w.data))).collect();
        write_tensors(&folder.join("init.safetensors"), &init);
        let shape = vec![STEPS, ROWS, SEQ];
        let ids = |of: fn(&Corrupted) -> &Vec<u32>| -> Vec<u8> {
            self.batches.iter().flat_map(of).flat_map(|id| i64::from(*id).to_le_bytes()).collect()
        };
        let weights: Vec<f64> = self.batches.iter().flat_map(|b| b.weights.clone()).collect();
        write_tensors(
            &folder.join("train.safetensors"),
            &[
                ("tokens", Dtype::I64, &shape, ids(|b| &b.tokens)),
                ("targets", Dtype::I64, &shape, ids(|b| &b.targets)),
                ("weights", Dtype::F64, &shape, f64s(&weights)),
            ],
        );
    }

    /// Our derivatives, in the slow f64 interpreter, against PyTorch's.
    fn interpreter_agrees(&self, theirs: &Theirs) {
        for scale in SCALES {
            let (loss, grads) = self.interpret(scale);
            let name = format!("f64_x{scale}");
            assert_close(&format!("interpreter {name} loss"), loss, theirs.loss[&name], F64_TOLERANCE);
            self.assert_tensors_close(&format!("interpreter {name}"), &grads, &theirs.grads[&name], |_| F64_TOLERANCE);
        }
    }

    /// The same through libtorch.
    fn lowering_agrees_in_f64(&self, theirs: &Theirs) {
        for scale in SCALES {
            let (loss, grads) = self.lowered(scale, Precision::Fp64);
            let name = format!("f64_x{scale}");
            assert_close(&format!("lowering {name} loss"), loss, theirs.loss[&name], F64_TOLERANCE);
            self.assert_tensors_close(&format!("lowering {name}"), &grads, &theirs.grads[&name], |_| F64_TOLERANCE);
        }
    }

    /// At x1 against PyTorch's fp32, at x10 against its f64: see `F32_AMPLIFIED`.
    fn lowering_agrees_in_f32(&self, theirs: &Theirs) {
        let (loss, grads) = self.lowered(1, Precision::Fp32);
        assert_close("lowering f32_x1 loss", loss, theirs.loss["f32_x1"], F32_TOLERANCE);
        self.assert_tensors_close("lowering f32_x1", &grads, &theirs.grads["f32_x1"], |_| F32_TOLERANCE);

        let (loss, grads) = self.lowered(10, Precision::Fp32);
        let (exact, rounded) = (theirs.loss["f64_x10"], theirs.loss["f32_x10"]);
        let own = (rounded - exact).abs() / exact.abs();
        assert_close("lowering f32_x10 loss", loss, exact, F32_TOLERANCE.max(F32_AMPLIFIED * own));
        let (exact, rounded) = (&theirs.grads["f64_x10"], &theirs.grads["f32_x10"]);
        let tolerance = |path: &str| F32_TOLERANCE.max(F32_AMPLIFIED * distance(&rounded[path], &exact[path]));
        self.assert_tensors_close("lowering f32_x10", &grads, exact, tolerance);
    }

    /// Loss and gradients of the first batch through libtorch.
    fn lowered(&self, scale: u32, precision: Precision) -> (f64, Tensors) {
        let weights = self.weights(scale, precision);
        let executable = Executable::new(self.program.clone(), precision, Device::Cpu);
        let tensors = inputs(&self.batches[0]);
        let outputs = executable.run(&weights.compute().unwrap(), &tensors).unwrap();
        let grads = self.program.params.iter().zip(&outputs.grads);
        let grads = grads.map(|(p, grad)| (p.path.clone(), array(grad.as_ref().unwrap()))).collect();
        (loss(&outputs), grads)
    }

    fn weights(&self, scale: u32, precision: Precision) -> Weights {
        let mut weights = Weights::init(&self.program.params, SEED, precision, Device::Cpu).unwrap();
        for (path, values) in self.scaled(scale) {
            weights.set(&path, &values.data).unwrap();
        }
        weights
    }

    /// Warm-up, clipping and decay included.
    fn fifty_steps_agree(&self, theirs: &Theirs) {
        let precision = Precision::Fp64;
        let executable = Executable::new(self.program.clone(), precision, Device::Cpu);
        let mut weights = self.weights(1, precision);
        let mut grads = GradBuffer::new(&weights).unwrap();
        let mut state = AdamWState::new(&weights).unwrap();
        let train = &self.arm.train;
        let mut n_clipped = 0;
        for (i, (batch, lr)) in self.batches.iter().zip(&self.lr).enumerate() {
            let tensors = inputs(batch);
            let outputs = executable.run(&weights.compute().unwrap(), &tensors).unwrap();
            let loss = loss(&outputs);
            assert_close(&format!("loss of step {i}"), loss, theirs.train_loss[i], FINAL_WEIGHTS_TOLERANCE);
            grads.accumulate(&outputs.grads).unwrap();
            let stats = state.step(&mut weights, &mut grads, &train.optimizer, *lr, train.clip, i as u64 + 1).unwrap();
            n_clipped += usize::from(stats.clipped);
        }
        assert_eq!(n_clipped, theirs.n_clipped);
        assert!((1..STEPS).contains(&n_clipped), "{n_clipped} of {STEPS} steps clipped: move CLIP");
        let views = weights.views().unwrap();
        let last = self.program.params.iter().zip(&views).map(|(p, view)| (p.path.clone(), array(view))).collect();
        self.assert_tensors_close("weights after 50 steps", &last, &theirs.last, |_| FINAL_WEIGHTS_TOLERANCE);
        for (path, last) in &last {
            let moved = distance(last, &self.weights[path]);
            assert!(moved > LEAST_CHANGE, "{path} has hardly been trained: {moved:.2e}");
        }
    }

    /// Every parameter is compared, and none by zeros.
    fn assert_tensors_close(&self, what: &str, ours: &Tensors, theirs: &Tensors, tolerance: impl Fn(&str) -> f64) {
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{what}: paths");
        assert_eq!(ours.len(), self.program.params.len(), "{what}: parameters");
        let mut worst = (0.0, "");
        for (path, b) in theirs {
            assert!(norm(b) > LEAST_NORM, "{what}: {path} is all but zero");
            let (error, tolerance) = (distance(&ours[path], b), tolerance(path));
            assert!(error <= tolerance, "{what}: {path} is off by {error:.2e}, above {tolerance:.1e}");
            if error > worst.0 {
                worst = (error, path);
            }
        }
        // Seen with `--nocapture`: how far the tolerances are from what is measured.
        println!("{:>8} {:<4} {what}: {:.2e} ({})", self.arm.model.name, self.arm.name, worst.0, worst.1);
    }

    fn interpret(&self, scale: u32) -> (f64, Tensors) {
        let batch = &self.batches[0];
        let ids = |ids: &[u32]| Array::new([ROWS, SEQ], ids.iter().map(|id| f64::from(*id)).collect::<Vec<_>>());
        let bindings = Bindings {
            inputs: BTreeMap::from([
                (Input::Tokens, ids(&batch.tokens)),
                (Input::Positions, Array::new([SEQ], (0..SEQ).map(|i| i as f64).collect::<Vec<_>>())),
                (Input::Targets, ids(&batch.targets)),
                (Input::Weights, Array::new([ROWS, SEQ], batch.weights.clone())),
            ]),
            params: self.scaled(scale),
        };
        let outputs = reference::evaluate(&self.training, &bindings).unwrap();
        let mut grads = Tensors::new();
        for param in &self.training.graph().params {
            let grad = &outputs[&format!("grad.{}", param.path)];
            match (grad, param.repeats.as_slice()) {
                (Datum::One(array), []) => {
                    grads.insert(param.path.clone(), array.clone());
                }
                (list, [n]) => {
                    grads.extend((0..*n).map(|i| (param.instance_path(&[i]), list.at(&[i]).unwrap().clone())))
                }
                _ => panic!("{} is in nested regions", param.path),
            }
        }
        (outputs["loss"].array().unwrap().data[0], grads)
    }

    fn scaled(&self, scale: u32) -> Tensors {
        self.weights.iter().map(|(path, w)| (path.clone(), w.map(|x| x * f64::from(scale)))).collect()
    }
}

const SCALES: [u32; 2] = [1, 10];

/// What PyTorch says.
struct Theirs {
    /// By `f64_x1` and so on.
    loss: BTreeMap<String, f64>,
    grads: BTreeMap<String, Tensors>,
    train_loss: Vec<f64>,
    n_clipped: usize,
    last: Tensors,
}

impl Theirs {
    fn compute(python: &Path, folder: &Path) -> Theirs {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/parity.py");
        let output =
            Command::new(python).arg(script).arg(folder).args(["--steps", &STEPS.to_string()]).output().unwrap();
        assert!(output.status.success(), "parity.py failed:\n{}", String::from_utf8_lossy(&output.stderr));
        let result: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("result.json")).unwrap()).unwrap();
        let names = ["f64", "f32"].iter().flat_map(|dtype| SCALES.map(|scale| format!("{dtype}_x{scale}")));
        Theirs {
            loss: serde_json::from_value(result["loss"].clone()).unwrap(),
            grads: names.map(|n| (n.clone(), read_tensors(&folder.join(format!("grads_{n}.safetensors"))))).collect(),
            train_loss: serde_json::from_value(result["train_loss"].clone()).unwrap(),
            n_clipped: serde_json::from_value(result["n_clipped"].clone()).unwrap(),
            last: read_tensors(&folder.join("final_f64.safetensors")),
        }
    }
}

/// Initial weights of the case: not dlmc's own initialisation, which makes all gains 1.
fn draw(index: u32, param: &ParamInstance) -> Array {
    let stream = Stream::new(SEED, Purpose::Init);
    let centre = if param.decays() { 0.0 } else { 1.0 };
    let data: Vec<f64> = (0..param.n_elements())
        .map(|i| {
            let x = centre + WEIGHT_STD * stream.normals([index, i as u32, 0, 0])[0];
            (x / GRID).round() * GRID
        })
        .collect();
    Array::new(param.shape.iter().map(|n| *n as usize).collect::<Vec<_>>(), data)
}

/// Rows of a step before corruption. A few ids are much more frequent than the others, as in text.
fn clean(step: usize, arm: &Arm) -> Vec<u32> {
    let stream = Stream::new(SEED, Purpose::Order);
    let live = arm.vocab.n_predictable() as f64;
    (0..ROWS * SEQ).map(|i| (stream.uniform([step as u32, i as u32, 0, 0]).powi(3) * live) as u32).collect()
}

fn inputs(batch: &Corrupted) -> Vec<(Input, Tensor)> {
    let shape = [ROWS as i64, SEQ as i64];
    let ids = |ids: &[u32]| Tensor::from_slice(&ids.iter().map(|id| i64::from(*id)).collect::<Vec<_>>()).view(shape);
    vec![
        (Input::Tokens, ids(&batch.tokens)),
        (Input::Targets, ids(&batch.targets)),
        (Input::Weights, Tensor::from_slice(&batch.weights).view(shape)),
    ]
}

fn loss(outputs: &Outputs) -> f64 {
    outputs.named["loss"].double_value(&[])
}

fn array(tensor: &Tensor) -> Array {
    let data = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap();
    Array::new(tensor.size().iter().map(|n| *n as usize).collect::<Vec<_>>(), data)
}

fn norm(x: &Array) -> f64 {
    x.data.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ||a - b|| / ||b||
fn distance(a: &Array, b: &Array) -> f64 {
    assert_eq!(a.shape, b.shape);
    norm(&a.zip(b, |a, b| a - b)) / norm(b)
}

fn assert_close(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!(b.abs() > LEAST_NORM, "{what} is all but zero");
    let error = (a - b).abs() / b.abs();
    assert!(error <= tolerance, "{what}: {a} against {b}, {error:.2e} above {tolerance:.0e}");
}

fn f64s(data: &[f64]) -> Vec<u8> {
    data.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn write_tensors(path: &Path, tensors: &[(&str, Dtype, &Vec<usize>, Vec<u8>)]) {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, (*shape).clone(), bytes).unwrap()))
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn read_tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let data: Vec<f64> = match view.dtype() {
                Dtype::F32 => {
                    view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
                }
                Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                other => panic!("{name} is {other}"),
            };
            (name.to_string(), Array::new(view.shape(), data))
        })
        .collect()
}
