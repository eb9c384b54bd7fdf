//! Exact bounds of terms by the rules of signs, in rationals: what is proved here is proved
//! symbolically, without a rounding. The bounds are true but need not be tight.

use super::poly::Poly;
use super::term::{Function, Term};
use crate::base::Rational;

/// The part of [0, 1] that a term is looked at on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain {
    pub low: Rational,
    pub high: Rational,
}

impl Domain {
    pub const UNIT: Domain = Domain { low: Rational::ZERO, high: Rational::ONE };

    pub fn is_point(self) -> bool {
        self.low == self.high
    }
}

/// One end of a range: `strict` where it is never reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    pub at: Rational,
    pub strict: bool,
}

/// Bounds of all values that a term takes where it has one; `None` is unbounded, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub low: Option<Bound>,
    pub high: Option<Bound>,
}

const ALL: Range = Range { low: None, high: None };
const POSITIVE: Range = Range { low: Some(Bound { at: Rational::ZERO, strict: true }), high: None };

fn closed(at: Rational) -> Option<Bound> {
    Some(Bound { at, strict: false })
}

/// More digits of pi than anything here needs: it lies strictly between.
fn pi() -> Range {
    let near = |digits: i128| Rational::new(digits, 1_000_000_000_000_000_000).map(|at| Bound { at, strict: true });
    Range { low: near(3_141_592_653_589_793_238), high: near(3_141_592_653_589_793_239) }
}

impl Range {
    fn point(at: Rational) -> Range {
        Range { low: closed(at), high: closed(at) }
    }

    fn between(low: i64, high: i64) -> Range {
        Range { low: closed(Rational::int(low)), high: closed(Rational::int(high)) }
    }

    /// Every value is at least `at`.
    pub fn is_at_least(self, at: Rational) -> bool {
        self.low.is_some_and(|low| low.at >= at)
    }

    pub fn is_at_most(self, at: Rational) -> bool {
        self.high.is_some_and(|high| high.at <= at)
    }

    pub fn is_above(self, at: Rational) -> bool {
        self.low.is_some_and(|low| low.at > at || (low.at == at && low.strict))
    }

    pub fn is_below(self, at: Rational) -> bool {
        self.high.is_some_and(|high| high.at < at || (high.at == at && high.strict))
    }

    pub fn excludes_zero(self) -> bool {
        self.is_above(Rational::ZERO) || self.is_below(Rational::ZERO)
    }

    fn negated(self) -> Range {
        let flip = |bound: Option<Bound>| bound.map(|b| Bound { at: b.at.negated(), strict: b.strict });
        Range { low: flip(self.high), high: flip(self.low) }
    }

    fn plus(self, other: Range) -> Range {
        let add = |a: Option<Bound>, b: Option<Bound>| {
            let (a, b) = (a?, b?);
            Some(Bound { at: a.at.checked_add(b.at)?, strict: a.strict || b.strict })
        };
        Range { low: add(self.low, other.low), high: add(self.high, other.high) }
    }

    fn times(self, other: Range) -> Range {
        // By sign: a range that may be both is cut by the general rule.
        if self.is_at_most(Rational::ZERO) && !self.is_at_least(Rational::ZERO) {
            return self.negated().times(other).negated();
        }
        if other.is_at_most(Rational::ZERO) && !other.is_at_least(Rational::ZERO) {
            return self.times(other.negated()).negated();
        }
        let corner = |a: Option<Bound>, b: Option<Bound>| {
            let (a, b) = (a?, b?);
            let reached = |x: Bound| x.at.is_zero() && !x.strict;
            Some(Bound { at: a.at.checked_mul(b.at)?, strict: (a.strict || b.strict) && !reached(a) && !reached(b) })
        };
        if self.is_at_least(Rational::ZERO) && other.is_at_least(Rational::ZERO) {
            return Range { low: corner(self.low, other.low), high: corner(self.high, other.high) };
        }
        let corners = [
            corner(self.low, other.low),
            corner(self.low, other.high),
            corner(self.high, other.low),
            corner(self.high, other.high),
        ];
        // An unbounded side makes both ends unbounded here, which loses little.
        let all: Option<Vec<Bound>> = corners.into_iter().collect();
        let Some(all) = all else { return ALL };
        let strictest = |a: &Bound, b: &Bound| a.at.cmp(&b.at).then(a.strict.cmp(&b.strict));
        let low = all.iter().min_by(|a, b| strictest(a, b)).copied();
        let high = all.iter().max_by(|a, b| a.at.cmp(&b.at).then(b.strict.cmp(&a.strict))).copied();
        Range { low, high }
    }

