//! `log(a..b, n)` and `linear(a..b, n)`: evenly spaced values with short names. A value is exactly what its
//! name says: between the ends it is rounded to four digits, or to as many as keep the values apart.

use super::arithmetic::Quantity;
use super::eval::Eval;
use super::point::decimal;
use super::value::{Args, Node, Value};
use crate::base::diag::code;
use crate::base::{Diagnostic, Number, SourceMap};

/// Values of a series.
const MAX_VALUES: i64 = 10_000;
/// Digits of a value between the ends, and the most that a float has.
const DIGITS: usize = 4;
const MAX_DIGITS: usize = 17;
/// A value this close to a whole number is that number; only rounding is between them.
const ROUNDING: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Evenly in the logarithm.
    Log,
    Linear,
}

impl Spacing {
    pub fn parse(name: &str) -> Option<Spacing> {
        match name {
            "log" => Some(Spacing::Log),
            "linear" => Some(Spacing::Linear),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Spacing::Log => "log",
            Spacing::Linear => "linear",
        }
    }
}

/// The values of a written series, with their names.
pub fn read(
    spacing: Spacing,
    node: &Node,
    args: &Args,
    map: &SourceMap,
    eval: &mut Eval<'_>,
) -> Option<Vec<(Quantity, String)>> {
    let name = spacing.name();
    let refuse = |message: String, at: &Node, label: &str, eval: &mut Eval<'_>| {
        if at.value != Value::Faulty {
            eval.out.push(
                Diagnostic::error(code::BAD_SWEEP, message)
                    .at(at.span, label)
                    .help(format!("for example `{name}(1e-4..1e-2, 5)`: from 1e-4 to 1e-2 in 5 values")),
            );
        }
        None
    };
    let [range, count] = args.positional.as_slice() else {
        return refuse(format!("`{name}` takes a range and a number of values"), node, "not that", eval);
    };
    if !args.named.is_empty() {
        return refuse(format!("`{name}` takes its arguments by position"), node, "a named one here", eval);
    }
    let Value::Range(from, to) = &range.value else {
        return refuse(
            format!("`{name}` runs over a range, not {}", range.value.kind()),
            range,
            "`a..b` is wanted",
            eval,
        );
    };
    let (low, high, unit) = match (&from.value, &to.value) {
        (Value::Number { number: a, unit: ua }, Value::Number { number: b, unit: ub }) if ua == ub => (*a, *b, *ua),
        _ => return refuse("a range between two units".into(), range, "both ends need one unit", eval),
    };
    let n = match &count.value {
        Value::Number { number, unit: None } => number.to_i64(),
        _ => None,
    };
    let Some(n) = n.filter(|n| (2..=MAX_VALUES).contains(n)) else {
        return refuse(
            format!("`{name}` makes 2 values at least, {MAX_VALUES} at most"),
            count,
            "a whole number",
            eval,
        );
    };
    if spacing == Spacing::Log && (low.to_f64() <= 0.0 || high.to_f64() <= 0.0) {
        return refuse("a logarithm of 0, or of less".into(), range, "both ends are above 0", eval);
    }
    if low == high {
        return refuse("a range of one value".into(), range, "its ends are the same", eval);
    }
    let values = spaced(spacing, low, high, n as usize);
    let mut named: Vec<(Quantity, String)> = values.into_iter().map(|value| ((value, unit), short(value))).collect();
    // The ends go by what is written there.
    for (end, node) in [(0, from), (named.len() - 1, to)] {
        if let (Some((_, text)), Some(written)) = (named.get_mut(end), literal(map.text(node.span))) {
            *text = written.to_string();
        }
    }
    Some(named)
}

/// `n` values from `low` to `high`, each different from the one before.
pub fn spaced(spacing: Spacing, low: Number, high: Number, n: usize) -> Vec<Number> {
    let last = n.saturating_sub(1).max(1);
    let exact = |i: usize| match spacing {
        _ if i == 0 => low,
        _ if i == last => high,
        Spacing::Linear => {
            let step = high.sub(low).mul(Number::ratio(i as i64, last as i64));
            low.add(step)
        }
        Spacing::Log => {
            let (a, b) = (low.to_f64().ln(), high.to_f64().ln());
            Number::Real((a + (b - a) * i as f64 / last as f64).exp())
        }
    };
    for digits in DIGITS..MAX_DIGITS {
        let values: Vec<Number> =
            (0..n).map(|i| if i == 0 || i == last { exact(i) } else { rounded(exact(i), digits) }).collect();
        let rises = low < high;
        let apart = |pair: &[Number]| match pair {
            [a, b] => {
                if rises {
                    a < b
                } else {
                    a > b
                }
            }
            _ => true,
        };
        if values.windows(2).all(apart) {
            return values;
        }
    }
    (0..n).map(exact).collect()
}

/// To so many significant digits; whole numbers, and what is short anyway, stay.
fn rounded(number: Number, digits: usize) -> Number {
    let x = number.to_f64();
    let whole = x.round();
    if (x - whole).abs() <= ROUNDING * whole.abs() && whole.abs() < 1e15 {
        return Number::int(whole as i64);
    }
    decimal(&format!("{x:.*e}", digits.saturating_sub(1))).unwrap_or(number)
}

/// The number of a written quantity, without its unit; `None` for anything that is computed.
pub fn literal(written: &str) -> Option<&str> {
    let first = written.split_whitespace().next()?;
    let plain = |c: char| c.is_ascii_digit() || "._eE+-KMBT%".contains(c);
    (first.starts_with(|c: char| c.is_ascii_digit()) && first.chars().all(plain)).then_some(first)
}

/// A number as one would write it: `3.162e-4`, `0.05`, `464.2M`.
pub fn short(number: Number) -> String {
    let x = number.to_f64();
    if x != 0.0 && x.abs() < 1e-2 {
        return format!("{x:e}");
    }
    for (suffix, power) in [("T", 12), ("B", 9), ("M", 6), ("K", 3)] {
        let scaled = number.div(Number::int(10).pow(Number::int(power)));
        let text = scaled.to_string();
        // Round thousands read better so; 1024 does not.
        if scaled.to_f64().abs() >= 1.0 && text.len() + suffix.len() < number.to_string().len() {
            return format!("{text}{suffix}");
        }
    }
    number.to_string()
}
