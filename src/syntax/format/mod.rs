//! One canonical layout of a spec: `dlmc fmt`.
//!
//! Decided here: four blanks of indentation; lines of at most 120 characters, comments not counted; a body
//! between braces stays on several lines where its first entry begins one, and each entry then has a line
//! of its own without a comma; calls, lists and shapes stand on one line where they fit, else each item on
//! its own with a comma after it; an expression breaks before its loosest operators; values of fields
//! line up behind names of up to twelve letters; comments at the ends of neighbouring lines line up; one empty
//! line at most. Comments are never lost and never joined.
//!
//! The text is laid out from the grammar's own tree, so a text with mistakes has no layout.

mod build;
mod chain;
mod comments;
mod doc;
mod list;

use pest::Parser;

use super::grammar::{DlmParser, Rule};
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, FileId, Span};

/// The canonical layout of a spec's text, or what is wrong with it.
///
/// Guarantees: the result reads as the same tree, holds the same comments, and is its own canonical layout.
pub fn format(file: FileId, text: &str) -> Result<String, Diagnostics> {
    let (tree, found) = super::parse(file, text);
    if found.has_errors() {
        return Err(found);
    }
    let comments = comments::comments(text);
    let laid_out = match super::limits::scan(file, text, &mut super::report::Findings::default()) {
        Some(balanced) => {
            let work = |_: &mut super::report::Findings| lay_out(text, comments.clone());
            super::with_stack(balanced.nesting, &mut super::report::Findings::default(), work).flatten()
        }
        None => None,
    };
    let same = laid_out.filter(|out| {
        let (again, found) = super::parse(file, out);
        let words = |all: Vec<comments::Comment>| {
            let mut words: Vec<String> = all.into_iter().map(|c| c.text).collect();
            words.sort();
            words
        };
        !found.has_errors()
            && without_places(&tree) == without_places(&again)
            && words(comments.clone()) == words(comments::comments(out))
    });
    same.ok_or_else(|| {
        let mut out = Diagnostics::default();
        let message = "dlmc cannot lay out this text without changing it, which is a mistake of dlmc";
        out.push(
            Diagnostic::error(code::SYNTAX, message)
                .at(Span::new(file, 0, 0), "the file stays as it is")
                .help("please report it, with the spec"),
        );
        out
    })
}

fn lay_out(text: &str, comments: Vec<comments::Comment>) -> Option<String> {
    let pairs = DlmParser::parse(Rule::file, text).ok()?;
    let items = pairs.into_iter().next()?.into_inner().find(|p| p.as_rule() == Rule::items)?;
    let tops: Vec<_> = items.into_inner().filter(|p| p.as_rule() == Rule::top).collect();
    let mut builder = list::Builder::new(text, comments);
    builder.line_up(&tops);
    let doc = builder.file(tops, &mut |builder, top| builder.part(top));
    Some(doc::print(&doc))
}

/// A tree as text, places left out.
fn without_places(tree: &crate::ast::File) -> String {
    let text = format!("{tree:?}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}
