//! A claim, typed: what is measured, at which points of the sweep, and what is said of it. Names of `let`
//! are gone (each use holds the value), names of axes are indices, quantities are in their base unit.

pub use crate::check::spec::Metric;

/// What a number measures. Numbers of different quantities neither add up nor compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Nats per token (or byte, or character: the tokenizer's unit), for which the language has no word.
    Loss,
    /// A share of items, between 0 and 1; written bare or in `%`.
    Share,
    Epochs,
    Tokens,
    Steps,
    /// A ratio of two measured values.
    Ratio,
    /// A number without a unit: a loss beside a loss, a ratio beside a ratio.
    Bare,
}

impl Quantity {
    pub fn words(self) -> &'static str {
        match self {
            Quantity::Loss => "a loss in nats",
            Quantity::Share => "a share of items",
            Quantity::Epochs => "a number of epochs",
            Quantity::Tokens => "a number of tokens",
            Quantity::Steps => "a number of steps",
            Quantity::Ratio => "a ratio",
            Quantity::Bare => "a number without a unit",
        }
    }
}

/// How far training has come, in one of its three units: the member of a crossover or a best evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Epoch,
    Tokens,
    Step,
}

impl Progress {
    pub const ALL: [Progress; 3] = [Progress::Epoch, Progress::Tokens, Progress::Step];

    /// As a member is written.
    pub fn name(self) -> &'static str {
        match self {
            Progress::Epoch => "epoch",
            Progress::Tokens => "tokens",
            Progress::Step => "step",
        }
    }

    pub fn quantity(self) -> Quantity {
        match self {
            Progress::Epoch => Quantity::Epochs,
            Progress::Tokens => Quantity::Tokens,
            Progress::Step => Quantity::Steps,
        }
    }
}

/// A metric of one arm. With `each`, the arm is represented by its best point along those axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub metric: Metric,
    pub of: String,
    /// Indices of axes.
    pub each: Vec<usize>,
}

/// Design rule 11: from which evaluation on `of` stays under (or over) `than`.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossover {
    pub metric: Metric,
    pub of: String,
    pub than: String,
    pub under: bool,
    pub each: Vec<usize>,
}

/// The metric of `of` minus that of `to` at the last evaluation, paired.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    pub metric: Metric,
    pub of: String,
    pub to: String,
    pub each: Vec<usize>,
}

impl Crossover {
    /// What is read of one of its arms.
    pub fn measure(&self, arm: &str) -> Measure {
        Measure { metric: self.metric.clone(), of: arm.to_owned(), each: self.each.clone() }
    }
}

