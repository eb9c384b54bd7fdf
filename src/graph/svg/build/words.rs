//! Text in nodes, and what decides which values are named in them instead of drawn as lines.

use crate::graph::svg::scene::{Line, LineStyle};
use crate::graph::{Body, Graph, Op, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Characters in a line of attributes.
const LINE_WIDTH: usize = 30;

/// Where a value goes that no line shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    Kept(String),
    Gradient(String),
}

pub fn notes(words: &[Word]) -> Vec<Line> {
    let mut kept = vec![];
    let mut gradients = vec![];
    for word in words {
        match word {
            Word::Kept(name) => kept.push(name.clone()),
            Word::Gradient(text) => gradients.push(Line { style: LineStyle::Note, text: text.clone() }),
        }
    }
    let mut lines = joined("kept as", &kept);
    lines.extend(gradients);
    lines
}

/// `reads #1, #2`, in lines that are not too long.
pub fn joined(verb: &str, names: &[String]) -> Vec<Line> {
    names
        .chunks(5)
        .enumerate()
        .map(|(i, names)| {
            let verb = if i == 0 { format!("{verb} ") } else { String::new() };
            Line { style: LineStyle::Note, text: format!("{verb}{}", names.join(", ")) }
        })
        .collect()
}

/// The leading parts that two scopes share.
pub fn common(a: &str, b: &str) -> String {
    let parts = a.split('.').zip(b.split('.')).take_while(|(a, b)| a == b);
    parts.map(|(a, _)| a).collect::<Vec<_>>().join(".")
}

/// What a scope adds to the one around it.
pub fn relative<'a>(scope: &'a str, base: &str) -> Vec<&'a str> {
    let mut parts: Vec<&str> = scope.split('.').filter(|p| !p.is_empty()).collect();
    let n = parts.iter().zip(base.split('.')).take_while(|(a, b)| **a == *b).count();
    parts.drain(..n);
    parts.retain(|p| *p != "*");
    parts
}

/// Attributes as text, a few to a line.
pub fn attribute_lines(op: &Op) -> Vec<Line> {
    let mut lines: Vec<String> = vec![];
    // A switch that is off says nothing.
    let attributes = match op {
        Op::List(list) => list.attributes(),
        op => op.operation().map(|o| o.attributes()).unwrap_or_default(),
    };
    for (name, value) in attributes.into_iter().filter(|(_, value)| value != "false") {
        let text = format!("{name}: {value}");
        match lines.last_mut() {
            Some(line) if line.chars().count() + text.chars().count() + 2 <= LINE_WIDTH => {
                line.push_str(", ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines.into_iter().map(|text| Line { style: LineStyle::Attribute, text }).collect()
}

/// Ports of each node that something reads.
pub fn ports_read(graph: &Graph, body: &Body) -> BTreeMap<NodeIndex, Vec<u16>> {
    let mut read: BTreeMap<NodeIndex, BTreeSet<u16>> = BTreeMap::new();
    for (index, _) in body.nodes() {
        for value in body.inputs(index) {
            read.entry(value.node).or_default().insert(value.port);
        }
    }
    let is_root = graph.body(Graph::ROOT).is_some_and(|root| std::ptr::eq(root, body));
    let outputs = graph.outputs.iter().filter(|_| is_root).map(|(_, v)| v);
    for value in outputs.chain(&body.results) {
        read.entry(value.node).or_default().insert(value.port);
    }
    read.into_iter().map(|(node, ports)| (node, ports.into_iter().collect())).collect()
}

/// Names for the lists that only backward passes read, element by element.
pub fn list_words(body: &Body, n_kept: &mut usize) -> BTreeMap<Value, String> {
    let mut readers: BTreeMap<Value, bool> = BTreeMap::new();
    for (index, node) in body.nodes() {
        for (k, value) in body.inputs(index).into_iter().enumerate() {
            let kept = match &node.op {
                Op::Repeat(region) => region.reversed && k >= region.n_carried + region.n_invariant,
                _ => false,
            };
            let all = readers.entry(value).or_insert(true);
            *all &= kept;
        }
    }
    let is_list = |value: &Value| match body.node(value.node).map(|n| &n.op) {
        Some(Op::Repeat(region)) => value.port as usize >= region.n_carried,
        _ => false,
    };
    let kept: Vec<Value> = readers.into_iter().filter(|(v, all)| *all && is_list(v)).map(|(v, _)| v).collect();
    kept.into_iter()
        .map(|value| {
            *n_kept += 1;
            (value, format!("#{n_kept}"))
        })
        .collect()
}
