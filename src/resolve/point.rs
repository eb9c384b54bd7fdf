//! Axes of a sweep and the points they span, as data: what a point is called and how it is chosen.
//! Which axes an experiment has is `sweep`'s to find out.

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
