//! Design rule 11: from which evaluation on one arm's metric stays below (or above) another's.
#![allow(clippy::indexing_slicing)] // one vector per evaluation, all of the length of `differences`

use super::bootstrap::{Bootstrap, Interval, Items, N_RESAMPLES, interval, mean_of};
use super::estimate::{Bounds, Estimate};
use super::outcome::Outcome;
use super::series::{Completion, Point, Series};
use crate::check::claims::types::{Metric, Progress};

/// Fewer documents, or items of a task, than this carry no interval worth a verdict.
pub const MIN_ITEMS: usize = 30;

impl Items {
    /// Whether those that judge suffice; the error is why not.
    pub fn enough(self, series: &Series) -> Result<(), String> {
        let (point, words) = (series.points.first(), series.item_words());
        let n_all = point.map_or(0, |p| p.items.len());
        let n = point.map_or(0, |p| self.of(p).len());
        if n >= MIN_ITEMS {
            return Ok(());
        }
        Err(match self {
            Items::All => format!("{n} {words}; an interval needs at least {MIN_ITEMS}"),
            Items::JudgingHalf => {
                format!("{n_all} {words}, of which half only choose; an interval needs at least {MIN_ITEMS} that judge")
            }
        })
    }
}

/// `crossover(METRIC, of: P, under: Q)`, or `over: Q`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question<'a> {
    pub of: &'a str,
    pub than: &'a str,
    pub under: bool,
}

/// Which arm an evaluation favours, at 95%. `Of`: `of` is where the claim wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Of,
    Neither,
    Than,
}

/// Value of `of` minus value of `than` at one evaluation, on the same items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub step: u64,
    pub epoch: f64,
    pub value: f64,
    pub interval: Interval,
    pub side: Side,
    pub in_decay: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It crossed and stayed. `low` and `high` may be infinite: before the first, after the last evaluation.
    /// `from_epoch` is the first evaluation from which every one is significant.
    Held {
        epoch: f64,
        low: f64,
        high: f64,
        from_epoch: f64,
    },
    /// It crossed, but only while the learning rate was falling, which moves the curves by itself.
    InsideDecay {
        epoch: f64,
        low: f64,
        high: f64,
        from_epoch: f64,
    },
    /// No crossing seen: later than every epoch, if there is one. `last_epoch`: the last before the decay.
    Censored {
        last_epoch: f64,
    },
    /// `of` is where the claim wants it without ever having been significantly behind: nothing was crossed.
    NeverBehind {
        from_epoch: f64,
    },
    Undecided {
        why: String,
    },
}

impl Verdict {
    /// A crossing inside the decay window neither holds nor fails: the decay may have made it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Verdict::Held { .. } => Outcome::Held,
            Verdict::Censored { .. } | Verdict::NeverBehind { .. } => Outcome::Failed,
            Verdict::InsideDecay { .. } | Verdict::Undecided { .. } => Outcome::Undecided,
        }
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossover {
    pub metric: Metric,
    pub of: String,
    pub than: String,
    pub under: bool,
    pub verdict: Verdict,
    /// One per evaluation; empty where the curves cannot be paired.
    pub differences: Vec<Difference>,
    pub n_items: usize,
    pub n_resamples: usize,
    pub n_replicates: usize,
    /// Where the learning rate starts to fall.
    pub decay_from_epoch: Option<f64>,
    /// What a reader of the verdict must know too.
    pub remarks: Vec<String>,
}

/// The two curves on every resample: what a crossing is read off.
#[derive(Clone, Debug)]
pub struct Race {
    /// How far training was at each evaluation.
    places: Vec<(f64, f64, f64)>,
    /// At each evaluation; positive where `than` is ahead, whichever way the claim is worded.
    gap: Vec<f64>,
    /// The same, by resample.
    resampled: Vec<Vec<f64>>,
    /// Evaluations before the learning rate falls.
    n_before: usize,
}

impl Race {
    /// Where the difference last changes to `of`'s side before the learning rate falls: a place between
    /// evaluations, or before the first, or after the last.
    pub fn crossing(&self, progress: Progress) -> Estimate {
        self.crossing_among(self.n_before, progress)
    }

    fn crossing_among(&self, n: usize, progress: Progress) -> Estimate {
        let along: Vec<f64> = self.places[..n]
            .iter()
            .map(|(epoch, tokens, step)| match progress {
                Progress::Epoch => *epoch,
                Progress::Tokens => *tokens,
                Progress::Step => *step,
            })
            .collect();
        Estimate {
            value: last_crossing(&along, &self.gap[..n]),
            resampled: self.resampled.iter().map(|gap| last_crossing(&along, &gap[..n])).collect(),
        }
    }