impl Gap {
    /// What is read of one of its arms.
    pub fn measure(&self, arm: &str) -> Measure {
        Measure { metric: self.metric.clone(), of: arm.to_owned(), each: self.each.clone() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
}

/// A number that the finished runs give, or that the spec writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    /// A figure of somebody else's, and whose. Its own uncertainty is not known.
    Published {
        value: f64,
        source: String,
    },
    /// At the best evaluation: chosen on one half of the documents or items, judged on the other.
    Best(Measure),
    /// How far training was at the best evaluation.
    BestAt(Measure, Progress),
    /// At the last evaluation.
    Final(Measure),
    /// From when on the metric stays worse than at its best; later than every evaluation where it does not.
    OnsetAt(Measure, Progress),
    Gap(Gap),
    /// Where the crossover is; later than every evaluation where there is none.
    CrossingAt(Crossover, Progress),
    Negative(Box<Value>),
    Binary {
        op: Arithmetic,
        left: Box<Value>,
        right: Box<Value>,
    },
}

/// What a value reads from the runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reads<'a> {
    Best(&'a Measure),
    BestAt(&'a Measure),
    Final(&'a Measure),
    Onset(&'a Measure),
    Gap(&'a Gap),
    Crossover(&'a Crossover),
}

impl Reads<'_> {
    /// The arms, the one that is asked about first.
    pub fn arms(&self) -> Vec<&str> {
        match self {
            Reads::Best(m) | Reads::BestAt(m) | Reads::Final(m) | Reads::Onset(m) => vec![&m.of],
            Reads::Gap(gap) => vec![&gap.of, &gap.to],
            Reads::Crossover(crossover) => vec![&crossover.of, &crossover.than],
        }
    }

    /// The axes along which each arm's best point is taken.
    pub fn each(&self) -> &[usize] {
        match self {
            Reads::Best(m) | Reads::BestAt(m) | Reads::Final(m) | Reads::Onset(m) => &m.each,
            Reads::Gap(gap) => &gap.each,
            Reads::Crossover(crossover) => &crossover.each,
        }
    }

    pub fn metric(&self) -> &Metric {
        match self {
            Reads::Best(m) | Reads::BestAt(m) | Reads::Final(m) | Reads::Onset(m) => &m.metric,
            Reads::Gap(gap) => &gap.metric,
            Reads::Crossover(crossover) => &crossover.metric,
        }
    }

    /// Whether one half of the documents or items chooses something, so that only the other half may judge.
    pub fn chooses(&self) -> bool {
        matches!(self, Reads::Best(_) | Reads::Onset(_)) || !self.each().is_empty()
    }
}

impl Value {
    pub fn reads(&self) -> Vec<Reads<'_>> {
        match self {
            Value::Number(_) | Value::Published { .. } => vec![],
            Value::Best(measure) => vec![Reads::Best(measure)],
            Value::BestAt(measure, _) => vec![Reads::BestAt(measure)],
            Value::Final(measure) => vec![Reads::Final(measure)],
            Value::OnsetAt(measure, _) => vec![Reads::Onset(measure)],
            Value::Gap(gap) => vec![Reads::Gap(gap)],
            Value::CrossingAt(crossover, _) => vec![Reads::Crossover(crossover)],
            Value::Negative(value) => value.reads(),
            Value::Binary { left, right, .. } => [left.reads(), right.reads()].concat(),
        }
    }

    pub fn is_constant(&self) -> bool {
        self.reads().is_empty()
    }

    /// Whose figures it takes over.
    pub fn sources(&self) -> Vec<&str> {
        match self {
            Value::Published { source, .. } => vec![source],
            Value::Negative(value) => value.sources(),
            Value::Binary { left, right, .. } => [left.sources(), right.sources()].concat(),
            Value::Number(_)
            | Value::Best(_)
            | Value::BestAt(..)
            | Value::Final(_)
            | Value::OnsetAt(..)
            | Value::Gap(_)
            | Value::CrossingAt(..) => vec![],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Different,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// In the quantity of the two sides.
    Absolute(f64),
    /// As a share of the right side.
    Relative(f64),
}

/// What a claim says.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    Crossover(Crossover),
    /// It overfits: its onset is seen.
    Onset(Measure),
    /// It crosses, and does so before then.
    CrossoverBefore {
        crossover: Crossover,
        limit: f64,
        unit: Progress,
    },
    /// Each value along the axis is above (or below) the one before it.
    Monotone {
        value: Value,
        quantity: Quantity,
        /// Index of an axis.
        along: usize,
        increasing: bool,
    },
    Compare {
        left: Value,
        relation: Relation,
        right: Value,
        quantity: Quantity,
    },
    /// `left == right within tolerance`
    Equal {
        left: Value,
        right: Value,
        tolerance: Tolerance,
        quantity: Quantity,
    },
}

impl Statement {
    pub fn reads(&self) -> Vec<Reads<'_>> {
        match self {
            Statement::Crossover(crossover) | Statement::CrossoverBefore { crossover, .. } => {
                vec![Reads::Crossover(crossover)]
            }
            Statement::Onset(measure) => vec![Reads::Onset(measure)],
            Statement::Monotone { value, .. } => value.reads(),
            Statement::Compare { left, right, .. } | Statement::Equal { left, right, .. } => {
                [left.reads(), right.reads()].concat()
            }
        }
    }

    /// The axis that it runs along, if it does.
    pub fn along(&self) -> Option<usize> {
        match self {
            Statement::Monotone { along, .. } => Some(*along),
            Statement::Crossover(_)
            | Statement::CrossoverBefore { .. }
            | Statement::Onset(_)
            | Statement::Compare { .. }
            | Statement::Equal { .. } => None,
        }
    }
}

/// One claim of an `expect`.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// As written, on one line.
    pub text: String,
    /// The `let`s that it uses, with what they stand for, in the order of the file.
    pub lets: Vec<(String, String)>,
    /// `no`: held and failed change places at each point.
    pub negated: bool,
    pub statement: Statement,
    /// Indices of the points that it is about, ascending; never empty.
    pub points: Vec<usize>,
}

impl Claim {
    /// Whether one half of the validation documents only chooses.
    pub fn chooses(&self) -> bool {
        self.statement.reads().iter().any(Reads::chooses)
    }
}
