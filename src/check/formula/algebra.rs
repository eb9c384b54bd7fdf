//! Building terms in canonical form: sums and products flat and sorted, like terms collected, powers
//! of one base merged, numbers folded exactly, logarithms and exponentials cancelled, angles with a
//! positive sign.
//!
//! What is built has the value of what was asked for wherever that has one; it may have more: t^2 / t
//! is t, also at 0. Roots and logarithms are taken apart only where the rules of signs show on the
//! domain that no sign is lost: sqrt((t - 1)^2) is 1 - t.

use super::poly::content;
use super::range::{Domain, range};
use super::term::{Function, Term};
use crate::base::Rational;

/// Builds terms on one domain of t.
#[derive(Clone, Copy, Debug)]
pub struct Algebra {
    pub on: Domain,
}

/// Where the parts of one product or exponent keep turning into products, they are left as they are.
const MAX_ROUNDS: usize = 8;

impl Algebra {
    pub fn sum(&self, terms: impl IntoIterator<Item = Term>) -> Term {
        let mut collected: Vec<(Term, Rational)> = vec![];
        let mut add = |term: &Term| {
            let (coefficient, rest) = term.split();
            let like = collected.iter_mut().find(|(r, _)| *r == rest);
            match like.and_then(|(_, c)| c.checked_add(coefficient).map(|sum| (c, sum))) {
                Some((c, sum)) => *c = sum,
                // New, or too large to add up.
                None => collected.push((rest, coefficient)),
            }
        };
        for term in terms {
            if term.is_nowhere() {
                return Term::nowhere();
            }
            term.terms().iter().for_each(&mut add);
        }
        collected.retain(|(_, c)| !c.is_zero());
        collected.sort();
        let mut terms: Vec<Term> = collected.into_iter().map(|(rest, c)| scaled(c, rest)).collect();
        match terms.len() {
            0 => Term::ZERO,
            1 => terms.remove(0),
            _ => Term::Sum(terms),
        }
    }

    pub fn difference(&self, a: Term, b: Term) -> Term {
        let minus = self.negated(b);
        self.sum([a, minus])
    }

    pub fn negated(&self, term: Term) -> Term {
        self.product([Term::int(-1), term])
    }

    pub fn quotient(&self, a: Term, b: Term) -> Term {
        let below = self.power(b, Term::int(-1));
        self.product([a, below])
    }

    pub fn product(&self, factors: impl IntoIterator<Item = Term>) -> Term {
        self.product_of(factors.into_iter().collect(), MAX_ROUNDS)
    }

