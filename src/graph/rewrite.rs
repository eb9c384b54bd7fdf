//! Graphs made of other graphs, where a run needs a model otherwise than it was elaborated.

use super::ops::Input;
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
    let is_draw = |node: &Node| node.op == Op::Input(Input::Draw);
    let of = model.graph();
    if !of.bodies.iter().any(|body| body.nodes().any(|(_, node)| is_draw(node))) {
        return model.clone();
    }
    let mut graph = Graph { params: of.params.clone(), ..Graph::default() };
    for (i, body) in of.bodies.iter().enumerate() {
        let (rebuilt, places) = kept(body);
        graph.bodies.push(rebuilt);
        if i == 0 {
            let place = |value: &Value| places.get(value).copied().unwrap_or(*value);
            graph.outputs = of.outputs.iter().map(|(name, value)| (name.clone(), place(value))).collect();
            graph.grads = of.grads.iter().map(|(id, value)| (*id, place(value))).collect();
        }
    }
    ValidGraph::rewritten(graph)
}

/// A body without dropout, and where each of its values is now: a tensor of which elements were dropped is what it
/// was before.
fn kept(body: &Body) -> (Body, BTreeMap<Value, Value>) {
    let mut rebuilt = Body { arguments: body.arguments.clone(), ..Body::default() };
    let mut places: BTreeMap<Value, Value> = BTreeMap::new();
    for (index, node) in body.nodes() {
        let inputs: Vec<Value> = body.inputs(index).iter().filter_map(|value| places.get(value).copied()).collect();
        let op = match &node.op {
            Op::Input(Input::Draw) => continue,
            Op::Dropout(_) => {
                if let Some(x) = inputs.first() {
                    places.insert(Value { node: index, port: 0 }, *x);
                }
                continue;
            }
            Op::Attend(attend) => Op::Attend(super::ops::attend::Attend { drops: None, ..attend.clone() }),
            Op::AttendGrad(attend) => Op::AttendGrad(super::ops::attend::AttendGrad { drops: None, ..attend.clone() }),
            other => other.clone(),
        };
        let here = rebuilt.add(Node { op, ..node.clone() }, &inputs);
        for port in 0..node.types.len() as u16 {
            places.insert(Value { node: index, port }, Value { node: here, port });
        }
    }
    rebuilt.results = body.results.iter().filter_map(|value| places.get(value).copied()).collect();
    (rebuilt, places)
}
