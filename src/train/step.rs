//! One optimizer step: clean rows, corruption, micro-batches, update.

use super::setup::Setup;
use crate::data::{Batches, batch_hash};
use crate::lower::{AdamWState, Ema, GradBuffer, LowerError, Part, Timings, inputs};
use crate::objective::{Corruptor, Deciles, shape};
use crate::store::metrics;
use std::time::Instant;
use tch::Device;

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The step's record holds the batch hash and the numbers as they were.
    #[error("step {}: {what} (loss {}, gradient norm {}); batch {}", record.step, record.loss, record.grad_norm, record.batch_hash)]
    Broken { what: String, record: Box<metrics::Step> },
}

/// The mutable state of training.
pub struct Stepper<'a> {
    pub setup: &'a mut Setup,
    batches: Batches<'a>,
    corruptor: Corruptor,
    grads: GradBuffer,
    pub optimizer: AdamWState,
    pub ema: Option<Ema>,
    /// Finished updates.
    pub step: u64,
    pub clipped_steps: u64,
    /// Updates that the moments had seen before the first step of this run.
    pub earlier_updates: u64,
    /// Where the time goes, where it is asked for.
    pub timings: Option<Timings>,
}

impl<'a> Stepper<'a> {
    pub fn new(setup: &'a mut Setup, data: &'a crate::data::Prepared) -> Result<Stepper<'a>, LowerError> {
        let arm = &setup.arm;
        let batches = Batches::new(data, &arm.data, arm.train.batch_seqs, arm.budget.steps, arm.train.seeds.order);
        let corruptor = Corruptor::new(&arm.objective, &arm.vocab, arm.data.seq as usize);
        let grads = GradBuffer::new(&setup.weights)?;
        let optimizer = AdamWState::new(&setup.weights)?;
        let ema = arm.train.ema.map(|decay| Ema::new(&setup.weights, decay)).transpose()?;
        Ok(Stepper {
            batches,
            corruptor,
            grads,
            optimizer,
            ema,
            step: 0,
            clipped_steps: 0,
            earlier_updates: 0,
            timings: None,
            setup,
        })
    }

    pub fn epoch(&self) -> f64 {
        self.batches.epoch_at(self.tokens())
    }

    /// Training tokens seen.
    pub fn tokens(&self) -> u64 {
        self.step * self.setup.arm.budget.tokens_per_step
    }

    /// One update. The caller's clock for tokens/s starts here.
    pub fn advance(&mut self) -> Result<metrics::Step, StepError> {
        let started = Instant::now();
        let arm = &self.setup.arm;
        let (batch, micro) = (arm.train.batch_seqs, arm.train.micro_batch_seqs);
        let mut loss = 0.0;
        let mut tally = Deciles::default();
        // Of one copy of the rows: an auxiliary loss reads them twice.
        let targets = (batch * shape(&arm.objective, arm.data.seq).targets) as f64;
        let mut clean_rows: Vec<u32> = vec![];
        let device = self.setup.device;
        let timings = &mut self.timings;
        let compute = timed(timings, device, (Part::Weights, "compute_copies"), || match arm.train.weight_noise {
            0.0 => self.setup.weights.compute(),
            std => self.setup.weights.compute_noisy(std, arm.train.seeds.noise, self.step),
        })?;
        let noise = timed(timings, device, (Part::Draws, "noise"), || {
            self.corruptor.step(batch, self.step, arm.train.seeds.noise)
        });
        for first in (0..batch).step_by(micro.max(1) as usize) {
            let clean =
                timed(timings, device, (Part::Data, "rows"), || self.batches.rows(self.step, first..first + micro));
            let corrupted =
                timed(timings, device, (Part::Draws, "corrupt"), || self.corruptor.rows(&noise, &clean, first));
            clean_rows.extend(&clean);
            let tensors = timed(timings, device, (Part::Draws, "to_tensors"), || inputs(&corrupted, device))?;
            let outputs = self.setup.training.run_into(&compute, &tensors, &mut self.grads, timings.as_mut())?;
            timed(timings, device, (Part::Log, "losses"), || -> Result<(), LowerError> {
                loss += outputs.scalar("loss")?;
                tally.add(&corrupted, &outputs.floats("nll")?, targets);
                Ok(())
            })?;
        }
        let lr = arm.train.lr_schedule.rate(self.step, arm.train.optimizer.lr);
        let stats = timed(timings, device, (Part::Optimizer, "update"), || {
            self.optimizer.step(
                &mut self.setup.weights,
                &mut self.grads,
                &arm.train.optimizer,
                lr,
                arm.train.clip,
                self.earlier_updates + self.step + 1,
            )
        })?;
        let sound = loss.is_finite() && stats.finite;
        if sound && let Some(ema) = &mut self.ema {
            timed(timings, device, (Part::Optimizer, "average"), || ema.update(&self.setup.weights))?;
        }
        self.step += 1;
        self.clipped_steps += u64::from(stats.clipped);
        let seconds = started.elapsed().as_secs_f64();
        let batch_hash = timed(&mut self.timings, device, (Part::Log, "batch_hash"), || batch_hash(&clean_rows));
        let arm = &self.setup.arm;
        let record = metrics::Step {
            step: self.step,
            tokens: self.tokens(),
            epoch: self.epoch(),
            loss,
            loss_plain: tally.mean(),
            loss_by_decile: tally.means(),
            masked_fraction: tally.n_read() as f64 / targets,
            lr,
            grad_norm: stats.grad_norm,
            clip_fraction: self.clipped_steps as f64 / self.step as f64,
            update_ratio: stats.update_ratio,
            tokens_per_s: arm.budget.tokens_per_step as f64 / seconds,
            memory_bytes: crate::lower::device::peak_memory_bytes(self.setup.device).unwrap_or(0),
            batch_hash,
        };
        let exploded = record.loss_plain > EXPLODED * (arm.vocab.n_predictable() as f64).ln();
        if !sound || exploded {
            let what = if sound { "the loss exploded" } else { "a value that is not a number" };
            return Err(StepError::Broken { what: what.into(), record: Box::new(record) });
        }
        Ok(record)
    }
}

/// What `work` gives, with its time where times are asked for.
fn timed<T>(
    timings: &mut Option<Timings>,
    device: Device,
    (part, name): (Part, &'static str),
    work: impl FnOnce() -> T,
) -> T {
    let Some(timings) = timings else { return work() };
    let start = Timings::start(device);
    let result = work();
    timings.stop(part, name, start, 0.0);
    result
}

/// A plain loss this many times that of guessing uniformly is an explosion: no model starts there.
const EXPLODED: f64 = 10.0;
