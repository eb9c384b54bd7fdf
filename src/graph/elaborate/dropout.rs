//! Dropout: its rate, and the place in the model that its draws are of.

use super::operations::Statics;
use super::{Builder, Diagnostic, Dim, Input, Op, Span, Tensor, code};
use crate::graph::ops::dropout::{Dropout, Drops};
use crate::graph::{BodyId, Graph};
use std::collections::BTreeMap;

impl Builder<'_> {
    /// The operation `dropout`; at a rate of 0 it is none.
    pub(super) fn dropout(&mut self, x: Tensor, path: &str, statics: &Statics, span: Span) -> Option<Tensor> {
        let Some(drops) = self.drops("dropout", "rate", path, statics, span) else { return Some(x) };
        let has_rows = self.type_of(&x).shape.first() == Some(&Dim::Batch);
        let draw = self.input(Input::Draw, span);
        self.op(Dropout { drops, has_rows }.into(), &[x, draw], span)
    }

    /// What an operation drops, if anything. A rate that is none is reported, and the rest of the model looked at.
    pub(super) fn drops(
        &mut self,
        operation: &str,
        name: &str,
        path: &str,
        statics: &Statics,
        span: Span,
    ) -> Option<Drops> {
        let (rate, origin) = (statics.real(name), statics.origin(name).unwrap_or(span));
        if (0.0..1.0).contains(&rate) {
            let site = self.path_here(path);
            return (rate > 0.0).then_some(Drops { rate, site });
        }
        let message = format!("`{name}` of `{operation}` is at least 0 and below 1, not {rate}");
        let mut diagnostic = Diagnostic::error(code::OUT_OF_RANGE, message).at(origin, "this value");
        if origin != span {
            diagnostic = diagnostic.also(span, "for this");
        }
        self.report(diagnostic.help("it is the share of elements that are dropped: `0.1`"));
        None
    }
}

/// Gives each dropout of one path a place of its own, in the order of the nodes. Bodies of a region run at
/// different indices, which tell them apart already.
pub(super) fn number_sites(graph: &mut Graph) {
    number(graph, Graph::ROOT, &mut BTreeMap::new());
}

fn number(graph: &mut Graph, id: BodyId, seen: &mut BTreeMap<String, u32>) {
    let Some(body) = graph.bodies.get(id.0 as usize) else { return };
    for index in body.dag.node_indices().collect::<Vec<_>>() {
        let node = graph.bodies.get_mut(id.0 as usize).and_then(|body| body.dag.node_weight_mut(index));
        let Some(node) = node else { continue };
        if let Some(drops) = node.op.drops_mut() {
            let n = seen.entry(drops.site.clone()).or_default();
            *n += 1;
            if *n > 1 {
                drops.site = format!("{}#{n}", drops.site);
            }
        }
        let Op::Repeat(region) = &node.op else { continue };
        let mut after = seen.clone();
        for inner in region.bodies() {
            let mut within = seen.clone();
            number(graph, inner, &mut within);
            for (site, n) in within {
                let most = after.entry(site).or_default();
                *most = n.max(*most);
            }
        }
        *seen = after;
    }
}
