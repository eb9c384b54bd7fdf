//! Text from lowered models: what is asked of the network is what training has it predict, with the cache and without,
//! together and alone.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::front;
use dlmc::check::spec::{Arm, Precision, Sampler};
use dlmc::cli::render;
use dlmc::decode::{Decoded, Network, Question, Request, decode};
use dlmc::graph::ValidGraph;
use dlmc::graph::ops::Input;
use dlmc::lower::{Executable, Weights};
use dlmc::objective::{Pattern, sampling_pattern};
use dlmc::program::{Program, flatten};
use dlmc::sample::{Model, Trained};
use dlmc::store::TensorData;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Sums in another order.
const ROUNDING: f64 = 1e-9;
const SEQ: u64 = 16;

struct Subject {
    arm: Arm,
    graph: Arc<ValidGraph>,
    weights: Vec<TensorData>,
}

/// A tiny model under an objective, in f64, with weights far enough from 0 for sharp predictions.
fn subject(objective: &str) -> Subject {
    let reads_t = objective.starts_with("uniform") || objective.starts_with("hybrid");
    let (library, model) = match reads_t {
        true => ("std/dit.dlm\" { dit }", "dit(layers: 2, dim: 16, heads: 2, ffn: 24, cond: 8)"),
        false if objective.contains("dropout") => (
            "std/decoder.dlm\" { decoder }",
            "decoder(layers: 2, dim: 16, heads: 2, ffn: 24, attention_dropout: 0.5, residual_dropout: 0.5)",
        ),
        false => ("std/decoder.dlm\" { decoder }", "decoder(layers: 2, dim: 16, heads: 2, ffn: 24)"),
    };
    let schedule = if objective.contains("keep") { "schedule keep(t) = 1 - t" } else { "" };
    let text = format!(
        "use \"{library}
        {schedule}
        objective it = {objective}
        data text {{
            source: files(\"*\")
            tokenizer: bytes
            unique: 100K tokens
            epochs: 4
            seq: {SEQ}
            valid: 64K tokens
            order: strict(boundaries: moving)
        }}
        experiment tiny {{
            model: {model}
            data: text
            train: {{
                batch: 32 seqs
                optimizer: adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)
                lr_schedule: wsd(warmup: 2%, decay: 10%, floor: 10%)
                clip: 1.0
                precision: fp64
                seeds: {{ init: 1, split: 2, subset: 3, order: 4, noise: 5, eval: 6 }}
            }}
            eval: {{ every: 1 epoch, loss: valid }}
            arms: {{ it: {{ objective: it }} }}
        }}"
    );
    let outcome = front(&text);
    let said = render::human(&outcome.diagnostics, &outcome.sources, false);
    let compiled = outcome.compiled.unwrap_or_else(|| panic!("{said}"));
    let (arm, graph) = (compiled.spec.variants()[0].clone(), compiled.models[0].clone());
    let program = flatten(&graph);
    let mut weights = Weights::init(&program.params, 3, Precision::Fp64, Device::Cpu).unwrap();
    for (i, param) in program.params.iter().enumerate().filter(|(_, param)| param.shape.len() > 1) {
        let n = param.n_elements() as usize;
        let values: Vec<f64> = (0..n).map(|j| 0.35 * ((i * 7919 + j * 104_729) as f64 * 0.618_034).sin()).collect();
        weights.set(&param.path, &values).unwrap();
    }
    Subject { arm, graph, weights: weights.export().unwrap() }
}

impl Subject {
    fn trained(&self) -> Trained {
        Trained::new(&self.arm, &self.graph, &self.weights, Device::Cpu).unwrap()
    }

    fn lowered(&self, pattern: Pattern) -> (Executable, Vec<Tensor>) {
        self.ready(flatten(&dlmc::graph::with_pattern(&self.graph, pattern)))
    }

    /// As text is drawn: it gives the logits that are asked for alone.
    fn asked(&self, pattern: Pattern) -> (Executable, Vec<Tensor>) {
        let drawn = dlmc::graph::with_pattern(&self.graph, pattern);
        self.ready(flatten(&dlmc::optimize::asked(&drawn, &Default::default()).unwrap()))
    }

    fn ready(&self, program: Program) -> (Executable, Vec<Tensor>) {
        let mut weights = Weights::init(&program.params, 3, Precision::Fp64, Device::Cpu).unwrap();
        weights.import(&self.weights).unwrap();
        (Executable::new(program, Precision::Fp64, Device::Cpu), weights.compute().unwrap())
    }

    /// With or without the cache.
    fn draw(&self, sampler: &Sampler, request: &Request, cached: bool) -> Vec<Decoded> {
        let (executable, params) = self.asked(sampling_pattern(&self.arm.objective));
        let n = request.texts.len();
        let model = Model::new(&executable, &params, &self.arm.objective, self.arm.vocab, Device::Cpu, n);
        let mut model = if cached { model } else { model.without_cache() };
        decode(&mut model, &self.arm.objective, &self.arm.vocab, sampler, request, &mut |_| {}).unwrap()
    }
}

