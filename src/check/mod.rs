//! Units, types, ranges and cross-field rules: a resolved spec becomes a [`CheckedSpec`].
//! One file per family of rules; `check` is the ordered list of calls.

pub mod allow;
pub mod assumed;
pub mod budget;
pub mod checkpoint;
pub mod claims;
pub mod data;
pub mod eval;
mod factors;
pub mod formula;
pub mod lr;
mod memo;
mod merge;
pub mod model;
pub mod objective;
pub mod quantity;
pub mod reader;
mod same;
pub mod schedule;
pub mod source;
pub mod spec;
mod tasks;
pub mod tokenizer;
pub mod train;

pub use formula::Formula;
pub use merge::Merged;
pub use spec::CheckedSpec;

use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Diagnostics, SourceMap, Span};
use crate::resolve::{ResolvedArm, ResolvedSpec, Value};
use reader::{Cx, Reader, Takes};
use spec::{Arm, Vocab};

/// Token tables are padded to a multiple of this unless `data.vocab` says otherwise.
const VOCAB_MULTIPLE: u64 = 64;
/// With fewer validation documents a claim stays undecided.
const FEW_DOCUMENTS: u64 = 30;
/// The largest vocabulary: ids travel as u32 and a table has to fit memory.
const MAX_VOCAB: u64 = 1 << 24;

/// Nodes of the values of all variants, and evaluations of all their runs: what a sweep may hold in memory.
const MAX_NODES: usize = 10_000_000;
const MAX_EVALUATIONS: usize = 10_000_000;
/// Variants whose sound parts are looked at further where others are wrong.
const MAX_SKETCHES: usize = 64;

/// Checks every arm at every point. `None` where anything is wrong; `out` then says what.
pub fn check(spec: &ResolvedSpec, map: &SourceMap, out: &mut Diagnostics) -> (Option<CheckedSpec>, Vec<Sketch>) {
    let mut sketches = vec![];
    let checked = check_variants(spec, map, &mut sketches, out);
    (checked, sketches)
}

/// The sound parts of an arm. Where the rest of a spec is wrong, its model is still built and its
/// corpus still looked for, so that their mistakes show at the same time.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub model: Option<spec::ModelCall>,
    pub data: Option<spec::Data>,
}

fn check_variants(
    spec: &ResolvedSpec,
    map: &SourceMap,
    sketches: &mut Vec<Sketch>,
    out: &mut Diagnostics,
) -> Option<CheckedSpec> {
    let before = out.n_errors();
    let factors = factors::factors(spec, map, out);
    let arm_names: Vec<String> = spec.arms.iter().map(|a| a.name.clone()).collect();
    let n_nodes: usize = spec.arms.iter().flat_map(|arm| arm.fields.fields.values()).map(|(_, n)| n.size()).sum();
    if spec.points.len() > 1 && n_nodes.saturating_mul(spec.points.len()) > MAX_NODES {
        let n = grouped(n_nodes as u64);
        out.push(
            Diagnostic::error(code::TOO_MANY_POINTS, format!("{} points of {n} values", spec.points.len()))
                .at(spec.span, "too large for a sweep")
                .help("make several experiments of it"),
        );
        return None;
    }
    // The mask id has to be there in all arms as soon as one needs it. That is known only when all
    // objectives are read, so vocabularies come second.
    let mut merged = Merged::default();
    let mut memo = memo::Objectives::default();
    let mut drafts: Vec<(usize, Draft)> = vec![];
    for (i, point) in spec.points.iter().enumerate() {
        let mut found = Diagnostics::default();
        for arm in &spec.arms {
            let swept = (!point.is_only()).then(|| spec.variant(arm, point));
            let mut cx = Cx::new(spec, map, &mut found);
            let arm = swept.as_ref().unwrap_or(arm);
            drafts.extend(read_arm(arm, point, spec, &mut memo, sketches, &mut cx).map(|draft| (i, draft)));
        }
        merged.add(i, found);
        if merged.is_spent() {
            break;
        }
    }
    let masked = drafts.iter().map(|(_, draft)| &draft.arm).find(|arm| arm.objective.needs_mask());
    let masked = masked.map(|arm| format!("the {} of the arm `{}`", arm.objective.name(), arm.name));
    let mut variants: Vec<Arm> = vec![];
    let mut points: Vec<usize> = vec![];
    for (i, draft) in drafts {
        let mut found = Diagnostics::default();
        if let Some(arm) = finish_arm(draft, masked.as_deref(), &mut Cx::new(spec, map, &mut found)) {
            variants.push(arm);
            points.push(i);
        }
        merged.add(i, found);
    }
    let mut cx = Cx::new(spec, map, out);
    let subject = claims::Subject { spec, arms: &arm_names, variants: &variants };
    let claims = claims::read(&subject, &mut cx);
    if !claims.is_empty() {
        let halved = claims.iter().any(spec::Claim::chooses);
        for (arm, point) in variants.iter().zip(points) {
            let mut found = Diagnostics::default();
            few_documents(arm, halved, &mut found);
            merged.add(point, found);
        }
    }
    let cite = spec.cite.as_ref().and_then(|node| match &node.value {
        Value::Str(text) => Some(text.clone()),
        _ => {
            cx.wrong_type(node, "cite", "a text in quotes");
            None
        }
    });
    let sound = !merged.has_errors() && variants.len() == spec.points.len() * spec.arms.len();
    merged.finish(&spec.points, out);
    if sound {
        same::report(spec, &variants, out);
        too_many_evaluations(spec, &variants, out);
    }
    if out.n_errors() > before || variants.is_empty() || !sound {
        return None;
    }
    Some(CheckedSpec {
        name: spec.name.clone(),
        cite,
        doc: spec.doc.clone(),
        axes: spec.axes.clone(),
        points: spec.points.clone(),
        collapsed: spec.collapsed.clone(),
        arm_names,
        variants,
        claims,
        factors,
    })
}

