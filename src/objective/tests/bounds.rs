//! What masked objectives are expected to lose, by enumeration of every set of masked tokens and integration over
//! the noise level, for every sequence of a random joint table: with the weights of [`Corruptor::weigh`] and by what
//! [`Pattern`] lets each position see.

use super::joint::*;
use super::*;
use crate::check::spec::{AnyOrder, MaskedInputs, MaskedLm};

/// Panels of the integral over t. Integrands are smooth; the rule is exact to rounding for all schedules here.
const PANELS: usize = 24;
/// Standard errors that a mean of draws may be off: 4.5 are exceeded by chance once in 150,000 draws of seeds, and the
/// seeds are fixed.
const ERRORS: f64 = 4.5;

fn row(x: &Sequence, set: usize) -> Vec<u32> {
    (0..L).map(|i| if i > 0 && set & (1 << (i - 1)) != 0 { MASK } else { x[i] }).collect()
}

/// The chance of exactly this set of n when each is masked with chance `rate`; with `forced`, one at random where none
/// is.
fn chance(set: usize, n: usize, rate: f64, forced: bool) -> f64 {
    let k = set.count_ones() as i32;
    let none = (1.0 - rate).powi(n as i32);
    match k {
        0 if forced => 0.0,
        0 => none,
        _ => {
            let one = if forced && k == 1 { none / n as f64 } else { 0.0 };
            rate.powi(k) * (1.0 - rate).powi(n as i32 - k) + one
        }
    }
}

/// E[weight of a masked token; exactly the first k targets are masked], by k: weights and chances are the same for all
/// sets of k.
fn expected_weights(objective: &Objective) -> [f64; TARGETS + 1] {
    let Objective::MaskedDiffusion(masked) = objective else { panic!("masked diffusion") };
    let corruptor = Corruptor::new(objective, &TABLE, L);
    let plan = corruptor.plan().unwrap();
    let predicted = if masked.shift { 0 } else { 1 };
    let weight = |k: usize, t: f64| {
        let noise = Noise { rows: 1, time: L, z: row(&[0, 1, 2, 0], (1 << k) - 1), t: vec![t] };
        let rows = corruptor.weigh(&[0, 1, 2, 0], &noise, corruptor.global_of(&noise));
        assert!((1..k).all(|i| rows.weights[predicted + i] == rows.weights[predicted]));
        rows.weights[predicted]
    };
    if masked.estimator == Estimator::Count {
        let sets = |k: usize| [1.0, 3.0, 3.0, 1.0][k];
        return [0, 1, 2, 3].map(|k| if k == 0 { 0.0 } else { weight(k, 0.5) * plan.chance_of(k) / sets(k) });
    }
    let forced = masked.estimator == Estimator::RowMean;
    integral(PANELS, |u| {
        let t = plan.t_at(u);
        let rate = 1.0 - masked.schedule.eval(t);
        [0, 1, 2, 3].map(|k| if k == 0 { 0.0 } else { weight(k, t) * chance((1 << k) - 1, TARGETS, rate, forced) })
    })
}

/// The expected loss for one sequence, in a batch of its own.
fn expected(model: &Model, objective: &Objective, weights: &[f64; TARGETS + 1], x: &Sequence) -> f64 {
    let corruptor = Corruptor::new(objective, &TABLE, L);
    let of = |set: usize| -> f64 {
        let noise = Noise { rows: 1, time: L, z: row(x, set), t: vec![0.5] };
        let rows = corruptor.weigh(x, &noise, Global { rows: 1, masked: 1.0 });
        weights[set.count_ones() as usize] * model.losses(objective, &rows, 0).iter().sum::<f64>()
    };
    (1..1 << TARGETS).map(of).sum()
}

/// The largest difference of the expected loss for a whole sequence to `to`, over all sequences.
fn off(model: &Model, objective: &Objective, to: impl Fn(&Sequence) -> f64) -> f64 {
    let weights = expected_weights(objective);
    let each = sequences().map(|x| (expected(model, objective, &weights, &x) * TARGETS as f64 - to(&x)).abs());
    each.fold(0.0, f64::max)
}

fn with(schedule: &Formula, estimator: Estimator) -> Objective {
    masked(schedule.clone(), TKind::Iid, (0.0, 1.0), LossWeight::Elbo, estimator)
}

