//! Graphs of real and of random models: pinned, counted by hand, differentiated, unrolled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod support;

use std::collections::BTreeSet;

use common::{QUICKSTART, front, front_with};
use dlmc::analyze::{count_params, flops};
use dlmc::check::spec::Arm;
use dlmc::cli::front::Compiled;
use dlmc::cli::render;
use dlmc::graph::ops::Input;
use dlmc::graph::ops::Operation;
use dlmc::graph::ops::attend::{Attend, Sight};
use dlmc::graph::training::{loss_graph, training_graph};
use dlmc::graph::{Array, Dim, DimSizes, Graph, Indices, Op, Type, ValidGraph, dot, text, view};
use dlmc::objective::Pattern;
use dlmc::program::{Program, flatten};
use dlmc::reference::{Bindings, evaluate};
use proptest::prelude::*;
use support::program::{check_lifetimes, run};

fn compiled(text: &str) -> Compiled {
    let outcome = front(text);
    let said = render::human(&outcome.diagnostics, &outcome.sources, false);
    outcome.compiled.unwrap_or_else(|| panic!("{text}\n{said}"))
}

fn quickstart(overrides: &[(&str, &str)]) -> Compiled {
    front_with(QUICKSTART, overrides).compiled.expect("sound")
}

/// An experiment with an autoregressive and a masked arm around a model; 8 ids.
fn small(definitions: &str, model: &str) -> Compiled {
    compiled(&format!(
        "{definitions}\nschedule keep(t) = 1 - t\nobjective ar = next_token()\n\
         objective mdm = masked_diffusion(schedule: keep)\n\
         data d {{\n source: files(\"*.txt\"), tokenizer: chars(5), vocab: 8, unique: 100K tokens, epochs: 4\n\
         seq: 5, valid: 64K tokens\n}}\n\
         experiment e {{\n model: {model}\n data: d\n\
         train: {{ batch: 32 seqs, optimizer: adamw(lr: 1e-3), lr_schedule: constant() }}\n\
         eval: {{ every: 1 epoch, loss: valid }}\n\
         arms: {{ ar: {{ objective: ar }}, mdm: {{ objective: mdm }} }}\n}}\n"
    ))
}

fn arms(compiled: &Compiled) -> impl Iterator<Item = (&Arm, &ValidGraph)> {
    compiled.spec.variants().iter().zip(compiled.models.iter().map(AsRef::as_ref))
}

fn training(arm: &Arm, model: &ValidGraph) -> ValidGraph {
    training_graph(model, arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective))
        .unwrap_or_else(|e| panic!("{e}"))
}

fn n_nodes(graph: &Graph) -> usize {
    graph.bodies.iter().map(|body| body.dag.node_count()).sum()
}

// ---- pinned ----

#[test]
fn the_quickstart_is_pinned_at_every_stage() {
    let quickstart = quickstart(&[]);
    for (arm, model) in arms(&quickstart) {
        let name = &arm.name;
        let graph = model.graph();
        insta::assert_snapshot!(format!("quickstart_{name}_built"), view::ron(graph, false));
        insta::assert_snapshot!(format!("quickstart_{name}_checked"), view::ron(graph, true));
        insta::assert_snapshot!(format!("quickstart_{name}_training"), view::ron(training(arm, model).graph(), true));
    }
    let (arm, model) = arms(&quickstart).next().unwrap();
    insta::assert_snapshot!("quickstart_ar_text", text::text(model.graph(), true));
    insta::assert_snapshot!(
        "quickstart_ar_loss",
        text::text(
            loss_graph(model, arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective)).unwrap().graph(),
            true
        )
    );
}

#[test]
fn arms_differ_in_the_attention_pattern_alone() {
    let quickstart = quickstart(&[]);
    let views: Vec<String> = quickstart.models.iter().map(|m| view::ron(m.graph(), true)).collect();
    assert_ne!(views[0], views[1]);
    assert_eq!(views[0].replace("causal", "full"), views[1]);
    let params = |i: usize| quickstart.models[i].graph().params.clone();
    assert_eq!(params(0), params(1));
}

#[test]
fn the_pinned_view_is_ron() {
    for model in quickstart(&[]).models {
        ron::from_str::<ron::Value>(&view::ron(model.graph(), true)).unwrap();
    }
}

