//! The intermediate representation: tensor graphs with regions.
//!
//! # What a graph is
//! A [`Graph`] owns *bodies* and *parameters*. A [`Body`] is a directed acyclic graph (petgraph) of
//! [`Node`]s; an edge ([`Wire`]) goes from one output port of a node to one input port of another.
//! A [`Value`] names an output port. Nodes are added after the nodes they read, so index order is
//! an evaluation order and a cycle cannot be written down.
//!
//! # Regions
//! `repeat` stays one node, [`Op::Repeat`], whatever its count: it holds a run-length list of
//! (body, first index, count), in which a body may come back (A A A B A A A B). It is a scan. All
//! bodies have one signature; their arguments are, in this order,
//! - *carried*: given by the previous iteration (the first from outside),
//! - *invariant*: the same outside value in every iteration,
//! - *mapped*: an element of an outside list;
//!
//! their results are the next carried values, then *collected* values, of which the region's outputs
//! make lists. A `reversed` region visits the indices from last to first; its lists keep the order of
//! the indices.
//!
//! A list need not concern every body: [`Users`] says which take part, a list has elements for their
//! iterations alone, and the other bodies have no argument (no result) for it. So what only the
//! fourth layers save is saved four times less often.
//!
//! The backward pass of a region is a reversed region with a body for each body, so a pass costs the
//! same at 26 and at 2,600 layers. What a body's backward pass reads is collected by that body, in
//! lists of its own.
//!
//! # Lists
//! A list is a value like any other: it may be picked from, permuted ([`ListOp`]), mapped over,
//! passed into a region, collected again. Operations take plain tensors only.
//!
//! # Types
//! A [`Type`] is an element kind, a shape and list dimensions. [`Dim::Batch`], [`Dim::Time`] and
//! [`Dim::Rows`] are symbolic; all else is a number. `Elem::Compute` is whatever the precision plan computes in
//! (bf16, fp32, f64), `Elem::Wide` is at least fp32 (statistics, losses, gradient sums).
//!
//! # Parameters
//! A [`Param`] made inside a region stands for one tensor per index at which it exists; its path has a
//! `*` for each enclosing region (`layer.*.attention.q`), and an instance's path the absolute index.
//! Several parameters may share a path if no two have an instance in common: what differs from
//! body to body (a shape, a start) is a parameter for each. A parameter of a body may be read in that
//! body, in the other bodies that run where it exists, and in regions inside them; its gradients add up.
//!
//! # Who makes it
//! [`elaborate`] turns a model's blocks into nodes, [`validate`] proves a graph sound and gives the witness
//! [`ValidGraph`] that every later stage asks for, [`training`] adds loss and backward pass.

pub mod array;
pub mod dot;
pub mod elaborate;
pub mod indices;
pub mod lists;
pub mod ops;
pub mod region;
pub mod rewrite;
pub mod svg;
pub mod text;
pub mod training;
pub mod validate;
pub mod view;
pub mod vjp;

pub use array::Array;
pub use indices::Indices;
pub use lists::ListOp;
pub use ops::{AlongT, Op};
pub use region::{Region, Run, Users};
pub use rewrite::{with_pattern, without_dropout};
pub use validate::ValidGraph;

use crate::base::Span;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde::{Deserialize, Serialize};

/// One dimension of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dim {
    Fixed(u64),
    /// Sequences in a micro-batch.
    Batch,
    /// Positions of a sequence.
    Time,
    /// Positions of the whole micro-batch that the loss reads: what row pruning leaves of `[B, T]`.
    Rows,
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Dim::Fixed(n) => write!(f, "{n}"),
            Dim::Batch => f.write_str("B"),
            Dim::Time => f.write_str("T"),
            Dim::Rows => f.write_str("R"),
        }
    }
}

/// Numbers for the symbolic dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DimSizes {
    pub batch: u64,
    pub time: u64,
    /// Of the `batch * time` positions those that the loss reads. Read by pruned graphs alone.
    pub rows: u64,
}

impl DimSizes {
    /// Where the loss reads every position.
    pub const fn all(batch: u64, time: u64) -> DimSizes {
        DimSizes { batch, time, rows: batch * time }
    }
}

impl Dim {
    pub fn size(self, sizes: DimSizes) -> u64 {
        match self {
            Dim::Fixed(n) => n,
            Dim::Batch => sizes.batch,
            Dim::Time => sizes.time,
            Dim::Rows => sizes.rows,
        }
    }
}

