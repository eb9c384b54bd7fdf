//! Many runs by one command: which are made, which are there, what happens when some fail, and what a folder that is
//! not as it should be does to them.
#![cfg(all(feature = "torch", unix))]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

use dlmc::store::metrics::Record;
use dlmc::store::{ExperimentRecord, RunFolder, checkpoints, latest_checkpoint, read_checkpoint, read_metrics};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small enough that a run takes a second.
const SPEC: &str = r#"
use "DECODER" { decoder }

objective ar = next_token()

data modules {
    source:    files("{torch}/nn/modules/*.py")
    tokenizer: bytes
    unique:    2K tokens
    epochs:    3
    seq:       32
    valid:     512 tokens
    max_per_document: { unique: 512 tokens, valid: 64 tokens }
}

experiment NAME {
    model:  decoder(layers: 1, dim: 16, heads: 2, ffn: 32)
    data:   modules
    train:  {
        batch: 8 seqs
        optimizer: adamw(lr: 3e-3)
        lr_schedule: constant(warmup: 2 steps)
        precision: fp32
        checkpoint_every: 6 steps
    }
    eval:   { every: 1 epoch, loss: valid }
    arms:   { ar: { objective: ar } }
    SWEEP
}
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn spec(&self, name: &str, sweep: &str) -> PathBuf {
        let decoder = concat!(env!("CARGO_MANIFEST_DIR"), "/specs/lib/decoder.dlm");
        let text = SPEC.replace("DECODER", decoder).replace("NAME", name).replace("SWEEP", sweep);
        let file = self.folder.path().join(format!("{name}.dlm"));
        std::fs::write(&file, text).expect("the spec is written");
        file
    }

    fn command(&self, spec: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dlmc-torch"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").arg(spec).arg("--out").arg(self.out()).args(more);
        if !more.contains(&"--threads") {
            command.args(["--threads", "1"]);
        }
        command
    }

    fn run(&self, spec: &Path, more: &[&str]) -> Output {
        self.command(spec, more).output().expect("dlmc-torch starts")
    }

    fn done(&self, spec: &Path, more: &[&str]) -> String {
        let result = self.run(spec, more);
        assert!(result.status.success(), "{}", text(&result.stderr));
        text(&result.stderr)
    }

    /// The error of a run that fails.
    fn failed(&self, spec: &Path, more: &[&str], code: i32) -> String {
        let result = self.run(spec, more);
        assert_eq!(result.status.code(), Some(code), "{}", text(&result.stderr));
        text(&result.stderr)
    }

    fn only(&self, experiment: &str) -> RunFolder {
        let runs = RunFolder::list(&self.out().join(experiment));
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder with what is in it, but for the note of who wrote last.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            all.extend(contents(&entry));
        } else if entry.file_name().is_some_and(|name| name != "writer") {
            all.push((entry.clone(), std::fs::read(&entry).expect("a file")));
        }
    }
    all.sort();
    all
}

fn final_state(run: &RunFolder) -> dlmc::store::SavedCheckpoint {
    let (_, path) = latest_checkpoint(&run.checkpoints_path()).expect("a checkpoint");
    read_checkpoint(&path).expect("it is whole")
}

/// Flips a bit of a file's last byte.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).expect("a file");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(file, bytes).expect("it is written");
}

#[test]
fn a_sweep_runs_once_and_serves_every_experiment_that_contains_its_runs() {
    let place = Place::new();
    let first = place.spec("first", "sweep: { train.optimizer.lr: [1e-3, 3e-3, 1e-2] }");
    let said = place.done(&first, &["--jobs", "2"]);
    assert!(said.contains("first: 3 runs on cpu, 2 at a time, 1 thread each"), "{said}");
    assert!(said.contains("3 runs: 3 finished"), "{said}");
    let runs = RunFolder::list(&place.out().join("first"));
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|run| run.is_finished().expect("a log")));
    assert_eq!(runs[0].read_lock().expect("a lock").threads, 1);
    let before: Vec<_> = runs.iter().map(|run| contents(run.path())).collect();

    // Again: nothing is left to do.
    let said = place.done(&first, &["--jobs", "2"]);
    assert!(said.contains("3 of 3 finished before"), "{said}");
    // Another experiment, of which two runs are there already.
    let second = place.spec("second", "sweep: { train.optimizer.lr: [3e-3, 1e-2, 3e-2] }");
    let said = place.done(&second, &[]);
    assert!(said.contains("2 of 3 finished before"), "{said}");
    assert_eq!(RunFolder::list(&place.out().join("second")).len(), 1);
    let after: Vec<_> = runs.iter().map(|run| contents(run.path())).collect();
    assert!(before == after, "finished runs stay as they are");
    let record = ExperimentRecord::read(&place.out().join("second")).expect("a record");
    let elsewhere = record.runs.iter().filter(|run| run.folder.starts_with("../first/ar-")).count();
    assert_eq!((record.runs.len(), elsewhere), (3, 2));
    let report = Command::new(env!("CARGO_BIN_EXE_dlmc-torch"))
        .args(["report", "--json"])
        .arg(place.out().join("second"))
        .output()
        .expect("dlmc-torch starts");
    let document: serde_json::Value = serde_json::from_slice(&report.stdout).expect("one JSON document");
    let shown = document.to_string();
    assert!(report.status.success() && !shown.contains("missing\":[\""), "{shown}");
    for lr in ["3e-3", "1e-2", "3e-2"] {
        assert!(shown.contains(&format!("lr={lr}")), "{lr}: {shown}");
    }
}

