//! The laws that can be fitted: their parameters, their formulas, where a fit starts, and what runs they need.
//!
//! - `data_constrained`: Muennighoff et al., Scaling Data-Constrained Language Models (2023): with N parameters, D tokens
//!   of which U are unique, U_N the parameters that are compute-optimal for U,
//!   `L = E + A / N'^alpha + B / D'^beta`, `D' = U + U R_D* (1 - exp(-R_D / R_D*))`, `R_D = D / U - 1`, and the same
//!   for `N'` with `U_N`, `R_N = N / U_N - 1` and `R_N*`.
//! - `epochs`: Ni et al., Training Optimal Large Diffusion Language Models (2025), equations 14 and 15, with e = D / U:
//!   `L = A / N^alpha + B / D'^beta`, `D' = U e^p exp(-(max(0, e - 1) / e*)^gamma)`, `e* = c U^m / N^k`.

use super::dual::Dual;
use super::{Fixed, TrainedRun};
use crate::base::philox::Words;

/// Which law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    DataConstrained,
    Epochs,
}

/// One parameter, above 0 and fitted as its logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    pub name: &'static str,
    /// As it was published, for the reader to compare with.
    pub published: f64,
    /// The range that a fit stays in. An estimate at an end of it is not known.
    pub low: f64,
    pub high: f64,
}

/// Ranges are far wider than any published fit, so that an end of one is a sign and not a guess.
const DATA_CONSTRAINED: [Parameter; 7] = [
    Parameter { name: "E", published: 1.869, low: 1e-3, high: 20.0 },
    Parameter { name: "A", published: 520.8, low: 1e-2, high: 1e9 },
    Parameter { name: "B", published: 1487.7, low: 1e-2, high: 1e9 },
    Parameter { name: "alpha", published: 0.3527, low: 0.02, high: 2.0 },
    Parameter { name: "beta", published: 0.3527, low: 0.02, high: 2.0 },
    Parameter { name: "R_D*", published: 15.39, low: 1e-2, high: 1e5 },
    Parameter { name: "R_N*", published: 5.31, low: 1e-2, high: 1e5 },
];

const EPOCHS: [Parameter; 9] = [
    Parameter { name: "A", published: 1535.23, low: 1e-2, high: 1e9 },
    Parameter { name: "B", published: 54.21, low: 1e-2, high: 1e9 },
    Parameter { name: "alpha", published: 0.42, low: 0.02, high: 2.0 },
    Parameter { name: "beta", published: 0.13, low: 0.01, high: 2.0 },
    Parameter { name: "p", published: 1.49, low: 0.05, high: 10.0 },
    Parameter { name: "gamma", published: 0.40, low: 0.02, high: 5.0 },
    Parameter { name: "c", published: 254.35, low: 1e-6, high: 1e12 },
    Parameter { name: "m", published: 0.39, low: 0.01, high: 3.0 },
    Parameter { name: "k", published: 0.55, low: 0.01, high: 3.0 },
];

impl Law {
    pub const ALL: [Law; 2] = [Law::DataConstrained, Law::Epochs];

