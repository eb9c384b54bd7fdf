//! Row pruning: what only the rows that the loss reads depend on is computed for those alone.
//!
//! From the loss the pass walks back, through operations that treat each position on its own, to the first that mixes
//! positions; there the rows are gathered. In a region it is the last iteration that is read from outside, so it gets
//! a body of its own, which gives the rows beside what it carries. A decoder trained by masked diffusion runs its
//! last output projection and feed-forward, the final norm and the head on masked positions alone. Exact: a row's
//! result does not depend on the other rows.
//!
//! Text is drawn from the same rows: of a model's logits those that are asked for.
//!
//! Assumes a loss graph (outputs `loss` and `nll`) without a backward pass. Guarantees the same `loss`; `nll` is 0
//! where the loss does not read. Differentiation of the result prunes the backward pass.

use super::rebuild::{Rebuild, put_root, users};
use crate::graph::ops::gather_rows::{GatherRows, ScatterRows, places_type, row_type, rows_type};
use crate::graph::ops::{AlongT, Input, Mismatch};
use crate::graph::{Body, BodyId, Dim, Graph, ListOp, Node, Op, Region, Run, Type, Users, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

pub fn prune_rows(graph: &mut Graph) -> Result<(), Mismatch> {
    let Some(root) = graph.body(Graph::ROOT).cloned() else { return Ok(()) };
    let found = pruned(&root, None);
    if !found.iter().any(|index| root.node(*index).is_some_and(|node| !is_sum(&node.op))) {
        return Ok(());
    }
    let nll = graph.output("nll").filter(|nll| found.contains(&nll.node));
    let Rebuilt { body, places, .. } = rebuilt(graph, &root, &found, nll, None)?;
    put_root(graph, body, &places);
    Ok(())
}

/// As [`prune_rows`], of a model of which rows of one output are read: it becomes those rows, `[R, ..]`.
pub fn prune_output(graph: &mut Graph, name: &str) -> Result<(), Mismatch> {
    let (Some(root), Some(wanted)) = (graph.body(Graph::ROOT).cloned(), graph.output(name)) else { return Ok(()) };
    let found = pruned(&root, Some(wanted));
    let Rebuilt { mut body, mut places, mut rows } = rebuilt(graph, &root, &found, None, Some(wanted))?;
    if rows.is_none() {
        // What mixes positions gives it: then only the output is gathered.
        let mut rebuild = Rebuild::of(&root);
        for (index, node) in root.nodes() {
            rebuild.copy(index, node)?;
        }
        let like = root.node(wanted.node).ok_or_else(|| Mismatch("no such output".into()))?;
        rows = Some(Gathered::default().get(&mut rebuild, wanted, like)?);
        (body, places) = rebuild.finish()?;
    }
    places.extend(rows.map(|rows| (wanted, rows)));
    put_root(graph, body, &places);
    Ok(())
}

fn is_sum(op: &Op) -> bool {
    matches!(op, Op::WeightedSum(_))
}

/// The nodes of which only rows are read; of `wanted`, which is no result, rows are read from outside.
fn pruned(body: &Body, wanted: Option<Value>) -> BTreeSet<NodeIndex> {
    let users = users(body);
    let mut found = BTreeSet::new();
    let mut order: Vec<(NodeIndex, &Node)> = body.nodes().collect();
    order.reverse();
    for (index, node) in order {
        let inputs = body.inputs(index);
        let inputs: Vec<&Type> = inputs.iter().filter_map(|v| body.type_of(*v)).collect();
        if is_sum(&node.op) && inputs.iter().all(|ty| row_type(ty).is_some()) {
            found.insert(index);
            continue;
        }
        let is_read = ports(index, node).any(|value| users.contains_key(&value) || wanted == Some(value));
        let by_rows_alone = ports(index, node).all(|value| read_by_rows_alone(body, &users, &found, value));
        if is_read && by_rows_alone && is_row_wise(&node.op, &inputs, &node.types) {
            found.insert(index);
        }
    }
    found
}

/// Whether all that read a value read rows of it.
fn read_by_rows_alone(
    body: &Body,
    users: &BTreeMap<Value, Vec<NodeIndex>>,
    found: &BTreeSet<NodeIndex>,
    value: Value,
) -> bool {
    users.get(&value).is_none_or(|by| by.iter().all(|user| found.contains(user))) && !body.results.contains(&value)
}

fn ports(index: NodeIndex, node: &Node) -> impl Iterator<Item = Value> + use<> {
    (0..node.types.len()).map(move |port| Value { node: index, port: port as u16 })
}

/// Whether an operation computes each position from that position alone, so that rows of its output come from rows
/// of its inputs. What has no positions is the same for all.
fn is_row_wise(op: &Op, inputs: &[&Type], outputs: &[Type]) -> bool {
    let Some(operation) = op.operation() else { return false };
    let rows = |ty: &Type| ty.list.is_empty() && row_type(ty).is_some();
    let constant = |ty: &Type| !ty.shape.iter().any(|dim| matches!(dim, Dim::Batch | Dim::Time | Dim::Rows));
    operation.along_t() == AlongT::RowWise
        && inputs.iter().any(|ty| rows(ty))
        && inputs.iter().all(|ty| rows(ty) || constant(ty))
        && outputs.iter().all(rows)
}

/// The inputs `rows` and `places` and the gathered values of a body, made where they are first needed.
#[derive(Default)]
struct Gathered {
    inputs: Option<[Value; 2]>,
    /// By old value.
    rows: BTreeMap<Value, Value>,
}

impl Gathered {
    fn inputs(&mut self, rebuild: &mut Rebuild<'_>) -> [Value; 2] {
        *self.inputs.get_or_insert_with(|| {
            [(Input::Rows, rows_type()), (Input::Places, places_type())].map(|(input, ty)| {
                let node = Node { op: Op::Input(input), span: None, scope: "rows".into(), types: vec![ty] };
                Value { node: rebuild.new.add(node, &[]), port: 0 }
            })
        })
    }

    /// The rows of an old value, which the new body has whole.
    fn get(&mut self, rebuild: &mut Rebuild<'_>, old: Value, like: &Node) -> Result<Value, Mismatch> {
        if let Some(rows) = self.rows.get(&old) {
            return Ok(*rows);
        }
        let whole = rebuild.place(old).ok_or_else(|| Mismatch("rows of a value that is not there".into()))?;
        let [rows, places] = self.inputs(rebuild);
        let node = rebuild.emit(GatherRows, &[whole, rows, places], like)?;
        let value = Value { node, port: 0 };
        self.rows.insert(old, value);
        Ok(value)
    }
}

struct Rebuilt {
    body: Body,
    /// Where the other values of the old body are now.
    places: BTreeMap<Value, Value>,
    rows: Option<Value>,
}

/// The body with these nodes on rows, where its other values are now, and the rows of `wanted` if they can be had
/// without it whole. `nll`, of one of the nodes, is scattered.
fn rebuilt(
    graph: &mut Graph,
    body: &Body,
    found: &BTreeSet<NodeIndex>,
    nll: Option<Value>,
    wanted: Option<Value>,
) -> Result<Rebuilt, Mismatch> {
    let users = users(body);
    let mut rebuild = Rebuild::of(body);
    let mut gathered = Gathered::default();
    for (index, node) in body.nodes() {
        if found.contains(&index) {
            emit_on_rows(&mut rebuild, &mut gathered, index, node)?;
            continue;
        }
        let Op::Repeat(region) = &node.op else {
            rebuild.copy(index, node)?;
            continue;
        };
        // What a region carries out, when rows of it are all that is read, its last iteration can give as rows.
        let (mut node, mut region) = (node.clone(), region.clone());
        let carried: Vec<Value> = ports(index, &node).take(region.n_carried).collect();
        let mut given = vec![];
        for value in carried {
            let is_read = users.contains_key(&value) || wanted == Some(value);
            if is_read
                && read_by_rows_alone(body, &users, found, value)
                && let Some(ty) = prune_last(graph, &mut region, usize::from(value.port))?
            {
                node.types.push(ty.listed(1));
                given.push((value, node.types.len() as u16 - 1));
            }
        }
        node.op = Op::Repeat(region);
        let inputs = rebuild.inputs(index)?;
        let here = rebuild.new.add(node.clone(), &inputs);
        rebuild.put_all(index, here, node.types.len());
        for (value, port) in given {
            let list = Value { node: here, port };
            let rows = rebuild.emit(Op::List(ListOp::Pick { index: 0 }), &[list], &node)?;
            gathered.rows.insert(value, Value { node: rows, port: 0 });
        }
    }
    if let Some(old) = nll
        && let Some(rows) = gathered.rows.get(&old).copied()
        && let Some(like) = body.node(old.node)
    {
        let [_, places] = gathered.inputs(&mut rebuild);
        let node = rebuild.emit(ScatterRows, &[rows, places], like)?;
        rebuild.put(old, Value { node, port: 0 });
    }
    let rows = wanted.and_then(|wanted| gathered.rows.get(&wanted).copied());
    let (body, places) = rebuild.finish()?;
    Ok(Rebuilt { body, places, rows })
}

/// A row-wise node on rows. Its outputs are noted as gathered; those without rows (a loss) as they are.
fn emit_on_rows(
    rebuild: &mut Rebuild<'_>,
    gathered: &mut Gathered,
    index: NodeIndex,
    node: &Node,
) -> Result<(), Mismatch> {
    let mut inputs = vec![];
    for input in rebuild.old.inputs(index) {
        let has_rows = rebuild.old.type_of(input).and_then(row_type).is_some();
        inputs.push(match has_rows {
            true => gathered.get(rebuild, input, node)?,
            false => rebuild.place(input).ok_or_else(|| Mismatch("an input is gone".into()))?,
        });
    }
    if matches!(node.op, Op::Dropout(_)) {
        inputs.extend(gathered.inputs(rebuild));
    }
    let here = rebuild.emit(node.op.clone(), &inputs, node)?;
    for (old, ty) in ports(index, node).zip(&node.types) {
        let new = Value { node: here, port: old.port };
        match row_type(ty) {
            Some(_) => _ = gathered.rows.insert(old, new),
            None => rebuild.put(old, new),
        }
    }
    Ok(())
}

/// Lets the last iteration give the rows of what it carries out in `port`, in a new last list, and carry what it was
/// given instead. Gives the rows' type, or nothing where the last iteration has nothing to prune.
fn prune_last(graph: &mut Graph, region: &mut Region, port: usize) -> Result<Option<Type>, Mismatch> {
    let Some(last) = region.runs.last().copied() else { return Ok(None) };
    let Some(mut body) = graph.body(last.body).cloned() else { return Ok(None) };
    let (Some(result), false) = (body.results.get(port).copied(), region.reversed) else { return Ok(None) };
    let Some(ty) = body.type_of(result).and_then(row_type) else { return Ok(None) };
    // What is carried out whole from here on nobody reads: the type has to be right, no more.
    let argument = body.nodes().find(|(_, node)| node.op == Op::Argument(port)).map(|(index, _)| index);
    let Some(argument) = argument else { return Ok(None) };
    if let Some(carried) = body.results.get_mut(port) {
        *carried = Value { node: argument, port: 0 };
    }
    if body.results.contains(&result) {
        return Ok(None);
    }
    let found = pruned(&body, Some(result));
    let from_region = matches!(body.node(result.node).map(|node| &node.op), Some(Op::Repeat(_)));
    if !found.contains(&result.node) && !from_region {
        return Ok(None);
    }
    // Made apart, since a region inside may turn out to have nothing to prune.
    let (mut trial, mut pruned_region) = (graph.clone(), region.clone());
    let own = own_body(&mut trial, &mut pruned_region, last, &mut body);
    let Rebuilt { mut body, rows, .. } = rebuilt(&mut trial, &body, &found, None, Some(result))?;
    let Some(rows) = rows else { return Ok(None) };
    body.results.push(rows);
    if let Some(slot) = trial.bodies.get_mut(own.0 as usize) {
        *slot = body;
    }
    pruned_region.collected.push(Users::of([own].into(), pruned_region.bodies().len()));
    (*graph, *region) = (trial, pruned_region);
    Ok(Some(ty))
}

/// A body that the last iteration has for itself; it takes the place of the shared one in lists. Regions in `body`, a
/// copy of the shared one, get bodies of their own.
fn own_body(graph: &mut Graph, region: &mut Region, last: Run, body: &mut Body) -> BodyId {
    let runs = region.runs.iter().filter(|run| run.body == last.body).count();
    if runs == 1 && last.count == 1 {
        return last.body;
    }
    let own = BodyId(graph.bodies.len() as u32);
    graph.bodies.push(Body::default());
    copy_regions(graph, body);
    if last.count > 1 {
        if let Some(run) = region.runs.last_mut() {
            run.count -= 1;
        }
        region.runs.push(Run { body: own, first: last.first + last.count - 1, count: 1 });
    } else if let Some(run) = region.runs.last_mut() {
        run.body = own;
    }
    for users in region.mapped.iter_mut().chain(&mut region.collected) {
        if let Users::Only(bodies) = users
            && bodies.contains(&last.body)
        {
            bodies.insert(own);
        }
    }
    own
}

/// Copies of the bodies of all regions in a body, which then names those: a body belongs to one region.
fn copy_regions(graph: &mut Graph, body: &mut Body) {
    for node in body.dag.node_weights_mut() {
        let Op::Repeat(region) = &mut node.op else { continue };
        let mut copies: BTreeMap<BodyId, BodyId> = BTreeMap::new();
        for id in region.bodies() {
            let Some(mut inner) = graph.body(id).cloned() else { continue };
            copies.insert(id, BodyId(graph.bodies.len() as u32));
            graph.bodies.push(Body::default());
            let at = graph.bodies.len() - 1;
            copy_regions(graph, &mut inner);
            if let Some(slot) = graph.bodies.get_mut(at) {
                *slot = inner;
            }
        }
        let copy = |id: &BodyId| copies.get(id).copied().unwrap_or(*id);
        region.runs.iter_mut().for_each(|run| run.body = copy(&run.body));
        for users in region.mapped.iter_mut().chain(&mut region.collected) {
            if let Users::Only(bodies) = users {
                *bodies = bodies.iter().map(copy).collect();
            }
        }
    }
}
