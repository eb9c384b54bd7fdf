//! What the runs of an experiment say: a table for the terminal, one self-contained HTML page, curves
//! as SVG and CSV. Reads run folders only; missing, failed and unfinished runs are shown as such.
pub mod chart;
pub mod compare;
pub mod curves;
pub mod document;
pub mod evidence;
pub mod export;
pub mod figures;
pub mod findings;
pub mod matched;
pub mod page;
pub mod points;
pub mod table;
pub mod words;

pub use findings::{Findings, Verdicts};
pub use matched::{Mark, Matched};
pub use points::Sweep;

use crate::claims::{Completion, Curves, Series};
use crate::store::metrics::{End, Record, Start, Step};
use crate::store::run_folder::write_atomic;
use crate::store::{ExperimentRecord, Lock, RunFolder, StoreError, read_metrics};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a report is about. Runs stand in the order in which they are to be shown.
#[derive(Clone, Debug)]
pub struct ReportInput {
    /// The experiment with its arms, points and claims.
    pub record: ExperimentRecord,
    pub runs: Vec<RunRecord>,
    /// Variants that the spec expects and no folder holds: (arm, point).
    pub missing: Vec<(String, String)>,
}

impl ReportInput {
    /// Takes the run of each variant, in the order of the spec: the one that the record names, else the newest;
    /// `runs` begin with the newest. Also gives the names of the runs that are left out, with the reason.
    pub fn gather(record: ExperimentRecord, runs: Vec<RunRecord>) -> (ReportInput, Vec<String>) {
        let (mut taken, mut missing): (Vec<RunRecord>, Vec<(String, String)>) = (vec![], vec![]);
        let mut used: BTreeSet<String> = BTreeSet::new();
        for point in record.points.iter().map(|point| record.point_name(point)) {
            for arm in &record.arms {
                let entry = record.runs.iter().find(|run| run.arm == *arm && run.point == point);
                let named = entry.and_then(|entry| runs.iter().find(|run| run.name() == entry.name()));
                let newest = || runs.iter().find(|run| run.arm == *arm && run.point == point);
                match named.or_else(newest) {
                    Some(run) => {
                        used.insert(run.name());
                        // A run that several variants share goes by the name of each.
                        taken.push(RunRecord { arm: arm.clone(), point: point.clone(), ..run.clone() });
                    }
                    None => missing.push((arm.clone(), point.clone())),
                }
            }
        }
        let known = |run: &RunRecord| taken.iter().any(|taken| taken.arm == run.arm && taken.point == run.point);
        let why = |run: &RunRecord| {
            if known(run) { "an older run of an arm; the newest is shown" } else { "of no arm and point of the spec" }
        };
        let unused = runs.iter().filter(|run| !used.contains(&run.name()));
        let unused = unused.map(|run| format!("{} ({})", run.name(), why(run))).collect();
        (ReportInput { record, runs: taken, missing }, unused)
    }

    /// What there is of one point; its claims are those of the whole.
    pub fn at(&self, point: &[usize]) -> ReportInput {
        let name = self.record.point_name(point);
        let record = ExperimentRecord { points: vec![point.to_vec()], claims: vec![], ..self.record.clone() };
        let runs = self.runs.iter().filter(|run| run.point == name).cloned().collect();
        let missing = self.missing.iter().filter(|(_, point)| *point == name).cloned().collect();
        ReportInput { record, runs, missing }
    }
}

/// Everything a run folder says, and what could not be read of it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    pub folder: PathBuf,
    pub arm: String,
    /// Where in the sweep; empty without one.
    pub point: String,
    pub records: Vec<Record>,
    pub lock: Option<Lock>,
    pub samples: Option<String>,
    /// Files that are there and cannot be read, in the words of the error.
    pub problems: Vec<String>,
}

impl RunRecord {
    /// Reads a run folder. What cannot be read becomes a problem to show, never a reason to drop the run.
    pub fn load(run_dir: &Path) -> RunRecord {
        let folder = RunFolder::at(run_dir);
        let mut problems = vec![];
        let mut note = |error: StoreError| problems.push(error.to_string());
        let records = read_metrics(&folder.metrics_path()).map_err(&mut note).unwrap_or_default();
        let lock = folder.read_lock().map_err(&mut note).ok();
        let samples = std::fs::read_to_string(folder.samples_path()).ok();
        let name = folder.name();
        let from_start = records.iter().rev().find_map(|r| match r {
            Record::Start(start) => Some((start.arm.clone(), start.point.clone())),
            _ => None,
        });
        let from_name = || (name.split_once('-').map_or(name.clone(), |(arm, _)| arm.to_owned()), String::new());
        let from_lock = lock.as_ref().map(|lock| (lock.arm.clone(), lock.point.clone()));
        let (arm, point) = from_lock.or(from_start).unwrap_or_else(from_name);
        RunRecord { folder: run_dir.to_owned(), arm, point, records, lock, samples, problems }
    }

    /// `<arm>-<point>-<id>`
    pub fn name(&self) -> String {
        RunFolder::at(&self.folder).name()
    }

    /// The latest start: a resumed run is described by how it goes on.
    pub fn start(&self) -> Option<&Start> {
        self.records.iter().rev().find_map(|r| if let Record::Start(start) = r { Some(start) } else { None })
    }

    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.records.iter().filter_map(|r| if let Record::Step(step) = r { Some(step) } else { None })
    }

    pub fn ends(&self) -> impl DoubleEndedIterator<Item = &End> {
        self.records.iter().filter_map(|r| if let Record::End(end) = r { Some(end) } else { None })
    }

    pub fn completion(&self) -> Completion {
        Completion::of(&self.records)
    }

    /// Of every metric that it measured.
    pub fn curves(&self) -> Option<Curves> {
        Curves::from_records(&self.arm, &self.point, &self.records)
    }

    /// Of `loss(valid)`.
    pub fn series(&self) -> Option<Series> {
        Series::from_records(&self.arm, &self.point, &self.records)
    }
}

/// The folder of a report's figures, beside the page.
pub const FIGURES: &str = "figures";

/// Writes `report.html`, `curves.csv` and the folder of figures; returns the page's path.
pub fn write(experiment_dir: &Path, input: &ReportInput, findings: &Findings) -> Result<PathBuf, ReportError> {
    write_page(experiment_dir, input, &page::single(input, findings))
}

/// The same of a sweep: the verdicts, figures over all points, and a section for each.
pub fn write_sweep(experiment_dir: &Path, input: &ReportInput, sweep: &Sweep) -> Result<PathBuf, ReportError> {
    write_page(experiment_dir, input, &page::sweep(input, sweep))
}

fn write_page(folder: &Path, input: &ReportInput, page: &page::Page) -> Result<PathBuf, ReportError> {
    let figures = folder.join(FIGURES);
    make_folder(&figures)?;
    for figure in &page.figures {
        for view in &figure.views {
            let along = view.along.map_or(String::new(), |along| format!("-by-{along}"));
            if let Some(svg) = chart::file::sheet(figure, view) {
                write_atomic(&figures.join(format!("{}{along}.svg", figure.id)), svg.as_bytes())?;
            }
        }
        write_atomic(&figures.join(format!("{}.csv", figure.id)), chart::values::csv(figure).as_bytes())?;
    }
    write_atomic(&folder.join("curves.csv"), export::csv(input.runs.iter()).as_bytes())?;
    let path = folder.join("report.html");
    write_atomic(&path, page.html.as_bytes())?;
    Ok(path)
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
