//! From axes to points: the grid, what `where` keeps of it, what `keep` draws from it, replicates.

use super::eval::Eval;
use super::library::{Kind, Lookup};
use super::names::short_list;
use super::point::{Axis, AxisKind, Coordinate, Point};
use super::sweep::{Sweep, covers};
use super::value::{Layer, Node, Origin, Value};
use crate::ast::{BinaryOp, Expr, ExprKind};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::philox::{Purpose, Stream};
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Variants, arms times points, of an experiment.
pub const MAX_VARIANTS: usize = 10_000;
/// Points of a grid that `where` and `keep` choose from.
const MAX_GRID: u64 = 100_000;

/// What a condition may ask about besides the axes.
pub struct Fixed<'a> {
    /// The experiment's fields, without the arms'.
    pub base: &'a Node,
    /// Paths that arms set, with the arm's name.
    pub arms: &'a [(Vec<String>, String)],
    /// Whether `--set` changed anything, so that a condition may have lost its say.
    pub changed: bool,
    pub n_arms: usize,
}

/// The points, as indices of values, in the order of the grid: the last axis moves fastest. Empty after an error.
pub fn points(sweep: &Sweep, replicates: Option<&Axis>, fixed: &Fixed<'_>, eval: &mut Eval<'_>) -> Vec<Point> {
    let sizes: Vec<usize> = sweep.axes.iter().map(|axis| axis.values.len()).collect();
    let n_grid = sizes.iter().fold(1u64, |product, n| product.saturating_mul(*n as u64));
    let n_replicates = replicates.map_or(1, |axis| axis.values.len());
    let span = sweep.span.or(replicates.map(|axis| axis.span));
    let chooses = sweep.condition.is_some() || sweep.keep.is_some();
    if chooses && n_grid > MAX_GRID {
        return too_many(format!("a grid of {} points", grouped(n_grid)), MAX_GRID, span, eval);
    }
    let n_all = n_grid.saturating_mul((n_replicates * fixed.n_arms) as u64);
    if !chooses && n_all > MAX_VARIANTS as u64 {
        return too_many(variants(n_grid, n_replicates, fixed.n_arms), MAX_VARIANTS as u64, span, eval);
    }
    let mut kept: Vec<Vec<usize>> = (0..n_grid).map(|i| indices(i, &sizes)).collect();
    if let Some(condition) = &sweep.condition {
        match Condition::new(condition, sweep, fixed, eval).and_then(|c| c.choose(&kept, eval)) {
            None => return vec![],
            Some(holds) => {
                let mut holds = holds.into_iter();
                kept.retain(|_| holds.next().unwrap_or(true));
            }
        }
        if kept.is_empty() || (kept.len() as u64 == n_grid && !fixed.changed) {
            let (code, message, help) = if kept.is_empty() {
                (code::NO_POINTS, "`where` keeps none of the points", "it holds for no combination of the axes")
            } else {
                (code::NO_EFFECT, "`where` keeps all points", "it holds for every combination of the axes")
            };
            let diagnostic = Diagnostic::error(code, message)
                .at(condition.span, format!("{} points in the grid", grouped(n_grid)))
                .help(format!("{help}; mend it, or take it out"));
            eval.out.push(diagnostic);
            return vec![];
        }
    }
    if let Some(keep) = sweep.keep {
        let n = kept.len() as u64;
        if keep.n >= n {
            if !fixed.changed {
                eval.out.push(
                    Diagnostic::error(code::NO_EFFECT, format!("`keep` of {} from {} points", keep.n, grouped(n)))
                        .at(keep.span, "keeps them all")
                        .help("lower it, or take it out"),
                );
                return vec![];
            }
        } else {
            // More points of the same seed only add to fewer.
            let stream = Stream::new(keep.seed, Purpose::Points);
            let drawn: BTreeSet<u32> =
                stream.sample_without_replacement(n as u32, keep.n as u32, 0, 0).into_iter().collect();
            let mut i = 0;
            kept.retain(|_| {
                i += 1;
                drawn.contains(&(i - 1))
            });
        }
    }
    let n_all = (kept.len() * n_replicates).saturating_mul(fixed.n_arms);
    if n_all > MAX_VARIANTS {
        return too_many(variants(kept.len() as u64, n_replicates, fixed.n_arms), MAX_VARIANTS as u64, span, eval);
    }
    let mut points = vec![];
    for indices in &kept {
        for r in 0..n_replicates {
            let of = |(axis, index): (&Axis, usize)| {
                let text = axis.values.get(index).map_or(String::new(), |v| v.text.clone());
                Coordinate { label: axis.label.clone(), text, index }
            };
            let swept = sweep.axes.iter().zip(indices.iter().copied());
            let coordinates = swept.chain(replicates.map(|axis| (axis, r))).map(of).collect();
            points.push(Point { coordinates });
        }
    }
    points
}

fn variants(points: u64, replicates: usize, arms: usize) -> String {
    let all = points.saturating_mul((replicates * arms) as u64);
    let times = if replicates > 1 { format!(" x {replicates} replicates") } else { String::new() };
    format!("{} points{times} x {arms} arms are {} runs", grouped(points), grouped(all))
}

