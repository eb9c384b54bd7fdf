//! The other reading of a race: each arm's best checkpoint, chosen on one half of the validation
//! documents and reported on the other, so that the choice does not flatter the figure. With replicates
//! each has a best checkpoint of its own, and their mean is compared.

use super::bootstrap::{Bootstrap, Documents, Interval, interval, mean_loss};
use super::evaluate::best_by_choosing_half;
use super::series::{Completion, Point, Series};

/// An arm's best checkpoint and its loss on the documents that did not choose it.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub arm: String,
    pub exact: bool,
    /// One for each replicate.
    pub steps: Vec<u64>,
    pub epochs: Vec<f64>,
    pub loss: f64,
    pub interval: Interval,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BestAgainstBest {
    pub of: Best,
    pub than: Best,
    /// `of` minus `than`, paired over the same documents.
    pub difference: f64,
    pub interval: Interval,
    /// In the half that reports.
    pub n_documents: usize,
    /// Whether all runs are finished: the best so far is not the best.
    pub complete: bool,
}

impl BestAgainstBest {
    /// The arm with the lower loss, by how much, and whether the interval excludes zero.
    pub fn ahead(&self) -> (&Best, f64, bool) {
        let clear = !self.interval.contains(0.0);
        if self.difference < 0.0 { (&self.of, -self.difference, clear) } else { (&self.than, self.difference, clear) }
    }

    /// What the gap says about the true likelihoods: a bound can only come down.
    /// `(at most | at least | neither)` for the gap of the arm that is ahead.
    pub fn gap_words(&self) -> &'static str {
        let (ahead, _, _) = self.ahead();
        let behind = if ahead.arm == self.of.arm { &self.than } else { &self.of };
        match (ahead.exact, behind.exact) {
            (true, false) => "at most ",
            (false, true) => "at least ",
            (true, true) | (false, false) => "",
        }
    }
}

/// Chooses on documents 0, 2, 4, ... and reports on 1, 3, 5, ... . The error is the reason it cannot.
/// `of` and `than` are the replicates of two arms, in one order.
pub fn best_against_best(
    of: &[&Series],
    than: &[&Series],
    bootstrap: &mut Bootstrap,
) -> Result<BestAgainstBest, String> {
    let (p, q) = (choose(of)?, choose(than)?);
    let Some((first_series, first)) = p.first().copied() else { return Err("no run".into()) };
    let alike = |(series, point): &(&Series, &Point)| {
        point.documents.len() == first.documents.len() && series.valid_hash == first_series.valid_hash
    };
    if p.len() != q.len() || !p.iter().chain(&q).all(alike) {
        return Err("the runs were evaluated on different documents".into());
    }
    let n_documents = Documents::JudgingHalf.of(first).len();
    if n_documents < 2 {
        return Err(format!("{} validation documents are too few to halve", first.documents.len()));
    }
    let (p_best, p_means) = report(&p, bootstrap);
    let (q_best, q_means) = report(&q, bootstrap);
    let paired = p_means.iter().zip(&q_means).map(|(p, q)| p - q).collect();
    Ok(BestAgainstBest {
        difference: p_best.loss - q_best.loss,
        of: p_best,
        than: q_best,
        interval: interval(paired),
        n_documents,
        complete: of.iter().chain(than).all(|series| series.completion == Completion::Finished),
    })
}

fn choose<'a>(runs: &[&'a Series]) -> Result<Vec<(&'a Series, &'a Point)>, String> {
    let best = |series: &&'a Series| match best_by_choosing_half(series) {
        Some((point, _)) => Ok((*series, point)),
        None => Err(format!("no evaluation of `{}` with a finite loss", series.title())),
    };
    runs.iter().map(best).collect()
}

fn report(runs: &[(&Series, &Point)], bootstrap: &mut Bootstrap) -> (Best, Vec<f64>) {
    let weights = bootstrap.weights(runs.len());
    let mut means = vec![0.0; weights.len()];
    let mut loss = 0.0;
    for (r, (series, point)) in runs.iter().enumerate() {
        let own = bootstrap.means(series, point, Documents::JudgingHalf);
        for ((sum, weights), mean) in means.iter_mut().zip(&*weights).zip(&*own) {
            *sum += weights.get(r).copied().unwrap_or(0.0) * mean;
        }
        loss += mean_loss(&Documents::JudgingHalf.of(point)) / runs.len() as f64;
    }
    let best = Best {
        arm: runs.first().map_or(String::new(), |(series, _)| series.arm.clone()),
        exact: runs.iter().all(|(series, _)| series.exact),
        steps: runs.iter().map(|(_, point)| point.step).collect(),
        epochs: runs.iter().map(|(_, point)| point.epoch).collect(),
        loss,
        interval: interval(means.clone()),
    };
    (best, means)
}
