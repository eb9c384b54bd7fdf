//! Widths of text, estimated, and sizes of nodes. Fonts differ between machines; the estimates hold
//! for the widest of the usual ones, so that text stays in its box everywhere.

use super::scene::{Node, NodeStyle};

/// Font sizes in pixels.
pub const TITLE: i64 = 13;
pub const TEXT: i64 = 11;
pub const SHAPE: i64 = 10;
pub const BOX_TITLE: i64 = 13;
pub const SHEET_TITLE: i64 = 15;

/// Heights of the strips in which titles stand.
pub const BOX_TITLE_HEIGHT: i64 = 22;
pub const SHEET_TITLE_HEIGHT: i64 = 34;

/// Height of a line of a node.
pub const LINE_HEIGHT: i64 = 15;
/// Space between a node's text and its border.
const PAD_X: i64 = 10;
const PAD_Y: i64 = 7;
/// Space between two labels side by side.
pub const LABEL_GAP: i64 = 8;
/// From a line to the shape written beside it.
pub const LABEL_INDENT: i64 = 5;

/// Of text in the monospaced font: an advance of 0.61 em covers DejaVu, Menlo, Consolas and Courier.
pub fn mono(text: &str, size: i64) -> i64 {
    (text.chars().count() as i64 * size * 61 + 99) / 100
}

/// Of text in the bold proportional font: as wide as DejaVu Sans, which is wider than most.
pub fn bold(text: &str, size: i64) -> i64 {
    let hundredths: i64 = text
        .chars()
        .map(|c| match c {
            'i' | 'l' | 'j' | '.' | ',' | ':' | ' ' | '|' | '\'' => 40,
            'f' | 't' | 'r' | '(' | ')' | '[' | ']' => 50,
            'm' | 'w' | 'M' | 'W' => 105,
            'A'..='Z' => 80,
            _ => 72,
        })
        .sum();
    (hundredths * size + 99) / 100
}

fn even(n: i64) -> i64 {
    n + n % 2
}

/// Width and height of a node; `labels` are the texts below its output ports.
pub fn node_size(node: &Node, labels: &[&str]) -> (i64, i64) {
    let title = bold(&node.title, TITLE);
    let text = node.lines.iter().map(|line| mono(&line.text, TEXT)).max().unwrap_or(0);
    let widest_label = labels.iter().map(|label| mono(label, SHAPE)).max().unwrap_or(0);
    // Beside each port there is room for its label; the last one may stick out.
    let ports = match labels.len() {
        0 | 1 => 0,
        n => n as i64 * (widest_label + LABEL_INDENT + LABEL_GAP),
    };
    let (pad, least) = match node.style {
        NodeStyle::Port => (8, 40),
        NodeStyle::Input | NodeStyle::Output => (14, 60),
        NodeStyle::Weights | NodeStyle::Mixing | NodeStyle::Plain => (PAD_X, 70),
    };
    let width = (title.max(text) + 2 * pad).max(ports).max(least).max(14 * node.n_inputs as i64);
    let n_lines = 1 + node.lines.len() as i64;
    let height = match node.style {
        NodeStyle::Port => n_lines * LINE_HEIGHT + 4,
        _ => n_lines * LINE_HEIGHT + 2 * PAD_Y,
    };
    (even(width), even(height))
}

/// Where the ports of one side of a node are, from its middle.
pub fn port_offset(width: i64, n_ports: usize, port: usize) -> i64 {
    let n = n_ports.max(1) as i64;
    (width * (2 * port as i64 + 1)) / (2 * n) - width / 2
}
