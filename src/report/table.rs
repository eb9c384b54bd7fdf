//! The verdict in the terminal, and the curves as CSV.

use super::findings::{Findings, Verdicts};
use super::page::few_seeds;
use super::words::{self, count};
use super::{ReportInput, RunRecord, evidence};
use crate::check::claims::types::Metric;
use crate::claims::{ClaimResult, Completion, Evidence, PlaceResult, Point, Series, Verdict};
use crate::store::metrics::Record;
use std::path::Path;

/// `held in this run`
const MIN_HEADLINE: usize = 16;

/// The block that `dlmc run` and `dlmc report` print at the end.
pub fn render(input: &ReportInput, findings: &Findings, report: Option<&Path>) -> String {
    let mut out = headline(input);
    out.push_str(&arms(input, findings));
    out.push_str(&verdicts(&findings.verdicts));
    if let Some(summary) = findings.matched.summary() {
        out.push_str(&format!("        {summary}\n"));
    }
    if let Some(path) = report {
        out.push_str(&format!("  {}\n", path.display()));
    }
    out
}

/// Every claim, then what is to be read beside them. A `let` is explained where it is first used.
pub fn verdicts(verdicts: &Verdicts) -> String {
    let width = verdicts.claims.iter().map(|claim| claim.headline().len()).fold(MIN_HEADLINE, usize::max);
    let mut explained: Vec<&(String, String)> = vec![];
    let mut out = String::new();
    for claim in &verdicts.claims {
        let new: Vec<&(String, String)> = claim.lets.iter().filter(|bound| !explained.contains(bound)).collect();
        out.push_str(&verdict(claim, &new, width));
        explained.extend(new);
    }
    out + &best(verdicts)
}

/// A claim on one line where it is about one place; else its places below it, a line for each number.
fn verdict(claim: &ClaimResult, lets: &[&(String, String)], width: usize) -> String {
    let mut out = format!("  {:<width$}   {}", claim.headline(), claim.text);
    let mut below: Vec<String> = lets.iter().map(|(name, meaning)| format!("{name} = {meaning}")).collect();
    let (common, own) = evidence::remarks(claim);
    let mut method = evidence::method(claim);
    match claim.places.as_slice() {
        [only] => match evidence::lines(only, true).as_slice() {
            [line] => {
                out.push_str(&format!(": {line}"));
                if let Some(method) = method.take() {
                    out.push_str(&format!(", {method}"));
                }
            }
            lines => below.extend(lines.iter().cloned()),
        },
        places => {
            for (place, remarks) in places.iter().zip(own) {
                let head = format!("{:<9}  {}", place.outcome.word(), place.place);
                match evidence::lines(place, false).as_slice() {
                    [line] => below.push(format!("{head}: {line}")),
                    lines => {
                        below.push(head);
                        below.extend(lines.iter().map(|line| format!("           {line}")));
                    }
                }
                below.extend(remarks.iter().map(|remark| format!("           {remark}")));
            }
        }
    }
    below.extend(method);
    below.extend(common.into_iter().cloned());
    out.push('\n');
    below.iter().for_each(|line| out.push_str(&format!("        {line}\n")));
    out
}

/// The other reading of the races, and how far one seed reaches.
fn best(verdicts: &Verdicts) -> String {
    let races = verdicts.best.iter().filter_map(|best| Some((best, best.result.as_ref().ok()?)));
    let mut best: Vec<String> = races
        .map(|(best, result)| {
            let place = if best.place.is_empty() { String::new() } else { format!(" at {}", best.place) };
            let valid = best.metric == Metric::valid_loss();
            let on = if valid { String::new() } else { format!(" on {}", best.metric) };
            format!("Best against best{on}{place}, {}", words::best_against_best(result))
        })
        .collect();
    let decides = |place: &PlaceResult| match &place.evidence {
        Evidence::Crossover { result, .. } => !matches!(result.verdict, Verdict::Undecided { .. }),
        Evidence::Nothing { .. } => false,
        Evidence::Onset { .. } | Evidence::Comparison { .. } | Evidence::Monotone { .. } => true,
    };
    let decided = verdicts.claims.iter().filter(|claim| claim.places.iter().any(decides));
    let seeds = decided.map(ClaimResult::n_replicates).min().and_then(few_seeds);
    let seeds = seeds.map(|seeds| format!("{seeds}: three replicates would make it a verdict"));
    if verdicts.best.iter().all(|best| best.place.is_empty()) {
        let joined: Vec<String> = seeds.into_iter().chain(best).collect();
        return if joined.is_empty() { String::new() } else { format!("        {}\n", joined.join(". ")) };
    }
    best.splice(0..0, seeds);
    best.iter().map(|line| format!("        {line}\n")).collect()
}