fn too_many_evaluations(spec: &ResolvedSpec, variants: &[Arm], out: &mut Diagnostics) {
    let n: usize = variants.iter().map(|arm| arm.eval.at_steps.len()).sum();
    if n > MAX_EVALUATIONS {
        let message = format!("{} runs are evaluated {} times in all", variants.len(), grouped(n as u64));
        out.push(
            Diagnostic::error(code::TOO_MANY_POINTS, message)
                .at(spec.span, format!("at most {} are possible", grouped(MAX_EVALUATIONS as u64)))
                .help("evaluate less often, for example `every: 1%`"),
        );
    }
}

/// A claim needs an interval, and resampling needs documents. How many there are only the corpus
/// says, but a validation chunk never spans documents, so there cannot be more than chunks.
fn few_documents(arm: &Arm, halved: bool, out: &mut Diagnostics) {
    let spec::Amount::Tokens(tokens) = arm.data.valid else { return };
    let chunks = tokens / arm.data.seq;
    let needed = if halved { 2 * FEW_DOCUMENTS } else { FEW_DOCUMENTS };
    if arm.data.split == spec::Split::Documents && chunks < needed {
        let halves = if halved { "; `best` and `best_over` choose on one half and judge on the other" } else { "" };
        out.push(
            Diagnostic::warning(code::FEW_DOCUMENTS, format!("at most {chunks} validation documents"))
                .at(
                    arm.data.validated().span,
                    format!("{tokens} tokens in sequences of {} are validated on", arm.data.seq),
                )
                .note(format!(
                    "with fewer than {needed}, resampling gives no interval and a claim stays undecided{halves}"
                ))
                .help("raise `data.valid`"),
        );
    }
}

/// An arm whose vocabulary still waits for the other arms.
struct Draft {
    arm: Arm,
    vocab: Option<(u64, Span)>,
}

