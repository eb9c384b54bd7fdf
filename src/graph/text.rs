//! The graph as indented text, regions nested where they stand: for reading.

use super::view::{indices_text, init_text, node_lines, outputs, value_text};
use super::{Body, Graph, Op};

pub fn text(graph: &Graph, types: bool) -> String {
    let mut out = String::new();
    for param in &graph.params {
        let at = if param.indices.is_empty() { String::new() } else { format!(" at {}", indices_text(param)) };
        out.push_str(&format!("param {} {:?}{at} = {}\n", param.path, param.shape, init_text(param.init)));
    }
    if let Some(root) = graph.body(Graph::ROOT) {
        body(graph, root, types, 0, &mut out);
    }
    for (name, value) in outputs(graph) {
        out.push_str(&format!("output {name} = {}\n", value_text(value)));
    }
    out
}

fn body(graph: &Graph, of: &Body, types: bool, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    for ((_, node), line) in of.nodes().zip(node_lines(graph, of, types)) {
        out.push_str(&format!("{indent}{line}\n"));
        if let Op::Repeat(region) = &node.op {
            for id in region.bodies() {
                out.push_str(&format!("{indent}  body{}:\n", id.0));
                if let Some(inner) = graph.body(id) {
                    body(graph, inner, types, depth + 1, out);
                    let results: Vec<String> = inner.results.iter().map(|v| value_text(*v)).collect();
                    out.push_str(&format!("{indent}    give {}\n", results.join(", ")));
                }
            }
        }
    }
}
