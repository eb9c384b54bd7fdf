//! `dlmc fit`: a scaling law for repeated data, fitted to the runs of a sweep or to a table of somebody else's.

use super::args::{FitArgs, LawName};
use super::{RUN_FAILED, USAGE, fail, print};
use crate::claims::Completion;
use crate::claims::fit::{C4_CONSTANTS, Effort, Fit, Fixed, Law, TrainedRun, fit, read_csv};
use crate::report::{RunRecord, words};
use crate::store::RunFolder;
use crate::store::metrics::Record;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Raised whenever the form of the document changes.
const VERSION: u32 = 1;

/// The runs that one fit is about.
struct Group {
    /// The arm; empty for a table.
    name: String,
    runs: Vec<TrainedRun>,
    /// Whether every loss is the exact likelihood, as far as is known.
    exact: bool,
    /// `nats/byte`; empty for a table.
    unit: String,
    left_out: Vec<String>,
}

pub fn run(args: &FitArgs) -> ExitCode {
    let law = match args.law {
        LawName::DataConstrained => Law::DataConstrained,
        LawName::Epochs => Law::Epochs,
    };
    let fixed = match constants(law, &args.fix) {
        Ok(fixed) => fixed,
        Err(why) => return fail(&why, USAGE),
    };
    let groups = if args.what.is_dir() { of_folder(&args.what, args.arm.as_deref()) } else { of_table(args) };
    let groups = match groups {
        Ok(groups) => groups,
        Err(why) => return fail(&why, RUN_FAILED),
    };
    let fits: Vec<Result<Fit, Vec<String>>> =
        groups.iter().map(|group| fit(law, &group.runs, &fixed, Effort::default())).collect();
    if args.json {
        let all: Vec<Value> = groups.iter().zip(&fits).map(|(group, fit)| document(group, fit)).collect();
        print(&format!("{}\n", json!({ "version": VERSION, "law": law.name(), "fits": all })));
    }
    let mut code = ExitCode::SUCCESS;
    for (group, fit) in groups.iter().zip(&fits) {
        match fit {
            Ok(fit) if !args.json => print(&text(group, fit)),
            Ok(_) => {}
            Err(lacks) => code = fail(&refusal(law, group, lacks), RUN_FAILED),
        }
    }
    code
}

/// `c4`, or `NAME=VALUE`.
fn constants(law: Law, given: &[String]) -> Result<Vec<Fixed>, String> {
    let names = || law.parameters().iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    let mut fixed = vec![];
    for text in given.iter().flat_map(|text| text.split(',')).map(str::trim) {
        if text == "c4" {
            if law != Law::DataConstrained {
                return Err(format!("`--fix c4` holds constants of `data_constrained`, not of `{}`", law.name()));
            }
            fixed.extend(C4_CONSTANTS.iter().map(|(name, value)| Fixed { name: name.to_string(), value: *value }));
            continue;
        }
        let pair =
            text.split_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse::<f64>().ok()?)));
        match pair {
            Some((name, value)) if law.parameters().iter().any(|p| p.name == name) => {
                fixed.push(Fixed { name: name.to_owned(), value });
            }
            Some((name, _)) => {
                return Err(format!("`{}` has no parameter `{name}`; its parameters are {}", law.name(), names()));
            }
            None => return Err(format!("`--fix {text}` is neither `c4` nor NAME=NUMBER with one of {}", names())),
        }
    }
    Ok(fixed)
}

fn of_table(args: &FitArgs) -> Result<Vec<Group>, String> {
    let path = args.what.display();
    if let Some(arm) = &args.arm {
        return Err(format!("`--arm {arm}` chooses among the runs of a folder; {path} is a table"));
    }
    let text = std::fs::read_to_string(&args.what).map_err(|error| {
        format!("{path}: {error}\n  = help: name a folder of runs, or a CSV file with the columns params, tokens, unique, loss")
    })?;
    let table =
        read_csv(&text).map_err(|problems| format!("{path}: {}", problems.join(&format!("\n       {path}: "))))?;
    let left_out = match table.n_left_out {
        0 => vec![],
        n => vec![format!("{n} rows whose `in_fit_set` is 0")],
    };
    Ok(vec![Group { name: String::new(), runs: table.runs, exact: true, unit: String::new(), left_out }])
}

/// The finished runs of each arm, in the order of their names; all others with the reason why they are left out.
fn of_folder(folder: &Path, arm: Option<&str>) -> Result<Vec<Group>, String> {
    let all: Vec<RunRecord> = RunFolder::list(folder).iter().map(|run| RunRecord::load(run.path())).collect();
    if all.is_empty() {
        return Err(format!(
            "{}: no runs here\n  = help: name the folder of an experiment's runs, for example runs/quickstart, or a CSV file",
            folder.display()
        ));
    }
    let mut arms: Vec<&str> = vec![];
    for run in &all {
        if !arms.contains(&run.arm.as_str()) {
            arms.push(&run.arm);
        }
    }
    if let Some(wanted) = arm {
        if !arms.contains(&wanted) {
            return Err(format!("there is no arm `{wanted}`; there are {}", arms.join(", ")));
        }
        arms = vec![wanted];
    }
    arms.into_iter().map(|arm| of_arm(arm, all.iter().filter(|run| run.arm == arm))).collect()
}

fn of_arm<'a>(arm: &str, runs: impl Iterator<Item = &'a RunRecord>) -> Result<Group, String> {
    let mut group = Group { name: arm.to_owned(), runs: vec![], exact: true, unit: String::new(), left_out: vec![] };
    let mut first: Option<(String, String)> = None;
    for run in runs {
        match trained(run) {
            Ok((own, [unit, valid], exact)) => {
                let (known_unit, known_valid) = first.get_or_insert_with(|| (unit.clone(), valid.clone()));
                if (&unit, &valid) != (&*known_unit, &*known_valid) {
                    return Err(format!("the runs of `{arm}` were evaluated on different validation data"));
                }
                group.exact &= exact;
                group.unit = unit;
                group.runs.push(own);
            }
            Err(why) => group.left_out.push(format!("{}: {why}", run.name())),
        }
    }
    Ok(group)
}

