//! What a folder of runs is about: written beside the runs, so that `dlmc report DIR` needs no spec.

use super::claims::ClaimRecord;
use super::error::{At, Result, StoreError};
use super::run_folder::write_atomic;
use crate::check::CheckedSpec;
use crate::check::spec::{AxisKind, Claim};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The file's name in `runs/<experiment>/`.
pub const FILE: &str = "experiment.json";
/// Of the file's layout; a reader refuses one that it does not know. 1 had no version and one kind of claim, 2 one metric.
pub const EXPERIMENT_VERSION: u32 = 3;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentRecord {
    pub version: u32,
    pub name: String,
    pub doc: Option<String>,
    pub cite: Option<String>,
    pub arms: Vec<String>,
    /// What the points differ in; empty without a sweep.
    pub axes: Vec<AxisRecord>,
    /// For each point the index of its value on each axis; one empty point without a sweep.
    pub points: Vec<Vec<usize>>,
    pub claims: Vec<ClaimRecord>,
    /// Which folder holds the run of an arm at a point. Variants that come out the same share one.
    #[serde(default)]
    pub runs: Vec<RunEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisRecord {
    /// As points are named by: `unique`.
    pub label: String,
    /// As written.
    pub values: Vec<String>,
    /// Whether it only repeats the experiment under other seeds.
    pub replicate: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEntry {
    pub arm: String,
    /// The point's name; empty without a sweep.
    pub point: String,
    /// In the experiment's folder; `../other/mdm-0123` where the run began under another experiment that contains it too.
    pub folder: String,
}

impl RunEntry {
    /// Of the run's folder itself.
    pub fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

impl ExperimentRecord {
    pub fn of(spec: &CheckedSpec) -> ExperimentRecord {
        let axis = |axis: &crate::check::spec::Axis| AxisRecord {
            label: axis.label.clone(),
            values: axis.values.iter().map(|value| value.text.clone()).collect(),
            replicate: axis.kind == AxisKind::Replicate,
        };
        ExperimentRecord {
            version: EXPERIMENT_VERSION,
            name: spec.name().into(),
            doc: spec.doc().map(Into::into),
            cite: spec.cite().map(Into::into),
            arms: spec.arm_names().to_vec(),
            axes: spec.axes().iter().map(axis).collect(),
            points: spec.points().iter().map(|p| p.coordinates.iter().map(|c| c.index).collect()).collect(),
            claims: spec.claims().iter().map(ClaimRecord::from).collect(),
            runs: vec![],
        }
    }

    /// `unique=0.5B,replicate=2`; empty without a sweep.
    pub fn point_name(&self, point: &[usize]) -> String {
        let part = |(axis, value): (&AxisRecord, &usize)| Some(format!("{}={}", axis.label, axis.values.get(*value)?));
        self.axes.iter().zip(point).filter_map(part).collect::<Vec<_>>().join(",")
    }

    /// Notes which folders hold runs; what an earlier record knew of other variants is kept.
    pub fn note_runs(&mut self, runs: Vec<RunEntry>, earlier: Option<&ExperimentRecord>) {
        let same = |a: &RunEntry, b: &RunEntry| a.arm == b.arm && a.point == b.point;
        let points: BTreeSet<String> = self.points.iter().map(|point| self.point_name(point)).collect();
        let earlier = earlier.map_or(&[][..], |record| record.runs.as_slice());
        let kept = earlier.iter().filter(|old| points.contains(&old.point) && !runs.iter().any(|new| same(old, new)));
        let kept: Vec<RunEntry> = kept.cloned().collect();
        self.runs = runs.into_iter().chain(kept).collect();
    }

    pub fn claims(&self) -> Vec<Claim> {
        self.claims.iter().map(Claim::from).collect()
    }

    /// The same without replicates.
    pub fn place_name(&self, point: &[usize]) -> String {
        let fixed = |(axis, value): (&AxisRecord, &usize)| {
            let text = axis.values.get(*value).filter(|_| !axis.replicate)?;
            Some(format!("{}={text}", axis.label))
        };
        self.axes.iter().zip(point).filter_map(fixed).collect::<Vec<_>>().join(",")
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_atomic(&folder.join(FILE), text.as_bytes())
    }

    pub fn read(folder: &Path) -> Result<ExperimentRecord> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).at(&path)?;
        let refused = |message: String| StoreError::Experiment { path: path.clone(), message };
        #[derive(Deserialize)]
        struct Version {
            #[serde(default = "first")]
            version: u32,
        }
        fn first() -> u32 {
            1
        }
        let Version { version } = serde_json::from_str(&text).map_err(|e| refused(e.to_string()))?;
        if version != EXPERIMENT_VERSION {
            let help = "`dlmc report SPEC` reads the claims from the spec";
            return Err(refused(format!("version {version} (this dlmc reads {EXPERIMENT_VERSION}; {help})")));
        }
        serde_json::from_str(&text).map_err(|e| refused(e.to_string()))
    }
}
