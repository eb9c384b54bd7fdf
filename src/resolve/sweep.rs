//! `sweep: { ... }` and `replicates`: which axes an experiment has and what each of their values sets.
//! Which combinations become points is `grid`'s.

use super::arithmetic::{equal, in_base};
use super::eval::Eval;
use super::point::{Axis, AxisKind, AxisValue, labels};
use super::series::{self, Spacing, literal, short};
use super::value::{Args, Layer, Node, Record, Value};
use crate::ast::{self, Expr, ExprKind};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, SourceMap, Span};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Axes of a sweep.
const MAX_AXES: usize = 16;
/// Longest name of a value.
const MAX_TEXT: usize = 40;

/// One value set at one path.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub path: Vec<String>,
    /// Where the path is written.
    pub at: Span,
    pub node: Node,
}

impl Assignment {
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }
}

/// The axes of an experiment and what it says about their combinations.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    pub axes: Vec<Axis>,
    /// By axis, by value: what it sets.
    pub settings: Vec<Vec<Vec<Assignment>>>,
    /// `where: CONDITION`
    pub condition: Option<Expr>,
    /// `keep: random(k, seed)`
    pub keep: Option<Keep>,
    /// Axes that `--set` took away: their labels and how many values they had.
    pub collapsed: Vec<(String, usize)>,
    pub span: Option<Span>,
}

#[derive(Clone, Copy, Debug)]
pub struct Keep {
    pub n: u64,
    pub seed: u32,
    pub span: Span,
}

/// A field of a sweep as written, with its path below `sweep`.
pub type Written = (Vec<ast::Ident>, Expr);

pub fn read(fields: &[Written], span: Span, roots: &[&str], map: &SourceMap, eval: &mut Eval<'_>) -> Sweep {
    let mut sweep = Sweep { span: Some(span), ..Sweep::default() };
    let mut written: Vec<&Written> = vec![];
    for field in fields {
        let (path, expr) = field;
        match path.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().as_slice() {
            ["where"] => sweep.condition = Some(expr.clone()),
            ["keep"] => sweep.keep = keep(expr, eval),
            _ => written.push(field),
        }
    }
    if written.is_empty() {
        eval.out.push(
            Diagnostic::error(code::BAD_SWEEP, "the sweep has no axis")
                .at(span, "nothing varies here")
                .help("for example `data.unique: [0.5B, 1B] tokens`"),
        );
        return sweep;
    }
    if let Some((path, _)) = written.get(MAX_AXES)
        && let Some(first) = path.first()
    {
        eval.out.push(
            Diagnostic::error(code::TOO_MANY, format!("a sweep of {} axes", written.len()))
                .at(first.span, format!("at most {MAX_AXES} are possible"))
                .help("move paths together with `zip` or `cases`"),
        );
        written.truncate(MAX_AXES);
    }
    let paths: Vec<String> = written.iter().map(|(path, _)| dotted(path)).collect();
    for ((path, expr), label) in written.into_iter().zip(labels(&paths)) {
        let layer = Layer::Sweep(Arc::from(label.as_str()));
        let found = eval.within(layer, 0, |eval| axis(path, expr, roots, map, eval));
        if let Some((kind, values)) = found {
            let (values, settings): (Vec<AxisValue>, Vec<Vec<Assignment>>) = values.into_iter().unzip();
            let span = path.iter().map(|p| p.span).reduce(Span::to).unwrap_or(expr.span);
            sweep.axes.push(Axis { path: dotted(path), label, values, kind, span });
            sweep.settings.push(settings);
        }
    }
    report_overlaps(&sweep, eval);
    sweep
}

pub(super) fn dotted(path: &[ast::Ident]) -> String {
    path.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(".")
}

type Values = Vec<(AxisValue, Vec<Assignment>)>;

