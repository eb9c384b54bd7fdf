//! Objectives that mask some targets of a row and predict them from the others: masked diffusion, any-order
//! autoregression, masked language modelling at a fixed rate. Noise and weights of whole rows.
#![allow(clippy::indexing_slicing)] // row-major arrays of rows * time

use super::Corrupted;
use super::corrupt::{Global, Noise, Step};
use super::draws::{Levels, below, exact_mask, forced_position, independent_mask, length, mask_channel};
use super::rows::Layout;
use super::schedule::MaskPlan;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{AnyOrder, Estimator, MaskedDiffusion, MaskedLm, TKind};
use std::borrow::Cow;

/// How many targets are masked, and what each weighs.
#[derive(Clone, Debug)]
enum Law {
    /// By a noise level and a schedule.
    Schedule(Box<Schedule>),
    /// k uniform in 1..=n, weight n/k.
    AnyOrder(TKind),
    /// Each on its own with one chance, weight 1 over the masked tokens of the batch.
    Fixed(f64),
}

#[derive(Clone, Debug)]
struct Schedule {
    objective: MaskedDiffusion,
    /// Of whole rows.
    plan: MaskPlan,
}

#[derive(Clone, Debug)]
pub(super) struct Masked {
    law: Law,
    layout: Layout,
    /// Tokens of a chunk, and of the rows made of it.
    seq: usize,
    time: usize,
    variable_length: f64,
    mask_id: u32,
}

impl Masked {
    pub fn diffusion(objective: &MaskedDiffusion, seq: usize, mask_id: u32) -> Masked {
        let layout = Layout { targets: objective.targets, shift: objective.shift };
        let time = layout.time(seq);
        Masked {
            law: Law::Schedule(Box::new(Schedule {
                objective: objective.clone(),
                plan: MaskPlan::new(objective, layout.n_targets(time)),
            })),
            layout,
            seq,
            time,
            variable_length: objective.variable_length,
            mask_id,
        }
    }

    pub fn any_order(objective: AnyOrder, seq: usize, mask_id: u32) -> Masked {
        Masked::plain(Law::AnyOrder(objective.draw), seq, mask_id)
    }

    pub fn fixed(objective: MaskedLm, seq: usize, mask_id: u32) -> Masked {
        Masked::plain(Law::Fixed(objective.rate), seq, mask_id)
    }

    fn plain(law: Law, seq: usize, mask_id: u32) -> Masked {
        Masked { law, layout: Layout::PLAIN, seq, time: seq, variable_length: 0.0, mask_id }
    }

    pub fn plan(&self) -> Option<&MaskPlan> {
        match &self.law {
            Law::Schedule(schedule) => Some(&schedule.plan),
            Law::AnyOrder(_) | Law::Fixed(_) => None,
        }
    }

    /// Positions of a row in this step.
    pub fn time_at(&self, step: u64, seed: u32) -> usize {
        length(seed, step, self.variable_length, self.time)
    }

    pub fn levels(&self, rows: u64, step: u64, seed: u32) -> Levels {
        let kind = match &self.law {
            Law::Schedule(schedule) => schedule.plan.t_sampling().kind,
            Law::AnyOrder(kind) => *kind,
            Law::Fixed(_) => TKind::Iid,
        };
        Levels::new(kind, rows, step, seed)
    }

