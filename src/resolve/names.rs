//! Names inside blocks, over all blocks of a spec: each is checked ([`super::scope`]), none may call itself, and
//! what an experiment reaches is used. A block that is passed to another counts as called by who passes it:
//! it can only run while that one does.

pub(crate) use super::arguments::{n_arguments, short_list, takes};
use super::library::{DefId, Library};
use super::scope::calls_of;
use crate::ast::Stmt;
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, Span};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks of a circle that a finding shows.
const MAX_SHOWN: usize = 4;

/// Which blocks each block or model calls.
pub type Calls = BTreeMap<DefId, BTreeSet<DefId>>;

/// Checks all blocks of the library. Gives the call graph.
pub fn check_blocks(library: &Library, out: &mut Diagnostics) -> Calls {
    let mut calls = Calls::new();
    for (id, def) in library.defs() {
        if let Some(block) = library.block(id) {
            calls.insert(id, calls_of(block, def.file(), library, out));
        }
    }
    report_recursion(library, &calls, out);
    calls
}

/// Everything reachable from `from`, itself included.
pub fn reachable(calls: &Calls, from: DefId) -> BTreeSet<DefId> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(id) = todo.pop() {
        if reached.insert(id) {
            todo.extend(calls.get(&id).into_iter().flatten());
        }
    }
    reached
}

/// One finding for each circle of blocks.
fn report_recursion(library: &Library, calls: &Calls, out: &mut Diagnostics) {
    let mut graph: DiGraphMap<DefId, ()> = DiGraphMap::new();
    for (id, called) in calls {
        graph.add_node(*id);
        for callee in called {
            graph.add_edge(*id, *callee, ());
        }
    }
    for mut circle in tarjan_scc(&graph) {
        circle.sort();
        let Some((first, others)) = circle.split_first() else { continue };
        let Some(def) = library.def(*first) else { continue };
        if others.is_empty() && !calls.get(first).is_some_and(|called| called.contains(first)) {
            continue;
        }
        let mut diagnostic = Diagnostic::error(code::RECURSIVE_BLOCK, format!("`{}` calls itself", def.name.text))
            .at(def.name.span, "a block is unrolled into a graph, so it cannot end");
        for other in others.iter().take(MAX_SHOWN).filter_map(|id| library.def(*id)) {
            diagnostic = diagnostic.also(other.name.span, "by way of this block");
        }
        out.push(diagnostic.help("use `repeat` for a fixed number of layers"));
    }
}

/// Names that statements bind, each with the first place. `inside` counts what repeats bind in their bodies, too,
/// which is gone after them unless it was there before.
pub fn assigned(stmts: &[Stmt], inside: bool) -> BTreeMap<&str, Span> {
    let mut found = BTreeMap::new();
    find_assigned(stmts, inside, &mut found);
    found
}

fn find_assigned<'a>(stmts: &'a [Stmt], inside: bool, into: &mut BTreeMap<&'a str, Span>) {
    for stmt in stmts {
        match stmt {
            Stmt::Bind { targets, .. } => {
                for target in targets {
                    into.entry(&target.text).or_insert(target.span);
                }
            }
            Stmt::Repeat { body, .. } => {
                for stmt in body {
                    if let Stmt::Collect { target, .. } = stmt {
                        into.entry(&target.text).or_insert(target.span);
                    }
                }
                if inside {
                    find_assigned(body, inside, into);
                }
            }
            Stmt::If { branches, otherwise, .. } => {
                let bodies = branches.iter().map(|(_, body)| body).chain(otherwise);
                bodies.for_each(|body| find_assigned(body, inside, into));
            }
            Stmt::Return { .. } | Stmt::Require { .. } | Stmt::Collect { .. } => {}
        }
    }
}
