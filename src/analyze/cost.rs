//! Floating-point operations. Three conventions are in use and differ by tens of percent, so each
//! number carries its name: 6ND without and with the head, and counted from the graph.

use super::params::ParamCount;
use crate::graph::{BodyId, DimSizes, Graph, Op, ValidGraph};

/// Counted FLOPs of one pass over a batch.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Cost {
    /// Matrix products, attention included.
    pub total: f64,
    pub attention: f64,
}

/// Counts the matrix products of a graph, a multiply-add as two. Cost grows with distinct bodies.
pub fn flops(valid: &ValidGraph, sizes: DimSizes) -> Cost {
    body_cost(valid, Graph::ROOT, sizes)
}

fn body_cost(valid: &ValidGraph, id: BodyId, sizes: DimSizes) -> Cost {
    let body = valid.body(id);
    let mut cost = Cost::default();
    for (index, node) in body.nodes() {
        match &node.op {
            Op::Repeat(region) => {
                for (body, n) in region.n_iterations() {
                    let one = body_cost(valid, body, sizes);
                    cost.total += n as f64 * one.total;
                    cost.attention += n as f64 * one.attention;
                }
            }
            op => {
                let inputs = body.inputs(index);
                let types: Vec<_> = inputs.iter().filter_map(|v| body.type_of(*v)).collect();
                let n = op.operation().map_or(0.0, |o| o.flops(&types, &node.types, sizes));
                cost.total += n;
                if matches!(op, Op::Attend(_) | Op::AttendGrad(_)) {
                    cost.attention += n;
                }
            }
        }
    }
    cost
}

/// Training FLOPs of a number of tokens in the three conventions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conventions {
    /// 6 x parameters without embedding x tokens: Kaplan et al. An untied head is no embedding; a tied one is.
    pub six_nd_without_head: f64,
    /// 6 x (parameters without embedding + head) x tokens: Hoffmann et al. count the head's product.
    pub six_nd_with_head: f64,
    /// Matrix products and attention of the training graph, forward and backward.
    pub counted: f64,
}

/// `training` is the training graph; `head` the parameters of the product that makes the logits; `read` what the model
/// reads for a sequence of `seq` tokens, which 6ND does not ask.
pub fn flops_conventions(
    training: &ValidGraph,
    params: ParamCount,
    head: u64,
    read: DimSizes,
    seq: u64,
    tokens: u64,
) -> Conventions {
    let body = params.without_embedding();
    // An untied head is among the parameters without embedding already.
    let untied = params.embedding + head <= params.total && has_own_head(training);
    let without = if untied { body - head } else { body };
    let per_sequence = flops(training, read);
    let n = tokens as f64;
    Conventions {
        six_nd_without_head: 6.0 * without as f64 * n,
        six_nd_with_head: 6.0 * (without + head) as f64 * n,
        counted: per_sequence.total * n / seq as f64,
    }
}

/// Whether the logits' weight is a parameter that no `embed` reads.
fn has_own_head(valid: &ValidGraph) -> bool {
    let body = valid.body(Graph::ROOT);
    let mut own = false;
    for (index, node) in body.nodes() {
        if matches!(node.op, Op::Nll(_) | Op::Mixture(_))
            && let Some(logits) = body.inputs(index).first()
            && let Some(weight) = body.inputs(logits.node).get(1)
            && let Some(Op::Param(id)) = body.node(weight.node).map(|n| &n.op)
        {
            own = !valid.graph().bodies.iter().any(|b| {
                b.nodes().any(|(i, n)| {
                    matches!(n.op, Op::Embed(_))
                        && b.inputs(i).first().and_then(|v| b.node(v.node)).is_some_and(|t| t.op == Op::Param(*id))
                })
            });
        }
    }
    own
}
