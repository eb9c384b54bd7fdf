//! Masking schedules and loss weights: which formula a name means, and in what words its proof or
//! its refutation is told.

use super::formula::prove::{Proof, Refutation, has_values, is_never_negative, rounded};
use super::formula::range::Domain;
use super::formula::{self, Formula};
use super::reader::Cx;
use super::spec::Ends;
use crate::ast::Item;
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, FileId, Number, Rational, Span};
use crate::resolve::{Kind, Node, ResolvedSpec, Value};
use std::sync::Arc;

/// Ends of a schedule that miss 1 or 0 by this much are a warning (loglinear's eps is 1e-3), by more an error.
pub const NEAR_END: f64 = 1e-2;
/// A miss below this is a constant that was written as a rounded decimal.
const ROUNDED: f64 = 1e-6;

/// A named formula of a spec.
pub struct Named {
    pub name: String,
    /// Simplified.
    pub formula: Formula,
    /// Where it is written.
    pub span: Span,
    /// The reasons of the assumed `let`s in it.
    pub assumed: Vec<Arc<str>>,
}

/// The formula that a node names; `what` is what it is wanted for.
pub fn named(node: &Node, path: &str, cx: &mut Cx<'_>) -> Option<Named> {
    let Value::Word(name) = &node.value else {
        cx.wrong_type(node, path, "the name of a schedule");
        return None;
    };
    let id = cx.library.find(scope(node, cx), Kind::Schedule, name, node.span, cx.out)?;
    let def = cx.library.def(id)?;
    let Item::Schedule(schedule) = &*def.item else { return None };
    let assumed = std::cell::RefCell::new(vec![]);
    let names = |name: &str| {
        let found = constant(cx.spec, def.file(), name)?;
        assumed.borrow_mut().extend(found.origin.assumed.iter().cloned());
        Some(match found.value {
            Value::Number { number, unit: None } => Some(number),
            _ => None,
        })
    };
    let formula = formula::formula(&schedule.formula, &schedule.variable.text, &names, cx.out)?.simplified();
    Some(Named { name: name.clone(), formula, span: schedule.formula.span, assumed: assumed.into_inner() })
}

/// The file whose names a node uses: those of the command line mean what the main file says.
pub fn scope(node: &Node, cx: &Cx<'_>) -> FileId {
    if node.origin.is_set() && node.origin.lets.is_empty() {
        cx.library.main.unwrap_or(node.span.file)
    } else {
        node.span.file
    }
}

/// What a `let` of a file, or a field of one, holds.
fn constant<'a>(spec: &'a ResolvedSpec, file: FileId, name: &str) -> Option<&'a Node> {
    let mut parts = name.split('.');
    spec.let_value(file, parts.next()?)?.at(&parts.collect::<Vec<_>>())
}

/// alpha(0) = 1, alpha(1) = 0, never rising, within [0, 1], without jumps: proved, or told what is
/// wrong. `open` is where the spec says `ends: open`.
pub fn check(schedule: &Named, open: Option<Span>, out: &mut Diagnostics) -> Option<(Arc<Proof>, Ends)> {
    match schedule.formula.proved() {
        Ok(proof) => {
            let ends = ends(schedule, &proof, open, out)?;
            Some((proof, ends))
        }
        Err(refutations) => {
            for refutation in refutations.iter() {
                out.push(refuted(schedule, refutation));
            }
            None
        }
    }
}

fn refuted(schedule: &Named, refutation: &Refutation) -> Diagnostic {
    let Named { name, formula, span, .. } = schedule;
    let shape = |problem: String, label: String| {
        Diagnostic::error(code::SCHEDULE_SHAPE, format!("`{name}` is no masking schedule: {problem}")).at(*span, label)
    };
    let meaning = "alpha(t) is the chance that a token is still clean: 1 at t = 0, falling to 0 at t = 1";
    let example = "for example `1 - t`, or `cos(pi / 2 * t)^2`";
    match refutation {
        Refutation::NoValue { t } => {
            shape(format!("it has no value at t = {}", rounded(*t)), format!("alpha(t) = {formula}"))
                .note(meaning)
                .help("a quotient by 0, and the logarithm or the root of what is not positive, have none")
        }
        Refutation::Rises { t, value, slope } => shape(
            format!("it rises at t = {}", rounded(*t)),
            format!("alpha({}) = {}, and its slope there is {}", rounded(*t), rounded(*value), rounded(*slope)),
        )
        .note(meaning)
        .help(example),
        Refutation::Outside { t, value } => {
            let problem = format!("it is {} at t = {}, outside [0, 1]", near_one(*value), rounded(*t));
            let diagnostic = shape(problem, format!("alpha(t) = {formula}")).note(meaning);
            let miss = (value - value.clamp(0.0, 1.0)).abs();
            if miss < ROUNDED { diagnostic.help(EXACT) } else { diagnostic.help(example) }
        }
        Refutation::Jump { t, left, right } => {
            let t = Formula::from(formula::Term::Number(*t));
            Diagnostic::error(code::SCHEDULE_JUMP, format!("`{name}` jumps at t = {t}"))
                .at(*span, format!("{} before it, {} after it", rounded(*left), rounded(*right)))
                .note(
                    "tokens that are masked all at once have no density -alpha'(t), so no loss would be paid for them",
                )
                .help(format!("let the pieces meet: both have to have the same value at t = {t}"))
        }
        Refutation::Negative { t, value } => {
            shape(format!("it is {} at t = {}", rounded(*value), rounded(*t)), format!("alpha(t) = {formula}"))
                .help(example)
        }
        Refutation::Open { what, low, high } => undecided(&format!("that `{name}` {what}"), *span, (*low, *high)),
        Refutation::TooLarge => {
            Diagnostic::error(code::UNDECIDED, format!("`{name}` is too large to be differentiated"))
                .at(*span, "its derivative would have thousands of parts")
                .help("write it shorter, or in pieces")
        }
    }
}

