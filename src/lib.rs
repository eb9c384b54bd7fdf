//! dlmc compiles language-model pre-training experiments: a spec file in, trained arms and a verdict out.
//!
//! One folder per stage, arrows one way (`tests/layering.rs` holds the table): text → [`ast`] →
//! [`resolve`] → [`check`] → [`graph`] → [`analyze`] → [`program`] → `lower` → `train` → [`store`] →
//! [`claims`] → [`report`].

pub mod analyze;
pub mod ast;
pub mod base;
pub mod check;
pub mod claims;
pub mod cli;
pub mod data;
pub mod decode;
pub mod graph;
pub mod objective;
pub mod optimize;
pub mod program;
pub mod reference;
pub mod report;
pub mod resolve;
pub mod runner;
pub mod store;
pub mod syntax;

#[cfg(feature = "torch")]
pub mod cli_torch;
#[cfg(feature = "torch")]
pub mod eval;
#[cfg(feature = "torch")]
pub mod lower;
#[cfg(feature = "torch")]
pub mod sample;
#[cfg(feature = "torch")]
pub mod train;
