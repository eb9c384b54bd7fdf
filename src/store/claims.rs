//! The claims of an experiment as they stand in `experiment.json`. Twins of `check`'s types, so that what a
//! folder of runs says does not change when those do; a change here is a new version of the record.

use crate::check::claims::types::{
    Arithmetic, Claim, Crossover, Gap, Measure, Metric, Progress, Quantity, Relation, Statement, Tolerance, Value,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lets: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no: bool,
    pub statement: StatementRecord,
    /// Indices of the record's points.
    pub points: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatementRecord {
    Crossover { crossover: CrossoverRecord },
    CrossoverBefore { crossover: CrossoverRecord, limit: f64, unit: ProgressRecord },
    Onset { measure: MeasureRecord },
    Monotone { value: ValueRecord, quantity: QuantityRecord, along: usize, increasing: bool },
    Compare { left: ValueRecord, relation: RelationRecord, right: ValueRecord, quantity: QuantityRecord },
    Equal { left: ValueRecord, right: ValueRecord, tolerance: ToleranceRecord, quantity: QuantityRecord },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ValueRecord {
    Number { value: f64 },
    Published { value: f64, source: String },
    Best { measure: MeasureRecord },
    BestAt { measure: MeasureRecord, unit: ProgressRecord },
    Final { measure: MeasureRecord },
    OnsetAt { measure: MeasureRecord, unit: ProgressRecord },
    Gap { gap: GapRecord },
    CrossingAt { crossover: CrossoverRecord, unit: ProgressRecord },
    Negative { value: Box<ValueRecord> },
    Binary { op: ArithmeticRecord, left: Box<ValueRecord>, right: Box<ValueRecord> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureRecord {
    pub metric: String,
    pub of: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossoverRecord {
    pub metric: String,
    pub of: String,
    pub than: String,
    pub under: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GapRecord {
    pub metric: String,
    pub of: String,
    pub to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToleranceRecord {
    Absolute(f64),
    Relative(f64),
}

/// A twin of an enum without fields, variant by variant.
macro_rules! twin {
    ($name:ident of $of:ident { $($variant:ident),* $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),* }

        impl From<$of> for $name {
            fn from(from: $of) -> $name {
                match from { $($of::$variant => $name::$variant),* }
            }
        }

        impl From<$name> for $of {
            fn from(from: $name) -> $of {
                match from { $($name::$variant => $of::$variant),* }
            }
        }
    };
}

twin!(ProgressRecord of Progress { Epoch, Tokens, Step });
twin!(QuantityRecord of Quantity { Loss, Share, Epochs, Tokens, Steps, Ratio, Bare });
twin!(RelationRecord of Relation { Less, LessOrEqual, Greater, GreaterOrEqual, Different });
twin!(ArithmeticRecord of Arithmetic { Add, Sub, Mul, Div });

impl From<&Claim> for ClaimRecord {
    fn from(claim: &Claim) -> ClaimRecord {
        ClaimRecord {
            text: claim.text.clone(),
            lets: claim.lets.clone(),
            no: claim.negated,
            statement: (&claim.statement).into(),
            points: claim.points.clone(),
        }
    }
}

impl From<&ClaimRecord> for Claim {
    fn from(record: &ClaimRecord) -> Claim {
        Claim {
            text: record.text.clone(),
            lets: record.lets.clone(),
            negated: record.no,
            statement: (&record.statement).into(),
            points: record.points.clone(),
        }
    }
}

impl From<&Statement> for StatementRecord {
    fn from(statement: &Statement) -> StatementRecord {
        match statement {
            Statement::Crossover(crossover) => StatementRecord::Crossover { crossover: crossover.into() },
            Statement::Onset(measure) => StatementRecord::Onset { measure: measure.into() },
            Statement::CrossoverBefore { crossover, limit, unit } => {
                StatementRecord::CrossoverBefore { crossover: crossover.into(), limit: *limit, unit: (*unit).into() }
            }
            Statement::Monotone { value, quantity, along, increasing } => StatementRecord::Monotone {
                value: value.into(),
                quantity: (*quantity).into(),
                along: *along,
                increasing: *increasing,
            },
            Statement::Compare { left, relation, right, quantity } => StatementRecord::Compare {
                left: left.into(),
                relation: (*relation).into(),
                right: right.into(),
                quantity: (*quantity).into(),
            },
            Statement::Equal { left, right, tolerance, quantity } => StatementRecord::Equal {
                left: left.into(),
                right: right.into(),
                tolerance: match tolerance {
                    Tolerance::Absolute(x) => ToleranceRecord::Absolute(*x),
                    Tolerance::Relative(x) => ToleranceRecord::Relative(*x),
                },
                quantity: (*quantity).into(),
            },
        }
    }
}

impl From<&StatementRecord> for Statement {
    fn from(record: &StatementRecord) -> Statement {
        match record {
            StatementRecord::Crossover { crossover } => Statement::Crossover(crossover.into()),
            StatementRecord::Onset { measure } => Statement::Onset(measure.into()),
            StatementRecord::CrossoverBefore { crossover, limit, unit } => {
                Statement::CrossoverBefore { crossover: crossover.into(), limit: *limit, unit: (*unit).into() }
            }
            StatementRecord::Monotone { value, quantity, along, increasing } => Statement::Monotone {
                value: value.into(),
                quantity: (*quantity).into(),
                along: *along,
                increasing: *increasing,
            },
            StatementRecord::Compare { left, relation, right, quantity } => Statement::Compare {
                left: left.into(),
                relation: (*relation).into(),
                right: right.into(),
                quantity: (*quantity).into(),
            },
            StatementRecord::Equal { left, right, tolerance, quantity } => Statement::Equal {
                left: left.into(),
                right: right.into(),
                tolerance: match tolerance {
                    ToleranceRecord::Absolute(x) => Tolerance::Absolute(*x),
                    ToleranceRecord::Relative(x) => Tolerance::Relative(*x),
                },
                quantity: (*quantity).into(),
            },
        }
    }
}

impl From<&Value> for ValueRecord {
    fn from(value: &Value) -> ValueRecord {
        match value {
            Value::Number(value) => ValueRecord::Number { value: *value },
            Value::Published { value, source } => ValueRecord::Published { value: *value, source: source.clone() },
            Value::Best(measure) => ValueRecord::Best { measure: measure.into() },
            Value::BestAt(measure, unit) => ValueRecord::BestAt { measure: measure.into(), unit: (*unit).into() },
            Value::Final(measure) => ValueRecord::Final { measure: measure.into() },
            Value::OnsetAt(measure, unit) => ValueRecord::OnsetAt { measure: measure.into(), unit: (*unit).into() },
            Value::Gap(gap) => ValueRecord::Gap { gap: gap.into() },
            Value::CrossingAt(crossover, unit) => {
                ValueRecord::CrossingAt { crossover: crossover.into(), unit: (*unit).into() }
            }
            Value::Negative(value) => ValueRecord::Negative { value: Box::new((&**value).into()) },
            Value::Binary { op, left, right } => ValueRecord::Binary {
                op: (*op).into(),
                left: Box::new((&**left).into()),
                right: Box::new((&**right).into()),
            },
        }
    }
}

impl From<&ValueRecord> for Value {
    fn from(record: &ValueRecord) -> Value {
        match record {
            ValueRecord::Number { value } => Value::Number(*value),
            ValueRecord::Published { value, source } => Value::Published { value: *value, source: source.clone() },
            ValueRecord::Best { measure } => Value::Best(measure.into()),
            ValueRecord::BestAt { measure, unit } => Value::BestAt(measure.into(), (*unit).into()),
            ValueRecord::Final { measure } => Value::Final(measure.into()),
            ValueRecord::OnsetAt { measure, unit } => Value::OnsetAt(measure.into(), (*unit).into()),
            ValueRecord::Gap { gap } => Value::Gap(gap.into()),
            ValueRecord::CrossingAt { crossover, unit } => Value::CrossingAt(crossover.into(), (*unit).into()),
            ValueRecord::Negative { value } => Value::Negative(Box::new((&**value).into())),
            ValueRecord::Binary { op, left, right } => {
                Value::Binary { op: (*op).into(), left: Box::new((&**left).into()), right: Box::new((&**right).into()) }
            }
        }
    }
}

/// Every record is written by us; an unknown metric is one that no run measures, and its claim stays undecided.
fn metric_of(text: &str) -> Metric {
    Metric::parse(text).unwrap_or_else(|| Metric::Loss(text.into()))
}

/// A twin of a struct with a metric, field by field.
macro_rules! twin_struct {
    ($name:ident of $of:ident { $($field:ident),* $(,)? }) => {
        impl From<&$of> for $name {
            fn from(from: &$of) -> $name {
                $name { metric: from.metric.to_string(), $($field: from.$field.clone()),* }
            }
        }

        impl From<&$name> for $of {
            fn from(from: &$name) -> $of {
                $of { metric: metric_of(&from.metric), $($field: from.$field.clone()),* }
            }
        }
    };
}

twin_struct!(MeasureRecord of Measure { of, each });
twin_struct!(CrossoverRecord of Crossover { of, than, under, each });
twin_struct!(GapRecord of Gap { of, to, each });
