//! Static values: arguments of the right type, whole numbers, functions on numbers.

use super::atoms::{Binary, Unary};
use super::fixed::Fixed;
use super::{Atom, Builder, Diagnostic, Env, Expr, ExprKind, ParamType, Span, Val, code};
use crate::ast::{Arg, BinaryOp, Ident, Param};

impl Builder<'_> {
    pub(super) fn default_value(&mut self, param: &Param, default: &Expr, env: &mut Env) -> Option<Val> {
        if matches!(param.ty, ParamType::Block { .. }) {
            return self.block_argument(param, default, env);
        }
        let value = self.expr(default, env)?;
        self.typed(&param.name.text, &param.ty, value, default, env)
    }

    /// A static argument of the parameter's type.
    pub(super) fn typed(
        &mut self,
        name: &str,
        ty: &ParamType,
        value: Val,
        written: &Expr,
        env: &mut Env,
    ) -> Option<Val> {
        match (ty, value) {
            (ParamType::Int, Val::Static(n)) if n.is_number() => {
                if self.is_whole(n) {
                    return Some(Val::Static(n));
                }
                self.not_whole(name, n, written, env);
                None
            }
            (ParamType::Real, Val::Static(n)) if n.is_number() => Some(Val::Static(n)),
            (ParamType::Bool, Val::Static(n)) if n.is_bool() => Some(Val::Static(n)),
            (ParamType::Bool, other) => self.wanted(&format!("true or false for `{name}`"), &other, written.span),
            (_, other) => self.wanted(&format!("a number for `{name}`"), &other, written.span),
        }
    }

    /// A fraction where a whole number is due; a quotient shows where both sides come from.
    fn not_whole(&mut self, name: &str, value: Fixed, written: &Expr, env: &mut Env) {
        if let ExprKind::Binary { op: BinaryOp::Div, left, right, .. } = &written.kind
            && let (Some(Val::Static(a)), Some(Val::Static(b))) = (self.expr(left, env), self.expr(right, env))
            && let (Atom::Whole(width), Atom::Whole(parts)) = (a.shown(), b.shown())
            && parts > 0
        {
            let heads = matches!(&right.kind, ExprKind::Name(n) if n.contains("heads"));
            let (code, message) = if heads {
                (code::HEADS, format!("{parts} heads do not divide a width of {width}"))
            } else {
                (code::NOT_WHOLE, format!("`{name}` is {width} / {parts}, which is not whole"))
            };
            let mut diagnostic = Diagnostic::error(code, message)
                .at(b.origin, format!("{width} / {parts} leaves {}", width % parts))
                .also(a.origin, if heads { "the width comes from here" } else { "divided by this" })
                .also(written.span, "has to be whole");
            if heads {
                let (width, parts) = (width.unsigned_abs(), parts.unsigned_abs());
                diagnostic = diagnostic.help(fitting_heads(width, parts));
            } else {
                diagnostic = diagnostic.help("`floor`, `ceil` and `round_to(x, n, down)` make whole numbers");
            }
            return self.report(diagnostic);
        }
        self.report(
            Diagnostic::error(code::NOT_WHOLE, format!("`{name}` has to be whole, not {}", value.shown()))
                .at(value.origin, "a whole number is wanted here")
                .also(written.span, "for this"),
        );
    }

    pub(super) fn whole_number(&mut self, what: &str, value: Val, span: Span) -> Option<u64> {
        let n = match value {
            Val::Static(n) if n.is_number() => n,
            other => {
                self.wanted(&format!("a whole number for {what}"), &other, span);
                return None;
            }
        };
        let known = self.know(n);
        match known {
            Atom::Whole(n) if n >= 0 => u64::try_from(n).ok(),
            _ => {
                let mut diagnostic = Diagnostic::error(
                    code::NOT_WHOLE,
                    format!("{what} has to be a whole number of at least 0, not {known}"),
                )
                .at(n.origin, "this value");
                if n.origin != span {
                    diagnostic = diagnostic.also(span, "has to be whole");
                }
                self.report(diagnostic);
                None
            }
        }
    }

    /// floor, ceil, sqrt, min, max, round_to; `resolve` has checked the number of arguments.
    pub(super) fn function(&mut self, callee: &Ident, args: &[Arg], span: Span, env: &mut Env) -> Option<Val> {
        let mut numbers = vec![];
        let mut up = None;
        for (i, arg) in args.iter().enumerate() {
            if callee.text == "round_to" && i == 2 {
                up = match &arg.value.kind {
                    ExprKind::Name(word) if word == "up" => Some(true),
                    ExprKind::Name(word) if word == "down" => Some(false),
                    // Reported by resolve.
                    _ => return None,
                };
                continue;
            }
            match self.expr(&arg.value, env)? {
                Val::Static(n) if n.is_number() => numbers.push(n),
                other => return self.wanted(&format!("a number for `{}`", callee.text), &other, arg.value.span),
            }
        }
        let result = match (callee.text.as_str(), numbers.as_slice()) {
            ("floor", [x]) => self.unary(Unary::Floor, *x, span),
            ("ceil", [x]) => self.unary(Unary::Ceil, *x, span),
            ("sqrt", [x]) => self.unary(Unary::Sqrt, *x, span),
            ("min", [a, b]) => self.binary(Binary::Min, *a, *b, span),
            ("max", [a, b]) => self.binary(Binary::Max, *a, *b, span),
            ("round_to", [x, n]) => {
                self.binary(if up == Some(true) { Binary::RoundUp } else { Binary::RoundDown }, *x, *n, span)
            }
            _ => return None,
        };
        if result.is_none() {
            self.report(
                Diagnostic::error(code::BAD_ARITHMETIC, format!("`{}` has no value here", callee.text))
                    .at(span, "here"),
            );
        }
        result.map(Val::Static)
    }
}

/// Up to three numbers of heads that divide the width, the closest to `near`.
pub(super) fn fitting_heads(width: u64, near: u64) -> String {
    let mut all: Vec<u64> = (1..=width.min(4096)).filter(|d| width.is_multiple_of(*d)).collect();
    all.sort_by_key(|d| (d.abs_diff(near), *d));
    all.truncate(3);
    all.sort_unstable();
    let words: Vec<String> = all.iter().map(u64::to_string).collect();
    match words.as_slice() {
        [rest @ .., last] if !rest.is_empty() => {
            format!("{} or {last} heads fit a width of {width}", rest.join(", "))
        }
        _ => format!("{} head fits a width of {width}", words.join("")),
    }
}
