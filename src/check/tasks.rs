//! The tasks of `eval`: multiple choice by likelihood, from jsonl files.

use super::reader::{Cx, Reader, Takes};
use super::source::base_of;
use super::spec::{Arm, Task, TaskFile, TaskFormat, scores_answers};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::resolve::{Node, Value};

/// Draws of masks per option, as LLaDA takes them (its `mc_num`).
const MASKS: u64 = 128;
/// The names of metrics start with a task's, and `loss(...)` is another metric.
const EXAMPLE: &str = "hellaswag: multiple_choice(\"hellaswag.jsonl.gz\", format: hellaswag)";
const FORMS: &[(&str, &[&str])] = &[("multiple_choice", &["file", "format", "limit", "shots", "shots_from", "masks"])];

/// All tasks, in the order of the file; `drawn` says whether the arm's objective masks.
pub fn read(reader: &mut Reader, drawn: bool, cx: &mut Cx<'_>) -> Option<Vec<Task>> {
    let Some(node) = reader.get("tasks") else { return Some(vec![]) };
    let Value::Record(record) = &node.value else {
        cx.wrong_type(&node, "eval.tasks", "a record `{ NAME: multiple_choice(...) }`");
        return None;
    };
    for bare in &record.bare {
        cx.out.push(
            Diagnostic::error(code::SYNTAX, "a task has a name")
                .at(bare.span, "write `name: value`")
                .help(format!("for example `{EXAMPLE}`")),
        );
    }
    let tasks: Vec<Option<Task>> =
        record.fields.iter().map(|(name, (_, node))| read_task(name, node, drawn, cx)).collect();
    if !record.bare.is_empty() { None } else { tasks.into_iter().collect() }
}

fn read_task(name: &str, node: &Node, drawn: bool, cx: &mut Cx<'_>) -> Option<Task> {
    let path = format!("eval.tasks.{name}");
    let (word, mut reader) = Reader::call(node, &path, FORMS, cx)?;
    cx.note(&path, word, Some(node));
    let file = reader.need("file", "\"hellaswag.jsonl.gz\"", cx);
    let file = file.and_then(|node| read_file(&node, &format!("{path}.file"), cx));
    let format = reader.need("format", "hellaswag", cx).and_then(|node| {
        let path = format!("{path}.format");
        let forms: Vec<(&str, &[&'static str])> = TaskFormat::ALL.iter().map(|f| (f.name(), &[] as &[_])).collect();
        let (word, inner) = Reader::call(&node, &path, &forms, cx)?;
        inner.finish(cx);
        cx.note(&path, word, Some(&node));
        TaskFormat::ALL.into_iter().find(|format| format.name() == word)
    });
    let limit = match reader.get("limit") {
        None => {
            cx.note(&format!("{path}.limit"), "all", None);
            Some(None)
        }
        Some(_) => reader.whole("limit", Takes::PLAIN, 1, None, "1000", cx).map(Some),
    };
    let shots = read_shots(&mut reader, &path, cx);
    // Without masks every arm's likelihood is exact, and their number says nothing.
    let masks = if drawn || reader.is_given("masks") {
        reader.whole("masks", Takes::PLAIN, 1, Some(MASKS), "128", cx)
    } else {
        reader.get("masks");
        Some(MASKS)
    };
    reader.finish(cx);
    Some(Task { name: name.into(), file: file?, format: format?, limit: limit?, shots: shots?, masks: masks? })
}

/// Solved examples come from a file of their own: no item may stand among them.
#[allow(clippy::option_option)]
fn read_shots(reader: &mut Reader, path: &str, cx: &mut Cx<'_>) -> Option<Option<(u64, TaskFile)>> {
    let from = reader.get("shots_from");
    let n = reader.whole("shots", Takes::PLAIN, 0, Some(0), "5", cx);
    match (n?, from) {
        (0, None) => Some(None),
        (0, Some(from)) => {
            cx.out.push(
                Diagnostic::error(code::NO_EFFECT, "`shots_from` has no effect without `shots`")
                    .at(from.span, "no example is taken from it")
                    .help("say how many: `shots: 5`"),
            );
            None
        }
        (_, None) => {
            cx.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("`{path}` has `shots` and no `shots_from`"))
                    .at(reader.span, "the file with solved examples has to be named")
                    .help("for example `shots: 5, shots_from: \"dev.jsonl.gz\"`"),
            );
            None
        }
        (n, Some(from)) => Some(Some((n, read_file(&from, &format!("{path}.shots_from"), cx)?))),
    }
}

fn read_file(node: &Node, path: &str, cx: &mut Cx<'_>) -> Option<TaskFile> {
    match &node.value {
        Value::Str(text) if !text.is_empty() => {
            cx.note(path, text, Some(node));
            Some(TaskFile { path: text.clone(), base: base_of(node.span, cx), span: node.span })
        }
        _ => {
            cx.wrong_type(node, path, "the path of a jsonl file, in quotes");
            None
        }
    }
}

/// Not every objective gives the options of a task likelihoods.
pub fn check_fit(arm: &Arm, cx: &mut Cx<'_>) {
    let Some(task) = arm.eval.tasks.first().filter(|_| !scores_answers(&arm.objective)) else { return };
    let message =
        format!("{} has no likelihood of an answer alone, which `{}` asks for", arm.objective.name(), task.name);
    cx.out.push(
        Diagnostic::error(code::UNFIT_TASK, message)
            .at(task.file.span, format!("a task of the arm `{}`", arm.name))
            .note("block_diffusion cuts blocks by their place in a sequence, and an answer ends anywhere; where tokens are \
                   replaced, the question would be noise too")
            .help("tasks are for `next_token`, `masked_diffusion`, `any_order` and `masked_lm`: give this arm an `eval` without"),
    );
}
