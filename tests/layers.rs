//! Layers that differ, share, collect and take blocks: pinned as graphs, and equal to what one body for each index
//! would compute. `tests/gradients.rs` differentiates the same models, `tests/lowering.rs` runs them on libtorch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dlmc::analyze::{count_params, flops};
use dlmc::base::source::Memory;
use dlmc::cli::front::compile;
use dlmc::cli::render;
use dlmc::graph::training::{loss_graph, training_graph};
use dlmc::graph::{DimSizes, Op, ValidGraph, text};
use dlmc::objective::Pattern;
use dlmc::reference::evaluate;
use proptest::prelude::*;
use support::layers::{DEEP, MODELS};
use support::{LIVE, VOCAB, bindings, model};

fn build(text: &str, call: &str) -> ValidGraph {
    model(text, call, Pattern::Causal, VOCAB, 8)
}

#[test]
fn graphs_are_pinned() {
    for (name, text, call) in MODELS {
        let graph = build(text, call);
        let shown = format!("{}\n{}\n{}", text.trim(), "-".repeat(100), text::text(graph.graph(), true));
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(*name, shown) });
    }
}

/// Distinct bodies of all regions of the root.
fn n_bodies(graph: &ValidGraph) -> usize {
    graph.graph().bodies.len() - 1
}

/// The instances of all parameters, with their shapes.
fn instances(graph: &ValidGraph) -> BTreeMap<String, Vec<u64>> {
    let params = graph.graph().params.iter();
    let all = params.flat_map(|p| p.instances().into_iter().map(|i| (p.instance_path(&i), p.shape.clone())));
    let mut found = BTreeMap::new();
    for (path, shape) in all {
        assert!(found.insert(path.clone(), shape).is_none(), "{path} twice");
    }
    found
}

/// The same model with a line in each repeat that makes every index a body of its own.
fn each_its_own(text: &str) -> String {
    let mut found = String::new();
    for line in text.lines() {
        found.push_str(line);
        found.push('\n');
        if let Some((_, label)) = line.split_once(" as ").filter(|_| line.trim().starts_with("repeat")) {
            found.push_str(&format!("lone = x * {}\n", label.trim_end_matches('{').trim()));
        }
    }
    found
}

fn check_sharing(text: &str, call: &str) {
    let (shared, apart) = (build(text, call), build(&each_its_own(text), call));
    assert!(n_bodies(&shared) <= n_bodies(&apart), "{text}");
    assert_eq!(instances(&shared), instances(&apart), "{text}");
    let graphs = [&shared, &apart].map(|graph| loss_graph(graph, LIVE, dlmc::objective::Loss::CrossEntropy).unwrap());
    let at = bindings(&graphs[0], 5, 2, 4);
    let [a, b] = graphs.map(|graph| evaluate(&graph, &at).unwrap()["loss"].data[0]);
    assert!(a.is_finite() && a == b, "{a} and {b}: {text}");
}

#[test]
fn indices_that_share_a_body_compute_what_they_would_alone() {
    for (_, text, call) in MODELS {
        check_sharing(text, call);
    }
}

/// Writes random bodies: choices by any index in scope, values carried from some index on, lists, shared layers.
struct Writer {
    state: u64,
    n_names: usize,
    text: String,
}

impl Writer {
    fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % n
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn name(&mut self, of: &str) -> String {
        self.n_names += 1;
        format!("{of}{}", self.n_names)
    }

    fn index(&mut self, labels: &[String]) -> String {
        labels[self.below(labels.len() as u64) as usize].clone()
    }

    fn condition(&mut self, labels: &[String]) -> String {
        let (i, j) = (self.index(labels), self.index(labels));
        let (a, b) = (1 + self.below(4), self.below(5));
        match self.below(9) {
            0 => format!("{i} % {a} == {}", b % a),
            1 => format!("{i} < {a}"),
            2 => format!("{i} in [{a}, {b}, 0]"),
            3 => format!("{i} in {a}..{}", a + b),
            4 => format!("{i} == {j}"),
            5 => format!("({i} + {j}) % 2 == 1"),
            6 => format!("not {i} * {a} > {j}"),
            7 => format!("{i} > 0 and 6 / {i} > {a}"),
            _ => format!("{i} == 0 or {}", self.condition(labels)),
        }
    }