fn axis(
    path: &[ast::Ident],
    expr: &Expr,
    roots: &[&str],
    map: &SourceMap,
    eval: &mut Eval<'_>,
) -> Option<(AxisKind, Values)> {
    let first = path.first()?;
    let (kind, fields) = match &expr.kind {
        ExprKind::Extend { base, fields } => match &base.kind {
            ExprKind::Name(name) if name == "zip" => (AxisKind::Zip, Some(fields)),
            ExprKind::Name(name) if name == "cases" => (AxisKind::Cases, Some(fields)),
            _ => (AxisKind::Values, None),
        },
        _ => (AxisKind::Values, None),
    };
    let is_path = roots.contains(&first.text.as_str());
    if let Some(fields) = fields {
        if is_path || path.len() > 1 || first.text == "replicate" {
            eval.out.push(
                Diagnostic::error(code::BAD_SWEEP, format!("`{}` cannot be the name of an axis", dotted(path)))
                    .at(first.span, "an axis of several paths has a name of its own")
                    .help("for example `size: cases { small: { model.layers: 2 }, large: { model.layers: 4 } }`"),
            );
            return None;
        }
        let record = eval.record(fields);
        let values = match kind {
            AxisKind::Zip => zip(record, expr.span, roots, map, eval)?,
            _ => cases(record, expr.span, roots, eval)?,
        };
        return Some((kind, values));
    }
    if !is_path {
        unknown_root(first, roots, eval);
        return None;
    }
    let node = eval.expr(expr, path_kind(path));
    let values = elements(&node, map, eval)?;
    report_same(&values, &dotted(path), eval);
    let at = path.iter().map(|p| p.span).reduce(Span::to).unwrap_or(first.span);
    let path: Vec<String> = path.iter().map(|p| p.text.clone()).collect();
    let set = |(value, node): (AxisValue, Node)| (value, vec![Assignment { path: path.clone(), at, node }]);
    Some((AxisKind::Values, values.into_iter().map(set).collect()))
}

fn path_kind(path: &[ast::Ident]) -> Option<crate::resolve::Kind> {
    match path {
        [only] => super::eval::expected_kind(&only.text),
        _ => None,
    }
}

fn unknown_root(name: &ast::Ident, roots: &[&str], eval: &mut Eval<'_>) {
    let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, format!("`{}` is no path of an arm", name.text))
        .at(name.span, "cannot be swept");
    eval.out.push(match suggest(&name.text, roots.iter().copied().chain(["where", "keep"])) {
        Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
        None => diagnostic.help(format!(
            "paths start with {}; an axis with a name of its own is `zip {{ ... }}` or `cases {{ ... }}`",
            roots.join(", ")
        )),
    });
}

/// The values of a list or a series.
fn elements(node: &Node, map: &SourceMap, eval: &mut Eval<'_>) -> Option<Vec<(AxisValue, Node)>> {
    let wrong = |message: String, eval: &mut Eval<'_>| {
        eval.out.push(
            Diagnostic::error(code::BAD_SWEEP, message)
                .at(node.origin.span, "a list of values is wanted here")
                .help("for example `[0.5B, 1B] tokens`, `log(1e-4..1e-2, 5)` or `linear(1..4, 4)`"),
        );
        None
    };
    match &node.value {
        Value::Faulty => None,
        Value::List(items) if items.is_empty() => wrong("an axis without values".into(), eval),
        Value::List(items) => {
            let mut values = vec![];
            for item in items {
                if item.value == Value::Faulty {
                    return None;
                }
                values.push((axis_value(item, map), item.clone()));
            }
            Some(values)
        }
        Value::Call { name, args, .. } => match Spacing::parse(name) {
            Some(spacing) => {
                let series = series::read(spacing, node, args, map, eval)?;
                let make = |((number, unit), text): ((crate::base::Number, _), String)| {
                    let mut item = Node { value: Value::Number { number, unit }, ..node.clone() };
                    item.origin.assume(&node.assumptions());
                    let number = Some(in_base((number, unit)));
                    (AxisValue { text, number, unit, span: node.span }, item)
                };
                Some(series.into_iter().map(make).collect())
            }
            None => wrong(format!("an axis is a list, not `{name}(...)`"), eval),
        },
        other => wrong(format!("an axis is a list, not {}", other.kind()), eval),
    }
}

