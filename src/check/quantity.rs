//! Numbers of a spec with their units and ranges, each refusal with what was wanted.

use super::reader::Cx;
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Number, Span, Unit};
use crate::resolve::{Node, Origin, Value};

/// One unit a field takes, and whether a bare number means it.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    pub units: &'static [Unit],
    pub bare: bool,
}

impl Takes {
    pub const PLAIN: Takes = Takes { units: &[], bare: true };
    pub const TOKENS: Takes = Takes { units: &[Unit::Tokens], bare: false };
    pub const SEQS: Takes = Takes { units: &[Unit::Seqs], bare: false };
    /// A plain fraction or a percentage.
    pub const FRACTION: Takes = Takes { units: &[Unit::Percent], bare: true };
    pub const BYTES: Takes = Takes { units: &[Unit::GiB], bare: false };
    pub const EPOCHS: Takes = Takes { units: &[Unit::Epochs], bare: true };
    pub const STEPS: Takes = Takes { units: &[Unit::Steps], bare: false };
    /// A part of the run: a percentage of its steps, or steps.
    pub const SHARE: Takes = Takes { units: &[Unit::Percent, Unit::Steps], bare: false };
    pub const CADENCE: Takes = Takes { units: &[Unit::Epochs, Unit::Steps, Unit::Percent], bare: false };

    fn words(self) -> String {
        let mut words: Vec<String> = self.units.iter().map(|u| format!("`{}`", u.word())).collect();
        if self.bare {
            words.push("no unit".into());
        }
        words.join(" or ")
    }
}

/// A number in the base unit of its dimension; `None` for a bare one.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    pub number: Number,
    pub unit: Option<Unit>,
    pub span: Span,
    pub origin: Origin,
}

impl Quantity {
    /// As one would write it: `2%`, `1 epoch`.
    pub fn words(&self) -> String {
        match self.unit {
            Some(Unit::Percent) => format!("{}%", self.number.mul(Number::int(100))),
            Some(unit) => {
                let number = self.number.div(unit.factor());
                let one = number == Number::int(1);
                let singular = Unit::ALL.iter().find(|(u, _)| *u == unit).and_then(|(_, words)| words.get(1));
                format!("{number} {}", singular.filter(|_| one).copied().unwrap_or(unit.word()))
            }
            None => self.number.to_string(),
        }
    }
}

pub fn quantity(path: &str, node: &Node, takes: Takes, cx: &mut Cx<'_>) -> Option<Quantity> {
    let Value::Number { number, unit } = &node.value else {
        cx.wrong_type(node, path, "a number");
        return None;
    };
    let fits = match unit {
        None => takes.bare,
        Some(unit) => takes.units.iter().any(|u| u.dimension() == unit.dimension()),
    };
    if !fits {
        let given = unit.map_or("no unit".to_string(), |u| format!("`{}`", u.word()));
        let message = match (unit, takes.units) {
            (None, _) => format!("`{path}` needs its unit: {}", takes.words()),
            (Some(_), []) => format!("`{path}` is a plain number, not in {given}"),
            (Some(_), _) => format!("`{path}` takes {}, not {given}", takes.words()),
        };
        // The number as written, without its unit; a computed one has none to show.
        let text = cx.map.text(node.span);
        let bare = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%').trim_end();
        let suffixed = |c: char| c.is_ascii_digit() || "._KMBT".contains(c);
        let bare = match unit {
            Some(_) if bare.is_empty() || !bare.chars().all(suffixed) => "1",
            Some(_) => bare,
            None => text,
        };
        let mut examples: Vec<String> = takes
            .units
            .iter()
            .filter(|u| **u != Unit::Percent || !bare.ends_with(['K', 'M', 'B', 'T']))
            .map(|u| format!("`{bare}{}{}`", if *u == Unit::Percent { "" } else { " " }, u.word()))
            .collect();
        if takes.bare {
            examples.push(format!("`{bare}`"));
        }
        let diagnostic = Diagnostic::error(code::WRONG_UNIT, message)
            .at(node.span, format!("{given} here"))
            .help(format!("for example {}", examples.join(" or ")));
        cx.push_about(&node.origin, diagnostic);
        return None;
    }
    let scaled = match unit {
        Some(u) => number.mul(u.factor()),
        None => *number,
    };
    Some(Quantity { number: scaled, unit: *unit, span: node.span, origin: node.origin.clone() })
}

pub fn whole(path: &str, quantity: Quantity, min: u64, cx: &mut Cx<'_>) -> Option<u64> {
    match quantity.number.to_i64() {
        Some(n) if n >= 0 && n as u64 >= min => Some(n as u64),
        Some(n) => {
            cx.push_about(
                &quantity.origin,
                Diagnostic::error(code::OUT_OF_RANGE, format!("`{path}` is at least {min}, not {n}"))
                    .at(quantity.span, format!("at least {min} is wanted here")),
            );
            None
        }
        None => {
            cx.push_about(&quantity.origin, not_whole(path, quantity.number, quantity.span));
            None
        }
    }
}

/// A number that is no i64: a fraction, or too large.
pub fn not_whole(path: &str, number: Number, span: Span) -> Diagnostic {
    if number.floor() == number {
        return Diagnostic::error(code::OUT_OF_RANGE, format!("`{path}` is too large: {number}"))
            .at(span, format!("at most {} is possible", grouped(i64::MAX as u64)));
    }
    Diagnostic::error(code::NOT_WHOLE, format!("`{path}` has to be whole, not {number}"))
        .at(span, "a whole number is wanted here")
        .help(format!("{} or {} would be whole", number.floor(), number.ceil()))
}

pub fn in_range(path: &str, quantity: Quantity, range: std::ops::RangeInclusive<f64>, cx: &mut Cx<'_>) -> Option<f64> {
    in_range_or(path, quantity, range, None, cx)
}

/// [`in_range`], with what was probably meant.
pub fn in_range_or(
    path: &str,
    quantity: Quantity,
    range: std::ops::RangeInclusive<f64>,
    meant: Option<String>,
    cx: &mut Cx<'_>,
) -> Option<f64> {
    let x = quantity.number.to_f64();
    if range.contains(&x) {
        return Some(x);
    }
    // Ends that stand for "not 0" and "not 1" are said so.
    let low = match *range.start() {
        low if low > 0.0 && low < 1e-5 => "above 0".to_string(),
        low => format!("at least {}", Number::Real(low)),
    };
    let wanted = match *range.end() {
        f64::MAX => low,
        high if high > 0.999_99 && high < 1.0 => format!("{low} and below 1"),
        high => format!("{low} and at most {}", Number::Real(high)),
    };
    let diagnostic = Diagnostic::error(code::OUT_OF_RANGE, format!("`{path}` is {wanted}, not {}", Number::Real(x)))
        .at(quantity.span, format!("wanted: {wanted}"));
    let diagnostic = match meant {
        Some(meant) => diagnostic.help(meant),
        None => diagnostic,
    };
    cx.push_about(&quantity.origin, diagnostic);
    None
}
