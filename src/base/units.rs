//! The closed set of units. A table in `resolve::schema` says which field takes which.

use super::number::Number;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    Tokens,
    Seqs,
    Steps,
    Epochs,
    Docs,
    Bytes,
    KiB,
    MiB,
    GiB,
    KB,
    MB,
    GB,
    Flops,
    Seconds,
    Minutes,
    Hours,
    /// `%`, which touches its number.
    Percent,
}

/// What a unit measures; values of one dimension convert into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    Tokens,
    Seqs,
    Steps,
    Epochs,
    Docs,
    Bytes,
    Flops,
    Time,
    Fraction,
}

impl Unit {
    /// Every unit, with each way to write it; the first is the canonical one.
    pub const ALL: &'static [(Unit, &'static [&'static str])] = &[
        (Unit::Tokens, &["tokens", "token"]),
        (Unit::Seqs, &["seqs", "seq"]),
        (Unit::Steps, &["steps", "step"]),
        (Unit::Epochs, &["epochs", "epoch"]),
        (Unit::Docs, &["docs", "doc"]),
        (Unit::Bytes, &["bytes", "byte"]),
        (Unit::KiB, &["KiB"]),
        (Unit::MiB, &["MiB"]),
        (Unit::GiB, &["GiB"]),
        (Unit::KB, &["KB"]),
        (Unit::MB, &["MB"]),
        (Unit::GB, &["GB"]),
        (Unit::Flops, &["FLOPs"]),
        (Unit::Seconds, &["s"]),
        (Unit::Minutes, &["min"]),
        (Unit::Hours, &["h"]),
        (Unit::Percent, &["%"]),
    ];

    pub fn parse(word: &str) -> Option<Unit> {
        Unit::ALL.iter().find(|(_, words)| words.contains(&word)).map(|(unit, _)| *unit)
    }

    pub fn word(self) -> &'static str {
        Unit::ALL.iter().find(|(unit, _)| *unit == self).and_then(|(_, words)| words.first()).copied().unwrap_or("")
    }

    pub fn dimension(self) -> Dimension {
        match self {
            Unit::Tokens => Dimension::Tokens,
            Unit::Seqs => Dimension::Seqs,
            Unit::Steps => Dimension::Steps,
            Unit::Epochs => Dimension::Epochs,
            Unit::Docs => Dimension::Docs,
            Unit::Bytes | Unit::KiB | Unit::MiB | Unit::GiB | Unit::KB | Unit::MB | Unit::GB => Dimension::Bytes,
            Unit::Flops => Dimension::Flops,
            Unit::Seconds | Unit::Minutes | Unit::Hours => Dimension::Time,
            Unit::Percent => Dimension::Fraction,
        }
    }

    /// How many of the dimension's base unit one of these is; `%` is a hundredth.
    pub fn factor(self) -> Number {
        match self {
            Unit::KiB => Number::int(1 << 10),
            Unit::MiB => Number::int(1 << 20),
            Unit::GiB => Number::int(1 << 30),
            Unit::KB => Number::int(1_000),
            Unit::MB => Number::int(1_000_000),
            Unit::GB => Number::int(1_000_000_000),
            Unit::Minutes => Number::int(60),
            Unit::Hours => Number::int(3600),
            Unit::Percent => Number::ratio(1, 100),
            Unit::Tokens
            | Unit::Seqs
            | Unit::Steps
            | Unit::Epochs
            | Unit::Docs
            | Unit::Bytes
            | Unit::Flops
            | Unit::Seconds => Number::int(1),
        }
    }
}
