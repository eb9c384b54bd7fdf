//! What arms may differ in: one path, or those that the experiment declares.

use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, SourceMap, Span};
use crate::resolve::{ResolvedArm, ResolvedSpec, Value};
use std::collections::BTreeMap;

/// Arms differ in one path, or in those that `factors` lists.
pub fn factors(spec: &ResolvedSpec, map: &SourceMap, out: &mut Diagnostics) -> Vec<String> {
    let declared: Option<Vec<(String, Span)>> = spec.factors.as_ref().map(|node| match &node.value {
        Value::List(items) => items
            .iter()
            .map(|item| match &item.value {
                Value::Word(path) => (path.clone(), item.span),
                _ => (map.text(item.span).trim().to_string(), item.span),
            })
            .collect(),
        Value::Faulty => vec![],
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
