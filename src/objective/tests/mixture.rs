//! Uniform and hybrid diffusion by enumeration of all noisy sequences and integration over the noise level, with the
//! weights of [`Corruptor::weigh`]: the bounds are the entropy where the model's prediction is the posterior that does
//! not see the token's own noise, and only there.

use super::joint::*;
use super::*;
use crate::objective::mixture::{Process, per_alpha};

/// Integration of integrands that are bounded but not smooth at the ends, levels kept away from them, and rounding
/// where weights are large.
const INTEGRAL: f64 = 1e-5;
/// Standard errors; see `bounds.rs`.
const ERRORS: f64 = 4.5;

/// GIDD's loss of a token (domain B.9), written out over all ids, the mask included.
fn mixture_loss(mixing: Mixing, x: u32, z: u32, predicted: &[f64; N]) -> f64 {
    let q = |id: u32, alpha_of: f64| match id {
        MASK => mixing.mask,
        _ => mixing.alpha * alpha_of + mixing.uniform,
    };
    let of_x = |id: u32| q(id, f64::from(u8::from(id == x)));
    let of_theta = |id: u32| q(id, predicted.get(id as usize).copied().unwrap_or(0.0));
    let divergence =
        (0..=MASK).filter(|id| of_x(*id) > 0.0).map(|id| of_x(id) * (of_x(id) / of_theta(id)).ln()).sum::<f64>();
    let ratio = of_x(z) / of_theta(z);
    divergence + ratio - ratio.ln() - 1.0
}

