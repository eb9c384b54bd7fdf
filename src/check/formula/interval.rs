//! Interval arithmetic, rounded outwards: the interval of a term over a box of t holds every value
//! that the term takes there. Sums and products that are exact in floating point stay exact, and
//! sines and cosines are taken in half turns where pi is a factor of the angle, so that a zero at an
//! end of the box stays a zero.

use super::range::over_pi;
use super::term::{Function, Term};
use crate::base::Rational;

/// libm's functions are off by less than one unit in the last place; two are allowed for.
const LIBM_ULPS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    /// The term has a finite value at every point of the box.
    pub defined: bool,
}

const WHOLE_LINE: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY, defined: false };
/// Of a term that has no value anywhere in the box.
const EMPTY: Interval = Interval { low: f64::INFINITY, high: f64::NEG_INFINITY, defined: false };

fn down(x: f64, ulps: u32) -> f64 {
    (0..ulps).fold(x, |x, _| x.next_down())
}

fn up(x: f64, ulps: u32) -> f64 {
    (0..ulps).fold(x, |x, _| x.next_up())
}

/// The sum, and whether it is exact.
fn add(a: f64, b: f64) -> (f64, bool) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b) == 0.0)
}

/// The product, and whether it is exact; nothing times infinity is nothing, as of bounds.
fn multiply(a: f64, b: f64) -> (f64, bool) {
    if a == 0.0 || b == 0.0 {
        return (0.0, true);
    }
    let product = a * b;
    // Below the normal range the remainder itself may be lost.
    (product, product.abs() > 1e-280 && a.mul_add(b, -product) == 0.0)
}

fn low_of((x, exact): (f64, bool)) -> f64 {
    if exact { x } else { x.next_down() }
}

fn high_of((x, exact): (f64, bool)) -> f64 {
    if exact { x } else { x.next_up() }
}

impl Interval {
    pub fn new(low: f64, high: f64) -> Interval {
        Interval { low, high, defined: true }
    }

    pub fn point(x: f64) -> Interval {
        Interval::new(x, x)
    }

    pub fn is_empty(self) -> bool {
        self.low.partial_cmp(&self.high).is_none_or(std::cmp::Ordering::is_gt)
    }

    pub fn of_rational(r: Rational) -> Interval {
        const EXACT: u128 = 1 << 53;
        let (num, den) = (r.num() as f64, r.den() as f64);
        let x = num / den;
        let exact = r.num().unsigned_abs() <= EXACT && r.den().unsigned_abs() <= EXACT && x.mul_add(den, -num) == 0.0;
        if exact { Interval::point(x) } else { Interval::new(down(x, 2), up(x, 2)) }
    }

    fn partly(self) -> Interval {
        Interval { defined: false, ..self }
    }

    fn negated(self) -> Interval {
        Interval { low: -self.high, high: -self.low, defined: self.defined }
    }

    fn widened(self, ulps: u32) -> Interval {
        Interval { low: down(self.low, ulps), high: up(self.high, ulps), defined: self.defined }
    }

    fn plus(self, other: Interval) -> Interval {
        if self.is_empty() || other.is_empty() {
            return EMPTY;
        }
        Interval {
            low: low_of(add(self.low, other.low)),
            high: high_of(add(self.high, other.high)),
            defined: self.defined && other.defined,
        }
    }

    fn times(self, other: Interval) -> Interval {
        if self.is_empty() || other.is_empty() {
            return EMPTY;
        }
        let mut out = Interval { low: f64::INFINITY, high: f64::NEG_INFINITY, defined: self.defined && other.defined };
        for a in [self.low, self.high] {
            for b in [other.low, other.high] {
                let product = multiply(a, b);
                out.low = out.low.min(low_of(product));
                out.high = out.high.max(high_of(product));
            }
        }
        out
    }

    fn reciprocal(self) -> Interval {
        let invert = |x: f64| {
            let y = 1.0 / x;
            (y, y.mul_add(x, -1.0) == 0.0)
        };
        if self.is_empty() || (self.low == 0.0 && self.high == 0.0) {
            return EMPTY;
        }
        if self.low > 0.0 || self.high < 0.0 {
            let (low, high) = (low_of(invert(self.high)), high_of(invert(self.low)));
            return Interval { low, high, defined: self.defined };
        }
        if self.low == 0.0 {
            return Interval { low: low_of(invert(self.high)), high: f64::INFINITY, defined: false };
        }
        if self.high == 0.0 {
            return Interval { low: f64::NEG_INFINITY, high: high_of(invert(self.low)), defined: false };
        }
        WHOLE_LINE
    }