/// A run as the laws see it, its unit and validation set, and whether its loss is exact; or why it does not count.
fn trained(run: &RunRecord) -> Result<(TrainedRun, [String; 2], bool), String> {
    let Some(start) = run.start() else {
        return Err(run.problems.first().cloned().unwrap_or_else(|| "not started".into()));
    };
    let completion = run.completion();
    if completion != Completion::Finished {
        return Err(completion.words());
    }
    let last = run.records.iter().rev().find_map(|r| if let Record::Eval(eval) = r { Some(eval) } else { None });
    let Some(last) = last else { return Err("it was never evaluated".into()) };
    let numbers = [start.params as f64, last.tokens as f64, start.unique_tokens as f64];
    let own = TrainedRun::new(&run.name(), numbers[0], numbers[1], numbers[2], last.loss)?;
    Ok((own, [start.loss_unit.clone(), start.valid_hash.clone()], start.exact))
}

fn refusal(law: Law, group: &Group, lacks: &[String]) -> String {
    let of = if group.name.is_empty() { String::new() } else { format!(" to the runs of `{}`", group.name) };
    let mut out = format!("`{}` cannot be fitted{of}", law.name());
    lacks.iter().for_each(|lack| out.push_str(&format!("\n  {lack}")));
    group.left_out.iter().for_each(|run| out.push_str(&format!("\n  left out: {run}")));
    out.push_str("\n  = help: add runs to the sweep, or give what is known with `--fix NAME=VALUE`");
    out
}

fn text(group: &Group, fit: &Fit) -> String {
    let arm = if group.name.is_empty() { String::new() } else { format!("{}: ", group.name) };
    let unit = if group.unit.is_empty() { String::new() } else { format!(", {}", group.unit) };
    let mut out = format!(
        "{arm}{} on {} runs: R2 {:.3}, the lowest of {} random starts; 95% over {} resamplings of runs{unit}\n  {}\n",
        fit.law.name(),
        fit.n_runs,
        fit.r2,
        fit.n_starts,
        words::count(fit.n_resamples as u64),
        fit.law.formula(),
    );
    let rows: Vec<[String; 5]> = fit.parameters.iter().map(row).collect();
    let head = ["", "value", "95%", "published", ""].map(str::to_owned);
    out.push_str(&columns(&[vec![head], rows].concat()));
    if fit.minima.len() > 1 {
        out.push_str("  minima nearly as low, between which these runs hardly decide\n");
        let names = fit.parameters.iter().filter(|p| p.interval.is_some()).map(|p| p.parameter.name.to_owned());
        let head: Vec<String> = ["objective", "R2", "starts"].map(str::to_owned).into_iter().chain(names).collect();
        let row = |minimum: &crate::claims::fit::Minimum| -> Vec<String> {
            let free = minimum.values.iter().zip(&fit.parameters).filter(|(_, p)| p.interval.is_some());
            let numbers =
                [format!("{:.6}", minimum.objective), format!("{:.3}", minimum.r2), minimum.n_starts.to_string()];
            numbers.into_iter().chain(free.map(|(value, _)| words::short(*value))).collect()
        };
        out.push_str(&columns(&std::iter::once(head).chain(fit.minima.iter().map(row)).collect::<Vec<_>>()));
    }
    if !group.exact {
        out.push_str("  the losses are upper bounds: the true ones are at most these\n");
    }
    group.left_out.iter().for_each(|run| out.push_str(&format!("  left out: {run}\n")));
    out
}

fn row(estimated: &crate::claims::fit::Estimated) -> [String; 5] {
    let interval = match estimated.interval {
        Some(interval) => format!("[{}, {}]", words::short(interval.low), words::short(interval.high)),
        None => "fixed".into(),
    };
    let why = estimated.unidentified.as_ref().map(|why| format!("not identified: {why}")).unwrap_or_default();
    let parameter = &estimated.parameter;
    [parameter.name.to_owned(), words::short(estimated.value), interval, words::short(parameter.published), why]
}

/// Rows of cells, each column as wide as its widest.
fn columns<R: AsRef<[String]>>(rows: &[R]) -> String {
    let n = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|row| row.as_ref().get(i)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n).map(|i| width(i).unwrap_or(0) + 3).collect();
    let line = |row: &R| {
        let cells = row.as_ref().iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("    {}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn document(group: &Group, fit: &Result<Fit, Vec<String>>) -> Value {
    let fitted = match fit {
        Err(lacks) => json!({ "lacks": lacks }),
        Ok(fit) => json!({
            "r2": fit.r2,
            "objective": fit.objective,
            "runs": fit.n_runs,
            "starts": fit.n_starts,
            "resamplings": fit.n_resamples,
            "parameters": fit.parameters.iter().map(|estimated| json!({
                "name": estimated.parameter.name,
                "value": estimated.value,
                "interval": estimated.interval.map(|interval| [interval.low, interval.high]),
                "published": estimated.parameter.published,
                "not_identified": estimated.unidentified,
            })).collect::<Vec<_>>(),
            "minima": fit.minima.iter().map(|minimum| json!({
                "values": minimum.values,
                "objective": minimum.objective,
                "r2": minimum.r2,
                "starts": minimum.n_starts,
            })).collect::<Vec<_>>(),
        }),
    };
    json!({ "arm": group.name, "unit": group.unit, "exact": group.exact, "left_out": group.left_out, "fit": fitted })
}
