//! The proof that a graph is sound. Checked, for every body:
//! 1. every node reads exactly the values it needs, from nodes before it (so there is no cycle);
//! 2. every operation's inputs pass its shape rule, and its noted types are what the rule gives;
//! 3. arguments are declared, each once, with their types; results exist;
//! 4. a region's bodies exist, come with the signature its inputs ask for, carried results have the
//!    carried types, its lists have users among its bodies, and its runs cover indices without gap
//!    or overlap;
//! 5. every body belongs to exactly one place: the root, or one region;
//! 6. parameters have sizes above zero, one `*` per enclosing region, no instance in common with
//!    another, and are read only where they exist;
//! 7. outputs and gradients exist, a gradient as lists over its parameter's indices.
//!
//! Errors here are mistakes of dlmc, not of a spec.

use super::{Body, BodyId, Dim, Graph, Indices, Node, Op, Param, ParamId, Region, Type, Users, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// A graph that passed [`validate`]. Back ends take nothing else.
#[derive(Clone, Debug)]
pub struct ValidGraph(Graph);

impl ValidGraph {
    pub fn graph(&self) -> &Graph {
        &self.0
    }

    /// The same graph with other operations; the caller changes none of their types.
    pub(super) fn with_operations(&self, change: impl Fn(&mut Op)) -> ValidGraph {
        let mut graph = self.0.clone();
        graph.bodies.iter_mut().flat_map(|body| body.dag.node_weights_mut()).for_each(|node| change(&mut node.op));
        ValidGraph(graph)
    }

    /// A graph that a rewrite made of a valid one and that is valid in turn; tests validate what rewrites make.
    pub(super) fn rewritten(graph: Graph) -> ValidGraph {
        ValidGraph(graph)
    }

    /// The body of a region's run or the root.
    pub fn body(&self, id: BodyId) -> &Body {
        static EMPTY: std::sync::OnceLock<Body> = std::sync::OnceLock::new();
        self.0.body(id).unwrap_or_else(|| EMPTY.get_or_init(Body::default))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body {body}, node {node}: {what}")]
pub struct Invalid {
    pub body: u32,
    pub node: usize,
    pub what: String,
}

/// Checks everything that the file's head lists.
pub fn validate(graph: Graph) -> Result<ValidGraph, Vec<Invalid>> {
    let mut found = vec![];
    let mut owners: BTreeMap<BodyId, usize> = BTreeMap::new();
    for (i, body) in graph.bodies.iter().enumerate() {
        let id = BodyId(i as u32);
        for (index, node) in body.nodes() {
            let mut bad = |what: String| found.push(Invalid { body: id.0, node: index.index(), what });
            check_node(&graph, id, body, index, node, &mut bad);
            if let Op::Repeat(region) = &node.op {
                region.bodies().iter().for_each(|body| *owners.entry(*body).or_default() += 1);
            }
        }
        let mut bad = |what: String| found.push(Invalid { body: id.0, node: usize::MAX, what });
        let mut seen = BTreeSet::new();
        for (_, node) in body.nodes() {
            if let Op::Argument(k) = node.op
                && !seen.insert(k)
            {
                bad(format!("argument {k} is read by two nodes"));
            }
        }
        for result in &body.results {
            if body.type_of(*result).is_none() {
                bad("a result does not exist".into());
            }
        }
        if id == Graph::ROOT && !(body.arguments.is_empty() && body.results.is_empty()) {
            bad("the root takes and gives nothing".into());
        }
    }
    let mut bad = |what: String| found.push(Invalid { body: 0, node: usize::MAX, what });
    for i in 1..graph.bodies.len() {
        let n = owners.get(&BodyId(i as u32)).copied().unwrap_or(0);
        if n != 1 {
            bad(format!("body {i} belongs to {n} regions"));
        }
    }
    if owners.contains_key(&Graph::ROOT) {
        bad("the root is the body of a region".into());
    }
    for param in &graph.params {
        if param.path.split('.').filter(|part| *part == "*").count() != param.indices.len() {
            bad(format!("`{}` is in {} regions", param.path, param.indices.len()));
        }
        if param.n_elements() == 0 || param.n_instances() == 0 {
            bad(format!("`{}` is empty", param.path));
        }
    }
    check_paths(&graph, &mut bad);
    if owners.values().all(|n| *n == 1) && !owners.contains_key(&Graph::ROOT) {
        check_reads(&graph, Graph::ROOT, 0, &mut bad);
    }
    for (name, value) in &graph.outputs {
        if graph.body(Graph::ROOT).and_then(|b| b.type_of(*value)).is_none() {
            bad(format!("the output `{name}` does not exist"));
        }
    }
    for (id, value) in &graph.grads {
        let wanted = graph
            .param(*id)
            .map(|p| Type { list: p.indices.iter().map(Indices::n).collect(), ..Type::wide(fixed_shape(p)) });
        if wanted.is_none() || graph.body(Graph::ROOT).and_then(|b| b.type_of(*value)) != wanted.as_ref() {
            bad(format!("the gradient of parameter {} does not fit", id.0));
        }
    }
    if found.is_empty() { Ok(ValidGraph(graph)) } else { Err(found) }
}

fn fixed_shape(param: &Param) -> Vec<Dim> {
    param.shape.iter().map(|n| Dim::Fixed(*n)).collect()
}

/// No two parameters have an instance in common.
fn check_paths(graph: &Graph, bad: &mut dyn FnMut(String)) {
    let mut by_path: BTreeMap<&str, Vec<&Param>> = BTreeMap::new();
    for param in &graph.params {
        by_path.entry(&param.path).or_default().push(param);
    }
    for (path, params) in by_path.iter().filter(|(_, params)| params.len() > 1) {
        // Almost always there are a few, whose ranges are sorted already.
        if params.len() <= 8 {
            let meet = |a: &Param, b: &Param| a.indices.iter().zip(&b.indices).all(|(a, b)| a.meets(b));
            if params.iter().enumerate().any(|(i, a)| params.iter().skip(i + 1).any(|b| meet(a, b))) {
                bad(format!("two parameters on the path `{path}`"));
            }
            continue;
        }
        // By the ranges of the outermost region: almost all pairs are apart there already.
        let mut ranges: Vec<(u64, u64, &Param)> = vec![];
        for param in params {
            match param.indices.first() {
                Some(indices) => ranges.extend(indices.ranges().iter().map(|(first, n)| (*first, first + n, *param))),
                None => ranges.push((0, 1, param)),
            }
        }
        ranges.sort_by_key(|(first, end, _)| (*first, *end));
        let mut open: Vec<(u64, &Param)> = vec![];
        for (first, end, param) in ranges {
            open.retain(|(end, _)| *end > first);
            let meets = |other: &Param| other.indices.iter().zip(&param.indices).skip(1).all(|(a, b)| a.meets(b));
            if open.iter().any(|(_, other)| meets(other)) {
                bad(format!("two parameters on the path `{path}`"));
                break;
            }
            open.push((end, param));
        }
    }
}

/// The parameters of enclosing scopes that a body reads, regions inside it included. On the way: each
/// is read at indices at which it exists.
fn check_reads(graph: &Graph, id: BodyId, depth: usize, bad: &mut dyn FnMut(String)) -> BTreeSet<ParamId> {
    let mut read = BTreeSet::new();
    let Some(body) = graph.body(id) else { return read };
    let regions_around = |id: &ParamId| graph.param(*id).map_or(0, |p| p.indices.len());
    for (_, node) in body.nodes() {
        match &node.op {
            Op::Param(param) => {
                if regions_around(param) > depth {
                    bad(format!("parameter {} is read outside of its region", param.0));
                }
                read.insert(*param);
            }
            Op::Repeat(region) => {
                let mut readers: BTreeMap<ParamId, BTreeSet<BodyId>> = BTreeMap::new();
                for body in region.bodies() {
                    for param in check_reads(graph, body, depth + 1, bad) {
                        readers.entry(param).or_default().insert(body);
                    }
                }
                let mut indices: BTreeMap<BTreeSet<BodyId>, Indices> = BTreeMap::new();
                for (param, bodies) in readers {
                    let Some(exists) = graph.param(param).and_then(|p| p.indices.get(depth)) else {
                        read.insert(param);
                        continue;
                    };
                    let reads =
                        indices.entry(bodies).or_insert_with_key(|bodies| region.indices(&Users::Only(bodies.clone())));
                    if *reads != *exists && exists.places(reads).len() as u64 != reads.n() {
                        let path = graph.param(param).map_or("?", |p| &p.path);
                        bad(format!("`{path}` is read at {reads} and exists at {exists}"));
                    }
                }
            }
            _ => {}
        }
    }
    read
}

fn check_node(graph: &Graph, id: BodyId, body: &Body, index: NodeIndex, node: &Node, bad: &mut dyn FnMut(String)) {
    let inputs = body.inputs(index);
    if let Some(input) = inputs.iter().find(|v| v.node >= index || body.type_of(**v).is_none()) {
        return bad(format!("{} reads {:?}, which is not there yet", node.op.name(), input));
    }
    let ports: BTreeSet<u16> =
        body.dag.edges_directed(index, petgraph::Direction::Incoming).map(|e| e.weight().to).collect();
    if ports.len() != inputs.len()
        || ports.iter().next_back().is_some_and(|last| usize::from(*last) + 1 != inputs.len())
    {
        return bad(format!("{} has gaps or doubles in its inputs", node.op.name()));
    }
    let types: Vec<&Type> = inputs.iter().filter_map(|v| body.type_of(*v)).collect();
    match &node.op {
        Op::Argument(k) => {
            if body.arguments.get(*k).map(std::slice::from_ref) != Some(node.types.as_slice()) || id == Graph::ROOT {
                bad(format!("argument {k} is not declared so"));
            }
        }
        Op::Input(_) => {
            if node.types.len() != 1 || !inputs.is_empty() {
                bad("an input has one value and reads none".into());
            }
        }
        Op::Param(param) => match graph.param(*param) {
            None => bad(format!("there is no parameter {}", param.0)),
            Some(p) => {
                if node.types != [Type::compute(fixed_shape(p))] {
                    bad(format!("`{}` is read with another shape", p.path));
                }
            }
        },
        Op::Repeat(region) => check_region(graph, region, node, &types, bad),
        Op::List(op) => match op.infer(&types) {
            Ok(ty) if node.types == [ty.clone()] => {}
            Ok(ty) => bad(format!("{} gives {ty}, noted is {:?}", op.name(), node.types)),
            Err(mismatch) => bad(mismatch.to_string()),
        },
        op => {
            let Some(operation) = op.operation() else { return };
            if let Some(list) = types.iter().find(|t| !t.list.is_empty()) {
                return bad(format!("{} reads the list {list}", op.name()));
            }
            match operation.infer(&types) {
                Ok(inferred) if inferred == node.types => {}
                Ok(inferred) => bad(format!("{} gives {inferred:?}, noted is {:?}", op.name(), node.types)),
                Err(mismatch) => bad(mismatch.to_string()),
            }
        }
    }
}

fn check_region(graph: &Graph, region: &Region, node: &Node, inputs: &[&Type], bad: &mut dyn FnMut(String)) {
    let label = &region.label;
    let n_fixed = region.n_carried + region.n_invariant;
    if n_fixed + region.mapped.len() != inputs.len() {
        return bad(format!("the region `{label}` has {} inputs", inputs.len()));
    }
    if region.n_carried + region.collected.len() != node.types.len() {
        return bad(format!("the region `{label}` has {} outputs", node.types.len()));
    }
    if region.count() == 0 {
        bad(format!("the region `{label}` never runs"));
    }
    let mut next = region.runs.first().map_or(0, |r| r.first);
    for run in &region.runs {
        if run.first != next || run.count == 0 {
            bad(format!("the runs of `{label}` have gaps"));
        }
        next = run.first + run.count;
    }
    let bodies = region.bodies();
    let distinct: BTreeSet<BodyId> = bodies.iter().copied().collect();
    for users in region.mapped.iter().chain(&region.collected) {
        if let Users::Only(some) = users
            && (some.is_empty() || !some.is_subset(&distinct))
        {
            bad(format!("a list of `{label}` has users elsewhere"));
        }
    }
    let taken = region.lengths(&region.mapped);
    let given = region.lengths(&region.collected);
    let (takes, gives) = (region.lists_by_body(&region.mapped), region.lists_by_body(&region.collected));
    for id in bodies {
        let Some(body) = graph.body(id) else {
            bad(format!("there is no body {}", id.0));
            continue;
        };
        let element = |list: &usize, types: &[&Type], lengths: &[u64]| {
            let ty = types.get(*list)?;
            if ty.list.first() == lengths.get(*list) { ty.element() } else { None }
        };
        let mut arguments: Vec<Option<Type>> = inputs.iter().take(n_fixed).map(|t| Some((*t).clone())).collect();
        let lists = inputs.get(n_fixed..).unwrap_or_default();
        arguments.extend(takes.get(&id).into_iter().flatten().map(|list| element(list, lists, &taken)));
        let arguments: Option<Vec<Type>> = arguments.into_iter().collect();
        if arguments.as_ref() != Some(&body.arguments) {
            bad(format!("the region `{label}` passes {arguments:?} for {:?}", body.arguments));
        }
        let outputs: Vec<&Type> = node.types.iter().collect();
        let (carried, lists) = outputs.split_at(region.n_carried.min(outputs.len()));
        let mut wanted: Vec<Option<Type>> = carried.iter().map(|t| Some((*t).clone())).collect();
        wanted.extend(gives.get(&id).into_iter().flatten().map(|list| element(list, lists, &given)));
        let results: Vec<Option<Type>> = body.results.iter().map(|v: &Value| body.type_of(*v).cloned()).collect();
        if results != wanted {
            bad(format!("a body of the region `{label}` gives {results:?} for {wanted:?}"));
        }
        if inputs.iter().take(region.n_carried).ne(carried.iter()) {
            bad(format!("the region `{label}` changes the types of what it carries"));
        }
    }
}
