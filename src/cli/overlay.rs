//! `dlmc report --csv FILE` and `--page FILE`: runs of any experiments in one file, over each other.

use super::args::ReportArgs;
use super::report::of_spec;
use super::{RUN_FAILED, fail, print};
use crate::claims::Completion;
use crate::report::{Findings, RunRecord, compare, export, page};
use crate::store::RunFolder;
use crate::store::run_folder::write_atomic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn run(args: &ReportArgs) -> ExitCode {
    let runs = match gather(&args.what, &args.out) {
        Ok(runs) => runs,
        Err(code) => return code,
    };
    let mut files: Vec<(&Path, String)> = vec![];
    if let Some(path) = &args.csv {
        files.push((path, export::csv(runs.iter())));
    }
    let n = runs.len();
    note(&runs);
    if let Some(path) = &args.page {
        let input = compare::input(runs);
        files.push((path, page::comparison(&input, &Findings::of(&input)).html));
    }
    for (path, text) in files {
        if let Err(error) = write_atomic(path, text.as_bytes()) {
            return fail(&error.to_string(), RUN_FAILED);
        }
        print(&format!("{}: {n} run{}\n", path.display(), if n == 1 { "" } else { "s" }));
    }
    ExitCode::SUCCESS
}

/// The runs of everything that is named: a run's folder, a folder of runs, a folder of such folders, or a spec file.
/// A run that is named twice is taken once.
fn gather(what: &[PathBuf], out: &Path) -> Result<Vec<RunRecord>, ExitCode> {
    let mut folders: Vec<PathBuf> = vec![];
    let mut nothing: Vec<String> = vec![];
    for path in what {
        let found = if path.is_dir() { runs_in(path) } else { runs_in(&of_spec(path, out)?.0) };
        if found.is_empty() {
            nothing.push(format!("no run in {}", path.display()));
        }
        for folder in found {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    if !nothing.is_empty() {
        let help = "name a run's folder, a folder of runs, or a spec file whose runs are in `--out`";
        return Err(fail(&format!("{}\n  = help: {help}", nothing.join("; ")), RUN_FAILED));
    }
    Ok(folders.iter().map(|folder| RunRecord::load(folder)).collect())
}

fn runs_in(path: &Path) -> Vec<PathBuf> {
    if RunFolder::is_run(path) {
        return vec![path.to_owned()];
    }
    let of = |folder: &Path| RunFolder::list(folder).into_iter().map(|run| run.path().to_owned()).collect::<Vec<_>>();
    let own = of(path);
    if !own.is_empty() {
        return own;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().flat_map(|folder| of(folder)).collect()
}

/// What is not whole, so that nobody takes a short curve for a finished one.
fn note(runs: &[RunRecord]) {
    for run in runs {
        let state = run.completion();
        if state != Completion::Finished {
            print(&format!("  {}: {}\n", run.folder.display(), state.words()));
        }
        run.problems.iter().for_each(|problem| print(&format!("  {}: {problem}\n", run.folder.display())));
    }
}
