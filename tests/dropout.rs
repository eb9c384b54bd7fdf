//! Dropout in the graph: what is drawn where, its gradient, and where it is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::graph::ops::dropout::{Drops, Key};
use dlmc::graph::ops::{Input, Op};
use dlmc::graph::training::{loss_graph, training_graph};
use dlmc::graph::validate::validate;
use dlmc::graph::view::ron;
use dlmc::graph::{Array, ValidGraph, without_dropout};
use dlmc::objective::{Loss, Pattern};
use dlmc::program::flatten;
use dlmc::reference::{Bindings, evaluate};
use std::collections::BTreeSet;
use support::layers::DROPPED;
use support::program::{check_lifetimes, run};
use support::{Draws, LIVE, VOCAB, bindings, decoder, model};

const ALL: &str = "decoder(layers: 3, dim: 8, heads: 2, ffn: 6, attention_dropout: 0.2, residual_dropout: 0.1, \
    ffn_dropout: 0.5, embedding_dropout: 0.3)";
const NONE: &str = "decoder(layers: 3, dim: 8, heads: 2, ffn: 6)";

fn dropped(pattern: Pattern) -> ValidGraph {
    model(DROPPED, "dropped(dim: 4, rate: 0.3)", pattern, VOCAB, 8)
}

fn training(model: &ValidGraph) -> ValidGraph {
    training_graph(model, LIVE, Loss::CrossEntropy).unwrap()
}

fn drops(site: &str, rate: f64) -> Drops {
    Drops { rate, site: site.into() }
}

fn key(step: u32) -> Key {
    Key { seed: 5, step, first_row: 0 }
}

/// Sums of as many draws stray by some standard deviations at most; the draws are fixed, so this holds or not.
const SIGMAS: f64 = 4.0;

#[test]
fn as_many_are_dropped_as_the_rate_says() {
    const N: usize = 4_000;
    const STEPS: usize = 200;
    for rate in [0.01, 0.1, 0.5, 0.9] {
        let of = drops("layer.0.attention.attend", rate);
        let rows: Vec<usize> =
            (0..STEPS).map(|step| of.row(key(step as u32), 7, N).iter().filter(|d| **d).count()).collect();
        let n = (N * STEPS) as f64;
        let mean = rows.iter().sum::<usize>() as f64 / n;
        assert!((mean - rate).abs() < SIGMAS * (rate * (1.0 - rate) / n).sqrt(), "{rate}: {mean}");
        // The counts of steps stray as independent draws do.
        let expected = N as f64 * rate * (1.0 - rate);
        let variance = rows.iter().map(|n| (*n as f64 - N as f64 * rate).powi(2)).sum::<f64>() / STEPS as f64;
        let error = (variance / expected - 1.0).abs();
        assert!(error < SIGMAS * (2.0 / STEPS as f64).sqrt(), "{rate}: {variance} for {expected}");
        // What stays is scaled so that the mean stays.
        let factors = of.factors(key(3), Some(4), 4 * N);
        let kept: BTreeSet<u64> = factors.iter().map(|f| f.to_bits()).collect();
        assert_eq!(kept, [0.0, 1.0 / (1.0 - rate)].map(f64::to_bits).into());
        let mean = factors.iter().sum::<f64>() / factors.len() as f64;
        assert!((mean - 1.0).abs() < SIGMAS * (rate / (1.0 - rate) / factors.len() as f64).sqrt(), "{rate}: {mean}");
    }
}

