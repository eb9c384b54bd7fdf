//! Uniform and hybrid diffusion by enumeration of all noisy sequences and integration over the noise level, with the
//! weights of [`Corruptor::weigh`]: the bounds are the entropy where the model's prediction is the posterior that does
//! not see the token's own noise, and only there.

use super::joint::*;
use super::*;

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

/// A joint with what its posteriors need, sequences by their first token.
struct Table {
    joint: Joint,
    cells: Vec<Vec<(Sequence, f64)>>,
}

impl Table {
    fn random(seed: u32) -> Table {
        let joint = Joint::random(seed);
        let starting = |first: u32| sequences().filter(move |x| x[0] == first);
        let cells = (0..N as u32).map(|first| starting(first).map(|x| (x, joint.p(&x))).collect()).collect();
        Table { joint, cells }
    }

    /// p(z_j of j = 1.. but `without` | x)
    fn evidence(mixing: Mixing, z: &Sequence, x: &Sequence, without: usize) -> f64 {
        (1..L).filter(|j| *j != without).map(|j| chance(mixing, z[j], x[j])).product()
    }

    /// The prediction of token i.
    fn predicted(&self, mixing: Mixing, z: &Sequence, i: usize, posterior: Posterior) -> [f64; N] {
        let mut predicted = [0.0; N];
        let without = if posterior == Posterior::LeaveOneOut { i } else { 0 };
        for (x, p) in &self.cells[z[0] as usize] {
            predicted[x[i] as usize] += p * Table::evidence(mixing, z, x, without);
        }
        let sum: f64 = predicted.iter().sum();
        predicted.map(|p| p / sum)
    }

