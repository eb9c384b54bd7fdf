//! Passes on graphs: what a compiler that knows the objective can save. Each is a function on a graph with a switch
//! of its own; what it assumes and guarantees stands at its head. All are exact up to rounding, which
//! `tests/passes.rs` holds them to: loss and gradients equal those of the unoptimized graph.
//!
//! The passes before differentiation work on the loss graph, so that the backward pass of what they make follows
//! from the operations' own; those after it, on the training graph.

mod fuse_gates;
mod fuse_head;
mod fuse_norm_rope;
mod fuse_projections;
mod prune_rows;
mod rebuild;
pub mod recompute;

use crate::check::spec::Objective;
use crate::graph::ops::Mismatch;
use crate::graph::training::{TrainingError, differentiated, loss_graph, with_loss};
use crate::graph::validate::validate;
use crate::graph::{Graph, ValidGraph, without_dropout};
use crate::objective::{self, Loss};
use crate::program::{Conditions, StepMemory, flatten, step_memory};
use std::collections::BTreeSet;

/// What a pass does to a graph.
type Change = fn(&mut Graph) -> Result<(), Mismatch>;

/// A pass that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    PruneRows,
    FuseHead,
    FuseGates,
    FuseNormRope,
    FuseProjections,
    Recompute,
}

impl Pass {
    /// In the order in which they run.
    pub const ALL: [Pass; 6] =
        [Pass::PruneRows, Pass::FuseHead, Pass::FuseGates, Pass::FuseNormRope, Pass::FuseProjections, Pass::Recompute];

    pub fn parse(name: &str) -> Option<Pass> {
        Pass::ALL.into_iter().find(|pass| pass.name() == name)
    }

    /// As `--no-opt` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Pass::PruneRows => "prune_rows",
            Pass::FuseHead => "fuse_head",
            Pass::FuseGates => "fuse_gates",
            Pass::FuseNormRope => "fuse_norm_rope",
            Pass::FuseProjections => "fuse_projections",
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

/// A model that is asked for logits of some positions: its output `logits` is `[R, vocab]`, of the positions that
/// `Input::Rows` names. What it trained with is dropped nowhere.
pub fn asked(model: &ValidGraph, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    let model = changed(without_dropout(model), &[|graph| prune_rows::prune_output(graph, "logits")])?;
    // Those that know nothing of a loss.
    let passes = passes.clone().without(&[Pass::PruneRows, Pass::FuseHead]);
    optimized(model, Goal { live: 0, loss: Loss::CrossEntropy, reads_some: false }, &passes)
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
    fitted(training(model, goal, passes)?, passes, room)
}

/// A training graph that [`training`] made, in so much room.
pub fn fitted(graph: ValidGraph, passes: &Passes, room: Room) -> Result<Fitted, TrainingError> {
    match passes.has(Pass::Recompute) {
        true => recompute::recompute(graph, room),
        false => {
            let memory = step_memory(&flatten(&graph), &room.of);
            Ok(Fitted { graph, memory, n_recomputed: 0, room })
        }
    }
}

fn optimized(loss: ValidGraph, goal: Goal, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    let mut all: Vec<Change> = vec![];
    for pass in Pass::ALL.into_iter().filter(|pass| passes.has(*pass)) {
        all.push(match pass {
            Pass::PruneRows if !goal.reads_some => continue,
            Pass::PruneRows => prune_rows::prune_rows,
            Pass::FuseHead => fuse_head::fuse_head,
            Pass::FuseGates => fuse_gates::fuse_gates,
            Pass::FuseNormRope => fuse_norm_rope::fuse_norm_rope,
            Pass::FuseProjections => fuse_projections::fuse_projections,
            // On the graph with its backward pass, and in need alone.
            Pass::Recompute => continue,
        });
    }
    changed(loss, &all)
}

/// Through these passes, and proved sound again.
fn changed(graph: ValidGraph, passes: &[Change]) -> Result<ValidGraph, TrainingError> {
    if passes.is_empty() {
        return Ok(graph);
    }
    let mut graph = graph.graph().clone();
    for pass in passes {
        pass(&mut graph)?;
    }
    validate(graph).map_err(TrainingError::Invalid)
}
