//! Memory for time: values that a region saves for its backward pass are computed again there, as few and as cheap ones
//! as let a step fit into the room that it is given.
//!
//! The forward body's nodes are copied into the backward body, just before what reads them; they start from what is
//! still saved, from parameters and from what the batch gives. The same operations run on the same inputs, draws of
//! dropout included, so not a digit changes. Any operation can be computed again; values of regions inside a body, and
//! what is carried into it, stay saved.

use super::rebuild::{Rebuild, users};
use super::{Fitted, Room};
use crate::graph::ops::Mismatch;
use crate::graph::training::TrainingError;
use crate::graph::validate::validate;
use crate::graph::{Body, BodyId, Graph, Node, Op, Region, Type, ValidGraph, Value};
use crate::program::scratch::{bytes_of, is_joint, shares_memory};
use crate::program::{flatten, memory::Conditions, step_memory};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// What the scope of a node that computes again begins with, for timings.
pub const RECOMPUTED: &str = "recomputed";

/// Assumes a valid training graph. Guarantees the same outputs and gradients to the last bit, and a predicted peak
/// within the room or else the smallest that was found.
pub fn recompute(graph: ValidGraph, room: Room) -> Result<Fitted, TrainingError> {
    let memory = |graph: &ValidGraph| step_memory(&flatten(graph), &room.of);
    let whole = Fitted { memory: memory(&graph), graph, n_recomputed: 0, room };
    if whole.fits() {
        return Ok(whole);
    }
    let kept = Kept::of(whole.graph.graph());
    let groups = kept.groups(whole.graph.graph(), &room.of);
    let with = |chosen: &[usize]| -> Result<Fitted, TrainingError> {
        let dropped: BTreeSet<usize> =
            chosen.iter().filter_map(|i| groups.get(*i)).flat_map(|group| group.entries.iter().copied()).collect();
        let graph = kept.without(whole.graph.graph(), &dropped)?;
        let graph = validate(graph).map_err(TrainingError::Invalid)?;
        Ok(Fitted { memory: memory(&graph), graph, n_recomputed: dropped.len(), room })
    };
    let mut best = whole.clone();
    let mut chosen: Vec<usize> = vec![];
    while let Some(next) = kept.cheapest(whole.graph.graph(), &groups, &chosen, &room.of) {
        chosen.push(next);
        let fitted = with(&chosen)?;
        if fitted.memory.peak() < best.memory.peak() {
            best = fitted;
        }
        if best.fits() {
            break;
        }
    }
    if !best.fits() {
        return Ok(best);
    }
    // What was chosen early may have become needless; the dearest first.
    for group in chosen.clone().into_iter().rev().skip(1) {
        let fewer: Vec<usize> = chosen.iter().copied().filter(|other| *other != group).collect();
        let fitted = with(&fewer)?;
        if fitted.fits() {
            (best, chosen) = (fitted, fewer);
        }
    }
    Ok(best)
}

/// A region and the one that runs backwards through it, both of the root.
struct Pair {
    forward: NodeIndex,
    backward: NodeIndex,
    /// The backward body of each forward body.
    bodies: BTreeMap<BodyId, BodyId>,
}

/// A list that one body of a region saves and its backward body alone reads.
struct Entry {
    pair: usize,
    body: BodyId,
    /// Among the region's collected lists, and among the backward region's mapped ones.
    list: usize,
    mapped: usize,
    /// In the body.
    value: Value,
}

/// What the regions of a graph save.
struct Kept {
    pairs: Vec<Pair>,
    entries: Vec<Entry>,
}

/// Entries that lie in the same memory: to save all of them costs as much as to save one.
struct Group {
    entries: Vec<usize>,
    bytes: u64,
    pair: usize,
    body: BodyId,
}

