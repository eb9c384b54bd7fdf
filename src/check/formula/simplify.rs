//! From canonical to short: rewritings that cost something to try and are kept where they make a
//! term shorter. Each step makes it strictly shorter, so it ends, and a second run changes nothing.

use super::algebra::Algebra;
use super::poly::Poly;
use super::term::{Function, Term};
use crate::base::Rational;

/// Larger terms stay canonical: the rewritings look at pairs of parts.
const MAX_SIZE: usize = 400;
/// Terms of an expansion, beyond which it cannot be the shorter form.
const MAX_TERMS: usize = 64;
/// Rounds of rewriting; each makes the term shorter, so that few are needed.
const MAX_ROUNDS: usize = 16;

impl Algebra {
    /// The shortest form that the rewritings find.
    pub fn simplify(&self, term: &Term) -> Term {
        let mut current = self.canonical(term);
        for _ in 0..MAX_ROUNDS {
            if current.size() > MAX_SIZE {
                break;
            }
            let next = self.pass(&current);
            if next == current {
                break;
            }
            current = next;
        }
        current
    }

    /// One round from the inside out.
    fn pass(&self, term: &Term) -> Term {
        let rebuilt = match term {
            Term::Number(_) | Term::Pi | Term::T => return term.clone(),
            Term::Power(base, exponent) => {
                let (base, exponent) = (self.pass(base), self.pass(exponent));
                self.power(base, exponent)
            }
            Term::Call(function, argument) => self.call(*function, self.pass(argument)),
            Term::Product(factors) => self.product(factors.iter().map(|f| self.pass(f))),
            Term::Sum(terms) => self.sum(terms.iter().map(|t| self.pass(t))),
        };
        let candidates = match &rebuilt {
            Term::Sum(terms) => self.of_sum(&rebuilt, terms),
            Term::Product(factors) => self.of_product(&rebuilt, factors),
            _ => vec![],
        };
        let shortest = candidates.into_iter().map(|c| (cost(&c), c)).min();
        match shortest {
            Some((short, candidate)) if short < cost(&rebuilt) => candidate,
            _ => rebuilt,
        }
    }

    fn of_sum(&self, sum: &Term, terms: &[Term]) -> Vec<Term> {
        let mut found = vec![];
        let has_products = terms.iter().any(|t| t.factors().iter().any(|f| matches!(f.as_power().0, Term::Sum(_))));
        if has_products {
            found.extend(self.expand(sum));
            found.extend(self.over_one_denominator(terms));
        } else if terms.iter().any(|t| t.factors().iter().any(|f| f.as_power().1.coefficient().is_negative())) {
            found.extend(self.over_one_denominator(terms));
        }
        found.extend(self.common_factors(terms));
        found.extend(self.one_logarithm(terms));
        for angle in angles(terms) {
            found.extend(self.squares_on_the_circle(terms, &angle));
        }
        found
    }

    fn of_product(&self, product: &Term, factors: &[Term]) -> Vec<Term> {
        let mut found = vec![];
        found.extend(self.one_trigonometric(factors));
        found.extend(self.exponential_under_sum(factors));
        found.extend(self.common_divisor(factors));
        found.extend(self.inner_fractions(factors));
        if factors.iter().any(|f| matches!(f.as_power().0, Term::Sum(_))) {
            found.extend(self.expand(product));
        }
        found
    }

    /// Products over sums and whole powers of sums multiplied out, where that stays small.
    pub fn expand(&self, term: &Term) -> Option<Term> {
        let terms = self.expanded(term)?;
        Some(self.sum(terms))
    }

    fn expanded(&self, term: &Term) -> Option<Vec<Term>> {
        let mut out = vec![];
        match term {
            Term::Sum(terms) => {
                for term in terms {
                    out.extend(self.expanded(term)?);
                }
            }
            Term::Product(factors) => {
                out.push(Term::ONE);
                for factor in factors {
                    out = self.distribute(&out, &self.expanded(factor)?)?;
                }
            }
            Term::Power(base, exponent) => match (&**base, exponent.whole()) {
                (Term::Sum(_), Some(n)) if (2..=8).contains(&n) => {
                    let base = self.expanded(base)?;
                    out.push(Term::ONE);
                    for _ in 0..n {
                        out = self.distribute(&out, &base)?;
                    }
                }
                _ => out.push(term.clone()),
            },
            other => out.push(other.clone()),
        }
        (out.len() <= MAX_TERMS).then_some(out)
    }

