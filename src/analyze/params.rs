//! Parameter counts.

use crate::graph::ops::embed::Embed;
use crate::graph::{Op, ParamId, ValidGraph};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamCount {
    pub total: u64,
    /// Tables that an `embed` reads. A tied table counts here.
    pub embedding: u64,
    /// Parameters that decay: two dimensions or more.
    pub decayed: u64,
}

impl ParamCount {
    pub fn without_embedding(self) -> u64 {
        self.total - self.embedding
    }
}

pub fn count_params(valid: &ValidGraph) -> ParamCount {
    let graph = valid.graph();
    let mut tables: BTreeSet<ParamId> = BTreeSet::new();
    for body in &graph.bodies {
        for (index, node) in body.nodes() {
            if matches!(node.op, Op::Embed(Embed))
                && let Some(table) = body.inputs(index).first().and_then(|v| body.node(v.node))
                && let Op::Param(id) = table.op
            {
                tables.insert(id);
            }
        }
    }
    let mut count = ParamCount { total: 0, embedding: 0, decayed: 0 };
    for (i, param) in graph.params.iter().enumerate() {
        let n = param.n_elements() * param.n_instances();
        count.total += n;
        count.embedding += if tables.contains(&ParamId(i as u32)) { n } else { 0 };
        count.decayed += if param.shape.len() >= 2 { n } else { 0 };
    }
    count
}
