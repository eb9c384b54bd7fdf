//! Whether a claim of the spec held: validation curves, paired bootstrap over documents, verdicts.
//! Reads records only; words and pictures are the report's.
pub mod best;
pub mod bootstrap;
pub mod crossover;
pub mod series;

pub use best::{Best, BestAgainstBest, best_against_best};
pub use bootstrap::{Interval, N_RESAMPLES};
pub use crossover::{Crossover, Difference, Outcome, Question, Side, Verdict, crossover};
pub use series::{Completion, Point, Series};

#[cfg(test)]
mod tests;