/// `quickstart: 2 arms, 40 epochs of 100,000 unique tokens`
pub fn headline(input: &ReportInput) -> String {
    let n_arms = input.runs.len() + input.missing.len();
    let plural = if n_arms == 1 { "arm" } else { "arms" };
    let budget = input.runs.iter().find_map(RunRecord::start).map(|start| {
        let epochs = (start.steps * start.tokens_per_step) as f64 / start.unique_tokens.max(1) as f64;
        format!(", {} epochs of {} unique tokens", words::epoch(epochs), count(start.unique_tokens))
    });
    let record = &input.record;
    let point = record.points.first().map_or(String::new(), |point| record.point_name(point));
    let at = if point.is_empty() { String::new() } else { format!(" at {point}") };
    format!("{}: {n_arms} {plural}{at}{}\n", record.name, budget.unwrap_or_default())
}

/// What follows an arm's figures: that they are bounds, or that the run is not what it should be.
pub fn note(run: &RunRecord, series: Option<&Series>) -> String {
    let mut notes = vec![];
    if series.is_some_and(|s| !s.exact) {
        notes.push("a bound: the true value is at most this".to_owned());
    }
    let completion = run.completion();
    if completion != Completion::Finished {
        notes.push(completion.words());
    }
    if let Some(problem) = run.problems.first() {
        notes.push(problem.clone());
    }
    notes.join("; ")
}

pub fn best_cell(point: Option<&Point>) -> String {
    point.map_or("-".into(), |p| format!("{} (epoch {})", words::with_error(p.value, p.se), words::epoch(p.epoch)))
}

pub fn last_cell(point: Option<&Point>) -> String {
    point.map_or("-".into(), |p| words::with_error(p.value, p.se))
}

/// Of the last evaluation; nothing where the targets are no text.
pub fn bits_cell(point: Option<&Point>) -> String {
    point.and_then(|p| p.bits_per_byte).map_or("-".into(), |bits| format!("{bits:.3}"))
}

/// `nats/byte, 128 documents, ± one standard error`
pub fn legend(input: &ReportInput) -> String {
    let Some(start) = input.runs.iter().find_map(RunRecord::start) else { return String::new() };
    let n = input.runs.iter().flat_map(|run| &run.records).find_map(|r| match r {
        Record::Eval(eval) => Some(eval.documents.len() as u64),
        _ => None,
    });
    let n = n.unwrap_or(start.n_valid_documents);
    format!("{}, {} documents, ± one standard error", start.loss_unit, count(n))
}

fn arms(input: &ReportInput, findings: &Findings) -> String {
    let mut rows =
        vec![["arm", "best loss(valid)", "last loss(valid)", "bits/byte", &legend(input)].map(str::to_owned)];
    for ((run, series), name) in input.runs.iter().zip(&findings.series).zip(&findings.names) {
        let series = series.as_ref();
        rows.push([
            name.clone(),
            best_cell(series.and_then(Series::best)),
            last_cell(series.and_then(Series::last)),
            bits_cell(series.and_then(Series::last)),
            note(run, series),
        ]);
    }
    for (arm, _) in &input.missing {
        rows.push([arm.clone(), "-".into(), "-".into(), "-".into(), "missing: no run yet".into()]);
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..4).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::from("  ");
        for (i, cell) in row.iter().enumerate() {
            line.push_str(cell);
            let fill = widths.get(i).map_or(0, |w| w + 3 - cell.chars().count());
            line.extend(std::iter::repeat_n(' ', fill));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
