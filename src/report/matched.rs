//! Are the arms twins? Compared from the runs' own logs and locks, not from what the spec promises.

use super::words::count;
use super::{RunRecord, words};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Equal,
    Different,
    /// Some run does not say.
    Unknown,
}

impl Mark {
    pub fn words(self) -> &'static str {
        match self {
            Mark::Equal => "equal",
            Mark::Different => "DIFFERENT",
            Mark::Unknown => "not known",
        }
    }
}

/// One fact in every run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    /// By run; `None` where the run does not say.
    pub values: Vec<Option<String>>,
    pub mark: Mark,
}

impl Row {
    /// The value that all runs share, if they do.
    pub fn common(&self) -> Option<&str> {
        let first = self.values.first()?.as_deref()?;
        self.values.iter().all(|v| v.as_deref() == Some(first)).then_some(first)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Names of the runs that have started, in order.
    pub runs: Vec<String>,
    /// Names of those that have not, so that there is nothing to compare.
    pub skipped: Vec<String>,
    pub rows: Vec<Row>,
    /// Fields of the spec's locks that differ: the declared factors and what follows from them.
    pub fields: Vec<Row>,
}

impl Matched {
    pub fn of(runs: &[RunRecord]) -> Matched {
        let named: Vec<(String, &RunRecord)> = names(runs).into_iter().zip(runs).collect();
        let skipped = named.iter().filter(|(_, run)| run.start().is_none()).map(|(name, _)| name.clone()).collect();
        let (names, runs): (Vec<String>, Vec<&RunRecord>) =
            named.into_iter().filter(|(_, run)| run.start().is_some()).unzip();
        if runs.len() < 2 {
            return Matched { runs: names, skipped, rows: vec![], fields: vec![] };
        }
        let start = |name: &str, value: &dyn Fn(&crate::store::metrics::Start) -> String| {
            row(name, runs.iter().map(|run| run.start().map(value)).collect())
        };
        let rows = vec![
            start("initial weights", &|s| s.init_hash.clone()),
            batches(&runs),
            start("training data", &|s| s.data_hash.clone()),
            start("validation data", &|s| s.valid_hash.clone()),
            start("unique tokens", &|s| count(s.unique_tokens)),
            start("tokens per step", &|s| count(s.tokens_per_step)),
            start("steps", &|s| count(s.steps)),
            start("decay from step", &|s| count(s.decay_from_step)),
            start("parameters", &|s| count(s.params)),
            start("precision", &|s| s.precision.clone()),
            start("loss unit", &|s| s.loss_unit.clone()),
            start("device", &|s| s.device.clone()),
            start("threads", &|s| s.threads.to_string()),
            start("libtorch", &|s| s.libtorch.clone()),
            start("dlmc", &|s| s.code.clone()),
        ];
        Matched { runs: names, skipped, rows, fields: differing_fields(&runs) }
    }

    pub fn n_equal(&self) -> usize {
        self.rows.iter().filter(|row| row.mark == Mark::Equal).count()
    }

    pub fn different(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.mark == Mark::Different)
    }

    /// One line for the terminal.
    pub fn summary(&self) -> Option<String> {
        if self.rows.is_empty() {
            return None;
        }
        let different: Vec<&str> = self.different().map(|row| row.name.as_str()).collect();
        let unknown = self.rows.iter().filter(|row| row.mark == Mark::Unknown).count();
        let rest = if unknown > 0 { format!(", {unknown} not known") } else { String::new() };
        Some(if different.is_empty() {
            format!("matched: {} of {} facts in the runs' own logs are equal{rest}", self.n_equal(), self.rows.len())
        } else {
            format!("NOT MATCHED: the runs' own logs differ in {}{rest}", different.join(", "))
        })
    }

    /// As plain text, one row a line.
    pub fn to_text(&self) -> String {
        let mut out = format!("arms: {}\n", self.runs.join(", "));
        let facts = self.rows.iter().map(|row| (row, row.mark.words()));
        // A field that differs may be the very factor under test, so no alarm is raised over it.
        let fields = self.fields.iter().map(|row| (row, "differs"));
        for (row, mark) in facts.chain(fields) {
            let values: Vec<&str> = row.values.iter().map(|v| v.as_deref().unwrap_or("-")).collect();
            let shown = row.common().map_or(values.join(" | "), str::to_owned);
            out.push_str(&format!("{:<18} {:<10} {shown}\n", row.name, mark));
        }
        out
    }
}

/// An arm's run goes by the arm's name; where an arm has several, by the folder's.
pub fn names(runs: &[RunRecord]) -> Vec<String> {
    let several = |arm: &str| runs.iter().filter(|run| run.arm == arm).count() > 1;
    runs.iter().map(|run| if several(&run.arm) { run.name() } else { run.arm.clone() }).collect()
}

