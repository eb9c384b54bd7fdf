//! Bodies under construction: nodes, parameters, and values from enclosing bodies.

use super::{
    BodyId, Builder, Diagnostic, Dim, Elem, Init, Input, MAX_NODES, MAX_PARAM_ELEMENTS, Op, Param, ParamId, Span,
    Tensor, Type, Value, code,
};
use crate::base::number::grouped;
use crate::graph::{Body, Indices, Node};
use std::collections::BTreeMap;

/// A body being built. The innermost is last in `Builder::frames`.
#[derive(Default)]
pub(super) struct Frame {
    pub body: Body,
    pub n_carried: usize,
    /// Values of the enclosing body that this one reads, in argument order after the carried ones.
    pub invariants: Vec<Value>,
    pub imported: BTreeMap<Value, Value>,
    pub inputs: BTreeMap<Input, Value>,
    /// Iterations of the region this is the body of; absent for the root.
    pub count: Option<u64>,
}

impl Builder<'_> {
    /// Whether there is room for one more node or call; says once that there is not.
    pub(super) fn step(&mut self, span: Span) -> bool {
        self.n_steps += 1;
        if self.n_steps == MAX_NODES + 1 {
            self.report(
                Diagnostic::error(
                    code::TOO_MANY,
                    format!("the model has more than {} nodes and calls", grouped(MAX_NODES as u64)),
                )
                .at(span, "this one is too many")
                .help("use `repeat` for layers that are alike"),
            );
        }
        self.n_steps <= MAX_NODES
    }

    pub(super) fn add(&mut self, op: Op, inputs: &[Value], types: Vec<Type>, span: Span) -> Option<Value> {
        if !self.step(span) {
            return None;
        }
        let scope = self.scope.join(".");
        let frame = self.frames.last_mut()?;
        let node = frame.body.add(Node { op, span: Some(span), scope, types }, inputs);
        Some(Value { node, port: 0 })
    }

    pub(super) fn type_of(&self, tensor: &Tensor) -> Type {
        self.frames.get(tensor.frame).and_then(|f| f.body.type_of(tensor.value)).cloned().unwrap_or_default()
    }

    /// The tensor as a value of the innermost body: values from outside become invariant arguments.
    pub(super) fn here(&mut self, tensor: &Tensor) -> Value {
        let mut value = tensor.value;
        for depth in tensor.frame + 1..self.frames.len() {
            let ty = self.frames.get(depth - 1).and_then(|f| f.body.type_of(value)).cloned().unwrap_or_default();
            let Some(frame) = self.frames.get_mut(depth) else { break };
            value = match frame.imported.get(&value) {
                Some(here) => *here,
                None => {
                    let index = frame.n_carried + frame.invariants.len();
                    let node =
                        Node { op: Op::Argument(index), span: None, scope: String::new(), types: vec![ty.clone()] };
                    let here = Value { node: frame.body.add(node, &[]), port: 0 };
                    frame.body.arguments.push(ty);
                    frame.invariants.push(value);
                    frame.imported.insert(value, here);
                    here
                }
            };
        }
        value
    }

    /// An input of the batch, read in the innermost body.
    pub(super) fn input(&mut self, input: Input, span: Span) -> Tensor {
        let ty = match input {
            Input::Tokens => Type::new(Elem::Index { cardinality: self.inputs.vocab }, [Dim::Batch, Dim::Time]),
            Input::Positions => Type::new(Elem::Index { cardinality: self.inputs.seq }, [Dim::Time]),
            Input::Targets | Input::Weights => Type::wide([Dim::Batch, Dim::Time]),
            Input::NoiseLevel => Type::wide([Dim::Batch]),
        };
        let depth = self.frames.len() - 1;
        let mut value = Value { node: Default::default(), port: 0 };
        if let Some(frame) = self.frames.last_mut() {
            value = *frame.inputs.entry(input).or_insert_with(|| {
                let node = Node { op: Op::Input(input), span: None, scope: String::new(), types: vec![ty] };
                Value { node: frame.body.add(node, &[]), port: 0 }
            });
        }
        Tensor { frame: depth, value, span, width: None }
    }

    /// A new parameter at the current path, read in the innermost body.
    pub(super) fn param(&mut self, name: &str, shape: &[u64], init: Init, span: Span) -> Option<Tensor> {
        let path = self.scope.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".");
        if let Some((_, first)) = self.params.get(&path) {
            let first = *first;
            self.report(
                Diagnostic::error(code::PATH_COLLISION, format!("two parameters on the path `{path}`"))
                    .at(span, "the second is made here")
                    .also(first, "the first here")
                    .help("name one of the calls: `... as other`"),
            );
            return None;
        }
        let counts: Vec<u64> = self.frames.iter().filter_map(|f| f.count).collect();
        let elements = counts.iter().chain(shape).try_fold(1u64, |n, d| n.checked_mul(*d));
        self.n_elements = self.n_elements.saturating_add(elements.unwrap_or(u64::MAX));
        if self.n_elements > MAX_PARAM_ELEMENTS || shape.contains(&0) {
            self.report(
                Diagnostic::error(code::TOO_MANY, format!("the parameter `{path}` has the shape {shape:?}"))
                    .at(span, "empty, or the model is beyond 2^46 parameters"),
            );
            return None;
        }
        let id = ParamId(self.graph.params.len() as u32);
        let indices = counts.into_iter().map(Indices::all).collect();
        self.graph.params.push(Param { path: path.clone(), indices, shape: shape.to_vec(), init, span: Some(span) });
        self.params.insert(path, (id, span));
        self.read_param(id, span)
    }

    /// A parameter that exists, read in the innermost body.
    pub(super) fn read_param(&mut self, id: ParamId, span: Span) -> Option<Tensor> {
        let shape: Vec<Dim> = self.graph.param(id)?.shape.iter().map(|n| Dim::Fixed(*n)).collect();
        let value = self.add(Op::Param(id), &[], vec![Type::compute(shape)], span)?;
        Some(Tensor { frame: self.frames.len() - 1, value, span, width: None })
    }

    /// Ends the innermost body, which becomes a body of the graph.
    pub(super) fn close_frame(&mut self) -> Option<(BodyId, Frame)> {
        let mut frame = self.frames.pop()?;
        let id = BodyId(self.graph.bodies.len() as u32);
        self.graph.bodies.push(std::mem::take(&mut frame.body));
        Some((id, frame))
    }
}
