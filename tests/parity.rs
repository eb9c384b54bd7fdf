//! Loss, gradients and training steps against PyTorch's own autograd and optimizer.
//!
//! Each case is compiled from a spec, given drawn weights and corrupted batches, and written as an
//! export folder; `tests/python/parity.py` computes the same in plain PyTorch. Compared are the f64
//! interpreter (our derivatives alone) and the lowering to libtorch (what trains).
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::base::philox::{Purpose, Stream};
use dlmc::check::spec::{Arm, Precision};
use dlmc::graph::ops::Input;
use dlmc::graph::training::training_graph;
use dlmc::graph::{Array, ValidGraph};
use dlmc::lower::{AdamWState, Executable, GradBuffer, Outputs, Weights};
use dlmc::objective::{self, Corrupted, Corruptor};
use dlmc::program::{ParamInstance, Program, flatten};
use dlmc::reference::{self, Bindings};
use safetensors::tensor::Dtype;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::oracle::{Tensors, array, compile, distance, draw, f64s, norm, python, read_tensors, write_tensors};
use tch::{Device, Tensor};

/// Both sides sum in orders of their own; in f64 that leaves 1e-16 a step, and weights times 10 amplify
/// it some ten thousand times (attention scores of several hundred make the softmax all but a step).
const F64_TOLERANCE: f64 = 1e-10;
/// The same in fp32, at weights as they are initialised: 2^-24 a step, a few dozen steps deep.
const F32_TOLERANCE: f64 = 1e-5;
/// At weights times 10 no two right answers in fp32 agree to 1e-5: PyTorch's own fp32 gradients are up
/// to 8e-4 from its f64 ones in the median batch. There the f64 gradient is the reference, and each
/// tensor's error may be at most this many times PyTorch's own (or `F32_TOLERANCE`, where that is more).
/// Which of two right answers is nearer is luck in a single batch (seen: 1/20 to 20 times PyTorch's
/// error), so what is compared is the median over all batches (seen: 0.4 to 1.4 times).
const F32_AMPLIFIED: f64 = 2.0;
/// Fifty updates carry each other's rounding on; Adam divides by small second moments.
const FINAL_WEIGHTS_TOLERANCE: f64 = 1e-8;
/// Relative change of each tensor in the fifty steps, which the comparison above must not miss.
const LEAST_CHANGE: f64 = 1e-3;
/// No gradient of these cases is this small; below it a comparison would be of zeros.
const LEAST_NORM: f64 = 1e-5;

const SEQ: usize = 32;
const ROWS: usize = 4;
/// Batches: of each the gradients are compared at the initial weights (by the slow interpreter of the
/// first alone), and each is one step of training.
const STEPS: usize = 50;
const WARMUP: usize = 10;
const PEAK_LR: f64 = 3e-3;
const BETAS: (f64, f64) = (0.9, 0.95);
const EPS: f64 = 1e-8;
const WEIGHT_DECAY: f64 = 0.1;
/// By arm; between the smallest and the largest gradient norm of the fifty steps.
const CLIP: [(&str, f64); 2] = [("ar", 0.8), ("mdm", 1.4)];
const SEED: u32 = 7;

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

