//! `runs/<experiment>/<arm>-<point>-<id>/`: where a run keeps its lock, log, checkpoints and samples, and
//! what its id is made of.

use super::error::{At, Result};
use super::lock::Lock;
use super::log::MetricsLog;
use super::metrics::EndReason;
use crate::check::spec::{Arm, FlatField};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Fields of the flattened spec that can change neither a weight nor a metric: names, citations,
/// claims, paths, device, how often the state is saved, how text is drawn; and what only counts other fields. A
/// path is excluded with all below it.
const NOT_IN_ID: &[&str] = &[
    "name",
    "cite",
    "expect",
    "device",
    "data.name",
    "data.source",
    "data.files",
    "train.checkpoint_every",
    "train.checkpoint_keep",
    // The same operations run, some of them twice.
    "train.memory",
    // Which state that is, `start.*` says.
    "train.start",
    "data.valid_source",
    "data.tokenizer.file",
    "data.hash",
    "data.corpus",
    "eval.times",
    "objective.sampler",
];

/// Sixteen hexadecimal digits: one accidental collision is due after some four billion runs.
const ID_DIGITS: usize = 16;

/// The id of the run of this arm on this data: a hash of exactly what can change weights or metrics.
/// The text of the data is in `data_hash`; where it was read from is not part of it.
///
/// Assumes that `arm.flat` speaks for the whole arm: what it leaves out cannot tell two runs apart.
pub fn run_id(arm: &Arm, data_hash: &str) -> String {
    id_of_fields(&arm.flat, data_hash)
}

pub(super) fn id_of_fields(flat: &[FlatField], data_hash: &str) -> String {
    let mut fields: Vec<(&str, &str)> =
        flat.iter().filter(|f| is_in_id(&f.path)).map(|f| (f.path.as_str(), f.value.as_str())).collect();
    fields.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"dlmc run v1");
    let mut put = |text: &str| {
        // A length before each text, or ("ab", "c") and ("a", "bc") would be one run.
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    for (path, value) in fields {
        put(path);
        put(value);
    }
    put("data");
    put(data_hash);
    hasher.finalize().to_hex().chars().take(ID_DIGITS).collect()
}

/// Files of texts and items that are measured: known by what is in them.
fn is_measured_file(path: &str) -> bool {
    let parts: Vec<&str> = path.split('.').collect();
    matches!(parts.as_slice(), ["eval", "tasks", _, "file" | "shots_from"] | ["eval", "corpora", _, "source"])
}

pub(super) fn is_in_id(path: &str) -> bool {
    if is_measured_file(path) {
        return false;
    }
    !NOT_IN_ID.iter().any(|out| path.strip_prefix(out).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Longest part of a folder's name before the id; file systems take 255 bytes in all.
const MAX_NAME: usize = 120;

/// What the folder of a variant's run is called before the id: `mdm`, `mdm-unique=0.5B,lr=1e-3`. For people;
/// which run it is the id and the lock say.
pub fn run_name(arm: &Arm) -> String {
    if arm.point.is_only() {
        return arm.name.clone();
    }
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._=,+-".contains(c) { c } else { '_' };
    format!("{}-{}", arm.name, arm.point).chars().map(safe).take(MAX_NAME).collect()
}

/// The folder of one run. Holding one says nothing about what is in it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Where the folder of a run is to stand.
    pub fn of(runs: &Path, experiment: &str, name: &str, id: &str) -> RunFolder {
        RunFolder { path: runs.join(experiment).join(format!("{name}-{id}")) }
    }

    /// The folder of a run, made if it is not there.
    pub fn create(runs: &Path, experiment: &str, name: &str, id: &str) -> Result<RunFolder> {
        let run = RunFolder::of(runs, experiment, name, id);
        run.make()?;
        Ok(run)
    }

    /// Makes the folder if it is not there.
    pub fn make(&self) -> Result<()> {
        let checkpoints = self.checkpoints_path();
        fs::create_dir_all(&checkpoints).at(&checkpoints)
    }

    /// Whether the run reached its budget, so that there is nothing left to train.
    pub fn is_finished(&self) -> Result<bool> {
        let ends = super::log::read_ends(&self.metrics_path())?;
        Ok(ends.iter().any(|end| end.reason == EndReason::Finished))
    }

    /// An existing folder, taken as it is.
    pub fn at(path: impl Into<PathBuf>) -> RunFolder {
        RunFolder { path: path.into() }
    }

    /// The run with this id under any experiment: one run serves every experiment that contains it.
    /// With several, the first by name.
    pub fn find(runs: &Path, id: &str) -> Option<RunFolder> {
        let ending = format!("-{id}");
        let mut found: Vec<PathBuf> = sub_folders(runs)
            .iter()
            .flat_map(|experiment| sub_folders(experiment))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&ending)))
            .collect();
        found.sort();
        found.into_iter().next().map(RunFolder::at)
    }

    /// Whether a folder holds what a run writes.
    pub fn is_run(path: &Path) -> bool {
        path.join("metrics.jsonl").exists() || path.join("spec.lock.ron").exists()
    }

    /// All runs under all experiments by id, looked through once; of several with one id the first by name.
    pub fn by_id(runs: &Path) -> BTreeMap<String, RunFolder> {
        let mut all: Vec<PathBuf> = sub_folders(runs).iter().flat_map(|experiment| sub_folders(experiment)).collect();
        all.sort();
        let mut found = BTreeMap::new();
        for run in all.into_iter().map(RunFolder::at) {
            let id = run.id();
            let is_id = id.len() == ID_DIGITS && id.chars().all(|c| c.is_ascii_hexdigit());
            if is_id {
                found.entry(id).or_insert(run);
            }
        }
        found
    }

    /// Every run of an experiment's folder, by name.
    pub fn list(experiment: &Path) -> Vec<RunFolder> {
        let mut all: Vec<PathBuf> =
            sub_folders(experiment).into_iter().filter(|path| RunFolder::is_run(path)).collect();
        all.sort();
        all.into_iter().map(RunFolder::at).collect()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `<arm>-<point>-<id>`
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What the name ends in.
    pub fn id(&self) -> String {
        let name = self.name();
        name.rsplit_once('-').map_or(name.clone(), |(_, id)| id.to_owned())
    }

    pub fn lock_path(&self) -> PathBuf {
        self.path.join("spec.lock.ron")
    }

    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub fn checkpoints_path(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    pub fn samples_path(&self) -> PathBuf {
        self.path.join("samples.txt")
    }

    pub fn write_lock(&self, lock: &Lock) -> Result<()> {
        lock.write(&self.lock_path())
    }

    pub fn read_lock(&self) -> Result<Lock> {
        Lock::read(&self.lock_path())
    }

    /// The log, ready to append; a torn last line is cut off.
    pub fn open_log(&self) -> Result<MetricsLog> {
        MetricsLog::open(&self.metrics_path())
    }

    pub fn write_samples(&self, text: &str) -> Result<()> {
        write_atomic(&self.samples_path(), text.as_bytes())
    }
}

fn sub_folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![] };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Writes a whole file or nothing: a temporary beside it, synced, then renamed over it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).at(folder)?;
    temporary.write_all(bytes).at(path)?;
    temporary.as_file().sync_all().at(path)?;
    // A temporary is readable by its owner alone; a run's files are for everyone to read.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644)).at(path)?;
    }
    temporary.persist(path).map_err(|e| e.error).at(path)?;
    sync_folder(folder)
}

/// Makes a rename in this folder last through a power cut.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    fs::File::open(folder).and_then(|f| f.sync_all()).at(folder)?;
    let _ = folder;
    Ok(())
}