#[test]
fn other_places_steps_rows_and_seeds_drop_others() {
    const N: usize = 20_000;
    let rate = 0.3;
    let of = drops("layer.0.attention.attend", rate);
    let base = of.row(key(3), 7, N);
    let others = [
        drops("layer.1.attention.attend", rate).row(key(3), 7, N),
        drops("layer.0.attention.attend#2", rate).row(key(3), 7, N),
        of.row(key(4), 7, N),
        of.row(key(3), 8, N),
        of.row(Key { seed: 6, ..key(3) }, 7, N),
    ];
    for (i, other) in others.iter().enumerate() {
        let both = base.iter().zip(other).filter(|(a, b)| **a && **b).count() as f64 / N as f64;
        let chance = rate * rate;
        assert!((both - chance).abs() < SIGMAS * (chance * (1.0 - chance) / N as f64).sqrt(), "{i}: {both}");
    }
    assert_eq!(base, of.row(key(3), 7, N));
    assert_eq!(base[..101], of.row(key(3), 7, 101));
}

#[test]
fn every_place_of_a_model_has_a_name_of_its_own() {
    for model in [decoder(ALL, Pattern::Causal, VOCAB, 8), dropped(Pattern::Causal)] {
        let mut program = flatten(&model);
        let sites: Vec<String> =
            program.instrs.iter_mut().filter_map(|i| Some(i.op.drops_mut()?.site.clone())).collect();
        let distinct: BTreeSet<&String> = sites.iter().collect();
        assert_eq!(distinct.len(), sites.len(), "{sites:?}");
        assert!(sites.iter().all(|site| !site.contains('*')), "{sites:?}");
        let words: BTreeSet<u32> = sites.iter().map(|site| drops(site, 0.5).word()).collect();
        assert_eq!(words.len(), sites.len());
        // The backward pass drops at the same places.
        let mut program = flatten(&training(&model));
        let all: BTreeSet<String> =
            program.instrs.iter_mut().filter_map(|i| Some(i.op.drops_mut()?.site.clone())).collect();
        assert_eq!(all, sites.iter().cloned().collect());
    }
    let mut program = flatten(&decoder(ALL, Pattern::Causal, VOCAB, 8));
    let sites: Vec<String> = program.instrs.iter_mut().filter_map(|i| Some(i.op.drops_mut()?.site.clone())).collect();
    assert_eq!(
        sites[..5],
        ["dropout", "layer.0.attention.attend", "layer.0.dropout", "layer.0.swiglu.dropout", "layer.0.dropout#2"]
    );
}

/// A central difference in f64 is off by about STEP^2 and 1e-16 / STEP.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

#[test]
fn gradients_are_differences_with_the_same_elements_dropped() {
    for model in
        [decoder(ALL, Pattern::Causal, VOCAB, 8), dropped(Pattern::Full), dropped(Pattern::TwoStream { block: 2 })]
    {
        let training = training(&model);
        let at = bindings(&training, 7, 2, 4);
        let values = evaluate(&training, &at).unwrap();
        let loss = |bindings: &Bindings| evaluate(&training, bindings).unwrap()["loss"].data[0];
        let mut draws = Draws::new(11);
        for param in &training.graph().params {
            for indices in param.instances() {
                let path = param.instance_path(&indices);
                for _ in 0..2 {
                    let i = draws.below(param.n_elements()) as usize;
                    let mut moved = at.clone();
                    let mut at_offset = |offset: f64| {
                        moved.params.get_mut(&path).unwrap().data[i] = at.params[&path].data[i] + offset;
                        loss(&moved)
                    };
                    let difference = (at_offset(STEP) - at_offset(-STEP)) / (2.0 * STEP);
                    let got = values[&format!("grad.{path}")].data[i];
                    let error = (got - difference).abs();
                    assert!(error <= TOLERANCE * difference.abs().max(1.0), "{path}[{i}]: {got} for {difference}");
                }
            }
        }
        let program = flatten(&training);
        check_lifetimes(&program);
        let slots = run(&program, &at);
        for (name, slot) in &program.outputs {
            assert_eq!(slots[&slot.0], values[name], "{name}");
        }
        for (param, slot) in program.params.iter().zip(&program.grads) {
            assert_eq!(slots[&slot.unwrap().0], values[&format!("grad.{}", param.path)], "{}", param.path);
        }
    }
}

