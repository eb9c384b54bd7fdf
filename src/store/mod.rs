//! The run folder: lock, metrics log, checkpoints. Tensors cross as name, dtype, shape, bytes.
pub mod archive;
pub mod checkpoint;
pub mod claims;
pub mod error;
pub mod experiment;
pub mod hold;
pub mod lock;
pub mod log;
pub mod metrics;
pub mod parent;
pub mod resume;
pub mod run_folder;

pub use checkpoint::{
    DType, Kept, Newest, SavedCheckpoint, TensorData, checkpoints, latest_checkpoint, newest_checkpoint,
    read_checkpoint, verify_checkpoint, write_checkpoint, write_tensors,
};
pub use error::{Result, StoreError};
pub use experiment::{AxisRecord, ExperimentRecord, RunEntry};
pub use hold::{Hold, hold_experiment};
pub use lock::{Environment, Lock, LockDifference, LockField, LockSetting, Parent, SpecSource};
pub use log::{MetricsLog, read_ends, read_metrics, truncate_after};
pub use resume::{Accept, Mismatch, MismatchKind};
pub use run_folder::{RunFolder, run_id, run_name};

#[cfg(test)]
mod tests;
