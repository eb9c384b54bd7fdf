//! Spec values: the tree that `check` reads, where each value comes from, and how one tree is laid over
//! another. Names that no `let` carries stay words, since only the field that holds one knows what kind
//! of name it wants.

pub use super::arithmetic::arithmetic;
use super::library::DefId;
use crate::base::{Number, Span, Unit};
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
    /// Where no source states the value: why it is this one. Whoever overrides it brings an origin of his own.
    pub assumed: Vec<Arc<str>>,
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
        Origin { layer, depth: 0, span, lets: vec![], assumed: vec![] }
    }

    /// Adds reasons that are not there yet.
    pub fn assume(&mut self, reasons: &[Arc<str>]) {
        for reason in reasons {
            if self.assumed.len() < MAX_ASSUMED && !self.assumed.contains(reason) {
                self.assumed.push(reason.clone());
            }
        }
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
    /// `a..b`, both ends included.
    Range(Box<Node>, Box<Node>),
    Record(Record),
    /// What was wrong, and is reported.
    Faulty,
}

/// Arguments as written: some by position, some by name.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Args {
    pub positional: Vec<Node>,
    pub named: IndexMap<String, (Span, Node)>,
    /// The model that is called.
    pub def: Option<DefId>,
}

/// Fields by name with the place of the name; entries without a name (claims) in order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Record {
    pub fields: IndexMap<String, (Span, Node)>,
    pub bare: Vec<Node>,
    /// The definition that it is, or extends.
    pub def: Option<DefId>,
}

/// Reasons that one value keeps.
const MAX_ASSUMED: usize = 8;
/// Overridden values that are remembered, the latest.
const MAX_REPLACED: usize = 32;

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
            Value::Range(..) => "a range".into(),
            Value::Record(_) => "a record".into(),
            Value::Faulty => "something faulty".into(),
        }
    }
}

/// Lays `over` on `under`: records field by field, calls argument by argument (an arm or `--set` may
/// reach into `adamw(...)`), everything else is replaced, and what was there is remembered.
pub fn overlay(under: &mut Node, over: Node) {
    let over_is_fields = matches!(&over.value, Value::Record(record) if record.def.is_none());
    // What is wrong below is reported; fields of it would only repeat that.
    if over_is_fields && under.value == Value::Faulty {
        return;
    }
    // A name alone is a call without arguments.
    if let (true, Value::Word(name)) = (over_is_fields, &under.value) {
        under.value = Value::Call { name: name.clone(), name_span: under.span, args: Args::default() };
    }
    match (&mut under.value, over.value) {
        (Value::Record(Record { fields: below, .. }), Value::Record(above)) if over_is_fields => {
            overlay_fields(below, above.fields);
        }
        // `train.optimizer: { lr: 1e-4 }` reaches into the call that is there.
        (Value::Call { args: Args { named: below, .. }, .. }, Value::Record(above)) if over_is_fields => {
            overlay_fields(below, above.fields);
        }
        (_, value) => {
            let mut replaced = std::mem::take(&mut under.replaced);
            replaced.push(Replaced { span: under.span, origin: under.origin.clone() });
            replaced.extend(over.replaced);
            let too_many = replaced.len().saturating_sub(MAX_REPLACED);
            replaced.drain(..too_many);
            *under = Node { value, span: over.span, origin: over.origin, replaced };
        }
    }
}

fn overlay_fields(below: &mut IndexMap<String, (Span, Node)>, above: IndexMap<String, (Span, Node)>) {
    for (name, (span, value)) in above {
        match below.get_mut(&name) {
            Some((_, existing)) => overlay(existing, value),
            None => {
                below.insert(name, (span, value));
            }
        }
    }
}

impl Node {
    /// This node and all below it.
    pub fn for_each(&mut self, f: &mut dyn FnMut(&mut Node)) {
        f(self);
        match &mut self.value {
            Value::Record(record) => {
                record.fields.values_mut().for_each(|(_, n)| n.for_each(f));
                record.bare.iter_mut().for_each(|n| n.for_each(f));
            }
            Value::Call { args, .. } => {
                args.positional.iter_mut().for_each(|n| n.for_each(f));
                args.named.values_mut().for_each(|(_, n)| n.for_each(f));
            }
            Value::Tuple(items) | Value::List(items) => items.iter_mut().for_each(|n| n.for_each(f)),
            Value::Range(low, high) => {
                low.for_each(f);
                high.for_each(f);
            }
            Value::Number { .. } | Value::Str(_) | Value::Bool(_) | Value::None | Value::Word(_) | Value::Faulty => {}
        }
    }

    /// Marks this value and all that it holds as assumed.
    pub fn assume(&mut self, reasons: &[Arc<str>]) {
        if !reasons.is_empty() {
            self.for_each(&mut |inner| inner.origin.assume(reasons));
        }
    }

    /// The reasons of this value and of all that it holds.
    pub fn assumptions(&self) -> Vec<Arc<str>> {
        let mut all = self.origin.clone();
        for part in self.parts() {
            all.assume(&part.assumptions());
        }
        all.assumed
    }

    /// The nodes just below this one.
    pub fn parts(&self) -> Vec<&Node> {
        match &self.value {
            Value::Record(record) => record.fields.values().map(|(_, node)| node).chain(&record.bare).collect(),
            Value::Call { args, .. } => args.positional.iter().chain(args.named.values().map(|(_, n)| n)).collect(),
            Value::Tuple(items) | Value::List(items) => items.iter().collect(),
            Value::Range(low, high) => vec![low, high],
            Value::Number { .. } | Value::Str(_) | Value::Bool(_) | Value::None | Value::Word(_) | Value::Faulty => {
                vec![]
            }
        }
    }

    /// How many nodes this one is made of, itself included.
    pub fn size(&self) -> usize {
        1 + self.parts().into_iter().map(Node::size).sum::<usize>()
    }

    /// The node at a path below this one.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        let fields = match &self.value {
            Value::Record(record) => &record.fields,
            Value::Call { args, .. } => &args.named,
            _ => return None,
        };
        fields.get(*first)?.1.at(rest)
    }
}