/// A value with its name: as written, without its unit.
fn axis_value(node: &Node, map: &SourceMap) -> AxisValue {
    let written = map.text(node.span);
    let (text, number, unit) = match &node.value {
        Value::Number { number, unit } => {
            let percent = if *unit == Some(crate::base::Unit::Percent) { "%" } else { "" };
            let text = literal(written).map_or_else(|| format!("{}{percent}", short(*number)), str::to_string);
            (text, Some(in_base((*number, *unit))), *unit)
        }
        Value::Word(word) => (word.clone(), None, None),
        Value::Bool(b) => (b.to_string(), None, None),
        Value::None => ("none".into(), None, None),
        Value::Str(text) => (text.clone(), None, None),
        // A definition goes by its name.
        Value::Record(_) | Value::Call { .. } | Value::Tuple(_) | Value::List(_) | Value::Range(..) | Value::Faulty => {
            let mut text = written.split_whitespace().collect::<Vec<_>>().join(" ");
            if text.chars().count() > MAX_TEXT {
                text = text.chars().take(MAX_TEXT).collect::<String>() + "...";
            }
            (text, None, None)
        }
    };
    AxisValue { text, number, unit, span: node.span }
}

/// Two values of an axis that are one, or go by one name.
fn report_same(values: &[(AxisValue, Node)], path: &str, eval: &mut Eval<'_>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    let mut numbers: Vec<(f64, &AxisValue)> = vec![];
    for (value, _) in values {
        let first = seen.insert(&value.text, value.span);
        if let Some(number) = value.number {
            numbers.push((number.to_f64(), value));
        }
        if let Some(first) = first {
            report_twice(path, format!("the value `{}` twice", value.text), value.span, first, eval);
        }
    }
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    for pair in numbers.windows(2) {
        if let [(_, a), (_, b)] = pair
            && a.text != b.text
            && (a.number, a.unit) == (b.number, b.unit)
        {
            report_twice(path, format!("one value twice, as `{}` and as `{}`", a.text, b.text), b.span, a.span, eval);
        }
    }
    // What is no number is compared as it is; lists of such values are short.
    for (i, (a, one)) in values.iter().enumerate().take(64) {
        for (b, other) in values.iter().skip(i + 1).take(64) {
            let plain = a.number.is_none() && a.text != b.text;
            if plain && equal(&one.value, &other.value) == Ok(true) {
                report_twice(
                    path,
                    format!("one value twice, as `{}` and as `{}`", a.text, b.text),
                    b.span,
                    a.span,
                    eval,
                );
            }
        }
    }
}

fn report_twice(path: &str, what: String, again: Span, first: Span, eval: &mut Eval<'_>) {
    eval.out.push(
        Diagnostic::error(code::DUPLICATE_POINT, format!("`{path}` takes {what}"))
            .at(again, "again here")
            .also(first, "first here")
            .help("keep one of them"),
    );
}

