//! Whole runs through the executable: what is matched, what ends a run, what continues it.
#![cfg(feature = "torch")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

use dlmc::store::metrics::{EndReason, Record};
use dlmc::store::{RunFolder, latest_checkpoint, read_checkpoint, read_metrics};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dlmc(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlmc-torch"));
    command.current_dir(root()).args(args);
    command
}

fn run(out: &Path, more: &[&str]) -> Output {
    let mut args = vec!["run", "tests/golden/tiny.dlm", "--out", out.to_str().expect("a plain path")];
    args.extend(more);
    dlmc(&args).output().expect("dlmc-torch starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder(out: &Path, arm: &str) -> RunFolder {
    let mut all: Vec<PathBuf> = std::fs::read_dir(out.join("tiny"))
        .expect("the experiment's folder is there")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.is_dir() && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{arm}-"))))
        .collect();
    assert_eq!(all.len(), 1, "one run of {arm}: {all:?}");
    RunFolder::at(all.remove(0))
}

fn records(out: &Path, arm: &str) -> Vec<Record> {
    read_metrics(&folder(out, arm).metrics_path()).expect("metrics are read")
}

/// What a run must repeat: losses, norms and evaluations, without times and speeds.
fn essence(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .filter_map(|r| match r {
            Record::Step(s) => Some(format!("{} {:?} {:?} {}", s.step, s.loss, s.grad_norm, s.batch_hash)),
            Record::Eval(e) => Some(format!("{} {:?} {:?} {:?}", e.step, e.loss, e.se, e.documents)),
            Record::Checkpoint(c) => Some(format!("{} {}", c.step, c.weights_hash)),
            Record::Start(_) | Record::End(_) => None,
        })
        .collect()
}

#[test]
fn both_arms_run_matched_and_the_report_says_so() {
    let out = tempfile::tempdir().expect("a folder");
    let result = run(out.path(), &[]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    assert!(text(&result.stdout).contains("report.html"), "{}", text(&result.stdout));
    let page = std::fs::read_to_string(out.path().join("tiny/report.html")).expect("the report is there");
    assert!(page.contains("<svg") && page.contains("crossover(loss(valid), of: mdm, under: ar)"));
    let (ar, mdm) = (records(out.path(), "ar"), records(out.path(), "mdm"));
    let start = |records: &[Record]| match &records[0] {
        Record::Start(start) => start.clone(),
        other => panic!("a log starts with its start, not {other:?}"),
    };
    let (a, b) = (start(&ar), start(&mdm));
    assert_eq!(a.init_hash, b.init_hash, "the same weights by name");
    assert_eq!((a.data_hash, a.valid_hash), (b.data_hash, b.valid_hash));
    let hashes = |records: &[Record]| -> Vec<String> {
        records.iter().filter_map(|r| if let Record::Step(s) = r { Some(s.batch_hash.clone()) } else { None }).collect()
    };
    assert_eq!(hashes(&ar), hashes(&mdm), "the same batches");
    assert!(hashes(&ar).len() > 40);
    for arm in ["ar", "mdm"] {
        assert!(folder(out.path(), arm).samples_path().exists());
    }

    // A finished run is not repeated.
    let again = run(out.path(), &[]);
    assert!(again.status.success());
    assert_eq!(records(out.path(), "ar").len(), ar.len());

    // Its checkpoint can be asked for text, with the spec that the lock holds.
    let path = folder(out.path(), "mdm").path().to_path_buf();
    let sampled =
        dlmc(&["sample", path.to_str().expect("a plain path"), "--tokens", "12", "--count", "1", "--prompt", "def "])
            .output()
            .expect("dlmc-torch starts");
    assert!(sampled.status.success(), "{}", text(&sampled.stderr));
    assert!(text(&sampled.stdout).starts_with("def "));
    sampled_texts_are_counted_and_judged(out.path());
}

#[test]
fn the_training_text_is_measured_beside_validation_and_changes_nothing_else() {
    let evals = |more: &[&str]| -> Vec<dlmc::store::metrics::Eval> {
        let out = tempfile::tempdir().expect("a folder");
        let args = [&["--arm", "mdm", "--steps", "20", "--set", "eval.every=10 steps"], more].concat();
        let result = run(out.path(), &args);
        assert!(result.status.success(), "{}", text(&result.stderr));
        let of = |r| if let Record::Eval(eval) = r { Some(eval) } else { None };
        records(out.path(), "mdm").into_iter().filter_map(of).collect()
    };
    let (alone, both) = (evals(&[]), evals(&["--set", "eval.loss=[valid, train]"]));
    assert_eq!((alone.len(), both.len()), (2, 2));
    for (alone, both) in alone.iter().zip(&both) {
        assert!(alone.measures.is_empty());
        assert_eq!((alone.loss, &alone.documents), (both.loss, &both.documents));
        let [train] = both.measures.as_slice() else { panic!("{:?}", both.measures) };
        assert_eq!(train.metric, "loss(train)");
        let (sum, targets) = train.items.iter().fold((0.0, 0.0), |(s, t), [a, b]| (s + a, t + b));
        assert_eq!(train.value, sum / targets);
        // As many chunks as are validated on.
        assert_eq!(targets, both.documents.iter().map(|d| d[1]).sum::<f64>());
        assert!(train.items.len() > 1 && train.se > 0.0 && train.value != both.loss);
        assert_eq!(train.set, both.measures[0].set);
    }
    assert!(both[1].measures[0].value < both[0].measures[0].value, "it is learned");
}

/// Infilling, another sampler, a judge, and the one document.
fn sampled_texts_are_counted_and_judged(out: &Path) {
    let path = |arm: &str| folder(out, arm).path().to_str().expect("a plain path").to_string();
    let (ar, mdm) = (path("ar"), path("mdm"));
    let sample = |args: &[&str]| dlmc(&[&["sample"], args].concat()).output().expect("dlmc-torch starts");
    let infill = ["--infill", "def [[4]](x): [[6]]", "--sampler", "confidence(steps: 5, temperature: 0.9)"];
    let args = [&[mdm.as_str(), "--judge", &ar, "--count", "3", "--json"], &infill[..]].concat();
    let result = sample(&args);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let document: serde_json::Value = serde_json::from_slice(&result.stdout).expect("one JSON document");
    assert_eq!(document["sampler"], "confidence(steps: 5, temperature: 0.9)");
    assert_eq!(document["drawn"], serde_json::json!([4, 5, 6, 7, 13, 14, 15, 16, 17, 18]));
    assert_eq!((document["calls"].as_u64(), document["version"].as_u64()), (Some(15), Some(1)));
    let texts = document["texts"].as_array().expect("texts");
    assert_eq!(texts.len(), 3);
    for one in texts {
        assert_eq!(one["tokens"].as_array().expect("tokens").len(), 19);
        assert!(one["text"].as_str().expect("text").starts_with("def "));
        assert_eq!(one["calls"], 5);
        let nats = one["judge"]["nats_per_token"].as_f64().expect("a figure");
        let perplexity = one["judge"]["perplexity"].as_f64().expect("a figure");
        assert!(nats > 0.0 && (perplexity.ln() - nats).abs() < 1e-9);
        assert!(one["entropy"].as_f64().expect("a figure") > 0.0 && one["unigram_entropy"].as_f64().is_some());
    }
    // The same seed gives the same texts, and standard output is text alone.
    let plain = sample(&[&[mdm.as_str(), "--count", "3"], &infill[..]].concat());
    let joined: String = texts.iter().filter_map(|one| Some(format!("{}\n", one["text"].as_str()?))).collect();
    assert_eq!(text(&plain.stdout), joined);
    assert!(text(&plain.stderr).contains("by confidence(steps: 5, temperature: 0.9)"), "{}", text(&plain.stderr));

    // What cannot be is wrong usage, with a reason.
    let refused = |args: &[&str], reason: &str| {
        let result = sample(args);
        assert_eq!(result.status.code(), Some(2), "{args:?}: {}", text(&result.stderr));
        assert!(text(&result.stderr).contains(reason) && result.stdout.is_empty(), "{}", text(&result.stderr));
    };
    refused(&[&ar, "--infill", "a [[3]] b"], "cannot take note of the given text");
    refused(&[&ar, "--judge", &mdm], "name a run of `next_token`");
    refused(&[&ar, "--tokens", "99"], "do not fit the model's");
    refused(&[&mdm, "--infill", "[[0]]"], "a hole holds at least 1 token");
    refused(&[&mdm, "--sampler", "posterior"], "does not fit masked_diffusion");
    refused(&[&ar, "--top-p", "2"], "top_p` is above 0 and at most 1");
    refused(&[&ar, "--infill", "x", "--tokens", "3"], "cannot be used with");
}

#[test]
fn a_stopped_run_continues_to_the_same_end() {
    let (whole, parts) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let set = ["--arm", "mdm", "--set", "train.ema=0.95"];
    assert!(run(whole.path(), &set).status.success());
    for steps in ["7", "33"] {
        let args: Vec<&str> = set.iter().copied().chain(["--steps", steps]).collect();
        let stopped = run(parts.path(), &args);
        assert!(stopped.status.success(), "{}", text(&stopped.stderr));
        assert!(text(&stopped.stderr).contains("stopped"), "{}", text(&stopped.stderr));
    }
    assert!(run(parts.path(), &set).status.success());
    let (a, b) = (records(whole.path(), "mdm"), records(parts.path(), "mdm"));
    let steps_and_evals = |records: &[Record]| -> Vec<String> {
        let without: Vec<Record> = records.iter().filter(|r| !matches!(r, Record::Checkpoint(_))).cloned().collect();
        essence(&without)
    };
    assert_eq!(steps_and_evals(&a), steps_and_evals(&b));
    let weights = |out: &Path| {
        let (_, path) = latest_checkpoint(&folder(out, "mdm").checkpoints_path()).expect("a checkpoint");
        read_checkpoint(&path).expect("it is whole").files
    };
    assert!(weights(whole.path()) == weights(parts.path()), "the final weights, moments and averages are equal");
}

#[test]
fn micro_batches_change_no_draw() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let base = ["--arm", "mdm", "--steps", "6", "--set", "train.precision=fp64"];
    let with = |micro: &'static str| -> Vec<&str> { base.iter().copied().chain(["--set", micro]).collect() };
    assert!(run(one.path(), &with("train.micro_batch=16 seqs")).status.success());
    assert!(run(two.path(), &with("train.micro_batch=4 seqs")).status.success());
    let losses = |out: &Path| -> Vec<(String, f64, f64)> {
        records(out, "mdm")
            .iter()
            .filter_map(|r| match r {
                Record::Step(s) => Some((s.batch_hash.clone(), s.loss, s.masked_fraction)),
                _ => None,
            })
            .collect()
    };
    let (a, b) = (losses(one.path()), losses(two.path()));
    assert_eq!(a.len(), 6);
    for ((hash_a, loss_a, masked_a), (hash_b, loss_b, masked_b)) in a.iter().zip(&b) {
        assert_eq!((hash_a, masked_a), (hash_b, masked_b));
        // The same terms in another order of addition, in f64.
        assert!((loss_a - loss_b).abs() <= 1e-12 * loss_a.abs(), "{loss_a} {loss_b}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_with_a_checkpoint() {
    let out = tempfile::tempdir().expect("a folder");
    let path = out.path().to_str().expect("a plain path").to_string();
    // Far more steps than fit the test, so that the signal finds it at work.
    let child = dlmc(&["run", "tests/golden/tiny.dlm", "--arm", "ar", "--set", "data.epochs=4000", "--out", &path])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("dlmc-torch starts");
    let metrics = || {
        let found = std::fs::read_dir(out.path().join("tiny")).ok()?;
        let run = found.filter_map(Result::ok).map(|e| e.path()).find(|p| p.is_dir())?;
        read_metrics(&run.join("metrics.jsonl")).ok()
    };
    let mut waited = 0;
    while metrics().is_none_or(|m| m.iter().filter(|r| matches!(r, Record::Step(_))).count() < 5) {
        std::thread::sleep(std::time::Duration::from_millis(50));
        waited += 1;
        assert!(waited < 1200, "the run does not start");
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there").success());
    let result = child.wait_with_output().expect("it ends");
    assert!(result.status.success(), "{}", text(&result.stderr));
    let all = records(out.path(), "ar");
    let Some(Record::End(end)) = all.last() else { panic!("the log ends with its end") };
    assert_eq!(end.reason, EndReason::Interrupted);
    let (step, _) = latest_checkpoint(&folder(out.path(), "ar").checkpoints_path()).expect("a checkpoint");
    assert_eq!(step, end.step);
}

#[test]
fn a_time_limit_ends_with_a_checkpoint_and_bad_input_writes_nothing() {
    let out = tempfile::tempdir().expect("a folder");
    let result = run(out.path(), &["--arm", "ar", "--set", "data.epochs=4000", "--time-limit", "1s"]);
    assert!(result.status.success(), "{}", text(&result.stderr));
    let Some(Record::End(end)) = records(out.path(), "ar").last().cloned() else { panic!("the log ends with its end") };
    assert_eq!(end.reason, EndReason::TimeLimit);

    let empty = tempfile::tempdir().expect("a folder");
    let to = empty.path().join("runs");
    for bad in [["--set", "model.heads=3"], ["--set", "data.unique=90M tokens"], ["--device", "cuda:77"]] {
        let result = run(&to, &bad);
        assert!(!result.status.success());
        assert!(!to.exists(), "{bad:?} wrote something: {}", text(&result.stderr));
    }
}

#[test]
fn bench_prints_one_line() {
    let result = dlmc(&["bench", "tests/golden/tiny.dlm", "--arm", "mdm", "--steps", "3", "--warmup", "1", "--json"])
        .output()
        .expect("dlmc-torch starts");
    assert!(result.status.success(), "{}", text(&result.stderr));
    let out = text(&result.stdout);
    assert_eq!(out.lines().count(), 1, "{out}");
    let line: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    for key in ["tokens_per_s", "step_ms_median", "params", "loss_first", "loss_last", "flops_per_s"] {
        assert!(line[key].as_f64().is_some_and(|x| x > 0.0), "{key}: {line}");
    }
    assert!(line["peak_memory_bytes"].as_f64().is_some_and(|x| x > 1e6), "{line}");
    assert_eq!(line["losses"].as_array().map(Vec::len), Some(4), "{line}");
    assert!(line["profile"].is_null() && line["validation"].is_null(), "{line}");
}

/// The parts of a step and what lies between them are the whole of it, and so are matrix products and the rest of the
/// program.
#[test]
fn bench_says_where_the_time_goes() {
    let command = ["bench", "tests/golden/tiny.dlm", "--arm", "mdm", "--steps", "2", "--warmup", "1", "--profile"];
    let result = dlmc(&[&command[..], &["--validate", "--json"]].concat()).output().expect("dlmc-torch starts");
    assert!(result.status.success(), "{}", text(&result.stderr));
    let line: serde_json::Value = serde_json::from_str(&text(&result.stdout)).expect("it is JSON");
    let profile = &line["profile"];
    let ms = |value: &serde_json::Value| value["ms_per_step"].as_f64().expect("a time");
    let sum = |of: &serde_json::Value| of.as_object().expect("an object").values().map(ms).sum::<f64>();
    let parts = &profile["parts"];
    for part in ["forward", "backward", "optimizer", "weights", "data", "draws", "log"] {
        assert!(ms(&parts[part]) > 0.0, "{part}: {parts}");
    }
    let shares: f64 = parts.as_object().expect("an object").values().filter_map(|part| part["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{parts}");
    let program = ms(&parts["forward"]) + ms(&parts["backward"]);
    assert!((sum(&profile["matrix_products"]) / program - 1.0).abs() < 1e-9, "{profile}");
    let operations = profile["operations"].as_array().expect("a list");
    let of = |name: &str| operations.iter().find(|o| o["operation"] == name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(of("attend")["part"], "forward");
    assert_eq!(of("linear_weight_grad")["part"], "backward");
    assert!(of("linear")["gflops_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{profile}");
    assert!(of("rms_norm")["gflops_per_s"].is_null(), "{profile}");
    assert!(line["validation"]["loss"].as_f64().is_some_and(|loss| loss > 0.0), "{line}");
    assert!(line["validation"]["tokens_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{line}");
    let result = dlmc(&command).output().expect("dlmc-torch starts");
    assert!(text(&result.stdout).contains("matrix: attention"), "{}", text(&result.stdout));
}

/// A model that reads the noise level is given it in training, in evaluation and in sampling, by both
/// estimators, and another trainer is given it too.
#[test]
fn a_model_may_read_the_noise_level() {
    let out = tempfile::tempdir().expect("a folder");
    let spec = std::fs::read_to_string(root().join("tests/golden/tiny.dlm")).expect("the tiny spec");
    let model = "
block conditioned(x: [B, T, D], c: [B, D]) -> [B, T, D] {
    (shift, scale, gate) = chunk(linear(silu(c), 3 * D, init: zeros) as adaln, 3)
    h = rmsnorm(x, gain: false) * (1 + scale) + shift
    return x + gate * linear(gelu_tanh(linear(h, 2 * D) as up), D) as down
}
model dit(layers: int, dim: int) {
    c = linear(sinusoid(t, 64), dim) as time
    x = embed(tokens, dim)
    repeat layers as layer {
        x = conditioned(x, c)
    }
    return unembed(rmsnorm(x) as norm)
}
";
    let spec = spec
        .replace("use \"../../specs/lib/decoder.dlm\" { decoder }", model)
        .replace(
            "objective ar  = next_token()",
            "objective each = masked_diffusion(schedule: keep, estimator: bernoulli)",
        )
        .replace("decoder(layers: 2, dim: 32, heads: 2, ffn: 64)", "dit(layers: 2, dim: 32)")
        .replace("ar: { objective: ar }", "each: { objective: each }")
        .replace("under: ar", "under: each");
    let file = out.path().join("conditioned.dlm");
    std::fs::write(&file, spec).expect("the spec is written");
    let (file, to) = (file.to_str().expect("a plain path"), out.path().to_str().expect("a plain path"));
    let result = dlmc(&["run", file, "--out", to]).output().expect("dlmc-torch starts");
    assert!(result.status.success(), "{}", text(&result.stderr));
    for arm in ["each", "mdm"] {
        let records = records(out.path(), arm);
        let losses: Vec<f64> =
            records.iter().filter_map(|r| if let Record::Eval(e) = r { Some(e.loss) } else { None }).collect();
        assert!(losses.len() > 1 && losses.last() < losses.first(), "{arm}: {losses:?}");
        assert!(folder(out.path(), arm).samples_path().exists());
    }
    let exported = out.path().join("exported");
    let to = exported.to_str().expect("a plain path");
    let result = dlmc(&["export", file, "--arm", "mdm", "--steps", "3", "--to", to]).output().expect("it starts");
    assert!(result.status.success(), "{}", text(&result.stderr));
    let bytes = std::fs::read(exported.join("train.safetensors")).expect("the batches");
    let head = text(&bytes[8..8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize]);
    assert!(head.contains("\"t\":{\"dtype\":\"F64\",\"shape\":[3,16]"), "{head}");
}
