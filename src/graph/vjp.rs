//! Reverse-mode differentiation of graphs, regions included.
//!
//! Every operation says how cotangents flow through it ([`Operation::vjp`]); this file walks a body
//! backwards, adds up what arrives at each value, and turns a `repeat` into a `repeat` that runs the
//! other way. The forward body of such a region is extended to collect what the backward body
//! reads, as lists over the index. Work and size depend on the bodies, not on their counts.

use super::ops::{Mismatch, cast::Cast, zeros_like::ZerosLike};
use super::{Body, BodyId, Elem, Graph, Node, Op, ParamId, Region, Run, Type, Value};
use crate::base::Span;
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

/// Stands in for a value after an internal inconsistency, which `Builder::failure` then holds.
fn invalid() -> Value {
    Value { node: NodeIndex::end(), port: 0 }
}

/// The body that is being differentiated.
struct Forward {
    body: Body,
    /// Whether the backward nodes go into the same body (the root) or a body of their own (a region).
    same_body: bool,
    n_carried: usize,
    n_invariant: usize,
}

/// Which argument of a backward region body a value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Carried(usize),
    Invariant(usize),
    Mapped(usize),
}

/// The body that backward nodes are added to.
#[derive(Default)]
struct Builder {
    body: Body,
    /// Forward values already brought here.
    brought: BTreeMap<Value, Value>,
    /// Argument nodes made so far; their indices are settled when all are known.
    arguments: Vec<(Role, NodeIndex, Type)>,
    /// Forward values that the forward body has to collect, in order of first use.
    saved: Vec<Value>,
    n_mapped_fixed: usize,
    nothing: Type,
    /// The first internal inconsistency; a sound graph gives none.
    failure: Option<Mismatch>,
}

impl Default for Type {
    fn default() -> Type {
        Type::wide([])
    }
}

impl Builder {
    fn emit(&mut self, op: Op, inputs: &[Value], mark: &Mark) -> Vec<Value> {
        let types: Vec<Type> = inputs.iter().map(|v| self.body.type_of(*v).cloned().unwrap_or_default()).collect();
        let inferred = match op.operation() {
            Some(operation) => operation.infer(&types.iter().collect::<Vec<_>>()),
            None => Err(Mismatch(format!("{} is structure", op.name()))),
        };
        let types = inferred.unwrap_or_else(|mismatch| {
            self.failure.get_or_insert(mismatch);
            vec![]
        });
        self.add(op, inputs, types, mark)
    }

    fn add(&mut self, op: Op, inputs: &[Value], types: Vec<Type>, mark: &Mark) -> Vec<Value> {
        if inputs.iter().any(|v| self.body.node(v.node).is_none()) {
            self.failure.get_or_insert(Mismatch(format!("{} reads a value that does not exist", op.name())));
            return vec![];
        }
        let n = types.len();
        let node = self.body.add(Node { op, span: mark.span, scope: mark.scope.clone(), types }, inputs);
        (0..n).map(|port| Value { node, port: port as u16 }).collect()
    }

    fn argument(&mut self, role: Role, ty: Type) -> Value {
        if let Some((_, node, _)) = self.arguments.iter().find(|(r, ..)| *r == role) {
            return Value { node: *node, port: 0 };
        }
        let made = self.add(Op::Argument(0), &[], vec![ty.clone()], &Mark::default());
        let value = made.first().copied().unwrap_or_else(invalid);
        self.arguments.push((role, value.node, ty));
        value
    }

    /// A forward value where the backward nodes can read it. In a region that means: parameters and
    /// inputs are read again, invariants are passed again, all else is collected by the forward body.
    fn bring(&mut self, forward: &Forward, value: Value) -> Value {
        if forward.same_body {
            return value;
        }
        if let Some(here) = self.brought.get(&value) {
            return *here;
        }
        let Some(node) = forward.body.node(value.node) else { return invalid() };
        let ty = node.types.get(value.port as usize).cloned().unwrap_or_default();
        let carried_end = forward.n_carried;
        let invariant_end = carried_end + forward.n_invariant;
        let here = match &node.op {
            Op::Param(_) | Op::Input(_) => {
                let mark = Mark { span: node.span, scope: node.scope.clone() };
                self.add(node.op.clone(), &[], vec![ty], &mark).first().copied().unwrap_or_else(invalid)
            }
            Op::Argument(i) if (carried_end..invariant_end).contains(i) => {
                self.argument(Role::Invariant(i - carried_end), ty)
            }
            Op::Argument(i) if *i >= invariant_end => self.argument(Role::Mapped(i - invariant_end), ty),
            _ => {
                self.saved.push(value);
                self.argument(Role::Mapped(self.n_mapped_fixed + self.saved.len() - 1), ty)
            }
        };
        self.brought.insert(value, here);
        here
    }

