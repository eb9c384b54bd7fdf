//! The graph as indented text, regions nested where they stand: for reading.

use super::view::{init_text, node_lines, value_text};
use super::{Body, BodyId, Graph, Op};

pub fn text(graph: &Graph, types: bool) -> String {
    let mut out = String::new();
    for param in &graph.params {
        let count = if param.repeats.is_empty() { String::new() } else { format!(" x {}", param.n_instances()) };
        out.push_str(&format!("param {} {:?}{count} = {}\n", param.path, param.shape, init_text(param.init)));
    }
    if let Some(root) = graph.body(Graph::ROOT) {
        body(graph, root, types, 0, &mut out);
    }
    for (name, value) in &graph.outputs {
        out.push_str(&format!("output {name} = {}\n", value_text(*value)));
    }
    out
}

fn body(graph: &Graph, of: &Body, types: bool, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    for ((_, node), line) in of.nodes().zip(node_lines(graph, of, types)) {
        out.push_str(&format!("{indent}{line}\n"));
        if let Op::Repeat(region) = &node.op {
            let mut bodies: Vec<BodyId> = region.runs.iter().map(|r| r.body).collect();
            bodies.dedup();
            for id in bodies {
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
