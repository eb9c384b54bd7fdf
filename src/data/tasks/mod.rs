//! Multiple-choice files as items: contexts and options as texts, then as ids. What a row has to be is `formats`' to say;
//! a malformed row is told with its line, and does not hide the next.

mod formats;
#[cfg(test)]
mod tests;

pub use formats::Question;

use super::corpus::one_file;
use super::error::{Missing, what_is_missing};
use super::jsonl::{BadRow, JsonlError, MAX_TOLD, for_each_row, json_reason};
use super::{Codec, CorpusEnv};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Arm, Task, TaskFile, TaskFormat, Tokenizer, Vocab};
use std::path::{Path, PathBuf};

/// The items of a task as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    pub items: Vec<Item>,
    /// Where they were read.
    pub path: PathBuf,
    /// Of all contexts and options, and of which are right.
    pub hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number among the rows of the file, from 0.
    pub index: u64,
    /// Its line, from 1.
    pub line: u64,
    pub context: String,
    /// Each with what stands between it and the context.
    pub options: Vec<String>,
    /// Characters of each, without that.
    pub n_chars: Vec<u64>,
    pub right: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    #[error("{}", what_is_missing(.0))]
    Missing(Missing),
    #[error(transparent)]
    Jsonl(#[from] JsonlError),
    #[error("{} has no rows", path.display())]
    Empty { path: PathBuf },
    #[error("{} has {have} examples {about} and {need} are asked for", path.display())]
    FewShots { path: PathBuf, about: String, have: usize, need: u64 },
}

impl TaskError {
    /// Whether nothing is wrong but that `DLMC_DATA` is not set.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, TaskError::Missing(Missing::NoData { .. }))
    }

    /// In words, for a run, which cannot do without the items.
    pub fn refuse(&self, task: &Task) -> Diagnostic {
        match self {
            TaskError::Missing(missing) => missing_items(missing, task),
            _ => self.diagnose(task),
        }
    }

    /// In words, at the place where the task is written; a warning where this machine only does not name the folder.
    pub fn diagnose(&self, task: &Task) -> Diagnostic {
        let span = task.file.span;
        let name = &task.name;
        match self {
            TaskError::Missing(_) if self.is_elsewhere() => {
                let message = format!("the items of `{name}` are not looked for: DLMC_DATA is not set");
                Diagnostic::warning(code::CORPUS_ELSEWHERE, message)
                    .at(span, "in a folder that each machine names itself")
                    .help("set DLMC_DATA to that folder before `dlmc run`; all else needs no items")
            }
            TaskError::Missing(missing) => missing_items(missing, task),
            TaskError::Jsonl(JsonlError::Unreadable { .. }) => {
                Diagnostic::error(code::MISSING_CORPUS, self.to_string())
                    .at(span, format!("the items of `{name}`"))
                    .help("a .jsonl file, plain, or packed as .gz or .zst")
            }
            TaskError::Jsonl(JsonlError::BadRows { path, rows, n_bad }) => {
                let what = if *n_bad == 1 { "1 row".into() } else { format!("{n_bad} rows") };
                let d = Diagnostic::error(code::BAD_ITEMS, format!("{what} of {} cannot be used", path.display()));
                let d = d.at(span, format!("items of `{name}`, in the format `{}`", task.format.name()));
                let d = rows.iter().fold(d, |d, row| d.note(row.to_string()));
                let more = n_bad.saturating_sub(rows.len() as u64);
                let d = if more > 0 { d.note(format!("and {more} more")) } else { d };
                d.help(format!("a row is {}", row_of(task.format)))
            }
            TaskError::Empty { .. } => Diagnostic::error(code::BAD_ITEMS, self.to_string())
                .at(span, format!("the items of `{name}`"))
                .help(format!("a row is {}", row_of(task.format))),
            TaskError::FewShots { .. } => Diagnostic::error(code::BAD_ITEMS, self.to_string())
                .at(task.shots.as_ref().map_or(span, |(_, file)| file.span), "examples come from here")
                .help("lower `shots`"),
        }
    }
}

fn missing_items(missing: &Missing, task: &Task) -> Diagnostic {
    Diagnostic::error(code::MISSING_CORPUS, what_is_missing(missing))
        .at(task.file.span, format!("the items of `{}`", task.name))
        .help("paths are relative to the folder of the spec file; `{data}/...` starts in that of DLMC_DATA")
}

