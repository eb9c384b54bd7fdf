//! The checked experiment: plain typed data, every number with its unit in its name. Only
//! `check::check` makes a [`CheckedSpec`], so holding one is the proof that the rules passed.

use crate::base::Span;
use indexmap::IndexMap;
use std::sync::Arc;

mod data;
mod eval;
mod metric;
mod objective;
mod sampler;

pub use super::claims::Claim;
pub use crate::resolve::{Axis, AxisKind, AxisValue, Coordinate, Point};
pub use data::*;
pub use eval::{Corpus, Eval, Task, TaskFile, TaskFormat, TextSet, scores_answers};
pub use metric::{Metric, TaskScore};
pub use objective::*;
pub use sampler::*;

/// One value of the flattened spec: `path = value  # origin`.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatField {
    pub path: String,
    /// What it is, resolved: `62 steps`.
    pub value: String,
    /// What was written, where it is of something that had to be resolved: `2%`.
    pub written: Option<String>,
    pub origin: String,
    /// Where no source states the value: why it is this one.
    pub assumed: Vec<String>,
    /// Weaker settings that this one overrode, the weakest first.
    pub replaced: Vec<Setting>,
}

/// A value that was overridden: as written, and who set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: String,
}

impl FlatField {
    pub fn new(path: impl Into<String>, value: impl Into<String>, origin: impl Into<String>) -> FlatField {
        FlatField {
            path: path.into(),
            value: value.into(),
            written: None,
            origin: origin.into(),
            assumed: vec![],
            replaced: vec![],
        }
    }

    /// Whether it follows from other values, so that nobody set it.
    pub fn is_derived(&self) -> bool {
        self.origin == "derived"
    }

    /// `2% = 62 steps`, or the value alone.
    pub fn shown(&self) -> String {
        match &self.written {
            Some(written) => format!("{written} = {}", self.value),
            None => self.value.clone(),
        }
    }
}

/// An experiment of which everything is checked. Its *variants* are what trains: each arm at each point
/// of the sweep. Without a sweep there is one point, and a variant is an arm.
#[derive(Clone, Debug)]
pub struct CheckedSpec {
    pub(super) name: String,
    pub(super) cite: Option<String>,
    pub(super) doc: Option<String>,
    pub(super) axes: Vec<Axis>,
    pub(super) points: Vec<Point>,
    pub(super) collapsed: Vec<(String, usize)>,
    pub(super) arm_names: Vec<String>,
    /// Point by point, in each the arms in order.
    pub(super) variants: Vec<Arm>,
    pub(super) claims: Vec<Claim>,
    pub(super) factors: Vec<String>,
}

impl CheckedSpec {
    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn cite(&self) -> Option<&str> {
        self.cite.as_deref()
    }

    /// The `//!` text of its file.
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// What the points differ in; `replicate` comes last. Empty without a sweep.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Never empty: without a sweep it is one point without coordinates. The last axis moves fastest.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Axes that `--set` took away: their labels, and how many values they had.
    pub fn collapsed(&self) -> &[(String, usize)] {
        &self.collapsed
    }

    /// In the order of the file; never empty.
    pub fn arm_names(&self) -> &[String] {
        &self.arm_names
    }

    /// Each arm at each point, point by point, the arms of each in order; never empty.
    pub fn variants(&self) -> &[Arm] {
        &self.variants
    }

    /// The arms at the point of that index, in order.
    pub fn arms_at(&self, point: usize) -> &[Arm] {
        let n = self.arm_names.len();
        self.variants.get(point * n..(point + 1) * n).unwrap_or(&[])
    }

    pub fn variant(&self, arm: &str, point: &Point) -> Option<&Arm> {
        self.variants.iter().find(|a| a.name == arm && a.point == *point)
    }

    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Paths in which the arms are declared to differ.
    pub fn factors(&self) -> &[String] {
        &self.factors
    }
}

/// One variant, an arm at a point, with everything resolved: a run can start from it alone.
#[derive(Clone, Debug)]
pub struct Arm {
    pub name: String,
    /// Where in the sweep.
    pub point: Point,
    pub model: ModelCall,
    pub objective: Objective,
    /// How text is drawn from the trained model; changes neither weights nor metrics.
    pub sampler: Sampler,
    pub data: Data,
    pub train: Train,
    pub eval: Eval,
    pub budget: Budget,
    pub vocab: Vocab,
    /// Sorted by path.
    pub flat: Vec<FlatField>,
}

/// `decoder(layers: 4, ...)`: which model of the resolved library, and its arguments.
#[derive(Clone, Debug)]
pub struct ModelCall {
    pub model: crate::resolve::DefId,
    pub name: String,
    pub args: IndexMap<String, StaticArg>,
    pub span: Span,
    pub library: Arc<crate::resolve::Library>,
}

/// What is known before the graph is built, and where it was written.
#[derive(Clone)]
pub struct StaticArg {
    pub value: Static,
    pub span: Span,
}

/// Arguments are the same wherever they were written, and show the same: models are known by them.
impl std::fmt::Debug for StaticArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.value, f)
    }
}

impl PartialEq for StaticArg {
    fn eq(&self, other: &StaticArg) -> bool {
        self.value == other.value
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Static {
    Number(crate::base::Number),
    Bool(bool),
    Block(BlockArg),
}

/// `swiglu(hidden: 344)`: a block or an operation for a parameter of type `block(...) -> ...`.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockArg {
    pub target: crate::resolve::blocks::Target,
    pub name: String,
    pub args: IndexMap<String, StaticArg>,
}

impl std::fmt::Display for Static {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Static::Number(n) => write!(f, "{n}"),
            Static::Bool(b) => write!(f, "{b}"),
            Static::Block(block) if block.args.is_empty() => f.write_str(&block.name),
            Static::Block(block) => {
                let args: Vec<String> = block.args.iter().map(|(name, arg)| format!("{name}: {}", arg.value)).collect();
                write!(f, "{}({})", block.name, args.join(", "))
            }
        }
    }
}

