//! Regions of several bodies: what is saved, what exists where, what it costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::analyze::{count_params, flops};
use dlmc::graph::training::training_graph;
use dlmc::graph::validate::validate;
use dlmc::graph::{BodyId, Dim, DimSizes, Graph, Indices, ListOp, Op, Region, Type, Users, ValidGraph, text};
use dlmc::program::flatten;
use std::time::{Duration, Instant};
use support::{LIVE, VOCAB, hand};

const SIZES: DimSizes = DimSizes::all(2, 3);

fn pattern(n: usize) -> String {
    (0..n).map(|i| if i % 4 == 3 { 'B' } else { 'A' }).collect()
}

fn regions(graph: &Graph) -> Vec<(&Region, &[Type])> {
    graph
        .body(Graph::ROOT)
        .unwrap()
        .nodes()
        .filter_map(|(_, n)| if let Op::Repeat(region) = &n.op { Some((region, n.types.as_slice())) } else { None })
        .collect()
}

#[test]
fn a_pattern_is_pinned() {
    let model = hand::patterned("AAABAAAB", VOCAB);
    insta::assert_snapshot!("pattern_model", text::text(model.graph(), true));
    insta::assert_snapshot!(
        "pattern_training",
        text::text(training_graph(&model, LIVE, dlmc::objective::Loss::CrossEntropy).unwrap().graph(), true)
    );
}

#[test]
fn parameters_exist_where_their_body_runs() {
    let model = hand::patterned("AAABAAAB", VOCAB);
    let paths: Vec<String> = flatten(&model).params.into_iter().map(|p| p.path).collect();
    let starting = |prefix: &str| paths.iter().filter(|p| p.starts_with(prefix)).cloned().collect::<Vec<_>>();
    assert_eq!(starting("layer.3."), ["layer.3.gain", "layer.3.w"]);
    assert_eq!(starting("layer.4."), ["layer.4.w"]);
    let gains: Vec<&String> = paths.iter().filter(|p| p.ends_with(".gain")).collect();
    assert_eq!(gains, ["layer.3.gain", "layer.7.gain"]);
    let count = count_params(&model);
    // table and head; w of eight layers; mix; six of the late region; two gains.
    assert_eq!(count.total, 2 * 12 * 6 + (8 + 1 + 6) * 36 + 2 * 6);
    assert_eq!(count.decayed, count.total - 2 * 6);
}

#[test]
fn what_one_body_saves_is_saved_for_its_iterations_alone() {
    let training =
        training_graph(&hand::patterned("AAABAAAB", VOCAB), LIVE, dlmc::objective::Loss::CrossEntropy).unwrap();
    let (layer, types) = regions(training.graph())[0];
    let b = layer.runs[1].body;
    let mut saved = [0, 0];
    for (users, ty) in layer.collected.iter().zip(&types[layer.n_carried..]) {
        match users {
            Users::Only(bodies) if *bodies == [b].into() => assert_eq!((ty.list[0], saved[1] += 1).0, 2),
            Users::Only(_) => assert_eq!((ty.list[0], saved[0] += 1).0, 6),
            Users::All => panic!("a list of both bodies"),
        }
    }
    // A: its list, x, x W. B: its list, x, x W, x W mix, the norm's input and statistic.
    assert!(saved[0] <= 4 && (5..=8).contains(&saved[1]), "{saved:?}");
    // Each body once, forward and backward.
    assert_eq!(training.graph().bodies.len(), 1 + 2 * 3);
}

#[test]
fn a_pattern_costs_the_same_at_any_count() {
    let time = |n: usize| {
        // The best of several: what the machine does besides is no cost.
        let model = hand::patterned(&pattern(n), VOCAB);
        let mut best = Duration::MAX;
        let mut sizes = (0, 0, 0.0);
        for _ in 0..7 {
            let model = model.graph().clone();
            let start = Instant::now();
            let model = validate(model).unwrap();
            let training = training_graph(&model, LIVE, dlmc::objective::Loss::CrossEntropy).unwrap();
            let cost = flops(&training, SIZES).total;
            best = best.min(start.elapsed());
            let graph = training.graph();
            sizes = (graph.bodies.iter().map(|b| b.dag.node_count()).sum(), graph.bodies.len(), cost);
        }
        (best, sizes)
    };
    let (few, small) = time(26);
    let (many, large) = time(2_600);
    assert_eq!((small.0, small.1), (large.0, large.1));
    assert!(large.2 > 50.0 * small.2);
    // The list of runs itself is a hundred times longer; it stays a small part, also where nothing is
    // optimized and other tests run beside this one.
    assert!(many < 10 * few, "{few:?} for 26, {many:?} for 2,600");
}

