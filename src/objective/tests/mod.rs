//! Proofs by enumeration on a toy: three tokens, sequences of four, so three target positions and
//! seven sets of masked positions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::evaluate::systematic_count;
use super::*;
use crate::base::philox::{Purpose, Stream};
use crate::check::formula::prove::prove;
use crate::check::formula::{Formula, Function, Term};
use crate::check::spec::{Ends, Estimator, LossWeight, MaskedDiffusion, NextToken, TKind, TSampling, Vocab};
use proptest::prelude::*;

mod edges;

/// Enumeration of counts and subsets leaves rounding and the bisection of the edges.
const EXACT: f64 = 1e-9;
/// The midpoint rule over t, 20,000 points, on integrands with bounded second derivative.
const QUADRATURE: f64 = 1e-6;

const VOCAB: Vocab = Vocab { n_ids: 3, eod: 3, mask: Some(4), size: 64 };

fn product(factors: &[Term]) -> Term {
    Term::Product(factors.to_vec())
}

fn power(base: Term, exponent: Term) -> Term {
    Term::Power(Box::new(base), Box::new(exponent))
}

fn call(function: Function, argument: Term) -> Term {
    Term::Call(function, Box::new(argument))
}

/// 1 - x
fn one_minus(x: Term) -> Term {
    Term::Sum(vec![Term::ONE, product(&[Term::int(-1), x])])
}

fn linear() -> Formula {
    Formula::from(one_minus(Term::T))
}

/// Schedules with alpha(0) = 1 and alpha(1) = 0.
fn closed_schedules() -> Vec<(&'static str, Formula)> {
    let quarter_turn = |x: Term| product(&[Term::ratio(1, 2), Term::Pi, x]);
    let log_2 = power(call(Function::Log, Term::int(2)), Term::int(-1));
    [
        ("linear", one_minus(Term::T)),
        ("poly2", one_minus(power(Term::T, Term::int(2)))),
        ("poly3", one_minus(power(Term::T, Term::int(3)))),
        // MD4's: 1 - cos(pi/2 (1 - t))
        ("cosine_md4", one_minus(call(Function::Cos, quarter_turn(one_minus(Term::T))))),
        // MDLM's: cos(pi t / 2)
        ("cosine_mdlm", call(Function::Cos, quarter_turn(Term::T))),
        ("cosine_squared", power(call(Function::Cos, quarter_turn(Term::T)), Term::int(2))),
        ("log", one_minus(product(&[call(Function::Log, Term::Sum(vec![Term::ONE, Term::T])), log_2]))),
    ]
    .map(|(name, term)| (name, Formula::from(term).simplify()))
    .to_vec()
}

fn masked(schedule: Formula, kind: TKind, range: (f64, f64), weight: LossWeight, estimator: Estimator) -> Objective {
    Objective::MaskedDiffusion(MaskedDiffusion {
        schedule_name: "test".into(),
        proof: prove(&schedule).expect("a schedule").into(),
        ends: Ends::Exact,
        schedule,
        t: TSampling { kind, low: range.0, high: range.1 },
        weight,
        estimator,
        shift: false,
        variable_length: 0.0,
        targets: Targets::Matched,
        bound: Ok(String::new()),
    })
}

/// The share of each row that is masked.
fn rates(batch: &Corrupted) -> Vec<f64> {
    batch.share.iter().step_by(batch.seq.max(1)).copied().collect()
}

fn plan(schedule: Formula, range: (f64, f64), weight: LossWeight, estimator: Estimator, seq: usize) -> MaskPlan {
    match masked(schedule, TKind::Iid, range, weight, estimator) {
        Objective::MaskedDiffusion(m) => MaskPlan::new(&m, seq - 1),
        _ => unreachable!(),
    }
}

/// The toy: a random joint of x_2..x_4 given x_1, and the cross-entropy of each masked position
/// given the visible ones, for one sequence x. With `exact` the conditionals are the joint's own;
/// otherwise arbitrary, as those of a network are.
struct Toy {
    /// -log p(x_2..x_4 | x_1)
    nll: f64,
    /// `ce[set][i]`, i in set; sets are bits.
    ce: [[f64; 3]; 8],
}

