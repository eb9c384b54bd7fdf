//! The reversed region of a region.
//!
//! Each body is walked backwards into a body of its own, once. Then all backward bodies get one
//! signature. Arguments: the cotangents of carried values, sums for invariants and for parameters of
//! enclosing scopes (carried); the forward invariants (invariant); the forward mapped lists, the
//! cotangents of collected lists, and what the forward bodies saved (mapped). Results: the carried
//! ones again; the cotangents of mapped lists and the gradients of own parameters (collected).

use super::builder::{Builder, Forward, Role, invalid, is_float};
use super::{Mark, ParamGrads, walk};
use crate::graph::ops::{Mismatch, zeros::Zeros};
use crate::graph::{
    Body, BodyId, Dim, Elem, Graph, Indices, ListOp, Node, Op, Param, ParamId, Region, Run, Type, Users, Value,
};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// A body, its backward body and what the walk found.
struct Back {
    forward_id: BodyId,
    id: BodyId,
    forward: Forward,
    builder: Builder,
    /// Cotangents by the forward body's argument.
    arguments: BTreeMap<usize, Value>,
    params: ParamGrads,
}

/// What all backward bodies have in common.
struct Common<'a> {
    region: &'a Region,
    /// Types of the region's inputs.
    inputs: Vec<Type>,
    /// Carried and invariant inputs that can have a cotangent.
    carried: Vec<usize>,
    invariant: Vec<usize>,
    /// Collected lists whose cotangent arrives.
    collected: Vec<usize>,
    /// Mapped lists that have a cotangent in some body.
    mapped: BTreeSet<usize>,
    /// Parameters of enclosing scopes.
    shared: Vec<ParamId>,
    /// Parameters of the bodies themselves, and the bodies that have a gradient of each.
    own: BTreeMap<ParamId, BTreeSet<BodyId>>,
}

