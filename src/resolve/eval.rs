//! Written expressions to values: arithmetic, `let`s, conditions, extension. What a name means that is
//! no `let` is left to the field that holds it; what a call makes is left to `check`.
//!
//! Definitions and `let`s are made of each other in any order. `definitions` puts them in order first, so
//! that opening one never waits for another; here each is opened once and remembered.

use super::builtins::{ASSUMED, FUNCTIONS};
use super::library::{DefId, Kind, Library, Lookup};
use super::value::{Args, Layer, LetUse, Node, Origin, Record, Value, overlay};
use crate::ast::{self, Expr, ExprKind, UnaryOp};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Diagnostics, FileId, Span, Unit};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Nodes of all values of a spec: a `let` that is used twice in the next, and so on, would double each time.
const MAX_NODES: usize = 200_000;
/// `let`s that an origin lists.
const MAX_LETS: usize = 8;
/// Kinds of definitions that a value may name.
pub const NAMED: &[Kind] = &[Kind::Schedule, Kind::Objective, Kind::Data, Kind::Train, Kind::Block, Kind::Model];

/// A definition or `let`, opened: its value and all that it names.
#[derive(Clone, Debug)]
pub struct Opened {
    pub node: Node,
    pub reached: BTreeSet<DefId>,
}

pub struct Eval<'a> {
    pub library: &'a Library,
    pub out: &'a mut Diagnostics,
    /// What has been named so far.
    pub reached: BTreeSet<DefId>,
    pub(super) layer: Layer,
    pub(super) depth: u16,
    pub(super) opened: Arc<BTreeMap<DefId, Opened>>,
    n_nodes: usize,
    /// Names with a value of their own while a condition is asked.
    known: BTreeMap<String, Node>,
}

