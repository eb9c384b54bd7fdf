//! Whether a run may go on in a folder: its lock has to be of the same run, and, unless that is accepted, the
//! code, libtorch, device and thread count that continue it have to be those that began it. Only then is the
//! continued run the uninterrupted one, bit for bit on a CPU.

use super::error::{Result, StoreError};
use super::lock::{Environment, Lock, LockDifference};
use super::run_folder::{RunFolder, is_in_id};

/// Which changes of the environment a continuation may bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accept {
    /// Another dlmc or another libtorch.
    pub code: bool,
    /// Another thread count.
    pub threads: bool,
    /// Another device.
    pub device: bool,
}

/// A lock that is there and another one that was to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub folder: String,
    /// `left`: what the folder's lock says; `right`: what was to run.
    pub differences: Vec<LockDifference>,
    pub kind: MismatchKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MismatchKind {
    /// The folder holds another run.
    AnotherRun,
    /// The same run in another environment; what would have to be accepted.
    Environment(Accept),
}

impl std::error::Error for Mismatch {}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            MismatchKind::AnotherRun => write!(f, "the lock in `{}` is of another run", self.folder)?,
            MismatchKind::Environment(_) => write!(f, "`{}` was begun in another environment", self.folder)?,
        }
        let width = self.differences.iter().map(|d| d.path.chars().count()).max().unwrap_or(0);
        for difference in &self.differences {
            let [left, right] =
                [&difference.left, &difference.right].map(|side| side.as_deref().unwrap_or("(nothing)"));
            write!(f, "\n  {:<width$}  {left}  in the folder, {right} now", difference.path)?;
        }
        match self.kind {
            MismatchKind::AnotherRun => f.write_str(
                "\n  = note: nothing was changed\n  = help: move the folder away, and the run begins anew; `dlmc diff` shows \
                 the locks whole",
            ),
            MismatchKind::Environment(needed) => {
                f.write_str("\n  = note: nothing was changed; the rest of the run would not be what it would have been")?;
                let words = needed.words();
                let accept: Vec<String> = words.iter().map(|word| format!("--accept {word}")).collect();
                write!(f, "\n  = help: go on as it was begun, or accept the change: {}", accept.join(" "))
            }
        }
    }
}

impl Accept {
    pub const ALL: Accept = Accept { code: true, threads: true, device: true };

    /// As they are written on the command line.
    pub fn words(self) -> Vec<&'static str> {
        let all = [(self.code, "code"), (self.threads, "threads"), (self.device, "device")];
        all.into_iter().filter_map(|(given, word)| given.then_some(word)).collect()
    }

    fn covers(self, needed: Accept) -> bool {
        (self.code || !needed.code) && (self.threads || !needed.threads) && (self.device || !needed.device)
    }
}

/// What the folder's lock says of the run that is to go on there. `None`: it has no lock, and nothing that would need
/// one. Refused: a lock of another run, or none beside checkpoints.
pub fn same_run(folder: &RunFolder, lock: &Lock) -> Result<Option<Lock>> {
    if !folder.lock_path().exists() {
        if super::checkpoints(&folder.checkpoints_path()).is_empty() {
            return Ok(None);
        }
        let message = "it is missing, and the folder has checkpoints: whose they are cannot be known".into();
        return Err(StoreError::Lock { path: folder.lock_path(), message });
    }
    let found = folder.read_lock()?;
    let differences: Vec<LockDifference> =
        found.identity_differences(lock).into_iter().filter(|d| d.path.starts_with('(') || is_in_id(&d.path)).collect();
    if differences.is_empty() {
        return Ok(Some(found));
    }
    Err(mismatch(folder, differences, MismatchKind::AnotherRun))
}

/// The lock of a continuation from `step`: the folder's own, which remembers the environments it has seen.
pub fn continued(folder: &RunFolder, mut found: Lock, now: &Lock, step: u64, accept: Accept) -> Result<Lock> {
    let (before, after) = (found.environment(), now.environment());
    // Locks of before devices were noted have none.
    let device = !found.device.is_empty() && before.device != after.device;
    let needed = Accept {
        code: before.code != after.code || before.libtorch != after.libtorch,
        threads: before.threads != after.threads,
        device,
    };
    if !accept.covers(needed) {
        let differences = before.differences(&after).into_iter().filter(|d| device || d.path != "(device)").collect();
        return Err(mismatch(folder, differences, MismatchKind::Environment(needed)));
    }
    if needed != Accept::default() {
        found.earlier.push(Environment { until_step: step, ..before });
    }
    found.code = after.code;
    found.libtorch = after.libtorch;
    found.threads = after.threads;
    found.device = after.device;
    Ok(found)
}

fn mismatch(folder: &RunFolder, differences: Vec<LockDifference>, kind: MismatchKind) -> StoreError {
    let folder = folder.path().display().to_string();
    StoreError::Mismatch(Box::new(Mismatch { folder, differences, kind }))
}
