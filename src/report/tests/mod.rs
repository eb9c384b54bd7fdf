//! A whole report from synthetic runs, written with the store and read back from disk.
//! `DLMC_EXAMPLE_REPORT=folder cargo test report` leaves the pages there to look at.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::check::claims::{Claim, types};
use crate::store::experiment::EXPERIMENT_VERSION;
use crate::store::metrics::Measured;
use crate::store::metrics::{Checkpoint, EndReason, Eval};
use crate::store::{LockField, lock::LOCK_VERSION};
use std::f64::consts::PI;

mod browser;
mod charts;
mod html;
mod sweep;

const TOKENS_PER_STEP: u64 = 4096;
const UNIQUE: u64 = 100_000;
const N_STEPS: u64 = 976;
const DECAY_FROM: u64 = 879;

struct Arm {
    name: &'static str,
    valid: fn(f64) -> f64,
    train: fn(f64) -> f64,
    /// Where it ends, and how.
    end: Option<(u64, EndReason)>,
    /// Where in a sweep, and how much unique data there is.
    point: &'static str,
    unique: u64,
    /// Whether evaluations measure more than the loss on the validation documents.
    measured: bool,
}

const AR: Arm = Arm {
    name: "ar",
    valid: |e| {
        2.0 + 1.6 * (-e / 1.8).exp() + 0.062 * (e - 6.0).max(0.0) - if e > 36.0 { 0.02 * (e - 36.0) } else { 0.0 }
    },
    train: |e| 0.25 + 3.2 * (-e / 5.0).exp(),
    end: Some((N_STEPS, EndReason::Finished)),
    point: "",
    unique: UNIQUE,
    measured: false,
};
const MDM: Arm = Arm {
    name: "mdm",
    valid: |e| 2.22 + 1.5 * (-e / 7.0).exp() + 0.4 * (-e / 1.0).exp(),
    train: |e| 2.05 + 1.6 * (-e / 7.0).exp(),
    end: Some((N_STEPS, EndReason::Finished)),
    point: "",
    unique: UNIQUE,
    measured: false,
};

/// A fixed wobble between -1 and 1.
fn wobble(a: f64, b: f64) -> f64 {
    ((a * 12.9898 + b * 78.233).sin() * 43758.5453).fract()
}

fn epoch(step: u64, unique: u64) -> f64 {
    (step * TOKENS_PER_STEP) as f64 / unique as f64
}

/// A noise-free training loss and a task.
fn measures(arm: &Arm, e: f64) -> Vec<Measured> {
    if !arm.measured {
        return vec![];
    }
    let skill = 0.25 + 0.2 * (1.0 - (-e / 10.0).exp());
    let all = [
        ("loss(train)", (arm.train)(e)),
        ("quiz.acc_norm", if arm.name == "ar" { 0.9 * skill } else { skill }),
        ("quiz.nll_right", 2.0 + (arm.valid)(e) / 4.0),
        ("quiz.nll_wrong", 2.2 + (arm.valid)(e) / 3.0),
        ("quiz.nll_gap", 0.2 + (arm.valid)(e) / 12.0),
    ];
    let measured = |(metric, value): &(&str, f64)| Measured {
        metric: (*metric).into(),
        value: *value,
        se: 0.02,
        set: "77aa".into(),
        items: vec![[*value, 1.0]; 50],
    };
    all.iter().map(measured).collect()
}

fn start(arm: &Arm, from_step: u64) -> Record {
    Record::Start(Start {
        run: format!("{}-0123456789abcdef", arm.name),
        experiment: "quickstart".into(),
        arm: arm.name.into(),
        point: arm.point.into(),
        objective: if arm.name == "ar" { "next_token" } else { "masked_diffusion" }.into(),
        exact: arm.name == "ar",
        from_step,
        steps: N_STEPS,
        decay_from_step: DECAY_FROM,
        tokens_per_step: TOKENS_PER_STEP,
        unique_tokens: arm.unique,
        params: 873_728,
        flops_per_step: if arm.name == "ar" { 2.41e10 } else { 2.03e10 },
        init_hash: "b1946ac92492d234".into(),
        data_hash: "591785b794601e21".into(),
        valid_hash: "2cf24dba5fb0a30e".into(),
        n_valid_documents: 128,
        loss_unit: "nats/byte".into(),
        precision: "bf16".into(),
        device: "cpu".into(),
        threads: 2,
        libtorch: "2.11.0".into(),
        code: "0.1.0+e745639".into(),
    })
}

