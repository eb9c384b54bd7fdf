//! Gated activations: `f(gate) * up` in one operation, forward and backward. The activated gate is neither stored
//! nor read again.
//!
//! Assumes a graph without a backward pass. Guarantees the same outputs; in bf16 the product is rounded once, not
//! twice.

use super::rebuild::{Rebuild, users};
use crate::graph::ops::Mismatch;
use crate::graph::ops::activation::Function;
use crate::graph::ops::add::Second;
use crate::graph::ops::gated::Gated;
use crate::graph::{Body, Graph, Node, Op, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

pub fn fuse_gates(graph: &mut Graph) -> Result<(), Mismatch> {
    let outputs: BTreeSet<Value> = graph.outputs.iter().map(|(_, value)| *value).collect();
    for i in 0..graph.bodies.len() {
        let Some(body) = graph.bodies.get(i).cloned() else { continue };
        let named = if i == 0 { outputs.clone() } else { BTreeSet::new() };
        let gates = gates(&body, &named);
        if gates.is_empty() {
            continue;
        }
        let (fused, places) = fused(&body, &gates)?;
        if i == 0 {
            let here = |value: &Value| places.get(value).copied().unwrap_or(*value);
            graph.outputs.iter_mut().for_each(|(_, value)| *value = here(value));
        }
        if let Some(slot) = graph.bodies.get_mut(i) {
            *slot = fused;
        }
    }
    Ok(())
}

/// A product with an activation that nobody else reads.
struct Gate {
    activation: NodeIndex,
    function: Function,
    gate: Value,
    up: Value,
}

/// By product.
fn gates(body: &Body, named: &BTreeSet<Value>) -> BTreeMap<NodeIndex, Gate> {
    let users = users(body);
    let mut found: BTreeMap<NodeIndex, Gate> = BTreeMap::new();
    for (index, node) in body.nodes() {
        let (Op::Mul(mul), &[a, b]) = (&node.op, body.inputs(index).as_slice()) else { continue };
        if mul.second != Second::Last || body.type_of(a) != body.type_of(b) {
            continue;
        }
        let activation = |value: Value| match body.node(value.node).map(|n| &n.op) {
            Some(Op::Activation(activation)) => Some(activation.function),
            _ => None,
        };
        let alone = |value: Value| {
            users.get(&value).is_some_and(|by| by.len() == 1)
                && !body.results.contains(&value)
                && !named.contains(&value)
        };
        for (activated, up) in [(a, b), (b, a)] {
            if let Some(function) = activation(activated)
                && alone(activated)
                && let [gate] = body.inputs(activated.node)[..]
            {
                found.insert(index, Gate { activation: activated.node, function, gate, up });
                break;
            }
        }
    }
    found
}

fn fused(body: &Body, gates: &BTreeMap<NodeIndex, Gate>) -> Result<(Body, BTreeMap<Value, Value>), Mismatch> {
    let gone: BTreeSet<NodeIndex> = gates.values().map(|gate| gate.activation).collect();
    let mut rebuild = Rebuild::of(body);
    for (index, node) in body.nodes() {
        match gates.get(&index) {
            Some(gate) => emit(&mut rebuild, index, node, gate)?,
            None if gone.contains(&index) => {}
            None => rebuild.copy(index, node)?,
        }
    }
    rebuild.finish()
}

fn emit(rebuild: &mut Rebuild<'_>, index: NodeIndex, node: &Node, gate: &Gate) -> Result<(), Mismatch> {
    let place = |rebuild: &Rebuild<'_>, value| rebuild.place(value).ok_or_else(|| Mismatch("the gate is gone".into()));
    let inputs = [place(rebuild, gate.gate)?, place(rebuild, gate.up)?];
    let here = rebuild.emit(Gated { function: gate.function }, &inputs, node)?;
    rebuild.put_all(index, here, 1);
    Ok(())
}
