//! Reverse-mode differentiation of graphs, regions included.
//!
//! Every operation says how cotangents flow through it ([`Operation::vjp`]); this file walks a body
//! backwards and adds up what arrives at each value. `region.rs` turns a `repeat` into a `repeat`
//! that runs the other way. Work and size depend on the bodies, not on their counts.
//!
//! [`Operation::vjp`]: crate::graph::ops::Operation::vjp

mod builder;
mod region;

use super::ops::Mismatch;
use super::{Elem, Graph, ListOp, Op, ParamId, Type, Value};
use crate::base::Span;
use builder::{Builder, Forward, invalid, is_float};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Cotangents of parameters: the value that holds the sum, by parameter.
pub(super) type ParamGrads = BTreeMap<ParamId, Value>;

/// What an operation's vjp works with: its own inputs and outputs, and a way to add nodes.
pub struct Vjp<'a> {
    builder: &'a mut Builder,
    forward: &'a Forward,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    input_types: Vec<Type>,
    output_types: Vec<Type>,
    mark: Mark,
}

/// Where backward nodes say they come from.
#[derive(Clone, Default)]
struct Mark {
    span: Option<Span>,
    scope: String,
}

impl Vjp<'_> {
    /// The forward input, as a value the backward pass can read.
    pub fn input(&mut self, i: usize) -> Value {
        let value = self.inputs.get(i).copied().unwrap_or_else(invalid);
        self.builder.bring(self.forward, value)
    }

    /// The forward output, as a value the backward pass can read.
    pub fn output(&mut self, i: usize) -> Value {
        let value = self.outputs.get(i).copied().unwrap_or_else(invalid);
        self.builder.bring(self.forward, value)
    }

    pub fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    pub fn input_type(&self, i: usize) -> &Type {
        self.input_types.get(i).unwrap_or(&self.builder.nothing)
    }

    /// The cotangent of output `i` in the output's own precision, if there is one.
    pub fn cotangent(&mut self, cotangents: &[Option<Value>], i: usize) -> Option<Value> {
        let value = (*cotangents.get(i)?)?;
        let elem = self.output_types.get(i)?.elem;
        Some(self.builder.in_elem(value, elem, &self.mark))
    }

    /// Adds a node and gives its outputs.
    pub fn emit(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Vec<Value> {
        self.builder.emit(op.into(), inputs, &self.mark)
    }
}

/// Extends the root body with the gradient of `loss` (a `weighted_sum`).
///
/// Assumes a valid graph. Guarantees: the forward values keep their places, region nodes gain
/// output ports at the end, and every parameter that the loss reaches has a wide gradient, a list
/// over its indices where it lives in a region.
pub(super) fn differentiate(graph: &mut Graph, loss: Value) -> Result<ParamGrads, Mismatch> {
    let Some(root) = graph.body(Graph::ROOT).cloned() else { return Ok(ParamGrads::new()) };
    let mut forward =
        Forward { body: root.clone(), same_body: true, depth: 0, n_carried: 0, n_invariant: 0, takes: vec![] };
    let mut builder = Builder::of(root);
    // The cotangent of the loss is 1; `weighted_sum` needs to know only that it is asked.
    let seeds = BTreeMap::from([(loss, loss)]);
    let (_, grads) = walk(graph, &mut forward, &mut builder, seeds)?;
    if let Some(root) = graph.bodies.get_mut(0) {
        *root = builder.body;
    }
    Ok(grads)
}