fn records(arm: &Arm) -> Vec<Record> {
    let mut records = vec![start(arm, 0)];
    let last = arm.end.map_or(N_STEPS / 3, |(step, _)| step);
    for step in 1..=last {
        let (s, e) = (step as f64, epoch(step, arm.unique));
        let loss = (arm.train)(e) * (1.0 + 0.08 * wobble(s, 1.0));
        let decile = |i: usize| {
            let x = i as f64 / 9.0;
            let of = if arm.name == "ar" { 1.3 - 0.4 * x } else { 0.3 + 1.2 * x };
            (arm.name == "ar" || !(step as usize + i).is_multiple_of(3)).then_some(loss * of)
        };
        records.push(Record::Step(Step {
            step,
            tokens: step * TOKENS_PER_STEP,
            epoch: e,
            loss,
            loss_plain: loss,
            loss_by_decile: (0..10).map(decile).collect(),
            masked_fraction: if arm.name == "ar" { 1.0 } else { 0.5 },
            lr: 1e-3,
            grad_norm: 0.3
                + 2.0 * (-e).exp()
                + 0.1 * (1.0 + wobble(s, 2.0))
                + if arm.name == "ar" { 0.02 * e } else { 0.0 },
            clip_fraction: 0.034,
            update_ratio: 1.2e-3 * (0.1 + (PI * e / 80.0).cos()),
            tokens_per_s: 21_500.0 + 300.0 * wobble(s, 3.0),
            memory_bytes: 412 << 20,
            batch_hash: format!("{:016x}", step * 0x9e37_79b9),
        }));
        let boundary = epoch(step, arm.unique).floor() > epoch(step - 1, arm.unique).floor();
        if boundary || step == N_STEPS {
            let documents: Vec<[f64; 2]> = (0..128)
                .map(|i| {
                    let hard = 0.65 * wobble(f64::from(i), 4.0);
                    let own = 0.05 * wobble(f64::from(i), s)
                        + 0.5 * wobble(f64::from(i), if arm.name == "ar" { 5.0 } else { 6.0 });
                    [511.0 * ((arm.valid)(e) + hard + own), 511.0]
                })
                .collect();
            let loss = documents.iter().map(|d| d[0]).sum::<f64>() / (128.0 * 511.0);
            let spread = documents.iter().map(|d| (d[0] / 511.0 - loss).powi(2)).sum::<f64>() / 127.0;
            let se = (spread / 128.0).sqrt();
            let tokens = step * TOKENS_PER_STEP;
            let in_decay = step > DECAY_FROM;
            records.push(Record::Eval(Eval {
                step,
                tokens,
                epoch: e,
                loss,
                se,
                bits_per_byte: Some(loss / std::f64::consts::LN_2),
                loss_by_decile: vec![],
                in_decay,
                documents,
                measures: measures(arm, e),
                seconds: 0.8,
            }));
        }
        if step % 200 == 0 {
            let path = format!("checkpoints/step-{step:08}");
            records.push(Record::Checkpoint(Checkpoint { step, path, weights_hash: "5d41402abc4b2a76".into() }));
        }
    }
    if let Some((step, reason)) = arm.end {
        let message = (reason == EndReason::NonFinite).then(|| "loss is NaN in batch 1f3a".to_owned());
        records.push(Record::End(End { step, reason, train_seconds: 187.4, eval_seconds: 33.1, message }));
    }
    records
}

fn lock(arm: &Arm) -> Lock {
    let field = |path: &str, value: &str, origin: &str| LockField {
        path: path.into(),
        value: value.into(),
        written: None,
        origin: origin.into(),
        assumed: vec![],
        replaced: vec![],
    };
    Lock {
        version: LOCK_VERSION,
        experiment: "quickstart".into(),
        arm: arm.name.into(),
        point: arm.point.into(),
        run: format!("{}-0123456789abcdef", arm.name),
        data_hash: "591785b794601e21".into(),
        valid_hash: "2cf24dba5fb0a30e".into(),
        init_hash: "b1946ac92492d234".into(),
        code: "0.1.0+e745639".into(),
        libtorch: "2.11.0".into(),
        threads: 2,
        device: String::new(),
        earlier: vec![],
        parent: None,
        source: Default::default(),
        fields: vec![
            field("data.seq", "128", "quickstart.dlm:14"),
            field(
                "objective",
                if arm.name == "ar" { "next_token()" } else { "masked_diffusion(keep)" },
                "quickstart.dlm:33",
            ),
            field("train.batch", "32 seqs", "quickstart.dlm:24"),
            LockField { assumed: vec!["not published".into()], ..field("train.clip", "1", "quickstart.dlm:27") },
        ],
    }
}

