//! What a folder of runs is about: written beside the runs, so that `dlmc report DIR` needs no spec.

use super::error::{At, Result, StoreError};
use super::run_folder::write_atomic;
use crate::check::CheckedSpec;
use crate::check::spec::{Claim, Metric};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name in `runs/<experiment>/`.
pub const FILE: &str = "experiment.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentRecord {
    pub name: String,
    pub doc: Option<String>,
    pub cite: Option<String>,
    pub arms: Vec<String>,
    pub claims: Vec<ClaimRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ClaimRecord {
    /// Of the validation loss.
    Crossover { of: String, than: String, under: bool, text: String },
}

impl ExperimentRecord {
    pub fn of(spec: &CheckedSpec) -> ExperimentRecord {
        let claim = |claim: &Claim| match claim {
            Claim::Crossover { metric: Metric::ValidLoss, of, than, under, text } => {
                ClaimRecord::Crossover { of: of.clone(), than: than.clone(), under: *under, text: text.clone() }
            }
        };
        ExperimentRecord {
            name: spec.name().into(),
            doc: spec.doc().map(Into::into),
            cite: spec.cite().map(Into::into),
            arms: spec.arm_names().to_vec(),
            claims: spec.claims().iter().map(claim).collect(),
        }
    }

    pub fn claims(&self) -> Vec<Claim> {
        let claim = |claim: &ClaimRecord| match claim {
            ClaimRecord::Crossover { of, than, under, text } => Claim::Crossover {
                metric: Metric::ValidLoss,
                of: of.clone(),
                than: than.clone(),
                under: *under,
                text: text.clone(),
            },
        };
        self.claims.iter().map(claim).collect()
    }

    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        write_atomic(&folder.join(FILE), text.as_bytes())
    }

    pub fn read(folder: &Path) -> Result<ExperimentRecord> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).at(&path)?;
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Experiment { path: path.clone(), message: error.to_string() })
    }
}