    /// E over x ~ p and z of the loss of a whole sequence at one level, by what `weight` gives for (x_i, z_i).
    fn expected(&self, mixing: Mixing, posterior: Posterior, weight: impl Fn(u32, u32) -> f64) -> f64 {
        let mut total = 0.0;
        for (first, cells) in self.cells.iter().enumerate() {
            for z in noisy(first as u32) {
                let joint: Vec<f64> = cells.iter().map(|(x, p)| p * Table::evidence(mixing, &z, x, 0)).collect();
                if joint.iter().all(|p| *p == 0.0) {
                    continue;
                }
                for i in 1..L {
                    let predicted = self.predicted(mixing, &z, i, posterior);
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

    /// `sum(weights * loss)` of one row.
    fn loss(&self, objective: &Objective, rows: &Corrupted, row: usize) -> f64 {
        let mask = mask_chance(objective, rows.t[row]);
        let mixing = Mixing { alpha: rows.alpha[row], mask, uniform: rows.uniform[row] };
        let at = row * L..(row + 1) * L;
        let z: Sequence = rows.tokens[at.clone()].try_into().unwrap();
        let (x, weights) = (&rows.targets[at.clone()], &rows.weights[at]);
        assert_eq!((z[0], weights[0]), (x[0], 0.0));
        let of = |i: usize| {
            weights[i] * mixture_loss(mixing, x[i], z[i], &self.predicted(mixing, &z, i, Posterior::LeaveOneOut))
        };
        (1..L).map(of).sum()
    }
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
fn bound(table: &Table, objective: &Objective, posterior: Posterior) -> f64 {
    let corruptor = Corruptor::new(objective, &TABLE, L);
    integral_to_the_ends(|s| {
        let t = s.powi(3) * (10.0 - 15.0 * s + 6.0 * s * s);
        let (mixing, weight) = weights(objective, &corruptor, t);
        30.0 * (s * (1.0 - s)).powi(2) * table.expected(mixing, posterior, weight)
    })
}

fn all_uniform() -> Vec<(&'static str, Objective)> {
    closed_schedules().into_iter().map(|(name, s)| (name, uniform(s, TKind::Systematic, (0.0, 1.0)))).collect()
}

#[test]
fn with_the_leave_one_out_posterior_the_uniform_bound_is_the_entropy_and_with_the_ordinary_one_it_is_not() {
    let table = Table::random(1);
    let entropy = table.joint.entropy();
    let mut largest: f64 = 0.0;
    for (name, objective) in all_uniform() {
        let mean = bound(&table, &objective, Posterior::LeaveOneOut);
        assert!((mean - entropy).abs() < INTEGRAL, "{name}: {mean} {entropy}");
        println!("uniform {name}: {:.1e}", (mean - entropy).abs());
        largest = largest.max((mean - entropy).abs());
    }
    let ordinary = bound(&table, &all_uniform()[0].1, Posterior::Ordinary);
    println!("uniform: {largest:.1e}; with the ordinary posterior {:.4} over {entropy:.4}", ordinary - entropy);
    assert!(ordinary - entropy > 0.01, "{ordinary} {entropy}");
}

#[test]
fn with_the_leave_one_out_posterior_the_hybrid_bound_is_the_entropy_and_with_the_ordinary_one_it_is_not() {
    let table = Table::random(2);
    let entropy = table.joint.entropy();
    for most in [0.0, 0.2, 0.9] {
        let objective = hybrid(most, HybridWeight::Elbo, (0.0, 1.0));
        let mean = bound(&table, &objective, Posterior::LeaveOneOut);
        let ordinary = bound(&table, &objective, Posterior::Ordinary);
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

/// The mean over x_1 of KL(q(z_2..z_4 | x_1) || uniform), and of KL(q(z|x) || uniform), at one level.
fn divergences_from_uniform(table: &Table, mixing: Mixing) -> [f64; 2] {
    let mut mean = [0.0; 2];
    for (first, cells) in table.cells.iter().enumerate() {
        let of_first: f64 = cells.iter().map(|(_, p)| p).sum();
        for z in noisy(first as u32).filter(|z| !z.contains(&MASK)) {
            let together: f64 = cells.iter().map(|(x, p)| p * Table::evidence(mixing, &z, x, 0)).sum();
            mean[0] += together * (together / of_first * (N as f64).powi(3)).ln();
            for (x, p) in cells {
                let q = Table::evidence(mixing, &z, x, 0);
                mean[1] += p * q * (q * (N as f64).powi(3)).ln();
            }
        }
    }
    mean
}

#[test]
fn a_uniform_schedule_that_stops_early_needs_its_prior_term() {
    // alpha(1) = 0.1: what the text is drawn from is not what noise makes of it, and the bound says by how much.
    let table = Table::random(1);
    let schedule = Formula::from(one_minus(product(&[Term::ratio(9, 10), Term::T])));
    let objective = uniform(schedule, TKind::Systematic, (0.0, 1.0));
    let last = Mixing { alpha: 0.1, mask: 0.0, uniform: 0.3 };
    let [marginal, each] = divergences_from_uniform(&table, last);
    let term = prior(&objective, &TABLE) * TARGETS as f64;
    assert!((term - each).abs() < EXACT, "{term} {each}");
    let mean = bound(&table, &objective, Posterior::LeaveOneOut) + term;
    let entropy = table.joint.entropy();
    println!("uniform with alpha(1) = 0.1: {:.1e} off entropy + {marginal:.4}", (mean - entropy - marginal).abs());
    assert!((mean - entropy - marginal).abs() < INTEGRAL, "{mean} {entropy} {marginal}");
    for (name, objective) in all_uniform() {
        assert!(prior(&objective, &TABLE).abs() < EXACT, "{name}");
    }
    // As if nothing were ever replaced: the token itself, log N nats from uniform.
    let still = uniform(Formula::from(Term::ONE).simplify(), TKind::Iid, (0.0, 1.0));
    assert!((prior(&still, &TABLE) - (N as f64).ln()).abs() < EXACT);
}

#[test]
fn the_mixture_loss_is_duos_loss_under_the_uniform_weights() {
    let mut largest: f64 = 0.0;
    for (name, objective) in all_uniform() {
        let Objective::UniformDiffusion(uniform) = &objective else { continue };
        let corruptor = Corruptor::new(&objective, &TABLE, L);
        for t in [0.01, 0.2, 0.5, 0.77, 0.98] {
            let (mixing, weight) = weights(&objective, &corruptor, t);
            let (alpha, slope) = (uniform.schedule.eval(t), uniform.schedule.derivative().unwrap().eval(t));
            for predicted in [[0.2, 0.3, 0.5], [0.98, 0.01, 0.01], [1.0 / 3.0; 3]] {
                for (x, z) in (0..3).flat_map(|x| [(x, 0), (x, 1), (x, 2)]) {
                    let ours = weight(x, z) * mixture_loss(mixing, x, z, &predicted);
                    let theirs = nll_per_token(alpha, slope, x, z, &predicted);
                    let off = (ours - theirs).abs() / (1.0 + theirs.abs());
                    assert!(off < EXACT, "{name} {t} {predicted:?} {x} {z}: {ours} {theirs}");
                    largest = largest.max(off);
                }
            }
        }
    }
    println!("Duo's loss: {largest:.1e}");
}

#[test]
fn without_uniform_noise_the_hybrid_is_masked_diffusion() {
    let hybrid = hybrid(0.0, HybridWeight::Elbo, (0.0, 1.0));
    let plain = diffusion(|m| (m.t.kind, m.estimator) = (TKind::Systematic, Estimator::Bernoulli));
    let clean: Vec<u32> = (0..8 * 64).map(|i| i * i % 3).collect();
    // The same draws ...
    let [of_hybrid, of_plain] = [&hybrid, &plain].map(|objective| corrupt(objective, &TABLE, &clean, 64, 0, 8, 7, 5));
    assert_eq!((&of_hybrid.tokens, &of_hybrid.t), (&of_plain.tokens, &of_plain.t));
    assert!(of_hybrid.uniform.iter().all(|u| *u == 0.0));
    // ... and the same weighted losses: nothing where a token is seen, 1/t times the cross-entropy where not.
    let predicted = [0.2, 0.3, 0.5];
    for (i, (ours, theirs)) in of_hybrid.weights.iter().zip(&of_plain.weights).enumerate() {
        let (x, z, t) = (of_plain.targets[i], of_plain.tokens[i], of_plain.t[i / 64]);
        let mixing = Mixing { alpha: 1.0 - t, mask: t, uniform: 0.0 };
        let loss = ours * if *ours > 0.0 { mixture_loss(mixing, x, z, &predicted) } else { 0.0 };
        assert!((loss - theirs * -predicted[x as usize].ln()).abs() < EXACT, "{i}: {loss} {theirs}");
    }
}

#[test]
fn dynamic_weights_are_the_bounds_times_2_t_1_minus_t_where_little_is_uniform() {
    let vocab = Vocab { n_ids: 50_000, eod: 50_000, mask: Some(50_001), size: 50_048 };
    let of = |most: f64, weight, t: f64| {
        let corruptor = Corruptor::new(&hybrid(most, weight, (0.0, 1.0)), &vocab, L);
        let noise = Noise { rows: 1, time: L, z: vec![0, 0, 1, 50_001], t: vec![t] };
        corruptor.weigh(&[0, 0, 0, 0], &noise, corruptor.global_of(&noise)).weights
    };
    for t in [0.05, 0.3, 0.5, 0.8] {
        let (bound, dynamic) = (of(0.01, HybridWeight::Elbo, t), of(0.01, HybridWeight::Dynamic, t));
        let ratio = |i: usize| dynamic[i] / (bound[i] * 2.0 * t * (1.0 - t));
        assert!((ratio(3) - 1.0).abs() < EXACT && (ratio(2) - 1.0).abs() < EXACT, "{t}: {dynamic:?} {bound:?}");
        // The root of noise over signal, of which uniform noise is a little part.
        assert!((ratio(1) - 1.0).abs() < 0.05, "{t}: {}", ratio(1));
    }
    // At the end there is no signal to speak of, and no weight above 2.
    let at_the_end = of(0.9, HybridWeight::Dynamic, 1.0).iter().map(|w| w * TARGETS as f64).collect::<Vec<_>>();
    assert!((at_the_end[1] - 2.0).abs() < EXACT && at_the_end[3] <= 2.0 + EXACT, "{at_the_end:?}");
}

#[test]
fn tokens_are_replaced_as_often_as_said() {
    // 4 chances of replacement at each of 3 levels; 63,000 tokens each.
    for t in [0.1, 0.5, 0.9] {
        let objective = hybrid(0.4, HybridWeight::Elbo, (t, t));
        let corruptor = Corruptor::new(&objective, &TABLE, 64);
        let mut seen = [0.0; 4];
        let mut mixing = Mixing { alpha: 0.0, mask: 0.0, uniform: 0.0 };
        for step in 0..125 {
            let out = corruptor.corrupt(&[1; 8 * 64], 0, 8, step, 5);
            out.tokens.chunks(64).for_each(|row| row[1..].iter().for_each(|z| seen[*z as usize] += 1.0));
            mixing = Mixing { alpha: out.alpha[0], mask: mask_chance(&objective, t), uniform: out.uniform[0] };
        }
        let n: f64 = seen.iter().sum();
        for (z, seen) in seen.iter().enumerate() {
            let chance = chance(mixing, z as u32, 1);
            let error = (chance * (1.0 - chance) / n).sqrt();
            assert!((seen / n - chance).abs() < ERRORS * error, "{t} {z}: {} {chance}", seen / n);
        }
    }
}

/// Batches of all sequences, each weighed by its chance, so that the mean is that of x ~ p.
fn batch_losses(table: &Table, objective: &Objective, n: u64, rows: impl Fn(&[u32], u64) -> Corrupted) -> Vec<f64> {
    let clean: Vec<u32> = sequences().flatten().collect();
    let chances: Vec<f64> = sequences().map(|x| table.joint.p(&x)).collect();
    let of = |at: u64| -> f64 {
        let out = rows(&clean, at);
        let draws = out.rows / chances.len();
        (0..out.rows).map(|row| chances[row / draws] * table.loss(objective, &out, row)).sum()
    };
    (0..n).map(of).collect()
}

#[test]
fn drawn_rows_average_to_the_bounds_in_training_and_evaluation() {
    let table = Table::random(1);
    let entropy = table.joint.entropy();
    let square = closed_schedules()[1].1.clone();
    let early = Formula::from(one_minus(product(&[Term::ratio(9, 10), Term::T])));
    // alpha(0) = 0.9: training misses what is noise from the start, evaluation does not.
    let late = Formula::from(product(&[Term::ratio(9, 10), one_minus(Term::T)]));
    let hybrid_bound = hybrid(0.2, HybridWeight::Elbo, (0.0, 1.0));
    for (name, objective) in [
        ("late", uniform(late, TKind::Iid, (0.0, 1.0))),
        ("early", uniform(early, TKind::Iid, (0.0, 1.0))),
        ("hybrid", hybrid_bound.clone()),
        ("hybrid, dynamic", hybrid(0.5, HybridWeight::Dynamic, (1e-4, 0.9999))),
    ] {
        let last = Mixing { alpha: 0.1, mask: 0.0, uniform: 0.3 };
        let more = if name == "early" { divergences_from_uniform(&table, last)[0] } else { 0.0 };
        let prior = prior(&objective, &TABLE) * TARGETS as f64;
        let evaluated = batch_losses(&table, &objective, 300, |clean, at| {
            let mut rows = Corrupted::default();
            for (i, x) in clean.chunks(L).enumerate() {
                rows.extend(evaluation_rows(&objective, &TABLE, x, at * 81 + i as u64, 2, 6));
            }
            rows
        });
        let (mean, error) = mean_and_error(&evaluated);
        println!("evaluation of {name}: {:.4} +- {error:.4}, the bound is {:.4}", mean + prior, entropy + more);
        assert!((mean + prior - entropy - more).abs() < ERRORS * error, "{name}: {mean} {error}");
    }
    let uniforms =
        [TKind::Iid, TKind::Stratified, TKind::Systematic].map(|kind| uniform(square.clone(), kind, (0.0, 1.0)));
    for objective in uniforms.into_iter().chain([hybrid_bound]) {
        let corruptor = Corruptor::new(&objective, &TABLE, L);
        let trained = batch_losses(&table, &objective, 250, |clean, at| corruptor.corrupt(clean, 0, 81, at, 5));
        let (mean, error) = mean_and_error(&trained);
        let (mean, error) = (mean * 81.0 * TARGETS as f64, error * 81.0 * TARGETS as f64);
        assert!((mean - entropy).abs() < ERRORS * error, "{}: {mean} {error} {entropy}", objective.name());
    }
}

#[test]
fn evaluation_draws_uniform_noise_by_alpha_and_tells_the_schedules_name_of_it() {
    for (name, objective) in all_uniform() {
        let Objective::UniformDiffusion(uniform) = &objective else { continue };
        let rows = evaluation_rows(&objective, &TABLE, &[1, 2, 0, 1], 3, 8, 6);
        for row in 0..8 {
            let (alpha, n) = (rows.alpha[row], N as f64);
            // 1 - alpha = s^2, so that alpha moves by 2 s ds.
            let slope = 2.0 * (1.0 - alpha).sqrt();
            assert!((uniform.schedule.eval(rows.t[row]) - alpha).abs() < EXACT, "{name}");
            assert!((rows.uniform[row] * n - (1.0 - alpha)).abs() < EXACT, "{name}");
            for i in 1..L {
                let kept = if rows.tokens[row * L + i] == rows.targets[row * L + i] { n * alpha } else { 0.0 };
                let weight = slope / (alpha * (kept + 1.0 - alpha)) / 8.0;
                assert!((rows.weights[row * L + i] / weight - 1.0).abs() < EXACT, "{name}");
            }
        }
        // Whatever the schedule, the same questions.
        let linear = evaluation_rows(&all_uniform()[0].1, &TABLE, &[1, 2, 0, 1], 3, 8, 6);
        assert_eq!((linear.tokens, linear.alpha, linear.weights), (rows.tokens, rows.alpha, rows.weights), "{name}");
    }
}

#[test]
fn a_clipped_range_loses_the_ends_of_the_hybrid_bound() {
    // GIDD trains on 1e-4..0.9999; what lies outside is of the order of the root of that.
    let table = Table::random(2);
    let corruptor = Corruptor::new(&hybrid(0.2, HybridWeight::Elbo, (1e-4, 0.9999)), &TABLE, L);
    let objective = hybrid(0.2, HybridWeight::Elbo, (1e-4, 0.9999));
    let inside = integral::<1>(60, |u| {
        // The root of t, so that the integrand is bounded; the factor of the range is in the weights.
        let (low, high) = (1e-4f64.sqrt(), 0.9999f64.sqrt());
        let root = low + (high - low) * u;
        let (mixing, weight) = weights(&objective, &corruptor, root * root);
        [2.0 * root * (high - low) / 0.9998 * table.expected(mixing, Posterior::LeaveOneOut, weight)]
    })[0];
    let lost = (table.joint.entropy() - inside) / TARGETS as f64;
    println!("hybrid 0.2 on 1e-4..0.9999: {lost:.4} nats per target less than the entropy");
    assert!(lost > 0.0 && lost < 0.1, "{lost}");
}
