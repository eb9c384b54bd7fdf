//! Whether a term is zero everywhere: it is brought over one denominator as a polynomial in what
//! cannot be taken apart (pi, t, log 2, the sine and cosine of the smallest angle that occurs, ...),
//! with cos^2 = 1 - sin^2 and sqrt(x)^2 = x put in. If nothing is left, it is zero; the reverse does
//! not follow, since not every identity is known here.

use super::algebra::Algebra;
use super::range::{Domain, over_pi};
use super::term::{Function, Term};
use crate::base::Rational;
use std::collections::BTreeMap;

/// Monomials of one polynomial; more is given up on.
const MAX_MONOMIALS: usize = 600;
/// Multiples of an angle, or of an exponent, that are taken apart.
const MAX_MULTIPLE: i64 = 48;

/// Numbers of kernels with their exponents, by number.
type Monomial = Vec<(usize, u32)>;

#[derive(Clone, Debug, PartialEq, Default)]
struct Polynomial(BTreeMap<Monomial, Rational>);

#[derive(Clone, Debug)]
struct Fraction {
    above: Polynomial,
    below: Polynomial,
}

/// Whether the term is shown to be 0 wherever it has a value on the domain.
pub fn is_zero(term: &Term, on: Domain) -> bool {
    let algebra = Algebra { on };
    let term = algebra.canonical(term);
    if term == Term::ZERO {
        return true;
    }
    // Most terms are visibly not zero somewhere.
    let (low, high) = (on.low.to_f64(), on.high.to_f64());
    let visible = [0.37, 0.71].iter().any(|share| {
        let value = term.eval(low + (high - low) * share);
        value.is_finite() && value.abs() > 1e-6
    });
    if visible {
        return false;
    }
    let mut ring = Ring { algebra, kernels: vec![], steps: BTreeMap::new() };
    ring.find_steps(&term);
    ring.fraction(&term).is_some_and(|f| f.above.0.is_empty() && !f.below.0.is_empty())
}

struct Ring {
    algebra: Algebra,
    /// Kernels with their rules: (degree, what that power is).
    kernels: Vec<(Term, Option<(u32, Polynomial)>)>,
    /// For what angles and exponents are multiples of: the common denominator of the multiples.
    steps: BTreeMap<Term, i64>,
}

impl Polynomial {
    fn number(r: Rational) -> Polynomial {
        let mut out = Polynomial::default();
        if !r.is_zero() {
            out.0.insert(vec![], r);
        }
        out
    }

    fn add(&mut self, monomial: Monomial, r: Rational) -> Option<()> {
        let sum = self.0.get(&monomial).copied().unwrap_or(Rational::ZERO).checked_add(r)?;
        if sum.is_zero() {
            self.0.remove(&monomial);
        } else {
            self.0.insert(monomial, sum);
        }
        (self.0.len() <= MAX_MONOMIALS).then_some(())
    }

    fn plus(mut self, other: &Polynomial) -> Option<Polynomial> {
        for (monomial, r) in &other.0 {
            self.add(monomial.clone(), *r)?;
        }
        Some(self)
    }
}

fn times(a: &Monomial, b: &Monomial) -> Monomial {
    let mut exponents: BTreeMap<usize, u32> = a.iter().copied().collect();
    for (kernel, n) in b {
        *exponents.entry(*kernel).or_default() += n;
    }
    exponents.into_iter().collect()
}

impl Ring {
    fn kernel(&mut self, term: Term, rule: Option<(u32, Polynomial)>) -> Polynomial {
        let at = self.kernels.iter().position(|(k, _)| *k == term).unwrap_or_else(|| {
            self.kernels.push((term, rule));
            self.kernels.len() - 1
        });
        Polynomial([(vec![(at, 1)], Rational::ONE)].into())
    }

    fn multiply(&self, a: &Polynomial, b: &Polynomial) -> Option<Polynomial> {
        let mut out = Polynomial::default();
        for (x, r) in &a.0 {
            for (y, s) in &b.0 {
                out.add(times(x, y), r.checked_mul(*s)?)?;
            }
        }
        self.reduce(out)
    }

