//! Commands that need libtorch.
pub mod bench;
pub mod export;
pub mod run;
pub mod sample;
