//! Projection fusion: products of the same features with several parameters become one, whose weights lie one after
//! the other (`ParamInstance::place`): queries, keys and values; gate and up. So do their gradients.
//!
//! Assumes a graph without a backward pass. Guarantees the same outputs; in bf16 the gradient of the features is
//! summed before it is rounded.

use super::rebuild::{Alone, over_bodies};
use crate::graph::ops::Mismatch;
use crate::graph::ops::linears::Linears;
use crate::graph::{Body, Graph, Op, Value};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// The products of one value, in order, and their weights.
struct Group {
    x: Value,
    products: Vec<NodeIndex>,
    weights: Vec<Value>,
}

pub fn fuse_projections(graph: &mut Graph) -> Result<(), Mismatch> {
    over_bodies(graph, groups, |rebuild, groups, index, node| {
        let Some(group) = groups.iter().find(|group| group.products.contains(&index)) else {
            // A weight that was needed early is there already.
            let early = rebuild.place(Value { node: index, port: 0 }).is_some();
            return if early { Ok(()) } else { rebuild.copy(index, node) };
        };
        if group.products.first() != Some(&index) {
            return Ok(());
        }
        let mut inputs = vec![rebuild.placed(group.x)?];
        for weight in &group.weights {
            if rebuild.place(*weight).is_none()
                && let Some(param) = rebuild.old.node(weight.node)
            {
                rebuild.copy(weight.node, param)?;
            }
            inputs.push(rebuild.placed(*weight)?);
        }
        let here = rebuild.emit(Linears, &inputs, node)?;
        for (port, product) in group.products.iter().enumerate() {
            rebuild.put(Value { node: *product, port: 0 }, Value { node: here, port: port as u16 });
        }
        Ok(())
    })
}

fn groups(body: &Body, _: &Alone<'_>) -> Vec<Group> {
    let mut by_input: BTreeMap<Value, Group> = BTreeMap::new();
    for (index, node) in body.nodes() {
        let (Op::Linear(_), &[x, weight]) = (&node.op, body.inputs(index).as_slice()) else { continue };
        // Parameters read nothing, so they can come earlier.
        if matches!(body.node(weight.node).map(|n| &n.op), Some(Op::Param(_))) {
            let group = by_input.entry(x).or_insert(Group { x, products: vec![], weights: vec![] });
            group.products.push(index);
            group.weights.push(weight);
        }
    }
    by_input.into_values().filter(|group| group.products.len() > 1).collect()
}
