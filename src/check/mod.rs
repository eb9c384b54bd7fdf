//! Units, types, ranges and cross-field rules: a resolved spec becomes a [`CheckedSpec`].
//! One file per family of rules; `check` is the ordered list of calls.

pub mod budget;
pub mod claims;
pub mod data;
pub mod formula;
pub mod lr;
pub mod model;
pub mod objective;
pub mod reader;
pub mod spec;
pub mod train;

pub use formula::Formula;
pub use spec::CheckedSpec;

use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Diagnostics, SourceMap, Span};
use crate::resolve::{ResolvedArm, ResolvedSpec, Value};
use reader::{Cx, Reader, Takes};
use spec::{Arm, Vocab};
use std::collections::BTreeMap;

/// Token tables are padded to a multiple of this unless `data.vocab` says otherwise.
const VOCAB_MULTIPLE: u64 = 64;
/// With fewer validation documents a claim stays undecided.
const FEW_DOCUMENTS: u64 = 30;
/// The largest vocabulary: ids travel as u32 and a table has to fit memory.
const MAX_VOCAB: u64 = 1 << 24;

/// Checks every arm. `None` where anything is wrong; `out` then says what.
pub fn check(spec: &ResolvedSpec, map: &SourceMap, out: &mut Diagnostics) -> (Option<CheckedSpec>, Vec<Sketch>) {
    let mut sketches = vec![];
    let checked = check_arms(spec, map, &mut sketches, out);
    (checked, sketches)
}

/// The sound parts of an arm. Where the rest of a spec is wrong, its model is still built and its
/// corpus still looked for, so that their mistakes show at the same time.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub model: Option<spec::ModelCall>,
    pub data: Option<spec::Data>,
}

fn check_arms(
    spec: &ResolvedSpec,
    map: &SourceMap,
    sketches: &mut Vec<Sketch>,
    out: &mut Diagnostics,
) -> Option<CheckedSpec> {
    let before = out.n_errors();
    let factors = factors(spec, map, out);
    // The mask id has to be there in all arms as soon as one needs it. That is known only when all
    // objectives are read, so vocabularies come second.
    let read: Vec<Option<Draft>> = spec.arms.iter().map(|arm| read_arm(arm, spec, map, sketches, out)).collect();
    let needs_mask = read.iter().flatten().any(|draft| draft.arm.objective.needs_mask());
    let mut arms = vec![];
    for draft in read.into_iter().flatten() {
        if let Some(arm) = finish_arm(draft, needs_mask, map, out) {
            arms.push(arm);
        }
    }
    let names: Vec<String> = spec.arms.iter().map(|a| a.name.clone()).collect();
    let mut cx = Cx { map, out, flat: vec![] };
    let points = vec![spec::Point::default()];
    let subject = claims::Subject { arms: &names, axes: &[], points: &points, variants: &arms };
    let claims = claims::read(&spec.claims, &subject, &mut cx);
    if !claims.is_empty() {
        let halved = claims.iter().any(spec::Claim::chooses);
        arms.iter().for_each(|arm| few_documents(arm, halved, &mut cx));
    }
    let cite = spec.cite.as_ref().and_then(|node| match &node.value {
        Value::Str(text) => Some(text.clone()),
        _ => {
            cx.wrong_type(node, "cite", "a text in quotes");
            None
        }
    });
    if out.n_errors() > before || arms.is_empty() {
        return None;
    }
    Some(CheckedSpec {
        name: spec.name.clone(),
        cite,
        doc: spec.doc.clone(),
        axes: vec![],
        points,
        arm_names: names,
        variants: arms,
        claims,
        factors,
    })
}

/// A claim needs an interval, and resampling needs documents. How many there are only the corpus
/// says, but a validation chunk never spans documents, so there cannot be more than chunks.
fn few_documents(arm: &Arm, halved: bool, cx: &mut Cx<'_>) {
    let spec::Amount::Tokens(tokens) = arm.data.valid else { return };
    let chunks = tokens / arm.data.seq;
    let needed = if halved { 2 * FEW_DOCUMENTS } else { FEW_DOCUMENTS };
    if arm.data.split == spec::Split::Documents && chunks < needed {
        let halves = if halved { "; `best` and `best_over` choose on one half and judge on the other" } else { "" };
        cx.out.push(
            Diagnostic::warning(code::FEW_DOCUMENTS, format!("at most {chunks} validation documents"))
                .at(arm.data.source_span, format!("{tokens} tokens in sequences of {} are validated on", arm.data.seq))
                .note(format!(
                    "with fewer than {needed}, resampling gives no interval and a claim stays undecided{halves}"
                ))
                .help("raise `data.valid`"),
        );
    }
}