/// Gives the cotangents of the region's inputs and of the parameters used inside.
pub(super) fn differentiate_region(
    graph: &mut Graph,
    outer: &mut Forward,
    builder: &mut Builder,
    node: NodeIndex,
    region: &Region,
    inputs: &[Value],
    arriving: &[Option<Value>],
    mark: &Mark,
) -> Result<(Vec<Option<Value>>, ParamGrads), Mismatch> {
    let fixed = region.n_carried + region.n_invariant;
    let input_types: Vec<Type> = inputs.iter().map(|v| outer.body.type_of(*v).cloned().unwrap_or_default()).collect();
    let floats = |range: std::ops::Range<usize>| -> Vec<usize> {
        range.filter(|i| input_types.get(*i).is_some_and(is_float)).collect()
    };
    let has_cotangent = |port: usize| arriving.get(port).copied().flatten().is_some();
    let mut common = Common {
        region,
        carried: floats(0..region.n_carried),
        invariant: floats(region.n_carried..fixed),
        collected: (0..region.collected.len()).filter(|i| has_cotangent(region.n_carried + i)).collect(),
        mapped: BTreeSet::new(),
        shared: vec![],
        own: BTreeMap::new(),
        inputs: input_types,
    };
    let depth = outer.depth + 1;
    let (takes, gives) = (region.lists_by_body(&region.mapped), region.lists_by_body(&region.collected));
    let mut backs = vec![];
    for body in region.bodies() {
        let lists = |of: &BTreeMap<BodyId, Vec<usize>>| of.get(&body).cloned().unwrap_or_default();
        backs.push(common.walk_body(graph, body, lists(&takes), &lists(&gives), depth, mark)?);
    }
    common.unite(graph, &backs, depth);
    for back in &mut backs {
        common.finish_body(graph, back, mark);
        if let Some(failure) = back.builder.failure.take() {
            return Err(failure);
        }
    }

    // The forward bodies collect what the backward bodies read; the region's node grows ports.
    let first_saved = region.n_carried + region.collected.len();
    let mut saved_types = vec![];
    let mut saved_users = vec![];
    let counts = region.n_iterations();
    for back in &mut backs {
        let n = counts.get(&back.forward_id).copied().unwrap_or(0);
        for value in &back.builder.saved {
            let ty = back.forward.body.type_of(*value).cloned().unwrap_or_default();
            saved_types.push(ty.listed(n));
            saved_users.push(Users::of([back.forward_id].into(), counts.len()));
        }
        back.forward.body.results.extend(&back.builder.saved);
        let (forward, backward) = (std::mem::take(&mut back.forward.body), std::mem::take(&mut back.builder.body));
        for (id, body) in [(back.forward_id, forward), (back.id, backward)] {
            if let Some(slot) = graph.bodies.get_mut(id.0 as usize) {
                *slot = body;
            }
        }
    }
    let grow = |body: &mut Body| {
        if let Some(Node { op: Op::Repeat(grown), types, .. }) = body.dag.node_weight_mut(node) {
            grown.collected.extend(saved_users.iter().cloned());
            types.extend(saved_types.iter().cloned());
        }
    };
    grow(&mut outer.body);
    // At the root the backward nodes stand beside a second copy of the forward ones.
    if outer.same_body {
        grow(&mut builder.body);
    }

    // The reversed region, beside the backward nodes.
    let mut back_inputs = vec![];
    let input = |i: usize| inputs.get(i).copied().unwrap_or_else(invalid);
    for i in &common.carried {
        let elem = common.input_type(*i).elem;
        back_inputs.push(match arriving.get(*i).copied().flatten() {
            Some(value) => builder.in_elem(value, elem, mark),
            None => {
                let like = builder.bring(outer, input(*i));
                builder.zeros_like(like, mark)
            }
        });
    }
    for i in &common.invariant {
        let like = builder.bring(outer, input(*i));
        back_inputs.push(builder.zeros_like(like, mark));
    }
    for id in &common.shared {
        let shape = graph.param(*id).map_or(vec![], fixed_shape);
        back_inputs.push(builder.emit_one(Zeros { shape, wide: true }, &[], mark));
    }
    for i in region.n_carried..inputs.len() {
        back_inputs.push(builder.bring(outer, input(i)));
    }
    for i in &common.collected {
        back_inputs.extend(arriving.get(region.n_carried + i).copied().flatten());
    }
    for port in first_saved..first_saved + saved_types.len() {
        back_inputs.push(builder.bring(outer, Value { node, port: port as u16 }));
    }
    let (back, types) = common.back_region(graph, &backs, depth);
    let outputs = builder.add(Op::Repeat(back), &back_inputs, types, mark);
    if let Some(failure) = builder.failure.take() {
        return Err(failure);
    }

    let mut outputs = outputs.into_iter();
    let mut leaving = vec![None; inputs.len()];
    let mut grads = ParamGrads::new();
    let mut leave = |i: usize, value: Option<Value>| {
        if let Some(entry) = leaving.get_mut(i) {
            *entry = value;
        }
    };
    for i in common.carried.iter().chain(&common.invariant) {
        leave(*i, outputs.next());
    }
    grads.extend(common.shared.iter().zip(outputs.by_ref()).map(|(id, v)| (*id, v)));
    for list in &common.mapped {
        leave(fixed + list, outputs.next());
    }
    let mut indices: BTreeMap<&BTreeSet<BodyId>, Indices> = BTreeMap::new();
    for ((id, givers), list) in common.own.iter().zip(outputs) {
        // A list over all indices at which the parameter exists: zeros for bodies that do not read it,
        // or that the loss does not reach through it.
        let given = indices.entry(givers).or_insert_with(|| region.indices(&Users::Only(givers.clone())));
        let all = graph.param(*id).and_then(|p| p.indices.get(outer.depth));
        let list = match all.filter(|all| *all != given) {
            Some(all) => builder.list(ListOp::Scatter { table: all.places(given), count: all.n() }, &[list], mark),
            None => list,
        };
        grads.insert(*id, list);
    }
    if let Some(failure) = builder.failure.take() {
        return Err(failure);
    }
    Ok((leaving, grads))
}

