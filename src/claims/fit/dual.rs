//! Numbers that carry their derivatives by the parameters of a law, so that its formula stands once and the fit
//! has exact gradients (forward-mode differentiation).

#![allow(clippy::suspicious_arithmetic_impl)] // the rules of products and quotients have sums in them

use std::ops::{Add, Div, Mul, Neg, Sub};

/// No law has more parameters.
pub const MAX_PARAMETERS: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    pub value: f64,
    pub by: [f64; MAX_PARAMETERS],
}

impl Dual {
    pub fn constant(value: f64) -> Dual {
        Dual { value, by: [0.0; MAX_PARAMETERS] }
    }

    /// The parameter of that index.
    pub fn parameter(value: f64, index: usize) -> Dual {
        let mut dual = Dual::constant(value);
        if let Some(by) = dual.by.get_mut(index) {
            *by = 1.0;
        }
        dual
    }

    fn chain(self, value: f64, slope: f64) -> Dual {
        Dual { value, by: self.by.map(|d| slope * d) }
    }

    pub fn exp(self) -> Dual {
        let value = self.value.exp();
        self.chain(value, value)
    }

    pub fn ln(self) -> Dual {
        self.chain(self.value.ln(), 1.0 / self.value)
    }

    /// `1 - exp(-self)`, also where that is tiny.
    pub fn saturation(self) -> Dual {
        self.chain(-(-self.value).exp_m1(), (-self.value).exp())
    }

    /// The smaller one, with its derivatives.
    pub fn min(self, other: Dual) -> Dual {
        if other.value < self.value { other } else { self }
    }

    fn zip(self, other: Dual, value: f64, f: impl Fn(f64, f64) -> f64) -> Dual {
        let mut by = self.by;
        for (own, other) in by.iter_mut().zip(other.by) {
            *own = f(*own, other);
        }
        Dual { value, by }
    }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, other: Dual) -> Dual {
        self.zip(other, self.value + other.value, |a, b| a + b)
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, other: Dual) -> Dual {
        self.zip(other, self.value - other.value, |a, b| a - b)
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, other: Dual) -> Dual {
        let (x, y) = (self.value, other.value);
        self.zip(other, x * y, |a, b| a * y + x * b)
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, other: Dual) -> Dual {
        let (x, y) = (self.value, other.value);
        self.zip(other, x / y, |a, b| (a - x / y * b) / y)
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        self.chain(-self.value, -1.0)
    }
}
