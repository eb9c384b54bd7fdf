//! Fits of scaling laws for repeated data to the runs of a sweep: from random starting points to the best minimum,
//! with 95% intervals over resampled runs, the share of variance that is explained, and what the runs cannot tell.

mod descent;
mod dual;
mod law;
mod rows;

pub use descent::HUBER_DELTA;
pub use law::{Law, Parameter};
pub use rows::{Table, read_csv};

use super::bootstrap::{Interval, interval};
use crate::base::philox::{Purpose, Stream};
use descent::{COARSE, FINE, MIN_OWN, Problem};

/// Random points that a fit starts from; the lowest minimum counts.
pub const N_STARTS: usize = 48;
/// Resamples of the runs behind an interval.
pub const N_FIT_RESAMPLES: usize = 400;
/// A fit gives the same figures twice.
const SEED: u32 = 1;
/// Minima whose objective is at most this share above the lowest are told.
const NEARLY_AS_LOW: f64 = 0.01;
/// Points between two ends of a descent that are looked at for a hill, and what share of the objective is one.
const N_BETWEEN: u32 = 32;
const HILL: f64 = 1e-6;
/// How often the lowest minimum is descended from again, since the last digits take the most steps.
const N_POLISHINGS: usize = 5;
const STARTS: u32 = 0;
const RESAMPLES: u32 = 1;
/// A parameter whose interval spans more than this factor is not identified by the runs.
const MAX_SPAN: f64 = 100.0;
/// An estimate this close to an end of its range, as a share, is the range's and not the runs'.
const AT_END: f64 = 0.01;

/// A run as the laws see it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedRun {
    pub name: String,
    /// All parameters, N.
    pub params: f64,
    /// Tokens that it trained on, D.
    pub tokens: f64,
    /// How many of them are different, U; at most D.
    pub unique: f64,
    /// Its last validation loss, L.
    pub loss: f64,
}

impl TrainedRun {
    /// What was never reached of a subset is not data that was seen. The error says what makes no sense.
    pub fn new(name: &str, params: f64, tokens: f64, unique: f64, loss: f64) -> Result<TrainedRun, String> {
        for (what, x) in [("params", params), ("tokens", tokens), ("unique", unique), ("loss", loss)] {
            if !(x.is_finite() && x > 0.0) {
                return Err(format!("{what} is {x}; a number above 0 is wanted"));
            }
        }
        Ok(TrainedRun { name: name.to_owned(), params, tokens, unique: unique.min(tokens), loss })
    }
}

/// A parameter that is given and not fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    pub name: String,
    pub value: f64,
}

/// The constants that the published fit on C4 takes over from fits at one epoch, alpha and beta tied: it
/// fits R_D* and R_N* alone (datablations, utils/parametric_fit.ipynb).
pub const C4_CONSTANTS: [(&str, f64); 5] =
    [("E", 1.869_143_68), ("A", 520.824_95), ("B", 1_487.716_1), ("alpha", 0.352_659_6), ("beta", 0.352_659_6)];

#[derive(Clone, Debug, PartialEq)]
pub struct Estimated {
    pub parameter: Parameter,
    pub value: f64,
    /// `None` where it was fixed.
    pub interval: Option<Interval>,
    /// Why the runs do not tell it, if they do not.
    pub unidentified: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub law: Law,
    pub parameters: Vec<Estimated>,
    /// Of the losses, not of their logarithms: 1 - residual / total sum of squares.
    pub r2: f64,
    /// The sum of Huber's losses.
    pub objective: f64,
    pub n_runs: usize,
    pub n_starts: usize,
    /// Where the starting points end, the lowest first: those that are nearly as low say that the runs hardly
    /// tell one from the other.
    pub minima: Vec<Minimum>,
    pub n_resamples: usize,
}

/// A minimum, and how many of the starting points lead to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// In the order of the law's parameters.
    pub values: Vec<f64>,
    pub objective: f64,
    pub r2: f64,
    pub n_starts: usize,
}

impl Fit {
    pub fn value(&self, name: &str) -> Option<&Estimated> {
        self.parameters.iter().find(|estimated| estimated.parameter.name == name)
    }
}

/// How much work a fit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    pub n_starts: usize,
    pub n_resamples: usize,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { n_starts: N_STARTS, n_resamples: N_FIT_RESAMPLES }
    }
}

