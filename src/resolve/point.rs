//! Axes of a sweep and the points they span, as data: what a point is called and how it is chosen.
//! Which axes an experiment has is `sweep`'s to find out.

use super::names::short_list;
use crate::base::suggest::suggest;
use crate::base::{Number, Span, Unit};
use std::fmt;

/// Why an axis is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisKind {
    /// `path: [a, b]`, `path: log(a..b, n)`: one path takes several values.
    Values,
    /// `name: zip { path: [a, b], other: [c, d] }`: several paths move together.
    Zip,
    /// `name: cases { small: { path: a } }`: named points that set several paths.
    Cases,
    /// `replicates: n`: the same again under other seeds.
    Replicate,
}

/// One direction in which the points of an experiment differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The path that it sets (`data.unique`), or the axis's own name (`size`, `replicate`).
    pub path: String,
    /// The shortest end of the path that no other axis shares: `unique`.
    pub label: String,
    pub values: Vec<AxisValue>,
    pub kind: AxisKind,
    /// Where the axis is written.
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AxisValue {
    /// As written, without the unit: `0.5B`.
    pub text: String,
    /// Where it is a number: in the base unit of its dimension.
    pub number: Option<Number>,
    pub unit: Option<Unit>,
    pub span: Span,
}

/// One combination of values, one for each axis. Without axes there is one point, with no coordinates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// One for each axis, in the order of the axes.
    pub coordinates: Vec<Coordinate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinate {
    /// [`Axis::label`]
    pub label: String,
    /// [`AxisValue::text`]
    pub text: String,
    /// Which value of the axis.
    pub index: usize,
}

impl Point {
    /// `unique=0.5B,lr=1e-3`; empty without axes.
    pub fn name(&self) -> String {
        self.to_string()
    }

    pub fn is_only(&self) -> bool {
        self.coordinates.is_empty()
    }

    /// The text of the value on an axis.
    pub fn value(&self, label: &str) -> Option<&str> {
        self.coordinates.iter().find(|c| c.label == label).map(|c| c.text.as_str())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Coordinate { label, text, .. }) in self.coordinates.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{label}={text}")?;
        }
        Ok(())
    }
}

/// Why a `--point` selects nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchPoint {
    pub message: String,
    pub help: String,
}

/// The points (by index) that `unique=1B,lr=1e-3` means: any subset of the axes, all matches. An axis goes
/// by its label, its path, or any end of the path that is its alone; a number by any way to write it.
pub fn select(axes: &[Axis], points: &[Point], text: &str) -> Result<Vec<usize>, NoSuchPoint> {
    let refuse = |message: String, help: String| Err(NoSuchPoint { message, help });
    if axes.is_empty() {
        return refuse("the experiment has no sweep, so there is one point".into(), "leave `--point` out".into());
    }
    let mut wanted: Vec<(usize, usize)> = vec![];
    for pair in split_outside(text, ',') {
        let labels = || axes.iter().map(|axis| axis.label.as_str());
        let Some((name, value)) = pair.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            let example = points.first().map_or(String::new(), Point::name);
            return refuse(format!("`{pair}` is no part of a point"), format!("for example `--point {example}`"));
        };
        let meant: Vec<usize> = (0..axes.len()).filter(|i| axes.get(*i).is_some_and(|a| a.goes_by(name))).collect();
        let exact = axes.iter().position(|axis| axis.label == name || axis.path == name);
        let found = exact.or(if let [only] = meant.as_slice() { Some(*only) } else { None });
        let Some((i, axis)) = found.and_then(|i| Some((i, axes.get(i)?))) else {
            let message = if meant.is_empty() {
                format!("there is no axis `{name}`")
            } else {
                format!("`{name}` could be several axes")
            };
            return refuse(
                message,
                match suggest(name, labels()) {
                    Some(closest) if meant.is_empty() => format!("did you mean `{closest}`?"),
                    _ => format!("the axes are {}", labels().collect::<Vec<_>>().join(", ")),
                },
            );
        };
        let texts = || axis.values.iter().map(|v| v.text.as_str());
        let Some(j) = axis.position(value) else {
            let message = format!("the axis `{}` has no value `{value}`", axis.label);
            return refuse(
                message,
                match suggest(value, texts()) {
                    Some(closest) => format!("did you mean `{closest}`?"),
                    None => format!("its values are {}", short_list(texts())),
                },
            );
        };
        wanted.push((i, j));
    }
    let fits = |point: &Point| {
        wanted.iter().all(|(axis, value)| point.coordinates.get(*axis).is_some_and(|c| c.index == *value))
    };
    let found: Vec<usize> = points.iter().enumerate().filter(|(_, p)| fits(p)).map(|(i, _)| i).collect();
    if found.is_empty() {
        return refuse(
            format!("no point is `{text}`"),
            "the sweep's `where` or `keep` leaves it out; `dlmc plan` lists the points".into(),
        );
    }
    Ok(found)
}

