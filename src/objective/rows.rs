//! Rows as they leave corruption: how one is added, how batches are joined and cut.
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * seq

use super::{Corrupted, Draw};
use crate::check::spec::Targets;

/// Which tokens of a chunk a masked row holds, which of them are targets and where each is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub targets: Targets,
    /// Output i predicts token i + 1.
    pub shift: bool,
}

impl Layout {
    pub const PLAIN: Layout = Layout { targets: Targets::Matched, shift: false };

    /// The longest row that a chunk gives.
    pub fn time(self, seq: usize) -> usize {
        match self.targets {
            Targets::Matched => seq,
            Targets::MegaDlms => seq.saturating_sub(2),
        }
    }

    /// The first `time` tokens that are read of a chunk.
    pub fn row(self, chunk: &[u32], time: usize) -> &[u32] {
        let skipped = self.context_before();
        chunk.get(skipped..skipped + time).unwrap_or_default()
    }

    /// The first target of a row.
    pub fn first(self) -> usize {
        match self.targets {
            Targets::Matched => 1,
            Targets::MegaDlms => 0,
        }
    }

    pub fn n_targets(self, time: usize) -> usize {
        time.saturating_sub(self.first())
    }

    fn context_before(self) -> usize {
        1 - self.first()
    }
}

impl Corrupted {
    /// A row whose position i predicts token i + 1 of `clean`; the last predicts nothing. The model reads `z`.
    pub(super) fn push_shifted(&mut self, z: &[u32], clean: &[u32], weight: f64) {
        let Some(last) = clean.last() else { return };
        self.rows += 1;
        self.tokens.extend_from_slice(z);
        self.targets.extend_from_slice(&clean[1..]);
        self.targets.push(*last);
        self.weights.extend(std::iter::repeat_n(weight, clean.len() - 1));
        self.weights.push(0.0);
        self.share.extend((0..clean.len()).map(|i| i as f64 / clean.len() as f64));
    }

    /// A row in which the masked targets weigh `weight` each. `masked` has an entry for each target, and `clean`
    /// the tokens from the row's first position on. `t` is the noise level that the model is told, if any.
    pub(super) fn push_masked(
        &mut self,
        layout: Layout,
        clean: &[u32],
        masked: &[bool],
        weight: f64,
        mask_id: u32,
        t: Option<f64>,
    ) {
        let first = layout.first();
        let hidden = |i: usize| i >= first && masked.get(i - first).copied().unwrap_or(false);
        let n_masked = masked.iter().filter(|m| **m).count();
        let share = n_masked as f64 / masked.len().max(1) as f64;
        self.rows += 1;
        for (i, token) in clean.iter().enumerate() {
            let predicted = if layout.shift { i + 1 } else { i };
            self.tokens.push(if hidden(i) { mask_id } else { *token });
            self.weights.push(if hidden(predicted) { weight } else { 0.0 });
            self.targets.push(clean.get(predicted).copied().unwrap_or(*token));
            self.share.push(share);
        }
        self.t.extend(t);
    }

    /// Adds the rows of another batch of the same kind and length; one without rows becomes the other.
    pub fn extend(&mut self, other: Corrupted) {
        if self.rows == 0 {
            *self = other;
            return;
        }
        self.rows += other.rows;
        self.tokens.extend(other.tokens);
        self.targets.extend(other.targets);
        self.weights.extend(other.weights);
        self.share.extend(other.share);
        self.t.extend(other.t);
        self.alpha.extend(other.alpha);
        self.uniform.extend(other.uniform);
        self.positions = other.positions;
    }

    /// Some of the rows.
    pub fn part(&self, rows: std::ops::Range<usize>) -> Corrupted {
        let at = rows.start * self.seq..rows.end * self.seq;
        let ids = |all: &[u32]| all.get(at.clone()).unwrap_or_default().to_vec();
        let each = |all: &[f64]| all.get(at.clone()).unwrap_or_default().to_vec();
        let of_rows = |all: &[f64]| all.get(rows.clone()).unwrap_or_default().to_vec();
        Corrupted {
            rows: rows.len(),
            seq: self.seq,
            tokens: ids(&self.tokens),
            targets: ids(&self.targets),
            weights: each(&self.weights),
            share: each(&self.share),
            t: of_rows(&self.t),
            alpha: of_rows(&self.alpha),
            uniform: of_rows(&self.uniform),
            positions: self.positions.clone(),
            draw: Draw { row: self.draw.row + rows.start as u32, ..self.draw },
        }
    }
}
