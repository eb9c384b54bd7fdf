//! Least squares of the logarithm of the loss with Huber's weights, by Levenberg-Marquardt steps: far residuals count
//! by their size and not by its square, as in the published fits. With the weights that belong to the last point each
//! step lowers a bound on the objective that touches it there, so the objective never rises.
#![allow(clippy::indexing_slicing)] // matrices of the number of parameters, made here

use super::TrainedRun;
use super::dual::MAX_PARAMETERS;
use super::law::Law;

/// Residuals of the logarithm of the loss above this count linearly (Hoffmann et al. 2022, Muennighoff et al. 2023).
pub const HUBER_DELTA: f64 = 1e-3;
const MAX_STEPS: usize = 400;
/// A descent has arrived when this many steps in a row gain less than its smallest gain.
const PATIENCE: usize = 3;
/// The smallest gain, as a share of the objective: parameters are then good to about four digits.
pub const FINE: f64 = 1e-9;
/// The same for resamples, whose spread is what is wanted: they differ by far more than this leaves open.
pub const COARSE: f64 = 1e-6;
/// No parameter changes by more than this factor's logarithm in a step.
const MAX_CHANGE: f64 = 1.0;
/// Beyond this damping no step lowers the objective.
const MAX_DAMPING: f64 = 1e12;

/// What is minimised: a law on runs, each counted so often.
pub struct Problem<'a> {
    pub law: Law,
    pub runs: &'a [TrainedRun],
    pub counts: &'a [f64],
    /// By parameter whether it moves.
    pub free: &'a [bool],
    pub min_gain: f64,
}

/// The logarithms of all losses together change by less than this for a factor of e: no influence.
const MIN_INFLUENCE: f64 = 1e-9;
/// With a smaller share of influence of its own, a parameter cannot be told from the others in double precision.
pub const MIN_OWN: f64 = 1e-10;

type Matrix = [[f64; MAX_PARAMETERS]; MAX_PARAMETERS];

/// The normal equations at a point.
struct Normal {
    objective: f64,
    gradient: [f64; MAX_PARAMETERS],
    matrix: Matrix,
}

