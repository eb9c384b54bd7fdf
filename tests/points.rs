//! Points of sweeps: as many as the axes say, each with a name of its own that selects it, each with the
//! values that its name says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;

use common::{QUICKSTART, front, timed};
use dlmc::base::Number;
use dlmc::check::CheckedSpec;
use dlmc::cli::render;
use dlmc::resolve::point::select;
use dlmc::resolve::series::{Spacing, spaced};
use proptest::prelude::*;
use std::time::Duration;

/// The quickstart with these entries of a sweep, and so many replicates.
fn swept(entries: &[String], replicates: usize) -> String {
    let times = if replicates > 1 { format!("replicates: {replicates}\n    ") } else { String::new() };
    QUICKSTART.replace("arms:", &format!("sweep: {{\n        {}\n    }}\n    {times}arms:", entries.join("\n        ")))
}

fn checked(text: &str) -> CheckedSpec {
    let outcome = front(text);
    let said = render::human(&outcome.diagnostics, &outcome.sources, false);
    outcome.compiled.unwrap_or_else(|| panic!("{said}\n{text}")).spec
}

fn names(spec: &CheckedSpec) -> Vec<String> {
    spec.points().iter().map(|p| p.name()).collect()
}

fn flat<'a>(spec: &'a CheckedSpec, point: usize, path: &str) -> &'a str {
    let arm = &spec.arms_at(point)[0];
    arm.flat.iter().find(|f| f.path == path).map_or("", |f| f.value.as_str())
}

/// Lists of different values, as written.
fn list(values: BTreeSet<u64>, write: impl Fn(u64) -> String) -> String {
    format!("[{}]", values.into_iter().map(write).collect::<Vec<_>>().join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_grid_has_every_combination_once(
        unique in prop::collection::btree_set(10u64..100, 1..4),
        clip in prop::collection::btree_set(1u64..50, 1..4),
        n_rates in 2usize..5,
        n_cases in 1usize..4,
        n_zipped in 1usize..4,
        replicates in 1usize..4,
    ) {
        let cases: String = (0..n_cases).map(|i| format!("c{i}: {{ model.layers: {}, eval.draws: {} }}, ", i + 1, i + 4)).collect();
        let zipped = |by: usize| (1..=n_zipped).map(|i| (i * by).to_string()).collect::<Vec<_>>().join(", ");
        let entries = [
            format!("data.unique: {} tokens", list(unique.clone(), |n| format!("{n}K"))),
            format!("train.clip: {}", list(clip.clone(), |n| format!("{n}e-1"))),
            format!("train.optimizer.lr: log(1e-4..1e-2, {n_rates})"),
            format!("size: cases {{ {cases} }}"),
            format!("shape: zip {{ model.dim: [{}], model.ffn: [{}] }}", zipped(16), zipped(24)),
        ];
        let spec = checked(&swept(&entries, replicates));
        let n = unique.len() * clip.len() * n_rates * n_cases * n_zipped * replicates;
        prop_assert_eq!(spec.points().len(), n);
        prop_assert_eq!(spec.variants().len(), 2 * n);
        let all = names(&spec);
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), n);
        for (i, point) in spec.points().iter().enumerate().step_by(n / 7 + 1) {
            prop_assert_eq!(select(spec.axes(), spec.points(), &all[i]).unwrap(), [i]);
            // Each arm is at the point, and is what the name says.
            prop_assert!(spec.arms_at(i).iter().all(|arm| arm.point == *point));
            prop_assert_eq!(format!("{}00", point.value("clip").unwrap().trim_end_matches("e-1")).parse::<f64>().unwrap() / 1000.0,
                flat(&spec, i, "train.clip").parse::<f64>().unwrap());
            let layers: u64 = point.value("size").unwrap()[1..].parse::<u64>().unwrap() + 1;
            prop_assert_eq!(flat(&spec, i, "model.layers"), layers.to_string());
            let (dim, ffn) = point.value("shape").unwrap().split_once('+').unwrap();
            prop_assert_eq!((flat(&spec, i, "model.dim"), flat(&spec, i, "model.ffn")), (dim, ffn));
            if let Some(replicate) = point.value("replicate") {
                let seed = 1 + 100 * (replicate.parse::<u64>().unwrap() - 1);
                prop_assert_eq!(flat(&spec, i, "train.seeds.init"), seed.to_string());
                prop_assert_eq!(flat(&spec, i, "train.seeds.split"), "2");
            }
        }
        // Any part of a name selects what it says.
        let part = format!("size=c0,lr={}", spec.axes()[2].values[0].text);
        let found = select(spec.axes(), spec.points(), &part).unwrap();
        prop_assert_eq!(found.len(), n / n_cases / n_rates);
    }

    #[test]
    fn a_draw_of_more_only_adds(k in 1usize..11, seed in 0u32..1000) {
        let draw = |k: usize| {
            let entries = ["model.layers: [1, 2, 3, 4]".into(), "train.clip: [1, 2, 3]".into(), format!("keep: random({k}, seed: {seed})")];
            names(&checked(&swept(&entries, 1)))
        };
        let (few, more) = (draw(k), draw(11));
        prop_assert_eq!(few.len(), k);
        prop_assert!(few.iter().all(|name| more.contains(name)));
        // In the order of the grid.
        let mut sorted = few.clone();
        sorted.sort_by_key(|name| more.iter().position(|other| other == name));
        prop_assert_eq!(few, sorted);
    }

    #[test]
    fn a_condition_chooses_exactly_where_it_holds(most in 1u64..4, least in 1u64..3) {
        let entries = [
            "model.layers: [1, 2, 3, 4]".to_string(),
            "train.clip: [1, 2, 3]".into(),
            format!("where: model.layers <= {most} or not (train.clip < {least} + 1)"),
        ];
        let found = names(&checked(&swept(&entries, 1)));
        let wanted: Vec<String> = (1..=4u64)
            .flat_map(|layers| (1..=3u64).map(move |clip| (layers, clip)))
            .filter(|(layers, clip)| *layers <= most || *clip > least)
            .map(|(layers, clip)| format!("layers={layers},clip={clip}"))
            .collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn series_are_even_and_their_values_are_short(low in 1e-6f64..1.0, factor in 1.5f64..1e4, n in 2usize..200) {
        for (low, high) in [(low, low * factor), (low * factor, low)] {
            for spacing in [Spacing::Log, Spacing::Linear] {
                let values = spaced(spacing, Number::Real(low), Number::Real(high), n);
                prop_assert_eq!(values.len(), n);
                prop_assert_eq!((values[0].to_f64(), values[n - 1].to_f64()), (low, high));
                for (i, value) in values.iter().enumerate() {
                    let part = i as f64 / (n - 1) as f64;
                    let exact = match spacing {
                        Spacing::Log => low * (high / low).powf(part),
                        Spacing::Linear => low + (high - low) * part,
                    };
                    prop_assert!((value.to_f64() / exact - 1.0).abs() < 1e-3, "{} {exact}", value.to_f64());
                }
                prop_assert!(values.windows(2).all(|pair| pair[0] != pair[1]));
            }
        }
    }
}