/// Fits a law. The error lists what the runs lack, or a name or value of `fixed` that cannot be.
pub fn fit(law: Law, runs: &[TrainedRun], fixed: &[Fixed], effort: Effort) -> Result<Fit, Vec<String>> {
    let wrong = wrong_constants(law, fixed);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let lacks = law.lacks(runs, fixed);
    if !lacks.is_empty() {
        return Err(lacks);
    }
    let parameters = law.parameters();
    let given: Vec<Option<f64>> = parameters
        .iter()
        .map(|p| fixed.iter().find(|fixed| fixed.name == p.name).map(|fixed| fixed.value.ln()))
        .collect();
    let free: Vec<bool> = given.iter().map(Option::is_none).collect();
    let once = vec![1.0; runs.len()];
    let problem = Problem { law, runs, counts: &once, free: &free, min_gain: FINE };
    let stream = Stream::new(SEED, Purpose::Fit);
    let mut found: Vec<(Vec<f64>, f64)> = (0..effort.n_starts.max(1))
        .map(|i| {
            let start = law.start(runs, &mut stream.words(STARTS, i as u32, 0));
            let start: Vec<f64> = start.iter().zip(&given).map(|(random, given)| given.unwrap_or(*random)).collect();
            problem.descend(&start)
        })
        .filter(|(_, objective)| objective.is_finite())
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some(lowest) = found.first_mut() else {
        return Err(vec!["no starting point leads to a finite fit".into()]);
    };
    for _ in 0..N_POLISHINGS {
        *lowest = problem.descend(&lowest.0);
    }
    let (theta, objective) = lowest.clone();
    let resampled = resampled(&problem, &theta, effort.n_resamples);
    let own = problem.own_influence(&theta);
    let estimated = parameters
        .iter()
        .enumerate()
        .map(|(i, parameter)| {
            let value = theta.get(i).copied().unwrap_or(f64::NAN).exp();
            let is_free = free.get(i).copied().unwrap_or(false);
            let values = resampled.iter().filter_map(|theta| theta.get(i)).map(|x| x.exp()).collect();
            let interval = (is_free && !resampled.is_empty()).then(|| interval(values));
            let told = own.get(i).is_some_and(|own| *own > MIN_OWN);
            let unidentified = if told {
                interval.and_then(|interval| unidentified(parameter, value, interval))
            } else {
                Some("the runs depend on it not at all, or only together with others".into())
            };
            Estimated { parameter: *parameter, value, interval, unidentified }
        })
        .collect();
    Ok(Fit {
        law,
        parameters: estimated,
        r2: explained(law, &theta, runs),
        objective,
        n_runs: runs.len(),
        n_starts: effort.n_starts.max(1),
        minima: minima(&problem, &found),
        n_resamples: resampled.len(),
    })
}

/// The minima, lowest first. Two ends of a descent are one minimum, but for where they stopped, where no hill is
/// between them.
fn minima(problem: &Problem<'_>, found: &[(Vec<f64>, f64)]) -> Vec<Minimum> {
    let lowest = found.first().map_or(f64::NAN, |(_, objective)| *objective);
    let mut minima: Vec<(&[f64], Minimum)> = vec![];
    for (theta, objective) in found.iter().filter(|(_, objective)| *objective <= lowest * (1.0 + NEARLY_AS_LOW)) {
        let same = |other: &[f64], other_objective: f64| {
            let hill = objective.max(other_objective) * (1.0 + HILL);
            (1..N_BETWEEN).all(|i| {
                let share = f64::from(i) / f64::from(N_BETWEEN);
                let between: Vec<f64> = theta.iter().zip(other).map(|(a, b)| a + share * (b - a)).collect();
                problem.objective(&between) <= hill
            })
        };
        match minima.iter_mut().find(|(other, minimum)| same(other, minimum.objective)) {
            Some((_, minimum)) => minimum.n_starts += 1,
            None => {
                let values = theta.iter().map(|x| x.exp()).collect();
                let minimum = Minimum {
                    values,
                    objective: *objective,
                    r2: explained(problem.law, theta, problem.runs),
                    n_starts: 1,
                };
                minima.push((theta, minimum));
            }
        }
    }
    minima.into_iter().map(|(_, minimum)| minimum).collect()
}

fn wrong_constants(law: Law, fixed: &[Fixed]) -> Vec<String> {
    let names: Vec<&str> = law.parameters().iter().map(|p| p.name).collect();
    let mut wrong = vec![];
    for (i, Fixed { name, value }) in fixed.iter().enumerate() {
        if !names.contains(&name.as_str()) {
            wrong.push(format!("`{}` has no parameter `{name}`; its parameters are {}", law.name(), names.join(", ")));
        } else if !(value.is_finite() && *value > 0.0) {
            wrong.push(format!("`{name}` is a number above 0, not {value}"));
        } else if fixed.iter().take(i).any(|other| other.name == *name) {
            wrong.push(format!("`{name}` is fixed twice"));
        }
    }
    if wrong.is_empty() && names.len() == fixed.len() {
        wrong.push("every parameter is fixed, so there is nothing to fit".into());
    }
    wrong
}

/// The minimum on each resample of the runs, from that on all of them.
fn resampled(problem: &Problem<'_>, theta: &[f64], n_resamples: usize) -> Vec<Vec<f64>> {
    let stream = Stream::new(SEED, Purpose::Fit);
    let n = problem.runs.len();
    let minimum = |b: usize| {
        let mut words = stream.words(RESAMPLES, b as u32, 0);
        let mut counts = vec![0.0; n];
        for _ in 0..n {
            if let Some(count) = counts.get_mut(words.below(n as u32) as usize) {
                *count += 1.0;
            }
        }
        Problem { counts: &counts, min_gain: COARSE, ..*problem }.descend(theta).0
    };
    (0..n_resamples).map(minimum).collect()
}

fn unidentified(parameter: &Parameter, value: f64, interval: Interval) -> Option<String> {
    let near = |end: f64| (value / end).ln().abs() < AT_END;
    if near(parameter.low) || near(parameter.high) {
        let end = if near(parameter.low) { "lower" } else { "upper" };
        return Some(format!("the fit is at the {end} end of the range that it may take"));
    }
    let span = interval.high / interval.low;
    (span.is_nan() || span > MAX_SPAN).then(|| format!("its interval spans a factor of {span:.0}"))
}

fn explained(law: Law, theta: &[f64], runs: &[TrainedRun]) -> f64 {
    let mean = runs.iter().map(|run| run.loss).sum::<f64>() / runs.len() as f64;
    let total: f64 = runs.iter().map(|run| (run.loss - mean).powi(2)).sum();
    let residual: f64 = runs.iter().map(|run| (run.loss - law.log_loss(theta, run).value.exp()).powi(2)).sum();
    1.0 - residual / total
}

#[cfg(test)]
mod tests;