/// `crossover(loss(valid), of: mdm, under: ar)` of two arms, without a sweep.
fn record(arms: &[&str]) -> ExperimentRecord {
    let crossover = types::Crossover {
        metric: types::Metric::valid_loss(),
        of: "mdm".into(),
        than: "ar".into(),
        under: true,
        each: vec![],
    };
    let claim = Claim {
        text: "crossover(loss(valid), of: mdm, under: ar)".into(),
        lets: vec![],
        negated: false,
        statement: types::Statement::Crossover(crossover),
        points: vec![0],
    };
    ExperimentRecord {
        version: EXPERIMENT_VERSION,
        name: "quickstart".into(),
        doc: Some("Does repeating a hundred thousand bytes of Python code favour diffusion?".into()),
        cite: None,
        arms: arms.iter().map(|s| (*s).to_owned()).collect(),
        axes: vec![],
        points: vec![vec![]],
        claims: vec![(&claim).into()],
        runs: vec![],
    }
}

/// Writes the runs to disk and reads them back.
fn input(runs: &Path, arms: &[Arm], missing: &[&str]) -> ReportInput {
    let mut loaded = vec![];
    for arm in arms {
        let name = if arm.point.is_empty() { arm.name.to_owned() } else { format!("{}-{}", arm.name, arm.point) };
        let folder = RunFolder::create(runs, "quickstart", &name, "0123456789abcdef").unwrap();
        let _ = std::fs::remove_file(folder.metrics_path());
        folder.write_lock(&lock(arm)).unwrap();
        let mut log = folder.open_log().unwrap();
        for record in records(arm) {
            log.append(&record).unwrap();
        }
        folder.write_samples("def forward(self, x):\n    return self.<module>(x) & mask\n").unwrap();
        loaded.push(RunRecord::load(folder.path()));
    }
    let names: Vec<&str> = arms.iter().map(|arm| arm.name).chain(missing.iter().copied()).collect();
    let missing = missing.iter().map(|s| ((*s).to_owned(), String::new())).collect();
    ReportInput { record: record(&names), runs: loaded, missing }
}

/// The folder to write into, and what keeps a temporary one alive.
fn folder(name: &str) -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("DLMC_EXAMPLE_REPORT") {
        Some(folder) => (Path::new(&folder).join(name), None),
        None => {
            let temporary = tempfile::tempdir().unwrap();
            (temporary.path().to_owned(), Some(temporary))
        }
    }
}