    fn distribute(&self, left: &[Term], right: &[Term]) -> Option<Vec<Term>> {
        if left.len() * right.len() > MAX_TERMS {
            return None;
        }
        let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
        let sum = self.sum(pairs.map(|(a, b)| self.product([a.clone(), b.clone()])));
        Some(sum.terms().to_vec())
    }

    /// a/x + b/y = (a y + b x) / (x y)
    fn over_one_denominator(&self, terms: &[Term]) -> Option<Term> {
        let mut below: Vec<(Term, i64)> = vec![];
        for factor in terms.iter().flat_map(Term::factors) {
            let (base, exponent) = factor.as_power();
            if let Some(n) = exponent.whole().filter(|n| *n < 0) {
                match below.iter_mut().find(|(b, _)| b == base) {
                    Some((_, most)) => *most = (*most).max(-n),
                    None => below.push((base.clone(), -n)),
                }
            }
        }
        if below.is_empty() || below.len() * terms.len() > MAX_TERMS {
            return None;
        }
        let common = self.product(below.iter().map(|(base, n)| self.power(base.clone(), Term::int(*n))));
        let above = self.sum(terms.iter().map(|t| self.product([t.clone(), common.clone()])));
        let above = self.expand(&above)?;
        Some(self.quotient(above, common))
    }

    /// a b + a c = a (b + c)
    fn common_factors(&self, terms: &[Term]) -> Option<Term> {
        let (first, others) = terms.split_first()?;
        let mut shared = vec![];
        for factor in first.factors() {
            let (base, exponent) = factor.as_power();
            if matches!(base, Term::Number(_)) && exponent.number().is_some() {
                continue;
            }
            // The least power of the base that all terms have; symbolic exponents have to be equal.
            let mut least = exponent.clone();
            let all = others.iter().all(|term| {
                term.factors().iter().any(|f| match f.as_power() {
                    (b, _) if b != base => false,
                    (_, e) if *e == least => true,
                    (_, e) => match (e.number(), least.number()) {
                        (Some(x), Some(y)) if !x.is_negative() && !y.is_negative() => {
                            least = Term::Number(x.min(y));
                            true
                        }
                        _ => false,
                    },
                })
            });
            if all {
                shared.push(self.power(base.clone(), least));
            }
        }
        if shared.is_empty() {
            return None;
        }
        let shared = self.product(shared);
        let rest = self.sum(terms.iter().map(|t| self.quotient(t.clone(), shared.clone())));
        Some(self.product([shared, rest]))
    }

    /// log 20 + 4 log 10 = log 200000
    fn one_logarithm(&self, terms: &[Term]) -> Option<Term> {
        let mut argument = Rational::ONE;
        let mut n_logs = 0;
        let mut rest = vec![];
        for term in terms {
            match term.split() {
                (c, Term::Call(Function::Log, x)) if x.number().is_some() && c.den() == 1 => {
                    argument = argument.checked_mul(x.number()?.checked_pow(c.to_i64()?)?)?;
                    n_logs += 1;
                }
                _ => rest.push(term.clone()),
            }
        }
        if n_logs < 2 {
            return None;
        }
        rest.push(self.call(Function::Log, Term::Number(argument)));
        Some(self.sum(rest))
    }

