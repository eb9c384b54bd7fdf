//! From the text of a claim to its verdict: a sweep is compiled and recorded, synthetic runs are written beside the
//! record, and the report is made from the folder alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{QUICKSTART, front};
use dlmc::check::CheckedSpec;
use dlmc::report::{ReportInput, RunRecord, Sweep, points, write_sweep};
use dlmc::store::metrics::{End, EndReason, Eval, Measured, Record, Start};
use dlmc::store::{ExperimentRecord, Lock, RunFolder, run_name};
use std::path::Path;

const N_DOCUMENTS: u64 = 80;
const TARGETS: f64 = 500.0;
const STEPS_PER_EPOCH: u64 = 25;
const N_EPOCHS: u64 = 16;

const SWEEP: &str = r#"sweep: {
        data.unique: [50K, 100K, 200K] tokens
        train.optimizer.lr: [1e-3, 3e-3]
    }
    replicates: 3
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        let top = best(loss(valid), of: ar)
        cross at unique in 50K..100K tokens and lr == 1e-3
        no cross at data.unique == 200K tokens
        cross before 8 epochs at unique == 50K tokens
        no cross before 8 epochs at unique >= 100K tokens and lr == 1e-3
        cross before 300 steps at unique == 100K tokens
        increasing(cross.epoch, along: data.unique)
        decreasing(final(loss(valid), of: ar), along: unique)
        increasing(final(loss(valid), of: mdm), along: lr) at unique == 50K tokens
        best(loss(valid), of: mdm) < top
        top.epoch < 2 epochs
        gap(loss(valid), of: ar, to: mdm) > 0.02 at unique == 50K tokens
        gap(loss(valid), of: ar, to: mdm) / final(loss(valid), of: mdm) > 1% at unique == 50K tokens
        final(loss(valid), of: mdm) == published(2.1, "table 2") within 5%   // a comment is no part of a claim
        no final(loss(valid), of: mdm) == 2.1 within 0.001
        onset(loss(valid), of: ar)
        no onset(loss(train), of: ar) at lr == 1e-3
        crossover(loss(train), of: ar, under: mdm) at lr == 1e-3
        final(loss(train), of: ar) < final(loss(valid), of: ar) at unique == 50K tokens and lr == 1e-3
        final(loss(valid), of: mdm) < published(2.5, "figure 3") at lr == 1e-3
        crossover(loss(valid), of: mdm, under: ar,
            each: best_over(lr))
        final(loss(valid), of: mdm, each: best_over(lr)) < final(loss(valid), of: ar, each: best_over(lr))
    }"#;