    fn reciprocal(self) -> Range {
        let invert = |bound: Option<Bound>| {
            let b = bound?;
            Some(Bound { at: Rational::ONE.checked_div(b.at)?, strict: b.strict })
        };
        if self.is_above(Rational::ZERO) {
            let low = invert(self.high).or(POSITIVE.low);
            Range { low, high: invert(self.low) }
        } else if self.is_below(Rational::ZERO) {
            self.negated().reciprocal().negated()
        } else if self.is_at_least(Rational::ZERO) {
            // 0 itself has no reciprocal, so the values that there are are positive.
            Range { low: invert(self.high).or(POSITIVE.low), high: None }
        } else if self.is_at_most(Rational::ZERO) {
            self.negated().reciprocal().negated()
        } else {
            ALL
        }
    }

    fn to_whole_power(self, n: u64) -> Range {
        if n == 0 {
            return Range::point(Rational::ONE);
        }
        let raise = |bound: Option<Bound>| {
            let b = bound?;
            Some(Bound { at: b.at.checked_pow(i64::try_from(n).ok()?)?, strict: b.strict })
        };
        if n % 2 == 1 || self.is_at_least(Rational::ZERO) {
            return Range { low: raise(self.low), high: raise(self.high) };
        }
        if self.is_at_most(Rational::ZERO) {
            return self.negated().to_whole_power(n);
        }
        let high = match (raise(self.low), raise(self.high)) {
            (Some(a), Some(b)) if a.at == b.at => Some(Bound { at: a.at, strict: a.strict && b.strict }),
            (Some(a), Some(b)) => Some(if a.at > b.at { a } else { b }),
            _ => None,
        };
        Range { low: closed(Rational::ZERO), high }
    }

    fn tighter(self, other: Range) -> Range {
        let pick = |a: Option<Bound>, b: Option<Bound>, smaller: bool| match (a, b) {
            (Some(a), Some(b)) => {
                let a_wins = if smaller { a.at < b.at } else { a.at > b.at };
                Some(if a.at == b.at {
                    Bound { at: a.at, strict: a.strict || b.strict }
                } else if a_wins {
                    a
                } else {
                    b
                })
            }
            (a, b) => a.or(b),
        };
        Range { low: pick(self.low, other.low, false), high: pick(self.high, other.high, true) }
    }
}

/// Bounds of a term on a domain.
pub fn range(term: &Term, on: Domain) -> Range {
    match term {
        Term::Number(r) => Range::point(*r),
        Term::Pi => pi(),
        Term::T => Range { low: closed(on.low), high: closed(on.high) },
        Term::Sum(terms) => {
            let naive = terms.iter().fold(Range::point(Rational::ZERO), |sum, term| sum.plus(range(term, on)));
            if naive.is_at_least(Rational::ZERO) || naive.is_at_most(Rational::ZERO) {
                return naive;
            }
            match Poly::of(term) {
                Some(poly) => naive.tighter(poly.range(on)),
                None => naive,
            }
        }
        Term::Product(factors) => {
            factors.iter().fold(Range::point(Rational::ONE), |product, factor| product.times(range(factor, on)))
        }
        Term::Power(base, exponent) => power(base, exponent, on),
        Term::Call(function, argument) => call(*function, argument, on),
    }
}

fn power(base: &Term, exponent: &Term, on: Domain) -> Range {
    if let (Some(angle), Some(n)) = (base.angle_of_tangent(), exponent.whole().filter(|n| *n < 0)) {
        return cotangent(angle, on).to_whole_power(n.unsigned_abs());
    }
    let b = range(base, on);
    if let Some(n) = exponent.whole() {
        let raised = b.to_whole_power(n.unsigned_abs());
        return if n >= 0 { raised } else { raised.reciprocal() };
    }
    // From here on the power exists for bases that are not negative alone.
    let e = range(exponent, on);
    let one = Rational::ONE;
    let low = Bound { at: Rational::ZERO, strict: b.is_above(Rational::ZERO) || e.is_at_most(Rational::ZERO) };
    let mut out = Range { low: Some(low), high: None };
    let (rises, falls) = (e.is_at_least(Rational::ZERO), e.is_at_most(Rational::ZERO));
    if (b.is_at_least(one) && rises) || (b.is_at_most(one) && falls) {
        out.low = closed(one);
    }
    if (b.is_at_most(one) && rises) || (b.is_at_least(one) && falls) {
        out.high = closed(one);
    }
    out
}

