//! The other reading of a race: each arm's best checkpoint, chosen on one half of the validation
//! documents and reported on the other, so that the choice does not flatter the figure.

use super::bootstrap::{Interval, N_RESAMPLES, Resamples, interval, mean_loss};
use super::series::{Completion, Point, Series};

/// An arm's best checkpoint and its loss on the documents that did not choose it.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub arm: String,
    pub exact: bool,
    pub step: u64,
    pub epoch: f64,
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
    /// Whether both runs are finished: the best so far is not the best.
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
pub fn best_against_best(of: &Series, than: &Series) -> Result<BestAgainstBest, String> {
    let of_best = choose(of)?;
    let than_best = choose(than)?;
    let (p, q) = (half(&of_best.documents, 1), half(&than_best.documents, 1));
    if of_best.documents.len() != than_best.documents.len() || of.valid_hash != than.valid_hash {
        return Err("the runs were evaluated on different documents".into());
    }
    if p.len() < 2 {
        return Err(format!("{} validation documents are too few to halve", of_best.documents.len()));
    }
    let resamples = Resamples::new(p.len(), N_RESAMPLES);
    let (p_means, q_means) = (resamples.means(&p), resamples.means(&q));
    let paired = p_means.iter().zip(&q_means).map(|(p, q)| p - q).collect();
    let report = |series: &Series, point: &Point, documents: &[[f64; 2]], means: Vec<f64>| Best {
        arm: series.arm.clone(),
        exact: series.exact,
        step: point.step,
        epoch: point.epoch,
        loss: mean_loss(documents),
        interval: interval(means),
    };
    Ok(BestAgainstBest {
        of: report(of, of_best, &p, p_means),
        than: report(than, than_best, &q, q_means),
        difference: mean_loss(&p) - mean_loss(&q),
        interval: interval(paired),
        n_documents: p.len(),
        complete: of.completion == Completion::Finished && than.completion == Completion::Finished,
    })
}

fn choose(series: &Series) -> Result<&Point, String> {
    let loss = |point: &Point| mean_loss(&half(&point.documents, 0));
    series
        .points
        .iter()
        .filter(|p| p.documents.iter().flatten().all(|x| x.is_finite()) && loss(p).is_finite())
        .min_by(|a, b| loss(a).total_cmp(&loss(b)))
        .ok_or_else(|| format!("no evaluation of `{}` with a finite loss", series.arm))
}

fn half(documents: &[[f64; 2]], offset: usize) -> Vec<[f64; 2]> {
    documents.iter().skip(offset).step_by(2).copied().collect()
}
