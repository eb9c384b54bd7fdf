//! Which results have a place before they are made: gradients of parameters in the step's gradient buffer, and
//! gradients that one product reads side by side in one tensor, so that nothing is copied to bring them together.

use super::error::Fault;
use super::ops::Destination;
use crate::graph::{Dim, DimSizes, Op};
use crate::program::{Program, Slot, scratch};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// The plan of a program.
#[derive(Debug, Default)]
pub struct Places {
    /// Parameters whose gradient one operation makes and nothing reads, by slot.
    grads: BTreeMap<Slot, usize>,
    parts: BTreeMap<Slot, Part>,
    /// Shapes of the tensors that parts lie in.
    groups: Vec<Group>,
}

/// A part of the last dimension of a group's tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    group: usize,
    first: u64,
    width: u64,
    /// Heads, where the part is made as `[B, H, T, d]`.
    heads: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Group {
    /// Of what the parts have in common.
    rows: Vec<Dim>,
    width: u64,
    n_parts: usize,
}

/// The tensors of a run.
pub struct Open(Vec<Option<(Tensor, usize)>>);

impl Places {
    pub fn of(program: &Program) -> Places {
        let mut makers: BTreeMap<Slot, (usize, usize)> = BTreeMap::new();
        let mut readers: BTreeMap<Slot, usize> = BTreeMap::new();
        for (i, instr) in program.instrs.iter().enumerate() {
            instr.inputs.iter().for_each(|slot| *readers.entry(*slot).or_default() += 1);
            makers.extend(instr.outputs.iter().enumerate().map(|(port, slot)| (*slot, (i, port))));
        }
        let mut places = Places::default();
        for (param, slot) in program.grads.iter().enumerate() {
            let Some(slot) = slot.filter(|slot| !readers.contains_key(slot)) else { continue };
            let made = makers.get(&slot).and_then(|(i, _)| program.instrs.get(*i));
            let wide_into = made.is_some_and(|instr| scratch::writes_in_place(&instr.op));
            // One tensor for two parameters would be written once.
            if wide_into && program.grads.iter().flatten().filter(|other| **other == slot).count() == 1 {
                places.grads.insert(slot, param);
            }
        }
        for instr in program.instrs.iter().filter(|instr| matches!(instr.op, Op::LinearsGrad(_))) {
            let dys = instr.inputs.get(1 + (instr.inputs.len() - 1) / 2..).unwrap_or_default();
            let parts: Option<Vec<(Slot, Part)>> = dys.iter().map(|dy| part(program, &makers, &readers, *dy)).collect();
            let rows = dys.first().and_then(|dy| program.types.get(dy.0 as usize)?.shape.split_last());
            let (Some(parts), Some((_, rows))) = (parts, rows) else { continue };
            let (group, mut width) = (places.groups.len(), 0);
            for (slot, part) in &parts {
                places.parts.insert(*slot, Part { group, first: width, ..*part });
                width += part.width;
            }
            places.groups.push(Group { rows: rows.to_vec(), width, n_parts: parts.len() });
        }
        places
    }

    pub fn open(&self) -> Open {
        Open(self.groups.iter().map(|_| None).collect())
    }

    /// The parameter whose gradient a slot is, where it can be written in place.
    pub fn grad(&self, slot: Slot) -> Option<usize> {
        self.grads.get(&slot).copied()
    }

    /// The place of a part.
    pub fn part(
        &self,
        open: &mut Open,
        slot: Slot,
        sizes: DimSizes,
        (kind, device): (Kind, Device),
    ) -> Result<Option<Destination>, Fault> {
        let Some(part) = self.parts.get(&slot) else { return Ok(None) };
        let (Some(group), Some(entry)) = (self.groups.get(part.group), open.0.get_mut(part.group)) else {
            return Ok(None);
        };
        let mut shape: Vec<i64> = group.rows.iter().map(|dim| dim.size(sizes) as i64).collect();
        let (tensor, left) = match entry.take() {
            Some((tensor, left)) => (tensor, left),
            None => {
                let whole: Vec<i64> = shape.iter().copied().chain([group.width as i64]).collect();
                (Tensor::f_empty(&whole[..], (kind, device))?, group.n_parts)
            }
        };
        let mut view = tensor.f_narrow(-1, part.first as i64, part.width as i64)?;
        if let Some(heads) = part.heads {
            shape.extend([heads as i64, (part.width / heads.max(1)) as i64]);
            view = view.f_view(&shape[..])?.f_transpose(1, 2)?;
        }
        // The last part's maker and its reader hold the tensor from then on.
        *entry = (left > 1).then_some((tensor, left - 1));
        Ok(Some(Destination { tensor: view, adds: false }))
    }
}

/// Where the gradient `dy` comes from, if its maker can write to a place: through views, and read by nobody else.
fn part(
    program: &Program,
    makers: &BTreeMap<Slot, (usize, usize)>,
    readers: &BTreeMap<Slot, usize>,
    dy: Slot,
) -> Option<(Slot, Part)> {
    let Dim::Fixed(width) = *program.types.get(dy.0 as usize)?.shape.last()? else { return None };
    let (mut slot, mut heads) = (dy, None);
    loop {
        if readers.get(&slot) != Some(&1) {
            return None;
        }
        let (i, port) = makers.get(&slot)?;
        let instr = program.instrs.get(*i)?;
        match &instr.op {
            Op::MergeHeads(_) if heads.is_none() => {
                slot = *instr.inputs.first()?;
                let Dim::Fixed(n) = *program.types.get(slot.0 as usize)?.shape.get(1)? else { return None };
                heads = Some(n);
            }
            Op::NormRopeGrad(_) if *port == 0 && heads.is_some() => break,
            Op::AttendGrad(_) if heads.is_some() => break,
            _ => return None,
        }
    }
    Some((slot, Part { group: 0, first: 0, width, heads }))
}