    fn product_of(&self, factors: Vec<Term>, rounds: usize) -> Term {
        let mut coefficient = Rational::ONE;
        let mut numbers: Vec<Term> = vec![];
        let mut exponentials: Vec<Term> = vec![];
        let mut powers: Vec<(Term, Vec<Term>)> = vec![];
        let mut todo = factors;
        while let Some(factor) = todo.pop() {
            match factor {
                nowhere if nowhere.is_nowhere() => return Term::nowhere(),
                Term::Number(r) => match coefficient.checked_mul(r) {
                    Some(product) => coefficient = product,
                    None => numbers.push(Term::Number(r)),
                },
                Term::Product(inner) => todo.extend(inner),
                Term::Call(Function::Exp, u) => exponentials.push(*u),
                Term::Power(base, exponent) => collect(&mut powers, *base, *exponent),
                Term::Sum(_) => {
                    let (content, sum) = primitive(&factor, true, self.on);
                    match coefficient.checked_mul(content) {
                        Some(product) => {
                            coefficient = product;
                            collect(&mut powers, sum, Term::ONE);
                        }
                        None => collect(&mut powers, factor, Term::ONE),
                    }
                }
                other => collect(&mut powers, other, Term::ONE),
            }
        }
        if coefficient.is_zero() {
            return Term::ZERO;
        }
        let mut done: Vec<Term> = vec![];
        // Whether merging gave something that has to be merged again.
        let mut again = false;
        if !exponentials.is_empty() {
            let argument = self.sum(exponentials);
            done.push(self.call(Function::Exp, argument));
            again |= !matches!(done.first(), Some(Term::Call(..) | Term::Number(_)));
        }
        for (base, exponents) in powers {
            if let [only] = exponents.as_slice() {
                // A power by itself is canonical already.
                done.push(if *only == Term::ONE { base } else { Term::Power(Box::new(base), Box::new(only.clone())) });
                continue;
            }
            let exponent = self.sum(exponents);
            let power = self.power(base, exponent);
            again |= matches!(power, Term::Product(_) | Term::Call(Function::Exp, _) | Term::Sum(_));
            done.push(power);
        }
        if again && rounds > 0 {
            done.extend(numbers);
            done.push(Term::Number(coefficient));
            return self.product_of(done, rounds - 1);
        }
        done.retain(|factor| match factor {
            Term::Number(r) => match coefficient.checked_mul(*r) {
                Some(product) => {
                    coefficient = product;
                    false
                }
                None => true,
            },
            _ => true,
        });
        done.extend(numbers);
        if coefficient.is_zero() {
            return Term::ZERO;
        }
        if done.iter().any(Term::is_nowhere) {
            return Term::nowhere();
        }
        done.sort();
        match (done.as_mut_slice(), coefficient == Rational::ONE) {
            ([], _) => Term::Number(coefficient),
            ([_], true) => done.remove(0),
            // A number goes into a sum that stands alone.
            ([Term::Sum(terms)], false) => {
                let whole: Option<Vec<Term>> = terms
                    .iter()
                    .map(|term| {
                        let (c, rest) = term.split();
                        Some(scaled(c.checked_mul(coefficient)?, rest))
                    })
                    .collect();
                match whole {
                    Some(terms) => Term::Sum(terms),
                    None => Term::Product([vec![Term::Number(coefficient)], done].concat()),
                }
            }
            (_, true) => Term::Product(done),
            (_, false) => Term::Product([vec![Term::Number(coefficient)], done].concat()),
        }
    }

    pub fn power(&self, base: Term, exponent: Term) -> Term {
        if base.is_nowhere() || exponent.is_nowhere() {
            return Term::nowhere();
        }
        if exponent == Term::ZERO {
            return Term::ONE;
        }
        if exponent == Term::ONE {
            return base;
        }
        let whole = exponent.whole().is_some();
        match base {
            Term::Number(r) => self.power_of_number(r, exponent),
            Term::Call(Function::Exp, u) => {
                let argument = self.product([*u, exponent]);
                self.call(Function::Exp, argument)
            }
            Term::Power(inner, first) => {
                let signs = range(&inner, self.on);
                let even = first.whole().is_some_and(|n| n % 2 == 0);
                let both = self.product([(*first).clone(), exponent.clone()]);
                // A root exists where the root inside it does; squared, it would exist elsewhere too.
                let stays_a_root =
                    first.number().is_some_and(|e| e.den() != 1) && both.number().is_some_and(|e| e.den() != 1);
                let wholes = whole && first.whole().is_some();
                if wholes || stays_a_root || signs.is_at_least(Rational::ZERO) {
                    self.power(*inner, both)
                } else if even && signs.is_at_most(Rational::ZERO) {
                    self.power(self.negated(*inner), both)
                } else {
                    raw_power(Term::Power(inner, first), exponent)
                }
            }
            Term::Product(factors) => {
                let (out, kept): (Vec<Term>, Vec<Term>) =
                    factors.into_iter().partition(|factor| whole || range(factor, self.on).is_at_least(Rational::ZERO));
                let negative = |term: &Term| range(term, self.on).is_at_most(Rational::ZERO);
                if out.is_empty() || matches!(kept.as_slice(), [only] if negative(only)) {
                    return raw_power(self.product(out.into_iter().chain(kept)), exponent);
                }
                let mut powers: Vec<Term> = out.into_iter().map(|f| self.power(f, exponent.clone())).collect();
                if !kept.is_empty() {
                    let rest = self.product(kept);
                    powers.push(self.power(rest, exponent));
                }
                self.product(powers)
            }
            Term::Sum(_) => {
                let (content, sum) = primitive(&base, whole, self.on);
                if content == Rational::ONE {
                    return raw_power(base, exponent);
                }
                match (self.power_of_number(content, exponent.clone()), sum) {
                    (Term::Number(r), sum) => self.product([Term::Number(r), raw_power(sum, exponent)]),
                    _ => raw_power(base, exponent),
                }
            }
            Term::Pi | Term::T | Term::Call(..) => raw_power(base, exponent),
        }
    }

