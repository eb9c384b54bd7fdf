//! The commands that need libtorch, and the entry of `dlmc-torch`.

mod asked;
pub mod bench;
pub mod export;
pub mod run;
pub mod sample;
pub mod worker;

use crate::base::source::Memory;
use crate::check::spec::{Arm, FlatField};
use crate::cli::args::{Cli, Command};
use crate::cli::front::{self, Compiled};
use crate::cli::{
    RUN_FAILED, USAGE, check, data, diff, explain, fail, fit, fmt, graph, plan, render, report, snapshot,
};
use crate::data::Prepared;
use crate::graph::ValidGraph;
use crate::lower::device;
use crate::optimize::Passes;
use crate::resolve::Override;
use crate::store::SpecSource;
use crate::train::Setup;
use crate::train::setup::graph_hash;
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tch::Device;

/// `dlmc-torch`: all commands.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Snapshot(args) => snapshot::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Worker => worker::run(),
    }
}

/// The device of that name, or a clear end.
fn open_device(name: &str) -> Result<Device, ExitCode> {
    device::parse(name).map_err(|error| fail(&error.to_string(), USAGE))
}

/// Reads and splits an arm's corpus. What is wrong with it is a diagnostic of the spec.
fn read_data(arm: &Arm) -> Result<Arc<Prepared>, ExitCode> {
    data::prepared(arm).map(Arc::new)
}

/// A spec as it was run: the texts of its files and every value that was set.
fn compile_source(source: &SpecSource, experiment: &str) -> Result<Compiled, String> {
    let files = source.files.iter().map(|(name, text)| (PathBuf::from(name), text.clone())).collect();
    let Some((main, _)) = source.files.first() else { return Err("there is no spec".into()) };
    let set: Vec<Override> =
        source.set.iter().map(|(path, value)| Override { path: path.clone(), value: value.clone() }).collect();
    let outcome = front::compile(Path::new(main), &Memory(files), Some(experiment), &set, None);
    outcome.compiled.ok_or_else(|| {
        let shown = render::human(&outcome.diagnostics, &outcome.sources, false);
        format!("the spec does not compile with this dlmc\n{shown}")
    })
}

/// The arm with what the run's identity needs besides the spec's fields: the model's code.
fn with_graph(arm: &Arm, model: &ValidGraph) -> Arm {
    let mut arm = arm.clone();
    let field = FlatField::new("model.graph", graph_hash(model), "derived");
    arm.flat.push(field);
    arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
    arm
}

/// The arm with what only its data tells: which id ends a document, every hash, what was found.
fn with_data(arm: &Arm, data: &Prepared) -> Arm {
    let mut arm = arm.clone();
    arm.vocab = data.vocab;
    arm.flat.extend(data.lock_fields());
    arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
    arm
}

/// The chosen variant, ready to step.
fn set_up(
    compiled: &Compiled,
    arm: Option<&str>,
    point: Option<&str>,
    device: Device,
    passes: &Passes,
) -> Result<Setup, ExitCode> {
    let (arm, model) = graph::choose(compiled, arm, point)?;
    let arm = with_graph(arm, model);
    let data = read_data(&arm)?;
    let arm = with_data(&arm, &data);
    Setup::new(&arm, model, data, device, passes).map_err(|error| fail(&error.to_string(), RUN_FAILED))
}
