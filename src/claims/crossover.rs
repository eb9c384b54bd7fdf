//! Design rule 11: from which evaluation on one arm's validation loss stays below (or above) another's.
#![allow(clippy::indexing_slicing)] // one vector per evaluation, all of the length of `differences`

use super::bootstrap::{Interval, N_RESAMPLES, Resamples, interval, mean_loss};
use super::series::{Completion, Series};

/// Fewer documents than this carry no interval worth a verdict.
pub const MIN_DOCUMENTS: usize = 30;

/// `crossover(loss(valid), of: P, under: Q)`, or `over: Q`.
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

/// Loss of `of` minus loss of `than` at one evaluation, on the same documents.
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

/// What a verdict means for the claim, and for the exit code under `--strict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Held,
    Failed,
    Undecided,
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

    /// With one seed the words claim no more than the run at hand.
    pub fn headline(&self) -> &'static str {
        match self.outcome() {
            Outcome::Held => "held in this run",
            Outcome::Failed => "failed in this run",
            Outcome::Undecided => "undecided",
        }
    }
}

/// A verdict with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossover {
    pub of: String,
    pub than: String,
    pub under: bool,
    pub verdict: Verdict,
    /// One per evaluation; empty where the curves cannot be paired.
    pub differences: Vec<Difference>,
    pub n_documents: usize,
    pub n_resamples: usize,
    /// What a reader of the verdict must know too.
    pub remarks: Vec<String>,
}

/// Decides the question on two validation curves. `None` stands for a run that is not there.
///
/// Assumes that documents are in one order in both; checks that their counts, targets and the
/// evaluations' steps agree, and is undecided where they do not.
pub fn crossover(question: Question<'_>, of: Option<&Series>, than: Option<&Series>) -> Crossover {
    let mut result = Crossover {
        of: question.of.to_owned(),
        than: question.than.to_owned(),
        under: question.under,
        verdict: Verdict::Undecided { why: String::new() },
        differences: vec![],
        n_documents: 0,
        n_resamples: N_RESAMPLES,
        remarks: vec![],
    };
    let (of, than) = match (of, than) {
        (Some(of), Some(than)) => (of, than),
        (None, None) => return undecided(result, format!("no run of `{}` or `{}`", question.of, question.than)),
        (None, _) => return undecided(result, format!("no run of `{}`", question.of)),
        (_, None) => return undecided(result, format!("no run of `{}`", question.than)),
    };
    let incomplete = [of, than]
        .into_iter()
        .find(|series| series.completion != Completion::Finished)
        .map(|series| format!("the run of `{}` is not complete: {}", series.arm, series.completion.words()));
    if let Err(why) = paired(of, than) {
        return undecided(result, incomplete.unwrap_or(why));
    }
    let n_documents = of.points.first().map_or(0, |p| p.documents.len());
    let resamples = Resamples::new(n_documents, N_RESAMPLES);
    result.n_documents = n_documents;
    // Positive where `than` is ahead, whichever way the claim is worded.
    let sign = if question.under { 1.0 } else { -1.0 };
    // By resample, then evaluation.
    let mut gaps: Vec<Vec<f64>> = vec![vec![]; N_RESAMPLES];
    for (p, q) in of.points.iter().zip(&than.points) {
        let resampled: Vec<f64> =
            resamples.means(&p.documents).into_iter().zip(resamples.means(&q.documents)).map(|(p, q)| p - q).collect();
        for (gap, value) in gaps.iter_mut().zip(&resampled) {
            gap.push(sign * value);
        }
        let interval = interval(resampled);
        let side = match (interval.low > 0.0, interval.high < 0.0) {
            (true, _) => {
                if question.under {
                    Side::Than
                } else {
                    Side::Of
                }
            }
            (_, true) => {
                if question.under {
                    Side::Of
                } else {
                    Side::Than
                }
            }
            _ => Side::Neither,
        };
        result.differences.push(Difference {
            step: p.step,
            epoch: p.epoch,
            value: mean_loss(&p.documents) - mean_loss(&q.documents),
            interval,
            side,
            in_decay: p.in_decay || q.in_decay,
        });
    }
    if let Some(why) = incomplete {
        return undecided(result, why);
    }
    if n_documents < MIN_DOCUMENTS {
        let why = format!("{n_documents} validation documents; an interval needs at least {MIN_DOCUMENTS}");
        return undecided(result, why);
    }
    result.verdict = decide(&result.differences, &gaps, sign);
    result.remarks = remarks(&result);
    result
}

