//! What a run measured, as curves against each measure of progress.

use super::RunRecord;
use super::chart::{Axis, Numbers, Spot};
use crate::check::spec::{Metric, TaskScore};
use crate::store::metrics::{Eval, Step};

/// Means over bins stand for single steps where there are more.
const N_BINS: usize = 160;

/// What the x axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    Epochs,
    Tokens,
    Flops,
}

impl Along {
    pub const ALL: [Along; 3] = [Along::Epochs, Along::Tokens, Along::Flops];

    /// As the page's switch and its style sheet call it.
    pub fn name(self) -> &'static str {
        match self {
            Along::Epochs => "epochs",
            Along::Tokens => "tokens",
            Along::Flops => "flops",
        }
    }

    pub fn axis(self, end: f64) -> Axis {
        let (label, numbers) = match self {
            Along::Epochs => ("epochs of the unique tokens", Numbers::Plain),
            Along::Tokens => ("training tokens", Numbers::Counted),
            Along::Flops => ("training FLOPs, counted", Numbers::Power),
        };
        Axis::linear(label, (0.0, self.round_end(end)), numbers)
    }

    /// The axis ends with the last epoch, which the budget may miss by part of a step.
    fn round_end(self, end: f64) -> f64 {
        let end = end.max(f64::MIN_POSITIVE);
        if self == Along::Epochs && end.ceil() - end < 0.05 { end.ceil() } else { end }
    }

    /// Where a step of a run is. `None` where the run's log does not say.
    pub fn place(self, run: &RunRecord, step: u64, tokens: u64, epoch: f64) -> Option<f64> {
        let place = match self {
            Along::Epochs => epoch,
            Along::Tokens => tokens as f64,
            Along::Flops => step as f64 * run.start()?.flops_per_step,
        };
        place.is_finite().then_some(place)
    }

    /// Where an epoch of a run is.
    pub fn of_epoch(self, run: &RunRecord, epoch: f64) -> Option<f64> {
        let start = run.start()?;
        let tokens = epoch * start.unique_tokens as f64;
        Some(match self {
            Along::Epochs => epoch,
            Along::Tokens => tokens,
            Along::Flops => tokens / start.tokens_per_step.max(1) as f64 * start.flops_per_step,
        })
    }
}

/// Evaluations of a run in order; one that a resumed run did again stands once, as it was last.
pub fn evaluations(run: &RunRecord) -> Vec<&Eval> {
    let mut evals: std::collections::BTreeMap<u64, &Eval> = Default::default();
    for record in &run.records {
        if let crate::store::metrics::Record::Eval(eval) = record {
            evals.insert(eval.step, eval);
        }
    }
    evals.into_values().collect()
}

/// A metric's value and standard error in an evaluation.
pub fn measured(eval: &Eval, metric: &Metric) -> Option<(f64, f64)> {
    if *metric == Metric::valid_loss() {
        return Some((eval.loss, eval.se));
    }
    let name = metric.to_string();
    eval.measures.iter().find(|measured| measured.metric == name).map(|measured| (measured.value, measured.se))
}

/// A metric over the run, with one standard error on both sides.
pub fn curve(run: &RunRecord, metric: &Metric, along: Along) -> Vec<Spot> {
    let spot = |eval: &&Eval| {
        let (y, se) = measured(eval, metric)?;
        let x = along.place(run, eval.step, eval.tokens, eval.epoch)?;
        Some(Spot { x, y, spread: se.is_finite().then_some((y - se, y + se)) })
    };
    evaluations(run).iter().filter_map(spot).collect()
}

/// Means of a step's quantity over equal bins of steps, at the bin's middle.
pub fn binned(run: &RunRecord, along: Along, of: impl Fn(&Step) -> f64) -> Vec<Spot> {
    let value = |step: &Step| {
        let (x, y) = (along.place(run, step.step, step.tokens, step.epoch)?, of(step));
        y.is_finite().then_some((x, y))
    };
    let all: Vec<(f64, f64)> = steps(run).into_iter().filter_map(value).collect();
    let size = all.len().div_ceil(N_BINS).max(1);
    let mean = |bin: &[(f64, f64)]| {
        let n = bin.len() as f64;
        let (x, y) = bin.iter().fold((0.0, 0.0), |(x, y), spot| (x + spot.0, y + spot.1));
        Spot { x: x / n, y: y / n, spread: None }
    };
    all.chunks(size).map(mean).collect()
}

/// Steps in order, each once: a resumed run does those since the checkpoint again.
pub fn steps(run: &RunRecord) -> Vec<&Step> {
    let steps: std::collections::BTreeMap<u64, &Step> = run.steps().map(|step| (step.step, step)).collect();
    steps.into_values().collect()
}

/// Everything that any of the runs measured besides the loss on the validation documents, each once.
pub fn other_metrics<'a>(runs: impl Iterator<Item = &'a RunRecord>) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = vec![];
    for eval in runs.flat_map(evaluations) {
        let found = eval.measures.iter().filter_map(|measured| Metric::parse(&measured.metric));
        for metric in found {
            if metric != Metric::valid_loss() && !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
    }
    metrics.sort();
    metrics
}

/// What a metric means, for an axis: its unit where it has one.
pub fn metric_label(metric: &Metric, unit: &str) -> String {
    match metric {
        Metric::Loss(_) => format!("{metric}, {unit}"),
        Metric::Task(_, TaskScore::Acc | TaskScore::AccNorm) => format!("{metric}, share right"),
        Metric::Task(_, TaskScore::NllRight | TaskScore::NllWrong | TaskScore::NllGap) => {
            format!("{metric}, nats/token")
        }
    }
}

/// What losses are counted in; of runs that differ in it, all of them.
pub fn unit<'a>(runs: impl IntoIterator<Item = &'a RunRecord>) -> String {
    let mut units: Vec<&str> = vec![];
    for start in runs.into_iter().filter_map(RunRecord::start) {
        if !units.contains(&start.loss_unit.as_str()) {
            units.push(&start.loss_unit);
        }
    }
    if units.is_empty() { "nats".into() } else { units.join(" or ") }
}
