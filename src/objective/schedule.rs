//! What a masking schedule means for one sequence length: rates, weights, and the exact
//! distribution of the number of masked tokens. Built once per run; see `README.md` for the formulas.
#![allow(clippy::indexing_slicing)] // tables of n_targets entries, indexed by counts in 1..=n_targets

use super::moments::moments;
use crate::check::formula::Formula;
use crate::check::spec::{Estimator, LossWeight, MaskedDiffusion, TKind, TSampling};

/// The chance that a token is masked, as a function of t, and back.
#[derive(Clone, Debug)]
pub struct MaskRate(Formula);

impl MaskRate {
    /// 1 - alpha(t), simplified as a formula: for alpha = 1 - t it is t itself, without rounding.
    pub fn new(objective: &MaskedDiffusion) -> MaskRate {
        MaskRate::of(&objective.schedule)
    }

    pub fn of(schedule: &Formula) -> MaskRate {
        MaskRate(schedule.complement())
    }

    /// At t, kept in [0, 1] against rounding.
    pub fn at(&self, t: f64) -> f64 {
        let rate = self.0.eval(t);
        if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) }
    }

    /// The noise level of a row of which this share is masked, alpha^-1(1 - share): what a model that
    /// reads `t` is told wherever masks are counted and not drawn by t.
    pub fn level(&self, share: f64) -> f64 {
        // Below the smallest rate there is no t; the closest is 0.
        self.last_at_most(share, 0.0, 1.0).unwrap_or(0.0)
    }

    /// The largest t of low..=high with a rate of at most `limit`, by bisection: alpha falls, so the rate
    /// rises.
    fn last_at_most(&self, limit: f64, low: f64, high: f64) -> Option<f64> {
        let (mut below, mut above) = (low, high);
        if self.at(above) <= limit {
            return Some(above);
        }
        if self.at(below) > limit {
            return None;
        }
        // Ends when the two are neighbours: some 60 halvings.
        loop {
            let middle = below + 0.5 * (above - below);
            if middle <= below || middle >= above {
                return Some(below);
            }
            if self.at(middle) <= limit { below = middle } else { above = middle }
        }
    }
}

/// The chance that a token is masked in training, on average over t.
pub fn mean_rate(objective: &MaskedDiffusion) -> f64 {
    /// Midpoints: rates are smooth, and nobody asks for more than three digits.
    const N: usize = 1000;
    let plan = MaskPlan::new(objective, 1);
    (0..N).map(|i| plan.rate.at(plan.t_at((i as f64 + 0.5) / N as f64))).sum::<f64>() / N as f64
}

/// A masked-diffusion objective made ready for sequences (or blocks) of one number of targets.
#[derive(Clone, Debug)]
pub struct MaskPlan {
    rate: MaskRate,
    elbo_weight: Formula,
    t: TSampling,
    weight: LossWeight,
    /// Count with a custom weight: the integral of w(t) times the chance of k masked tokens, by k.
    moments: Vec<f64>,
    estimator: Estimator,
    n_targets: usize,
    /// `TKind::Importance`: the logarithms of the mask rates at both ends, between which they are uniform.
    log_rates: Option<(f64, f64)>,
    /// `edges[k]` is the largest t at which at most k tokens are masked; `edges[0]` = low,
    /// `edges[n_targets]` = high, and minus infinity for a k that even `low` exceeds.
    edges: Vec<f64>,
}

impl MaskPlan {
    /// Assumes that alpha falls (not strictly) on [0, 1], which `check` proves.
    pub fn new(objective: &MaskedDiffusion, n_targets: usize) -> MaskPlan {
        let mut plan = MaskPlan {
            rate: MaskRate::new(objective),
            elbo_weight: objective.proof.weight.clone(),
            t: objective.t,
            weight: objective.weight.clone(),
            moments: vec![],
            estimator: objective.estimator,
            n_targets,
            log_rates: None,
            edges: vec![],
        };
        let (low, high) = plan.rates();
        if plan.t.kind == TKind::Importance && low > 0.0 && high > low {
            plan.log_rates = Some((low.ln(), high.ln()));
        }
        plan.edges = plan.count_edges();
        if let (LossWeight::Custom { formula, .. }, Estimator::Count) = (&objective.weight, objective.estimator) {
            plan.moments = plan.moments_of(formula);
        }
        plan
    }

