//! `kill -9` at any moment costs the steps since the last checkpoint and changes nothing else: the run that goes on
//! ends, bit for bit, as the one that was never interrupted.
#![cfg(all(feature = "torch", unix))]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a test fails by panicking

use dlmc::base::philox::{Purpose, Stream};
use dlmc::store::metrics::{EndReason, Record};
use dlmc::store::{RunFolder, checkpoints, read_checkpoint, read_metrics};
use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const N_KILLS: u32 = 20;
/// What differs between two runs that are the same: the clock and the process. All else of a log is compared.
const NOT_COMPARED: [&str; 3] = ["tokens_per_s", "memory_bytes", "seconds"];
/// Seed of the moments.
const SEED: u32 = 20;

fn start(out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_dlmc-torch"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "tests/fixtures/interrupted.dlm", "--threads", "1", "--out"])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0) // so that one signal ends the run and its worker at once
        .spawn()
        .expect("dlmc-torch starts")
}

fn folder(out: &Path) -> Option<RunFolder> {
    let runs = RunFolder::list(&out.join("interrupted"));
    assert!(runs.len() < 2, "one run: {runs:?}");
    runs.into_iter().next()
}

/// The step of the log's last whole line that has one.
fn last_step(run: &RunFolder) -> u64 {
    let text = std::fs::read(run.metrics_path()).unwrap_or_default();
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(20_000)..]).into_owned();
    let step = |line: &str| line.split("\"step\":").nth(1)?.split([',', '}']).next()?.parse().ok();
    tail.lines().rev().filter(|line| line.ends_with('}')).find_map(step).unwrap_or(0)
}

fn being_written(run: &RunFolder) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(run.checkpoints_path()).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))).collect()
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start: while it compiles, reads its data, restores its state.
    After(Duration),
    /// So many steps on, and a little later.
    Steps(u64, Duration),
    /// While a checkpoint is being written.
    Writing(Duration),
}

fn moment(i: u32) -> Moment {
    let stream = Stream::new(SEED, Purpose::Order);
    let [a, b] = stream.uniforms([i, 0, 0, 0]);
    match i % 7 {
        3 => Moment::After(Duration::from_secs_f64(0.8 * a)),
        0 | 5 => Moment::Writing(Duration::from_secs_f64(0.004 * b)),
        _ => Moment::Steps(1 + (109.0 * a) as u64, Duration::from_secs_f64(0.004 * b)),
    }
}

/// Lets the run go on until the moment has come, and kills it.
fn kill_at(out: &Path, moment: Moment) {
    let left = folder(out).map(|run| being_written(&run)).unwrap_or_default();
    let newest = |run: &RunFolder| checkpoints(&run.checkpoints_path()).last().map_or(0, |(step, _)| *step);
    let from = folder(out).map_or(0, |run| newest(&run));
    // What is past the checkpoint is done again.
    let before = folder(out).map_or(0, |run| last_step(&run));
    let mut went_back = before <= from;
    let mut child = start(out);
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(120), "the moment does not come: {moment:?}");
        assert!(child.try_wait().expect("it is asked").is_none(), "the run ended before the moment: {moment:?}");
        let run = folder(out);
        went_back |= run.as_ref().is_some_and(|run| last_step(run) < before);
        let (come, later) = match moment {
            Moment::After(time) => (started.elapsed() >= time, Duration::ZERO),
            Moment::Steps(n, later) => (went_back && run.is_some_and(|run| last_step(&run) >= from + n), later),
            Moment::Writing(later) => (run.is_some_and(|run| !being_written(&run).is_subset(&left)), later),
        };
        if come {
            std::thread::sleep(later);
            break;
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    let group = format!("-{}", child.id());
    assert!(Command::new("kill").args(["-KILL", "--", &group]).status().expect("kill is there").success());
    child.wait().expect("it ends");
}

fn finish(out: &Path) -> RunFolder {
    let result = start(out).wait_with_output().expect("it ends");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    folder(out).expect("a run")
}

/// Every line of steps, evaluations and checkpoints, without the clock.
fn lines(run: &RunFolder) -> Vec<String> {
    let text = std::fs::read_to_string(run.metrics_path()).expect("a log");
    let mut all = vec![];
    for line in text.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).expect("a record");
        let object = value.as_object_mut().expect("an object");
        if object["kind"] != "start" && object["kind"] != "end" {
            NOT_COMPARED.iter().for_each(|key| drop(object.remove(*key)));
            all.push(value.to_string());
        }
    }
    all
}

#[test]
fn a_run_that_is_killed_twenty_times_ends_as_one_that_never_was() {
    let (whole, parts) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let uninterrupted = finish(whole.path());
    for i in 0..N_KILLS {
        kill_at(parts.path(), moment(i));
    }
    let killed = finish(parts.path());

    assert_eq!(uninterrupted.name(), killed.name(), "one id");
    let (a, b) = (lines(&uninterrupted), lines(&killed));
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
    assert_eq!(a.len(), b.len());

    let steps = |run: &RunFolder| checkpoints(&run.checkpoints_path());
    let kept: Vec<u64> = steps(&killed).iter().map(|(step, _)| *step).collect();
    assert_eq!(kept, [300, 1450, 1500]);
    for ((_, a), (_, b)) in steps(&uninterrupted).iter().zip(&steps(&killed)) {
        let (a, b) = (read_checkpoint(a).expect("whole"), read_checkpoint(b).expect("whole"));
        assert!(a == b, "weights, moments, average and state of step {} are equal", a.step);
        assert_eq!(a.files.keys().collect::<Vec<_>>().len(), 4);
    }
    assert!(being_written(&killed).is_empty(), "nothing half written stays");

    // One start for each part that led somewhere, ascending, and one end.
    let records = read_metrics(&killed.metrics_path()).expect("a log");
    let starts: Vec<u64> = records
        .iter()
        .filter_map(|r| if let Record::Start(start) = r { Some(start.from_step) } else { None })
        .collect();
    assert!(starts.len() > 5 && starts.is_sorted_by(|a, b| a < b), "{starts:?}");
    let ends: Vec<EndReason> =
        records.iter().filter_map(|r| if let Record::End(end) = r { Some(end.reason) } else { None }).collect();
    assert_eq!(ends, [EndReason::Finished]);
}
