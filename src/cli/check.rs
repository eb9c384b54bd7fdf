//! `dlmc check`

use super::args::CheckArgs;
use super::{SPEC_ERRORS, env, front, print, render};
use crate::base::source::Disk;
use std::process::ExitCode;

pub fn run(args: &CheckArgs) -> ExitCode {
    let corpus = env::corpus();
    let mut failed = false;
    let mut documents = vec![];
    for file in &args.files {
        // Every experiment of the file is checked; where there are several, by name.
        let outcome = front::compile(file, &Disk, None, &args.set, Some(&corpus));
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
        match &outcome.compiled {
            Some(compiled) => print(&format!(
                "{}: experiment `{}`, {} arms, sound\n",
                file.display(),
                compiled.spec.name(),
                compiled.spec.arms().len()
            )),
            None if !outcome.diagnostics.has_errors() => {
                print(&format!("{}: a library of {} definitions, sound\n", file.display(), outcome.n_definitions));
            }
            None => {}
        }
    }
    if args.json {
        let all = if documents.len() == 1 { documents.swap_remove(0) } else { documents.into() };
        print(&format!("{all}\n"));
    }
    if failed { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}
