//! What a command is about: some variants of a spec, a lock, or a run, in one resolved form.

use super::args::SpecArgs;
use super::front::{self, Compiled};
use super::{RUN_FAILED, SPEC_ERRORS, USAGE, env, fail, render};
use crate::base::source::{Disk, Memory};
use crate::check::spec::Arm;
use crate::graph::ValidGraph;
use crate::resolve::Override;
use crate::store::{Lock, LockField};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `ar, mdm at unique=0.5B`
pub fn titles(arms: &[&Arm]) -> String {
    let titles: Vec<String> = arms.iter().map(|arm| arm.title()).collect();
    titles.join(", ")
}

/// One resolved variant, whatever it was read from.
#[derive(Clone)]
pub struct Variant {
    pub arm: String,
    pub point: String,
    pub fields: Vec<LockField>,
    /// Of a run, other facts that can differ: hashes, code, threads.
    pub facts: Vec<(String, String)>,
    /// None where the text of a lock can no longer be compiled.
    pub model: Option<Arc<ValidGraph>>,
}

/// One side of a comparison.
pub struct Side {
    /// As the user wrote it.
    pub name: String,
    pub variants: Vec<Variant>,
}

/// `FILE`, `FILE:ARM`, `FILE:ARM@POINT`, `FILE@POINT`, a lock, or the folder of a run.
pub fn side(text: &str, experiment: Option<&str>) -> Result<Side, ExitCode> {
    let whole = Path::new(text);
    let lock = if whole.is_dir() { whole.join("spec.lock.ron") } else { whole.to_path_buf() };
    if lock.extension().is_some_and(|e| e == "ron") {
        return match Lock::read(&lock) {
            Ok(lock) => Ok(Side { name: text.to_string(), variants: vec![of_lock(&lock)] }),
            Err(error) => {
                Err(fail(&format!("{error}\n  = help: name a spec, a lock or the folder of one run"), RUN_FAILED))
            }
        };
    }
    let (file, arm, point) = split(text);
    let spec = SpecArgs { file, experiment: experiment.map(str::to_string), set: vec![] };
    let compiled = super::graph::compiled(&spec)?;
    let chosen = super::graph::select(&compiled, arm.as_deref(), point.as_deref())?;
    Ok(Side { name: text.to_string(), variants: of_spec(&compiled, &chosen) })
}

/// A file may have a colon or an `@` in its name: what is there as it stands is a file.
fn split(text: &str) -> (PathBuf, Option<String>, Option<String>) {
    if Path::new(text).exists() {
        return (text.into(), None, None);
    }
    let folder = text.rfind('/').map_or(0, |i| i + 1);
    let (path, name) = text.split_at(folder);
    let (name, point) = match name.split_once('@') {
        Some((name, point)) => (name, Some(point.to_string())),
        None => (name, None),
    };
    let (name, arm) = match name.split_once(':') {
        Some((name, arm)) => (name, Some(arm.to_string()).filter(|a| !a.is_empty())),
        None => (name, None),
    };
    (format!("{path}{name}").into(), arm, point)
}

/// Variants of a compiled spec, in order.
pub fn of_spec(compiled: &Compiled, chosen: &[usize]) -> Vec<Variant> {
    let of = |i: &usize| {
        let arm = compiled.spec.variants().get(*i)?;
        Some(Variant {
            arm: arm.name.clone(),
            point: arm.point.name(),
            fields: arm.flat.iter().map(LockField::from).collect(),
            facts: vec![],
            model: compiled.models.get(*i).cloned(),
        })
    };
    chosen.iter().filter_map(of).collect()
}

fn of_lock(lock: &Lock) -> Variant {
    let facts = [
        ("experiment", &lock.experiment),
        ("data hash", &lock.data_hash),
        ("validation hash", &lock.valid_hash),
        ("initial weights", &lock.init_hash),
        ("code", &lock.code),
        ("libtorch", &lock.libtorch),
        ("threads", &lock.threads.to_string()),
    ];
    Variant {
        arm: lock.arm.clone(),
        point: lock.point.clone(),
        fields: lock.fields.clone(),
        facts: facts.iter().map(|(name, value)| ((*name).to_string(), (*value).clone())).collect(),
        model: model_of(lock),
    }
}

/// The model of a lock, compiled from the text that it holds.
fn model_of(lock: &Lock) -> Option<Arc<ValidGraph>> {
    let (main, _) = lock.source.files.first()?;
    let sources = Memory(lock.source.files.iter().map(|(name, text)| (PathBuf::from(name), text.clone())).collect());
    let set: Vec<Override> =
        lock.source.set.iter().map(|(path, value)| Override { path: path.clone(), value: value.clone() }).collect();
    let outcome = front::compile(Path::new(main), &sources, Some(&lock.experiment), &set, None);
    let compiled = outcome.compiled?;
    let at = compiled.spec.variants().iter().position(|v| v.name == lock.arm && v.point.name() == lock.point)?;
    compiled.models.get(at).cloned()
}

/// Compiles a spec by its name alone, as one in its own folder would: no path of this machine shows.
pub fn compile_in_place(file: &Path, experiment: Option<&str>) -> Result<front::Outcome, ExitCode> {
    let (Some(name), folder) = (file.file_name(), file.parent().unwrap_or(Path::new(""))) else {
        return Err(fail(&format!("`{}` is no file", file.display()), USAGE));
    };
    let sources = Rooted(folder.to_path_buf());
    Ok(front::compile(Path::new(name), &sources, experiment, &[], None))
}

/// Files relative to a folder.
struct Rooted(PathBuf);

impl crate::base::Sources for Rooted {
    fn read(&self, path: &Path) -> Result<String, crate::base::source::ReadError> {
        Disk.read(&self.0.join(path))
    }
}

/// Says what is wrong with a spec.
pub fn refuse(outcome: &front::Outcome) -> ExitCode {
    eprint!("{}", render::human(&outcome.diagnostics, &outcome.sources, env::color()));
    ExitCode::from(SPEC_ERRORS)
}
