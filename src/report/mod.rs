//! What the runs of an experiment say: a table for the terminal, one self-contained HTML page, curves
//! as SVG and CSV. Reads run folders only; missing, failed and unfinished runs are shown as such.
pub mod findings;
mod frame;
pub mod html;
pub mod matched;
pub mod plot;
pub mod points;
pub mod table;
pub mod words;

pub use findings::Findings;
pub use matched::{Mark, Matched};

use crate::check::spec::Claim;
use crate::claims::{Completion, Series};
use crate::store::metrics::{End, Record, Start, Step};
use crate::store::run_folder::write_atomic;
use crate::store::{Lock, RunFolder, StoreError, read_metrics};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a plot could not be drawn: {0}")]
    Plot(String),
}

/// What a report is about. Runs stand in the order in which they are to be shown.
#[derive(Clone, Debug)]
pub struct ReportInput {
    pub experiment: String,
    pub doc: Option<String>,
    pub claims: Vec<Claim>,
    pub runs: Vec<RunRecord>,
    /// Arms that the spec expects and no folder holds.
    pub missing: Vec<String>,
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
            Record::Start(start) => Some(start.arm.clone()),
            _ => None,
        });
        let from_name = || name.split_once('-').map_or(name.clone(), |(arm, _)| arm.to_owned());
        let arm = lock.as_ref().map(|lock| lock.arm.clone()).or(from_start).unwrap_or_else(from_name);
        let point = lock.as_ref().map_or(String::new(), |lock| lock.point.clone());
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

    pub fn series(&self) -> Option<Series> {
        Series::from_records(&self.arm, &self.records)
    }
}

/// Writes `report.html`, `valid_loss.svg` and `curves.csv` into the experiment's folder; returns the
/// page's path.
pub fn write(experiment_dir: &Path, spec_view: &ReportInput) -> Result<PathBuf, ReportError> {
    let findings = Findings::of(spec_view);
    make_folder(experiment_dir)?;
    if let Some(svg) = plot::validation(spec_view, &findings)? {
        write_atomic(&experiment_dir.join("valid_loss.svg"), plot::standalone(&svg).as_bytes())?;
    }
    write_atomic(&experiment_dir.join("curves.csv"), table::curves_csv(spec_view).as_bytes())?;
    let page = experiment_dir.join("report.html");
    write_atomic(&page, html::render(spec_view, &findings)?.as_bytes())?;
    Ok(page)
}

/// The same of a sweep: a page with a section for each point, and a folder of its own for each.
pub fn write_points(experiment_dir: &Path, points: &[points::PointReport]) -> Result<PathBuf, ReportError> {
    make_folder(experiment_dir)?;
    let mut curves = String::new();
    for point in points {
        write(&experiment_dir.join("points").join(point.folder_name()), &point.input)?;
        let rows = table::curves_csv(&point.input);
        let body = rows.split_once('\n').map_or("", |(_, body)| body);
        curves.push_str(if curves.is_empty() { &rows } else { body });
    }
    write_atomic(&experiment_dir.join("curves.csv"), curves.as_bytes())?;
    let page = experiment_dir.join("report.html");
    write_atomic(&page, points::html(points)?.as_bytes())?;
    Ok(page)
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    std::fs::create_dir_all(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
