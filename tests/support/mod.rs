//! What tests of graphs share: models from text, random values, comparisons.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod hand;
pub mod layers;
pub mod oracle;
pub mod program;

use dlmc::base::philox::{Purpose, Stream};
use dlmc::base::source::Memory;
use dlmc::base::{Diagnostics, SourceMap};
use dlmc::graph::elaborate::{ModelInputs, build};
use dlmc::graph::ops::Input;
use dlmc::graph::validate::validate;
use dlmc::graph::{Array, ValidGraph};
use dlmc::objective::Pattern;
use dlmc::program::{ParamInstance, flatten};
use dlmc::reference::Bindings;
use std::path::{Path, PathBuf};

pub const VOCAB: u64 = 12;
/// Ids from here on have no probability.
pub const LIVE: u64 = 10;

const EXPERIMENT: &str = "
objective ar = next_token()
data text {
    source: files(\"*\")
    tokenizer: bytes
    unique: 100K tokens
    epochs: 4
    seq: 128
    valid: 64K tokens
    order: strict(boundaries: moving)
}
experiment tiny {
    model: MODEL
    data: text
    train: {
        batch: 32 seqs
        optimizer: adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)
        lr_schedule: wsd(warmup: 2%, decay: 10%, floor: 10%)
        clip: 1.0
        precision: fp32
        seeds: { init: 1, split: 2, subset: 3, order: 4, noise: 5, eval: 6 }
    }
    eval: { every: 1 epoch, loss: valid }
    arms: { ar: { objective: ar } }
}
";

/// `decoder(...)` of the library.
pub fn decoder(call: &str, pattern: Pattern, vocab: u64, seq: u64) -> ValidGraph {
    model("use \"lib/decoder.dlm\" { decoder }\n", call, pattern, vocab, seq)
}

/// A model from its text and a call of it.
pub fn model(definitions: &str, call: &str, pattern: Pattern, vocab: u64, seq: u64) -> ValidGraph {
    let text = format!("{definitions}\n{}", EXPERIMENT.replace("MODEL", call));
    let library = include_str!("../../specs/lib/decoder.dlm");
    let sources = Memory(
        [(PathBuf::from("a.dlm"), text), (PathBuf::from("lib/decoder.dlm"), library.to_string())].into_iter().collect(),
    );
    let mut map = SourceMap::default();
    let (library, mut out) = dlmc::resolve::load(Path::new("a.dlm"), &sources, &mut map);
    let explain = |out: &Diagnostics, map: &SourceMap| dlmc::cli::render::human(out, map, false);
    let spec = dlmc::resolve::resolve_experiment(library, &mut map, None, &[], &mut out);
    let spec = spec.unwrap_or_else(|| panic!("{}", explain(&out, &map)));
    let checked = dlmc::check::check(&spec, &map, &mut out).0.unwrap_or_else(|| panic!("{}", explain(&out, &map)));
    let graph = build(&checked.variants()[0].model, ModelInputs { vocab, seq, pattern, noise_level: true }, &mut out);
    validate(graph.unwrap_or_else(|| panic!("{}", explain(&out, &map)))).unwrap()
}

/// Seeded draws for tests.
pub struct Draws {
    stream: Stream,
    next: u32,
}

impl Draws {
    pub fn new(seed: u32) -> Draws {
        Draws { stream: Stream::new(seed, Purpose::Bootstrap), next: 0 }
    }

    pub fn normal(&mut self) -> f64 {
        self.next += 1;
        self.stream.normals([0, 0, self.next, 0])[0]
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next += 1;
        (self.stream.uniform([0, 0, self.next, 1]) * n as f64) as u64
    }

    pub fn array(&mut self, shape: &[usize], std: f64) -> Array {
        let n = shape.iter().product();
        Array::new(shape, (0..n).map(|_| std * self.normal()).collect())
    }

    pub fn ids(&mut self, shape: &[usize], below: u64) -> Array {
        let n = shape.iter().product();
        Array::new(shape, (0..n).map(|_| self.below(below) as f64).collect())
    }
}

/// Random values for everything that a graph reads. Gains are near 1, matrices large enough that
/// nothing is nearly linear.
pub fn bindings(graph: &ValidGraph, seed: u32, batch: usize, time: usize) -> Bindings {
    let mut draws = Draws::new(seed);
    let mut out = Bindings::default();
    out.inputs.insert(Input::Tokens, draws.ids(&[batch, time], VOCAB));
    out.inputs.insert(Input::Positions, Array::new([time], (0..time).map(|p| p as f64).collect()));
    out.inputs.insert(Input::Targets, draws.ids(&[batch, time], LIVE));
    // Some positions weigh nothing, as unmasked ones do.
    let weights =
        draws.array(&[batch, time], 1.0).map(|w| if w < -0.5 { 0.0 } else { w.abs() / (batch * time) as f64 });
    let read: Vec<usize> = weights.data.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(i, _)| i).collect();
    let mut places = Array::zeros([batch, time]);
    read.iter().enumerate().for_each(|(row, at)| places.data[*at] = (row + 1) as f64);
    out.inputs.insert(Input::Rows, Array::new([read.len()], read.iter().map(|at| *at as f64).collect()));
    out.inputs.insert(Input::Places, places);
    out.inputs.insert(Input::Weights, weights);
    let levels = Array::new([batch], (0..batch).map(|i| (i + 1) as f64 / (batch + 1) as f64).collect());
    out.inputs.insert(Input::NoiseLevel, levels);
    // Uniform noise: what is not clean is shared among the ids that can be predicted.
    let alpha = Array::new([batch], (0..batch).map(|i| 1.0 - (i + 1) as f64 / (batch + 1) as f64).collect());
    out.inputs.insert(Input::Uniform, alpha.map(|alpha| (1.0 - alpha) / LIVE as f64));
    out.inputs.insert(Input::Alpha, alpha);
    out.inputs.insert(Input::Draw, Array::new([3], vec![f64::from(seed), 3.0, 0.0]));
    for ParamInstance { path, shape, .. } in flatten(graph).params {
        let shape: Vec<usize> = shape.iter().map(|n| *n as usize).collect();
        let value = match shape.as_slice() {
            [_] => draws.array(&shape, 0.2).map(|x| 1.0 + x),
            _ => draws.array(&shape, 0.5),
        };
        out.params.insert(path, value);
    }
    out
}

/// ||a - b|| / ||b||, with a floor for what is all but zero.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied()).max(1e-6)
}