    pub fn estimator(&self) -> Estimator {
        self.estimator
    }

    pub fn t_sampling(&self) -> TSampling {
        self.t
    }

    /// Positions that can be masked.
    pub fn n_targets(&self) -> usize {
        self.n_targets
    }

    /// t of a uniform draw: low + (high - low) u; by importance the t at which the logarithm of the mask rate has
    /// come as far, for then the density of t is in proportion to r'/r, the bound's weight.
    pub fn t_at(&self, u: f64) -> f64 {
        if let Some((low, high)) = self.log_rates {
            let rate = (low + (high - low) * u).exp();
            return self.rate.last_at_most(rate, self.t.low, self.t.high).unwrap_or(self.t.low);
        }
        (self.t.low + (self.t.high - self.t.low) * u).clamp(self.t.low, self.t.high)
    }

    /// The chance that a token is masked at t.
    pub fn rate(&self, t: f64) -> f64 {
        self.rate.at(t)
    }

    /// The noise level of a row with k masked tokens.
    pub fn level(&self, k: usize) -> f64 {
        self.rate.level(k as f64 / self.n_targets.max(1) as f64)
    }

    /// What the cross-entropy of each of a row's `k` masked tokens is multiplied by, its noise level being `t`, before
    /// the division by what the whole batch has: its targets, or with N3 its masked tokens ([`MaskPlan::tilt`] each).
    pub fn weight(&self, t: f64, k: usize) -> f64 {
        match self.estimator {
            Estimator::Bernoulli => self.bernoulli_weight(t),
            Estimator::Count => self.count_weight(k),
            // A mean over the row's masked tokens counts as much as its n targets.
            Estimator::RowMean if k == 0 => 0.0,
            Estimator::RowMean => self.tilt(t) * self.n_targets as f64 / k as f64,
            Estimator::BatchMean => self.tilt(t),
        }
    }

    /// Bernoulli: what each masked token's cross-entropy is multiplied by at t, before the division
    /// by the batch's targets. Always finite: where the formula is singular (t = 0 of 1/t, at which
    /// nothing is masked anyway) its value a hair inside the range stands in.
    pub fn bernoulli_weight(&self, t: f64) -> f64 {
        let formula = match (&self.weight, self.log_rates) {
            (LossWeight::Flat, _) => return self.tilt(t),
            // The weight over the density, which is in proportion to it.
            (LossWeight::Elbo, Some((low, high))) => return high - low,
            (LossWeight::Elbo, None) => &self.elbo_weight,
            (LossWeight::Custom { formula, .. }, _) => formula,
        };
        self.inside(t, |t| formula.eval(t)) * self.tilt(t) * self.width()
    }

    /// The density of a uniform t over that of the t drawn: 1 but for importance, where the latter is
    /// r'/r / log(r(high)/r(low)). What a loss means by a mean over t so stays the same.
    pub fn tilt(&self, t: f64) -> f64 {
        let Some((low, high)) = self.log_rates else { return 1.0 };
        (high - low) / self.width() * self.inside(t, |t| 1.0 / self.elbo_weight.eval(t))
    }

    /// The length of the range of t. A single t is no integral: its factor is 1, not 0.
    fn width(&self) -> f64 {
        if self.t.high > self.t.low { self.t.high - self.t.low } else { 1.0 }
    }

    /// A value at t or, where it is singular, a hair towards the middle of the range.
    fn inside(&self, t: f64, of: impl Fn(f64) -> f64) -> f64 {
        let inside = t + (0.5 * (self.t.low + self.t.high) - t) * 1e-9;
        [t, inside].into_iter().map(of).find(|value| value.is_finite()).unwrap_or(0.0)
    }

