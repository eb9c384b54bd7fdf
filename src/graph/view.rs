//! The RON view of a graph: what snapshots pin. Names and indices of our own, sorted, with a
//! version; nothing of petgraph's inner layout shows.

use super::{Body, Graph, Init, Op, Type, Value};
use serde::Serialize;

/// Raised whenever the form of the view changes.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct GraphView {
    version: u32,
    params: Vec<ParamView>,
    bodies: Vec<BodyView>,
    outputs: Vec<(String, String)>,
}

#[derive(Serialize)]
struct ParamView {
    path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    repeats: String,
    shape: String,
    init: String,
}

#[derive(Serialize)]
struct BodyView {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arguments: Vec<String>,
    nodes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<String>,
}

/// Pretty RON of the whole graph. `types` adds what shape inference found.
pub fn ron(graph: &Graph, types: bool) -> String {
    let view = GraphView {
        version: VERSION,
        params: graph
            .params
            .iter()
            .map(|p| ParamView {
                path: p.path.clone(),
                repeats: if p.repeats.is_empty() { String::new() } else { format!("{:?}", p.repeats) },
                shape: format!("{:?}", p.shape),
                init: init_text(p.init),
            })
            .collect(),
        bodies: graph.bodies.iter().enumerate().map(|(i, body)| body_view(graph, i, body, types)).collect(),
        outputs: graph.outputs.iter().map(|(name, value)| (name.clone(), value_text(*value))).collect(),
    };
    // One line a node, so that a difference shows the nodes that changed.
    let pretty = ron::ser::PrettyConfig::new().depth_limit(4);
    ron::ser::to_string_pretty(&view, pretty).unwrap_or_default()
}

pub fn init_text(init: Init) -> String {
    match init {
        Init::Normal { std } => format!("normal({std})"),
        Init::Zeros => "zeros".into(),
        Init::Ones => "ones".into(),
    }
}

/// `%12`, or `%12.1` for the second output.
pub fn value_text(value: Value) -> String {
    match value.port {
        0 => format!("%{}", value.node.index()),
        port => format!("%{}.{port}", value.node.index()),
    }
}

fn body_view(graph: &Graph, i: usize, body: &Body, types: bool) -> BodyView {
    BodyView {
        name: if i == 0 { "root".into() } else { format!("body{i}") },
        arguments: body.arguments.iter().map(Type::to_string).collect(),
        nodes: node_lines(graph, body, types),
        results: body.results.iter().map(|v| value_text(*v)).collect(),
    }
}

/// One line a node: `%3 = linear(%1, %2) : [B, T, 128]   // layer.*.attention`.
pub fn node_lines(graph: &Graph, body: &Body, types: bool) -> Vec<String> {
    body.nodes()
        .map(|(index, node)| {
            let inputs: Vec<String> = body.inputs(index).iter().map(|v| value_text(*v)).collect();
            let mut words = match &node.op {
                Op::Argument(k) => format!("argument {k}"),
                Op::Input(input) => input.name().to_string(),
                Op::Param(id) => format!("param {}", graph.param(*id).map_or("?", |p| &p.path)),
                Op::Repeat(region) => {
                    let runs: Vec<String> = region
                        .runs
                        .iter()
                        .map(|r| format!("body{} x {} from {}", r.body.0, r.count, r.first))
                        .collect();
                    let back = if region.reversed { ", reversed" } else { "" };
                    format!(
                        "repeat {} [{}{back}] carried {}, invariant {}, mapped {} ({})",
                        region.label,
                        runs.join("; "),
                        region.n_carried,
                        region.n_invariant,
                        region.n_mapped,
                        inputs.join(", ")
                    )
                }
                op => {
                    let attributes = op.operation().map(|o| o.attributes()).unwrap_or_default();
                    let attributes: String = attributes.iter().map(|(k, v)| format!(", {k}: {v}")).collect();
                    format!("{}({}{attributes})", op.name(), inputs.join(", "))
                }
            };
            if types {
                let all: Vec<String> = node.types.iter().map(Type::to_string).collect();
                words = format!("{words} : {}", all.join(" ; "));
            }
            if !node.scope.is_empty() {
                words = format!("{words}  // {}", node.scope);
            }
            format!("%{} = {words}", index.index())
        })
        .collect()
}