    fn power_of_number(&self, base: Rational, exponent: Term) -> Term {
        let zero = Rational::ZERO;
        if base == Rational::ONE {
            return Term::ONE;
        }
        let Some(e) = exponent.number() else {
            let signs = range(&exponent, self.on);
            return match base.is_zero() {
                true if signs.is_above(zero) => Term::ZERO,
                true if signs.is_below(zero) => Term::nowhere(),
                _ => raw_power(Term::Number(base), exponent),
            };
        };
        if base.is_zero() {
            return if e.is_negative() { Term::nowhere() } else { Term::ZERO };
        }
        if let Some(n) = e.to_i64() {
            return match base.checked_pow(n) {
                Some(r) => Term::Number(r),
                None => raw_power(Term::Number(base), exponent),
            };
        }
        if base.is_negative() {
            return Term::nowhere();
        }
        // Whether it is taken apart must not depend on the sign of the exponent.
        let fits = e.abs().checked_add(Rational::ONE).and_then(|e| base.checked_pow(i64::try_from(e.floor()).ok()?));
        let parts = fits.and_then(|_| self.root_of_number(base, e).or_else(|| whole_part_out(base, e)));
        parts.unwrap_or_else(|| raw_power(Term::Number(base), exponent))
    }

    /// base^(n + p/q) as base^n * (k/b) * m^(1/q) with a whole m as small as can be.
    fn root_of_number(&self, base: Rational, exponent: Rational) -> Option<Term> {
        let n = i64::try_from(exponent.floor()).ok()?;
        let fraction = exponent.checked_sub(Rational::int(n))?;
        let (p, q) = (i64::try_from(fraction.num()).ok()?, u32::try_from(fraction.den()).ok()?);
        let whole = base.checked_pow(n)?;
        let powered = base.checked_pow(p)?;
        let mut radicand = powered.num().checked_mul(powered.den().checked_pow(q - 1)?)?;
        let mut outside: i128 = 1;
        for prime in [2i128, 3, 5, 7, 11, 13] {
            while let Some(factor) = prime.checked_pow(q).filter(|f| radicand % f == 0) {
                radicand /= factor;
                outside = outside.checked_mul(prime)?;
            }
        }
        let root = (radicand as f64).powf(1.0 / f64::from(q)).round() as i128;
        if root.checked_pow(q) == Some(radicand) {
            (radicand, outside) = (1, outside.checked_mul(root)?);
        }
        let coefficient = Rational::new(outside, powered.den())?.checked_mul(whole)?;
        if radicand == 1 {
            return Some(Term::Number(coefficient));
        }
        let radicand = Term::Number(Rational::new(radicand, 1)?);
        let radical = raw_power(radicand, Term::Number(Rational::new(1, i128::from(q))?));
        Some(scaled(coefficient, radical))
    }

    pub fn sqrt(&self, term: Term) -> Term {
        self.power(term, Term::ratio(1, 2))
    }

