//! Resampling documents with replacement. The draws are a function of (seed, resample, position), so
//! both arms and every evaluation see the same documents and a report gives the same figures twice.
#![allow(clippy::indexing_slicing)] // counts and documents have one length, made here and checked by callers

use crate::base::philox::{Purpose, Stream};

/// Resamples behind every interval that is shown.
pub const N_RESAMPLES: usize = 1_000;
/// Resamples are the same for every report, so a report gives the same figures twice.
const SEED: u32 = 1;

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
        let stream = Stream::new(SEED, Purpose::Bootstrap);
        let mut counts = vec![0u16; n_documents * n_resamples];
        for (r, row) in counts.chunks_mut(n_documents.max(1)).enumerate() {
            let mut words = stream.words(0, r as u32, 0);
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

/// The loss of the documents as they are.
pub fn mean_loss(documents: &[[f64; 2]]) -> f64 {
    let nll: f64 = documents.iter().map(|d| d[0]).sum();
    let targets: f64 = documents.iter().map(|d| d[1]).sum();
    nll / targets
}

/// The 2.5% and 97.5% percentiles, each the value of a resample (so infinite values stay what they are).
pub fn interval(mut values: Vec<f64>) -> Interval {
    if values.is_empty() || values.iter().any(|x| x.is_nan()) {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    let rank = |p: f64| ((p * values.len() as f64).floor() as usize).min(last);
    Interval { low: values[rank(0.025)], high: values[last - rank(0.025)] }
}
