//! A claim on finished runs: a verdict at each place that it is about, with the numbers behind it, and the
//! verdict of all places together. A place is a point of the sweep without its replicates, without the axis
//! that the claim goes along, and without those that `best_over` chooses from.

use super::bootstrap::{Bootstrap, Interval, Items};
use super::crossover::{Crossover, Verdict};
use super::estimate::{Bounds, Estimate};
use super::evaluate::{Choice, Evaluation, both};
use super::onset::Onset;
use super::outcome::Outcome;
use super::runs::{Place, Runs};
use crate::check::claims::Claim;
use crate::check::claims::types::{Arithmetic, Progress, Quantity, Reads, Relation, Statement, Tolerance, Value};
use std::collections::BTreeMap;

/// A number as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub value: Bounds,
    pub interval: Interval,
    pub quantity: Quantity,
    /// Written in the spec: it has no interval.
    pub constant: bool,
    /// Where it was published.
    pub sources: Vec<String>,
}

/// From one value of an axis to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub from: String,
    pub to: String,
    pub difference: Figure,
    pub outcome: Outcome,
}

/// The numbers behind a verdict.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // one a place of a claim
pub enum Evidence {
    /// There are none, and why.
    Nothing {
        why: String,
    },
    Crossover {
        result: Crossover,
        /// `before`: where it crosses in the limit's unit, and the limit.
        before: Option<(Figure, Figure)>,
    },
    Onset {
        found: Onset,
    },
    Comparison {
        left: Figure,
        right: Figure,
        difference: Figure,
        /// In the quantity of the sides.
        tolerance: Option<f64>,
    },
    Monotone {
        axis: String,
        values: Vec<(String, Figure)>,
        steps: Vec<Step>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlaceResult {
    /// `unique=0.5B`; empty where there is only one.
    pub place: String,
    /// Of the claim as it stands, `no` included.
    pub outcome: Outcome,
    pub evidence: Evidence,
    pub choices: Vec<Choice>,
    /// Behind each number; 0 where there is none.
    pub n_replicates: usize,
    pub remarks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClaimResult {
    /// As the spec writes it.
    pub text: String,
    pub lets: Vec<(String, String)>,
    pub negated: bool,
    pub outcome: Outcome,
    pub places: Vec<PlaceResult>,
}

impl ClaimResult {
    /// Where there are numbers.
    pub fn evident(&self) -> impl Iterator<Item = &PlaceResult> {
        self.places.iter().filter(|place| !matches!(place.evidence, Evidence::Nothing { .. }))
    }

    /// The fewest replicates behind a number of it.
    pub fn n_replicates(&self) -> usize {
        self.evident().map(|place| place.n_replicates).min().unwrap_or(0)
    }

    /// Without replicates the words claim no more than the runs at hand.
    pub fn headline(&self) -> &'static str {
        let n_replicates = self.n_replicates();
        let one_run = n_replicates <= 1 && self.places.len() == 1 && !self.goes_along();
        match (self.outcome, n_replicates >= super::MIN_REPLICATES) {
            (Outcome::Undecided, _) => "undecided",
            (Outcome::Held, true) => "held",
            (Outcome::Failed, true) => "failed",
            (Outcome::Held, false) if one_run => "held in this run",
            (Outcome::Failed, false) if one_run => "failed in this run",
            (Outcome::Held, false) => "held in these runs",
            (Outcome::Failed, false) => "failed in these runs",
        }
    }

    fn goes_along(&self) -> bool {
        self.places.iter().any(|place| matches!(place.evidence, Evidence::Monotone { .. }))
    }
}

/// Judges one claim. Missing and unfinished runs leave their places undecided.
pub fn judge(claim: &Claim, runs: &Runs<'_>, bootstrap: &mut Bootstrap) -> ClaimResult {
    let places: Vec<PlaceResult> = places(claim, runs)
        .iter()
        .map(|place| {
            let mut evaluation = Evaluation {
                runs,
                points: &claim.points,
                items: if claim.chooses() { Items::JudgingHalf } else { Items::All },
                bootstrap: &mut *bootstrap,
                choices: vec![],
                n_replicates: 0,
                bounds: vec![],
                exact: vec![],
                sets: BTreeMap::new(),
            };
            let (outcome, evidence) = match evaluation.statement(&claim.statement, place) {
                Ok(found) => found,
                Err(why) => (Outcome::Undecided, Evidence::Nothing { why }),
            };
            PlaceResult {
                place: runs.name(place),
                outcome: if claim.negated { outcome.turned() } else { outcome },
                remarks: evaluation.remarks(&evidence),
                evidence,
                choices: evaluation.choices,
                n_replicates: evaluation.n_replicates,
            }
        })
        .collect();
    ClaimResult {
        text: claim.text.clone(),
        lets: claim.lets.clone(),
        negated: claim.negated,
        outcome: Outcome::of_all(places.iter().map(|place| place.outcome)),
        places,
    }
}

/// Where the claim says something: along an axis, only places with two values of it.
fn places(claim: &Claim, runs: &Runs<'_>) -> Vec<Place> {
    let reads = claim.statement.reads();
    let chosen_by_all = |axis: &usize| reads.iter().all(|read: &Reads<'_>| read.each().contains(axis));
    let along = claim.statement.along();
    let mut open: Vec<usize> = (0..runs.n_axes()).filter(chosen_by_all).collect();
    open.extend(along);
    let mut places = runs.places(&claim.points, &open);
    if let Some(axis) = along {
        places.retain(|place| runs.values(&claim.points, place, axis).len() > 1);
    }
    places
}

impl Evaluation<'_, '_> {
    /// The verdict without `no`. The error says why there is none.
    fn statement(&mut self, statement: &Statement, place: &Place) -> Result<(Outcome, Evidence), String> {
        match statement {
            Statement::Crossover(crossover) => {
                let (result, _) = self.race(crossover, place)?;
                Ok((result.verdict.outcome(), Evidence::Crossover { result, before: None }))
            }
            Statement::Onset(measure) => {
                let (found, _) = self.onset(measure, place)?;
                let outcome = if found.from.is_some() { Outcome::Held } else { Outcome::Failed };
                Ok((outcome, Evidence::Onset { found }))
            }
            Statement::CrossoverBefore { crossover, limit, unit } => {
                let (result, race) = self.race(crossover, place)?;
                let Some(race) = race else {
                    return Ok((Outcome::Undecided, Evidence::Crossover { result, before: None }));
                };
                let crossing = race.crossing(*unit);
                let Interval { low, high } = crossing.interval();
                let crosses = result.verdict.outcome();
                // A crossing that the runs end too early to show might still come before the limit.
                let too_short = matches!(result.verdict, Verdict::Censored { .. }) && crossing.value.low < *limit;
                let outcome = match crosses {
                    Outcome::Failed if too_short => Outcome::Undecided,
                    Outcome::Held => Outcome::of(high < *limit, low >= *limit),
                    other => other,
                };
                let figure = figure(&crossing, &Value::Number(0.0), unit.quantity());
                let limit = constant(*limit, unit.quantity());
                let figure = Figure { constant: false, ..figure };
                Ok((outcome, Evidence::Crossover { result, before: Some((figure, limit)) }))
            }
            Statement::Compare { left, relation, right, quantity } => {
                let (a, b, difference) = self.sides(left, right, place)?;
                let Interval { low, high } = difference.interval();
                let outcome = match relation {
                    Relation::Less => Outcome::of(high < 0.0, low >= 0.0),
                    Relation::LessOrEqual => Outcome::of(high <= 0.0, low > 0.0),
                    Relation::Greater => Outcome::of(low > 0.0, high <= 0.0),
                    Relation::GreaterOrEqual => Outcome::of(low >= 0.0, high < 0.0),
                    Relation::Different => Outcome::of(low > 0.0 || high < 0.0, low == 0.0 && high == 0.0),
                };
                let difference = figure(&difference, &Value::Number(0.0), *quantity);
                let difference = Figure { constant: false, ..difference };
                let (left, right) = (figure(&a, left, *quantity), figure(&b, right, *quantity));
                Ok((outcome, Evidence::Comparison { left, right, difference, tolerance: None }))
            }
            Statement::Equal { left, right, tolerance, quantity } => {
                let (a, b, difference) = self.sides(left, right, place)?;
                let tolerance = match tolerance {
                    Tolerance::Absolute(x) => *x,
                    Tolerance::Relative(share) => match b.value.number() {
                        Some(x) => share * x.abs(),
                        None => return Err("a share of something that has no value".into()),
                    },
                };
                let Interval { low, high } = difference.interval();
                let outcome = Outcome::of(low >= -tolerance && high <= tolerance, low > tolerance || high < -tolerance);
                let difference = Figure { constant: false, ..figure(&difference, &Value::Number(0.0), *quantity) };
                let (left, right) = (figure(&a, left, *quantity), figure(&b, right, *quantity));
                Ok((outcome, Evidence::Comparison { left, right, difference, tolerance: Some(tolerance) }))
            }
            Statement::Monotone { value, quantity, along, increasing } => {
                self.monotone(value, *quantity, *along, *increasing, place)
            }
        }
    }

    fn sides(&mut self, left: &Value, right: &Value, place: &Place) -> Result<(Estimate, Estimate, Estimate), String> {
        let (a, b) = (self.value(left, place), self.value(right, place));
        let (a, b) = both(a, b)?;
        let difference = a.combined(Arithmetic::Sub, &b);
        if difference.interval().low.is_nan() {
            return Err("a number that is not finite".into());
        }
        Ok((a, b, difference))
    }

    /// Each value against the one before it.
    fn monotone(
        &mut self,
        value: &Value,
        quantity: Quantity,
        along: usize,
        increasing: bool,
        place: &Place,
    ) -> Result<(Outcome, Evidence), String> {
        let mut found: Result<Vec<(String, Estimate)>, String> = Ok(vec![]);
        let mut fewest = usize::MAX;
        for index in self.runs.values(self.points, place, along) {
            let mut here = place.clone();
            if let Some(fixed) = here.get_mut(along) {
                *fixed = Some(index);
            }
            // Each point may have data of its own.
            self.sets.clear();
            let estimate = self.value(value, &here);
            fewest = fewest.min(self.n_replicates);
            let text = self.runs.value_text(along, index).to_owned();
            found = both(found, estimate).map(|(mut all, estimate)| {
                all.push((text, estimate));
                all
            });
        }
        self.n_replicates = fewest;
        let found = found?;
        let mut steps = vec![];
        for pair in found.windows(2) {
            let [(from, a), (to, b)] = pair else { continue };
            let difference = b.combined(Arithmetic::Sub, a);
            let Interval { low, high } = difference.interval();
            let outcome = match increasing {
                true => Outcome::of(low > 0.0, high <= 0.0),
                false => Outcome::of(high < 0.0, low >= 0.0),
            };
            let difference = Figure { constant: false, ..figure(&difference, &Value::Number(0.0), quantity) };
            steps.push(Step { from: from.clone(), to: to.clone(), difference, outcome });
        }
        let outcome = Outcome::of_all(steps.iter().map(|step| step.outcome));
        let values = found.iter().map(|(text, estimate)| (text.clone(), figure(estimate, value, quantity))).collect();
        Ok((outcome, Evidence::Monotone { axis: self.runs.axis_label(along).to_owned(), values, steps }))
    }

    /// What a reader of the numbers must know too.
    fn remarks(&self, evidence: &Evidence) -> Vec<String> {
        match evidence {
            Evidence::Crossover { result, .. } => result.remarks.clone(),
            Evidence::Comparison { .. } if !self.bounds.is_empty() && !self.exact.is_empty() => {
                let names: Vec<String> = self.bounds.iter().map(|arm| format!("`{arm}`")).collect();
                vec![format!("the loss of {} is an upper bound: the true one is at most this", names.join(" and "))]
            }
            Evidence::Nothing { .. }
            | Evidence::Onset { .. }
            | Evidence::Comparison { .. }
            | Evidence::Monotone { .. } => vec![],
        }
    }
}

fn constant(x: f64, quantity: Quantity) -> Figure {
    let value = Bounds::exactly(x);
    Figure { value, interval: Interval { low: x, high: x }, quantity, constant: true, sources: vec![] }
}

fn figure(estimate: &Estimate, value: &Value, quantity: Quantity) -> Figure {
    Figure {
        value: estimate.value,
        interval: estimate.interval(),
        quantity,
        constant: value.is_constant(),
        sources: value.sources().into_iter().map(str::to_owned).collect(),
    }
}

/// The unit that a progress is counted in, for words.
pub fn progress_of(quantity: Quantity) -> Option<Progress> {
    Progress::ALL.into_iter().find(|progress| progress.quantity() == quantity)
}
