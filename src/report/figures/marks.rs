//! Marks behind curves: the decay of the learning rate, and where arms cross.

use super::Group;
use crate::check::spec::Metric;
use crate::claims::{Crossover, Onset, Verdict};
use crate::report::chart::{Colour, Line, Look, Mark, Spot};
use crate::report::curves::Along;
use crate::report::{RunRecord, words};

/// Whether two races are one.
pub fn same(a: &Crossover, b: &Crossover) -> bool {
    (&a.metric, &a.of, &a.than, a.under) == (&b.metric, &b.of, &b.than, b.under)
}

/// `mdm under ar: epoch 18 [16, 20]`, with the metric where it is another than the page is about.
pub fn words(race: &Crossover) -> String {
    let side = if race.under { "under" } else { "over" };
    let metric = if race.metric == Metric::valid_loss() { String::new() } else { format!("{}, ", race.metric) };
    format!("{metric}{} {side} {}: {}", race.of, race.than, words::finding(race, false).replace('`', ""))
}

pub fn decided(race: &Crossover) -> bool {
    !matches!(race.verdict, Verdict::Undecided { .. })
}

/// The epoch of a crossing with its interval, and whether it was settled only inside the decay.
pub fn crossing(race: &Crossover) -> Option<(f64, f64, f64, bool)> {
    match race.verdict {
        Verdict::Held { epoch, low, high, .. } => Some((epoch, low, high, false)),
        Verdict::InsideDecay { epoch, low, high, .. } => Some((epoch, low, high, true)),
        Verdict::Censored { .. } | Verdict::NeverBehind { .. } | Verdict::Undecided { .. } => None,
    }
}

pub fn key_of(inside: bool) -> &'static str {
    if inside { "crossing inside the decay, 95% interval" } else { "crossover, 95% interval" }
}

/// The strip in which the learning rate falls; runs of an experiment share it.
pub fn decay(group: &Group<'_>, along: Along) -> Option<Mark> {
    let from = |run: &RunRecord| {
        let start = run.start().filter(|start| start.decay_from_step < start.steps)?;
        let epoch = (start.decay_from_step * start.tokens_per_step) as f64 / start.unique_tokens.max(1) as f64;
        along.of_epoch(run, epoch)
    };
    let starts: Vec<f64> = group.runs.iter().filter_map(|drawn| from(drawn.run)).collect();
    let first = *starts.first()?;
    // Against FLOPs each arm has its own; one strip would be wrong for the others.
    let agree = starts.iter().all(|start| (start - first).abs() <= 1e-3 * first);
    agree.then(|| Mark::Strip {
        from: first,
        to: f64::INFINITY,
        colour: Colour::Ink,
        key: "learning-rate decay".into(),
    })
}

/// Where the group's arms cross. At the same FLOPs arms stand at different tokens, so there each curve is marked where it
/// was at the crossing.
pub fn crossings(group: &Group<'_>, metric: &Metric, along: Along, curves: &[Line]) -> Vec<Mark> {
    let mut marks = vec![];
    for race in group.races.iter().filter(|race| race.metric == *metric) {
        let Some((epoch, low, high, inside)) = crossing(race) else { continue };
        let key = key_of(inside).to_owned();
        for drawn in group.runs.iter().filter(|drawn| drawn.run.arm == race.of || drawn.run.arm == race.than) {
            let place = |epoch: f64| along.of_epoch(drawn.run, epoch);
            let (Some(x), Some(from), Some(to)) = (place(epoch), place(low), place(high)) else { continue };
            if along != Along::Flops {
                marks.push(Mark::Strip { from, to, colour: Colour::Mark, key: key.clone() });
                marks.push(Mark::Upright { x, colour: Colour::Mark });
                break;
            }
            let curve = curves.iter().find(|line| line.colour == drawn.colour && line.look == Look::Main);
            if let Some(y) = curve.and_then(|line| interpolated(&line.spots, x)) {
                let key = "the crossover on each curve".to_owned();
                marks.push(Mark::Ring { x, y, colour: Colour::Mark, key });
            }
        }
    }
    marks
}

/// Where arms of the group begin to overfit, on their curves.
pub fn onsets(group: &Group<'_>, metric: &Metric, along: Along, curves: &[Line]) -> Vec<Mark> {
    let mark = |onset: &&Onset| {
        let from = onset.from.filter(|_| onset.metric == *metric)?;
        let drawn = group.runs.iter().find(|drawn| drawn.run.arm == onset.arm)?;
        let curve = curves.iter().find(|line| line.colour == drawn.colour && line.look == Look::Main)?;
        let x = along.of_epoch(drawn.run, from.epoch)?;
        let y = interpolated(&curve.spots, x)?;
        Some(Mark::Ring { x, y, colour: drawn.colour, key: format!("{}: overfitting sets in", drawn.name) })
    };
    group.onsets.iter().filter_map(mark).collect()
}

fn interpolated(spots: &[Spot], x: f64) -> Option<f64> {
    spots.windows(2).find_map(|pair| {
        let [a, b] = pair else { return None };
        let share = (x - a.x) / (b.x - a.x);
        (0.0..=1.0).contains(&share).then_some(a.y + share * (b.y - a.y))
    })
}