impl<'a> Eval<'a> {
    pub fn new(library: &'a Library, out: &'a mut Diagnostics) -> Eval<'a> {
        Eval {
            library,
            out,
            reached: BTreeSet::new(),
            layer: Layer::Definition,
            depth: 0,
            opened: Arc::default(),
            n_nodes: 0,
            known: BTreeMap::new(),
        }
    }

    /// One that goes on where all definitions are opened already.
    pub fn after(library: &'a Library, opened: Arc<BTreeMap<DefId, Opened>>, out: &'a mut Diagnostics) -> Eval<'a> {
        Eval { opened, layer: Layer::Experiment, ..Eval::new(library, out) }
    }

    /// Evaluates where some names have values besides the `let`s. What it makes is not kept, so it is not counted.
    pub fn asking<T>(&mut self, known: BTreeMap<String, Node>, f: impl FnOnce(&mut Self) -> T) -> T {
        let outer = (std::mem::replace(&mut self.known, known), self.n_nodes);
        let result = f(self);
        (self.known, self.n_nodes) = outer;
        result
    }

    /// Evaluates as part of a layer.
    pub fn within<T>(&mut self, layer: Layer, depth: u16, f: impl FnOnce(&mut Self) -> T) -> T {
        let outer = (std::mem::replace(&mut self.layer, layer), std::mem::replace(&mut self.depth, depth));
        let result = f(self);
        (self.layer, self.depth) = outer;
        result
    }

    pub fn origin(&self, span: Span) -> Origin {
        Origin { depth: self.depth, ..Origin::new(self.layer.clone(), span) }
    }

    /// Where names of this place are looked up: those of the command line mean what the main file says.
    pub fn scope(&self, span: Span) -> FileId {
        match self.layer {
            Layer::Set(_) => self.library.main.unwrap_or(span.file),
            _ => span.file,
        }
    }

    /// Where the name that a node is means something: a `let` brings its file with it.
    pub fn scope_of(&self, node: &Node) -> FileId {
        if node.origin.is_set() && node.origin.lets.is_empty() {
            self.library.main.unwrap_or(node.span.file)
        } else {
            node.span.file
        }
    }

    /// Makes room for so many nodes, or reports once that there are too many.
    fn charge(&mut self, n: usize, span: Span) -> bool {
        let before = self.n_nodes;
        self.n_nodes = self.n_nodes.saturating_add(n);
        if self.n_nodes > MAX_NODES && before <= MAX_NODES {
            self.out.push(
                Diagnostic::error(code::TOO_MANY, "the values of this spec are too large")
                    .at(span, format!("with this, they have more than {} parts", grouped(MAX_NODES as u64)))
                    .help("a `let` that holds another one twice is twice as large"),
            );
        }
        self.n_nodes <= MAX_NODES
    }

    fn is_spent(&self) -> bool {
        self.n_nodes > MAX_NODES
    }

    pub(super) fn node_of(&mut self, value: Value, span: Span) -> Node {
        Node::new(value, span, self.origin(span))
    }

    /// Turns written fields into a record: dotted paths open up, double ones are reported.
    pub fn record(&mut self, fields: &[ast::Field]) -> Record {
        let mut result = Record::default();
        for field in fields {
            let expected = match field.path.as_slice() {
                [only] => expected_kind(&only.text),
                _ => None,
            };
            let value = self.expr(&field.value, expected);
            match field.path.as_slice() {
                [] => result.bare.push(value),
                path => self.insert(&mut result, path, value),
            }
        }
        result
    }

    /// Puts a value into a record at a path.
    pub fn insert(&mut self, into: &mut Record, path: &[ast::Ident], value: Node) {
        let Some((first, rest)) = path.split_first() else { return };
        let twice = |again: &str, at: Span| {
            Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", first.text))
                .at(first.span, again)
                .also(at, "first here")
                .help("keep one of them")
        };
        if rest.is_empty() {
            match into.fields.get(&first.text) {
                Some((span, _)) => self.out.push(twice("again here", *span)),
                None => {
                    into.fields.insert(first.text.clone(), (first.span, value));
                }
            }
            return;
        }
        let empty = self.node_of(Value::Record(Record::default()), first.span);
        let (span, inner) = into.fields.entry(first.text.clone()).or_insert((first.span, empty));
        match &mut inner.value {
            Value::Record(record) => self.insert(record, rest, value),
            _ => self.out.push(twice("again here, as a record", *span)),
        }
    }

    /// One written value; `expected` is the kind of definition that a name in its place means.
    pub fn expr(&mut self, expr: &Expr, expected: Option<Kind>) -> Node {
        let span = expr.span;
        self.charge(1, span);
        let value = match &expr.kind {
            ExprKind::Number(lit) => Value::Number { number: lit.value, unit: lit.unit.map(|(unit, _)| unit) },
            ExprKind::Str(text) => Value::Str(text.clone()),
            ExprKind::Bool(b) => Value::Bool(*b),
            ExprKind::None => Value::None,
            ExprKind::Name(name) => return self.name(name, span, expected),
            ExprKind::Call { callee, args, alias, share } => {
                if let Some(at) = alias.as_ref().map(|name| name.span).or(*share) {
                    let message = "`as` and `share` are said of parameters, and a value makes none";
                    let diagnostic = Diagnostic::error(code::NO_EFFECT, message).at(at, "without effect");
                    self.out.push(diagnostic.help("take it out; inside a block it names what a call makes"));
                }
                return self.call(callee, args, span, expected);
            }
            ExprKind::Tuple(items) => Value::Tuple(items.iter().map(|e| self.expr(e, None)).collect()),
            ExprKind::List { items, unit } => {
                let mut items: Vec<Node> = items.iter().map(|e| self.expr(e, expected)).collect();
                if let Some((unit, _)) = unit {
                    items.iter_mut().for_each(|item| give_unit(&mut item.value, *unit));
                }
                Value::List(items)
            }
            ExprKind::Record(fields) => Value::Record(self.record(fields)),
            ExprKind::Claims(claims) => {
                super::definitions::reach(self, claims);
                Value::Record(Record::default())
            }
            ExprKind::If { branches, otherwise } => return self.choose(branches, otherwise, expected),
            ExprKind::Range { low, high } => {
                let (mut low, high) = (self.expr(low, None), self.expr(high, None));
                if low.value == Value::Faulty || high.value == Value::Faulty {
                    return self.node_of(Value::Faulty, span);
                }
                // `0.5B..8B tokens`: the unit at the end is that of both.
                if let Value::Number { unit: Some(unit), .. } = high.value {
                    give_unit(&mut low.value, unit);
                }
                Value::Range(Box::new(low), Box::new(high))
            }
            ExprKind::Extend { base, fields } => return self.extend(base, fields, span, expected),
            ExprKind::Unary { op, operand } => {
                let node = self.expr(operand, None);
                let value = match (op, &node.value) {
                    (_, Value::Faulty) => Value::Faulty,
                    (UnaryOp::Neg, Value::Number { number, unit }) => {
                        Value::Number { number: number.neg(), unit: *unit }
                    }
                    (UnaryOp::Not, Value::Bool(b)) => Value::Bool(!b),
                    (UnaryOp::Neg, _) => self.unwanted(&node, "a number"),
                    (UnaryOp::Not, _) => self.unwanted(&node, "true or false"),
                };
                return self.made_of(value, span, &[&node]);
            }
            ExprKind::Binary { op, left, right, .. } => {
                let (a, b) = (self.expr(left, None), self.expr(right, None));
                let value = self.binary(*op, &a, &b, span);
                return self.made_of(value, span, &[&a, &b]);
            }
        };
        self.node_of(value, span)
    }

    /// A value that keeps the `let`s of what it was made of.
    pub(super) fn made_of(&self, value: Value, span: Span, parts: &[&Node]) -> Node {
        let mut origin = self.origin(span);
        for used in parts.iter().flat_map(|node| &node.origin.lets) {
            if origin.lets.len() < MAX_LETS && !origin.lets.contains(used) {
                origin.lets.push(used.clone());
            }
        }
        parts.iter().for_each(|node| origin.assume(&node.origin.assumed));
        Node::new(value, span, origin)
    }

    /// A bare name: the value of a `let`, or a word that its field understands.
    fn name(&mut self, name: &str, span: Span, expected: Option<Kind>) -> Node {
        if let Some(known) = self.known.get(name) {
            return Node { span, origin: self.origin(span), ..known.clone() };
        }
        let file = self.scope(span);
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or(name);
        let rest: Vec<&str> = parts.collect();
        let named: Vec<(Kind, DefId)> = NAMED
            .iter()
            .filter_map(|kind| match self.library.lookup(file, *kind, name) {
                Lookup::Found(id) => Some((*kind, id)),
                _ => None,
            })
            .collect();
        self.reached.extend(named.iter().map(|(_, id)| *id));
        let Lookup::Found(id) = self.library.lookup(file, Kind::Let, first) else {
            return self.node_of(Value::Word(name.to_string()), span);
        };
        self.reached.insert(id);
        let other = named.iter().find(|(kind, _)| expected.is_none_or(|e| e == *kind));
        if let Some((kind, other)) = other
            && let (Some(one), Some(other)) = (self.library.def(id), self.library.def(*other))
        {
            self.out.push(
                Diagnostic::error(code::AMBIGUOUS_NAME, format!("`{name}` could be a let or {}", kind.a_word()))
                    .at(span, "which of the two is meant?")
                    .also(one.name.span, "the let")
                    .also(other.name.span, format!("the {}", kind.word()))
                    .help("rename one of the two"),
            );
            return self.node_of(Value::Faulty, span);
        }
        let opened = self.opened.clone();
        let Some(whole) = opened.get(&id) else { return self.node_of(Value::Faulty, span) };
        let Some(found) = whole.node.at(&rest) else {
            let known = match &whole.node.value {
                Value::Faulty => return self.node_of(Value::Faulty, span),
                Value::Record(record) => record.fields.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                _ => String::new(),
            };
            let part = rest.join(".");
            let mut diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, format!("`{first}` has no `{part}`"))
                .at(span, "not a field of the let");
            if let Some(def) = self.library.def(id) {
                diagnostic = diagnostic.also(def.name.span, "the let");
            }
            let help = if known.is_empty() { "it is no record".into() } else { format!("it has {known}") };
            self.out.push(diagnostic.help(help));
            return self.node_of(Value::Faulty, span);
        };
        if self.is_spent() || !self.charge(found.size(), span) {
            return self.node_of(Value::Faulty, span);
        }
        let mut node = found.clone();
        let used = self.library.def(id).map(|def| LetUse { name: name.to_string(), span: def.name.span });
        node.for_each(&mut |inner| inner.origin.lets = used.iter().cloned().collect());
        claim(&mut node, &Origin { lets: used.into_iter().collect(), ..self.origin(span) });
        node
    }

    fn call(&mut self, callee: &ast::Ident, args: &[ast::Arg], span: Span, expected: Option<Kind>) -> Node {
        if callee.text == ASSUMED {
            return self.assumed(callee, args, span, expected);
        }
        if FUNCTIONS.iter().any(|(name, _)| *name == callee.text) {
            return self.function(callee, args, span);
        }
        // A block is given to a model with some of its arguments.
        for kind in [Kind::Model, Kind::Block] {
            if let Lookup::Found(id) = self.library.lookup(self.scope(callee.span), kind, &callee.text) {
                self.reached.insert(id);
            }
        }
        let mut result = Args::default();
        for arg in args {
            let expected = arg.name.as_ref().and_then(|name| expected_kind(&name.text));
            let value = self.expr(&arg.value, expected);
            match &arg.name {
                None => result.positional.push(value),
                Some(name) => {
                    if let Some((first, _)) = result.named.get(&name.text) {
                        self.out.push(
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
        self.node_of(Value::Call { name: callee.text.clone(), name_span: callee.span, args: result }, span)
    }

    /// The condition as true or false; anything else is reported.
    pub(super) fn truth(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(b) => Some(*b),
            Value::Faulty => None,
            _ => {
                self.unwanted(node, "true or false");
                None
            }
        }
    }

    /// `if C { a } else { b }`. The branches not taken are looked at for names alone: what they compute may
    /// make no sense where the condition does not hold.
    fn choose(&mut self, branches: &[(Expr, Expr)], otherwise: &Expr, expected: Option<Kind>) -> Node {
        let mut taken: Option<Node> = None;
        let mut faulty = false;
        // What an assumed condition chooses is assumed.
        let mut reasons = self.origin(otherwise.span);
        for (condition, value) in branches {
            let condition = self.expr(condition, None);
            reasons.assume(&condition.origin.assumed);
            let holds = self.truth(&condition);
            faulty |= holds.is_none();
            if holds == Some(true) && taken.is_none() {
                taken = Some(self.expr(value, expected));
            } else {
                self.names_of(value, expected);
            }
        }
        let mut node = match taken {
            None => self.expr(otherwise, expected),
            Some(node) => {
                self.names_of(otherwise, expected);
                node
            }
        };
        if faulty {
            node.value = Value::Faulty;
        }
        node.assume(&reasons.assumed);
        node
    }

    /// What some work would report, without reporting it.
    pub(super) fn aside(&mut self, work: impl FnOnce(&mut Self)) -> Diagnostics {
        let before = std::mem::take(self.out);
        work(self);
        std::mem::replace(self.out, before)
    }

    fn names_of(&mut self, expr: &Expr, expected: Option<Kind>) {
        let about_names = [code::UNKNOWN_NAME, code::AMBIGUOUS_NAME, code::DUPLICATE_FIELD, code::UNKNOWN_FIELD];
        let found = self.aside(|eval| {
            eval.expr(expr, expected);
        });
        for diagnostic in found.iter().filter(|d| about_names.contains(&d.code)) {
            self.out.push(diagnostic.clone());
        }
    }

    /// `base { field: new }`
    fn extend(&mut self, base: &Expr, fields: &[ast::Field], span: Span, expected: Option<Kind>) -> Node {
        let mut node = self.base(base, expected);
        let depth = self.depth.max(depth_of(&mut node, &self.layer)).saturating_add(1);
        let record = self.within(self.layer.clone(), depth, |eval| eval.record(fields));
        self.lay(&mut node, record, span);
        node
    }

    /// Lays fields over a base, which has to be something with fields.
    pub(super) fn lay(&mut self, node: &mut Node, fields: Record, span: Span) {
        match &node.value {
            Value::Record(_) | Value::Call { .. } | Value::Word(_) | Value::Faulty => {}
            other => {
                let diagnostic = Diagnostic::error(code::WRONG_TYPE, format!("{} has no fields", other.kind()))
                    .at(node.origin.span, "a record, a call or a definition is wanted here")
                    .help("`base { field: new }` lays fields over those of `base`");
                self.out.push(self.with_lets(diagnostic, &[node]));
                node.value = Value::Faulty;
            }
        }
        for bare in &fields.bare {
            self.out.push(
                Diagnostic::error(code::SYNTAX, "an extension's entries are `name: value`")
                    .at(bare.span, "without a name")
                    .help("write `base { field: new }`"),
            );
        }
        let over = self.node_of(Value::Record(Record { bare: vec![], def: None, ..fields }), span);
        overlay(node, over);
        node.span = span;
        let Origin { lets, assumed, .. } = std::mem::replace(&mut node.origin, self.origin(span));
        node.origin = Origin { lets, assumed, ..self.origin(span) };
    }

    /// What is extended: a `let`, a definition of the expected kind (of any, where none is expected), or
    /// a call without arguments.
    fn base(&mut self, base: &Expr, expected: Option<Kind>) -> Node {
        let node = self.expr(base, expected);
        // The word may stand in a `let` of another file, whose names it then means.
        let Value::Word(word) = &node.value else { return node };
        let (word, file) = (word.clone(), self.scope_of(&node));
        match self.definition(&word, file, node.span, expected) {
            Some(mut found) => {
                found.assume(&node.origin.assumed);
                found
            }
            None => node,
        }
    }

    /// The definition that a name means, opened.
    fn definition(&mut self, name: &str, file: FileId, span: Span, expected: Option<Kind>) -> Option<Node> {
        let kinds = expected.map_or(NAMED.to_vec(), |kind| vec![kind]);
        let found: Vec<(Kind, DefId)> = kinds
            .into_iter()
            .filter_map(|kind| match self.library.lookup(file, kind, name) {
                Lookup::Found(id) => Some((kind, id)),
                _ => None,
            })
            .collect();
        match found.as_slice() {
            [] => None,
            [(Kind::Model, id)] => {
                self.reached.insert(*id);
                let value = Value::Call { name: name.to_string(), name_span: span, args: Args::default() };
                Some(self.node_of(value, span))
            }
            [(_, id)] => Some(self.open(*id, span)),
            [(a, _), (b, other), ..] => {
                let mut diagnostic = Diagnostic::error(
                    code::AMBIGUOUS_NAME,
                    format!("`{name}` could be {} or {}", a.a_word(), b.a_word()),
                )
                .at(span, "which of the two is meant?");
                if let Some(def) = self.library.def(*other) {
                    diagnostic = diagnostic.also(def.name.span, format!("the {}", b.word()));
                }
                self.out.push(diagnostic.help("rename one of the two"));
                Some(self.node_of(Value::Faulty, span))
            }
        }
    }

    /// A definition's value, where it is named.
    pub fn open(&mut self, id: DefId, span: Span) -> Node {
        self.reached.insert(id);
        let all = self.opened.clone();
        let Some(opened) = all.get(&id) else {
            let name = self.library.def(id).map_or("", |def| def.name.text.as_str());
            self.out.push(
                Diagnostic::error(code::CIRCULAR_VALUE, format!("`{name}` is made of itself"))
                    .at(span, "this closes the circle")
                    .help("give it a value of its own"),
            );
            return self.node_of(Value::Faulty, span);
        };
        let node = &opened.node;
        if self.is_spent() || !self.charge(node.size(), span) {
            return self.node_of(Value::Faulty, span);
        }
        node.clone()
    }
}

/// A value and the elements of a list are set by whoever names the `let`; what a record or a call holds was
/// set where it is written, as in a definition.
fn claim(node: &mut Node, origin: &Origin) {
    let assumed = std::mem::take(&mut node.origin.assumed);
    node.origin = Origin { assumed, ..origin.clone() };
    match &mut node.value {
        Value::Tuple(items) | Value::List(items) => items.iter_mut().for_each(|item| claim(item, origin)),
        Value::Range(low, high) => {
            claim(low, origin);
            claim(high, origin);
        }
        Value::Number { .. }
        | Value::Str(_)
        | Value::Bool(_)
        | Value::None
        | Value::Word(_)
        | Value::Call { .. }
        | Value::Record(_)
        | Value::Faulty => {}
    }
}

/// The unit of a list goes to each element, and to those of lists and ranges in it.
pub(super) fn give_unit(value: &mut Value, given: Unit) {
    match value {
        Value::Number { unit: own @ None, .. } => *own = Some(given),
        Value::Range(low, high) => {
            give_unit(&mut low.value, given);
            give_unit(&mut high.value, given);
        }
        _ => {}
    }
}

/// The deepest extension of a layer in a value.
pub(super) fn depth_of(node: &mut Node, layer: &Layer) -> u16 {
    let mut depth = 0;
    node.for_each(&mut |inner| {
        if inner.origin.layer == *layer {
            depth = depth.max(inner.origin.depth);
        }
    });
    depth
}

/// What a name means in these fields of an experiment.
pub fn expected_kind(field: &str) -> Option<Kind> {
    match field {
        "data" => Some(Kind::Data),
        "train" => Some(Kind::Train),
        "objective" => Some(Kind::Objective),
        "model" => Some(Kind::Model),
        "schedule" => Some(Kind::Schedule),
        _ => None,
    }
}
