//! The sections of a page that are tables and text.

use super::{capital, ticked};
use crate::claims::{Completion, Series};
use crate::report::findings::Findings;
use crate::report::matched::{Mark, Matched, Row, costs};
use crate::report::{ReportInput, RunRecord, table, words};
use crate::store::ExperimentRecord;
use maud::{Markup, html};

/// Runs beside each other in a table; more stand below each other.
const MAX_COLUMNS: usize = 4;

pub fn title(record: &ExperimentRecord) -> Markup {
    html! {
        h1 { (record.name) }
        @if let Some(doc) = &record.doc { p.doc { (doc) } }
        @if let Some(cite) = &record.cite { p.quiet { "After " (cite) } }
    }
}

/// What is missing, failed or unfinished, and what cannot be read.
pub fn problems(input: &ReportInput) -> Markup {
    let unfinished: Vec<&RunRecord> =
        input.runs.iter().filter(|r| r.completion() != Completion::Finished || !r.problems.is_empty()).collect();
    let at = |point: &str| if point.is_empty() { String::new() } else { format!(" at {point}") };
    html! {
        @if !unfinished.is_empty() || !input.missing.is_empty() {
            section #problems {
                h2 { "Not complete" }
                ul {
                    @for (arm, point) in &input.missing { li { b { (arm) (at(point)) } ": missing, no run yet" } }
                    @for run in unfinished {
                        @if run.completion() != Completion::Finished { li { b { (run.name()) } ": " (run.completion().words()) } }
                        @for problem in &run.problems { li { b { (run.name()) } ": " (problem) } }
                    }
                }
            }
        }
    }
}

pub fn arms(input: &ReportInput, findings: &Findings) -> Markup {
    html! { section #arms { h2 { "Arms" } (arms_table(input, findings)) } }
}

pub fn arms_table(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
            p.quiet { (table::legend(input)) }
            div.wide { table {
                thead { tr { th { "arm" } th { "objective" } th.number { "best loss(valid)" } th.number { "last loss(valid)" } th.number { "last, bits/byte" } th { "note" } } }
                tbody {
                    @for ((run, series), name) in input.runs.iter().zip(&findings.series).zip(&findings.names) {
                        tr {
                            th scope="row" { (name) }
                            td { (run.start().map_or("-", |s| s.objective.as_str())) }
                            td.number { (table::best_cell(series.as_ref().and_then(Series::best))) }
                            td.number { (table::last_cell(series.as_ref().and_then(Series::last))) }
                            td.number { (table::bits_cell(series.as_ref().and_then(Series::last))) }
                            td { (table::note(run, series.as_ref())) }
                        }
                    }
                    @for (arm, _) in &input.missing {
                        tr { th scope="row" { (arm) } td { "-" } td.number { "-" } td.number { "-" } td.number { "-" } td { "missing: no run yet" } }
                    }
                }
            } }
            @if findings.series.iter().flatten().any(|s| !s.exact) {
                p.quiet { "A diffusion figure is an upper bound on the loss, an autoregressive figure is exact: where the bound is the higher of the two, the true gap is at most the one shown." }
            }
    }
}

pub fn best(findings: &Findings) -> Markup {
    html! { section #best { h2 { "Best against best" } (best_tables(findings)) } }
}

pub fn best_tables(findings: &Findings) -> Markup {
    html! {
            p.quiet { "Each arm's best checkpoint, chosen on one half of the validation documents and reported on the other." }
            @if findings.verdicts.best.is_empty() { p { "There are not two arms to compare." } }
            @for finding in &findings.verdicts.best {
                @match &finding.result {
                    Err(why) => p { (finding.of) " against " (finding.than) ": " (ticked(why)) "." },
                    Ok(result) => {
                        p { (words::best_against_best(result)) ", on " (result.n_items) " " (result.metric.item_word()) "." }
                        div.wide { table {
                            thead { tr { th { "arm" } th.number { "epoch" } th.number { "step" } th.number { "on the other half" } th.number { "95% interval" } } }
                            tbody {
                                @for best in [&result.of, &result.than] {
                                    tr {
                                        th scope="row" { (best.arm) }
                                        td.number { (best.epochs.iter().map(|x| words::epoch(*x)).collect::<Vec<_>>().join(", ")) }
                                        td.number { (best.steps.iter().map(|n| words::count(*n)).collect::<Vec<_>>().join(", ")) }
                                        td.number { (words::fixed(best.value, 3)) }
                                        td.number { (words::interval(best.interval, 3)) }
                                    }
                                }
                                tr {
                                    th scope="row" { (result.of.arm) " - " (result.than.arm) }
                                    td {} td {}
                                    td.number { (words::fixed(result.difference, 3)) }
                                    td.number { (words::interval(result.interval, 3)) }
                                }
                            }
                        } }
                    }
                }
            }
    }
}

pub fn matched(matched: &Matched, input: &ReportInput) -> Markup {
    html! {
        section #matched {
            h2 { "Matched arms" }
            p.quiet { "Compared from the runs' own logs and locks, not from what the spec promises." }
            (matched_tables(matched, input))
        }
    }
}

