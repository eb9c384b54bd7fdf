//! The report of a sweep in the terminal: the claims and one table over all points.

use super::findings::{Findings, Verdicts};
use super::{ReportInput, table};
use crate::claims::Series;

/// Columns of a table in the terminal are this far apart.
const GAP: usize = 3;

/// The runs of one point.
pub struct PointReport {
    /// `unique=0.5B,lr=1e-3`
    pub point: String,
    pub input: ReportInput,
    pub findings: Findings,
}

/// What there is to say about a sweep.
pub struct Sweep {
    pub verdicts: Verdicts,
    pub points: Vec<PointReport>,
}

impl Sweep {
    pub fn of(input: &ReportInput) -> Sweep {
        let verdicts = Verdicts::of(input);
        let report = |point: &Vec<usize>| {
            let own = input.at(point);
            let findings = Findings::new(&own, verdicts.at(&input.record.place_name(point)));
            PointReport { point: input.record.point_name(point), input: own, findings }
        };
        Sweep { points: input.record.points.iter().map(report).collect(), verdicts }
    }

    /// Whether the arms are twins at each point, from the runs' own logs.
    pub fn matched(&self) -> Option<String> {
        let points = || self.points.iter().filter_map(|p| Some((p, p.findings.matched.summary()?)));
        let different: Vec<String> = points()
            .filter(|(point, _)| point.findings.matched.different().next().is_some())
            .map(|(point, summary)| format!("at {}, {summary}", point.point))
            .collect();
        match (points().count(), different.is_empty()) {
            (0, _) => None,
            (n, true) => Some(format!("matched: the runs' own logs agree at each of {n} points")),
            (_, false) => Some(different.join("; ")),
        }
    }
}

impl PointReport {
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

/// One row a point: the best loss of each arm.
pub fn rows(input: &ReportInput, points: &[PointReport]) -> Vec<Vec<String>> {
    let names = &input.record.arms;
    let head = std::iter::once("point".to_owned()).chain(names.iter().map(|arm| format!("best loss(valid) of {arm}")));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for point in points {
        rows.push(std::iter::once(point.point.clone()).chain(point.best(names)).collect());
    }
    rows
}

/// For the terminal.
pub fn text(input: &ReportInput, sweep: &Sweep) -> String {
    let points = &sweep.points;
    let n_missing = input.missing.len();
    let missing = if n_missing > 0 { format!(", {n_missing} missing") } else { String::new() };
    let legend = table::legend(input);
    let legend = if legend.is_empty() { legend } else { format!("; {legend}") };
    let mut out =
        format!("{}: {} points, {} runs{missing}{legend}\n", input.record.name, points.len(), input.runs.len(),);
    out.push_str(&table::verdicts(&sweep.verdicts));
    if let Some(summary) = sweep.matched() {
        out.push_str(&format!("        {summary}\n"));
    }
    let rows = rows(input, points);
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0) + GAP).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        out.push_str(&format!("  {}\n", cells.concat().trim_end()));
    }
    out
}
