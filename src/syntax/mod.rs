//! Text to [`ast`](crate::ast): the pest grammar of `grammar/dlm.pest`, limits, recovery by line.
//!
//! [`parse`] never fails: it gives what could be read and a diagnostic for each line that could not.
//! It decides nothing about meaning; names, types and units per field are for later stages.

mod blocks;
mod claims;
mod climb;
mod expr;
pub mod format;
mod grammar;
mod limits;
mod mistakes;
mod number;
mod parse;
mod report;
mod words;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use pest::Parser;

use crate::ast::{Expr, File};
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, FileId, Span};
use grammar::{DlmParser, Rule};
use limits::Balanced;
use parse::Reader;
use report::Findings;

pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_NESTING, MAX_OPERATORS};
pub use report::MAX_FINDINGS;

/// Brackets nested deeper than this are read on a thread with a stack of its own.
const DEEP: usize = 24;
/// Enough for 256 nested brackets in a debug build, several times over.
const DEEP_STACK: usize = 64 << 20;
/// The most rules and marks that pest tries in one text. A full file of dense, correct text takes less than half.
/// Only mistakes that alternate with brackets, level by level, come near; they are refused as a whole.
const MAX_STEPS: usize = 40_000_000;

/// Reads one spec file.
///
/// Guarantees: takes time in proportion to the text, never panics, and gives a tree at most
/// [`MAX_DEPTH`] deep. Where there is no diagnostic, the tree holds the whole file.
pub fn parse(file: FileId, text: &str) -> (File, Diagnostics) {
    let mut findings = Findings::default();
    let Some(balanced) = limits::scan(file, text, &mut findings) else {
        return (File::default(), findings.into_diagnostics());
    };
    pest::set_call_limit(NonZeroUsize::new(MAX_STEPS));
    let read = |findings: &mut Findings| match DlmParser::parse(Rule::file, &balanced.text) {
        Ok(mut pairs) => {
            let mut reader = Reader { file, source: text, balanced: &balanced, findings };
            pairs.next().map(|pair| reader.read_file(pair)).unwrap_or_default()
        }
        // The grammar recovers from everything, so this is a text that takes too many steps.
        Err(error) => {
            findings.push(unreadable(file, text, &balanced, &error));
            File::default()
        }
    };
    let out = with_stack(balanced.nesting, &mut findings, read).unwrap_or_else(|| {
        findings.push(no_stack(file));
        File::default()
    });
    if out.items.is_empty() && findings.is_empty() {
        let help = "a spec defines something: `experiment NAME { ... }`, or a `model` for others to use";
        findings.push(
            Diagnostic::error(code::EMPTY_FILE, "this file has nothing in it").at(Span::new(file, 0, 0), "").help(help),
        );
    }
    (out, findings.into_diagnostics())
}

/// Reads the value of `--set path=value`.
pub fn parse_value(file: FileId, text: &str) -> (Option<Expr>, Diagnostics) {
    let mut findings = Findings::default();
    let Some(balanced) = limits::scan(file, text, &mut findings) else {
        return (None, findings.into_diagnostics());
    };
    pest::set_call_limit(NonZeroUsize::new(MAX_STEPS));
    let read = |findings: &mut Findings| {
        let reported = !findings.is_empty();
        let mut reader = Reader { file, source: text, balanced: &balanced, findings };
        match DlmParser::parse(Rule::value_only, &balanced.text) {
            Ok(mut pairs) => {
                let value = pairs.next()?.into_inner().find(|pair| pair.as_rule() == Rule::expr)?;
                reader.expr(value, 0)
            }
            Err(_) if reported => None,
            Err(_) => {
                reader.bad_value(&balanced.text);
                None
            }
        }
    };
    let out = with_stack(balanced.nesting, &mut findings, read).unwrap_or_else(|| {
        findings.push(no_stack(file));
        None
    });
    (out, findings.into_diagnostics())
}

/// Runs `read` where the stack is deep enough; `None` where the system gives no such thread.
fn with_stack<T: Send>(
    nesting: usize,
    findings: &mut Findings,
    read: impl FnOnce(&mut Findings) -> T + Send,
) -> Option<T> {
    if nesting <= DEEP {
        return Some(read(findings));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, || read(findings)).ok()?;
        match thread.join() {
            Ok(out) => Some(out),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn no_stack(file: FileId) -> Diagnostic {
    Diagnostic::error(code::TOO_DEEP, "this nests too deep for the memory at hand").at(Span::new(file, 0, 0), "")
}

fn unreadable(file: FileId, text: &str, balanced: &Balanced, error: &pest::error::Error<Rule>) -> Diagnostic {
    let at = match error.location {
        pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => balanced.original(at),
    };
    let at = at.min(text.len());
    Diagnostic::error(code::SYNTAX, "this text holds too many mistakes to be read")
        .at(Span::new(file, at, at), "reading stopped here")
}