    /// sin^2 as 1 - cos^2, cos^2 as 1 - sin^2, or both by the double angle.
    fn squares_on_the_circle(&self, terms: &[Term], angle: &Term) -> Vec<Term> {
        let sin = self.call(Function::Sin, angle.clone());
        let cos = self.call(Function::Cos, angle.clone());
        let one_minus = |x: &Term| self.difference(Term::ONE, self.power(x.clone(), Term::int(2)));
        let double = self.call(Function::Cos, self.product([Term::int(2), angle.clone()]));
        let halves = |sign: i64| {
            let part = self.product([Term::ratio(sign, 2), double.clone()]);
            self.sum([Term::ratio(1, 2), part])
        };
        let rewritings = [
            [(&sin, one_minus(&cos)), (&cos, self.power(cos.clone(), Term::int(2)))],
            [(&cos, one_minus(&sin)), (&sin, self.power(sin.clone(), Term::int(2)))],
            [(&sin, halves(-1)), (&cos, halves(1))],
        ];
        rewritings
            .iter()
            .filter_map(|squares| {
                let mut out = vec![];
                for term in terms {
                    let factors = term.factors().iter().map(|factor| {
                        let (base, exponent) = factor.as_power();
                        let square = squares.iter().find(|(function, _)| *function == base);
                        match (square, exponent.whole()) {
                            (Some((_, square)), Some(2)) => square.clone(),
                            _ => factor.clone(),
                        }
                    });
                    out.push(self.product(factors));
                }
                // Only where terms fall together: else what was written is as good.
                self.expand(&Term::Sum(out)).filter(|sum| sum.terms().len() < terms.len())
            })
            .collect()
    }

    /// sin / cos = tan, sin / (1 - cos) = 1 / tan of the half angle, sin cos = half the sine of the double.
    fn one_trigonometric(&self, factors: &[Term]) -> Vec<Term> {
        let mut found = vec![];
        for factor in factors {
            let (base, exponent) = factor.as_power();
            let (Term::Call(Function::Sin, angle), Some(m)) = (base, exponent.whole()) else { continue };
            let replace = |with: &[(Term, i64)]| {
                let changes = with.iter().map(|(base, n)| self.power(base.clone(), Term::int(*n)));
                self.product(factors.iter().cloned().chain(changes))
            };
            let (sin, cos) = (base.clone(), self.call(Function::Cos, (**angle).clone()));
            let exponent_of = |wanted: &Term| {
                factors.iter().map(Term::as_power).find(|(b, _)| *b == wanted).and_then(|(_, e)| e.whole())
            };
            let tan = |share: Term| self.call(Function::Tan, self.product([share, (**angle).clone()]));
            if let Some(n) = exponent_of(&cos) {
                if m * n < 0 {
                    let shared = m.abs().min(n.abs()) * m.signum();
                    found.push(replace(&[(sin.clone(), -shared), (cos.clone(), shared), (tan(Term::ONE), shared)]));
                } else if m == 1 && n == 1 {
                    let double = self.call(Function::Sin, self.product([Term::int(2), (**angle).clone()]));
                    found.push(replace(&[(sin.clone(), -1), (cos.clone(), -1), (double, 1), (Term::int(2), -1)]));
                }
            }
            for (sign, power) in [(-1, -1), (1, 1)] {
                let sum = self.sum([Term::ONE, self.product([Term::int(sign), cos.clone()])]);
                if let Some(n) = exponent_of(&sum)
                    && m > 0
                    && n < 0
                {
                    found.push(replace(&[(sin.clone(), -1), (sum, 1), (tan(Term::ratio(1, 2)), power)]));
                }
            }
        }
        found
    }

    /// exp(-u) / (1 - exp(-u)) = 1 / (exp(u) - 1)
    fn exponential_under_sum(&self, factors: &[Term]) -> Option<Term> {
        let exponential = factors.iter().find(|f| matches!(f, Term::Call(Function::Exp, _)))?;
        let below = factors.iter().find(|f| {
            let (base, exponent) = f.as_power();
            matches!(base, Term::Sum(_)) && *exponent == Term::int(-1)
        })?;
        let inverse = self.power(exponential.clone(), Term::int(-1));
        let (sum, _) = below.as_power();
        let sum = self.sum(sum.terms().iter().map(|t| self.product([t.clone(), inverse.clone()])));
        let others = factors.iter().filter(|f| *f != exponential && *f != below).cloned();
        Some(self.quotient(self.product(others), sum))
    }

