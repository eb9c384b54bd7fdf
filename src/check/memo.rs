//! Objectives that were read already. A sweep mostly varies something else, and proving a schedule sound
//! takes longer than all the rest of an arm.

use super::objective::{self, Sequences};
use super::reader::Cx;
use super::spec::{FlatField, Objective, Sampler};
use crate::base::Diagnostics;
use crate::resolve::Node;

/// Objectives that are remembered.
const MAX_KEPT: usize = 64;

#[derive(Default)]
pub struct Objectives {
    kept: Vec<Kept>,
}

struct Kept {
    node: Node,
    sequences: Option<Sequences>,
    objective: Option<(Objective, Sampler)>,
    flat: Vec<FlatField>,
    found: Diagnostics,
}

impl Objectives {
    /// [`objective::read`], once for each distinct written objective and length of a sequence.
    pub fn read(&mut self, node: &Node, sequences: Option<Sequences>, cx: &mut Cx<'_>) -> Option<(Objective, Sampler)> {
        let known = self.kept.iter().find(|kept| kept.sequences == sequences && kept.node == *node);
        if let Some(kept) = known {
            cx.out.extend(kept.found.clone());
            cx.flat.extend(kept.flat.iter().cloned());
            return kept.objective.clone();
        }
        let mut found = Diagnostics::default();
        let mut inner = Cx::new(cx.spec, cx.map, &mut found);
        let objective = objective::read(node, sequences, &mut inner);
        let flat = inner.flat;
        cx.out.extend(found.clone());
        cx.flat.extend(flat.iter().cloned());
        if self.kept.len() < MAX_KEPT {
            let node = node.clone();
            self.kept.push(Kept { node, sequences, objective: objective.clone(), flat, found });
        }
        objective
    }
}
