//! Training one arm: data, weights and compiled step together ([`setup`]), one optimizer step at a
//! time ([`step`]), the run with its evaluations, log and checkpoints ([`run`]).

pub mod checkpoint;
pub mod progress;
pub mod run;
pub mod setup;
pub mod step;

pub use progress::Watch;
pub use run::{From, Limits, RunResult, run};
pub use setup::{Setup, SetupError};
pub use step::{StepError, Stepper};
