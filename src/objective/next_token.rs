//! Next-token prediction, with the masks on its inputs that the ablations of the field put there. Targets stay
//! clean whatever is masked.
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * seq

use super::Corrupted;
use super::corrupt::{Global, Noise, Step};
use super::draws::{independent_mask, mask_channel};
use crate::base::philox::{Purpose, Stream};
use crate::check::spec;

#[derive(Clone, Debug)]
pub(super) struct NextToken {
    pub objective: spec::NextToken,
    pub seq: usize,
    pub mask_id: u32,
}

impl NextToken {
    /// Each sequence gives a row of its own and, with the auxiliary loss, the same with masked inputs.
    pub fn draw(&self, step: &Step, clean: &[u32], first_row: u64) -> Noise {
        let stream = Stream::new(step.seed, Purpose::Mask);
        let mut noise = Noise { time: self.seq, ..Noise::default() };
        for (i, row) in clean.chunks_exact(self.seq.max(1)).enumerate() {
            let at = first_row + i as u64;
            let mut push = |rate: f64, channel: u32| {
                let n = row.len() - 1;
                let masked = independent_mask(&stream, step.step, at, rate, n, channel);
                noise.rows += 1;
                noise.z.push(row[0]);
                noise.z.extend(row[1..].iter().zip(masked).map(|(x, hidden)| if hidden { self.mask_id } else { *x }));
            };
            push(self.objective.input_mask, mask_channel::INPUT);
            if let Some(auxiliary) = self.objective.auxiliary {
                push(auxiliary.rate, mask_channel::AUXILIARY);
            }
        }
        noise
    }

    /// Rows of one sequence follow each other, so that a row's number does not depend on the micro-batch.
    pub fn weigh(&self, clean: &[u32], noise: &Noise, global: Global) -> Corrupted {
        let mut out = Corrupted { seq: self.seq, ..Corrupted::default() };
        let n = self.seq.saturating_sub(1);
        let plain = 1.0 / (global.rows as f64 * n as f64);
        let mut z = noise.z.chunks_exact(self.seq.max(1));
        for row in clean.chunks_exact(self.seq.max(1)) {
            out.push_shifted(z.next().unwrap_or(row), row, plain);
            if let Some(auxiliary) = self.objective.auxiliary {
                out.push_shifted(z.next().unwrap_or(row), row, auxiliary.weight * plain);
            }
        }
        out
    }
}
