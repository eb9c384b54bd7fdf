//! What runs measured as CSV: one row a run, an evaluation and a metric, the same columns for any run of any experiment,
//! so that files of several can be laid over each other.

use super::RunRecord;
use super::chart::values::quoted;
use super::curves::{evaluations, steps};
use crate::store::metrics::Start;

pub const COLUMNS: &str =
    "experiment,arm,point,run,step,tokens,epoch,flops,metric,value,se,items,exact,in_decay,unit\n";

/// Rows of the training loss of one run; a file of every step of long runs would be read by nobody.
const N_STEP_ROWS: usize = 400;

/// The metrics of all evaluations, `bits_per_byte` among them, and the training loss as `step_loss`: the mean over equal
/// stretches of steps, at the last step of each.
pub fn csv<'a>(runs: impl Iterator<Item = &'a RunRecord>) -> String {
    let mut out = String::from(COLUMNS);
    runs.for_each(|run| rows(run, &mut out));
    out
}

fn rows(run: &RunRecord, out: &mut String) {
    let Some(start) = run.start() else { return };
    let name = [&start.experiment, &run.arm, &run.point, &run.name()].map(|text| quoted(text)).join(",");
    let mut row = |step: u64, tokens: u64, epoch: f64, metric: &str, (value, se): (f64, f64), rest: [String; 3]| {
        let place = [step.to_string(), tokens.to_string(), number(epoch), number(step as f64 * start.flops_per_step)];
        let [items, in_decay, unit] = rest;
        let numbers = [quoted(metric), number(value), number(se), items, start.exact.to_string(), in_decay, unit];
        out.push_str(&format!("{name},{},{}\n", place.join(","), numbers.join(",")));
    };
    for eval in evaluations(run) {
        let mut add = |metric: &str, value: f64, se: f64, items: usize, unit: &str| {
            let rest = [items.to_string(), eval.in_decay.to_string(), unit.to_owned()];
            row(eval.step, eval.tokens, eval.epoch, metric, (value, se), rest);
        };
        add("loss(valid)", eval.loss, eval.se, eval.documents.len(), &start.loss_unit);
        if let Some(bits) = eval.bits_per_byte {
            add("bits_per_byte", bits, f64::NAN, eval.documents.len(), "bits/byte");
        }
        for measured in &eval.measures {
            add(&measured.metric, measured.value, measured.se, measured.items.len(), unit_of(&measured.metric, start));
        }
    }
    let all = steps(run);
    for bin in all.chunks(all.len().div_ceil(N_STEP_ROWS).max(1)) {
        let Some(last) = bin.last() else { continue };
        let mean = bin.iter().map(|step| step.loss).sum::<f64>() / bin.len() as f64;
        let rest = [String::new(), (last.step > start.decay_from_step).to_string(), start.loss_unit.clone()];
        row(last.step, last.tokens, last.epoch, "step_loss", (mean, f64::NAN), rest);
    }
}

fn unit_of<'a>(metric: &str, start: &'a Start) -> &'a str {
    match metric {
        _ if metric.starts_with("loss(") => &start.loss_unit,
        _ if metric.contains(".nll") => "nats/token",
        _ => "share",
    }
}

/// Nothing stands for what is no number.
fn number(x: f64) -> String {
    if x.is_finite() { x.to_string() } else { String::new() }
}