    fn to_whole_power(self, n: u64) -> Interval {
        let raise = |x: f64| {
            let mut out = Interval::point(1.0);
            for _ in 0..n {
                out = out.times(Interval::point(x));
            }
            out
        };
        if self.is_empty() {
            return EMPTY;
        }
        if n > 64 {
            // Rare, so roughly: by the sign of the base.
            let high = if n.is_multiple_of(2) || self.high > 0.0 { f64::INFINITY } else { 0.0 };
            let low = if n.is_multiple_of(2) || self.low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
            let small = self.low >= -1.0 && self.high <= 1.0;
            return Interval { low: low.max(if small { -1.0 } else { low }), high: if small { 1.0 } else { high }, defined: self.defined && small };
        }
        let (a, b) = (raise(self.low), raise(self.high));
        let even = n.is_multiple_of(2);
        let low = if even && self.low < 0.0 && self.high > 0.0 { 0.0 } else { a.low.min(b.low) };
        // Even powers stay on this side of 0 whatever the rounding.
        let low = if even { low.max(0.0) } else { low };
        Interval { low, high: a.high.max(b.high), defined: self.defined }
    }

    /// For exponents that are no whole numbers: the base has to be at least 0.
    fn to_power(self, exponent: Interval) -> Interval {
        if self.is_empty() || exponent.is_empty() || self.high < 0.0 {
            return EMPTY;
        }
        let above_zero = self.low > 0.0;
        let base = Interval::new(self.low.max(0.0), self.high);
        // 0 to a positive power is 0; whatever else 0 is raised to has no value.
        let defined =
            self.defined && exponent.defined && (above_zero || (self.low >= 0.0 && exponent.low > 0.0));
        if base.high == 0.0 && exponent.high <= 0.0 {
            return EMPTY;
        }
        let mut out = Interval { low: f64::INFINITY, high: f64::NEG_INFINITY, defined };
        for b in [base.low, base.high] {
            for e in [exponent.low, exponent.high] {
                let power = match (b, e) {
                    (0.0, e) if e > 0.0 => Interval::point(0.0),
                    (0.0, e) if e < 0.0 => Interval::point(f64::INFINITY),
                    // 0^0 is the limit of anything between 0 and 1, and beyond.
                    (0.0, _) => Interval::new(0.0, if exponent.low < 0.0 { f64::INFINITY } else { 1.0 }),
                    (1.0, _) => Interval::point(1.0),
                    (b, e) if b.is_infinite() || e.is_infinite() => Interval::new(0.0, f64::INFINITY),
                    (b, 0.5) => Interval::point(b.sqrt()).widened(u32::from(b.sqrt().mul_add(b.sqrt(), -b) != 0.0)),
                    (b, e) => Interval::point(libm::pow(b, e)).widened(LIBM_ULPS),
                };
                out.low = out.low.min(power.low);
                out.high = out.high.max(power.high);
            }
        }
        // A power of a base that is at least 0 is too.
        out.low = out.low.max(0.0);
        out
    }

    fn monotone(self, f: impl Fn(f64) -> f64, exact_at: f64, value_there: f64) -> Interval {
        let at = |x: f64, end: fn(f64, u32) -> f64| if x == exact_at { value_there } else { end(f(x), LIBM_ULPS) };
        Interval { low: at(self.low, down), high: at(self.high, up), defined: self.defined }
    }

    fn exp(self) -> Interval {
        if self.is_empty() {
            return EMPTY;
        }
        let out = self.monotone(libm::exp, 0.0, 1.0);
        Interval { low: out.low.max(0.0), ..out }
    }

    fn log(self) -> Interval {
        if self.is_empty() || self.high <= 0.0 {
            return EMPTY;
        }
        let positive = Interval { low: self.low.max(0.0), high: self.high, defined: self.defined && self.low > 0.0 };
        let out = positive.monotone(libm::log, 1.0, 0.0);
        if positive.low == 0.0 { Interval { low: f64::NEG_INFINITY, ..out } } else { out }
    }

    /// cos(pi v), v in half turns.
    fn cos_half_turns(self) -> Interval {
        if self.is_empty() {
            return EMPTY;
        }
        if !(self.low.is_finite() && self.high.is_finite()) || self.low.abs().max(self.high.abs()) > 1e9 {
            return Interval { low: -1.0, high: 1.0, defined: self.defined && self.low.is_finite() && self.high.is_finite() };
        }
        let (a, b) = (cos_pi(self.low), cos_pi(self.high));
        let (mut low, mut high) = (a.low.min(b.low), a.high.max(b.high));
        // Whole numbers of half turns in the interval are where the extremes are.
        let first = self.low.ceil();
        let even_within = if first % 2.0 == 0.0 { first } else { first + 1.0 } <= self.high;
        let odd_within = if first % 2.0 == 0.0 { first + 1.0 } else { first } <= self.high;
        if even_within {
            high = 1.0;
        }
        if odd_within {
            low = -1.0;
        }
        Interval { low: low.max(-1.0), high: high.min(1.0), defined: self.defined }
    }