/// A number in (-1, 1) that depends on its arguments alone.
fn noise(a: u64, b: u64) -> f64 {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (mix(mix(a) ^ b) >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
}

/// `ar` rises through the level of `mdm`: at epoch 5, 9 and never. The higher rate is a little worse.
fn loss(arm: &str, unique: &str, lr: &str, replicate: u64, epoch: f64) -> f64 {
    let crossing = match unique {
        "50K" => 5.0,
        "100K" => 9.0,
        _ => 40.0,
    };
    let worse = if lr == "3e-3" { 0.05 } else { 0.0 };
    let seed = 0.01 * noise(replicate, if arm == "ar" { 7 } else { 8 });
    let level = 2.1 + worse + seed;
    if arm == "ar" { level + 0.05 * (epoch - crossing) } else { level }
}

/// Both arms fit their training text ever better; `ar` faster, from behind.
fn of_train(arm: &str, e: u64) -> Measured {
    let value = if arm == "ar" { 2.5 - 0.06 * e as f64 } else { 2.2 - 0.02 * e as f64 };
    let items = (0..N_DOCUMENTS).map(|i| [TARGETS * (value + 0.3 * noise(i, 9)), TARGETS]).collect();
    Measured { metric: "loss(train)".into(), value, se: 0.01, set: "t".into(), items }
}

fn records(variant: &dlmc::check::spec::Arm) -> Vec<Record> {
    let at = |label: &str| variant.point.value(label).unwrap().to_string();
    let replicate: u64 = at("replicate").parse().unwrap();
    let start = Start {
        run: "r".into(),
        experiment: "quickstart".into(),
        arm: variant.name.clone(),
        point: variant.point.name(),
        objective: variant.objective.name().into(),
        exact: variant.name == "ar",
        from_step: 0,
        steps: N_EPOCHS * STEPS_PER_EPOCH,
        decay_from_step: N_EPOCHS * STEPS_PER_EPOCH,
        tokens_per_step: 4096,
        unique_tokens: 100_000,
        params: 1,
        flops_per_step: 1.0,
        init_hash: "i".into(),
        data_hash: "d".into(),
        valid_hash: "v".into(),
        n_valid_documents: N_DOCUMENTS,
        loss_unit: "nats/byte".into(),
        precision: "fp32".into(),
        device: "cpu".into(),
        threads: 2,
        libtorch: "2.11.0".into(),
        code: "0.1.0".into(),
    };
    let eval = |e: u64| {
        let level = loss(&variant.name, &at("unique"), &at("lr"), replicate, e as f64);
        let own = |i: u64| 0.02 * noise(i, replicate * 2 + u64::from(variant.name == "ar"));
        let documents: Vec<[f64; 2]> =
            (0..N_DOCUMENTS).map(|i| [TARGETS * (level + 0.5 * noise(i, 3) + own(i)), TARGETS]).collect();
        let loss = documents.iter().map(|d| d[0]).sum::<f64>() / (TARGETS * N_DOCUMENTS as f64);
        let (step, tokens) = (e * STEPS_PER_EPOCH, e * 100_000);
        Record::Eval(Eval {
            step,
            tokens,
            epoch: e as f64,
            loss,
            se: 0.01,
            bits_per_byte: None,
            loss_by_decile: vec![],
            in_decay: false,
            documents,
            measures: vec![of_train(&variant.name, e)],
            seconds: 0.1,
        })
    };
    let step = N_EPOCHS * STEPS_PER_EPOCH;
    let end = End { step, reason: EndReason::Finished, train_seconds: 1.0, eval_seconds: 1.0, message: None };
    std::iter::once(Record::Start(start)).chain((1..=N_EPOCHS).map(eval)).chain([Record::End(end)]).collect()
}

fn compiled() -> CheckedSpec {
    let text = QUICKSTART.replace("expect: { crossover(loss(valid), of: mdm, under: ar) }", SWEEP);
    let text = text.replace("loss: valid,", "loss: [valid, train],");
    assert!(text.contains("[valid, train]"));
    let outcome = front(&text);
    let said = dlmc::cli::render::human(&outcome.diagnostics, &outcome.sources, false);
    outcome.compiled.unwrap_or_else(|| panic!("{said}")).spec
}

/// Writes the run of every variant that is wanted.
fn write_runs(spec: &CheckedSpec, out: &Path, wanted: impl Fn(&str, &str) -> bool) {
    for variant in spec.variants().iter().filter(|v| wanted(&v.name, &v.point.name())) {
        let run = RunFolder::create(out, "quickstart", &run_name(variant), "0123456789abcdef").unwrap();
        run.write_lock(&Lock::of_arm("quickstart", variant, &run.name())).unwrap();
        let mut log = run.open_log().unwrap();
        records(variant).iter().for_each(|record| log.append(record).unwrap());
    }
}

fn report(out: &Path) -> (ReportInput, Sweep) {
    let folder = out.join("quickstart");
    let record = ExperimentRecord::read(&folder).unwrap();
    let runs = RunFolder::list(&folder).iter().map(|run| RunRecord::load(run.path())).collect();
    let (input, unused) = ReportInput::gather(record, runs);
    assert_eq!(unused, Vec::<String>::new());
    let sweep = Sweep::of(&input);
    (input, sweep)
}

#[test]
fn every_form_of_a_claim_has_its_verdict() {
    let spec = compiled();
    let out = tempfile::tempdir().unwrap();
    write_runs(&spec, out.path(), |_, _| true);
    let record = ExperimentRecord::of(&spec);
    record.write(&out.path().join("quickstart")).unwrap();
    // What stands in the folder is what was compiled, typed claims included.
    assert_eq!(ExperimentRecord::read(&out.path().join("quickstart")).unwrap().claims(), spec.claims());
    let (input, sweep) = report(out.path());
    insta::assert_snapshot!("sweep", points::text(&input, &sweep));
    let page = write_sweep(&out.path().join("quickstart"), &input, &sweep).unwrap();
    let html = std::fs::read_to_string(page).unwrap();
    let (claims, points) =
        (html.find("<section id=\"claims\">").unwrap(), html.find("<section id=\"points\">").unwrap());
    assert!(claims < points, "the claims stand first");
    for claim in spec.claims() {
        let text = claim.text.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
        assert!(html.contains(&text), "{text}");
    }
    assert!(html.contains("cross = crossover(loss(valid), of: mdm, under: ar)"));
}

#[test]
fn what_is_missing_is_named() {
    let spec = compiled();
    let out = tempfile::tempdir().unwrap();
    write_runs(&spec, out.path(), |arm, point| !(arm == "ar" && point.starts_with("unique=50K,lr=3e-3")));
    ExperimentRecord::of(&spec).write(&out.path().join("quickstart")).unwrap();
    let (input, sweep) = report(out.path());
    assert_eq!(input.missing.len(), 3);
    insta::assert_snapshot!("sweep_with_missing_runs", points::text(&input, &sweep));
    assert!(!sweep.verdicts.all_hold());
}

#[test]
fn an_older_record_says_that_it_is_one() {
    let out = tempfile::tempdir().unwrap();
    let old = r#"{ "name": "e", "doc": null, "cite": null, "arms": ["ar"], "claims": [] }"#;
    std::fs::write(out.path().join("experiment.json"), old).unwrap();
    let error = ExperimentRecord::read(out.path()).unwrap_err().to_string();
    assert!(error.contains("version 1 (this dlmc reads 3") && error.contains("dlmc report SPEC"), "{error}");
}
