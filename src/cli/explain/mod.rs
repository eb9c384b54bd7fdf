//! `dlmc explain`: a resolved value with where it came from and what follows from it, or the page of an
//! error code.

mod derive;
mod objective;
mod pages;

pub use pages::page;

use super::args::ExplainArgs;
use super::{USAGE, fail, graph, print, subject};
use crate::base::number::grouped;
use crate::base::suggest::suggest;
use crate::check::spec::{Arm, FlatField};
use derive::Derivation;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

pub fn run(args: &ExplainArgs) -> ExitCode {
    if args.path.is_none() && is_code(&args.what.to_string_lossy()) {
        return code(&args.what.to_string_lossy().to_uppercase(), args.json);
    }
    let compiled = match graph::compiled(&args.spec()) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let chosen = match graph::select(&compiled, args.arm.as_deref(), args.point.as_deref()) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    let arms: Vec<&Arm> = chosen.iter().filter_map(|i| compiled.spec.variants().get(*i)).collect();
    let Some(path) = args.path.as_deref() else { return list(&arms, args.json) };
    let objectives = objective::named(path, &compiled, &arms);
    if !objectives.is_empty() {
        if args.json {
            let all: Vec<Value> = objectives.iter().map(objective::Named::to_json).collect();
            print(&format!(
                "{}
",
                json!({ "version": 1, "path": path, "objectives": all })
            ));
        } else {
            let all: Vec<String> = objectives.iter().map(objective::Named::shown).collect();
            print(&all.join(
                "
",
            ));
        }
        return ExitCode::SUCCESS;
    }
    let paths = matching(path, &arms);
    if paths.is_empty() {
        let models = chosen.iter().filter_map(|i| compiled.models.get(*i));
        if let Some(found) = models.into_iter().find_map(|model| parameter(path, model.graph())) {
            print(&if args.json { format!("{}\n", found.1) } else { found.0 });
            return ExitCode::SUCCESS;
        }
        let names = objective::names(&compiled, &arms);
        let known: BTreeSet<&str> = arms
            .iter()
            .flat_map(|arm| &arm.flat)
            .map(|f| f.path.as_str())
            .chain(names.iter().map(String::as_str))
            .collect();
        let last = |path: &str| path.rsplit('.').next().map(str::to_string);
        let same_end = known.iter().find(|k| last(k) == last(path)).copied();
        let help = match suggest(path, known.iter().copied()).or(same_end) {
            Some(closest) => format!("did you mean `{closest}`?"),
            None => format!("`dlmc explain {}` lists all paths", args.what.display()),
        };
        return fail(&format!("nothing is called `{path}` here\n  = help: {help}"), USAGE);
    }
    if args.json {
        let all: Vec<Value> = paths.iter().map(|path| to_json(path, &arms)).collect();
        let value = json!({ "version": 1, "experiment": compiled.spec.name(), "paths": all });
        print(&format!("{value}\n"));
        return ExitCode::SUCCESS;
    }
    let texts: Vec<String> = paths.iter().map(|path| text(path, &arms)).collect();
    print(&texts.join("\n"));
    ExitCode::SUCCESS
}

/// `E0402`, `w0301`
fn is_code(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| matches!(c.to_ascii_uppercase(), 'E' | 'W'))
        && text.len() == 5
        && chars.all(|c| c.is_ascii_digit())
}

fn code(code: &str, as_json: bool) -> ExitCode {
    match page(code) {
        Some(page) if as_json => {
            let examples = |list: &[pages::Example]| list.iter().map(|e| e.text.clone()).collect::<Vec<_>>();
            let value = json!({
                "version": 1, "code": code, "title": page.title, "text": page.text,
                "wrong": examples(&page.wrong), "right": examples(&page.right),
            });
            print(&format!("{value}\n"));
            ExitCode::SUCCESS
        }
        Some(page) => {
            print(&page.shown());
            ExitCode::SUCCESS
        }
        None => {
            let known = crate::base::diag::CODES.iter().map(|(c, ..)| c.0);
            let help = suggest(code, known).map_or(String::new(), |c| format!("\n  = help: did you mean `{c}`?"));
            fail(&format!("there is no code `{code}`{help}"), USAGE)
        }
    }
}

/// A parameter of the model, by its path; the index of a layer may stand in for its `*`.
fn parameter(path: &str, graph: &crate::graph::Graph) -> Option<(String, Value)> {
    let starred: Vec<&str> = path.split('.').map(|p| if p.parse::<u64>().is_ok() { "*" } else { p }).collect();
    let param = graph.params.iter().find(|p| p.path == path || p.path == starred.join("."))?;
    let (each, n) = (param.n_elements(), param.n_instances());
    let shape: Vec<String> = param.shape.iter().map(u64::to_string).collect();
    let times = if param.indices.is_empty() { String::new() } else { format!(" x {n}") };
    let init = crate::graph::view::init_text(param.init);
    let decays = param.shape.len() >= 2;
    let text = format!(
        "{} = [{}]{times}, {} parameters\n  init     {init}\n  decay    {}\n",
        param.path,
        shape.join(", "),
        grouped(each * n),
        if decays { "yes: two dimensions or more" } else { "no: fewer than two dimensions" }
    );
    let value = json!({
        "version": 1, "parameter": param.path, "shape": param.shape, "instances": n, "elements": each * n,
        "init": init, "decays": decays,
    });
    Some((text, value))
}

