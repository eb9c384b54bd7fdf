//! What of an experiment's folder is worth keeping with its text: the record, and of each run its lock, its log
//! (compressed) and its samples. No checkpoints: an archive of a sweep fits a repository, and `dlmc report` reads it as
//! it reads the folder.

use super::ExperimentRecord;
use super::error::{At, Result};
use super::run_folder::{RunFolder, write_atomic};
use std::fs;
use std::path::{Path, PathBuf};

/// The slow end of zstd's ordinary levels: logs are archived once and read often.
const LEVEL: i32 = 19;

/// The compressed log that may stand in for `metrics.jsonl`.
pub fn compressed(metrics: &Path) -> PathBuf {
    metrics.with_extension("jsonl.zst")
}

/// The bytes of a log: the file itself or, where there is none, its compressed form.
pub(super) fn read_log(metrics: &Path) -> Result<Vec<u8>> {
    let archived = compressed(metrics);
    match fs::read(metrics) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && archived.exists() => {
            let file = fs::File::open(&archived).at(&archived)?;
            zstd::decode_all(file).at(&archived)
        }
        other => other.at(metrics),
    }
}

/// Copies the record of an experiment's folder and the runs that it names into `to`. Gives the number of runs; what is
/// in `to` already is written again.
pub fn archive(experiment: &Path, to: &Path) -> Result<usize> {
    let mut record = ExperimentRecord::read(experiment)?;
    let mut n_runs = 0;
    for entry in &mut record.runs {
        let run = RunFolder::at(experiment.join(&entry.folder));
        if !RunFolder::is_run(run.path()) {
            continue;
        }
        // A run that began under another experiment comes along.
        entry.folder = run.name();
        let copy = RunFolder::at(to.join(run.name()));
        fs::create_dir_all(copy.path()).at(copy.path())?;
        write_atomic(&copy.lock_path(), &fs::read(run.lock_path()).at(&run.lock_path())?)?;
        let log = read_log(&run.metrics_path())?;
        let archived = compressed(&copy.metrics_path());
        write_atomic(&archived, &zstd::encode_all(log.as_slice(), LEVEL).at(&archived)?)?;
        if run.samples_path().exists() {
            write_atomic(&copy.samples_path(), &fs::read(run.samples_path()).at(&run.samples_path())?)?;
        }
        n_runs += 1;
    }
    fs::create_dir_all(to).at(to)?;
    record.write(to)?;
    Ok(n_runs)
}
