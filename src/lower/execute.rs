//! Runs a program: instructions in order over a table of slots, each slot dropped after its last use.

use super::cache::{After, Cache};
use super::error::{Fault, LowerError};
use super::ops::{self, Cx, DrawKey};
use super::optimizer::GradBuffer;
use super::places::Places;
use super::{Kinds, Timings, kernels};
use crate::check::spec::Precision;
use crate::graph::ops::Input;
use crate::graph::{DimSizes, Elem, Op, Type};
use crate::program::{Instr, Phase, Program, Slot};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A program for one precision and device.
pub struct Executable {
    program: Program,
    /// Of the program's instructions.
    phases: Vec<Phase>,
    kinds: Kinds,
    device: Device,
    tables: ops::rope::Tables,
    masks: ops::attend::Masks,
    places: Places,
}

/// What a run gives. `grads[i]` belongs to parameter `i` and is wide; `None` where the loss does not
/// reach the parameter, and empty for programs without a backward pass.
#[derive(Debug)]
pub struct Outputs {
    pub named: BTreeMap<String, Tensor>,
    pub grads: Vec<Option<Tensor>>,
}

impl Executable {
    pub fn new(program: Program, precision: Precision, device: Device) -> Executable {
        if device == Device::Cpu {
            kernels::keep_memory();
        }
        let (tables, masks) = Default::default();
        let (places, phases) = (Places::of(&program), program.phases());
        Executable { program, phases, kinds: precision.into(), device, tables, masks, places }
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    /// `params` are compute copies in the program's order (see `Weights::compute`). Inputs come as
    /// int64 ids and floating weights, on any device; `positions` may be left out and are then 0, 1, 2, ...
    pub fn run(&self, params: &[Tensor], inputs: &[(Input, Tensor)]) -> Result<Outputs, LowerError> {
        tch::no_grad(|| self.execute(params, inputs, None, None, None))
    }

    /// As [`Executable::run`] for positions that follow those in the cache, whose outputs are as they would be in
    /// the whole sequence. `keep` adds the new positions to the cache. Positions that are left out follow on.
    ///
    /// Refused where a kept position would see the new ones: full attention, and blocks that were not kept whole.
    pub fn run_after(
        &self,
        params: &[Tensor],
        inputs: &[(Input, Tensor)],
        cache: &mut Cache,
        keep: bool,
    ) -> Result<Outputs, LowerError> {
        let (rows, positions) = batch_and_time(inputs)?;
        let mut after = After::new(&self.program, cache, keep, [rows, positions].map(|n| n.max(0) as u64))?;
        let outputs = tch::no_grad(|| self.execute(params, inputs, None, None, Some(&mut after)))?;
        after.finish();
        Ok(outputs)
    }

    /// One micro-batch of a step: as [`Executable::run`], with the gradients added to `grads` and none given. With
    /// `timings`, each operation's time is added there; on a GPU the device is then waited for after every
    /// operation, so the sum is more than a run takes.
    pub fn run_into(
        &self,
        params: &[Tensor],
        inputs: &[(Input, Tensor)],
        grads: &mut GradBuffer,
        timings: Option<&mut Timings>,
    ) -> Result<Outputs, LowerError> {
        let mut outputs = tch::no_grad(|| self.execute(params, inputs, timings, Some(grads), None))?;
        grads.accumulate_but(&std::mem::take(&mut outputs.grads), |i| {
            self.program.grads.get(i).copied().flatten().and_then(|slot| self.places.grad(slot)) == Some(i)
        })?;
        Ok(outputs)
    }

    fn execute(
        &self,
        params: &[Tensor],
        inputs: &[(Input, Tensor)],
        mut timings: Option<&mut Timings>,
        grads: Option<&GradBuffer>,
        mut after: Option<&mut After<'_>>,
    ) -> Result<Outputs, LowerError> {
        let program = &self.program;
        if params.len() != program.params.len() {
            return Err(LowerError::Params { got: params.len(), takes: program.params.len() });
        }
        let mut slots: Vec<Option<Tensor>> = Vec::new();
        slots.resize_with(program.n_slots as usize, || None);
        for (slot, param) in slots.iter_mut().zip(params) {
            *slot = Some(param.shallow_clone());
        }
        let first = after.as_ref().map_or(0, |after| after.first_position());
        for (slot, tensor) in self.bind(inputs, first)? {
            put(&mut slots, slot, tensor);
        }
        let positions = self.positions(inputs, first)?;
        let draw = self.draw(inputs)?;
        let mut open = self.places.open();
        let sizes = self.sizes(inputs)?;
        let mut cx = Cx {
            into: vec![],
            draw,
            positions: &positions,
            kinds: self.kinds,
            device: self.device,
            tables: &self.tables,
            masks: &self.masks,
        };
        for (instr, phase) in program.instrs.iter().zip(&self.phases) {
            let op = instr.op.name();
            let failed = |fault: Fault| LowerError::Op { op, scope: instr.scope.clone(), fault };
            // Counting comes before the clock starts.
            let start = timings.is_some().then(|| (self.flops(instr, sizes), Timings::start(self.device)));
            let arguments: Option<Vec<&Tensor>> =
                instr.inputs.iter().map(|s| slots.get(s.0 as usize)?.as_ref()).collect();
            let arguments = arguments.ok_or(LowerError::EmptySlot { op })?;
            cx.into.clear();
            for slot in &instr.outputs {
                let grad = self.places.grad(*slot).zip(grads).and_then(|(i, grads)| grads.place(i));
                let place = match grad {
                    Some(grad) => Some(grad),
                    None => {
                        self.places.part(&mut open, *slot, sizes, (self.kinds.compute, self.device)).map_err(failed)?
                    }
                };
                cx.into.push(place);
            }
            let results = match (&instr.op, &mut after) {
                (Op::Attend(attend), Some(after)) => after.attend(attend, &cx, &arguments),
                (op, _) => ops::lower(op, &cx, &arguments),
            };
            let results = results.map_err(failed)?;
            if results.len() != instr.outputs.len() {
                return Err(failed(Fault::Arity { got: results.len(), takes: instr.outputs.len() }));
            }
            for (slot, result) in instr.outputs.iter().zip(results) {
                put(&mut slots, *slot, result);
            }
            for slot in &instr.frees {
                if let Some(entry) = slots.get_mut(slot.0 as usize) {
                    *entry = None;
                }
            }
            if let (Some(timings), Some((flops, start))) = (timings.as_deref_mut(), start) {
                timings.stop((*phase).into(), op, start, flops);
            }
        }
        let get = |slot: &Slot| slots.get(slot.0 as usize).and_then(|t| t.as_ref().map(Tensor::shallow_clone));
        let named = program.outputs.iter().filter_map(|(name, slot)| Some((name.clone(), get(slot)?))).collect();
        let grads = program.grads.iter().map(|slot| slot.as_ref().and_then(get)).collect();
        Ok(Outputs { named, grads })
    }

    /// Numbers for the symbolic dimensions.
    fn sizes(&self, inputs: &[(Input, Tensor)]) -> Result<DimSizes, LowerError> {
        let (batch, time) = batch_and_time(inputs)?;
        let rows = inputs.iter().find(|(input, _)| *input == Input::Rows).map_or(0, |(_, rows)| rows.numel() as u64);
        Ok(DimSizes { batch: batch.max(0) as u64, time: time.max(0) as u64, rows })
    }

    /// Of a run's matrix products, as they are counted everywhere; of pruned ones those of the rows that are left.
    pub fn executed_flops(&self, sizes: DimSizes) -> f64 {
        self.program.instrs.iter().map(|instr| self.flops(instr, sizes)).sum()
    }

    fn flops(&self, instr: &Instr, sizes: DimSizes) -> f64 {
        let of = |slots: &[Slot]| -> Vec<&Type> {
            slots.iter().filter_map(|slot| self.program.types.get(slot.0 as usize)).collect()
        };
        let outputs: Vec<Type> = of(&instr.outputs).into_iter().cloned().collect();
        instr.op.operation().map_or(0.0, |operation| operation.flops(&of(&instr.inputs), &outputs, sizes))
    }

    /// The place of the draws, if the program drops anything.
    fn draw(&self, inputs: &[(Input, Tensor)]) -> Result<DrawKey, LowerError> {
        if !self.program.inputs.iter().any(|(input, _)| *input == Input::Draw) {
            return Ok(DrawKey::default());
        }
        let given = inputs.iter().find(|(input, _)| *input == Input::Draw).map(|(_, given)| given);
        let given = given.ok_or(LowerError::MissingInput(Input::Draw.name()))?;
        let words: Vec<f64> = Vec::<i64>::try_from(given)?.into_iter().map(|word| word as f64).collect();
        Ok(DrawKey::of(&words))
    }

    /// The positions on the host, if the program reads them; `first` is that of the first.
    fn positions(&self, inputs: &[(Input, Tensor)], first: i64) -> Result<Vec<i64>, LowerError> {
        if !self.program.inputs.iter().any(|(input, _)| *input == Input::Positions) {
            return Ok(vec![]);
        }
        match inputs.iter().find(|(input, _)| *input == Input::Positions) {
            Some((_, given)) => Ok(Vec::<i64>::try_from(given)?),
            None => Ok((first..first + batch_and_time(inputs)?.1).collect()),
        }
    }

    /// The program's inputs, moved and cast to what the operations take.
    fn bind(&self, inputs: &[(Input, Tensor)], first: i64) -> Result<Vec<(Slot, Tensor)>, LowerError> {
        let given = |wanted: Input| inputs.iter().find(|(input, _)| *input == wanted).map(|(_, tensor)| tensor);
        let (_, time) = batch_and_time(inputs)?;
        let sizes = self.sizes(inputs)?;
        let mut bound = vec![];
        for (input, slot) in &self.program.inputs {
            let name = input.name();
            let wrong = |what: String| LowerError::Input { name, what };
            let Some(ty) = self.program.types.get(slot.0 as usize) else { continue };
            let tensor = match given(*input) {
                Some(tensor) => tensor.shallow_clone(),
                None if *input == Input::Positions => {
                    Tensor::f_arange_start(first, first + time, (Kind::Int64, self.device))?
                }
                None => return Err(LowerError::MissingInput(name)),
            };
            let shape: Vec<i64> = ty.shape.iter().map(|dim| dim.size(sizes) as i64).collect();
            if tensor.size() != shape {
                return Err(wrong(format!("its shape is {:?}, not {shape:?}", tensor.size())));
            }
            let kind = match ty.elem {
                Elem::Compute => self.kinds.compute,
                Elem::Wide => self.kinds.wide,
                Elem::Index { .. } => Kind::Int64,
            };
            let tensor = tensor.f_to_device(self.device).and_then(|t| t.f_to_kind(kind));
            bound.push((*slot, tensor.map_err(|e| wrong(Fault::from(e).to_string()))?));
        }
        Ok(bound)
    }
}

/// B and T: those of the first input that has both.
fn batch_and_time(inputs: &[(Input, Tensor)]) -> Result<(i64, i64), LowerError> {
    inputs.iter().find_map(|(_, tensor)| tensor.size2().ok()).ok_or(LowerError::MissingInput(Input::Tokens.name()))
}

fn put(slots: &mut [Option<Tensor>], slot: Slot, tensor: Tensor) {
    if let Some(entry) = slots.get_mut(slot.0 as usize) {
        *entry = Some(tensor);
    }
}
