//! Which instructions are the forward pass.

use super::Program;
use std::collections::BTreeSet;

/// A part of a program with a backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    Forward,
    Backward,
}

impl Program {
    /// Of each instruction. Forward is what a named output (`loss`, `nll`, `logits`) needs, and everything else is
    /// there for the gradients alone. So what the backward pass computes a second time counts as backward, whatever
    /// the operation; and an operation that gives the loss with its gradient in one pass counts as forward.
    pub fn phases(&self) -> Vec<Phase> {
        let mut needed: BTreeSet<_> = self.outputs.iter().map(|(_, slot)| *slot).collect();
        let mut phases = vec![Phase::Backward; self.instrs.len()];
        for (instr, phase) in self.instrs.iter().zip(&mut phases).rev() {
            if instr.outputs.iter().any(|slot| needed.contains(slot)) {
                needed.extend(instr.inputs.iter().copied());
                *phase = Phase::Forward;
            }
        }
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instr, Slot};
    use super::*;
    use crate::graph::ops::add::Add;

    fn add(inputs: [u32; 2], output: u32) -> Instr {
        let inputs = inputs.into_iter().map(Slot).collect();
        Instr { op: Add::default().into(), inputs, outputs: vec![Slot(output)], frees: vec![], scope: String::new() }
    }

    #[test]
    fn what_is_computed_again_for_the_gradients_is_backward() {
        let program = Program {
            // 1: hidden, 2: loss, 3: hidden again, 4: a gradient.
            instrs: vec![add([0, 0], 1), add([1, 0], 2), add([0, 0], 3), add([3, 2], 4)],
            n_slots: 5,
            outputs: vec![("loss".into(), Slot(2))],
            grads: vec![Some(Slot(4))],
            ..Program::default()
        };
        use Phase::{Backward, Forward};
        assert_eq!(program.phases(), [Forward, Forward, Backward, Backward]);
    }
}