/// Lists that move together.
fn zip(record: Record, span: Span, roots: &[&str], map: &SourceMap, eval: &mut Eval<'_>) -> Option<Values> {
    type Column = (Vec<String>, Span, Vec<(AxisValue, Node)>);
    let mut columns: Vec<Column> = vec![];
    let mut sound = true;
    for leaf in leaves(record, roots, eval) {
        match elements(&leaf.node, map, eval) {
            Some(values) => columns.push((leaf.path, leaf.at, values)),
            None => sound = false,
        }
    }
    let Some((first_path, first_at, first)) = columns.first().filter(|_| sound) else {
        if sound {
            nothing_in(span, "zip", "`zip { model.layers: [2, 4], model.dim: [128, 256] }`", eval);
        }
        return None;
    };
    for (path, at, values) in &columns {
        if values.len() != first.len() {
            let message = format!("`zip` of {} and {} values", first.len(), values.len());
            eval.out.push(
                Diagnostic::error(code::BAD_SWEEP, message)
                    .at(*at, format!("`{}` has {}", path.join("."), values.len()))
                    .also(*first_at, format!("`{}` has {}", first_path.join("."), first.len()))
                    .help("lists that move together are equally long"),
            );
            return None;
        }
    }
    let row = |i: usize| {
        let cells: Vec<(&AxisValue, Assignment)> = columns
            .iter()
            .filter_map(|(path, at, values)| {
                let (value, node) = values.get(i)?;
                Some((value, Assignment { path: path.clone(), at: *at, node: node.clone() }))
            })
            .collect();
        let text = cells.iter().map(|(value, _)| value.text.as_str()).collect::<Vec<_>>().join("+");
        let span = cells.first().map_or(span, |(value, _)| value.span);
        let value = AxisValue { text, number: None, unit: None, span };
        (value, cells.into_iter().map(|(_, assignment)| assignment).collect())
    };
    Some((0..first.len()).map(row).collect())
}

/// Named points that set several paths.
fn cases(record: Record, span: Span, roots: &[&str], eval: &mut Eval<'_>) -> Option<Values> {
    let mut values = vec![];
    let mut sound = true;
    for (name, (at, node)) in record.fields {
        let node_span = node.span;
        let fields = match node.value {
            Value::Record(fields) => fields,
            Value::Faulty => {
                sound = false;
                continue;
            }
            other => {
                eval.out.push(
                    Diagnostic::error(code::BAD_SWEEP, format!("the case `{name}` is {}", other.kind()))
                        .at(node_span, "a record of paths and values is wanted here")
                        .help(format!("for example `{name}: {{ model.layers: 2, model.dim: 128 }}`")),
                );
                sound = false;
                continue;
            }
        };
        let assignments = leaves(fields, roots, eval);
        if assignments.is_empty() {
            nothing_in(node_span, &format!("{name}:"), &format!("`{name}: {{ model.layers: 2 }}`"), eval);
            sound = false;
        }
        values.push((AxisValue { text: name, number: None, unit: None, span: at }, assignments));
    }
    if values.is_empty() {
        if sound {
            nothing_in(span, "cases", "`cases { small: { model.layers: 2 }, large: { model.layers: 4 } }`", eval);
        }
        return None;
    }
    sound.then_some(values)
}

fn nothing_in(span: Span, what: &str, example: &str, eval: &mut Eval<'_>) {
    eval.out.push(
        Diagnostic::error(code::BAD_SWEEP, format!("`{what} {{ }}` sets nothing"))
            .at(span, "paths and their values are wanted here")
            .help(format!("for example {example}")),
    );
}

/// What a record sets, path by path; paths that no arm has are reported.
fn leaves(record: Record, roots: &[&str], eval: &mut Eval<'_>) -> Vec<Assignment> {
    let mut found = vec![];
    for bare in &record.bare {
        eval.out.push(
            Diagnostic::error(code::SYNTAX, "an entry without a path")
                .at(bare.span, "write `path: value`")
                .help("for example `model.layers: [2, 4]`"),
        );
    }
    for (name, (at, node)) in record.fields {
        if !roots.contains(&name.as_str()) {
            unknown_root(&ast::Ident { text: name, span: at }, roots, eval);
            continue;
        }
        collect(vec![name], at, node, &mut found);
    }
    found
}

fn collect(path: Vec<String>, at: Span, node: Node, into: &mut Vec<Assignment>) {
    match node.value {
        Value::Record(record) if record.def.is_none() => {
            for (name, (span, inner)) in record.fields {
                let mut path = path.clone();
                path.push(name);
                // The places of a dotted path follow each other.
                let at = if span.file == at.file && span.start >= at.end { at.to(span) } else { span };
                collect(path, at, inner, into);
            }
        }
        _ => into.push(Assignment { path, at, node }),
    }
}

