//! Objectives and the schedules they use.

use super::formula::Formula;
use super::reader::{Cx, Reader, Takes, in_range, quantity};
use super::schedule::{self, Named, near_one};
use super::spec::{
    Ends, Estimator, Filter, LossWeight, MaskedDiffusion, Method, NextToken, Objective, Sampler, TKind, TSampling,
    Targets,
};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};
use crate::resolve::library::Lookup;
use crate::resolve::{Kind, Node, Value};

/// Mask rates at the ends of t are 0 and 1 up to rounding.
const EXACT_RATE: f64 = 1e-12;

/// `n_targets`: positions of a sequence that are predicted, if that is known.
pub fn read(node: &Node, n_targets: Option<u64>, cx: &mut Cx<'_>) -> Option<(Objective, Sampler)> {
    let forms: &[(&str, &[&'static str])] =
        &[("next_token", &[]), ("masked_diffusion", &["schedule", "t", "weight", "estimator", "ends"])];
    let (name, mut reader) = Reader::call(node, "objective", forms, cx)?;
    cx.note("objective", name, Some(node));
    if name == "next_token" {
        reader.finish(cx);
        let sampler = Sampler { method: Method::LeftToRight, filter: Filter::NONE };
        return Some((Objective::NextToken(NextToken::PLAIN), sampler));
    }
    let named = reader.need("schedule", "keep", cx).and_then(|node| {
        let named = schedule::named(&node, "objective.schedule", cx)?;
        cx.note("objective.schedule", format!("{}(t) = {}", named.name, named.formula), Some(&node));
        Some(named)
    });
    let open = read_ends(&mut reader, cx);
    let checked = named.as_ref().and_then(|named| schedule::check(named, open?, cx.out));
    let t_node = reader.get("t");
    let t = match &t_node {
        None => {
            cx.note("objective.t", "stratified(0, 1)", None);
            Some(TSampling { kind: TKind::Stratified, low: 0.0, high: 1.0 })
        }
        Some(node) => read_t(node, cx),
    };
    let t_span = t_node.map_or(node.span, |n| n.span);
    let weight = read_weight(&mut reader, cx);
    let estimator =
        choice(&mut reader, "estimator", &[("count", Estimator::Count), ("bernoulli", Estimator::Bernoulli)], cx);
    reader.finish(cx);
    let (named, (proof, ends), t, weight, estimator) = (named?, checked?, t?, weight?, estimator?);
    let rates = [t.low, t.high].map(|t| 1.0 - named.formula.eval(t));
    let mut proved_equal = None;
    let weight = match weight {
        Weight::Elbo => {
            if estimator == Estimator::Bernoulli {
                let derived = Named { name: "elbo".into(), formula: proof.weight.clone(), span: named.span };
                let help = "draw t from an interval inside, such as `t: stratified(1e-3, 0.999)`, or use `estimator: count`, which has no weight of t";
                schedule::check_weight(&derived, (t.low, t.high), rates[0] <= EXACT_RATE, t_span, help, cx.out)?;
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
    let mut bound = label(&named.formula, ends, t, &weight, estimator, n_targets.unwrap_or(1));
    if let (Ok(why), Some(name)) = (&mut bound, proved_equal) {
        why.push_str(&format!("; `{name}` is provably -alpha'/(1-alpha)"));
    }
    let objective = MaskedDiffusion {
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
        targets: Targets::Matched,
    };
    match &objective.bound {
        Ok(why) => cx.note_derived("objective.bound", why),
        Err(why) => {
            cx.note_derived("objective.bound", format!("no: {why}"));
            cx.out.push(
                Diagnostic::warning(code::NOT_A_BOUND, "the training loss is no bound on the likelihood")
                    .at(node.span, why.clone())
                    .note("validation always uses the exact-count bound, whatever the training weights are"),
            );
        }
    }
    let sampler = Sampler { method: Method::FirstHitting { block: None }, filter: Filter::NONE };
    Some((Objective::MaskedDiffusion(objective), sampler))
}

/// Whether the training loss bounds the negative log-likelihood from above, and why.
fn label(
    schedule: &Formula,
    ends: Ends,
    t: TSampling,
    weight: &LossWeight,
    estimator: Estimator,
    n_targets: u64,
) -> Result<String, String> {
    match weight {
        LossWeight::Flat => {
            return Err("weight `flat` counts every masked token once, whatever its noise level".into());
        }
        LossWeight::Custom { name, .. } => return Err(format!("the weight `{name}` is not -alpha'/(1-alpha)")),
        LossWeight::Elbo => {}
    }
    let rates = [t.low, t.high].map(|t| 1.0 - schedule.eval(t));
    let covered = || format!("mask rates cover only {} to {}, not 0 to 1", near_one(rates[0]), near_one(rates[1]));
    if ends == Ends::Open {
        return Err(format!("the ends of the schedule are open: {}", covered()));
    }
    let n = n_targets as f64;
    match estimator {
        // Every count from 1 to all has to be reachable, or its part of the bound is missing.
        Estimator::Count if rates[1] * n > n - 1.0 + EXACT_RATE && rates[0] * n < 1.0 - EXACT_RATE => {
            Ok("exact-count NELBO: L/k * sum of cross-entropy over k masked, unbiased".into())
        }
        Estimator::Bernoulli
            if ends == Ends::Exact && rates[0].abs() <= EXACT_RATE && (rates[1] - 1.0).abs() <= EXACT_RATE =>
        {
            Ok("NELBO (N1): -alpha'/(1-alpha) * sum of cross-entropy over masked, unbiased".into())
        }
        _ => Err(covered()),
    }
}

/// Where the spec says `ends: open`, if it does.
fn read_ends(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Option<Span>> {
    let node = reader.get("ends");
    let open = match &node {
        None => false,
        Some(node) => {
            let forms: &[(&str, &[&'static str])] = &[("closed", &[]), ("open", &[])];
            let (word, inner) = Reader::call(node, "objective.ends", forms, cx)?;
            inner.finish(cx);
            word == "open"
        }
    };
    cx.note("objective.ends", if open { "open" } else { "closed" }, node.as_ref());
    Some(node.filter(|_| open).map(|n| n.span))
}

enum Weight {
    Elbo,
    Flat,
    Named(Named),
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
            cx.note(path, format!("{}(t) = {}", named.name, named.formula), Some(&node));
            Some(Weight::Named(named))
        }
        _ => {
            cx.wrong_type(&node, path, "`elbo`, `flat` or the name of a formula w(t)");
            None
        }
    }
}

fn choice<T: Copy>(
    reader: &mut Reader,
    name: &'static str,
    choices: &[(&'static str, T)],
    cx: &mut Cx<'_>,
) -> Option<T> {
    let path = reader.sub_path(name);
    match reader.get(name) {
        None => choices.first().map(|(word, value)| {
            cx.note(&path, word, None);
            *value
        }),
        Some(node) => {
            let forms: Vec<(&str, &[&'static str])> = choices.iter().map(|(word, _)| (*word, &[] as &[_])).collect();
            let (word, inner) = Reader::call(&node, &path, &forms, cx)?;
            inner.finish(cx);
            cx.note(&path, word, Some(&node));
            choices.iter().find(|(w, _)| *w == word).map(|(_, value)| *value)
        }
    }
}

fn read_t(node: &Node, cx: &mut Cx<'_>) -> Option<TSampling> {
    let forms: &[(&str, &[&'static str])] = &[("stratified", &["low", "high"]), ("iid", &["low", "high"])];
    let (name, mut reader) = Reader::call(node, "objective.t", forms, cx)?;
    let kind = if name == "iid" { TKind::Iid } else { TKind::Stratified };
    let mut end = |name: &'static str, default: f64, cx: &mut Cx<'_>| match reader.get(name) {
        None => Some((default, node.span)),
        Some(n) => {
            let path = format!("objective.t.{name}");
            let q = quantity(&path, &n, Takes::PLAIN, cx)?;
            in_range(&path, q, 0.0..=1.0, cx).map(|x| (x, n.span))
        }
    };
    let (low, high) = (end("low", 0.0, cx), end("high", 1.0, cx));
    reader.finish(cx);
    let ((low, _), (high, at)) = (low?, high?);
    if low >= high {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, format!("t runs from {low} to {high}, which is empty"))
                .at(at, "the upper end has to be above the lower"),
        );
        return None;
    }
    cx.note("objective.t", format!("{name}({low}, {high})"), Some(node));
    Some(TSampling { kind, low, high })
}
