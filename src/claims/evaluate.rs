//! Values of claims on finished runs: each leaf is the mean over replicates of something read off their
//! curves, with its spread over resampled documents (or items of a task) and seeds.

use super::bootstrap::{Bootstrap, Items, half, mean_of};
use super::crossover::{Crossover, Question, Race, crossover};
use super::estimate::{Bounds, Estimate};
use super::onset::{Fall, Onset, onset};
use super::runs::{Place, Runs};
use super::series::{Point, Series};
use crate::check::claims::types::{self, Arithmetic, Measure, Metric, Progress, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which of its points along the axes of `best_over` stands for an arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub arm: String,
    /// `lr=1e-3`
    pub trial: String,
    pub n_trials: usize,
}

/// One claim at one place, being evaluated.
pub struct Evaluation<'r, 'b> {
    pub runs: &'r Runs<'r>,
    /// The points that the claim is about.
    pub points: &'r [usize],
    pub items: Items,
    pub bootstrap: &'b mut Bootstrap,
    /// What `best_over` chose, in the order of the claim.
    pub choices: Vec<Choice>,
    /// Replicates behind the last leaf.
    pub n_replicates: usize,
    /// Arms whose losses are upper bounds, and those whose are exact; scores are neither.
    pub bounds: Vec<String>,
    pub exact: Vec<String>,
    /// What each metric was measured on at the place: all leaves of one metric have to share it.
    pub sets: BTreeMap<Metric, String>,
}

/// What chooses among trials.
#[derive(Clone, Copy)]
enum By {
    Best,
    Last,
}

