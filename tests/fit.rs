//! `dlmc fit` as a user meets it: on a table, on folders of runs, and where it has to refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod shop;

use dlmc::claims::fit::{C4_CONSTANTS, Law, TrainedRun};
use dlmc::store::RunFolder;
use dlmc::store::metrics::{End, EndReason, Eval, Record, Start};
use serde_json::Value;
use shop::{OK, Shop, USAGE};
use std::path::Path;

const RUN_FAILED: i32 = 3;

/// Standard output and error of `dlmc fit ARGS`, which ends with that code.
fn fit(shop: &Shop, args: &[&str], code: i32) -> (String, String) {
    let output = shop.run(&[&["fit"], args].concat());
    let (out, err) = shop::expect(&output, code);
    (out.to_owned(), err.to_owned())
}

/// What the law of the published constants gives, with 20 and 3 for what the fit is to find.
fn loss(params: f64, tokens: f64, unique: f64) -> f64 {
    let constants = C4_CONSTANTS.iter().map(|(_, x)| x.ln());
    let theta: Vec<f64> = constants.chain([20f64.ln(), 3f64.ln()]).collect();
    let run = TrainedRun::new("r", params, tokens, unique, 1.0).unwrap();
    Law::DataConstrained.log_loss(&theta, &run).value.exp()
}

fn settings() -> Vec<(f64, f64, f64)> {
    let mut all = vec![];
    for params in [2e6, 2e7, 2e8, 2e9] {
        for epochs in [1.0, 4.0, 20.0, 100.0] {
            all.push((params, epochs * 1e8, 1e8));
        }
    }
    all
}

fn table() -> String {
    let row = |(n, d, u): (f64, f64, f64)| format!("r,{n},{d},{u},{}\n", loss(n, d, u));
    "run,params,tokens,unique,loss\n".to_owned() + &settings().into_iter().map(row).collect::<String>()
}

fn write_run(folder: &Path, arm: &str, i: usize, (n, d, u): (f64, f64, f64), loss: f64, end: Option<EndReason>) {
    let id = format!("{i:016x}");
    let run = RunFolder::create(folder, "sweep", arm, &id).unwrap();
    let mut log = run.open_log().unwrap();
    let start = Start {
        run: run.name(),
        experiment: "sweep".into(),
        arm: arm.into(),
        point: format!("point={i}"),
        objective: "next_token".into(),
        exact: arm == "ar",
        from_step: 0,
        steps: 100,
        decay_from_step: 90,
        tokens_per_step: (d / 100.0) as u64,
        unique_tokens: u as u64,
        params: n as u64,
        flops_per_step: 1.0,
        init_hash: "i".into(),
        data_hash: "d".into(),
        valid_hash: "v".into(),
        n_valid_documents: 1,
        loss_unit: "nats/token".into(),
        precision: "fp32".into(),
        device: "cpu".into(),
        threads: 2,
        libtorch: "2.11.0".into(),
        code: "0.1.0".into(),
    };
    let eval = |step: u64, loss: f64| Eval {
        step,
        tokens: (d as u64) / 100 * step,
        epoch: 1.0,
        loss,
        se: 0.1,
        bits_per_byte: None,
        loss_by_decile: vec![],
        in_decay: false,
        documents: vec![[loss, 1.0]],
        measures: vec![],
        seconds: 0.1,
    };
    log.append(&Record::Start(start)).unwrap();
    // The last evaluation counts, not the first.
    log.append(&Record::Eval(eval(50, 9.0))).unwrap();
    log.append(&Record::Eval(eval(100, loss))).unwrap();
    if let Some(reason) = end {
        let end = End { step: 100, reason, train_seconds: 1.0, eval_seconds: 1.0, message: None };
        log.append(&Record::End(end)).unwrap();
    }
}

fn estimate(fit: &Value, name: &str) -> f64 {
    let parameters = fit["fit"]["parameters"].as_array().unwrap();
    parameters.iter().find(|p| p["name"] == name).unwrap()["value"].as_f64().unwrap()
}

#[test]
fn a_table_is_fitted() {
    let shop = Shop::new(&[("runs.csv", &table())]);
    let (out, err) = fit(&shop, &["runs.csv", "--law", "data_constrained", "--fix", "c4"], OK);
    assert_eq!(err, "");
    assert!(out.starts_with("data_constrained on 16 runs: R2 1.000, the lowest of 48 random starts;"), "{out}");
    for line in ["R_D*    20.0    [20.0, 20.0]   15.4", "R_N*    3.00    [3.00, 3.00]   5.31", "alpha   0.353   fixed"]
    {
        assert!(out.contains(line), "{out}");
    }
}