/// Of one batch.
struct Result {
    loss: f64,
    grads: Tensors,
}

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
        let (_, clip) = CLIP.iter().find(|(of, _)| *of == arm).unwrap();
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
        clip: {clip}
        precision: fp64
    }}
    eval: {{ every: 10%, loss: valid }}
    arms: {{ ar: {{ objective: ar }}, mdm: {{ objective: mdm }} }}
}}
",
            BETAS.0, BETAS.1
        );
        let compiled = compile(model, spec);
        let index = compiled.spec.variants().iter().position(|a| a.name == arm).unwrap();
        let arm = compiled.spec.variants()[index].clone();
        let training =
            training_graph(&compiled.models[index], arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective))
                .unwrap();
        let program = flatten(&training);
        let weights =
            program.params.iter().enumerate().map(|(i, p)| (p.path.clone(), draw(SEED, i as u32, p))).collect();
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
            "clip": self.arm.train.clip,
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
            self.assert_agree("interpreter", "f64", scale, &[self.interpret(scale)], theirs, F64_TOLERANCE);
        }
    }

    /// The same through libtorch.
    fn lowering_agrees_in_f64(&self, theirs: &Theirs) {
        for scale in SCALES {
            self.assert_agree("lowering", "f64", scale, &self.lowered(scale, Precision::Fp64), theirs, F64_TOLERANCE);
        }
    }

    /// At x1 against PyTorch's fp32, at x10 against its f64: see `F32_AMPLIFIED`.
    fn lowering_agrees_in_f32(&self, theirs: &Theirs) {
        self.assert_agree("lowering", "f32", 1, &self.lowered(1, Precision::Fp32), theirs, F32_TOLERANCE);
        let ours = self.lowered(10, Precision::Fp32);
        let by_batch = |dtype: &str| (0..STEPS).map(|i| theirs.at(dtype, 10, i)).collect::<Vec<_>>();
        let (exact, rounded) = (by_batch("f64"), by_batch("f32"));
        let errors = |of: &[Result], path: &str| -> f64 {
            median(of.iter().zip(&exact).map(|(of, exact)| distance(&of.grads[path], &exact.grads[path])).collect())
        };
        let loss_errors = |of: &[Result]| -> f64 {
            median(of.iter().zip(&exact).map(|(of, exact)| relative(of.loss, exact.loss)).collect())
        };
        let mut all = vec![("the loss", loss_errors(&ours), loss_errors(&rounded))];
        all.extend(self.weights.keys().map(|path| (path.as_str(), errors(&ours, path), errors(&rounded, path))));
        for (what, error, own) in &all {
            let tolerance = F32_TOLERANCE.max(F32_AMPLIFIED * own);
            assert!(*error <= tolerance, "f32_x10: {what} is off by {error:.2e}, PyTorch by {own:.2e} (medians)");
        }
        if let Some((what, error, own)) = all.iter().max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2))) {
            self.tell("lowering f32_x10", &format!("{error:.2e}, PyTorch's own {own:.2e} ({what})"));
        }
    }

    /// What is measured, beside the tolerances: `cargo test ... -- --nocapture`.
    fn tell(&self, what: &str, measured: &str) {
        println!("{:>8} {:<4} {what}: {measured}", self.arm.model.name, self.arm.name);
    }

    /// Loss and gradients of each batch through libtorch.
    fn lowered(&self, scale: u32, precision: Precision) -> Vec<Result> {
        let weights = self.weights(scale, precision);
        let executable = Executable::new(self.program.clone(), precision, Device::Cpu);
        let compute = weights.compute().unwrap();
        let one = |batch: &Corrupted| {
            let outputs = executable.run(&compute, &inputs(batch)).unwrap();
            let grads = self.program.params.iter().zip(&outputs.grads);
            let grads = grads.map(|(p, grad)| (p.path.clone(), array(grad.as_ref().unwrap()))).collect();
            Result { loss: loss(&outputs), grads }
        };
        self.batches.iter().map(one).collect()
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
        assert_eq!(n_clipped, theirs.grad_norm.iter().filter(|norm| **norm > train.clip.unwrap()).count());
        assert!((10..=40).contains(&n_clipped), "{n_clipped} of {STEPS} steps clipped, norms {:.2?}", theirs.grad_norm);
        let views = weights.views().unwrap();
        let last = self.program.params.iter().zip(&views).map(|(p, view)| (p.path.clone(), array(view))).collect();
        let what = format!("weights after {STEPS} steps");
        let worst = self.assert_tensors_close(&what, &last, &theirs.last, FINAL_WEIGHTS_TOLERANCE);
        self.tell(&what, &format!("{:.2e} ({}), {n_clipped} clipped", worst.0, worst.1));
        for (path, last) in &last {
            let moved = distance(last, &self.weights[path]);
            assert!(moved > LEAST_CHANGE, "{path} has hardly been trained: {moved:.2e}");
        }
    }

    /// Loss and gradients of the first batches, each within the tolerance.
    fn assert_agree(&self, who: &str, dtype: &str, scale: u32, ours: &[Result], theirs: &Theirs, tolerance: f64) {
        let what = format!("{who} {dtype}_x{scale}");
        let mut worst = (0.0, String::new());
        for (i, ours) in ours.iter().enumerate() {
            let theirs = theirs.at(dtype, scale, i);
            assert_close(&format!("{what}: loss of batch {i}"), ours.loss, theirs.loss, tolerance);
            let found = self.assert_tensors_close(&format!("{what}, batch {i}"), &ours.grads, &theirs.grads, tolerance);
            if found.0 > worst.0 {
                worst = found;
            }
        }
        self.tell(&what, &format!("{:.2e} ({})", worst.0, worst.1));
    }

    /// Every parameter is compared, and none by zeros. Gives the largest error.
    fn assert_tensors_close(&self, what: &str, ours: &Tensors, theirs: &Tensors, tolerance: f64) -> (f64, String) {
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{what}: paths");
        assert_eq!(ours.len(), self.program.params.len(), "{what}: parameters");
        let mut worst = (0.0, String::new());
        for (path, b) in theirs {
            assert!(norm(b) > LEAST_NORM, "{what}: {path} is all but zero");
            let error = distance(&ours[path], b);
            assert!(error <= tolerance, "{what}: {path} is off by {error:.2e}, above {tolerance:.0e}");
            if error > worst.0 {
                worst = (error, path.clone());
            }
        }
        worst
    }

    fn interpret(&self, scale: u32) -> Result {
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
        let grads =
            outputs.iter().filter_map(|(name, a)| Some((name.strip_prefix("grad.")?.to_string(), a.clone()))).collect();
        Result { loss: outputs["loss"].data[0], grads }
    }

    fn scaled(&self, scale: u32) -> Tensors {
        self.weights.iter().map(|(path, w)| (path.clone(), w.map(|x| x * f64::from(scale)))).collect()
    }
}

