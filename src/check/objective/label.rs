//! Which training losses with masks bound the likelihood. The names N1 to N4 are those of
//! `src/objective/README.md`.

use super::{EXACT_RATE, one_minus_t};
use crate::base::Number;
use crate::check::formula::Formula;
use crate::check::schedule::near_one;
use crate::check::spec::{Ends, Estimator, LossWeight, TKind, TSampling};

/// What decides whether a loss is a bound.
pub struct Loss<'a> {
    pub schedule: &'a Formula,
    pub ends: Ends,
    pub t: TSampling,
    pub weight: &'a LossWeight,
    pub estimator: Estimator,
    /// Positions that can be masked together.
    pub n_targets: u64,
}

/// Whether the training loss bounds the negative log-likelihood from above, and why.
pub fn label(loss: &Loss<'_>) -> Result<String, String> {
    let Loss { schedule, ends, t, weight, estimator, n_targets } = *loss;
    let rates = [t.low, t.high].map(|t| 1.0 - schedule.eval(t));
    let covered = || format!("mask rates cover only {} to {}, not 0 to 1", near_one(rates[0]), near_one(rates[1]));
    let whole = ends == Ends::Exact && rates[0].abs() <= EXACT_RATE && (rates[1] - 1.0).abs() <= EXACT_RATE;
    // Means over masked tokens take no weight.
    match estimator {
        Estimator::RowMean => return row_mean(schedule, t),
        Estimator::BatchMean => {
            return Err(
                "a mean over the batch's masked tokens (N3), in which rows with more masks count for more".into()
            );
        }
        Estimator::Count | Estimator::Bernoulli => {}
    }
    match weight {
        LossWeight::Flat => {
            let name = if estimator == Estimator::Bernoulli { " (N4)" } else { "" };
            return Err(format!("weight `flat`{name} counts every masked token once, whatever its noise level"));
        }
        LossWeight::Custom { name, .. } => return Err(format!("the weight `{name}` is not -alpha'/(1-alpha)")),
        LossWeight::Elbo => {}
    }
    if ends == Ends::Open {
        return Err(format!("the ends of the schedule are open: {}", covered()));
    }
    let n = n_targets as f64;
    match estimator {
        // Every count from 1 to all has to be reachable, or its part of the bound is missing.
        Estimator::Count if rates[1] * n > n - 1.0 + EXACT_RATE && rates[0] * n < 1.0 - EXACT_RATE => {
            Ok("exact-count NELBO: L/k * sum of cross-entropy over k masked, unbiased".into())
        }
        Estimator::Bernoulli if whole => {
            Ok("NELBO (N1): -alpha'/(1-alpha) * sum of cross-entropy over masked, unbiased".into())
        }
        _ => Err(covered()),
    }
}

/// The mean over a row's masked tokens is n/(n+1) of the bound and 1/(n+1) of CE_1, the cross-entropy of a single
/// masked token, where k is uniform: for alpha = 1 - t, each t alike. With another schedule k has another law, and
/// the mean another value, above or below the bound.
fn row_mean(schedule: &Formula, t: TSampling) -> Result<String, String> {
    let linear = schedule.is_provably(&one_minus_t());
    if linear && t.low == 0.0 && t.high == 1.0 && t.kind != TKind::Importance {
        return Ok(
            "up to (CE_1 - NELBO)/(n+1), CE_1 the cross-entropy of one masked token among n: each row's mean over \
                   its masked tokens (N2)"
                .into(),
        );
    }
    Err("each row's mean over its masked tokens (N2) is a bound, up to (CE_1 - NELBO)/(n+1), for alpha = 1 - t on [0, 1] \
         alone"
        .into())
}

/// Of a loss whose integral over t lacks its ends.
pub fn tails(t: TSampling) -> String {
    format!("its tails are missing: t covers {} to {}, not 0 to 1", Number::Real(t.low), Number::Real(t.high))
}