    /// Count: how many tokens are masked at t, clamp(ceil(rate * n), 1, n). Read from the same edges
    /// as [`MaskPlan::chance_of`], so that draws and weights agree to the last bit.
    pub fn count(&self, t: f64) -> usize {
        if self.n_targets == 0 {
            return 0;
        }
        // The first k with t <= edges[k], over k in 1..n; n otherwise.
        1 + self.edges[1..self.n_targets].partition_point(|edge| *edge < t)
    }

    /// Count: P(k), the chance of k masked tokens under the sampling of t.
    pub fn chance_of(&self, k: usize) -> f64 {
        if k == 0 || k > self.n_targets {
            return 0.0;
        }
        let (from, to) = (self.edges[k - 1].max(self.t.low), self.edges[k].max(self.t.low));
        match self.log_rates {
            Some((low, high)) => (self.rate(to).ln() - self.rate(from).ln()) / (high - low),
            None => self.uniform_chance(k, from, to),
        }
    }

    /// P(k) of a uniform t.
    fn uniform_chance(&self, k: usize, from: f64, to: f64) -> f64 {
        let width = self.t.high - self.t.low;
        if width > 0.0 { (to - from) / width } else { f64::from(u8::from(self.count(self.t.low) == k)) }
    }

    /// Count: what each of k masked tokens' cross-entropy is multiplied by, before the division by
    /// the batch's targets: (1/n) / P(k) * n/k. It turns the schedule's choice of k into the uniform
    /// one of the bound, whatever the schedule: a schedule is an importance sampler. A custom weight has
    /// its own integral in place of the bound's 1/k.
    pub fn count_weight(&self, k: usize) -> f64 {
        let chance = self.chance_of(k);
        match &self.weight {
            LossWeight::Flat if self.log_rates.is_none() => 1.0,
            LossWeight::Flat if chance > 0.0 => {
                let (from, to) = (self.edges[k - 1].max(self.t.low), self.edges[k].max(self.t.low));
                self.uniform_chance(k, from, to) / chance
            }
            LossWeight::Elbo if chance > 0.0 => 1.0 / (chance * k as f64),
            LossWeight::Custom { formula, .. } if self.t.high <= self.t.low => formula.eval(self.t.low),
            LossWeight::Custom { .. } if chance > 0.0 => self.moments.get(k).map_or(0.0, |moment| moment / chance),
            LossWeight::Elbo | LossWeight::Flat | LossWeight::Custom { .. } => 0.0,
        }
    }

    fn moments_of(&self, weight: &Formula) -> Vec<f64> {
        let joints = |formula: &Formula| formula.pieces().map(|(on, _)| on.low.to_f64()).collect::<Vec<_>>();
        let places = [self.edges.clone(), joints(weight), joints(&self.rate.0)].concat();
        moments(self.n_targets, (self.t.low, self.t.high), &places, |t| self.rate(t), |t| weight.eval(t))
    }

    /// The mask rates that the t range reaches.
    pub fn rates(&self) -> (f64, f64) {
        (self.rate(self.t.low), self.rate(self.t.high))
    }

    /// Count: whether every k of 1..=n can occur. If not, the loss estimates the bound's terms for
    /// those k alone and is no bound.
    pub fn covers_every_count(&self) -> bool {
        self.n_targets > 0 && (1..=self.n_targets).all(|k| self.chance_of(k) > 0.0)
    }

    /// For each k the largest t with rate(t) <= k / n.
    fn count_edges(&self) -> Vec<f64> {
        let (low, high, n) = (self.t.low, self.t.high, self.n_targets);
        // `edges[0]` is never compared with; it makes the first difference come out right.
        let mut edges = Vec::with_capacity(n + 1);
        edges.push(low);
        for k in 1..n {
            let limit = k as f64 / n as f64;
            edges.push(self.rate.last_at_most(limit, edges[k - 1].max(low), high).unwrap_or(f64::NEG_INFINITY));
        }
        if n > 0 {
            edges.push(high);
        }
        edges
    }
}
