//! `dlmc diff`: in what two specs, arms, locks or runs differ, resolved.

use super::args::DiffArgs;
use super::subject::{self, Side, Variant};
use super::{USAGE, fail, print};
use crate::base::number::grouped;
use crate::graph::Graph;
use crate::store::LockField;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

const DIFFERENT: u8 = 1;

/// One thing in which two variants differ. `None`: that side has none.
#[derive(Clone, Debug, PartialEq)]
struct Change {
    path: String,
    left: Option<Seen>,
    right: Option<Seen>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    value: String,
    origin: String,
}

/// Everything in which two variants differ.
#[derive(Clone, Debug, Default, PartialEq)]
struct Changes {
    fields: Vec<Change>,
    /// Parameters of the models.
    params: Vec<Change>,
    /// Elements of all parameters, where they differ.
    counts: Option<(u64, u64)>,
    facts: Vec<Change>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.params.is_empty() && self.facts.is_empty()
    }
}

pub fn run(args: &DiffArgs) -> ExitCode {
    let sides = subject::side(&args.left, args.experiment.as_deref())
        .and_then(|left| Ok((left, subject::side(&args.right, args.experiment.as_deref())?)));
    let (left, right) = match sides {
        Ok(sides) => sides,
        // 1 says that they differ; what cannot be compared is 2, as of other tools that compare.
        Err(_) => return ExitCode::from(USAGE),
    };
    let (pairs, alone) = match pair(&left, &right) {
        Ok(pairs) => pairs,
        Err(message) => return fail(&message, USAGE),
    };
    let compared: Vec<(String, Changes)> = pairs.iter().map(|(name, a, b)| (name.clone(), changes(a, b))).collect();
    let same = alone.is_empty() && compared.iter().all(|(_, c)| c.is_empty());
    if args.json {
        print(&format!("{}\n", to_json(&left, &right, &compared, &alone, same)));
    } else {
        print(&text(&left, &right, &compared, &alone, same));
    }
    if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
}

type Pairs<'a> = Vec<(String, &'a Variant, &'a Variant)>;
/// Which side has a variant that the other has not, and its name.
type Alone = Vec<(bool, String)>;

/// Which variants are compared: one with one whatever they are called, else those of one name.
fn pair<'a>(left: &'a Side, right: &'a Side) -> Result<(Pairs<'a>, Alone), String> {
    if let ([a], [b]) = (left.variants.as_slice(), right.variants.as_slice()) {
        let name = if title(a) == title(b) { title(a) } else { format!("{} and {}", title(a), title(b)) };
        return Ok((vec![(name, a, b)], vec![]));
    }
    let find = |of: &'a Side, like: &Variant| of.variants.iter().find(|v| v.arm == like.arm && v.point == like.point);
    // One variant against a whole spec: the one of its name is meant.
    for (one, many) in [(left, right), (right, left)] {
        if let [only] = one.variants.as_slice() {
            let names: Vec<String> = many.variants.iter().map(title).collect();
            let Some(other) = find(many, only) else {
                return Err(format!(
                    "`{}` has no {}\n  = help: it has {}; name one as {}:ARM@POINT",
                    many.name,
                    title(only),
                    names.join("; "),
                    many.name
                ));
            };
            let (a, b) = if std::ptr::eq(one, left) { (only, other) } else { (other, only) };
            return Ok((vec![(title(only), a, b)], vec![]));
        }
    }
    let mut pairs = vec![];
    let mut alone = vec![];
    for variant in &left.variants {
        match find(right, variant) {
            Some(other) => pairs.push((title(variant), variant, other)),
            None => alone.push((true, title(variant))),
        }
    }
    alone.extend(right.variants.iter().filter(|v| find(left, v).is_none()).map(|v| (false, title(v))));
    Ok((pairs, alone))
}

fn title(variant: &Variant) -> String {
    if variant.point.is_empty() { variant.arm.clone() } else { format!("{} at {}", variant.arm, variant.point) }
}

fn changes(left: &Variant, right: &Variant) -> Changes {
    let seen = |f: &LockField| {
        let value = f.written.as_ref().map_or_else(|| f.value.clone(), |w| format!("{w} = {}", f.value));
        (f.path.clone(), (f.value.clone(), Seen { value, origin: f.origin.clone() }))
    };
    let fact = |(name, value): &(String, String)| {
        (name.clone(), (value.clone(), Seen { value: value.clone(), origin: String::new() }))
    };
    let facts = match (left.facts.is_empty(), right.facts.is_empty()) {
        (false, false) => differing(left.facts.iter().map(fact).collect(), right.facts.iter().map(fact).collect()),
        // A spec has none.
        _ => vec![],
    };
    let (mut params, mut counts) = (vec![], None);
    if let (Some(a), Some(b)) = (&left.model, &right.model) {
        params = differing(parameters(a.graph()), parameters(b.graph()));
        let total = |g: &Graph| g.params.iter().map(|p| p.n_elements() * p.n_instances()).sum::<u64>();
        counts = Some((total(a.graph()), total(b.graph()))).filter(|(a, b)| a != b);
    }
    Changes {
        fields: differing(left.fields.iter().map(seen).collect(), right.fields.iter().map(seen).collect()),
        params,
        counts,
        facts,
    }
}