fn rows(tensor: &Tensor, width: usize) -> Vec<Vec<f64>> {
    let all = Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap();
    all.chunks(width).map(<[f64]>::to_vec).collect()
}

fn near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < ROUNDING)
}

const OBJECTIVES: [(&str, &[&str]); 7] = [
    ("next_token()", &["left_to_right", "left_to_right(temperature: 0.7, top_k: 20)"]),
    (
        "masked_diffusion(schedule: keep)",
        &["first_hitting", "ancestral(steps: 5)", "confidence(steps: 4, block: 4)", "random(steps: 3)"],
    ),
    ("masked_diffusion(schedule: keep, shift: true)", &["first_hitting", "margin(steps: 4)"]),
    ("any_order()", &["entropy(steps: 6)"]),
    ("block_diffusion(block: 4, schedule: keep)", &["first_hitting", "ancestral(steps: 8)", "confidence(steps: 8)"]),
    ("uniform_diffusion(schedule: keep)", &["posterior(steps: 4)"]),
    ("hybrid_diffusion(uniform: 20%)", &["posterior(steps: 4)"]),
];

fn sampler(subject: &Subject, text: &str) -> Sampler {
    let (mut map, mut out) = Default::default();
    let objective = &subject.arm.objective;
    let read = dlmc::check::objective::sampler::read_alone(text, "--sampler", objective, &mut map, &mut out);
    read.unwrap_or_else(|| panic!("{}", render::human(&out, &map, false)))
}

#[test]
fn cached_and_together_or_not_texts_are_the_same() {
    for (objective, samplers) in OBJECTIVES {
        let subject = subject(objective);
        for text in samplers {
            let sampler = sampler(&subject, text);
            assert_eq!(sampler.to_string(), *text);
            let request = Request::continuation(&[104, 105], 9, 0..3, 8);
            let together = subject.draw(&sampler, &request, true);
            let uncached = subject.draw(&sampler, &request, false);
            let alone: Vec<Decoded> = (0..3)
                .flat_map(|i| subject.draw(&sampler, &Request { texts: i..i + 1, ..request.clone() }, true))
                .collect();
            for (i, one) in together.iter().enumerate() {
                let what = format!("{objective}, {text}, text {i}");
                for other in [&uncached[i], &alone[i]] {
                    assert_eq!((&one.tokens, one.n_calls), (&other.tokens, other.n_calls), "{what}");
                    assert!((one.entropy - other.entropy).abs() < ROUNDING, "{what}");
                }
                assert_eq!((one.tokens.len(), one.n_drawn, &one.tokens[..2]), (11, 9, &[104, 105][..]), "{what}");
                assert!(one.tokens.iter().all(|id| u64::from(*id) < subject.arm.vocab.n_predictable()), "{what}");
            }
            assert_ne!(together[0].tokens, together[1].tokens, "{objective}, {text}");
            assert_eq!(subject.trained().draw_all(&sampler, &request).unwrap(), together);
        }
    }
}

/// Left to right at temperature 0 is the likeliest continuation, position by position, of one run over the whole text.
#[test]
fn greedy_text_agrees_with_one_run_over_all_of_it() {
    let subject = subject("next_token()");
    let sampler = sampler(&subject, "left_to_right(temperature: 0)");
    let text = &subject.draw(&sampler, &Request::continuation(&[100], 12, 0..1, 1), true)[0];
    let vocab = subject.arm.vocab;
    let (executable, params) = subject.lowered(Pattern::Causal);
    let read: Vec<i64> = [vocab.eod as i64].into_iter().chain(text.tokens.iter().map(|t| i64::from(*t))).collect();
    let out = executable.run(&params, &[(Input::Tokens, Tensor::from_slice(&read).view([1, -1]))]).unwrap();
    let live = vocab.n_predictable() as usize;
    for (i, row) in rows(&out.named["logits"], vocab.size as usize).iter().take(text.tokens.len()).enumerate() {
        let best = (0..live).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
        if i > 0 {
            assert_eq!(best as u32, text.tokens[i], "token {i}");
        }
    }
    // Its judge gives it the sum of those log-probabilities.
    let wanted: f64 = (1..13)
        .map(|i| {
            let row = &rows(&out.named["logits"], vocab.size as usize)[i][..live];
            row.iter().map(|x| (x - row[text.tokens[i] as usize]).exp()).sum::<f64>().ln()
        })
        .sum();
    let places: Vec<usize> = (1..13).collect();
    let judged = subject.trained().judge(&text.tokens, &places).unwrap();
    assert!((judged.nats - wanted).abs() < ROUNDING && judged.n_tokens == 12, "{judged:?} for {wanted}");
    assert_eq!(subject.trained().judge(&text.tokens, &[]).unwrap().n_tokens, 0);
}

