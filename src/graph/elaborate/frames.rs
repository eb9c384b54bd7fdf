//! Bodies under construction: nodes, and the values that come into them from outside.

use super::terms::TermId;
use super::{Builder, Diagnostic, Dim, Elem, Input, MAX_NODES, Op, Span, Tensor, Type, Value, code};
use crate::base::number::grouped;
use crate::graph::{Body, Node};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// A body being built. The innermost is last in `Builder::frames`.
#[derive(Default)]
pub(super) struct Frame {
    pub body: Body,
    /// Its argument nodes. Their numbers wait for the other bodies of the region, whose signature is one.
    pub arguments: Vec<(NodeIndex, Argument)>,
    /// Values of the enclosing body that this one reads, each once.
    pub imported: BTreeMap<Value, Value>,
    /// Names carried since an earlier index assigned them, which this body reads.
    pub late: BTreeMap<String, Value>,
    /// Elements of lists of the enclosing body, picked by the index; where each was.
    pub mapped: BTreeMap<(Value, TermId), (Value, Span)>,
    /// Elements of this body's own lists.
    pub picked: BTreeMap<(Value, u64), Value>,
    pub inputs: BTreeMap<Input, Value>,
}

/// What comes into a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Argument {
    /// The carried name of this number, of those that exist before the repeat.
    Carried(usize),
    /// A name that is carried since an earlier index assigned it.
    Late(String),
    /// A value of the enclosing body.
    Invariant(Value),
    /// An element of a list of the enclosing body, the one that the term picks.
    Mapped(Value, TermId),
}

impl Frame {
    pub fn argument(&mut self, argument: Argument, ty: Type) -> Value {
        // Numbered when the region is made.
        let node = Node { op: Op::Argument(0), span: None, scope: String::new(), types: vec![ty] };
        let node = self.body.add(node, &[]);
        self.arguments.push((node, argument));
        Value { node, port: 0 }
    }
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
        self.add_at(self.frames.len().checked_sub(1)?, op, inputs, types, span)
    }

    /// Adds a node to the body at a depth.
    pub(super) fn add_at(
        &mut self,
        depth: usize,
        op: Op,
        inputs: &[Value],
        types: Vec<Type>,
        span: Span,
    ) -> Option<Value> {
        if !self.step(span) {
            return None;
        }
        let scope = self.scope_at(depth);
        let frame = self.frames.get_mut(depth)?;
        let node = frame.body.add(Node { op, span: Some(span), scope, types }, inputs);
        Some(Value { node, port: 0 })
    }

    /// The scope of the body at a depth: a body around the current one has a shorter one.
    fn scope_at(&self, depth: usize) -> String {
        let scope = self.scope.iter().take_while(|part| part.level.is_none_or(|level| level < depth));
        scope.map(|part| part.text.as_str()).collect::<Vec<_>>().join(".")
    }

    /// A name in the scope of the innermost body.
    pub(super) fn path_here(&self, name: &str) -> String {
        let scope = self.scope_at(self.frames.len().saturating_sub(1));
        if scope.is_empty() { name.to_string() } else { format!("{scope}.{name}") }
    }

    pub(super) fn type_of(&self, tensor: &Tensor) -> Type {
        self.type_at(tensor.frame, tensor.value)
    }

    pub(super) fn type_at(&self, depth: usize, value: Value) -> Type {
        self.frames.get(depth).and_then(|f| f.body.type_of(value)).cloned().unwrap_or_default()
    }

    /// The tensor as a value of the innermost body: values from outside become invariant arguments.
    pub(super) fn here(&mut self, tensor: &Tensor) -> Value {
        self.value_at(tensor, self.frames.len().saturating_sub(1))
    }

    /// The tensor as a value of the body at a depth, which is its own or inside it.
    pub(super) fn value_at(&mut self, tensor: &Tensor, depth: usize) -> Value {
        let mut value = tensor.value;
        for depth in tensor.frame + 1..=depth {
            let ty = self.type_at(depth - 1, value);
            let Some(frame) = self.frames.get_mut(depth) else { break };
            value = match frame.imported.get(&value) {
                Some(here) => *here,
                None => {
                    let here = frame.argument(Argument::Invariant(value), ty);
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
            Input::Draw => Type::new(Elem::Index { cardinality: 1 << 32 }, [Dim::Fixed(3)]),
            Input::Rows => crate::graph::ops::gather_rows::rows_type(),
            Input::Places => crate::graph::ops::gather_rows::places_type(),
            Input::NoiseLevel | Input::Alpha | Input::Uniform => Type::wide([Dim::Batch]),
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
}
