//! Resampling documents (for a task its items), and with three or more replicates their seeds, with replacement. The draws are a
//! function of (seed, resample, position), so both arms and every evaluation see the same documents and a
//! report gives the same figures twice.
#![allow(clippy::indexing_slicing)] // counts and documents have one length, made here and checked by callers

use super::series::{Point, Series};
use crate::base::philox::{Purpose, Stream};
use crate::check::claims::types::Metric;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Resamples behind every interval that is shown.
pub const N_RESAMPLES: usize = 1_000;
/// With fewer replicates, an interval speaks of the runs at hand and not of the seeds.
pub const MIN_REPLICATES: usize = 3;
/// Resamples are the same for every report, so a report gives the same figures twice.
const SEED: u32 = 1;
/// Evaluations whose resampled means are kept at a time, 8 KB each.
const MAX_KEPT: usize = 8_192;
/// Counters of the draws of seeds, apart from those of documents.
const SEED_CHANNEL: u32 = 1;

/// A 95% percentile interval. Either end may be infinite where the quantity has no finite value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    pub fn contains(self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }
}

/// How often each document is in each resample.
#[derive(Clone, Debug)]
pub struct Resamples {
    n_documents: usize,
    counts: Vec<u16>,
}

impl Resamples {
    pub fn new(n_documents: usize, n_resamples: usize) -> Resamples {
        Resamples::of_set(n_documents, n_resamples, 0)
    }

    /// Another set of documents is drawn from independently.
    fn of_set(n_documents: usize, n_resamples: usize, set: u32) -> Resamples {
        let stream = Stream::new(SEED, Purpose::Bootstrap);
        let mut counts = vec![0u16; n_documents * n_resamples];
        for (r, row) in counts.chunks_mut(n_documents.max(1)).enumerate() {
            let mut words = stream.words(set, r as u32, 0);
            for _ in 0..n_documents {
                let draw = words.below(n_documents as u32) as usize;
                row[draw] = row[draw].saturating_add(1);
            }
        }
        Resamples { n_documents, counts }
    }

    /// The mean loss (sum of NLL over sum of targets) of each resample.
    pub fn means(&self, documents: &[[f64; 2]]) -> Vec<f64> {
        if documents.len() != self.n_documents || documents.is_empty() {
            return vec![];
        }
        let mean = |row: &[u16]| {
            let (mut nll, mut targets) = (0.0, 0.0);
            for (count, document) in row.iter().zip(documents) {
                nll += f64::from(*count) * document[0];
                targets += f64::from(*count) * document[1];
            }
            nll / targets
        };
        self.counts.chunks(self.n_documents).map(mean).collect()
    }
}

/// The weight of each of `n` replicates in each resample; those of one resample add up to 1. Below
/// [`MIN_REPLICATES`] all weigh the same.
///
/// Drawing n seeds with replacement understates what few seeds leave open, twice: their spread about
/// their own mean is too small by (n - 1) / n, and a normal quantile stands where Student's is due. Both
/// are known factors, so each resample's departure from equal weights is widened by them; the 95% interval
/// of a mean over seeds is then Student's. A weight may be negative, which harms no mean.
pub fn seed_weights(n: usize) -> Vec<Vec<f64>> {
    let equal = 1.0 / n as f64;
    if n < MIN_REPLICATES {
        return vec![vec![equal; n]; N_RESAMPLES];
    }
    let widening = student_quantile(n - 1) / NORMAL_QUANTILE * (n as f64 / (n as f64 - 1.0)).sqrt();
    let stream = Stream::new(SEED, Purpose::Bootstrap);
    (0..N_RESAMPLES)
        .map(|r| {
            let mut words = stream.words(0, r as u32, SEED_CHANNEL);
            let mut counts = vec![0.0f64; n];
            for _ in 0..n {
                counts[words.below(n as u32) as usize] += 1.0;
            }
            counts.into_iter().map(|count| equal + widening * equal * (count - 1.0)).collect()
        })
        .collect()
}

/// The 97.5% quantile of the normal distribution.
const NORMAL_QUANTILE: f64 = 1.959_964;

