//! Spec values: the tree that `check` reads. Constant arithmetic is done here; names stay words,
//! since only the field that holds one knows what kind of name it wants.

use crate::ast::{self, BinaryOp, Expr, ExprKind, UnaryOp};
use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics, Number, Span, Unit};
use indexmap::IndexMap;
use std::sync::Arc;

/// Who set a value, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub layer: Layer,
    /// How often what the layer says was extended: the fields of `base { ... }` are one above those of `base`.
    pub depth: u16,
    pub span: Span,
    /// The `let`s that the value was made of.
    pub lets: Vec<LetUse>,
}

/// Weakest first; a default has no origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Written in a definition or a `let`; with a depth, in an extension of one.
    Definition,
    Experiment,
    /// Written in the arm of this name.
    Arm(Arc<str>),
    /// A value of the axis of this label.
    Sweep(Arc<str>),
    /// `--set PATH=VALUE`
    Set(Arc<str>),
}

/// A `let` that a value was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetUse {
    pub name: String,
    /// Its name where it is defined.
    pub span: Span,
}

impl Origin {
    pub fn new(layer: Layer, span: Span) -> Origin {
        Origin { layer, depth: 0, span, lets: vec![] }
    }

    /// How strong: where several layers decide one thing, the strongest win.
    pub fn rank(&self) -> u32 {
        let layer = match self.layer {
            Layer::Definition => 0,
            Layer::Experiment => 1,
            Layer::Arm(_) => 2,
            Layer::Sweep(_) => 3,
            Layer::Set(_) => 4,
        };
        (layer << 16) + u32::from(self.depth)
    }

    /// Whether it was given on the command line; its names then mean what the main file says.
    pub fn is_set(&self) -> bool {
        matches!(self.layer, Layer::Set(_))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub span: Span,
    pub origin: Origin,
    /// What stronger layers laid this over, the weakest first.
    pub replaced: Vec<Replaced>,
}

/// A value that another was laid over.
#[derive(Clone, Debug, PartialEq)]
pub struct Replaced {
    pub span: Span,
    pub origin: Origin,
}

impl Node {
    pub fn new(value: Value, span: Span, origin: Origin) -> Node {
        Node { value, span, origin, replaced: vec![] }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number {
        number: Number,
        unit: Option<Unit>,
    },
    Str(String),
    Bool(bool),
    None,
    /// A bare name: a choice of a field, or a definition.
    Word(String),
    Call {
        name: String,
        name_span: Span,
        args: Args,
    },
    Tuple(Vec<Node>),
    List(Vec<Node>),
    Record(Record),
}

/// Arguments as written: some by position, some by name.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Args {
    pub positional: Vec<Node>,
    pub named: IndexMap<String, (Span, Node)>,
}

/// Fields by name with the place of the name; entries without a name (claims) in order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Record {
    pub fields: IndexMap<String, (Span, Node)>,
    pub bare: Vec<Node>,
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> String {
        match self {
            Value::Number { unit: None, .. } => "a number".into(),
            Value::Number { unit: Some(unit), .. } => format!("a number in {}", unit.word()),
            Value::Str(_) => "a text".into(),
            Value::Bool(_) => "true or false".into(),
            Value::None => "none".into(),
            Value::Word(word) => format!("the name `{word}`"),
            Value::Call { name, .. } => format!("`{name}(...)`"),
            Value::Tuple(_) => "a tuple".into(),
            Value::List(_) => "a list".into(),
            Value::Record(_) => "a record".into(),
        }
    }
}

/// Turns written fields into a record: dotted paths open up, double ones are reported.
pub fn record(fields: &[ast::Field], origin: &dyn Fn(Span) -> Origin, out: &mut Diagnostics) -> Record {
    let mut result = Record::default();
    for field in fields {
        let value = node(&field.value, origin, out);
        match field.path.as_slice() {
            [] => result.bare.push(value),
            path => insert(&mut result, path, value, origin, out),
        }
    }
    result
}

fn insert(into: &mut Record, path: &[ast::Ident], value: Node, origin: &dyn Fn(Span) -> Origin, out: &mut Diagnostics) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        match into.fields.get(&first.text) {
            Some((span, _)) => out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", first.text))
                    .at(first.span, "again here")
                    .also(*span, "first here")
                    .help("keep one of them"),
            ),
            None => {
                into.fields.insert(first.text.clone(), (first.span, value));
            }
        }
        return;
    }
    let empty = || {
        let node = Node::new(Value::Record(Record::default()), first.span, origin(first.span));
        (first.span, node)
    };
    let (span, inner) = into.fields.entry(first.text.clone()).or_insert_with(empty);
    match &mut inner.value {
        Value::Record(record) => insert(record, rest, value, origin, out),
        _ => {
            let diagnostic = Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", first.text))
                .at(first.span, "again here, as a record")
                .also(*span, "first here")
                .help("keep one of them");
            out.push(diagnostic);
        }
    }
}

