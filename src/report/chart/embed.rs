//! A figure on a page: its legend, a drawing for each view and width, its values for whoever cannot see it or wants
//! the numbers. What the pointer shows travels with each drawing, so that the script needs to know nothing.

use super::draw::{Frame, HALF, NARROW, PANEL, Plot, WIDE, number, swatch};
use super::values::{self, value_word};
use super::{Chart, Figure, Key, Look, View};
use maud::{Markup, html};
use serde_json::json;

/// The figure as an element of the page.
pub fn embed(figure: &Figure) -> Markup {
    html! {
        figure id=(figure.id) {
            @if !figure.title.is_empty() { h3 { (figure.title) } }
            @if figure.is_empty() {
                p.quiet { "Nothing to draw yet." }
            } @else {
                @for view in &figure.views {
                    div class=(view.along.map_or("view".to_owned(), |along| format!("view by-{along}"))) { (legend(&view.keys())) (drawings(figure, view)) }
                }
                figcaption { (figure.caption) }
                (values::details(figure))
            }
        }
    }
}

fn legend(keys: &[Key]) -> Markup {
    html! {
        ul.legend {
            @for key in keys {
                li { svg.swatch viewBox="0 0 26 18" width="26" height="18" aria-hidden="true" { (swatch(key, 0.0, 9.0)) } (key.text) }
            }
        }
    }
}

fn drawings(figure: &Figure, view: &View) -> Markup {
    let id = |i: usize, size: &str| format!("{}-{}-{i}{size}", figure.id, view.along.unwrap_or("only"));
    html! {
        @if let [only] = view.panels.as_slice() {
            (notes(only))
            div.on-wide { (drawing(figure, only, WIDE, &id(0, "w"))) }
            div.on-narrow { (drawing(figure, only, NARROW, &id(0, "n"))) }
        } @else {
            @let frame = if view.panels.len() == 2 { HALF } else { PANEL };
            div.panels.two[view.panels.len() == 2] {
                @for (i, panel) in view.panels.iter().enumerate() {
                    div.panel {
                        h4 { (panel.heading) }
                        @if panel.is_empty() { p.quiet { "Nothing to draw yet." } } @else { (drawing(figure, panel, frame, &id(i, ""))) }
                        (notes(panel))
                    }
                }
            }
        }
    }
}

fn notes(chart: &Chart) -> Markup {
    html! { @for note in &chart.notes { p.note { (note) } } }
}

fn drawing(figure: &Figure, chart: &Chart, frame: Frame, id: &str) -> Markup {
    let plot = Plot::new(chart, frame);
    let (title, desc) = (format!("{id}-title"), format!("{id}-desc"));
    let heading = if chart.heading.is_empty() { String::new() } else { format!(": {}", chart.heading) };
    html! {
        svg.chart viewBox=(format!("0 0 {} {}", frame.width, frame.height)) role="img" aria-labelledby={ (title) " " (desc) } data-hover=(hover(chart, &plot)) {
            title id=(title) { (figure.title) (heading) }
            desc id=(desc) { (describe(chart)) }
            (plot.body())
            line.hair x1="-9" y1=(number(plot.top())) x2="-9" y2=(number(plot.bottom())) {}
        }
    }
}

/// What a drawing shows, in a sentence for each line.
pub fn describe(chart: &Chart) -> String {
    let sentence = |line: &super::Line| {
        let mut finite = line.spots.iter().filter(|spot| spot.y.is_finite());
        let (first, last) = (finite.clone().next()?, finite.next_back()?);
        Some(format!(
            "{}: from {} at {} to {} at {}. ",
            line.name,
            value_word(first.y),
            chart.x.word(first.x),
            value_word(last.y),
            chart.x.word(last.x)
        ))
    };
    let sentences: String = chart.lines.iter().filter_map(sentence).collect();
    format!("{} against {}. {sentences}", chart.y.title(), chart.x.label)
}

/// For the script: each line's places in the drawing, with the words to show there.
fn hover(chart: &Chart, plot: &Plot<'_>) -> String {
    let spots = |line: &super::Line| {
        let shown = line.spots.iter().filter(|spot| plot.shows(spot));
        let tenth = |x: f64| (x * 10.0).round() / 10.0;
        shown
            .map(|spot| {
                json!([tenth(plot.x(spot.x)), tenth(plot.y(spot.y)), chart.x.word(spot.x), values::spot_word(spot)])
            })
            .collect::<Vec<_>>()
    };
    let wanted = |line: &&super::Line| !matches!(line.look, Look::Dots { .. });
    let lines = chart.lines.iter().filter(wanted);
    let lines: Vec<_> =
        lines.map(|line| json!({ "name": line.name, "class": line.colour.class(), "spots": spots(line) })).collect();
    json!({ "x": chart.x.label, "lines": lines }).to_string()
}
