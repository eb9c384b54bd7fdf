//! The curves of a run, one for each metric, pulled out of its records.

use crate::check::claims::types::{Metric, Quantity};
use crate::store::metrics::{EndReason, Eval, Measured, Record, Start};

/// One evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub step: u64,
    pub tokens: u64,
    pub epoch: f64,
    /// Of the series' metric.
    pub value: f64,
    /// Standard error over items.
    pub se: f64,
    /// None where the targets are no text, and for other metrics than `loss(valid)`.
    pub bits_per_byte: Option<f64>,
    /// By tenth of how much is noise, of `loss(valid)`; see `store::metrics::Eval`.
    pub loss_by_decile: Vec<Option<f64>>,
    pub in_decay: bool,
    /// What is resampled: per document `[sum of NLL in nats, targets]`, per item of a task `[score, 1]`.
    pub items: Vec<[f64; 2]>,
}

impl Point {
    fn of_valid(eval: &Eval) -> Point {
        Point {
            step: eval.step,
            tokens: eval.tokens,
            epoch: eval.epoch,
            value: eval.loss,
            se: eval.se,
            bits_per_byte: eval.bits_per_byte,
            loss_by_decile: eval.loss_by_decile.clone(),
            in_decay: eval.in_decay,
            items: eval.documents.clone(),
        }
    }

    fn of_measured(eval: &Eval, measured: &Measured) -> Point {
        Point {
            step: eval.step,
            tokens: eval.tokens,
            epoch: eval.epoch,
            value: measured.value,
            se: measured.se,
            bits_per_byte: None,
            loss_by_decile: vec![],
            in_decay: eval.in_decay,
            items: measured.items.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    Finished,
    /// Ended on purpose or by a failure before the budget's end.
    Stopped {
        step: u64,
        reason: EndReason,
        message: Option<String>,
    },
    /// No record says how it ended: still running, or killed.
    Open {
        step: u64,
    },
    /// The log holds no start.
    NotStarted,
}

impl Completion {
    pub fn of(records: &[Record]) -> Completion {
        let mut state = Completion::NotStarted;
        let mut last_step = 0;
        for record in records {
            match record {
                Record::Start(_) => state = Completion::Open { step: 0 },
                Record::End(end) if end.reason == EndReason::Finished => state = Completion::Finished,
                Record::End(end) => {
                    state = Completion::Stopped { step: end.step, reason: end.reason, message: end.message.clone() };
                }
                Record::Step(_) | Record::Eval(_) | Record::Checkpoint(_) => {}
            }
            last_step = record.step();
        }
        if let Completion::Open { step } = &mut state {
            *step = last_step;
        }
        state
    }

    pub fn words(&self) -> String {
        match self {
            Completion::Finished => "finished".into(),
            Completion::Stopped { step, reason, message: None } => format!("{} after step {step}", reason.words()),
            Completion::Stopped { step, reason, message: Some(message) } => {
                format!("{} after step {step} ({message})", reason.words())
            }
            Completion::Open { step } => format!("still running or killed, last seen at step {step}"),
            Completion::NotStarted => "not started".into(),
        }
    }
}

/// A run's curve of one metric, by step.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub arm: String,
    /// The name of its point of the sweep; empty without one.
    pub point: String,
    pub metric: Metric,
    /// False where the metric is a loss that bounds the true one from above.
    pub exact: bool,
    /// `nats/byte`; empty for a share.
    pub unit: String,
    /// Hash of what it was measured on; `None` where the evaluations do not agree on that.
    pub set: Option<String>,
    pub steps: u64,
    pub decay_from_step: u64,
    pub completion: Completion,
    pub points: Vec<Point>,
}

impl Series {
    /// The curve of `loss(valid)`; see [`Series::of_metric`].
    pub fn from_records(arm: &str, point: &str, records: &[Record]) -> Option<Series> {
        Series::of_metric(arm, point, records, &Metric::valid_loss())
    }

