//! Our backward pass against finite differences, in the f64 interpreter: no libtorch here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::graph::ValidGraph;
use dlmc::graph::training::training_graph;
use dlmc::objective::{Loss, Pattern};
use dlmc::program::flatten;
use dlmc::reference::{Bindings, evaluate};
use support::program::{check_lifetimes, run};
use support::{Draws, LIVE, VOCAB, bindings, decoder, hand, model};

/// A central difference in f64 is off by about STEP^2 and 1e-16 / STEP.
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;
/// Elements tried in each parameter.
const TRIED: usize = 4;

fn loss(graph: &ValidGraph, bindings: &Bindings) -> f64 {
    evaluate(graph, bindings).unwrap()["loss"].data[0]
}

fn check(model: &ValidGraph) {
    check_loss(model, Loss::CrossEntropy, 3);
}

fn check_loss(model: &ValidGraph, kind: Loss, time: usize) {
    let training = training_graph(model, LIVE, kind).unwrap();
    let loss_only = dlmc::graph::training::loss_graph(model, LIVE, kind).unwrap();
    let at = bindings(&training, 7, 2, time);
    let values = evaluate(&training, &at).unwrap();
    assert!((values["loss"].data[0] - loss(&loss_only, &at)).abs() < 1e-14);
    let mut draws = Draws::new(11);
    for param in &training.graph().params {
        for indices in param.instances() {
            let path = param.instance_path(&indices);
            let grad = values.get(&format!("grad.{path}")).unwrap_or_else(|| panic!("no gradient of {path}"));
            for _ in 0..TRIED {
                let i = draws.below(param.n_elements()) as usize;
                let mut moved = at.clone();
                let mut at_offset = |offset: f64| {
                    moved.params.get_mut(&path).unwrap().data[i] = at.params[&path].data[i] + offset;
                    loss(&loss_only, &moved)
                };
                let difference = (at_offset(STEP) - at_offset(-STEP)) / (2.0 * STEP);
                let error = (grad.data[i] - difference).abs();
                assert!(
                    error <= TOLERANCE * difference.abs().max(1.0),
                    "{path}[{i}]: {} against {difference}",
                    grad.data[i]
                );
            }
        }
    }
    // The flat program gives the same, bit by bit.
    let program = flatten(&training);
    check_lifetimes(&program);
    let slots = run(&program, &at);
    for (name, slot) in &program.outputs {
        assert_eq!(slots[&slot.0], values[name], "{name}");
    }
    assert_eq!(program.grads.len(), program.params.len());
    for (param, slot) in program.params.iter().zip(&program.grads) {
        assert_eq!(slots[&slot.unwrap().0], values[&format!("grad.{}", param.path)], "{}", param.path);
    }
}

#[test]
fn of_the_decoder() {
    for pattern in [Pattern::Causal, Pattern::Full] {
        for tied in ["true", "false"] {
            check(&decoder(&format!("decoder(layers: 2, dim: 8, heads: 2, ffn: 6, tied: {tied})"), pattern, VOCAB, 8));
        }
    }
}

#[test]
fn of_blocks_and_of_two_streams() {
    let model = "decoder(layers: 2, dim: 8, heads: 2, ffn: 6, tied: true)";
    for block in [1, 2, 4] {
        for pattern in [Pattern::BlockCausal { block }, Pattern::TwoStream { block }] {
            check_loss(&decoder(model, pattern, VOCAB, 8), Loss::CrossEntropy, 8);
        }
    }
}

#[test]
fn of_the_loss_of_replaced_tokens() {
    for pattern in [Pattern::Full, Pattern::TwoStream { block: 2 }] {
        let model = decoder("decoder(layers: 1, dim: 8, heads: 2, ffn: 6, tied: false)", pattern, VOCAB, 8);
        check_loss(&model, Loss::Mixture, 8);
    }
}

#[test]
fn of_biases_layer_norms_and_position_tables() {
    let text = "
    model gpt(layers: int, dim: int) {
        x = embed(tokens, dim) + embed(positions, dim) as place
        repeat layers as layer {
            x = x + linear(gelu(linear(layernorm(x) as norm, 10, bias: true) as up), dim, bias: true) as down
        }
        return unembed(layernorm(x) as norm)
    }";
    check(&model(text, "gpt(layers: 2, dim: 6)", Pattern::Causal, VOCAB, 8));
}