#[test]
fn with_exact_conditionals_the_masked_bounds_are_the_likelihood_of_every_sequence() {
    for seed in 1..3 {
        let model = Model::Exact(Joint::random(seed));
        let nll = |x: &Sequence| Joint::random(seed).nll(x);
        for estimator in [Estimator::Count, Estimator::Bernoulli] {
            let mut largest: f64 = 0.0;
            for (_, schedule) in closed_schedules() {
                largest = largest.max(off(&model, &with(&schedule, estimator), nll));
            }
            println!("masked {estimator:?}: {largest:.1e}");
            assert!(largest < EXACT, "{estimator:?} {largest}");
        }
        let any = Objective::AnyOrder(AnyOrder { draw: TKind::Stratified });
        let largest = sequences().map(|x| (any_order_loss(&model, &any, &x) - nll(&x)).abs()).fold(0.0, f64::max);
        println!("any_order: {largest:.1e}");
        assert!(largest < EXACT);
    }
}

/// The expected loss of any-order autoregression: k uniform, sets of k uniform.
fn any_order_loss(model: &Model, objective: &Objective, x: &Sequence) -> f64 {
    let corruptor = Corruptor::new(objective, &TABLE, L);
    let of = |set: usize| -> f64 {
        let noise = Noise { rows: 1, time: L, z: row(x, set), t: vec![] };
        let rows = corruptor.weigh(x, &noise, corruptor.global_of(&noise));
        let sets = [1.0, 3.0, 3.0, 1.0][set.count_ones() as usize];
        model.loss(objective, &rows) / sets / TARGETS as f64
    };
    (1..1 << TARGETS).map(of).sum::<f64>() * TARGETS as f64
}

#[test]
fn every_closed_schedule_gives_a_network_the_same_masked_bound() {
    for model in Model::all() {
        for (name, schedule) in closed_schedules() {
            for estimator in [Estimator::Count, Estimator::Bernoulli] {
                for shift in [false, true] {
                    let objective = diffusion(|m| {
                        (m.schedule, m.proof) = (schedule.clone(), prove(&schedule).unwrap().into());
                        (m.estimator, m.shift) = (estimator, shift);
                    });
                    let largest = off(&model, &objective, |x| model.any_order(x));
                    assert!(largest < EXACT, "{name} {estimator:?} shifted {shift}: {largest}");
                }
            }
        }
        let any = Objective::AnyOrder(AnyOrder { draw: TKind::Iid });
        assert!(sequences().all(|x| (any_order_loss(&model, &any, &x) - model.any_order(&x)).abs() < EXACT));
    }
}

#[test]
fn the_row_mean_of_the_linear_schedule_has_its_closed_form() {
    // Domain B.4.3 with n targets: n/(n+1) * NELBO/n + CE_1/(n+1), CE_1 the mean loss with one token masked.
    let n = TARGETS as f64;
    let mut largest: f64 = 0.0;
    for model in Model::all() {
        let closed = |x: &Sequence| {
            let per_target = n / (n + 1.0) * model.any_order(x) / n + model.mean_over_sets(x, 1) / (n + 1.0);
            per_target * n
        };
        largest = largest.max(off(&model, &with(&linear(), Estimator::RowMean), closed));
    }
    println!("row_mean, linear: {largest:.1e}");
    assert!(largest < EXACT, "{largest}");
}

#[test]
fn the_row_mean_of_other_schedules_is_another_loss() {
    let joint = Joint::random(1);
    let entropy = joint.entropy() / TARGETS as f64;
    let model = Model::Exact(Joint::random(1));
    let mean = |schedule: &Formula| -> f64 {
        let objective = with(schedule, Estimator::RowMean);
        let weights = expected_weights(&objective);
        sequences().map(|x| joint.p(&x) * expected(&model, &objective, &weights, &x)).sum()
    };
    let linear = mean(&linear());
    for (name, schedule) in closed_schedules() {
        let mean = mean(&schedule);
        println!("row_mean {name}: {mean:.4} per target where the bound is {entropy:.4}");
        assert!(name == "linear" || (mean - linear).abs() > 1e-3, "{name}: {mean} {linear}");
    }
}

#[test]
fn flat_weights_lose_each_count_as_often_as_it_occurs() {
    // N4 with the linear schedule: every k of 0..=n has chance 1/(n+1).
    for model in Model::all() {
        let flat = masked(linear(), TKind::Iid, (0.0, 1.0), LossWeight::Flat, Estimator::Bernoulli);
        let closed = |x: &Sequence| (1..=3).map(|k| model.mean_over_sets(x, k) / 4.0).sum();
        assert!(off(&model, &flat, closed) < EXACT);
    }
}

