//! The slow f64 interpreter of programs' graphs: the oracle of every lowering and every pass. It
//! walks the graph itself, regions included, and so shares nothing with `program`.

use crate::graph::ops::Input;
use crate::graph::{Array, BodyId, Graph, Op, ParamId, ValidGraph, Value};
use std::collections::BTreeMap;

/// A value: one array, or a list indexed by iteration.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    One(Array),
    List(Vec<Datum>),
}

impl Datum {
    pub fn array(&self) -> Option<&Array> {
        match self {
            Datum::One(array) => Some(array),
            Datum::List(_) => None,
        }
    }

    /// The element at nested indices.
    pub fn at(&self, indices: &[u64]) -> Option<&Array> {
        match (self, indices.split_first()) {
            (Datum::One(array), None) => Some(array),
            (Datum::List(all), Some((i, rest))) => all.get(*i as usize)?.at(rest),
            _ => None,
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

/// Evaluates all outputs.
pub fn evaluate(valid: &ValidGraph, bindings: &Bindings) -> Result<BTreeMap<String, Datum>, Unbound> {
    let values = body(valid, Graph::ROOT, &[], &[], bindings)?;
    Ok(valid.graph().outputs.iter().filter_map(|(name, v)| Some((name.clone(), values.get(v)?.clone()))).collect())
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
            Op::Repeat(region) => {
                let fixed = region.n_carried + region.n_invariant;
                let base = region.runs.first().map_or(0, |r| r.first);
                let mut carried: Vec<Datum> = inputs.iter().take(region.n_carried).cloned().collect();
                let mut collected: BTreeMap<u64, Vec<Datum>> = BTreeMap::new();
                for (i, inner) in region.iterations() {
                    let mut arguments = carried;
                    arguments.extend(inputs.iter().skip(region.n_carried).take(region.n_invariant).cloned());
                    for list in inputs.iter().skip(fixed) {
                        if let Datum::List(all) = list {
                            arguments.extend(all.get((i - base) as usize).cloned());
                        }
                    }
                    let inner_indices: Vec<u64> = indices.iter().copied().chain([i]).collect();
                    let inner_values = body(valid, inner, &arguments, &inner_indices, bindings)?;
                    let mut results: Vec<Datum> =
                        valid.body(inner).results.iter().filter_map(|v| inner_values.get(v).cloned()).collect();
                    let rest = results.split_off(region.n_carried.min(results.len()));
                    collected.insert(i, rest);
                    carried = results;
                }
                let n_lists = node.types.len() - region.n_carried;
                let list = |port: usize| Datum::List(collected.values().filter_map(|r| r.get(port).cloned()).collect());
                carried.into_iter().chain((0..n_lists).map(list)).collect()
            }
            op => {
                let arrays: Vec<&Array> = inputs.iter().filter_map(Datum::array).collect();
                let outputs = op.operation().map(|o| o.reference(&arrays)).unwrap_or_default();
                outputs.into_iter().map(Datum::One).collect()
            }
        };
        for (port, output) in outputs.into_iter().enumerate() {
            values.insert(Value { node: index, port: port as u16 }, output);
        }
    }
    Ok(values)
}

fn read_param(valid: &ValidGraph, id: ParamId, indices: &[u64], bindings: &Bindings) -> Result<Array, Unbound> {
    let Some(param) = valid.graph().param(id) else { return Err(Unbound(format!("parameter {}", id.0))) };
    let path = param.instance_path(indices.get(..param.repeats.len()).unwrap_or(indices));
    bindings.params.get(&path).cloned().ok_or(Unbound(path))
}
