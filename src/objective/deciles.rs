//! Losses by how much of the input was noise: where a model is good, in tenths of `Corrupted::share`.
//!
//! Cross-entropy is averaged as it is over the targets of a tenth. A mixture's loss means nothing without its
//! weight, so there it is the bound's integrand: the weighted loss, scaled so that the tenths average to the bound.

use super::Corrupted;

pub const N_DECILES: usize = 10;
/// Weights above it count as this in a mixture's [`Deciles::mean`], as GIDD clips them: what a rare token at a small t
/// weighs tells of t and not of the model.
const LARGEST_WEIGHT: f64 = 2.0;

/// Running sums by tenth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deciles {
    sums: [(f64, u64); N_DECILES],
    plain: f64,
    n_read: u64,
}

impl Deciles {
    /// `losses` are the graph's, one for each position; `per_target` is what a weight has to be multiplied by to be
    /// the weight of one target (the number of targets of the batch, or the draws of an evaluation).
    pub fn add(&mut self, batch: &Corrupted, losses: &[f64], per_target: f64) {
        let weighted = !batch.alpha.is_empty();
        for ((loss, weight), share) in losses.iter().zip(&batch.weights).zip(&batch.share) {
            if *weight == 0.0 {
                continue;
            }
            self.n_read += 1;
            self.plain += if weighted { loss * (weight * per_target).min(LARGEST_WEIGHT) } else { *loss };
            // A share of exactly 1 belongs to the last tenth.
            let decile = ((share * N_DECILES as f64) as usize).min(N_DECILES - 1);
            if let Some((sum, n)) = self.sums.get_mut(decile) {
                *sum += if weighted { loss * weight * per_target } else { *loss };
                *n += 1;
            }
        }
    }

    /// Positions that the loss read.
    pub fn n_read(&self) -> u64 {
        self.n_read
    }

    /// The mean loss of those, unweighted; a mixture's with weights of at most 2.
    pub fn mean(&self) -> f64 {
        self.plain / self.n_read.max(1) as f64
    }

    /// `None` where a tenth had no targets.
    pub fn means(&self) -> Vec<Option<f64>> {
        self.sums.iter().map(|(sum, n)| (*n > 0).then(|| sum / *n as f64)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn batch(weights: &[f64], share: &[f64], alpha: &[f64]) -> Corrupted {
        let (weights, share, alpha) = (weights.to_vec(), share.to_vec(), alpha.to_vec());
        Corrupted { rows: 1, seq: weights.len(), weights, share, alpha, ..Corrupted::default() }
    }

    #[test]
    fn cross_entropy_is_averaged_over_the_targets_of_a_tenth() {
        let mut deciles = Deciles::default();
        deciles.add(&batch(&[0.0, 3.0, 5.0, 1.0], &[0.15, 0.15, 0.19, 1.0], &[]), &[9.0, 1.0, 2.0, 4.0], 7.0);
        let means = deciles.means();
        assert_eq!((means[1], means[9]), (Some(1.5), Some(4.0)));
        assert_eq!(means.iter().flatten().count(), 2);
        assert_eq!((deciles.n_read(), deciles.mean()), (3, 7.0 / 3.0));
    }

    #[test]
    fn a_mixture_is_weighed() {
        let mut deciles = Deciles::default();
        deciles.add(&batch(&[0.5, 0.25], &[0.2, 0.2], &[0.8]), &[1.0, 2.0], 4.0);
        assert_eq!(deciles.means()[2], Some(2.0));
        assert_eq!(deciles.mean(), 2.0);
        deciles.add(&batch(&[1e6], &[0.2], &[0.8]), &[3.0], 4.0);
        assert_eq!(deciles.mean(), (2.0 + 2.0 + 6.0) / 3.0);
    }
}
