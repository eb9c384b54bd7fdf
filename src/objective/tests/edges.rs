//! All objectives at their ends: sequences of one and two tokens, one row, no and all tokens masked, levels of 0 and
//! 1, rows cut to two tokens. Nothing is infinite, nothing falls over, and every objective keeps its shape.

use super::*;
use crate::check::spec::{AnyOrder, HybridWeight, MaskedInputs, MaskedLm};
use std::sync::{Arc, LazyLock};

/// Every objective, with every option of each at least once. Blocks divide 12.
static OBJECTIVES: LazyLock<Vec<(String, Objective)>> = LazyLock::new(objectives);

fn objectives() -> Vec<(String, Objective)> {
    let mut all = vec![];
    let next = |input_mask, auxiliary| Objective::NextToken(NextToken { input_mask, auxiliary });
    all.push(("next_token".to_string(), next(0.0, None)));
    all.push(("input masks".into(), next(0.3, None)));
    all.push(("all inputs masked".into(), next(1.0, None)));
    all.push(("auxiliary".into(), next(0.2, Some(MaskedInputs { rate: 0.15, weight: 0.5 }))));
    let estimators = [Estimator::Count, Estimator::Bernoulli, Estimator::RowMean, Estimator::BatchMean];
    for (name, schedule) in closed_schedules() {
        let proof: Arc<_> = prove(&schedule).expect("a schedule").into();
        for estimator in estimators {
            for kind in [TKind::Iid, TKind::Stratified, TKind::Systematic, TKind::Importance] {
                for range in [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.3, 0.8), (1e-6, 1.0)] {
                    let weights = [LossWeight::Elbo, LossWeight::Flat, custom(product(&[Term::int(2), Term::T]))];
                    for weight in &weights {
                        let objective = diffusion(|m| {
                            m.proof = proof.clone();
                            m.schedule = schedule.clone();
                            (m.t.kind, m.t.low, m.t.high) = (kind, range.0, range.1);
                            (m.weight, m.estimator) = (weight.clone(), estimator);
                        });
                        all.push((format!("{name} {estimator:?} {kind:?} {range:?} {weight:?}"), objective));
                    }
                }
            }
        }
    }
    for estimator in estimators {
        all.push((format!("shift {estimator:?}"), diffusion(|m| (m.shift, m.estimator) = (true, estimator))));
        let cut = |m: &mut MaskedDiffusion| (m.variable_length, m.estimator) = (1.0, estimator);
        all.push((format!("cut {estimator:?}"), diffusion(cut)));
        for block in [1, 2, 3, 4, 6, 12] {
            for range in [(0.0, 1.0), (0.3, 0.8), (0.0, 0.0), (1.0, 1.0)] {
                let objective = blocks(block, |m| (m.estimator, m.t.low, m.t.high) = (estimator, range.0, range.1));
                all.push((format!("blocks of {block} {estimator:?} {range:?}"), objective));
            }
        }
    }
    all.push(("megadlms".into(), megadlms()));
    for draw in [TKind::Iid, TKind::Stratified, TKind::Systematic] {
        all.push((format!("any_order {draw:?}"), Objective::AnyOrder(AnyOrder { draw })));
    }
    for rate in [0.0, 0.15, 1.0] {
        all.push((format!("masked_lm {rate}"), Objective::MaskedLm(MaskedLm { rate })));
    }
    for range in [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1e-4, 0.9999)] {
        for (name, schedule) in closed_schedules() {
            for kind in [TKind::Iid, TKind::Stratified, TKind::Systematic] {
                all.push((format!("uniform {name} {kind:?} {range:?}"), uniform(schedule.clone(), kind, range)));
            }
        }
        for most in [0.0, 0.2, 0.9] {
            for weight in [HybridWeight::Elbo, HybridWeight::Dynamic] {
                all.push((format!("hybrid {most} {weight:?} {range:?}"), hybrid(most, weight, range)));
            }
        }
    }
    all
}

/// What holds of all rows of all objectives.
fn assert_sound(case: &str, rows: &Corrupted, vocab: &Vocab) {
    let cells = rows.rows * rows.seq;
    assert_eq!((rows.tokens.len(), rows.targets.len()), (cells, cells), "{case}");
    assert_eq!((rows.weights.len(), rows.share.len()), (cells, cells), "{case}");
    assert!(rows.weights.iter().all(|w| w.is_finite() && *w >= 0.0), "{case}: {:?}", rows.weights);
    assert!(rows.share.iter().all(|s| (0.0..=1.0).contains(s)), "{case}: {:?}", rows.share);
    assert!(rows.targets.iter().all(|id| u64::from(*id) < vocab.n_predictable()), "{case}");
    assert!(rows.tokens.iter().all(|id| u64::from(*id) < vocab.size), "{case}");
    for of_rows in [&rows.t, &rows.alpha, &rows.uniform] {
        assert!(of_rows.is_empty() || of_rows.len() == rows.rows, "{case}");
        assert!(of_rows.iter().all(|x| (0.0..=1.0).contains(x)), "{case}: {of_rows:?}");
    }
    assert!(rows.positions.is_empty() || rows.positions.len() == rows.seq, "{case}");
}