/// The path itself and all below it; else all paths that end so.
fn matching(path: &str, arms: &[&Arm]) -> Vec<String> {
    let known: BTreeSet<&str> = arms.iter().flat_map(|arm| &arm.flat).map(|f| f.path.as_str()).collect();
    let below = |known: &&&str| **known == path || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    let found: Vec<String> = known.iter().filter(below).map(|k| (*k).to_string()).collect();
    if !found.is_empty() {
        return found;
    }
    known.iter().filter(|k| k.ends_with(&format!(".{path}"))).map(|k| (*k).to_string()).collect()
}

/// What there is to say about a path in one variant.
#[derive(Clone, Debug, PartialEq)]
struct Account<'a> {
    field: &'a FlatField,
    derivation: Option<Derivation>,
    followers: Vec<(&'a str, String)>,
}

fn account<'a>(path: &str, arm: &'a Arm) -> Option<Account<'a>> {
    let field = arm.flat.iter().find(|f| f.path == path)?;
    let followers = derive::followers(path, arm);
    let followers = followers.into_iter().map(|f| (f.path.as_str(), f.shown())).collect();
    Some(Account { field, derivation: derive::of(path, arm), followers })
}

/// Equal accounts together, each with the variants that share it; `None` where a variant has no such path.
fn accounts<'a>(path: &str, arms: &[&'a Arm]) -> Vec<(Vec<&'a Arm>, Option<Account<'a>>)> {
    let mut all: Vec<(Vec<&Arm>, Option<Account<'_>>)> = vec![];
    for arm in arms {
        let account = account(path, arm);
        match all.iter_mut().find(|(_, known)| *known == account) {
            Some((arms, _)) => arms.push(arm),
            None => all.push((vec![arm], account)),
        }
    }
    all
}

fn text(path: &str, arms: &[&Arm]) -> String {
    let accounts = accounts(path, arms);
    let several = accounts.len() > 1;
    let mut out = String::new();
    for (arms, account) in &accounts {
        let Some(account) = account else { continue };
        let whose = if several { format!("   ({})", subject::titles(arms)) } else { String::new() };
        out.push_str(&format!("{path} = {}{whose}\n", account.field.shown()));
        let mut row = |name: &str, text: &str| out.push_str(&format!("  {name:<9}{text}\n"));
        match account.field.origin.as_str() {
            "default" => row("set", "by default"),
            "derived" => {}
            origin => row("set", origin),
        }
        for reason in &account.field.assumed {
            row("assumed", reason);
        }
        for setting in account.field.replaced.iter().rev() {
            row("over", &format!("{}, {}", setting.value, setting.origin));
        }
        if let Some(derivation) = &account.derivation {
            row("from", &derivation.formula);
            if !derivation.numbers.is_empty() {
                row("", &format!("= {}", derivation.numbers));
            }
        }
        for (i, (path, value)) in account.followers.iter().enumerate() {
            row(if i == 0 { "decides" } else { "" }, &format!("{path} = {value}"));
        }
    }
    out
}

fn to_json(path: &str, arms: &[&Arm]) -> Value {
    let values: Vec<Value> = accounts(path, arms)
        .iter()
        .filter_map(|(arms, account)| {
            let account = account.as_ref()?;
            let variants: Vec<Value> =
                arms.iter().map(|arm| json!({ "arm": arm.name, "point": arm.point.name() })).collect();
            let replaced = &account.field.replaced;
            Some(json!({
                "variants": variants,
                "value": account.field.value,
                "written": account.field.written,
                "origin": account.field.origin,
                "assumed": account.field.assumed,
                "replaced": replaced.iter().map(|s| json!({ "value": s.value, "origin": s.origin })).collect::<Vec<_>>(),
                "derivation": account.derivation.as_ref().map(|d| {
                    json!({ "formula": d.formula, "numbers": d.numbers, "from": d.from })
                }),
                "decides": account.followers.iter().map(|(path, value)| json!({ "path": path, "value": value })).collect::<Vec<_>>(),
            }))
        })
        .collect();
    json!({ "path": path, "values": values })
}

/// Values of one path that a line of the list shows.
const LISTED: usize = 6;

/// All paths with their values.
fn list(arms: &[&Arm], as_json: bool) -> ExitCode {
    let paths: BTreeSet<&str> = arms.iter().flat_map(|arm| &arm.flat).map(|f| f.path.as_str()).collect();
    if as_json {
        let all: Vec<Value> = paths.iter().map(|path| to_json(path, arms)).collect();
        print(&format!("{}\n", json!({ "version": 1, "paths": all })));
        return ExitCode::SUCCESS;
    }
    let mut rows = vec![];
    for path in paths {
        let mut values: Vec<String> = vec![];
        for arm in arms {
            let shown = arm.flat.iter().find(|f| f.path == path).map_or("-".to_string(), FlatField::shown);
            if !values.contains(&shown) {
                values.push(shown);
            }
        }
        if let Some(more) = values.len().checked_sub(LISTED + 1) {
            values.truncate(LISTED);
            values.push(format!("and {} more", more + 1));
        }
        rows.push((path, values));
    }
    let width = rows.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let shown = rows.iter().map(|(path, values)| format!("{path:<width$}  {}\n", values.join(" | ")));
    print(&shown.collect::<String>());
    ExitCode::SUCCESS
}