fn row(name: &str, values: Vec<Option<String>>) -> Row {
    let known: Vec<&String> = values.iter().flatten().collect();
    let differ = known.windows(2).any(|pair| pair.first() != pair.last());
    let mark = match (differ, known.len() == values.len()) {
        (true, _) => Mark::Different,
        (false, true) => Mark::Equal,
        (false, false) => Mark::Unknown,
    };
    Row { name: name.to_owned(), values, mark }
}

/// The hash of each step's clean tokens, over every step that all runs have.
fn batches(runs: &[&RunRecord]) -> Row {
    let by_step: Vec<BTreeMap<u64, &str>> =
        runs.iter().map(|run| run.steps().map(|s| (s.step, s.batch_hash.as_str())).collect()).collect();
    let Some((first, others)) = by_step.split_first() else {
        return row("batches", vec![]);
    };
    let common: Vec<u64> =
        first.keys().copied().filter(|step| others.iter().all(|other| other.contains_key(step))).collect();
    let differ: Vec<u64> =
        common.iter().copied().filter(|step| others.iter().any(|other| other.get(step) != first.get(step))).collect();
    let (text, mark) = match (common.len() as u64, differ.first()) {
        (0, _) => ("no step in common".to_owned(), Mark::Unknown),
        (n, None) => (format!("all {} common steps", count(n)), Mark::Equal),
        (n, Some(step)) => {
            let text =
                format!("{} of {} common steps, the first is {}", count(differ.len() as u64), count(n), count(*step));
            (text, Mark::Different)
        }
    };
    Row { name: "batches".into(), values: vec![Some(text); runs.len()], mark }
}

fn differing_fields(runs: &[&RunRecord]) -> Vec<Row> {
    let locks: Vec<_> = runs.iter().map(|run| run.lock.as_ref()).collect();
    let Some(first) = locks.iter().flatten().next() else { return vec![] };
    let mut paths: Vec<String> = locks
        .iter()
        .flatten()
        .flat_map(|lock| first.spec_differences(lock))
        .map(|difference| difference.path)
        .filter(|path| path != "name" && path != "arm")
        .collect();
    paths.sort();
    paths.dedup();
    let value = |lock: &crate::store::Lock, path: &str| {
        lock.fields.iter().find(|f| f.path == path).map_or("(not there)".to_owned(), |f| f.value.clone())
    };
    paths.iter().map(|path| row(path, locks.iter().map(|lock| lock.map(|lock| value(lock, path))).collect())).collect()
}

type Fact<'a> = (&'a str, &'a dyn Fn(&RunRecord) -> Option<String>);

/// What a run cost and how it went: one column a run.
pub fn costs(runs: &[RunRecord]) -> Vec<Row> {
    let facts: [Fact<'_>; 12] = [
        ("state", &|run| Some(run.completion().words())),
        ("steps done", &|run| run.steps().next_back().map(|s| count(s.step))),
        ("tokens seen", &|run| run.steps().next_back().map(|s| count(s.tokens))),
        ("FLOPs per step", &|run| run.start().map(|s| words::short(s.flops_per_step))),
        ("FLOPs in all", &|run| {
            let step = run.steps().next_back()?.step;
            run.start().map(|s| words::short(s.flops_per_step * step as f64))
        }),
        ("training time", &|run| seconds(run, |end| end.train_seconds)),
        ("evaluation time", &|run| seconds(run, |end| end.eval_seconds)),
        ("tokens per second", &|run| median(run.steps().map(|s| s.tokens_per_s)).map(words::short)),
        ("peak memory", &|run| run.steps().map(|s| s.memory_bytes).max().map(words::bytes)),
        ("steps clipped", &|run| {
            run.steps().next_back().map(|s| format!("{} %", words::plain(100.0 * s.clip_fraction)))
        }),
        ("gradient norm at the end", &|run| median(last_steps(run).map(|s| s.grad_norm)).map(words::short)),
        ("update / weights at the end", &|run| median(last_steps(run).map(|s| s.update_ratio)).map(words::short)),
    ];
    facts
        .into_iter()
        .map(|(name, fact)| {
            let mut row = row(name, runs.iter().map(fact).collect());
            row.mark = Mark::Unknown;
            row
        })
        .collect()
}

/// Over all processes that worked on the run; one that was killed took its time with it.
fn seconds(run: &RunRecord, of: impl Fn(&crate::store::metrics::End) -> f64) -> Option<String> {
    let total: f64 = run.ends().map(of).sum();
    let n_starts = run.records.iter().filter(|r| matches!(r, crate::store::metrics::Record::Start(_))).count();
    match (run.ends().count(), n_starts) {
        (0, _) => None,
        (ends, starts) if ends < starts => Some(format!("at least {}", words::duration(total))),
        _ => Some(words::duration(total)),
    }
}

fn last_steps(run: &RunRecord) -> impl Iterator<Item = &crate::store::metrics::Step> {
    run.steps().rev().take(20)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
