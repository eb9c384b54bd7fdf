//! Formulas as a spec would write them, with as few brackets as the grammar allows. What is written
//! reads back as an equal formula.

use super::term::Term;
use super::{Formula, Piece};
use crate::base::Rational;
use std::fmt;

/// How tightly the outermost operator of a text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Sum,
    Product,
    Minus,
    Power,
    Atom,
}

/// Denominators up to this are written as divisions; larger ones as decimals, where they end.
const MAX_DIVISOR: i128 = 12;
/// Digits after the point; longer decimals are written with an exponent or as a fraction.
const MAX_DECIMALS: u32 = 12;

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, others)) = self.pieces.split_last() else { return Ok(()) };
        for Piece { end, term } in others {
            let sign = if end.after { "<=" } else { "<" };
            write!(f, "if t {sign} {} {{ {term} }} else ", number(end.at).0)?;
        }
        if others.is_empty() { write!(f, "{}", last.term) } else { write!(f, "{{ {} }}", last.term) }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self).0)
    }
}

fn text(term: &Term) -> (String, Binds) {
    match term {
        Term::Number(r) => number(*r),
        Term::Pi => ("pi".into(), Binds::Atom),
        Term::T => ("t".into(), Binds::Atom),
        Term::Call(function, argument) => (format!("{}({argument})", function.name()), Binds::Atom),
        Term::Power(base, exponent) => match exponent.number() {
            Some(e) if e.is_negative() => product(std::slice::from_ref(term)),
            _ => power(base, exponent),
        },
        Term::Product(factors) => product(factors),
        Term::Sum(terms) => sum(terms),
    }
}

fn bracketed(term: &Term, at_least: Binds) -> String {
    let (text, binds) = text(term);
    if binds < at_least { format!("({text})") } else { text }
}

fn sum(terms: &[Term]) -> (String, Binds) {
    let is_minus = |term: &Term| term.coefficient().is_negative();
    // What is added comes before what is taken away, where nothing else decides.
    let first = if terms.first().is_some_and(is_minus) { terms.iter().position(|t| !is_minus(t)) } else { None };
    let mut out = String::new();
    let order = first.into_iter().chain((0..terms.len()).filter(|i| Some(*i) != first));
    for term in order.filter_map(|i| terms.get(i)) {
        match (is_minus(term), out.is_empty()) {
            (false, true) => {}
            (false, false) => out.push_str(" + "),
            (true, true) => out.push('-'),
            (true, false) => out.push_str(" - "),
        }
        let positive = if is_minus(term) { negated(term) } else { term.clone() };
        // A minus at the very front binds tighter than a product, which changes nothing.
        out.push_str(&bracketed(&positive, Binds::Product));
    }
    (out, Binds::Sum)
}

fn negated(term: &Term) -> Term {
    let (coefficient, rest) = term.split();
    let minus = coefficient.negated();
    match rest {
        Term::Number(r) if r == Rational::ONE => Term::Number(minus),
        rest if minus == Rational::ONE => rest,
        rest => Term::Product([&[Term::Number(minus)], rest.factors()].concat()),
    }
}

/// (1 - t)^2, sqrt(t), 10^(1 - t)
fn power(base: &Term, exponent: &Term) -> (String, Binds) {
    if *exponent == Term::ratio(1, 2) {
        return (format!("sqrt({base})"), Binds::Atom);
    }
    (format!("{}^{}", bracketed(base, Binds::Atom), bracketed(exponent, Binds::Power)), Binds::Power)
}

/// Numbers, pi and t first, then sums, then functions, each in its order.
fn rank(factor: &Term) -> u8 {
    match factor.as_power().0 {
        Term::Pi => 0,
        Term::T => 1,
        Term::Sum(_) => 2,
        Term::Number(_) => 3,
        _ => 4,
    }
}

