//! The `eval` of an arm: when it is evaluated, and on what.

use super::reader::{Cx, Quantity, Reader, Takes, alternatives, in_range, whole};
use super::spec::{Budget, Corpus, Data, Eval, TextSet};
use super::{source, tokenizer};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span, Unit};
use crate::resolve::{Node, Value};

/// Texts that are there without a name in `corpora`.
const OWN: [&str; 2] = ["valid", "train"];
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
    let corpora = read_corpora(reader, cx);
    let names: Vec<String> = match reader.get("corpora").map(|node| node.value) {
        Some(Value::Record(record)) => record.fields.keys().cloned().collect(),
        _ => vec![],
    };
    let sets = reader.need("loss", "valid", cx).and_then(|node| {
        let sets = read_sets(&node, corpora.as_deref(), &names, cx)?;
        let names: Vec<&str> = std::iter::once("valid").chain(sets.iter().map(TextSet::name)).collect();
        let text = if sets.is_empty() { "valid".into() } else { format!("[{}]", names.join(", ")) };
        cx.note("eval.loss", text, Some(&node));
        Some(sets)
    });
    let tasks = super::tasks::read(reader, masked, cx);
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
        tasks: tasks?,
        draws: draws?,
        batch_seqs: batch_seqs?,
        sample_tokens: sample_tokens?,
    })
}

/// The named corpora, each with the place of its name.
fn read_corpora(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Vec<(Span, Option<Corpus>)>> {
    let Some(node) = reader.get("corpora") else { return Some(vec![]) };
    let Value::Record(record) = &node.value else {
        cx.wrong_type(&node, "eval.corpora", "a record `{ NAME: { source: ..., tokens: ... } }`");
        return None;
    };
    for bare in &record.bare {
        let diagnostic = Diagnostic::error(code::SYNTAX, "a corpus has a name").at(bare.span, "write `name: value`");
        cx.out.push(diagnostic.help("for example `c4: { source: files(\"c4/*.txt\"), tokens: 1M tokens }`"));
    }
    let mut all = vec![];
    for (name, (span, node)) in &record.fields {
        if OWN.contains(&name.as_str()) {
            let message = format!("`{name}` is a text already, and no name for a corpus");
            cx.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, message)
                    .at(*span, "this name is taken")
                    .help("give the corpus another name"),
            );
        }
        all.push((*span, read_corpus(name, node, cx)));
    }
    Some(all)
}

fn read_corpus(name: &str, node: &Node, cx: &mut Cx<'_>) -> Option<Corpus> {
    let path = format!("eval.corpora.{name}");
    let Value::Record(record) = &node.value else {
        cx.wrong_type(node, &path, "a record `{ source: ..., tokens: ... }`");
        return None;
    };
    let mut reader = Reader::record(&path, &format!("`{path}`"), node.span, record, cx);
    let source = reader.need("source", "files(\"c4/*.txt\")", cx);
    let source = source.and_then(|node| {
        let source = source::read(&node, &format!("{path}.source"), cx)?;
        if source.is_random() {
            cx.out.push(
                Diagnostic::error(code::NO_EFFECT, "random ids are all alike: nothing is learned about them")
                    .at(source.span, "no text to measure a loss on")
                    .help("take the corpus out"),
            );
            return None;
        }
        Some(source)
    });
    let tokens = reader.whole("tokens", Takes::TOKENS, 1, None, "1M tokens", cx);
    let cap = match reader.get("max_per_document") {
        None => {
            cx.note(&format!("{path}.max_per_document"), "none", None);
            Some(None)
        }
        Some(_) => reader.whole("max_per_document", Takes::TOKENS, 1, None, "512 tokens", cx).map(Some),
    };
    reader.finish(cx);
    Some(Corpus { name: name.into(), source: source?, tokens: tokens?, max_per_document: cap? })
}

/// What `loss` lists besides `valid`, which is always measured. The order in which they are written means nothing.
/// Without `corpora`, which are wrong, other names are taken for theirs.
fn read_sets(
    node: &Node,
    corpora: Option<&[(Span, Option<Corpus>)]>,
    names: &[String],
    cx: &mut Cx<'_>,
) -> Option<Vec<TextSet>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut seen: Vec<(&str, Span)> = vec![];
    let mut sound = true;
    for item in items {
        let Value::Word(word) = &item.value else {
            cx.wrong_type(item, "eval.loss", "`valid`, or a list as `[valid, train]`");
            sound = false;
            continue;
        };
        let known: Vec<&str> = OWN.into_iter().chain(names.iter().map(String::as_str)).collect();
        if !known.contains(&word.as_str()) {
            sound = false;
            let diagnostic =
                Diagnostic::error(code::UNKNOWN_NAME, format!("there is no text `{word}` to measure a loss on"))
                    .at(item.span, "not one of those that can be measured");
            cx.out.push(match suggest(word, known.iter().copied()) {
                Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                None => diagnostic
                    .help(format!("it is measured on {}; name others in `eval.corpora`", alternatives(&known))),
            });
        } else if let Some((_, first)) = seen.iter().find(|(name, _)| name == word) {
            sound = false;
            let message = format!("`{word}` stands twice in `eval.loss`");
            cx.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, message)
                    .at(item.span, "again here")
                    .also(*first, "first here")
                    .help("keep one of them"),
            );
        } else {
            seen.push((word, item.span));
        }
    }
    if sound && !seen.iter().any(|(name, _)| *name == "valid") {
        cx.out.push(
            Diagnostic::error(code::MISSING_FIELD, "`eval.loss` leaves out `valid`")
                .at(node.span, "the loss on the validation documents is always measured")
                .help("for example `loss: [valid, train]`"),
        );
        sound = false;
    }
    let is_listed = |name: &str| seen.iter().any(|(listed, _)| *listed == name);
    let mut sets: Vec<TextSet> = is_listed("train").then_some(TextSet::Train).into_iter().collect();
    for ((span, corpus), name) in corpora?.iter().zip(names) {
        if sound && !is_listed(name) && !OWN.contains(&name.as_str()) {
            cx.out.push(
                Diagnostic::error(code::NO_EFFECT, format!("nothing is measured on the corpus `{name}`"))
                    .at(*span, "not in `eval.loss`")
                    .also(node.span, "this says what a loss is measured on")
                    .help(format!("add it: `loss: [valid, {name}]`")),
            );
        }
        match corpus {
            Some(corpus) if is_listed(name) => sets.push(TextSet::Corpus(corpus.clone())),
            Some(_) => {}
            None => sound = false,
        }
    }
    sound.then_some(sets)
}

/// Whether the data's tokenizer reads the named corpora and the tasks.
pub fn check_fit(eval: &Eval, data: &Data, cx: &mut Cx<'_>) {
    for set in &eval.sets {
        let TextSet::Corpus(corpus) = set else { continue };
        tokenizer::check_fit(&corpus.source, &data.tokenizer, corpus.source.span, cx);
    }
    if let Some(task) = eval.tasks.first().filter(|_| !data.tokenizer.reads_text() || data.source.is_random()) {
        let message = format!("`{}` is text, and the data has ids of which the text is not known", task.name);
        cx.out.push(
            Diagnostic::error(code::UNFIT_TOKENIZER, message)
                .at(task.file.span, "items are texts")
                .also(data.source.span, "these are ids")
                .help("name the tokenizer that the ids are of: `tokenizer(\"tokenizer.json\", vocab: N)`"),
        );
    }
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