    /// Puts the rules in until none applies.
    fn reduce(&self, mut polynomial: Polynomial) -> Option<Polynomial> {
        loop {
            let applies = |monomial: &Monomial| {
                monomial.iter().find_map(|(kernel, n)| match self.kernels.get(*kernel) {
                    Some((_, Some((degree, power)))) if n >= degree => Some((*kernel, *degree, power.clone())),
                    _ => None,
                })
            };
            let found = polynomial.0.iter().find_map(|(m, r)| applies(m).map(|rule| (m.clone(), *r, rule)));
            let Some((monomial, r, (kernel, degree, power))) = found else { return Some(polynomial) };
            polynomial.0.remove(&monomial);
            let rest: Monomial = monomial
                .iter()
                .map(|(k, n)| (*k, if *k == kernel { n - degree } else { *n }))
                .filter(|(_, n)| *n > 0)
                .collect();
            for (m, s) in &power.0 {
                polynomial.add(times(&rest, m), r.checked_mul(*s)?)?;
            }
        }
    }

    fn whole(&self, polynomial: Polynomial) -> Fraction {
        Fraction { above: polynomial, below: Polynomial::number(Rational::ONE) }
    }

    fn product(&self, a: &Fraction, b: &Fraction) -> Option<Fraction> {
        Some(Fraction { above: self.multiply(&a.above, &b.above)?, below: self.multiply(&a.below, &b.below)? })
    }

    fn sum(&self, a: &Fraction, b: &Fraction) -> Option<Fraction> {
        if a.below == b.below {
            return Some(Fraction { above: a.above.clone().plus(&b.above)?, below: a.below.clone() });
        }
        let (left, right) = (self.multiply(&a.above, &b.below)?, self.multiply(&b.above, &a.below)?);
        Some(Fraction { above: left.plus(&right)?, below: self.multiply(&a.below, &b.below)? })
    }

    fn raise(&self, base: &Fraction, n: i64) -> Option<Fraction> {
        if n.abs() > MAX_MULTIPLE {
            return None;
        }
        let base = match n < 0 {
            true => Fraction { above: base.below.clone(), below: base.above.clone() },
            false => base.clone(),
        };
        let mut out = self.whole(Polynomial::number(Rational::ONE));
        for _ in 0..n.abs() {
            out = self.product(&out, &base)?;
        }
        Some(out)
    }

    /// What angles and exponents are multiples of, and how fine the multiples are.
    fn find_steps(&mut self, term: &Term) {
        let inner = match term {
            Term::Call(Function::Exp | Function::Sin | Function::Cos | Function::Tan, u) => Some(u),
            Term::Power(base, exponent) if base.number().is_some() && !exponent.is_constant() => Some(exponent),
            _ => None,
        };
        for (c, rest) in inner.map(|u| self.multiples(u)).unwrap_or_default() {
            let step = self.steps.entry(rest).or_insert(1);
            if let Ok(den) = i64::try_from(c.den())
                && let Some(common) = (*step / gcd(*step, den)).checked_mul(den)
            {
                *step = common;
            }
        }
        for part in term.parts() {
            self.find_steps(part);
        }
    }

    /// The terms of an angle or exponent as multiples.
    fn multiples(&self, term: &Term) -> Vec<(Rational, Term)> {
        let expanded = self.algebra.expand(term).unwrap_or_else(|| term.clone());
        expanded.terms().iter().map(Term::split).collect()
    }

    /// c = n / step with a whole n of a reasonable size, and rest / step.
    fn step(&self, c: Rational, rest: &Term) -> Option<(i64, Term)> {
        let step = self.steps.get(rest).copied().unwrap_or(1);
        let n = c.checked_mul(Rational::int(step))?.to_i64().filter(|n| n.abs() <= MAX_MULTIPLE)?;
        Some((n, self.algebra.product([Term::ratio(1, step), rest.clone()])))
    }

