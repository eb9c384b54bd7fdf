//! Whether the claims of the spec held: curves of metrics, paired bootstrap over documents or items and seeds,
//! verdicts. Reads records only; words and pictures are the report's.
pub mod best;
pub mod bootstrap;
pub mod crossover;
pub mod estimate;
pub mod evaluate;
pub mod fit;
pub mod judge;
pub mod onset;
pub mod outcome;
pub mod readings;
pub mod runs;
pub mod series;

pub use best::{Best, BestAgainstBest, best_against_best};
pub use bootstrap::{Bootstrap, Interval, Items, MIN_REPLICATES, N_RESAMPLES};
pub use crossover::{Crossover, Difference, Question, Side, Verdict, crossover};
pub use estimate::Bounds;
pub use evaluate::Choice;
pub use judge::{ClaimResult, Evidence, Figure, PlaceResult, judge};
pub use onset::{Decline, Onset, onset};
pub use outcome::Outcome;
pub use readings::{Reading, readings};
pub use runs::{Runs, Slot};
pub use series::{Completion, Curves, Point, Series};

#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod metric_tests;
#[cfg(test)]
mod tests;