#[test]
fn ends_of_ranges_go_by_what_is_written() {
    let entries = [
        "train.optimizer.lr: log(1e-4..1e-2, 5)",
        "data.unique: linear(50K..200K tokens, 4)",
        "model.layers: log(1..8, 4)",
    ]
    .map(String::from);
    let spec = checked(&swept(&entries, 1));
    let texts = |i: usize| spec.axes()[i].values.iter().map(|v| v.text.as_str()).collect::<Vec<_>>();
    assert_eq!(texts(0), ["1e-4", "3.162e-4", "1e-3", "3.162e-3", "1e-2"]);
    assert_eq!(texts(1), ["50K", "100K", "150K", "200K"]);
    assert_eq!(texts(2), ["1", "2", "4", "8"]);
}

#[test]
fn labels_are_the_shortest_that_tell_axes_apart() {
    let entries =
        ["data.max_per_document.unique: [1K, 2K] tokens", "data.unique: [50K, 100K] tokens", "train.clip: [1, 2]"]
            .map(String::from);
    let spec = checked(&swept(&entries, 1));
    let labels: Vec<&str> = spec.axes().iter().map(|axis| axis.label.as_str()).collect();
    assert_eq!(labels, ["max_per_document.unique", "data.unique", "clip"]);
}

/// Limits that a hostile or a careless sweep meets at once.
#[test]
fn large_sweeps_are_taken_or_refused_in_time() {
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });
    let sweep = |entries: &[&str]| {
        let entries: Vec<String> = entries.iter().map(|e| e.to_string()).collect();
        swept(&entries, 1)
    };
    let taken = sweep(&["train.optimizer.lr: log(1e-4..1e-2, 100)", "train.clip: linear(1..2, 50)"]);
    let outcome = timed(limit, || front(&taken));
    assert_eq!(outcome.compiled.unwrap().spec.variants().len(), 10_000);
    // A mistake at each point.
    let faulty = taken.replace("bf16", "bf61");
    let outcome = timed(limit, || front(&faulty));
    assert_eq!(
        outcome.diagnostics.iter().count(),
        1,
        "{}",
        render::human(&outcome.diagnostics, &outcome.sources, false)
    );
    for entries in [
        &["train.optimizer.lr: log(1e-4..1e-2, 10_000)", "train.clip: linear(1..2, 10_000)"][..],
        &[
            "train.optimizer.lr: log(1e-4..1e-2, 10_000)",
            "train.clip: linear(1..2, 10)",
            "where: train.clip > 1",
            "keep: random(9_000)",
        ],
        &["train.optimizer.lr: log(1e-4..1e-2, 10_001)"],
    ] {
        let outcome = timed(limit, || front(&sweep(entries)));
        assert!(outcome.compiled.is_none() && outcome.diagnostics.iter().count() == 1, "{entries:?}");
    }
}