/// Arms differ in one path, or in those that `factors` lists.
fn factors(spec: &ResolvedSpec, map: &SourceMap, out: &mut Diagnostics) -> Vec<String> {
    let declared: Option<Vec<(String, Span)>> = spec.factors.as_ref().map(|node| match &node.value {
        Value::List(items) => items.iter().map(|item| (map.text(item.span).trim().to_string(), item.span)).collect(),
        other => {
            out.push(
                Diagnostic::error(code::WRONG_TYPE, format!("`factors` is a list of paths, not {}", other.kind()))
                    .at(node.span, "here")
                    .help("write `factors: [objective, train]`"),
            );
            vec![]
        }
    });
    let covers = |factor: &str, path: &str| path == factor || path.starts_with(&format!("{factor}."));
    let mut set: BTreeMap<String, Vec<(&ResolvedArm, Span)>> = BTreeMap::new();
    for arm in &spec.arms {
        for (path, span) in &arm.sets {
            set.entry(path.clone()).or_default().push((arm, *span));
        }
    }
    if let Some(declared) = declared {
        for (path, places) in &set {
            if let (false, Some((arm, span))) = (declared.iter().any(|(f, _)| covers(f, path)), places.first()) {
                out.push(
                    Diagnostic::error(
                        code::UNDECLARED_DIFFERENCE,
                        format!("the arms differ in `{path}`, which is no declared factor"),
                    )
                    .at(*span, format!("set in the arm `{}`", arm.name))
                    .help("add it to `factors`, or move it out of the arm"),
                );
            }
        }
        for (factor, span) in &declared {
            if !set.keys().any(|path| covers(factor, path)) {
                out.push(
                    Diagnostic::error(code::NO_EFFECT, format!("no arm sets the factor `{factor}`"))
                        .at(*span, "declared here")
                        .help("take it out of `factors`"),
                );
            }
        }
        return declared.into_iter().map(|(f, _)| f).collect();
    }
    let paths: Vec<&String> = set.keys().collect();
    if paths.len() > 1 {
        // The objective is the natural factor; whatever comes beside it is the surprise.
        let main = paths.iter().position(|p| *p == "objective").unwrap_or(0);
        let first = paths.get(main).and_then(|p| set.get(*p)).and_then(|places| places.first());
        for (i, path) in paths.iter().enumerate() {
            if i == main {
                continue;
            }
            if let (Some((arm, span)), Some((_, first_span))) = (set.get(*path).and_then(|p| p.first()), first) {
                let all = paths.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
                out.push(
                    Diagnostic::error(code::UNDECLARED_DIFFERENCE, format!("the arms differ in `{path}` too"))
                        .at(*span, format!("set in the arm `{}`", arm.name))
                        .also(*first_span, "besides this")
                        .note("arms that differ in one thing are matched; a second difference has to be declared")
                        .help(format!("write `factors: [{all}]`, or move it out of the arm")),
                );
            }
        }
    }
    paths.into_iter().cloned().collect()
}

/// An arm whose vocabulary still waits for the other arms.
struct Draft {
    arm: Arm,
    vocab: Option<(u64, Span)>,
}

