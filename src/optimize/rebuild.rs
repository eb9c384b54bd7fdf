//! A body made anew from another: passes copy node by node, in order, and put something else where they want to.

use crate::graph::ops::Mismatch;
use crate::graph::{Body, Graph, Node, Op, Type, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// The new body so far, and where the old one's values are in it.
pub struct Rebuild<'a> {
    pub old: &'a Body,
    pub new: Body,
    places: BTreeMap<Value, Value>,
}

impl<'a> Rebuild<'a> {
    pub fn of(old: &'a Body) -> Rebuild<'a> {
        let new = Body { arguments: old.arguments.clone(), ..Body::default() };
        Rebuild { old, new, places: BTreeMap::new() }
    }

    /// Where an old value is now, if it was copied or replaced.
    pub fn place(&self, old: Value) -> Option<Value> {
        self.places.get(&old).copied()
    }

    /// As [`Rebuild::place`], of a value that has to be there.
    pub fn placed(&self, old: Value) -> Result<Value, Mismatch> {
        self.place(old).ok_or_else(|| lost(self.old, old))
    }

    pub fn put(&mut self, old: Value, new: Value) {
        self.places.insert(old, new);
    }

    /// The old inputs of an old node, where they are now.
    pub fn inputs(&self, of: NodeIndex) -> Result<Vec<Value>, Mismatch> {
        let inputs = self.old.inputs(of);
        inputs.iter().map(|v| self.placed(*v)).collect()
    }

    /// The node as it was.
    pub fn copy(&mut self, index: NodeIndex, node: &Node) -> Result<(), Mismatch> {
        let inputs = self.inputs(index)?;
        let here = self.new.add(node.clone(), &inputs);
        self.put_all(index, here, node.types.len());
        Ok(())
    }

    /// The old node's outputs are those of a new one.
    pub fn put_all(&mut self, old: NodeIndex, new: NodeIndex, n: usize) {
        for port in (0..n).map(|port| port as u16) {
            self.put(Value { node: old, port }, Value { node: new, port });
        }
    }

    /// A new operation in the place (span, scope) of an old node.
    pub fn emit(&mut self, op: impl Into<Op>, inputs: &[Value], like: &Node) -> Result<NodeIndex, Mismatch> {
        let op = op.into();
        let types: Vec<Type> = inputs.iter().map(|v| self.new.type_of(*v).cloned().unwrap_or_default()).collect();
        let types: Vec<&Type> = types.iter().collect();
        let types = op.infer(&types)?;
        Ok(self.new.add(Node { op, types, ..like.clone() }, inputs))
    }

    /// The body, with the old one's results where they are now.
    pub fn finish(mut self) -> Result<(Body, BTreeMap<Value, Value>), Mismatch> {
        let results: Result<Vec<Value>, Mismatch> = self.old.results.iter().map(|v| self.placed(*v)).collect();
        self.new.results = results?;
        Ok((self.new, self.places))
    }
}

/// Rebuilds every body in which `find` finds something. `find` is told which values are outputs of the graph.
pub fn over_bodies<T>(
    graph: &mut Graph,
    find: impl Fn(&Body, &Alone<'_>) -> Vec<T>,
    emit: impl Fn(&mut Rebuild<'_>, &[T], NodeIndex, &Node) -> Result<(), Mismatch>,
) -> Result<(), Mismatch> {
    let named: BTreeSet<Value> = graph.outputs.iter().map(|(_, value)| *value).collect();
    for i in 0..graph.bodies.len() {
        let Some(body) = graph.bodies.get(i).cloned() else { continue };
        let found = find(&body, &Alone { users: users(&body), body: &body, named: (i == 0).then_some(&named) });
        if found.is_empty() {
            continue;
        }
        let mut rebuild = Rebuild::of(&body);
        for (index, node) in body.nodes() {
            emit(&mut rebuild, &found, index, node)?;
        }
        let (rebuilt, places) = rebuild.finish()?;
        if i == 0 {
            put_root(graph, rebuilt, &places);
        } else if let Some(slot) = graph.bodies.get_mut(i) {
            *slot = rebuilt;
        }
    }
    Ok(())
}

/// The root made anew; outputs and gradients follow their values to where those are now.
pub fn put_root(graph: &mut Graph, root: Body, places: &BTreeMap<Value, Value>) {
    let here = |value: &mut Value| *value = places.get(value).copied().unwrap_or(*value);
    graph.outputs.iter_mut().for_each(|(_, value)| here(value));
    graph.grads.iter_mut().for_each(|(_, value)| here(value));
    if let Some(slot) = graph.bodies.first_mut() {
        *slot = root;
    }
}

/// Who reads the values of a body.
pub struct Alone<'a> {
    users: BTreeMap<Value, Vec<NodeIndex>>,
    body: &'a Body,
    named: Option<&'a BTreeSet<Value>>,
}

impl Alone<'_> {
    /// The one node that reads a value, which nobody outside the body reads.
    pub fn reader(&self, value: Value) -> Option<NodeIndex> {
        match self.users.get(&value)?.as_slice() {
            [one] if !self.is_read_outside(value) => Some(*one),
            _ => None,
        }
    }

    /// Whether nobody at all reads a value.
    pub fn is_unread(&self, value: Value) -> bool {
        !self.is_read_outside(value) && !self.users.contains_key(&value)
    }

    fn is_read_outside(&self, value: Value) -> bool {
        self.body.results.contains(&value) || self.named.is_some_and(|named| named.contains(&value))
    }
}

fn lost(body: &Body, value: Value) -> Mismatch {
    let name = body.node(value.node).map_or("nothing", |node| node.op.name());
    Mismatch(format!("a value of {name} was read and is gone"))
}

/// Who reads each value of a body: nodes, not results.
pub fn users(body: &Body) -> BTreeMap<Value, Vec<NodeIndex>> {
    let mut users: BTreeMap<Value, Vec<NodeIndex>> = BTreeMap::new();
    for (index, _) in body.nodes() {
        for input in body.inputs(index) {
            users.entry(input).or_default().push(index);
        }
    }
    users
}