impl Toy {
    fn new(seed: u32, exact: bool) -> Toy {
        let stream = Stream::new(seed, Purpose::Init);
        let mut joint: Vec<f64> = (0..27).map(|i| stream.uniform([0, 0, i, 0]) + 0.01).collect();
        let total: f64 = joint.iter().sum();
        joint.iter_mut().for_each(|p| *p /= total);
        let x = [2usize, 0, 1];
        let digits = |cell: usize| [cell / 9, cell / 3 % 3, cell % 3];
        // The mass of all cells that agree with x on the given positions.
        let agree = |set: usize| -> f64 {
            let fits = |cell: usize| (0..3).all(|i| set & (1 << i) == 0 || digits(cell)[i] == x[i]);
            (0..27).filter(|cell| fits(*cell)).map(|cell| joint[cell]).sum()
        };
        let mut ce = [[0.0; 3]; 8];
        for (set, row) in ce.iter_mut().enumerate() {
            for (i, value) in row.iter_mut().enumerate() {
                let visible = 7 & !set;
                *value = if exact {
                    -(agree(visible | 1 << i) / agree(visible)).ln()
                } else {
                    3.0 * stream.uniform([1, set as u32, i as u32, 0])
                };
            }
        }
        Toy { nll: -agree(7).ln(), ce }
    }

    fn sum(&self, set: usize) -> f64 {
        (0..3).filter(|i| set & (1 << i) != 0).map(|i| self.ce[set][i]).sum()
    }

    /// The any-order NLL: the mean over all orders of predicting the positions one by one.
    fn any_order_nll(&self) -> f64 {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let along = |order: &[usize; 3]| {
            let mut hidden = 7usize;
            let mut total = 0.0;
            for i in order {
                total += self.ce[hidden][*i];
                hidden &= !(1 << i);
            }
            total
        };
        orders.iter().map(along).sum::<f64>() / 6.0
    }

    /// The mean over the subsets of size k of the summed cross-entropy.
    fn mean_over_subsets(&self, k: usize) -> f64 {
        let sets: Vec<usize> = (1..8usize).filter(|s| s.count_ones() as usize == k).collect();
        sets.iter().map(|s| self.sum(*s)).sum::<f64>() / sets.len() as f64
    }

    /// What a corrupted row's loss is under this toy.
    fn loss(&self, row: &Corrupted, index: usize) -> f64 {
        let weights = &row.weights[index * 4..][..4];
        let set = (0..3).filter(|i| row.tokens[index * 4 + 1 + i] == 4).fold(0, |s, i| s | 1 << i);
        (0..3).filter(|i| set & (1 << i) != 0).map(|i| weights[i + 1] * self.ce[set][i]).sum()
    }
}

fn toys() -> Vec<Toy> {
    (0..4).map(|seed| Toy::new(seed, seed % 2 == 0)).collect()
}

#[test]
fn with_exact_conditionals_every_order_is_the_likelihood() {
    for seed in 0..5 {
        let toy = Toy::new(seed, true);
        assert!((toy.any_order_nll() - toy.nll).abs() < EXACT);
    }
}

#[test]
fn the_count_estimator_is_unbiased_for_every_schedule() {
    for toy in toys() {
        for (name, schedule) in closed_schedules() {
            // Any range that reaches every count will do, not only [0, 1].
            for range in [(0.0, 1.0), (0.01, 0.999)] {
                let plan = plan(schedule.clone(), range, LossWeight::Elbo, Estimator::Count, 4);
                assert!(plan.covers_every_count(), "{name} {range:?}");
                let expected: f64 =
                    (1..=3).map(|k| plan.chance_of(k) * plan.count_weight(k) * toy.mean_over_subsets(k)).sum();
                assert!((expected - toy.any_order_nll()).abs() < EXACT, "{name}: {expected}");
            }
        }
    }
}

#[test]
fn the_bernoulli_estimator_is_unbiased_for_every_schedule() {
    for toy in toys() {
        for (name, schedule) in closed_schedules() {
            let plan = plan(schedule, (0.0, 1.0), LossWeight::Elbo, Estimator::Bernoulli, 4);
            assert!((bernoulli_expectation(&toy, &plan) - toy.any_order_nll()).abs() < QUADRATURE, "{name}");
        }
    }
}