#[test]
fn two_thousand_bodies_are_no_trouble() {
    let start = Instant::now();
    let training =
        training_graph(&hand::all_different(2_000, VOCAB), LIVE, dlmc::objective::Loss::CrossEntropy).unwrap();
    assert_eq!(training.graph().bodies.len(), 1 + 2 * 2_000);
    assert!(text::text(training.graph(), true).len() > 100_000);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

fn broken(change: impl Fn(&mut Graph)) -> String {
    let mut graph = hand::patterned("AAABAAAB", VOCAB).graph().clone();
    change(&mut graph);
    validate(graph).unwrap_err().iter().map(|e| e.to_string()).collect::<Vec<_>>().join("\n")
}

fn first_region(graph: &mut Graph) -> &mut Region {
    let root = &mut graph.bodies[0];
    root.dag.node_weights_mut().find_map(|n| if let Op::Repeat(r) = &mut n.op { Some(r) } else { None }).unwrap()
}

#[test]
fn what_is_unsound_is_refused() {
    let gap = broken(|g| first_region(g).runs[1].first = 4);
    assert!(gap.contains("the runs of `layer` have gaps"), "{gap}");
    let users = broken(|g| first_region(g).collected[0] = Users::Only([BodyId(3)].into()));
    assert!(users.contains("a list of `layer` has users elsewhere"), "{users}");
    let users = broken(|g| first_region(g).collected[0] = Users::All);
    assert!(users.contains("a body of the region `layer` gives"), "{users}");
    let places = broken(|g| {
        g.params.iter_mut().find(|p| p.path == "layer.*.gain").unwrap().indices = vec![Indices::of_ranges([(3, 1)])]
    });
    assert!(places.contains("`layer.*.gain` is read at 3, 7 and exists at 3"), "{places}");
    let twice = broken(|g| {
        let gain = g.params.iter().find(|p| p.path == "layer.*.gain").unwrap().clone();
        g.params.push(dlmc::graph::Param { path: "layer.*.w".into(), ..gain });
    });
    assert!(twice.contains("two parameters on the path `layer.*.w`"), "{twice}");
    let outside = broken(|g| {
        g.params.iter_mut().find(|p| p.path == "head").unwrap().indices = vec![Indices::all(1)];
        g.params.iter_mut().find(|p| p.path == "head").unwrap().path = "head.*".into();
    });
    assert!(outside.contains("is read outside of its region"), "{outside}");
}

#[test]
fn parameters_may_share_a_path_where_no_instance_is_shared() {
    let model: ValidGraph = hand::patterned("ACCBBA", VOCAB);
    let on_path: Vec<String> =
        model.graph().params.iter().filter(|p| p.path == "layer.*.w").map(|p| p.indices[0].to_string()).collect();
    assert_eq!(on_path, ["0, 3-5", "1-2"]);
    let paths: Vec<String> = flatten(&model).params.into_iter().map(|p| p.path).collect();
    assert_eq!(paths.iter().filter(|p| p.starts_with("layer.") && p.ends_with(".w")).count(), 6);
    assert!(paths.contains(&"layer.2.step.1.v".to_string()));
}

#[test]
fn list_operations_name_what_does_not_fit() {
    let element = Type::compute([Dim::Batch, Dim::Fixed(4)]);
    let list = element.listed(3);
    let says = |op: ListOp, inputs: &[&Type]| op.infer(inputs).unwrap_err().to_string();
    assert_eq!(ListOp::Gather { table: vec![2, 2] }.infer(&[&list]), Ok(element.listed(2)));
    assert_eq!(ListOp::Pick { index: 2 }.infer(&[&list]), Ok(element.clone()));
    assert_eq!(says(ListOp::Pick { index: 3 }, &[&list]), "pick at 3 of a list of 3");
    assert_eq!(says(ListOp::Pick { index: 0 }, &[&element]), "pick takes a list, not [B, 4]");
    assert_eq!(says(ListOp::Gather { table: vec![] }, &[&list]), "gather does not fit 3 x [B, 4]");
    assert_eq!(says(ListOp::Scatter { table: vec![0, 1], count: 4 }, &[&list]), "scatter does not fit 3 x [B, 4]");
    assert_eq!(says(ListOp::Sum, &[&list, &element.listed(2)]), "list_sum of 2 values");
    assert_eq!(says(ListOp::Place { index: 4, count: 4 }, &[&element]), "place at 4 of a list of 4");
}

/// An element that nobody reads has a zero for a gradient, and nobody makes a tensor of it.
#[test]
fn zeros_of_lists_are_never_made() {
    let program = flatten(
        &training_graph(&hand::patterned("AAABAAAB", VOCAB), LIVE, dlmc::objective::Loss::CrossEntropy).unwrap(),
    );
    let zeros = program.instrs.iter().filter(|i| i.op.name().starts_with("zeros")).count();
    assert_eq!(zeros, 0);
    assert!(program.instrs.iter().all(|i| i.op.operation().is_some()));
}
