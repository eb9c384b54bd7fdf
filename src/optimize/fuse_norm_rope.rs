//! QK-norm and rotary embedding: `rope(rms_norm(x, gain))` in one operation, forward and backward.
//!
//! Assumes a graph without a backward pass. Guarantees the same outputs; in bf16 the normed value is not rounded on
//! its own.

use super::rebuild::{Alone, over_bodies};
use crate::graph::ops::Mismatch;
use crate::graph::ops::norm_rope::NormRope;
use crate::graph::{Body, Graph, Op, Value};
use petgraph::graph::NodeIndex;

/// A turn of what a norm gives, which nobody else reads.
struct Turned {
    rope: NodeIndex,
    norm: NodeIndex,
    op: NormRope,
}

pub fn fuse_norm_rope(graph: &mut Graph) -> Result<(), Mismatch> {
    over_bodies(graph, turned, |rebuild, all, index, node| {
        if all.iter().any(|turned| turned.norm == index) {
            return Ok(());
        }
        let Some(turned) = all.iter().find(|turned| turned.rope == index) else { return rebuild.copy(index, node) };
        let (norm, rope) = (rebuild.inputs(turned.norm)?, rebuild.old.inputs(index));
        let [Some(x), Some(gain), Some(positions)] = [norm.first(), norm.get(1), rope.get(1)] else {
            return Err(Mismatch("a norm without a gain".into()));
        };
        let inputs = [*x, rebuild.placed(*positions)?, *gain];
        let here = rebuild.emit(turned.op.clone(), &inputs, node)?;
        rebuild.put_all(index, here, 1);
        Ok(())
    })
}

fn turned(body: &Body, alone: &Alone<'_>) -> Vec<Turned> {
    let mut found = vec![];
    for (rope, node) in body.nodes() {
        let (Op::Rope(turn), Some(normed)) = (&node.op, body.inputs(rope).first().copied()) else { continue };
        let Some(Op::RmsNorm(norm)) = body.node(normed.node).map(|n| &n.op) else { continue };
        let has_gain = body.inputs(normed.node).len() == 2;
        let is_alone = alone.reader(normed) == Some(rope) && alone.is_unread(Value { node: normed.node, port: 1 });
        if has_gain && is_alone && !turn.inverse {
            found.push(Turned { rope, norm: normed.node, op: NormRope { eps: norm.eps, base: turn.base } });
        }
    }
    found
}