impl Problem<'_> {
    /// From a point to a minimum: the point and the objective there.
    pub fn descend(&self, start: &[f64]) -> (Vec<f64>, f64) {
        let mut theta = self.inside(start.to_vec());
        let mut here = self.normal(&theta);
        let (mut damping, mut n_small) = (1e-3, 0);
        for _ in 0..MAX_STEPS {
            if !here.objective.is_finite() || damping > MAX_DAMPING || n_small >= PATIENCE {
                break;
            }
            let moving = self.moving(&theta, &here.gradient);
            let Some(step) = self.step(&here, &moving, damping) else {
                damping *= 10.0;
                continue;
            };
            let next = self.inside(theta.iter().zip(step).map(|(x, d)| x + d.clamp(-MAX_CHANGE, MAX_CHANGE)).collect());
            let there = self.normal(&next);
            if there.objective < here.objective {
                let gain = (here.objective - there.objective) / here.objective.max(f64::MIN_POSITIVE);
                n_small = if gain < self.min_gain { n_small + 1 } else { 0 };
                damping = (damping / 5.0).max(1e-12);
                (theta, here) = (next, there);
            } else {
                damping *= 4.0;
            }
        }
        (theta, here.objective)
    }

    /// By parameter the share of its influence on the runs that no combination of the other free parameters has too:
    /// 0 where the runs do not depend on it, or only together with others. A parameter that is fixed has all.
    pub fn own_influence(&self, theta: &[f64]) -> Vec<f64> {
        let free: Vec<usize> = (0..self.free.len()).filter(|i| self.free[*i]).collect();
        let slopes: Vec<[f64; MAX_PARAMETERS]> = self.runs.iter().map(|run| self.law.log_loss(theta, run).by).collect();
        let product = |i: usize, j: usize| slopes.iter().map(|by| by[i] * by[j]).sum::<f64>();
        let size: Vec<f64> = (0..theta.len()).map(|i| product(i, i).sqrt()).collect();
        let of = |i: usize| -> f64 {
            if !self.free[i] {
                return 1.0;
            }
            if size[i] < MIN_INFLUENCE {
                return 0.0;
            }
            // Cholesky's decomposition of the correlations with this one last: the last pivot is what is left of it.
            let others = free.iter().copied().filter(|j| *j != i && size[*j] >= MIN_INFLUENCE);
            let order: Vec<usize> = others.chain([i]).collect();
            let mut lower: Matrix = [[0.0; MAX_PARAMETERS]; MAX_PARAMETERS];
            let mut left = 1.0;
            for (a, x) in order.iter().enumerate() {
                for (b, y) in order.iter().enumerate().take(a) {
                    let sum = (0..b).map(|k| lower[a][k] * lower[b][k]).sum::<f64>();
                    let correlation = product(*x, *y) / (size[*x] * size[*y]);
                    // One that is a combination of those before it adds nothing.
                    lower[a][b] = if lower[b][b] > 0.0 { (correlation - sum) / lower[b][b] } else { 0.0 };
                }
                left = 1.0 - (0..a).map(|k| lower[a][k] * lower[a][k]).sum::<f64>();
                lower[a][a] = if left > MIN_OWN { left.sqrt() } else { 0.0 };
            }
            left.max(0.0)
        };
        (0..theta.len()).map(of).collect()
    }

    /// The free parameters, without those at an end of their range that the descent would push beyond it.
    fn moving(&self, theta: &[f64], gradient: &[f64]) -> Vec<usize> {
        let stays = |i: usize| {
            let parameter = &self.law.parameters()[i];
            (theta[i] <= parameter.low.ln() && gradient[i] >= 0.0)
                || (theta[i] >= parameter.high.ln() && gradient[i] <= 0.0)
        };
        (0..self.free.len()).filter(|i| self.free[*i] && !stays(*i)).collect()
    }

    pub fn objective(&self, theta: &[f64]) -> f64 {
        self.normal(theta).objective
    }

    fn inside(&self, mut theta: Vec<f64>) -> Vec<f64> {
        for ((x, parameter), free) in theta.iter_mut().zip(self.law.parameters()).zip(self.free) {
            if *free {
                *x = x.clamp(parameter.low.ln(), parameter.high.ln());
            }
        }
        theta
    }

    fn normal(&self, theta: &[f64]) -> Normal {
        let n = theta.len();
        let mut normal =
            Normal { objective: 0.0, gradient: [0.0; MAX_PARAMETERS], matrix: [[0.0; MAX_PARAMETERS]; MAX_PARAMETERS] };
        for (run, count) in self.runs.iter().zip(self.counts) {
            if *count == 0.0 {
                continue;
            }
            let predicted = self.law.log_loss(theta, run);
            let residual = predicted.value - run.loss.ln();
            let size = residual.abs();
            let (cost, weight) = match size <= HUBER_DELTA {
                true => (0.5 * size * size, 1.0),
                false => (HUBER_DELTA * (size - 0.5 * HUBER_DELTA), HUBER_DELTA / size),
            };
            normal.objective += count * cost;
            let weight = weight * count;
            for i in (0..n).filter(|i| self.free[*i]) {
                normal.gradient[i] += weight * predicted.by[i] * residual;
                for j in 0..=i {
                    normal.matrix[i][j] += weight * predicted.by[i] * predicted.by[j];
                }
            }
        }
        normal
    }

    /// Solves `(M + damping diag M) x = -gradient` by Cholesky's decomposition; parameters that do not move stay.
    fn step(&self, normal: &Normal, free: &[usize], damping: f64) -> Option<[f64; MAX_PARAMETERS]> {
        let largest = free.iter().map(|i| normal.matrix[*i][*i]).fold(0.0, f64::max);
        let mut lower: Matrix = [[0.0; MAX_PARAMETERS]; MAX_PARAMETERS];
        for (i, a) in free.iter().enumerate() {
            for (j, b) in free.iter().enumerate().take(i + 1) {
                let mut sum = normal.matrix[*a][*b];
                if i == j {
                    // A parameter without influence stays where it is instead of making the matrix singular.
                    sum += damping * sum + 1e-14 * largest;
                }
                sum -= (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
                if i != j {
                    lower[i][j] = sum / lower[j][j];
                } else if sum > 0.0 {
                    lower[i][i] = sum.sqrt();
                } else {
                    return None;
                }
            }
        }
        let n = free.len();
        let mut x = [0.0; MAX_PARAMETERS];
        for i in 0..n {
            let sum = (0..i).map(|k| lower[i][k] * x[k]).sum::<f64>();
            x[i] = (-normal.gradient[free[i]] - sum) / lower[i][i];
        }
        for i in (0..n).rev() {
            let sum = (i + 1..n).map(|k| lower[k][i] * x[k]).sum::<f64>();
            x[i] = (x[i] - sum) / lower[i][i];
        }
        let mut step = [0.0; MAX_PARAMETERS];
        free.iter().zip(x).for_each(|(i, x)| step[*i] = x);
        step.iter().all(|x| x.is_finite()).then_some(step)
    }
}
