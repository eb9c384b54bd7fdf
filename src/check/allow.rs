//! `allow: [few_documents]`: warnings that the experiment accepts, by name. One that never comes up is an
//! option without effect.

use crate::base::diag::{CODES, Severity, code};
use crate::base::suggest::suggest;
use crate::base::{Code, Diagnostic, Diagnostics};
use crate::resolve::{ResolvedSpec, Value};

/// Warnings by name: the names of their codes in lower case.
pub fn warnings() -> impl Iterator<Item = (String, Code)> {
    CODES.iter().filter(|(code, ..)| code.0.starts_with('W')).map(|(code, name, _)| (name.to_lowercase(), *code))
}

/// Takes allowed warnings out. `whole`: all of the experiment was looked at, so that a warning that is not
/// there never comes up.
pub fn apply(spec: &ResolvedSpec, whole: bool, out: &mut Diagnostics) {
    let Some(node) = &spec.allow else { return };
    let items = match &node.value {
        Value::List(items) => items,
        Value::Faulty => return,
        other => {
            out.push(
                Diagnostic::error(code::WRONG_TYPE, format!("`allow` is a list of warnings, not {}", other.kind()))
                    .at(node.span, "a list of names is wanted here")
                    .help("for example `allow: [few_documents]`"),
            );
            return;
        }
    };
    // Where something is wrong, not all was looked at.
    let whole = whole && !out.has_errors();
    for item in items {
        let Value::Word(name) = &item.value else {
            if item.value != Value::Faulty {
                let message = format!("a warning goes by its name, not {}", item.value.kind());
                out.push(Diagnostic::error(code::WRONG_TYPE, message).at(item.span, "a name is wanted here"));
            }
            continue;
        };
        let Some((_, allowed)) = warnings().find(|(known, _)| known == name) else {
            let names: Vec<String> = warnings().map(|(name, _)| name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("there is no warning `{name}`"))
                .at(item.span, "not the name of one");
            out.push(match suggest(name, names.iter().copied()) {
                Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                None => diagnostic.help(format!("the warnings are {}", names.join(", "))),
            });
            continue;
        };
        let comes_up = out.iter().any(|d| d.severity == Severity::Warning && d.code == allowed);
        // Which corpora are at hand depends on the machine, and a spec is for many.
        let of_the_machine = allowed == code::CORPUS_ELSEWHERE;
        if !comes_up && whole && !of_the_machine {
            out.push(
                Diagnostic::error(code::NO_EFFECT, format!("the warning `{name}` never comes up"))
                    .at(item.span, "allowed here")
                    .help("take it out of `allow`"),
            );
        }
        out.retain(|d| d.severity != Severity::Warning || d.code != allowed);
    }
}
