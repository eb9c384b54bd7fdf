//! Known answers on other metrics than a loss, and on the onset of overfitting.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::bootstrap::mean_of;
use super::judge_tests::record;
use super::readings::readings;
use super::tests::{noise, series};
use super::*;
use crate::check::claims::Claim;
use crate::check::claims::types::{
    Crossover as Asked, Measure, Metric, Progress, Quantity, Relation, Statement, Value,
};
use crate::check::spec::TaskScore;

fn acc() -> Metric {
    Metric::Task("hellaswag".into(), TaskScore::AccNorm)
}

/// Item i is right where its own difficulty is below the curve, which is then the share of right ones.
fn scores(arm: &str, n_items: u64, curve: impl Fn(f64) -> f64) -> Series {
    let mut series = series(arm, 1, 1, 0.0, |_| 0.0);
    for point in &mut series.points {
        let share = curve(point.epoch);
        // Evenly spread difficulties in a fixed, shuffled order, so that each half sees all of them.
        let difficulty = |i: u64| ((i * 37 + 11) % n_items) as f64 / n_items as f64;
        point.items = (0..n_items).map(|i| [f64::from(u8::from(difficulty(i) < share)), 1.0]).collect();
        point.value = mean_of(&point.items);
    }
    Series { metric: acc(), exact: true, unit: String::new(), set: Some("items".into()), ..series }
}

/// The left arm learns and forgets, the right one only learns: they cross at epoch 10.5.
fn forgetting(e: f64) -> f64 {
    0.6 - 0.03 * (e - 3.0).abs()
}

fn learning(e: f64) -> f64 {
    0.375 + 0.03 * (e - 10.5)
}

fn decided(slots: &[(String, String, Slot)], statement: Statement) -> ClaimResult {
    let record = record(&[], 1);
    let claim = Claim { text: "claim".into(), lets: vec![], negated: false, statement, points: vec![0] };
    judge(&claim, &Runs::new(&record, slots), &mut Bootstrap::default())
}

fn slots(of_ar: Vec<Series>, of_mdm: Vec<Series>) -> Vec<(String, String, Slot)> {
    let slot =
        |arm: &str, series: Vec<Series>| (arm.to_owned(), String::new(), Slot::Run(series.into_iter().collect()));
    vec![slot("ar", of_ar), slot("mdm", of_mdm)]
}