/// Walks a body backwards. Gives cotangents of its arguments by index, and of its parameters.
fn walk(
    graph: &mut Graph,
    forward: &mut Forward,
    builder: &mut Builder,
    mut cotangents: BTreeMap<Value, Value>,
) -> Result<(BTreeMap<usize, Value>, ParamGrads), Mismatch> {
    let mut arguments = BTreeMap::new();
    let mut params = ParamGrads::new();
    let mut order: Vec<NodeIndex> = forward.body.dag.node_indices().collect();
    order.reverse();
    for index in order {
        let Some(node) = forward.body.node(index).cloned() else { continue };
        let outputs: Vec<Value> = (0..node.types.len()).map(|p| Value { node: index, port: p as u16 }).collect();
        let arriving: Vec<Option<Value>> = outputs.iter().map(|v| cotangents.remove(v)).collect();
        if arriving.iter().all(Option::is_none) {
            continue;
        }
        let mark = Mark { span: node.span, scope: node.scope.clone() };
        let inputs = forward.body.inputs(index);
        let leaving = match &node.op {
            Op::Input(_) => continue,
            Op::Argument(i) => {
                if let Some(Some(value)) = arriving.first() {
                    arguments.insert(*i, *value);
                }
                continue;
            }
            Op::Param(id) => {
                if let Some(Some(value)) = arriving.first() {
                    let value = builder.in_elem(*value, Elem::Wide, &mark);
                    add_param_grad(builder, &mut params, *id, value, &mark);
                }
                continue;
            }
            Op::Repeat(region) => {
                let (leaving, from_region) =
                    region::differentiate_region(graph, forward, builder, index, region, &inputs, &arriving, &mark)?;
                for (id, value) in from_region {
                    add_param_grad(builder, &mut params, id, value, &mark);
                }
                leaving
            }
            Op::List(op) => {
                let elem = node.types.first().map_or(Elem::Wide, |ty| ty.elem);
                let cotangent = arriving.first().copied().flatten().map(|dy| builder.in_elem(dy, elem, &mark));
                let n = inputs.first().and_then(|v| forward.body.type_of(*v)).and_then(|t| t.list.first());
                cotangent.map_or(vec![], |dy| list_vjp(builder, op, n.copied().unwrap_or(0), dy, &mark))
            }
            op => {
                let Some(operation) = op.operation() else { continue };
                let input_types =
                    inputs.iter().map(|v| forward.body.type_of(*v).cloned().unwrap_or_default()).collect();
                let mut cx = Vjp {
                    builder: &mut *builder,
                    forward,
                    inputs: inputs.clone(),
                    outputs: outputs.clone(),
                    input_types,
                    output_types: node.types.clone(),
                    mark: mark.clone(),
                };
                operation.vjp(&mut cx, &arriving)
            }
        };
        for (input, value) in inputs.iter().zip(leaving) {
            let differentiable = forward.body.type_of(*input).is_some_and(is_float);
            if let (Some(value), true) = (value, differentiable) {
                let value = cotangents.get(input).map_or(value, |sum| builder.sum(*sum, value, &mark));
                cotangents.insert(*input, value);
            }
        }
        if let Some(failure) = builder.failure.take() {
            return Err(failure);
        }
    }
    Ok((arguments, params))
}

/// A parameter may be read in several places.
fn add_param_grad(builder: &mut Builder, params: &mut ParamGrads, id: ParamId, value: Value, mark: &Mark) {
    let value = params.get(&id).map_or(value, |sum| builder.sum(*sum, value, mark));
    params.insert(id, value);
}

/// The cotangents of a list operation's inputs: lists of `n`, or an element.
fn list_vjp(builder: &mut Builder, op: &ListOp, n: u64, dy: Value, mark: &Mark) -> Vec<Option<Value>> {
    let mut one = |op: ListOp, of: Value| builder.list(op, &[of], mark);
    let value = match op {
        ListOp::Pick { index } => one(ListOp::Place { index: *index, count: n }, dy),
        ListOp::Place { index, .. } => one(ListOp::Pick { index: *index }, dy),
        ListOp::Gather { table } => one(ListOp::Scatter { table: table.clone(), count: n }, dy),
        ListOp::Scatter { table, .. } => one(ListOp::Gather { table: table.clone() }, dy),
        ListOp::Copies { count } => {
            let sum = one(ListOp::Scatter { table: vec![0; *count as usize], count: 1 }, dy);
            one(ListOp::Pick { index: 0 }, sum)
        }
        ListOp::Sum => return vec![Some(dy), Some(dy)],
    };
    vec![Some(value)]
}
