//! `dlmc fmt`

use super::args::FmtArgs;
use super::differences::unified;
use super::{RUN_FAILED, SPEC_ERRORS, env, fail, print, render};
use crate::base::diag::code;
use crate::base::source::{Disk, ReadError};
use crate::base::{Diagnostic, Diagnostics, SourceMap, Sources};
use crate::store::run_folder::write_atomic;
use crate::syntax::format::format;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

pub fn run(args: &FmtArgs) -> ExitCode {
    let (mut n_faulty, mut n_different) = (0, 0);
    for file in &args.files {
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "<stdin>".to_string() } else { file.display().to_string() };
        let read = if is_stdin { stdin() } else { Disk.read(file) };
        let mut sources = SourceMap::default();
        let text = match read {
            Ok(text) => text,
            Err(error) => {
                show(&unreadable(&name, &error), &sources);
                n_faulty += 1;
                continue;
            }
        };
        let id = sources.add(name.clone(), text.clone());
        let laid_out = match format(id, &text) {
            Ok(laid_out) => laid_out,
            Err(found) => {
                show(&found, &sources);
                n_faulty += 1;
                continue;
            }
        };
        if args.check {
            if laid_out != text {
                n_different += 1;
                print(&unified(&text, &laid_out, &name, &format!("{name}, laid out")));
            }
        } else if is_stdin {
            print(&laid_out);
        } else if laid_out != text {
            // A link stays a link: what it leads to is rewritten.
            let path = std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
            if let Err(error) = write_atomic(&path, laid_out.as_bytes()) {
                return fail(&error.to_string(), RUN_FAILED);
            }
            print(&format!("{name}: laid out\n"));
        }
    }
    if n_different > 0 {
        let plural = if n_different == 1 { " is" } else { "s are" };
        eprintln!("{n_different} file{plural} laid out otherwise; `dlmc fmt` without --check changes that");
    }
    if n_faulty + n_different > 0 { ExitCode::from(SPEC_ERRORS) } else { ExitCode::SUCCESS }
}

fn stdin() -> Result<String, ReadError> {
    let mut bytes = vec![];
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| ReadError::Unreadable(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| ReadError::NotUtf8(e.utf8_error().valid_up_to()))
}

fn show(found: &Diagnostics, sources: &SourceMap) {
    eprint!("{}", render::human(found, sources, env::color()));
}

fn unreadable(name: &str, error: &ReadError) -> Diagnostics {
    let code = if matches!(error, ReadError::NotUtf8(_)) { code::NOT_UTF8 } else { code::UNREADABLE };
    let mut out = Diagnostics::default();
    let name = Path::new(name).display();
    out.push(Diagnostic::error(code, format!("cannot read `{name}`: {error}")));
    out
}