/// What Graphviz needs: balanced braces, every edge between declared nodes, no node twice.
fn well_formed(dot: &str) {
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
    let (mut nodes, mut ends) = (BTreeSet::new(), BTreeSet::new());
    for line in dot.lines().map(str::trim) {
        let before = line.split('[').next().unwrap();
        if let Some((from, to)) = before.split_once("->") {
            ends.extend([from.trim().to_string(), to.trim().trim_end_matches(';').to_string()]);
            assert!(line.ends_with(';'), "{line}");
        } else if line.contains("[label=") {
            assert!(nodes.insert(before.trim().to_string()), "`{before}` twice");
        }
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
    }
    assert!(!nodes.is_empty());
    assert_eq!(ends.difference(&nodes).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn dot_is_well_formed() {
    let quickstart = quickstart(&[]);
    for (arm, model) in arms(&quickstart) {
        well_formed(&dot::dot(model.graph()));
        well_formed(&dot::dot(training(arm, model).graph()));
    }
    // Paths that differ in a dot and an underscore only.
    let tricky = small(
        "block a(x: [B, T, D]) -> [B, T, D] {\n return linear(x, D) as b\n}\n\
         model m() {\n x = embed(tokens, 4)\n x = a(x)\n x = linear(x, 4) as a_b\n return unembed(x)\n}",
        "m()",
    );
    for (arm, model) in arms(&tricky) {
        well_formed(&dot::dot(training(arm, model).graph()));
    }
}

// ---- counted by hand ----

#[test]
fn parameters_are_those_counted_by_hand() {
    // 320 x 128 twice; per layer 4 x 128^2 + 3 x 128 x 344 + 2 x 128 + 2 x 32; a norm.
    let count = count_params(&quickstart(&[]).models[0]);
    assert_eq!((count.total, count.embedding), (873_856, 320 * 128));
    assert_eq!(count.decayed, 873_856 - (4 * (2 * 128 + 2 * 32) + 128));
    // The paper's 1B: 50,304 x 1,792 tied; 26 layers of 4 x 1,792^2 + 3 x 1,792 x 4,736 + norms.
    let paper =
        quickstart(&[("model", "decoder(layers: 26, dim: 1792, heads: 14, ffn: 4736)"), ("data.vocab", "50304")]);
    let count = count_params(&paper.models[0]);
    assert_eq!(count.total, 1_086_196_992);
    assert_eq!(count.without_embedding(), 996_052_224);
    assert_eq!(count.embedding, 50_304 * 1_792);
    assert_eq!(count.embedding, count.total - count.without_embedding());
}

#[test]
fn flops_are_those_counted_by_hand() {
    let quickstart = quickstart(&[]);
    let sizes = DimSizes::all(1, 128);
    for (arm, model) in arms(&quickstart) {
        // Matrix products: 2 x weights x tokens; embedding tables are looked up.
        let weights = 4.0 * (4.0 * 128.0 * 128.0 + 3.0 * 128.0 * 344.0) + 128.0 * 320.0;
        let pairs = if arm.objective.needs_mask() { 128.0 * 128.0 } else { 128.0 * 129.0 / 2.0 };
        let cost = flops(model, sizes);
        assert_eq!(cost.total - cost.attention, 2.0 * weights * 128.0);
        // Scores and mixing, per layer: two products of 128 numbers for each pair.
        assert_eq!(cost.attention, 4.0 * 2.0 * 2.0 * 128.0 * pairs);
        // Backward: each product twice.
        let trained = flops(&training(arm, model), sizes);
        assert_eq!(trained.total - trained.attention, 3.0 * (cost.total - cost.attention));
    }
}

#[test]
fn attention_counts_the_pairs_that_see_each_other() {
    let blocks = [1, 2, 3, 4, 100].map(|block| [Pattern::BlockCausal { block }, Pattern::TwoStream { block }]);
    for pattern in blocks.into_iter().flatten().chain([Pattern::Causal, Pattern::Full]) {
        for window in [None, Some(1), Some(2), Some(5), Some(7), Some(8), Some(100)] {
            for t in 1..12u64 {
                let sight = Sight { pattern, window };
                let seen: usize = (0..t as usize).map(|i| sight.of(i, t as usize).len()).sum();
                let q = Type::compute([Dim::Batch, Dim::Fixed(3), Dim::Time, Dim::Fixed(4)]);
                let cost = Attend { sight, drops: None }.flops(&[&q], &[], DimSizes::all(2, t));
                assert_eq!(cost, (2 * 2 * 2 * 3 * 4 * seen) as f64, "{sight:?} at {t}");
                // Hand counts: nobody sees farther than the window, everybody sees itself.
                assert!((0..t as usize).all(|i| sight.of(i, t as usize).contains(&i)));
                let n_streams = if matches!(pattern, Pattern::TwoStream { .. }) { 2 } else { 1 };
                assert!(window.is_none_or(|w| seen as u64 <= n_streams * t * (2 * w - 1)));
            }
        }
    }
}

#[test]
fn a_repeat_is_the_same_graph_at_any_count() {
    let sizes: Vec<(usize, usize, usize)> = ["26", "2_600"]
        .iter()
        .map(|layers| {
            let compiled = quickstart(&[("model.layers", layers)]);
            let (arm, model) = arms(&compiled).next().unwrap();
            let training = training(arm, model);
            (n_nodes(model.graph()), n_nodes(training.graph()), training.graph().bodies.len())
        })
        .collect();
    assert_eq!(sizes[0], sizes[1]);
    let per_layer = |layers: &str| count_params(&quickstart(&[("model.layers", layers)]).models[0]).total;
    assert_eq!(per_layer("2_600") - per_layer("26"), (2_600 - 26) * (per_layer("2") - per_layer("1")));
}

#[test]
fn a_tied_table_is_one_parameter_with_both_gradients() {
    let count = |tied: &str| {
        let compiled = quickstart(&[("model.tied", tied)]);
        let (arm, model) = arms(&compiled).next().unwrap();
        let paths: Vec<String> = model.graph().params.iter().map(|p| p.path.clone()).collect();
        let grads = training(arm, model).graph().grads.len();
        (count_params(model).total, paths.iter().any(|p| p == "unembed"), paths.len(), grads)
    };
    let (tied, own) = (count("true"), count("false"));
    assert_eq!(own.0 - tied.0, 320 * 128);
    assert_eq!((tied.1, own.1), (false, true));
    assert_eq!(own.2, tied.2 + 1);
    assert_eq!((tied.3, own.3), (tied.2, own.2));
}

#[test]
fn nested_regions_have_an_index_each() {
    let compiled = small(
        "model m() {\n x = embed(tokens, 4)\n repeat 2 as outer {\n x = x + linear(x, 4) as a\n\
         repeat 3 as inner {\n x = x + linear(x, 4) as b\n}\n}\n return unembed(x)\n}",
        "m()",
    );
    let model = &compiled.models[0];
    let param = |path: &str| model.graph().params.iter().find(|p| p.path == path).unwrap_or_else(|| panic!("{path}"));
    assert_eq!(param("outer.*.a").indices, [Indices::all(2)]);
    assert_eq!(param("outer.*.inner.*.b").indices, [Indices::all(2), Indices::all(3)]);
    assert_eq!(param("outer.*.inner.*.b").instance_path(&[1, 2]), "outer.1.inner.2.b");
    let program = flatten(model);
    let paths: Vec<&str> = program.params.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "embed",
            "outer.0.a",
            "outer.0.inner.0.b",
            "outer.0.inner.1.b",
            "outer.0.inner.2.b",
            "outer.1.a",
            "outer.1.inner.0.b",
            "outer.1.inner.1.b",
            "outer.1.inner.2.b",
            "unembed",
        ]
    );
    assert_eq!(program.instrs.iter().filter(|i| i.op.name() == "linear").count(), 2 + 6 + 1);
    // A region's node stands in the body of the region around it.
    let regions =
        |body: usize| model.graph().bodies[body].nodes().filter(|(_, n)| matches!(n.op, Op::Repeat(_))).count();
    assert_eq!((0..3).map(regions).sum::<usize>(), 2);
    assert_eq!(regions(0), 1);
}