/// What a row of a format looks like.
fn row_of(format: TaskFormat) -> &'static str {
    match format {
        TaskFormat::Hellaswag => {
            r#"{"activity_label": "...", "ctx_a": "...", "ctx_b": "...", "endings": ["...", ...], "label": 0}, or {"ctx": "...", "endings": [...], "label": 0}"#
        }
        TaskFormat::MmluLetters | TaskFormat::MmluCloze => {
            r#"{"subject": "...", "question": "...", "choices": ["...", ...], "answer": 0}"#
        }
        TaskFormat::Arc => {
            r#"{"question": "...", "choices": ["...", ...], "answer": 0}, or with `choices.text`, `choices.label` and `answerKey`"#
        }
        TaskFormat::Piqa => r#"{"goal": "...", "sol1": "...", "sol2": "...", "label": 0}"#,
        TaskFormat::Options => r#"{"context": "...", "options": ["...", ...], "answer": 0}"#,
    }
}

/// All rows of a file as questions, each with its line.
fn questions(path: &Path, format: TaskFormat) -> Result<Vec<(u64, Question)>, TaskError> {
    let mut all = vec![];
    for_each_row(path, |line, text| {
        let row = serde_json::from_str(text).map_err(|e| json_reason(&e))?;
        all.push((line, formats::question(format, &row)?));
        Ok(())
    })?;
    if all.is_empty() { Err(TaskError::Empty { path: path.into() }) } else { Ok(all) }
}

fn located(file: &TaskFile, env: &CorpusEnv) -> Result<PathBuf, TaskError> {
    one_file(&file.path, &file.base, env).map_err(TaskError::Missing)
}

/// Reads a task's items. Where there is a limit, the evaluation seed draws which; a larger one only adds to them.
pub fn read(task: &Task, eval_seed: u32, env: &CorpusEnv) -> Result<Items, TaskError> {
    let path = located(&task.file, env)?;
    let shots = match &task.shots {
        None => None,
        Some((n, file)) => {
            let path = located(file, env)?;
            let all = questions(&path, task.format)?;
            Some((*n, path, all))
        }
    };
    let all = questions(&path, task.format)?;
    let n = all.len() as u32;
    let mut chosen = match task.limit {
        Some(limit) if limit < u64::from(n) => {
            Stream::new(eval_seed, Purpose::TaskItems).sample_without_replacement(n, limit as u32, 0, 0)
        }
        _ => (0..n).collect(),
    };
    chosen.sort_unstable();
    let mut items = Vec::with_capacity(chosen.len());
    for index in chosen {
        let Some((line, question)) = all.get(index as usize) else { continue };
        let examples = match &shots {
            None => String::new(),
            Some((n, path, all)) => examples(*n, path, all, question)?,
        };
        items.push(Item {
            index: u64::from(index),
            line: *line,
            context: format!("{}{examples}{}", question.header, question.prompt),
            options: question.options.iter().map(|option| format!("{}{option}", question.delimiter)).collect(),
            n_chars: question.options.iter().map(|option| option.chars().count() as u64).collect(),
            right: question.right,
        });
    }
    let mut hasher = CanonicalHasher::new("task items");
    for item in &items {
        hasher.put_u64(item.index).put_str(&item.context).put_u64(item.right as u64);
        hasher.put_u64s(&item.n_chars);
        item.options.iter().for_each(|option| _ = hasher.put_str(option));
    }
    Ok(Items { items, path, hash: hasher.finish() })
}

/// What `dlmc check` asks of a task: whether its rows are items, and where no corpus has to be read for that, whether
/// they fit the sequences.
pub fn probe(task: &Task, arm: &Arm, env: &CorpusEnv) -> Result<(), TaskError> {
    let items = read(task, arm.train.seeds.eval, env)?;
    if arm.data.tokenizer == Tokenizer::Bytes {
        encode(&items, &Codec::Bytes, &arm.vocab, arm.data.seq as usize)?;
    }
    Ok(())
}

/// The first examples of the question's group, solved.
fn examples(n: u64, path: &Path, all: &[(u64, Question)], question: &Question) -> Result<String, TaskError> {
    let of_group = all.iter().filter(|(_, example)| example.group == question.group);
    let solved = of_group.filter_map(|(_, e)| {
        let right = e.options.get(e.right)?;
        Some(format!("{}{}{right}\n\n", e.prompt, e.delimiter))
    });
    let found: Vec<String> = solved.take(n as usize).collect();
    if (found.len() as u64) < n {
        let about = if question.group.is_empty() { String::new() } else { format!("of `{}`", question.group) };
        return Err(TaskError::FewShots { path: path.into(), about, have: found.len(), need: n });
    }
    Ok(found.concat())
}

/// An item as ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub index: u64,
    /// What all options begin with.
    shared: Vec<u32>,
    options: Vec<EncodedOption>,
    pub n_chars: Vec<u64>,
    pub right: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EncodedOption {
    rest: Vec<u32>,
    n_answer: usize,
}

