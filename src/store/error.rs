//! What can go wrong between a run and its folder. Facts only; the message is the whole story.

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
}

impl StoreError {
    pub(super) fn checkpoint(path: &Path, message: impl Into<String>) -> StoreError {
        StoreError::Checkpoint { path: path.to_owned(), message: message.into() }
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