/// `keep: random(k, seed: s)`
fn keep(expr: &Expr, eval: &mut Eval<'_>) -> Option<Keep> {
    let node = eval.expr(expr, None);
    let refuse = |eval: &mut Eval<'_>| {
        eval.out.push(
            Diagnostic::error(code::BAD_SWEEP, "`keep` is `random(k, seed: s)`")
                .at(node.span, "not that")
                .help("for example `keep: random(8, seed: 1)`: 8 points of the grid"),
        );
        None
    };
    let Value::Call { name, args, .. } = &node.value else {
        return if node.value == Value::Faulty { None } else { refuse(eval) };
    };
    let whole = |node: Option<&Node>| match node.map(|n| &n.value) {
        Some(Value::Number { number, unit: None }) => number.to_i64().and_then(|n| u64::try_from(n).ok()),
        _ => None,
    };
    let Args { positional, named, .. } = args;
    let known = named.keys().all(|k| k == "seed") && positional.len() == 1 && name == "random";
    let seed = named.get("seed").map(|(_, n)| n);
    let seed = if seed.is_some() { whole(seed).and_then(|s| u32::try_from(s).ok()) } else { Some(1) };
    match (known, whole(positional.first()), seed) {
        (true, Some(n @ 1..), Some(seed)) => Some(Keep { n, seed, span: node.span }),
        _ => refuse(eval),
    }
}

/// `replicates: n`
pub fn replicates(node: &Node, eval: &mut Eval<'_>) -> Option<Axis> {
    const MOST: i64 = 1_000;
    let n = match &node.value {
        Value::Faulty => return None,
        Value::Number { number, unit: None } => number.to_i64().filter(|n| (2..=MOST).contains(n)),
        _ => None,
    };
    let Some(n) = n else {
        eval.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, "`replicates` is a whole number of at least 2")
                .at(node.origin.span, format!("2 to {MOST} are possible"))
                .help("without it every variant runs once"),
        );
        return None;
    };
    let value = |r: i64| AxisValue {
        text: r.to_string(),
        number: Some(crate::base::Number::int(r)),
        unit: None,
        span: node.span,
    };
    Some(Axis {
        path: "replicate".into(),
        label: "replicate".into(),
        values: (1..=n).map(value).collect(),
        kind: AxisKind::Replicate,
        span: node.span,
    })
}

/// Whether setting one of two paths leaves the other without a say: they are the same, or `a` holds `b`.
pub fn covers(a: &[String], b: &[String]) -> bool {
    b.starts_with(a)
}

fn report_overlaps(sweep: &Sweep, eval: &mut Eval<'_>) {
    let mut seen: Vec<(&Axis, &Assignment)> = vec![];
    for (axis, values) in sweep.axes.iter().zip(&sweep.settings) {
        let first = values.first().map_or(&[][..], Vec::as_slice);
        // The values of an axis need not set the same paths, but those of a case mostly do.
        let mut own: Vec<&Assignment> = vec![];
        for assignment in values.iter().flatten().take(1_000).chain(first) {
            if !own.iter().any(|other| other.path == assignment.path) {
                own.push(assignment);
            }
        }
        for assignment in own.iter() {
            let clash = seen
                .iter()
                .find(|(_, other)| covers(&other.path, &assignment.path) || covers(&assignment.path, &other.path));
            if let Some((with, other)) = clash {
                eval.out.push(
                    Diagnostic::error(code::SWEPT_TWICE, format!("two axes set `{}`", assignment.dotted()))
                        .at(assignment.at, format!("by the axis `{}`", axis.label))
                        .also(other.at, format!("and by the axis `{}`", with.label))
                        .help("take it out of one of them"),
                );
            }
        }
        seen.extend(own.into_iter().map(|assignment| (axis, assignment)));
    }
}
