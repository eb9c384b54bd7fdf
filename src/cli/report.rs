//! `dlmc report`

use super::args::ReportArgs;
use super::{RUN_FAILED, SPEC_ERRORS, fail, graph, print};
use crate::claims::Outcome;
use crate::report::points::{self, PointReport};
use crate::report::{ReportInput, RunRecord, table, write, write_points};
use crate::store::{ExperimentRecord, RunFolder};
use std::collections::BTreeSet;
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
            let mut experiment = ExperimentRecord::of(&compiled.spec);
            let folder = args.out.join(&experiment.name);
            // Which run is whose, the last `dlmc run` wrote down.
            experiment.note_runs(vec![], ExperimentRecord::read(&folder).ok().as_ref());
            report(&folder, &experiment, args.strict)
        }
        Err(code) => code,
    }
}

/// Writes the report of an experiment's runs and prints its table.
pub fn report(folder: &Path, experiment: &ExperimentRecord, strict: bool) -> ExitCode {
    let (points, unused) = gather(folder, experiment);
    let written = match points.as_slice() {
        [only] => write(folder, &only.input).map(|page| table::render(&only.input, &only.findings, Some(&page))),
        several => write_points(folder, several).map(|page| format!("{}  {}\n", points::text(several), page.display())),
    };
    match written {
        Ok(text) => {
            print(&text);
            for name in unused {
                print(&format!("  left out: {name} (an older run of an arm; the newest is shown)\n"));
            }
        }
        Err(error) => return fail(&error.to_string(), RUN_FAILED),
    }
    let held =
        |point: &PointReport| point.findings.claims.iter().all(|claim| claim.result.verdict.outcome() == Outcome::Held);
    if strict && !points.iter().all(held) { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}

/// Point by point the run of each arm, in the order of the arms: the one that the record names, else the
/// newest. And the names of runs that are none of them.
fn gather(folder: &Path, experiment: &ExperimentRecord) -> (Vec<PointReport>, Vec<String>) {
    let changed = |run: &RunRecord| {
        let metrics = RunFolder::at(&run.folder).metrics_path();
        std::fs::metadata(metrics).and_then(|m| m.modified()).ok()
    };
    let mut all: Vec<RunRecord> = RunFolder::list(folder).iter().map(|f| RunRecord::load(f.path())).collect();
    all.sort_by_key(|run| std::cmp::Reverse(changed(run)));
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut points = vec![];
    for point in &experiment.points {
        let name = experiment.point_name(point);
        let (mut runs, mut missing) = (vec![], vec![]);
        for arm in &experiment.arms {
            let entry = experiment.runs.iter().find(|run| run.arm == *arm && run.point == name);
            let named = entry.and_then(|entry| all.iter().find(|run| run.name() == entry.folder));
            let newest = || all.iter().find(|run| run.arm == *arm && run.point == name);
            match named.or_else(newest) {
                Some(run) => {
                    used.insert(run.name());
                    // A run that several variants share goes by the name of each.
                    runs.push(RunRecord { arm: arm.clone(), point: name.clone(), ..run.clone() });
                }
                None => missing.push(arm.clone()),
            }
        }
        let input = ReportInput {
            experiment: experiment.name.clone(),
            doc: experiment.doc.clone(),
            claims: experiment.claims(),
            runs,
            missing,
        };
        points.push(PointReport::new(name, input));
    }
    let unused = all.iter().map(RunRecord::name).filter(|name| !used.contains(name)).collect();
    (points, unused)
}