fn call(function: Function, argument: &Term, on: Domain) -> Range {
    let zero = Rational::ZERO;
    match function {
        Function::Exp => {
            let u = range(argument, on);
            let mut out = POSITIVE;
            if u.is_at_least(zero) {
                out.low = Some(Bound { at: Rational::ONE, strict: u.is_above(zero) });
            }
            if u.is_at_most(zero) {
                out.high = Some(Bound { at: Rational::ONE, strict: u.is_below(zero) });
            }
            out
        }
        Function::Log => {
            let u = range(argument, on);
            let one = Rational::ONE;
            if u.is_at_least(one) {
                Range { low: Some(Bound { at: zero, strict: u.is_above(one) }), high: None }
            } else if u.is_at_most(one) {
                Range { low: None, high: Some(Bound { at: zero, strict: u.is_below(one) }) }
            } else {
                ALL
            }
        }
        // In half turns: sin is positive between 0 and 1, cos between -1/2 and 1/2.
        Function::Sin => wave(half_turns(argument, on)),
        Function::Cos => {
            let shift = Rational::new(1, 2).map_or(ALL, Range::point);
            wave(half_turns(argument, on).plus(shift))
        }
        Function::Tan => match tangent_branch(argument, on) {
            Some(v) if v.is_at_least(zero) => Range { low: closed(zero), high: None },
            Some(v) if v.is_at_most(zero) => Range { low: None, high: closed(zero) },
            _ => ALL,
        },
    }
}

/// sin(pi v) for v in the range.
fn wave(v: Range) -> Range {
    let (Some(low), Some(high)) = (v.low, v.high) else { return Range::between(-1, 1) };
    let first = low.at.floor();
    let Some(start) = Rational::new(first, 1) else { return Range::between(-1, 1) };
    let Some(end) = start.checked_add(Rational::ONE) else { return Range::between(-1, 1) };
    if high.at > end {
        return Range::between(-1, 1);
    }
    let strict = (low.at > start || low.strict) && (high.at < end || high.strict);
    let up = Range { low: Some(Bound { at: Rational::ZERO, strict }), high: closed(Rational::ONE) };
    if first.rem_euclid(2) == 0 { up } else { up.negated() }
}

/// The range of an angle divided by pi: exactly, where pi is a factor of it.
pub fn half_turns(angle: &Term, on: Domain) -> Range {
    match over_pi(angle) {
        Some(v) => range(&v, on),
        None => range(angle, on).times(pi().reciprocal()),
    }
}

/// 1 / tan, which is 0 where the tangent has no value: its sign from the angle in half turns.
fn cotangent(angle: &Term, on: Domain) -> Range {
    let (zero, half) = (Rational::ZERO, Rational::new(1, 2).unwrap_or(Rational::ONE));
    let v = half_turns(angle, on);
    if v.is_at_least(zero) && v.is_at_most(half) {
        Range { low: Some(Bound { at: zero, strict: v.is_below(half) }), high: None }
    } else if v.is_at_least(half) && v.is_at_most(Rational::ONE) {
        Range { low: None, high: Some(Bound { at: zero, strict: v.is_above(half) }) }
    } else {
        ALL
    }
}

/// The angle over pi, where it stays within the branch of the tangent around 0.
fn tangent_branch(angle: &Term, on: Domain) -> Option<Range> {
    let v = half_turns(angle, on);
    let half = Rational::new(1, 2)?;
    (v.is_above(half.negated()) && v.is_below(half)).then_some(v)
}

/// `angle / pi`, where each of its terms has pi as a factor.
pub fn over_pi(angle: &Term) -> Option<Term> {
    let one = |term: &Term| match term {
        Term::Pi => Some(Term::ONE),
        Term::Product(factors) => {
            let at = factors.iter().position(|f| *f == Term::Pi)?;
            let rest: Vec<Term> =
                factors.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, f)| f.clone()).collect();
            Some(match rest.as_slice() {
                [only] => only.clone(),
                _ => Term::Product(rest),
            })
        }
        _ => None,
    };
    match angle {
        Term::Sum(terms) => terms.iter().map(one).collect::<Option<Vec<Term>>>().map(Term::Sum),
        other => one(other),
    }
}

/// Whether a term has a finite value everywhere on the domain, by the rules of signs. False says nothing.
pub fn is_defined(term: &Term, on: Domain) -> bool {
    let zero = Rational::ZERO;
    match term {
        Term::Number(_) | Term::Pi | Term::T => true,
        Term::Sum(parts) | Term::Product(parts) => parts.iter().all(|part| is_defined(part, on)),
        Term::Power(base, exponent) => {
            if let (Some(angle), Some(n)) = (base.angle_of_tangent(), exponent.whole())
                && n < 0
            {
                let v = half_turns(angle, on);
                return is_defined(angle, on) && v.is_above(zero) && v.is_below(Rational::ONE);
            }
            if !is_defined(base, on) || !is_defined(exponent, on) {
                return false;
            }
            match exponent.number() {
                Some(e) if e.den() == 1 && !e.is_negative() => true,
                Some(e) if e.den() == 1 => range(base, on).excludes_zero(),
                Some(e) if e > zero => range(base, on).is_at_least(zero),
                _ => range(base, on).is_above(zero),
            }
        }
        Term::Call(function, argument) => {
            is_defined(argument, on)
                && match function {
                    Function::Exp | Function::Sin | Function::Cos => true,
                    Function::Log => range(argument, on).is_above(zero),
                    Function::Tan => tangent_branch(argument, on).is_some(),
                }
        }
    }
}