    /// a / (1 - b/c) = a c / (c - b)
    fn inner_fractions(&self, factors: &[Term]) -> Option<Term> {
        let mut any = false;
        let cleared: Vec<Term> = factors
            .iter()
            .map(|factor| match factor.as_power() {
                (Term::Sum(terms), exponent) if exponent.whole().is_some() => match self.over_one_denominator(terms) {
                    Some(fraction) => {
                        any = true;
                        self.power(fraction, exponent.clone())
                    }
                    None => factor.clone(),
                },
                _ => factor.clone(),
            })
            .collect();
        any.then(|| self.product(cleared))
    }

    /// Sums above and below the line as polynomials of one thing, without their common divisor.
    fn common_divisor(&self, factors: &[Term]) -> Option<Term> {
        let is_below = |f: &&Term| f.as_power().1.whole().is_some_and(|n| n < 0);
        let below: Vec<&Term> = factors.iter().filter(is_below).collect();
        if !below.iter().any(|f| matches!(f.as_power().0, Term::Sum(_))) {
            return None;
        }
        for kernel in kernels(factors) {
            let part = |wanted_below: bool| -> Option<(Poly, Vec<Term>)> {
                let mut product = Term::ONE;
                let mut rest = vec![];
                for factor in factors.iter().filter(|f| is_below(f) == wanted_below) {
                    let upright = if wanted_below { self.power(factor.clone(), Term::int(-1)) } else { factor.clone() };
                    match Poly::in_kernel(&upright, &kernel) {
                        Some(_) => product = Term::Product([product.factors(), upright.factors()].concat()),
                        None => rest.push(factor.clone()),
                    }
                }
                Some((Poly::in_kernel(&product, &kernel)?, rest))
            };
            let ((above, rest_above), (under, rest_below)) = (part(false)?, part(true)?);
            let divisor = above.gcd(&under)?;
            if divisor.degree() == 0 {
                continue;
            }
            let term =
                |poly: &Poly| poly.divide(&divisor).map(|(quotient, _)| self.canonical(&quotient.to_term(&kernel)));
            let fraction = self.quotient(term(&above)?, term(&under)?);
            return Some(self.product(rest_above.into_iter().chain(rest_below).chain([fraction])));
        }
        None
    }
}

/// Angles of the sines and cosines that stand squared in a sum.
fn angles(terms: &[Term]) -> Vec<Term> {
    let mut found: Vec<Term> = vec![];
    for factor in terms.iter().flat_map(Term::factors) {
        if let (Term::Call(Function::Sin | Function::Cos, angle), Some(2)) =
            (factor.as_power().0, factor.as_power().1.whole())
            && !found.contains(angle)
        {
            found.push((**angle).clone());
        }
    }
    found
}

/// What polynomials may be polynomials of: t, and each function of it that stands in a sum.
fn kernels(factors: &[Term]) -> Vec<Term> {
    let mut found = vec![Term::T];
    for factor in factors {
        for term in factor.as_power().0.terms() {
            for part in term.factors() {
                if let base @ Term::Call(..) = part.as_power().0
                    && !found.contains(base)
                {
                    found.push(base.clone());
                }
            }
        }
    }
    found
}

/// How long a term is to read: numbers, names and operators.
pub fn cost(term: &Term) -> usize {
    match term {
        Term::Number(r) => 1 + usize::from(r.den() != 1),
        Term::Pi | Term::T => 1,
        Term::Power(base, exponent) => match exponent.number() {
            Some(e) if e == Rational::int(-1) => 1 + cost(base),
            Some(e) if e.is_negative() => 2 + cost(base) + cost(&Term::Number(e.negated())),
            _ => 1 + cost(base) + cost(exponent),
        },
        Term::Call(_, argument) => 2 + cost(argument),
        Term::Product(factors) => factors.len() - 1 + factors.iter().map(cost).sum::<usize>() + grouped(factors),
        Term::Sum(terms) => {
            // A factor of -1 is no more than the sign before the term.
            let is_minus = |t: &&Term| matches!(t, Term::Product(_)) && t.coefficient() == Rational::int(-1);
            let minus = terms.iter().filter(is_minus).count();
            terms.len() - 1 + terms.iter().map(cost).sum::<usize>() - 2 * minus
        }
    }
}

/// Brackets around the sums of a product.
fn grouped(factors: &[Term]) -> usize {
    factors.iter().filter(|f| matches!(f.as_power().0, Term::Sum(_))).count()
}