/// Duo's loss of a token (domain B.7), with xb = N alpha x + 1 - alpha.
fn nll_per_token(alpha: f64, slope: f64, x: u32, z: u32, predicted: &[f64; N]) -> f64 {
    let n = N as f64;
    let xb = |id: usize| n * alpha * f64::from(u8::from(id == x as usize)) + 1.0 - alpha;
    let theta = |id: usize| n * alpha * predicted[id] + 1.0 - alpha;
    let i = z as usize;
    let others = (0..N).filter(|j| *j != i);
    let sum: f64 = others.map(|j| xb(j) / xb(i) * (theta(i) * xb(j) / (theta(j) * xb(i))).ln()).sum();
    slope / (n * alpha) * (n / xb(i) - n / theta(i) - sum)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Posterior {
    /// p(x_i | z_j for j != i): what the parameterisation asks for.
    LeaveOneOut,
    /// p(x_i | z), which counts the evidence of z_i twice.
    Ordinary,
}

/// q(z|x)
fn chance(mixing: Mixing, z: u32, x: u32) -> f64 {
    match z {
        MASK => mixing.mask,
        _ => mixing.uniform + if z == x { mixing.alpha } else { 0.0 },
    }
}

/// All noisy versions of the targets of a sequence that starts with `first`.
fn noisy(first: u32) -> impl Iterator<Item = Sequence> {
    (0..64).map(move |cell: u32| [first, cell / 16, cell / 4 % 4, cell % 4])
}

/// E over x ~ p and z of the loss of a whole sequence at one level, by what `weight` gives for (x_i, z_i).
fn expected(joint: &Joint, mixing: Mixing, posterior: Posterior, weight: impl Fn(u32, u32) -> f64) -> f64 {
    let cells: Vec<(Sequence, f64)> = sequences().map(|x| (x, joint.p(&x))).collect();
    let mut total = 0.0;
    for first in 0..N as u32 {
        let cells: Vec<_> = cells.iter().filter(|(x, _)| x[0] == first).collect();
        for z in noisy(first) {
            let evidence = |x: &Sequence, without: usize| -> f64 {
                (1..L).filter(|j| *j != without).map(|j| chance(mixing, z[j], x[j])).product()
            };
            let joint: Vec<f64> = cells.iter().map(|(x, p)| p * evidence(x, 0)).collect();
            if joint.iter().all(|p| *p == 0.0) {
                continue;
            }
            for i in 1..L {
                let mut predicted = [0.0; N];
                for (x, p) in &cells {
                    let without = if posterior == Posterior::LeaveOneOut { i } else { 0 };
                    predicted[x[i] as usize] += p * evidence(x, without);
                }
                let sum: f64 = predicted.iter().sum();
                let predicted = predicted.map(|p| p / sum);
                // The loss of a token depends on x_i alone.
                for id in 0..N as u32 {
                    let of_id = cells.iter().zip(&joint).filter(|((x, _), _)| x[i] == id).map(|(_, p)| p);
                    let p: f64 = of_id.sum();
                    if p > 0.0 {
                        total += p * weight(id, z[i]) * mixture_loss(mixing, id, z[i], &predicted);
                    }
                }
            }
        }
    }
    total
}

/// The chance of the mask at t (domain B.9).
fn mask_chance(objective: &Objective, t: f64) -> f64 {
    match objective {
        Objective::HybridDiffusion(hybrid) => {
            t / (1.0 + 2.0 * hybrid.uniform / (1.0 - hybrid.uniform) * t.sqrt() * (1.0 - t).sqrt())
        }
        _ => 0.0,
    }
}

/// The weights of a row at t, by (x_i, z_i), for a loss of the whole sequence, and the mixing that the graph is told.
fn weights(objective: &Objective, corruptor: &Corruptor, t: f64) -> (Mixing, impl Fn(u32, u32) -> f64 + use<>) {
    let noise = Noise { rows: 1, time: L, z: vec![0, 0, 1, MASK], t: vec![t] };
    let rows = corruptor.weigh(&[0, 0, 0, 0], &noise, corruptor.global_of(&noise));
    let of: [f64; 3] = [1, 2, 3].map(|i| rows.weights[i] * TARGETS as f64);
    let mixing = Mixing { alpha: rows.alpha[0], mask: mask_chance(objective, rows.t[0]), uniform: rows.uniform[0] };
    assert!((mixing.alpha + mixing.mask + N as f64 * mixing.uniform - 1.0).abs() < 1e-12);
    (mixing, move |x, z| of[if z == MASK { 2 } else { usize::from(x != z) }])
}

/// The expected training loss of a whole sequence over all of t, which goes from 0 to 1 smoothly, for weights may grow
/// as log(t)/sqrt(t) at an end.
fn bound(joint: &Joint, objective: &Objective, posterior: Posterior) -> f64 {
    let corruptor = Corruptor::new(objective, &TABLE, L);
    integral_to_the_ends(|s| {
        let t = s.powi(3) * (10.0 - 15.0 * s + 6.0 * s * s);
        let (mixing, weight) = weights(objective, &corruptor, t);
        30.0 * (s * (1.0 - s)).powi(2) * expected(joint, mixing, posterior, weight)
    })
}

fn all_uniform() -> Vec<(&'static str, Objective)> {
    closed_schedules().into_iter().map(|(name, s)| (name, uniform(s, TKind::Systematic, (0.0, 1.0)))).collect()
}

#[test]
fn with_the_leave_one_out_posterior_the_uniform_bound_is_the_entropy_and_with_the_ordinary_one_it_is_not() {
    let joint = Joint::random(1);
    let entropy = joint.entropy();
    let mut largest: f64 = 0.0;
    for (name, objective) in all_uniform() {
        let mean = bound(&joint, &objective, Posterior::LeaveOneOut);
        assert!((mean - entropy).abs() < INTEGRAL, "{name}: {mean} {entropy}");
        println!("uniform {name}: {:.1e}", (mean - entropy).abs());
        largest = largest.max((mean - entropy).abs());
    }
    let ordinary = bound(&joint, &all_uniform()[0].1, Posterior::Ordinary);
    println!("uniform: {largest:.1e}; with the ordinary posterior {:.4} over {entropy:.4}", ordinary - entropy);
    assert!(ordinary - entropy > 0.01, "{ordinary} {entropy}");
}

#[test]
fn with_the_leave_one_out_posterior_the_hybrid_bound_is_the_entropy_and_with_the_ordinary_one_it_is_not() {
    let joint = Joint::random(2);
    let entropy = joint.entropy();
    for most in [0.0, 0.1, 0.2, 0.5, 0.9] {
        let objective = hybrid(most, HybridWeight::Elbo, (0.0, 1.0));
        let mean = bound(&joint, &objective, Posterior::LeaveOneOut);
        let ordinary = bound(&joint, &objective, Posterior::Ordinary);
        println!(
            "hybrid {most}: {:.1e}; with the ordinary posterior {:.4} over {entropy:.4}",
            (mean - entropy).abs(),
            ordinary - entropy
        );
        assert!((mean - entropy).abs() < INTEGRAL, "{most}: {mean} {entropy}");
        // Without uniform noise a token that is seen has no loss, and both posteriors are one.
        let same = (ordinary - mean).abs() < EXACT;
        assert!(if most == 0.0 { same } else { ordinary - entropy > 1e-3 }, "{most}: {ordinary}");
    }
}
