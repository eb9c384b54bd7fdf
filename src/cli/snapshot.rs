//! `dlmc snapshot`: the resolved form of a spec and the graphs of its models, written beside it to be
//! committed; `--check` fails where they would change. So a changed default, or a changed dlmc, shows as
//! a difference to be reviewed.
//!
//! Places are files without lines, so that a comment added to a spec changes nothing here.

use super::args::SnapshotArgs;
use super::differences::unified;
use super::front::{Compiled, Outcome};
use super::{RUN_FAILED, SPEC_ERRORS, fail, print, subject};
use crate::check::spec::{Arm, FlatField};
use crate::graph::text;
use crate::store::run_folder::write_atomic;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Of the form of both files.
const VERSION: u32 = 1;

pub fn run(args: &SnapshotArgs) -> ExitCode {
    let mut worst = 0;
    let mut listed: Vec<Value> = vec![];
    for file in &args.files {
        let written = match of_spec(file) {
            Ok(Some(written)) => written,
            Ok(None) => {
                if !args.json {
                    print(&format!("{}: a library, nothing to pin\n", file.display()));
                }
                continue;
            }
            Err(code) => return code,
        };
        for (path, text) in written {
            let state = match std::fs::read_to_string(&path) {
                Ok(old) if old == text => "same",
                Ok(_) => "changed",
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => "missing",
                Err(error) => return fail(&format!("cannot read `{}`: {error}", path.display()), RUN_FAILED),
            };
            if args.check && state != "same" {
                worst = SPEC_ERRORS;
            }
            if !args.check
                && state != "same"
                && let Err(error) = write_atomic(&path, text.as_bytes())
            {
                return fail(&error.to_string(), RUN_FAILED);
            }
            let old = std::fs::read_to_string(&path).unwrap_or_default();
            let name = path.display().to_string();
            let difference =
                if args.check { unified(&old, &text, &name, &format!("{name}, as it is now")) } else { String::new() };
            if args.json {
                listed.push(json!({ "file": name, "state": state, "difference": difference }));
            } else {
                match (args.check, state) {
                    (_, "same") => {}
                    (true, "missing") => print(&format!("{name}: is not there; `dlmc snapshot` writes it\n")),
                    (true, _) => print(&difference),
                    (false, "missing") => print(&format!("{name}: written\n")),
                    (false, _) => print(&format!("{name}: changed\n")),
                }
            }
        }
    }
    if args.json {
        print(&format!("{}\n", json!({ "version": 1, "snapshots": listed })));
    } else if worst > 0 {
        eprintln!("what is pinned differs; if that is meant, `dlmc snapshot` pins what there is now");
    }
    ExitCode::from(worst)
}

/// The files that pin a spec, with their texts; none for a library.
fn of_spec(file: &Path) -> Result<Option<Vec<(PathBuf, String)>>, ExitCode> {
    let first = subject::compile_in_place(file, None)?;
    let names = first.experiments.clone();
    let mut compiled: Vec<Compiled> = vec![];
    let mut keep = |outcome: Outcome| match outcome.compiled {
        Some(one) => {
            compiled.push(one);
            Ok(())
        }
        None => Err(subject::refuse(&outcome)),
    };
    match names.as_slice() {
        [] if first.diagnostics.has_errors() => return Err(subject::refuse(&first)),
        [] => return Ok(None),
        [_] => keep(first)?,
        several => {
            for name in several {
                keep(subject::compile_in_place(file, Some(name))?)?;
            }
        }
    }
    let flat: Vec<String> = compiled.iter().map(flat_text).collect();
    let graphs: Vec<String> = compiled.iter().map(graph_text).collect();
    let head = |what: &str| format!("# {what}, version {VERSION}, written by `dlmc snapshot`\n");
    Ok(Some(vec![
        (file.with_extension("flat"), head("resolved values") + &flat.concat()),
        (file.with_extension("graph"), head("graphs of the models") + &graphs.concat()),
    ]))
}