/// What is compared, and what is shown of it.
type Values = BTreeMap<String, (String, Seen)>;

fn parameters(graph: &Graph) -> Values {
    let of = |p: &crate::graph::Param| {
        let times = if p.indices.is_empty() { String::new() } else { format!(" x {}", p.n_instances()) };
        let value = format!("{:?}{times}, {}", p.shape, crate::graph::view::init_text(p.init));
        (p.path.clone(), (value.clone(), Seen { value, origin: String::new() }))
    };
    graph.params.iter().map(of).collect()
}

fn differing(left: Values, right: Values) -> Vec<Change> {
    let mut paths: Vec<&String> = left.keys().chain(right.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut out = vec![];
    for path in paths {
        let (a, b) = (left.get(path), right.get(path));
        if a.map(|(v, _)| v) != b.map(|(v, _)| v) {
            let seen = |of: Option<&(String, Seen)>| of.map(|(_, seen)| seen.clone());
            out.push(Change { path: path.clone(), left: seen(a), right: seen(b) });
        }
    }
    out
}

fn text(left: &Side, right: &Side, compared: &[(String, Changes)], alone: &Alone, same: bool) -> String {
    if same {
        return format!("{} and {}: the same, resolved\n", left.name, right.name);
    }
    let mut out = format!("- {}\n+ {}\n", left.name, right.name);
    for (is_left, name) in alone {
        out.push_str(&format!("{} {name} is there alone\n", if *is_left { '-' } else { '+' }));
    }
    // Variants with the same differences are told once.
    let mut groups: Vec<(Vec<&str>, &Changes)> = vec![];
    for (name, changes) in compared.iter().filter(|(_, c)| !c.is_empty()) {
        match groups.iter_mut().find(|(_, known)| *known == changes) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], changes)),
        }
    }
    let n_same = compared.iter().filter(|(_, c)| c.is_empty()).count();
    for (names, changes) in groups {
        out.push_str(&format!("\n{}\n", names.join(", ")));
        rows(&changes.fields, &mut out);
        if let Some((a, b)) = changes.counts {
            out.push_str(&format!("  parameters: {} -> {}\n", grouped(a), grouped(b)));
        } else if !changes.params.is_empty() {
            out.push_str("  parameters: as many, but others\n");
        }
        rows(&changes.params, &mut out);
        if !changes.facts.is_empty() {
            out.push_str("  of the runs:\n");
            rows(&changes.facts, &mut out);
        }
    }
    if n_same > 0 {
        out.push_str(&format!("\n{n_same} of {} variants are the same\n", compared.len()));
    }
    out
}

fn rows(changes: &[Change], out: &mut String) {
    let width = changes.iter().map(|c| c.path.chars().count()).max().unwrap_or(0);
    let shown = |seen: &Option<Seen>| seen.as_ref().map_or("(none)".to_string(), |s| s.value.clone());
    let values: Vec<String> = changes.iter().map(|c| format!("{} -> {}", shown(&c.left), shown(&c.right))).collect();
    let value_width = values.iter().map(|v| v.chars().count()).filter(|n| *n <= 48).max().unwrap_or(0);
    for (change, value) in changes.iter().zip(values) {
        let origins: Vec<&str> =
            [&change.left, &change.right].into_iter().flatten().map(|s| s.origin.as_str()).collect();
        let mut origins: Vec<&str> = origins.into_iter().filter(|o| !o.is_empty()).collect();
        origins.dedup();
        let line = format!("  {:<width$}  {value:<value_width$}  {}", change.path, origins.join(" | "));
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn to_json(left: &Side, right: &Side, compared: &[(String, Changes)], alone: &Alone, same: bool) -> Value {
    let seen = |s: &Option<Seen>| s.as_ref().map(|s| json!({ "value": s.value, "origin": s.origin }));
    let list = |all: &[Change]| -> Vec<Value> {
        all.iter().map(|c| json!({ "path": c.path, "left": seen(&c.left), "right": seen(&c.right) })).collect()
    };
    let variants: Vec<Value> = compared
        .iter()
        .map(|(name, c)| {
            json!({
                "variant": name, "fields": list(&c.fields), "parameters": list(&c.params), "run": list(&c.facts),
                "parameter_counts": c.counts.map(|(a, b)| json!([a, b])),
            })
        })
        .collect();
    let names =
        |side: bool| -> Vec<&str> { alone.iter().filter(|(l, _)| *l == side).map(|(_, n)| n.as_str()).collect() };
    json!({
        "version": 1, "left": left.name, "right": right.name, "same": same, "variants": variants,
        "only_left": names(true), "only_right": names(false),
    })
}
