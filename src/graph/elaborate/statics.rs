//! Static values: arguments of the right type, whole numbers, functions on numbers.

use super::{Builder, Diagnostic, Env, Expr, ExprKind, Num, Number, ParamType, Span, Val, code};
use crate::ast::{Arg, BinaryOp, Ident, Param};
use crate::base::number::Rational;

impl Builder<'_> {
    pub(super) fn default_value(&mut self, param: &Param, default: &Expr, env: &mut Env) -> Option<Val> {
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
            (ParamType::Int, Val::Number(n)) => {
                if n.number.to_i64().is_some() {
                    return Some(Val::Number(n));
                }
                self.not_whole(name, n, written, env);
                None
            }
            (ParamType::Real, value @ Val::Number(_)) | (ParamType::Bool, value @ Val::Bool(_)) => Some(value),
            (ParamType::Bool, other) => self.wanted(&format!("true or false for `{name}`"), &other, written.span),
            (_, other) => self.wanted(&format!("a number for `{name}`"), &other, written.span),
        }
    }

    /// A fraction where a whole number is due; a quotient shows where both sides come from.
    fn not_whole(&mut self, name: &str, value: Num, written: &Expr, env: &mut Env) {
        if let ExprKind::Binary { op: BinaryOp::Div, left, right, .. } = &written.kind
            && let (Some(Val::Number(a)), Some(Val::Number(b))) = (self.expr(left, env), self.expr(right, env))
            && let (Some(width), Some(parts)) = (a.number.to_i64(), b.number.to_i64())
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
            Diagnostic::error(code::NOT_WHOLE, format!("`{name}` has to be whole, not {}", value.number))
                .at(value.origin, "a whole number is wanted here")
                .also(written.span, "for this"),
        );
    }

    pub(super) fn whole_number(&mut self, what: &str, value: Val, span: Span) -> Option<u64> {
        let Val::Number(n) = value else {
            self.wanted(&format!("a whole number for {what}"), &value, span);
            return None;
        };
        match n.number.to_i64().and_then(|n| u64::try_from(n).ok()) {
            Some(n) => Some(n),
            None => {
                let mut diagnostic = Diagnostic::error(
                    code::NOT_WHOLE,
                    format!("{what} has to be a whole number of at least 0, not {}", n.number),
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
                Val::Number(n) => numbers.push(n.number),
                other => return self.wanted(&format!("a number for `{}`", callee.text), &other, arg.value.span),
            }
        }
        let number = match (callee.text.as_str(), numbers.as_slice()) {
            ("floor", [x]) => x.floor(),
            ("ceil", [x]) => x.ceil(),
            ("sqrt", [x]) => square_root(*x),
            ("min", [a, b]) => {
                if a <= b {
                    *a
                } else {
                    *b
                }
            }
            ("max", [a, b]) => {
                if a >= b {
                    *a
                } else {
                    *b
                }
            }
            ("round_to", [x, n]) => {
                let ratio = x.div(*n);
                (if up == Some(true) { ratio.ceil() } else { ratio.floor() }).mul(*n)
            }
            _ => return None,
        };
        if !number.is_finite() {
            self.report(
                Diagnostic::error(code::BAD_ARITHMETIC, format!("`{}` has no value here", callee.text))
                    .at(span, "here"),
            );
            return None;
        }
        Some(Val::Number(Num { number, origin: span }))
    }
}

/// Exact for perfect squares.
fn square_root(x: Number) -> Number {
    let root = x.to_f64().sqrt();
    match Rational::new(root as i128, 1).map(Number::Exact) {
        Some(exact) if root.fract() == 0.0 && exact.mul(exact) == x => exact,
        _ => Number::Real(root),
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
