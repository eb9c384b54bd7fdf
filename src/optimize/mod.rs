//! Passes on graphs: what a compiler that knows the objective can save. Each is a function on a graph with a switch
//! of its own; what it assumes and guarantees stands at its head. All are exact up to rounding, which
//! `tests/passes.rs` holds them to: loss and gradients equal those of the unoptimized graph.
//!
//! The passes before differentiation work on the loss graph, so that the backward pass of what they make follows
//! from the operations' own; those after it, on the training graph.

mod fuse_gates;
mod fuse_head;
mod prune_rows;
mod rebuild;
pub mod recompute;

use crate::check::spec::Objective;
use crate::graph::ops::Mismatch;
use crate::graph::training::{TrainingError, differentiated, loss_graph, with_loss};
use crate::graph::validate::validate;
use crate::graph::{Graph, ValidGraph};
use crate::objective::{self, Loss};
use crate::program::{Conditions, StepMemory, flatten, step_memory};
use std::collections::BTreeSet;

/// A pass that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    PruneRows,
    FuseHead,
    FuseGates,
    Recompute,
}

impl Pass {
    /// In the order in which they run.
    pub const ALL: [Pass; 4] = [Pass::PruneRows, Pass::FuseHead, Pass::FuseGates, Pass::Recompute];

    pub fn parse(name: &str) -> Option<Pass> {
        Pass::ALL.into_iter().find(|pass| pass.name() == name)
    }

    /// As `--no-opt` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Pass::PruneRows => "prune_rows",
            Pass::FuseHead => "fuse_head",
            Pass::FuseGates => "fuse_gates",
            Pass::Recompute => "recompute",
        }
    }
}

/// Which passes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passes(BTreeSet<Pass>);

impl Default for Passes {
    fn default() -> Passes {
        Passes(Pass::ALL.into())
    }
}

impl Passes {
    pub fn none() -> Passes {
        Passes(BTreeSet::new())
    }

    pub fn only(pass: Pass) -> Passes {
        Passes([pass].into())
    }

    pub fn without(mut self, off: &[Pass]) -> Passes {
        off.iter().for_each(|pass| _ = self.0.remove(pass));
        self
    }

    /// Those that are off, in the order in which they would run.
    pub fn off(&self) -> Vec<Pass> {
        Pass::ALL.into_iter().filter(|pass| !self.has(*pass)).collect()
    }

    pub fn has(&self, pass: Pass) -> bool {
        self.0.contains(&pass)
    }
}

/// What a model is trained for, as far as its graph depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Goal {
    /// Ids from here on cannot be predicted.
    pub live: u64,
    pub loss: Loss,
    /// Whether the loss reads some positions of a batch and not others. Where it reads all, there is nothing to prune.
    pub reads_some: bool,
}

impl Goal {
    pub fn of(objective: &Objective, live: u64) -> Goal {
        Goal { live, loss: objective::loss(objective), reads_some: objective::reads_some(objective) }
    }
}

/// What a training step may hold at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    pub bytes: u64,
    pub of: Conditions,
}

/// A training graph made to fit, or as small as it gets.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub graph: ValidGraph,
    /// As predicted.
    pub memory: StepMemory,
    /// Lists of saved values that are computed again instead.
    pub n_recomputed: usize,
    room: Room,
}

impl Fitted {
    pub fn fits(&self) -> bool {
        self.memory.peak() <= self.room.bytes
    }
}

/// The loss graph of a model, optimized: outputs `loss` and `nll`, nothing dropped.
pub fn loss(model: &ValidGraph, goal: Goal, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    optimized(loss_graph(model, goal.live, goal.loss)?, goal, passes)
}

/// The training graph of a model, optimized.
pub fn training(model: &ValidGraph, goal: Goal, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    let loss = optimized(with_loss(model, goal.live, goal.loss)?, goal, passes)?;
    let training = differentiated(&loss)?;
    match passes.has(Pass::FuseHead) {
        true => changed(training, &[fuse_head::join_head]),
        false => Ok(training),
    }
}

/// As [`training`], in so much room: what does not fit is computed again in the backward pass.
pub fn training_within(model: &ValidGraph, goal: Goal, passes: &Passes, room: Room) -> Result<Fitted, TrainingError> {
    let graph = training(model, goal, passes)?;
    match passes.has(Pass::Recompute) {
        true => recompute::recompute(graph, room),
        false => {
            let memory = step_memory(&flatten(&graph), &room.of);
            Ok(Fitted { graph, memory, n_recomputed: 0, room })
        }
    }
}

fn optimized(loss: ValidGraph, goal: Goal, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    let mut all: Vec<fn(&mut Graph) -> Result<(), Mismatch>> = vec![];
    if goal.reads_some && passes.has(Pass::PruneRows) {
        all.push(prune_rows::prune_rows);
    }
    if passes.has(Pass::FuseHead) {
        all.push(fuse_head::fuse_head);
    }
    if passes.has(Pass::FuseGates) {
        all.push(fuse_gates::fuse_gates);
    }
    changed(loss, &all)
}

/// Through these passes, and proved sound again.
fn changed(graph: ValidGraph, passes: &[fn(&mut Graph) -> Result<(), Mismatch>]) -> Result<ValidGraph, TrainingError> {
    if passes.is_empty() {
        return Ok(graph);
    }
    let mut graph = graph.graph().clone();
    for pass in passes {
        pass(&mut graph)?;
    }
    validate(graph).map_err(TrainingError::Invalid)
}
