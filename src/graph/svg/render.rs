//! Coordinates to SVG: self-contained, with the fonts of the system, light and dark as the reader has it.

use super::layout::{Layout, Rail, Rect, Wire};
use super::measure::LINE_HEIGHT;
use super::scene::{BoxStyle, Kind, LineStyle, NetStyle, Node, NodeStyle, Scene};
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark}
svg{--paper:#fff;--ink:#1d2230;--soft:#667085;--line:#7a8499;--minor:#a9b1c0;--rail:#0f8a6d;
--region:#f3f6fb;--region-edge:#8fa2c4;--scope:#fbfcfe;--scope-edge:#c6d0e0;
--plain:#fff;--plain-edge:#9aa5b8;--weights:#e6effd;--weights-edge:#5b8bd6;--path:#1f55a8;
--mixing:#fdeedb;--mixing-edge:#d9923b;--batch:#eef0f4;--batch-edge:#8d97a8;--note:#8a3ea8}
@media (prefers-color-scheme:dark){svg{--paper:#14171d;--ink:#e7eaf0;--soft:#9aa4b5;--line:#76819a;--minor:#566074;--rail:#3fc9a3;
--region:#1a1f29;--region-edge:#4d628a;--scope:#1f2530;--scope-edge:#394459;
--plain:#262d3a;--plain-edge:#5b677c;--weights:#1d2f4d;--weights-edge:#4f7cc2;--path:#9cc3ff;
--mixing:#43321c;--mixing-edge:#c08437;--batch:#2a303b;--batch-edge:#616b7d;--note:#d59bec}}
.paper{fill:var(--paper)}
.region{fill:var(--region);stroke:var(--region-edge);stroke-width:1.5}
.body{fill:none;stroke:var(--region-edge);stroke-dasharray:5 4}
.scope{fill:var(--scope);stroke:var(--scope-edge)}
.box-title{font:600 13px system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:var(--soft)}
.sheet-title{font:600 15px system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:var(--ink)}
.title{font:600 13px system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:var(--ink);text-anchor:middle}
.text,.path,.count,.note{font:11px ui-monospace,'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--soft);text-anchor:middle}
.path{fill:var(--path)}
.note{fill:var(--note)}
.shape{font:10px ui-monospace,'SFMono-Regular',Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:var(--soft)}
.node{stroke-width:1.2}
.plain{fill:var(--plain);stroke:var(--plain-edge)}
.weights{fill:var(--weights);stroke:var(--weights-edge)}
.mixing{fill:var(--mixing);stroke:var(--mixing-edge)}
.input,.output{fill:var(--batch);stroke:var(--batch-edge)}
.port{fill:var(--paper);stroke:var(--rail);stroke-dasharray:3 2}
.wire,.minor,.rail{fill:none;stroke:var(--line);stroke-width:1.3}
.minor{stroke:var(--minor);stroke-dasharray:4 3}
.rail{stroke:var(--rail);stroke-width:1.6}
.head{fill:var(--line)}
.rail-head{fill:var(--rail)}
";

/// The finished picture.
pub fn render(scene: &Scene, layout: &Layout, description: &str) -> String {
    let sheet = layout.rects.first().copied().unwrap_or_default();
    let (width, height) = (sheet.width, sheet.height);
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n",
            escape(description)
        ),
    );
    for (item, rect) in scene.items.iter().zip(&layout.rects) {
        if let Kind::Box { style, .. } = item.kind {
            let class = match style {
                BoxStyle::Sheet => continue,
                BoxStyle::Region => "region",
                BoxStyle::Body => "body",
                BoxStyle::Scope => "scope",
            };
            out.push_str(&frame(class, rect, 8));
        }
    }
    for wire in &layout.wires {
        out.push_str(&line(scene, wire));
    }
    for rail in &layout.rails {
        out.push_str(&rounded(rail));
    }
    for (item, rect) in scene.items.iter().zip(&layout.rects) {
        if let Kind::Node(node) = &item.kind {
            out.push_str(&shown(node, rect));
        }
    }
    for (id, x, y) in &layout.titles {
        if let Some(Kind::Box { title, style, .. }) = scene.items.get(*id).map(|i| &i.kind) {
            let (class, y) = if *style == BoxStyle::Sheet { ("sheet-title", y + 23) } else { ("box-title", y + 17) };
            put(&mut out, format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escape(title)));
        }
    }
    for label in &layout.labels {
        let text = scene.nets.get(label.net).map_or("", |n| n.label.as_str());
        put(
            &mut out,
            format_args!("<text class=\"shape\" x=\"{}\" y=\"{}\">{}</text>\n", label.x, label.y, escape(text)),
        );
    }
    out.push_str("</svg>\n");
    out
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    let _ = out.write_fmt(text);
}

fn frame(class: &str, rect: &Rect, radius: i64) -> String {
    let Rect { x, y, width, height } = rect;
    format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>\n")
}

fn shown(node: &Node, rect: &Rect) -> String {
    let (class, radius) = match node.style {
        NodeStyle::Input => ("node input", rect.height / 2),
        NodeStyle::Output => ("node output", rect.height / 2),
        NodeStyle::Weights => ("node weights", 5),
        NodeStyle::Mixing => ("node mixing", 5),
        NodeStyle::Plain => ("node plain", 5),
        NodeStyle::Port => ("node port", rect.height / 2),
    };
    let mut out = format!("<g><title>{}</title>{}", escape(&node.hint), frame(class, rect, radius).trim_end());
    let middle = rect.x + rect.width / 2;
    let n_lines = node.lines.len() as i64 + i64::from(!node.title.is_empty());
    let mut y = rect.y + (rect.height - n_lines * LINE_HEIGHT) / 2 + 11;
    if !node.title.is_empty() {
        put(&mut out, format_args!("<text class=\"title\" x=\"{middle}\" y=\"{y}\">{}</text>", escape(&node.title)));
        y += LINE_HEIGHT;
    }
    for text in &node.lines {
        let class = match text.style {
            LineStyle::Attribute => "text",
            LineStyle::Path => "path",
            LineStyle::Count => "count",
            LineStyle::Note => "note",
        };
        put(&mut out, format_args!("<text class=\"{class}\" x=\"{middle}\" y=\"{y}\">{}</text>", escape(&text.text)));
        y += LINE_HEIGHT;
    }
    out.push_str("</g>\n");
    out
}

fn line(scene: &Scene, wire: &Wire) -> String {
    let class = match scene.nets.get(wire.net).map(|n| n.style) {
        Some(NetStyle::Minor) => "minor",
        _ => "wire",
    };
    let [(x0, y0), (_, y1), (x2, y2)] = wire.points;
    let path = if x0 == x2 {
        format!("M{x0} {y0}V{y2}")
    } else {
        let middle = (y1 + y2) / 2;
        format!("M{x0} {y0}V{y1}C{x0} {middle} {x2} {middle} {x2} {y2}")
    };
    let mut out = format!("<path class=\"{class}\" d=\"{path}\"/>\n");
    if wire.arrow {
        put(&mut out, format_args!("<path class=\"head\" d=\"M{x2} {y2}l-3 -6h6z\"/>\n"));
    }
    out
}

/// A line with round corners, and an arrow at its end.
fn rounded(rail: &Rail) -> String {
    const RADIUS: i64 = 4;
    let towards = |from: (i64, i64), to: (i64, i64)| {
        let step = |a: i64, b: i64| (b - a).signum() * RADIUS.min((b - a).abs() / 2);
        (from.0 + step(from.0, to.0), from.1 + step(from.1, to.1))
    };
    let mut path = String::new();
    for (i, point) in rail.points.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|k| rail.points.get(k));
        match (before, rail.points.get(i + 1)) {
            (None, _) => put(&mut path, format_args!("M{} {}", point.0, point.1)),
            (Some(_), None) => put(&mut path, format_args!("L{} {}", point.0, point.1)),
            (Some(before), Some(after)) => {
                let (enter, leave) = (towards(*point, *before), towards(*point, *after));
                put(
                    &mut path,
                    format_args!("L{} {}Q{} {} {} {}", enter.0, enter.1, point.0, point.1, leave.0, leave.1),
                );
            }
        }
    }
    let mut out = format!("<path class=\"rail\" d=\"{path}\"/>\n");
    if let Some((x, y)) = rail.points.last() {
        put(&mut out, format_args!("<path class=\"rail-head\" d=\"M{x} {y}l-3 -6h6z\"/>\n"));
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
