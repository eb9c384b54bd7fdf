//! The runs of an experiment as processes: one for each run, several at a time if that is asked for, watched and ended
//! together. What a run is stands in a [`Job`]; how it trains is the worker's to know.

pub mod job;
pub mod pool;
pub mod table;

pub use job::{Event, Job};
pub use pool::{Outcome, Policy, Pool, Task};
pub use table::Table;

/// Threads for each of so many runs at a time: they share what there is, and each has one at least.
pub fn threads_each(all: usize, jobs: usize) -> usize {
    (all / jobs.max(1)).max(1)
}

#[cfg(test)]
mod tests;
