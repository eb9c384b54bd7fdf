//! `dlmc check`

use super::args::CheckArgs;
use super::{SPEC_ERRORS, env, front, print, render};
use crate::base::Diagnostics;
use crate::base::source::Disk;
use std::process::ExitCode;

pub fn run(args: &CheckArgs) -> ExitCode {
    let corpus = env::corpus();
    let mut failed = false;
    let mut documents = vec![];
    for file in &args.files {
        // Every experiment of the file is checked; where there are several, by name.
        let choice = front::Choice { experiment: None, overrides: &args.set, point: args.point.as_deref() };
        let mut outcomes = front::compile_all(file, &Disk, choice, Some(&corpus));
        let sound = |outcome: &front::Outcome| {
            let spec = outcome.compiled.as_ref().map(|c| &c.spec);
            spec.map(|spec| (spec.name().to_string(), spec.arm_names().len(), spec.points().len()))
        };
        let checked: Vec<(String, usize, usize)> = outcomes.iter().filter_map(sound).collect();
        let mut all = Diagnostics::default();
        for outcome in &mut outcomes {
            all.extend(std::mem::take(&mut outcome.diagnostics));
        }
        let Some(mut outcome) = outcomes.pop() else { continue };
        outcome.diagnostics = all;
        failed |= outcome.diagnostics.has_errors();
        if args.json {
            let mut document = render::json(&outcome.diagnostics, &outcome.sources);
            if let Some(object) = document.as_object_mut() {
                object.insert("checked".into(), file.display().to_string().into());
            }
            documents.push(document);
            continue;
        }
        if !outcome.diagnostics.is_empty() {
            eprint!("{}", render::human(&outcome.diagnostics, &outcome.sources, env::color()));
        }
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        if !outcome.diagnostics.has_errors() && checked.is_empty() {
            let definitions = plural(outcome.n_definitions, "definition");
            print(&format!("{}: a library of {definitions}, sound\n", file.display()));
        }
        for (name, n_arms, n_points) in checked {
            let points = match n_points {
                0 | 1 => String::new(),
                n => format!(" x {} = {}", plural(n, "point"), plural(n * n_arms, "run")),
            };
            print(&format!("{}: experiment `{name}`, {}{points}, sound\n", file.display(), plural(n_arms, "arm")));
        }
    }
    if args.json {
        let all = if documents.len() == 1 { documents.swap_remove(0) } else { documents.into() };
        print(&format!("{all}\n"));
    }
    if failed { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}