fn undecided(mut result: Crossover, why: String) -> Crossover {
    result.verdict = Verdict::Undecided { why };
    result
}

fn paired(of: &Series, than: &Series) -> Result<(), String> {
    if of.points.is_empty() && than.points.is_empty() {
        return Err("no evaluation yet".into());
    }
    for series in [of, than] {
        if series.points.is_empty() {
            return Err(format!("no evaluation of `{}` yet ({})", series.arm, series.completion.words()));
        }
        if series.points.iter().flat_map(|p| &p.documents).any(|d| !d[0].is_finite() || d[1] <= 0.0) {
            return Err(format!("`{}` has a validation loss that is not a finite number", series.arm));
        }
    }
    if of.valid_hash != than.valid_hash {
        return Err("the runs were evaluated on different validation data".into());
    }
    let complete = of.completion == Completion::Finished && than.completion == Completion::Finished;
    let same_steps = of.points.iter().zip(&than.points).all(|(p, q)| p.step == q.step && p.tokens == q.tokens);
    if !same_steps || (complete && of.points.len() != than.points.len()) {
        return Err("the runs were not evaluated at the same steps".into());
    }
    let targets = |series: &Series| series.points.first().map(|p| p.documents.iter().map(|d| d[1]).collect::<Vec<_>>());
    let first = targets(of);
    let all_alike = [of, than]
        .iter()
        .all(|series| series.points.iter().all(|p| Some(p.documents.iter().map(|d| d[1]).collect()) == first));
    if !all_alike {
        return Err("the evaluations do not cover the same documents and targets".into());
    }
    Ok(())
}

fn decide(differences: &[Difference], gaps: &[Vec<f64>], sign: f64) -> Verdict {
    let n_before = differences.iter().take_while(|d| !d.in_decay).count();
    if n_before == 0 {
        return Verdict::Undecided { why: "every evaluation lies inside the learning-rate decay".into() };
    }
    if let Some(from) = settled(&differences[..n_before]) {
        let (epoch, low, high) = crossing(differences, gaps, sign, n_before);
        return Verdict::Held { epoch, low, high, from_epoch: differences[from].epoch };
    }
    let ahead = differences[..n_before].iter().rev().take_while(|d| d.side == Side::Of).count();
    if ahead > 0 && !differences.iter().any(|d| d.side == Side::Than) {
        return Verdict::NeverBehind { from_epoch: differences[n_before - ahead].epoch };
    }
    if let Some(from) = settled(differences) {
        let (epoch, low, high) = crossing(differences, gaps, sign, differences.len());
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

/// Where the difference last changes to `of`'s side among the first `n` evaluations, and the same on
/// every resample.
fn crossing(differences: &[Difference], gaps: &[Vec<f64>], sign: f64, n: usize) -> (f64, f64, f64) {
    let epochs: Vec<f64> = differences[..n].iter().map(|d| d.epoch).collect();
    let point: Vec<f64> = differences[..n].iter().map(|d| sign * d.value).collect();
    let resampled = gaps.iter().map(|gap| last_crossing(&epochs, &gap[..n])).collect();
    let Interval { low, high } = interval(resampled);
    (last_crossing(&epochs, &point), low, high)
}

/// Linear between evaluations. Minus infinity where `of` was never behind, plus infinity where it still is.
fn last_crossing(epochs: &[f64], gap: &[f64]) -> f64 {
    let Some(behind) = gap.iter().rposition(|g| *g >= 0.0) else { return f64::NEG_INFINITY };
    let Some(ahead) = gap.get(behind + 1) else { return f64::INFINITY };
    let share = gap[behind] / (gap[behind] - ahead);
    epochs[behind] + share * (epochs[behind + 1] - epochs[behind])
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