// ---- programs ----

#[test]
fn the_quickstart_unrolls_soundly() {
    let quickstart = quickstart(&[]);
    for (arm, model) in arms(&quickstart) {
        check_lifetimes(&flatten(model));
        let program = flatten(&training(arm, model));
        check_lifetimes(&program);
        assert_eq!(program.params.len(), program.grads.iter().flatten().count());
        assert!(program.instrs.iter().any(|i| i.scope == "layer.3.attention"));
    }
}

// ---- gradients ----

const BATCH: usize = 2;
const TIME: usize = 5;
/// Entries of each parameter whose derivative is measured.
const N_PROBED: usize = 2;
/// Steps of the differences over four points. A norm of a nearly constant row bends within the larger
/// ones, rounding drowns the smaller ones; a wrong derivative agrees with none.
const STEPS: [f64; 3] = [1e-3, 1e-4, 1e-5];
/// Several orders above the error of the differences, several below any wrong term.
const TOLERANCE: f64 = 1e-6;

/// A stream of numbers in -1..1, the same for a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64 / f64::from(1u32 << 30)) - 1.0
    }

    fn below(&mut self, n: usize) -> usize {
        (((self.next() + 1.0) / 2.0 * n as f64) as usize).min(n - 1)
    }

    fn array(&mut self, shape: &[usize], mut f: impl FnMut(&mut Numbers) -> f64) -> Array {
        let n = shape.iter().product();
        Array::new(shape, (0..n).map(|_| f(self)).collect())
    }
}