    /// `None` where the log holds no start. Without points where the metric was never measured. An evaluation that
    /// was done twice (killed before the next checkpoint) counts once, as last done.
    pub fn of_metric(arm: &str, point: &str, records: &[Record], metric: &Metric) -> Option<Series> {
        let start: &Start = records.iter().rev().find_map(|r| if let Record::Start(s) = r { Some(s) } else { None })?;
        let is_valid = *metric == Metric::valid_loss();
        let name = metric.to_string();
        let mut points: Vec<(Point, &str)> = vec![];
        for record in records {
            let Record::Eval(eval) = record else { continue };
            points.retain(|(p, _)| p.step != eval.step);
            if is_valid {
                points.push((Point::of_valid(eval), start.valid_hash.as_str()));
            } else if let Some(measured) = eval.measures.iter().find(|measured| measured.metric == name) {
                points.push((Point::of_measured(eval, measured), measured.set.as_str()));
            }
        }
        points.sort_by_key(|(p, _)| p.step);
        let first_set = points.first().map_or(start.valid_hash.as_str(), |(_, set)| *set);
        let one_set = points.iter().all(|(_, set)| *set == first_set);
        let unit = match metric {
            Metric::Loss(_) => start.loss_unit.clone(),
            Metric::Task(..) if metric.quantity() == Quantity::Share => String::new(),
            Metric::Task(..) => "nats/token".into(),
        };
        Some(Series {
            arm: arm.to_owned(),
            point: point.to_owned(),
            metric: metric.clone(),
            exact: start.exact || !metric.is_loss(),
            unit,
            set: one_set.then(|| first_set.to_owned()),
            steps: start.steps,
            decay_from_step: start.decay_from_step,
            completion: Completion::of(records),
            points: points.into_iter().map(|(p, _)| p).collect(),
        })
    }

    /// `mdm`, or `mdm at unique=0.5B`.
    pub fn title(&self) -> String {
        title(&self.arm, &self.point)
    }

    /// `validation loss`, or the metric as claims write it.
    pub fn measured(&self) -> String {
        if self.metric == Metric::valid_loss() { "validation loss".into() } else { format!("`{}`", self.metric) }
    }

    /// `validation documents`, `items of hellaswag.acc`: what is resampled.
    pub fn item_words(&self) -> String {
        match self.metric == Metric::valid_loss() {
            true => "validation documents".into(),
            false => format!("{} of `{}`", self.metric.item_word(), self.metric),
        }
    }

    /// What to say where two of its kind do not pair.
    pub fn differ(&self) -> String {
        match self.metric == Metric::valid_loss() {
            true => "the runs were evaluated on different validation data".into(),
            false => format!("`{}` was measured on different {}", self.metric, self.metric.item_word()),
        }
    }

    /// Why it decides nothing, if its run is not finished.
    pub fn incomplete(&self) -> Option<String> {
        (self.completion != Completion::Finished)
            .then(|| format!("the run of `{}` is not complete: {}", self.title(), self.completion.words()))
    }

    /// The evaluation with the best value; the earliest of equals.
    pub fn best(&self) -> Option<&Point> {
        let finite = self.points.iter().filter(|p| p.value.is_finite());
        finite.min_by(|a, b| self.metric.better_first(a.value, b.value))
    }

    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// The epoch at which the learning rate starts to fall, interpolated in steps; `None` without a decay.
    pub fn decay_from_epoch(&self) -> Option<f64> {
        let last = self.points.last()?;
        (self.decay_from_step < self.steps && last.step > 0)
            .then(|| last.epoch * self.decay_from_step as f64 / last.step as f64)
    }
}

/// All curves of a run: one for each metric that it measured, `loss(valid)` first.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    series: Vec<Series>,
}

impl Curves {
    /// `None` where the log holds no start.
    pub fn from_records(arm: &str, point: &str, records: &[Record]) -> Option<Curves> {
        let mut metrics = vec![Metric::valid_loss()];
        for record in records {
            let Record::Eval(eval) = record else { continue };
            let named = eval.measures.iter().filter_map(|measured| Metric::parse(&measured.metric));
            for metric in named {
                if !metrics.contains(&metric) {
                    metrics.push(metric);
                }
            }
        }
        let series = metrics.iter().map(|metric| Series::of_metric(arm, point, records, metric));
        Some(Curves { series: series.collect::<Option<Vec<Series>>>()? })
    }

    pub fn get(&self, metric: &Metric) -> Option<&Series> {
        self.series.iter().find(|series| series.metric == *metric)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// Why there is no curve of a metric.
    pub fn lacks(&self, metric: &Metric) -> String {
        let Some(first) = self.series.first() else { return "the run measured nothing".into() };
        match first.points.is_empty() {
            true => format!("no evaluation of `{}` yet ({})", first.title(), first.completion.words()),
            false => format!("the run of `{}` has not measured `{metric}`", first.title()),
        }
    }
}

impl From<Series> for Curves {
    fn from(series: Series) -> Curves {
        Curves { series: vec![series] }
    }
}

impl FromIterator<Series> for Curves {
    fn from_iter<I: IntoIterator<Item = Series>>(series: I) -> Curves {
        Curves { series: series.into_iter().collect() }
    }
}

/// `mdm`, or `mdm at unique=0.5B`: an arm at a point of the sweep.
pub fn title(arm: &str, point: &str) -> String {
    if point.is_empty() { arm.to_owned() } else { format!("{arm} at {point}") }
}
