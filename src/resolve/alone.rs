//! A value that belongs to no spec, such as that of a flag: read by the same parser, with the same diagnostics.

use super::eval::Eval;
use super::sweep::Sweep;
use super::value::{Layer, Node, Record};
use super::{Library, ResolvedSpec};
use crate::base::{Diagnostics, FileId, SourceMap, Span};
use crate::syntax;
use std::sync::Arc;

/// Reads `text`, a source of its own under `name`. There is nothing that its names could mean but choices. With it
/// comes the empty spec that readers of values look into.
pub fn resolve_alone(
    name: &str,
    text: &str,
    map: &mut SourceMap,
    out: &mut Diagnostics,
) -> Option<(ResolvedSpec, Node)> {
    let file = map.add(name, text);
    let (expr, found) = syntax::parse_value(file, text);
    out.extend(found);
    let expr = expr?;
    let library = Library::default();
    let node = Eval::new(&library, out).within(Layer::Set(name.into()), 0, |eval| eval.expr(&expr, None));
    Some((empty(library, file), node))
}

fn empty(library: Library, file: FileId) -> ResolvedSpec {
    let span = Span::new(file, 0, 0);
    ResolvedSpec {
        name: String::new(),
        span,
        library: Arc::new(library),
        doc: None,
        cite: None,
        arms: vec![],
        factors: None,
        allow: None,
        expect: Record::default(),
        claims: vec![],
        arms_span: span,
        axes: vec![],
        points: vec![],
        collapsed: vec![],
        is_part: false,
        sweep: Sweep::default(),
        opened: Arc::default(),
        overrides: Vec::default(),
    }
}