    pub fn call(&self, function: Function, argument: Term) -> Term {
        if argument.is_nowhere() {
            return Term::nowhere();
        }
        match function {
            Function::Exp => self.exp(argument),
            Function::Log => self.log(argument),
            Function::Sin | Function::Cos | Function::Tan => self.circular(function, argument),
        }
    }

    /// exp(a log(x) + rest) = x^a exp(rest)
    fn exp(&self, argument: Term) -> Term {
        if argument == Term::ZERO {
            return Term::ONE;
        }
        let mut powers = vec![];
        let mut rest = vec![];
        for term in argument.terms() {
            let factors = term.factors();
            let at = factors.iter().position(|f| match f {
                Term::Call(Function::Log, x) => range(x, self.on).is_at_least(Rational::ZERO),
                _ => false,
            });
            match at.and_then(|at| factors.get(at).map(|f| (at, f))) {
                Some((at, Term::Call(_, x))) => {
                    let others = factors.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, f)| f.clone());
                    let exponent = self.product(others);
                    powers.push(self.power((**x).clone(), exponent));
                }
                _ => rest.push(term.clone()),
            }
        }
        if powers.is_empty() {
            return Term::Call(Function::Exp, Box::new(argument));
        }
        if !rest.is_empty() {
            powers.push(Term::Call(Function::Exp, Box::new(self.sum(rest))));
        }
        self.product(powers)
    }

    fn log(&self, argument: Term) -> Term {
        let zero = Rational::ZERO;
        match argument {
            Term::Number(r) if r <= zero => Term::nowhere(),
            Term::Number(r) if r == Rational::ONE => Term::ZERO,
            Term::Number(r) if r < Rational::ONE => match Rational::ONE.checked_div(r) {
                Some(inverse) => self.negated(self.log(Term::Number(inverse))),
                None => Term::Call(Function::Log, Box::new(argument)),
            },
            Term::Number(r) => {
                let (root, n) = perfect_power(r);
                scaled(Rational::int(n), Term::Call(Function::Log, Box::new(Term::Number(root))))
            }
            Term::Call(Function::Exp, u) => *u,
            Term::Power(base, exponent) => {
                let signs = range(&base, self.on);
                if signs.is_at_least(zero) {
                    let log = self.log(*base);
                    self.product([*exponent, log])
                } else if exponent.whole().is_some_and(|n| n % 2 == 0) && signs.is_at_most(zero) {
                    let base = self.negated(*base);
                    let log = self.log(base);
                    self.product([*exponent, log])
                } else {
                    Term::Call(Function::Log, Box::new(Term::Power(base, exponent)))
                }
            }
            Term::Product(factors) => {
                let exponential = |f: &Term| matches!(f, Term::Call(Function::Exp, _));
                let (out, kept): (Vec<Term>, Vec<Term>) = factors.into_iter().partition(exponential);
                let rest = self.product(kept);
                if out.is_empty() {
                    return Term::Call(Function::Log, Box::new(rest));
                }
                let mut terms: Vec<Term> = out
                    .into_iter()
                    .filter_map(|f| match f {
                        Term::Call(_, u) => Some(*u),
                        _ => None,
                    })
                    .collect();
                terms.push(self.log(rest));
                self.sum(terms)
            }
            other => Term::Call(Function::Log, Box::new(other)),
        }
    }

    /// The term with `value` in place of t.
    pub fn substitute(&self, term: &Term, value: &Term) -> Term {
        match term {
            Term::T => value.clone(),
            Term::Number(_) | Term::Pi => term.clone(),
            Term::Power(base, exponent) => {
                // The cotangent has a value where the tangent has none.
                if let (Some(angle), Some(n)) = (base.angle_of_tangent(), exponent.whole().filter(|n| *n < 0)) {
                    let angle = self.substitute(angle, value);
                    if angle.is_constant() {
                        let [cos, sin] = [Function::Cos, Function::Sin].map(|f| self.call(f, angle.clone()));
                        return self.power(self.quotient(cos, sin), Term::int(-n));
                    }
                }
                let (base, exponent) = (self.substitute(base, value), self.substitute(exponent, value));
                self.power(base, exponent)
            }
            Term::Call(function, argument) => self.call(*function, self.substitute(argument, value)),
            Term::Product(factors) => self.product(factors.iter().map(|f| self.substitute(f, value))),
            Term::Sum(terms) => self.sum(terms.iter().map(|t| self.substitute(t, value))),
        }
    }

    /// The canonical form of a term that was put together by hand.
    pub fn canonical(&self, term: &Term) -> Term {
        self.substitute(term, &Term::T)
    }
}

