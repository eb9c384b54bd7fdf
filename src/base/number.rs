//! Exact rationals while they fit, f64 where they do not. `int / int` stays exact, so
//! "6 heads do not divide 128" is a fact and not a rounding.

use std::cmp::Ordering;

/// A fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    num: i128,
    den: i128,
}

fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    // Divisions of 128 bits are slow, and hardly any fraction needs them.
    if let (Ok(x), Ok(y)) = (u64::try_from(a), u64::try_from(b)) {
        let (mut x, mut y) = (x, y);
        while y != 0 {
            (x, y) = (y, x % y);
        }
        return i128::from(x).max(1);
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(1).max(1)
}

impl Rational {
    pub fn new(num: i128, den: i128) -> Option<Rational> {
        if den == 0 || num == i128::MIN || den == i128::MIN {
            return None;
        }
        let g = gcd(num, den) * den.signum();
        Some(Rational { num: num / g, den: den / g })
    }

    pub fn num(self) -> i128 {
        self.num
    }

    pub fn den(self) -> i128 {
        self.den
    }

    pub fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    pub const ZERO: Rational = Rational { num: 0, den: 1 };
    pub const ONE: Rational = Rational { num: 1, den: 1 };

    pub fn int(n: i64) -> Rational {
        Rational { num: i128::from(n), den: 1 }
    }

    /// The decimal that a float prints as: 1/1000 of `1e-3`, which is no binary fraction.
    pub fn from_decimal(x: f64) -> Option<Rational> {
        let text = format!("{x:e}");
        let (mantissa, exponent) = text.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let digits = mantissa.split_once('.').map_or(0, |(_, after)| after.len());
        let num: i128 = mantissa.replace('.', "").parse().ok()?;
        let shift = exponent - i32::try_from(digits).ok()?;
        let power = 10i128.checked_pow(shift.unsigned_abs())?;
        if shift >= 0 { Rational::new(num.checked_mul(power)?, 1) } else { Rational::new(num, power) }
    }

    pub fn is_zero(self) -> bool {
        self.num == 0
    }

    pub fn is_negative(self) -> bool {
        self.num < 0
    }

    /// The whole number this is, if it is one.
    pub fn to_i64(self) -> Option<i64> {
        if self.den == 1 { i64::try_from(self.num).ok() } else { None }
    }

    // `None` where the result does not fit 128 bits over 128 bits, or does not exist.

    pub fn checked_add(self, other: Rational) -> Option<Rational> {
        let num = self.num.checked_mul(other.den)?.checked_add(other.num.checked_mul(self.den)?)?;
        Rational::new(num, self.den.checked_mul(other.den)?)
    }

    pub fn checked_sub(self, other: Rational) -> Option<Rational> {
        self.checked_add(other.negated())
    }

    pub fn checked_mul(self, other: Rational) -> Option<Rational> {
        Rational::new(self.num.checked_mul(other.num)?, self.den.checked_mul(other.den)?)
    }

    pub fn checked_div(self, other: Rational) -> Option<Rational> {
        Rational::new(self.num.checked_mul(other.den)?, self.den.checked_mul(other.num)?)
    }

    pub fn checked_pow(self, n: i64) -> Option<Rational> {
        let e = u32::try_from(n.unsigned_abs()).ok()?;
        let (num, den) = (self.num.checked_pow(e)?, self.den.checked_pow(e)?);
        if n >= 0 { Rational::new(num, den) } else { Rational::new(den, num) }
    }

    pub fn negated(self) -> Rational {
        // `new` lets no i128::MIN in.
        Rational { num: -self.num, den: self.den }
    }

    pub fn abs(self) -> Rational {
        Rational { num: self.num.abs(), den: self.den }
    }

    /// The largest whole number that is not above.
    pub fn floor(self) -> i128 {
        self.num.div_euclid(self.den)
    }
}

/// By value, exactly: the continued fractions are compared, so nothing overflows.
impl Ord for Rational {
    fn cmp(&self, other: &Rational) -> Ordering {
        let (mut a, mut b, mut c, mut d) = (self.num, self.den, other.num, other.den);
        loop {
            let wholes = a.div_euclid(b).cmp(&c.div_euclid(d));
            let (rest_1, rest_2) = (a.rem_euclid(b), c.rem_euclid(d));
            match wholes {
                Ordering::Equal if rest_1 == 0 || rest_2 == 0 => return rest_1.cmp(&rest_2),
                Ordering::Equal => (a, b, c, d) = (d, rest_2, b, rest_1),
                unequal => return unequal,
            }
        }
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Rational) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The value of a number in a spec.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    Exact(Rational),
    Real(f64),
}