#[test]
fn every_objective_is_sound_at_every_length() {
    for (case, objective) in OBJECTIVES.iter() {
        for seq in [1usize, 2, 3, 12] {
            if matches!(objective, Objective::BlockDiffusion(b) if !(seq as u64).is_multiple_of(b.block)) {
                continue;
            }
            for batch in [1u64, 4] {
                let case = format!("{case}, {batch} of {seq}");
                let clean: Vec<u32> = (0..batch as usize * seq).map(|i| i as u32 % 3).collect();
                let shape = shape(objective, seq as u64);
                let corruptor = Corruptor::new(objective, &VOCAB, seq);
                for step in 0..3 {
                    let out = corruptor.corrupt(&clean, 0, batch, step, 5);
                    assert_sound(&case, &out, &VOCAB);
                    assert_eq!(out.rows as u64, if shape.time == 0 { 0 } else { batch * shape.rows }, "{case}");
                    assert!(out.seq as u64 <= shape.time, "{case}");
                    assert_eq!(out.t.is_empty(), !has_noise_level(objective) || out.rows == 0, "{case}");
                    assert_eq!(out.alpha.is_empty(), loss(objective) == Loss::CrossEntropy, "{case}");
                }
                let rows = evaluation_rows(objective, &VOCAB, &clean[..seq], 3, 4, 6);
                assert_sound(&case, &rows, &VOCAB);
                // Every bound predicts each of x_2..x_L, and the context never.
                if seq == 1 {
                    assert!(rows.weights.iter().all(|w| *w == 0.0), "{case}");
                }
                assert!(prior(objective, &VOCAB).is_finite() && prior(objective, &VOCAB) >= 0.0, "{case}");
            }
        }
    }
}

#[test]
fn micro_batches_are_parts_of_the_batch_for_every_objective() {
    let (seq, batch) = (12usize, 6u64);
    let clean: Vec<u32> = (0..batch as usize * seq).map(|i| (i * i) as u32 % 3).collect();
    for (case, objective) in OBJECTIVES.iter() {
        let corruptor = Corruptor::new(objective, &VOCAB, seq);
        let step = corruptor.step(batch, 7, 5);
        let whole = corruptor.rows(&step, &clean, 0);
        assert_eq!(whole, corruptor.corrupt(&clean, 0, batch, 7, 5), "{case}");
        for cut in [1u64, 4] {
            let second = corruptor.rows(&step, &clean[cut as usize * seq..], cut);
            let rows_each = shape(objective, seq as u64).rows;
            let from = (cut * rows_each) as usize;
            assert_eq!(whole.part(from..whole.rows), second, "{case}");
            let mut first = corruptor.rows(&step, &clean[..cut as usize * seq], 0);
            first.extend(second);
            assert_eq!(first, whole, "{case}");
        }
    }
}

/// Some 2,000 rows of 40 tokens: three standard errors of a share that varies by row.
const SHARE_TOLERANCE: f64 = 0.03;

#[test]
fn the_share_that_the_loss_reads_is_known_beforehand() {
    let (seq, batch) = (40usize, 64u64);
    let clean: Vec<u32> = (0..batch as usize * seq).map(|i| (i * i) as u32 % 3).collect();
    // At an end of t a weight may vanish, and a mean has one token at least: those read a little else.
    let usual = |case: &str| {
        let kinds = ["linear Bernoulli Stratified", "cosine_md4 Bernoulli Iid", "log Count Systematic"];
        let kinds = kinds.into_iter().chain(["linear Bernoulli Importance (0.3", "blocks of 4 Bernoulli", "any_order"]);
        let inside = !case.contains("(0.0, 0.0)") && !case.contains("(1.0, 1.0)") && !case.contains("(1e-6");
        inside && (kinds.into_iter().any(|kind| case.starts_with(kind)) || case == "masked_lm 0.15")
    };
    let all: Vec<_> = OBJECTIVES.iter().filter(|(case, _)| usual(case)).collect();
    assert!(all.len() > 20);
    for (case, objective) in all {
        let corruptor = Corruptor::new(objective, &VOCAB, seq);
        let (mut n_read, mut n) = (0, 0);
        for step in 0..30 {
            let rows = corruptor.corrupt(&clean, 0, batch, step, 5);
            n_read += rows.weights.iter().filter(|w| **w != 0.0).count();
            n += rows.weights.len();
        }
        let (share, expected) = (n_read as f64 / n as f64, read_share(objective, seq as u64));
        assert!((share - expected).abs() < SHARE_TOLERANCE, "{case}: {share}, not {expected}");
    }
}

#[test]
fn noise_weighed_apart_is_what_is_drawn_and_weighed_together() {
    let (seq, batch) = (12usize, 6u64);
    let clean: Vec<u32> = (0..batch as usize * seq).map(|i| (i * i) as u32 % 3).collect();
    for (case, objective) in OBJECTIVES.iter() {
        let corruptor = Corruptor::new(objective, &VOCAB, seq);
        let step = corruptor.step(batch, 7, 5);
        let noise = corruptor.draw(&step, &clean, 0);
        assert_eq!((noise.z.len(), noise.rows % 6), (noise.rows * noise.time, 0), "{case}");
        let apart = corruptor.weigh(&clean, &noise, corruptor.global_of(&noise));
        let together = corruptor.rows(&step, &clean, 0);
        assert_eq!(Corrupted { draw: together.draw, ..apart }, together, "{case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_seed_step_and_length_is_sound(which: prop::sample::Index, seq in 1usize..40, batch in 1u64..9, step: u32, seed: u32) {
        let all = &*OBJECTIVES;
        let (case, objective) = &all[which.index(all.len())];
        let clean: Vec<u32> = (0..batch as usize * seq).map(|i| (i * i) as u32 % 3).collect();
        assert_sound(case, &corrupt(objective, &VOCAB, &clean, seq, 0, batch, u64::from(step), seed), &VOCAB);
        assert_sound(case, &evaluation_rows(objective, &VOCAB, &clean[..seq], u64::from(step), 3, seed), &VOCAB);
    }
}