/// `path = value  # origin`: what all variants share once, then what an arm, a point, or a variant has
/// of its own.
fn flat_text(compiled: &Compiled) -> String {
    let spec = &compiled.spec;
    let mut out = format!("\nexperiment {}: {} variants\n", spec.name(), spec.variants().len());
    let lines: Vec<(&Arm, BTreeMap<&str, String>)> = spec
        .variants()
        .iter()
        .map(|arm| (arm, arm.flat.iter().map(|f| (f.path.as_str(), line(f))).collect::<BTreeMap<_, _>>()))
        .collect();
    let shared = |of: &dyn Fn(&Arm) -> bool| -> BTreeMap<&str, String> {
        let mut some = lines.iter().filter(|(arm, _)| of(arm)).map(|(_, lines)| lines);
        let mut common = some.next().cloned().unwrap_or_default();
        for other in some {
            common.retain(|path, line| other.get(path) == Some(line));
        }
        common
    };
    let mut put = |title: &str, lines: &BTreeMap<&str, String>, without: &[&BTreeMap<&str, String>]| {
        let own: Vec<&String> = lines
            .iter()
            .filter(|(path, line)| !without.iter().any(|w| w.get(*path) == Some(*line)))
            .map(|(_, l)| l)
            .collect();
        if !own.is_empty() {
            out.push_str(&format!("\n[{title}]\n"));
            own.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        }
    };
    let all = shared(&|_| true);
    put("all", &all, &[]);
    let arms: Vec<(&String, BTreeMap<&str, String>)> =
        spec.arm_names().iter().map(|name| (name, shared(&|arm| arm.name == *name))).collect();
    for (name, lines) in &arms {
        put(name, lines, &[&all]);
    }
    if spec.points().len() > 1 {
        for point in spec.points() {
            let at = shared(&|arm| arm.point == *point);
            put(&format!("at {point}"), &at, &[&all]);
            for (arm, own) in lines.iter().filter(|(arm, _)| arm.point == *point) {
                let of_arm = arms.iter().find(|(name, _)| **name == arm.name).map(|(_, lines)| lines);
                let mut known = vec![&all, &at];
                known.extend(of_arm);
                put(&arm.title(), own, &known);
            }
        }
    }
    let claims: Vec<String> = spec.claims().iter().map(claim).collect();
    if !claims.is_empty() {
        out.push_str("\n[claims]\n");
        claims.iter().for_each(|claim| out.push_str(&format!("{claim}\n")));
    }
    out
}

/// With the `let`s that it uses: they are a part of what is claimed.
fn claim(claim: &crate::check::spec::Claim) -> String {
    let lets = claim.lets.iter().map(|(name, meaning)| format!("\n    {name} = {meaning}"));
    claim.text.clone() + &lets.collect::<String>()
}

fn line(field: &FlatField) -> String {
    let reasons: String = field.assumed.iter().map(|reason| format!("; assumed: {reason}")).collect();
    format!("{} = {}  # {}{reasons}", field.path, field.shown(), without_places(&field.origin))
}

/// `arm mdm, a.dlm:3:4` as `arm mdm, a.dlm`.
fn without_places(origin: &str) -> String {
    let parts = origin.split(", ").map(|part| {
        let mut rest = part;
        for _ in 0..2 {
            match rest.rsplit_once(':') {
                Some((before, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                    rest = before
                }
                _ => return part,
            }
        }
        rest
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The graph of each distinct model, under the variants that have it.
fn graph_text(compiled: &Compiled) -> String {
    let mut out = String::new();
    let mut done: Vec<*const crate::graph::ValidGraph> = vec![];
    for model in &compiled.models {
        if done.contains(&Arc::as_ptr(model)) {
            continue;
        }
        done.push(Arc::as_ptr(model));
        let variants = compiled.spec.variants().iter().zip(&compiled.models);
        let users: Vec<&Arm> = variants.filter(|(_, m)| Arc::ptr_eq(m, model)).map(|(arm, _)| arm).collect();
        out.push_str(&format!("\nexperiment {}: {}\n\n", compiled.spec.name(), subject::titles(&users)));
        out.push_str(&text::text(model.graph(), true));
    }
    out
}
