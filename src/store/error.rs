//! What can go wrong between a run and its folder. Facts only; the message is the whole story.

use super::resume::Mismatch;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}: not a record: {message}", path.display())]
    Record { path: PathBuf, line: usize, message: String },
    #[error("{}: not a lock: {message}", path.display())]
    Lock { path: PathBuf, message: String },
    #[error("{}: not an experiment's record: {message}", path.display())]
    Experiment { path: PathBuf, message: String },
    #[error("{}: broken checkpoint: {message}", path.display())]
    Checkpoint { path: PathBuf, message: String },
    #[error("another process{} is at work in `{}`", process.map_or(String::new(), |id| format!(" ({id})")), path.display())]
    Busy { path: PathBuf, process: Option<u32> },
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    #[error("{0}")]
    Parent(String),
}

impl StoreError {
    pub(super) fn checkpoint(path: &Path, message: impl Into<String>) -> StoreError {
        StoreError::Checkpoint { path: path.to_owned(), message: message.into() }
    }

    /// What can be done about it, where that is known.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            StoreError::Io { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Some(
                    "make room, then `dlmc run` again; earlier checkpoints are whole, and the run goes on from the last",
                ),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    Some("name a folder that can be written with --out; what was there is as it was")
                }
                ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                    Some("a file stands where a folder is needed: name another folder with --out")
                }
                _ => None,
            },
            StoreError::Busy { .. } => Some("wait for it, or end it; two processes would mix their steps"),
            StoreError::Lock { .. } => {
                Some("nothing was changed; move the run's folder away to begin anew, or put its lock back")
            }
            StoreError::Record { .. }
            | StoreError::Experiment { .. }
            | StoreError::Checkpoint { .. }
            | StoreError::Mismatch(_)
            | StoreError::Parent(_) => None,
        }
    }

    /// The message, and the help below it.
    pub fn with_help(&self) -> String {
        self.help().map_or_else(|| self.to_string(), |help| format!("{self}\n  = help: {help}"))
    }
}

/// Adds the path that an `io::Error` leaves out.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| StoreError::Io { path: path.to_owned(), source })
    }
}
