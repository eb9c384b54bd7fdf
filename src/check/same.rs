//! Points that are no two points: an axis without effect, and combinations that come out the same.

use super::spec::{Arm, Axis, Point};
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics};
use crate::resolve::ResolvedSpec;
use std::collections::BTreeMap;

/// Reports axes that change nothing; where there are none, the first two points that are the same.
pub fn report(spec: &ResolvedSpec, variants: &[Arm], out: &mut Diagnostics) {
    if spec.points.len() < 2 {
        return;
    }
    // Which points are the same, as the index of the first of them.
    let mut firsts: BTreeMap<Vec<(&str, &str)>, usize> = BTreeMap::new();
    let mut kinds: Vec<usize> = vec![];
    for (i, arms) in variants.chunks(spec.arms.len().max(1)).enumerate() {
        let fields = arms.iter().flat_map(|arm| &arm.flat).map(|f| (f.path.as_str(), f.value.as_str())).collect();
        kinds.push(*firsts.entry(fields).or_insert(i));
    }
    let Some((again, first)) = kinds.iter().enumerate().find(|(i, first)| i != *first) else { return };
    let before = out.n_errors();
    for (i, axis) in spec.axes.iter().enumerate() {
        if has_no_effect(i, &spec.points, &kinds) {
            out.push(
                Diagnostic::error(code::NO_EFFECT, format!("the axis `{}` changes nothing", axis.label))
                    .at(axis.span, "every arm is the same at all its values")
                    .help("take it out; `dlmc plan --json` lists what each arm is made of"),
            );
        }
    }
    if out.n_errors() > before {
        return;
    }
    let (Some(a), Some(b)) = (spec.points.get(*first), spec.points.get(again)) else { return };
    let differs = |(i, _): &(usize, &Axis)| a.coordinates.get(*i) != b.coordinates.get(*i);
    let n = kinds.iter().enumerate().filter(|(i, first)| i != *first).count();
    let mut diagnostic = Diagnostic::error(code::DUPLICATE_POINT, format!("the points `{a}` and `{b}` are the same"));
    for (i, axis) in spec.axes.iter().enumerate().filter(differs) {
        let value = |p: &Point| p.coordinates.get(i).and_then(|c| axis.values.get(c.index)).map(|v| v.span);
        if let (Some(one), Some(other)) = (value(a), value(b)) {
            diagnostic = match diagnostic.primary {
                None => diagnostic.at(other, "with this value").also(one, "and with this"),
                Some(_) => diagnostic.also(other, "and this").also(one, "and this"),
            };
        }
    }
    if n > 1 {
        diagnostic = diagnostic.note(format!("{n} points repeat others in all"));
    }
    out.push(diagnostic.help("every arm comes out the same there: take one of them out"));
}

/// Whether points that differ in this axis alone are always the same, and there are such points.
fn has_no_effect(axis: usize, points: &[Point], kinds: &[usize]) -> bool {
    let mut seen: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut pairs = false;
    for (point, kind) in points.iter().zip(kinds) {
        let others: Vec<usize> =
            point.coordinates.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, c)| c.index).collect();
        match seen.insert(others, *kind) {
            Some(other) if other != *kind => return false,
            Some(_) => pairs = true,
            None => {}
        }
    }
    pairs
}
