//! `sampler: METHOD(...)` of an objective: which methods fit it, and whether steps and blocks divide the text.

use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, SourceMap, Span};
use crate::check::reader::{Cx, Reader, Takes, alternatives};
use crate::check::spec::{Filter, Method, Objective, Sampler, Score};
use crate::resolve::{Node, Record, Value, resolve_alone};

/// Every method, with the arguments that may stand without their names.
const METHODS: &[(&str, &[&str])] = &[
    ("left_to_right", &[]),
    ("ancestral", &["steps", "block"]),
    ("first_hitting", &["block"]),
    ("confidence", &["steps", "block"]),
    ("margin", &["steps", "block"]),
    ("entropy", &["steps", "block"]),
    ("random", &["steps", "block"]),
    ("posterior", &["steps"]),
];

/// The methods that fit an objective, the default first.
fn fitting(objective: &str) -> &'static [&'static str] {
    match objective {
        "next_token" => &["left_to_right"],
        "uniform_diffusion" | "hybrid_diffusion" => &["posterior"],
        _ => &["first_hitting", "ancestral", "confidence", "margin", "entropy", "random"],
    }
}

/// Why the others do not.
fn reason(objective: &str) -> &'static str {
    match objective {
        "next_token" => "the model sees only what comes before a position",
        "uniform_diffusion" | "hybrid_diffusion" => "any token may be noise and change again",
        _ => "masks are decided, in any order, and stay",
    }
}

/// The temperature beyond which every distribution is uniform to rounding.
const MAX_TEMPERATURE: f64 = 1e6;

pub fn read(objective: &str, reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Sampler> {
    let path = "objective.sampler";
    let (name, mut inner) = match reader.get("sampler") {
        Some(node) => {
            let (name, inner) = call(&node, objective, cx)?;
            cx.note(path, name, Some(&node));
            (name, inner)
        }
        None => {
            let name = fitting(objective).first()?;
            cx.note(path, name, None);
            (*name, Reader::record(path, name, reader.span, &Record::default(), cx))
        }
    };
    let has = |argument: &str| METHODS.iter().any(|(m, args)| *m == name && args.contains(&argument));
    let steps = if has("steps") { optional(&mut inner, "steps", "as many as tokens", cx) } else { Some(None) };
    let block = if objective == "block_diffusion" {
        own_block(&mut inner, reader.span, cx)
    } else if has("block") {
        optional(&mut inner, "block", "none", cx)
    } else {
        Some(None)
    };
    let filter = read_filter(&mut inner, cx);
    inner.finish(cx);
    let (steps, block, filter) = (steps?, block?, filter?);
    let method = match name {
        "left_to_right" => Method::LeftToRight,
        "ancestral" => Method::Ancestral { steps, block },
        "first_hitting" => Method::FirstHitting { block },
        "confidence" => Method::Remask { score: Score::Confidence, steps, block },
        "margin" => Method::Remask { score: Score::Margin, steps, block },
        "entropy" => Method::Remask { score: Score::Entropy, steps, block },
        "random" => Method::Remask { score: Score::Random, steps, block },
        _ => Method::Posterior { steps },
    };
    Some(Sampler { method, filter })
}

/// A sampler that stands in no spec, such as that of a flag, for a run of that objective. Shares of blocks and steps are
/// not looked at here: how long a text is, is a flag's as well.
pub fn read_alone(
    text: &str,
    flag: &str,
    objective: &Objective,
    map: &mut SourceMap,
    out: &mut Diagnostics,
) -> Option<Sampler> {
    let (spec, node) = resolve_alone(flag, text, map, out)?;
    let span = node.span;
    let fields = [("sampler".to_string(), (span, node))].into_iter().collect();
    let mut cx = Cx::new(&spec, map, out);
    let record = Record { fields, ..Record::default() };
    let mut reader = Reader::record("objective", flag, span, &record, &mut cx);
    let sampler = read(objective.name(), &mut reader, &mut cx);
    sampler.filter(|_| !out.has_errors())
}

/// The call of a method that fits; one of another objective is told apart from one that nobody has.
fn call(node: &Node, objective: &str, cx: &mut Cx<'_>) -> Option<(&'static str, Reader)> {
    let fits = fitting(objective);
    let (written, span) = match &node.value {
        Value::Call { name, name_span, .. } => (name.as_str(), *name_span),
        Value::Word(word) => (word.as_str(), node.span),
        _ => ("", node.span),
    };
    let known = METHODS.iter().any(|(name, _)| *name == written);
    if known && !fits.contains(&written) {
        let names: Vec<String> = fits.iter().map(|name| format!("`{name}`")).collect();
        let all = alternatives(&names.iter().map(String::as_str).collect::<Vec<_>>());
        cx.out.push(
            Diagnostic::error(code::UNFIT_SAMPLER, format!("the sampler `{written}` does not fit {objective}"))
                .at(span, reason(objective))
                .help(format!("use {all}")),
        );
        return None;
    }
    // Those that do not fit are no choices to be proposed, unless one is meant.
    let meant = fits.iter().copied().chain(METHODS.iter().map(|(name, _)| *name));
    let forms: Vec<(&'static str, &[&'static str])> = match suggest(written, meant) {
        Some(_) => METHODS.to_vec(),
        None => METHODS.iter().filter(|(name, _)| fits.contains(name)).copied().collect(),
    };
    Reader::call(node, "objective.sampler", &forms, cx)
}

