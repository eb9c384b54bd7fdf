//! How the noise level t of each row is drawn, and between which ends.

use super::EXACT_RATE;
use crate::base::diag::code;
use crate::base::{Diagnostic, Number, Span};
use crate::check::formula::Formula;
use crate::check::reader::{Cx, Reader, Takes, in_range, quantity};
use crate::check::schedule::near_one;
use crate::check::spec::{TKind, TSampling};

/// A `t` as it is written: a default is underlined as the whole objective.
#[derive(Clone, Copy)]
pub struct Given {
    pub t: TSampling,
    pub span: Span,
}

const KINDS: [TKind; 4] = [TKind::Stratified, TKind::Iid, TKind::Systematic, TKind::Importance];

/// `t: KIND(low, high)`.
pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Given> {
    let Some(node) = reader.get("t") else {
        cx.note("objective.t", "stratified(0, 1)", None);
        return Some(Given { t: TSampling { kind: TKind::Stratified, low: 0.0, high: 1.0 }, span: reader.span });
    };
    let forms: Vec<(&str, &[&'static str])> = KINDS.iter().map(|k| (k.name(), &["low", "high"] as &[_])).collect();
    let (name, mut inner) = Reader::call(&node, "objective.t", &forms, cx)?;
    let kind = KINDS.into_iter().find(|kind| kind.name() == name)?;
    let mut end = |name: &'static str, default: f64, cx: &mut Cx<'_>| match inner.get(name) {
        None => Some((default, node.span)),
        Some(n) => {
            let path = format!("objective.t.{name}");
            let q = quantity(&path, &n, Takes::PLAIN, cx)?;
            in_range(&path, q, 0.0..=1.0, cx).map(|x| (x, n.span))
        }
    };
    let (low, high) = (end("low", 0.0, cx), end("high", 1.0, cx));
    inner.finish(cx);
    let ((low, _), (high, at)) = (low?, high?);
    if low >= high {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, format!("t runs from {low} to {high}, which is empty"))
                .at(at, "the upper end has to be above the lower"),
        );
        return None;
    }
    cx.note("objective.t", format!("{name}({low}, {high})"), Some(&node));
    Some(Given { t: TSampling { kind, low, high }, span: node.span })
}

/// `t: KIND`, where no range is to be chosen.
pub fn read_kind(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<TKind> {
    let Some(node) = reader.get("t") else {
        cx.note("objective.t", TKind::Stratified.name(), None);
        return Some(TKind::Stratified);
    };
    let forms: Vec<(&str, &[&'static str])> = KINDS.iter().map(|k| (k.name(), &[] as &[_])).collect();
    let (name, inner) = Reader::call(&node, "objective.t", &forms, cx)?;
    inner.finish(cx);
    let kind = KINDS.into_iter().find(|kind| kind.name() == name)?;
    if kind == TKind::Importance {
        cx.out.push(importance_unfit(node.span, "any_order draws k uniformly, and every k weighs alike already"));
        return None;
    }
    cx.note("objective.t", name, Some(&node));
    Some(kind)
}

/// Importance sampling is by the mask rate, which noise other than masks has not.
pub fn without_importance(given: Given, objective: &str, cx: &mut Cx<'_>) -> Option<TSampling> {
    if given.t.kind == TKind::Importance {
        let why = format!("it levels the weight of masked tokens, and in {objective} every token has a loss");
        cx.out.push(importance_unfit(given.span, &why));
        return None;
    }
    Some(given.t)
}

fn importance_unfit(span: Span, why: &str) -> Diagnostic {
    Diagnostic::error(code::UNFIT_T, "importance sampling of t does not fit this objective")
        .at(span, why)
        .help("use `stratified`, `systematic` or `iid`")
}

/// With the log of the mask rate uniform, the rate at the lowest t has to be above 0.
pub fn check_importance(given: Given, schedule: &Formula, cx: &mut Cx<'_>) -> bool {
    let rates = [given.t.low, given.t.high].map(|t| 1.0 - schedule.eval(t));
    if given.t.kind != TKind::Importance || (rates[0] > EXACT_RATE && rates[1] > rates[0]) {
        return true;
    }
    let (problem, label) = if rates[0] > EXACT_RATE {
        ("a mask rate that rises", format!("the mask rate is {} at both ends", near_one(rates[0])))
    } else {
        ("a mask rate above 0 at the lowest t", format!("nothing is masked at t = {}", Number::Real(given.t.low)))
    };
    cx.out.push(
        Diagnostic::error(code::UNFIT_T, format!("importance sampling of t needs {problem}"))
            .at(given.span, label)
            .note("it draws the logarithm of the mask rate uniformly, so that every row weighs alike")
            .help("for example `t: importance(1e-3, 1)`"),
    );
    false
}