#[test]
fn a_failed_run_stops_the_others_only_if_it_is_to() {
    let place = Place::new();
    // Explodes at once.
    let spec = place.spec("mixed", "sweep: { train.optimizer.lr: [900, 1e-3] }");
    let said = place.failed(&spec, &["--fail-fast"], 3);
    assert!(said.contains("1 of 2 runs failed: ar at lr=900"), "{said}");
    assert!(!said.contains("ar at lr=1e-3  finished"), "{said}");
    let said = place.failed(&spec, &["--keep-going"], 3);
    assert!(said.contains("ar at lr=1e-3  finished"), "{said}");
    assert!(said.contains("exploded") || said.contains("not a number"), "{said}");
    assert!(said.contains("2 runs: 1 finished, 1 failed"), "{said}");
    // The report has both.
    let page = std::fs::read_to_string(place.out().join("mixed/report.html")).expect("a report");
    assert!(page.contains("lr=900") && page.contains("lr=1e-3"));
}

#[test]
fn a_folder_of_another_run_or_environment_is_refused_and_left_alone() {
    let place = Place::new();
    let spec = place.spec("moved", "");
    place.done(&spec, &["--steps", "14"]);
    let run = place.only("moved");
    let before = contents(run.path());
    let untouched = |why: &str| assert!(contents(run.path()) == before, "{why}: something was written");

    let said = place.failed(&spec, &["--threads", "2"], 3);
    assert!(said.contains("was begun in another environment"), "{said}");
    assert!(said.contains("(threads)  1  in the folder, 2 now"), "{said}");
    assert!(said.contains("--accept threads"), "{said}");
    untouched("another thread count");
    let said = place.failed(&spec, &["--threads", "2", "--accept", "code"], 3);
    assert!(said.contains("--accept threads"), "{said}");
    untouched("the wrong change was accepted");

    let original = std::fs::read_to_string(run.lock_path()).expect("a lock");
    let lock = |from: &str, to: &str| {
        assert!(original.contains(from), "{from}");
        std::fs::write(run.lock_path(), original.replacen(from, to, 1)).expect("it is written");
    };
    // Other code: accepted alone, or with all else.
    let code = format!("code: \"{}\"", run.read_lock().expect("a lock").code);
    lock(&code, "code: \"0.0.1+older\"");
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains("(code)  0.0.1+older  in the folder") && said.contains("--accept code"), "{said}");
    // Another run, which nothing makes acceptable; a lock that cannot be read; none.
    lock("value: \"8 seqs\"", "value: \"9 seqs\"");
    let said = place.failed(&spec, &["--accept", "all"], 3);
    assert!(said.contains("is of another run") && said.contains("eval.batch"), "{said}");
    assert!(said.contains("9 seqs  in the folder, 8 seqs now") && said.contains("nothing was changed"), "{said}");
    lock("version: 1", "version: 1,,");
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains("not a lock") && said.contains("nothing was changed"), "{said}");
    std::fs::remove_file(run.lock_path()).expect("it is there");
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains("whose they are cannot be known"), "{said}");
    std::fs::write(run.lock_path(), &original).expect("it is written");
    untouched("its lock was broken");

    // A log without the steps of the checkpoint.
    let log = std::fs::read_to_string(run.metrics_path()).expect("a log");
    let short: String = log.lines().take(5).map(|line| format!("{line}\n")).collect();
    std::fs::write(run.metrics_path(), short).expect("it is written");
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains("before the checkpoint of step 14"), "{said}");
    std::fs::write(run.metrics_path(), log).expect("it is written");

    // What is accepted is noted, and need not be accepted again.
    place.done(&spec, &["--threads", "2", "--accept", "threads", "--steps", "20"]);
    let lock = run.read_lock().expect("a lock");
    assert_eq!((lock.threads, lock.earlier.len()), (2, 1));
    assert_eq!((lock.earlier[0].threads, lock.earlier[0].until_step), (1, 14));
    place.done(&spec, &["--threads", "2"]);
}

