//! Polynomials of one variable over the rationals: common divisors for `simplify`, and Sturm's
//! count of roots, which decides signs of polynomials completely.
#![allow(clippy::indexing_slicing)] // coefficients by degree, bounds checked by the loops

use super::range::{Bound, Domain, Range};
use super::term::{Function, Term};
use crate::base::Rational;

/// Degrees beyond this are left to interval arithmetic.
const MAX_DEGREE: usize = 24;

/// Coefficients by ascending degree, the last one not 0; empty is the zero polynomial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poly(Vec<Rational>);

impl Poly {
    fn trimmed(mut coefficients: Vec<Rational>) -> Poly {
        while coefficients.last().is_some_and(|c| c.is_zero()) {
            coefficients.pop();
        }
        Poly(coefficients)
    }

    fn constant(c: Rational) -> Poly {
        Poly::trimmed(vec![c])
    }

    pub fn degree(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn lead(&self) -> Rational {
        self.0.last().copied().unwrap_or(Rational::ZERO)
    }

    /// The polynomial in t that a term is, if it is one.
    pub fn of(term: &Term) -> Option<Poly> {
        Poly::in_kernel(term, &Term::T)
    }

    /// The polynomial in `kernel` that a term is. Even powers of the sine count as a polynomial in
    /// the cosine of the same angle, and the reverse.
    pub fn in_kernel(term: &Term, kernel: &Term) -> Option<Poly> {
        if term == kernel {
            return Some(Poly(vec![Rational::ZERO, Rational::ONE]));
        }
        match term {
            Term::Number(r) => Some(Poly::constant(*r)),
            Term::Sum(terms) => {
                let mut sum = Poly(vec![]);
                for term in terms {
                    sum = sum.plus(&Poly::in_kernel(term, kernel)?)?;
                }
                Some(sum)
            }
            Term::Product(factors) => {
                let mut product = Poly::constant(Rational::ONE);
                for factor in factors {
                    product = product.times(&Poly::in_kernel(factor, kernel)?)?;
                }
                Some(product)
            }
            Term::Power(base, exponent) => {
                let n = usize::try_from(exponent.whole()?).ok().filter(|n| *n <= MAX_DEGREE)?;
                if n.is_multiple_of(2) && other_of_the_circle(base).is_some_and(|other| other == *kernel) {
                    let square = Poly(vec![Rational::ONE, Rational::ZERO, Rational::int(-1)]);
                    return square.to_power(n / 2);
                }
                Poly::in_kernel(base, kernel)?.to_power(n)
            }
            Term::Pi | Term::T | Term::Call(..) => None,
        }
    }

    /// As a sum of powers of `kernel`, not yet in canonical form.
    pub fn to_term(&self, kernel: &Term) -> Term {
        let terms = self.0.iter().enumerate().filter(|(_, c)| !c.is_zero()).map(|(n, c)| {
            let power = Term::Power(Box::new(kernel.clone()), Box::new(Term::int(n as i64)));
            Term::Product(vec![Term::Number(*c), power])
        });
        Term::Sum(terms.collect())
    }

    fn to_power(&self, n: usize) -> Option<Poly> {
        let mut out = Poly::constant(Rational::ONE);
        for _ in 0..n {
            out = out.times(self)?;
        }
        Some(out)
    }

    fn plus(&self, other: &Poly) -> Option<Poly> {
        let at = |p: &Poly, i: usize| p.0.get(i).copied().unwrap_or(Rational::ZERO);
        let n = self.0.len().max(other.0.len());
        let sum = (0..n).map(|i| at(self, i).checked_add(at(other, i))).collect::<Option<Vec<_>>>()?;
        Some(Poly::trimmed(sum))
    }

    fn times(&self, other: &Poly) -> Option<Poly> {
        if self.is_zero() || other.is_zero() {
            return Some(Poly(vec![]));
        }
        let degree = self.degree() + other.degree();
        if degree > MAX_DEGREE {
            return None;
        }
        let mut out = vec![Rational::ZERO; degree + 1];
        for (i, a) in self.0.iter().enumerate() {
            for (j, b) in other.0.iter().enumerate() {
                out[i + j] = out[i + j].checked_add(a.checked_mul(*b)?)?;
            }
        }
        Some(Poly::trimmed(out))
    }

    /// Divided by a positive number so that the coefficients are whole and have no common divisor:
    /// signs and roots stay, numbers stay small.
    fn primitive(&self) -> Option<Poly> {
        let content = content(self.0.iter().copied())?;
        let scaled = self.0.iter().map(|c| c.checked_div(content)).collect::<Option<Vec<_>>>()?;
        Some(Poly(scaled))
    }

    /// Quotient and remainder by a polynomial that is not 0.
    pub fn divide(&self, by: &Poly) -> Option<(Poly, Poly)> {
        let mut rest = self.0.clone();
        let lead = by.lead();
        if lead.is_zero() {
            return None;
        }
        let n = by.0.len();
        let mut quotient = vec![Rational::ZERO; (rest.len() + 1).saturating_sub(n)];
        while rest.len() >= n {
            let shift = rest.len() - n;
            let factor = rest[rest.len() - 1].checked_div(lead)?;
            quotient[shift] = factor;
            for (i, c) in by.0.iter().enumerate() {
                rest[shift + i] = rest[shift + i].checked_sub(factor.checked_mul(*c)?)?;
            }
            rest.pop();
            // Terms that vanished with it leave their places.
            while rest.len() >= n && rest.last().is_some_and(|c| c.is_zero()) {
                rest.pop();
            }
        }
        Some((Poly::trimmed(quotient), Poly::trimmed(rest)))
    }

    /// The greatest common divisor, primitive.
    pub fn gcd(&self, other: &Poly) -> Option<Poly> {
        let (mut a, mut b) = (self.clone(), other.clone());
        while !b.is_zero() {
            let rest = a.divide(&b)?.1;
            (a, b) = (b, if rest.is_zero() { rest } else { rest.primitive()? });
        }
        a.primitive()
    }

    fn derivative(&self) -> Option<Poly> {
        let terms = self.0.iter().enumerate().skip(1).map(|(n, c)| c.checked_mul(Rational::int(n as i64)));
        Some(Poly::trimmed(terms.collect::<Option<Vec<_>>>()?))
    }

    fn at(&self, x: Rational) -> Option<Rational> {
        let mut value = Rational::ZERO;
        for c in self.0.iter().rev() {
            value = value.checked_mul(x)?.checked_add(*c)?;
        }
        Some(value)
    }

    /// The number of distinct roots in (low, high], of a polynomial without double roots.
    fn roots_in(&self, low: Rational, high: Rational) -> Option<usize> {
        let mut chain = vec![self.primitive()?, self.derivative()?.primitive().unwrap_or(Poly(vec![]))];
        while let [.., a, b] = chain.as_slice() {
            if b.is_zero() {
                chain.pop();
                break;
            }
            let rest = a.divide(b)?.1;
            let negated = Poly(rest.0.iter().map(|c| c.negated()).collect());
            let next = if negated.is_zero() { negated } else { negated.primitive()? };
            chain.push(next);
        }
        let changes = |x: Rational| -> Option<usize> {
            let values = chain.iter().map(|p| p.at(x)).collect::<Option<Vec<_>>>()?;
            let signs: Vec<bool> = values.iter().filter(|v| !v.is_zero()).map(|v| v.is_negative()).collect();
            Some(signs.windows(2).filter(|pair| pair[0] != pair[1]).count())
        };
        Some(changes(low)?.saturating_sub(changes(high)?))
    }

    /// The part of a polynomial that changes sign: the product of its factors of odd multiplicity.
    fn odd_part(&self) -> Option<Poly> {
        // Yun: with f = prod p_i^i the divisions give p_1, p_2, ... in turn.
        let mut common = self.gcd(&self.derivative()?)?;
        let mut rest = self.divide(&common)?.0.primitive()?;
        let mut odd = Poly::constant(Rational::ONE);
        let mut multiplicity = 1;
        while rest.degree() > 0 {
            let shared = rest.gcd(&common)?;
            let factor = rest.divide(&shared)?.0;
            if multiplicity % 2 == 1 {
                odd = odd.times(&factor)?.primitive()?;
            }
            common = common.divide(&shared)?.0.primitive()?;
            rest = shared;
            multiplicity += 1;
        }
        Some(odd)
    }

    /// Bounds on a domain: tight for a line, the sign alone for higher degrees.
    pub fn range(&self, on: Domain) -> Range {
        let closed = |at| Some(Bound { at, strict: false });
        let unknown = Range { low: None, high: None };
        if self.degree() <= 1 {
            let (Some(a), Some(b)) = (self.at(on.low), self.at(on.high)) else { return unknown };
            return Range { low: closed(a.min(b)), high: closed(a.max(b)) };
        }
        match self.sign_on(on) {
            Some((negative, strict)) => {
                let bound = Some(Bound { at: Rational::ZERO, strict });
                if negative { Range { low: None, high: bound } } else { Range { low: bound, high: None } }
            }
            None => unknown,
        }
    }

    /// (negative, strictly), if it has one sign on the whole domain.
    fn sign_on(&self, on: Domain) -> Option<(bool, bool)> {
        if self.is_zero() {
            return None;
        }
        let middle = on.low.checked_add(on.high)?.checked_div(Rational::int(2))?;
        let odd = self.odd_part()?;
        // Roots at the ends change no sign inside.
        let inside = odd.roots_in(on.low, on.high)?.saturating_sub(usize::from(odd.at(on.high)?.is_zero()));
        if inside > 0 {
            return None;
        }
        let sample =
            [middle, on.low, on.high].into_iter().map(|x| self.at(x)).find(|v| v.is_some_and(|v| !v.is_zero()));
        let negative = match sample {
            Some(Some(value)) => value.is_negative(),
            // All three are roots of even multiplicity; a third of the way none can be left out for ever.
            _ => {
                let third = on.low.checked_add(middle)?.checked_div(Rational::int(2))?;
                let value = self.at(third)?;
                if value.is_zero() {
                    return None;
                }
                value.is_negative()
            }
        };
        let square_free = self.divide(&self.gcd(&self.derivative()?)?)?.0;
        let strict = square_free.roots_in(on.low, on.high)? == 0 && !self.at(on.low)?.is_zero();
        Some((negative, strict))
    }
}

/// The largest positive number that divides all to whole numbers.
pub fn content(numbers: impl Iterator<Item = Rational>) -> Option<Rational> {
    fn gcd(a: i128, b: i128) -> i128 {
        let (mut a, mut b) = (a.abs(), b.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    }
    let (mut num, mut den) = (0i128, 1i128);
    for r in numbers {
        num = gcd(num, r.num());
        den = (den / gcd(den, r.den())).checked_mul(r.den())?;
    }
    if num == 0 { None } else { Rational::new(num, den) }
}

/// cos x of sin x, and the reverse.
fn other_of_the_circle(term: &Term) -> Option<Term> {
    match term {
        Term::Call(Function::Sin, x) => Some(Term::Call(Function::Cos, x.clone())),
        Term::Call(Function::Cos, x) => Some(Term::Call(Function::Sin, x.clone())),
        _ => None,
    }
}
