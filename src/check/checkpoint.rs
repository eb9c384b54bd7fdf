//! Which checkpoints of a run stay, and the checkpoint that a run starts from.

use super::reader::{Cx, Reader, Takes, whole};
use super::spec::{Budget, CheckpointKeep, StartFrom};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::resolve::{Node, Value};

/// `checkpoint_keep: last(2)`, `all`, or `[319_456 steps]`: steps that stay besides the last two.
pub fn read_keep(reader: &mut Reader, budget: &Budget, cx: &mut Cx<'_>) -> Option<CheckpointKeep> {
    const PATH: &str = "train.checkpoint_keep";
    let Some(node) = reader.get("checkpoint_keep") else {
        cx.note(PATH, CheckpointKeep::DEFAULT, None);
        return Some(CheckpointKeep::DEFAULT);
    };
    let keep = match &node.value {
        Value::List(items) => {
            let steps: Vec<Option<u64>> = items.iter().map(|item| step_of(PATH, item, budget, cx)).collect();
            let mut at_steps: Vec<u64> = steps.into_iter().collect::<Option<_>>()?;
            at_steps.sort_unstable();
            at_steps.dedup();
            match CheckpointKeep::DEFAULT {
                CheckpointKeep::Newest { n, .. } => CheckpointKeep::Newest { n, at_steps },
                CheckpointKeep::All => CheckpointKeep::All,
            }
        }
        Value::Number { .. } | Value::Str(_) | Value::Bool(_) | Value::None => {
            cx.wrong_type(&node, PATH, "`last(2)`, `all`, or a list of steps `[1_000 steps]`");
            return None;
        }
        _ => {
            let (word, mut call) = Reader::call(&node, PATH, &[("last", &["n"]), ("all", &[])], cx)?;
            let n = if word == "last" {
                let given = call.need("n", "2", cx);
                given.and_then(|given| {
                    let q = call.quantity("n", &given, Takes::PLAIN, cx)?;
                    whole(PATH, q, 1, cx)
                })
            } else {
                None
            };
            call.finish(cx);
            match word {
                "last" => CheckpointKeep::Newest { n: n?, at_steps: vec![] },
                _ => CheckpointKeep::All,
            }
        }
    };
    cx.note(PATH, &keep, Some(&node));
    Some(keep)
}

fn step_of(path: &str, node: &Node, budget: &Budget, cx: &mut Cx<'_>) -> Option<u64> {
    let q = super::reader::quantity(path, node, Takes::STEPS, cx)?;
    let n = whole(path, q, 1, cx)?;
    if n > budget.steps {
        cx.push_about(
            &node.origin,
            Diagnostic::error(code::OUT_OF_RANGE, format!("there is no step {}", grouped(n)))
                .at(node.span, format!("the run has {} steps", grouped(budget.steps)))
                .help("name steps of this run, or raise its budget"),
        );
        return None;
    }
    Some(n)
}

/// `start: checkpoint("coder_constant", step: 319_456 steps, optimizer: keep)`; outer `None` after an error.
#[allow(clippy::option_option)]
pub fn read_start(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Option<StartFrom>> {
    const PATH: &str = "train.start";
    let Some(node) = reader.get("start") else {
        cx.note(PATH, "initial weights", None);
        return Some(None);
    };
    let (_, mut call) = Reader::call(&node, PATH, &[("checkpoint", &["from", "step", "optimizer"])], cx)?;
    cx.note(PATH, "checkpoint", Some(&node));
    let from = call.need("from", "\"coder_constant\"", cx).and_then(|given| match &given.value {
        Value::Str(text) if !text.trim().is_empty() => {
            cx.note("train.start.from", format!("{text:?}"), Some(&given));
            Some(text.trim().to_string())
        }
        _ => {
            cx.wrong_type(&given, "train.start.from", "a text, the name of an experiment or the folder of a run");
            None
        }
    });
    let step = match call.get("step") {
        None => {
            cx.note("train.start.step", "last", None);
            Some(None)
        }
        Some(given) => call.quantity("step", &given, Takes { bare: true, ..Takes::STEPS }, cx).and_then(|q| {
            let n = whole("train.start.step", q, 1, cx)?;
            cx.note("train.start.step", format!("{n} steps"), Some(&given));
            Some(Some(n))
        }),
    };
    let keeps_optimizer = match call.get("optimizer") {
        None => {
            cx.note("train.start.optimizer", "keep", None);
            Some(true)
        }
        Some(given) => {
            Reader::call(&given, "train.start.optimizer", &[("keep", &[]), ("reset", &[])], cx).map(|(word, inner)| {
                inner.finish(cx);
                cx.note("train.start.optimizer", word, Some(&given));
                word == "keep"
            })
        }
    };
    call.finish(cx);
    Some(Some(StartFrom { from: from?, step: step?, keeps_optimizer: keeps_optimizer?, span: node.span }))
}