impl Kept {
    fn of(graph: &Graph) -> Kept {
        let mut kept = Kept { pairs: vec![], entries: vec![] };
        let Some(root) = graph.body(Graph::ROOT) else { return kept };
        let users = users(root);
        let named = |value: &Value| {
            graph.outputs.iter().any(|(_, v)| v == value) || graph.grads.iter().any(|(_, v)| v == value)
        };
        for (backward, node) in root.nodes() {
            let Op::Repeat(back) = &node.op else { continue };
            let inputs = root.inputs(backward);
            let n_fixed = back.n_carried + back.n_invariant;
            for (mapped, value) in inputs.iter().skip(n_fixed).enumerate() {
                let Some((forward, list)) = collected(root, *value) else { continue };
                let is_alone = users.get(value).is_some_and(|by| by.len() == 1) && !named(value);
                let Some(bodies) = turned(forward, back).filter(|_| is_alone) else { continue };
                let givers = forward
                    .collected
                    .get(list)
                    .map_or(vec![], |users| forward.bodies().into_iter().filter(|body| users.has(*body)).collect());
                let ([body], Some(takers)) = (givers.as_slice(), back.mapped.get(mapped)) else { continue };
                let alike = bodies.iter().all(|(f, b)| (f == body) == takers.has(*b));
                let place = |id: BodyId| {
                    let lists = forward.lists_by_body(&forward.collected);
                    let place = lists.get(&id)?.iter().position(|given| *given == list)?;
                    graph.body(id)?.results.get(forward.n_carried + place).copied()
                };
                let (true, Some(saved)) = (alike, place(*body)) else { continue };
                let known = kept.pairs.iter().position(|p| p.forward == value.node && p.backward == backward);
                let pair = known.unwrap_or_else(|| {
                    kept.pairs.push(Pair { forward: value.node, backward, bodies });
                    kept.pairs.len() - 1
                });
                kept.entries.push(Entry { pair, body: *body, list, mapped, value: saved });
            }
        }
        kept
    }

    /// What could be left out, by the memory that it lies in.
    fn groups(&self, graph: &Graph, of: &Conditions) -> Vec<Group> {
        let mut groups: BTreeMap<(usize, BodyId, Value), Vec<usize>> = BTreeMap::new();
        for (i, entry) in self.entries.iter().enumerate() {
            let Some(body) = graph.body(entry.body) else { continue };
            groups.entry((entry.pair, entry.body, storage(body, entry.value, of))).or_default().push(i);
        }
        let alone = |(key, entries): ((usize, BodyId, Value), Vec<usize>)| {
            let (pair, id, value) = key;
            let body = graph.body(id)?;
            // Views of what is there anyway cost nothing.
            body.node(value.node)?.op.operation()?;
            let node = body.node(value.node)?;
            let bytes = match is_joint(&node.op) {
                true => node.types.iter().map(|ty| bytes_of(ty, of)).sum(),
                false => bytes_of(body.type_of(value)?, of),
            };
            let group = Group { entries, bytes, pair, body: id };
            self.cost(graph, &[&group], of).map(|_| group)
        };
        groups.into_iter().filter_map(alone).collect()
    }