fn read_arm(
    arm: &ResolvedArm,
    point: &spec::Point,
    spec: &ResolvedSpec,
    memo: &mut memo::Objectives,
    sketches: &mut Vec<Sketch>,
    cx: &mut Cx<'_>,
) -> Option<Draft> {
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
            Value::Faulty => None,
            _ => {
                cx.wrong_type(&node, name, "a record `{ ... }`, or the name of a definition");
                None
            }
        }
    };
    let model = field("model", "decoder(layers: 4, dim: 128, heads: 4, ffn: 344)", cx).and_then(|node| {
        let Some(id) = arm.definition("model") else {
            cx.wrong_type(&node, "model", "a model, called with its arguments");
            return None;
        };
        model::read(&node, id, &spec.library, cx)
    });
    let mut data_reader = record("data", "python", cx);
    let data_name = arm.definition("data").and_then(|id| spec.library.def(id)).map_or("data", |d| d.name.text.as_str());
    let data = data_reader.as_mut().map(|reader| data::read(data_name, reader, cx));
    let seq_span = data_reader.as_mut().and_then(|reader| reader.get("seq")).map(|node| node.span);
    let sequences =
        data.as_ref().and_then(|(data, _)| Some(objective::Sequences { tokens: data.as_ref()?.seq, span: seq_span? }));
    let objective_node = field("objective", "ar", cx);
    let objective = objective_node.as_ref().and_then(|node| memo.read(node, sequences, cx));
    let vocab = data_reader.as_mut().and_then(|reader| {
        let node = reader.get("vocab")?;
        let q = reader.quantity("vocab", &node, Takes::PLAIN, cx)?;
        let n = reader::whole("data.vocab", q, 1, cx)?;
        cx.note("data.vocab", n, Some(&node));
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
    let replicate = spec.replicate(point);
    let train =
        train_reader.as_mut().and_then(|reader| train::read(reader, batch.unwrap_or((1, 1)), &used, replicate, cx));
    if let Some(reader) = train_reader {
        reader.finish(cx);
    }
    let drawn = objective.as_ref().is_some_and(|(objective, _)| !objective.is_exact());
    let mut eval_reader = record("eval", "{ every: 1 epoch, loss: valid }", cx);
    let micro = batch.map_or(1, |(_, micro)| micro);
    let eval = eval_reader.as_mut().and_then(|reader| eval::read(reader, micro, drawn, &used, cx));
    if let (Some(Some(data)), Some(eval)) = (data.as_ref().map(|(data, _)| data), &eval) {
        eval::check_fit(eval, data, cx);
    }
    let sample_span = eval_reader.as_mut().and_then(|reader| reader.get("sample")).map(|node| node.span);
    if let Some(reader) = eval_reader {
        reader.finish(cx);
    }
    if let (Some(node), Some((_, sampler)), Some(eval), Some(span), Some(sequences)) =
        (&objective_node, &objective, &eval, sample_span, sequences)
    {
        // A text is no longer than a sequence, whose first token is context.
        let (tokens, room) = (eval.sample_tokens, sequences.tokens - 1);
        if tokens > room {
            let message =
                format!("a text of {} tokens does not fit sequences of {}", grouped(tokens), sequences.tokens);
            cx.out.push(
                Diagnostic::error(code::OUT_OF_RANGE, message)
                    .at(span, format!("at most {}", grouped(room)))
                    .note("a model draws text of its own length, after a first token that is context"),
            );
        } else if tokens > 0 {
            objective::sampler::check_lengths(node, sampler, objective::sampler::Sampled { tokens, span }, cx);
        }
    }
    let mut flat = std::mem::take(&mut cx.flat);
    assumed::attach(&arm.fields, &mut flat);
    let data = data.and_then(|(data, _)| data);
    if sketches.len() < MAX_SKETCHES {
        sketches.push(Sketch { model: model.clone(), data: data.clone() });
    }
    let mut data = data?;
    if let Some(budget) = &budget {
        // What was asked for may have been overruled, or follow from the other two amounts.
        let in_force = data.unique_tokens.map(|n| n / data.seq * data.seq);
        if in_force != budget.unique_tokens {
            data.unique_tokens = budget.unique_tokens;
        }
    }
    // Filled in by `finish_arm`.
    let waiting = Vocab { n_ids: data.tokenizer.n_ids(), eod: data.tokenizer.eod(), mask: None, size: 0 };
    let (objective, sampler) = objective?;
    let arm = Arm {
        name: arm.name.clone(),
        point: point.clone(),
        model: model?,
        objective,
        sampler,
        data,
        train: train?,
        eval: eval?,
        budget: budget?,
        vocab: waiting,
        flat,
    };
    Some(Draft { arm, vocab })
}

/// Ids: the tokenizer's, then end of document unless it is one of them, then mask where any arm needs it, then padding.
/// `masked` says which arm does.
fn finish_arm(draft: Draft, masked: Option<&str>, cx: &mut Cx<'_>) -> Option<Arm> {
    let Draft { mut arm, vocab } = draft;
    cx.flat = std::mem::take(&mut arm.flat);
    let Vocab { n_ids, eod, .. } = arm.vocab;
    let n_predictable = arm.vocab.n_predictable();
    let used = n_predictable + u64::from(masked.is_some());
    let size = match vocab {
        None => used.next_multiple_of(VOCAB_MULTIPLE),
        Some((declared, span)) if declared < used || declared > MAX_VOCAB => {
            let what = if declared < used { format!("has no room for {used} ids") } else { "is too large".into() };
            cx.out.push(
                Diagnostic::error(code::OUT_OF_RANGE, format!("a vocabulary of {} {what}", grouped(declared)))
                    .at(span, format!("between {used} and {} are possible", grouped(MAX_VOCAB)))
                    .note(format!(
                        "{n_ids} from the tokenizer{}{}",
                        if eod < n_ids { "" } else { ", end of document" },
                        masked.map_or(String::new(), |masked| format!(", mask (which {masked} needs)"))
                    )),
            );
            return None;
        }
        Some((declared, _)) => declared,
    };
    arm.vocab = Vocab { n_ids, eod, mask: masked.map(|_| n_predictable), size };
    tasks::check_fit(&arm, cx);
    cx.note_derived("vocab.size", size);
    let eod = match &arm.data.tokenizer {
        spec::Tokenizer::File { eod: Some(spec::Eod::Named(token)), .. } => format!("the id of {token:?}"),
        _ => eod.to_string(),
    };
    cx.note_derived("vocab.end_of_document", eod);
    cx.note_derived("vocab.mask", arm.vocab.mask.map_or("none".into(), |m| m.to_string()));
    let mut flat = std::mem::take(&mut cx.flat);
    flat.sort_by(|a, b| a.path.cmp(&b.path));
    arm.flat = flat;
    Some(arm)
}
