//! Verdicts over points and replicates, on synthetic runs whose truth is known.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::bootstrap::seed_weights;
use super::series::title;
use super::tests::{noise, series};
use super::*;
use crate::check::claims::Claim;
use crate::check::claims::types::{
    Arithmetic, Crossover as Asked, Gap, Measure, Metric, Progress, Quantity, Relation, Statement, Tolerance, Value,
};
use crate::store::experiment::EXPERIMENT_VERSION;
use crate::store::{AxisRecord, ExperimentRecord};
use proptest::prelude::*;

/// Arms `ar` and `mdm`; every combination of the axes is a point.
pub(super) fn record(axes: &[(&str, &[&str])], n_replicates: usize) -> ExperimentRecord {
    let axis = |label: &str, values: Vec<String>, replicate| AxisRecord { label: label.into(), values, replicate };
    let mut all: Vec<AxisRecord> =
        axes.iter().map(|(l, v)| axis(l, v.iter().map(|s| s.to_string()).collect(), false)).collect();
    if n_replicates > 1 {
        all.push(axis("replicate", (1..=n_replicates).map(|r| r.to_string()).collect(), true));
    }
    let mut points: Vec<Vec<usize>> = vec![vec![]];
    for axis in &all {
        let longer = |point: &Vec<usize>| (0..axis.values.len()).map(|v| [point.clone(), vec![v]].concat()).collect();
        points = points.iter().flat_map(|p| -> Vec<Vec<usize>> { longer(p) }).collect();
    }
    ExperimentRecord {
        version: EXPERIMENT_VERSION,
        name: "e".into(),
        doc: None,
        cite: None,
        arms: vec!["ar".into(), "mdm".into()],
        axes: all,
        points,
        claims: vec![],
        runs: vec![],
    }
}

/// A run of each arm at each point: `curve(arm, point)` is its loss by epoch.
fn runs(record: &ExperimentRecord, curve: impl Fn(&str, &[usize], f64) -> f64) -> Vec<(String, String, Slot)> {
    let mut slots = vec![];
    for (i, point) in record.points.iter().enumerate() {
        for arm in &record.arms {
            let name = record.point_name(point);
            let run = series(arm, 64, 7 + i as u64, 0.05, |e| curve(arm, point, e));
            slots.push((arm.clone(), name.clone(), Slot::Run(Series { point: name, ..run }.into())));
        }
    }
    slots
}

fn claim(record: &ExperimentRecord, statement: Statement) -> Claim {
    let points = (0..record.points.len()).collect();
    Claim { text: "claim".into(), lets: vec![], negated: false, statement, points }
}

fn asked(each: &[usize]) -> Asked {
    Asked { metric: Metric::valid_loss(), of: "mdm".into(), than: "ar".into(), under: true, each: each.to_vec() }
}

fn measure(of: &str, each: &[usize]) -> Measure {
    Measure { metric: Metric::valid_loss(), of: of.into(), each: each.to_vec() }
}

fn compare(left: Value, relation: Relation, right: Value) -> Statement {
    Statement::Compare { left, relation, right, quantity: Quantity::Loss }
}

fn increasing(value: Value, quantity: Quantity) -> Statement {
    Statement::Monotone { value, quantity, along: 0, increasing: true }
}

fn verdict(record: &ExperimentRecord, slots: &[(String, String, Slot)], claim: &Claim) -> ClaimResult {
    judge(claim, &Runs::new(record, slots), &mut Bootstrap::default())
}

fn outcome(record: &ExperimentRecord, slots: &[(String, String, Slot)], statement: Statement) -> Outcome {
    verdict(record, slots, &claim(record, statement)).outcome
}

/// `ar` rises through `mdm`'s level at the given epoch.
fn crossing_at(arm: &str, epoch: f64, e: f64) -> f64 {
    if arm == "ar" { 2.0 + 0.1 * (e - epoch) } else { 2.0 }
}

const SIZES: &[(&str, &[&str])] = &[("unique", &["0.5B", "1B", "10B"])];