impl Arm {
    /// `mdm`, or `mdm at unique=0.5B`.
    pub fn title(&self) -> String {
        if self.point.is_only() { self.name.clone() } else { format!("{} at {}", self.name, self.point) }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Train {
    pub batch_seqs: u64,
    /// Divides `batch_seqs`.
    pub micro_batch_seqs: u64,
    pub optimizer: AdamW,
    pub lr_schedule: LrSchedule,
    pub clip: Option<f64>,
    pub precision: Precision,
    /// Decay of the averaged weights; evaluation then uses the average.
    pub ema: Option<f64>,
    /// Standard deviation of the Gaussian noise that is added to every matrix for one step's forward and
    /// backward pass, fresh at each step; 0 adds none. Evaluation and sampling never see it.
    pub weight_noise: f64,
    pub seeds: Seeds,
    pub memory: Option<Memory>,
    pub checkpoint_every_steps: u64,
    /// Which checkpoints stay.
    pub checkpoint_keep: CheckpointKeep,
    /// `None`: the initial weights.
    pub start: Option<StartFrom>,
}

/// The most that a training step may hold. What does not fit is computed again, which changes no digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub bytes: u64,
    pub span: Span,
}

/// Which checkpoints of a run stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointKeep {
    All,
    /// The newest `n`, at least one, and those of `at_steps` (ascending), which are written whatever the cadence.
    Newest {
        n: u64,
        at_steps: Vec<u64>,
    },
}

impl CheckpointKeep {
    /// Two: should the newest be damaged, there is the one before it.
    pub const DEFAULT: CheckpointKeep = CheckpointKeep::Newest { n: 2, at_steps: vec![] };

    /// Whether one stays of which `n_newer` newer ones exist.
    pub fn keeps(&self, step: u64, n_newer: usize) -> bool {
        match self {
            CheckpointKeep::All => true,
            CheckpointKeep::Newest { n, at_steps } => {
                (n_newer as u64) < (*n).max(1) || at_steps.binary_search(&step).is_ok()
            }
        }
    }

    /// How many a run of so many steps, saved this often, has at its end.
    pub fn n_at_end(&self, steps: u64, every: u64) -> u64 {
        let every = every.max(1);
        let regular = |step: u64| step.is_multiple_of(every) || step == steps;
        let named = match self {
            CheckpointKeep::All => &[][..],
            CheckpointKeep::Newest { at_steps, .. } => at_steps.as_slice(),
        };
        let odd_after = |after: u64| named.iter().filter(|step| **step > after && !regular(**step)).count() as u64;
        let written_after = |after: u64| {
            let last = u64::from(steps > after && !steps.is_multiple_of(every));
            steps / every - (after / every).min(steps / every) + last + odd_after(after)
        };
        match self {
            CheckpointKeep::All => written_after(0),
            CheckpointKeep::Newest { n, at_steps } => {
                let older = at_steps.iter().filter(|step| written_after(**step) >= (*n).max(1)).count() as u64;
                written_after(0).min((*n).max(1)) + older
            }
        }
    }

    /// Whether one has to be written here for its own sake.
    pub fn names(&self, step: u64) -> bool {
        matches!(self, CheckpointKeep::Newest { at_steps, .. } if at_steps.binary_search(&step).is_ok())
    }
}

impl std::fmt::Display for CheckpointKeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CheckpointKeep::All => f.write_str("all"),
            CheckpointKeep::Newest { n, at_steps } if at_steps.is_empty() => write!(f, "last({n})"),
            CheckpointKeep::Newest { n, at_steps } => {
                let steps: Vec<String> = at_steps.iter().map(u64::to_string).collect();
                write!(f, "last({n}) and steps {}", steps.join(", "))
            }
        }
    }
}

/// `checkpoint("coder_constant", step: 319_456, optimizer: keep)`: the state of another run, where this one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFrom {
    /// An experiment (whose run of the same arm and point is meant), a run's folder or a checkpoint's.
    pub from: String,
    /// The last one, where it is not given.
    pub step: Option<u64>,
    /// Whether the optimizer's moments come along; otherwise they start at zero.
    pub keeps_optimizer: bool,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
}

/// Lengths in steps; `floor` is the final rate as a fraction of the peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LrSchedule {
    Constant {
        warmup: u64,
    },
    Cosine {
        warmup: u64,
        floor: f64,
        steps: u64,
    },
    /// Warm-up, stable, decay. Decay over `decay` steps as Megatron's exponential WSD (domain A.1).
    Wsd {
        warmup: u64,
        decay: u64,
        floor: f64,
        steps: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Bf16,
    Fp32,
    Fp64,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Precision::Bf16 => "bf16",
            Precision::Fp32 => "fp32",
            Precision::Fp64 => "fp64",
        }
    }
}

/// One seed per purpose; see `base::philox::Purpose`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    pub init: u32,
    pub split: u32,
    pub subset: u32,
    pub order: u32,
    pub noise: u32,
    pub eval: u32,
}

/// Everything derived from unique, epochs, total, batch and seq.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Rounded down to whole chunks. For `unique: all` it is known after the data was read.
    pub unique_tokens: Option<u64>,
    pub epochs: Option<f64>,
    pub total_tokens: u64,
    pub tokens_per_step: u64,
    pub steps: u64,
    /// Tokens of the budget that no whole step is left for.
    pub left_over_tokens: u64,
}
