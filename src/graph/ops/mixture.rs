//! The loss of noise that replaces tokens by others, per position, in nats: GIDD's form (von Rütte et al.
//! 2025, arXiv 2503.04482, eq. 9), of which the bound of uniform diffusion is a case. A clean token x goes to
//! `q_j = alpha [j = x] + u` for every id j that can be predicted; what is left of 1 goes to the mask token. The
//! model's guess p of x gives `q_theta_j = alpha p_j + u`, and with z what was read in x's place
//!
//!   loss = sum_j q_j log(q_j / q_theta_j) + r - log r - 1,  r = q_z / q_theta_z where z can be predicted, else 1.
//!
//! # Limits
//! - alpha = 0: q and q_theta are one, so loss and gradient are 0.
//! - u = 0: terms with q_j = 0 are 0, and what is left is `-alpha log p_x`.
//! - u = 0 and z neither x nor the mask: x cannot have become z, and the loss is infinite. The gradient is the
//!   limit's, which is finite.
//!
//! # Gradient
//! With `s_j = alpha p_j / q_theta_j`, in 0..=1, and `c_j = -q_j s_j + [j = z] (1 - r) s_z`, the derivative with
//! respect to logit k is `c_k - p_k sum_j c_j`: no quotient of small numbers is left in it.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Elem, Type, Value};

/// `(logits [B, T, V], targets [B, T], tokens [B, T], alpha [B] wide, uniform [B] wide)
/// -> (loss [B, T] wide, lse [B, T] wide)`
///
/// Ids from `live` on cannot be predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    pub live: u64,
}

/// `(dloss, logits, targets, tokens, alpha, uniform, lse) -> dlogits`
#[derive(Clone, Debug, PartialEq)]
pub struct MixtureGrad {
    pub live: u64,
}

impl Operation for Mixture {
    fn name(&self) -> &'static str {
        "mixture"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [logits, targets, tokens, alpha, uniform] = inputs else {
            return Err(Mismatch("mixture takes logits, targets, tokens, alpha and uniform".into()));
        };
        let is_index = |ty: &Type| matches!(ty.elem, Elem::Index { .. });
        let per_row = |ty: &Type| ty.elem == Elem::Wide && Some(ty.shape.as_slice()) == targets.shape.get(..1);
        match logits.shape.split_last() {
            Some((_, rows))
                if rows == targets.shape
                    && targets.shape == tokens.shape
                    && is_index(targets)
                    && is_index(tokens)
                    && per_row(alpha)
                    && per_row(uniform) =>
            {
                Ok(vec![Type::wide(rows), Type::wide(rows)])
            }
            _ => Err(Mismatch(format!(
                "mixture of {logits} for targets {targets} and tokens {tokens}, with alpha {alpha} and uniform {uniform}"
            ))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let mut given = vec![None; 5];
        let Some(dloss) = cx.cotangent(cotangents, 0) else { return given };
        let all = [dloss, cx.input(0), cx.input(1), cx.input(2), cx.input(3), cx.input(4), cx.output(1)];
        if let Some(dlogits) = given.first_mut() {
            *dlogits = cx.emit(MixtureGrad { live: self.live }, &all).first().copied();
        }
        given
    }

    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let mut loss = vec![];
        let mut lse = vec![];
        for row in rows(self.live, inputs) {
            loss.push(row.loss());
            lse.push(row.lse);
        }
        let shape = inputs.get(1).map(|targets| targets.shape.clone()).unwrap_or_default();
        vec![Array::new(shape.clone(), loss), Array::new(shape, lse)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}

impl Operation for MixtureGrad {
    fn name(&self) -> &'static str {
        "mixture_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dloss, logits, _, _, _, _, _] = inputs else {
            return Err(Mismatch("mixture_grad takes seven tensors".into()));
        };
        match logits.shape.split_last() {
            Some((_, rows)) if rows == dloss.shape => Ok(vec![(*logits).clone()]),
            _ => Err(Mismatch(format!("mixture_grad of {dloss} for {logits}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 7]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dloss, logits) = (inputs[0], inputs[1]);
        let mut out = Array::zeros(logits.shape.clone());
        // With the saved sum, as every back end has it.
        let rows = rows(self.live, &inputs[1..]).zip(&inputs[6].data).map(|(row, lse)| Row { lse: *lse, ..row });
        for ((row, d), dloss) in rows.zip(out.data.chunks_mut(logits.width())).zip(&dloss.data) {
            if *dloss != 0.0 {
                row.gradient().zip(d).for_each(|(g, d)| *d = dloss * g);
            }
        }
        vec![out]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("live", self.live.to_string())]
    }
}

/// One position of a batch.
struct Row<'a> {
    /// Of the ids that can be predicted.
    logits: &'a [f64],
    lse: f64,
    /// The clean token, and what was read in its place.
    x: usize,
    z: usize,
    alpha: f64,
    u: f64,
}

/// All positions; `inputs` are those of [`Mixture`].
#[allow(clippy::indexing_slicing)] // shapes have passed `infer`
fn rows<'a>(live: u64, inputs: &[&'a Array]) -> impl Iterator<Item = Row<'a>> {
    let (logits, targets, tokens, alpha, uniform) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]);
    let t = targets.width();
    logits.data.chunks(logits.width()).enumerate().map(move |(i, row)| {
        let logits = &row[..live as usize];
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let lse = max + logits.iter().map(|x| (x - max).exp()).sum::<f64>().ln();
        let (x, z) = (targets.data[i] as usize, tokens.data[i] as usize);
        Row { logits, lse, x, z, alpha: alpha.data[i / t], u: uniform.data[i / t] }
    })
}

#[allow(clippy::indexing_slicing)] // ids below the number of logits
impl Row<'_> {
    fn q(&self, j: usize) -> f64 {
        if j == self.x { self.alpha + self.u } else { self.u }
    }

    /// log(alpha p_j) and log(q_theta_j).
    fn logs(&self, j: usize) -> (f64, f64) {
        let (a, b) = (self.alpha.ln() + self.logits[j] - self.lse, self.u.ln());
        (a, a.max(b) + (-(a - b).abs()).exp().ln_1p())
    }

    /// log r.
    fn log_ratio(&self) -> f64 {
        if self.z < self.logits.len() { self.q(self.z).ln() - self.logs(self.z).1 } else { 0.0 }
    }

    fn loss(&self) -> f64 {
        if self.alpha <= 0.0 {
            return 0.0;
        }
        let terms = (0..self.logits.len()).filter(|j| self.q(*j) > 0.0);
        let divergence: f64 = terms.map(|j| self.q(j) * (self.q(j).ln() - self.logs(j).1)).sum();
        let log_r = self.log_ratio();
        divergence + log_r.exp_m1() - log_r
    }

    fn gradient(&self) -> impl Iterator<Item = f64> {
        let s = |j: usize| {
            let (mine, all) = self.logs(j);
            (mine - all).exp()
        };
        let c = |j: usize| {
            let ratio = if j == self.z { -self.log_ratio().exp_m1() } else { 0.0 };
            (ratio - self.q(j)) * s(j)
        };
        let c: Vec<f64> = match self.alpha > 0.0 {
            true => (0..self.logits.len()).map(c).collect(),
            false => vec![0.0; self.logits.len()],
        };
        let total: f64 = c.iter().sum();
        let p = self.logits.iter().map(|logit| (logit - self.lse).exp()).collect::<Vec<f64>>();
        c.into_iter().zip(p).map(move |(c, p)| c - p * total)
    }
}