    /// The plan of rows of this length.
    fn plan_of(&self, time: usize) -> Option<Cow<'_, MaskPlan>> {
        match &self.law {
            Law::Schedule(schedule) if time == self.time => Some(Cow::Borrowed(&schedule.plan)),
            Law::Schedule(schedule) => {
                Some(Cow::Owned(MaskPlan::new(&schedule.objective, self.layout.n_targets(time))))
            }
            Law::AnyOrder(_) | Law::Fixed(_) => None,
        }
    }

    /// Which targets of rows `first_row..` are masked, and the noise level of each: no token is looked at.
    fn masks(&self, step: &Step, rows: std::ops::Range<u64>) -> (Vec<Vec<bool>>, Vec<f64>) {
        let stream = Stream::new(step.seed, Purpose::Mask);
        let n = self.layout.n_targets(step.time);
        let plan = self.plan_of(step.time);
        let one = |row: u64| {
            let u = step.levels.u(row);
            let alone = |rate| independent_mask(&stream, step.step, row, rate, n, mask_channel::TOKEN);
            match (&self.law, &plan) {
                (Law::Schedule(_), Some(plan)) => {
                    let t = plan.t_at(u);
                    (masked_by(plan, &stream, step.step, row, t), t)
                }
                (Law::AnyOrder(_), _) => {
                    let k = (below(u, n) + 1).min(n);
                    (exact_mask(&stream, step.step, row, k, n), u)
                }
                (Law::Fixed(rate), _) => (alone(*rate), *rate),
                (Law::Schedule(_), None) => (vec![false; n], u),
            }
        };
        rows.map(one).unzip()
    }

    pub fn draw(&self, step: &Step, clean: &[u32], first_row: u64) -> Noise {
        let chunks = clean.chunks_exact(self.seq.max(1));
        let (masks, t) = self.masks(step, first_row..first_row + chunks.len() as u64);
        let mut z = Vec::with_capacity(chunks.len() * step.time);
        for (chunk, masked) in chunks.zip(&masks) {
            for (i, token) in self.layout.row(chunk, step.time).iter().enumerate() {
                let hidden = i >= self.layout.first() && masked[i - self.layout.first()];
                z.push(if hidden { self.mask_id } else { *token });
            }
        }
        Noise { rows: masks.len(), time: step.time, z, t: if self.has_level() { t } else { vec![] } }
    }

    fn has_level(&self) -> bool {
        matches!(self.law, Law::Schedule(_))
    }

    /// What the weights need of the whole batch, without its tokens.
    pub fn global(&self, step: &Step) -> Global {
        let mut global = Global { rows: step.batch_rows, masked: 0.0 };
        if self.divides_by_masked() {
            let (masks, t) = self.masks(step, 0..step.batch_rows);
            let plan = self.plan_of(step.time);
            for (masked, t) in masks.iter().zip(t) {
                global.masked += self.counted(plan.as_deref(), t, masked.iter().filter(|m| **m).count());
            }
        }
        global
    }

    /// The same of noise that is the whole batch's.
    pub fn global_of(&self, noise: &Noise) -> Global {
        let plan = self.plan_of(noise.time);
        let masked = noise.z.chunks_exact(noise.time.max(1)).enumerate().map(|(i, z)| {
            let k = self.masked_of(z).iter().filter(|m| **m).count();
            self.counted(plan.as_deref(), noise.t.get(i).copied().unwrap_or(0.0), k)
        });
        Global { rows: noise.rows as u64, masked: masked.sum() }
    }

    fn divides_by_masked(&self) -> bool {
        match &self.law {
            Law::Schedule(schedule) => schedule.plan.estimator() == Estimator::BatchMean,
            Law::AnyOrder(_) => false,
            Law::Fixed(_) => true,
        }
    }

    /// What a row's `k` masked tokens add to the denominator of N3.
    fn counted(&self, plan: Option<&MaskPlan>, t: f64, k: usize) -> f64 {
        k as f64 * plan.map_or(1.0, |plan| plan.tilt(t))
    }

    fn masked_of(&self, z: &[u32]) -> Vec<bool> {
        z.iter().skip(self.layout.first()).map(|token| *token == self.mask_id).collect()
    }

    pub fn weigh(&self, clean: &[u32], noise: &Noise, global: Global) -> Corrupted {
        let mut out = Corrupted { seq: noise.time, ..Corrupted::default() };
        let plan = self.plan_of(noise.time);
        let n = self.layout.n_targets(noise.time);
        let denominator = if self.divides_by_masked() { global.masked } else { global.rows as f64 * n as f64 };
        let chunks = clean.chunks_exact(self.seq.max(1));
        for (i, (chunk, z)) in chunks.zip(noise.z.chunks_exact(noise.time.max(1))).enumerate() {
            let masked = self.masked_of(z);
            let k = masked.iter().filter(|m| **m).count();
            let t = noise.t.get(i).copied().unwrap_or(0.0);
            let weight = match (&plan, &self.law) {
                (Some(plan), _) => plan.weight(t, k),
                (None, Law::AnyOrder(_)) => n as f64 / k.max(1) as f64,
                (None, Law::Fixed(_) | Law::Schedule(_)) => 1.0,
            };
            // The model is told what the mask was drawn by: t, or the level of the count.
            let told = plan.as_deref().map(|plan| match plan.estimator() {
                Estimator::Count => plan.level(k),
                Estimator::Bernoulli | Estimator::RowMean | Estimator::BatchMean => t,
            });
            let weight = if denominator > 0.0 { weight * (1.0 / denominator) } else { 0.0 };
            out.push_masked(self.layout, self.layout.row(chunk, noise.time), &masked, weight, self.mask_id, told);
        }
        out
    }
}

/// Which of a plan's targets are masked at `t`; `row` is the place of these draws.
pub(super) fn masked_by(plan: &MaskPlan, stream: &Stream, step: u64, row: u64, t: f64) -> Vec<bool> {
    let n = plan.n_targets();
    let alone = || independent_mask(stream, step, row, plan.rate(t), n, mask_channel::TOKEN);
    match plan.estimator() {
        Estimator::Bernoulli | Estimator::BatchMean => alone(),
        Estimator::Count => exact_mask(stream, step, row, plan.count(t), n),
        Estimator::RowMean => {
            let mut masked = alone();
            if !masked.contains(&true)
                && let Some(forced) = masked.get_mut(forced_position(stream, step, row, n))
            {
                *forced = true;
            }
            masked
        }
    }
}
