//! `assumed(VALUE, "reason")`: a value of which no source says that it is this one. It is the value, marked with the
//! reason; what is made of it carries the mark on, what is laid over it does not.

use super::builtins::ASSUMED;
use super::eval::Eval;
use super::library::Kind;
use super::value::{Node, Value};
use crate::ast::{self, ExprKind};
use crate::base::diag::code;
use crate::base::{Diagnostic, Span};
use std::sync::Arc;

/// What to write.
const EXAMPLE: &str = "write `assumed(VALUE, \"why it is this value\")`";

impl Eval<'_> {
    /// The value keeps its own place, so that it is called and shown as without the mark.
    pub(super) fn assumed(
        &mut self,
        callee: &ast::Ident,
        args: &[ast::Arg],
        span: Span,
        expected: Option<Kind>,
    ) -> Node {
        let bad = |message: &str, at: Span, label: &str| {
            Diagnostic::error(code::BAD_ASSUMPTION, message).at(at, label).help(EXAMPLE)
        };
        if let Some(named) = args.iter().find_map(|arg| arg.name.as_ref()) {
            let message = format!("`{ASSUMED}` takes a value and a reason, by position");
            self.out.push(bad(&message, named.span, "without this name"));
            return self.node_of(Value::Faulty, span);
        }
        let (value, reason) = match args {
            [value, reason] => (value, reason),
            [_] => {
                self.out.push(bad(
                    "an assumption without its reason",
                    callee.span,
                    "nothing says why it is this value",
                ));
                return self.node_of(Value::Faulty, span);
            }
            _ => {
                let message = format!("`{ASSUMED}` takes a value and a reason");
                self.out.push(bad(&message, callee.span, &format!("{} arguments here", args.len())));
                return self.node_of(Value::Faulty, span);
            }
        };
        let mut node = self.expr(&value.value, expected);
        let text = match &reason.value.kind {
            ExprKind::Str(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            _ => {
                self.out.push(bad("the reason of an assumption is a text", reason.value.span, "no text in quotes"));
                return self.node_of(Value::Faulty, span);
            }
        };
        if text.is_empty() {
            self.out.push(bad("an assumption without its reason", reason.value.span, "an empty text"));
            return self.node_of(Value::Faulty, span);
        }
        node.assume(&[Arc::from(text)]);
        node
    }

    /// Refuses a mark where it says nothing about a run.
    pub(super) fn nothing_assumed(&mut self, field: &str, node: &Node) {
        if node.assumptions().is_empty() {
            return;
        }
        self.out.push(
            Diagnostic::error(code::NO_EFFECT, format!("`{field}` cannot be assumed"))
                .at(node.span, "an assumption is about a value of a run")
                .help("write it without `assumed(...)`"),
        );
    }
}
