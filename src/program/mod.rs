//! A graph as flat instructions over numbered slots. Regions are unrolled here and nowhere earlier;
//! every slot is freed after its last use, which the instruction that uses it last says.

pub mod flatten;
pub mod layout;
pub mod memory;
pub mod phase;
pub mod scratch;

pub use flatten::flatten;
pub use memory::{Conditions, Place, StepMemory, step_memory};
pub use phase::Phase;

use crate::graph::ops::Input;
use crate::graph::{Init, Op, Type};

/// An index into the machine's table of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// One operation on slots. `op` is never structural (argument, input, param, repeat).
#[derive(Clone, Debug)]
pub struct Instr {
    pub op: Op,
    pub inputs: Vec<Slot>,
    pub outputs: Vec<Slot>,
    /// Slots that nobody reads after this instruction. Parameters, inputs and outputs are never freed.
    pub frees: Vec<Slot>,
    /// `layer.3.attention`, for timings and error messages.
    pub scope: String,
}

/// One tensor of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInstance {
    /// `layer.3.attention.q`
    pub path: String,
    pub shape: Vec<u64>,
    pub init: Init,
    /// Its place among all parameters where they lie in one flat tensor: in the order of paths, but parameters that
    /// one product reads follow each other.
    pub place: u32,
}

impl ParamInstance {
    pub fn n_elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Decoupled weight decay applies to parameters of two or more dimensions, embeddings included.
    pub fn decays(&self) -> bool {
        self.shape.len() >= 2
    }
}

/// A straight-line program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub instrs: Vec<Instr>,
    pub n_slots: u32,
    /// Parameter `i` is in `Slot(i)`, sorted by path.
    pub params: Vec<ParamInstance>,
    pub inputs: Vec<(Input, Slot)>,
    /// Named results: `logits`, or `loss` (scalar) and `nll` (`[B, T]`).
    pub outputs: Vec<(String, Slot)>,
    /// The gradient of parameter `i`; empty for programs without a backward pass. A parameter that
    /// the loss does not reach has none.
    pub grads: Vec<Option<Slot>>,
    /// Types of all slots.
    pub types: Vec<Type>,
}
