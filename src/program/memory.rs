//! What a training step holds in memory, predicted from its program.
//!
//! Slots have types and lifetimes, and each operation says what it needs besides (`scratch.rs`), so the peak is a sum
//! over the instruction list. Around it stand the parameters' state and, on a CPU, what a process holds anyway. Pages of
//! the corpus are not counted: they are mapped from a file, and the system takes them back when it needs them.

use super::layout::{Block, Layout};
use super::scratch::{bytes_of, is_joint, scratch, shares_memory, writes_in_place};
use super::{Program, Slot};
use crate::check::spec::{Arm, Precision};
use crate::graph::DimSizes;
use crate::objective;
use std::collections::BTreeSet;

/// Whose memory it is: a process's, or an allocator's on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Cpu,
    Gpu,
}

/// What a step's memory follows from besides its program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Of a micro-batch.
    pub sizes: DimSizes,
    pub precision: Precision,
    pub place: Place,
    /// Whether an average of the weights is kept.
    pub average: bool,
    /// Whether weights are computed with noise, in a copy of their own.
    pub noisy: bool,
}

impl Conditions {
    /// Of a training step. The loss of some objectives reads as many positions as are masked: here it reads all, which
    /// is the most that a micro-batch can come to.
    pub fn of(arm: &Arm, place: Place) -> Conditions {
        let shape = objective::shape(&arm.objective, arm.data.seq);
        let train = &arm.train;
        Conditions {
            sizes: DimSizes::all(train.micro_batch_seqs * shape.rows, shape.time),
            precision: train.precision,
            place,
            average: train.ema.is_some(),
            noisy: train.weight_noise > 0.0,
        }
    }

    /// The same where the loss reads as many positions as it does on average.
    pub fn expected(mut self, arm: &Arm) -> Conditions {
        let share = objective::read_share(&arm.objective, arm.data.seq);
        self.sizes.rows = (self.sizes.rows as f64 * share).ceil() as u64;
        self
    }

    pub(super) fn compute_bytes(&self) -> u64 {
        match self.precision {
            Precision::Bf16 => 2,
            Precision::Fp32 => 4,
            Precision::Fp64 => 8,
        }
    }

    pub(super) fn wide_bytes(&self) -> u64 {
        if self.precision == Precision::Fp64 { 8 } else { 4 }
    }
}

/// Bytes of a step at its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMemory {
    /// Master weights, compute copies, both moments, the sum of gradients, the average: there all the time.
    pub state: u64,
    /// The most that lives at once besides: activations, gradients on their way, what an operation needs for itself.
    pub activations: u64,
    /// What the process holds without any model; 0 on a GPU, where only the allocator's bytes count.
    pub process: u64,
}

impl StepMemory {
    pub fn peak(self) -> u64 {
        self.state + self.activations + self.process
    }
}

/// Resident bytes of a process that has loaded libtorch, read a spec and its corpus and run a step of a model of a few
/// thousand parameters: `VmHWM` after `dlmc bench` of `decoder(layers: 1, dim: 8, heads: 1, ffn: 8)` in batches of one
/// sequence of 8 tokens, libtorch 2.11.0 with CUDA's libraries linked, two threads (390.8 MiB, twice).
const PROCESS_BYTES: u64 = 391 << 20;

/// Elements that a parameter's place in a flat tensor is a multiple of: 128 bytes in bf16, as matrix products like it.
pub const ALIGN: u64 = 64;

/// Copies of the weights that the update makes where libtorch's kernel does it: what they were, and the difference. On a
/// CPU it is one kernel of ours, in place.
const UPDATE_COPIES_GPU: u64 = 2;

/// The memory of a training step. Assumes a program with a backward pass, as `flatten` makes it.
pub fn step_memory(program: &Program, of: &Conditions) -> StepMemory {
    let n: u64 = program.params.iter().map(|param| param.n_elements().next_multiple_of(ALIGN)).sum();
    let (compute, wide) = (of.compute_bytes(), of.wide_bytes());
    let mut copies = 4 * wide;
    copies += if of.average { wide } else { 0 };
    copies += if of.noisy { wide } else { 0 };
    copies += if compute == wide { 0 } else { compute };
    let update = match of.place {
        Place::Cpu => 0,
        Place::Gpu => UPDATE_COPIES_GPU * n * wide,
    };
    StepMemory {
        state: n * copies,
        activations: peak(program, of).max(update),
        process: if of.place == Place::Cpu { PROCESS_BYTES } else { 0 },
    }
}

/// Memory that one slot or several, views of each other, lie in.
#[derive(Clone, Copy, Default)]
struct Storage {
    block: Block,
    n_slots: u64,
}

/// The most that the program's tensors take at once.
fn peak(program: &Program, of: &Conditions) -> u64 {
    let n = program.n_slots as usize;
    // Each slot's storage, named by the slot that it was made with.
    let mut storage_of: Vec<usize> = (0..n).collect();
    let mut storages: Vec<Storage> = vec![Storage::default(); n];
    let bytes = |slot: &Slot| program.types.get(slot.0 as usize).map_or(0, |ty| bytes_of(ty, of));
    let read: BTreeSet<Slot> = program.instrs.iter().flat_map(|instr| instr.inputs.iter().copied()).collect();
    let grads: BTreeSet<Slot> = program.grads.iter().flatten().copied().filter(|slot| !read.contains(slot)).collect();
    let mut layout = Layout::default();
    for (_, slot) in &program.inputs {
        layout.take(bytes(slot));
    }
    let is_param = |slot: &Slot| (slot.0 as usize) < program.params.len();
    for instr in &program.instrs {
        let shared = match shares_memory(&instr.op, of) {
            // A view of a parameter or an input is no memory of its own either: its storage is an empty block.
            true => instr.inputs.first().and_then(|slot| storage_of.get(slot.0 as usize)).copied(),
            false => None,
        };
        let types = |slots: &[Slot]| slots.iter().filter_map(|slot| program.types.get(slot.0 as usize)).collect();
        let (inputs, outputs): (Vec<_>, Vec<_>) = (types(&instr.inputs), types(&instr.outputs));
        let own = layout.take(scratch(&instr.op, &inputs, &outputs, of));
        let joint = instr.outputs.first().filter(|_| is_joint(&instr.op)).map(|slot| slot.0 as usize);
        for (i, slot) in instr.outputs.iter().enumerate() {
            let place = shared.or(joint).unwrap_or(slot.0 as usize);
            if let Some(entry) = storage_of.get_mut(slot.0 as usize) {
                *entry = place;
            }
            if let Some(storage) = storages.get_mut(place) {
                storage.n_slots += 1;
                let is_elsewhere = writes_in_place(&instr.op) && grads.contains(slot);
                if shared.is_none() && !is_elsewhere && (joint.is_none() || i == 0) {
                    let n = if joint.is_some() { instr.outputs.iter().map(bytes).sum() } else { bytes(slot) };
                    storage.block = layout.take(n);
                }
            }
        }
        layout.give(own);
        for slot in instr.frees.iter().filter(|slot| !is_param(slot)) {
            let place = storage_of.get(slot.0 as usize).copied().unwrap_or(n);
            if let Some(storage) = storages.get_mut(place) {
                storage.n_slots = storage.n_slots.saturating_sub(1);
                if storage.n_slots == 0 {
                    layout.give(std::mem::take(&mut storage.block));
                }
            }
        }
    }
    match of.place {
        // Pages stay with the process, gaps between tensors included.
        Place::Cpu => layout.used,
        Place::Gpu => layout.most_live,
    }
}
