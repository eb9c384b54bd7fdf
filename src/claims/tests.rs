//! Known answers on synthetic curves. `ar` falls fast, then overfits; `mdm` falls slowly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::bootstrap::{Resamples, interval, mean_of};
use super::*;
use crate::check::claims::types::Metric;
use crate::store::metrics::EndReason;

const N_EPOCHS: usize = 20;
const TARGETS: f64 = 500.0;

/// A number in (-1, 1) that depends on its arguments alone, roughly normal (a mean of uniforms).
pub(super) fn noise(seed: u64, a: u64, b: u64) -> f64 {
    let mix = |z: u64| {
        let z = (z ^ (z >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let uniform = |i| (mix(mix(mix(mix(seed) ^ a) ^ b) ^ i) >> 11) as f64 / (1u64 << 53) as f64;
    (0..6).map(uniform).sum::<f64>() / 3.0 - 1.0
}

/// Document i's loss at epoch e is curve(e), plus what makes the document hard (the same in all arms),
/// plus noise of the arm's own.
pub(super) fn series(arm: &str, n_items: usize, seed: u64, own_noise: f64, curve: impl Fn(f64) -> f64) -> Series {
    let points = (1..=N_EPOCHS)
        .map(|e| {
            let documents: Vec<[f64; 2]> = (0..n_items as u64)
                .map(|i| {
                    let own = own_noise * noise(2 * seed + u64::from(arm == "ar"), i, 0);
                    [TARGETS * (curve(e as f64) + noise(99, i, 1) + own), TARGETS]
                })
                .collect();
            Point {
                step: e as u64 * 25,
                tokens: e as u64 * 100_000,
                epoch: e as f64,
                value: mean_of(&documents),
                se: 0.1,
                bits_per_byte: None,
                loss_by_decile: vec![],
                in_decay: e > 18,
                items: documents,
            }
        })
        .collect();
    Series {
        arm: arm.into(),
        point: String::new(),
        metric: Metric::valid_loss(),
        exact: arm == "ar",
        unit: "nats/byte".into(),
        set: Some("v".into()),
        steps: 500,
        decay_from_step: 450,
        completion: Completion::Finished,
        points,
    }
}

/// Crosses `mdm_curve` at epoch 10.5 on its way up.
fn ar_curve(e: f64) -> f64 {
    if e < 5.0 { 3.0 - 0.2 * e } else { 2.0 + 0.1 * (e - 5.0) }
}

fn mdm_curve(e: f64) -> f64 {
    2.55 + 0.05 * (10.5 - e).max(-4.0)
}

fn ask(of: &Series, than: &Series, under: bool) -> Crossover {
    ask_all(&[of], &[than], under)
}

fn ask_all(of: &[&Series], than: &[&Series], under: bool) -> Crossover {
    let question = Question { of: &of[0].arm, than: &than[0].arm, under };
    crossover(question, of, than, Items::All, &mut Bootstrap::default()).0
}

fn why(result: Crossover) -> String {
    match result.verdict {
        Verdict::Undecided { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_crossing_is_found_where_it_is() {
    let (ar, mdm) = (series("ar", 64, 1, 0.1, ar_curve), series("mdm", 64, 1, 0.1, mdm_curve));
    let result = ask(&mdm, &ar, true);
    let Verdict::Held { epoch, low, high, from_epoch } = result.verdict else { panic!("{result:?}") };
    assert!((epoch - 10.5).abs() < 0.3, "{epoch}");
    assert!(low < 10.5 && 10.5 < high && high - low < 1.0, "[{low}, {high}]");
    assert!((11.0..=12.0).contains(&from_epoch), "{from_epoch}");
    assert_eq!(result.verdict.outcome(), Outcome::Held);
    assert_eq!(result.differences.len(), N_EPOCHS);
    assert_eq!(result.remarks, Vec::<String>::new());
    // The same question with the sides swapped and `over` for `under` has the same answer.
    let swapped = ask(&ar, &mdm, false);
    let Verdict::Held { epoch: again, .. } = swapped.verdict else { panic!("{swapped:?}") };
    assert!((again - epoch).abs() < 1e-12);
}

#[test]
fn without_noise_the_crossing_is_exact_and_the_interval_is_a_point() {
    let (ar, mdm) = (series("ar", 64, 1, 0.0, ar_curve), series("mdm", 64, 1, 0.0, mdm_curve));
    let Verdict::Held { epoch, low, high, from_epoch } = ask(&mdm, &ar, true).verdict else { panic!() };
    // Between epochs 10 and 11 the gap goes from 0.075 to -0.075.
    for x in [epoch, low, high] {
        assert!((x - 10.5).abs() < 1e-9, "{x}");
    }
    assert_eq!(from_epoch, 11.0);
}

#[test]
fn a_crossing_inside_the_decay_is_not_one() {
    let (ar, mut mdm) = (series("ar", 64, 1, 0.0, ar_curve), series("mdm", 64, 1, 0.0, mdm_curve));
    let mut ar = ar;
    for point in ar.points.iter_mut().chain(&mut mdm.points) {
        point.in_decay = point.step >= 10 * 25;
    }
    let result = ask(&mdm, &ar, true);
    assert!(matches!(result.verdict, Verdict::InsideDecay { from_epoch: 11.0, .. }), "{:?}", result.verdict);
    assert_eq!(result.verdict.outcome(), Outcome::Undecided);
    for point in &mut ar.points {
        point.in_decay = true;
    }
    assert!(why(ask(&mdm, &ar, true)).contains("inside the learning-rate decay"));
}

#[test]
fn a_lead_that_the_decay_takes_back_is_held_with_a_remark() {
    let ar = series("ar", 64, 1, 0.0, |e| if e > 18.0 { 1.0 } else { ar_curve(e) });
    let result = ask(&series("mdm", 64, 1, 0.0, mdm_curve), &ar, true);
    assert_eq!(result.verdict.outcome(), Outcome::Held);
    assert!(result.remarks[0].contains("`ar` is ahead again"), "{:?}", result.remarks);
}

#[test]
fn no_crossing_is_later_than_every_epoch() {
    let (ar, mdm) = (series("ar", 64, 1, 0.1, ar_curve), series("mdm", 64, 1, 0.1, |_| 5.0));
    let result = ask(&mdm, &ar, true);
    assert_eq!(result.verdict, Verdict::Censored { last_epoch: 18.0 });
    assert_eq!(result.verdict.outcome(), Outcome::Failed);
    // Ahead for a while and then overtaken again is no crossing either.
    let back = series("mdm", 64, 1, 0.0, |e| ar_curve(e) + if (8.0..15.0).contains(&e) { -0.5 } else { 0.5 });
    let ar = series("ar", 64, 1, 0.0, ar_curve);
    assert_eq!(ask(&back, &ar, true).verdict, Verdict::Censored { last_epoch: 18.0 });
}

#[test]
fn an_arm_that_never_was_behind_crosses_nothing() {
    let (ar, mdm) = (series("ar", 64, 1, 0.1, ar_curve), series("mdm", 64, 1, 0.1, |_| 0.5));
    let result = ask(&mdm, &ar, true);
    assert_eq!(result.verdict, Verdict::NeverBehind { from_epoch: 1.0 });
    assert_eq!(result.verdict.outcome(), Outcome::Failed);
    let level_at_first = series("mdm", 64, 1, 0.0, |e| ar_curve(e) - if e > 4.0 { 0.5 } else { 0.0 });
    let ar = series("ar", 64, 1, 0.0, ar_curve);
    assert_eq!(ask(&level_at_first, &ar, true).verdict, Verdict::NeverBehind { from_epoch: 5.0 });
}

#[test]
fn what_cannot_be_compared_is_undecided_and_says_why() {
    let (ar, mdm) = (series("ar", 64, 1, 0.1, ar_curve), series("mdm", 64, 1, 0.1, mdm_curve));
    let few = |arm: &str, curve: fn(f64) -> f64| series(arm, 29, 1, 0.1, curve);
    let result = ask(&few("mdm", mdm_curve), &few("ar", ar_curve), true);
    assert_eq!(result.differences.len(), N_EPOCHS, "the evidence is still shown");
    assert_eq!(why(result), "29 validation documents; an interval needs at least 30");

    let change = |edit: &dyn Fn(&mut Series)| {
        let mut other = mdm.clone();
        edit(&mut other);
        why(ask(&other, &ar, true))
    };
    assert_eq!(change(&|s| s.points.clear()), "no evaluation of `mdm` yet (finished)");
    assert!(change(&|s| s.points[3].step += 1).contains("same steps"));
    assert!(change(&|s| s.points.truncate(5)).contains("same steps"));
    assert!(change(&|s| s.points[3].items.truncate(40)).contains("same documents"));
    assert!(change(&|s| s.points[3].items[0][1] = 7.0).contains("same documents"));
    assert!(change(&|s| s.points[3].items[0][0] = f64::NAN).contains("not a finite number"));
    assert!(change(&|s| s.set = Some("w".into())).contains("different validation data"));
    let stopped = change(&|s| {
        s.points.truncate(7);
        s.completion = Completion::Stopped { step: 180, reason: EndReason::TimeLimit, message: None };
    });
    assert_eq!(stopped, "the run of `mdm` is not complete: stopped at the time limit after step 180");
    assert!(change(&|s| s.completion = Completion::Open { step: 9 }).contains("running or killed"));
}

#[test]
fn the_best_checkpoints_are_chosen_and_reported_on_different_documents() {
    let (mut ar, mdm) = (series("ar", 64, 1, 0.1, ar_curve), series("mdm", 64, 1, 0.1, mdm_curve));
    let best = |of: &Series, than: &Series| best_against_best(&[of], &[than], &mut Bootstrap::default());
    let result = best(&mdm, &ar).unwrap();
    assert_eq!((result.than.epochs.as_slice(), result.of.steps.as_slice()), ([5.0].as_slice(), [15 * 25].as_slice()));
    assert_eq!(result.n_items, 32);
    let (ahead, gap, clear) = result.ahead();
    assert_eq!((ahead.arm.as_str(), clear, result.gap_words()), ("ar", true, "at most "));
    assert!((gap - 0.35).abs() < 0.1, "{gap}");
    assert!(result.interval.contains(result.difference) && result.than.interval.contains(result.than.value));
    // A fluke on the reporting half alone cannot be chosen.
    for document in ar.points[11].items.iter_mut().skip(1).step_by(2) {
        document[0] = 1.0;
    }
    assert_eq!(best(&mdm, &ar).unwrap().than.epochs, [5.0]);
    assert!(best(&series("mdm", 2, 1, 0.1, mdm_curve), &ar).is_err());
}

#[test]
fn resampled_means_are_centred_and_as_wide_as_theory_says() {
    let documents: Vec<[f64; 2]> = (0..200).map(|i| [100.0 * noise(5, i, 2), 100.0]).collect();
    let means = Resamples::new(200, 4000).means(&documents);
    let mean = means.iter().sum::<f64>() / 4000.0;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 4000.0;
    let spread = documents.iter().map(|d| (d[0] / d[1] - mean_of(&documents)).powi(2)).sum::<f64>() / 200.0;
    // Four standard errors of a mean, and of a variance, of 4,000 draws.
    assert!((mean - mean_of(&documents)).abs() < 4.0 * (variance / 4000.0).sqrt());
    assert!((variance / (spread / 200.0) - 1.0).abs() < 4.0 * (2.0f64 / 4000.0).sqrt());
    assert!(Resamples::new(0, 10).means(&[]).is_empty() && Resamples::new(3, 10).means(&documents).is_empty());
}

#[test]
fn percentiles_are_values_of_resamples() {
    let range = interval((0..1000).map(f64::from).collect());
    assert_eq!((range.low, range.high), (25.0, 974.0));
    assert!(interval(vec![]).low.is_nan() && interval(vec![1.0, f64::NAN]).high.is_nan());
    let open = interval([vec![f64::NEG_INFINITY; 100], vec![1.0; 900]].concat());
    assert_eq!((open.low, open.high), (f64::NEG_INFINITY, 1.0));
}

/// 200 experiments whose true crossing is epoch 10.5: the interval has to cover it as often as it says.
#[test]
fn the_interval_of_the_crossing_covers_the_truth() {
    let n_covered = (0..200u64)
        .filter(|seed| {
            let thin = |mut series: Series| {
                series.points.retain(|p| p.step % 75 == 0);
                series
            };
            let ar = thin(series("ar", 40, seed * 1000 + 17, 0.5, |e| 2.0 + 0.2 * (e - 10.5)));
            let mdm = thin(series("mdm", 40, seed * 1000 + 17, 0.5, |_| 2.0));
            match ask(&mdm, &ar, true).verdict {
                Verdict::Held { low, high, .. } => (low..=high).contains(&10.5),
                other => panic!("{other:?}"),
            }
        })
        .count();
    assert!((180..=198).contains(&n_covered), "{n_covered} of 200");
}
