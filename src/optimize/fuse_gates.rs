//! Gated activations: `f(gate) * up` in one operation, forward and backward. The activated gate is neither stored
//! nor read again.
//!
//! Assumes a graph without a backward pass. Guarantees the same outputs; in bf16 the product is rounded once, not
//! twice.

use super::rebuild::{Alone, over_bodies};
use crate::graph::ops::Mismatch;
use crate::graph::ops::activation::Function;
use crate::graph::ops::add::Second;
use crate::graph::ops::gated::Gated;
use crate::graph::{Body, Graph, Op, Value};
use petgraph::graph::NodeIndex;

/// A product with an activation that nobody else reads.
struct Gate {
    product: NodeIndex,
    activation: NodeIndex,
    function: Function,
    up: Value,
}

pub fn fuse_gates(graph: &mut Graph) -> Result<(), Mismatch> {
    over_bodies(graph, gates, |rebuild, gates, index, node| {
        if gates.iter().any(|gate| gate.activation == index) {
            return Ok(());
        }
        let Some(gate) = gates.iter().find(|gate| gate.product == index) else { return rebuild.copy(index, node) };
        let mut inputs = rebuild.inputs(gate.activation)?;
        inputs.push(rebuild.placed(gate.up)?);
        let here = rebuild.emit(Gated { function: gate.function }, &inputs, node)?;
        rebuild.put_all(index, here, 1);
        Ok(())
    })
}

fn gates(body: &Body, alone: &Alone<'_>) -> Vec<Gate> {
    let mut found: Vec<Gate> = vec![];
    for (product, node) in body.nodes() {
        let (Op::Mul(mul), &[a, b]) = (&node.op, body.inputs(product).as_slice()) else { continue };
        if mul.second != Second::Last || body.type_of(a) != body.type_of(b) {
            continue;
        }
        let gate = |activated: Value, up: Value| match body.node(activated.node).map(|n| &n.op) {
            Some(Op::Activation(activation)) if alone.reader(activated) == Some(product) => {
                Some(Gate { product, activation: activated.node, function: activation.function, up })
            }
            _ => None,
        };
        found.extend(gate(a, b).or_else(|| gate(b, a)));
    }
    found
}