const SCALES: [u32; 2] = [1, 10];

/// What PyTorch says.
struct Theirs {
    /// By `f64_x1` and so on, then by batch.
    loss: BTreeMap<String, Vec<f64>>,
    /// Stacked over batches.
    grads: BTreeMap<String, Tensors>,
    train_loss: Vec<f64>,
    /// Before clipping.
    grad_norm: Vec<f64>,
    last: Tensors,
}

impl Theirs {
    fn compute(python: &Path, folder: &Path) -> Theirs {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/parity.py");
        let options = [format!("--batches={STEPS}"), format!("--steps={STEPS}")];
        let output = Command::new(python).arg(script).arg(folder).args(options).output().unwrap();
        assert!(output.status.success(), "parity.py failed:\n{}", String::from_utf8_lossy(&output.stderr));
        let result: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("result.json")).unwrap()).unwrap();
        let names = ["f64", "f32"].iter().flat_map(|dtype| SCALES.map(|scale| format!("{dtype}_x{scale}")));
        Theirs {
            loss: serde_json::from_value(result["loss"].clone()).unwrap(),
            grads: names.map(|n| (n.clone(), read_tensors(&folder.join(format!("grads_{n}.safetensors"))))).collect(),
            train_loss: serde_json::from_value(result["train_loss"].clone()).unwrap(),
            grad_norm: serde_json::from_value(result["grad_norm"].clone()).unwrap(),
            last: read_tensors(&folder.join("final_f64.safetensors")),
        }
    }

    /// Of one batch.
    fn at(&self, dtype: &str, scale: u32, batch: usize) -> Result {
        let name = format!("{dtype}_x{scale}");
        let one = |stack: &Array| {
            let n = stack.data.len() / STEPS;
            Array::new(&stack.shape[1..], stack.data[batch * n..(batch + 1) * n].to_vec())
        };
        let grads = self.grads[&name].iter().map(|(path, stack)| (path.clone(), one(stack))).collect();
        Result { loss: self.loss[&name][batch], grads }
    }
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

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs()
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn assert_close(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!(b.abs() > LEAST_NORM, "{what} is all but zero");
    let error = relative(a, b);
    assert!(error <= tolerance, "{what}: {a} against {b}, {error:.2e} above {tolerance:.0e}");
}
