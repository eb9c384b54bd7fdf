//! What the files of `specs/lib` say of themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::graph::ops::Input;
use dlmc::graph::{Array, Init, ValidGraph};
use dlmc::objective::Pattern;
use dlmc::program::flatten;
use dlmc::reference::{Bindings, evaluate};
use support::{VOCAB, bindings, decoder, distance, model};

const SEQ: u64 = 6;
/// Two ways of adding the same products in f64.
const ROUNDING: f64 = 1e-12;

fn dit() -> ValidGraph {
    let call = "dit(layers: 2, dim: 8, heads: 2, ffn: 12, cond: 4)";
    model("use \"std/dit.dlm\" { dit }\n", call, Pattern::Full, VOCAB, SEQ)
}

fn logits(graph: &ValidGraph, at: &Bindings) -> Vec<f64> {
    evaluate(graph, at).unwrap()["logits"].data.to_vec()
}

#[test]
fn dit_begins_as_the_decoder_and_then_reads_the_noise_level() {
    let (dit, plain) = (dit(), decoder("decoder(layers: 2, dim: 8, heads: 2, ffn: 12)", Pattern::Full, VOCAB, SEQ));
    let mut at = bindings(&dit, 1, 2, SEQ as usize);
    let later = |at: &Bindings| {
        let mut at = at.clone();
        at.inputs.insert(Input::NoiseLevel, Array::new([2], vec![0.9, 0.2]));
        at
    };
    let trained = logits(&dit, &at);
    assert!(distance(&logits(&dit, &later(&at)), &trained) > 1e-3, "the noise level says nothing");
    // Every modulation begins at zero; all else that the two have is of the same paths.
    let zeros = dit.graph().params.iter().filter(|p| p.init == Init::Zeros).map(|p| p.path.as_str());
    let zeros: Vec<&str> = zeros.collect();
    assert!(zeros.iter().filter(|path| path.contains("modulation")).count() == 4, "{zeros:?}");
    for (path, value) in &mut at.params {
        if path.contains("modulation") {
            *value = value.map(|_| 0.0);
        }
    }
    let first = logits(&dit, &at);
    assert!(distance(&first, &logits(&plain, &at)) < ROUNDING);
    assert_eq!(first, logits(&dit, &later(&at)));
    let paths = |graph: &ValidGraph| flatten(graph).params.into_iter().map(|p| p.path).collect::<Vec<_>>();
    let own = paths(&dit);
    assert!(paths(&plain).iter().all(|path| own.contains(path)), "{own:?}");
}
