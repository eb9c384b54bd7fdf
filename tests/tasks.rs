//! Tasks and named corpora through the executable: scores against a plain PyTorch loop, and against themselves under
//! another batch size.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

mod support;

use dlmc::store::metrics::{Eval, Measured, Record};
use dlmc::store::{RunFolder, latest_checkpoint, read_metrics};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::oracle::python;

/// f64 on both sides, sums in orders of their own over a few hundred terms of a few nats.
const TOLERANCE: f64 = 1e-9;

const ITEMS: &str = "hellaswag/hellaswag_val_full.jsonl.gz";
const SEQ: u64 = 448;

fn items() -> Option<PathBuf> {
    let shared = std::env::var_os("DLMC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join("data").join(ITEMS);
    if !path.exists() {
        println!("skipped: no {} (set DLMC_SHARED)", path.display());
        return None;
    }
    Some(path.canonicalize().unwrap())
}

fn spec(tasks: &str) -> String {
    format!(
        r#"use "std/decoder.dlm" {{ decoder }}

schedule keep(t) = 1 - t
objective ar  = next_token()
objective mdm = masked_diffusion(schedule: keep)

data modules {{
    source:    files("{{torch}}/nn/modules/*.py")
    tokenizer: bytes
    unique:    4K tokens
    epochs:    1
    seq:       {SEQ}
    valid:     2K tokens
}}

experiment asked {{
    model: decoder(layers: 2, dim: 32, heads: 2, ffn: 64)
    data:  modules
    train: {{
        batch: 4 seqs
        optimizer: adamw(lr: 3e-3)
        lr_schedule: constant(warmup: 0%)
        precision: fp64
    }}
    eval: {{
        every: 100%
        loss:  [valid, other]
        corpora: {{ other: {{ source: files("{{torch}}/optim/*.py"), tokens: 2K tokens, max_per_document: 512 tokens }} }}
        {tasks}
    }}
    arms: {{ ar: {{ objective: ar }}, mdm: {{ objective: mdm }} }}
}}
"#
    )
}

/// Runs an arm and gives its last evaluation and its folder.
fn run(folder: &Path, spec: &str, arm: &str, set: &[&str]) -> (Eval, RunFolder) {
    let path = folder.join("asked.dlm");
    std::fs::write(&path, spec).unwrap();
    let out = folder.join(set.concat().replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dlmc-torch"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", path.to_str().unwrap(), "--arm", arm]);
    command.args(["--out", out.to_str().unwrap()]);
    set.iter().for_each(|set| _ = command.args(["--set", set]));
    let result = command.output().unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    let is_run = |path: &PathBuf| {
        path.is_dir() && path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{arm}-")))
    };
    let found: Vec<PathBuf> =
        std::fs::read_dir(out.join("asked")).unwrap().map(|e| e.unwrap().path()).filter(is_run).collect();
    assert_eq!(found.len(), 1);
    let run = RunFolder::at(found[0].clone());
    let records = read_metrics(&run.metrics_path()).unwrap();
    let of = |r| if let Record::Eval(eval) = r { Some(eval) } else { None };
    (records.into_iter().filter_map(of).next_back().expect("an evaluation"), run)
}

fn measures(eval: &Eval) -> BTreeMap<String, Measured> {
    eval.measures.iter().map(|m| (m.metric.clone(), m.clone())).collect()
}

#[test]
fn next_token_scores_equal_a_plain_loop() {
    let (Some(items), Some(python)) = (items(), python()) else {
        println!("skipped: needs HellaSwag and a Python with torch");
        return;
    };
    // The longest rows are longer than a sequence, so that contexts are cut.
    let task = format!("tasks: {{ hs: multiple_choice({:?}, format: hellaswag, limit: 12) }}", items.to_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (eval, run) = run(folder.path(), &spec(&task), "ar", &[]);
    let (_, checkpoint) = latest_checkpoint(&run.checkpoints_path()).expect("a checkpoint");
    // Which items were drawn, by the library's own word.
    let drawn = drawn(&items, 12);
    let meta = json!({
        "model": { "name": "decoder", "args": { "layers": "2", "dim": "32", "heads": "2", "ffn": "64" } },
        "vocab": 320, "seq": SEQ, "live": 257, "items": drawn,
    });
    let (meta_path, out) = (folder.path().join("meta.json"), folder.path().join("scores.json"));
    std::fs::write(&meta_path, meta.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/tasks.py");
    let weights = checkpoint.join("model.safetensors");
    let theirs = Command::new(python).arg(script).args([&meta_path, &weights, &items, &out]).output().unwrap();
    assert!(theirs.status.success(), "{}", String::from_utf8_lossy(&theirs.stderr));
    let theirs: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let ours = measures(&eval);
    assert_eq!(theirs.len(), 12);
    let mut largest = 0.0f64;
    for name in ["acc", "acc_norm", "nll_right", "nll_wrong", "nll_gap"] {
        let ours = &ours[&format!("hs.{name}")];
        assert_eq!(ours.items.len(), 12);
        for (i, (ours, theirs)) in ours.items.iter().zip(&theirs).enumerate() {
            let theirs = theirs[name].as_f64().unwrap();
            largest = largest.max((ours[0] - theirs).abs());
            assert!((ours[0] - theirs).abs() <= TOLERANCE, "{name} of item {i}: {} {theirs}", ours[0]);
        }
    }
    println!("12 HellaSwag items, largest difference {largest:.1e}");
}

fn drawn(items: &Path, limit: u64) -> Vec<u64> {
    use dlmc::check::spec::{Task, TaskFile, TaskFormat};
    let span = dlmc::base::Span::new(dlmc::base::FileId(0), 0, 1);
    let file = TaskFile { path: items.to_str().unwrap().into(), base: PathBuf::new(), span };
    let task =
        Task { name: "hs".into(), file, format: TaskFormat::Hellaswag, limit: Some(limit), shots: None, masks: 1 };
    let read = dlmc::data::tasks::read(&task, 6, &dlmc::data::CorpusEnv::default()).unwrap();
    read.items.iter().map(|item| item.index).collect()
}

#[test]
fn scores_do_not_depend_on_the_batch() {
    let sense = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks/sense.jsonl");
    let task = format!(
        "tasks: {{ sense: multiple_choice({:?}, format: options, masks: 5) }}",
        sense.canonicalize().unwrap().to_str().unwrap()
    );
    let folder = tempfile::tempdir().unwrap();
    for arm in ["ar", "mdm"] {
        let of = |set: &str| {
            measures(&run(folder.path(), &spec(&task), arm, &[set, "data.seq=64", "data.valid=512 tokens"]).0)
        };
        let (one, many) = (of("eval.batch=1 seqs"), of("eval.batch=7 seqs"));
        assert_eq!(one.len(), 6, "{arm}: {:?}", one.keys());
        assert_eq!(one.keys().collect::<Vec<_>>(), many.keys().collect::<Vec<_>>());
        for (name, one) in &one {
            let many = &many[name];
            assert_eq!((one.items.len(), &one.set), (many.items.len(), &many.set), "{arm} {name}");
            assert_eq!(one.items.len(), if name == "loss(other)" { one.items.len() } else { 6 });
            for (a, b) in one.items.iter().zip(&many.items) {
                assert!((a[0] - b[0]).abs() <= TOLERANCE * a[0].abs().max(1.0), "{arm} {name}: {a:?} {b:?}");
            }
        }
        // It is text that the model has not seen, and no worse than chance by much.
        let loss = &one["loss(other)"];
        assert!(loss.value > 1.0 && loss.value < 8.0 && loss.items.len() > 2, "{arm}: {}", loss.value);
    }
}