    /// The last evaluation that counts, in epochs.
    pub fn last_epoch(&self) -> Option<f64> {
        Some(self.places.get(self.n_before.checked_sub(1)?)?.0)
    }
}

/// Decides the question on the curves of two arms, replicate by replicate in one order; more than
/// one are averaged.
///
/// Assumes at least one of each, one metric, and that items are in one order in all; checks that their counts, targets and
/// the evaluations' steps agree, and is undecided where they do not.
pub fn crossover(
    question: Question<'_>,
    of: &[&Series],
    than: &[&Series],
    items: Items,
    bootstrap: &mut Bootstrap,
) -> (Crossover, Option<Race>) {
    let mut result = Crossover {
        metric: of.first().map_or_else(Metric::valid_loss, |series| series.metric.clone()),
        of: question.of.to_owned(),
        than: question.than.to_owned(),
        under: question.under,
        verdict: Verdict::Undecided { why: String::new() },
        differences: vec![],
        n_items: 0,
        n_resamples: N_RESAMPLES,
        n_replicates: of.len(),
        decay_from_epoch: of.iter().chain(than).find_map(|series| series.decay_from_epoch()),
        remarks: vec![],
    };
    let incomplete = of.iter().chain(than).find_map(|series| series.incomplete());
    if let Err(why) = paired(of, than) {
        return (undecided(result, incomplete.unwrap_or(why)), None);
    }
    let n_items = of[0].points.first().map_or(0, |p| items.of(p).len());
    result.n_items = n_items;
    // Positive where `than` is ahead, whichever way the claim is worded.
    let sign = if question.under { 1.0 } else { -1.0 };
    let weights = bootstrap.weights(of.len());
    let n_evaluations = of.iter().chain(than).map(|series| series.points.len()).min().unwrap_or(0);
    let mut race = Race { places: vec![], gap: vec![], resampled: vec![vec![]; N_RESAMPLES], n_before: 0 };
    for e in 0..n_evaluations {
        let mut resampled = vec![0.0; N_RESAMPLES];
        let mut value = 0.0;
        for (r, (p, q)) in of.iter().zip(than).enumerate() {
            let (p_point, q_point) = (&p.points[e], &q.points[e]);
            let (p_means, q_means) = (bootstrap.means(p, p_point, items), bootstrap.means(q, q_point, items));
            for ((sum, weights), (p, q)) in resampled.iter_mut().zip(&*weights).zip(p_means.iter().zip(&*q_means)) {
                *sum += weights[r] * (p - q);
            }
            value += (mean_of(&items.of(p_point)) - mean_of(&items.of(q_point))) / of.len() as f64;
        }
        for (gaps, value) in race.resampled.iter_mut().zip(&resampled) {
            gaps.push(sign * value);
        }
        let point = &of[0].points[e];
        race.gap.push(sign * value);
        race.places.push((point.epoch, point.tokens as f64, point.step as f64));
        let interval = interval(resampled);
        let ahead = if question.under { Side::Of } else { Side::Than };
        let behind = if question.under { Side::Than } else { Side::Of };
        let side = match (interval.low > 0.0, interval.high < 0.0) {
            (true, _) => behind,
            (_, true) => ahead,
            _ => Side::Neither,
        };
        let in_decay = of.iter().chain(than).any(|series| series.points[e].in_decay);
        result.differences.push(Difference { step: point.step, epoch: point.epoch, value, interval, side, in_decay });
    }
    race.n_before = result.differences.iter().take_while(|d| !d.in_decay).count();
    if let Some(why) = incomplete {
        return (undecided(result, why), None);
    }
    if let Err(why) = items.enough(of[0]) {
        return (undecided(result, why), None);
    }
    result.verdict = decide(&result.differences, &race);
    result.remarks = remarks(&result);
    (result, Some(race))
}

fn undecided(mut result: Crossover, why: String) -> Crossover {
    result.verdict = Verdict::Undecided { why };
    result
}

