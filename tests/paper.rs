//! The paper's experiments as spec files: they compile and plan where their corpora are not, and come to the figures that
//! can be worked out by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;

use dlmc::base::source::Disk;
use dlmc::base::{Severity, diag::code};
use dlmc::cli::front::{Choice, compile_choice};
use dlmc::data::CorpusEnv;
use dlmc::store::run_folder::run_id;
use serde_json::Value;

/// (file, experiment, runs)
const EXPERIMENTS: &[(&str, &str, usize)] = &[
    ("coder", "coder_anneal", 2),
    ("coder", "coder_constant", 2),
    ("data_quality", "data_quality", 6),
    ("dropout", "dropout", 9),
    ("epochs_480", "epochs_480", 1),
    ("input_masking", "input_masking", 7),
    ("model_size", "model_size", 8),
    ("overfitting", "overfitting", 6),
    ("unique_data", "unique_data", 10),
];

/// Runs `dlmc plan` on a machine without the corpora.
fn plan(file: &str, experiment: &str, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dlmc"))
        .args(["plan", &format!("specs/paper/{file}.dlm"), "--experiment", experiment])
        .args(args)
        .env_remove("DLMC_DATA")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file} {experiment}: {err}");
    assert!(err.contains("warning[W0501]") && !err.contains("warning[W03"), "{file} {experiment}: {err}");
    String::from_utf8(output.stdout).unwrap()
}

fn planned(file: &str, experiment: &str) -> Value {
    serde_json::from_str(&plan(file, experiment, &["--json", "--on", "h200x8"])).unwrap()
}

/// Near enough to a figure of so many digits.
fn is_near(x: &Value, figure: f64) -> bool {
    (x.as_f64().unwrap() / figure - 1.0).abs() < 0.005
}

#[test]
fn every_experiment_plans_without_its_corpora() {
    let mut files: Vec<String> = std::fs::read_dir("specs/paper")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "dlm"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().to_string())
        .collect();
    files.sort();
    let mut known: Vec<&str> = EXPERIMENTS.iter().map(|(file, ..)| *file).collect();
    known.dedup();
    assert_eq!(files, known);
    for (file, experiment, runs) in EXPERIMENTS {
        let plan = planned(file, experiment);
        assert_eq!(plan["n_runs"].as_u64().unwrap() as usize, *runs, "{experiment}");
        assert_eq!(plan["cite"], "arXiv:2511.03276", "{experiment}");
        // What is not published is said.
        let reasons: Vec<&str> =
            plan["assumed"].as_array().unwrap().iter().map(|a| a["reason"].as_str().unwrap()).collect();
        assert!(reasons.len() >= 6, "{experiment}: {reasons:?}");
    }
}