    /// `always`: whether it runs at every index.
    fn statement(&mut self, labels: &[String], depth: usize, always: bool) {
        let (w, i) = (self.name("w"), self.index(labels));
        match self.below(if depth > 2 { 6 } else { 9 }) {
            0 => self.line(&format!("x = x + linear(x, 4) as {w}")),
            1 => self.line(&format!("x = x * (1 + {i} % 2)")),
            2 => self.line(&format!("x = x + share linear(x, 4) as {w}")),
            3 => {
                let condition = self.condition(labels);
                self.line(&format!(
                    "x = x + linear(linear(x, if {condition} {{ 2 }} else {{ 3 }}) as {w}a, 4) as {w}b"
                ));
            }
            4 if always => {
                // Assigned at the first index of the innermost repeat, so at every later one it is there.
                let (innermost, condition) = (labels.last().unwrap().clone(), self.condition(labels));
                self.line(&format!("if {innermost} == 0 or {condition} {{ {w} = x }} else {{ x = x - {w} * 0.5 }}"));
            }
            4 | 5 => {
                let (a, b) = (self.condition(labels), self.condition(labels));
                self.line(&format!(
                    "if {a} {{ x = rmsnorm(x) as {w}a }} else if {b} {{ x = silu(x) }} else {{ y = x }}"
                ));
            }
            6 => {
                let condition = self.condition(labels);
                self.line(&format!("if {condition} {{"));
                self.statement(labels, depth + 1, false);
                self.line("} else {");
                self.statement(labels, depth + 1, false);
                self.line("}");
            }
            _ => self.repeat(labels, depth),
        }
    }

    fn repeat(&mut self, labels: &[String], depth: usize) {
        let (label, list) = (self.name("i"), self.name("h"));
        let n = 1 + self.below(if depth == 0 { 7 } else { 3 });
        let inner = [labels, std::slice::from_ref(&label)].concat();
        self.line(&format!("repeat {n} as {label} {{"));
        for _ in 0..1 + self.below(3) {
            self.statement(&inner, depth + 1, true);
        }
        self.line(&format!("collect {list} = x"));
        self.line("}");
        let k = self.below(n);
        let outer = labels.last().cloned();
        match outer {
            Some(outer) => self.line(&format!("x = x * 0.5 + pick({list}, ({outer} + {k}) % {n})")),
            None => {
                let again = self.name("r");
                self.line(&format!("repeat {n} as {again} {{"));
                self.line(&format!("x = x * 0.5 + pick({list}, {n} - 1 - {again}) + pick({list}, {k})"));
                self.line("}");
            }
        }
    }

    fn model(seed: u64) -> String {
        let mut writer = Writer { state: seed, n_names: 0, text: String::new() };
        writer.line("model m() {\nx = embed(tokens, 4)");
        for _ in 0..2 {
            writer.repeat(&[], 0);
        }
        writer.line("return unembed(rmsnorm(x))\n}");
        writer.text
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 60 } else { 1_000 })
    })]

    #[test]
    fn random_layers_compute_what_they_would_alone(seed in any::<u64>()) {
        check_sharing(&Writer::model(seed), "m()");
    }
}

#[test]
fn a_body_is_elaborated_for_each_kind_of_layer() {
    let kinds = |condition: &str| {
        let text = format!(
            "model m() {{\n x = embed(tokens, 4)\n repeat 24 as i {{\n\
             x = if {condition} {{ linear(x, 4) as a }} else {{ silu(x) }}\n}}\n return unembed(x)\n}}"
        );
        n_bodies(&build(&text, "m()"))
    };
    assert_eq!(kinds("i % 4 == 3"), 2);
    assert_eq!(kinds("i in [0, 5] or i % 3 == 1 and i > 7"), 2);
    assert_eq!(kinds("i > 0 and 24 / i in 3..6"), 2);
    assert_eq!(kinds("i >= 0"), 1);
    assert_eq!(kinds("max(i, 20) == 20 and floor(i / 2) != 4"), 2);
}

#[test]
fn layers_that_are_alike_have_one_parameter() {
    let (_, text, call) = MODELS.iter().find(|(name, ..)| *name == "windows").unwrap();
    let graph = build(text, call);
    let paths: Vec<&str> = graph.graph().params.iter().map(|p| p.path.as_str()).collect();
    let twice: BTreeSet<&&str> = paths.iter().filter(|p| paths.iter().filter(|q| q == p).count() > 1).collect();
    // Of two widths in the first and in the other layers; all else is one parameter for all layers.
    assert_eq!(twice, BTreeSet::from([&"i.*.up", &"i.*.down"]));
}