fn bindings(arm: &Arm, program: &Program, seed: u64) -> Bindings {
    let mut numbers = Numbers(seed);
    let rows = [BATCH, TIME];
    let live = arm.vocab.n_predictable() as usize;
    let inputs = [
        (Input::Tokens, numbers.array(&rows, |n| n.below(live) as f64)),
        (Input::Positions, Array::new([TIME], (0..TIME).map(|i| i as f64).collect())),
        (Input::Targets, numbers.array(&rows, |n| n.below(live) as f64)),
        (Input::Weights, numbers.array(&rows, |n| n.next() + 1.0)),
    ];
    let params = program.params.iter().map(|p| {
        let shape: Vec<usize> = p.shape.iter().map(|n| *n as usize).collect();
        // Around 1 for gains, so that norms and products stay away from 0.
        let center = if shape.len() == 1 { 1.0 } else { 0.0 };
        (p.path.clone(), numbers.array(&shape, |n| center + 0.4 * n.next()))
    });
    Bindings { params: params.collect(), inputs: inputs.into() }
}

fn loss(graph: &ValidGraph, bindings: &Bindings) -> f64 {
    evaluate(graph, bindings).unwrap()["loss"].data[0]
}

/// The training graph's gradients against differences of the loss graph, and the flat program's
/// results against the graph's.
fn check_gradients(arm: &Arm, model: &ValidGraph, seed: u64) {
    let training = training(arm, model);
    let forward = loss_graph(model, arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective)).unwrap();
    let program = flatten(&training);
    check_lifetimes(&program);
    let mut bindings = bindings(arm, &program, seed);
    let values = evaluate(&training, &bindings).unwrap();
    let slots = run(&program, &bindings);
    for (name, slot) in &program.outputs {
        assert_eq!(slots[&slot.0], values[name], "`{name}` of the program");
    }
    let base = loss(&forward, &bindings);
    assert!(base.is_finite());
    assert_eq!(values["loss"], Array::scalar(base));
    let mut numbers = Numbers(seed ^ 0xabcd);
    for (param, graph_param) in training.graph().params.iter().enumerate() {
        for indices in graph_param.instances() {
            let path = graph_param.instance_path(&indices);
            let gradient = values.get(&format!("grad.{path}"));
            let slot = program.params.iter().position(|p| p.path == path).unwrap();
            let flat = program.grads[slot].map(|slot| &slots[&slot.0]);
            assert_eq!(flat, gradient, "the program's gradient of `{path}` ({param})");
            for _ in 0..N_PROBED {
                let i = numbers.below(graph_param.n_elements() as usize);
                let mut at = |offset: f64| {
                    let entry = &mut bindings.params.get_mut(&path).unwrap().data[i];
                    let before = *entry;
                    *entry = before + offset;
                    let value = loss(&forward, &bindings);
                    bindings.params.get_mut(&path).unwrap().data[i] = before;
                    value
                };
                let derived = gradient.map_or(0.0, |g| g.data[i]);
                let mut measured = vec![];
                let agrees = STEPS.iter().any(|step| {
                    let near = at(*step) - at(-step);
                    let far = at(2.0 * step) - at(-2.0 * step);
                    let m = (8.0 * near - far) / (12.0 * step);
                    measured.push(m);
                    (m - derived).abs() <= TOLERANCE * (1.0 + m.abs())
                });
                assert!(agrees, "d loss / d {path}[{i}]: derived {derived}, measured {measured:?} ({})", arm.name);
            }
        }
    }
}