impl Axis {
    /// Whether a name is the axis's, or an end of its path.
    pub fn goes_by(&self, name: &str) -> bool {
        self.path == name || self.label == name || self.path.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    }

    /// Which value is written so; a number in any way to write it.
    pub fn position(&self, text: &str) -> Option<usize> {
        self.values.iter().position(|v| v.text == text).or_else(|| {
            let written = plain_number(text.split_whitespace().next().unwrap_or(text))?;
            self.values.iter().position(|v| match v.number {
                Some(number) => plain_number(&v.text).map_or(number == written, |own| own == written),
                None => false,
            })
        })
    }
}

/// `0.5B`, `1e-3`, `10_000`, `2%` as a number.
pub(super) fn plain_number(text: &str) -> Option<Number> {
    let (text, percent) = text.strip_suffix('%').map_or((text, false), |rest| (rest, true));
    let power = |c| [('K', 3), ('M', 6), ('B', 9), ('T', 12)].iter().find(|(s, _)| *s == c).map(|(_, p)| *p);
    let suffix = text.chars().last().and_then(power);
    let digits = if suffix.is_some() { text.get(..text.len() - 1)? } else { text };
    let mut number = decimal(&digits.replace('_', ""))?;
    if let Some(power) = suffix {
        number = number.mul(Number::int(10).pow(Number::int(power)));
    }
    Some(if percent { number.div(Number::int(100)) } else { number })
}

/// A decimal text as an exact number, as far as that goes.
pub(super) fn decimal(text: &str) -> Option<Number> {
    let real: f64 = text.parse().ok().filter(|x: &f64| x.is_finite())?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exact = || {
        let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
        let exponent: i64 = exponent.parse::<i64>().ok()? - i64::try_from(fraction.len()).ok()?;
        (-18..=18).contains(&exponent).then(|| Number::int(digits).mul(Number::int(10).pow(Number::int(exponent))))
    };
    Some(exact().unwrap_or(Number::Real(real)))
}

/// The pieces between separators that stand outside brackets and quotes: `betas=(0.9, 0.95),lr=1`.
fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut pieces, mut depth, mut quoted, mut start) = (vec![], 0i32, false, 0);
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            c if c == separator && depth <= 0 && !quoted => {
                pieces.push(text.get(start..i).unwrap_or("").trim());
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or("").trim());
    pieces
}

/// The shortest end of each path that no other path shares.
pub(super) fn labels(paths: &[String]) -> Vec<String> {
    let ends = |path: &str, end: &str| path == end || path.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
    let shortest = |(i, path): (usize, &String)| {
        let starts = path.char_indices().rev().filter(|(_, c)| *c == '.').map(|(at, _)| at + 1).chain([0]);
        let mut suffixes = starts.filter_map(|at| path.get(at..));
        let alone = |end: &&str| !paths.iter().enumerate().any(|(j, other)| j != i && ends(other, end));
        suffixes.find(alone).unwrap_or(path).to_string()
    };
    paths.iter().enumerate().map(shortest).collect()
}
