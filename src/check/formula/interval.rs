//! Interval arithmetic, rounded outwards: the interval of a term over a box of t holds every value
//! that the term takes there. Sums and products that are exact in floating point stay exact, and
//! sines and cosines are taken in half turns where pi is a factor of the angle, so that a zero at an
//! end of the box stays a zero.

use super::circle;
use super::term::{Function, Term};
use crate::base::Rational;

/// libm's functions are off by less than one unit in the last place; two are allowed for.
const LIBM_ULPS: u32 = 2;
/// The product of an angle with pi is off by two roundings, which `circle` does not enlarge.
const CIRCLE_ULPS: u32 = 2 + LIBM_ULPS;
/// Whole powers up to this one are multiplied out.
const MAX_EXACT_POWER: u64 = 64;

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
            (y, x.is_infinite() || y.mul_add(x, -1.0) == 0.0)
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
        if n > MAX_EXACT_POWER {
            // Rare, so roughly.
            return match self.low >= -1.0 && self.high <= 1.0 {
                true => Interval { low: if self.low >= 0.0 { 0.0 } else { -1.0 }, high: 1.0, defined: self.defined },
                false => WHOLE_LINE,
            };
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
        let defined = self.defined && exponent.defined && (above_zero || (self.low >= 0.0 && exponent.low > 0.0));
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
        if !self.is_moderate() {
            return self.anywhere_on_the_circle();
        }
        let (a, b) = (cos_pi(self.low), cos_pi(self.high));
        // The extremes are at whole half turns.
        let first = self.low.ceil();
        let even = first % 2.0 == 0.0;
        let (top, bottom) = if even { (first, first + 1.0) } else { (first + 1.0, first) };
        Interval {
            low: if bottom <= self.high { -1.0 } else { a.low.min(b.low).max(-1.0) },
            high: if top <= self.high { 1.0 } else { a.high.max(b.high).min(1.0) },
            defined: self.defined,
        }
    }

    /// sin(pi v), v in half turns.
    fn sin_half_turns(self) -> Interval {
        if self.is_empty() {
            return EMPTY;
        }
        if !self.is_moderate() {
            return self.anywhere_on_the_circle();
        }
        let (a, b) = (sin_pi(self.low), sin_pi(self.high));
        // The extremes are at 1/2 and every half turn from there.
        let first = (self.low - 0.5).ceil();
        let even = first % 2.0 == 0.0;
        let (top, bottom) = if even { (first, first + 1.0) } else { (first + 1.0, first) };
        Interval {
            low: if bottom + 0.5 <= self.high { -1.0 } else { a.low.min(b.low).max(-1.0) },
            high: if top + 0.5 <= self.high { 1.0 } else { a.high.max(b.high).min(1.0) },
            defined: self.defined,
        }
    }

    fn is_moderate(self) -> bool {
        self.low >= -1e9 && self.high <= 1e9
    }

    fn anywhere_on_the_circle(self) -> Interval {
        Interval { low: -1.0, high: 1.0, defined: self.defined && self.low.is_finite() && self.high.is_finite() }
    }

    /// tan(pi v), v in half turns.
    fn tan_half_turns(self) -> Interval {
        if self.is_empty() {
            return EMPTY;
        }
        let branch = (self.low + 0.5).floor();
        let (from, to) = (branch - 0.5, branch + 0.5);
        if !self.is_moderate() || self.high > to {
            return WHOLE_LINE;
        }
        match (self.low == from, self.high == to) {
            (false, false) => {
                Interval { low: tan_pi(self.low).low, high: tan_pi(self.high).high, defined: self.defined }
            }
            (true, false) if self.high == from => EMPTY,
            // A pole at an end: on the one side of it that counts the sign is known.
            (true, false) => Interval { low: f64::NEG_INFINITY, high: tan_pi(self.high).high, defined: false },
            (false, true) => Interval { low: tan_pi(self.low).low, high: f64::INFINITY, defined: false },
            (true, true) => WHOLE_LINE,
        }
    }
}

/// Exact at multiples of a quarter turn, and off by little elsewhere.
fn on_the_circle(value: f64) -> Interval {
    // libm's sine is 0 at 0 alone, and `circle` comes to 0 exactly; near 1 the ends are cut by the caller.
    Interval::point(value).widened(if value == 0.0 { 0 } else { CIRCLE_ULPS })
}

fn cos_pi(v: f64) -> Interval {
    on_the_circle(circle::cos_pi(v))
}

fn sin_pi(v: f64) -> Interval {
    on_the_circle(circle::sin_pi(v))
}

/// tan(pi v) at one v that is no pole.
fn tan_pi(v: f64) -> Interval {
    sin_pi(v).times(cos_pi(v).reciprocal())
}

fn pi() -> Interval {
    // The float is below pi.
    Interval::new(std::f64::consts::PI, std::f64::consts::PI.next_up())
}

/// The angle over pi, where each of its terms has pi as a factor; no rounded pi is in it then.
fn over_pi(angle: &Term, t: Interval) -> Option<Interval> {
    let one = |term: &Term| {
        let factors = term.factors();
        let at = factors.iter().position(|f| *f == Term::Pi)?;
        let others = factors.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, f)| evaluate(f, t));
        Some(others.fold(Interval::point(1.0), Interval::times))
    };
    angle.terms().iter().map(one).try_fold(Interval::point(0.0), |sum, next| Some(sum.plus(next?)))
}

fn half_turns(angle: &Term, t: Interval) -> Interval {
    over_pi(angle, t).unwrap_or_else(|| evaluate(angle, t).times(pi().reciprocal()))
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
            if let (Some(angle), Some(n)) = (base.angle_of_tangent(), exponent.whole().filter(|n| *n < 0)) {
                let complement = Interval::point(0.5).plus(half_turns(angle, t).negated());
                return complement.tan_half_turns().to_whole_power(n.unsigned_abs());
            }
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
            let half_turns = || half_turns(argument, t);
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
    /// The value, where a term has a finite one for certain; of the interval over a single t.
    pub fn certain(self) -> Option<f64> {
        (self.defined && self.low.is_finite() && self.high.is_finite()).then_some(0.5 * self.low + 0.5 * self.high)
    }
}