    fn fraction(&mut self, term: &Term) -> Option<Fraction> {
        match term {
            Term::Number(r) => Some(self.whole(Polynomial::number(*r))),
            Term::Pi | Term::T => {
                let kernel = self.kernel(term.clone(), None);
                Some(self.whole(kernel))
            }
            Term::Sum(terms) => {
                let mut out = self.whole(Polynomial::default());
                for term in terms {
                    let next = self.fraction(term)?;
                    out = self.sum(&out, &next)?;
                }
                Some(out)
            }
            Term::Product(factors) => {
                let mut out = self.whole(Polynomial::number(Rational::ONE));
                for factor in factors {
                    let next = self.fraction(factor)?;
                    out = self.product(&out, &next)?;
                }
                Some(out)
            }
            Term::Power(base, exponent) => self.power(term, base, exponent),
            Term::Call(Function::Exp, u) => {
                let mut out = self.whole(Polynomial::number(Rational::ONE));
                for (c, rest) in self.multiples(u) {
                    let (n, rest) = self.step(c, &rest)?;
                    let kernel = self.kernel(Term::Call(Function::Exp, Box::new(rest)), None);
                    let next = self.raise(&self.whole(kernel), n)?;
                    out = self.product(&out, &next)?;
                }
                Some(out)
            }
            Term::Call(Function::Log, x) => match x.number() {
                Some(r) => {
                    let mut out = Polynomial::default();
                    for (prime, n) in primes(r)? {
                        let log = self.kernel(Term::Call(Function::Log, Box::new(Term::Number(prime))), None);
                        let multiple = self.multiply(&log, &Polynomial::number(Rational::int(n)))?;
                        out = out.plus(&multiple)?;
                    }
                    Some(self.whole(out))
                }
                None => {
                    let kernel = self.kernel(term.clone(), None);
                    Some(self.whole(kernel))
                }
            },
            Term::Call(function, angle) => {
                let (sin, cos) = self.sine_and_cosine(angle)?;
                match function {
                    Function::Sin => Some(sin),
                    Function::Cos => Some(cos),
                    _ => self.product(&sin, &Fraction { above: cos.below, below: cos.above }),
                }
            }
        }
    }

    fn power(&mut self, term: &Term, base: &Term, exponent: &Term) -> Option<Fraction> {
        if let Some(n) = exponent.whole() {
            let base = self.fraction(base)?;
            return self.raise(&base, n);
        }
        match (base.number(), exponent.number()) {
            // (2/3)^(p/q) by the roots of 2 and 3.
            (Some(r), Some(e)) => {
                let q = u32::try_from(e.den()).ok()?;
                let p = i64::try_from(e.num()).ok()?;
                let mut out = self.whole(Polynomial::number(Rational::ONE));
                for (prime, n) in primes(r)? {
                    let rule = Some((q, Polynomial::number(prime)));
                    let root = Term::Power(Box::new(Term::Number(prime)), Box::new(Term::ratio(1, i64::from(q))));
                    let kernel = self.kernel(root, rule);
                    let next = self.raise(&self.whole(kernel), p.checked_mul(n)?)?;
                    out = self.product(&out, &next)?;
                }
                Some(out)
            }
            (Some(r), None) => {
                let primes = primes(r)?;
                let mut out = self.whole(Polynomial::number(Rational::ONE));
                for (c, rest) in self.multiples(exponent) {
                    if rest == Term::ONE {
                        let constant = self.algebra.power(base.clone(), Term::Number(c));
                        let next = self.fraction(&constant)?;
                        out = self.product(&out, &next)?;
                        continue;
                    }
                    let (n, rest) = self.step(c, &rest)?;
                    for (prime, m) in &primes {
                        let power = Term::Power(Box::new(Term::Number(*prime)), Box::new(rest.clone()));
                        let kernel = self.kernel(power, None);
                        let next = self.raise(&self.whole(kernel), n.checked_mul(*m)?)?;
                        out = self.product(&out, &next)?;
                    }
                }
                Some(out)
            }
            (None, Some(e)) => {
                let q = u32::try_from(e.den()).ok()?;
                let p = i64::try_from(e.num()).ok()?;
                let radicand = self.fraction(base)?;
                let one = Polynomial::number(Rational::ONE);
                let rule = (radicand.below == one).then_some((q, radicand.above));
                let root = Term::Power(Box::new(base.clone()), Box::new(Term::ratio(1, i64::from(q))));
                let kernel = self.kernel(root, rule);
                self.raise(&self.whole(kernel), p)
            }
            (None, None) => {
                let kernel = self.kernel(term.clone(), None);
                Some(self.whole(kernel))
            }
        }
    }