fn check_both(definitions: &str, seed: u64) {
    let compiled = small(definitions, "m()");
    for (arm, model) in arms(&compiled) {
        check_gradients(arm, model, seed);
    }
}

/// A model in the language, from a few choices.
#[derive(Clone, Debug)]
struct Recipe {
    dim: u64,
    heads: u64,
    layers: u64,
    steps: Option<u64>,
    norm: &'static str,
    act: &'static str,
    gated: bool,
    tied: bool,
    learned: bool,
    rotary: bool,
    qk_norm: bool,
    bias: bool,
    window: Option<u64>,
    /// One head of keys and values for all of queries.
    one_key: bool,
    /// What else a layer does; see `text`.
    extra: usize,
    second: bool,
}

impl Recipe {
    fn text(&self) -> String {
        let Recipe { dim, heads, layers, norm, act, .. } = self;
        let bias = if self.bias { ", bias: true" } else { "" };
        let normed = |x: &str, name: &str| match *norm {
            "" => x.to_string(),
            "plain" => format!("rmsnorm({x}, gain: false)"),
            "biased" => format!("layernorm({x}, gain: false, bias: true) as {name}"),
            norm => format!("{norm}({x}) as {name}"),
        };
        let (keys, shared) = if self.one_key { ("D / heads", "1") } else { ("D", "heads") };
        let window = self.window.map_or(String::new(), |w| format!(", window: {w}"));
        let rotary = if self.rotary { "q = rope(q, positions)\n k = rope(k, positions, base: 100)" } else { "" };
        let qk = if self.qk_norm { "q = rmsnorm(q) as q_norm\n k = rmsnorm(k) as k_norm" } else { "" };
        let feed = if self.gated {
            format!("{act}(linear(x, hidden{bias}) as gate) * linear(x, hidden) as up")
        } else {
            format!("{act}(linear(x, hidden{bias}) as up)")
        };
        let feeding = format!("x = x + feed({}, hidden: 6)", normed("x", "feed_norm"));
        let feeding = match self.steps {
            Some(n) => format!("repeat {n} as step {{\n  {feeding}\n }}"),
            None => feeding,
        };
        let (before, extra) = match self.extra {
            0 => ("", ""),
            // The same value from outside in every layer.
            1 => ("first = x", "x = x + first * 0.5"),
            // Two carried values, exchanged.
            2 => ("y = linear(x, DIM) as other", "(x, y) = (y + x / 2, x)"),
            // The shared table inside a region.
            3 => ("", "x = x + linear(unembed(x, tied: true), DIM) as back"),
            // Several results; a product and a difference.
            4 => ("", "(a, b) = pair(x)\n x = rmsnorm(x - a * b) as tame"),
            // A carried value that no parameter of the layer touches, and one that is never used.
            5 => ("y = x\n z = x", "z = y - z\n x = x + y"),
            // Nothing of the layer's own reaches the loss but through a scale.
            6 => ("", "w = linear(x, 3) as lost\n x = -x"),
            // Parts, of which one is lost, and parts joined.
            7 => ("", "(a, b, c) = chunk(linear(x, 6) as wide, 3)\n x = x + linear(concat(b, a), DIM) as joined"),
            // Learnable numbers and vectors; numbers added and subtracted.
            _ => ("s = parameter(init: ones)", "x = (1 - x * s) * parameter(DIM, init: normal(0.3)) + 0.5"),
        };
        let d = dim.to_string();
        let (before, extra) = (before.replace("DIM", &d), extra.replace("DIM", &d));
        let pair = "block pair(x: [B, T, D]) -> ([B, T, D], [B, T, D]) {\n return (linear(x, D) as a, silu(x))\n}\n";
        let pair = if self.extra == 4 { pair } else { "" };
        let learned = if self.learned { format!("x = x + embed(positions, {dim}) as place") } else { String::new() };
        let second = if self.second { "repeat 2 as late {\n  x = x + feed(x, hidden: 3)\n }" } else { "" };
        format!(
            "{pair}block mix(x: [B, T, D], heads: int) -> [B, T, D] {{\n\
             q = split_heads(linear(x, D{bias}) as q, heads)\n k = split_heads(linear(x, {keys}) as k, {shared})\n\
             v = split_heads(linear(x, {keys}{bias}) as v, {shared})\n {qk}\n {rotary}\n\
             return linear(merge_heads(attend(q, k, v{window})), D{bias}) as o\n}}\n\
             block feed(x: [B, T, D], hidden: int) -> [B, T, D] {{\n return linear({feed}, D) as down\n}}\n\
             model m() {{\n x = embed(tokens, {dim})\n {learned}\n {before}\n\
             repeat {layers} as layer {{\n x = x + mix({}, heads: {heads})\n {feeding}\n {extra}\n }}\n {second}\n\
             return unembed({}, tied: {})\n}}\n",
            normed("x", "mix_norm"),
            normed("x", "last_norm"),
            self.tied
        )
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let shape = (prop::sample::select(vec![(4, 1), (4, 2), (8, 2), (6, 1)]), 1u64..4, prop::option::of(1u64..3));
    let norms = prop::sample::select(vec!["", "rmsnorm", "layernorm", "plain", "biased"]);
    let words = (norms, prop::sample::select(vec!["silu", "gelu", "gelu_tanh", "tanh", "sigmoid"]));
    let attention = (prop::option::of(1u64..5), any::<bool>());
    let flags =
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (shape, words, flags, attention, 0usize..9).prop_map(|(shape, (norm, act), flags, attention, extra)| {
        let (((dim, heads), layers, steps), (window, one_key)) = (shape, attention);
        let (gated, tied, learned, rotary, qk_norm, bias, second) = flags;
        Recipe {
            dim,
            heads,
            layers,
            steps,
            norm,
            act,
            gated,
            tied,
            learned,
            rotary,
            qk_norm,
            bias,
            window,
            one_key,
            extra,
            second,
        }
    })
}

/// Random models; an unoptimized build takes a second for each.
const CASES: u32 = if cfg!(debug_assertions) { 12 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn gradients_are_the_differences_of_the_loss(recipe in recipe(), seed in any::<u64>()) {
        check_both(&recipe.text(), seed);
    }
}

/// Every choice of `extra` at least once, whatever the random ones were.
#[test]
fn gradients_of_each_kind_of_layer() {
    for extra in 0..9 {
        for (norm, steps) in [("rmsnorm", Some(2)), ("layernorm", None)] {
            let recipe = Recipe {
                dim: 4,
                heads: 2,
                layers: 2,
                steps,
                norm,
                act: "gelu",
                gated: extra % 2 == 0,
                tied: extra % 3 == 0,
                learned: true,
                rotary: true,
                qk_norm: true,
                bias: true,
                window: (extra % 2 == 0).then_some(3),
                one_key: extra % 3 == 1,
                extra,
                second: true,
            };
            check_both(&recipe.text(), 7 + extra as u64);
        }
    }
}

#[test]
fn gradients_of_three_regions_inside_each_other() {
    check_both(
        "model m() {\n x = embed(tokens, 4)\n s = linear(x, 4) as start\n\
         repeat 2 as a {\n repeat 2 as b {\n repeat 2 as c {\n\
         x = x + linear(silu(x) * s, 4) as w\n x = x + linear(unembed(x, tied: true), 4) as back\n}\n\
         s = rmsnorm(s + x)\n}\n x = x - s\n}\n return unembed(rmsnorm(x) as n, tied: true)\n}",
        3,
    );
}

#[test]
fn gradients_where_values_pass_through_regions_untouched() {
    // x only passes through, y alone changes, and the second region does nothing at all.
    check_both(
        "model m() {\n x = embed(tokens, 4)\n y = x\n\
         repeat 3 as a {\n y = y + linear(x, 4)\n x = x\n}\n\
         repeat 2 as b {\n z = linear(x, 4)\n}\n return unembed(x * y)\n}",
        5,
    );
    // One value in two places of the carried list.
    check_both(
        "model m() {\n x = embed(tokens, 4)\n y = x\n\
         repeat 3 as a {\n x = linear(x + y, 4)\n y = x\n}\n return unembed(x + y)\n}",
        6,
    );
}

#[test]
fn a_model_without_regions_or_embedding_of_positions_has_gradients_too() {
    check_both("model m() {\n return unembed(embed(tokens, 4), tied: true)\n}", 1);
    check_both("model m() {\n return linear(gelu(embed(tokens, 4)), vocab, bias: true)\n}", 2);
}
