#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::metrics::{Checkpoint, End, EndReason, Eval, Record, Step};
use super::run_folder::{id_of_fields, write_atomic};
use super::*;
use crate::check::spec::FlatField;
use std::fs;
use std::path::Path;

fn field(path: &str, value: &str) -> FlatField {
    FlatField::new(path, value, "default")
}

fn step(step: u64, loss: f64) -> Record {
    Record::Step(Step {
        step,
        tokens: step * 4096,
        epoch: step as f64 / 24.0,
        loss,
        loss_plain: loss,
        loss_by_decile: vec![Some(0.1), None, Some(f64::NAN)],
        masked_fraction: 0.5,
        lr: 1e-3,
        grad_norm: f64::INFINITY,
        clip_fraction: 0.25,
        update_ratio: 1e-4,
        tokens_per_s: 1.0 / 3.0,
        memory_bytes: 1 << 40,
        batch_hash: "ab".into(),
    })
}

fn eval(step: u64) -> Record {
    Record::Eval(Eval {
        step,
        tokens: step * 4096,
        epoch: 1.0,
        loss: 2.5,
        se: 0.1,
        bits_per_byte: Some(3.6),
        loss_by_decile: vec![Some(2.0), None],
        in_decay: false,
        documents: vec![[1.0, 2.0], [f64::NAN, 3.0]],
        measures: vec![],
        seconds: 1.5,
    })
}

fn end(step: u64) -> Record {
    let reason = EndReason::NonFinite;
    Record::End(End { step, reason, train_seconds: 1.0, eval_seconds: 2.0, message: Some("loss is NaN".into()) })
}

fn tensor(name: &str, seed: u8) -> TensorData {
    TensorData {
        name: name.into(),
        dtype: DType::F32,
        shape: vec![2, 3],
        bytes: (0..24).map(|i| i * 7 + seed).collect(),
    }
}

fn save(dir: &Path, step: u64) -> std::path::PathBuf {
    let half = TensorData { name: "b".into(), dtype: DType::BF16, shape: vec![], bytes: vec![1, 2] };
    let count = TensorData { name: "n".into(), dtype: DType::I64, shape: vec![1], bytes: vec![9; 8] };
    let wide = TensorData { name: "w".into(), dtype: DType::F64, shape: vec![0, 4], bytes: vec![] };
    let files =
        [("model.safetensors", vec![tensor("z", 0), tensor("a", 1), half]), ("state.safetensors", vec![count, wide])];
    write_checkpoint(dir, step, &files, &serde_json::json!({ "step": step, "lr": 0.1 }), &Kept::DEFAULT).unwrap()
}

#[test]
fn the_id_ignores_names_places_and_order_and_sees_everything_else() {
    let base = [field("train.batch", "32"), field("data.seq", "128"), field("name", "quickstart")];
    let id = id_of_fields(&base, "data");
    assert_eq!(id.len(), 16);
    let same = [
        field("expect.0", "crossover"),
        field("data.source.0", "files(\"x\")"),
        field("name", "other"),
        field("data.seq", "128"),
        field("train.batch", "32"),
    ];
    assert_eq!(id, id_of_fields(&same, "data"));
    assert_ne!(id, id_of_fields(&base, "other data"));
    assert_ne!(id, id_of_fields(&[field("train.batch", "32"), field("data.seq", "256")], "data"));
    assert_ne!(id, id_of_fields(&[field("train.batch", "32"), field("data.seq", "128"), field("names", "x")], "data"));
    assert_ne!(
        id_of_fields(&[field("a", "bc")], ""),
        id_of_fields(&[field("ab", "c")], ""),
        "texts must not run together"
    );
}

#[test]
fn a_lock_comes_back_as_it_was_and_says_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Lock {
        version: lock::LOCK_VERSION,
        experiment: "e".into(),
        arm: "ar".into(),
        point: String::new(),
        run: "ar-1".into(),
        data_hash: "d".into(),
        valid_hash: "v".into(),
        init_hash: "i".into(),
        code: "0.1.0".into(),
        libtorch: "2.11.0".into(),
        threads: 2,
        device: String::new(),
        earlier: vec![],
        parent: None,
        source: Default::default(),
        fields: vec![LockField {
            path: "data.seq".into(),
            value: "\"128\"".into(),
            origin: "a.dlm:3".into(),
            written: None,
            assumed: vec![],
            replaced: vec![],
        }],
    };
    let run = RunFolder::create(folder.path(), "e", "ar", "0123").unwrap();
    run.write_lock(&lock).unwrap();
    assert_eq!(run.read_lock().unwrap(), lock);
    let mut other = lock.clone();
    other.threads = 4;
    other.fields[0].origin = "elsewhere".into();
    assert_eq!(lock.spec_differences(&other), vec![]);
    assert_eq!(lock.differences(&other).len(), 1);
    other.fields.clear();
    let missing = LockDifference { path: "data.seq".into(), left: Some("\"128\"".into()), right: None };
    assert_eq!(lock.spec_differences(&other), vec![missing]);
    assert_eq!(RunFolder::find(folder.path(), "0123"), Some(run.clone()));
    assert_eq!(RunFolder::find(folder.path(), "123"), None);
    assert_eq!(RunFolder::list(&folder.path().join("e")), vec![run.clone()]);
    fs::write(run.lock_path(), lock.to_text().replace("version: 1", "version: 9")).unwrap();
    assert!(run.read_lock().unwrap_err().to_string().contains("version 9"));
}

