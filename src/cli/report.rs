//! `dlmc report`

use super::args::ReportArgs;
use super::{RUN_FAILED, SPEC_ERRORS, USAGE, fail, graph, print};
use crate::report::{Findings, ReportInput, RunRecord, Sweep, document, points, table, write, write_sweep};
use crate::store::archive::archive;
use crate::store::{ExperimentRecord, RunFolder};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn run(args: &ReportArgs) -> ExitCode {
    if args.csv.is_some() || args.page.is_some() {
        return super::overlay::run(args);
    }
    let [what] = args.what.as_slice() else {
        let help = "`--csv FILE` or `--page FILE` lays runs of several experiments over each other";
        return fail(
            &format!("a report is about one experiment, and {} are named\n  = help: {help}", args.what.len()),
            USAGE,
        );
    };
    let found = if what.is_dir() {
        ExperimentRecord::read(what)
            .map(|experiment| (what.clone(), experiment))
            .map_err(|error| fail(&format!("{error}\n  = help: {}", help(what)), RUN_FAILED))
    } else {
        of_spec(what, &args.out)
    };
    let found = found.and_then(|(folder, experiment)| match &args.archive {
        None => Ok((folder, experiment)),
        Some(to) => archived(&folder, to).map(|experiment| (to.clone(), experiment)),
    });
    match found {
        Ok((folder, experiment)) => report(&folder, &experiment, args.strict, args.json),
        Err(code) => code,
    }
}

/// Copies the experiment's runs without their checkpoints.
fn archived(folder: &Path, to: &Path) -> Result<ExperimentRecord, ExitCode> {
    let n_runs = archive(folder, to).map_err(|error| fail(&error.to_string(), RUN_FAILED))?;
    eprintln!("{n_runs} runs archived in {}", to.display());
    ExperimentRecord::read(to).map_err(|error| fail(&error.to_string(), RUN_FAILED))
}

/// The experiment of a spec file and the folder of its runs.
pub fn of_spec(file: &Path, out: &Path) -> Result<(PathBuf, ExperimentRecord), ExitCode> {
    let spec = super::args::SpecArgs { file: file.to_owned(), experiment: None, set: vec![] };
    let compiled = graph::compiled(&spec)?;
    let mut experiment = ExperimentRecord::of(&compiled.spec);
    let folder = out.join(&experiment.name);
    // Which run is whose, the last `dlmc run` wrote down.
    experiment.note_runs(vec![], ExperimentRecord::read(&folder).ok().as_ref());
    Ok((folder, experiment))
}

fn help(what: &Path) -> String {
    if !RunFolder::is_run(what) {
        return "name the folder of an experiment's runs, for example runs/quickstart, or a spec file".into();
    }
    let whole =
        what.parent().map_or(String::new(), |folder| format!("{} is the folder of its experiment; ", folder.display()));
    format!("this is one run: {whole}`--page FILE` draws single runs")
}

/// Writes the report of an experiment's runs and prints its table, or its document.
pub fn report(folder: &Path, experiment: &ExperimentRecord, strict: bool, json: bool) -> ExitCode {
    let (input, unused) = gather(folder, experiment);
    let (written, verdicts) = if experiment.axes.is_empty() {
        let findings = Findings::of(&input);
        let written =
            write(folder, &input, &findings).map(|page| (table::render(&input, &findings, Some(&page)), page));
        (written, findings.verdicts)
    } else {
        let sweep = Sweep::of(&input);
        let text = |page: &Path| format!("{}  {}\n", points::text(&input, &sweep), page.display());
        let written = write_sweep(folder, &input, &sweep).map(|page| (text(&page), page));
        (written, sweep.verdicts)
    };
    match written {
        Ok((_, page)) if json => print(&format!("{}\n", document::json(&input, &verdicts, &page, &unused))),
        Ok((text, _)) => {
            print(&text);
            for name in unused {
                print(&format!("  left out: {name}\n"));
            }
        }
        Err(error) => return fail(&error.to_string(), RUN_FAILED),
    }
    if strict && !verdicts.all_hold() { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}

/// The run of each variant, in the order of the spec; and the names of the others.
fn gather(folder: &Path, experiment: &ExperimentRecord) -> (ReportInput, Vec<String>) {
    let changed = |run: &RunRecord| {
        let metrics = RunFolder::at(&run.folder).metrics_path();
        std::fs::metadata(metrics).and_then(|m| m.modified()).ok()
    };
    let mut folders = RunFolder::list(folder);
    // Runs that began under another experiment stand in its folder.
    let named: BTreeSet<&str> = experiment.runs.iter().map(|run| run.folder.as_str()).collect();
    let elsewhere = named.into_iter().filter(|name| name.contains('/')).map(|name| RunFolder::at(folder.join(name)));
    folders.extend(elsewhere.filter(|run| RunFolder::is_run(run.path())));
    let mut all: Vec<RunRecord> = folders.iter().map(|f| RunRecord::load(f.path())).collect();
    all.sort_by_key(|run| std::cmp::Reverse(changed(run)));
    ReportInput::gather(experiment.clone(), all)
}