    fn type_of(&self, value: Value) -> Type {
        self.body.type_of(value).cloned().unwrap_or_default()
    }

    fn in_elem(&mut self, value: Value, elem: Elem, mark: &Mark) -> Value {
        if self.type_of(value).elem == elem {
            return value;
        }
        let wide = elem == Elem::Wide;
        self.emit(Cast { wide }.into(), &[value], mark).first().copied().unwrap_or_else(invalid)
    }

    /// `a + b`; of different precisions, the wider.
    fn sum(&mut self, a: Value, b: Value, mark: &Mark) -> Value {
        let elem = if self.type_of(a).elem == self.type_of(b).elem { self.type_of(a).elem } else { Elem::Wide };
        let (a, b) = (self.in_elem(a, elem, mark), self.in_elem(b, elem, mark));
        if !self.type_of(a).list.is_empty() {
            self.failure.get_or_insert(Mismatch("a parameter of a region is used by two regions".into()));
            return a;
        }
        self.emit(super::ops::add::Add.into(), &[a, b], mark).first().copied().unwrap_or_else(invalid)
    }

    fn zeros_like(&mut self, value: Value, mark: &Mark) -> Value {
        self.emit(ZerosLike.into(), &[value], mark).first().copied().unwrap_or_else(invalid)
    }
}

fn is_float(ty: &Type) -> bool {
    !matches!(ty.elem, Elem::Index { .. })
}