/// E over t and masks of weight(t) * sum of cross-entropy, by the midpoint rule over t.
fn bernoulli_expectation(toy: &Toy, plan: &MaskPlan) -> f64 {
    const POINTS: usize = 20_000;
    let at = |t: f64| -> f64 {
        let r = plan.rate(t);
        let sets = (1..8usize).map(|set| {
            let k = set.count_ones() as i32;
            r.powi(k) * (1.0 - r).powi(3 - k) * toy.sum(set)
        });
        plan.bernoulli_weight(t) * sets.sum::<f64>()
    };
    (0..POINTS).map(|i| at(plan.t_at((i as f64 + 0.5) / POINTS as f64))).sum::<f64>() / POINTS as f64
}

#[test]
fn a_narrow_t_range_estimates_its_part_of_the_bound() {
    // The integrals over [0, 0.3] and [0.3, 1] add up to the whole.
    for toy in toys() {
        let part =
            |range| bernoulli_expectation(&toy, &plan(linear(), range, LossWeight::Elbo, Estimator::Bernoulli, 4));
        assert!((part((0.0, 0.3)) + part((0.3, 1.0)) - toy.any_order_nll()).abs() < QUADRATURE);
    }
}

#[test]
fn chances_of_counts_sum_to_one_and_follow_the_schedule() {
    for (name, schedule) in closed_schedules() {
        for seq in [2, 3, 17, 128, 1024] {
            let plan = plan(schedule.clone(), (0.0, 1.0), LossWeight::Elbo, Estimator::Count, seq);
            let n = seq - 1;
            let total: f64 = (1..=n).map(|k| plan.chance_of(k)).sum();
            assert!((total - 1.0).abs() < EXACT, "{name} {seq}");
            for i in 1..500 {
                let t = f64::from(i) / 500.0;
                let direct = ((plan.rate(t) * n as f64).ceil() as usize).clamp(1, n);
                // At an edge rounding may put t on either side.
                let at_edge = (plan.rate(t) * n as f64 - (plan.rate(t) * n as f64).round()).abs() < 1e-9;
                assert!(plan.count(t) == direct || at_edge, "{name} {seq} t={t}");
            }
        }
    }
}

#[test]
fn linear_counts_weigh_plain_n_over_k() {
    let plan = plan(linear(), (0.0, 1.0), LossWeight::Elbo, Estimator::Count, 128);
    for k in 1..=127 {
        assert!((plan.count_weight(k) * k as f64 / 127.0 - 1.0).abs() < 1e-12, "{k}");
    }
}

#[test]
fn a_range_that_misses_counts_says_so() {
    assert!(!plan(linear(), (0.1, 1.0), LossWeight::Elbo, Estimator::Count, 128).covers_every_count());
    assert!(!plan(linear(), (0.0, 0.5), LossWeight::Elbo, Estimator::Count, 128).covers_every_count());
    assert!(plan(linear(), (1e-3, 1.0), LossWeight::Elbo, Estimator::Count, 128).covers_every_count());
    assert!(!plan(linear(), (1e-3, 1.0), LossWeight::Elbo, Estimator::Count, 2048).covers_every_count());
}

fn custom(term: Term) -> LossWeight {
    LossWeight::Custom { name: "w".into(), formula: Formula::from(term).simplify() }
}

/// Weights that are finite on (0, 1].
fn custom_weights() -> Vec<(&'static str, LossWeight)> {
    vec![
        ("1", custom(Term::ONE)),
        ("1 - t", custom(one_minus(Term::T))),
        ("t^-1/2", custom(power(Term::T, Term::ratio(-1, 2)))),
        ("3 / t^2", custom(product(&[Term::int(3), power(Term::T, Term::int(-2))]))),
        ("sin(3 t)^2", custom(power(call(Function::Sin, product(&[Term::int(3), Term::T])), Term::int(2)))),
    ]
}

/// The expected loss of count: the sum over k of P(k) times the weight times the mean over subsets.
fn count_expectation(toy: &Toy, plan: &MaskPlan) -> f64 {
    (1..=3).map(|k| plan.chance_of(k) * plan.count_weight(k) * toy.mean_over_subsets(k)).sum()
}

