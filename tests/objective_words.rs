//! What is said of objectives and samplers: in words by `explain`, in a plan, of whatever somebody writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod shop;

use common::front;
use dlmc::base::diag::Severity;
use dlmc::cli::front::Outcome;
use dlmc::objective::{describe, needs_noise_level};
use dlmc::store::run_id;
use proptest::prelude::*;
use shop::{OK, Shop, expect};

/// Whether an objective replaces tokens by others, so that its model is to read `t`.
fn is_told(written: &str) -> bool {
    written.starts_with("uniform") || written.starts_with("hybrid")
}

/// A spec with an arm for each objective, and no definition that none of them uses.
fn spec(objectives: &[(&str, &str)]) -> String {
    let definitions: Vec<String> =
        objectives.iter().map(|(name, written)| format!("objective {name} = {written}")).collect();
    let arms: Vec<String> = objectives
        .iter()
        .map(|(name, written)| {
            let model = if is_told(written) { ", model: dit(layers: 2, dim: 16, heads: 2, ffn: 32)" } else { "" };
            format!("        {name}: {{ objective: {name}{model} }}")
        })
        .collect();
    let named = |name: &str| objectives.iter().any(|(_, written)| written.contains(name));
    let schedules =
        ["schedule keep(t) = 1 - t", "schedule near(t) = 1 - (1 - 1e-3) * t", "schedule quick(t) = 1 - t^2"];
    let schedules = schedules.into_iter().zip(["keep", "near", "quick"]).filter(|(_, name)| named(name));
    let schedules: Vec<&str> = schedules.map(|(schedule, _)| schedule).collect();
    let told = objectives.iter().any(|(_, written)| is_told(written));
    let (dit, factors) = match told {
        true => ("use \"std/dit.dlm\" { dit }\n", "    factors: [objective, model]\n"),
        false => ("", ""),
    };
    format!(
        r#"use "std/decoder.dlm" {{ decoder }}
{dit}{}
{}
data d {{ source: files("{{torch}}/*.py"), tokenizer: bytes, unique: 4K tokens, epochs: 4, seq: 16, valid: 1K tokens }}
experiment e {{
    model: decoder(layers: 2, dim: 16, heads: 2, ffn: 32)
    data:  d
    train: {{ batch: 8 seqs, optimizer: adamw(lr: 1e-3), lr_schedule: constant(), weight_noise: 0.01 }}
    eval:  {{ every: 1 epoch, loss: valid, sample: 12 tokens }}
{factors}    arms:  {{
{}
    }}
}}
"#,
        schedules.join("\n"),
        definitions.join("\n"),
        arms.join("\n")
    )
}

const ALL: &[(&str, &str)] = &[
    ("plain", "next_token()"),
    ("masked_inputs", "next_token(input_mask: 30%)"),
    ("mir", "next_token(auxiliary: masked_inputs(rate: 15%, weight: 0.5))"),
    ("count", "masked_diffusion(schedule: keep, sampler: ancestral)"),
    ("n1", "masked_diffusion(schedule: quick, estimator: bernoulli, t: systematic, variable_length: 1%)"),
    ("n2", "masked_diffusion(schedule: keep, estimator: row_mean, shift: true)"),
    ("n3", "masked_diffusion(schedule: near, estimator: batch_mean, t: iid(0.1, 1))"),
    ("n4", "masked_diffusion(schedule: keep, estimator: bernoulli, weight: flat)"),
    ("importance", "masked_diffusion(schedule: quick, t: importance(0.01, 1), sampler: margin(steps: 6, block: 4))"),
    ("mega", "megadlms(sampler: confidence(steps: 6, temperature: 0))"),
    ("any", "any_order(t: systematic, sampler: entropy(top_k: 10))"),
    ("lm", "masked_lm(rate: 15%, sampler: random(temperature: 0.8, top_p: 90%))"),
    ("blocks", "block_diffusion(block: 4, schedule: near, t: iid(0.3, 0.8), estimator: bernoulli)"),
    ("ones", "block_diffusion(1, keep, sampler: ancestral(steps: 1))"),
    ("uniform", "uniform_diffusion(schedule: keep)"),
    ("open", "uniform_diffusion(schedule: near, sampler: posterior(steps: 8))"),
    ("hybrid", "hybrid_diffusion(uniform: 20%)"),
    ("gidd", "hybrid_diffusion(uniform: 20%, t: systematic(1e-4, 0.9999), weight: dynamic)"),
    ("masks", "hybrid_diffusion(uniform: 0%)"),
];