impl Common<'_> {
    fn input_type(&self, i: usize) -> Type {
        self.inputs.get(i).cloned().unwrap_or_default()
    }

    /// The type of a mapped list's elements.
    fn element_type(&self, list: usize) -> Type {
        let fixed = self.region.n_carried + self.region.n_invariant;
        self.input_type(fixed + list).element().unwrap_or_default()
    }

    /// The place of a carried cotangent, an invariant's sum or a shared parameter's sum among the
    /// carried values.
    fn sum_of_invariant(&self, slot: usize) -> Role {
        Role::Carried(self.carried.len() + slot)
    }

    fn sum_of_shared(&self, slot: usize) -> Role {
        Role::Carried(self.carried.len() + self.invariant.len() + slot)
    }

    /// `takes` and `gives` are the lists that the body takes part in.
    fn walk_body(
        &self,
        graph: &mut Graph,
        id: BodyId,
        takes: Vec<usize>,
        gives: &[usize],
        depth: usize,
        mark: &Mark,
    ) -> Result<Back, Mismatch> {
        let region = self.region;
        let body = graph.body(id).cloned().ok_or_else(|| Mismatch("a region without a body".into()))?;
        let mut inner = Builder::default();
        inner.n_mapped_fixed = region.mapped.len() + self.collected.len();
        let mut seeds: BTreeMap<Value, Value> = BTreeMap::new();
        let seed = |inner: &mut Builder, seeds: &mut BTreeMap<Value, Value>, of: Value, cotangent: Value| {
            let value = seeds.get(&of).map_or(cotangent, |sum| inner.sum(*sum, cotangent, mark));
            seeds.insert(of, value);
        };
        for (slot, i) in self.carried.iter().enumerate() {
            let cotangent = inner.argument(Role::Carried(slot), self.input_type(*i));
            if let Some(result) = body.results.get(*i) {
                seed(&mut inner, &mut seeds, *result, cotangent);
            }
        }
        for (slot, list) in self.collected.iter().enumerate() {
            if let Some(place) = gives.iter().position(|given| given == list)
                && let Some(result) = body.results.get(region.n_carried + place)
            {
                let ty = body.type_of(*result).cloned().unwrap_or_default();
                let cotangent = inner.argument(Role::Mapped(region.mapped.len() + slot), ty);
                seed(&mut inner, &mut seeds, *result, cotangent);
            }
        }
        let mut forward = Forward {
            body,
            same_body: false,
            depth,
            n_carried: region.n_carried,
            n_invariant: region.n_invariant,
            takes,
        };
        let (arguments, params) = walk(graph, &mut forward, &mut inner, seeds)?;
        let back_id = BodyId(graph.bodies.len() as u32);
        graph.bodies.push(Body::default());
        Ok(Back { forward_id: id, id: back_id, forward, builder: inner, arguments, params })
    }

    /// What has a cotangent in at least one body.
    fn unite(&mut self, graph: &Graph, backs: &[Back], depth: usize) {
        let fixed = self.region.n_carried + self.region.n_invariant;
        let lists: BTreeSet<usize> = backs
            .iter()
            .flat_map(|back| {
                let taken = back.forward.takes.iter().enumerate();
                taken.filter(|(place, _)| back.arguments.contains_key(&(fixed + place))).map(|(_, list)| *list)
            })
            .collect();
        self.mapped = lists.into_iter().filter(|list| is_float(&self.element_type(*list))).collect();
        let mut shared = BTreeSet::new();
        for back in backs {
            for id in back.params.keys() {
                if graph.param(*id).is_some_and(|p| p.indices.len() >= depth) {
                    self.own.entry(*id).or_default().insert(back.forward_id);
                } else {
                    shared.insert(*id);
                }
            }
        }
        self.shared = shared.into_iter().collect();
    }

    /// Results and arguments of a backward body.
    fn finish_body(&self, graph: &Graph, back: &mut Back, mark: &Mark) {
        let region = self.region;
        let inner = &mut back.builder;
        let mut results = vec![];
        for (slot, i) in self.carried.iter().enumerate() {
            let ty = self.input_type(*i);
            results.push(match back.arguments.get(i) {
                Some(value) => inner.in_elem(*value, ty.elem, mark),
                None => {
                    let like = inner.argument(Role::Carried(slot), ty);
                    inner.zeros_like(like, mark)
                }
            });
        }
        for (slot, i) in self.invariant.iter().enumerate() {
            let ty = self.input_type(*i);
            let sum = inner.argument(self.sum_of_invariant(slot), ty.clone());
            results.push(match back.arguments.get(i) {
                Some(value) => {
                    let value = inner.in_elem(*value, ty.elem, mark);
                    inner.sum(sum, value, mark)
                }
                None => sum,
            });
        }
        for (slot, id) in self.shared.iter().enumerate() {
            let shape = graph.param(*id).map_or(vec![], fixed_shape);
            let sum = inner.argument(self.sum_of_shared(slot), Type::wide(shape));
            results.push(match back.params.get(id) {
                Some(value) => inner.sum(sum, *value, mark),
                None => sum,
            });
        }
        for (place, list) in back.forward.takes.iter().enumerate() {
            if !self.mapped.contains(list) {
                continue;
            }
            let ty = self.element_type(*list);
            results.push(match back.arguments.get(&(region.n_carried + region.n_invariant + place)) {
                Some(value) => inner.in_elem(*value, ty.elem, mark),
                None => {
                    let like = inner.argument(Role::Mapped(*list), ty);
                    inner.zeros_like(like, mark)
                }
            });
        }
        results.extend(back.params.iter().filter(|(id, _)| self.own.contains_key(id)).map(|(_, value)| *value));
        // Every fixed role becomes an argument, used or not, so that positions are plain arithmetic.
        for i in 0..region.n_invariant {
            inner.argument(Role::Invariant(i), self.input_type(region.n_carried + i));
        }
        for list in &back.forward.takes {
            inner.argument(Role::Mapped(*list), self.element_type(*list));
        }
        inner.settle_arguments();
        inner.body.results = results;
    }

    /// The reversed region and its output types.
    fn back_region(&self, graph: &Graph, backs: &[Back], depth: usize) -> (Region, Vec<Type>) {
        let region = self.region;
        let ids: BTreeMap<BodyId, BodyId> = backs.iter().map(|back| (back.forward_id, back.id)).collect();
        let back_id = |id: BodyId| ids.get(&id).copied().unwrap_or(id);
        let turned = |users: &Users| match users {
            Users::All => Users::All,
            Users::Only(bodies) => Users::Only(bodies.iter().map(|id| back_id(*id)).collect()),
        };
        let pick = |users: &[Users], of: &mut dyn Iterator<Item = &usize>| -> Vec<Users> {
            of.filter_map(|i| users.get(*i)).map(turned).collect()
        };
        let mut mapped: Vec<Users> = region.mapped.iter().map(turned).collect();
        mapped.extend(pick(&region.collected, &mut self.collected.iter()));
        for back in backs {
            let users = turned(&Users::of([back.forward_id].into(), backs.len()));
            mapped.extend(back.builder.saved.iter().map(|_| users.clone()));
        }
        let mut collected = pick(&region.mapped, &mut self.mapped.iter());
        collected.extend(self.own.values().map(|givers| turned(&Users::of(givers.clone(), backs.len()))));
        let back = Region {
            label: region.label.clone(),
            runs: region.runs.iter().map(|run| Run { body: back_id(run.body), ..*run }).collect(),
            n_carried: self.carried.len() + self.invariant.len() + self.shared.len(),
            n_invariant: region.n_invariant,
            mapped,
            collected,
            reversed: !region.reversed,
        };
        let carried = self.carried.iter().chain(&self.invariant).map(|i| self.input_type(*i));
        let shared = self.shared.iter().filter_map(|id| Some(grad_type(graph.param(*id)?, depth)));
        let elements = self.mapped.iter().map(|list| self.element_type(*list));
        let own = self.own.keys().filter_map(|id| Some(grad_type(graph.param(*id)?, depth)));
        let lengths = back.lengths(&back.collected);
        let lists = elements.chain(own).zip(lengths).map(|(ty, n)| ty.listed(n));
        let types = carried.chain(shared).chain(lists).collect();
        (back, types)
    }
}

fn fixed_shape(param: &Param) -> Vec<Dim> {
    param.shape.iter().map(|n| Dim::Fixed(*n)).collect()
}

/// The gradient of a parameter inside a body at this depth: lists for the regions deeper down.
fn grad_type(param: &Param, depth: usize) -> Type {
    let list = param.indices.iter().skip(depth).map(|indices| indices.n()).collect();
    Type { elem: Elem::Wide, shape: fixed_shape(param), list }
}
