//! `spec.lock.ron`: the experiment as it was run. Two locks compare field by field, so a resume can
//! say what changed and a report can prove what the arms share.

use super::error::{At, Result, StoreError};
use super::run_folder::write_atomic;
use crate::check::spec::{Arm, FlatField, Setting};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Of the file's layout; a reader refuses one that it does not know.
pub const LOCK_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub version: u32,
    pub experiment: String,
    pub arm: String,
    /// Where in the sweep, `unique=0.5B,lr=1e-3`; empty without one.
    #[serde(default)]
    pub point: String,
    pub run: String,
    pub data_hash: String,
    pub valid_hash: String,
    pub init_hash: String,
    /// Version of dlmc, with the commit where it is known.
    pub code: String,
    pub libtorch: String,
    pub threads: u64,
    /// `cpu`, `cuda:0`; empty in locks of before it was noted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// What trained the steps before this environment did, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Environment>,
    /// The state that the run started from, where that is not the initial weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// What was compiled, whole: a run can be compiled again when its files have moved on.
    pub source: SpecSource,
    /// Sorted by path.
    pub fields: Vec<LockField>,
}

/// What can change a result besides the spec and the data. The rest of a run that goes on in another one is accepted, and
/// said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The last step that was kept of it.
    pub until_step: u64,
    pub code: String,
    pub libtorch: String,
    pub threads: u64,
    pub device: String,
}

/// The checkpoint that a run started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The id of its run.
    pub run: String,
    pub step: u64,
    /// Of its weights by path.
    pub weights_hash: String,
    /// Whether the optimizer's moments came along.
    pub keeps_optimizer: bool,
}

/// The text of a spec and of all files it uses, and what was set on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecSource {
    /// (name, text), the main file first.
    pub files: Vec<(String, String)>,
    /// (path, value) of each `--set`.
    pub set: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockField {
    pub path: String,
    pub value: String,
    /// What was written, where it is of something that had to be resolved: `2%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    pub origin: String,
    /// Where no source states the value: why it is this one. It changes no run, so it is not in the id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// Weaker settings that this one overrode, the weakest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<LockSetting>,
}

/// A value that was overridden, and who set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSetting {
    pub value: String,
    pub origin: String,
}

/// One thing in which two locks differ. `None`: that lock has no such field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockDifference {
    pub path: String,
    pub left: Option<String>,
    pub right: Option<String>,
}

impl Lock {
    /// The spec's side of a lock; hashes and environment are the caller's to fill in.
    pub fn of_arm(experiment: &str, arm: &Arm, run: &str) -> Lock {
        let mut fields: Vec<LockField> = arm.flat.iter().map(LockField::from).collect();
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        Lock {
            version: LOCK_VERSION,
            experiment: experiment.to_owned(),
            arm: arm.name.clone(),
            point: arm.point.name(),
            run: run.to_owned(),
            data_hash: String::new(),
            valid_hash: String::new(),
            init_hash: String::new(),
            code: String::new(),
            libtorch: String::new(),
            threads: 0,
            device: String::new(),
            earlier: vec![],
            parent: None,
            source: SpecSource::default(),
            fields,
        }
    }