fn product(factors: &[Term]) -> (String, Binds) {
    let (mut coefficient, rest) = match factors.split_first() {
        Some((Term::Number(r), rest)) => (*r, rest),
        _ => (Rational::ONE, factors),
    };
    let minus = coefficient.is_negative();
    if minus {
        coefficient = coefficient.negated();
    }
    let mut above: Vec<&Term> = vec![];
    let mut below: Vec<Term> = vec![];
    for factor in rest {
        match (factor.as_power(), factor.as_power().1.number()) {
            ((base, _), Some(e)) if e == Rational::int(-1) => below.push(base.clone()),
            ((base, _), Some(e)) if e.is_negative() => {
                below.push(Term::Power(Box::new(base.clone()), Box::new(Term::Number(e.negated()))));
            }
            _ => above.push(factor),
        }
    }
    above.sort_by_key(|factor| rank(factor));
    below.sort_by_key(rank);
    let has_pi = above.first() == Some(&&Term::Pi);
    let divisor = divisor(coefficient, has_pi);
    let mut head: Vec<String> = vec![];
    match divisor {
        Some(_) if coefficient.num() == 1 => {}
        Some(_) => head.push(coefficient.num().to_string()),
        None if coefficient == Rational::ONE => {}
        None => head.push(bracketed(&Term::Number(coefficient), Binds::Power)),
    }
    let mut tail: Vec<String> = above.iter().map(|factor| bracketed(factor, Binds::Power)).collect();
    let mut under: Vec<String> = below.iter().map(|factor| bracketed(factor, Binds::Power)).collect();
    if has_pi {
        head.push(tail.remove(0));
    }
    let mut out = String::new();
    if minus {
        out.push('-');
    }
    match divisor {
        // pi / 2 * t
        Some(n) if has_pi && !tail.is_empty() => {
            out.push_str(&format!("{} / {n} * {}", head.join(" * "), tail.join(" * ")))
        }
        other => {
            head.append(&mut tail);
            if let Some(n) = other {
                under.insert(0, n.to_string());
            }
            out.push_str(if head.is_empty() { "1" } else { "" });
            out.push_str(&head.join(" * "));
        }
    }
    match under.as_slice() {
        [] => {}
        [only] => out.push_str(&format!(" / {only}")),
        several => out.push_str(&format!(" / ({})", several.join(" * "))),
    }
    (out, Binds::Product)
}

/// The number to divide by, if a coefficient reads better as a quotient than as a decimal.
fn divisor(coefficient: Rational, has_pi: bool) -> Option<i128> {
    let (num, den) = (coefficient.num(), coefficient.den());
    if den == 1 {
        return None;
    }
    let ends = decimal(coefficient).is_some();
    (!ends || (den <= MAX_DIVISOR && (num == 1 || has_pi))).then_some(den)
}

fn number(r: Rational) -> (String, Binds) {
    let minus = r.is_negative();
    let magnitude = r.abs();
    let (text, binds) = match decimal(magnitude) {
        Some(text) => (text, Binds::Atom),
        None => (format!("{} / {}", magnitude.num(), magnitude.den()), Binds::Product),
    };
    if minus { (format!("-{text}"), binds.min(Binds::Minus)) } else { (text, binds) }
}

/// A decimal that is exactly the number, if there is one that is short enough.
fn decimal(r: Rational) -> Option<String> {
    let (mut twos, mut fives, mut den) = (0u32, 0u32, r.den());
    while den % 2 == 0 {
        den /= 2;
        twos += 1;
    }
    while den % 5 == 0 {
        den /= 5;
        fives += 1;
    }
    let digits = twos.max(fives);
    if den != 1 {
        return None;
    }
    if digits == 0 {
        return Some(r.num().to_string());
    }
    let scaled = r.checked_mul(Rational::new(10i128.checked_pow(digits)?, 1)?)?.num();
    if digits > MAX_DECIMALS {
        // 1e-20, but not the 40 digits of 2^-40.
        return (scaled < 1_000_000).then(|| format!("{scaled}e-{digits}"));
    }
    let text = format!("{scaled:0>width$}", width = digits as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - digits as usize);
    Some(format!("{whole}.{fraction}"))
}
