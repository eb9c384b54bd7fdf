//! Curves over training: the validation loss with the training loss, and every other metric.

use super::{Group, along, end_of, lines, marks};
use crate::check::spec::{Metric, TaskScore};
use crate::report::RunRecord;
use crate::report::chart::{Axis, Chart, Figure, Line, Look, Numbers};
use crate::report::curves::{self, Along, metric_label};

/// Validation and training loss of each group.
pub fn loss(id: &str, title: &str, groups: &[Group<'_>], unit: &str) -> Figure {
    let replicated = groups.iter().any(|group| has_replicates(group));
    let band = if replicated { "" } else { " The band is one standard error over documents." };
    let caption = format!("Loss on the validation documents.{band} {}", training_words(groups));
    along(id, title, caption.trim_end(), true, |along| {
        groups.iter().map(|group| loss_chart(group, along, unit)).collect()
    })
}

fn has_replicates(group: &Group<'_>) -> bool {
    let mut names: Vec<&str> = group.runs.iter().map(|drawn| drawn.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair.first() == pair.last())
}

fn training_words(groups: &[Group<'_>]) -> &'static str {
    let drawn = || groups.iter().filter(|group| group.with_training).flat_map(|group| &group.runs);
    match (drawn().next().is_some(), drawn().any(|drawn| measures_training(drawn.run))) {
        (false, _) => "",
        (true, true) => "Broken: loss(train), on a fixed slice of the training chunks as an evaluation measures it.",
        (true, false) => "Thin: the mean training loss of the steps, with their noise and dropout.",
    }
}

fn measures_training(run: &RunRecord) -> bool {
    let train = Metric::Loss("train".into());
    curves::evaluations(run).iter().any(|eval| curves::measured(eval, &train).is_some())
}

fn loss_chart(group: &Group<'_>, along: Along, unit: &str) -> Chart {
    let mut drawn: Vec<Line> = vec![];
    if group.with_training {
        let train = Metric::Loss("train".into());
        let slice = |run: &RunRecord| curves::curve(run, &train, along);
        let steps = |run: &RunRecord| {
            if measures_training(run) { vec![] } else { curves::binned(run, along, |step| step.loss) }
        };
        drawn.extend(lines(group, Look::Thin, "training", steps));
        drawn.extend(lines(group, Look::Dashed, "training", slice));
    }
    let valid = lines(group, Look::Main, "", |run| curves::curve(run, &Metric::valid_loss(), along));
    let named = |line: Line| Line { name: valid_name(group, &line.name), ..line };
    drawn.extend(valid.into_iter().map(named));
    chart(group, along, Some(&Metric::valid_loss()), format!("loss, {unit}"), drawn)
}

/// `mdm: validation, upper bound`
fn valid_name(group: &Group<'_>, name: &str) -> String {
    let whose = name.split(", ").next().unwrap_or(name);
    let start = group.runs.iter().filter(|drawn| drawn.name == whose).find_map(|drawn| drawn.run.start());
    let kind = start.map_or("", |start| if start.exact { ", exact" } else { ", upper bound" });
    match (group.with_training, name.split_once(", ")) {
        (true, None) => format!("{name}: validation{kind}"),
        (true, Some((name, which))) => format!("{name}: validation{kind}, {which}"),
        (false, _) => name.to_owned(),
    }
}

/// Lines against progress with the decay and, of one metric, the crossings and where arms begin to overfit.
fn chart(group: &Group<'_>, along: Along, metric: Option<&Metric>, label: String, lines: Vec<Line>) -> Chart {
    let mut marks: Vec<_> = marks::decay(group, along).into_iter().collect();
    if let Some(metric) = metric {
        marks.extend(marks::crossings(group, metric, along, &lines));
        marks.extend(marks::onsets(group, metric, along, &lines));
    }
    let mut chart = Chart {
        heading: group.heading.clone(),
        notes: group.notes.clone(),
        x: along.axis(end_of(&lines)),
        y: Axis::linear(&label, (0.0, 1.0), Numbers::Plain),
        marks,
        lines,
    };
    chart.fit_y();
    chart
}

/// One metric, a panel for each group, on shared axes.
pub fn metric(id: &str, metric: &Metric, groups: &[Group<'_>], unit: &str) -> Figure {
    let caption = "The band is one standard error over what is scored: documents, or items of the task.";
    along(id, &metric.to_string(), caption, true, |along| {
        groups.iter().map(|group| metric_chart(group, along, &[metric], metric_label(metric, unit))).collect()
    })
}

/// All other metrics of one group, a panel for each; the losses of right and wrong options share one.
pub fn metrics(group: &Group<'_>, metrics: &[Metric], unit: &str) -> Figure {
    let caption =
        "What else the evaluations measured. The band is one standard error over documents, or items of the task.";
    along("metrics", "Other metrics", caption, false, |along| {
        panels_of(metrics)
            .iter()
            .map(|panel| Chart {
                heading: heading_of(panel),
                ..metric_chart(group, along, panel, label_of(panel, unit))
            })
            .collect()
    })
}

/// Metrics by panel.
fn panels_of(metrics: &[Metric]) -> Vec<Vec<&Metric>> {
    let wrong_of = |metric: &Metric| match metric {
        Metric::Task(task, TaskScore::NllRight) => Some(Metric::Task(task.clone(), TaskScore::NllWrong)),
        _ => None,
    };
    let paired = |metric: &&Metric| metrics.iter().filter_map(wrong_of).any(|wrong| wrong == **metric);
    let panel = |metric: &'_ Metric| {
        let wrong = wrong_of(metric).and_then(|wrong| metrics.iter().position(|known| *known == wrong));
        (metrics.iter().position(|known| known == metric), wrong)
    };
    let alone = metrics.iter().filter(|metric| !paired(metric)).map(panel);
    alone
        .map(|(first, second)| [first, second].into_iter().flatten().filter_map(|i| metrics.get(i)).collect())
        .collect()
}

fn heading_of(panel: &[&Metric]) -> String {
    panel.iter().map(|metric| metric.to_string()).collect::<Vec<_>>().join(" and ")
}

fn label_of(panel: &[&Metric], unit: &str) -> String {
    match panel {
        [only] => metric_label(only, unit),
        _ => "nats/token".into(),
    }
}

fn metric_chart(group: &Group<'_>, along: Along, panel: &[&Metric], label: String) -> Chart {
    let mut drawn = vec![];
    for (i, metric) in panel.iter().enumerate() {
        let what = match metric {
            Metric::Task(_, TaskScore::NllRight) if panel.len() > 1 => "right option",
            Metric::Task(_, TaskScore::NllWrong) if panel.len() > 1 => "wrong options",
            _ => "",
        };
        let look = if i == 0 { Look::Main } else { Look::Dashed };
        drawn.extend(lines(group, look, what, |run| curves::curve(run, metric, along)));
    }
    let only = if let [only] = panel { Some(*only) } else { None };
    let mut chart = chart(group, along, only, label, drawn);
    chart.notes.clear();
    chart
}
