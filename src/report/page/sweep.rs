//! The page of a sweep: the claims, the figures of small multiples, one table over all points, and for each point what
//! the page of an experiment says.

use super::sections::{self, problems};
use super::{Page, assumptions, claims, locks, page, readings, switch};
use crate::claims::series::title;
use crate::report::chart::{Figure, embed::embed};
use crate::report::curves::{Along, other_metrics, unit};
use crate::report::figures::{self, Group, conduct, curves, deciles, decline};
use crate::report::points::{PointReport, Sweep, rows};
use crate::report::{ReportInput, RunRecord};
use maud::{Markup, html};

/// Panels of one figure; with more the page would not load, and nobody would read them.
const MAX_PANELS: usize = 64;

pub fn sweep(input: &ReportInput, sweep: &Sweep) -> Page {
    let record = &input.record;
    let names: Vec<String> = input.runs.iter().map(|run| title(&run.arm, &run.point)).collect();
    let over_training = over_training(input, sweep);
    let mut drawn: Vec<Figure> = vec![];
    let mut places = figures::by_place(input, sweep);
    places.truncate(MAX_PANELS);
    let decline = decline::figure(input, &sweep.verdicts.readings);
    let by_rate = deciles::figure(&places, &unit(&input.runs));
    let body = html! {
        header {
            (sections::title(record))
            p.quiet { (record.arms.len()) " arms, " (sweep.points.len()) " points, " (input.runs.len()) " runs"
                @if !input.missing.is_empty() { ", " (input.missing.len()) " missing" } }
        }
        (claims::render(input, &sweep.verdicts, &mut drawn))
        (problems(input))
        section #curves {
            h2 { "Curves" }
            (switch(measure(input)))
            @if figures::places(input).len() > MAX_PANELS { p { "The first " (MAX_PANELS) " places are drawn." } }
            @for figure in &over_training { (embed(figure)) }
        }
        (points(input, sweep))
        section #readings {
            h2 { "Best, last, overfitting" }
            (readings::table(&sweep.verdicts.readings))
            (embed(&decline))
        }
        section #mask-rate { h2 { "Where in the noise" } (embed(&by_rate)) }
        section #matched {
            h2 { "Matched arms" }
            p.quiet { "Compared at each point from the runs' own logs and locks, not from what the spec promises." }
            @if let Some(summary) = sweep.matched() { p { (super::capital(&summary)) "." } }
        }
        @for (i, point) in sweep.points.iter().enumerate() { (details(i, point)) }
        (sections::cost(input, &names))
        (sections::samples(input, &names))
        (assumptions::render(input))
        (locks::render(input, &names))
        (sections::environment(input, &names))
    };
    drawn.splice(0..0, over_training);
    drawn.extend([decline, by_rate]);
    drawn.retain(|figure| !figure.is_empty());
    Page { html: page(&record.name, body), figures: drawn }
}

/// Small multiples of the loss, of every other metric and of how training went.
fn over_training(input: &ReportInput, sweep: &Sweep) -> Vec<Figure> {
    let unit = unit(&input.runs);
    let mut places = figures::by_place(input, sweep);
    places.truncate(MAX_PANELS);
    let arms = figures::by_arm(input);
    let several = places.len() > 1;
    let mut all = vec![curves::loss("loss-by-point", "Loss, a panel for each point", &places, &unit)];
    if several {
        all.push(curves::loss("loss-by-arm", "Validation loss, a panel for each arm", &arms, &unit));
    }
    let quiet = |groups: Vec<Group<'_>>| -> Vec<Figure> {
        let metrics = other_metrics(input.runs.iter());
        metrics
            .iter()
            .map(|metric| curves::metric(&metric_id(&metric.to_string()), metric, &groups, &unit))
            .chain(conduct::QUANTITIES.iter().take(2).map(|quantity| conduct::one(*quantity, &groups)))
            .collect()
    };
    all.extend(quiet(if arms.len() > 1 || !several { places } else { arms }));
    all
}

/// `hellaswag-acc_norm`
fn metric_id(metric: &str) -> String {
    metric.replace(['(', '.'], "-").replace(')', "")
}

/// Epochs where all runs make as many; else tokens, which they share.
fn measure(input: &ReportInput) -> Along {
    let ends: Vec<f64> = input
        .runs
        .iter()
        .filter_map(RunRecord::start)
        .map(|start| (start.steps * start.tokens_per_step) as f64 / start.unique_tokens.max(1) as f64)
        .collect();
    let (low, high) = ends.iter().fold((f64::INFINITY, 0.0f64), |(low, high), end| (low.min(*end), high.max(*end)));
    if high > 1.05 * low { Along::Tokens } else { Along::Epochs }
}

fn points(input: &ReportInput, sweep: &Sweep) -> Markup {
    let rows = rows(input, &sweep.points);
    html! {
        section #points {
            h2 { "Points" }
            div.wide { table {
                @for (i, row) in rows.iter().enumerate() {
                    tr {
                        @for (j, cell) in row.iter().enumerate() {
                            @if i == 0 { th { (cell) } }
                            @else if j == 0 { th scope="row" { a href={ "#point-" (i) } { (cell) } } }
                            @else { td.number { (cell) } }
                        }
                    }
                }
            } }
        }
    }
}

/// One point, folded up.
fn details(i: usize, point: &PointReport) -> Markup {
    let matched = &point.findings.matched;
    html! {
        details.point id={ "point-" (i + 1) } {
            summary { (point.point) }
            (sections::arms_table(&point.input, &point.findings))
            (sections::best_tables(&point.findings))
            (sections::matched_tables(matched, &point.input))
        }
    }
}