impl Encoded {
    pub fn n_options(&self) -> usize {
        self.options.len()
    }

    /// Context and answer of an option, cut from the left to at most `seq` ids; and how many of them are the answer.
    pub fn option(&self, option: usize, seq: usize) -> Option<(Vec<u32>, usize)> {
        let EncodedOption { rest, n_answer } = self.options.get(option)?;
        let skip = self.n_tokens(option).saturating_sub(seq);
        Some((self.shared.iter().chain(rest).skip(skip).copied().collect(), *n_answer))
    }

    /// Ids of context and answer, before any cut.
    pub fn n_tokens(&self, option: usize) -> usize {
        self.options.get(option).map_or(0, |option| self.shared.len() + option.rest.len())
    }

    /// Ids of an answer.
    pub fn n_answer(&self, option: usize) -> usize {
        self.options.get(option).map_or(0, |option| option.n_answer)
    }
}

/// A task that is ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSet {
    pub name: String,
    pub masks: u64,
    pub items: Vec<Encoded>,
    /// Of the items' texts.
    pub hash: String,
}

impl TaskSet {
    /// Options whose context is cut to fit a sequence.
    pub fn n_cut(&self, seq: usize) -> usize {
        let cut = |item: &Encoded| (0..item.n_options()).filter(|option| item.n_tokens(*option) > seq).count();
        self.items.iter().map(cut).sum()
    }
}

/// Reads and encodes a task of an arm.
pub fn load(task: &Task, arm: &Arm, codec: &Codec, env: &CorpusEnv) -> Result<TaskSet, TaskError> {
    let items = read(task, arm.train.seeds.eval, env)?;
    let encoded = encode(&items, codec, &arm.vocab, arm.data.seq as usize)?;
    Ok(TaskSet { name: task.name.clone(), masks: task.masks, items: encoded, hash: items.hash })
}

/// Items as ids, for sequences of `seq`. Context and option are encoded together, as lm-evaluation-harness does: white
/// space at the context's end counts as the option's, and the option's ids are those of both beyond those of the
/// context alone. An empty context is an end of document.
pub fn encode(items: &Items, codec: &Codec, vocab: &Vocab, seq: usize) -> Result<Vec<Encoded>, TaskError> {
    let (mut all, mut bad, mut n_bad) = (vec![], vec![], 0);
    for item in &items.items {
        match encode_item(item, codec, vocab.eod as u32, seq) {
            Ok(encoded) => all.push(encoded),
            Err(reason) => {
                n_bad += 1;
                if bad.len() < MAX_TOLD {
                    bad.push(BadRow { line: item.line, reason });
                }
            }
        }
    }
    if n_bad > 0 {
        return Err(JsonlError::BadRows { path: items.path.clone(), rows: bad, n_bad }.into());
    }
    Ok(all)
}

fn encode_item(item: &Item, codec: &Codec, eod: u32, seq: usize) -> Result<Encoded, String> {
    let ids = |text: &str| codec.encode(text).map_err(|error| error.to_string());
    let context = item.context.trim_end();
    let moved = item.context.get(context.len()..).unwrap_or("");
    let before = if context.is_empty() { vec![eod] } else { ids(context)? };
    let mut wholes = vec![];
    for (number, option) in (1..).zip(&item.options) {
        let mut whole = if context.is_empty() { before.clone() } else { vec![] };
        whole.extend(ids(&format!("{context}{moved}{option}"))?);
        let n_answer = whole.len().saturating_sub(before.len());
        if n_answer == 0 {
            return Err(format!("option {number} adds no token to its context"));
        }
        if n_answer >= seq {
            return Err(format!(
                "option {number} has {n_answer} tokens; in sequences of {seq}, {} fit after one of context",
                seq.saturating_sub(1)
            ));
        }
        wholes.push((whole, n_answer));
    }
    let first = wholes.first().map_or(&[][..], |(whole, _)| whole.as_slice());
    let alike = |whole: &[u32]| first.iter().zip(whole).take_while(|(a, b)| a == b).count();
    let n_shared = wholes.iter().map(|(whole, _)| alike(whole)).min().unwrap_or(0);
    let shared = first.get(..n_shared).unwrap_or_default().to_vec();
    let rest = |(whole, n_answer): &(Vec<u32>, usize)| EncodedOption {
        rest: whole.get(n_shared..).unwrap_or_default().to_vec(),
        n_answer: *n_answer,
    };
    let options = wholes.iter().map(rest).collect();
    Ok(Encoded { index: item.index, shared, options, n_chars: item.n_chars.clone(), right: item.right })
}
