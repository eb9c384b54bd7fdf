//! Whether the claims of the spec held: validation curves, paired bootstrap over documents and seeds,
//! verdicts. Reads records only; words and pictures are the report's.
pub mod best;
pub mod bootstrap;
pub mod crossover;
pub mod estimate;
pub mod evaluate;
pub mod judge;
pub mod outcome;
pub mod runs;
pub mod series;

pub use best::{Best, BestAgainstBest, best_against_best};
pub use bootstrap::{Bootstrap, Documents, Interval, MIN_REPLICATES, N_RESAMPLES};
pub use crossover::{Crossover, Difference, Question, Side, Verdict, crossover};
pub use estimate::Bounds;
pub use evaluate::Choice;
pub use judge::{ClaimResult, Evidence, Figure, PlaceResult, judge};
pub use outcome::Outcome;
pub use runs::{Runs, Slot};
pub use series::{Completion, Point, Series};

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod tests;