/// What the elements of a tensor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Elem {
    /// Floating point in the compute precision.
    Compute,
    /// Floating point, fp32 at least.
    Wide,
    /// Whole numbers in `0..cardinality`; `u64::MAX` where the bound depends on the batch.
    Index { cardinality: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Type {
    pub elem: Elem,
    pub shape: Vec<Dim>,
    /// Lengths of the lists around the tensor, outermost first; empty for a plain tensor.
    pub list: Vec<u64>,
}

impl Type {
    pub fn new(elem: Elem, shape: impl Into<Vec<Dim>>) -> Type {
        Type { elem, shape: shape.into(), list: vec![] }
    }

    pub fn compute(shape: impl Into<Vec<Dim>>) -> Type {
        Type::new(Elem::Compute, shape)
    }

    pub fn wide(shape: impl Into<Vec<Dim>>) -> Type {
        Type::new(Elem::Wide, shape)
    }

    /// Elements of one tensor of the type.
    pub fn n_elements(&self, sizes: DimSizes) -> u64 {
        self.shape.iter().map(|d| d.size(sizes)).product()
    }

    /// A list of `n` of these.
    pub fn listed(&self, n: u64) -> Type {
        let mut list = vec![n];
        list.extend(&self.list);
        Type { list, ..self.clone() }
    }

    /// One element of this list.
    pub fn element(&self) -> Option<Type> {
        let (_, rest) = self.list.split_first()?;
        Some(Type { list: rest.to_vec(), ..self.clone() })
    }
}

/// `[B, T, 128]`, `wide [B, T]`, `index<320> [B, T]`, `4 x [B, T, 128]`.
impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for n in &self.list {
            write!(f, "{n} x ")?;
        }
        match self.elem {
            Elem::Compute => {}
            Elem::Wide => f.write_str("wide ")?,
            Elem::Index { cardinality: u64::MAX } => f.write_str("index ")?,
            Elem::Index { cardinality } => write!(f, "index<{cardinality}> ")?,
        }
        f.write_str(&shape_text(&self.shape))
    }
}

pub fn shape_text(shape: &[Dim]) -> String {
    let dims: Vec<String> = shape.iter().map(Dim::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// A body of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BodyId(pub u32);

/// A parameter of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParamId(pub u32);

/// One output of one node of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    pub node: NodeIndex,
    pub port: u16,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    /// Where in the user's text it comes from; backward nodes carry their forward node's.
    pub span: Option<Span>,
    /// The parameter scope it was made in (`layer.*.attention`), for listings and timings.
    pub scope: String,
    pub types: Vec<Type>,
}

/// An edge: from an output port to an input port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    pub from: u16,
    pub to: u16,
}

/// A body: arguments are its [`Op::Argument`] nodes, results are `results`.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub dag: DiGraph<Node, Wire>,
    /// Types of the arguments, in order.
    pub arguments: Vec<Type>,
    pub results: Vec<Value>,
}

/// How a parameter starts. Draws are keyed by the parameter's path, so equal paths start equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    Normal {
        std: f64,
    },
    /// Even on `-bound..bound`.
    Uniform {
        bound: f64,
    },
    Zeros,
    Ones,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// With a `*` for the index of each enclosing region.
    pub path: String,
    /// Where it exists in each enclosing region, outermost first.
    pub indices: Vec<Indices>,
    pub shape: Vec<u64>,
    pub init: Init,
    pub span: Option<Span>,
}

impl Param {
    pub fn n_instances(&self) -> u64 {
        self.indices.iter().map(Indices::n).product()
    }

    /// The indices of every instance, one per enclosing region, in rising order.
    pub fn instances(&self) -> Vec<Vec<u64>> {
        self.indices.iter().fold(vec![vec![]], |all, here| {
            all.iter().flat_map(|outer| here.iter().map(|i| outer.iter().copied().chain([i]).collect())).collect()
        })
    }

    /// Elements of one instance.
    pub fn n_elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// The path of the instance at `indices` (one per enclosing region).
    pub fn instance_path(&self, indices: &[u64]) -> String {
        let mut indices = indices.iter();
        self.path
            .split('.')
            .map(|part| match part {
                "*" => indices.next().map_or_else(|| "*".to_string(), u64::to_string),
                other => other.to_string(),
            })
            .collect::<Vec<_>>()
            .join(".")
    }
}

/// A whole graph.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub bodies: Vec<Body>,
    pub params: Vec<Param>,
    /// Named values of the root body.
    pub outputs: Vec<(String, Value)>,
    /// Values of the root body: the gradient of a parameter, one list inside the other for each
    /// enclosing region, over the indices of [`Param::indices`].
    pub grads: Vec<(ParamId, Value)>,
}

impl Graph {
    pub const ROOT: BodyId = BodyId(0);

    pub fn body(&self, id: BodyId) -> Option<&Body> {
        self.bodies.get(id.0 as usize)
    }

    pub fn param(&self, id: ParamId) -> Option<&Param> {
        self.params.get(id.0 as usize)
    }

    pub fn output(&self, name: &str) -> Option<Value> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

impl Body {
    /// Adds a node that reads `inputs`. The caller has inferred `types`.
    pub fn add(&mut self, node: Node, inputs: &[Value]) -> NodeIndex {
        let index = self.dag.add_node(node);
        for (to, input) in inputs.iter().enumerate() {
            self.dag.add_edge(input.node, index, Wire { from: input.port, to: to as u16 });
        }
        index
    }

    /// The values a node reads, by input port.
    pub fn inputs(&self, node: NodeIndex) -> Vec<Value> {
        let mut wires: Vec<(u16, Value)> = self
            .dag
            .edges_directed(node, petgraph::Direction::Incoming)
            .map(|e| (e.weight().to, Value { node: e.source(), port: e.weight().from }))
            .collect();
        wires.sort_by_key(|(to, _)| *to);
        wires.into_iter().map(|(_, v)| v).collect()
    }

    pub fn node(&self, index: NodeIndex) -> Option<&Node> {
        self.dag.node_weight(index)
    }

    pub fn type_of(&self, value: Value) -> Option<&Type> {
        self.node(value.node)?.types.get(value.port as usize)
    }

    /// Nodes in evaluation order.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        self.dag.node_indices().filter_map(|i| Some((i, self.node(i)?)))
    }
}