pub fn matched_tables(matched: &Matched, input: &ReportInput) -> Markup {
    html! {
            @if matched.rows.is_empty() {
                p { "There are not two runs to compare." }
            } @else {
                @if let Some(summary) = matched.summary() {
                    p.different[matched.different().next().is_some()] { (capital(&summary)) "." }
                }
                @if !matched.skipped.is_empty() { p { "Not compared, as not started: " (matched.skipped.join(", ")) "." } }
                (rows_table(&matched.runs, &matched.rows, true))
                @if input.runs.iter().filter(|run| run.lock.is_some()).count() > 1 {
                    h3 { "Fields of the locks that differ" }
                    @if matched.fields.is_empty() { p { "None." } }
                    @else { (rows_table(&matched.runs, &matched.fields, false)) }
                }
            }
    }
}

fn rows_table(runs: &[String], rows: &[Row], marks: bool) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th {} @if marks { th {} } @for run in runs { th { (run) } } } }
            tbody {
                @for row in rows {
                    tr {
                        th scope="row" { (row.name) }
                        @if marks { td.(mark_class(row.mark)) { (row.mark.words()) } }
                        @if let (Some(value), true) = (row.common(), marks) {
                            td.value colspan=(runs.len()) { (value) }
                        } @else {
                            @for value in &row.values { td.value { (value.as_deref().unwrap_or("-")) } }
                        }
                    }
                }
            }
        } }
    }
}

/// A line a run, where a column each would be too many.
fn turned_table(runs: &[String], rows: &[Row]) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th {} @for row in rows { th { (row.name) } } } }
            tbody {
                @for (i, run) in runs.iter().enumerate() {
                    tr {
                        th scope="row" { (run) }
                        @for row in rows { td.value { (row.values.get(i).and_then(Option::as_deref).unwrap_or("-")) } }
                    }
                }
            }
        } }
    }
}

pub fn cost(input: &ReportInput, names: &[String]) -> Markup {
    html! {
        section #cost {
            h2 { "Cost and conduct" }
            @if input.runs.is_empty() { p { "No run." } }
            @else if input.runs.len() <= MAX_COLUMNS { (rows_table(names, &costs(&input.runs), false)) }
            @else { (turned_table(names, &costs(&input.runs))) }
        }
    }
}

pub fn samples(input: &ReportInput, names: &[String]) -> Markup {
    html! {
        section #samples {
            h2 { "Samples" }
            @if input.runs.iter().all(|run| run.samples.is_none()) { p.quiet { "No run has written any." } }
            @for (run, name) in input.runs.iter().zip(names) {
                @if let Some(samples) = &run.samples {
                    @if input.runs.len() <= MAX_COLUMNS { h3 { (name) } pre.samples { (samples) } }
                    @else { details { summary { (name) } pre.samples { (samples) } } }
                }
            }
        }
    }
}

pub fn environment(input: &ReportInput, names: &[String]) -> Markup {
    html! {
        section #environment {
            h2 { "Environment" }
            div.wide { table {
                thead { tr { th { "arm" } th { "run" } th { "dlmc" } th { "libtorch" } th { "device" } th { "threads" } th { "precision" } } }
                tbody {
                    @for (run, name) in input.runs.iter().zip(names) {
                        tr {
                            th scope="row" { (name) }
                            td.value { (run.name()) }
                            @if let Some(start) = run.start() {
                                td.value { (start.code) } td.value { (start.libtorch) } td.value { (start.device) }
                                td.value { (start.threads) } td.value { (start.precision) }
                            } @else {
                                td colspan="5" { (run.completion().words()) }
                            }
                        }
                    }
                }
            } }
        }
    }
}

fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::Equal => "equal",
        Mark::Different => "different",
        Mark::Unknown => "unknown",
    }
}
