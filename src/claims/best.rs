//! The other reading of a race: each arm's best checkpoint, chosen on one half of the documents (or items
//! of a task) and reported on the other, so that the choice does not flatter the figure. With replicates
//! each has a best checkpoint of its own, and their mean is compared.

use super::bootstrap::{Bootstrap, Interval, Items, interval, mean_of};
use super::evaluate::best_by_choosing_half;
use super::series::{Completion, Point, Series};
use crate::check::claims::types::Metric;

/// An arm's best checkpoint and its value on the items that did not choose it, or its last and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub arm: String,
    pub exact: bool,
    /// One for each replicate.
    pub steps: Vec<u64>,
    pub epochs: Vec<f64>,
    pub value: f64,
    pub interval: Interval,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BestAgainstBest {
    pub metric: Metric,
    pub of: Best,
    pub than: Best,
    /// `of` minus `than`, paired over the same items.
    pub difference: f64,
    pub interval: Interval,
    /// In the half that reports.
    pub n_items: usize,
    /// Whether all runs are finished: the best so far is not the best.
    pub complete: bool,
}

impl BestAgainstBest {
    fn of_is_ahead(&self) -> bool {
        if self.metric.lower_is_better() { self.difference < 0.0 } else { self.difference > 0.0 }
    }

    /// The arm with the better value, by how much, and whether the interval excludes zero.
    pub fn ahead(&self) -> (&Best, f64, bool) {
        let clear = !self.interval.contains(0.0);
        (if self.of_is_ahead() { &self.of } else { &self.than }, self.difference.abs(), clear)
    }

    /// The interval of the gap of the arm that is ahead.
    pub fn gap_interval(&self) -> Interval {
        let Interval { low, high } = self.interval;
        if self.difference < 0.0 { Interval { low: -high, high: -low } } else { self.interval }
    }

    /// What the gap says about the true likelihoods: a bound can only come down.
    /// `(at most | at least | neither)` for the gap of the arm that is ahead.
    pub fn gap_words(&self) -> &'static str {
        let (lower, upper) = if self.difference < 0.0 { (&self.of, &self.than) } else { (&self.than, &self.of) };
        match (lower.exact, upper.exact) {
            (true, false) => "at most ",
            (false, true) => "at least ",
            (true, true) | (false, false) => "",
        }
    }
}

/// Chooses on items 0, 2, 4, ... and reports on 1, 3, 5, ... . The error is the reason it cannot.
/// `of` and `than` are the replicates of two arms, in one order, on one metric.
pub fn best_against_best(
    of: &[&Series],
    than: &[&Series],
    bootstrap: &mut Bootstrap,
) -> Result<BestAgainstBest, String> {
    let (p, q) = (choose(of)?, choose(than)?);
    let Some((first_series, first)) = p.first().copied() else { return Err("no run".into()) };
    let alike = |(series, point): &(&Series, &Point)| {
        point.items.len() == first.items.len() && series.set.is_some() && series.set == first_series.set
    };
    let metric = first_series.metric.clone();
    if p.len() != q.len() || !p.iter().chain(&q).all(alike) {
        return Err(format!("the runs were evaluated on different {}", metric.item_word()));
    }
    let n_items = Items::JudgingHalf.of(first).len();
    if n_items < 2 {
        return Err(format!("{} {} are too few to halve", first.items.len(), metric.item_word()));
    }
    let (p_best, p_means) = report(&p, Items::JudgingHalf, bootstrap);
    let (q_best, q_means) = report(&q, Items::JudgingHalf, bootstrap);
    let paired = p_means.iter().zip(&q_means).map(|(p, q)| p - q).collect();
    Ok(BestAgainstBest {
        metric,
        difference: p_best.value - q_best.value,
        of: p_best,
        than: q_best,
        interval: interval(paired),
        n_items,
        complete: of.iter().chain(than).all(|series| series.completion == Completion::Finished),
    })
}

fn choose<'a>(runs: &[&'a Series]) -> Result<Vec<(&'a Series, &'a Point)>, String> {
    let best = |series: &&'a Series| match best_by_choosing_half(series) {
        Some((point, _)) => Ok((*series, point)),
        None => Err(format!("no evaluation of `{}` with a finite {}", series.title(), series.metric)),
    };
    runs.iter().map(best).collect()
}

/// The best checkpoint of the replicates of an arm, whatever there is of a run that is not finished.
pub fn best_of(runs: &[&Series], bootstrap: &mut Bootstrap) -> Result<Best, String> {
    let chosen = choose(runs)?;
    match chosen.iter().map(|(_, point)| point.items.len()).min() {
        Some(2..) => Ok(report(&chosen, Items::JudgingHalf, bootstrap).0),
        n => Err(format!(
            "{} {} are too few to halve",
            n.unwrap_or(0),
            runs.first().map_or("", |s| s.metric.item_word())
        )),
    }
}

/// The last evaluation of the replicates of an arm, on all items.
pub fn last_of(runs: &[&Series], bootstrap: &mut Bootstrap) -> Result<Best, String> {
    let last = |series: &&Series| match series.last() {
        Some(_) => Ok(()),
        None => Err(format!("no evaluation of `{}` yet ({})", series.title(), series.completion.words())),
    };
    runs.iter().try_for_each(last)?;
    let points: Vec<(&Series, &Point)> = runs.iter().filter_map(|series| Some((*series, series.last()?))).collect();
    Ok(report(&points, Items::All, bootstrap).0)
}

fn report(runs: &[(&Series, &Point)], items: Items, bootstrap: &mut Bootstrap) -> (Best, Vec<f64>) {
    let weights = bootstrap.weights(runs.len());
    let mut means = vec![0.0; weights.len()];
    let mut value = 0.0;
    for (r, (series, point)) in runs.iter().enumerate() {
        let own = bootstrap.means(series, point, items);
        for ((sum, weights), mean) in means.iter_mut().zip(&*weights).zip(&*own) {
            *sum += weights.get(r).copied().unwrap_or(0.0) * mean;
        }
        value += mean_of(&items.of(point)) / runs.len() as f64;
    }
    let best = Best {
        arm: runs.first().map_or(String::new(), |(series, _)| series.arm.clone()),
        exact: runs.iter().all(|(series, _)| series.exact),
        steps: runs.iter().map(|(_, point)| point.step).collect(),
        epochs: runs.iter().map(|(_, point)| point.epoch).collect(),
        value,
        interval: interval(means.clone()),
    };
    (best, means)
}
