//! The order of definitions: each `let`, `data`, `train` and `objective` is opened after what it is made of,
//! so that no chain of them is too long and a circle is found before anything waits for itself.

use super::eval::{Eval, NAMED, Opened, depth_of};
use super::library::{DefId, Kind, Library, Lookup};
use super::value::{Layer, Node, Record, Value};
use crate::ast::{self, Expr, ExprKind, Item};
use crate::base::diag::code;
use crate::base::{Diagnostic, FileId, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Definitions of a circle that a finding shows.
const MAX_SHOWN: usize = 8;

/// Opens every definition of the library into `eval.opened`; circles are reported, their members faulty.
pub fn open_all(eval: &mut Eval<'_>) {
    let library = eval.library;
    let mut state: BTreeMap<DefId, bool> = BTreeMap::new();
    for (start, def) in library.defs() {
        if state.contains_key(&start) || def.kind == Kind::Experiment {
            continue;
        }
        state.insert(start, false);
        let mut path: Vec<(DefId, Vec<Need>)> = vec![(start, made_of(library, start))];
        while let Some((id, waiting)) = path.last_mut() {
            let id = *id;
            let Some(Need { id: next, span, sure }) = waiting.pop() else {
                path.pop();
                state.insert(id, true);
                open_one(eval, id);
                continue;
            };
            match state.get(&next) {
                Some(true) => {}
                Some(false) if !sure => {}
                Some(false) => {
                    let circle: Vec<DefId> = path.iter().map(|(id, _)| *id).skip_while(|id| *id != next).collect();
                    report_circle(eval, &circle, span);
                }
                None => {
                    state.insert(next, false);
                    path.push((next, made_of(library, next)));
                }
            }
        }
    }
}

fn report_circle(eval: &mut Eval<'_>, circle: &[DefId], span: Span) {
    let defs: Vec<_> = circle.iter().filter_map(|id| eval.library.def(*id)).collect();
    let mut names: Vec<&str> = defs.iter().map(|def| def.name.text.as_str()).collect();
    let first = names.first().copied().unwrap_or_default();
    names.truncate(MAX_SHOWN);
    let left_out = circle.len() - names.len();
    let gap = if left_out > 0 { format!(" -> ({left_out} more)") } else { String::new() };
    let chain = format!("{}{gap} -> {first}", names.join(" -> "));
    let mut diagnostic = Diagnostic::error(code::CIRCULAR_VALUE, format!("`{first}` is made of itself"))
        .at(span, "this closes the circle")
        .note(chain);
    for def in defs.iter().take(MAX_SHOWN) {
        diagnostic = diagnostic.also(def.name.span, "by way of this");
    }
    eval.out.push(diagnostic.help("give one of them a value of its own"));
    let mut reached: BTreeSet<DefId> = circle.iter().copied().collect();
    reached.extend(circle.iter().flat_map(|id| made_of(eval.library, *id)).map(|need| need.id));
    for id in circle {
        let span = eval.library.def(*id).map_or(span, |def| def.name.span);
        let node = Node::new(Value::Faulty, span, eval.origin(span));
        Arc::make_mut(&mut eval.opened).insert(*id, Opened { node, reached: reached.clone() });
    }
}

fn open_one(eval: &mut Eval<'_>, id: DefId) {
    let library = eval.library;
    let Some(def) = library.def(id) else { return };
    if eval.opened.contains_key(&id) {
        return;
    }
    let outer = std::mem::take(&mut eval.reached);
    let node = eval.within(Layer::Definition, 0, |eval| match &*def.item {
        Item::Let(binding) => Some(eval.expr(&binding.value, None)),
        Item::Objective(binding) => {
            let node = eval.expr(&binding.value, Some(Kind::Objective));
            Some(match &node.value {
                Value::Word(word) => match library.lookup(eval.scope_of(&node), Kind::Objective, word) {
                    Lookup::Found(other) => {
                        let mut opened = eval.open(other, node.span);
                        opened.assume(&node.origin.assumed);
                        opened
                    }
                    _ => node,
                },
                _ => node,
            })
        }
        Item::Data(definition) => Some(definition_value(eval, id, definition, Kind::Data)),
        Item::Train(definition) => Some(definition_value(eval, id, definition, Kind::Train)),
        Item::Use(_) | Item::Schedule(_) | Item::Experiment(_) | Item::Block(_) | Item::Model(_) => None,
    });
    let reached = std::mem::replace(&mut eval.reached, outer);
    if let Some(node) = node {
        Arc::make_mut(&mut eval.opened).insert(id, Opened { node, reached });
    }
}

/// `data NAME { fields }`, or `data NAME = BASE { fields }`
fn definition_value(eval: &mut Eval<'_>, id: DefId, definition: &ast::Definition, kind: Kind) -> Node {
    let name = &definition.name;
    let library = eval.library;
    let base = definition.base.as_ref().map(|base| {
        match library.find(name.span.file, kind, &base.text, base.span, eval.out) {
            Some(other) => eval.open(other, base.span),
            None => {
                eval.reached.extend(library.guess(name.span.file, kind, &base.text));
                Node::new(Value::Faulty, base.span, eval.origin(base.span))
            }
        }
    });
    let Some(mut node) = base else {
        let record = Record { def: Some(id), ..eval.record(&definition.fields) };
        return Node::new(Value::Record(record), name.span, eval.origin(name.span));
    };
    let depth = depth_of(&mut node, &Layer::Definition).saturating_add(1);
    let record = eval.within(Layer::Definition, depth, |eval| eval.record(&definition.fields));
    eval.lay(&mut node, record, name.span);
    if let Value::Record(record) = &mut node.value {
        record.def = Some(id);
    }
    node
}

/// All that an experiment names, without a look at what it makes of it.
pub fn named_by(library: &Library, experiment: DefId) -> impl Iterator<Item = DefId> {
    made_of(library, experiment).into_iter().map(|need| need.id)
}

/// What claims name is used; what they say, `check` reads from the text.
pub fn reach(eval: &mut Eval<'_>, claims: &[ast::Claim]) {
    eval.aside(|eval| {
        claims.iter().flat_map(ast::Claim::parts).for_each(|part| {
            eval.expr(part, None);
        });
    });
}

/// What has to be opened before something else.
struct Need {
    id: DefId,
    /// The place that names it.
    span: Span,
    /// Whether the name surely means this one: a word may mean a definition of another kind.
    sure: bool,
}

/// The definitions and `let`s that one is made of.
fn made_of(library: &Library, id: DefId) -> Vec<Need> {
    let Some(def) = library.def(id) else { return vec![] };
    let mut found = vec![];
    let file = def.file();
    match &*def.item {
        Item::Let(binding) | Item::Objective(binding) => values(&binding.value, file, library, &mut found),
        Item::Data(definition) | Item::Train(definition) | Item::Experiment(definition) => {
            if let Some(base) = &definition.base {
                find(def.kind, &base.text, base.span, file, library, &mut found);
                found.iter_mut().for_each(|need| need.sure = true);
            }
            definition.fields.iter().for_each(|field| values(&field.value, file, library, &mut found));
        }
        Item::Use(_) | Item::Schedule(_) | Item::Block(_) | Item::Model(_) => {}
    }
    // The last is looked at first.
    found.reverse();
    found
}

fn find(kind: Kind, name: &str, span: Span, file: FileId, library: &Library, into: &mut Vec<Need>) {
    if let Lookup::Found(id) = library.lookup(file, kind, name) {
        into.push(Need { id, span, sure: kind == Kind::Let });
    }
}

fn values(expr: &Expr, file: FileId, library: &Library, into: &mut Vec<Need>) {
    expr.parts().into_iter().for_each(|part| values(part, file, library, into));
    match &expr.kind {
        ExprKind::Name(name) => {
            let first = name.split('.').next().unwrap_or(name);
            find(Kind::Let, first, expr.span, file, library, into);
            for kind in NAMED {
                find(*kind, name, expr.span, file, library, into);
            }
        }
        ExprKind::Call { callee, .. } => find(Kind::Model, &callee.text, callee.span, file, library, into),
        _ => {}
    }
}
