//! What each stage of the front half takes, at 4, 26 and 2,600 layers. A stage that unrolls nothing takes
//! the same at all three; flattening unrolls, and grows with the layers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/support/layers.rs"]
mod layers;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dlmc::analyze::{count_params, flops};
use dlmc::base::source::Memory;
use dlmc::base::{Diagnostics, FileId, SourceMap};
use dlmc::cli::front::{compile, model_inputs};
use dlmc::graph::DimSizes;
use dlmc::graph::elaborate::build;
use dlmc::graph::training::training_graph;
use dlmc::graph::validate::validate;
use dlmc::{check, program, resolve, syntax};

const QUICKSTART: &str = include_str!("../specs/quickstart.dlm");
const DECODER: &str = include_str!("../specs/lib/decoder.dlm");
const LAYERS: [u64; 3] = [4, 26, 2_600];

/// The quickstart with so many layers.
fn sources(layers: u64) -> Memory {
    let text = QUICKSTART.replace("layers: 4", &format!("layers: {layers}"));
    Memory([(PathBuf::from("a.dlm"), text), (PathBuf::from("lib/decoder.dlm"), DECODER.into())].into())
}

fn stages(c: &mut Criterion) {
    let path = Path::new("a.dlm");
    c.bench_function("parse", |b| b.iter(|| syntax::parse(FileId(0), black_box(QUICKSTART))));
    for layers in LAYERS {
        let files = sources(layers);
        let load = || {
            let mut map = SourceMap::default();
            let (library, mut out) = resolve::load(path, &files, &mut map);
            (resolve::resolve_experiment(library, &mut map, None, &[], &mut out).expect("sound"), map)
        };
        let (resolved, map) = load();
        let spec = check::check(&resolved, &map, &mut Diagnostics::default()).0.expect("sound");
        let arm = spec.variants()[0].clone();
        let built = || {
            let graph = build(black_box(&arm.model), model_inputs(&arm), &mut Diagnostics::default());
            validate(graph.expect("sound")).expect("sound")
        };
        let model = built();
        let live = arm.vocab.n_predictable();
        let training = training_graph(&model, live, dlmc::objective::Loss::CrossEntropy).expect("sound");
        let sizes = DimSizes::all(32, arm.data.seq);

        let mut group = c.benchmark_group("layers");
        let id = |stage: &str| BenchmarkId::new(stage, layers);
        group.bench_function(id("read and resolve"), |b| b.iter(load));
        group.bench_function(id("check"), |b| {
            b.iter(|| check::check(black_box(&resolved), &map, &mut Diagnostics::default()));
        });
        group.bench_function(id("build and validate"), |b| b.iter(built));
        group.bench_function(id("training graph"), |b| {
            b.iter(|| training_graph(black_box(&model), live, dlmc::objective::Loss::CrossEntropy))
        });
        group.bench_function(id("parameters and FLOPs"), |b| {
            b.iter(|| (count_params(black_box(&training)), flops(black_box(&training), sizes)));
        });
        group.bench_function(id("all of check"), |b| b.iter(|| compile(path, black_box(&files), None, &[], None)));
        group.sample_size(if layers > 100 { 10 } else { 100 });
        group.bench_function(id("flatten"), |b| b.iter(|| program::flatten(black_box(&training))));
        group.finish();
    }
}

/// Two kinds of layers, by the index: 26 of them, and a hundred times as many.
fn kinds(c: &mut Criterion) {
    let mut group = c.benchmark_group("two kinds of layers");
    for n in [26u64, 2_600] {
        let decoder = "decoder(layers: 4, dim: 128, heads: 4, ffn: 344, tied: false)";
        let text = QUICKSTART.replace(decoder, &format!("deep(layers: {n})"));
        let text = text.replace("use \"lib/decoder.dlm\" { decoder }", "") + layers::DEEP;
        let files = Memory([(PathBuf::from("a.dlm"), text)].into());
        let path = Path::new("a.dlm");
        assert!(compile(path, &files, None, &[], None).compiled.is_some());
        group.bench_function(BenchmarkId::new("all of check", n), |b| {
            b.iter(|| compile(path, black_box(&files), None, &[], None));
        });
    }
    group.finish();
}

/// A thousand variants: two arms at 10 x 10 x 5 points, of 50 models.
const SWEEP: &str = "sweep: {
        data.unique: linear(10K tokens..100K tokens, 10)
        train.optimizer.lr: log(1e-4..1e-2, 10)
        model.layers: [1, 2, 3, 4, 5]
    }
    arms:";

fn sweep(c: &mut Criterion) {
    let text = QUICKSTART.replace("arms:", SWEEP);
    let files = Memory([(PathBuf::from("a.dlm"), text), (PathBuf::from("lib/decoder.dlm"), DECODER.into())].into());
    let path = Path::new("a.dlm");
    let compiled = compile(path, &files, None, &[], None).compiled.expect("sound");
    assert_eq!(compiled.spec.variants().len(), 1_000);
    let mut group = c.benchmark_group("sweep");
    group.sample_size(10);
    group.bench_function("all of check, 1,000 variants", |b| {
        b.iter(|| compile(path, black_box(&files), None, &[], None));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = stages, kinds, sweep
}
criterion_main!(benches);