#[test]
fn the_batch_mean_is_the_mean_over_all_masked_tokens() {
    let model = Model::Arbitrary(3);
    let clean = [0, 1, 2, 0, 2, 2, 1, 0, 1, 1, 0, 2];
    let sets = [0b101usize, 0b000, 0b111];
    let z: Vec<u32> = clean.chunks(L).zip(sets).flat_map(|(x, set)| row(x.try_into().unwrap(), set)).collect();
    let fixed = Objective::MaskedLm(MaskedLm { rate: 0.15 });
    for objective in [with(&linear(), Estimator::BatchMean), fixed] {
        let corruptor = Corruptor::new(&objective, &TABLE, L);
        let noise = Noise { rows: 3, time: L, z: z.clone(), t: vec![0.2, 0.4, 0.9] };
        let rows = corruptor.weigh(&clean, &noise, corruptor.global_of(&noise));
        let losses: Vec<f64> = (0..3).flat_map(|row| model.losses(&objective, &rows, row)).collect();
        let mean = losses.iter().sum::<f64>() / 5.0;
        assert!((model.loss(&objective, &rows) - mean).abs() < EXACT);
    }
}

#[test]
fn importance_changes_no_expected_loss() {
    let weights = [LossWeight::Elbo, LossWeight::Flat, custom(product(&[Term::int(2), Term::T]))];
    let mut largest: f64 = 0.0;
    for (name, schedule) in closed_schedules() {
        for estimator in [Estimator::Bernoulli, Estimator::Count, Estimator::RowMean] {
            for weight in &weights {
                // Not up to t = 1, where a cosine stands still and weights over the density have no limit.
                let of = |kind| masked(schedule.clone(), kind, (0.1, 0.8), weight.clone(), estimator);
                let [iid, importance] = [TKind::Iid, TKind::Importance].map(|kind| expected_weights(&of(kind)));
                for (iid, importance) in iid.iter().zip(importance) {
                    assert!((iid - importance).abs() < EXACT, "{name} {estimator:?} {weight:?}: {iid} {importance}");
                    largest = largest.max((iid - importance).abs());
                }
            }
        }
    }
    println!("importance: {largest:.1e}");
    // Its point: with the bound's weight every row of `bernoulli` weighs alike.
    let plan = plan(linear(), (0.02, 1.0), LossWeight::Elbo, Estimator::Bernoulli, L);
    assert!((plan.weight(0.02, 1) / plan.weight(1.0, 1) - 50.0).abs() < EXACT);
    let Objective::MaskedDiffusion(m) =
        masked(linear(), TKind::Importance, (0.02, 1.0), LossWeight::Elbo, Estimator::Bernoulli)
    else {
        return;
    };
    let plan = MaskPlan::new(&m, TARGETS);
    assert_eq!(plan.weight(0.02, 1), plan.weight(1.0, 1));
}

#[test]
fn score_entropy_of_the_ratios_that_a_model_implies_is_the_masked_loss() {
    // SEDD, domain B.8: with s = x_theta alpha/(1-alpha), sigma' [sum_y s_y - r log s_x + r (log r - 1)].
    for (name, schedule) in closed_schedules() {
        let corruptor = Corruptor::new(&with(&schedule, Estimator::Bernoulli), &TABLE, L);
        for i in 1..50 {
            let t = f64::from(i) / 50.0;
            let (alpha, slope) = (schedule.eval(t), schedule.derivative().unwrap().eval(t));
            let p = [0.2, 0.3, 0.5];
            let r = alpha / (1.0 - alpha);
            let s = p.map(|p| p * r);
            let score_entropy = -slope / alpha * (s.iter().sum::<f64>() - r * s[1].ln() + r * (r.ln() - 1.0));
            let noise = Noise { rows: 1, time: L, z: vec![0, MASK, 1, 1], t: vec![t] };
            let rows = corruptor.weigh(&[0, 1, 1, 1], &noise, corruptor.global_of(&noise));
            let ours = rows.weights[1] * TARGETS as f64 * -p[1].ln();
            assert!((ours / score_entropy - 1.0).abs() < EXACT, "{name} {t}: {ours} {score_entropy}");
        }
    }
}