fn paired(of: &[&Series], than: &[&Series]) -> Result<(), String> {
    let all = || of.iter().chain(than).copied();
    if of.is_empty() || of.len() != than.len() {
        return Err("the arms have different numbers of replicates".into());
    }
    if all().all(|series| series.points.is_empty()) {
        return Err("no evaluation yet".into());
    }
    for series in all() {
        if series.points.is_empty() {
            return Err(format!("no evaluation of `{}` yet ({})", series.title(), series.completion.words()));
        }
        if series.points.iter().flat_map(|p| &p.items).any(|d| !d[0].is_finite() || d[1] <= 0.0) {
            return Err(format!("`{}` has a {} that is not a finite number", series.title(), series.measured()));
        }
    }
    let first = of[0];
    if all().any(|series| series.set.is_none() || series.set != first.set) {
        return Err(first.differ());
    }
    let complete = all().all(|series| series.completion == Completion::Finished);
    let same_step = |(p, q): (&Point, &Point)| p.step == q.step && p.tokens == q.tokens;
    let same_steps = all().all(|series| {
        (!complete || series.points.len() == first.points.len())
            && first.points.iter().zip(&series.points).all(same_step)
    });
    if !same_steps {
        return Err("the runs were not evaluated at the same steps".into());
    }
    let targets = |point: &Point| point.items.iter().map(|d| d[1]).collect::<Vec<_>>();
    let of_first = first.points.first().map(targets);
    if !all().all(|series| series.points.iter().all(|p| Some(targets(p)) == of_first)) {
        return Err(format!("the evaluations do not cover the same {} and targets", first.metric.item_word()));
    }
    Ok(())
}

fn decide(differences: &[Difference], race: &Race) -> Verdict {
    let n_before = race.n_before;
    if n_before == 0 {
        return Verdict::Undecided { why: "every evaluation lies inside the learning-rate decay".into() };
    }
    let crossing = |n: usize| {
        let estimate = race.crossing_among(n, Progress::Epoch);
        let Interval { low, high } = estimate.interval();
        // Settled on both sides: the crossing is between evaluations.
        (estimate.value.low, low, high)
    };
    if let Some(from) = settled(&differences[..n_before]) {
        let (epoch, low, high) = crossing(n_before);
        return Verdict::Held { epoch, low, high, from_epoch: differences[from].epoch };
    }
    let ahead = differences[..n_before].iter().rev().take_while(|d| d.side == Side::Of).count();
    if ahead > 0 && !differences.iter().any(|d| d.side == Side::Than) {
        return Verdict::NeverBehind { from_epoch: differences[n_before - ahead].epoch };
    }
    if let Some(from) = settled(differences) {
        let (epoch, low, high) = crossing(differences.len());
        return Verdict::InsideDecay { epoch, low, high, from_epoch: differences[from].epoch };
    }
    Verdict::Censored { last_epoch: differences[n_before - 1].epoch }
}

/// The first evaluation from which all are significantly on `of`'s side, if one before it is
/// significantly on the other.
fn settled(differences: &[Difference]) -> Option<usize> {
    let from = differences.len() - differences.iter().rev().take_while(|d| d.side == Side::Of).count();
    let behind = differences.get(..from)?.iter().any(|d| d.side == Side::Than);
    (from < differences.len() && behind).then_some(from)
}

/// Linear between evaluations. Before the first where `of` was never behind, after the last where it still is.
fn last_crossing(along: &[f64], gap: &[f64]) -> Bounds {
    let first = along.first().copied().unwrap_or(f64::INFINITY);
    let last = along.last().copied().unwrap_or(f64::NEG_INFINITY);
    let Some(behind) = gap.iter().rposition(|g| *g >= 0.0) else {
        return Bounds { low: f64::NEG_INFINITY, high: first };
    };
    let Some(ahead) = gap.get(behind + 1) else { return Bounds { low: last, high: f64::INFINITY } };
    let share = gap[behind] / (gap[behind] - ahead);
    Bounds::exactly(along[behind] + share * (along[behind + 1] - along[behind]))
}

fn remarks(result: &Crossover) -> Vec<String> {
    let mut remarks = vec![];
    let in_decay = || result.differences.iter().filter(|d| d.in_decay);
    if matches!(result.verdict, Verdict::Held { .. }) && in_decay().any(|d| d.side != Side::Of) {
        let back = if in_decay().any(|d| d.side == Side::Than) { "is ahead again" } else { "is level again" };
        remarks.push(format!("inside the learning-rate decay `{}` {back}", result.than));
    }
    if matches!(result.verdict, Verdict::InsideDecay { .. }) {
        remarks.push("the decay itself moves an overfitted model's loss, so this crossing decides nothing".into());
    }
    let sides: Vec<Side> = result.differences.iter().map(|d| d.side).filter(|s| *s != Side::Neither).collect();
    let n_changes = sides.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let crossed = matches!(result.verdict, Verdict::Held { .. } | Verdict::InsideDecay { .. });
    if crossed && n_changes > 1 {
        remarks.push(format!("the sign of the difference changed {n_changes} times; the last change counts"));
    }
    remarks
}
