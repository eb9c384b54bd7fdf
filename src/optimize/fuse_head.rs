//! The head: logits, cross-entropy and weighted sum become [`HeadLoss`], which takes rows in chunks; and, with a
//! backward pass, [`HeadLoss`] and its gradient become [`HeadLossStep`], which makes each chunk's logits once.

use super::rebuild::{Rebuild, put_root, users};
use crate::graph::ops::Mismatch;
use crate::graph::ops::head_loss::{HeadLoss, HeadLossStep};
use crate::graph::{Body, Graph, Op, Value};
use petgraph::graph::NodeIndex;

/// The three nodes, where nobody else reads what lies between them.
struct Head {
    linear: NodeIndex,
    nll: NodeIndex,
    sum: NodeIndex,
    targets: Value,
    weights: Value,
    live: u64,
}

/// Assumes a loss graph without a backward pass. Guarantees the same `loss` and `nll`. Logits that come of more than
/// a product (a cap, a bias) stay as they are.
pub fn fuse_head(graph: &mut Graph) -> Result<(), Mismatch> {
    let Some(root) = graph.body(Graph::ROOT).cloned() else { return Ok(()) };
    let Some(head) = head(graph, &root) else { return Ok(()) };
    let mut rebuild = Rebuild::of(&root);
    for (index, node) in root.nodes() {
        // All in the place of the sum: the weights may come after the losses.
        if index == head.linear || index == head.nll {
            continue;
        }
        if index == head.sum {
            let mut inputs = rebuild.inputs(head.linear)?;
            inputs.extend([rebuild.placed(head.targets)?, rebuild.placed(head.weights)?]);
            let here = rebuild.emit(HeadLoss { live: head.live }, &inputs, node)?;
            rebuild.put(Value { node: index, port: 0 }, Value { node: here, port: 0 });
            rebuild.put(Value { node: head.nll, port: 0 }, Value { node: here, port: 1 });
            rebuild.put(Value { node: head.nll, port: 1 }, Value { node: here, port: 2 });
            continue;
        }
        rebuild.copy(index, node)?;
    }
    let (body, places) = rebuild.finish()?;
    put_root(graph, body, &places);
    Ok(())
}

fn head(graph: &Graph, root: &Body) -> Option<Head> {
    let users = users(root);
    let sum = graph.output("loss")?.node;
    matches!(root.node(sum)?.op, Op::WeightedSum(_)).then_some(())?;
    let &[nll, weights] = root.inputs(sum).as_slice() else { return None };
    let Op::Nll(op) = &root.node(nll.node)?.op else { return None };
    let &[logits, targets] = root.inputs(nll.node).as_slice() else { return None };
    matches!(root.node(logits.node)?.op, Op::Linear(_)).then_some(())?;
    let alone = users.get(&logits).is_some_and(|by| by.len() == 1);
    // Read before the sum, it could not come from there.
    let early = users.get(&nll).is_some_and(|by| by.iter().any(|user| *user < sum));
    let log_sums = users.contains_key(&Value { node: nll.node, port: 1 });
    let found = Head { linear: logits.node, nll: nll.node, sum, targets, weights, live: op.live };
    (alone && !early && !log_sums).then_some(found)
}

/// Assumes a training graph. Guarantees the same outputs and gradients.
pub fn join_head(graph: &mut Graph) -> Result<(), Mismatch> {
    let Some(root) = graph.body(Graph::ROOT).cloned() else { return Ok(()) };
    let is = |of: fn(&Op) -> bool| root.nodes().find(|(_, node)| of(&node.op)).map(|(index, _)| index);
    let forward = is(|op| matches!(op, Op::HeadLoss(_)));
    let backward = is(|op| matches!(op, Op::HeadLossGrad(_)));
    let (Some(forward), Some(backward)) = (forward, backward) else { return Ok(()) };
    if root.inputs(backward).get(..4) != root.inputs(forward).get(..4) {
        return Ok(());
    }
    let mut rebuild = Rebuild::of(&root);
    for (index, node) in root.nodes() {
        match &node.op {
            Op::HeadLoss(op) if index == forward => {
                let inputs = rebuild.inputs(index)?;
                let here = rebuild.emit(HeadLossStep { live: op.live }, &inputs, node)?;
                rebuild.put_all(index, here, node.types.len());
                for (old, new) in [(0, 3), (1, 4)] {
                    rebuild.put(Value { node: backward, port: old }, Value { node: here, port: new });
                }
            }
            _ if index == backward => {}
            _ => rebuild.copy(index, node)?,
        }
    }
    let (body, places) = rebuild.finish()?;
    put_root(graph, body, &places);
    Ok(())
}
