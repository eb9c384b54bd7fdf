//! The two bodies of a differentiation: the one that is differentiated and the one that backward
//! nodes are added to.

use super::Mark;
use crate::graph::ops::{Mismatch, add::Add, cast::Cast, zeros_like::ZerosLike};
use crate::graph::{Body, Elem, ListOp, Node, Op, Type, Value};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Stands in for a value after an internal inconsistency, which `Builder::failure` then holds.
pub(super) fn invalid() -> Value {
    Value { node: NodeIndex::end(), port: 0 }
}

/// The body that is being differentiated.
pub(super) struct Forward {
    pub body: Body,
    /// Whether the backward nodes go into the same body (the root) or a body of their own (a region).
    pub same_body: bool,
    /// Regions around it.
    pub depth: usize,
    pub n_carried: usize,
    pub n_invariant: usize,
    /// The region's mapped lists that this body takes an element of, in the order of its arguments.
    pub takes: Vec<usize>,
}

/// Which argument of a backward region body a value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Carried(usize),
    Invariant(usize),
    Mapped(usize),
}

/// The body that backward nodes are added to.
#[derive(Default)]
pub(super) struct Builder {
    pub body: Body,
    /// Forward values already brought here.
    brought: BTreeMap<Value, Value>,
    /// Argument nodes made so far; their indices are settled when all are known.
    arguments: Vec<(Role, NodeIndex, Type)>,
    /// Forward values that the forward body has to collect, in order of first use.
    pub saved: Vec<Value>,
    /// Mapped lists of the backward region before the saved ones.
    pub n_mapped_fixed: usize,
    pub nothing: Type,
    /// The first internal inconsistency; a sound graph gives none.
    pub failure: Option<Mismatch>,
}

impl Default for Type {
    fn default() -> Type {
        Type::wide([])
    }
}

impl Builder {
    /// A builder that adds to this body.
    pub fn of(body: Body) -> Builder {
        Builder { body, ..Builder::default() }
    }

    pub fn emit(&mut self, op: Op, inputs: &[Value], mark: &Mark) -> Vec<Value> {
        let types: Vec<Type> = inputs.iter().map(|v| self.type_of(*v)).collect();
        let types: Vec<&Type> = types.iter().collect();
        let types = op.infer(&types).unwrap_or_else(|mismatch| {
            self.failure.get_or_insert(mismatch);
            vec![]
        });
        self.add(op, inputs, types, mark)
    }

    /// As [`Builder::emit`], for operations of one result.
    pub fn emit_one(&mut self, op: impl Into<Op>, inputs: &[Value], mark: &Mark) -> Value {
        self.emit(op.into(), inputs, mark).first().copied().unwrap_or_else(invalid)
    }

    pub fn list(&mut self, op: ListOp, inputs: &[Value], mark: &Mark) -> Value {
        self.emit_one(Op::List(op), inputs, mark)
    }

    pub fn add(&mut self, op: Op, inputs: &[Value], types: Vec<Type>, mark: &Mark) -> Vec<Value> {
        if inputs.iter().any(|v| self.body.node(v.node).is_none()) {
            self.failure.get_or_insert(Mismatch(format!("{} reads a value that does not exist", op.name())));
            return vec![];
        }
        let n = types.len();
        let node = self.body.add(Node { op, span: mark.span, scope: mark.scope.clone(), types }, inputs);
        (0..n).map(|port| Value { node, port: port as u16 }).collect()
    }

    pub fn argument(&mut self, role: Role, ty: Type) -> Value {
        if let Some((_, node, _)) = self.arguments.iter().find(|(r, ..)| *r == role) {
            return Value { node: *node, port: 0 };
        }
        let made = self.add(Op::Argument(0), &[], vec![ty.clone()], &Mark::default());
        let value = made.first().copied().unwrap_or_else(invalid);
        self.arguments.push((role, value.node, ty));
        value
    }

    /// Gives the arguments their places, in the order of their roles.
    pub fn settle_arguments(&mut self) {
        let mut arguments = std::mem::take(&mut self.arguments);
        arguments.sort_by_key(|(role, ..)| *role);
        for (position, (_, node, ty)) in arguments.into_iter().enumerate() {
            if let Some(node) = self.body.dag.node_weight_mut(node) {
                node.op = Op::Argument(position);
            }
            self.body.arguments.push(ty);
        }
    }

    /// A forward value where the backward nodes can read it. In a region that means: parameters and
    /// inputs are read again, invariants are passed again, all else is collected by the forward body.
    pub fn bring(&mut self, forward: &Forward, value: Value) -> Value {
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
            Op::Argument(i) if *i >= invariant_end => match forward.takes.get(i - invariant_end) {
                Some(list) => self.argument(Role::Mapped(*list), ty),
                None => invalid(),
            },
            _ => {
                self.saved.push(value);
                self.argument(Role::Mapped(self.n_mapped_fixed + self.saved.len() - 1), ty)
            }
        };
        self.brought.insert(value, here);
        here
    }

    pub fn type_of(&self, value: Value) -> Type {
        self.body.type_of(value).cloned().unwrap_or_default()
    }

    pub fn in_elem(&mut self, value: Value, elem: Elem, mark: &Mark) -> Value {
        if self.type_of(value).elem == elem {
            return value;
        }
        self.emit_one(Cast { wide: elem == Elem::Wide }, &[value], mark)
    }

    /// `a + b`; of different precisions, the wider. Lists add up element by element.
    pub fn sum(&mut self, a: Value, b: Value, mark: &Mark) -> Value {
        let elem = if self.type_of(a).elem == self.type_of(b).elem { self.type_of(a).elem } else { Elem::Wide };
        let (a, b) = (self.in_elem(a, elem, mark), self.in_elem(b, elem, mark));
        if self.type_of(a).list.is_empty() {
            self.emit_one(Add::default(), &[a, b], mark)
        } else {
            self.list(ListOp::Sum, &[a, b], mark)
        }
    }

    /// Zeros of a value's type, lists included.
    pub fn zeros_like(&mut self, value: Value, mark: &Mark) -> Value {
        let lengths = self.type_of(value).list;
        let element = lengths.iter().fold(value, |v, _| self.list(ListOp::Pick { index: 0 }, &[v], mark));
        let zero = self.emit_one(ZerosLike, &[element], mark);
        lengths.iter().rev().fold(zero, |v, count| self.list(ListOp::Copies { count: *count }, &[v], mark))
    }
}

pub(super) fn is_float(ty: &Type) -> bool {
    !matches!(ty.elem, Elem::Index { .. })
}
