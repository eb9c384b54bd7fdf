//! Sines and cosines of angles in half turns: the angle is folded to the first octant exactly, so that
//! cos(pi / 2) is 0 and not 6e-17, and the last t of a schedule masks everything.

use std::f64::consts::PI;

/// cos(pi v)
pub fn cos_pi(v: f64) -> f64 {
    let v = (v % 2.0).abs();
    let v = if v > 1.0 { 2.0 - v } else { v };
    if v > 0.5 { -first_quarter(1.0 - v) } else { first_quarter(v) }
}

/// sin(pi v)
pub fn sin_pi(v: f64) -> f64 {
    let v = v % 2.0;
    if v < 0.0 {
        return -sin_pi(-v);
    }
    let (v, sign) = if v > 1.0 { (v - 1.0, -1.0) } else { (v, 1.0) };
    let v = if v > 0.5 { 1.0 - v } else { v };
    sign * if v > 0.25 { libm::cos((0.5 - v) * PI) } else { libm::sin(v * PI) }
}

/// tan(pi v); infinite at the poles.
pub fn tan_pi(v: f64) -> f64 {
    sin_pi(v) / cos_pi(v)
}

/// cos(pi v) for v in [0, 1/2]
fn first_quarter(v: f64) -> f64 {
    if v > 0.25 { libm::sin((0.5 - v) * PI) } else { libm::cos(v * PI) }
}