/// One written value. Errors leave `none` behind and go to `out`.
pub fn node(expr: &Expr, origin: &dyn Fn(Span) -> Origin, out: &mut Diagnostics) -> Node {
    let nodes = |items: &[Expr], out: &mut Diagnostics| items.iter().map(|e| node(e, origin, out)).collect::<Vec<_>>();
    let value = match &expr.kind {
        ExprKind::Number(lit) => Value::Number { number: lit.value, unit: lit.unit.map(|(unit, _)| unit) },
        ExprKind::Str(text) => Value::Str(text.clone()),
        ExprKind::Bool(b) => Value::Bool(*b),
        ExprKind::None => Value::None,
        ExprKind::Name(name) => Value::Word(name.clone()),
        ExprKind::Call { callee, args, .. } => {
            let mut result = Args::default();
            for arg in args {
                let value = node(&arg.value, origin, out);
                match &arg.name {
                    None => result.positional.push(value),
                    Some(name) => {
                        if let Some((first, _)) = result.named.get(&name.text) {
                            out.push(
                                Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", name.text))
                                    .at(name.span, "again here")
                                    .also(*first, "first here")
                                    .help("keep one of them"),
                            );
                        }
                        result.named.insert(name.text.clone(), (name.span, value));
                    }
                }
            }
            Value::Call { name: callee.text.clone(), name_span: callee.span, args: result }
        }
        ExprKind::Tuple(items) => Value::Tuple(nodes(items, out)),
        ExprKind::List { items, unit } => {
            let mut items = nodes(items, out);
            if let Some((unit, _)) = unit {
                for item in &mut items {
                    if let Value::Number { unit: own @ None, .. } = &mut item.value {
                        *own = Some(*unit);
                    }
                }
            }
            Value::List(items)
        }
        ExprKind::Record(fields) => Value::Record(record(fields, origin, out)),
        ExprKind::Claims(_) => Value::Record(Record::default()),
        ExprKind::If { .. } | ExprKind::Range { .. } | ExprKind::Extend { .. } => Value::None,
        ExprKind::Unary { op: UnaryOp::Not, .. } => Value::None,
        ExprKind::Unary { op: UnaryOp::Neg, operand } => match node(operand, origin, out).value {
            Value::Number { number, unit } => Value::Number { number: number.neg(), unit },
            other => not_a_number(&other, operand.span, out),
        },
        ExprKind::Binary { op, left, right, .. } => {
            let (a, b) = (node(left, origin, out).value, node(right, origin, out).value);
            match (a, b) {
                (Value::Number { number: a, unit: ua }, Value::Number { number: b, unit: ub }) => {
                    let result = arithmetic(*op, a, b);
                    match units(*op, ua, ub) {
                        Some(unit) if result.is_finite() => Value::Number { number: result, unit },
                        Some(_) => {
                            let message = format!("{a} {} {b} has no value", op.symbol());
                            out.push(
                                Diagnostic::error(code::BAD_ARITHMETIC, message)
                                    .at(expr.span, "infinite, or not a number")
                                    .help("divide by something else than 0, and stay below 10^308"),
                            );
                            Value::None
                        }
                        None => {
                            let words = [ua, ub].map(|u| u.map_or("no unit", Unit::word));
                            let message = format!("`{}` between {} and {}", op.symbol(), words[0], words[1]);
                            out.push(
                                Diagnostic::error(code::WRONG_UNIT, message)
                                    .at(expr.span, "these do not combine")
                                    .help("+ and - take one unit on both sides; * and / take one with a unit and one without"),
                            );
                            Value::None
                        }
                    }
                }
                (Value::Number { .. }, other) => not_a_number(&other, right.span, out),
                (other, _) => not_a_number(&other, left.span, out),
            }
        }
    };
    Node::new(value, expr.span, origin(expr.span))
}

fn not_a_number(value: &Value, span: Span, out: &mut Diagnostics) -> Value {
    if *value != Value::None {
        out.push(
            Diagnostic::error(code::BAD_ARITHMETIC, format!("{} in arithmetic", value.kind()))
                .at(span, "a number is wanted here"),
        );
    }
    Value::None
}

pub fn arithmetic(op: BinaryOp, a: Number, b: Number) -> Number {
    match op {
        BinaryOp::Add => a.add(b),
        BinaryOp::Sub => a.sub(b),
        BinaryOp::Mul => a.mul(b),
        BinaryOp::Div => a.div(b),
        BinaryOp::Pow => a.pow(b),
        _ => a,
    }
}

/// The unit of a result: `None` where the two do not combine.
fn units(op: BinaryOp, a: Option<Unit>, b: Option<Unit>) -> Option<Option<Unit>> {
    match (op, a, b) {
        (_, None, None) => Some(None),
        (BinaryOp::Add | BinaryOp::Sub, Some(x), Some(y)) if x == y => Some(Some(x)),
        (BinaryOp::Mul, Some(x), None) | (BinaryOp::Mul, None, Some(x)) | (BinaryOp::Div, Some(x), None) => {
            Some(Some(x))
        }
        (BinaryOp::Div, Some(x), Some(y)) if x == y => Some(None),
        _ => None,
    }
}

/// Lays `over` on `under`: records field by field, calls argument by argument (an arm or `--set` may
/// reach into `adamw(...)`), everything else is replaced, and what was there is remembered.
pub fn overlay(under: &mut Node, over: Node) {
    match (&mut under.value, over.value) {
        (Value::Record(Record { fields: below, .. }), Value::Record(above))
        // `train.optimizer: { lr: 1e-4 }` reaches into the call that is there.
        | (Value::Call { args: Args { named: below, .. }, .. }, Value::Record(above)) => {
            for (name, (span, value)) in above.fields {
                match below.get_mut(&name) {
                    Some((_, existing)) => overlay(existing, value),
                    None => {
                        below.insert(name, (span, value));
                    }
                }
            }
        }
        (_, value) => {
            let mut replaced = std::mem::take(&mut under.replaced);
            replaced.push(Replaced { span: under.span, origin: under.origin.clone() });
            replaced.extend(over.replaced);
            *under = Node { value, span: over.span, origin: over.origin, replaced };
        }
    }
}
