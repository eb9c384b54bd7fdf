//! A figure as an SVG file of its own: legend and panels on one sheet, the style sheet inside. No variables and no
//! script, so that drawing programs show it too.

use super::draw::{self, Frame, PANEL, Plot, number, swatch, text_width};
use super::embed::describe;
use super::{Chart, Figure, Key, View};
use maud::{Markup, PreEscaped, html};

pub const STYLE: &str = include_str!("figure.css");

const KEY_ROW: f64 = 22.0;
const FONT: f64 = 13.0;
const MARGIN: f64 = 12.0;
const MAX_COLUMNS: usize = 3;
/// A chart alone on its sheet.
const ALONE: Frame = Frame { width: 860.0, height: 420.0, font: 13.0, dot: 3.0 };

/// One view of a figure; `None` where there is nothing to draw.
pub fn sheet(figure: &Figure, view: &View) -> Option<String> {
    if view.panels.iter().all(Chart::is_empty) {
        return None;
    }
    let alone = view.panels.len() == 1;
    let frame = if alone { ALONE } else { PANEL };
    let columns = view.panels.len().clamp(1, MAX_COLUMNS);
    let width = frame.width * columns as f64;
    let legend = view.keys();
    let keys = places(&legend, width);
    let top = MARGIN + keys.last().map_or(0.0, |(_, _, y)| y + KEY_ROW / 2.0);
    let heads: Vec<Vec<String>> = view.panels.iter().map(|panel| head(panel, frame, alone)).collect();
    let head_rows = heads.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let row_height = frame.height + head_rows * 16.0 + MARGIN;
    let height = top + row_height * view.panels.len().div_ceil(columns) as f64;
    let placed = view.panels.iter().zip(&heads).enumerate().map(|(i, (panel, head))| {
        let (x, y) = ((i % columns) as f64 * frame.width, top + (i / columns) as f64 * row_height);
        (panel, head, x, y)
    });
    let description: String = view.panels.iter().map(describe).collect();
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {} {}", number(width), number(height))) width=(number(width)) height=(number(height)) role="img" {
            title { (figure.title) }
            desc { (figure.caption) " " (description) }
            style { (PreEscaped(STYLE)) }
            @for (key, x, y) in &keys { (legend_entry(key, *x, *y)) }
            @for (panel, head, x, y) in placed {
                g transform=(format!("translate({} {})", number(x), number(y))) {
                    @for (row, line) in head.iter().enumerate() {
                        text class=[(row == 0 && !alone).then_some("heading")] x="8" y=(number(14.0 + 16.0 * row as f64)) font-size="12" { (line) }
                    }
                    g transform=(format!("translate(0 {})", number(head_rows * 16.0))) { @if !panel.is_empty() { (Plot::new(panel, frame).body()) } }
                }
            }
        }
    };
    Some(svg.into_string() + "\n")
}

/// The lines of text above a panel.
fn head(panel: &Chart, frame: Frame, alone: bool) -> Vec<String> {
    let mut lines = if alone { vec![] } else { vec![panel.heading.clone()] };
    lines.extend(panel.notes.iter().flat_map(|note| wrapped(note, frame.width - 16.0, 12.0)));
    lines
}

fn legend_entry(key: &Key, x: f64, y: f64) -> Markup {
    html! {
        (swatch(key, x, y))
        text x=(number(x + 33.0)) y=(number(y + FONT * 0.35)) font-size=(number(FONT)) { (key.text) }
    }
}

/// Left ends and middles of the legend's entries, broken into rows.
fn places(keys: &[Key], width: f64) -> Vec<(&Key, f64, f64)> {
    let (mut x, mut y) = (MARGIN, KEY_ROW / 2.0 + 4.0);
    let mut placed = vec![];
    for key in keys {
        let wide = 33.0 + draw::text_width(&key.text, FONT) + 20.0;
        if x > MARGIN && x + wide > width {
            (x, y) = (MARGIN, y + KEY_ROW);
        }
        placed.push((key, x, y));
        x += wide;
    }
    placed
}

/// Text in lines of a width.
fn wrapped(text: &str, width: f64, font: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(line, font) + text_width(word, font) + font * 0.36 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
