//! The commands: each parses its arguments, calls the library, renders, and chooses an exit code.
//!
//! 0 done, 1 the spec has errors, 2 wrong usage, 3 a run failed.

pub mod args;
mod assumptions;
pub mod check;
pub mod data;
pub mod diff;
pub mod differences;
pub mod env;
pub mod explain;
pub mod fit;
pub mod fmt;
pub mod front;
pub mod graph;
pub mod handover;
pub mod overlay;
pub mod plan;
mod plan_eval;
mod plan_text;
mod plan_time;
pub mod render;
pub mod report;
pub mod snapshot;
pub mod subject;
pub mod template;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

/// The spec has errors.
pub const SPEC_ERRORS: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;
/// A run failed.
pub const RUN_FAILED: u8 = 3;

/// `dlmc`: everything that needs no libtorch; the rest goes to `dlmc-torch` beside it.
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
        Command::Data(args) => data::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Run(_) | Command::Sample(_) | Command::Bench(_) | Command::Export(_) | Command::Worker => {
            handover::exec()
        }
    }
}

/// Prints to standard output; a closed pipe (`dlmc graph ... | head`) ends the program quietly.
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Prints an error that is not about a spec's text.
pub fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}