#[test]
fn numbers_that_are_not_finite_leave_a_readable_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut log = MetricsLog::open(&path).unwrap();
    for record in [step(1, f64::NAN), eval(1), end(1)] {
        log.append(&record).unwrap();
    }
    let read = read_metrics(&path).unwrap();
    let [Record::Step(step), Record::Eval(eval), Record::End(end)] = &read[..] else { panic!("{read:?}") };
    assert!(step.loss.is_nan() && step.grad_norm.is_nan());
    assert_eq!(step.loss_by_decile, vec![Some(0.1), None, None]);
    assert_eq!(step.tokens_per_s.to_bits(), (1.0f64 / 3.0).to_bits());
    assert!(eval.documents[1][0].is_nan());
    assert_eq!(eval.documents[0], [1.0, 2.0]);
    assert_eq!(end.reason, EndReason::NonFinite);
}

#[test]
fn a_torn_last_line_is_left_out_and_then_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut log = MetricsLog::open(&path).unwrap();
    log.append(&step(1, 3.0)).unwrap();
    log.append(&step(2, 2.0)).unwrap();
    let whole = fs::read(&path).unwrap();
    for cut in whole.len() / 2 + 1..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(losses(&path), [3.0]);
    }
    let mut log = MetricsLog::open(&path).unwrap();
    log.append(&step(3, 1.0)).unwrap();
    assert_eq!(losses(&path), [3.0, 1.0]);

    let mut broken = b"{\"kind\":\"st\n".to_vec();
    broken.extend_from_slice(&whole);
    fs::write(&path, broken).unwrap();
    let error = read_metrics(&path).unwrap_err().to_string();
    assert!(error.contains("metrics.jsonl:1: not a record"), "{error}");
    assert!(read_metrics(&folder.path().join("none")).is_err());
}

fn losses(path: &Path) -> Vec<f64> {
    let loss = |record| if let Record::Step(step) = record { step.loss } else { panic!() };
    read_metrics(path).unwrap().into_iter().map(loss).collect()
}

#[test]
fn truncation_drops_what_is_past_the_step_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut log = MetricsLog::open(&path).unwrap();
    let checkpoint =
        |step| Record::Checkpoint(Checkpoint { step, path: "checkpoints/x".into(), weights_hash: "h".into() });
    let all = [step(1, 3.0), step(2, 2.0), eval(2), checkpoint(2), step(3, 1.0), eval(3), checkpoint(3), end(3)];
    for record in &all {
        log.append(record).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap();
    log.truncate_after(2).unwrap();
    let after = fs::read_to_string(&path).unwrap();
    assert_eq!(after.lines().count(), 4);
    assert!(before.starts_with(&after), "lines that stay keep every byte");
    log.append(&step(3, 1.5)).unwrap();
    assert_eq!(read_metrics(&path).unwrap().len(), 5);
    log.truncate_after(0).unwrap();
    assert_eq!(read_metrics(&path).unwrap(), vec![]);
}

#[test]
fn a_checkpoint_comes_back_sorted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), 7);
    assert!(path.ends_with("step-00000007"));
    let read = read_checkpoint(&path).unwrap();
    assert_eq!(read.step, 7);
    assert_eq!(read.state["lr"], 0.1);
    let model = &read.files["model.safetensors"];
    assert_eq!(model.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b", "z"]);
    assert_eq!(model[0], tensor("a", 1));
    assert_eq!(model[1].dtype, DType::BF16);
    assert_eq!(read.files["state.safetensors"][1].shape, vec![0, 4]);
    let again = folder.path().join("again");
    save(&again, 7);
    for file in ["model.safetensors", "state.safetensors", "state.json"] {
        assert_eq!(fs::read(path.join(file)).unwrap(), fs::read(again.join("step-00000007").join(file)).unwrap());
    }
}