/// base^(n + f) as base^n times a power that stays.
fn whole_part_out(base: Rational, exponent: Rational) -> Option<Term> {
    let n = i64::try_from(exponent.floor()).ok()?;
    let fraction = exponent.checked_sub(Rational::int(n))?;
    Some(scaled(base.checked_pow(n)?, raw_power(Term::Number(base), Term::Number(fraction))))
}

fn raw_power(base: Term, exponent: Term) -> Term {
    if exponent == Term::ONE { base } else { Term::Power(Box::new(base), Box::new(exponent)) }
}

/// `c * rest`, of a rest without a coefficient.
fn scaled(c: Rational, rest: Term) -> Term {
    if c == Rational::ONE {
        return rest;
    }
    match rest {
        Term::Number(r) if r == Rational::ONE => Term::Number(c),
        Term::Product(factors) => Term::Product([vec![Term::Number(c)], factors].concat()),
        other => Term::Product(vec![Term::Number(c), other]),
    }
}

fn collect(powers: &mut Vec<(Term, Vec<Term>)>, base: Term, exponent: Term) {
    match powers.iter_mut().find(|(b, _)| *b == base) {
        Some((_, exponents)) => exponents.push(exponent),
        None => powers.push((base, vec![exponent])),
    }
}

/// The sum as content times a sum of coprime whole coefficients. With `signed` that sum is one that is
/// at least 0, if the rules of signs tell; else its first coefficient is positive.
fn primitive(sum: &Term, signed: bool, on: Domain) -> (Rational, Term) {
    let whole = || {
        let mut content = content(sum.terms().iter().map(Term::coefficient))?;
        let flips = || {
            let values = range(sum, on);
            match (values.is_at_least(Rational::ZERO), values.is_at_most(Rational::ZERO)) {
                (true, _) => false,
                (_, true) => true,
                _ => sum.coefficient_of_first().is_negative(),
            }
        };
        if signed && flips() {
            content = content.negated();
        }
        let terms = sum.terms().iter().map(|term| {
            let (c, rest) = term.split();
            Some(scaled(c.checked_div(content)?, rest))
        });
        Some((content, Term::Sum(terms.collect::<Option<Vec<_>>>()?)))
    };
    whole().unwrap_or_else(|| (Rational::ONE, sum.clone()))
}

/// r = root^n with the largest n; of numbers above 1.
fn perfect_power(r: Rational) -> (Rational, i64) {
    let exact_root = |x: i128, n: u32| {
        let root = (x as f64).powf(1.0 / f64::from(n)).round() as i128;
        (root.checked_pow(n) == Some(x)).then_some(root)
    };
    let bits = 128 - r.num().max(r.den()).leading_zeros();
    for n in (2..=bits).rev() {
        if let (Some(num), Some(den)) = (exact_root(r.num(), n), exact_root(r.den(), n))
            && let Some(root) = Rational::new(num, den)
        {
            return (root, i64::from(n));
        }
    }
    (r, 1)
}

impl Term {
    /// The coefficient that decides the sign of a term: a sum's is its first term's.
    pub(super) fn coefficient_of_first(&self) -> Rational {
        match self {
            Term::Sum(terms) => terms.first().map_or(Rational::ONE, Term::coefficient),
            other => other.coefficient(),
        }
    }
}
