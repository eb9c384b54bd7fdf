//! The view of a graph as a document, in RON and JSON: what snapshots pin. Names and indices of our own, sorted, with a
//! version; nothing of petgraph's inner layout shows.

use super::{Body, BodyId, Graph, Indices, Init, Op, Param, Region, Type, Users, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Raised whenever the form of the view changes.
pub const VERSION: u32 = 2;

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
    /// The indices at which it exists, for each enclosing region: `0-3 / 0-1`.
    #[serde(skip_serializing_if = "String::is_empty")]
    at: String,
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
    // One line a node, so that a difference shows the nodes that changed.
    let pretty = ron::ser::PrettyConfig::new().depth_limit(4);
    ron::ser::to_string_pretty(&view(graph, types), pretty).unwrap_or_default()
}

/// The same as one line of JSON.
pub fn json(graph: &Graph, types: bool) -> String {
    serde_json::to_string(&view(graph, types)).unwrap_or_default()
}

fn view(graph: &Graph, types: bool) -> GraphView {
    GraphView {
        version: VERSION,
        params: graph
            .params
            .iter()
            .map(|p| ParamView {
                path: p.path.clone(),
                at: indices_text(p),
                shape: format!("{:?}", p.shape),
                init: init_text(p.init),
            })
            .collect(),
        bodies: graph.bodies.iter().enumerate().map(|(i, body)| body_view(graph, i, body, types)).collect(),
        outputs: outputs(graph).into_iter().map(|(name, value)| (name, value_text(value))).collect(),
    }
}

/// Outputs and gradients, by name; parameters that share a path share the name.
pub fn outputs(graph: &Graph) -> Vec<(String, Value)> {
    let path = |id| graph.param(id).map_or("?", |p| p.path.as_str());
    let grads = graph.grads.iter().map(|(id, value)| (format!("grad.{}", path(*id)), *value));
    graph.outputs.iter().cloned().chain(grads).collect()
}

pub fn indices_text(param: &Param) -> String {
    param.indices.iter().map(Indices::to_string).collect::<Vec<_>>().join(" / ")
}

pub fn init_text(init: Init) -> String {
    match init {
        Init::Normal { std } => format!("normal({std})"),
        Init::Uniform { bound } => format!("uniform({bound})"),
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
                Op::Repeat(region) => region_words(region, &inputs),
                Op::List(op) => call_words(op.name(), &inputs, &op.attributes()),
                op => {
                    let attributes = op.operation().map(|o| o.attributes()).unwrap_or_default();
                    call_words(op.name(), &inputs, &attributes)
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

fn call_words(name: &str, inputs: &[String], attributes: &[(&'static str, String)]) -> String {
    let attributes = attributes.iter().map(|(k, v)| format!("{k}: {v}"));
    let words: Vec<String> = inputs.iter().cloned().chain(attributes).collect();
    format!("{name}({})", words.join(", "))
}

/// `repeat layer [body1 at 0-2, 4-6; body2 at 3, 7] carried 1, invariant 2, mapped 2 (%3, %1, %2)`, and
/// which lists belong to some bodies only: `, of body2 alone: mapped 0, collected 1-3`.
fn region_words(region: &Region, inputs: &[String]) -> String {
    let mut ranges: BTreeMap<BodyId, Vec<(u64, u64)>> = BTreeMap::new();
    for run in &region.runs {
        ranges.entry(run.body).or_default().push((run.first, run.count));
    }
    let bodies = region.bodies().into_iter().filter_map(|body| Some((body, ranges.remove(&body)?)));
    let bodies: Vec<String> =
        bodies.map(|(body, at)| format!("body{} at {}", body.0, Indices::of_ranges(at))).collect();
    let mut of_some: BTreeMap<&BTreeSet<BodyId>, Vec<String>> = BTreeMap::new();
    for (word, lists) in [("mapped", &region.mapped), ("collected", &region.collected)] {
        let mut places: BTreeMap<&BTreeSet<BodyId>, Vec<(u64, u64)>> = BTreeMap::new();
        for (i, users) in lists.iter().enumerate() {
            if let Users::Only(bodies) = users {
                places.entry(bodies).or_default().push((i as u64, 1));
            }
        }
        for (bodies, places) in places {
            of_some.entry(bodies).or_default().push(format!("{word} {}", Indices::of_ranges(places)));
        }
    }
    let of_some = of_some.into_iter().map(|(bodies, words)| {
        let names: Vec<String> = bodies.iter().map(|body| format!("body{}", body.0)).collect();
        format!(", of {} alone: {}", names.join(" and "), words.join(", "))
    });
    format!(
        "repeat {} [{}{}] carried {}, invariant {}, mapped {}{} ({})",
        region.label,
        bodies.join("; "),
        if region.reversed { ", reversed" } else { "" },
        region.n_carried,
        region.n_invariant,
        region.mapped.len(),
        of_some.collect::<String>(),
        inputs.join(", ")
    )
}
