//! Where the time of steps goes, by part of a step and operation.

use super::device;
use crate::program::Phase;
use std::collections::BTreeMap;
use std::time::Instant;
use tch::Device;

/// A part of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Reading the clean rows.
    Data,
    /// Noise levels, corruption, and moving rows to tensors.
    Draws,
    /// Copies of the weights to compute with.
    Weights,
    Forward,
    Backward,
    /// Adding up gradients, clipping, the update.
    Optimizer,
    /// Numbers for the log.
    Log,
}

impl Part {
    pub const ALL: [Part; 7] =
        [Part::Forward, Part::Backward, Part::Optimizer, Part::Weights, Part::Data, Part::Draws, Part::Log];

    pub fn name(self) -> &'static str {
        match self {
            Part::Data => "data",
            Part::Draws => "draws",
            Part::Weights => "weights",
            Part::Forward => "forward",
            Part::Backward => "backward",
            Part::Optimizer => "optimizer",
            Part::Log => "log",
        }
    }
}

impl From<Phase> for Part {
    fn from(phase: Phase) -> Part {
        match phase {
            Phase::Forward => Part::Forward,
            Phase::Backward => Part::Backward,
        }
    }
}

/// What an operation took, over all its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub seconds: f64,
    pub calls: u64,
    /// Of matrix products.
    pub flops: f64,
}

impl Spent {
    pub fn plus(self, other: Spent) -> Spent {
        Spent {
            seconds: self.seconds + other.seconds,
            calls: self.calls + other.calls,
            flops: self.flops + other.flops,
        }
    }
}

/// The beginning of something that is timed.
#[derive(Clone, Copy, Debug)]
pub struct Start(Instant, Device);

/// Running sums. On a GPU the device is waited for at every boundary, so they add up to more than a step takes.
#[derive(Clone, Debug, Default)]
pub struct Timings(BTreeMap<(Part, &'static str), Spent>);

impl Timings {
    /// What was given to the device before is no part of what starts here.
    pub fn start(on: Device) -> Start {
        device::synchronize(on);
        Start(Instant::now(), on)
    }

    pub fn stop(&mut self, part: Part, name: &'static str, start: Start, flops: f64) {
        device::synchronize(start.1);
        let spent = self.0.entry((part, name)).or_default();
        *spent = spent.plus(Spent { seconds: start.0.elapsed().as_secs_f64(), calls: 1, flops });
    }

    /// In order of parts and names.
    pub fn iter(&self) -> impl Iterator<Item = (Part, &'static str, Spent)> {
        self.0.iter().map(|((part, name), spent)| (*part, *name, *spent))
    }
}
