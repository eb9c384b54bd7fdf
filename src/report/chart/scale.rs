//! Axes: which range, which ticks, how their numbers are written.

/// Of a linear axis, relative to the range: so that no line runs along the frame.
const PADDING: f64 = 0.05;
/// Of a logarithmic axis, as a factor.
const LOG_PADDING: f64 = 1.15;

#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub label: String,
    pub range: (f64, f64),
    pub scale: Scale,
    pub numbers: Numbers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    Log,
}

/// How numbers along an axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    Plain,
    /// With K, M, B, T for powers of a thousand.
    Counted,
    /// As multiples of one power of ten, which stands in the label.
    Power,
    /// With an exponent each: `1e-3`.
    Small,
}

impl Axis {
    pub fn linear(label: &str, range: (f64, f64), numbers: Numbers) -> Axis {
        Axis { label: label.to_owned(), range, scale: Scale::Linear, numbers }
    }

    /// The label, with the power of ten that its numbers are multiples of.
    pub fn title(&self) -> String {
        match self.numbers {
            Numbers::Power if self.power() != 0 => format!("{}, 10{}", self.label, superscript(self.power())),
            Numbers::Plain | Numbers::Counted | Numbers::Power | Numbers::Small => self.label.clone(),
        }
    }

    /// Where in the range, from 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log => (value / low).ln() / (high / low).ln(),
        }
    }

    /// About `n` ticks with their numbers.
    pub fn ticks(&self, n: usize) -> Vec<(f64, String)> {
        if self.scale == Scale::Log {
            return log_ticks(self.range).into_iter().map(|x| (x, small(x))).collect();
        }
        let unit = if self.numbers == Numbers::Power { 10f64.powi(self.power()) } else { 1.0 };
        let (places, decimals) = ticks((self.range.0 / unit, self.range.1 / unit), n);
        let word = |x: f64| match self.numbers {
            Numbers::Counted => counted(x),
            Numbers::Small => scientific(x),
            Numbers::Plain | Numbers::Power => format!("{:.decimals$}", if x == 0.0 { 0.0 } else { x }),
        };
        places.into_iter().map(|x| (x * unit, word(x))).collect()
    }

    /// One value for the pointer and for tables, finer than the ticks.
    pub fn word(&self, value: f64) -> String {
        match self.numbers {
            Numbers::Counted => counted(value),
            Numbers::Power | Numbers::Small => format!("{value:.2e}"),
            Numbers::Plain => super::super::words::plain(value),
        }
    }

    fn power(&self) -> i32 {
        let largest = self.range.0.abs().max(self.range.1.abs());
        if largest > 0.0 && largest.is_finite() { largest.log10().floor() as i32 } else { 0 }
    }
}

/// `1.5M`: four digits at most.
pub fn counted(x: f64) -> String {
    let (unit, name) = match x.abs() {
        size if size >= 1e12 => (1e12, "T"),
        size if size >= 1e9 => (1e9, "B"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e3 => (1e3, "K"),
        _ => (1.0, ""),
    };
    format!("{}{name}", super::super::words::plain(x / unit))
}

fn superscript(n: i32) -> String {
    let digit = |c: char| match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        '4'..='9' => char::from_u32(0x2070 + c as u32 - '0' as u32).unwrap_or(c),
        _ => '\u{2070}',
    };
    n.to_string().chars().map(digit).collect()
}

/// `1.5e-3`, to three digits.
fn scientific(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let power = x.abs().log10().floor() as i32;
    format!("{}e{power}", super::super::words::plain(x / 10f64.powi(power)))
}

/// On a logarithmic axis: `0.05`, `20`, `1e-5`.
fn small(x: f64) -> String {
    if (1e-3..1e5).contains(&x.abs()) { format!("{}", (x * 1e6).round() / 1e6) } else { format!("{x:.0e}") }
}

/// Round numbers inside a range, about `n` of them, and the decimals they need.
pub fn ticks((low, high): (f64, f64), n: usize) -> (Vec<f64>, usize) {
    let rough = (high - low) / n as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return (vec![low], 2);
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough * 0.999).unwrap_or(power);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let decimals = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    ((first..=last).map(|i| i as f64 * step).collect(), decimals)
}

/// 1, 2 and 5 times the powers of ten inside a range; powers alone where that is enough.
fn log_ticks((low, high): (f64, f64)) -> Vec<f64> {
    if !(low > 0.0 && high > low && high.is_finite()) {
        return vec![];
    }
    let decades = (high / low).log10();
    let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    (low.log10().floor() as i32..=high.log10().ceil() as i32)
        .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
        .filter(|tick| *tick >= low * 0.999 && *tick <= high * 1.001)
        .collect()
}

/// The smallest range that holds what was shown to it; what is not finite is not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range(Option<(f64, f64)>);

impl Range {
    pub fn include(&mut self, y: f64) {
        if y.is_finite() {
            let (low, high) = self.0.unwrap_or((y, y));
            self.0 = Some((low.min(y), high.max(y)));
        }
    }

    /// With some room on both sides.
    pub fn padded(self, scale: Scale) -> Option<(f64, f64)> {
        let (low, high) = self.0?;
        Some(match scale {
            Scale::Log => (low / LOG_PADDING, high * LOG_PADDING),
            Scale::Linear => {
                let room = match high {
                    _ if high > low => PADDING * (high - low),
                    0.0 => 0.5,
                    _ => 0.5 * high.abs().min(1.0),
                };
                // What is never negative has no axis below zero.
                (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room)
            }
        })
    }
}