/// Extends the root body with the gradient of `loss` (a `weighted_sum`).
///
/// Assumes a valid graph. Guarantees: the forward values keep their places, region nodes gain
/// output ports at the end, and every parameter that the loss reaches has a wide gradient, a list
/// of them where the parameter lives in a region.
pub(super) fn differentiate(graph: &mut Graph, loss: Value) -> Result<ParamGrads, Mismatch> {
    let Some(root) = graph.body(Graph::ROOT).cloned() else { return Ok(ParamGrads::new()) };
    let mut forward = Forward { body: root.clone(), same_body: true, n_carried: 0, n_invariant: 0 };
    let mut builder = Builder { body: root, ..Builder::default() };
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
                    let value = params.get(id).map_or(value, |sum| builder.sum(*sum, value, &mark));
                    params.insert(*id, value);
                }
                continue;
            }
            Op::Repeat(region) => {
                let (leaving, from_region) =
                    differentiate_region(graph, forward, builder, index, region, &inputs, &arriving, &mark)?;
                for (id, value) in from_region {
                    let value = params.get(&id).map_or(value, |sum| builder.sum(*sum, value, &mark));
                    params.insert(id, value);
                }
                leaving
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

/// The reversed region of a region; see the file's text. Gives the cotangents of the region's
/// inputs and of the parameters used inside.
fn differentiate_region(
    graph: &mut Graph,
    outer: &mut Forward,
    builder: &mut Builder,
    node: NodeIndex,
    region: &Region,
    inputs: &[Value],
    arriving: &[Option<Value>],
    mark: &Mark,
) -> Result<(Vec<Option<Value>>, ParamGrads), Mismatch> {
    let [run] = region.runs.as_slice() else {
        return Err(Mismatch(format!("repeat `{}` has several bodies, which has no backward pass", region.label)));
    };
    let Some(body) = graph.body(run.body).cloned() else { return Err(Mismatch("a region without a body".into())) };
    let (n_carried, n_invariant) = (region.n_carried, region.n_invariant);
    let n_collected = body.results.len() - n_carried;
    let float_args = |range: std::ops::Range<usize>| -> Vec<usize> {
        range.filter(|i| body.arguments.get(*i).is_some_and(is_float)).collect()
    };
    let carried = float_args(0..n_carried);
    let invariant = float_args(n_carried..n_carried + n_invariant);
    let mapped = float_args(n_carried + n_invariant..body.arguments.len());
    // Collected results whose lists have a cotangent outside.
    let collected: Vec<usize> =
        (0..n_collected).filter(|i| arriving.get(n_carried + i).copied().flatten().is_some()).collect();

    // The backward body. Its arguments: cotangents of carried values and sums for invariants
    // (carried); the forward invariants (invariant); the forward mapped lists, cotangents of
    // collected lists and the saved lists (mapped).
    let mut inner_forward = Forward { body: body.clone(), same_body: false, n_carried, n_invariant };
    let mut inner = Builder { n_mapped_fixed: region.n_mapped + collected.len(), ..Builder::default() };
    let mut seeds: BTreeMap<Value, Value> = BTreeMap::new();
    let seed = |inner: &mut Builder, seeds: &mut BTreeMap<Value, Value>, of: Value, cotangent: Value| {
        let value = seeds.get(&of).map_or(cotangent, |sum| inner.sum(*sum, cotangent, mark));
        seeds.insert(of, value);
    };
    for (slot, i) in carried.iter().enumerate() {
        let ty = body.arguments.get(*i).cloned().unwrap_or_default();
        let cotangent = inner.argument(Role::Carried(slot), ty);
        if let Some(result) = body.results.get(*i) {
            seed(&mut inner, &mut seeds, *result, cotangent);
        }
    }
    for (slot, i) in collected.iter().enumerate() {
        if let Some(result) = body.results.get(n_carried + i) {
            let ty = body.type_of(*result).cloned().unwrap_or_default();
            let cotangent = inner.argument(Role::Mapped(region.n_mapped + slot), ty);
            seed(&mut inner, &mut seeds, *result, cotangent);
        }
    }
    let (argument_grads, param_grads) = walk(graph, &mut inner_forward, &mut inner, seeds)?;

    // Results: next cotangents of carried values, sums for invariants, sums for parameters of an
    // enclosing scope; then lists: cotangents of mapped elements, gradients of own parameters.
    let mut results = vec![];
    for i in &carried {
        let ty = body.arguments.get(*i).cloned().unwrap_or_default();
        let value = match argument_grads.get(i) {
            Some(value) => inner.in_elem(*value, ty.elem, mark),
            None => {
                let like = inner.argument(Role::Carried(results.len()), ty);
                inner.zeros_like(like, mark)
            }
        };
        results.push(value);
    }
    for i in &invariant {
        let ty = body.arguments.get(*i).cloned().unwrap_or_default();
        let sum = inner.argument(Role::Carried(results.len()), ty.clone());
        results.push(match argument_grads.get(i) {
            Some(value) => {
                let value = inner.in_elem(*value, ty.elem, mark);
                inner.sum(sum, value, mark)
            }
            None => sum,
        });
    }
    let depth_of = |id: &ParamId| graph.param(*id).map_or(0, |p| p.repeats.len());
    let own_depth = param_grads.keys().map(depth_of).max().unwrap_or(0);
    let region_depth = graph_depth(graph, run.body, own_depth);
    let (own, shared): (Vec<_>, Vec<_>) = param_grads.iter().partition(|(id, _)| depth_of(id) >= region_depth);
    for (_, value) in &shared {
        let ty = inner.type_of(**value);
        let sum = inner.argument(Role::Carried(results.len()), ty);
        results.push(inner.sum(sum, **value, mark));
    }
    let n_back_carried = results.len();
    let mut mapped_slots = vec![];
    for i in &mapped {
        if let Some(value) = argument_grads.get(i) {
            let ty = body.arguments.get(*i).cloned().unwrap_or_default();
            mapped_slots.push(*i);
            results.push(inner.in_elem(*value, ty.elem, mark));
        }
    }
    results.extend(own.iter().map(|(_, value)| **value));
    if let Some(failure) = inner.failure.take() {
        return Err(failure);
    }

    // Every fixed role becomes an argument, used or not, so that positions are plain arithmetic.
    for i in 0..n_invariant {
        let ty = body.arguments.get(n_carried + i).cloned().unwrap_or_default();
        inner.argument(Role::Invariant(i), ty);
    }
    for i in 0..region.n_mapped {
        let ty = body.arguments.get(n_carried + n_invariant + i).cloned().unwrap_or_default();
        inner.argument(Role::Mapped(i), ty);
    }
    let mut arguments = std::mem::take(&mut inner.arguments);
    arguments.sort_by_key(|(role, ..)| *role);
    for (position, (_, node, ty)) in arguments.iter().enumerate() {
        if let Some(node) = inner.body.dag.node_weight_mut(*node) {
            node.op = Op::Argument(position);
        }
        inner.body.arguments.push(ty.clone());
    }
    inner.body.results = results.clone();
    let saved = inner.saved.clone();
    let result_types: Vec<Type> = results.iter().map(|v| inner.type_of(*v)).collect();
    let back_id = BodyId(graph.bodies.len() as u32);
    graph.bodies.push(inner.body);

    // The forward body collects what the backward body reads; the region's node grows ports.
    let mut forward_body = inner_forward.body;
    let saved_types: Vec<Type> = saved.iter().map(|v| forward_body.type_of(*v).cloned().unwrap_or_default()).collect();
    forward_body.results.extend(&saved);
    if let Some(slot) = graph.bodies.get_mut(run.body.0 as usize) {
        *slot = forward_body;
    }
    let count = region.count();
    let first_saved_port = n_carried + n_collected;
    for body in [&mut outer.body, &mut builder.body] {
        // In a region `outer` and `builder` are different bodies, and only `outer` has the node.
        if let Some(grown) = body.dag.node_weight_mut(node)
            && matches!(&grown.op, Op::Repeat(r) if r == region)
            && grown.types.len() == first_saved_port
        {
            grown.types.extend(saved_types.iter().map(|t| t.listed(count)));
        }
    }

    // The reversed region, beside the backward nodes.
    let mut back_inputs = vec![];
    for i in &carried {
        let ty = body.arguments.get(*i).cloned().unwrap_or_default();
        back_inputs.push(match arriving.get(*i).copied().flatten() {
            Some(value) => builder.in_elem(value, ty.elem, mark),
            None => {
                let like = builder.bring(outer, inputs.get(*i).copied().unwrap_or_else(invalid));
                builder.zeros_like(like, mark)
            }
        });
    }
    for i in &invariant {
        let like = builder.bring(outer, inputs.get(*i).copied().unwrap_or_else(invalid));
        back_inputs.push(builder.zeros_like(like, mark));
    }
    for (id, _) in &shared {
        let shape: Vec<super::Dim> =
            graph.param(**id).map_or(vec![], |p| p.shape.iter().map(|n| super::Dim::Fixed(*n)).collect());
        let param = builder.add(Op::Param(**id), &[], vec![Type::compute(shape)], mark);
        let zero = builder.zeros_like(param.first().copied().unwrap_or_else(invalid), mark);
        back_inputs.push(builder.in_elem(zero, Elem::Wide, mark));
    }
    for i in n_carried..n_carried + n_invariant + region.n_mapped {
        back_inputs.push(builder.bring(outer, inputs.get(i).copied().unwrap_or_else(invalid)));
    }
    for i in &collected {
        back_inputs.extend(arriving.get(n_carried + i).copied().flatten());
    }
    for (i, _) in saved.iter().enumerate() {
        let value = Value { node, port: (first_saved_port + i) as u16 };
        back_inputs.push(builder.bring(outer, value));
    }
    let back = Region {
        label: region.label.clone(),
        runs: vec![Run { body: back_id, ..*run }],
        n_carried: n_back_carried,
        n_invariant,
        n_mapped: region.n_mapped + collected.len() + saved.len(),
        reversed: !region.reversed,
    };
    let types = result_types
        .iter()
        .enumerate()
        .map(|(i, t)| if i < n_back_carried { t.clone() } else { t.listed(count) })
        .collect();
    let outputs = builder.add(Op::Repeat(back), &back_inputs, types, mark);
    if let Some(failure) = builder.failure.take() {
        return Err(failure);
    }

    let mut leaving = vec![None; inputs.len()];
    let placed = carried.iter().chain(&invariant).enumerate().map(|(slot, i)| (*i, slot));
    let placed = placed.chain(mapped_slots.iter().enumerate().map(|(slot, i)| (*i, n_back_carried + slot)));
    for (i, output) in placed {
        if let Some(entry) = leaving.get_mut(i) {
            *entry = outputs.get(output).copied();
        }
    }
    let mut grads = ParamGrads::new();
    let first_shared = carried.len() + invariant.len();
    for (slot, (id, _)) in shared.iter().enumerate() {
        grads.extend(outputs.get(first_shared + slot).map(|v| (**id, *v)));
    }
    for (slot, (id, _)) in own.iter().enumerate() {
        grads.extend(outputs.get(n_back_carried + mapped_slots.len() + slot).map(|v| (**id, *v)));
    }
    Ok((leaving, grads))
}

/// How many regions enclose the nodes of a body, as its own parameters show; a body without
/// parameters of its own has only shared ones, which are all shallower.
fn graph_depth(graph: &Graph, body: BodyId, deepest_param: usize) -> usize {
    fn depth_below(graph: &Graph, at: BodyId, target: BodyId, depth: usize) -> Option<usize> {
        if at == target {
            return Some(depth);
        }
        let body = graph.body(at)?;
        body.nodes().find_map(|(_, node)| match &node.op {
            Op::Repeat(region) => region.runs.iter().find_map(|r| depth_below(graph, r.body, target, depth + 1)),
            _ => None,
        })
    }
    depth_below(graph, Graph::ROOT, body, 0).unwrap_or(deepest_param)
}
