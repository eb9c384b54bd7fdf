//! What is read off each arm alone at each place of a sweep, for every metric that it measured: its best and its
//! last evaluation, and from when on it overfits. Claims need none of this to be written; a report shows it.

use super::best::{Best, best_of, last_of};
use super::bootstrap::Bootstrap;
use super::onset::{Onset, onset};
use super::runs::Runs;
use crate::check::claims::types::Metric;

/// One arm, one place, one metric; of replicates the mean.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `unique=0.5B`; empty without a sweep.
    pub place: String,
    pub arm: String,
    pub metric: Metric,
    /// Chosen on one half of the items, judged on the other. The error is why there is none.
    pub best: Result<Best, String>,
    /// On all items.
    pub last: Result<Best, String>,
    pub onset: Result<Onset, String>,
}

/// Place by place, arm by arm, `loss(valid)` first. What is missing is there with its reason.
pub fn readings(runs: &Runs<'_>, arms: &[String], n_points: usize, bootstrap: &mut Bootstrap) -> Vec<Reading> {
    let all: Vec<usize> = (0..n_points).collect();
    let metrics = runs.metrics();
    let mut readings = vec![];
    for place in runs.places(&all, &[]) {
        for arm in arms {
            for metric in &metrics {
                let found = runs.of_arm(arm, metric, &all, &place).map_err(|missing| missing.join("; "));
                readings.push(Reading {
                    place: runs.name(&place),
                    arm: arm.clone(),
                    metric: metric.clone(),
                    best: found.clone().and_then(|series| best_of(&series, bootstrap)),
                    last: found.clone().and_then(|series| last_of(&series, bootstrap)),
                    onset: found.and_then(|series| onset(&series, bootstrap).map(|(onset, _)| onset)),
                });
            }
        }
    }
    readings
}