/// What a position is asked for stands where training has it: at it, or before it where the objective is shifted.
#[test]
fn a_position_is_predicted_where_training_predicts_it() {
    for (objective, shift) in [
        ("masked_diffusion(schedule: keep)", 0),
        ("masked_diffusion(schedule: keep, shift: true)", 1),
        ("uniform_diffusion(schedule: keep)", 0),
    ] {
        let subject = subject(objective);
        let vocab = subject.arm.vocab;
        let (executable, params) = subject.lowered(Pattern::Full);
        let (asked, asked_params) = subject.asked(Pattern::Full);
        let mut model = Model::new(&asked, &asked_params, &subject.arm.objective, vocab, Device::Cpu, 2);
        let tokens: Vec<u32> = (0..8).map(|i| 60 + 5 * i).collect();
        let other: Vec<u32> = (0..8).map(|i| 70 + 3 * i).collect();
        let question = |slot, tokens, at| Question { slot, tokens, n_final: 0, t: Some(0.4), at };
        let questions = [question(0, &tokens, &[2, 5][..]), question(1, &other, &[7][..])];
        let answers = model.logits(&questions).unwrap();
        for (question, answer) in questions.iter().zip(&answers) {
            let ids: Vec<i64> = question.tokens.iter().map(|t| i64::from(*t)).collect();
            let level = (Input::NoiseLevel, Tensor::from_slice(&[0.4]));
            let inputs = [(Input::Tokens, Tensor::from_slice(&ids).view([1, -1])), level];
            let out = executable.run(&params, &inputs).unwrap();
            let whole = rows(&out.named["logits"], vocab.size as usize);
            for (at, row) in question.at.iter().zip(answer) {
                assert!(near(row, &whole[at - shift][..vocab.n_predictable() as usize]), "{objective} at {at}");
            }
        }
    }
}

/// A block after its clean prefix, by the cache, is what the noisy half of training's two streams predicts.
#[test]
fn blocks_are_predicted_as_in_training() {
    let subject = subject("block_diffusion(block: 4, schedule: keep)");
    let vocab = subject.arm.vocab;
    let mask = vocab.mask.unwrap() as u32;
    let clean: Vec<u32> = (0..12).map(|i| 50 + 7 * i).collect();
    let noisy: Vec<u32> = (0..12).map(|i| if i % 3 == 1 { mask } else { clean[i] }).collect();
    let (training, params) = subject.lowered(Pattern::TwoStream { block: 4 });
    let ids: Vec<i64> = noisy.iter().chain(&clean).map(|t| i64::from(*t)).collect();
    let positions: Vec<i64> = (0..12).chain(0..12).collect();
    let inputs =
        [(Input::Tokens, Tensor::from_slice(&ids).view([1, -1])), (Input::Positions, Tensor::from_slice(&positions))];
    let whole = rows(&training.run(&params, &inputs).unwrap().named["logits"], vocab.size as usize);
    let (executable, params) = subject.asked(sampling_pattern(&subject.arm.objective));
    let mut model = Model::new(&executable, &params, &subject.arm.objective, vocab, Device::Cpu, 1);
    for block in 0..3 {
        let (from, to) = (4 * block, 4 * block + 4);
        let tokens: Vec<u32> = clean[..from].iter().chain(&noisy[from..to]).copied().collect();
        let at: Vec<usize> = (from..to).collect();
        // Twice: the second time the prefix is in the cache.
        for _ in 0..2 {
            let question = Question { slot: 0, tokens: &tokens, n_final: from, t: None, at: &at };
            for (at, row) in at.iter().zip(&model.logits(&[question]).unwrap()[0]) {
                assert!(near(row, &whole[*at][..vocab.n_predictable() as usize]), "block {block}, position {at}");
            }
        }
    }
}

/// Dropout is of training alone: with it a model draws the text that it draws without.
#[test]
fn nothing_is_dropped_in_drawing() {
    let with = "next_token() // dropout";
    let (dropped, plain) = (subject(with), subject("next_token()"));
    let request = Request::continuation(&[], 8, 0..2, 1);
    let texts = [&dropped, &plain].map(|s| s.trained().draw_all(&sampler(s, "left_to_right"), &request).unwrap());
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn samplers_of_the_command_line_are_checked_as_in_a_spec() {
    let subject = subject("masked_diffusion(schedule: keep)");
    let said = |text: &str| {
        let (mut map, mut out) = Default::default();
        let objective = &subject.arm.objective;
        let read = dlmc::check::objective::sampler::read_alone(text, "--sampler", objective, &mut map, &mut out);
        assert!(read.is_none(), "{text}");
        render::human(&out, &map, false)
    };
    let wrong = [
        "confidence(steps: 0)",
        "confidense(steps: 4)",
        "left_to_right",
        "confidence(steps: 4",
        "confidence(temperature: -1)",
        "confidence(temperature: NaN)",
        "confidence(top_p: 2)",
        "confidence(paces: 4)",
        "",
    ];
    insta::assert_snapshot!(wrong.map(|text| format!("--sampler '{text}'\n{}", said(text))).join("\n"));
}
