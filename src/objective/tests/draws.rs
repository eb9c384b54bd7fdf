//! Rows as they are drawn: counts, levels, masks and what they are keyed by.

use super::*;
use crate::check::spec::{AnyOrder, MaskedInputs, MaskedLm};
use crate::objective::draws::Levels;

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
        let levels = Levels::new(TKind::Stratified, 16, 7, 5);
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

/// The same for what came later.
#[test]
fn draws_of_all_objectives_stay_what_they_are() {
    let mut hasher = crate::base::hash::CanonicalHasher::new("draws");
    let next = NextToken { input_mask: 0.3, auxiliary: Some(MaskedInputs { rate: 0.15, weight: 1.0 }) };
    let all = [
        Objective::NextToken(next),
        diffusion(|m| (m.t.kind, m.estimator) = (TKind::Systematic, Estimator::RowMean)),
        diffusion(|m| (m.t.kind, m.t.low) = (TKind::Importance, 0.1)),
        diffusion(|m| m.variable_length = 1.0),
        megadlms(),
        Objective::AnyOrder(AnyOrder { draw: TKind::Stratified }),
        Objective::MaskedLm(MaskedLm { rate: 0.15 }),
        blocks(8, |m| m.estimator = Estimator::Bernoulli),
        uniform(linear(), TKind::Stratified, (0.0, 1.0)),
        hybrid(0.2, HybridWeight::Elbo, (1e-4, 0.9999)),
    ];
    for objective in all {
        hasher.put_u32s(&corrupt(&objective, &VOCAB, &[1; 16 * 32], 32, 0, 16, 7, 5).tokens);
        hasher.put_u32s(&evaluation_rows(&objective, &VOCAB, &[1; 32], 3, 4, 6).tokens);
    }
    assert_eq!(hasher.finish(), "31ad53ab67ad203c2b5f95f9e940d770");
}

#[test]
fn strata_hold_one_draw_each_and_a_systematic_batch_has_one_draw() {
    for step in 0..20 {
        for kind in [TKind::Stratified, TKind::Systematic, TKind::Importance] {
            let levels = Levels::new(kind, 16, step, 5);
            let mut places: Vec<f64> = (0..16).map(|row| levels.u(row) * 16.0).collect();
            places.sort_by(f64::total_cmp);
            assert!(places.iter().enumerate().all(|(i, place)| *place as usize == i), "{kind:?}: {places:?}");
            let same = places.iter().all(|place| (place.fract() - places[0].fract()).abs() < EXACT);
            assert_eq!(same, kind == TKind::Systematic);
        }
    }
}

#[test]
fn every_stratum_comes_to_every_row_equally_often() {
    let mut seen = [[0u32; 4]; 4];
    for step in 0..4000 {
        let levels = Levels::new(TKind::Systematic, 4, step, 5);
        (0..4).for_each(|row| seen[row as usize][(levels.u(row) * 4.0) as usize] += 1);
    }
    // 1000 each; five standard errors are 137.
    assert!(seen.iter().flatten().all(|n| n.abs_diff(1000) < 137), "{seen:?}");
}

#[test]
fn a_step_in_so_many_is_cut_to_a_length_of_two_or_more() {
    let corruptor = Corruptor::new(&diffusion(|m| m.variable_length = 0.25), &VOCAB, 9);
    let lengths: Vec<usize> = (0..8000).map(|step| corruptor.corrupt(&[1; 18], 0, 2, step, 5).seq).collect();
    // A draw of the whole length is one among the eight: 2..=9.
    for length in 2..=8 {
        let n = lengths.iter().filter(|l| **l == length).count();
        assert!((n as f64 - 250.0).abs() < 5.0 * 250f64.sqrt(), "{length}: {n}");
    }
    assert!(lengths.iter().all(|l| (2..=9).contains(l)));
    // A cut row weighs as much as a whole one: each token of the batch that is left, once.
    let mean = diffusion(|m| (m.variable_length, m.estimator) = (1.0, Estimator::RowMean));
    for step in 0..50 {
        let out = corrupt(&mean, &VOCAB, &[1; 18], 9, 0, 2, step, 5);
        assert!((out.weights.iter().sum::<f64>() - 1.0).abs() < EXACT, "{step}");
    }
}

#[test]
fn megadlms_reads_all_but_the_ends_and_masks_one_at_least() {
    let clean: Vec<u32> = (0..4 * 12).map(|i| i * i % 3).collect();
    let corruptor = Corruptor::new(&megadlms(), &VOCAB, 12);
    let mut first_masked = 0;
    for step in 0..400 {
        let out = corruptor.corrupt(&clean, 0, 4, step, 5);
        let cut = out.seq;
        assert!((2..=10).contains(&cut), "{cut}");
        for (row, x) in clean.chunks(12).enumerate() {
            let (targets, tokens) = (&out.targets[row * cut..][..cut], &out.tokens[row * cut..][..cut]);
            assert_eq!(targets, &x[1..1 + cut]);
            let k = tokens.iter().filter(|z| **z == 4).count();
            assert!(k > 0);
            first_masked += u32::from(tokens[0] == 4);
            // The mean over the row's masked tokens, then over rows.
            let weights = &out.weights[row * cut..][..cut];
            assert!(weights.iter().all(|w| *w == 0.0 || (w * 4.0 * k as f64 - 1.0).abs() < EXACT));
        }
    }
    // Half of the time, as every other token: no context.
    assert!((f64::from(first_masked) / 1600.0 - 0.5).abs() < 0.07, "{first_masked}");
}

#[test]
fn a_sequence_and_its_masked_inputs_follow_each_other() {
    let next = NextToken { input_mask: 0.0, auxiliary: Some(MaskedInputs { rate: 1.0, weight: 0.5 }) };
    let out = corrupt(&Objective::NextToken(next), &VOCAB, &[0, 1, 2, 2, 1, 0], 3, 4, 8, 9, 1);
    assert_eq!(out.tokens, [0, 1, 2, 0, 4, 4, 2, 1, 0, 2, 4, 4]);
    assert_eq!(out.targets, [1, 2, 2, 1, 2, 2, 1, 0, 0, 1, 0, 0]);
    let (plain, masked) = (1.0 / 16.0, 0.5 / 16.0);
    assert_eq!(out.weights[..6], [plain, plain, 0.0, masked, masked, 0.0]);
    // Rows 8.. of the sixteen that eight sequences give.
    assert_eq!(out.draw, Draw { seed: 1, step: 9, row: 8 });
}

#[test]
fn inputs_are_masked_afresh_at_each_step_and_never_the_first() {
    let masked = Objective::NextToken(NextToken { input_mask: 0.3, auxiliary: None });
    let corruptor = Corruptor::new(&masked, &VOCAB, 101);
    let rows: Vec<Corrupted> = (0..40).map(|step| corruptor.corrupt(&[1; 202], 0, 2, step, 5)).collect();
    let n: usize = rows.iter().map(|out| out.tokens.iter().filter(|z| **z == 4).count()).sum();
    // 8,000 inputs, standard error 0.005.
    assert!((n as f64 / 8000.0 - 0.3).abs() < 0.025, "{n}");
    assert!(rows.iter().all(|out| out.tokens[0] == 1 && out.tokens[101] == 1));
    assert!(rows.windows(2).all(|pair| pair[0].tokens != pair[1].tokens));
    assert!(rows.iter().all(|out| out.targets.iter().all(|x| *x == 1)));
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