fn too_many(what: String, most: u64, span: Option<Span>, eval: &mut Eval<'_>) -> Vec<Point> {
    let mut diagnostic = Diagnostic::error(code::TOO_MANY_POINTS, what);
    if let Some(span) = span {
        diagnostic = diagnostic.at(span, format!("at most {} are possible", grouped(most)));
    }
    eval.out
        .push(diagnostic.help("take values out, choose with `where` or `keep: random(k, seed: s)`, or `zip` paths"));
    vec![]
}

/// The `i`th combination of so many values each.
fn indices(mut i: u64, sizes: &[usize]) -> Vec<usize> {
    let mut found: Vec<usize> = sizes
        .iter()
        .rev()
        .map(|n| {
            let n = (*n as u64).max(1);
            let index = i % n;
            i /= n;
            index as usize
        })
        .collect();
    found.reverse();
    found
}

/// A `where` that makes sense: its names are known.
struct Condition<'a> {
    expr: &'a Expr,
    sweep: &'a Sweep,
    /// Names of axes and paths in it, with the axes each depends on.
    names: BTreeMap<String, Vec<usize>>,
    base: &'a Node,
}

/// What a name in a condition stands for.
enum Meaning {
    /// An axis, by its own name, or a path, with the axes that set it.
    Value(Vec<usize>),
    Let,
    Word,
}