    /// The group that frees most memory for the computation that it adds to what is computed again anyway.
    fn cheapest(&self, graph: &Graph, groups: &[Group], chosen: &[usize], of: &Conditions) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (i, group) in groups.iter().enumerate().filter(|(i, _)| !chosen.contains(i)) {
            let before: Vec<&Group> = chosen
                .iter()
                .filter_map(|i| groups.get(*i))
                .filter(|other| (other.pair, other.body) == (group.pair, group.body))
                .collect();
            let after: Vec<&Group> = before.iter().copied().chain([group]).collect();
            let (Some(before), Some(after)) = (self.cost(graph, &before, of), self.cost(graph, &after, of)) else {
                continue;
            };
            let price = (after - before) / group.bytes.max(1) as f64;
            if best.is_none_or(|(least, _)| price < least) {
                best = Some((price, i));
            }
        }
        best.map(|(_, i)| i)
    }

    /// What an iteration of a body computes again without these groups of it: FLOPs of matrix products, and one for
    /// each element that is made. Nothing if something cannot be computed again.
    fn cost(&self, graph: &Graph, groups: &[&Group], of: &Conditions) -> Option<f64> {
        let Some(group) = groups.first() else { return Some(0.0) };
        let dropped: BTreeSet<usize> = groups.iter().flat_map(|group| group.entries.iter().copied()).collect();
        let sources = self.sources(graph, group.pair, group.body, &dropped)?;
        let body = graph.body(group.body)?;
        let wanted = dropped.iter().filter_map(|i| self.entries.get(*i)).map(|entry| entry.value);
        let mut cost = 0.0;
        for index in needed(body, &sources, wanted)? {
            let node = body.node(index)?;
            let types: Vec<Type> = body.inputs(index).iter().filter_map(|v| body.type_of(*v).cloned()).collect();
            // Parameters and inputs are there.
            let Some(operation) = node.op.operation() else { continue };
            cost += operation.flops(&types.iter().collect::<Vec<_>>(), &node.types, of.sizes);
            if !shares_memory(&node.op, of) {
                cost += node.types.iter().map(|ty| ty.n_elements(of.sizes) as f64).sum::<f64>();
            }
        }
        Some(cost)
    }

    /// The values of a forward body that the backward body has as arguments: which, by index.
    fn sources(
        &self,
        graph: &Graph,
        pair: usize,
        body: BodyId,
        dropped: &BTreeSet<usize>,
    ) -> Option<BTreeMap<Value, usize>> {
        let pair_of = self.pairs.get(pair)?;
        let root = graph.body(Graph::ROOT)?;
        let (forward, back) = (region(root, pair_of.forward)?, region(root, pair_of.backward)?);
        let (inputs, back_inputs) = (root.inputs(pair_of.forward), root.inputs(pair_of.backward));
        let back_lists = back.lists_by_body(&back.mapped).remove(pair_of.bodies.get(&body)?)?;
        let back_fixed = back.n_carried + back.n_invariant;
        let argument = |list: usize| Some(back_fixed + back_lists.iter().position(|taken| *taken == list)?);
        let mut sources = BTreeMap::new();
        for (i, entry) in self.entries.iter().enumerate() {
            if entry.pair == pair && entry.body == body && !dropped.contains(&i) {
                sources.insert(entry.value, argument(entry.mapped)?);
            }
        }
        let lists = forward.lists_by_body(&forward.mapped).remove(&body)?;
        let n_fixed = forward.n_carried + forward.n_invariant;
        for (index, node) in graph.body(body)?.nodes() {
            let Op::Argument(k) = node.op else { continue };
            let place = match k.checked_sub(n_fixed) {
                None if k < forward.n_carried => None,
                // The same value from outside.
                None => {
                    let outside = inputs.get(k);
                    let mut invariants = back.n_carried..back_fixed;
                    invariants.find(|i| back_inputs.get(*i) == outside)
                }
                Some(place) => lists.get(place).and_then(|list| {
                    let outside = inputs.get(n_fixed + list);
                    let same = |list: &&usize| back_inputs.get(back_fixed + **list) == outside;
                    back_lists.iter().find(same).and_then(|list| argument(*list))
                }),
            };
            if let Some(place) = place {
                sources.entry(Value { node: index, port: 0 }).or_insert(place);
            }
        }
        Some(sources)
    }

    /// The graph in which these entries are not saved.
    fn without(&self, graph: &Graph, dropped: &BTreeSet<usize>) -> Result<Graph, Mismatch> {
        let lost = || Mismatch("a region is not what it was".into());
        let mut new = graph.clone();
        let root = graph.body(Graph::ROOT).ok_or_else(lost)?;
        let mut places: BTreeSet<(usize, BodyId)> = BTreeSet::new();
        let gone: Vec<&Entry> = dropped.iter().filter_map(|i| self.entries.get(*i)).collect();
        places.extend(gone.iter().map(|entry| (entry.pair, entry.body)));
        for (pair, id) in places {
            let here: Vec<&Entry> = gone.iter().copied().filter(|e| (e.pair, e.body) == (pair, id)).collect();
            let of = self.pairs.get(pair).ok_or_else(lost)?;
            let (forward, back) = region(root, of.forward).zip(region(root, of.backward)).ok_or_else(lost)?;
            let back_id = of.bodies.get(&id).copied().ok_or_else(lost)?;
            let given = forward.lists_by_body(&forward.collected).remove(&id).ok_or_else(lost)?;
            if let Some(body) = new.bodies.get_mut(id.0 as usize) {
                let mut place: usize = 0;
                body.results.retain(|_| {
                    let list = place.checked_sub(forward.n_carried).and_then(|place| given.get(place));
                    place += 1;
                    list.is_none_or(|list| here.iter().all(|entry| entry.list != *list))
                });
            }
            let taken = back.lists_by_body(&back.mapped).remove(&back_id).ok_or_else(lost)?;
            let n_fixed = back.n_carried + back.n_invariant;
            let argument = |entry: &&Entry| {
                let place = taken.iter().position(|list| *list == entry.mapped);
                place.map(|place| (n_fixed + place, entry.value))
            };
            let arguments: BTreeMap<usize, Value> = here.iter().filter_map(argument).collect();
            let sources = self.sources(graph, pair, id, dropped).ok_or_else(lost)?;
            let (body, back_body) = graph.body(id).zip(graph.body(back_id)).ok_or_else(lost)?;
            let body = again(body, back_body, &arguments, &sources)?;
            if let Some(slot) = new.bodies.get_mut(back_id.0 as usize) {
                *slot = body;
            }
        }
        self.shorten_root(&mut new, root, &gone)?;
        Ok(new)
    }

    /// The root, whose regions give and take fewer lists.
    fn shorten_root(&self, new: &mut Graph, root: &Body, gone: &[&Entry]) -> Result<(), Mismatch> {
        let is_gone =
            |pair: &dyn Fn(&Pair) -> NodeIndex, index: NodeIndex, list: usize, of: &dyn Fn(&Entry) -> usize| {
                gone.iter().any(|e| self.pairs.get(e.pair).is_some_and(|p| pair(p) == index) && of(e) == list)
            };
        let mut rebuild = Rebuild::of(root);
        for (index, node) in root.nodes() {
            let Op::Repeat(region) = &node.op else {
                rebuild.copy(index, node)?;
                continue;
            };
            let gives = |list: usize| !is_gone(&|pair| pair.forward, index, list, &|entry| entry.list);
            let takes = |list: usize| !is_gone(&|pair| pair.backward, index, list, &|entry| entry.mapped);
            let (n_fixed, n_carried) = (region.n_carried + region.n_invariant, region.n_carried);
            let mut inputs = vec![];
            for (i, input) in root.inputs(index).into_iter().enumerate() {
                if i.checked_sub(n_fixed).is_none_or(&takes) {
                    inputs.push(rebuild.place(input).ok_or_else(|| Mismatch("an input is gone".into()))?);
                }
            }
            let mut shorter = region.clone();
            shorter.mapped = kept(&region.mapped, takes);
            shorter.collected = kept(&region.collected, gives);
            let ports: Vec<usize> =
                (0..node.types.len()).filter(|port| port.checked_sub(n_carried).is_none_or(gives)).collect();
            let types = ports.iter().filter_map(|port| node.types.get(*port).cloned()).collect();
            let here = rebuild.new.add(Node { op: Op::Repeat(shorter), types, ..node.clone() }, &inputs);
            for (to, from) in ports.into_iter().enumerate() {
                rebuild.put(Value { node: index, port: from as u16 }, Value { node: here, port: to as u16 });
            }
        }
        let (body, places) = rebuild.finish()?;
        let here = |value: &Value| places.get(value).copied().unwrap_or(*value);
        new.outputs.iter_mut().for_each(|(_, value)| *value = here(value));
        new.grads.iter_mut().for_each(|(_, value)| *value = here(value));
        if let Some(slot) = new.bodies.get_mut(0) {
            *slot = body;
        }
        Ok(())
    }
}

