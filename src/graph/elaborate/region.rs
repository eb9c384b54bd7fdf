//! The bodies of a repeat become one node: one signature for all, runs, lists, and what starts empty.

use super::fixed::Late;
use super::frames::{Argument, Frame};
use super::repeat::{Elaborated, Loop};
use super::terms::TermId;
use super::{Atom, BodyId, Builder, Diagnostic, Dim, Elem, Env, Input, List, Op, Span, Tensor, Type, Val, Value, code};
use crate::graph::ops::zeros::Zeros;
use crate::graph::{Indices, ListOp, Region, Run, Users};
use std::collections::{BTreeMap, BTreeSet};

/// What the bodies of a region have in common.
#[derive(Default)]
struct Signature {
    n_carried: usize,
    late: Vec<(String, Type)>,
    invariants: Vec<Value>,
    mapped: Vec<(Value, TermId)>,
    /// Places of all but the mapped arguments.
    places: BTreeMap<Argument, usize>,
    /// Types of all but the mapped arguments.
    types: Vec<Type>,
}

impl Builder<'_> {
    /// Ends a repeat: adds its node, and binds what comes out of it.
    pub(super) fn region(&mut self, mut building: Loop<'_>, env: &mut Env) {
        let members: Vec<Indices> = building.bodies.iter().map(|body| body.members.clone()).collect();
        let merged = self.merge_params(building.first_param, building.region, &members);
        let late = self.late_types(&building);
        let outputs = match (building.sound, merged, late) {
            (true, Some(()), Some(late)) => self.make_region(&mut building, late),
            _ => None,
        };
        let frame = self.frames.len() - 1;
        let value = |port: usize| outputs.map(|node| Value { node, port: port as u16 });
        let n_carried = building.carried.len();
        for (port, (name, before, _)) in building.carried.into_iter().enumerate() {
            let after = value(port).map_or(Val::Failed, |value| Val::Tensor(Tensor { frame, value, ..before }));
            env.locals.insert(name, after);
        }
        // Lists come after what is carried, late names included.
        let n_late = building.bodies.first().map_or(0, |body| body.late_results.len());
        for (i, (name, span)) in building.collects.iter().enumerate() {
            let list = |value| Tensor { frame, value, span: *span, width: None };
            let list = value(n_carried + n_late + i)
                .map_or(Val::Failed, |value| Val::List(List { of: Some(list(value)), count: building.count }));
            env.unbound.remove(*name);
            env.locals.insert(name.to_string(), list);
        }
    }

    /// The names that are read at an index without being assigned there, which are carried, too.
    fn late_types(&mut self, building: &Loop<'_>) -> Option<Vec<(String, Type)>> {
        let names: BTreeSet<&String> = building.bodies.iter().flat_map(|body| body.frame.late.keys()).collect();
        let mut found = vec![];
        for name in names {
            let (bound, late) = building.late.get(name)?;
            let mut first: Option<(&Elaborated, Span, Type)> = None;
            for body in &building.bodies {
                let Some(tensor) = body.late.get(name) else { continue };
                let ty = body.frame.body.type_of(tensor.value).cloned();
                // A value from outside of the body is not of its frame.
                let ty = if tensor.frame == self.frames.len() { ty } else { Some(self.type_of(tensor)) };
                let ty = ty.unwrap_or_default();
                match &first {
                    Some((other, span, before)) if *before != ty => {
                        let message = format!(
                            "`{name}` is {before} at index {} and {ty} at index {} of `{}`",
                            other.index, body.index, building.label
                        );
                        self.report(
                            Diagnostic::error(code::CARRIED_SHAPE, message)
                                .at(tensor.span, format!("this is {ty}"))
                                .also(*span, format!("this is {before}"))
                                .help("a value that later indices read has one shape at all that assign it"),
                        );
                        return None;
                    }
                    Some(_) => {}
                    None => first = Some((body, tensor.span, ty)),
                }
            }
            let (_, span, ty) = first?;
            if let Late::Other { kind, index } = late {
                let message = format!("`{name}` is {kind} at index {index}, and a tensor at others");
                self.report(
                    Diagnostic::error(code::TENSOR_OR_NUMBER, message)
                        .at(*bound, "only tensors are carried from index to index")
                        .also(span, "a tensor here")
                        .help("use another name for it"),
                );
                return None;
            }
            if matches!(ty.elem, Elem::Index { .. }) || !ty.list.is_empty() {
                self.report(
                    Diagnostic::error(code::TENSOR_OR_NUMBER, format!("`{name}` is {ty}, which cannot be carried"))
                        .at(span, "assigned here")
                        .help("assign it before the repeat"),
                );
                return None;
            }
            found.push((name.clone(), ty));
        }
        Some(found)
    }

    fn make_region(
        &mut self,
        building: &mut Loop<'_>,
        late: Vec<(String, Type)>,
    ) -> Option<petgraph::graph::NodeIndex> {
        // What each body gives for the late names: what it assigned, or what it got.
        for body in &mut building.bodies {
            self.frames.push(std::mem::take(&mut body.frame));
            for (name, ty) in &late {
                let value = match body.late.get(name) {
                    Some(tensor) => self.here(tensor),
                    None => {
                        let frame = self.frames.last_mut()?;
                        match frame.late.get(name) {
                            Some(value) => *value,
                            None => frame.argument(Argument::Late(name.clone()), ty.clone()),
                        }
                    }
                };
                body.late_results.push(value);
            }
            body.frame = self.frames.pop()?;
        }
        let signature = self.signature(building, late);
        let n_fixed = signature.types.len();
        let mut runs = vec![];
        let mut users: Vec<BTreeSet<BodyId>> = vec![BTreeSet::new(); signature.mapped.len()];
        for body in &mut building.bodies {
            let id = BodyId(self.graph.bodies.len() as u32);
            let mut frame = std::mem::take(&mut body.frame);
            frame.body.arguments = signature.types.clone();
            let mut mapped: BTreeMap<(Value, TermId), usize> = BTreeMap::new();
            for (slot, users) in signature.mapped.iter().zip(&mut users) {
                if frame.mapped.contains_key(slot) {
                    users.insert(id);
                    mapped.insert(*slot, n_fixed + mapped.len());
                    let element = self.type_at(self.frames.len() - 1, slot.0).element().unwrap_or_default();
                    frame.body.arguments.push(element);
                }
            }
            number_arguments(&mut frame, &signature, &mapped);
            let collected = building.collects.keys().map(|name| body.collected.get(*name).copied());
            let collected: Option<Vec<Value>> = collected.collect();
            let results = body.carried.iter().chain(&body.late_results).copied();
            // Without one, resolve has said that it has to be collected in every body.
            frame.body.results = results.chain(collected?).collect();
            runs.extend(body.members.ranges().iter().map(|(first, count)| Run {
                body: id,
                first: *first,
                count: *count,
            }));
            self.graph.bodies.push(frame.body);
        }
        runs.sort_by_key(|run| run.first);
        let mut region = Region {
            label: building.label.clone(),
            runs,
            n_carried: signature.n_carried,
            n_invariant: signature.invariants.len(),
            mapped: vec![],
            collected: vec![Users::All; building.collects.len()],
            reversed: false,
        };
        let n_bodies = building.bodies.len();
        region.mapped = users.into_iter().map(|bodies| Users::of(bodies, n_bodies)).collect();
        self.add_region(building, signature, region)
    }

    /// The node, with all that goes into it.
    fn add_region(
        &mut self,
        building: &Loop<'_>,
        signature: Signature,
        region: Region,
    ) -> Option<petgraph::graph::NodeIndex> {
        let span = building.span;
        let mut inputs: Vec<Value> = building.carried.iter().map(|(_, tensor, _)| self.here(tensor)).collect();
        let mut types: Vec<Type> = building.carried.iter().map(|(.., ty)| ty.clone()).collect();
        for (_, ty) in &signature.late {
            inputs.push(self.zeros(ty, span)?);
            types.push(ty.clone());
        }
        inputs.extend(&signature.invariants);
        for ((list, term), users) in signature.mapped.iter().zip(&region.mapped) {
            let at = region.indices(users);
            let values = self.values_over(self.levels.len(), *term, &at, span)?;
            let table: Option<Vec<u64>> = values.into_iter().map(whole).collect();
            inputs.push(self.gather(*list, table?, span)?);
        }
        let first = self.graph.bodies.len().checked_sub(building.bodies.len())?;
        let body = self.graph.bodies.get(first)?;
        let collected = body.results.iter().skip(types.len());
        types.extend(collected.filter_map(|value| body.type_of(*value)).map(|ty| ty.listed(building.count)));
        let same = |body: &crate::graph::Body| {
            let own = body.results.iter().map(|value| body.type_of(*value));
            own.skip(region.n_carried).eq(types
                .iter()
                .skip(region.n_carried)
                .map(|ty| ty.element())
                .collect::<Vec<_>>()
                .iter()
                .map(Option::as_ref))
        };
        if let Some(i) = self.graph.bodies.iter().skip(first).position(|body| !same(body)) {
            self.collected_differ(building, i);
            return None;
        }
        self.add(Op::Repeat(region), &inputs, types, span).map(|value| value.node)
    }

    fn signature(&self, building: &Loop<'_>, late: Vec<(String, Type)>) -> Signature {
        let mut signature = Signature { n_carried: building.carried.len() + late.len(), ..Signature::default() };
        for (i, (.., ty)) in building.carried.iter().enumerate() {
            signature.places.insert(Argument::Carried(i), i);
            signature.types.push(ty.clone());
        }
        for (name, ty) in &late {
            signature.places.insert(Argument::Late(name.clone()), signature.types.len());
            signature.types.push(ty.clone());
        }
        signature.late = late;
        let depth = self.frames.len() - 1;
        for (_, argument) in building.bodies.iter().flat_map(|body| &body.frame.arguments) {
            match argument {
                Argument::Invariant(value) if !signature.places.contains_key(argument) => {
                    signature.places.insert(argument.clone(), signature.types.len());
                    signature.types.push(self.type_at(depth, *value));
                    signature.invariants.push(*value);
                }
                Argument::Mapped(list, term) if !signature.mapped.contains(&(*list, *term)) => {
                    signature.mapped.push((*list, *term));
                }
                Argument::Carried(_) | Argument::Late(_) | Argument::Invariant(_) | Argument::Mapped(..) => {}
            }
        }
        signature
    }

    /// What a name holds before the first index assigns it; nobody reads it.
    fn zeros(&mut self, ty: &Type, span: Span) -> Option<Value> {
        let zeros = Zeros { shape: ty.shape.clone(), wide: ty.elem == Elem::Wide };
        let is_static = ty.shape.iter().all(|dim| matches!(dim, Dim::Fixed(_)));
        let like = if is_static { vec![] } else { vec![self.input(Input::Tokens, span).value] };
        self.add(Op::Zeros(zeros), &like, vec![ty.clone()], span)
    }

    /// The list of these elements of a list.
    fn gather(&mut self, list: Value, table: Vec<u64>, span: Span) -> Option<Value> {
        let ty = self.type_at(self.frames.len() - 1, list);
        let n = ty.list.first().copied()?;
        if table.iter().copied().eq(0..n) {
            return Some(list);
        }
        let ty = ty.element()?.listed(table.len() as u64);
        self.add(Op::List(ListOp::Gather { table }), &[list], vec![ty], span)
    }

    fn collected_differ(&mut self, building: &Loop<'_>, body: usize) {
        let Some((first, other)) = building.bodies.first().zip(building.bodies.get(body)) else { return };
        let first_body = self.graph.bodies.len() - building.bodies.len();
        let ty = |body: usize, name: &str, of: &Elaborated| {
            let value = of.collected.get(name)?;
            self.graph.bodies.get(first_body + body)?.type_of(*value).cloned()
        };
        let differs = building.collects.iter().find_map(|(name, span)| {
            let (a, b) = (ty(0, name, first)?, ty(body, name, other)?);
            (a != b).then_some((name, *span, a, b))
        });
        let Some((name, span, a, b)) = differs else { return };
        let message = format!(
            "`{name}` collects {a} at index {} and {b} at index {} of `{}`",
            first.index, other.index, building.label
        );
        self.report(
            Diagnostic::error(code::CARRIED_SHAPE, message)
                .at(span, "a list has elements of one shape")
                .help("bring them to one shape first: `linear(x, n)`"),
        );
    }
}

fn whole(value: Option<Atom>) -> Option<u64> {
    match value {
        Some(Atom::Whole(n)) => u64::try_from(n).ok(),
        _ => None,
    }
}

/// Numbers the argument nodes of a body by the region's signature.
fn number_arguments(frame: &mut Frame, signature: &Signature, mapped: &BTreeMap<(Value, TermId), usize>) {
    for (node, argument) in &frame.arguments {
        let place = match argument {
            Argument::Mapped(list, term) => mapped.get(&(*list, *term)),
            other => signature.places.get(other),
        };
        if let (Some(place), Some(node)) = (place, frame.body.dag.node_weight_mut(*node)) {
            node.op = Op::Argument(*place);
        }
    }
}