#[test]
fn a_finished_experiment_reads_from_verdict_to_environment() {
    let (runs, _keep) = folder("finished");
    let input = input(&runs, &[AR, MDM], &[]);
    let page = write(&runs.join("quickstart"), &input, &Findings::of(&input)).unwrap();
    let findings = Findings::of(&input);
    insta::assert_snapshot!(
        "finished",
        table::render(&input, &findings, Some(Path::new("runs/quickstart/report.html")))
    );
    insta::assert_snapshot!("matched", findings.matched.to_text());
    let page_shown = Path::new("runs/quickstart/report.html");
    let document = super::document::json(&input, &findings.verdicts, page_shown, &["mdm-0 (older)".into()]);
    insta::assert_snapshot!("document", serde_json::to_string_pretty(&document).unwrap());
    let costs = matched::costs(&input.runs);
    let lines = costs
        .iter()
        .map(|row| format!("{}: {}\n", row.name, row.values.iter().flatten().cloned().collect::<Vec<_>>().join(" | ")));
    insta::assert_snapshot!("costs", lines.collect::<String>());

    let html = std::fs::read_to_string(&page).unwrap();
    html::check(&html);
    let sections = [
        "claims",
        "curves",
        "arms",
        "readings",
        "best",
        "mask-rate",
        "matched",
        "training",
        "cost",
        "samples",
        "assumptions",
        "locks",
        "environment",
    ];
    let mut from = 0;
    for section in sections {
        let at = html[from..].find(&format!("<section id=\"{section}\">"));
        from += at.unwrap_or_else(|| panic!("no section `{section}` after byte {from}"));
    }
    for figure in ["loss", "race-1", "decline", "loss-by-mask-rate", "conduct"] {
        assert!(html.contains(&format!("<figure id=\"{figure}\">")), "no figure `{figure}`");
    }
    assert!(html.contains("held in this run") && html.contains("self.&lt;module&gt;(x) &amp; mask"));
    assert!(!html.contains("id=\"problems\""));
    assert!(html.contains("train.clip = 1") && html.contains("not published"));
    assert!(html.contains("ar: overfitting sets in"));

    let csv = std::fs::read_to_string(runs.join("quickstart/curves.csv")).unwrap();
    assert!(csv.starts_with(export::COLUMNS));
    assert_eq!(csv.matches(",loss(valid),").count(), 2 * 40);
    assert_eq!(csv.matches(",bits_per_byte,").count(), 2 * 40);
    let svg = std::fs::read_to_string(runs.join("quickstart/figures/loss-by-epochs.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("prefers-color-scheme") && svg.trim_end().ends_with("</svg>"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn what_is_not_complete_is_shown_and_decides_nothing() {
    let (runs, _keep) = folder("broken");
    let diverged = Arm { end: Some((500, EndReason::NonFinite)), ..MDM };
    let killed = Arm { name: "mdm_half", end: None, ..MDM };
    let mut input = input(&runs, &[AR, diverged, killed], &["sedd"]);
    let torn = runs.join("quickstart/gidd-0000000000000000");
    std::fs::create_dir_all(&torn).unwrap();
    std::fs::write(torn.join("metrics.jsonl"), "what?\n{}\n").unwrap();
    input.record.arms.push("gidd".into());
    input.runs.push(RunRecord::load(&torn));
    for run in &mut input.runs {
        run.problems.iter_mut().for_each(|p| *p = p.replace(&runs.display().to_string(), "runs"));
    }
    let page = write(&runs.join("quickstart"), &input, &Findings::of(&input)).unwrap();
    let findings = Findings::of(&input);
    insta::assert_snapshot!("broken", table::render(&input, &findings, None));
    insta::assert_snapshot!("broken_matched", findings.matched.to_text());
    let html = std::fs::read_to_string(page).unwrap();
    html::check(&html);
    for name in ["sedd", "gidd-0000000000000000", "mdm_half", "loss is NaN in batch 1f3a"] {
        assert!(html.contains(name), "{name} is dropped");
    }
}

#[test]
fn an_experiment_without_runs_has_a_report_too() {
    let (runs, _keep) = folder("empty");
    let record = ExperimentRecord { doc: None, ..record(&["ar", "mdm"]) };
    let (input, _) = ReportInput::gather(record, vec![]);
    let page = write(&runs.join("quickstart"), &input, &Findings::of(&input)).unwrap();
    insta::assert_snapshot!("empty", table::render(&input, &Findings::of(&input), None));
    assert!(std::fs::read_to_string(page).unwrap().contains("missing: no run yet"));
    assert_eq!(std::fs::read_dir(runs.join("quickstart/figures")).unwrap().count(), 0);
}

#[test]
fn arms_that_are_no_twins_are_called_out() {
    let (runs, _keep) = folder("unmatched");
    let mut input = input(&runs, &[AR, MDM], &[]);
    for record in &mut input.runs[1].records {
        match record {
            Record::Start(start) => start.init_hash = "0000".into(),
            Record::Step(step) if step.step % 100 == 0 => step.batch_hash = "ffff".into(),
            _ => {}
        }
    }
    input.runs[1].lock = None;
    write(&runs.join("quickstart"), &input, &Findings::of(&input)).unwrap();
    insta::assert_snapshot!("unmatched", Findings::of(&input).matched.to_text());
    let summary = Findings::of(&input).matched.summary().unwrap();
    assert_eq!(summary, "NOT MATCHED: the runs' own logs differ in initial weights, batches");
}

#[test]
fn numbers_are_worded_for_people() {
    assert_eq!([words::count(7), words::count(1234), words::count(1_234_567)], ["7", "1,234", "1,234,567"]);
    assert_eq!(words::with_error(2.0, 0.061), "2.000 ± 0.061");
    assert_eq!(words::with_error(2.0, 0.5), "2.00 ± 0.50");
    assert_eq!(words::with_error(f64::NAN, f64::NAN), "not finite");
    assert_eq!(words::with_error(1.89804, f64::NAN), "1.8980", "one document has no spread");
    assert_eq!(
        [0.0, 0.512, 37.06, 21_500.0, 6.81e20, 1.2e-5].map(words::short),
        ["0", "0.512", "37.1", "21,500", "6.81e20", "1.20e-5"]
    );
    assert_eq!([12.5, 187.4, 7500.0].map(words::duration), ["12.5 s", "3 min 07 s", "2 h 05 min"]);
    assert_eq!(words::epoch_interval(18.0, 15.6, 20.4, 1.0, 40.0), "epoch 18 [16, 20]");
    assert_eq!(words::epoch_interval(18.04, 17.5, f64::INFINITY, 1.0, 36.0), "epoch 18 [18, after 36]");
    assert_eq!(words::epoch_interval(2.0, f64::NEG_INFINITY, 3.0, 1.0, 36.0), "epoch 2 [before 1, 3]");
}
