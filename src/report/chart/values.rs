//! A figure's numbers: as a table below it and as a CSV file beside it.

use super::{Figure, Line, Look, Spot};
use crate::report::words;
use maud::{Markup, html};

/// Rows of a line in the table on the page; the file has all.
const MAX_ROWS: usize = 40;

/// A spot in every view: where along each measure of progress, and what is there.
struct Row<'a> {
    panel: &'a str,
    line: &'a Line,
    /// By view.
    along: Vec<Option<f64>>,
    spot: &'a Spot,
}

/// Views show the same lines and spots in the same order, against different axes.
fn rows(figure: &Figure) -> Vec<Row<'_>> {
    let Some((first, others)) = figure.views.split_first() else { return vec![] };
    let mut rows = vec![];
    for (p, panel) in first.panels.iter().enumerate() {
        for (l, line) in panel.lines.iter().enumerate() {
            for (s, spot) in line.spots.iter().enumerate() {
                let other = |view: &super::View| Some(view.panels.get(p)?.lines.get(l)?.spots.get(s)?.x);
                let along = std::iter::once(Some(spot.x)).chain(others.iter().map(other)).collect();
                rows.push(Row { panel: &panel.heading, line, along, spot });
            }
        }
    }
    rows
}

/// The names of what is along the axes, by view.
fn axes(figure: &Figure) -> Vec<String> {
    let name = |view: &super::View| {
        let label = view.panels.first().map_or("x", |panel| panel.x.label.as_str());
        view.along.unwrap_or(label).to_owned()
    };
    figure.views.iter().map(name).collect()
}

/// One row a spot, without thinning.
pub fn csv(figure: &Figure) -> String {
    let mut out =
        format!("panel,line,{},value,low,high\n", axes(figure).iter().map(|x| quoted(x)).collect::<Vec<_>>().join(","));
    let number = |x: Option<f64>| x.filter(|x| x.is_finite()).map_or(String::new(), |x| x.to_string());
    for row in rows(figure) {
        let along: Vec<String> = row.along.iter().map(|x| number(*x)).collect();
        let (low, high) = row.spot.spread.unzip();
        let numbers = [number(Some(row.spot.y)), number(low), number(high)].join(",");
        out.push_str(&format!("{},{},{},{numbers}\n", quoted(row.panel), quoted(&row.line.name), along.join(",")));
    }
    out
}

/// The table, folded up. Long lines are thinned to what a reader can take in.
pub fn details(figure: &Figure) -> Markup {
    let rows = rows(figure);
    let panels = figure.views.first().is_some_and(|view| view.panels.len() > 1);
    let words = figure.views.iter().map(|view| view.panels.first().map(|panel| &panel.x)).collect::<Vec<_>>();
    let word = |(axis, x): (&Option<&super::Axis>, &Option<f64>)| match (axis, x) {
        (Some(axis), Some(x)) => axis.word(*x),
        _ => "-".to_owned(),
    };
    html! {
        details.values {
            summary { "Values" }
            div.wide { table {
                thead { tr { @if panels { th { "panel" } } th { "line" } @for axis in axes(figure) { th.number { (axis) } } th.number { "value" } } }
                tbody {
                    @for line in rows.chunk_by(|a, b| std::ptr::eq(a.line, b.line)) {
                        @for row in thinned(line) {
                            tr {
                                @if panels { td { (row.panel) } }
                                td { (row.line.name) }
                                @for x in words.iter().zip(&row.along) { td.number { (word(x)) } }
                                td.number { (spot_word(row.spot)) }
                            }
                        }
                    }
                }
            } }
        }
    }
}

/// Every k-th, and the last; dots repeat what a line has said.
fn thinned<'r, 'a>(line: &'r [Row<'a>]) -> impl Iterator<Item = &'r Row<'a>> {
    let every = line.len().div_ceil(MAX_ROWS).max(1);
    let wanted = move |(i, row): &(usize, &Row<'_>)| {
        let again = matches!(row.line.look, Look::Dots { .. });
        !again && (i % every == 0 || *i + 1 == line.len())
    };
    line.iter().enumerate().filter(wanted).map(|(_, row)| row)
}

/// `2.005 [1.980, 2.030]`
pub fn spot_word(spot: &Spot) -> String {
    match spot.spread {
        Some((low, high)) => format!("{} [{}, {}]", value_word(spot.y), value_word(low), value_word(high)),
        None => value_word(spot.y),
    }
}

/// Three decimals, or three digits where it is small or large.
pub fn value_word(y: f64) -> String {
    if y == 0.0 || (0.1..1000.0).contains(&y.abs()) { words::fixed(y, 3) } else { words::short(y) }
}

/// A cell that may hold commas.
pub fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