#[test]
fn a_custom_weight_has_one_expected_loss_whatever_the_estimator() {
    for toy in toys() {
        for (name, schedule) in closed_schedules() {
            for (of, weight) in custom_weights() {
                for range in [(0.05, 1.0), (0.2, 0.7)] {
                    let of_estimator = |e| plan(schedule.clone(), range, weight.clone(), e, 4);
                    let (count, bernoulli) = (of_estimator(Estimator::Count), of_estimator(Estimator::Bernoulli));
                    if count.covers_every_count() {
                        let (a, b) = (count_expectation(&toy, &count), bernoulli_expectation(&toy, &bernoulli));
                        assert!((a - b).abs() < QUADRATURE * (1.0 + b), "{name} {of} {range:?}: {a} {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_bounds_own_weight_as_a_custom_one_gives_the_bounds_terms() {
    // The integral of the derived weight times Binomial(k; n, rate) is 1/k, whatever the schedule.
    for (name, schedule) in closed_schedules() {
        let formula = prove(&schedule).expect("a schedule").weight;
        let weight = LossWeight::Custom { name: "w".into(), formula };
        for seq in [2, 4, 128, 1024] {
            let own = plan(schedule.clone(), (0.0, 1.0), LossWeight::Elbo, Estimator::Count, seq);
            let custom = plan(schedule.clone(), (0.0, 1.0), weight.clone(), Estimator::Count, seq);
            for k in 1..seq {
                let (a, b) = (own.count_weight(k), custom.count_weight(k));
                assert!((a / b - 1.0).abs() < 1e-7, "{name} {seq} {k}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_custom_weight_is_the_bounds_times_their_ratio_at_the_rate_up_to_one_over_n() {
    // w(t) = (1 - t) / t under alpha = 1 - t: the ratio at rate k/n is 1 - k/n.
    let weight = custom(product(&[one_minus(Term::T), power(Term::T, Term::int(-1))]));
    let largest = |seq: usize| {
        let plan = plan(linear(), (0.0, 1.0), weight.clone(), Estimator::Count, seq);
        let n = (seq - 1) as f64;
        (1..seq).map(|k| (plan.count_weight(k) * k as f64 / n - (1.0 - k as f64 / n)).abs()).fold(0.0, f64::max)
    };
    let (coarse, fine) = (largest(65), largest(257));
    assert!(coarse < 1.0 / 64.0 && (coarse / fine - 4.0).abs() < 0.2, "{coarse} {fine}");
}

#[test]
fn drawn_batches_average_to_the_expected_loss_of_a_custom_weight() {
    let toy = Toy::new(3, false);
    for (of, weight) in custom_weights() {
        let range = (0.05, 1.0);
        let expected =
            bernoulli_expectation(&toy, &plan(linear(), range, weight.clone(), Estimator::Bernoulli, 4)) / 3.0;
        for estimator in [Estimator::Bernoulli, Estimator::Count] {
            let objective = masked(linear(), TKind::Stratified, range, weight.clone(), estimator);
            let (mean, se) = simulate(&toy, &objective, 8, 1500);
            assert!((mean - expected).abs() < 4.5 * se, "{of} {estimator:?}: {mean} {expected} {se}");
        }
    }
}

#[test]
fn a_custom_weight_of_a_single_t_is_its_value_there() {
    for estimator in [Estimator::Bernoulli, Estimator::Count] {
        let plan = plan(linear(), (0.5, 0.5), custom(one_minus(Term::T)), estimator, 9);
        assert_eq!((plan.bernoulli_weight(0.5), plan.count_weight(4)), (0.5, 0.5));
    }
}

/// Mean and standard error over `steps` steps of batches of `rows` toy rows.
fn simulate(toy: &Toy, objective: &Objective, rows: u64, steps: u64) -> (f64, f64) {
    let corruptor = Corruptor::new(objective, &VOCAB, 4);
    let clean: Vec<u32> = [1, 2, 0, 1].repeat(rows as usize);
    let losses: Vec<f64> = (0..steps)
        .map(|step| {
            let batch = corruptor.corrupt(&clean, 0, rows, step, 11);
            (0..rows as usize).map(|i| toy.loss(&batch, i)).sum()
        })
        .collect();
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n;
    let variance = losses.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn drawn_batches_average_to_the_any_order_nll_per_target() {
    let toy = Toy::new(3, false);
    for (name, schedule) in closed_schedules() {
        for kind in [TKind::Iid, TKind::Stratified] {
            for estimator in [Estimator::Bernoulli, Estimator::Count] {
                let objective = masked(schedule.clone(), kind, (0.0, 1.0), LossWeight::Elbo, estimator);
                let (mean, se) = simulate(&toy, &objective, 8, 1500);
                let expected = toy.any_order_nll() / 3.0;
                // 28 cases: 4.5 standard errors are exceeded by chance once in 5,000 runs of the test.
                assert!((mean - expected).abs() < 4.5 * se, "{name} {kind:?} {estimator:?}: {mean} {expected} {se}");
            }
        }
    }
}

#[test]
fn evaluation_averages_to_the_any_order_nll_and_beats_bernoulli() {
    let toy = Toy::new(1, false);
    let objective = masked(linear(), TKind::Iid, (0.0, 1.0), LossWeight::Elbo, Estimator::Bernoulli);
    let estimates: Vec<f64> = (0..6000)
        .map(|chunk| {
            let rows = evaluation_rows(&objective, &VOCAB, &[1, 2, 0, 1], chunk, 4, 6);
            assert_eq!(rows.rows, 4);
            (0..4).map(|i| toy.loss(&rows, i)).sum()
        })
        .collect();
    let n = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / n;
    let variance = estimates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((mean - toy.any_order_nll()).abs() < 4.5 * (variance / n).sqrt(), "{mean}");
    let (_, se) = simulate(&toy, &objective, 4, 1500);
    let bernoulli_variance = (3.0 * se).powi(2) * 1500.0;
    assert!(variance < bernoulli_variance / 2.0, "{variance} {bernoulli_variance}");
}

#[test]
fn evaluation_counts_are_uniform() {
    // Over u every count is equally likely: integrate over a fine grid of u.
    let (draws, n) = (4, 127);
    let mut seen = vec![0u32; n + 1];
    for i in 0..127 * 100 {
        let u = (f64::from(i) + 0.5) / 12_700.0;
        (0..draws).for_each(|j| seen[systematic_count(u, j, draws, n)] += 1);
    }
    assert_eq!(seen[0], 0);
    assert!(seen[1..].iter().all(|c| c.abs_diff(400) <= 1), "{seen:?}");
}

#[test]
fn evaluation_of_next_token_is_the_exact_likelihood() {
    let rows = evaluation_rows(&Objective::NextToken(NextToken::PLAIN), &VOCAB, &[1, 2, 0, 1], 5, 4, 6);
    assert_eq!(rows.rows, 1);
    assert_eq!(rows.tokens, [1, 2, 0, 1]);
    assert_eq!(rows.targets, [2, 0, 1, 1]);
    assert_eq!(rows.weights, [1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn evaluation_masks_do_not_depend_on_the_schedule_or_the_call() {
    let chunk: Vec<u32> = (0..64).map(|i| i % 3).collect();
    let a = masked(linear(), TKind::Iid, (0.0, 1.0), LossWeight::Elbo, Estimator::Bernoulli);
    let b = masked(closed_schedules()[1].1.clone(), TKind::Stratified, (0.1, 0.9), LossWeight::Flat, Estimator::Count);
    let rows = |objective, chunk_index, seed| evaluation_rows(objective, &VOCAB, &chunk, chunk_index, 4, seed);
    // But for the noise level that a model may ask for: that is the schedule's name of the same count.
    let (mut of_a, mut of_b) = (rows(&a, 7, 6), rows(&b, 7, 6));
    for (t_a, t_b) in std::mem::take(&mut of_a.t).iter().zip(std::mem::take(&mut of_b.t)) {
        assert!((t_a - t_b * t_b).abs() < EXACT);
    }
    assert_eq!(of_a, of_b);
    assert_ne!(rows(&a, 7, 6).tokens, rows(&a, 8, 6).tokens);
    assert_ne!(rows(&a, 7, 6).tokens, rows(&a, 7, 5).tokens);
}

#[test]
fn next_token_predicts_the_next_and_weighs_one_in_all() {
    let out = corrupt(&Objective::NextToken(NextToken::PLAIN), &VOCAB, &[0, 1, 2, 2, 1, 0], 3, 0, 2, 9, 1);
    assert_eq!(out.tokens, [0, 1, 2, 2, 1, 0]);
    assert_eq!(out.targets, [1, 2, 2, 1, 0, 0]);
    assert_eq!(out.weights, [0.25, 0.25, 0.0, 0.25, 0.25, 0.0]);
    assert_eq!(out.share, [0.0, 1.0 / 3.0, 2.0 / 3.0, 0.0, 1.0 / 3.0, 2.0 / 3.0]);
}

#[test]
fn a_full_stratified_batch_of_counts_weighs_one_in_all() {
    // L/k on k of L tokens: each row's weights add up to 1 / batch.
    let objective = masked(linear(), TKind::Stratified, (0.0, 1.0), LossWeight::Elbo, Estimator::Count);
    let corruptor = Corruptor::new(&objective, &VOCAB, 128);
    for step in 0..50 {
        let out = corruptor.corrupt(&vec![1; 32 * 128], 0, 32, step, 5);
        assert!((out.weights.iter().sum::<f64>() - 1.0).abs() < EXACT);
        // A row in each stratum: the sorted rates rise through all of [0, 1].
        let mut rates = rates(&out);
        rates.sort_by(f64::total_cmp);
        for (i, rate) in rates.iter().enumerate() {
            assert!((rate - (i as f64 + 0.5) / 32.0).abs() <= 0.5 / 32.0 + 1.0 / 127.0);
        }
    }
}

#[test]
fn bernoulli_weights_add_up_to_one_on_average() {
    let objective = masked(linear(), TKind::Stratified, (0.0, 1.0), LossWeight::Elbo, Estimator::Bernoulli);
    let corruptor = Corruptor::new(&objective, &VOCAB, 64);
    let clean = vec![1; 32 * 64];
    let sums: Vec<f64> = (0..400).map(|step| corruptor.corrupt(&clean, 0, 32, step, 5).weights.iter().sum()).collect();
    let mean = sums.iter().sum::<f64>() / 400.0;
    let se = (sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0 / 400.0).sqrt();
    assert!((mean - 1.0).abs() < 4.5 * se, "{mean} {se}");
}

#[test]
fn nothing_is_infinite_at_the_ends_of_t() {
    for (name, schedule) in closed_schedules() {
        for range in [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)] {
            for weight in [LossWeight::Elbo, LossWeight::Flat] {
                for estimator in [Estimator::Bernoulli, Estimator::Count] {
                    for seq in [2, 3, 9] {
                        let objective = masked(schedule.clone(), TKind::Stratified, range, weight.clone(), estimator);
                        let corruptor = Corruptor::new(&objective, &VOCAB, seq);
                        let out = corruptor.corrupt(&vec![2; 4 * seq], 0, 4, 0, 5);
                        let case = format!("{name} {range:?} {weight:?} {estimator:?} {seq}");
                        assert!(out.weights.iter().all(|w| w.is_finite() && *w >= 0.0), "{case}: {:?}", out.weights);
                        assert!(out.tokens.chunks(seq).all(|row| row[0] == 2), "{case}");
                        if range == (1.0, 1.0) {
                            assert!(out.tokens.chunks(seq).all(|row| row[1..].iter().all(|x| *x == 4)), "{case}");
                            assert_eq!(rates(&out), [1.0; 4], "{case}");
                        }
                    }
                }
            }
        }
    }
    // t exactly 0 masks nothing under Bernoulli and one token under count.
    let at_zero = |estimator| {
        let objective = masked(linear(), TKind::Iid, (0.0, 0.0), LossWeight::Elbo, estimator);
        rates(&corrupt(&objective, &VOCAB, &[1; 8], 8, 0, 1, 0, 5))
    };
    assert_eq!(at_zero(Estimator::Bernoulli), [0.0]);
    assert_eq!(at_zero(Estimator::Count), [1.0 / 7.0]);
}

#[test]
fn a_single_t_trains_at_a_fixed_rate() {
    for (estimator, weight) in [(Estimator::Bernoulli, 1.0 / 0.5), (Estimator::Count, 1.0 / 4.0)] {
        let objective = masked(linear(), TKind::Iid, (0.5, 0.5), LossWeight::Elbo, estimator);
        let out = corrupt(&objective, &VOCAB, &[1; 9], 9, 0, 1, 3, 5);
        assert!(out.weights.iter().all(|w| *w == 0.0 || (*w - weight / 8.0).abs() < EXACT), "{:?}", out.weights);
        assert!(out.weights.iter().any(|w| *w > 0.0));
    }
}

#[test]
fn the_level_of_a_share_is_the_schedule_turned_round() {
    for (name, schedule) in closed_schedules() {
        let Objective::MaskedDiffusion(objective) =
            masked(schedule, TKind::Iid, (0.2, 0.7), LossWeight::Elbo, Estimator::Count)
        else {
            continue;
        };
        let rate = MaskRate::new(&objective);
        // The whole of 0..1, whatever range of t is trained on.
        assert!(rate.level(0.0) < 1e-7, "{name}: {}", rate.level(0.0));
        assert_eq!(rate.level(1.0), 1.0, "{name}");
        let mut before = 0.0;
        for i in 1..40 {
            let share = f64::from(i) / 40.0;
            let t = rate.level(share);
            assert!((rate.at(t) - share).abs() < 1e-12, "{name}: {} at {t} for {share}", rate.at(t));
            assert!(t > before && t < 1.0, "{name}");
            before = t;
        }
    }
    // A schedule that masks a tenth from the start has no t for less, and the closest is 0.
    let late = Formula::from(product(&[Term::ratio(9, 10), one_minus(Term::T)]));
    let Objective::MaskedDiffusion(late) = masked(late, TKind::Iid, (0.0, 1.0), LossWeight::Elbo, Estimator::Count)
    else {
        return;
    };
    assert_eq!(MaskRate::new(&late).level(0.05), 0.0);
    assert!((MaskRate::new(&late).level(0.55) - 0.5).abs() < EXACT);
}

#[test]
fn a_row_is_told_the_level_that_masked_it() {
    let clean = vec![1; 16 * 33];
    for (name, schedule) in closed_schedules() {
        let of = |estimator| masked(schedule.clone(), TKind::Stratified, (0.1, 0.9), LossWeight::Elbo, estimator);
        // Bernoulli: the t that was drawn.
        let corruptor = Corruptor::new(&of(Estimator::Bernoulli), &VOCAB, 33);
        let levels = draws::Levels::new(TKind::Stratified, 16, 7, 5);
        let out = corruptor.corrupt(&clean, 0, 16, 7, 5);
        let drawn: Vec<f64> = (0..16).map(|row| corruptor.plan().unwrap().t_at(levels.u(row))).collect();
        assert_eq!(out.t, drawn, "{name}");
        // Count, and every evaluation: the t at which as large a share is masked.
        let rate = match of(Estimator::Count) {
            Objective::MaskedDiffusion(objective) => MaskRate::new(&objective),
            _ => continue,
        };
        let counted = corrupt(&of(Estimator::Count), &VOCAB, &clean, 33, 0, 16, 7, 5);
        let evaluated = evaluation_rows(&of(Estimator::Bernoulli), &VOCAB, &clean[..33], 3, 8, 6);
        assert_eq!((counted.t.len(), evaluated.t.len()), (16, 8));
        for (t, share) in [&counted, &evaluated].into_iter().flat_map(|rows| rows.t.iter().zip(rates(rows))) {
            assert!((rate.at(*t) - share).abs() < 1e-12, "{name}: told {t} for {share}");
        }
    }
    assert!(corrupt(&Objective::NextToken(NextToken::PLAIN), &VOCAB, &clean, 33, 0, 16, 7, 5).t.is_empty());
}

/// Runs are found by id and continued by step: if this test fails, every older run changes its masks.
#[test]
fn draws_stay_what_they_are() {
    let mut hasher = crate::base::hash::CanonicalHasher::new("draws");
    for kind in [TKind::Iid, TKind::Stratified] {
        for estimator in [Estimator::Bernoulli, Estimator::Count] {
            let objective = masked(linear(), kind, (0.0, 1.0), LossWeight::Elbo, estimator);
            hasher.put_u32s(&corrupt(&objective, &VOCAB, &[1; 16 * 32], 32, 0, 16, 7, 5).tokens);
            hasher.put_u32s(&evaluation_rows(&objective, &VOCAB, &[1; 32], 3, 4, 6).tokens);
        }
    }
    assert_eq!(hasher.finish(), "9e2015a434f9438f140df02bb5402b5f");
}

#[test]
fn sequences_without_targets_do_not_fall_over() {
    let objective = masked(linear(), TKind::Iid, (0.0, 1.0), LossWeight::Elbo, Estimator::Count);
    for objective in [objective, Objective::NextToken(NextToken::PLAIN)] {
        let out = corrupt(&objective, &VOCAB, &[1, 2], 1, 0, 2, 0, 5);
        assert_eq!((out.rows, out.weights), (2, vec![0.0, 0.0]));
        assert_eq!(evaluation_rows(&objective, &VOCAB, &[], 0, 4, 5).rows, 0);
        assert!(evaluation_rows(&objective, &VOCAB, &[1], 0, 4, 5).weights.iter().all(|w| *w == 0.0));
    }
}

#[test]
fn every_position_is_masked_equally_often() {
    let objective = masked(linear(), TKind::Iid, (0.0, 1.0), LossWeight::Elbo, Estimator::Count);
    let corruptor = Corruptor::new(&objective, &VOCAB, 9);
    let mut masked = [0u32; 9];
    for step in 0..4000 {
        let out = corruptor.corrupt(&[1; 9], 0, 1, step, 5);
        (0..9).filter(|i| out.tokens[*i] == 4).for_each(|i| masked[i] += 1);
    }
    assert_eq!(masked[0], 0);
    // Chance (n + 1) / 2n = 0.5625 each; five standard errors.
    assert!(masked[1..].iter().all(|m| (f64::from(*m) / 4000.0 - 0.5625).abs() < 0.04), "{masked:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn micro_batches_change_no_draw(
        seq in 1usize..20, batch in 1u64..24, cut in 0u64..24, step in 0u64..1000, seed: u32,
        stratified: bool, count: bool, which in 0usize..8,
    ) {
        let kind = if stratified { TKind::Stratified } else { TKind::Iid };
        let estimator = if count { Estimator::Count } else { Estimator::Bernoulli };
        let objective = closed_schedules().get(which).map_or(Objective::NextToken(NextToken::PLAIN), |(_, schedule)| {
            masked(schedule.clone(), kind, (0.0, 1.0), LossWeight::Elbo, estimator)
        });
        let cut = cut.min(batch) as usize;
        let clean: Vec<u32> = (0..batch as usize * seq).map(|i| (i * i % 3) as u32).collect();
        let corruptor = Corruptor::new(&objective, &VOCAB, seq);
        let whole = corruptor.corrupt(&clean, 0, batch, step, seed);
        let first = corruptor.corrupt(&clean[..cut * seq], 0, batch, step, seed);
        let second = corruptor.corrupt(&clean[cut * seq..], cut as u64, batch, step, seed);
        prop_assert_eq!(first.rows + second.rows, whole.rows);
        prop_assert_eq!(whole.part(cut..batch as usize), second.clone());
        prop_assert_eq!([first.tokens, second.tokens].concat(), whole.tokens);
        prop_assert_eq!([first.targets, second.targets].concat(), whole.targets);
        prop_assert_eq!([first.share, second.share].concat(), whole.share);
        prop_assert_eq!([first.weights, second.weights].concat(), whole.weights);
        prop_assert_eq!([first.t, second.t].concat(), whole.t);
    }

    #[test]
    fn weights_stand_exactly_on_masked_positions(seq in 2usize..40, step in 0u64..1000, count: bool) {
        let estimator = if count { Estimator::Count } else { Estimator::Bernoulli };
        let objective = masked(linear(), TKind::Stratified, (0.0, 1.0), LossWeight::Elbo, estimator);
        let clean = vec![1u32; 4 * seq];
        let out = corrupt(&objective, &VOCAB, &clean, seq, 0, 4, step, 5);
        for (i, (token, weight)) in out.tokens.iter().zip(&out.weights).enumerate() {
            prop_assert_eq!(*token == 4, *weight > 0.0);
            prop_assert!(i % seq != 0 || *token == 1);
        }
        for (row, rate) in out.tokens.chunks(seq).zip(rates(&out)) {
            let n = row.iter().filter(|x| **x == 4).count();
            prop_assert_eq!(n as f64 / (seq - 1) as f64, rate);
        }
    }
}