#[test]
fn a_folder_of_runs_is_fitted_arm_by_arm() {
    let shop = Shop::new(&[]);
    let out = shop.folder.path().join("runs");
    for (i, setting) in settings().into_iter().enumerate() {
        let (n, d, u) = setting;
        write_run(&out, "ar", i, setting, loss(n, d, u), Some(EndReason::Finished));
    }
    write_run(&out, "ar", 50, (2e6, 1e9, 1e8), 4.0, None);
    write_run(&out, "ar", 51, (2e6, 1e9, 1e8), f64::NAN, Some(EndReason::Finished));
    write_run(&out, "mdm", 60, (2e6, 1e9, 1e8), 4.0, Some(EndReason::NonFinite));
    let args = ["runs/sweep", "--law", "data_constrained", "--fix", "c4"];
    let (text, err) = fit(&shop, &args, RUN_FAILED);
    assert!(text.starts_with("ar: data_constrained on 16 runs: R2 1.000") && text.contains("nats/token"), "{text}");
    // What is left out is said, and why.
    assert!(text.contains("left out: ar-0000000000000032: still running or killed, last seen at step 100"), "{text}");
    assert!(text.contains("left out: ar-0000000000000033: loss is NaN"), "{text}");
    // The other arm has nothing to fit: the error says what it lacks.
    assert!(err.contains("`data_constrained` cannot be fitted to the runs of `mdm`"), "{err}");
    assert!(err.contains("0 runs, of which a fit of 2 parameters needs at least 3"), "{err}");
    assert!(
        err.contains("left out: mdm-000000000000003c: failed: a loss or gradient was not a finite number"),
        "{err}"
    );
    let (json, _) = fit(&shop, &[&args[..], &["--arm", "ar", "--json"]].concat(), OK);
    let json: Value = serde_json::from_str(&json).unwrap();
    let found = &json["fits"][0];
    assert!((estimate(found, "R_D*") - 20.0).abs() < 0.01 && (estimate(found, "R_N*") - 3.0).abs() < 0.01, "{found}");
    assert_eq!((found["exact"].as_bool(), found["left_out"].as_array().unwrap().len()), (Some(true), 2));
    let (_, err) = fit(&shop, &[&args[..], &["--arm", "nobody"]].concat(), RUN_FAILED);
    assert!(err.contains("there is no arm `nobody`; there are ar, mdm"), "{err}");
}

#[test]
fn what_cannot_be_fitted_says_what_is_missing() {
    let one_size: String = table().lines().take(5).map(|line| format!("{line}\n")).collect();
    let broken = "params,tokens,unique,loss\n1e6,1e9,1e8,3\n1e6,x,1e8,3\n";
    let shop = Shop::new(&[("small.csv", &one_size), ("broken.csv", broken), ("head.csv", "a,b\n1,2\n")]);
    let fails = |args: &[&str], code| fit(&shop, args, code).1;
    let err = fails(&["small.csv", "--law", "epochs"], RUN_FAILED);
    for line in
        ["4 runs, of which a fit of 9 parameters needs at least 10", "1 distinct sizes of the model", "help: add runs"]
    {
        assert!(err.contains(line), "{err}");
    }
    assert!(
        fails(&["broken.csv", "--law", "epochs"], RUN_FAILED).contains("line 3: `tokens` is `x`; a number is wanted")
    );
    assert!(
        fails(&["head.csv", "--law", "epochs"], RUN_FAILED).contains("no column `params`; the first line has a, b")
    );
    // A reference file that is not there.
    let err = fails(&["nowhere.csv", "--law", "epochs"], RUN_FAILED);
    assert!(err.contains("nowhere.csv") && err.contains("help: name a folder of runs, or a CSV file"), "{err}");
    assert!(fails(&[".", "--law", "epochs"], RUN_FAILED).contains("no runs here"));
    assert!(fails(&["small.csv", "--law", "epochs", "--fix", "E=2"], USAGE).contains("has no parameter `E`"));
    assert!(fails(&["small.csv", "--law", "epochs", "--fix", "c4"], USAGE).contains("not of `epochs`"));
    assert!(fails(&["small.csv", "--law", "epochs", "--fix", "A"], USAGE).contains("neither `c4` nor NAME=NUMBER"));
    fails(&["small.csv"], USAGE);
    fails(&["small.csv", "--law", "chinchilla"], USAGE);
}