/// The expected loss of block diffusion for a whole sequence: block by block, since a block's loss reads no other
/// block's noise.
fn block_loss(model: &Model, objective: &Objective, x: &Sequence) -> f64 {
    let Objective::BlockDiffusion(blocks) = objective else { panic!("blocks") };
    let corruptor = Corruptor::new(objective, &TABLE, L);
    let (block, mut total) = (blocks.block as usize, 0.0);
    for b in 0..L / block {
        let targets: Vec<usize> = (b * block..(b + 1) * block).filter(|i| *i > 0).collect();
        let n = targets.len();
        let plan = MaskPlan::new(&blocks.noise, n);
        for set in 1..1usize << n {
            let mut z = x.to_vec();
            (0..n).filter(|i| set & (1 << i) != 0).for_each(|i| z[targets[i]] = MASK);
            let rows = |t: f64| {
                let levels = (0..L / block).map(|other| if other == b { t } else { 0.5 }).collect();
                let noise = Noise { rows: 1, time: L, z: z.clone(), t: levels };
                corruptor.weigh(x, &noise, corruptor.global_of(&noise))
            };
            let first = targets[set.trailing_zeros() as usize];
            let k = set.count_ones() as usize;
            let weight = if blocks.noise.estimator == Estimator::Count {
                let sets = (1..1usize << n).filter(|s| s.count_ones() as usize == k).count();
                plan.chance_of(k) / sets as f64 * rows(0.5).weights[first]
            } else {
                let at = |t: f64| chance(set, n, 1.0 - blocks.noise.schedule.eval(t), false);
                integral(PANELS, |u| [rows(plan.t_at(u)).weights[first] * at(plan.t_at(u))])[0]
            };
            total += weight * model.losses(objective, &rows(0.5), 0).iter().sum::<f64>();
        }
    }
    total * TARGETS as f64
}

#[test]
fn with_exact_conditionals_the_block_bound_is_the_likelihood_of_every_sequence() {
    let (joint, model) = (Joint::random(1), Model::Exact(Joint::random(1)));
    let mut largest: f64 = 0.0;
    for block in [1, 2, 4] {
        for objective in [
            blocks(block, |_| {}),
            blocks(block, |m| m.estimator = Estimator::Bernoulli),
            // Every count of a block can occur under a range that is not clipped too hard.
            blocks(block, |m| (m.t.low, m.t.high) = (0.1, 0.9)),
        ] {
            for x in sequences() {
                largest = largest.max((block_loss(&model, &objective, &x) - joint.nll(&x)).abs());
            }
        }
    }
    println!("block_diffusion: {largest:.1e}");
    assert!(largest < EXACT, "{largest}");
}

#[test]
fn blocks_of_one_token_are_next_token_prediction() {
    let next = Objective::NextToken(NextToken::PLAIN);
    for model in Model::all() {
        let objective = blocks(1, |_| {});
        let corruptor = Corruptor::new(&objective, &TABLE, L);
        for x in sequences() {
            // Not on average alone: each row is the likelihood, in training and in evaluation.
            let rows = corruptor.corrupt(&x, 0, 1, 3, 5);
            let ours = model.loss(&objective, &rows);
            let theirs = model.loss(&next, &corrupt(&next, &TABLE, &x, L, 0, 1, 3, 5));
            assert!((ours - theirs).abs() < EXACT && (theirs * 3.0 - model.left_to_right(&x)).abs() < EXACT);
            let rows = evaluation_rows(&objective, &TABLE, &x, 3, 4, 6);
            assert_eq!(rows.rows, 1);
            assert!((model.loss(&objective, &rows) - model.left_to_right(&x)).abs() < EXACT);
        }
    }
}

#[test]
fn one_block_of_the_whole_sequence_is_masked_diffusion() {
    for estimator in [Estimator::Count, Estimator::Bernoulli] {
        let (block, plain) = (blocks(64, |m| m.estimator = estimator), diffusion(|m| m.estimator = estimator));
        let clean: Vec<u32> = (0..8 * 64).map(|i| i * i % 3).collect();
        // The draws are the same too, in training and in evaluation.
        let pairs = [
            (corrupt(&block, &TABLE, &clean, 64, 0, 8, 7, 5), corrupt(&plain, &TABLE, &clean, 64, 0, 8, 7, 5)),
            (
                evaluation_rows(&block, &TABLE, &clean[..64], 3, 4, 6),
                evaluation_rows(&plain, &TABLE, &clean[..64], 3, 4, 6),
            ),
        ];
        for (block, plain) in pairs {
            let noisy = |all: &[f64]| all.chunks(128).flat_map(|row| row[..64].to_vec()).collect::<Vec<_>>();
            assert_eq!(noisy(&block.weights), plain.weights);
            assert_eq!(noisy(&block.share), plain.share);
            let tokens: Vec<u32> = block.tokens.chunks(128).flat_map(|row| row[..64].to_vec()).collect();
            assert_eq!(tokens, plain.tokens);
        }
    }
    for model in Model::all() {
        let far = |x: &Sequence| (block_loss(&model, &blocks(4, |_| {}), x) - model.any_order(x)).abs();
        assert!(sequences().all(|x| far(&x) < EXACT));
    }
}