/// A whole number above 0, or nothing; outer `None` after an error.
#[allow(clippy::option_option)]
fn optional(reader: &mut Reader, name: &'static str, absent: &str, cx: &mut Cx<'_>) -> Option<Option<u64>> {
    if reader.is_given(name) {
        return reader.whole(name, Takes::PLAIN, 1, None, "32", cx).map(Some);
    }
    reader.get(name);
    cx.note(&reader.sub_path(name), absent, None);
    Some(None)
}

/// The blocks of block diffusion are those that it was trained with.
#[allow(clippy::option_option)]
fn own_block(inner: &mut Reader, objective: Span, cx: &mut Cx<'_>) -> Option<Option<u64>> {
    let Some(node) = inner.get("block") else { return Some(None) };
    cx.out.push(
        Diagnostic::error(code::NO_EFFECT, "the blocks of `block_diffusion` are its own")
            .at(node.span, "text is drawn in the blocks that were trained")
            .also(objective, "which the objective says")
            .help("take `block` out of the sampler"),
    );
    None
}

fn read_filter(inner: &mut Reader, cx: &mut Cx<'_>) -> Option<Filter> {
    let temperature = inner.real("temperature", Takes::PLAIN, 0.0..=MAX_TEMPERATURE, Some(1.0), "0.8", cx);
    let temperature_node = inner.get("temperature");
    let mut cut = |name: &'static str, cx: &mut Cx<'_>| {
        let node = inner.get(name);
        if let (Some(node), Some(0.0), Some(at)) = (&node, temperature, &temperature_node) {
            cx.out.push(
                Diagnostic::error(code::NO_EFFECT, format!("`{name}` has no effect at temperature 0"))
                    .at(node.span, "the likeliest token is never cut")
                    .also(at.span, "always the likeliest token")
                    .help(format!("take `{name}` out, or raise the temperature")),
            );
        }
        node.is_some()
    };
    let (with_k, with_p) = (cut("top_k", cx), cut("top_p", cx));
    let top_k = optional(inner, "top_k", "none", cx);
    let top_p = if with_p {
        inner.real("top_p", Takes::FRACTION, f64::MIN_POSITIVE..=1.0, None, "0.9", cx).map(Some)
    } else {
        inner.get("top_p");
        cx.note("objective.sampler.top_p", "none", None);
        Some(None)
    };
    if temperature == Some(0.0) && (with_k || with_p) {
        return None;
    }
    Some(Filter { temperature: temperature?, top_k: top_k?, top_p: top_p? })
}

/// Text that the evaluation draws: how many tokens, and where that is written.
#[derive(Clone, Copy)]
pub struct Sampled {
    pub tokens: u64,
    pub span: Span,
}

/// Blocks have to divide the text, and steps the blocks, each of which takes equally many.
pub fn check_lengths(objective: &Node, sampler: &Sampler, sampled: Sampled, cx: &mut Cx<'_>) {
    let (steps, block) = match sampler.method {
        Method::Ancestral { steps, block } | Method::Remask { steps, block, .. } => (steps, block),
        Method::FirstHitting { block } => (None, block),
        Method::LeftToRight | Method::Posterior { .. } => return,
    };
    let Some(block) = block else { return };
    let Value::Call { args, .. } = &objective.value else { return };
    let Some((_, written)) = args.named.get("sampler") else { return };
    let Sampled { tokens, span } = sampled;
    let problem = |message: String| Diagnostic::error(code::SAMPLER_SPLIT, message).also(span, "the text to be drawn");
    if !tokens.is_multiple_of(block) {
        let label = if block > tokens {
            "longer than the text".to_string()
        } else {
            format!("{} / {} leaves {}", grouped(tokens), grouped(block), grouped(tokens % block))
        };
        let message = format!("blocks of {} do not divide a text of {} tokens", grouped(block), grouped(tokens));
        cx.out.push(problem(message).at(argument(written, "block"), label).help("let the block divide the text"));
        return;
    }
    let n_blocks = tokens / block;
    if let Some(steps) = steps.filter(|steps| !steps.is_multiple_of(n_blocks)) {
        let message = format!("{} steps do not divide among {} blocks", grouped(steps), grouped(n_blocks));
        let label = format!("{} / {} leaves {}", grouped(steps), grouped(n_blocks), grouped(steps % n_blocks));
        let next = grouped(steps.next_multiple_of(n_blocks));
        cx.out.push(
            problem(message)
                .at(argument(written, "steps"), label)
                .also(argument(written, "block"), format!("{} blocks of {}", grouped(n_blocks), grouped(block)))
                .note("every block takes equally many steps")
                .help(format!("{next} steps would fit, or no `steps` at all: as many as tokens")),
        );
    }
}

/// Where an argument of a sampler is written.
fn argument(sampler: &Node, name: &str) -> Span {
    let Value::Call { args, name: method, .. } = &sampler.value else { return sampler.span };
    let place = METHODS.iter().find(|(m, _)| m == method).and_then(|(_, all)| all.iter().position(|a| *a == name));
    let positional = place.and_then(|i| args.positional.get(i));
    args.named.get(name).map(|(_, node)| node).or(positional).map_or(sampler.span, |node| node.span)
}
