//! Unrolls regions and numbers slots.

use super::{Instr, ParamInstance, Program, Slot};
use crate::graph::ops::Input;
use crate::graph::{BodyId, Graph, Op, ParamId, Type, ValidGraph, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A value while unrolling: one slot, or a list of them indexed by iteration.
#[derive(Clone, Debug)]
enum Bound {
    One(Slot),
    List(Vec<Option<Bound>>),
}

struct Flattener<'a> {
    valid: &'a ValidGraph,
    program: Program,
    params: BTreeMap<(ParamId, Vec<u64>), Slot>,
    inputs: BTreeMap<Input, Slot>,
}

/// The graph as a [`Program`].
///
/// Assumes a valid graph. Guarantees: instructions in evaluation order; each slot is written once
/// and named in exactly one `frees` unless it is a parameter, an input, an output or a gradient;
/// parameter `i`, by path, is `Slot(i)`.
pub fn flatten(valid: &ValidGraph) -> Program {
    let mut all: Vec<(String, ParamId, Vec<u64>)> = vec![];
    for (i, param) in valid.graph().params.iter().enumerate() {
        for indices in index_tuples(&param.repeats) {
            all.push((param.instance_path(&indices), ParamId(i as u32), indices));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut flattener =
        Flattener { valid, program: Program::default(), params: BTreeMap::new(), inputs: BTreeMap::new() };
    for (path, id, indices) in all {
        let Some(param) = valid.graph().param(id) else { continue };
        let shape: Vec<_> = param.shape.iter().map(|n| crate::graph::Dim::Fixed(*n)).collect();
        let slot = flattener.slot(Type::compute(shape));
        flattener.program.params.push(ParamInstance { path, shape: param.shape.clone(), init: param.init });
        flattener.params.insert((id, indices), slot);
    }
    let values = flattener.body(Graph::ROOT, &[], &[], None);
    flattener.finish(&values)
}

fn index_tuples(repeats: &[u64]) -> Vec<Vec<u64>> {
    repeats.iter().fold(vec![vec![]], |tuples, n| {
        tuples.iter().flat_map(|t| (0..*n).map(|i| t.iter().copied().chain([i]).collect())).collect()
    })
}

impl Flattener<'_> {
    fn slot(&mut self, ty: Type) -> Slot {
        self.program.n_slots += 1;
        self.program.types.push(ty);
        Slot(self.program.n_slots - 1)
    }

    /// Emits a body's instructions; gives what every value is bound to.
    fn body(
        &mut self,
        id: BodyId,
        arguments: &[Bound],
        indices: &[u64],
        outer: Option<&str>,
    ) -> BTreeMap<Value, Bound> {
        let valid = self.valid;
        let body = valid.body(id);
        let mut bound: BTreeMap<Value, Bound> = BTreeMap::new();
        for (index, node) in body.nodes() {
            let value = Value { node: index, port: 0 };
            let inputs: Vec<Bound> = body.inputs(index).iter().filter_map(|v| bound.get(v).cloned()).collect();
            match &node.op {
                Op::Argument(k) => {
                    if let Some(argument) = arguments.get(*k) {
                        bound.insert(value, argument.clone());
                    }
                }
                Op::Input(input) => {
                    let slot = match self.inputs.get(input) {
                        Some(slot) => *slot,
                        None => {
                            let slot = self.slot(node.types.first().cloned().unwrap_or_default());
                            self.inputs.insert(*input, slot);
                            self.program.inputs.push((*input, slot));
                            slot
                        }
                    };
                    bound.insert(value, Bound::One(slot));
                }
                Op::Param(param) => {
                    // A parameter of an enclosing scope is indexed by the regions around that scope only.
                    let depth = valid.graph().param(*param).map_or(0, |p| p.repeats.len());
                    let key = (*param, indices.get(..depth).unwrap_or(indices).to_vec());
                    if let Some(slot) = self.params.get(&key) {
                        bound.insert(value, Bound::One(*slot));
                    }
                }
                Op::Repeat(region) => {
                    let n_results = node.types.len();
                    let count = region.count() as usize;
                    let mut carried: Vec<Bound> = inputs.iter().take(region.n_carried).cloned().collect();
                    let fixed = region.n_carried..region.n_carried + region.n_invariant;
                    let mut lists: Vec<Vec<Option<Bound>>> = vec![vec![None; count]; n_results - region.n_carried];
                    let base = region.runs.first().map_or(0, |r| r.first);
                    for (i, inner) in region.iterations() {
                        let at = (i - base) as usize;
                        let mut arguments = carried.clone();
                        arguments.extend(inputs.get(fixed.clone()).unwrap_or_default().iter().cloned());
                        for list in inputs.iter().skip(fixed.end) {
                            if let Bound::List(elements) = list
                                && let Some(Some(element)) = elements.get(at)
                            {
                                arguments.push(element.clone());
                            }
                        }
                        let inner_indices: Vec<u64> = indices.iter().copied().chain([i]).collect();
                        let label = format!("{}.{i}", region.label);
                        let values = self.body(inner, &arguments, &inner_indices, Some(&label));
                        let results: Vec<Bound> =
                            valid.body(inner).results.iter().filter_map(|v| values.get(v).cloned()).collect();
                        for (list, result) in lists.iter_mut().zip(results.iter().skip(region.n_carried)) {
                            if let Some(entry) = list.get_mut(at) {
                                *entry = Some(result.clone());
                            }
                        }
                        carried = results.into_iter().take(region.n_carried).collect();
                    }
                    let outputs = carried.into_iter().chain(lists.into_iter().map(Bound::List));
                    for (port, output) in outputs.enumerate() {
                        bound.insert(Value { node: index, port: port as u16 }, output);
                    }
                }
                op => {
                    let inputs: Vec<Slot> = inputs.iter().filter_map(Bound::slot).collect();
                    let outputs: Vec<Slot> = node.types.iter().map(|ty| self.slot(ty.clone())).collect();
                    for (port, slot) in outputs.iter().enumerate() {
                        bound.insert(Value { node: index, port: port as u16 }, Bound::One(*slot));
                    }
                    let scope = scope_at(&node.scope, indices, outer);
                    self.program.instrs.push(Instr { op: op.clone(), inputs, outputs, frees: vec![], scope });
                }
            }
        }
        bound
    }

    fn finish(mut self, values: &BTreeMap<Value, Bound>) -> Program {
        let mut grads: Vec<Option<Slot>> = vec![None; self.program.params.len()];
        for (name, value) in &self.valid.graph().outputs {
            let Some(bound) = values.get(value) else { continue };
            let Some(path) = name.strip_prefix("grad.") else {
                if let Some(slot) = bound.slot() {
                    self.program.outputs.push((name.clone(), slot));
                }
                continue;
            };
            let Some(id) = self.valid.graph().params.iter().position(|p| p.path == path) else { continue };
            let repeats = self.valid.graph().params.get(id).map_or(vec![], |p| p.repeats.clone());
            for indices in index_tuples(&repeats) {
                let slot = bound.at(&indices).and_then(Bound::slot);
                if let Some(param) = self.params.get(&(ParamId(id as u32), indices))
                    && let Some(entry) = grads.get_mut(param.0 as usize)
                {
                    *entry = slot;
                }
            }
        }
        let has_backward = grads.iter().any(Option::is_some);
        self.program.grads = if has_backward { grads } else { vec![] };
        self.free_after_last_use();
        self.program
    }

    fn free_after_last_use(&mut self) {
        let mut kept: BTreeSet<Slot> = (0..self.program.params.len() as u32).map(Slot).collect();
        kept.extend(self.program.inputs.iter().map(|(_, slot)| *slot));
        kept.extend(self.program.outputs.iter().map(|(_, slot)| *slot));
        kept.extend(self.program.grads.iter().flatten());
        let mut seen = kept;
        for instr in self.program.instrs.iter_mut().rev() {
            // An output that nobody reads is freed at once.
            for slot in instr.inputs.iter().chain(&instr.outputs) {
                if seen.insert(*slot) {
                    instr.frees.push(*slot);
                }
            }
        }
    }
}

impl Bound {
    fn slot(&self) -> Option<Slot> {
        match self {
            Bound::One(slot) => Some(*slot),
            Bound::List(_) => None,
        }
    }

    fn at(&self, indices: &[u64]) -> Option<&Bound> {
        match (self, indices.split_first()) {
            (bound, None) => Some(bound),
            (Bound::List(elements), Some((i, rest))) => elements.get(*i as usize)?.as_ref()?.at(rest),
            (Bound::One(_), Some(_)) => None,
        }
    }
}

/// `layer.*.attention` at index 3 is `layer.3.attention`.
fn scope_at(scope: &str, indices: &[u64], outer: Option<&str>) -> String {
    if scope.is_empty() {
        return outer.unwrap_or("").to_string();
    }
    let mut indices = indices.iter();
    let part = |part: &str| match part {
        "*" => indices.next().map_or("*".to_string(), u64::to_string),
        other => other.to_string(),
    };
    scope.split('.').map(part).collect::<Vec<_>>().join(".")
}
