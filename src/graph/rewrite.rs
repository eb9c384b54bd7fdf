//! Graphs made of other graphs, where a run needs a model otherwise than it was elaborated.

use super::ops::Input;
use super::ops::attend::{Attend, AttendGrad};
use super::{Body, Graph, Node, Op, ValidGraph, Value};
use crate::objective::Pattern;
use std::collections::BTreeMap;

/// The model with this attention in place of its own; windows stay. What trains on two streams draws text with
/// blocks that see those before them.
pub fn with_pattern(model: &ValidGraph, pattern: Pattern) -> ValidGraph {
    model.with_operations(|op| match op {
        Op::Attend(attend) => attend.sight.pattern = pattern,
        Op::AttendGrad(attend) => attend.sight.pattern = pattern,
        _ => {}
    })
}

/// The model as it is evaluated, sampled and exported: nothing is dropped, and nothing reads the draws.
pub fn without_dropout(model: &ValidGraph) -> ValidGraph {
    if !has_draws(model.graph()) {
        return model.clone();
    }
    ValidGraph::rewritten(rebuilt(model.graph(), |op| match op {
        Op::Input(Input::Draw) => Place::Nowhere,
        Op::Dropout(_) => Place::Input,
        Op::Attend(attend) => Place::Node(Attend { drops: None, ..attend.clone() }.into()),
        Op::AttendGrad(attend) => Place::Node(AttendGrad { drops: None, ..attend.clone() }.into()),
        other => Place::Node(other.clone()),
    }))
}

/// As a drawing shows it: where dropout takes its draws goes without saying. Not sound, since it needs them.
pub(super) fn without_draws(graph: &Graph) -> Graph {
    match has_draws(graph) {
        true => rebuilt(graph, |op| match op {
            Op::Input(Input::Draw) => Place::Nowhere,
            other => Place::Node(other.clone()),
        }),
        false => graph.clone(),
    }
}

fn has_draws(graph: &Graph) -> bool {
    let mut nodes = graph.bodies.iter().flat_map(Body::nodes);
    nodes.any(|(_, node)| node.op == Op::Input(Input::Draw))
}

/// What becomes of a node.
enum Place {
    Node(Op),
    /// Its value is its first input.
    Input,
    /// Nobody reads it any more.
    Nowhere,
}

fn rebuilt(of: &Graph, place: impl Fn(&Op) -> Place) -> Graph {
    let mut graph = Graph { params: of.params.clone(), ..Graph::default() };
    for (i, body) in of.bodies.iter().enumerate() {
        let (rebuilt, places) = rebuilt_body(body, &place);
        graph.bodies.push(rebuilt);
        if i == 0 {
            let here = |value: &Value| places.get(value).copied().unwrap_or(*value);
            graph.outputs = of.outputs.iter().map(|(name, value)| (name.clone(), here(value))).collect();
            graph.grads = of.grads.iter().map(|(id, value)| (*id, here(value))).collect();
        }
    }
    graph
}

/// A body with other nodes, and where each of its values is now.
fn rebuilt_body(body: &Body, place: &impl Fn(&Op) -> Place) -> (Body, BTreeMap<Value, Value>) {
    let mut rebuilt = Body { arguments: body.arguments.clone(), ..Body::default() };
    let mut places: BTreeMap<Value, Value> = BTreeMap::new();
    for (index, node) in body.nodes() {
        let inputs: Vec<Value> = body.inputs(index).iter().filter_map(|value| places.get(value).copied()).collect();
        match place(&node.op) {
            Place::Nowhere => {}
            Place::Input => {
                places.extend(inputs.first().map(|x| (Value { node: index, port: 0 }, *x)));
            }
            Place::Node(op) => {
                let here = rebuilt.add(Node { op, ..node.clone() }, &inputs);
                let ports = (0..node.types.len()).map(|port| port as u16);
                places.extend(ports.map(|port| (Value { node: index, port }, Value { node: here, port })));
            }
        }
    }
    rebuilt.results = body.results.iter().filter_map(|value| places.get(value).copied()).collect();
    (rebuilt, places)
}