#[test]
fn every_objective_is_described() {
    let outcome = front(&spec(ALL));
    let compiled = outcome.compiled.expect("all are sound");
    let mut out = String::new();
    for (arm, (_, written)) in compiled.spec.variants().iter().zip(ALL) {
        out += &format!("{written}\n");
        for fact in describe(&arm.objective, &arm.sampler) {
            out += format!("  {:<10} {}   {}", fact.name, fact.text, fact.note).trim_end();
            out.push('\n');
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn a_plan_says_what_each_objective_reads() {
    let shop = Shop::new(&[("a.dlm", &spec(ALL))]);
    let output = shop.run(&["plan", "a.dlm"]);
    insta::assert_snapshot!(expect(&output, OK).0);

    let output = shop.run(&["plan", "a.dlm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(expect(&output, OK).0).unwrap();
    let arm = |name: &str| json["arms"].as_array().unwrap().iter().find(|arm| arm["arm"] == name).unwrap();
    let read = |name: &str| (arm(name)["rows_read"].as_u64().unwrap(), arm(name)["positions_read"].as_u64().unwrap());
    assert_eq!([read("plain"), read("mir"), read("blocks"), read("mega")], [(1, 16), (2, 16), (1, 32), (1, 14)]);
    assert_eq!(arm("mega")["objective"], "megadlms");
    assert_eq!(arm("mega")["targets"], 14);
    assert!(arm("lm")["bound"].is_null() && arm("lm")["no_bound"].is_string());
    assert_eq!(arm("lm")["sampler"], "random");
    // Twice the rows are twice the work, and so are both streams but for their attention.
    let counted = |name: &str| arm(name)["flops_counted"].as_f64().unwrap();
    assert!((counted("mir") / counted("masked_inputs") - 2.0).abs() < 1e-9);
    assert!(counted("blocks") > 1.9 * counted("plain"));
    // Validation reads the rows once.
    let evaluation = |name: &str| arm(name)["evaluation_flops"].as_f64().unwrap();
    assert_eq!(evaluation("mir"), evaluation("plain"));
}

#[test]
fn a_plan_says_what_noise_there_is_besides() {
    let text = spec(&ALL[..1]).replace("ffn: 32)", "ffn: 32, attention_dropout: 0.1, residual_dropout: 0.2)");
    let shop = Shop::new(&[("a.dlm", &text)]);
    let output = shop.run(&["plan", "a.dlm"]);
    let said = expect(&output, OK).0.lines().find(|line| line.trim_start().starts_with("noise")).unwrap().to_string();
    insta::assert_snapshot!(said.trim());
    let output = shop.run(&["plan", "a.dlm", "--json"]);
    let json: serde_json::Value = serde_json::from_str(expect(&output, OK).0).unwrap();
    let arm = &json["arms"][0];
    assert_eq!(arm["weight_noise"], 0.01);
    let rates: Vec<f64> = arm["dropout"].as_array().unwrap().iter().map(|d| d["rate"].as_f64().unwrap()).collect();
    assert_eq!(rates, [0.1, 0.2, 0.2]);
}

/// One run serves arms that differ in how text is drawn alone.
#[test]
fn a_sampler_is_no_part_of_a_run() {
    let outcome = front(&spec(&[
        ("a", "masked_diffusion(schedule: keep)"),
        ("b", "masked_diffusion(schedule: keep, sampler: confidence(steps: 6, top_k: 5))"),
        ("c", "masked_diffusion(schedule: keep, shift: true)"),
    ]));
    let compiled = outcome.compiled.expect("all are sound");
    let ids: Vec<String> = compiled.spec.variants().iter().map(|arm| run_id(arm, "data")).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

/// Names of objectives, samplers and arguments with values of all kinds, most of them wrong.
fn call() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "0",
        "1",
        "-1",
        "3",
        "16",
        "17",
        "1e-3",
        "0.5",
        "1e300",
        "15%",
        "100%",
        "200%",
        "4 tokens",
        "true",
        "none",
        "keep",
        "near",
        "nowhere",
        "\"text\"",
        "[1, 2]",
        "(1, 2)",
        "{ a: 1 }",
        "0..1",
        "elbo",
        "flat",
        "dynamic",
        "count",
        "bernoulli",
        "row_mean",
        "batch_mean",
        "open",
        "iid",
        "stratified(0, 1)",
        "stratified(1, 0)",
        "systematic(0.5)",
        "importance(0, 1)",
        "importance(1e-3, 1)",
        "iid(low: -1)",
        "masked_inputs(rate: 15%)",
        "masked_inputs(2, 0)",
        "left_to_right",
        "first_hitting(block: 3)",
        "ancestral(steps: 0)",
        "confidence(steps: 7, block: 4)",
        "margin(temperature: 0, top_k: 1)",
        "entropy(1, 2, 3)",
        "random(block: 99)",
        "posterior(steps: 1e30)",
        "posterior(top_p: 0)",
        "4 / 0",
        "next_token()",
    ]);
    let name = prop::sample::select(vec![
        "schedule",
        "t",
        "weight",
        "estimator",
        "ends",
        "shift",
        "variable_length",
        "input_mask",
        "auxiliary",
        "rate",
        "block",
        "uniform",
        "sampler",
        "steps",
    ]);
    let argument = (prop::option::weighted(0.85, name), value)
        .prop_map(|(name, value)| name.map_or(value.to_string(), |name| format!("{name}: {value}")));
    let objective = prop::sample::select(vec![
        "next_token",
        "masked_diffusion",
        "megadlms",
        "any_order",
        "masked_lm",
        "block_diffusion",
        "uniform_diffusion",
        "hybrid_diffusion",
        "block_difusion",
    ]);
    (objective, prop::collection::vec(argument, 0..5))
        .prop_map(|(objective, arguments)| format!("{objective}({})", arguments.join(", ")))
}

fn said(outcome: &Outcome) -> String {
    dlmc::cli::render::human(&outcome.diagnostics, &outcome.sources, false)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(4), ..ProptestConfig::default() })]

    /// Whatever is written of an objective is sound or told, with a place, and never a panic.
    #[test]
    fn what_is_written_of_an_objective_is_sound_or_told(written in call()) {
        let outcome = front(&spec(&[("o", &written)]));
        let errors: Vec<_> = outcome.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        prop_assert_eq!(outcome.compiled.is_some(), errors.is_empty(), "{}", said(&outcome));
        prop_assert!(errors.iter().all(|error| error.primary.is_some()), "{}: {}", written, said(&outcome));
        if let Some(compiled) = outcome.compiled {
            let arm = &compiled.spec.variants()[0];
            prop_assert!(!describe(&arm.objective, &arm.sampler).is_empty());
            prop_assert!(!needs_noise_level(&arm.objective) || arm.model.name == "dit");
        }
    }
}