#[test]
fn a_claim_over_points_fails_if_any_fails_and_holds_if_all_hold() {
    let record = record(SIZES, 1);
    let at = |epochs: [f64; 3]| runs(&record, move |arm, point, e| crossing_at(arm, epochs[point[0]], e));
    let all = at([6.5, 9.5, 12.5]);
    let result = verdict(&record, &all, &claim(&record, Statement::Crossover(asked(&[]))));
    assert_eq!((result.outcome, result.headline()), (Outcome::Held, "held in these runs"));
    let names: Vec<&str> = result.places.iter().map(|place| place.place.as_str()).collect();
    assert_eq!(names, ["unique=0.5B", "unique=1B", "unique=10B"]);
    // Nothing crosses at 10B.
    let two = at([6.5, 9.5, 40.0]);
    let whole = claim(&record, Statement::Crossover(asked(&[])));
    assert_eq!(verdict(&record, &two, &whole).outcome, Outcome::Failed);
    let at_points = |points: &[usize], negated| Claim { points: points.to_vec(), negated, ..whole.clone() };
    assert_eq!(verdict(&record, &two, &at_points(&[0, 1], false)).outcome, Outcome::Held);
    assert_eq!(verdict(&record, &two, &at_points(&[2], true)).outcome, Outcome::Held);
    // `no` is said of each point.
    assert_eq!(verdict(&record, &two, &at_points(&[1, 2], true)).outcome, Outcome::Failed);
    let one = verdict(&record, &two, &at_points(&[0], false));
    assert_eq!(one.headline(), "held in this run");
}

