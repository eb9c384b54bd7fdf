//! Counts, weights and their expectations by enumeration on a toy: sequences of four, so three target positions and
//! seven sets of masked positions.

use super::*;

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