fn kept<T: Clone>(all: &[T], stays: impl Fn(usize) -> bool) -> Vec<T> {
    all.iter().enumerate().filter(|(i, _)| stays(*i)).map(|(_, item)| item.clone()).collect()
}

fn region(body: &Body, index: NodeIndex) -> Option<&Region> {
    match &body.node(index)?.op {
        Op::Repeat(region) => Some(region),
        _ => None,
    }
}

/// The region that collects this list, and its place among the collected ones.
fn collected(root: &Body, value: Value) -> Option<(&Region, usize)> {
    let region = region(root, value.node)?;
    Some((region, usize::from(value.port).checked_sub(region.n_carried)?))
}

/// The bodies of a region and those that run at their indices in another that goes the other way.
fn turned(forward: &Region, back: &Region) -> Option<BTreeMap<BodyId, BodyId>> {
    let mut bodies = BTreeMap::new();
    let alike = forward.reversed != back.reversed && forward.runs.len() == back.runs.len();
    for (a, b) in forward.runs.iter().zip(&back.runs).filter(|_| alike) {
        if (a.first, a.count) != (b.first, b.count) || *bodies.entry(a.body).or_insert(b.body) != b.body {
            return None;
        }
    }
    let back_bodies: BTreeSet<BodyId> = bodies.values().copied().collect();
    (alike && back_bodies.len() == bodies.len()).then_some(bodies)
}

/// The value in whose memory a value lies.
fn storage(body: &Body, mut value: Value, of: &Conditions) -> Value {
    while let Some(node) = body.node(value.node)
        && shares_memory(&node.op, of)
        && let Some(input) = body.inputs(value.node).first()
    {
        value = *input;
    }
    match body.node(value.node) {
        Some(node) if is_joint(&node.op) => Value { port: 0, ..value },
        _ => value,
    }
}