impl Number {
    pub fn int(n: i64) -> Number {
        Number::Exact(Rational { num: i128::from(n), den: 1 })
    }

    /// `num / den`; a real where the fraction does not exist.
    pub fn ratio(num: i64, den: i64) -> Number {
        Rational::new(i128::from(num), i128::from(den)).map_or(Number::Real(num as f64 / den as f64), Number::Exact)
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Number::Exact(r) => r.to_f64(),
            Number::Real(x) => x,
        }
    }

    /// The whole number this is, if it is one.
    pub fn to_i64(self) -> Option<i64> {
        match self {
            Number::Exact(r) if r.den == 1 => i64::try_from(r.num).ok(),
            _ => None,
        }
    }

    pub fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }

    fn with(
        self,
        other: Number,
        exact: impl Fn(Rational, Rational) -> Option<Rational>,
        real: impl Fn(f64, f64) -> f64,
    ) -> Number {
        if let (Number::Exact(a), Number::Exact(b)) = (self, other)
            && let Some(r) = exact(a, b)
        {
            return Number::Exact(r);
        }
        Number::Real(real(self.to_f64(), other.to_f64()))
    }

    // Named like the operators, which they are not: each may leave exactness, and callers ask whether it did.
    #[allow(clippy::should_implement_trait)]
    pub fn add(self, other: Number) -> Number {
        self.with(other, Rational::checked_add, |a, b| a + b)
    }

    #[allow(clippy::should_implement_trait)]
    pub fn neg(self) -> Number {
        Number::int(0).sub(self)
    }

    #[allow(clippy::should_implement_trait)]
    pub fn sub(self, other: Number) -> Number {
        self.with(other, Rational::checked_sub, |a, b| a - b)
    }

    #[allow(clippy::should_implement_trait)]
    pub fn mul(self, other: Number) -> Number {
        self.with(other, Rational::checked_mul, |a, b| a * b)
    }

    /// Division; by zero gives an infinite or undefined real, which callers refuse.
    #[allow(clippy::should_implement_trait)]
    pub fn div(self, other: Number) -> Number {
        self.with(other, Rational::checked_div, |a, b| a / b)
    }

    pub fn pow(self, other: Number) -> Number {
        if let (Number::Exact(base), Some(n)) = (self, other.to_i64())
            && let Ok(e) = u32::try_from(n.unsigned_abs())
            && let (Some(num), Some(den)) = (base.num.checked_pow(e), base.den.checked_pow(e))
            && let Some(r) = if n >= 0 { Rational::new(num, den) } else { Rational::new(den, num) }
        {
            return Number::Exact(r);
        }
        Number::Real(self.to_f64().powf(other.to_f64()))
    }

    /// The remainder, with the sign of the divisor.
    pub fn modulo(self, other: Number) -> Number {
        self.sub(self.div(other).floor().mul(other))
    }

    /// The multiple of `n` next to it, above or below.
    pub fn round_to(self, n: Number, up: bool) -> Number {
        let ratio = self.div(n);
        (if up { ratio.ceil() } else { ratio.floor() }).mul(n)
    }

    /// Exact for perfect squares.
    pub fn sqrt(self) -> Number {
        let root = self.to_f64().sqrt();
        match Rational::new(root as i128, 1).map(Number::Exact) {
            Some(exact) if root.fract() == 0.0 && exact.mul(exact) == self => exact,
            _ => Number::Real(root),
        }
    }

    pub fn smaller(self, other: Number) -> Number {
        if self <= other { self } else { other }
    }

    pub fn larger(self, other: Number) -> Number {
        if self >= other { self } else { other }
    }

    pub fn floor(self) -> Number {
        match self {
            Number::Exact(r) => Number::Exact(Rational { num: r.num.div_euclid(r.den), den: 1 }),
            Number::Real(x) => Number::Real(x.floor()),
        }
    }

    pub fn ceil(self) -> Number {
        self.neg().floor().neg()
    }
}

/// 12345 as 12,345.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Exact(a), Number::Exact(b)) => a == b,
            _ => self.to_f64() == other.to_f64(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<std::cmp::Ordering> {
        self.to_f64().partial_cmp(&other.to_f64())
    }
}

/// Whole numbers as digits, other fractions and reals as the shortest f64 that reads back the same.
impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Exact(r) if r.den == 1 => write!(f, "{}", r.num),
            _ => {
                let x = self.to_f64();
                if x != 0.0 && (x.abs() < 1e-4 || x.abs() >= 1e15) { write!(f, "{x:e}") } else { write!(f, "{x}") }
            }
        }
    }
}
