//! `dlmc plan --on`: how long the runs of a plan would take on accelerators whose utilisation is assumed.

use super::plan::{ArmPlan, Planned};
use crate::analyze::Hardware;
use crate::check::spec::Arm;
use serde_json::{Value, json};

/// Hours below which more decimals are shown.
const MANY_HOURS: f64 = 10.0;

/// Where a plan would run, and which share of the peak it would use.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub hardware: Hardware,
    pub utilisation: f64,
}

/// Hours of one run, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hours {
    pub training: f64,
    /// `None` where how much is evaluated only the corpus says.
    pub evaluation: Option<f64>,
}

impl Hours {
    pub fn all(self) -> f64 {
        self.training + self.evaluation.unwrap_or(0.0)
    }

    /// The part of evaluation in all.
    pub fn evaluation_share(self) -> Option<f64> {
        self.evaluation.map(|hours| hours / self.all()).filter(|share| share.is_finite())
    }
}

impl Place {
    pub fn hours(&self, arm: &Arm, plan: &ArmPlan) -> Hours {
        let hours = |flops| self.hardware.hours(flops, arm.train.precision, self.utilisation);
        let evaluation = Some(plan.evaluation_flops).filter(|flops| flops.is_finite()).map(hours);
        Hours { training: hours(plan.conventions.counted), evaluation }
    }

    pub fn total(&self, plans: &[Planned<'_>]) -> Hours {
        let mut total = Hours { training: 0.0, evaluation: Some(0.0) };
        for (arm, plan) in plans {
            let hours = self.hours(arm, plan);
            total.training += hours.training;
            total.evaluation = total.evaluation.zip(hours.evaluation).map(|(a, b)| a + b);
        }
        total
    }

    /// `53 h + 58 h`, a figure that is the same once.
    pub fn cell(&self, arms: &[Planned<'_>]) -> String {
        let texts = arms.iter().map(|(arm, plan)| hours_text(self.hours(arm, plan).all()));
        texts.collect::<Vec<_>>().join(" + ")
    }

    /// `1,110 h on h200x8 = 8,880 GPU-hours, evaluation 11% of it`
    pub fn total_text(&self, plans: &[Planned<'_>]) -> String {
        let total = self.total(plans);
        let n = self.hardware.n_devices;
        let devices = if n > 1 { format!(" = {} GPU-hours", digits(total.all() * n as f64)) } else { String::new() };
        let evaluation = match total.evaluation_share() {
            Some(share) => format!("evaluation {} of it", percent(share)),
            None => "without evaluation, whose amount only the corpus says".into(),
        };
        format!("{} on {}{devices}, {evaluation}", hours_text(total.all()), self.hardware.name)
    }

    /// `8 x 9.89e14 FLOP/s in bf16, 45% of it assumed to be used (--mfu)`
    pub fn assumption(&self, plans: &[Planned<'_>]) -> String {
        let mut peaks: Vec<String> = vec![];
        for (arm, _) in plans {
            let precision = arm.train.precision;
            let peak = format!("{:e} FLOP/s in {}", self.hardware.peak(precision), precision.name());
            if !peaks.contains(&peak) {
                peaks.push(peak);
            }
        }
        let n = self.hardware.n_devices;
        format!("{n} x {}, {} of it assumed to be used (--mfu)", peaks.join(", "), percent(self.utilisation))
    }

    pub fn to_json(&self, plans: &[Planned<'_>]) -> Value {
        let total = self.total(plans);
        json!({
            "hardware": self.hardware.name,
            "n_devices": self.hardware.n_devices,
            "utilisation": self.utilisation,
            "total_hours_training": total.training,
            "total_hours_evaluation": total.evaluation,
            "total_device_hours": total.all() * self.hardware.n_devices as f64,
            "evaluation_share": total.evaluation_share(),
        })
    }
}

/// `1,110 h`, `53 h`, `2.4 h`, `8.1 min`, `3.0 s`
pub fn hours_text(hours: f64) -> String {
    match hours {
        _ if hours >= MANY_HOURS => format!("{} h", digits(hours)),
        _ if hours >= 1.0 => format!("{hours:.1} h"),
        _ if hours * 60.0 >= 1.0 => format!("{:.1} min", hours * 60.0),
        _ if hours * 3600.0 >= 0.1 => format!("{:.1} s", hours * 3600.0),
        _ => "under 0.1 s".into(),
    }
}

fn digits(x: f64) -> String {
    crate::base::number::grouped(x.round() as u64)
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 { format!("{percent:.2}%") } else { format!("{percent:.0}%") }
}