/// Rows `from..to` of a batch, as a micro-batch of its own.
fn part(all: &Bindings, from: usize, to: usize) -> Bindings {
    let mut part = all.clone();
    for (input, array) in &mut part.inputs {
        match input {
            Input::Positions => {}
            Input::Draw => array.data[2] += from as f64,
            _ => {
                let width = array.data.len() / array.shape[0];
                let mut shape = array.shape.clone();
                shape[0] = to - from;
                *array = Array::new(shape, array.data[from * width..to * width].to_vec());
            }
        }
    }
    part
}

#[test]
fn micro_batches_drop_what_the_batch_drops() {
    for model in [decoder(ALL, Pattern::Causal, VOCAB, 8), dropped(Pattern::Full)] {
        let training = training(&model);
        let all = bindings(&training, 7, 4, 3);
        let whole = evaluate(&training, &all).unwrap();
        for cuts in [&[0, 2, 4][..], &[0, 1, 4], &[0, 1, 2, 3, 4]] {
            let parts: Vec<_> =
                cuts.windows(2).map(|cut| evaluate(&training, &part(&all, cut[0], cut[1])).unwrap()).collect();
            for (name, wanted) in whole.iter().filter(|(name, _)| *name != "nll") {
                let sum = parts.iter().skip(1).fold(parts[0][name].clone(), |sum, p| sum.zip(&p[name], |a, b| a + b));
                let error = support::distance(&sum.data, &wanted.data);
                assert!(error < 1e-9, "{name} in {cuts:?}: off by {error:e}");
            }
        }
    }
}

#[test]
fn evaluation_and_sampling_drop_nothing() {
    let (with, without) = (decoder(ALL, Pattern::Causal, VOCAB, 8), decoder(NONE, Pattern::Causal, VOCAB, 8));
    assert_eq!(ron(without_dropout(&with).graph(), true), ron(without.graph(), true));
    let loss = |model: &ValidGraph| loss_graph(model, LIVE, Loss::CrossEntropy).unwrap();
    assert_eq!(ron(loss(&with).graph(), true), ron(loss(&without).graph(), true));
    assert_ne!(ron(training(&with).graph(), true), ron(training(&without).graph(), true));
    let model = without_dropout(&dropped(Pattern::Full));
    let model = validate(model.graph().clone()).unwrap();
    assert!(!ron(model.graph(), true).contains("dr"), "{}", ron(model.graph(), true));
    let stripped = without_dropout(&training(&with));
    let stripped = validate(stripped.graph().clone()).unwrap();
    let at = bindings(&stripped, 7, 2, 3);
    assert_eq!(evaluate(&stripped, &at).unwrap(), evaluate(&training(&without), &at).unwrap());
}

#[test]
fn a_rate_of_zero_is_no_operation() {
    let none = model(DROPPED, "dropped(dim: 4, rate: 0)", Pattern::Causal, VOCAB, 8);
    assert!(none.graph().bodies.iter().flat_map(|b| b.nodes()).all(|(_, node)| {
        !matches!(&node.op, Op::Dropout(_) | Op::Input(Input::Draw)) && node.op.clone().drops_mut().is_none()
    }));
}

#[test]
fn drawings_show_what_is_dropped_and_not_the_draws() {
    let graph = training(&dropped(Pattern::Full));
    let drawing = dlmc::graph::svg::svg(graph.graph(), "a model");
    assert!(drawing.contains(">dropout<") && drawing.contains("dropout: 0.3"), "{drawing}");
    assert!(!drawing.contains("draw"));
}

#[test]
fn listings_show_it() {
    let graph = training(&decoder(
        "decoder(layers: 2, dim: 8, heads: 2, ffn: 6, attention_dropout: 0.2, residual_dropout: 0.1)",
        Pattern::Causal,
        VOCAB,
        8,
    ));
    let lines: Vec<String> = ron(graph.graph(), true)
        .lines()
        .filter(|line| ["dropout", "draw"].iter().any(|word| line.contains(word)))
        .map(|line| line.trim().to_string())
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