impl<'r> Evaluation<'r, '_> {
    /// The error says why there is no value.
    pub fn value(&mut self, value: &Value, place: &Place) -> Result<Estimate, String> {
        match value {
            Value::Number(x) | Value::Published { value: x, .. } => Ok(Estimate::constant(*x)),
            Value::Negative(value) => Ok(self.value(value, place)?.negative()),
            Value::Binary { op, left, right } => {
                // Both sides are looked at, so that all missing runs are named.
                let (left, right) = (self.value(left, place), self.value(right, place));
                both(left, right).map(|(left, right)| left.combined(*op, &right))
            }
            Value::Best(measure) => {
                let runs = self.chosen(measure, By::Best, place)?;
                self.mean(&runs, |this, series| this.at_best(series))
            }
            Value::Final(measure) => {
                let runs = self.chosen(measure, By::Last, place)?;
                self.mean(&runs, |this, series| this.at_last(series))
            }
            Value::BestAt(measure, progress) => {
                let runs = self.chosen(measure, By::Best, place)?;
                self.mean(&runs, |this, series| this.place_of_best(series, *progress))
            }
            Value::OnsetAt(measure, progress) => {
                let (_, fall) = self.onset(measure, place)?;
                Ok(fall.onset(*progress))
            }
            Value::Gap(gap) => {
                let of = self.chosen(&gap.measure(&gap.of), By::Last, place);
                let to = self.chosen(&gap.measure(&gap.to), By::Last, place);
                let (of, to) = both(of, to)?;
                let of = self.mean(&of, |this, series| this.at_last(series))?;
                let to = self.mean(&to, |this, series| this.at_last(series))?;
                Ok(of.combined(Arithmetic::Sub, &to))
            }
            Value::CrossingAt(crossover, progress) => match self.race(crossover, place)? {
                (_, Some(race)) => Ok(race.crossing(*progress)),
                (result, None) => Err(match result.verdict {
                    super::Verdict::Undecided { why } => why,
                    other => other.outcome().word().to_owned(),
                }),
            },
        }
    }

    /// The race behind a crossover; there is none where it is undecided from the start.
    pub fn race(&mut self, claim: &types::Crossover, place: &Place) -> Result<(Crossover, Option<Race>), String> {
        let of = self.chosen(&claim.measure(&claim.of), By::Best, place);
        let than = self.chosen(&claim.measure(&claim.than), By::Best, place);
        let (of, than) = both(of, than)?;
        self.n_replicates = of.len();
        let question = Question { of: &claim.of, than: &claim.than, under: claim.under };
        Ok(crossover(question, &of, &than, self.items, self.bootstrap))
    }

    /// From when on an arm overfits.
    pub fn onset(&mut self, measure: &Measure, place: &Place) -> Result<(Onset, Fall), String> {
        let runs = self.chosen(measure, By::Best, place)?;
        self.n_replicates = runs.len();
        onset(&runs, self.bootstrap)
    }

    /// The runs that stand for an arm at a place: all replicates, at the best of its trials.
    fn chosen(&mut self, measure: &Measure, by: By, place: &Place) -> Result<Vec<&'r Series>, String> {
        let Measure { metric, of: arm, each } = measure;
        if each.is_empty() {
            return self.runs.of_arm(arm, metric, self.points, place).map_err(|missing| missing.join("; "));
        }
        let mut open = place.clone();
        for axis in each {
            if let Some(fixed) = open.get_mut(*axis) {
                *fixed = None;
            }
        }
        let fixed: Vec<usize> = (0..self.runs.n_axes()).filter(|axis| !each.contains(axis)).collect();
        let mut trials: Vec<(Place, Vec<&Series>)> = vec![];
        let mut missing = vec![];
        for trial in self.runs.places(self.points, &fixed) {
            let mut trial_place = open.clone();
            for axis in each {
                if let (Some(slot), Some(value)) = (trial_place.get_mut(*axis), trial.get(*axis)) {
                    *slot = *value;
                }
            }
            if !self.runs.has(self.points, &trial_place) {
                continue;
            }
            match self.runs.of_arm(arm, metric, self.points, &trial_place) {
                Ok(runs) => trials.push((trial, runs)),
                Err(names) => missing.extend(names),
            }
        }
        if !missing.is_empty() {
            return Err(missing.join("; "));
        }
        let n_trials = trials.len();
        // Another arm's choice was among as many, or one of them is favoured.
        if let Some(other) = self.choices.iter().find(|choice| choice.n_trials != n_trials) {
            return Err(format!("{n_trials} trials of `{arm}`, but {} of `{}`", other.n_trials, other.arm));
        }
        let score = |runs: &[&Series]| {
            let scores = runs.iter().map(|series| match by {
                By::Best => best_by_choosing_half(series).map_or(f64::NAN, |(_, value)| value),
                By::Last => series.points.last().map_or(f64::NAN, |p| mean_of(&half(&p.items, 0))),
            });
            scores.sum::<f64>() / runs.len() as f64
        };
        for series in trials.iter().flat_map(|(_, runs)| runs) {
            if let Some(why) = series.incomplete() {
                return Err(why);
            }
        }
        let scored =
            trials.into_iter().map(|(trial, runs)| (score(&runs), trial, runs)).filter(|(s, ..)| s.is_finite());
        let best = scored.min_by(|a, b| metric.better_first(a.0, b.0));
        let Some((_, trial, runs)) = best else { return Err(format!("no trial of `{arm}` has a finite {metric}")) };
        let choice = Choice { arm: arm.clone(), trial: self.runs.name(&trial), n_trials };
        if !self.choices.contains(&choice) {
            self.choices.push(choice);
        }
        Ok(runs)
    }

    /// The mean over replicates of what `read` gives for each, reweighted on each resample.
    fn mean(
        &mut self,
        runs: &[&Series],
        read: impl Fn(&mut Self, &Series) -> Result<(f64, Arc<Vec<f64>>), String>,
    ) -> Result<Estimate, String> {
        let mut values = vec![];
        for series in runs {
            self.usable(series)?;
            values.push(read(self, series)?);
        }
        self.n_replicates = runs.len();
        let weights = self.bootstrap.weights(runs.len());
        let value = values.iter().map(|(value, _)| value).sum::<f64>() / runs.len() as f64;
        let resampled = weights
            .iter()
            .enumerate()
            .map(|(b, weights)| {
                let terms = values.iter().zip(weights);
                let sum = terms.map(|((_, means), weight)| weight * means.get(b).copied().unwrap_or(f64::NAN)).sum();
                Bounds::exactly(sum)
            })
            .collect();
        Ok(Estimate { value: Bounds::exactly(value), resampled })
    }

    /// Refuses a run that decides nothing, and notes what kind of loss it has.
    fn usable(&mut self, series: &Series) -> Result<(), String> {
        if let Some(why) = series.incomplete() {
            return Err(why);
        }
        let Some(first) = series.points.first() else { return Err(format!("no evaluation of `{}`", series.title())) };
        if series.points.iter().any(|p| p.items.len() != first.items.len()) {
            return Err(format!(
                "the evaluations of `{}` do not cover the same {}",
                series.title(),
                series.metric.item_word()
            ));
        }
        self.items.enough(series)?;
        let known = self.sets.get(&series.metric);
        match &series.set {
            Some(set) if known.is_none_or(|known| known == set) => {
                self.sets.insert(series.metric.clone(), set.clone());
            }
            _ => return Err(series.differ()),
        }
        if !series.metric.is_loss() {
            return Ok(());
        }
        let noted = if series.exact { &mut self.exact } else { &mut self.bounds };
        if !noted.contains(&series.arm) {
            noted.push(series.arm.clone());
        }
        Ok(())
    }

    fn at(&mut self, series: &Series, point: &Point) -> Result<(f64, Arc<Vec<f64>>), String> {
        let value = mean_of(&self.items.of(point));
        if !value.is_finite() {
            return Err(format!("`{}` has a {} that is not a finite number", series.title(), series.measured()));
        }
        Ok((value, self.bootstrap.means(series, point, self.items)))
    }

    fn at_last(&mut self, series: &Series) -> Result<(f64, Arc<Vec<f64>>), String> {
        match series.points.last() {
            Some(point) => self.at(series, point),
            None => Err(format!("no evaluation of `{}`", series.title())),
        }
    }

    /// The value, on the half that judges, of the evaluation that the other half chose.
    fn at_best(&mut self, series: &Series) -> Result<(f64, Arc<Vec<f64>>), String> {
        match best_by_choosing_half(series) {
            Some((point, _)) => self.at(series, point),
            None => Err(format!("no evaluation of `{}` with a finite {}", series.title(), series.metric)),
        }
    }

    /// How far training was at the best value, on the items as they are and on each resample.
    fn place_of_best(&mut self, series: &Series, progress: Progress) -> Result<(f64, Arc<Vec<f64>>), String> {
        let along = |point: &Point| match progress {
            Progress::Epoch => point.epoch,
            Progress::Tokens => point.tokens as f64,
            Progress::Step => point.step as f64,
        };
        // Smaller is better, whichever way the metric goes.
        let sign = if series.metric.lower_is_better() { 1.0 } else { -1.0 };
        let mut best = vec![(f64::INFINITY, f64::NAN); super::N_RESAMPLES];
        let mut value = (f64::INFINITY, f64::NAN);
        for point in &series.points {
            let (y, x) = (sign * mean_of(&self.items.of(point)), along(point));
            if y < value.0 {
                value = (y, x);
            }
            let means = self.bootstrap.means(series, point, self.items);
            for (best, mean) in best.iter_mut().zip(&*means) {
                if sign * mean < best.0 {
                    *best = (sign * mean, x);
                }
            }
        }
        if value.1.is_nan() {
            return Err(format!("no evaluation of `{}` with a finite {}", series.title(), series.metric));
        }
        Ok((value.1, Arc::new(best.into_iter().map(|(_, x)| x).collect())))
    }
}

/// The evaluation with the best value on items 0, 2, 4, ..., and that value; the earliest of equals.
pub fn best_by_choosing_half(series: &Series) -> Option<(&Point, f64)> {
    let finite = |point: &&Point| point.items.iter().flatten().all(|x| x.is_finite());
    let scored = series.points.iter().filter(finite).map(|point| (point, mean_of(&half(&point.items, 0))));
    scored.filter(|(_, value)| value.is_finite()).min_by(|a, b| series.metric.better_first(a.1, b.1))
}

/// Both, or all that is wrong with either.
pub fn both<A, B>(a: Result<A, String>, b: Result<B, String>) -> Result<(A, B), String> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(a), Err(b)) if a != b => Err(format!("{a}; {b}")),
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}