#[test]
fn the_second_process_on_a_run_is_refused() {
    let place = Place::new();
    let spec = place.spec("taken", "");
    place.done(&spec, &["--steps", "8"]);
    let run = place.only("taken");
    let before = contents(run.path());
    let hold = run.hold().expect("nobody has it");
    assert!(run.is_held() && run.hold().is_err());
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains(&format!("another process ({}) is at work in", std::process::id())), "{said}");
    assert!(contents(run.path()) == before);
    drop(hold);
    assert!(!run.is_held());
    place.done(&spec, &[]);
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let (whole, place) = (Place::new(), Place::new());
    let spec = place.spec("damaged", "");
    whole.done(&spec, &[]);
    place.done(&spec, &["--steps", "14"]);
    let run = place.only("damaged");
    let kept: Vec<u64> = checkpoints(&run.checkpoints_path()).iter().map(|(step, _)| *step).collect();
    assert_eq!(kept, [12, 14]);
    damage(&run.checkpoints_path().join("step-00000014/adam_v.safetensors"));
    let said = place.done(&spec, &["--steps", "16"]);
    assert!(said.contains("step-00000014/adam_v.safetensors: broken checkpoint: hash is"), "{said}");
    assert!(said.contains("the run goes on from step 12") && said.contains("continues from step 12"), "{said}");
    // Both: it begins anew.
    for step in [12, 16] {
        damage(&run.checkpoints_path().join(format!("step-{step:08}/model.safetensors")));
    }
    let said = place.done(&spec, &[]);
    assert!(said.contains("the run goes on from the beginning"), "{said}");
    assert!(final_state(&run) == final_state(&whole.only("damaged")));
    let steps: Vec<u64> = read_metrics(&run.metrics_path())
        .expect("a log")
        .iter()
        .filter_map(|r| if let Record::Step(step) = r { Some(step.step) } else { None })
        .collect();
    assert!(steps.iter().copied().eq(1..=steps.len() as u64), "every step once: {steps:?}");
}

/// A limit on the size of files stands in for a full disk: writing fails in the same place, with another name.
#[test]
fn a_full_disk_leaves_earlier_checkpoints() {
    let (whole, place) = (Place::new(), Place::new());
    let spec = place.spec("full", "");
    whole.done(&spec, &[]);
    place.done(&spec, &["--steps", "8"]);
    let run = place.only("full");
    let size = |path: PathBuf| std::fs::metadata(path).expect("a file").len();
    let room = size(run.checkpoints_path().join("step-00000008/model.safetensors")) - 512;
    assert!(room > 2 * size(run.metrics_path()) && room > 2 * size(run.lock_path()), "only checkpoints are too large");
    let limited = place.command(&spec, &[]);
    // The shell counts in blocks of 512 bytes (1,024 in some); the signal would end the process.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", room / 1024);
    let result = Command::new("bash")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-c", &script])
        .arg(limited.get_program())
        .args(limited.get_args())
        .output()
        .expect("bash starts");
    let said = text(&result.stderr);
    assert_eq!(result.status.code(), Some(3), "{said}");
    assert!(said.contains("File too large") && said.contains("make room, then `dlmc run` again"), "{said}");
    let kept: Vec<u64> = checkpoints(&run.checkpoints_path()).iter().map(|(step, _)| *step).collect();
    assert_eq!(kept, [6, 8]);
    assert_eq!(std::fs::read_dir(run.checkpoints_path()).expect("a folder").count(), 2, "nothing half written");
    assert_eq!(final_state(&run).step, 8);
    place.done(&spec, &[]);
    assert!(final_state(&run) == final_state(&whole.only("full")));
}