    fn sin_half_turns(self) -> Interval {
        self.plus(Interval::point(-0.5)).cos_half_turns()
    }

    fn tan_half_turns(self) -> Interval {
        // Within one branch, away from its poles.
        let branch = (self.low + 0.5).floor();
        let inside = self.low > branch - 0.5 && self.high < branch + 0.5;
        if self.is_empty() || !self.low.is_finite() || !self.high.is_finite() || self.low.abs() > 1e9 || !inside {
            // At a pole, and on one side of it only, the sign is known.
            let low_side = self.low >= branch && self.high == branch + 0.5;
            return if low_side && self.low < self.high {
                Interval { low: tan_pi(self.low).low, high: f64::INFINITY, defined: false }
            } else if self.low == self.high && !inside {
                EMPTY
            } else {
                WHOLE_LINE
            };
        }
        Interval { low: tan_pi(self.low).low, high: tan_pi(self.high).high, defined: self.defined }
    }
}

/// cos(pi v) at one v: exact at multiples of 1/2.
fn cos_pi(v: f64) -> Interval {
    // The remainder is exact; folding to [0, 1/2] is too.
    let v = (v % 2.0).abs();
    let v = if v > 1.0 { 2.0 - v } else { v };
    let (v, sign) = if v > 0.5 { (1.0 - v, -1.0) } else { (v, 1.0) };
    let value = match v {
        0.0 => Interval::point(1.0),
        0.5 => Interval::point(0.0),
        // The product with pi is off by two roundings, which sine and cosine here do not enlarge.
        v if v <= 0.25 => Interval::point(libm::cos(v * std::f64::consts::PI)).widened(2 + LIBM_ULPS),
        v => Interval::point(libm::sin((0.5 - v) * std::f64::consts::PI)).widened(2 + LIBM_ULPS),
    };
    if sign < 0.0 { value.negated() } else { value }
}

/// tan(pi v) at one v that is no pole.
fn tan_pi(v: f64) -> Interval {
    let cos = cos_pi(v);
    let sin = Interval::point(v).plus(Interval::point(-0.5));
    let sin = if sin.low == sin.high { cos_pi(sin.low) } else { sin.cos_half_turns() };
    sin.times(cos.reciprocal())
}

fn pi() -> Interval {
    // The float is below pi.
    Interval::new(std::f64::consts::PI, std::f64::consts::PI.next_up())
}

/// All values of a term over a box of t.
pub fn evaluate(term: &Term, t: Interval) -> Interval {
    match term {
        Term::Number(r) => Interval::of_rational(*r),
        Term::Pi => pi(),
        Term::T => t,
        Term::Sum(terms) => terms.iter().map(|x| evaluate(x, t)).reduce(Interval::plus).unwrap_or(Interval::point(0.0)),
        Term::Product(factors) => {
            factors.iter().map(|x| evaluate(x, t)).reduce(Interval::times).unwrap_or(Interval::point(1.0))
        }
        Term::Power(base, exponent) => {
            let base_values = evaluate(base, t);
            match exponent.whole() {
                Some(n) if n >= 0 => base_values.to_whole_power(n.unsigned_abs()),
                Some(n) => base_values.to_whole_power(n.unsigned_abs()).reciprocal(),
                None => {
                    let exponent = evaluate(exponent, t);
                    if exponent.high < 0.0 {
                        base_values.to_power(exponent.negated()).reciprocal()
                    } else {
                        base_values.to_power(exponent)
                    }
                }
            }
        }
        Term::Call(function, argument) => {
            let half_turns = || match over_pi(argument) {
                Some(v) => evaluate(&v, t),
                None => evaluate(argument, t).times(pi().reciprocal()),
            };
            match function {
                Function::Exp => evaluate(argument, t).exp(),
                Function::Log => evaluate(argument, t).log(),
                Function::Sin => half_turns().sin_half_turns(),
                Function::Cos => half_turns().cos_half_turns(),
                Function::Tan => half_turns().tan_half_turns(),
            }
        }
    }
}

impl Interval {
    /// What a point of a box shows: the value, where the term has one for certain.
    pub fn certain(self) -> Option<f64> {
        (self.defined && self.low.is_finite() && self.high.is_finite()).then(|| 0.5 * self.low + 0.5 * self.high)
    }

    pub fn unknown(self) -> Interval {
        self.partly()
    }
}