#[test]
fn of_nested_repeats_with_invariants() {
    let text = "
    model nested(dim: int) {
        e = embed(tokens, dim)
        x = rmsnorm(e) as first
        repeat 2 as outer {
            skip = x * 0.5
            repeat 3 as inner {
                x = x + silu(linear(rmsnorm(x + skip) as norm, dim) as up) * e
            }
            x = x + skip
        }
        return unembed(rmsnorm(x) as norm, tied: true)
    }";
    check(&model(text, "nested(dim: 6)", Pattern::Full, VOCAB, 8));
}

#[test]
fn of_shared_parameters_lists_and_untouched_values() {
    check(&hand::everything(true, VOCAB));
    check(&hand::everything(false, VOCAB));
}

/// Every way in which up to three bodies can follow each other, short ones and the usual ones.
/// adaLN as in DiT: a vector for each sequence scales, shifts and gates; norms without gains.
#[test]
fn of_modulation_by_a_vector_for_each_sequence() {
    let text = "
    block modulated(x: [B, T, D], c: [B, D]) -> [B, T, D] {
        (shift, scale, gate) = chunk(linear(silu(c), 3 * D, bias: true) as adaln, 3)
        h = layernorm(x, gain: false) * (1 + scale) + shift
        h = linear(gelu_tanh(linear(h, 2 * D, bias: true) as up), D) as down
        return x + gate * h
    }
    model dit(layers: int, dim: int) {
        x = embed(tokens, dim)
        c = pool(x)
        repeat layers as layer {
            x = modulated(x, c)
        }
        (shift, scale) = chunk(linear(silu(c), 2 * dim) as adaln, 2)
        return unembed(rmsnorm(x, gain: false) * (scale + 1) - shift)
    }
    block pool(x: [B, T, D]) -> [B, D] {
        w = parameter(D, init: ones) as scale
        return sinusoid(t, D) * w
    }";
    check(&model(text, "dit(layers: 2, dim: 6)", Pattern::Full, VOCAB, 8));
}

#[test]
fn of_every_activation_and_of_parts() {
    let text = "
    model all(dim: int) {
        x = embed(tokens, dim) + sinusoid(positions, dim, scale: 0.5)
        (a, b, c) = chunk(linear(x, 3 * dim) as parts, 3)
        g = sigmoid(a) * tanh(b) + relu(c)
        s = parameter()
        m = parameter(dim, dim, init: normal(0.3)) as mix
        x = x + 2 - gelu_tanh(gelu(g)) * s
        x = concat(x, silu(g) * m_row(log(1 + exp(x))))
        (x, unread) = chunk(linear(x, 2 * dim) as mixed, 2)
        return unembed(layernorm(x, bias: true) as norm)
    }
    block m_row(x: [B, T, D]) -> [B, T, D] {
        return linear(x, D) + parameter(D)
    }";
    check(&model(
        &text.replace("        m = parameter(dim, dim, init: normal(0.3)) as mix\n", ""),
        "all(dim: 6)",
        Pattern::Full,
        VOCAB,
        8,
    ));
}

#[test]
fn of_windows_and_shared_heads() {
    let text = "
    block mix(x: [B, T, D], heads: int, shared: int) -> [B, T, D] {
        q = rope(split_heads(linear(x, D) as q, heads), positions)
        k = rope(split_heads(linear(x, D / heads * shared) as k, shared), positions)
        v = split_heads(linear(x, D / heads * shared) as v, shared)
        near = attend(q, k, v, window: 2)
        far = attend(q, k, v, window: none)
        return linear(merge_heads(near + far), D) as o
    }
    model windowed(dim: int) {
        x = embed(tokens, dim)
        x = x + mix(rmsnorm(x) as norm, heads: 4, shared: 2)
        return unembed(x)
    }";
    for pattern in [Pattern::Causal, Pattern::Full] {
        check(&model(text, "windowed(dim: 8)", pattern, VOCAB, 8));
    }
}

#[test]
fn of_regions_of_several_bodies() {
    for pattern in ["AAABAAAB", "B", "AB", "BA", "CAB", "ACCBBA", "CBC", "AAAAC"] {
        check(&hand::patterned(pattern, VOCAB));
    }
}

#[test]
fn of_lists_of_lists() {
    check(&hand::lists_of_lists(VOCAB));
}

/// One parameter per layer of two stacks, of which one has only the odd layers: a gradient is the
/// sum over all places that read it, and instances that one stack leaves out have none from there.
#[test]
fn of_a_parameter_that_two_regions_read() {
    check(&hand::two_stacks(VOCAB));
}

#[test]
fn of_layers_that_are_all_different() {
    check(&hand::all_different(4, VOCAB));
}

#[test]
fn of_layers_that_differ_share_and_collect() {
    for (name, text, call) in support::layers::MODELS {
        println!("{name}");
        check(&model(text, call, Pattern::Causal, VOCAB, 8));
    }
}
