//! The slow f64 interpreter of programs' graphs: the oracle of every lowering and every pass. It
//! walks the graph itself, regions included, and so shares nothing with `program`.

use crate::graph::ops::Input;
use crate::graph::{Array, BodyId, Graph, ListOp, Op, ParamId, Region, ValidGraph, Value};
use std::collections::BTreeMap;

/// A value: one array, or a list indexed by iteration.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    One(Array),
    List(Vec<Datum>),
}

impl Datum {
    fn array(&self) -> Option<&Array> {
        match self {
            Datum::One(array) => Some(array),
            Datum::List(_) => None,
        }
    }

    fn element(&self, i: u64) -> Option<Datum> {
        match self {
            Datum::One(_) => None,
            Datum::List(all) => all.get(i as usize).cloned(),
        }
    }

    /// All arrays, the outermost list first.
    fn arrays(&self) -> Vec<&Array> {
        match self {
            Datum::One(array) => vec![array],
            Datum::List(all) => all.iter().flat_map(Datum::arrays).collect(),
        }
    }

    fn zeros(&self) -> Datum {
        match self {
            Datum::One(array) => Datum::One(Array::zeros(array.shape.clone())),
            Datum::List(all) => Datum::List(all.iter().map(Datum::zeros).collect()),
        }
    }

    fn plus(&self, other: &Datum) -> Datum {
        match (self, other) {
            (Datum::List(a), Datum::List(b)) => Datum::List(a.iter().zip(b).map(|(a, b)| a.plus(b)).collect()),
            (Datum::One(a), Datum::One(b)) => Datum::One(a.zip(b, |a, b| a + b)),
            _ => self.clone(),
        }
    }
}

/// What a graph is evaluated on.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    pub inputs: BTreeMap<Input, Array>,
    /// By instance path (`layer.3.attention.q`).
    pub params: BTreeMap<String, Array>,
}

/// A binding that the graph needs and does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the graph reads {0}, which is not bound")]
pub struct Unbound(pub String);

/// Evaluates all outputs, by name, and all gradients as `grad.PATH`, with the path of the instance.
pub fn evaluate(valid: &ValidGraph, bindings: &Bindings) -> Result<BTreeMap<String, Array>, Unbound> {
    let graph = valid.graph();
    let values = body(valid, Graph::ROOT, &[], &[], bindings)?;
    let mut found = BTreeMap::new();
    for (name, value) in &graph.outputs {
        found.extend(values.get(value).and_then(Datum::array).map(|array| (name.clone(), array.clone())));
    }
    for (id, value) in &graph.grads {
        let (Some(param), Some(datum)) = (graph.param(*id), values.get(value)) else { continue };
        for (indices, array) in param.instances().into_iter().zip(datum.arrays()) {
            found.insert(format!("grad.{}", param.instance_path(&indices)), array.clone());
        }
    }
    Ok(found)
}

fn body(
    valid: &ValidGraph,
    id: BodyId,
    arguments: &[Datum],
    indices: &[u64],
    bindings: &Bindings,
) -> Result<BTreeMap<Value, Datum>, Unbound> {
    let of = valid.body(id);
    let mut values: BTreeMap<Value, Datum> = BTreeMap::new();
    for (index, node) in of.nodes() {
        let inputs: Vec<Datum> = of.inputs(index).iter().filter_map(|v| values.get(v).cloned()).collect();
        let outputs: Vec<Datum> = match &node.op {
            Op::Argument(k) => arguments.get(*k).cloned().into_iter().collect(),
            Op::Input(input) => {
                let array = bindings.inputs.get(input).ok_or_else(|| Unbound(input.name().into()))?;
                vec![Datum::One(array.clone())]
            }
            Op::Param(param) => vec![Datum::One(read_param(valid, *param, indices, bindings)?)],
            Op::Repeat(region) => repeat(valid, region, inputs, indices, bindings)?,
            Op::List(op) => list(op, &inputs).into_iter().collect(),
            op => {
                let arrays: Vec<&Array> = inputs.iter().filter_map(Datum::array).collect();
                let outputs = op.at(indices).operation().map(|o| o.reference(&arrays)).unwrap_or_default();
                outputs.into_iter().map(Datum::One).collect()
            }
        };
        for (port, output) in outputs.into_iter().enumerate() {
            values.insert(Value { node: index, port: port as u16 }, output);
        }
    }
    Ok(values)
}

fn repeat(
    valid: &ValidGraph,
    region: &Region,
    mut inputs: Vec<Datum>,
    indices: &[u64],
    bindings: &Bindings,
) -> Result<Vec<Datum>, Unbound> {
    let mapped = inputs.split_off((region.n_carried + region.n_invariant).min(inputs.len()));
    let invariant = inputs.split_off(region.n_carried.min(inputs.len()));
    let mut carried = inputs;
    // By list, then by absolute index: the order of execution does not matter.
    let mut collected: Vec<BTreeMap<u64, Datum>> = vec![BTreeMap::new(); region.collected.len()];
    let gives = region.lists_by_body(&region.collected);
    for step in region.steps() {
        let mut arguments = carried;
        arguments.extend(invariant.iter().cloned());
        arguments.extend(step.mapped.iter().filter_map(|(list, place)| mapped.get(*list)?.element(*place as u64)));
        let inner: Vec<u64> = indices.iter().copied().chain([step.index]).collect();
        let values = body(valid, step.body, &arguments, &inner, bindings)?;
        let mut results: Vec<Datum> =
            valid.body(step.body).results.iter().filter_map(|v| values.get(v).cloned()).collect();
        let given = results.split_off(region.n_carried.min(results.len()));
        for (list, result) in gives.get(&step.body).into_iter().flatten().zip(given) {
            if let Some(list) = collected.get_mut(*list) {
                list.insert(step.index, result);
            }
        }
        carried = results;
    }
    carried.extend(collected.into_iter().map(|list| Datum::List(list.into_values().collect())));
    Ok(carried)
}

fn list(op: &ListOp, inputs: &[Datum]) -> Option<Datum> {
    let first = inputs.first()?;
    Some(match op {
        ListOp::Pick { index } => first.element(*index)?,
        ListOp::Gather { table } => Datum::List(table.iter().filter_map(|i| first.element(*i)).collect()),
        ListOp::Copies { count } => Datum::List((0..*count).map(|_| first.clone()).collect()),
        ListOp::Place { index, count } => {
            Datum::List((0..*count).map(|i| if i == *index { first.clone() } else { first.zeros() }).collect())
        }
        ListOp::Scatter { table, count } => {
            let Datum::List(all) = first else { return None };
            let sum_at = |place: u64| {
                let here = all.iter().zip(table).filter(|(_, to)| **to == place);
                let zero = all.first().map(Datum::zeros);
                here.fold(zero, |sum, (element, _)| sum.map(|s| s.plus(element)))
            };
            Datum::List((0..*count).filter_map(sum_at).collect())
        }
        ListOp::Sum => first.plus(inputs.get(1)?),
    })
}

fn read_param(valid: &ValidGraph, id: ParamId, indices: &[u64], bindings: &Bindings) -> Result<Array, Unbound> {
    let Some(param) = valid.graph().param(id) else { return Err(Unbound(format!("parameter {}", id.0))) };
    let path = param.instance_path(indices.get(..param.indices.len()).unwrap_or(indices));
    bindings.params.get(&path).cloned().ok_or(Unbound(path))
}
