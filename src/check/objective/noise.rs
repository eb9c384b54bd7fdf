//! Masks by a schedule, as `masked_diffusion` has them for a sequence and `block_diffusion` for each block: the
//! schedule and its ends, t, the weight, the estimator.

use super::label::{Loss, label};
use super::{EXACT_RATE, choice, t};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};
use crate::check::reader::{Cx, Reader};
use crate::check::schedule::{self, Named};
use crate::check::spec::{Estimator, LossWeight, MaskedDiffusion, Targets};
use crate::resolve::library::Lookup;
use crate::resolve::{Kind, Node, Value};

/// Which estimators an objective has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Estimators {
    All,
    /// Those that weigh each mask on its own.
    Masks,
}

const ESTIMATORS: &[(&str, Estimator)] = &[
    ("count", Estimator::Count),
    ("bernoulli", Estimator::Bernoulli),
    ("row_mean", Estimator::RowMean),
    ("batch_mean", Estimator::BatchMean),
];

/// `n_targets`: positions that can be masked together, if that is known.
pub fn read(
    reader: &mut Reader,
    n_targets: Option<u64>,
    targets: Targets,
    estimators: Estimators,
    cx: &mut Cx<'_>,
) -> Option<MaskedDiffusion> {
    let named = read_schedule(reader, cx);
    let open = read_ends(reader, cx);
    let checked = named.as_ref().and_then(|named| schedule::check(named, open?, cx.out));
    let t = t::read(reader, cx);
    let choices = if estimators == Estimators::All { ESTIMATORS } else { ESTIMATORS.get(..2).unwrap_or(ESTIMATORS) };
    let estimator_node = reader.get("estimator");
    let estimator = choice(reader, "estimator", choices, cx);
    let weighs = !matches!(estimator, Some(Estimator::RowMean | Estimator::BatchMean));
    let weight = if weighs { read_weight(reader, cx) } else { no_weight(reader, estimator_node.as_ref(), cx) };
    let (named, (proof, ends), t, weight, estimator) = (named?, checked?, t?, weight?, estimator?);
    if !t::check_importance(t, &named.formula, cx) {
        return None;
    }
    let (t_span, t) = (t.span, t.t);
    let start = 1.0 - named.formula.eval(t.low);
    let mut proved_equal = None;
    let weight = match weight {
        Weight::Elbo => {
            if estimator == Estimator::Bernoulli {
                let derived =
                    Named { name: "elbo".into(), formula: proof.weight.clone(), span: named.span, assumed: vec![] };
                let help = "draw t from an interval inside, such as `t: stratified(1e-3, 0.999)`, or use `estimator: count`, which has no weight of t";
                schedule::check_weight(&derived, (t.low, t.high), start <= EXACT_RATE, t_span, help, cx.out)?;
            }
            LossWeight::Elbo
        }
        Weight::Flat => LossWeight::Flat,
        Weight::Named(custom) if custom.formula.is_provably(&proof.weight) => {
            proved_equal = Some(custom.name);
            LossWeight::Elbo
        }
        Weight::Named(custom) => {
            let help =
                "draw t from an interval where it is finite, such as `t: stratified(1e-3, 1)`, or write it in pieces";
            schedule::check_weight(&custom, (t.low, t.high), false, t_span, help, cx.out)?;
            LossWeight::Custom { name: custom.name, formula: custom.formula }
        }
    };
    let loss =
        Loss { schedule: &named.formula, ends, t, weight: &weight, estimator, n_targets: n_targets.unwrap_or(1) };
    let mut bound = label(&loss);
    if let (Ok(why), Some(name)) = (&mut bound, proved_equal) {
        why.push_str(&format!("; `{name}` is provably -alpha'/(1-alpha)"));
    }
    Some(MaskedDiffusion {
        bound,
        schedule_name: named.name,
        schedule: named.formula,
        proof,
        ends,
        t,
        weight,
        estimator,
        shift: false,
        variable_length: 0.0,
        targets,
    })
}

pub fn read_schedule(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Named> {
    let node = reader.need("schedule", "keep", cx)?;
    let named = schedule::named(&node, "objective.schedule", cx)?;
    note_formula("objective.schedule", &named, &node, cx);
    Some(named)
}

/// A formula is assumed as far as a `let` in it is.
fn note_formula(path: &str, named: &Named, node: &Node, cx: &mut Cx<'_>) {
    let mut node = node.clone();
    node.origin.assume(&named.assumed);
    cx.note(path, format!("{}(t) = {}", named.name, named.formula), Some(&node));
}

/// Where the spec says `ends: open`, if it does; outer `None` after an error.
#[allow(clippy::option_option)]
pub fn read_ends(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Option<Span>> {
    let span = reader.get("ends").map(|node| node.span);
    let open = choice(reader, "ends", &[("closed", false), ("open", true)], cx)?;
    Some(span.filter(|_| open))
}

enum Weight {
    Elbo,
    Flat,
    Named(Named),
}

/// A mean over masked tokens weighs each alike, so a weight that is written has no effect.
fn no_weight(reader: &mut Reader, estimator: Option<&Node>, cx: &mut Cx<'_>) -> Option<Weight> {
    if let Some(node) = reader.get("weight") {
        let mut diagnostic = Diagnostic::error(code::NO_EFFECT, "`objective.weight` has no effect")
            .at(node.span, "a mean over masked tokens has no weight of t");
        if let Some(estimator) = estimator {
            diagnostic = diagnostic.also(estimator.span, "the mean");
        }
        cx.out.push(diagnostic.help("take `weight` out, or use `estimator: count` or `bernoulli`"));
        return None;
    }
    cx.note("objective.weight", "none", None);
    Some(Weight::Elbo)
}

/// `elbo`, `flat`, or the name of a formula w(t).
fn read_weight(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Weight> {
    let path = "objective.weight";
    let Some(node) = reader.get("weight") else {
        cx.note(path, "elbo", None);
        return Some(Weight::Elbo);
    };
    match &node.value {
        Value::Word(word) if word == "elbo" || word == "flat" => {
            cx.note(path, word, Some(&node));
            Some(if word == "elbo" { Weight::Elbo } else { Weight::Flat })
        }
        Value::Word(word) => {
            // A word that is like one of the choices was meant as one, unless a schedule has the name.
            let known = matches!(cx.library.lookup(schedule::scope(&node, cx), Kind::Schedule, word), Lookup::Found(_));
            if let (false, Some(closest)) = (known, suggest(word, ["elbo", "flat"])) {
                cx.out.push(
                    Diagnostic::error(code::UNKNOWN_NAME, format!("`{path}` cannot be `{word}`"))
                        .at(node.span, "not one of its choices, and no schedule")
                        .help(format!("did you mean `{closest}`?")),
                );
                return None;
            }
            let named = schedule::named(&node, path, cx)?;
            note_formula(path, &named, &node, cx);
            Some(Weight::Named(named))
        }
        _ => {
            cx.wrong_type(&node, path, "`elbo`, `flat` or the name of a formula w(t)");
            None
        }
    }
}
