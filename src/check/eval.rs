//! The `eval` of an arm: when it is evaluated, and on what.

use super::reader::{Cx, Quantity, Reader, Takes, alternatives, in_range, whole};
use super::spec::{Budget, Eval, TextSet};
use crate::base::Diagnostic;
use crate::base::Unit;
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::suggest::suggest;
use crate::resolve::{Node, Value};

/// Systematic draws per row of text for masked bounds.
const EVAL_DRAWS: u64 = 4;
/// Evaluations of a run; each goes over the whole validation part.
const MAX_EVALUATIONS: f64 = 100_000.0;

pub fn read(reader: &mut Reader, batch: u64, masked: bool, budget: &Budget, cx: &mut Cx<'_>) -> Option<Eval> {
    let every = reader.need("every", "1 epoch", cx);
    let at_steps = every.as_ref().and_then(|node| {
        let q = reader.quantity("every", node, Takes::CADENCE, cx)?;
        cx.note("eval.every", q.words(), Some(node));
        let at_steps = eval_steps(q, budget, cx)?;
        cx.note_derived("eval.times", at_steps.len());
        Some(at_steps)
    });
    let sets = reader.need("loss", "valid", cx).and_then(|node| {
        let sets = read_sets(&node, cx)?;
        let names: Vec<&str> = std::iter::once("valid").chain(sets.iter().map(TextSet::name)).collect();
        let text = if sets.is_empty() { "valid".into() } else { format!("[{}]", names.join(", ")) };
        cx.note("eval.loss", text, Some(&node));
        Some(sets)
    });
    let draws = if masked || reader.is_given("draws") {
        let draws = reader.whole("draws", Takes::PLAIN, EVAL_DRAWS, Some(EVAL_DRAWS), "4", cx);
        if masked { draws } else { draws.map(|_| 1) }
    } else {
        reader.get("draws");
        Some(1)
    };
    let batch_seqs = reader.whole("batch", Takes::SEQS, 1, Some(batch), "32 seqs", cx);
    let sample_tokens = reader.whole("sample", Takes::TOKENS, 0, Some(0), "256 tokens", cx);
    Some(Eval {
        at_steps: at_steps?,
        sets: sets?,
        draws: draws?,
        batch_seqs: batch_seqs?,
        sample_tokens: sample_tokens?,
    })
}

/// What `loss` lists besides `valid`, which is always measured. The order in which they are written means nothing.
fn read_sets(node: &Node, cx: &mut Cx<'_>) -> Option<Vec<TextSet>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let (mut valid, mut train) = (None, None);
    let mut sound = true;
    for item in items {
        let Value::Word(word) = &item.value else {
            cx.wrong_type(item, "eval.loss", "`valid`, or a list as `[valid, train]`");
            sound = false;
            continue;
        };
        let seen = match word.as_str() {
            "valid" => &mut valid,
            "train" => &mut train,
            _ => {
                let known = ["valid", "train"];
                let diagnostic =
                    Diagnostic::error(code::UNKNOWN_NAME, format!("there is no text `{word}` to measure a loss on"))
                        .at(item.span, "not one of those that can be measured");
                cx.out.push(match suggest(word, known) {
                    Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                    None => diagnostic.help(format!("it is measured on {}", alternatives(&known))),
                });
                sound = false;
                continue;
            }
        };
        if let Some(first) = seen.replace(item.span) {
            let message = format!("`{word}` stands twice in `eval.loss`");
            cx.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, message)
                    .at(item.span, "again here")
                    .also(first, "first here")
                    .help("keep one of them"),
            );
            sound = false;
        }
    }
    if valid.is_none() && sound {
        cx.out.push(
            Diagnostic::error(code::MISSING_FIELD, "`eval.loss` leaves out `valid`")
                .at(node.span, "the loss on the validation documents is always measured")
                .help("for example `loss: [valid, train]`"),
        );
        sound = false;
    }
    sound.then(|| train.map(|_| TextSet::Train).into_iter().collect())
}

/// Evaluations fall on the first step at or past each multiple, and on the last step.
fn eval_steps(q: Quantity, budget: &Budget, cx: &mut Cx<'_>) -> Option<Vec<u64>> {
    let steps = budget.steps;
    let every_steps: f64 = match q.unit {
        Some(Unit::Epochs) => {
            let Some(unique) = budget.unique_tokens else {
                cx.out.push(
                    Diagnostic::error(code::BUDGET_OPEN, "`eval.every` in epochs needs to know an epoch's length")
                        .at(q.span, "`unique: all` is known only when the data was read")
                        .help("give it in steps or as a percentage, or give `data.unique` in tokens"),
                );
                return None;
            };
            q.number.to_f64() * unique as f64 / budget.tokens_per_step as f64
        }
        Some(Unit::Percent) => in_range("eval.every", q.clone(), 1e-6..=1.0, cx)? * steps as f64,
        _ => whole("eval.every", q.clone(), 1, cx)? as f64,
    };
    if every_steps.is_nan() || every_steps <= 0.0 {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, "`eval.every` has to be above 0")
                .at(q.span, "here")
                .help("for example `1 epoch`"),
        );
        return None;
    }
    let times = steps as f64 / every_steps.max(1.0);
    if times > MAX_EVALUATIONS {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, format!("{times:.3e} evaluations in {} steps", grouped(steps)))
                .at(q.span, format!("at most {} are possible", grouped(MAX_EVALUATIONS as u64)))
                .help("evaluate less often, for example `every: 1%`"),
        );
        return None;
    }
    // More than one multiple may fall on a step.
    let every_steps = every_steps.max(1.0);
    // A multiple that misses a step by rounding alone is that step.
    let rounding = 1e-9;
    let mut at: Vec<u64> = (1..=steps)
        .map_while(|k| {
            let step = (k as f64 * every_steps - rounding).ceil().max(1.0) as u64;
            (step <= steps).then_some(step)
        })
        .collect();
    at.push(steps);
    at.dedup();
    Some(at)
}