    pub fn to_text(&self) -> String {
        let pretty = ron::ser::PrettyConfig::new().struct_names(true).indentor("  ").new_line("\n");
        // Plain strings and numbers always serialise; an empty text would be refused on reading.
        ron::ser::to_string_pretty(self, pretty).map(|text| text + "\n").unwrap_or_default()
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_text().as_bytes())
    }

    pub fn read(path: &Path) -> Result<Lock> {
        let text = std::fs::read_to_string(path).at(path)?;
        let refused = |message: String| StoreError::Lock { path: path.to_owned(), message };
        let lock: Lock = ron::from_str(&text).map_err(|e| refused(e.to_string()))?;
        if lock.version != LOCK_VERSION {
            return Err(refused(format!("version {} (this dlmc reads {LOCK_VERSION})", lock.version)));
        }
        Ok(lock)
    }

    /// The fields of the spec whose values differ (origins do not count), by path.
    pub fn spec_differences(&self, other: &Lock) -> Vec<LockDifference> {
        compare(&self.values(), &other.values())
    }

    /// Differences in what the run is: fields of the spec, data, parent.
    pub fn identity_differences(&self, other: &Lock) -> Vec<LockDifference> {
        let identity = |lock: &Lock| {
            let mut all = lock.values();
            all.insert("(data hash)".into(), lock.data_hash.clone());
            all.insert("(valid hash)".into(), lock.valid_hash.clone());
            if let Some(parent) = &lock.parent {
                all.insert("(parent)".into(), parent.to_string());
            }
            all
        };
        compare(&identity(self), &identity(other))
    }

    pub fn environment(&self) -> Environment {
        Environment {
            until_step: 0,
            code: self.code.clone(),
            libtorch: self.libtorch.clone(),
            threads: self.threads,
            device: self.device.clone(),
        }
    }

    /// Everything that differs: spec fields, hashes, code, libtorch, threads.
    pub fn differences(&self, other: &Lock) -> Vec<LockDifference> {
        let with_environment = |lock: &Lock| {
            let mut all = lock.values();
            all.insert("experiment".into(), lock.experiment.clone());
            all.insert("arm".into(), lock.arm.clone());
            all.insert("point".into(), lock.point.clone());
            all.insert("(data hash)".into(), lock.data_hash.clone());
            all.insert("(valid hash)".into(), lock.valid_hash.clone());
            all.insert("(init hash)".into(), lock.init_hash.clone());
            all.insert("(code)".into(), lock.code.clone());
            all.insert("(libtorch)".into(), lock.libtorch.clone());
            all.insert("(threads)".into(), lock.threads.to_string());
            if !lock.device.is_empty() {
                all.insert("(device)".into(), lock.device.clone());
            }
            if let Some(parent) = &lock.parent {
                all.insert("(parent)".into(), parent.to_string());
            }
            all
        };
        compare(&with_environment(self), &with_environment(other))
    }

    fn values(&self) -> BTreeMap<String, String> {
        self.fields.iter().map(|f| (f.path.clone(), f.value.clone())).collect()
    }
}

impl Environment {
    /// In the names of [`Lock::differences`].
    pub fn differences(&self, other: &Environment) -> Vec<LockDifference> {
        let values = |it: &Environment| {
            BTreeMap::from([
                ("(code)".to_string(), it.code.clone()),
                ("(libtorch)".to_string(), it.libtorch.clone()),
                ("(threads)".to_string(), it.threads.to_string()),
                ("(device)".to_string(), it.device.clone()),
            ])
        };
        compare(&values(self), &values(other))
    }
}

impl std::fmt::Display for Parent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moments = if self.keeps_optimizer { "with" } else { "without" };
        let weights = self.weights_hash.get(..12).unwrap_or(&self.weights_hash);
        write!(f, "step {} of run {}, weights {weights}, {moments} its optimizer's moments", self.step, self.run)
    }
}

impl From<&FlatField> for LockField {
    fn from(field: &FlatField) -> LockField {
        let setting = |s: &Setting| LockSetting { value: s.value.clone(), origin: s.origin.clone() };
        LockField {
            path: field.path.clone(),
            value: field.value.clone(),
            written: field.written.clone(),
            origin: field.origin.clone(),
            assumed: field.assumed.clone(),
            replaced: field.replaced.iter().map(setting).collect(),
        }
    }
}

fn compare(left: &BTreeMap<String, String>, right: &BTreeMap<String, String>) -> Vec<LockDifference> {
    let mut paths: Vec<&String> = left.keys().chain(right.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| left.get(*path) != right.get(*path))
        .map(|path| LockDifference {
            path: path.clone(),
            left: left.get(path).cloned(),
            right: right.get(path).cloned(),
        })
        .collect()
}