#[test]
fn lists_are_in_the_order_of_the_indices() {
    let loss = |text: &str| {
        let graph = loss_graph(&build(text, "m()"), LIVE, dlmc::objective::Loss::CrossEntropy).unwrap();
        let at = bindings(&graph, 3, 2, 4);
        evaluate(&graph, &at).unwrap()["loss"].data[0]
    };
    let around = |body: &str| format!("model m() {{\n x = embed(tokens, 4)\n {body}\n return unembed(x)\n}}");
    let repeated = around(
        "repeat 4 as i {\n x = x * (i + 2) + 1\n if i < 2 { v = x }\n collect h = x - v\n}\n\
         repeat 4 as i {\n if i != 1 { x = x * 0.5 + pick(h, 3 - i) * pick(h, i) * 0.01 }\n}\n x = x * 0.1 + pick(h, 2)",
    );
    let by_hand = around(
        "x = x * 2 + 1\n h0 = x - x\n x = x * 3 + 1\n v = x\n h1 = x - v\n x = x * 4 + 1\n h2 = x - v\n\
         x = x * 5 + 1\n h3 = x - v\n x = x * 0.5 + h3 * h0 * 0.01\n x = x * 0.5 + h1 * h2 * 0.01\n\
         x = x * 0.5 + h0 * h3 * 0.01\n x = x * 0.1 + h2",
    );
    let (a, b) = (loss(&repeated), loss(&by_hand));
    assert!((a - b).abs() < 1e-12 * a.abs(), "{a} and {b}");
}

#[test]
fn a_given_block_is_the_block_itself() {
    let given = "block f(x: [B, T, D], g: block([B, T, D]) -> [B, T, D]) -> [B, T, D] { return g(x) as inner }\n\
        block mlp(x: [B, T, D], hidden: int) -> [B, T, D] { return linear(silu(linear(x, hidden) as up), D) as down }\n\
        model m() { return unembed(f(embed(tokens, 4), g: mlp(hidden: 3))) }";
    let direct =
        given.replace("return g(x) as inner", "return mlp(x, hidden: 3) as inner").replace(", g: mlp(hidden: 3)", "");
    let direct = direct.replace(", g: block([B, T, D]) -> [B, T, D]", "");
    let (given, direct) = (build(given, "m()"), build(&direct, "m()"));
    assert_eq!(text::text(given.graph(), true), text::text(direct.graph(), true));
}

// ---- what it costs ----

/// All front stages, as `check` and `plan` go through them.
fn front_stages(layers: u64) -> (Duration, usize) {
    let quickstart = common::QUICKSTART
        .replace("decoder(layers: 4, dim: 128, heads: 4, ffn: 344, tied: false)", &format!("deep(layers: {layers})"));
    let quickstart = quickstart.replace("use \"lib/decoder.dlm\" { decoder }", "");
    assert!(quickstart.contains("deep("));
    let sources = Memory([(PathBuf::from("a.dlm"), format!("{quickstart}{DEEP}"))].into());
    let start = Instant::now();
    let outcome = compile(Path::new("a.dlm"), &sources, None, &[], None);
    let said = render::human(&outcome.diagnostics, &outcome.sources, false);
    let compiled = outcome.compiled.unwrap_or_else(|| panic!("{said}"));
    let (arm, model) = (&compiled.spec.variants()[0], &compiled.models[0]);
    let training = training_graph(model, arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective)).unwrap();
    let counted = (count_params(&training), flops(&training, DimSizes::all(32, 128)));
    let time = start.elapsed();
    assert!(counted.0.total > layers * 32 * 32);
    let repeats = model.graph().bodies[0].nodes().filter(|(_, node)| matches!(node.op, Op::Repeat(_))).count();
    assert_eq!(repeats, 1);
    (time, n_bodies(model))
}

/// A hundred times the layers cost the same up to the bookkeeping of runs. The figure is `benches/front.rs`'s to
/// measure; here it must not grow with the layers, whatever else the machine does.
#[test]
fn cost_goes_with_the_kinds_of_layers() {
    let (mut few, mut many) = (front_stages(26), front_stages(2_600));
    assert_eq!((few.1, many.1), (2, 2));
    for _ in 0..15 {
        few = few.min(front_stages(26));
        many = many.min(front_stages(2_600));
    }
    let ratio = many.0.as_secs_f64() / few.0.as_secs_f64();
    let most = if cfg!(debug_assertions) { 3.0 } else { 2.0 };
    assert!(ratio < most, "26 layers {:?}, 2,600 layers {:?}", few.0, many.0);
}
