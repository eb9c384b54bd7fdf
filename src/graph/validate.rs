//! The proof that a graph is sound. Checked, for every body:
//! 1. every node reads exactly the values it needs, from nodes before it (so there is no cycle);
//! 2. every operation's inputs pass its shape rule, and its noted types are what the rule gives;
//! 3. arguments are declared, each once, with their types; results exist;
//! 4. a region's bodies exist, come with the signature its inputs ask for, carried results have the
//!    carried types, and its runs cover indices without gap or overlap;
//! 5. every body belongs to exactly one place: the root, or one region;
//! 6. parameters have unique paths, one `*` per enclosing region, and sizes above zero;
//! 7. outputs exist.
//!
//! Errors here are mistakes of dlmc, not of a spec.

use super::{Body, BodyId, Graph, Node, Op, Region, Type, Value};
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// A graph that passed [`validate`]. Back ends take nothing else.
#[derive(Clone, Debug)]
pub struct ValidGraph(Graph);

impl ValidGraph {
    pub fn graph(&self) -> &Graph {
        &self.0
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
                region.runs.iter().for_each(|run| *owners.entry(run.body).or_default() += 1);
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
    let mut paths = BTreeSet::new();
    for param in &graph.params {
        if !paths.insert(&param.path) {
            bad(format!("two parameters on the path `{}`", param.path));
        }
        if param.path.split('.').filter(|part| *part == "*").count() != param.repeats.len() {
            bad(format!("`{}` is in {} regions", param.path, param.repeats.len()));
        }
        if param.n_elements() == 0 || param.n_instances() == 0 {
            bad(format!("`{}` is empty", param.path));
        }
    }
    for (name, value) in &graph.outputs {
        if graph.body(Graph::ROOT).and_then(|b| b.type_of(*value)).is_none() {
            bad(format!("the output `{name}` does not exist"));
        }
    }
    if found.is_empty() { Ok(ValidGraph(graph)) } else { Err(found) }
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
                let shape: Vec<super::Dim> = p.shape.iter().map(|n| super::Dim::Fixed(*n)).collect();
                if node.types != [Type::compute(shape)] {
                    bad(format!("`{}` is read with another shape", p.path));
                }
            }
        },
        Op::Repeat(region) => check_region(graph, id, region, node, &types, bad),
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

fn check_region(
    graph: &Graph,
    id: BodyId,
    region: &Region,
    node: &Node,
    inputs: &[&Type],
    bad: &mut dyn FnMut(String),
) {
    if region.n_carried + region.n_invariant + region.n_mapped != inputs.len() {
        return bad(format!("the region `{}` has {} inputs", region.label, inputs.len()));
    }
    let count = region.count();
    let mut next = region.runs.first().map_or(0, |r| r.first);
    if count == 0 {
        bad(format!("the region `{}` never runs", region.label));
    }
    for run in &region.runs {
        if run.first != next || run.count == 0 {
            bad(format!("the runs of `{}` have gaps", region.label));
        }
        next = run.first + run.count;
        if run.body <= id && run.body != Graph::ROOT && graph.body(run.body).is_none() {
            bad("a body that does not exist".into());
        }
        let Some(body) = graph.body(run.body) else {
            bad(format!("there is no body {}", run.body.0));
            continue;
        };
        let wanted: Option<Vec<Type>> = inputs
            .iter()
            .enumerate()
            .map(|(i, t)| {
                if i < region.n_carried + region.n_invariant {
                    Some((*t).clone())
                } else if t.list.first() == Some(&count) {
                    t.element()
                } else {
                    None
                }
            })
            .collect();
        if wanted.as_ref() != Some(&body.arguments) {
            bad(format!("the region `{}` passes {wanted:?} for {:?}", region.label, body.arguments));
        }
        let results: Vec<Type> = body.results.iter().filter_map(|v: &Value| body.type_of(*v).cloned()).collect();
        let given: Vec<Type> = results
            .iter()
            .enumerate()
            .map(|(i, t)| if i < region.n_carried { t.clone() } else { t.listed(count) })
            .collect();
        if given != node.types {
            bad(format!("the region `{}` gives {given:?}, noted is {:?}", region.label, node.types));
        }
        let carried = body.arguments.get(..region.n_carried);
        if carried != results.get(..region.n_carried) {
            bad(format!("the region `{}` changes the types of what it carries", region.label));
        }
    }
}