fn why(result: &ClaimResult) -> &str {
    match &result.places[0].evidence {
        Evidence::Nothing { why } => why,
        Evidence::Crossover { result, .. } => match &result.verdict {
            Verdict::Undecided { why } => why,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn crossing(under: bool) -> Statement {
    Statement::Crossover(Asked { metric: acc(), of: "mdm".into(), than: "ar".into(), under, each: vec![] })
}

fn of(metric: Metric, arm: &str) -> Measure {
    Measure { metric, of: arm.into(), each: vec![] }
}

#[test]
fn an_accuracy_crosses_over_and_a_loss_under() {
    let both = slots(vec![scores("ar", 400, forgetting)], vec![scores("mdm", 400, learning)]);
    let over = decided(&both, crossing(false));
    let Evidence::Crossover { result, .. } = &over.places[0].evidence else { panic!("{over:?}") };
    let Verdict::Held { epoch, low, high, .. } = result.verdict else { panic!("{result:?}") };
    assert!((epoch - 10.5).abs() < 0.2 && (low..=high).contains(&epoch) && high - low < 1.0, "{epoch} [{low}, {high}]");
    assert_eq!((over.outcome, result.n_items, result.metric.clone()), (Outcome::Held, 400, acc()));
    // The other direction is a question too, whose answer is no.
    assert_eq!(decided(&both, crossing(true)).outcome, Outcome::Failed);
    // What is no loss has no bound to be reminded of.
    assert_eq!(over.places[0].remarks, Vec::<String>::new());
}

#[test]
fn the_best_accuracy_is_the_highest() {
    let (ar, mdm) = (scores("ar", 400, forgetting), scores("mdm", 400, learning));
    assert_eq!((ar.best().unwrap().epoch, mdm.best().unwrap().epoch), (3.0, 20.0));
    let best = best_against_best(&[&mdm], &[&ar], &mut Bootstrap::default()).unwrap();
    assert_eq!((best.of.epochs.as_slice(), best.than.epochs.as_slice()), ([20.0].as_slice(), [3.0].as_slice()));
    // 0.66 against 0.60.
    let (ahead, gap, clear) = best.ahead();
    assert_eq!((ahead.arm.as_str(), clear, best.gap_words()), ("mdm", true, ""));
    assert!((gap - 0.06).abs() < 0.01 && best.gap_interval().contains(gap), "{gap} {:?}", best.gap_interval());
    let both = slots(vec![ar], vec![mdm]);
    let compare = |left, relation, right, quantity| {
        decided(&both, Statement::Compare { left, relation, right, quantity }).outcome
    };
    let number = Value::Number;
    let best = |arm: &str| Value::Best(of(acc(), arm));
    assert_eq!(compare(best("mdm"), Relation::Greater, best("ar"), Quantity::Share), Outcome::Held);
    let place = Value::BestAt(of(acc(), "ar"), Progress::Epoch);
    assert_eq!(compare(place.clone(), Relation::Less, number(5.0), Quantity::Epochs), Outcome::Held);
    assert_eq!(compare(place, Relation::Greater, number(1.0), Quantity::Epochs), Outcome::Held);
    let last = Value::Final(of(acc(), "ar"));
    // 0.09 at the last epoch.
    assert_eq!(compare(last.clone(), Relation::Less, number(0.15), Quantity::Share), Outcome::Held);
    assert_eq!(compare(last, Relation::Greater, number(0.15), Quantity::Share), Outcome::Failed);
}

#[test]
fn thirty_items_decide_and_sixty_where_half_choose() {
    let with = |n: u64| slots(vec![scores("ar", n, forgetting)], vec![scores("mdm", n, learning)]);
    let few = decided(&with(29), crossing(false));
    assert_eq!(why(&few), "29 items of `hellaswag.acc_norm`; an interval needs at least 30");
    let best = |n| {
        let (left, right) = (Value::Best(of(acc(), "mdm")), Value::Best(of(acc(), "ar")));
        decided(&with(n), Statement::Compare { left, relation: Relation::Greater, right, quantity: Quantity::Share })
    };
    assert_eq!(
        why(&best(59)),
        "59 items of `hellaswag.acc_norm`, of which half only choose; an interval needs at least 30 that judge"
    );
    assert!(best(60).evident().next().is_some());
}

#[test]
fn metrics_pair_by_what_they_were_measured_on() {
    let other = Series { set: Some("others".into()), ..scores("mdm", 400, learning) };
    let result = decided(&slots(vec![scores("ar", 400, forgetting)], vec![other]), crossing(false));
    assert_eq!(why(&result), "`hellaswag.acc_norm` was measured on different items");
    let mixed = Series { set: None, ..scores("mdm", 400, learning) };
    let result = decided(&slots(vec![scores("ar", 400, forgetting)], vec![mixed]), crossing(false));
    assert_eq!(why(&result), "`hellaswag.acc_norm` was measured on different items");
    // A run that has never measured it says so; one that has not been evaluated at all says that.
    let valid = series("mdm", 64, 1, 0.1, |_| 2.0);
    let result = decided(&slots(vec![scores("ar", 400, forgetting)], vec![valid.clone()]), crossing(false));
    assert_eq!(why(&result), "the run of `mdm` has not measured `hellaswag.acc_norm`");
    let early = Series { points: vec![], completion: Completion::Open { step: 9 }, ..valid };
    let result = decided(&slots(vec![scores("ar", 400, forgetting)], vec![early]), crossing(false));
    assert_eq!(why(&result), "no evaluation of `mdm` yet (still running or killed, last seen at step 9)");
}

#[test]
fn a_claim_may_read_two_metrics() {
    // The loss of training falls on while that of validation rises.
    let train = Series {
        metric: Metric::Loss("train".into()),
        set: Some("t".into()),
        ..series("ar", 40, 3, 0.1, |e| 2.0 - 0.05 * e)
    };
    let both = slots(vec![series("ar", 64, 1, 0.1, |e| 2.0 + 0.05 * e), train], vec![]);
    let gap = Statement::Compare {
        left: Value::Final(of(Metric::Loss("train".into()), "ar")),
        relation: Relation::Less,
        right: Value::Final(of(Metric::valid_loss(), "ar")),
        quantity: Quantity::Loss,
    };
    assert_eq!(decided(&both, gap).outcome, Outcome::Held);
}

/// Falls to its best at epoch 5 and rises from there.
fn overfitting(e: f64) -> f64 {
    if e < 5.0 { 3.0 - 0.2 * e } else { 2.0 + 0.05 * (e - 5.0) }
}

#[test]
fn overfitting_sets_in_after_the_best_evaluation() {
    let run = series("ar", 64, 1, 0.0, overfitting);
    let (found, fall) = onset(&[&run], &mut Bootstrap::default()).unwrap();
    // Without noise of its own each document rises alike: the first evaluation after the best is clear.
    assert_eq!((found.best.epoch, found.from.unwrap().epoch, found.last.epoch), (5.0, 6.0, 18.0));
    assert_eq!((found.n_items, found.declines.len()), (32, 20));
    // 25 steps and 100,000 tokens make an epoch.
    assert_eq!(fall.onset(Progress::Step).value, Bounds::exactly(150.0));
    assert_eq!(fall.onset(Progress::Tokens).value, Bounds::exactly(600_000.0));
    // A slow rise with noise takes longer to be clear, and the interval says how much.
    let mut noisy = series("ar", 64, 1, 0.0, |e| if e < 5.0 { 3.0 - 0.2 * e } else { 2.0 + 0.02 * (e - 5.0) });
    for (e, point) in noisy.points.iter_mut().enumerate() {
        for (i, item) in point.items.iter_mut().enumerate() {
            item[0] += 500.0 * noise(7, e as u64, i as u64);
        }
    }
    let (found, _) = onset(&[&noisy], &mut Bootstrap::default()).unwrap();
    let from = found.from.unwrap().epoch;
    assert!(from > 6.0 && from < 18.0, "{from}");
    assert!(found.interval.contains(from) && found.interval.low < found.interval.high, "{:?}", found.interval);
    // The way up counts only as far as the learning rate has not begun to fall.
    let mut decaying = run.clone();
    decaying.points.iter_mut().for_each(|p| p.in_decay = p.epoch > 5.0);
    let (found, fall) = onset(&[&decaying], &mut Bootstrap::default()).unwrap();
    assert_eq!((found.from, fall.onset(Progress::Epoch).value), (None, Bounds { low: 5.0, high: f64::INFINITY }));
}

#[test]
fn what_never_gets_worse_has_no_onset() {
    for curve in [|e: f64| 3.0 - 0.05 * e, |e: f64| if e < 5.0 { 3.0 - 0.2 * e } else { 2.0 }] {
        let (found, _) = onset(&[&series("mdm", 64, 1, 0.1, curve)], &mut Bootstrap::default()).unwrap();
        assert_eq!((found.from, found.interval.low), (None, 18.0));
        assert_eq!(found.interval.high, f64::INFINITY);
    }
    // An accuracy overfits when it falls.
    let (found, _) = onset(&[&scores("ar", 400, forgetting)], &mut Bootstrap::default()).unwrap();
    assert_eq!(found.best.epoch, 3.0);
    assert!((4.0..=6.0).contains(&found.from.unwrap().epoch), "{:?}", found.from);
}

#[test]
fn onsets_are_claimed_and_compared() {
    let both = slots(vec![series("ar", 64, 1, 0.0, overfitting)], vec![series("mdm", 64, 1, 0.0, |e| 3.0 - 0.02 * e)]);
    let claimed = |arm: &str| decided(&both, Statement::Onset(of(Metric::valid_loss(), arm)));
    assert_eq!([claimed("ar").outcome, claimed("mdm").outcome], [Outcome::Held, Outcome::Failed]);
    let compare = |left: &str, relation, right: Value| {
        let left = Value::OnsetAt(of(Metric::valid_loss(), left), Progress::Epoch);
        decided(&both, Statement::Compare { left, relation, right, quantity: Quantity::Epochs }).outcome
    };
    assert_eq!(compare("ar", Relation::Less, Value::Number(8.0)), Outcome::Held);
    assert_eq!(compare("ar", Relation::Greater, Value::Number(8.0)), Outcome::Failed);
    // None is later than every evaluation that counts, and how much later nobody knows.
    assert_eq!(compare("mdm", Relation::Greater, Value::Number(17.0)), Outcome::Held);
    assert_eq!(compare("mdm", Relation::Greater, Value::Number(30.0)), Outcome::Undecided);
    let other = Value::OnsetAt(of(Metric::valid_loss(), "mdm"), Progress::Epoch);
    assert_eq!(compare("ar", Relation::Less, other), Outcome::Held);
}

#[test]
fn what_has_no_onset_to_be_found_says_why() {
    let run = series("ar", 64, 1, 0.1, overfitting);
    let why = |edit: &dyn Fn(&mut Series)| {
        let mut run = run.clone();
        edit(&mut run);
        onset(&[&run], &mut Bootstrap::default()).unwrap_err()
    };
    assert!(why(&|s| s.points.clear()).contains("no evaluation of `ar`"));
    assert!(why(&|s| s.completion = Completion::NotStarted).contains("not complete"));
    assert!(why(&|s| s.points.iter_mut().for_each(|p| p.in_decay = true)).contains("inside the learning-rate decay"));
    assert!(why(&|s| s.points.iter_mut().for_each(|p| p.items.truncate(59))).contains("half only choose"));
    assert!(why(&|s| s.points[3].items.truncate(9)).contains("same documents"));
    assert!(why(&|s| s.points[3].items[0][0] = f64::NAN).contains("not a finite number"));
    assert!(onset(&[], &mut Bootstrap::default()).is_err());
    let other = Series { set: Some("w".into()), ..run.clone() };
    assert!(onset(&[&run, &other], &mut Bootstrap::default()).unwrap_err().contains("different validation data"));
}

#[test]
fn every_arm_has_its_readings() {
    let both = slots(vec![series("ar", 64, 1, 0.1, overfitting), scores("ar", 400, forgetting)], vec![]);
    let record = record(&[], 1);
    let runs = Runs::new(&record, &both[..1]);
    let all = readings(&runs, &record.arms, 1, &mut Bootstrap::default());
    let names: Vec<(&str, String)> = all.iter().map(|r| (r.arm.as_str(), r.metric.to_string())).collect();
    let metrics = ["loss(valid)", "hellaswag.acc_norm"];
    let expected: Vec<(&str, String)> =
        ["ar", "mdm"].iter().flat_map(|arm| metrics.map(|metric| (*arm, metric.to_string()))).collect();
    assert_eq!(names, expected);
    let (loss, score) = (&all[0], &all[1]);
    let (best, last) = (loss.best.as_ref().unwrap(), loss.last.as_ref().unwrap());
    assert_eq!((best.epochs.as_slice(), last.epochs.as_slice()), ([5.0].as_slice(), [20.0].as_slice()));
    assert!((last.value - best.value - 0.75).abs() < 0.15 && last.interval.contains(last.value));
    assert!(loss.onset.as_ref().unwrap().from.is_some());
    assert_eq!(score.best.as_ref().unwrap().epochs, [3.0]);
    assert_eq!(all[2].best.as_ref().unwrap_err(), "no run of `mdm`");
}
