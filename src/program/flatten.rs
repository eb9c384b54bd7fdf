//! Unrolls regions and numbers slots. Lists are gone after it: taking an element names a slot.

use super::{Instr, ParamInstance, Program, Slot};
use crate::graph::ops::{Input, add::Add, zeros_like::ZerosLike};
use crate::graph::{BodyId, Dim, Graph, ListOp, Op, ParamId, Region, Type, ValidGraph, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A value while unrolling.
#[derive(Clone, Debug)]
enum Bound {
    One(Slot),
    /// Zeros that no instruction has made yet: sums leave them out, and most are never made.
    Zero(Zero),
    List(Vec<Bound>),
}

/// The instruction that would make the zeros.
#[derive(Clone, Debug)]
struct Zero {
    op: Op,
    inputs: Vec<Slot>,
    ty: Type,
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
        for indices in param.instances() {
            all.push((param.instance_path(&indices), ParamId(i as u32), indices));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut flattener =
        Flattener { valid, program: Program::default(), params: BTreeMap::new(), inputs: BTreeMap::new() };
    for (path, id, indices) in all {
        let Some(param) = valid.graph().param(id) else { continue };
        let shape: Vec<_> = param.shape.iter().map(|n| Dim::Fixed(*n)).collect();
        let slot = flattener.slot(Type::compute(shape));
        flattener.program.params.push(ParamInstance { path, shape: param.shape.clone(), init: param.init, place: 0 });
        flattener.params.insert((id, indices), slot);
    }
    let values = flattener.body(Graph::ROOT, &[], &[], None);
    flattener.finish(&values)
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
                    let depth = valid.graph().param(*param).map_or(0, |p| p.indices.len());
                    let key = (*param, indices.get(..depth).unwrap_or(indices).to_vec());
                    if let Some(slot) = self.params.get(&key) {
                        bound.insert(value, Bound::One(*slot));
                    }
                }
                Op::Repeat(region) => {
                    let outputs = self.region(region, &inputs, indices);
                    for (port, output) in outputs.into_iter().enumerate() {
                        bound.insert(Value { node: index, port: port as u16 }, output);
                    }
                }
                Op::List(op) => {
                    let scope = scope_at(&node.scope, indices, outer);
                    if let Some(output) = self.list(op, &inputs, &scope) {
                        bound.insert(value, output);
                    }
                }
                op => {
                    let scope = scope_at(&node.scope, indices, outer);
                    for (port, output) in
                        self.operation(&op.at(indices), &inputs, &node.types, &scope).into_iter().enumerate()
                    {
                        bound.insert(Value { node: index, port: port as u16 }, output);
                    }
                }
            }
        }
        bound
    }

    /// All iterations; gives the region's outputs.
    fn region(&mut self, region: &Region, inputs: &[Bound], indices: &[u64]) -> Vec<Bound> {
        let valid = self.valid;
        let n_fixed = region.n_carried + region.n_invariant;
        let mut carried: Vec<Bound> = inputs.iter().take(region.n_carried).cloned().collect();
        let invariant = inputs.get(region.n_carried..n_fixed).unwrap_or_default();
        let mapped = inputs.get(n_fixed..).unwrap_or_default();
        let mut lists: Vec<BTreeMap<usize, Bound>> = vec![BTreeMap::new(); region.collected.len()];
        for step in region.steps() {
            let mut arguments = carried;
            arguments.extend(invariant.iter().cloned());
            let element = |(list, place): &(usize, usize)| mapped.get(*list).and_then(|l| l.element(*place)).cloned();
            arguments.extend(step.mapped.iter().filter_map(element));
            let inner: Vec<u64> = indices.iter().copied().chain([step.index]).collect();
            let values = self.body(step.body, &arguments, &inner, Some(&format!("{}.{}", region.label, step.index)));
            let mut results: Vec<Bound> =
                valid.body(step.body).results.iter().filter_map(|v| values.get(v).cloned()).collect();
            let collected = results.split_off(region.n_carried.min(results.len()));
            for ((list, place), result) in step.collected.iter().zip(collected) {
                if let Some(list) = lists.get_mut(*list) {
                    list.insert(*place, result);
                }
            }
            carried = results;
        }
        carried.extend(lists.into_iter().map(|list| Bound::List(list.into_values().collect())));
        carried
    }

    fn list(&mut self, op: &ListOp, inputs: &[Bound], scope: &str) -> Option<Bound> {
        let first = inputs.first()?;
        Some(match op {
            ListOp::Pick { index } => first.element(*index as usize)?.clone(),
            ListOp::Gather { table } => {
                Bound::List(table.iter().filter_map(|i| first.element(*i as usize).cloned()).collect())
            }
            ListOp::Copies { count } => Bound::List(vec![first.clone(); *count as usize]),
            ListOp::Place { index, count } => {
                let zero = self.zero_like(first)?;
                let element = |i: u64| if i == *index { first.clone() } else { zero.clone() };
                Bound::List((0..*count).map(element).collect())
            }
            ListOp::Scatter { table, count } => {
                let zero = self.zero_like(first.element(0)?)?;
                let mut all = vec![zero; *count as usize];
                for (place, to) in table.iter().enumerate() {
                    let element = first.element(place)?;
                    let entry = all.get_mut(*to as usize)?;
                    *entry = self.sum(entry, element, scope)?;
                }
                Bound::List(all)
            }
            ListOp::Sum => self.sum(first, inputs.get(1)?, scope)?,
        })
    }

    /// `a + b` of one type.
    fn sum(&mut self, a: &Bound, b: &Bound, scope: &str) -> Option<Bound> {
        match (a, b) {
            (Bound::List(a), Bound::List(b)) => {
                let sums: Option<Vec<Bound>> = a.iter().zip(b).map(|(a, b)| self.sum(a, b, scope)).collect();
                Some(Bound::List(sums?))
            }
            (Bound::Zero(_), other) | (other, Bound::Zero(_)) => Some(other.clone()),
            (Bound::One(a), Bound::One(b)) => {
                let ty = self.program.types.get(a.0 as usize)?.clone();
                let slot = self.slot(ty);
                self.push(Add::default().into(), vec![*a, *b], vec![slot], scope);
                Some(Bound::One(slot))
            }
            _ => None,
        }
    }

    fn zero_like(&self, of: &Bound) -> Option<Bound> {
        Some(match of {
            Bound::Zero(zero) => Bound::Zero(zero.clone()),
            Bound::One(slot) => {
                let ty = self.program.types.get(slot.0 as usize)?.clone();
                Bound::Zero(Zero { op: ZerosLike.into(), inputs: vec![*slot], ty })
            }
            Bound::List(all) => Bound::List(all.iter().map(|of| self.zero_like(of)).collect::<Option<_>>()?),
        })
    }

    /// An operation's outputs. Zeros wait until something reads them; a sum with them is the other side.
    fn operation(&mut self, op: &Op, inputs: &[Bound], types: &[Type], scope: &str) -> Vec<Bound> {
        let ty = types.first().cloned().unwrap_or_default();
        match (op, inputs) {
            (Op::ZerosLike(_), [Bound::Zero(zero)]) => return vec![Bound::Zero(zero.clone())],
            (Op::Zeros(_) | Op::ZerosLike(_), _) => {
                let inputs = inputs.iter().filter_map(|bound| self.slot_of(bound, scope)).collect();
                return vec![Bound::Zero(Zero { op: op.clone(), inputs, ty })];
            }
            (Op::Add(_), [a, Bound::Zero(_)]) => return vec![a.clone()],
            (Op::Add(_), [Bound::Zero(zero), b @ Bound::One(slot)])
                if self.program.types.get(slot.0 as usize) == Some(&zero.ty) =>
            {
                return vec![b.clone()];
            }
            _ => {}
        }
        let inputs: Vec<Slot> = inputs.iter().filter_map(|bound| self.slot_of(bound, scope)).collect();
        let outputs: Vec<Slot> = types.iter().map(|ty| self.slot(ty.clone())).collect();
        self.push(op.clone(), inputs, outputs.clone(), scope);
        outputs.into_iter().map(Bound::One).collect()
    }

    /// The slot of a plain value; makes zeros that nothing has made yet.
    fn slot_of(&mut self, bound: &Bound, scope: &str) -> Option<Slot> {
        match bound {
            Bound::One(slot) => Some(*slot),
            Bound::List(_) => None,
            Bound::Zero(zero) => {
                let slot = self.slot(zero.ty.clone());
                self.push(zero.op.clone(), zero.inputs.clone(), vec![slot], scope);
                Some(slot)
            }
        }
    }

    fn push(&mut self, op: Op, inputs: Vec<Slot>, outputs: Vec<Slot>, scope: &str) {
        self.program.instrs.push(Instr { op, inputs, outputs, frees: vec![], scope: scope.to_string() });
    }

    fn finish(mut self, values: &BTreeMap<Value, Bound>) -> Program {
        let valid = self.valid;
        for (name, value) in &valid.graph().outputs {
            if let Some(slot) = values.get(value).and_then(|bound| self.slot_of(bound, "")) {
                self.program.outputs.push((name.clone(), slot));
            }
        }
        let mut grads: Vec<Option<Slot>> = vec![None; self.program.params.len()];
        for (id, value) in &valid.graph().grads {
            let (Some(bound), Some(param)) = (values.get(value), valid.graph().param(*id)) else { continue };
            let mut flat = vec![];
            bound.flatten(&mut flat);
            for (indices, element) in param.instances().into_iter().zip(flat) {
                let slot = self.slot_of(element, "");
                if let Some(param) = self.params.get(&(*id, indices))
                    && let Some(entry) = grads.get_mut(param.0 as usize)
                {
                    *entry = slot;
                }
            }
        }
        self.program.grads = if valid.graph().grads.is_empty() { vec![] } else { grads };
        self.free_after_last_use();
        self.place_params();
        self.program
    }

    /// By path, but what `linears` reads together stands together.
    fn place_params(&mut self) {
        let n = self.program.params.len();
        let mut follows: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        for instr in self.program.instrs.iter().filter(|instr| matches!(instr.op, Op::Linears(_))) {
            let weights: Vec<u32> = instr.inputs.iter().skip(1).map(|slot| slot.0).collect();
            let distinct: BTreeSet<u32> = weights.iter().copied().collect();
            let is_free =
                distinct.len() == weights.len() && distinct.iter().all(|w| !taken.contains(w) && (*w as usize) < n);
            if let (Some((first, rest)), true) = (weights.split_first(), is_free) {
                taken.extend(&weights);
                follows.insert(*first, rest.to_vec());
            }
        }
        let mut next = 0;
        for i in 0..n as u32 {
            // Members of a group come with its first.
            let rest = follows.get(&i);
            if taken.contains(&i) && rest.is_none() {
                continue;
            }
            for param in std::iter::once(i).chain(rest.into_iter().flatten().copied()) {
                if let Some(param) = self.program.params.get_mut(param as usize) {
                    param.place = next;
                    next += 1;
                }
            }
        }
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
    fn element(&self, place: usize) -> Option<&Bound> {
        match self {
            Bound::List(elements) => elements.get(place),
            Bound::One(_) | Bound::Zero(_) => None,
        }
    }

    /// The plain values, the outermost list first.
    fn flatten<'a>(&'a self, into: &mut Vec<&'a Bound>) {
        match self {
            Bound::List(elements) => elements.iter().for_each(|element| element.flatten(into)),
            Bound::One(_) | Bound::Zero(_) => into.push(self),
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
