//! From logits to loss, and from loss to gradients.

use super::ops::{Input, Mismatch, mixture::Mixture, nll::Nll, weighted_sum::WeightedSum};
use super::rewrite::without_dropout;
use super::validate::{Invalid, validate};
use super::vjp::differentiate;
use super::{Dim, Elem, Graph, Node, Op, Type, ValidGraph, Value};
use crate::objective::Loss;

#[derive(Clone, Debug, thiserror::Error)]
pub enum TrainingError {
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    #[error("the training graph is unsound: {0:?}")]
    Invalid(Vec<Invalid>),
}

/// The loss graph: outputs `loss` (scalar) and `nll` (`[B, T]`, nats), without a backward pass or
/// dropout.
///
/// Assumes the model's output `logits`. `live` ids can be predicted; see [`Nll`]. Of [`Loss::Mixture`], whose loss
/// is no likelihood of one token, `nll` is the loss of a position all the same.
pub fn loss_graph(model: &ValidGraph, live: u64, loss: Loss) -> Result<ValidGraph, TrainingError> {
    let mut graph = without_dropout(model).graph().clone();
    add_loss(&mut graph, live, loss)?;
    validate(graph).map_err(TrainingError::Invalid)
}

/// The training graph: outputs `loss` and `nll`, and the gradient of every parameter that the loss
/// reaches (a list for a parameter of a region). Gradients are wide.
pub fn training_graph(model: &ValidGraph, live: u64, loss: Loss) -> Result<ValidGraph, TrainingError> {
    differentiated(&with_loss(model, live, loss)?)
}

/// As [`loss_graph`], with the model's dropout: what is differentiated.
pub fn with_loss(model: &ValidGraph, live: u64, loss: Loss) -> Result<ValidGraph, TrainingError> {
    let mut graph = model.graph().clone();
    add_loss(&mut graph, live, loss)?;
    validate(graph).map_err(TrainingError::Invalid)
}

/// A graph with the output `loss`, and the gradient of every parameter that it reaches.
pub fn differentiated(of: &ValidGraph) -> Result<ValidGraph, TrainingError> {
    let mut graph = of.graph().clone();
    let loss = graph.output("loss").ok_or_else(|| Mismatch("a graph without a loss".into()))?;
    graph.grads = differentiate(&mut graph, loss)?.into_iter().collect();
    validate(graph).map_err(TrainingError::Invalid)
}

fn add_loss(graph: &mut Graph, live: u64, loss: Loss) -> Result<(), Mismatch> {
    let logits = graph.output("logits").ok_or_else(|| Mismatch("a model without logits".into()))?;
    let rows = [Dim::Batch, Dim::Time];
    let read = tokens_type(graph).unwrap_or_else(|| Type::new(Elem::Index { cardinality: live }, rows));
    let Some(root) = graph.bodies.first_mut() else { return Err(Mismatch("a graph without a root".into())) };
    let mut input = |input: Input, ty: Type| {
        let node = Node { op: Op::Input(input), span: None, scope: "loss".into(), types: vec![ty] };
        Value { node: root.add(node, &[]), port: 0 }
    };
    let targets = input(Input::Targets, Type::new(Elem::Index { cardinality: live }, rows));
    let weights = input(Input::Weights, Type::wide(rows));
    let noise = match loss {
        Loss::CrossEntropy => None,
        Loss::Mixture => Some([
            input(Input::Tokens, read),
            input(Input::Alpha, Type::wide([Dim::Batch])),
            input(Input::Uniform, Type::wide([Dim::Batch])),
        ]),
    };
    let mut op = |op: Op, inputs: &[Value]| -> Result<Value, Mismatch> {
        let types: Vec<Type> = inputs.iter().map(|v| root.type_of(*v).cloned().unwrap_or_default()).collect();
        let types = op.infer(&types.iter().collect::<Vec<_>>())?;
        Ok(Value { node: root.add(Node { op, span: None, scope: "loss".into(), types }, inputs), port: 0 })
    };
    let nll = match noise {
        None => op(Nll { live }.into(), &[logits, targets])?,
        Some([tokens, alpha, uniform]) => op(Mixture { live }.into(), &[logits, targets, tokens, alpha, uniform])?,
    };
    let loss = op(WeightedSum.into(), &[nll, weights])?;
    graph.outputs = vec![("loss".into(), loss), ("nll".into(), nll)];
    Ok(())
}

/// As what the model reads tokens, so that they are one input.
fn tokens_type(graph: &Graph) -> Option<Type> {
    let nodes = graph.bodies.iter().flat_map(|body| body.dag.node_weights());
    nodes.filter(|node| node.op == Op::Input(Input::Tokens)).find_map(|node| node.types.first().cloned())
}