fn read_arm(
    arm: &ResolvedArm,
    spec: &ResolvedSpec,
    map: &SourceMap,
    sketches: &mut Vec<Sketch>,
    out: &mut Diagnostics,
) -> Option<Draft> {
    let mut cx = Cx { map, out, flat: vec![] };
    let cx = &mut cx;
    let field = |name: &str, example: &str, cx: &mut Cx<'_>| {
        let found = arm.fields.fields.get(name).map(|(_, node)| node.clone());
        if found.is_none() {
            cx.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("experiment `{}` has no `{name}`", spec.name))
                    .at(spec.span, format!("of this experiment, or of its arm `{}`", arm.name))
                    .help(format!("for example `{name}: {example}`")),
            );
        }
        found
    };
    let record = |name: &'static str, example: &str, cx: &mut Cx<'_>| {
        let node = field(name, example, cx)?;
        match &node.value {
            Value::Record(record) => Some(Reader::record(name, &format!("`{name}`"), node.span, record, cx)),
            _ => {
                cx.wrong_type(&node, name, "a record `{ ... }`, or the name of a definition");
                None
            }
        }
    };
    let model = field("model", "decoder(layers: 4, dim: 128, heads: 4, ffn: 344)", cx).and_then(|node| {
        let Some(id) = arm.names.get("model") else {
            cx.wrong_type(&node, "model", "a model, called with its arguments");
            return None;
        };
        model::read(&node, *id, &spec.library, cx)
    });
    let mut data_reader = record("data", "python", cx);
    let data_name = arm.names.get("data").and_then(|id| spec.library.def(*id)).map_or("data", |d| d.name.text.as_str());
    let data = data_reader.as_mut().map(|reader| data::read(data_name, reader, cx));
    let n_targets = data.as_ref().and_then(|(data, _)| Some(data.as_ref()?.seq - 1));
    let objective = field("objective", "ar", cx).and_then(|node| objective::read(&node, &spec.library, n_targets, cx));
    let vocab = data_reader.as_mut().and_then(|reader| {
        let node = reader.get("vocab")?;
        let q = reader.quantity("vocab", &node, Takes::PLAIN, cx)?;
        let n = reader::whole("data.vocab", q, 1, cx)?;
        cx.note("data.vocab", n, Some(&node.origin));
        Some((n, node.span))
    });
    if let Some(reader) = data_reader {
        reader.finish(cx);
    }
    let mut train_reader = record("train", "{ batch: 32 seqs, ... }", cx);
    let batch = train_reader.as_mut().and_then(|reader| train::read_batch(reader, cx));
    let batch_span = train_reader.as_mut().and_then(|r| r.get("batch")).map_or(spec.span, |node| node.span);
    let budget = match (&data, batch) {
        (Some((Some(data), amounts)), Some((batch, _))) => budget::solve(data, *amounts, (batch, batch_span), cx),
        _ => None,
    };
    // Without a budget the rest is still read, so that all its mistakes show at once.
    let stand_in = spec::Budget {
        unique_tokens: Some(1),
        epochs: Some(1.0),
        total_tokens: 1,
        tokens_per_step: 1,
        steps: 1_000,
        left_over_tokens: 0,
    };
    let used = budget.unwrap_or(stand_in);
    let train = train_reader.as_mut().and_then(|reader| train::read(reader, batch.unwrap_or((1, 1)), &used, cx));
    if let Some(reader) = train_reader {
        reader.finish(cx);
    }
    let masked = objective.as_ref().is_some_and(spec::Objective::needs_mask);
    let mut eval_reader = record("eval", "{ every: 1 epoch, loss: valid }", cx);
    let micro = batch.map_or(1, |(_, micro)| micro);
    let eval = eval_reader.as_mut().and_then(|reader| train::read_eval(reader, micro, masked, &used, cx));
    if let Some(reader) = eval_reader {
        reader.finish(cx);
    }
    let flat = std::mem::take(&mut cx.flat);
    let data = data.and_then(|(data, _)| data);
    sketches.push(Sketch { model: model.clone(), data: data.clone() });
    let data = data?;
    // Filled in by `finish_arm`.
    let waiting = Vocab { n_ids: data.tokenizer.n_ids(), eod: data.tokenizer.n_ids(), mask: None, size: 0 };
    let arm = Arm {
        name: arm.name.clone(),
        point: spec::Point::default(),
        model: model?,
        objective: objective?,
        data,
        train: train?,
        eval: eval?,
        budget: budget?,
        vocab: waiting,
        flat,
    };
    Some(Draft { arm, vocab })
}

/// Ids: the tokenizer's, then end of document, then mask where any arm needs it, then padding.
fn finish_arm(draft: Draft, needs_mask: bool, map: &SourceMap, out: &mut Diagnostics) -> Option<Arm> {
    let Draft { mut arm, vocab } = draft;
    let mut cx = Cx { map, out, flat: std::mem::take(&mut arm.flat) };
    let n_ids = arm.vocab.n_ids;
    let used = n_ids + 1 + u64::from(needs_mask);
    let size = match vocab {
        None => used.next_multiple_of(VOCAB_MULTIPLE),
        Some((declared, span)) if declared < used || declared > MAX_VOCAB => {
            let what = if declared < used { format!("has no room for {used} ids") } else { "is too large".into() };
            cx.out.push(
                Diagnostic::error(code::OUT_OF_RANGE, format!("a vocabulary of {} {what}", grouped(declared)))
                    .at(span, format!("between {used} and {} are possible", grouped(MAX_VOCAB)))
                    .note(format!(
                        "{n_ids} from the tokenizer, end of document{}",
                        if needs_mask { ", mask" } else { "" }
                    )),
            );
            return None;
        }
        Some((declared, _)) => declared,
    };
    arm.vocab = Vocab { n_ids, eod: n_ids, mask: needs_mask.then_some(n_ids + 1), size };
    cx.note("vocab.size", size, None);
    cx.note("vocab.end_of_document", n_ids, None);
    cx.note("vocab.mask", arm.vocab.mask.map_or("none".into(), |m| m.to_string()), None);
    let mut flat = std::mem::take(&mut cx.flat);
    flat.sort_by(|a, b| a.path.cmp(&b.path));
    arm.flat = flat;
    Some(arm)
}
