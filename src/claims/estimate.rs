//! A number with its spread over resamples, and arithmetic of such numbers resample by resample, which
//! keeps what they share. A crossing that has not happened is no number but "later than the last
//! evaluation", so each value is a pair of bounds; as a rule they are equal.

use super::bootstrap::{Interval, N_RESAMPLES, interval_of_bounds};
use crate::check::claims::types::Arithmetic;

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub low: f64,
    pub high: f64,
}

impl Bounds {
    pub const ANYWHERE: Bounds = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY };

    pub fn exactly(x: f64) -> Bounds {
        Bounds { low: x, high: x }
    }

    /// The number, where it is one.
    pub fn number(self) -> Option<f64> {
        (self.low == self.high && self.low.is_finite()).then_some(self.low)
    }

    fn negative(self) -> Bounds {
        Bounds { low: -self.high, high: -self.low }
    }

    fn combined(self, op: Arithmetic, other: Bounds) -> Bounds {
        match op {
            Arithmetic::Add => Bounds { low: self.low + other.low, high: self.high + other.high },
            Arithmetic::Sub => self.combined(Arithmetic::Add, other.negative()),
            Arithmetic::Mul => self.hull(other, |a, b| if a == 0.0 || b == 0.0 { 0.0 } else { a * b }),
            // A divisor that may be 0 leaves everything open.
            Arithmetic::Div if other.low <= 0.0 && other.high >= 0.0 => Bounds::ANYWHERE,
            Arithmetic::Div => self.hull(other, |a, b| if b.is_infinite() { 0.0 } else { a / b }),
        }
    }

    /// The range of a function that is monotone in each argument.
    fn hull(self, other: Bounds, f: impl Fn(f64, f64) -> f64) -> Bounds {
        let ends = [(self.low, other.low), (self.low, other.high), (self.high, other.low), (self.high, other.high)];
        let ends = ends.map(|(a, b)| f(a, b));
        Bounds {
            low: ends.into_iter().fold(f64::INFINITY, f64::min),
            high: ends.into_iter().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// On the documents and seeds as they are.
    pub value: Bounds,
    /// One for each resample, in an order that all estimates share.
    pub resampled: Vec<Bounds>,
}

impl Estimate {
    pub fn constant(x: f64) -> Estimate {
        Estimate { value: Bounds::exactly(x), resampled: vec![Bounds::exactly(x); N_RESAMPLES] }
    }

    pub fn interval(&self) -> Interval {
        let (lows, highs) = self.resampled.iter().map(|b| (b.low, b.high)).unzip();
        interval_of_bounds(lows, highs)
    }

    pub fn negative(&self) -> Estimate {
        Estimate { value: self.value.negative(), resampled: self.resampled.iter().map(|b| b.negative()).collect() }
    }

    pub fn combined(&self, op: Arithmetic, other: &Estimate) -> Estimate {
        let pairs = self.resampled.iter().zip(&other.resampled);
        Estimate {
            value: self.value.combined(op, other.value),
            resampled: pairs.map(|(a, b)| a.combined(op, *b)).collect(),
        }
    }
}
