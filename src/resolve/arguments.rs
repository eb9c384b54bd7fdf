//! Arguments against parameters, and the words for both.

use crate::ast;
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Names that a finding lists.
const MAX_LISTED: usize = 20;

/// Arguments against parameters: (name, has to be given).
pub(crate) fn check_args(
    callee: &ast::Ident,
    args: &[ast::Arg],
    params: &[(&str, bool)],
    defined: Option<Span>,
    out: &mut Diagnostics,
) {
    let mut given: BTreeMap<&str, Span> = BTreeMap::new();
    let known: BTreeSet<&str> = params.iter().map(|(n, _)| *n).collect();
    let mut position = 0;
    let mut n_unknown = 0;
    let list = || short_list(params.iter().map(|(n, _)| *n));
    let with_definition = |d: Diagnostic| match defined {
        Some(span) => d.also(span, "defined here"),
        None => d,
    };
    for arg in args {
        let name = match &arg.name {
            Some(name) => known.get(name.text.as_str()).copied(),
            None => {
                position += 1;
                params.get(position - 1).map(|(n, _)| *n)
            }
        };
        match (name, &arg.name) {
            (Some(name), _) => {
                if let Some(first) = given.insert(name, arg.span) {
                    out.push(
                        Diagnostic::error(code::DUPLICATE_FIELD, format!("`{name}` is given twice"))
                            .at(arg.span, "again here")
                            .also(first, "first here")
                            .help("keep one of them"),
                    );
                }
            }
            (None, Some(name)) => {
                n_unknown += 1;
                let diagnostic = Diagnostic::error(
                    code::UNKNOWN_FIELD,
                    format!("`{}` has no argument `{}`", callee.text, name.text),
                )
                .at(name.span, "not an argument of it");
                let candidates = params.iter().map(|(n, _)| *n).take(if out.is_full() { 0 } else { usize::MAX });
                let help = match suggest(&name.text, candidates) {
                    Some(closest) => format!("did you mean `{closest}`?"),
                    None => takes(&list()),
                };
                out.push(with_definition(diagnostic.help(help)));
            }
            (None, None) => {
                let message = format!("`{}` takes {}", callee.text, n_arguments(params.len()));
                out.push(with_definition(
                    Diagnostic::error(code::UNKNOWN_FIELD, message).at(arg.span, "one too many").help(takes(&list())),
                ));
            }
        }
    }
    let missing: Vec<&str> = params.iter().filter(|(n, due)| *due && !given.contains_key(n)).map(|(n, _)| *n).collect();
    // An unknown argument most likely is the missing one under a wrong name, and is reported.
    if missing.len() > n_unknown {
        let message = format!(
            "`{}` needs {}",
            callee.text,
            short_list(missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().iter().map(String::as_str))
        );
        out.push(with_definition(
            Diagnostic::error(code::MISSING_FIELD, message).at(callee.span, "not given here").help(takes(&list())),
        ));
    }
}

/// The first of many names.
pub(crate) fn short_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(MAX_LISTED + 1).collect();
    if names.len() > MAX_LISTED {
        names.truncate(MAX_LISTED);
        names.push("...");
    }
    names.join(", ")
}

/// "it takes a, b", of a list that may be empty.
pub(crate) fn takes(list: &str) -> String {
    if list.is_empty() { "it takes no arguments".into() } else { format!("it takes {list}") }
}

pub(crate) fn n_arguments(n: usize) -> String {
    match n {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        n => format!("{n} arguments"),
    }
}