#[test]
fn the_last_two_checkpoints_stay_and_a_rewritten_step_replaces_the_old() {
    let folder = tempfile::tempdir().unwrap();
    for step in [10, 20, 30, 30] {
        save(folder.path(), step);
    }
    let steps = |dir: &Path| checkpoints(dir).into_iter().map(|(step, _)| step).collect::<Vec<_>>();
    assert_eq!(steps(folder.path()), [20, 30]);
    // A resume that went back to 20 writes 25: what stands at 30 is of a future that was given up.
    save(folder.path(), 25);
    assert_eq!(steps(folder.path()), [20, 25]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary stays");
}

#[test]
fn leftovers_and_broken_checkpoints_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert_eq!(latest_checkpoint(dir), None);
    save(dir, 10);
    let newest = save(dir, 20);
    fs::create_dir(dir.join(".writing-abc")).unwrap();
    fs::write(dir.join(".writing-abc/state.json"), "{}").unwrap();
    fs::create_dir(dir.join("step-00000030")).unwrap();
    assert_eq!(latest_checkpoint(dir).map(|(step, _)| step), Some(20));

    let model = newest.join("model.safetensors");
    let mut bytes = fs::read(&model).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&model, &bytes).unwrap();
    let error = read_checkpoint(&newest).unwrap_err().to_string();
    assert!(error.contains("model.safetensors") && error.contains("hash is"), "{error}");
    assert_eq!(latest_checkpoint(dir).map(|(step, _)| step), Some(10));

    let state = dir.join("step-00000010/state.json");
    let text = fs::read_to_string(&state).unwrap();
    fs::write(&state, text.replace("0.1", "0.2")).unwrap();
    assert_eq!(latest_checkpoint(dir), None, "the trainer's state is hashed too");
    fs::write(&state, &text[..text.len() / 2]).unwrap();
    assert_eq!(latest_checkpoint(dir), None);

    save(dir, 21);
    assert!(!dir.join(".writing-abc").exists());
}

#[test]
fn a_refused_checkpoint_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let none = serde_json::Value::Null;
    let mut short = tensor("a", 0);
    short.bytes.pop();
    for files in [
        vec![("model.safetensors", vec![short])],
        vec![("model.safetensors", vec![tensor("a", 0), tensor("a", 1)])],
        vec![("../model.safetensors", vec![])],
        vec![("state.json", vec![])],
        vec![("m", vec![]), ("m", vec![])],
    ] {
        assert!(write_checkpoint(folder.path(), 1, &files, &none, &Kept::DEFAULT).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn an_atomic_write_replaces_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write_atomic(&path, b"long text").unwrap();
    write_atomic(&path, b"s").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"s");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_kept_is_what_is_counted() {
    let newest = |n, at_steps: &[u64]| Kept::Newest { n, at_steps: at_steps.to_vec() };
    let policies = [Kept::All, newest(1, &[]), Kept::DEFAULT, newest(2, &[7, 10, 40]), newest(3, &[38, 41, 45])];
    for kept in policies {
        for (steps, every) in [(45, 10), (40, 10), (9, 10), (45, 1)] {
            let folder = tempfile::tempdir().unwrap();
            let none = serde_json::Value::Null;
            for step in 1..=steps {
                if step % every == 0 || step == steps || kept.names(step) {
                    write_checkpoint(folder.path(), step, &[("m", vec![])], &none, &kept).unwrap();
                }
            }
            let n = checkpoints(folder.path()).len() as u64;
            // A step that the run does not have is refused by `check`.
            if !matches!(&kept, Kept::Newest { at_steps, .. } if at_steps.iter().any(|at| *at > steps)) {
                assert_eq!(kept.n_at_end(steps, every), n, "{kept}, {steps} steps, every {every}");
            }
        }
    }
}

#[test]
fn one_process_writes_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path(), "e", "ar", "0123456789abcdef").unwrap();
    assert!(!run.is_held());
    let hold = run.hold().unwrap();
    let refused = run.hold().unwrap_err();
    assert!(refused.to_string().contains(&format!("another process ({})", std::process::id())), "{refused}");
    assert!(refused.with_help().contains("= help: wait for it"));
    drop(hold);
    drop(run.hold().unwrap());
    let found = RunFolder::by_id(folder.path());
    assert_eq!(found.get("0123456789abcdef"), Some(&run));
    assert_eq!((run.id().as_str(), found.len()), ("0123456789abcdef", 1));
}
