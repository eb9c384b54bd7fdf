//! Runs of any experiments beside each other: each is an arm of its own, and nothing is claimed.

use super::{ReportInput, RunRecord};
use crate::claims::series::title;
use crate::store::ExperimentRecord;
use crate::store::experiment::EXPERIMENT_VERSION;

/// A report's input from runs that share no spec. Each gets a name that no other has.
pub fn input(runs: Vec<RunRecord>) -> ReportInput {
    let names = names(&runs);
    let renamed = |(run, name): (RunRecord, &String)| RunRecord { arm: name.clone(), point: String::new(), ..run };
    let record = ExperimentRecord {
        version: EXPERIMENT_VERSION,
        name: "comparison".into(),
        doc: None,
        cite: None,
        arms: names.clone(),
        axes: vec![],
        points: vec![vec![]],
        claims: vec![],
        runs: vec![],
    };
    ReportInput { record, runs: runs.into_iter().zip(&names).map(renamed).collect(), missing: vec![] }
}

/// The shortest that tells all apart: arm and point; with the experiment before it; with the folder's name behind it.
fn names(runs: &[RunRecord]) -> Vec<String> {
    let experiment = |run: &RunRecord| run.start().map_or(String::new(), |start| format!("{}: ", start.experiment));
    let short = |run: &RunRecord| title(&run.arm, &run.point);
    let middle = |run: &RunRecord| format!("{}{}", experiment(run), short(run));
    let long = |run: &RunRecord| format!("{} ({})", middle(run), run.folder.display());
    let forms: [&dyn Fn(&RunRecord) -> String; 3] = [&short, &middle, &long];
    for form in forms {
        let names: Vec<String> = runs.iter().map(form).collect();
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() == names.len() {
            return names;
        }
    }
    // Two runs of one folder: the same run, given twice.
    runs.iter().enumerate().map(|(i, run)| format!("{} ({})", long(run), i + 1)).collect()
}
