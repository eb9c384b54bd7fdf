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
        let compile = |name: Option<&str>| front::compile(file, &Disk, name, &args.set, Some(&corpus));
        let mut outcome = compile(None);
        let mut checked: Vec<(String, usize)> = vec![];
        let sound = |outcome: &front::Outcome| {
            outcome.compiled.as_ref().map(|c| (c.spec.name().to_string(), c.spec.arm_names().len()))
        };
        if outcome.experiments.len() > 1 {
            let mut all = Diagnostics::default();
            for name in std::mem::take(&mut outcome.experiments) {
                outcome = compile(Some(&name));
                checked.extend(sound(&outcome));
                all.extend(std::mem::take(&mut outcome.diagnostics));
            }
            outcome.diagnostics = all;
        } else {
            checked.extend(sound(&outcome));
        }
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
        for (name, n_arms) in checked {
            print(&format!("{}: experiment `{name}`, {}, sound\n", file.display(), plural(n_arms, "arm")));
        }
    }
    if args.json {
        let all = if documents.len() == 1 { documents.swap_remove(0) } else { documents.into() };
        print(&format!("{all}\n"));
    }
    if failed { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}