/// The sums of the paper's recipe, worked out without dlmc: 26 x (4 x 1792^2 + 3 x 1792 x 4736 + 2 x 1792 + 2 x 128) + 1792
/// parameters and a table of 50,304 x 1792; 96e9 / (256 x 2048) steps; 6 x parameters x tokens.
#[test]
fn the_figures_of_the_recipe() {
    let plan = planned("unique_data", "unique_data");
    let arms = plan["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 10);
    let body: u64 = 26 * (4 * 1792 * 1792 + 3 * 1792 * 4736 + 2 * 1792 + 2 * 128) + 1792;
    for arm in arms {
        assert_eq!(arm["params_without_embedding"].as_u64().unwrap(), body);
        assert_eq!(arm["params"].as_u64().unwrap(), body + 50_304 * 1792);
        assert!(is_near(&arm["params"], 1.086e9) && is_near(&arm["params_without_embedding"], 0.996e9));
        assert_eq!(arm["tokens_per_step"], 524_288);
        assert_eq!(arm["steps"], 183_105);
        assert_eq!(arm["left_over_tokens"], 245_760);
        assert!(is_near(&arm["flops_6nd_without_head"], 5.74e20));
        let counted = if arm["arm"] == "ar" { 6.8e20 } else { 7.35e20 };
        assert!(is_near(&arm["flops_counted"], counted), "{}", arm["flops_counted"]);
        assert_eq!(arm["evaluations"], 51);
        // Half of the positions that AR computes of attention are masked out.
        let hours = if arm["arm"] == "ar" { 53.1 } else { 57.3 };
        assert!(is_near(&arm["hours_training"], hours), "{}", arm["hours_training"]);
    }
    let epochs: Vec<f64> = arms.iter().step_by(2).map(|arm| arm["epochs"].as_f64().unwrap()).collect();
    for (epochs, written) in epochs.iter().zip([192.0, 96.0, 64.0, 9.6, 1.0]) {
        assert!((epochs / written - 1.0).abs() < 1e-4, "{epochs}");
    }
    let text = plan_text("unique_data", "unique_data");
    for words in [
        "2 arms x 5 points = 10 runs",
        "1,086,196,992 parameters (996,052,224 without embedding), vocabulary 50304",
        "183,105 steps = 95,999,754,240 tokens (245,760 left over)",
        "45% of it assumed",
        "trains on x_2..x_(L-1) without context",
        "objective = next_token",
        "data.vocab = 50304",
        "claim       cross at data.unique in [0.5B, 1B, 1.5B] tokens",
        "claim       no cross at data.unique in [10B, 96B] tokens",
        "claim       increasing(cross.epoch, along: data.unique)",
        "published(47.7%, \"figure 1\")",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
}

fn plan_text(file: &str, experiment: &str) -> String {
    plan(file, experiment, &["--on", "h200x8"])
}

#[test]
fn the_other_sizes() {
    let steps = |plan: &Value| plan["arms"][0]["steps"].as_u64().unwrap();
    assert_eq!(steps(&planned("epochs_480", "epochs_480")), 915_527);
    let sizes = planned("model_size", "model_size");
    let params: Vec<&Value> =
        sizes["arms"].as_array().unwrap().iter().step_by(2).map(|arm| &arm["params_without_embedding"]).collect();
    for (params, figure) in params.iter().zip([0.996e9, 2.038e9, 4.077e9, 8.434e9]) {
        assert!(is_near(params, figure), "{params}");
    }
    let constant = planned("coder", "coder_constant");
    assert!(is_near(&constant["arms"][0]["params"], 1.733e9));
    assert_eq!(constant["arms"][0]["tokens_per_step"], 1 << 22);
    // 134 epochs of 2,384 steps: where the second stage of the released checkpoints starts.
    assert_eq!((steps(&constant), constant["arms"][0]["left_over_tokens"].as_u64()), (319_456, Some(0)));
    let anneal = planned("coder", "coder_anneal");
    assert_eq!(steps(&anneal), 10 * 2_384);
    let fields = anneal["arms"][0]["fields"].as_array().unwrap();
    let value = |path: &str| fields.iter().find(|field| field["path"] == path).map(|field| field["value"].clone());
    assert_eq!(value("train.start.step"), Some("319456 steps".into()));
}

/// One run serves every experiment that contains it: the same id wherever it stands.
#[test]
fn experiments_share_their_runs() {
    let ids = |file: &str, arm: &str, point: &str| -> Vec<String> {
        let path = format!("specs/paper/{file}.dlm");
        let choice = Choice { experiment: Some(file), ..Choice::default() };
        let outcome = compile_choice(Path::new(&path), &Disk, choice, Some(&CorpusEnv::default()));
        let errors: Vec<_> = outcome.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert!(outcome.diagnostics.iter().all(|d| d.code == code::CORPUS_ELSEWHERE));
        let compiled = outcome.compiled.unwrap();
        let variants = compiled.spec.variants().iter();
        variants.filter(|v| v.name == arm && v.point.name() == point).map(|v| run_id(v, "data")).collect()
    };
    for arm in ["ar", "dlm"] {
        let billion = ids("unique_data", arm, "unique=1B");
        assert_eq!(billion.len(), 1);
        assert_eq!(ids("overfitting", arm, "unique=1B"), billion);
        assert_eq!(ids("model_size", arm, "size=b1"), billion);
        assert_eq!(ids("data_quality", arm, "tier=high"), billion);
        assert_eq!(ids("input_masking", arm, ""), billion);
        assert_eq!(ids("dropout", arm, ""), ids("unique_data", arm, "unique=0.5B"));
    }
}
