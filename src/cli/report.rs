//! `dlmc report`

use super::args::ReportArgs;
use super::{RUN_FAILED, SPEC_ERRORS, fail, graph, print};
use crate::claims::Outcome;
use crate::report::{Findings, ReportInput, RunRecord, table, write};
use crate::store::{ExperimentRecord, RunFolder};
use std::path::Path;
use std::process::ExitCode;

pub fn run(args: &ReportArgs) -> ExitCode {
    if args.what.is_dir() {
        return match ExperimentRecord::read(&args.what) {
            Ok(experiment) => report(&args.what, &experiment, args.strict),
            Err(error) => fail(
                &format!(
                    "{error}\n  = help: name the folder of an experiment's runs, for example runs/quickstart, or a spec file"
                ),
                RUN_FAILED,
            ),
        };
    }
    let spec = super::args::SpecArgs { file: args.what.clone(), experiment: None, set: vec![] };
    match graph::compiled(&spec) {
        Ok(compiled) => {
            let experiment = ExperimentRecord::of(&compiled.spec);
            report(&args.out.join(&experiment.name), &experiment, args.strict)
        }
        Err(code) => code,
    }
}

/// Writes the report of an experiment's runs and prints its table.
pub fn report(folder: &Path, experiment: &ExperimentRecord, strict: bool) -> ExitCode {
    let (input, unused) = gather(folder, experiment);
    let findings = Findings::of(&input);
    match write(folder, &input) {
        Ok(page) => {
            print(&table::render(&input, &findings, Some(&page)));
            for name in unused {
                print(&format!("  left out: {name}\n"));
            }
        }
        Err(error) => return fail(&error.to_string(), RUN_FAILED),
    }
    let held = findings.claims.iter().all(|claim| claim.outcome == Outcome::Held);
    if strict && !held { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}

/// The newest run of each variant, in the order of the spec; and the others.
fn gather(folder: &Path, experiment: &ExperimentRecord) -> (ReportInput, Vec<String>) {
    let changed = |run: &RunRecord| {
        let metrics = RunFolder::at(&run.folder).metrics_path();
        std::fs::metadata(metrics).and_then(|m| m.modified()).ok()
    };
    let mut all: Vec<RunRecord> = RunFolder::list(folder).iter().map(|f| RunRecord::load(f.path())).collect();
    all.sort_by_key(|run| std::cmp::Reverse(changed(run)));
    ReportInput::gather(experiment.clone(), all)
}
