//! Objectives and the schedules they use.

use super::formula::{Formula, Function};
use super::reader::{Cx, Reader, Takes, in_range, quantity};
use super::spec::{Estimator, LossWeight, MaskedDiffusion, Objective, TKind, TSampling};
use crate::ast::{BinaryOp, Expr, ExprKind, Item, UnaryOp};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, Number, Span};
use crate::resolve::{Kind, Library, Node, Value};

/// Ends of a schedule that miss 1 or 0 by this much are a warning (loglinear's eps is 1e-3), by more an error.
pub const NEAR_END: f64 = 1e-2;
/// Ends are exact up to rounding.
const EXACT_END: f64 = 1e-12;
/// Points at which a schedule's range and monotonicity are looked at.
const SCAN_POINTS: u32 = 4096;

/// `n_targets`: positions of a sequence that are predicted, if that is known.
pub fn read(node: &Node, library: &Library, n_targets: Option<u64>, cx: &mut Cx<'_>) -> Option<Objective> {
    let forms: &[(&str, &[&'static str])] =
        &[("next_token", &[]), ("masked_diffusion", &["schedule", "t", "weight", "estimator"])];
    let (name, mut reader) = Reader::call(node, "objective", forms, cx)?;
    cx.note("objective", name, Some(&node));
    if name == "next_token" {
        reader.finish(cx);
        return Some(Objective::NextToken);
    }
    let schedule = reader.need("schedule", "keep", cx).and_then(|node| read_schedule(&node, library, cx));
    let t = match reader.get("t") {
        None => {
            cx.note("objective.t", "stratified(0, 1)", None);
            Some(TSampling { kind: TKind::Stratified, low: 0.0, high: 1.0 })
        }
        Some(node) => read_t(&node, cx),
    };
    let weight = choice(&mut reader, "weight", &[("elbo", LossWeight::Elbo), ("flat", LossWeight::Flat)], cx);
    let estimator =
        choice(&mut reader, "estimator", &[("count", Estimator::Count), ("bernoulli", Estimator::Bernoulli)], cx);
    reader.finish(cx);
    let ((schedule_name, schedule, ends), t, weight, estimator) = (schedule?, t?, weight?, estimator?);
    let bound = label(&schedule, ends, t, weight, estimator, n_targets.unwrap_or(1));
    match &bound {
        Ok(why) => cx.note("objective.bound", why, None),
        Err(why) => {
            cx.note("objective.bound", format!("no: {why}"), None);
            cx.out.push(
                Diagnostic::warning(code::NOT_A_BOUND, "the training loss is no bound on the likelihood")
                    .at(node.span, why.clone())
                    .note("validation always uses the exact-count bound, whatever the training weights are"),
            );
        }
    }
    Some(Objective::MaskedDiffusion(MaskedDiffusion { schedule_name, schedule, t, weight, estimator, bound }))
}

/// Whether the training loss bounds the negative log-likelihood from above, and why.
fn label(
    schedule: &Formula,
    ends: Ends,
    t: TSampling,
    weight: LossWeight,
    estimator: Estimator,
    n_targets: u64,
) -> Result<String, String> {
    if weight == LossWeight::Flat {
        return Err("weight `flat` counts every masked token once, whatever its noise level".into());
    }
    let exact = |x: f64, wanted: f64| (x - wanted).abs() <= EXACT_END;
    let rates = (1.0 - schedule.eval(t.low), 1.0 - schedule.eval(t.high));
    match estimator {
        // Every count from 1 to all has to be reachable, or its part of the bound is missing.
        Estimator::Count if exact(rates.1, 1.0) && rates.0 * (n_targets as f64) < 1.0 => {
            Ok("exact-count NELBO: L/k * sum of cross-entropy over k masked, unbiased".into())
        }
        Estimator::Bernoulli if exact(rates.0, 0.0) && exact(rates.1, 1.0) && ends == Ends::Exact => {
            Ok("NELBO (N1): -alpha'/(1-alpha) * sum of cross-entropy over masked, unbiased".into())
        }
        _ => Err(format!("mask rates cover only {:.4} to {:.4}, not 0 to 1", rates.0, rates.1)),
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
    cx.note("objective.t", format!("{name}({low}, {high})"), Some(&node));
    Some(TSampling { kind, low, high })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Exact,
    Near,
}

fn read_schedule(node: &Node, library: &Library, cx: &mut Cx<'_>) -> Option<(String, Formula, Ends)> {
    let Value::Word(name) = &node.value else {
        cx.wrong_type(node, "objective.schedule", "the name of a schedule");
        return None;
    };
    let file = if node.origin.is_set() { library.main.unwrap_or(node.span.file) } else { node.span.file };
    let id = library.find(file, Kind::Schedule, name, node.span, cx.out)?;
    let def = library.def(id)?;
    let Item::Schedule(schedule) = &*def.item else { return None };
    let formula = formula(&schedule.formula, &schedule.variable.text, cx.out)?.simplify();
    cx.note("objective.schedule", format!("{name}(t) = {formula}"), Some(&node));
    let ends = check_schedule(&formula, name, schedule.formula.span, cx.out)?;
    Some((name.clone(), formula, ends))
}

/// alpha(0) = 1, alpha(1) = 0, never rising, within [0, 1].
fn check_schedule(alpha: &Formula, name: &str, span: Span, out: &mut Diagnostics) -> Option<Ends> {
    let mut previous = f64::INFINITY;
    for i in 0..=SCAN_POINTS {
        let t = f64::from(i) / f64::from(SCAN_POINTS);
        let a = alpha.eval(t);
        let problem = if !a.is_finite() {
            Some(format!("it has no value at t = {t}"))
        } else if !(-NEAR_END..=1.0 + NEAR_END).contains(&a) {
            Some(format!("it is {a:.4} at t = {t:.4}, outside [0, 1]"))
        } else if a > previous + EXACT_END {
            Some(format!("it rises at t = {t:.4}"))
        } else {
            None
        };
        if let Some(problem) = problem {
            out.push(
                Diagnostic::error(code::SCHEDULE_SHAPE, format!("`{name}` is no masking schedule: {problem}"))
                    .at(span, "alpha(t)")
                    .note("alpha(t) is the chance that a token is still clean: 1 at t = 0, falling to 0 at t = 1")
                    .note(format!("looked at {} points of [0, 1]", SCAN_POINTS + 1))
                    .help("for example `1 - t`, or `cos(pi / 2 * t)^2`"),
            );
            return None;
        }
        previous = a;
    }
    let ends = [(0.0, 1.0), (1.0, 0.0)].map(|(t, wanted)| (t, wanted, alpha.eval(t)));
    let missed: Vec<String> = ends
        .iter()
        .filter(|(_, wanted, got)| (got - wanted).abs() > EXACT_END)
        .map(|(t, wanted, got)| format!("{} at t = {t}, not {wanted}", Number::Real((got * 1e6).round() / 1e6)))
        .collect();
    if missed.is_empty() {
        return Some(Ends::Exact);
    }
    let message = format!("`{name}` is {}", missed.join(", and "));
    let rates = ends.map(|(_, _, got)| 1.0 - got);
    let covered = format!("mask rates cover {:.4} to {:.4}; a bound covers 0 to 1", rates[0], rates[1]);
    if ends.iter().any(|(_, wanted, got)| (got - wanted).abs() > NEAR_END) {
        out.push(
            Diagnostic::error(code::SCHEDULE_ENDS, message)
                .at(span, "alpha(t)")
                .note(covered)
                .help("at t = 0 nothing is masked, alpha(0) = 1; at t = 1 all is, alpha(1) = 0"),
        );
        return None;
    }
    out.push(Diagnostic::warning(code::SCHEDULE_NEAR_ENDS, message).at(span, "alpha(t)").note(covered));
    Some(Ends::Near)
}

/// A written formula of one variable.
pub fn formula(expr: &Expr, variable: &str, out: &mut Diagnostics) -> Option<Formula> {
    let bx = Box::new;
    match &expr.kind {
        ExprKind::Number(lit) if lit.unit.is_none() => Some(Formula::Const(lit.value.to_f64())),
        ExprKind::Name(name) if name == variable => Some(Formula::T),
        ExprKind::Name(name) if name == "pi" => Some(Formula::Const(std::f64::consts::PI)),
        ExprKind::Name(name) => {
            let closest = suggest(name, [variable, "pi"]).unwrap_or(variable).to_string();
            out.push(
                Diagnostic::error(code::UNKNOWN_NAME, format!("there is no value `{name}` in this formula"))
                    .at(expr.span, "not known here")
                    .help(format!("did you mean `{closest}`?")),
            );
            None
        }
        ExprKind::Unary { op: UnaryOp::Neg, operand } => Some(Formula::Neg(bx(formula(operand, variable, out)?))),
        ExprKind::Binary { op, left, right, .. } => {
            let (a, b) = (formula(left, variable, out), formula(right, variable, out));
            let (a, b) = (bx(a?), bx(b?));
            Some(match op {
                BinaryOp::Add => Formula::Add(a, b),
                BinaryOp::Sub => Formula::Sub(a, b),
                BinaryOp::Mul => Formula::Mul(a, b),
                BinaryOp::Div => Formula::Div(a, b),
                BinaryOp::Pow => Formula::Pow(a, b),
                _ => return None,
            })
        }
        ExprKind::Call { callee, args, .. } => {
            let names = || Function::ALL.iter().map(|f| f.name());
            let Some(function) = Function::ALL.iter().find(|f| f.name() == callee.text) else {
                let diagnostic =
                    Diagnostic::error(code::UNKNOWN_NAME, format!("there is no function `{}`", callee.text))
                        .at(callee.span, "not known in a formula");
                out.push(match suggest(&callee.text, names()) {
                    Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                    None => diagnostic.help(format!("there are {}", names().collect::<Vec<_>>().join(", "))),
                });
                return None;
            };
            match args.as_slice() {
                [only] if only.name.is_none() => {
                    Some(Formula::Call(*function, bx(formula(&only.value, variable, out)?)))
                }
                _ => {
                    let message = format!("`{}` takes one value", function.name());
                    let help = format!("for example `{}({variable})`", function.name());
                    out.push(Diagnostic::error(code::MISSING_FIELD, message).at(expr.span, "here").help(help));
                    None
                }
            }
        }
        _ => {
            out.push(
                Diagnostic::error(
                    code::WRONG_TYPE,
                    "a formula is made of numbers, its variable, + - * / ^ and functions",
                )
                .at(expr.span, "this is none of them"),
            );
            None
        }
    }
}
