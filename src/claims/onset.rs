//! From which evaluation on a run overfits: its metric stays significantly worse than at its best evaluation, up
//! to the start of the learning-rate decay (which moves an overfitted model's loss by itself). One half of the
//! documents, or items of a task, chooses the best evaluation and the other half judges, since a best that is
//! chosen and judged on the same ones is too good by what it owes to them.
#![allow(clippy::indexing_slicing)] // one vector per evaluation, all of one length, made here

use super::bootstrap::{Bootstrap, Interval, Items, half, interval, mean_of};
use super::estimate::{Bounds, Estimate};
use super::series::{Point, Series};
use crate::check::claims::types::{Metric, Progress};

/// How far training was at an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub step: u64,
    pub tokens: u64,
    pub epoch: f64,
}

impl Place {
    fn of(point: &Point) -> Place {
        Place { step: point.step, tokens: point.tokens, epoch: point.epoch }
    }

    pub fn along(self, progress: Progress) -> f64 {
        match progress {
            Progress::Epoch => self.epoch,
            Progress::Tokens => self.tokens as f64,
            Progress::Step => self.step as f64,
        }
    }
}

/// The metric at one evaluation against the best one, on the half that judges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decline {
    pub place: Place,
    /// Above 0 where it is worse than at the best evaluation, whichever way the metric goes.
    pub by: f64,
    pub interval: Interval,
    pub in_decay: bool,
}

impl Decline {
    pub fn is_clear(&self) -> bool {
        self.interval.low > 0.0
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Onset {
    pub arm: String,
    pub metric: Metric,
    /// The evaluation that one half of the items chose, among those before the decay.
    pub best: Place,
    /// The first evaluation from which all are clearly worse; `None`: none up to `last`.
    pub from: Option<Place>,
    /// In epochs; either end may be infinite, which is later than the last evaluation before the decay.
    pub interval: Interval,
    /// The last evaluation before the learning rate falls.
    pub last: Place,
    /// One for each evaluation, the best among them.
    pub declines: Vec<Decline>,
    /// In the half that judges.
    pub n_items: usize,
    pub n_replicates: usize,
}

/// The declines on every resample.
#[derive(Clone, Debug)]
pub struct Fall {
    /// Evaluations after the best one and before the decay, with the last of those that are not after it.
    places: Vec<Place>,
    last: Place,
    /// The index in `places` at which it sets in.
    value: Option<usize>,
    resampled: Vec<Option<usize>>,
}

impl Fall {
    /// Later than the last evaluation where it does not set in.
    pub fn onset(&self, progress: Progress) -> Estimate {
        let bounds = |index: &Option<usize>| match index.and_then(|i| self.places.get(i)) {
            Some(place) => Bounds::exactly(place.along(progress)),
            None => Bounds { low: self.last.along(progress), high: f64::INFINITY },
        };
        Estimate { value: bounds(&self.value), resampled: self.resampled.iter().map(bounds).collect() }
    }
}

/// Finds the onset on the mean of the replicates of an arm. The error says why it cannot be known.
pub fn onset(runs: &[&Series], bootstrap: &mut Bootstrap) -> Result<(Onset, Fall), String> {
    let first = comparable(runs)?;
    let n_before = (0..first.points.len()).take_while(|e| runs.iter().all(|run| !run.points[*e].in_decay)).count();
    if n_before == 0 {
        return Err(format!("every evaluation of `{}` lies inside the learning-rate decay", first.title()));
    }
    let sign = if first.metric.lower_is_better() { 1.0 } else { -1.0 };
    let chooses = |e: &usize| runs.iter().map(|run| sign * mean_of(&half(&run.points[*e].items, 0))).sum::<f64>();
    // The first element is there, and the earliest of equals is taken.
    let best = (0..n_before).min_by(|a, b| chooses(a).total_cmp(&chooses(b))).unwrap_or(0);
    let weights = bootstrap.weights(runs.len());
    let mut at = |e: usize| -> (f64, Vec<f64>) {
        let mut resampled = vec![0.0; weights.len()];
        let mut value = 0.0;
        for (r, run) in runs.iter().enumerate() {
            let point = &run.points[e];
            let means = bootstrap.means(run, point, Items::JudgingHalf);
            for ((sum, weights), mean) in resampled.iter_mut().zip(&*weights).zip(&*means) {
                *sum += sign * weights[r] * mean;
            }
            value += sign * mean_of(&Items::JudgingHalf.of(point)) / runs.len() as f64;
        }
        (value, resampled)
    };
    let (best_value, best_resampled) = at(best);
    let mut declines = vec![];
    let mut resampled: Vec<Vec<f64>> = vec![];
    for (e, point) in first.points.iter().enumerate() {
        let (value, mut by) = at(e);
        by.iter_mut().zip(&best_resampled).for_each(|(own, best)| *own -= best);
        let in_decay = e >= n_before;
        declines.push(Decline {
            place: Place::of(point),
            by: value - best_value,
            interval: interval(by.clone()),
            in_decay,
        });
        resampled.push(by);
    }
    let after = best + 1..n_before;
    // A decline is clear where it exceeds its own lower half-width; a resample has to exceed the same.
    let margins: Vec<f64> = declines.iter().map(|d| d.by - d.interval.low).collect();
    let sets_in = |clear: &dyn Fn(usize) -> bool| {
        let n_clear = after.clone().rev().take_while(|e| clear(*e)).count();
        (n_clear > 0).then(|| after.len() - n_clear)
    };
    let last = Place::of(&first.points[n_before - 1]);
    let fall = Fall {
        places: after.clone().map(|e| declines[e].place).collect(),
        last,
        value: sets_in(&|e| declines[e].is_clear()),
        resampled: (0..weights.len()).map(|b| sets_in(&|e| resampled[e][b] > margins[e])).collect(),
    };
    let found = Onset {
        arm: first.arm.clone(),
        metric: first.metric.clone(),
        best: Place::of(&first.points[best]),
        from: fall.value.and_then(|i| fall.places.get(i).copied()),
        interval: fall.onset(Progress::Epoch).interval(),
        last,
        declines,
        n_items: Items::JudgingHalf.of(&first.points[best]).len(),
        n_replicates: runs.len(),
    };
    Ok((found, fall))
}

/// The first of runs that can be averaged evaluation by evaluation.
fn comparable<'a>(runs: &[&'a Series]) -> Result<&'a Series, String> {
    let Some(first) = runs.first().copied() else { return Err("no run".into()) };
    if let Some(why) = runs.iter().find_map(|run| run.incomplete()) {
        return Err(why);
    }
    let steps = |run: &Series| run.points.iter().map(|p| (p.step, p.tokens)).collect::<Vec<_>>();
    let n_items = first.points.first().map_or(0, |p| p.items.len());
    for run in runs {
        if run.points.is_empty() {
            return Err(format!("no evaluation of `{}`", run.title()));
        }
        if run.set.is_none() || run.set != first.set {
            return Err(first.differ());
        }
        if run.points.iter().any(|p| p.items.len() != n_items) {
            return Err(format!(
                "the evaluations of `{}` do not cover the same {}",
                run.title(),
                run.metric.item_word()
            ));
        }
        if run.points.iter().flat_map(|p| &p.items).any(|item| !item[0].is_finite() || item[1] <= 0.0) {
            return Err(format!("`{}` has a {} that is not a finite number", run.title(), run.measured()));
        }
        if steps(run) != steps(first) {
            return Err("the runs were not evaluated at the same steps".into());
        }
    }
    Items::JudgingHalf.enough(first)?;
    Ok(first)
}