#[test]
fn a_folder_that_cannot_be_written_is_said() {
    let place = Place::new();
    let spec = place.spec("fixed", "");
    std::fs::write(place.out(), "a file").expect("it is written");
    let said = place.failed(&spec, &[], 3);
    assert!(said.contains("name another folder with --out"), "{said}");
    std::fs::remove_file(place.out()).expect("it is there");

    // To root nothing is read-only; another user, who can read all that is needed, stands in.
    place.done(&spec, &["--steps", "8"]);
    let before = contents(&place.out());
    for path in [place.folder.path(), &place.out()] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    let mut command = place.command(&spec, &[]);
    {
        use std::os::unix::fs::MetadataExt;
        use std::os::unix::process::CommandExt;
        const NOBODY: u32 = 65_534;
        if std::fs::metadata(place.folder.path()).expect("it is there").uid() != 0 {
            println!("not root: nobody else can be asked");
            return;
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    match command.output() {
        Ok(result) => {
            let said = text(&result.stderr);
            assert_eq!(result.status.code(), Some(3), "{said}");
            assert!(said.contains("Permission denied") && said.contains("--out"), "{said}");
        }
        Err(error) => println!("the executable is for its owner alone: {error}"),
    }
    assert!(contents(&place.out()) == before);
}

/// The hash of the weights at a step, as the log of a run has it.
fn weights_at(run: &RunFolder, at: u64) -> String {
    let records = read_metrics(&run.metrics_path()).expect("a log");
    let hash =
        |r: &Record| if let Record::Checkpoint(c) = r { (c.step == at).then(|| c.weights_hash.clone()) } else { None };
    records.iter().find_map(hash).expect("a checkpoint of that step")
}

#[test]
fn a_run_starts_from_the_state_of_another() {
    let place = Place::new();
    let start = |more: &str| format!("train.start: checkpoint(\"parent\", step: 8 steps{more})");
    let child = |name: &str, more: &str| {
        let file = place.spec(name, "");
        let text = std::fs::read_to_string(&file).expect("a spec");
        let text = text.replace("ar: { objective: ar }", &format!("ar: {{ {} }}", start(more)));
        std::fs::write(&file, text.replace("model: ", "objective: ar\n    model: ")).expect("it is written");
        file
    };
    let kept = child("kept", "");
    // The parent has to be there, and to have that checkpoint; nothing is written before.
    let said = place.failed(&kept, &[], 1);
    assert!(said.contains("there is no experiment and no run `parent` to start from"), "{said}");
    assert!(!place.out().exists());
    let parent = place.spec("parent", "");
    place.done(&parent, &[]);
    let said = place.failed(&kept, &[], 1);
    assert!(said.contains("has no checkpoint of step 8") && said.contains("checkpoint_keep: [8 steps]"), "{said}");
    assert!(!place.out().join("kept").exists());

    // Kept checkpoints are no part of what a run is, so the same one is begun again with them.
    std::fs::remove_dir_all(place.out()).expect("it is there");
    place.done(&parent, &["--set", "train.checkpoint_keep=[8 steps]"]);
    let parent_run = place.only("parent");
    let steps: Vec<u64> = checkpoints(&parent_run.checkpoints_path()).iter().map(|(step, _)| *step).collect();
    assert_eq!((steps.len(), steps[0]), (3, 8));
    place.done(&kept, &[]);
    let run = place.only("kept");
    let lock = run.read_lock().expect("a lock");
    let from = lock.parent.clone().expect("a parent");
    assert_eq!((from.run.as_str(), from.step, from.keeps_optimizer), (parent_run.id().as_str(), 8, true));
    assert_eq!(from.weights_hash, weights_at(&parent_run, 8));
    assert_eq!(lock.init_hash, from.weights_hash, "its first weights are the parent's");
    let earlier = |run: &RunFolder| final_state(run).state["earlier_updates"].as_u64();
    assert_eq!((earlier(&run), earlier(&parent_run)), (Some(8), Some(0)));

    // Without the moments it is another run, and so is one from the beginning.
    let reset = child("reset", ", optimizer: reset");
    place.done(&reset, &[]);
    let other = place.only("reset");
    assert_eq!(earlier(&other), Some(0));
    assert!(other.id() != run.id() && run.id() != parent_run.id());
    assert!(final_state(&other).files != final_state(&run).files);

    // `--from` is the same field by another door: the same run, which is there.
    let same = place.spec("same", "");
    let checkpoint = parent_run.checkpoints_path().join("step-00000008");
    let said = place.done(&same, &["--from", checkpoint.to_str().expect("a plain path")]);
    assert!(said.contains("1 of 1 finished before"), "{said}");
    // With a value set, a new one: the parent is noted, the command too.
    let more = ["--set", "train.optimizer.lr=1e-3", "--from", "kept"];
    place.done(&same, &[&more[..], &["--steps", "4"]].concat());
    let third = place.only("same");
    let from = third.read_lock().expect("a lock").parent.expect("a parent");
    assert_eq!((from.run, from.step), (run.id(), final_state(&run).step));
    assert_eq!(earlier(&third), Some(8 + final_state(&run).step));
    // It goes on as itself, from its own checkpoint.
    let said = place.done(&same, &more);
    assert!(said.contains("continues from step 4"), "{said}");
    assert_eq!(earlier(&third), Some(8 + final_state(&run).step));

    // What does not fit is named.
    let said = place.failed(&same, &["--from", "parent", "--set", "model.dim=32"], 3);
    assert!(said.contains("parameters do not fit") && said.contains("`embed` is [320, 16]"), "{said}");
    let said = place.failed(&same, &["--from", "parent", "--set", "model.layers=2"], 3);
    assert!(said.contains("`layer.1.attention.k` is not in the checkpoint"), "{said}");
    let said = place.failed(&same, &["--from", "parent", "--set", "data.tokenizer=chars(96)"], 1);
    assert!(said.contains("has other tokens: its data.tokenizer is bytes"), "{said}");
}
