//! The report of a sweep: one table over all points, and a section for each with the arms at it.

use super::findings::Findings;
use super::html::{STYLE, arms, figure};
use super::{ReportError, ReportInput, plot, table};
use crate::claims::Series;
use maud::{DOCTYPE, PreEscaped, html};

/// Sections with a figure of their own; a larger page would not load.
const MAX_FIGURES: usize = 64;
/// Columns of a table in the terminal are this far apart.
const GAP: usize = 3;

/// The runs of one point.
pub struct PointReport {
    /// `unique=0.5B,lr=1e-3`
    pub point: String,
    pub input: ReportInput,
    pub findings: Findings,
}

impl PointReport {
    pub fn new(point: String, input: ReportInput) -> PointReport {
        let findings = Findings::of(&input);
        PointReport { point, input, findings }
    }

    /// The point's name where only safe characters are allowed.
    pub fn folder_name(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._=,+-".contains(c) { c } else { '_' };
        self.point.chars().map(safe).take(200).collect()
    }

    /// The best loss of each arm, in the order of the arms; `None` where there is none yet.
    fn best(&self, arm_names: &[String]) -> Vec<String> {
        let of = |arm: &String| {
            let i = self.input.runs.iter().position(|run| run.arm == *arm);
            let series = i.and_then(|i| self.findings.series.get(i)?.as_ref());
            table::best_cell(series.and_then(Series::best))
        };
        arm_names.iter().map(of).collect()
    }
}

fn arm_names(points: &[PointReport]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for point in points {
        for arm in point.input.runs.iter().map(|run| &run.arm).chain(&point.input.missing) {
            if !names.contains(arm) {
                names.push(arm.clone());
            }
        }
    }
    names
}

/// One row a point: the best loss of each arm.
fn rows(points: &[PointReport]) -> Vec<Vec<String>> {
    let names = arm_names(points);
    let head = std::iter::once("point".to_owned()).chain(names.iter().map(|arm| format!("best loss(valid) of {arm}")));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for point in points {
        rows.push(std::iter::once(point.point.clone()).chain(point.best(&names)).collect());
    }
    rows
}

/// For the terminal.
pub fn text(points: &[PointReport]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let n_missing: usize = points.iter().map(|point| point.input.missing.len()).sum();
    let n_runs: usize = points.iter().map(|point| point.input.runs.len()).sum();
    let missing = if n_missing > 0 { format!(", {n_missing} missing") } else { String::new() };
    let mut out = format!(
        "{}: {} points, {n_runs} runs{missing}; {}\n",
        first.input.experiment,
        points.len(),
        table::legend(&first.input)
    );
    let rows = rows(points);
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0) + GAP).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        out.push_str(&format!("  {}\n", cells.concat().trim_end()));
    }
    out
}

/// The page of a sweep.
pub fn html(points: &[PointReport]) -> Result<String, ReportError> {
    let rows = rows(points);
    let input = points.first().map(|point| &point.input);
    let name = input.map_or("", |input| input.experiment.as_str());
    let mut figures = vec![];
    for point in points {
        let wanted = points.len() <= MAX_FIGURES;
        figures.push(if wanted { plot::validation(&point.input, &point.findings)? } else { None });
    }
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
            body {
                header {
                    h1 { (name) }
                    @if let Some(doc) = input.and_then(|input| input.doc.as_ref()) { p.doc { (doc) } }
                    p.quiet { (points.len()) " points" }
                }
                section #points {
                    h2 { "Points" }
                    div.wide { table {
                        @for (i, row) in rows.iter().enumerate() {
                            tr {
                                @for (j, cell) in row.iter().enumerate() {
                                    @if i == 0 { th { (cell) } }
                                    @else if j == 0 {
                                        th scope="row" { a href={ "#point-" (i) } { (cell) } }
                                    }
                                    @else { td.number { (cell) } }
                                }
                            }
                        }
                    } }
                }
                @for (i, (point, figure_of)) in points.iter().zip(figures).enumerate() {
                    section id={ "point-" (i + 1) } {
                        h2 { (point.point) }
                        p.quiet { a href={ "points/" (point.folder_name()) "/report.html" } { "all of this point" } }
                        (arms(&point.input, &point.findings))
                        @if figure_of.is_some() { (figure(figure_of, "Validation loss with a band of one standard error over documents.")) }
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}
