//! Numbers with their suffixes and units.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::parse::Reader;
use crate::ast::{ExprKind, NumberLit};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Number, Rational, Span, Unit};

impl Reader<'_> {
    pub(super) fn quantity(&mut self, pair: Pair<'_, Rule>) -> Option<ExprKind> {
        let mut inner = pair.into_inner();
        let number = inner.next()?;
        let span = self.span(&number);
        let text = number.as_str().to_string();
        let (mut digits, mut suffix, mut unit) = ("", None, None);
        for part in number.into_inner() {
            match part.as_rule() {
                Rule::digits => digits = part.as_str(),
                Rule::suffix => suffix = part.as_str().chars().next(),
                Rule::percent => unit = Some((Unit::Percent, self.span(&part))),
                Rule::tail => {
                    self.number_tail(digits, &part);
                    return None;
                }
                _ => {}
            }
        }
        if let Some(word) = inner.next() {
            let (word, at) = (self.unit(word)?, span);
            if unit.is_some() {
                let message = format!("`{text}` has a unit already, and `{}` follows", word.0.word());
                self.report(Diagnostic::error(code::SYNTAX, message).at(at.to(word.1), "a number has one unit"));
                return None;
            }
            unit = Some(word);
        }
        let Some(value) = value_of(digits, suffix) else {
            let message = format!("`{text}` is too large or too small for a number");
            let help = "whole numbers have up to 38 digits, others lie between 1e-307 and 1e308";
            self.report(Diagnostic::error(code::BAD_NUMBER, message).at(span, "cannot be represented").help(help));
            return None;
        };
        Some(ExprKind::Number(NumberLit { value, unit }))
    }

    /// Letters that touch a number: a unit without its space, a suffix in the wrong case, or nonsense.
    fn number_tail(&mut self, digits: &str, tail: &Pair<'_, Rule>) {
        let (word, at) = (tail.as_str(), self.span(tail));
        let upper = word.to_ascii_uppercase();
        let message = format!("`{word}` touches the number {digits}");
        let error = if Unit::parse(word).is_some() {
            Diagnostic::error(code::SYNTAX, message)
                .at(at, "a unit")
                .help(format!("a unit takes a space: `{digits} {word}`"))
        } else if matches!(upper.as_str(), "K" | "M" | "B" | "T" | "G") {
            let suffix = if upper == "G" { "B" } else { &upper };
            let help = format!("thousands are K, millions M, billions B, trillions T: `{digits}{suffix}`");
            Diagnostic::error(code::SYNTAX, message).at(at, "no suffix of numbers").help(help)
        } else {
            let help = "only K, M, B, T and % touch a number; a unit takes a space, a name begins with a letter";
            Diagnostic::error(code::SYNTAX, message).at(at, "").help(help)
        };
        self.report(error);
    }

    pub(super) fn unit(&mut self, pair: Pair<'_, Rule>) -> Option<(Unit, Span)> {
        let word = pair.into_inner().next()?;
        let (text, at) = (word.as_str(), self.span(&word));
        if let Some(unit) = Unit::parse(text) {
            return Some((unit, at));
        }
        let mut error = Diagnostic::error(code::UNKNOWN_UNIT, format!("`{text}` is no unit")).at(at, "not a unit");
        let words = || Unit::ALL.iter().flat_map(|(_, words)| words.iter().copied());
        let plain = || words().filter(|word| *word != "%");
        error = match suggest(text, plain()) {
            Some(close) => error.help(format!("did you mean `{close}`?")),
            None => {
                let all: Vec<&str> =
                    Unit::ALL.iter().map(|(unit, _)| unit.word()).filter(|word| *word != "%").collect();
                error.help(format!("the units are {}", all.join(", ")))
            }
        };
        self.report(error);
        None
    }
}

/// The exact value where a fraction of 128-bit integers holds it, the nearest f64 otherwise.
/// `None` where that is infinite, or zero for digits that are not, or a whole number loses digits.
fn value_of(digits: &str, suffix: Option<char>) -> Option<Number> {
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    let (mantissa, exponent) = clean.split_once(['e', 'E']).unwrap_or((&clean, "0"));
    let power: i32 = match suffix {
        Some('K') => 3,
        Some('M') => 6,
        Some('B') => 9,
        Some('T') => 12,
        _ => 0,
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if let Some(exact) = exact(whole, fraction, exponent, power) {
        return Some(Number::Exact(exact));
    }
    // Whole numbers count things, so they are never rounded.
    if fraction.is_empty() && clean.len() == mantissa.len() {
        return None;
    }
    let real: f64 = format!("{mantissa}e{}", exponent.parse::<i32>().ok()?.checked_add(power)?).parse().ok()?;
    let zero = mantissa.chars().all(|c| matches!(c, '0' | '.'));
    (real.is_finite() && (real.is_normal() || zero)).then_some(Number::Real(real))
}

fn exact(whole: &str, fraction: &str, exponent: &str, power: i32) -> Option<Rational> {
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    if digits == 0 {
        return Rational::new(0, 1);
    }
    let shift = exponent.parse::<i32>().ok()?.checked_add(power)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scale = 10i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { Rational::new(digits.checked_mul(scale)?, 1) } else { Rational::new(digits, scale) }
}
