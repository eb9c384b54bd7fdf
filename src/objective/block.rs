//! Block diffusion (BD3LM): each block is noised at a level of its own and predicted from the clean blocks before
//! it. A row is two streams, [noisy ; clean], so that one pass predicts all blocks (domain B.6).
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * seq

use super::Corrupted;
use super::corrupt::{Global, Noise, Step};
use super::draws::Levels;
use super::masked::masked_by;
use super::schedule::MaskPlan;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::BlockDiffusion;

#[derive(Clone, Debug)]
pub(super) struct Blocks {
    cut: BlockCut,
    /// Of the first block, whose first token is context, and of every other.
    plans: [MaskPlan; 2],
    mask_id: u32,
}

/// How a sequence falls into blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockCut {
    pub seq: usize,
    pub block: usize,
}

impl BlockCut {
    pub fn new(block: u64, seq: usize) -> BlockCut {
        BlockCut { seq, block: (block as usize).clamp(1, seq.max(1)) }
    }

    /// `check` has it that blocks divide the sequence; else the last is shorter.
    pub fn n_blocks(self) -> usize {
        self.seq.div_ceil(self.block)
    }

    /// The positions of a block's targets.
    pub fn targets(self, block: usize) -> std::ops::Range<usize> {
        let start = block * self.block;
        start.max(1).min(self.seq)..(start + self.block).min(self.seq)
    }

    /// All of them, block by block.
    pub fn blocks(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.n_blocks()).map(move |block| self.targets(block))
    }
}

impl Blocks {
    pub fn new(objective: &BlockDiffusion, seq: usize, mask_id: u32) -> Blocks {
        let cut = BlockCut::new(objective.block, seq);
        let plan = |n| MaskPlan::new(&objective.noise, n);
        Blocks { cut, plans: [plan(cut.block - 1), plan(cut.block)], mask_id }
    }

    fn plan(&self, block: usize) -> &MaskPlan {
        &self.plans[usize::from(block > 0)]
    }

    pub fn levels(&self, rows: u64, step: u64, seed: u32) -> Levels {
        Levels::new(self.plans[1].t_sampling().kind, rows * self.cut.n_blocks() as u64, step, seed)
    }

    pub fn draw(&self, step: &Step, clean: &[u32], first_row: u64) -> Noise {
        let stream = Stream::new(step.seed, Purpose::Mask);
        let mut noise = Noise { time: self.cut.seq, ..Noise::default() };
        for (i, row) in clean.chunks_exact(self.cut.seq.max(1)).enumerate() {
            let mut z = row.to_vec();
            for (block, targets) in self.cut.blocks().enumerate() {
                // A block is to the draws what a row is to masked diffusion; blocks of a whole row draw the same.
                let at = (first_row + i as u64) * self.cut.n_blocks() as u64 + block as u64;
                let plan = self.plan(block);
                let t = plan.t_at(step.levels.u(at));
                noise.t.push(t);
                let masked = masked_by(plan, &stream, step.step, at, t);
                for (token, _) in z[targets].iter_mut().zip(masked).filter(|(_, masked)| *masked) {
                    *token = self.mask_id;
                }
            }
            noise.rows += 1;
            noise.z.extend(z);
        }
        noise
    }

    pub fn weigh(&self, clean: &[u32], noise: &Noise, global: Global) -> Corrupted {
        let seq = self.cut.seq;
        let mut out = Corrupted { seq: 2 * seq, ..Corrupted::default() };
        let scale = 1.0 / (global.rows as f64 * seq.saturating_sub(1) as f64);
        let rows = clean.chunks_exact(seq.max(1)).zip(noise.z.chunks_exact(seq.max(1)));
        for (i, (row, z)) in rows.enumerate() {
            let t = |block: usize| noise.t.get(i * self.cut.n_blocks() + block).copied().unwrap_or(0.0);
            out.push_two_streams(self.cut, row, z, self.mask_id, |block, k| {
                self.plan(block).weight(t(block), k) * scale
            });
        }
        out
    }
}

impl Corrupted {
    /// A row [z ; clean] in which each of a block's k masked tokens weighs `weight(block, k)`. Both halves have the
    /// same positions; the clean one predicts nothing.
    pub(super) fn push_two_streams(
        &mut self,
        cut: BlockCut,
        clean: &[u32],
        z: &[u32],
        mask_id: u32,
        weight: impl Fn(usize, usize) -> f64,
    ) {
        let start = self.weights.len();
        self.rows += 1;
        self.tokens.extend([z, clean].concat());
        self.targets.extend([clean, clean].concat());
        self.weights.resize(start + 2 * clean.len(), 0.0);
        self.share.resize(start + 2 * clean.len(), 0.0);
        for (block, targets) in cut.blocks().enumerate() {
            let masked = || targets.clone().filter(|i| z[*i] == mask_id);
            let k = masked().count();
            if k > 0 {
                let weight = weight(block, k);
                masked().for_each(|i| self.weights[start + i] = weight);
            }
            let share = k as f64 / targets.len().max(1) as f64;
            self.share[start + block * cut.block..start + targets.end.max(block * cut.block)].fill(share);
        }
        self.positions = (0..clean.len() as u32).chain(0..clean.len() as u32).collect();
    }
}
