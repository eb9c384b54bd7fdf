//! An experiment resolved: its arms as value trees, the points of its sweep, and what each point lays over
//! an arm. `assemble` reads it from the text; here stands what it is, and which one is meant.

use super::assemble::Assembly;
use super::definitions::{named_by, open_all};
use super::eval::{Eval, Opened};
use super::library::{DefId, Kind, Library, Lookup};
use super::names::{check_blocks, reachable, short_list};
use super::point::{Axis, Point, select};
use super::sweep::Sweep;
use super::value::{Node, Origin, Record, Value, overlay};
use crate::ast::{self, Expr, ExprKind, Item};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use crate::syntax;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `--set PATH=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub path: String,
    pub value: String,
}

#[derive(Clone, Debug)]
pub struct ResolvedSpec {
    pub name: String,
    /// The experiment's name in the text.
    pub span: Span,
    pub library: Arc<Library>,
    pub doc: Option<String>,
    pub cite: Option<Node>,
    /// Without what the sweep sets; see [`ResolvedSpec::variant`].
    pub arms: Vec<ResolvedArm>,
    pub factors: Option<Node>,
    /// `allow: [names of warnings]`
    pub allow: Option<Node>,
    pub expect: Record,
    /// The claims of `expect`, as written.
    pub claims: Vec<ast::Claim>,
    /// Where the arms are listed.
    pub arms_span: Span,
    /// Axes of the sweep, then `replicate`.
    pub axes: Vec<Axis>,
    /// Never empty, but after an error.
    pub points: Vec<Point>,
    /// Axes that `--set` took away, with the number of their values.
    pub collapsed: Vec<(String, usize)>,
    /// Whether `--point` left points out.
    pub is_part: bool,
    pub(super) sweep: Sweep,
    pub(super) overrides: Vec<SetValue>,
    pub(super) opened: Arc<BTreeMap<DefId, Opened>>,
}

#[derive(Clone, Debug)]
pub struct ResolvedArm {
    pub name: String,
    pub span: Span,
    /// Fields `model`, `objective`, `data`, `train`, `eval` as far as given; definitions opened.
    pub fields: Record,
    /// Paths this arm sets, with their places.
    pub sets: IndexMap<String, Span>,
}

/// A value of the command line and its path.
#[derive(Clone, Debug)]
pub(super) struct SetValue {
    pub path: Vec<ast::Ident>,
    pub node: Node,
}

/// Fields of an experiment that arms, sweeps and `--set` may set.
pub const ARM_FIELDS: &[&str] = &["model", "objective", "data", "train", "eval"];

impl ResolvedArm {
    /// The definition that a field is, or extends.
    pub fn definition(&self, field: &str) -> Option<DefId> {
        match &self.fields.fields.get(field)?.1.value {
            Value::Record(record) => record.def,
            Value::Call { args, .. } => args.def,
            _ => None,
        }
    }
}

impl ResolvedSpec {
    /// An arm at a point: the sweep's values laid over it, and `--set` over those.
    pub fn variant(&self, arm: &ResolvedArm, point: &Point) -> ResolvedArm {
        let mut arm = arm.clone();
        let mut swept = false;
        for (values, coordinate) in self.sweep.settings.iter().zip(&point.coordinates) {
            for assignment in values.get(coordinate.index).into_iter().flatten() {
                let path = assignment.path.iter().map(String::as_str);
                lay(&mut arm.fields, path, assignment.at, assignment.node.clone());
                swept = true;
            }
        }
        // `--set` may reach into what an axis sets.
        for set in self.overrides.iter().filter(|_| swept) {
            let at = set.path.first().map_or(set.node.span, |p| p.span);
            lay(&mut arm.fields, set.path.iter().map(|p| p.text.as_str()), at, set.node.clone());
        }
        arm
    }

    /// The value of a `let` that a file has under this name.
    pub fn let_value(&self, file: FileId, name: &str) -> Option<&Node> {
        match self.library.lookup(file, Kind::Let, name) {
            Lookup::Found(id) => self.opened.get(&id).map(|opened| &opened.node),
            _ => None,
        }
    }

    /// A written value, with the `let`s of the spec: for what is read from the text later, as claims are.
    pub fn evaluate(&self, expr: &Expr, out: &mut Diagnostics) -> Node {
        Eval::after(&self.library, self.opened.clone(), out).expr(expr, None)
    }

    /// 1 for the first replicate, and where there are none.
    pub fn replicate(&self, point: &Point) -> u64 {
        let axis = self.axes.len().checked_sub(1).filter(|_| self.axes.len() > self.sweep.axes.len());
        axis.and_then(|i| point.coordinates.get(i)).map_or(1, |c| c.index as u64 + 1)
    }

    /// Keeps the points that `--point` means; reports where there are none.
    pub fn keep_points(&mut self, text: &str, map: &mut SourceMap, out: &mut Diagnostics) {
        match select(&self.axes, &self.points, text) {
            Ok(found) => {
                let mut i = 0;
                let found: BTreeSet<usize> = found.into_iter().collect();
                self.is_part = found.len() < self.points.len();
                self.points.retain(|_| {
                    i += 1;
                    found.contains(&(i - 1))
                });
            }
            Err(refused) => {
                let file = map.add(format!("--point {text}"), text);
                let span = Span::new(file, 0, text.len());
                out.push(Diagnostic::error(code::BAD_POINT, refused.message).at(span, "here").help(refused.help));
            }
        }
    }
}

/// Lays a value over the fields at a path.
pub(super) fn lay<'a>(fields: &mut Record, path: impl DoubleEndedIterator<Item = &'a str>, at: Span, node: Node) {
    let mut path: Vec<&str> = path.collect();
    let Some(first) = (!path.is_empty()).then(|| path.remove(0)) else { return };
    let over = path.into_iter().rev().fold(node, |inner, part| {
        let (span, origin) = (inner.span, inner.origin.clone());
        let mut record = Record::default();
        record.fields.insert(part.to_string(), (at, inner));
        Node::new(Value::Record(record), span, origin)
    });
    match fields.fields.get_mut(first) {
        Some((_, existing)) => overlay(existing, over),
        None => {
            fields.fields.insert(first.to_string(), (at, over));
        }
    }
}

/// The default of a model's argument that is a plain number or switch.
pub(super) fn model_default(base: &Node, path: &[&str], library: &Library) -> Option<Node> {
    let ["model", argument] = path else { return None };
    let Value::Call { args, .. } = &base.at(&["model"])?.value else { return None };
    let param = library.block(args.def?)?.params.iter().find(|p| p.name.text == *argument)?;
    let default = param.default.as_ref()?;
    let value = match &default.kind {
        ExprKind::Number(lit) => Value::Number { number: lit.value, unit: lit.unit.map(|(unit, _)| unit) },
        ExprKind::Bool(b) => Value::Bool(*b),
        _ => return None,
    };
    Some(Node::new(value, default.span, Origin::new(super::value::Layer::Definition, default.span)))
}

/// The experiment of the library's main file (of that `name`, if there are several). Reports names
/// that mean nothing and definitions nobody uses.
pub fn resolve_experiment(
    library: Library,
    map: &mut SourceMap,
    name: Option<&str>,
    overrides: &[Override],
    out: &mut Diagnostics,
) -> Option<ResolvedSpec> {
    let calls = check_blocks(&library, out);
    let library = Arc::new(library);
    let experiments: Vec<(DefId, Arc<Item>)> = library
        .defs()
        .filter(|(_, d)| Some(d.file()) == library.main && d.kind == Kind::Experiment)
        .map(|(id, d)| (id, d.item.clone()))
        .collect();
    let overrides = if experiments.is_empty() { vec![] } else { parse_overrides(map, overrides, out) };
    let mut eval = Eval::new(&library, out);
    open_all(&mut eval);
    // What an experiment is made of is looked at when it is meant; that it uses things counts in any case.
    let meant = match (name, experiments.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), all) => all.iter().find(|(_, item)| item.name().is_some_and(|n| n.text == name)),
    };
    let mut resolved = None;
    if let Some((id, item)) = meant
        && let Item::Experiment(definition) = &**item
    {
        let mut assembly = Assembly { eval: &mut eval, library: &library, map };
        resolved = Some(assembly.experiment(*id, definition, &overrides));
    }
    let others = experiments.iter().filter(|(id, _)| meant.is_none_or(|(meant, _)| meant != id));
    eval.reached.extend(others.flat_map(|(id, _)| named_by(&library, *id)));
    let mut reached = all_reached(&eval);
    for id in reached.clone() {
        reached.extend(reachable(&calls, id));
    }
    library.report_unused(&reached, out);
    if let Some(mut spec) = resolved {
        spec.doc = library.doc.clone();
        return Some(spec);
    }
    match (name, experiments.last()) {
        (None, None) => {}
        (Some(_), None) => {
            if !out.has_errors() {
                let diagnostic = Diagnostic::error(code::WHICH_EXPERIMENT, "the file has no experiment");
                out.push(diagnostic.help("it is a library"));
            }
        }
        (wanted, Some((_, last))) => {
            let message = match wanted {
                Some(wanted) => format!("there is no experiment `{wanted}`"),
                None => "the file has several experiments".into(),
            };
            let mut diagnostic = Diagnostic::error(code::WHICH_EXPERIMENT, message);
            if let Some(name) = last.name() {
                diagnostic = diagnostic.at(name.span, "one of them");
            }
            let names: Vec<&str> =
                experiments.iter().filter_map(|(_, item)| item.name()).map(|name| name.text.as_str()).collect();
            out.push(diagnostic.help(format!("choose with --experiment: {}", short_list(names.into_iter()))));
        }
    }
    None
}

/// `--set` values, read as the text of a spec; each becomes a source of its own. An override without a
/// value is reported and left out.
fn parse_overrides(
    map: &mut SourceMap,
    overrides: &[Override],
    out: &mut Diagnostics,
) -> Vec<(Vec<ast::Ident>, Expr, Arc<str>)> {
    let mut parsed = vec![];
    for over in overrides {
        let text = format!("{}={}", over.path, over.value);
        let file = map.add(format!("--set {text}"), text.clone());
        let value_at = over.path.len() + 1;
        let whole = Span::new(file, 0, over.path.len());
        // Spaces in place of the path keep the columns true.
        let padded = format!("{}{}", " ".repeat(value_at), over.value);
        let (expr, found) = syntax::parse_value(file, &padded);
        out.extend(found);
        let path: Vec<ast::Ident> =
            over.path.split('.').map(|part| ast::Ident { text: part.to_string(), span: whole }).collect();
        if !path.first().is_some_and(|p| ARM_FIELDS.contains(&p.text.as_str())) {
            out.push(
                Diagnostic::error(code::BAD_OVERRIDE, format!("`{}` cannot be set", over.path))
                    .at(whole, "not a path of an arm")
                    .help(format!("paths start with {}", ARM_FIELDS.join(", "))),
            );
            continue;
        }
        parsed.extend(expr.map(|expr| (path, expr, Arc::from(text.as_str()))));
    }
    parsed
}

/// All that the experiments name, and all that this names in turn.
fn all_reached(eval: &Eval<'_>) -> BTreeSet<DefId> {
    let library = eval.library;
    let mut reached = BTreeSet::new();
    let mut todo: Vec<DefId> = eval.reached.iter().copied().collect();
    while let Some(id) = todo.pop() {
        if !reached.insert(id) {
            continue;
        }
        if let Some(opened) = eval.opened.get(&id) {
            todo.extend(&opened.reached);
        }
        if let Some(def) = library.def(id)
            && let Item::Schedule(schedule) = &*def.item
        {
            lets_of(&schedule.formula, def.file(), library, &mut todo);
        }
    }
    reached
}

/// The `let`s that a formula names.
fn lets_of(expr: &Expr, file: FileId, library: &Library, into: &mut Vec<DefId>) {
    match &expr.kind {
        ExprKind::Name(name) => {
            let first = name.split('.').next().unwrap_or(name);
            if let Lookup::Found(id) = library.lookup(file, Kind::Let, first) {
                into.push(id);
            }
        }
        // No parts of formulas.
        ExprKind::Extend { .. } | ExprKind::Claims(_) | ExprKind::Record(_) => {}
        _ => expr.parts().into_iter().for_each(|part| lets_of(part, file, library, into)),
    }
}

pub(crate) fn unknown_field(of: &str, name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(code::UNKNOWN_FIELD, format!("{of} has no field `{name}`")).at(span, "not a field of it");
    match suggest(name, known.iter().copied()) {
        Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
        None => diagnostic.help(format!("its fields are {}", known.join(", "))),
    }
}