#[test]
fn next_token_with_masked_inputs_adds_its_loss_to_the_likelihood() {
    let objective =
        Objective::NextToken(NextToken { input_mask: 0.0, auxiliary: Some(MaskedInputs { rate: 0.5, weight: 0.25 }) });
    let corruptor = Corruptor::new(&objective, &TABLE, L);
    for model in Model::all() {
        for x in sequences() {
            // Every set of masked inputs of x_2..x_4; the last position is read by no target.
            for set in 0..1usize << TARGETS {
                let noise = Noise { rows: 2, time: L, z: [x.to_vec(), row(&x, set)].concat(), t: vec![] };
                let rows = corruptor.weigh(&x, &noise, corruptor.global_of(&noise));
                let masked: f64 = (1..L)
                    .map(|i| {
                        let seen = |j: usize| j < i && (j == 0 || set & (1 << (j - 1)) == 0);
                        model.cross_entropy(&std::array::from_fn(|j| seen(j).then(|| x[j])), i, x[i])
                    })
                    .sum();
                let expected = (model.left_to_right(&x) + 0.25 * masked) / 3.0;
                assert!((model.loss(&objective, &rows) - expected).abs() < EXACT);
            }
        }
    }
}

#[test]
fn evaluation_averages_to_the_bound_of_every_masked_objective() {
    let all = [
        ("masked", diffusion(|_| {})),
        ("shifted", diffusion(|m| m.shift = true)),
        ("megadlms", megadlms()),
        ("any_order", Objective::AnyOrder(AnyOrder { draw: TKind::Iid })),
        ("masked_lm", Objective::MaskedLm(MaskedLm { rate: 0.15 })),
        ("blocks of 4", blocks(4, |_| {})),
        ("blocks of 2", blocks(2, |m| (m.t.low, m.t.high) = (0.3, 0.8))),
    ];
    let (joint, model) = (Joint::random(1), Model::Exact(Joint::random(1)));
    let x = [1, 2, 0, 1];
    for (name, objective) in all {
        let estimates: Vec<f64> = (0..3000)
            .map(|chunk| model.loss(&objective, &evaluation_rows(&objective, &TABLE, &x, chunk, 4, 6)))
            .collect();
        let (mean, error) = mean_and_error(&estimates);
        println!("evaluation of {name}: {mean:.4} +- {error:.4}, the likelihood is {:.4}", joint.nll(&x));
        assert!((mean - joint.nll(&x)).abs() < ERRORS * error, "{name}: {mean} {error}");
    }
}

#[test]
fn drawn_batches_average_to_the_expected_loss_of_every_estimator() {
    let model = Model::Arbitrary(3);
    let x = [1, 2, 0, 1];
    let clean: Vec<u32> = std::iter::repeat_n(x, 8).flatten().collect();
    for kind in [TKind::Iid, TKind::Stratified, TKind::Systematic, TKind::Importance] {
        for estimator in [Estimator::Count, Estimator::Bernoulli, Estimator::RowMean] {
            let low = if kind == TKind::Importance { 0.05 } else { 0.0 };
            let objective = masked(closed_schedules()[1].1.clone(), kind, (low, 1.0), LossWeight::Elbo, estimator);
            let corruptor = Corruptor::new(&objective, &TABLE, L);
            let losses: Vec<f64> =
                (0..1200).map(|step| model.loss(&objective, &corruptor.corrupt(&clean, 0, 8, step, 5))).collect();
            let (mean, error) = mean_and_error(&losses);
            let truth = expected(&model, &objective, &expected_weights(&objective), &x);
            assert!((mean - truth).abs() < ERRORS * error, "{kind:?} {estimator:?}: {mean} {error} {truth}");
        }
    }
    for (name, objective) in [
        ("any_order", Objective::AnyOrder(AnyOrder { draw: TKind::Systematic })),
        ("blocks", blocks(2, |m| m.estimator = Estimator::Bernoulli)),
    ] {
        let corruptor = Corruptor::new(&objective, &TABLE, L);
        let losses: Vec<f64> =
            (0..1200).map(|step| model.loss(&objective, &corruptor.corrupt(&clean, 0, 8, step, 5))).collect();
        let (mean, error) = mean_and_error(&losses);
        let truth = match &objective {
            Objective::BlockDiffusion(_) => block_loss(&model, &objective, &x),
            _ => model.any_order(&x),
        } / TARGETS as f64;
        assert!((mean - truth).abs() < ERRORS * error, "{name}: {mean} {error} {truth}");
    }
}
