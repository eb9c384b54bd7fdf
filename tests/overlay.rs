//! `dlmc report --csv FILE --page FILE RUNS...`: runs of two experiments in one file, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dlmc::store::RunFolder;
use dlmc::store::metrics::{End, EndReason, Eval, Record, Start};
use std::path::Path;
use std::process::{Command, Output};

fn start(experiment: &str, arm: &str) -> Start {
    Start {
        run: format!("{arm}-0123456789abcdef"),
        experiment: experiment.into(),
        arm: arm.into(),
        point: String::new(),
        objective: "next_token".into(),
        exact: true,
        from_step: 0,
        steps: 40,
        decay_from_step: 40,
        tokens_per_step: 1000,
        unique_tokens: 10_000,
        params: 1,
        flops_per_step: 2e9,
        init_hash: "i".into(),
        data_hash: "d".into(),
        valid_hash: "v".into(),
        n_valid_documents: 40,
        loss_unit: "nats/byte".into(),
        precision: "fp32".into(),
        device: "cpu".into(),
        threads: 2,
        libtorch: "2.11.0".into(),
        code: "0.1.0".into(),
    }
}

fn write_run(out: &Path, experiment: &str, arm: &str, finished: bool) -> RunFolder {
    let run = RunFolder::create(out, experiment, arm, "0123456789abcdef").unwrap();
    let mut log = run.open_log().unwrap();
    log.append(&Record::Start(start(experiment, arm))).unwrap();
    for e in 1..=4u64 {
        let loss = 3.0 - 0.1 * e as f64;
        let eval = Eval {
            step: 10 * e,
            tokens: 10_000 * e,
            epoch: e as f64,
            loss,
            se: 0.01,
            bits_per_byte: None,
            loss_by_decile: vec![],
            in_decay: false,
            documents: (0..40).map(|i| [100.0 * (loss + 0.01 * f64::from(i)), 100.0]).collect(),
            measures: vec![],
            seconds: 0.1,
        };
        log.append(&Record::Eval(eval)).unwrap();
    }
    if finished {
        let end = End { step: 40, reason: EndReason::Finished, train_seconds: 1.0, eval_seconds: 1.0, message: None };
        log.append(&Record::End(end)).unwrap();
    }
    run
}

fn report(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dlmc")).arg("report").args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn runs_of_two_experiments_stand_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("runs");
    write_run(&out, "first", "ar", true);
    write_run(&out, "second", "ar", false);
    let single = write_run(&out, "second", "mdm", true);
    let single = single.path().strip_prefix(folder.path()).unwrap().display().to_string();
    // The last run is named twice, by itself and with its experiment.
    let said = report(folder.path(), &["--csv", "all.csv", "--page", "all.html", "runs/first", "runs/second", &single]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    let said = text(&said.stdout);
    assert!(said.contains("all.csv: 3 runs\nall.html: 3 runs\n"), "{said}");
    assert!(said.contains("runs/second/ar-0123456789abcdef: still running or killed, last seen at step 40"), "{said}");
    let csv = std::fs::read_to_string(folder.path().join("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3 * 4);
    let row = "first,ar,,ar-0123456789abcdef,10,10000,1,20000000000,loss(valid),2.9,0.01,40,true,false,nats/byte";
    assert_eq!(csv.lines().nth(1), Some(row));
    let page = std::fs::read_to_string(folder.path().join("all.html")).unwrap();
    for name in ["first: ar", "second: ar", "second: mdm", "3 runs of first, second"] {
        assert!(page.contains(name), "`{name}` is not on the page");
    }
    // A folder of experiments is all their runs.
    let said = report(folder.path(), &["--csv", "again.csv", "runs"]);
    assert!(text(&said.stdout).contains("again.csv: 3 runs\n"));
    assert_eq!(std::fs::read_to_string(folder.path().join("again.csv")).unwrap(), csv);
}

#[test]
fn what_cannot_be_laid_over_anything_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = write_run(&folder.path().join("runs"), "first", "ar", true);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let refused = |args: &[&str], code: i32, words: &[&str]| {
        let said = report(folder.path(), args);
        let error = text(&said.stderr);
        assert_eq!(said.status.code(), Some(code), "{error}");
        for word in words {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    };
    refused(&["--csv", "a.csv", "empty", "runs/first"], 3, &["no run in empty", "help: name a run's folder"]);
    refused(&["runs/first", "empty"], 2, &["one experiment, and 2 are named", "`--csv FILE`"]);
    refused(&["--csv", "a.csv", "--strict", "runs/first"], 2, &["--strict"]);
    refused(&["--csv", "nowhere/a.csv", "runs/first"], 3, &["nowhere"]);
    let single = run.path().strip_prefix(folder.path()).unwrap().display().to_string();
    refused(&[&single], 3, &["this is one run", "runs/first is the folder of its experiment", "`--page FILE`"]);
    assert!(!folder.path().join("a.csv").exists());
}