#[test]
fn missing_runs_are_named_and_leave_their_points_undecided() {
    let record = record(SIZES, 1);
    let mut slots = runs(&record, |arm, point, e| crossing_at(arm, if point[0] == 0 { 40.0 } else { 9.5 }, e));
    slots.retain(|(arm, point, _)| !(point == "unique=1B" || arm == "ar" && point == "unique=10B"));
    let of_all = claim(&record, Statement::Crossover(asked(&[])));
    let result = verdict(&record, &slots, &of_all);
    // What failed has failed, whatever the others say.
    assert_eq!(result.outcome, Outcome::Failed);
    let why = |i: usize| match &result.places[i].evidence {
        Evidence::Nothing { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(why(1), "no run of `mdm at unique=1B`; no run of `ar at unique=1B`");
    assert_eq!(why(2), "no run of `ar at unique=10B`");
    let later = Claim { points: vec![1, 2], ..of_all };
    assert_eq!(verdict(&record, &slots, &later).outcome, Outcome::Undecided);
    let along = verdict(&record, &slots, &claim(&record, increasing(Value::Final(measure("ar", &[])), Quantity::Loss)));
    assert_eq!(along.outcome, Outcome::Undecided);
    let Evidence::Nothing { why } = &along.places[0].evidence else { panic!("{along:?}") };
    assert_eq!(why, "no run of `ar at unique=1B`; no run of `ar at unique=10B`");
}

#[test]
fn something_increases_if_every_step_does() {
    let record = record(SIZES, 1);
    let of = |epochs: [f64; 3]| {
        let slots = runs(&record, move |arm, point, e| crossing_at(arm, epochs[point[0]], e));
        outcome(&record, &slots, increasing(Value::CrossingAt(asked(&[]), Progress::Epoch), Quantity::Epochs))
    };
    assert_eq!(of([6.5, 9.5, 12.5]), Outcome::Held);
    assert_eq!(of([6.5, 12.5, 9.5]), Outcome::Failed);
    assert_eq!(of([6.5, 6.5, 9.5]), Outcome::Undecided);
    // No crossing is later than every epoch, but of two such nobody knows which is first.
    assert_eq!(of([6.5, 9.5, 40.0]), Outcome::Held);
    assert_eq!(of([6.5, 40.0, 40.0]), Outcome::Undecided);
    assert_eq!(of([40.0, 40.0, 6.5]), Outcome::Failed);
}

#[test]
fn before_asks_for_a_crossing_that_is_early_enough() {
    let record = record(&[], 1);
    let before = |epoch: f64, limit, unit| {
        let slots = runs(&record, move |arm, _, e| crossing_at(arm, epoch, e));
        outcome(&record, &slots, Statement::CrossoverBefore { crossover: asked(&[]), limit, unit })
    };
    assert_eq!(before(9.5, 12.0, Progress::Epoch), Outcome::Held);
    assert_eq!(before(9.5, 8.0, Progress::Epoch), Outcome::Failed);
    assert_eq!(before(9.5, 9.5, Progress::Epoch), Outcome::Undecided);
    // 25 steps and 100,000 tokens make an epoch.
    assert_eq!(before(9.5, 250.0, Progress::Step), Outcome::Held);
    assert_eq!(before(9.5, 900_000.0, Progress::Tokens), Outcome::Failed);
    assert_eq!(before(40.0, 12.0, Progress::Epoch), Outcome::Failed);
    // Where the runs end before the limit, a crossing may still come.
    assert_eq!(before(40.0, 19.0, Progress::Epoch), Outcome::Undecided);
}

#[test]
fn numbers_compare_with_their_intervals() {
    let record = record(&[], 1);
    // At the end `ar` is at 3.0, and `mdm` at 2.0; each document adds its own.
    let slots = runs(&record, |arm, _, e| crossing_at(arm, 10.0, e));
    let of = |statement| outcome(&record, &slots, statement);
    let last = |arm: &str| Value::Final(measure(arm, &[]));
    let number = |x| Value::Number(x);
    assert_eq!(of(compare(last("mdm"), Relation::Less, last("ar"))), Outcome::Held);
    assert_eq!(of(compare(last("mdm"), Relation::GreaterOrEqual, last("ar"))), Outcome::Failed);
    assert_eq!(of(compare(last("mdm"), Relation::Different, last("ar"))), Outcome::Held);
    let gap = || Value::Gap(Gap { metric: Metric::valid_loss(), of: "ar".into(), to: "mdm".into(), each: vec![] });
    assert_eq!(of(compare(gap(), Relation::Greater, number(0.9))), Outcome::Held);
    assert_eq!(of(compare(gap(), Relation::Greater, number(1.1))), Outcome::Failed);
    assert_eq!(of(compare(gap(), Relation::Greater, number(1.0))), Outcome::Undecided);
    // The documents differ by much more than the arms do: alone, a loss is known less well than a difference.
    assert_eq!(of(compare(last("ar"), Relation::Greater, number(2.97))), Outcome::Undecided);
    let equal = |left, right, tolerance| Statement::Equal { left, right, tolerance, quantity: Quantity::Loss };
    assert_eq!(of(equal(gap(), number(1.0), Tolerance::Absolute(0.1))), Outcome::Held);
    assert_eq!(of(equal(gap(), number(2.0), Tolerance::Absolute(0.1))), Outcome::Failed);
    assert_eq!(of(equal(gap(), number(1.0), Tolerance::Absolute(0.001))), Outcome::Undecided);
    assert_eq!(of(equal(gap(), number(2.0), Tolerance::Relative(0.6))), Outcome::Held);
    let published = Value::Published { value: 1.0, source: "table 2".into() };
    let share = |value| Value::Binary {
        op: Arithmetic::Div,
        left: Box::new(value),
        right: Box::new(Value::Negative(Box::new(published.clone()))),
    };
    assert_eq!(of(compare(share(gap()), Relation::Less, number(-0.9))), Outcome::Held);
    // Best checkpoints: `ar` is best at the first epoch, `mdm` is level.
    let best = |arm: &str| Value::Best(measure(arm, &[]));
    assert_eq!(of(compare(best("ar"), Relation::Less, best("mdm"))), Outcome::Held);
    let first = compare(Value::BestAt(measure("ar", &[]), Progress::Step), Relation::LessOrEqual, number(25.0));
    assert_eq!(of(first), Outcome::Held);
}

#[test]
fn each_arm_is_judged_at_the_best_of_its_trials() {
    let record = record(&[("lr", &["1e-4", "1e-3", "1e-2"]), ("unique", &["1B", "2B"])], 1);
    // `mdm` is good at the middle rate alone, `ar` at the last.
    let level = |arm: &str, lr: usize| match (arm, lr) {
        ("mdm", 1) | ("ar", 2) => 0.0,
        _ => 1.0,
    };
    let slots = runs(&record, |arm, point, e| crossing_at(arm, 9.5, e) + level(arm, point[0]));
    let over = claim(&record, Statement::Crossover(asked(&[0])));
    let result = verdict(&record, &slots, &over);
    assert_eq!(result.outcome, Outcome::Held);
    // `lr` is no longer an axis of the claim.
    assert_eq!(result.places.iter().map(|p| p.place.as_str()).collect::<Vec<_>>(), ["unique=1B", "unique=2B"]);
    let choices: Vec<(String, usize)> =
        result.places[0].choices.iter().map(|c| (title(&c.arm, &c.trial), c.n_trials)).collect();
    assert_eq!(choices, [("mdm at lr=1e-3".into(), 3), ("ar at lr=1e-2".into(), 3)]);
    // Rate against rate, `mdm` never crosses at the first and the last.
    assert_eq!(verdict(&record, &slots, &claim(&record, Statement::Crossover(asked(&[])))).outcome, Outcome::Failed);
    let mut fewer = slots.clone();
    fewer.retain(|(arm, point, _)| !(arm == "ar" && point.starts_with("lr=1e-4,unique=2B")));
    let result = verdict(&record, &fewer, &over);
    assert_eq!((result.places[0].outcome, result.places[1].outcome), (Outcome::Held, Outcome::Undecided));
    let Evidence::Nothing { why } = &result.places[1].evidence else { panic!("{result:?}") };
    assert_eq!(why, "no run of `ar at lr=1e-4,unique=2B`");
}

#[test]
fn three_replicates_make_a_verdict() {
    let words = |n: usize| {
        let record = record(&[], n);
        let slots = runs(&record, |arm, point, e| {
            crossing_at(arm, 9.5, e)
                + 0.02 * noise(3, point.first().copied().unwrap_or(0) as u64, u64::from(arm == "ar"))
        });
        let result = verdict(&record, &slots, &claim(&record, Statement::Crossover(asked(&[]))));
        assert_eq!((result.places.len(), result.n_replicates()), (1, n));
        result.headline()
    };
    assert_eq!([1, 2, 3].map(words), ["held in this run", "held in these runs", "held"]);
    // One run that is not finished leaves all undecided.
    let record = record(&[], 3);
    let mut slots = runs(&record, |arm, _, e| crossing_at(arm, 9.5, e));
    let Slot::Run(run) = slots[2].2.clone() else { panic!() };
    let open = Series { completion: Completion::Open { step: 9 }, ..run.get(&Metric::valid_loss()).unwrap().clone() };
    slots[2].2 = Slot::Run(open.into());
    let result = verdict(&record, &slots, &claim(&record, Statement::Crossover(asked(&[]))));
    assert_eq!(result.outcome, Outcome::Undecided);
    let Evidence::Crossover { result, .. } = &result.places[0].evidence else { panic!() };
    let Verdict::Undecided { why } = &result.verdict else { panic!() };
    assert!(why.contains("`ar at replicate=2` is not complete"), "{why}");
}

#[test]
fn arms_on_different_documents_do_not_compare() {
    let record = record(&[], 1);
    let mut slots = runs(&record, |arm, _, e| crossing_at(arm, 9.5, e));
    let Slot::Run(run) = slots[0].2.clone() else { panic!() };
    let other = Series { set: Some("w".into()), ..run.get(&Metric::valid_loss()).unwrap().clone() };
    slots[0].2 = Slot::Run(other.into());
    let of = |statement| match &verdict(&record, &slots, &claim(&record, statement)).places[0].evidence {
        Evidence::Nothing { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    let last = |arm: &str| Value::Final(measure(arm, &[]));
    assert!(of(compare(last("mdm"), Relation::Less, last("ar"))).contains("different validation data"));
}

/// The true crossing is epoch 10.5; each seed has its own, and few seeds are drawn.
fn n_covered(n_replicates: usize, n_experiments: u64) -> usize {
    let covered = |seed: &u64| {
        let run = |arm: &'static str, r: u64| {
            let shift = 0.2 * noise(seed * 31 + 5, r, u64::from(arm == "ar"));
            let slope = if arm == "ar" { 0.2 } else { 0.0 };
            let mut run = series(arm, 30, seed * 1000 + r, 0.1, |e| 2.0 + shift + slope * (e - 10.5));
            run.points.retain(|p| p.step % 125 == 0);
            Series { point: r.to_string(), ..run }
        };
        let of: Vec<Series> = (0..n_replicates as u64).map(|r| run("mdm", r)).collect();
        let than: Vec<Series> = (0..n_replicates as u64).map(|r| run("ar", r)).collect();
        let question = Question { of: "mdm", than: "ar", under: true };
        let (of, than): (Vec<&Series>, Vec<&Series>) = (of.iter().collect(), than.iter().collect());
        let (_, race) = crossover(question, &of, &than, Items::All, &mut Bootstrap::default());
        race.unwrap().crossing(Progress::Epoch).interval().contains(10.5)
    };
    (0..n_experiments).filter(covered).count()
}

/// 200 experiments in which seeds differ more than documents do: the interval covers the truth as often as it
/// says, also with the fewest seeds.
#[test]
fn the_interval_over_seeds_covers_the_truth() {
    let n = n_covered(3, 200);
    assert!((180..=198).contains(&n), "{n} of 200 with 3 seeds");
    let n = n_covered(6, 60);
    assert!((54..=60).contains(&n), "{n} of 60 with 6 seeds");
}

#[test]
fn weights_of_seeds_are_centred_and_as_wide_as_student_says() {
    for n in [3, 5, 12] {
        let weights = seed_weights(n);
        assert!(weights.iter().all(|w| (w.iter().sum::<f64>() - 1.0).abs() < 1e-9));
        // The spread of a mean of `n` values with standard deviation 1 is t / z / sqrt(n), where z is the normal's.
        let values: Vec<f64> = (0..n).map(|i| noise(1, i as u64, 9)).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
        let of = |w: &Vec<f64>| w.iter().zip(&values).map(|(w, v)| w * v).sum::<f64>() - mean;
        let spread = (weights.iter().map(|w| of(w).powi(2)).sum::<f64>() / weights.len() as f64).sqrt();
        let student = match n {
            3 => 4.303,
            5 => 2.776,
            _ => 2.201,
        };
        let expected = student / 1.96 * (variance / n as f64).sqrt();
        assert!((spread / expected - 1.0).abs() < 0.08, "{n}: {spread} for {expected}");
    }
    assert_eq!(seed_weights(2)[7], [0.5, 0.5]);
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Held), Just(Outcome::Failed), Just(Outcome::Undecided)]
}

proptest! {
    #[test]
    fn no_twice_is_nothing(outcomes in prop::collection::vec(any_outcome(), 0..6)) {
        for outcome in &outcomes {
            prop_assert_eq!(outcome.turned().turned(), *outcome);
            prop_assert_eq!(outcome.turned() == Outcome::Undecided, *outcome == Outcome::Undecided);
        }
        let twice = outcomes.iter().map(|o| o.turned().turned());
        prop_assert_eq!(Outcome::of_all(twice), Outcome::of_all(outcomes.clone()));
    }

    #[test]
    fn points_combine_in_any_order(outcomes in prop::collection::vec(any_outcome(), 1..6), turn in 0usize..6) {
        let all = Outcome::of_all(outcomes.clone());
        prop_assert_eq!(all == Outcome::Failed, outcomes.contains(&Outcome::Failed));
        prop_assert_eq!(all == Outcome::Held, outcomes.iter().all(|o| *o == Outcome::Held));
        let mut turned = outcomes.clone();
        turned.rotate_left(turn % outcomes.len());
        prop_assert_eq!(Outcome::of_all(turned), all);
    }
}