/// The 97.5% quantile of Student's distribution: exact to four digits up to 10 degrees of freedom, beyond
/// by the expansion in 1/n (Abramowitz and Stegun 26.7.5), which is then good to as many.
fn student_quantile(degrees: usize) -> f64 {
    const TABLE: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    if let Some(quantile) = TABLE.get(degrees.max(1) - 1) {
        return *quantile;
    }
    let (z, n) = (NORMAL_QUANTILE, degrees as f64);
    z + (z.powi(3) + z) / (4.0 * n)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * n.powi(3))
}

/// The mean over the items as they are.
pub fn mean_of(documents: &[[f64; 2]]) -> f64 {
    let nll: f64 = documents.iter().map(|d| d[0]).sum();
    let targets: f64 = documents.iter().map(|d| d[1]).sum();
    nll / targets
}

/// The 2.5% and 97.5% percentiles, each the value of a resample (so infinite values stay what they are).
pub fn interval(values: Vec<f64>) -> Interval {
    interval_of_bounds(values.clone(), values)
}

/// The 2.5% percentile of the lower, the 97.5% percentile of the upper bounds.
pub fn interval_of_bounds(mut lows: Vec<f64>, mut highs: Vec<f64>) -> Interval {
    if lows.is_empty() || lows.iter().chain(&highs).any(|x| x.is_nan()) {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    lows.sort_by(f64::total_cmp);
    highs.sort_by(f64::total_cmp);
    let last = lows.len() - 1;
    let rank = ((0.025 * lows.len() as f64).floor() as usize).min(last);
    Interval { low: lows[rank], high: highs[last - rank] }
}

/// Every second document: 0, 2, 4, ... or 1, 3, 5, ... .
pub fn half(documents: &[[f64; 2]], offset: usize) -> Vec<[f64; 2]> {
    documents.iter().skip(offset).step_by(2).copied().collect()
}

/// Which documents, or items of a task, judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Items {
    All,
    /// Items 1, 3, 5, ...; the others have chosen something.
    JudgingHalf,
}

impl Items {
    pub fn of(self, point: &Point) -> Cow<'_, [[f64; 2]]> {
        match self {
            Items::All => Cow::Borrowed(&point.items),
            Items::JudgingHalf => Cow::Owned(half(&point.items, 1)),
        }
    }
}

/// (arm, point of the sweep, metric, step, items): an evaluation, as it judges.
type EvaluationKey = (String, String, Metric, u64, Items);

/// The draws of a report, and what has been computed on them.
#[derive(Debug, Default)]
pub struct Bootstrap {
    /// Hashes of what was measured on, in the order in which they came up.
    sets: Vec<String>,
    resamples: BTreeMap<(usize, usize), Arc<Resamples>>,
    weights: BTreeMap<usize, Arc<Vec<Vec<f64>>>>,
    means: BTreeMap<EvaluationKey, Arc<Vec<f64>>>,
}

impl Bootstrap {
    /// The mean of an evaluation on each resample; empty where there is no item.
    pub fn means(&mut self, series: &Series, point: &Point, items: Items) -> Arc<Vec<f64>> {
        let key = (series.arm.clone(), series.point.clone(), series.metric.clone(), point.step, items);
        if let Some(known) = self.means.get(&key) {
            return known.clone();
        }
        let hash = series.set.as_deref().unwrap_or_default();
        let set = self.sets.iter().position(|known| known == hash).unwrap_or_else(|| {
            self.sets.push(hash.to_owned());
            self.sets.len() - 1
        });
        let chosen = items.of(point);
        let resamples = self
            .resamples
            .entry((set, chosen.len()))
            .or_insert_with(|| Arc::new(Resamples::of_set(chosen.len(), N_RESAMPLES, set as u32)))
            .clone();
        let means = Arc::new(resamples.means(&chosen));
        if self.means.len() >= MAX_KEPT {
            self.means.clear();
        }
        self.means.insert(key, means.clone());
        means
    }

    /// [`seed_weights`], made once.
    pub fn weights(&mut self, n: usize) -> Arc<Vec<Vec<f64>>> {
        self.weights.entry(n).or_insert_with(|| Arc::new(seed_weights(n))).clone()
    }
}
