//! What written operators and functions compute, and the findings where they cannot.

use super::arithmetic::{self, Quantity, Unfit};
use super::builtins::FUNCTIONS;
use super::eval::Eval;
use super::library::{Kind, unknown_name};
use super::value::{Node, Value};
use crate::ast::{self, BinaryOp, ExprKind};
use crate::base::diag::code;
use crate::base::{Diagnostic, Number, Span, Unit};

impl Eval<'_> {
    /// floor, ceil, sqrt, min, max, round_to
    pub(super) fn function(&mut self, callee: &ast::Ident, args: &[ast::Arg], span: Span) -> Node {
        let name = callee.text.as_str();
        let n = FUNCTIONS.iter().find(|(known, _)| *known == name).map_or(0, |(_, n)| *n);
        if args.len() != n || args.iter().any(|a| a.name.is_some()) {
            self.out.push(
                Diagnostic::error(
                    code::MISSING_FIELD,
                    format!("`{name}` takes {n} number{}, by position", if n == 1 { "" } else { "s" }),
                )
                .at(callee.span, format!("{} arguments here", args.len()))
                .help(match name {
                    "round_to" => "for example `round_to(dim, 128, up)`",
                    "min" | "max" => "for example `max(dim, 128)`",
                    _ => "for example `floor(dim / 3)`",
                }),
            );
            return self.node_of(Value::Faulty, span);
        }
        let mut numbers: Vec<Quantity> = vec![];
        let (mut nodes, mut up, mut sound) = (vec![], true, true);
        for (i, arg) in args.iter().enumerate() {
            if name == "round_to" && i == 2 {
                up = match &arg.value.kind {
                    ExprKind::Name(word) if word == "up" => true,
                    ExprKind::Name(word) if word == "down" => false,
                    _ => {
                        self.out.push(
                            Diagnostic::error(code::WRONG_TYPE, "`round_to` goes `up` or `down`")
                                .at(arg.value.span, "neither")
                                .help("for example `round_to(dim, 128, up)`"),
                        );
                        sound = false;
                        true
                    }
                };
                continue;
            }
            let node = self.expr(&arg.value, None);
            match &node.value {
                Value::Number { number, unit } => numbers.push((*number, *unit)),
                Value::Faulty => sound = false,
                _ => {
                    self.unwanted(&node, "a number");
                    sound = false;
                }
            }
            nodes.push(node);
        }
        let parts: Vec<&Node> = nodes.iter().collect();
        let result = match (sound, numbers.as_slice()) {
            (true, [(x, unit)]) => arithmetic::function(name, &[*x]).map(|x| Ok((x, *unit))),
            (true, [a, b]) => Some(arithmetic::alike(*a, *b).map(|(a, b, unit)| match name {
                "round_to" => (a.round_to(b, up), unit),
                _ => (arithmetic::function(name, &[a, b]).unwrap_or(Number::Real(f64::NAN)), unit),
            })),
            _ => None,
        };
        let value = match result {
            Some(Ok((number, unit))) if number.is_finite() => Value::Number { number, unit },
            Some(Ok(_)) => self.unfit(Unfit::NoValue, &format!("`{name}`"), &parts, span),
            Some(Err(unfit)) => self.unfit(unfit, &format!("`{name}`"), &parts, span),
            None => Value::Faulty,
        };
        self.made_of(value, span, &parts)
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: &Node, b: &Node, span: Span) -> Value {
        if a.value == Value::Faulty || b.value == Value::Faulty {
            return Value::Faulty;
        }
        match arithmetic::binary(op, &a.value, &b.value) {
            Ok(value) => value,
            Err(unfit) => self.unfit(unfit, &format!("`{}`", op.symbol()), &[a, b], span),
        }
    }

    /// Words why an operation has no result.
    fn unfit(&mut self, unfit: Unfit, what: &str, parts: &[&Node], span: Span) -> Value {
        let diagnostic = match unfit {
            Unfit::Units(a, b) => {
                let [a, b] = [a, b].map(|u| u.map_or("no unit", Unit::word));
                Diagnostic::error(code::WRONG_UNIT, format!("{what} between {a} and {b}"))
                    .at(span, "these do not combine")
                    .help("+, - and comparisons take one unit on both sides; * and / take one with a unit and one without")
            }
            Unfit::NoValue => {
                let shown: Vec<String> = parts
                    .iter()
                    .filter_map(|node| match &node.value {
                        Value::Number { number, .. } => Some(number.to_string()),
                        _ => None,
                    })
                    .collect();
                let message = match shown.as_slice() {
                    [a, b] if !what.contains("round_to") && what.len() < 4 => {
                        format!("{a} {} {b} has no value", what.trim_matches('`'))
                    }
                    _ => format!("{what} of {} has no value", shown.join(", ")),
                };
                Diagnostic::error(code::BAD_ARITHMETIC, message)
                    .at(span, "infinite, or not a number")
                    .help("divide by something else than 0, and stay below 10^308")
            }
            Unfit::Wants(right, wanted) => {
                if let Some(node) = parts.get(usize::from(right)) {
                    return self.unwanted(node, wanted);
                }
                return Value::Faulty;
            }
            Unfit::Incomparable => {
                let kinds: Vec<String> = parts.iter().map(|node| node.value.kind()).collect();
                Diagnostic::error(code::WRONG_TYPE, format!("{what} between {}", kinds.join(" and ")))
                    .at(span, "these are never equal")
                    .help("compare values of one type")
            }
        };
        self.out.push(self.with_lets(diagnostic, parts));
        Value::Faulty
    }

    /// Shows the `let`s that a wrong value comes from.
    pub(super) fn with_lets(&self, mut diagnostic: Diagnostic, parts: &[&Node]) -> Diagnostic {
        let mut seen: Vec<Span> = vec![];
        for used in parts.iter().flat_map(|node| &node.origin.lets) {
            if !seen.contains(&used.span) {
                seen.push(used.span);
                diagnostic = diagnostic.also(used.span, format!("`{}` is this let", used.name));
            }
        }
        diagnostic
    }

    /// Reports an operand of the wrong type. A name stands for a `let` that is not there.
    pub(super) fn unwanted(&mut self, node: &Node, wanted: &str) -> Value {
        let at = node.origin.span;
        match &node.value {
            Value::Faulty => {}
            Value::Word(name) if node.origin.lets.is_empty() => {
                let closest = self.library.similar(self.scope(at), Kind::Let, name).map(str::to_string);
                let mut diagnostic = unknown_name("value", name, at, closest.as_deref());
                if closest.is_none() {
                    diagnostic.help =
                        vec![format!("{wanted} is wanted here; `let {name} = ...` gives the name a value")];
                }
                self.out.push(diagnostic);
            }
            value => {
                let code = if wanted == "a number" { code::BAD_ARITHMETIC } else { code::WRONG_TYPE };
                let place = if wanted == "a number" { "in arithmetic" } else { "in a condition" };
                let diagnostic = Diagnostic::error(code, format!("{} {place}", value.kind()))
                    .at(at, format!("{wanted} is wanted here"));
                self.out.push(self.with_lets(diagnostic, &[node]));
            }
        }
        Value::Faulty
    }
}
