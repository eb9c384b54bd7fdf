//! `report.html`: one page that needs nothing else, no script, no font, no picture from outside.
//! The claim and its verdict first, then what they rest on.

use super::findings::Findings;
use super::matched::{Mark, Matched, Row, costs};
use super::{ReportError, ReportInput, RunRecord, html_claims, plot, table, words};
use crate::claims::{Completion, Series};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

/// A page around its body.
pub(super) fn page(name: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (name) " - dlmc" }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

pub fn render(input: &ReportInput, findings: &Findings) -> Result<String, ReportError> {
    let record = &input.record;
    let body = html! {
        header {
            h1 { (record.name) }
            @if let Some(doc) = &record.doc { p.doc { (doc) } }
            p.quiet { (table::headline(input).trim_end().trim_start_matches(&record.name).trim_start_matches(": ")) }
        }
        (html_claims::render(input, &findings.verdicts)?)
        (problems(input))
        section #curves {
            h2 { "Loss" }
            (figure(plot::validation(input, findings)?, "Validation loss with a band of one standard error over documents; the mean training loss is the thin line."))
        }
        (arms(input, findings))
        (best(findings))
        (matched(&findings.matched, input))
        (cost(input, findings))
        section #training {
            h2 { "Training" }
            (figure(plot::deciles(input, findings)?, "Loss of the last evaluation by tenths of how much of the input is noise (masked share, or chance of noise); a next-token arm by position in the sequence: the two axes are not the same thing."))
            (figure(plot::gradient_norm(input, findings)?, "Gradient norm before clipping."))
        }
        (samples(input, findings))
        (locks(input, findings))
        (environment(input, findings))
    };
    Ok(page(&record.name, body))
}

fn problems(input: &ReportInput) -> Markup {
    let unfinished: Vec<&RunRecord> =
        input.runs.iter().filter(|r| r.completion() != Completion::Finished || !r.problems.is_empty()).collect();
    html! {
        @if !unfinished.is_empty() || !input.missing.is_empty() {
            section #problems {
                h2 { "Not complete" }
                ul {
                    @for (arm, _) in &input.missing { li { b { (arm) } ": missing, no run yet" } }
                    @for run in unfinished {
                        @if run.completion() != Completion::Finished { li { b { (run.name()) } ": " (run.completion().words()) } }
                        @for problem in &run.problems { li { b { (run.name()) } ": " (problem) } }
                    }
                }
            }
        }
    }
}

pub(super) fn arms(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
        section #arms {
            h2 { "Arms" }
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
}

fn best(findings: &Findings) -> Markup {
    html! {
        section #best {
            h2 { "Best against best" }
            p.quiet { "Each arm's best checkpoint, chosen on one half of the validation documents and reported on the other." }
            @if findings.verdicts.best.is_empty() { p { "There are not two arms to compare." } }
            @for finding in &findings.verdicts.best {
                @match &finding.result {
                    Err(why) => p { (finding.of) " against " (finding.than) ": " (ticked(why)) "." },
                    Ok(result) => {
                        p { (words::best_against_best(result)) ", on " (result.n_items) " " (result.metric.item_word()) "." }
                        div.wide { table {
                            thead { tr { th { "arm" } th.number { "epoch" } th.number { "step" } th.number { "loss on the other half" } th.number { "95% interval" } } }
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
}

fn matched(matched: &Matched, input: &ReportInput) -> Markup {
    html! {
        section #matched {
            h2 { "Matched arms" }
            p.quiet { "Compared from the runs' own logs and locks, not from what the spec promises." }
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

fn cost(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
        section #cost {
            h2 { "Cost and conduct" }
            @if input.runs.is_empty() { p { "No run." } }
            @else { (rows_table(&findings.names, &costs(&input.runs), false)) }
        }
    }
}

fn samples(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
        section #samples {
            h2 { "Samples" }
            @if input.runs.iter().all(|run| run.samples.is_none()) { p.quiet { "No run has written any." } }
            @for (run, name) in input.runs.iter().zip(&findings.names) {
                @if let Some(samples) = &run.samples {
                    h3 { (name) }
                    pre.samples { (samples) }
                }
            }
        }
    }
}

fn locks(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
        section #locks {
            h2 { "Locks" }
            @for (run, name) in input.runs.iter().zip(&findings.names) {
                @if let Some(lock) = &run.lock {
                    details {
                        summary { (name) " (" (run.name()) ")" }
                        pre { (lock.to_text()) }
                    }
                } @else {
                    p { (name) ": no readable lock" }
                }
            }
        }
    }
}

fn environment(input: &ReportInput, findings: &Findings) -> Markup {
    html! {
        section #environment {
            h2 { "Environment" }
            div.wide { table {
                thead { tr { th { "arm" } th { "run" } th { "dlmc" } th { "libtorch" } th { "device" } th { "threads" } th { "precision" } } }
                tbody {
                    @for (run, name) in input.runs.iter().zip(&findings.names) {
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

pub(super) fn figure(svg: Option<String>, caption: &str) -> Markup {
    html! {
        @match svg {
            Some(svg) => figure { (PreEscaped(svg)) figcaption { (caption) } },
            None => p.quiet { "Nothing to draw yet." },
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

/// Names between backticks in the typewriter face.
pub(super) fn ticked(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
