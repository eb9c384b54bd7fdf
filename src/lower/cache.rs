//! What a model has read already: keys and values of its attentions, so that text grows without reading its
//! beginning again. Nothing but `attend` mixes positions, so new positions after cached ones have the logits that
//! they have in the whole sequence, to rounding.
//!
//! What a cached position sees must not change when others come after it. So the patterns are those that look
//! back: causal, and blocks where what is kept ends with a block. A window counts as ever.

use super::error::LowerError;
use super::ops::{Cx, Lowered, attend};
use crate::graph::Op;
use crate::graph::ops::{Input, attend::Attend};
use crate::objective::Pattern;
use crate::program::Program;
use tch::Tensor;

/// Keys and values `[B, heads, positions, width]` of each attention of a program, in its order.
#[derive(Debug, Default)]
pub struct Cache {
    kept: Vec<[Tensor; 2]>,
    n_positions: u64,
    n_rows: u64,
}

impl Cache {
    /// Positions that are kept.
    pub fn n_positions(&self) -> u64 {
        self.n_positions
    }

    /// Forgets all but the first `n` positions.
    pub fn truncate(&mut self, n: u64) -> Result<(), LowerError> {
        if n >= self.n_positions {
            return Ok(());
        }
        for tensor in self.kept.iter_mut().flatten() {
            *tensor = tensor.f_narrow(2, 0, n as i64)?.f_contiguous()?;
        }
        self.n_positions = n;
        Ok(())
    }
}

/// One run of new positions.
pub(super) struct After<'a> {
    cache: &'a mut Cache,
    /// Whether the run's positions are kept, once it went well.
    keep: bool,
    /// Rows and positions of the run.
    sizes: [u64; 2],
    /// What the attentions have seen so far in this run, cached positions included.
    seen: Vec<[Tensor; 2]>,
}

impl<'a> After<'a> {
    pub fn new(program: &Program, cache: &'a mut Cache, keep: bool, sizes: [u64; 2]) -> Result<After<'a>, LowerError> {
        let [n_rows, _] = sizes;
        let refused = |what: String| Err(LowerError::Cache(what));
        let attends = program.instrs.iter().filter_map(|instr| match &instr.op {
            Op::Attend(attend) => Some(attend),
            _ => None,
        });
        let mut n_attends = 0;
        for attend in attends {
            n_attends += 1;
            match attend.sight.pattern {
                Pattern::Causal => {}
                Pattern::BlockCausal { block } if cache.n_positions.is_multiple_of(block.max(1)) => {}
                Pattern::BlockCausal { block } => {
                    return refused(format!(
                        "{} positions are kept, which is not a number of whole blocks of {block}: those of the last \
                         block would see what comes now. Keep whole blocks",
                        cache.n_positions
                    ));
                }
                Pattern::Full | Pattern::TwoStream { .. } => {
                    return refused(format!(
                        "with {} attention a position sees those after it, so nothing can be kept. Run the whole sequence",
                        attend.sight.pattern.name()
                    ));
                }
            }
        }
        if program.inputs.iter().any(|(input, _)| *input == Input::Draw) {
            return refused("a model is run without its dropout".into());
        }
        if program.instrs.iter().any(|instr| matches!(instr.op, Op::AttendGrad(_))) {
            return refused("a program with a backward pass needs the whole sequence".into());
        }
        if cache.n_positions > 0 && (cache.kept.len() != n_attends || cache.n_rows != n_rows) {
            return refused(format!(
                "kept are {} rows of {} attentions, the program runs {n_rows} rows of {n_attends}",
                cache.n_rows,
                cache.kept.len()
            ));
        }
        Ok(After { cache, keep, sizes, seen: Vec::with_capacity(n_attends) })
    }

    /// After a run that went well: keeps its positions, if it is to.
    pub fn finish(self) {
        if self.keep {
            let [n_rows, n_positions] = self.sizes;
            self.cache.kept = self.seen;
            self.cache.n_rows = n_rows;
            self.cache.n_positions += n_positions;
        }
    }

    /// The place of the run's first position in the sequence.
    pub fn first_position(&self) -> i64 {
        self.cache.n_positions as i64
    }

    pub fn attend(&mut self, op: &Attend, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
        let before = self.cache.kept.get(self.seen.len()).filter(|_| self.cache.n_positions > 0);
        let (outputs, seen) = attend::lower_after(op, cx, inputs, before)?;
        self.seen.push(seen);
        Ok(outputs)
    }
}