const EXACT: &str = "numbers are exact: write `pi` and `1 / 3`, not their first decimals";

fn undecided(what: &str, span: Span, (low, high): (f64, f64)) -> Diagnostic {
    let place = if high - low < ROUNDED {
        format!("next to t = {}", rounded(low))
    } else {
        format!("for t from {} to {}", rounded(low), rounded(high))
    };
    Diagnostic::error(code::UNDECIDED, format!("could not be decided: {what}"))
        .at(span, format!("open {place}"))
        .note("neither the exact rules nor interval arithmetic prove it or show a t where it fails")
        .help("write it with fewer terms, each t as seldom as possible, or as pieces that meet there")
}

fn ends(schedule: &Named, proof: &Proof, open: Option<Span>, out: &mut Diagnostics) -> Option<Ends> {
    let Named { name, span, .. } = schedule;
    let ends = [(&proof.start, 0, 1.0), (&proof.end, 1, 0.0)];
    let missed: Vec<String> = ends
        .iter()
        .filter(|(end, ..)| !end.exact)
        .map(|(end, t, wanted)| format!("{} at t = {t}, not {wanted}", near_one(end.value)))
        .collect();
    if missed.is_empty() {
        if let Some(open) = open {
            out.push(
                Diagnostic::error(code::NO_EFFECT, format!("the ends of `{name}` are not open"))
                    .at(open, "alpha(0) = 1 and alpha(1) = 0")
                    .also(*span, "proved of this")
                    .help("take `ends` out"),
            );
        }
        return Some(Ends::Exact);
    }
    if open.is_some() {
        return Some(Ends::Open);
    }
    let message = format!("`{name}` is {}", missed.join(", and "));
    let largest = ends.iter().map(|(end, _, wanted)| (end.value - wanted).abs()).fold(0.0, f64::max);
    let rates = [&proof.start, &proof.end].map(|end| near_one(1.0 - end.value));
    let covered = format!("mask rates cover {} to {}; a bound covers 0 to 1", rates[0], rates[1]);
    let diagnostic = if largest > NEAR_END {
        Diagnostic::error(code::SCHEDULE_ENDS, message)
            .help("at t = 0 nothing is masked, alpha(0) = 1; at t = 1 all is, alpha(1) = 0")
            .help("if it is meant so, say `ends: open` in the objective; its loss is no bound then")
    } else {
        Diagnostic::warning(code::SCHEDULE_NEAR_ENDS, message)
    };
    let diagnostic = diagnostic.at(*span, "alpha(t)").note(covered);
    out.push(if largest < ROUNDED { diagnostic.help(EXACT) } else { diagnostic });
    (largest <= NEAR_END).then_some(Ends::Near)
}

/// Four digits, of the distance to 1 where they would say 1.
pub fn near_one(x: f64) -> String {
    match x - 1.0 {
        0.0 => "1".into(),
        off if off.abs() > 5e-4 => rounded(x),
        off if off < 0.0 => format!("1 - {}", rounded(-off)),
        off => format!("1 + {}", rounded(off)),
    }
}

/// A weight has to be finite and at least 0 wherever t is drawn. `at` is where that is said, `help`
/// what to do about it. With `unmasked_start` nothing is masked at the lowest t, so that a weight
/// without a value there still weighs nothing.
pub fn check_weight(
    weight: &Named,
    t: (f64, f64),
    unmasked_start: bool,
    at: Span,
    help: &str,
    out: &mut Diagnostics,
) -> Option<()> {
    let within = Domain { low: Rational::from_decimal(t.0)?, high: Rational::from_decimal(t.1)? };
    let Named { name, formula, span, .. } = weight;
    let sound = |within: Domain| has_values(formula, within).and_then(|_| is_never_negative(formula, within));
    let found = match sound(within) {
        Err(Refutation::NoValue { t: singular }) if unmasked_start && singular == t.0 => {
            let next = || {
                let width = within.high.checked_sub(within.low)?;
                within.low.checked_add(width.checked_mul(Rational::new(1, 1 << 20)?)?)
            };
            sound(Domain { low: next()?, ..within })
        }
        found => found,
    };
    let Err(refutation) = found else { return Some(()) };
    out.push(match refutation {
        Refutation::NoValue { t: singular } => Diagnostic::error(
            code::BAD_WEIGHT,
            format!("the weight `{name}` has no finite value at t = {}", rounded(singular)),
        )
        .at(*span, format!("w(t) = {formula}"))
        .also(at, format!("t is drawn from {} to {}", Number::Real(t.0), Number::Real(t.1)))
        .help(help),
        Refutation::Negative { t, value } => {
            Diagnostic::error(code::BAD_WEIGHT, format!("the weight `{name}` is negative at t = {}", rounded(t)))
                .at(*span, format!("w({}) = {}", rounded(t), rounded(value)))
                .help("a weight is at least 0: a negative one would train towards wrong tokens")
        }
        Refutation::Open { what, low, high } => {
            undecided(&format!("that the weight `{name}` {what}"), *span, (low, high))
        }
        // Nothing else is asked of a weight.
        Refutation::Jump { .. } | Refutation::Rises { .. } | Refutation::Outside { .. } | Refutation::TooLarge => {
            return Some(());
        }
    });
    None
}
