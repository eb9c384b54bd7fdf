//! Everything a run needs before its first step.

use crate::check::spec::Arm;
use crate::data::Prepared;
use crate::eval::Asked;
use crate::graph::training::TrainingError;
use crate::graph::{DimSizes, ValidGraph, view};
use crate::lower::{Executable, Weights};
use crate::objective;
use crate::optimize::{self, Goal, Passes, Room};
use crate::program::{Conditions, Place, StepMemory, flatten};
use std::sync::Arc;
use tch::Device;

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("no training graph: {0}")]
    Graph(#[from] TrainingError),
    #[error(transparent)]
    Lower(#[from] crate::lower::LowerError),
    #[error(
        "a training step holds at least {} here, of which {} are the process without it; `train.memory` has room for {}",
        bytes(memory.peak()), bytes(memory.process), bytes(*room)
    )]
    NoRoom { memory: StepMemory, room: u64 },
}

fn bytes(n: u64) -> String {
    format!("{:.2} GiB", n as f64 / f64::from(1 << 30))
}

/// A compiled arm with its data and initial weights.
pub struct Setup {
    pub arm: Arm,
    pub data: Arc<Prepared>,
    /// What is asked at evaluations besides validation, where there are any.
    pub asked: Asked,
    /// Forward, loss and backward.
    pub training: Executable,
    /// Forward and loss.
    pub loss: Executable,
    pub weights: Weights,
    pub device: Device,
    /// Hash of the initial weights by path.
    pub init_hash: String,
    /// Hash of the model's graph: part of the run's identity, since blocks are code.
    pub graph_hash: String,
    /// Matrix-product FLOPs of a training step.
    pub flops_per_step: f64,
}

impl Setup {
    pub fn new(
        arm: &Arm,
        model: &ValidGraph,
        data: Arc<Prepared>,
        device: Device,
        passes: &Passes,
    ) -> Result<Setup, SetupError> {
        let live = arm.vocab.n_predictable();
        let goal = Goal::of(&arm.objective, live);
        let (training, flops_of) = within(arm, model, goal, device, passes)?;
        let loss = optimize::loss(model, goal, passes)?;
        let shape = objective::shape(&arm.objective, arm.data.seq);
        let sizes = DimSizes::all(arm.train.batch_seqs * shape.rows, shape.time);
        let flops_per_step = crate::analyze::flops(flops_of.as_ref().unwrap_or(&training), sizes).total;
        let precision = arm.train.precision;
        let program = flatten(&training);
        let weights = Weights::init(&program.params, arm.train.seeds.init, precision, device)?;
        let init_hash = weights.hash()?;
        Ok(Setup {
            arm: arm.clone(),
            data,
            asked: Asked::default(),
            training: Executable::new(program, precision, device),
            loss: Executable::new(flatten(&loss), precision, device),
            weights,
            init_hash,
            device,
            graph_hash: graph_hash(model),
            flops_per_step,
        })
    }
}

/// The training graph in the room that the arm gives it. Where a part is computed again, also the graph without that,
/// whose FLOPs are those that count.
fn within(
    arm: &Arm,
    model: &ValidGraph,
    goal: Goal,
    device: Device,
    passes: &Passes,
) -> Result<(ValidGraph, Option<ValidGraph>), SetupError> {
    let training = optimize::training(model, goal, passes)?;
    let Some(memory) = arm.train.memory else { return Ok((training, None)) };
    let place = if device == Device::Cpu { Place::Cpu } else { Place::Gpu };
    let room = Room { bytes: memory.bytes, of: Conditions::of(arm, place) };
    let fitted = optimize::fitted(training.clone(), passes, room)?;
    match fitted.fits() {
        true => Ok((fitted.graph, Some(training))),
        false => Err(SetupError::NoRoom { memory: fitted.memory, room: memory.bytes }),
    }
}

/// Identifies a model whatever the file it was written in.
pub fn graph_hash(model: &ValidGraph) -> String {
    let mut hasher = crate::base::hash::CanonicalHasher::new("model graph");
    hasher.put_str(&view::ron(model.graph(), true));
    hasher.finish()
}

/// Exactly which code trains: the crate's version and a hash of the executable.
pub fn code_version() -> String {
    let hash = std::env::current_exe().and_then(std::fs::read).map(|bytes| blake3::hash(&bytes).to_hex());
    let version = env!("CARGO_PKG_VERSION");
    hash.map_or(version.to_string(), |hash| format!("{version}+{}", hash.get(..12).unwrap_or(&hash)))
}
