//! Text that grows: new positions after cached ones have the logits that they have in the whole sequence.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::Precision;
use dlmc::graph::ValidGraph;
use dlmc::graph::ops::Input;
use dlmc::lower::{Cache, Executable, Weights};
use dlmc::objective::Pattern;
use dlmc::program::flatten;
use support::{VOCAB, decoder, distance, model};
use tch::{Device, Kind, Tensor};

/// The same sums in another order. In bf16 every operation rounds to 8 bits.
const TOLERANCE: [(Precision, f64); 3] = [(Precision::Fp64, 1e-12), (Precision::Fp32, 1e-5), (Precision::Bf16, 2e-2)];
const N: i64 = 12;
const DECODER: &str = "decoder(layers: 2, dim: 16, heads: 2, ffn: 20, tied: true)";

/// Windows, shared heads, a table of positions, a noise level.
const WINDOWED: &str = "
block mix(x: [B, T, D], window: int) -> [B, T, D] {
    q = rope(split_heads(linear(x, D) as q, 4), positions)
    k = rope(split_heads(linear(x, D / 2) as k, 2), positions)
    v = split_heads(linear(x, D / 2) as v, 2)
    return linear(merge_heads(attend(q, k, v, window: window)), D) as o
}
model windowed(dim: int) {
    x = embed(tokens, dim) + embed(positions, dim) as places
    c = linear(sinusoid(t, 8), dim) as level
    repeat 3 as layer {
        x = x + mix(layernorm(x) as norm, window: 3 + 20 * (layer % 2)) * (1 + c)
    }
    return unembed(x)
}";

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn executable(graph: &ValidGraph, precision: Precision) -> (Executable, Vec<Tensor>) {
    let program = flatten(graph);
    let weights = Weights::init(&program.params, 3, precision, Device::Cpu).unwrap();
    // Starting weights are small, and logits all but equal.
    let params = weights.compute().unwrap().iter().map(|x| if x.dim() > 1 { x * 12.0 } else { x.copy() }).collect();
    (Executable::new(program, precision, Device::Cpu), params)
}

fn tokens() -> Tensor {
    let ids: Vec<i64> = (0..2 * N).map(|i| (i * i + 3 * i) % VOCAB as i64).collect();
    Tensor::from_slice(&ids).view([2, N])
}

fn inputs(tokens: Tensor) -> Vec<(Input, Tensor)> {
    vec![(Input::Tokens, tokens), (Input::NoiseLevel, Tensor::from_slice(&[0.3, 0.8]))]
}

/// In pieces of these lengths, each looked at with other tokens first.
fn check(graph: &ValidGraph, pieces: &[i64]) {
    assert_eq!(pieces.iter().sum::<i64>(), N);
    for (precision, tolerance) in TOLERANCE {
        let (executable, params) = executable(graph, precision);
        let whole = executable.run(&params, &inputs(tokens())).unwrap().named["logits"].shallow_clone();
        let mut cache = Cache::default();
        let mut first = 0;
        for n in pieces {
            let piece = tokens().narrow(1, first, *n);
            let draft = (&piece + 1).remainder(VOCAB as i64);
            let before = cache.n_positions();
            executable.run_after(&params, &inputs(draft), &mut cache, false).unwrap();
            assert_eq!(cache.n_positions(), before);
            let mut given = inputs(piece);
            // Positions may be given or left out.
            if first % 2 == 0 {
                given.push((Input::Positions, Tensor::arange_start(first, first + n, (Kind::Int64, Device::Cpu))));
            }
            let got = executable.run_after(&params, &given, &mut cache, true).unwrap().named["logits"].shallow_clone();
            first += n;
            assert_eq!(cache.n_positions(), first as u64);
            let error = distance(&values(&got), &values(&whole.narrow(1, first - n, *n)));
            assert!(error <= tolerance, "{pieces:?} at {first} in {precision:?}: off by {error:e}");
        }
    }
}

#[test]
fn token_by_token_and_piece_by_piece() {
    let windowed = |pattern| model(WINDOWED, "windowed(dim: 16)", pattern, VOCAB, 16);
    for graph in [decoder(DECODER, Pattern::Causal, VOCAB, 16), windowed(Pattern::Causal)] {
        check(&graph, &[1; N as usize]);
        check(&graph, &[5, 1, 4, 2]);
        check(&graph, &[12]);
    }
}

#[test]
fn block_by_block() {
    for block in [1, 3, 4] {
        let pattern = Pattern::BlockCausal { block };
        for graph in [decoder(DECODER, pattern, VOCAB, 16), model(WINDOWED, "windowed(dim: 16)", pattern, VOCAB, 16)] {
            check(&graph, &vec![block as i64; (N / block as i64) as usize]);
            check(&graph, &[N - block as i64, block as i64]);
        }
    }
    // The last block may be cut short.
    check(&decoder(DECODER, Pattern::BlockCausal { block: 5 }, VOCAB, 16), &[5, 5, 2]);
}

#[test]
fn what_is_forgotten_can_be_read_again() {
    let (executable, params) = executable(&decoder(DECODER, Pattern::Causal, VOCAB, 16), Precision::Fp64);
    let mut cache = Cache::default();
    let run = |cache: &mut Cache, from: i64, n: i64| {
        let given = inputs(tokens().narrow(1, from, n));
        values(&executable.run_after(&params, &given, cache, true).unwrap().named["logits"])
    };
    run(&mut cache, 0, 7);
    let wanted = run(&mut cache, 7, 3);
    cache.truncate(7).unwrap();
    assert_eq!(cache.n_positions(), 7);
    assert_eq!(run(&mut cache, 7, 3), wanted);
}

#[test]
fn what_would_be_wrong_is_refused() {
    let refusal = |pattern, first: i64, rows: i64| {
        let (executable, params) = executable(&decoder(DECODER, pattern, VOCAB, 16), Precision::Fp32);
        let mut cache = Cache::default();
        let run = |cache: &mut Cache, rows: i64, from: i64, n: i64| {
            let given = inputs(tokens().narrow(1, from, n).narrow(0, 0, rows));
            executable.run_after(&params, &given, cache, true).map(drop)
        };
        run(&mut cache, 2, 0, first).and_then(|()| run(&mut cache, rows, first, 1)).unwrap_err().to_string()
    };
    assert!(refusal(Pattern::Full, 1, 2).contains("with full attention a position sees those after it"));
    assert!(refusal(Pattern::TwoStream { block: 2 }, 2, 2).contains("two_stream"));
    assert!(refusal(Pattern::BlockCausal { block: 4 }, 6, 2).contains("6 positions are kept"));
    assert!(refusal(Pattern::Causal, 3, 1).contains("kept are 2 rows of 2 attentions"));
}