    /// Taken apart by the addition theorems down to the smallest angle of each kind.
    fn sine_and_cosine(&mut self, angle: &Term) -> Option<(Fraction, Fraction)> {
        let mut sin = self.whole(Polynomial::default());
        let mut cos = self.whole(Polynomial::number(Rational::ONE));
        for (c, rest) in self.multiples(angle) {
            let part = self.algebra.product([Term::Number(c), rest.clone()]);
            let exact = [Function::Sin, Function::Cos].map(|f| self.algebra.call(f, part.clone()));
            let is_exact = over_pi(&part).is_some_and(|v| v.number().is_some())
                && !exact.iter().any(|t| t.any(&mut |x| matches!(x, Term::Call(..))));
            let (s, c) = if is_exact {
                let [s, c] = exact;
                (self.fraction(&s)?, self.fraction(&c)?)
            } else {
                let (n, smallest) = self.step(c, &rest)?;
                let s = self.kernel(Term::Call(Function::Sin, Box::new(smallest.clone())), None);
                let one_minus_square = {
                    let square = self.multiply(&s, &s)?;
                    let negative = self.multiply(&square, &Polynomial::number(Rational::int(-1)))?;
                    Polynomial::number(Rational::ONE).plus(&negative)?
                };
                let c = self.kernel(Term::Call(Function::Cos, Box::new(smallest)), Some((2, one_minus_square)));
                let (s, c) = (self.whole(s), self.whole(c));
                let mut sum = (self.whole(Polynomial::default()), self.whole(Polynomial::number(Rational::ONE)));
                for _ in 0..n.abs() {
                    sum = self.added_angles(&sum, &(s.clone(), c.clone()))?;
                }
                if n < 0 {
                    let minus = self.whole(Polynomial::number(Rational::int(-1)));
                    sum.0 = self.product(&sum.0, &minus)?;
                }
                sum
            };
            (sin, cos) = self.added_angles(&(sin, cos), &(s, c))?;
        }
        Some((sin, cos))
    }

    fn added_angles(&self, a: &(Fraction, Fraction), b: &(Fraction, Fraction)) -> Option<(Fraction, Fraction)> {
        let minus = self.whole(Polynomial::number(Rational::int(-1)));
        let sin = self.sum(&self.product(&a.0, &b.1)?, &self.product(&a.1, &b.0)?)?;
        let sines = self.product(&self.product(&a.0, &b.0)?, &minus)?;
        let cos = self.sum(&self.product(&a.1, &b.1)?, &sines)?;
        Some((sin, cos))
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// A positive number as powers of primes; what is left after the small ones counts as one.
fn primes(r: Rational) -> Option<Vec<(Rational, i64)>> {
    let mut found: BTreeMap<i128, i64> = BTreeMap::new();
    for (mut x, sign) in [(r.num(), 1), (r.den(), -1)] {
        if x <= 0 {
            return None;
        }
        let mut p = 2i128;
        while p * p <= x && p < 2_000 {
            while x % p == 0 {
                *found.entry(p).or_default() += sign;
                x /= p;
            }
            p += 1;
        }
        if x > 1 {
            *found.entry(x).or_default() += sign;
        }
    }
    found.into_iter().filter(|(_, n)| *n != 0).map(|(p, n)| Some((Rational::new(p, 1)?, n))).collect()
}
