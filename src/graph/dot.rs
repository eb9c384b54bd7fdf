//! Graphviz: regions as boxes, shapes on edges.

use super::view::{outputs, value_text};
use super::{Body, BodyId, Graph, Op, Value};

pub fn dot(graph: &Graph) -> String {
    let mut out =
        String::from("digraph model {\n  rankdir=TB;\n  node [shape=box, fontname=\"monospace\", fontsize=10];\n");
    if graph.body(Graph::ROOT).is_some() {
        body(graph, Graph::ROOT, 1, &mut out);
    }
    for (i, (name, value)) in outputs(graph).into_iter().enumerate() {
        let id = format!("output{i}");
        out.push_str(&format!("  {id} [label=\"{name}\", shape=oval];\n  {} -> {id};\n", node_id(Graph::ROOT, value)));
    }
    out.push_str("}\n");
    out
}

fn node_id(body: BodyId, value: Value) -> String {
    format!("b{}_{}", body.0, value.node.index())
}

fn body(graph: &Graph, id: BodyId, depth: usize, out: &mut String) {
    let Some(of) = graph.body(id) else { return };
    let indent = "  ".repeat(depth);
    for (index, node) in of.nodes() {
        let value = Value { node: index, port: 0 };
        let label = match &node.op {
            Op::Param(param) => graph.param(*param).map_or("?".into(), |p| format!("{}\\n{:?}", p.path, p.shape)),
            Op::Argument(k) => format!("argument {k}"),
            op => op.name().to_string(),
        };
        let style = match &node.op {
            Op::Param(_) => ", style=filled, fillcolor=\"#e8eef7\"",
            Op::Input(_) | Op::Argument(_) => ", shape=oval",
            _ => "",
        };
        if let Op::Repeat(region) = &node.op {
            let first = region.runs.first().map_or(0, |r| r.first);
            out.push_str(&format!(
                "{indent}subgraph cluster_b{}_{} {{\n{indent}  label=\"{} x {} from {first}{}\";\n{indent}  style=rounded;\n",
                id.0,
                index.index(),
                region.label,
                region.count(),
                if region.reversed { ", reversed" } else { "" }
            ));
            out.push_str(&format!("{indent}  {} [label=\"repeat {}\"];\n", node_id(id, value), region.label));
            for inner in region.bodies() {
                body(graph, inner, depth + 1, out);
                feed(graph, id, value, inner, &indent, out);
            }
            out.push_str(&format!("{indent}}}\n"));
        } else {
            out.push_str(&format!("{indent}{} [label=\"{label}\"{style}];\n", node_id(id, value)));
        }
        edges(of, id, index, &indent, out);
    }
}

fn edges(of: &Body, id: BodyId, index: petgraph::graph::NodeIndex, indent: &str, out: &mut String) {
    for input in of.inputs(index) {
        let shape = of.type_of(input).map_or(String::new(), |t| t.to_string());
        let to = Value { node: index, port: 0 };
        out.push_str(&format!(
            "{indent}{} -> {} [label=\"{shape}\", fontsize=8, tooltip=\"{}\"];\n",
            node_id(id, input),
            node_id(id, to),
            value_text(input)
        ));
    }
}

/// Dotted lines between a region's node and its body's arguments and results.
fn feed(graph: &Graph, outer: BodyId, region: Value, inner: BodyId, indent: &str, out: &mut String) {
    let Some(body) = graph.body(inner) else { return };
    for (index, node) in body.nodes() {
        if matches!(node.op, Op::Argument(_)) {
            let to = Value { node: index, port: 0 };
            out.push_str(&format!("{indent}  {} -> {} [style=dotted];\n", node_id(outer, region), node_id(inner, to)));
        }
    }
}
