//! The run folder: lock, metrics log, checkpoints. Tensors cross as name, dtype, shape, bytes.
pub mod metrics;