/// The nodes of a forward body that make these values from the sources, in order. Nothing if one of them is carried
/// in, or comes of a region or a list.
fn needed(
    body: &Body,
    sources: &BTreeMap<Value, usize>,
    wanted: impl Iterator<Item = Value>,
) -> Option<BTreeSet<NodeIndex>> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Value> = wanted.collect();
    while let Some(value) = open.pop() {
        if sources.contains_key(&value) || found.contains(&value.node) {
            continue;
        }
        match &body.node(value.node)?.op {
            Op::Param(_) | Op::Input(_) => {}
            op => {
                op.operation()?;
                open.extend(body.inputs(value.node));
            }
        }
        found.insert(value.node);
    }
    Some(found)
}

/// The backward body without these arguments (by index, each with the forward value that it was), which it makes
/// itself where they are first read.
fn again(
    forward: &Body,
    back: &Body,
    arguments: &BTreeMap<usize, Value>,
    sources: &BTreeMap<Value, usize>,
) -> Result<Body, Mismatch> {
    let mut rebuild = Rebuild::of(back);
    rebuild.new.arguments = kept(&back.arguments, |i| !arguments.contains_key(&i));
    // Arguments are no instructions, so that they can all stand first.
    let mut by_index: BTreeMap<usize, Value> = BTreeMap::new();
    let mut wanted: BTreeMap<Value, Value> = BTreeMap::new();
    for (index, node) in back.nodes() {
        let (Op::Argument(k), old) = (&node.op, Value { node: index, port: 0 }) else { continue };
        if let Some(value) = arguments.get(k) {
            wanted.insert(old, *value);
            continue;
        }
        let before = arguments.range(..k).count();
        let here = rebuild.new.add(Node { op: Op::Argument(k - before), ..node.clone() }, &[]);
        let here = Value { node: here, port: 0 };
        rebuild.put(old, here);
        by_index.insert(*k, here);
    }
    let mut made: BTreeMap<Value, Value> = BTreeMap::new();
    for (value, k) in sources {
        // An argument that nobody reads has no node; its value is recomputed like any other.
        if let Some(here) = by_index.get(k) {
            made.insert(*value, *here);
        } else if let Some(ty) = back.arguments.get(*k) {
            let before = arguments.range(..k).count();
            let node = Node { op: Op::Argument(k - before), span: None, scope: String::new(), types: vec![ty.clone()] };
            let here = Value { node: rebuild.new.add(node, &[]), port: 0 };
            by_index.insert(*k, here);
            made.insert(*value, here);
        }
    }
    for (index, node) in back.nodes() {
        if matches!(node.op, Op::Argument(_)) {
            continue;
        }
        for input in back.inputs(index) {
            if rebuild.place(input).is_none() {
                let value = wanted.get(&input).copied();
                let here = remake(forward, value, sources, &mut made, &mut rebuild)?;
                rebuild.put(input, here);
            }
        }
        rebuild.copy(index, node)?;
    }
    for result in &back.results {
        if rebuild.place(*result).is_none() {
            let here = remake(forward, wanted.get(result).copied(), sources, &mut made, &mut rebuild)?;
            rebuild.put(*result, here);
        }
    }
    Ok(rebuild.finish()?.0)
}

/// A forward value, made in the backward body unless it is there.
fn remake(
    forward: &Body,
    value: Option<Value>,
    sources: &BTreeMap<Value, usize>,
    made: &mut BTreeMap<Value, Value>,
    rebuild: &mut Rebuild<'_>,
) -> Result<Value, Mismatch> {
    let lost = || Mismatch("a value that cannot be computed again was not saved".into());
    let value = value.ok_or_else(lost)?;
    for index in needed(forward, sources, [value].into_iter()).ok_or_else(lost)? {
        let node = forward.node(index).ok_or_else(lost)?;
        let ports = (0..node.types.len()).map(|port| Value { node: index, port: port as u16 });
        if ports.clone().all(|port| made.contains_key(&port)) {
            continue;
        }
        let inputs: Option<Vec<Value>> = forward.inputs(index).iter().map(|v| made.get(v).copied()).collect();
        let scope = match node.scope.as_str() {
            "" => RECOMPUTED.to_string(),
            scope => format!("{RECOMPUTED}.{scope}"),
        };
        let here = rebuild.new.add(Node { scope, ..node.clone() }, &inputs.ok_or_else(lost)?);
        for port in ports {
            // What is saved stays what it is.
            made.entry(port).or_insert(Value { node: here, port: port.port });
        }
    }
    made.get(&value).copied().ok_or_else(lost)
}