    /// As the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Law::DataConstrained => "data_constrained",
            Law::Epochs => "epochs",
        }
    }

    pub fn formula(self) -> &'static str {
        match self {
            Law::DataConstrained => {
                "L = E + A / N'^alpha + B / D'^beta; N', D' saturate after R_N*, R_D* repetitions (arXiv:2305.16264)"
            }
            Law::Epochs => {
                "L = A / N^alpha + B / D'^beta; D' = U e^p exp(-((e - 1) / e*)^gamma); e* = c U^m / N^k (arXiv:2510.03280)"
            }
        }
    }

    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Law::DataConstrained => &DATA_CONSTRAINED,
            Law::Epochs => &EPOCHS,
        }
    }

    /// The logarithm of the loss that the law gives a run, with its derivatives by the logarithms of the parameters.
    pub fn log_loss(self, theta: &[f64], run: &TrainedRun) -> Dual {
        let at = |i: usize| Dual::parameter(theta.get(i).copied().unwrap_or(0.0), i);
        let constant = Dual::constant;
        let (ln_n, ln_u) = (constant(run.params.ln()), constant(run.unique.ln()));
        match self {
            Law::DataConstrained => {
                let (e, a, b, alpha, beta) = (at(0), at(1), at(2), at(3).exp(), at(4).exp());
                let (r_d, r_n) = (at(5).exp(), at(6).exp());
                let ln_unique_n = ln_n.min(optimal_ln_n(a, b, alpha, beta, ln_u));
                // The part of N beyond U_N; the minimum keeps it from being negative but for rounding.
                let excess_n = (ln_n - ln_unique_n).exp() - constant(1.0);
                let excess_d = constant((run.tokens / run.unique - 1.0).max(0.0));
                let grown = |excess: Dual, r: Dual| (constant(1.0) + r * (excess / r).saturation()).ln();
                let n = a - alpha * (ln_unique_n + grown(excess_n, r_n));
                let d = b - beta * (ln_u + grown(excess_d, r_d));
                ln_sum(&[e, n, d])
            }
            Law::Epochs => {
                let (a, b, alpha, beta) = (at(0), at(1), at(2).exp(), at(3).exp());
                let (p, gamma, c, m, k) = (at(4).exp(), at(5).exp(), at(6), at(7).exp(), at(8).exp());
                let epochs = run.tokens / run.unique;
                let ln_turn = c + m * ln_u - k * ln_n;
                let mut ln_d = ln_u + p * constant(epochs.ln());
                if epochs > 1.0 {
                    ln_d = ln_d - (gamma * (constant((epochs - 1.0).ln()) - ln_turn)).exp();
                }
                ln_sum(&[a - alpha * ln_n, b - beta * ln_d])
            }
        }
    }

    /// A random point to start from, scaled to the runs: with exponents of any usual size the terms of the law are
    /// shares of the losses that there are.
    pub fn start(self, runs: &[TrainedRun], words: &mut Words) -> Vec<f64> {
        let mut uniform = |low: f64, high: f64| low + (high - low) * f64::from(words.word()) / f64::from(u32::MAX);
        let n = runs.len().max(1) as f64;
        let mean = |f: &dyn Fn(&TrainedRun) -> f64| runs.iter().map(f).sum::<f64>() / n;
        let (ln_n, ln_u, ln_d) = (mean(&|r| r.params.ln()), mean(&|r| r.unique.ln()), mean(&|r| r.tokens.ln()));
        let ln_loss = mean(&|r| r.loss.ln());
        let (alpha, beta) = (uniform(-2.3, -0.3), uniform(-2.3, -0.3));
        // Each term is between a hundredth and all of the mean loss.
        let a = ln_loss + uniform(-4.6, 0.0) + alpha.exp() * ln_n;
        let b = ln_loss + uniform(-4.6, 0.0) + beta.exp() * ln_d;
        match self {
            Law::DataConstrained => {
                let e = ln_loss + uniform(-2.3, 0.0);
                vec![e, a, b, alpha, beta, uniform(0.0, 6.0), uniform(0.0, 6.0)]
            }
            Law::Epochs => {
                let (p, gamma, m, k) = (uniform(-1.0, 1.0), uniform(-2.0, 0.5), uniform(-2.3, 0.0), uniform(-2.3, 0.0));
                // Repeating turns harmful after one to some thousand epochs.
                let c = uniform(0.0, 8.0) - m.exp() * ln_u + k.exp() * ln_n;
                vec![a, b, alpha, beta, p, gamma, c, m, k]
            }
        }
    }

    /// What runs of a sweep lack for the parameters that are not fixed; empty where there is enough.
    pub fn lacks(self, runs: &[TrainedRun], fixed: &[Fixed]) -> Vec<String> {
        let free = |name: &str| fixed.iter().all(|fixed| fixed.name != name);
        let any = |names: &[&str]| names.iter().any(|name| free(name));
        let distinct = |f: &dyn Fn(&TrainedRun) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(f).collect();
            all.sort_by(f64::total_cmp);
            all.dedup_by(|a, b| (*a / *b - 1.0).abs() < SAME);
            all.len()
        };
        let n_free = self.parameters().iter().filter(|parameter| free(parameter.name)).count();
        let (sizes, tokens) = (distinct(&|r| r.params), distinct(&|r| r.tokens));
        let (unique, epochs) = (distinct(&|r| r.unique), distinct(&|r| r.tokens / r.unique));
        let repeated = runs.iter().filter(|r| r.tokens / r.unique > 1.0 + SAME).count();
        let mut lacks = vec![];
        let mut need = |wanted: bool, has: usize, least: usize, what: &str, of: &str| {
            if wanted && has < least {
                lacks.push(format!("{has} {what}, of which {of} needs at least {least}"));
            }
        };
        need(true, runs.len(), n_free + 1, "runs", &format!("a fit of {n_free} parameters"));
        match self {
            Law::DataConstrained => {
                need(any(&["A", "alpha"]), sizes, 3, "distinct sizes of the model", "A / N^alpha");
                need(any(&["B", "beta"]), tokens, 3, "distinct numbers of tokens", "B / D^beta");
                need(free("R_D*"), repeated, 2, "runs of more than one epoch", "R_D*");
            }
            Law::Epochs => {
                need(any(&["A", "alpha", "k"]), sizes, 3, "distinct sizes of the model", "A / N^alpha");
                need(any(&["B", "beta", "m"]), unique, 3, "distinct numbers of unique tokens", "B / D'^beta");
                need(any(&["p", "gamma", "c"]), epochs, 4, "distinct numbers of epochs", "D'");
                need(any(&["gamma", "c", "m", "k"]), repeated, 3, "runs of more than one epoch", "e*");
            }
        }
        lacks
    }
}

/// Two numbers closer than this, as a share, are one setting of a sweep (budgets are rounded to whole steps).
const SAME: f64 = 0.01;

/// `ln` of the parameters for which the given tokens are compute-optimal at one epoch, with 6 N D FLOPs: from
/// `N = G (C / 6)^(beta / (alpha + beta))`, `D = (C / 6)^(alpha / (alpha + beta)) / G`.
fn optimal_ln_n(a: Dual, b: Dual, alpha: Dual, beta: Dual, ln_u: Dual) -> Dual {
    let ln_g = (alpha.ln() + a - beta.ln() - b) / (alpha + beta);
    ln_g + (ln_g + ln_u) * beta / alpha
}

/// The logarithm of a sum of exponentials, without overflow.
fn ln_sum(terms: &[Dual]) -> Dual {
    let largest = terms.iter().map(|term| term.value).fold(f64::NEG_INFINITY, f64::max);
    if !largest.is_finite() {
        return Dual::constant(f64::NAN);
    }
    let shift = Dual::constant(largest);
    terms.iter().fold(Dual::constant(0.0), |sum, term| sum + (*term - shift).exp()).ln() + shift
}