impl<'a> Condition<'a> {
    fn new(expr: &'a Expr, sweep: &'a Sweep, fixed: &Fixed<'a>, eval: &mut Eval<'_>) -> Option<Condition<'a>> {
        let mut condition = Condition { expr, sweep, names: BTreeMap::new(), base: fixed.base };
        let before = eval.out.n_errors();
        condition.look_at(expr, None, fixed, eval);
        (eval.out.n_errors() == before).then_some(condition)
    }

    /// Notes the names; `with` is what a name is compared to, of whose words it may be one.
    fn look_at(&mut self, expr: &Expr, with: Option<&Expr>, fixed: &Fixed<'a>, eval: &mut Eval<'_>) {
        match &expr.kind {
            ExprKind::Name(name) => {
                let meaning = self.meaning(name, expr.span, eval);
                match meaning {
                    Meaning::Value(axes) => {
                        self.report_arms(name, expr.span, fixed, eval);
                        self.names.insert(name.clone(), axes);
                    }
                    Meaning::Let => {}
                    Meaning::Word if self.report_arms(name, expr.span, fixed, eval) => {}
                    Meaning::Word => self.report_word(name, expr.span, with, fixed, eval),
                }
            }
            ExprKind::Binary { op: BinaryOp::Eq | BinaryOp::Ne | BinaryOp::In, left, right, .. } => {
                self.look_at(left, Some(right), fixed, eval);
                self.look_at(right, Some(left), fixed, eval);
            }
            ExprKind::Tuple(items) | ExprKind::List { items, .. } => {
                items.iter().for_each(|item| self.look_at(item, with, fixed, eval));
            }
            // No parts of conditions.
            ExprKind::Extend { .. } | ExprKind::Claims(_) | ExprKind::Record(_) => {}
            _ => expr.parts().into_iter().for_each(|part| self.look_at(part, None, fixed, eval)),
        }
    }

    fn meaning(&self, name: &str, span: Span, eval: &Eval<'_>) -> Meaning {
        if let Some(i) = self.axis(name) {
            return Meaning::Value(vec![i]);
        }
        let path: Vec<String> = name.split('.').map(str::to_string).collect();
        let setters: Vec<usize> = (0..self.sweep.settings.len())
            .filter(|i| self.sweep.settings.get(*i).into_iter().flatten().flatten().any(|a| covers(&a.path, &path)))
            .collect();
        let first: Vec<usize> = vec![0; self.sweep.axes.len()];
        if !setters.is_empty() || self.value(name, &first, eval).is_some() {
            return Meaning::Value(setters);
        }
        let head = path.first().map_or(name, String::as_str);
        match eval.library.lookup(span.file, Kind::Let, head) {
            Lookup::Found(_) => Meaning::Let,
            _ => Meaning::Word,
        }
    }

    /// An axis with a name of its own.
    fn axis(&self, name: &str) -> Option<usize> {
        self.sweep.axes.iter().position(|axis| axis.kind != AxisKind::Values && axis.path == name)
    }

    /// The arm that sets a path.
    fn set_by<'f>(&self, name: &str, fixed: &'f Fixed<'_>) -> Option<&'f str> {
        let path: Vec<String> = name.split('.').map(str::to_string).collect();
        let arm = fixed.arms.iter().find(|(set, _)| covers(set, &path) || covers(&path, set));
        arm.filter(|_| self.axis(name).is_none()).map(|(_, arm)| arm.as_str())
    }

    /// Whether arms set what the condition asks about.
    fn report_arms(&self, name: &str, span: Span, fixed: &Fixed<'_>, eval: &mut Eval<'_>) -> bool {
        let arm = self.set_by(name, fixed);
        if let Some(arm) = arm {
            eval.out.push(
                Diagnostic::error(code::BAD_SWEEP, format!("`where` asks about `{name}`, which the arms set"))
                    .at(span, format!("the arm `{arm}` sets it"))
                    .help("`where` chooses points, and every point has all arms: ask about what the sweep sets"),
            );
        }
        arm.is_some()
    }

    /// A word is fine where it is compared with something that may be that word.
    fn report_word(&self, name: &str, span: Span, with: Option<&Expr>, fixed: &Fixed<'_>, eval: &mut Eval<'_>) {
        let with = match with.map(|expr| &expr.kind) {
            Some(ExprKind::Name(other)) => Some(other),
            _ => None,
        };
        let texts = |i: usize| {
            let values = self.sweep.axes.get(i).map_or(&[][..], |axis| axis.values.as_slice());
            values.iter().map(|v| v.text.as_str()).collect::<Vec<_>>()
        };
        if let Some(axis) = with.and_then(|other| self.axis(other)) {
            if !texts(axis).contains(&name) {
                let label = self.sweep.axes.get(axis).map_or("", |a| a.label.as_str());
                let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("`{label}` has no value `{name}`"))
                    .at(span, "compared with this");
                eval.out.push(match suggest(name, texts(axis)) {
                    Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                    None => diagnostic.help(format!("its values are {}", short_list(texts(axis).into_iter()))),
                });
            }
            return;
        }
        if with.is_some_and(|other| self.set_by(other, fixed).is_some()) {
            // Reported there.
            return;
        }
        let first: Vec<usize> = vec![0; self.sweep.axes.len()];
        if let Some(other) = with.and_then(|other| self.value(other, &first, eval))
            && matches!(other.value, Value::Word(_) | Value::Call { .. } | Value::Record(_))
        {
            return;
        }
        let mut known: Vec<String> = self.sweep.axes.iter().map(|axis| axis.path.clone()).collect();
        known.extend(self.sweep.settings.iter().flatten().take(MAX_VARIANTS).flatten().map(|a| a.dotted()));
        paths_of(self.base, String::new(), &mut known);
        known.sort();
        known.dedup();
        let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("there is no value `{name}`"))
            .at(span, "neither an axis nor a path that the experiment sets");
        // A path is often meant by its end.
        let end = format!(".{name}");
        let closest = known.iter().find(|path| path.ends_with(&end)).map(String::as_str);
        eval.out.push(match closest.or_else(|| suggest(name, known.iter().map(String::as_str))) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => diagnostic.help("`where` reads axes, and paths that are written in the experiment"),
        });
    }

    /// What a name stands for at a combination.
    fn value(&self, name: &str, indices: &[usize], eval: &Eval<'_>) -> Option<Node> {
        if let Some(i) = self.axis(name) {
            let value = self.sweep.axes.get(i)?.values.get(*indices.get(i)?)?;
            let origin = Origin::new(Layer::Definition, value.span);
            return Some(Node::new(Value::Word(value.text.clone()), value.span, origin));
        }
        let path: Vec<&str> = name.split('.').collect();
        for (values, index) in self.sweep.settings.iter().zip(indices) {
            for assignment in values.get(*index).into_iter().flatten() {
                let own: Vec<&str> = assignment.path.iter().map(String::as_str).collect();
                if let Some(rest) = path.strip_prefix(own.as_slice())
                    && let Some(found) = assignment.node.at(rest)
                {
                    return Some(found.clone());
                }
            }
        }
        self.base.at(&path).cloned().or_else(|| super::experiment::model_default(self.base, &path, eval.library))
    }

    /// For which combinations it holds; `None` after an error.
    fn choose(&self, all: &[Vec<usize>], eval: &mut Eval<'_>) -> Option<Vec<bool>> {
        let asked: BTreeSet<usize> = self.names.values().flatten().copied().collect();
        // Combinations that differ in other axes alone have one answer.
        let mut answers: BTreeMap<Vec<usize>, bool> = BTreeMap::new();
        let mut holds = vec![];
        for indices in all {
            let key: Vec<usize> = asked.iter().filter_map(|i| indices.get(*i).copied()).collect();
            let answer = match answers.get(&key) {
                Some(answer) => *answer,
                None => {
                    let known: BTreeMap<String, Node> = self
                        .names
                        .keys()
                        .filter_map(|name| Some((name.clone(), self.value(name, indices, eval)?)))
                        .collect();
                    let node = eval.asking(known, |eval| eval.expr(self.expr, None));
                    let answer = eval.truth(&node)?;
                    answers.insert(key, answer);
                    answer
                }
            };
            holds.push(answer);
        }
        Some(holds)
    }
}

/// The paths of all leaves.
fn paths_of(node: &Node, path: String, into: &mut Vec<String>) {
    let fields = match &node.value {
        Value::Record(record) => &record.fields,
        Value::Call { args, .. } => &args.named,
        _ => return into.push(path),
    };
    if !path.is_empty() && !matches!(node.value, Value::Record(_)) {
        into.push(path.clone());
    }
    for (name, (_, inner)) in fields {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        paths_of(inner, below, into);
    }
}
