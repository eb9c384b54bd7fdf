//! Reading typed values out of a resolved tree: defaults, unknown and missing fields, each with its diagnostic;
//! every value read is noted with its origin for the flat form. Units and ranges: `quantity`.

use super::assumed;
use super::quantity::in_range_or;
pub use super::quantity::{Quantity, Takes, in_range, not_whole, quantity, whole};
use super::spec::{FlatField, Setting};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, Number, SourceMap, Span, Unit};
use crate::resolve::names::n_arguments;
use crate::resolve::value::overlay;
use crate::resolve::{Kind, Layer, Library, Node, Origin, Record, Replaced, ResolvedSpec, Value};
use indexmap::IndexMap;

/// What the checks of one arm share.
pub struct Cx<'a> {
    pub spec: &'a ResolvedSpec,
    pub library: &'a Library,
    pub map: &'a SourceMap,
    pub out: &'a mut Diagnostics,
    pub flat: Vec<FlatField>,
}

impl<'a> Cx<'a> {
    pub fn new(spec: &'a ResolvedSpec, map: &'a SourceMap, out: &'a mut Diagnostics) -> Cx<'a> {
        Cx { spec, library: &spec.library, map, out, flat: vec![] }
    }

    /// Notes a value with its origin; `None` is a default.
    pub fn note(&mut self, path: &str, value: impl ToString, node: Option<&Node>) {
        self.note_resolved(path, value, None, node);
    }

    /// Notes a value that was written as a part of something: `2%` that are 62 steps.
    pub fn note_resolved(&mut self, path: &str, value: impl ToString, written: Option<String>, node: Option<&Node>) {
        let mut field = FlatField::new(path, value.to_string(), "default");
        field.written = written;
        if let Some(node) = node {
            field.origin = self.origin(&node.origin);
            field.assumed = assumed::reasons(node);
            let setting = |replaced: &Replaced| Setting {
                value: self.map.text(replaced.span).split_whitespace().collect::<Vec<_>>().join(" "),
                origin: self.origin(&replaced.origin),
            };
            field.replaced = node.replaced.iter().map(setting).collect();
        }
        self.flat.push(field);
    }

    /// Notes what follows from other values.
    pub fn note_derived(&mut self, path: &str, value: impl ToString) {
        self.flat.push(FlatField::new(path, value.to_string(), "derived"));
    }

    /// Who set a value, and where: `arm mdm, a.dlm:3:4, let rate at a.dlm:1:5`.
    pub fn origin(&self, origin: &Origin) -> String {
        let place = self.map.locate(origin.span);
        let mut text = match &origin.layer {
            Layer::Definition | Layer::Experiment => place.to_string(),
            Layer::Arm(arm) => format!("arm {arm}, {place}"),
            Layer::Sweep(axis) => format!("sweep {axis}, {place}"),
            Layer::Set(text) => format!("--set {text}"),
        };
        for used in &origin.lets {
            text.push_str(&format!(", let {} at {}", used.name, self.map.locate(used.span)));
        }
        text
    }

    /// A finding about a value; where a `let` brought it, both places are shown.
    pub fn push_about(&mut self, origin: &Origin, mut diagnostic: Diagnostic) {
        if let Some(used) = origin.lets.first()
            && diagnostic.primary.as_ref().is_some_and(|label| label.span != origin.span)
        {
            diagnostic = diagnostic.also(origin.span, format!("`{}` is used here", used.name));
        } else {
            for used in &origin.lets {
                diagnostic = diagnostic.also(used.span, format!("`{}` is this let", used.name));
            }
        }
        self.out.push(diagnostic);
    }

    pub fn wrong_type(&mut self, node: &Node, path: &str, wanted: &str) {
        // What is faulty was reported already.
        if node.value == Value::Faulty {
            return;
        }
        let mut diagnostic =
            Diagnostic::error(code::WRONG_TYPE, format!("`{path}` is {wanted}, not {}", node.value.kind()))
                .at(node.span, format!("{wanted} is wanted here"));
        // A word that stands where no word can is a misspelt `let`.
        if let Value::Word(word) = &node.value
            && let Some(closest) = self.library.similar(node.span.file, Kind::Let, word)
        {
            diagnostic = diagnostic.help(format!("did you mean the let `{closest}`?"));
        }
        self.push_about(&node.origin, diagnostic);
    }
}

/// The fields of a record or the arguments of a call, being read.
pub struct Reader {
    /// `data`, `train.optimizer`: the path in the spec.
    pub path: String,
    /// Where the whole is.
    pub span: Span,
    what: String,
    fields: IndexMap<String, (Span, Node)>,
    known: Vec<&'static str>,
}

impl Reader {
    pub fn record(path: &str, what: &str, span: Span, record: &Record, cx: &mut Cx<'_>) -> Reader {
        for node in &record.bare {
            cx.out.push(
                Diagnostic::error(code::SYNTAX, format!("{what} has an entry without a name"))
                    .at(node.span, "write `name: value`"),
            );
        }
        Reader { path: path.into(), span, what: what.into(), fields: record.fields.clone(), known: vec![] }
    }

    /// A call of one of `forms` (name, parameters in order); a bare name is a call without arguments.
    pub fn call<'f>(
        node: &Node,
        path: &str,
        forms: &[(&'f str, &[&'static str])],
        cx: &mut Cx<'_>,
    ) -> Option<(&'f str, Reader)> {
        let (name, name_span, args) = match &node.value {
            Value::Call { name, name_span, args } => (name, *name_span, Some(args)),
            Value::Word(word) => (word, node.span, None),
            _ => {
                let wanted: Vec<String> = forms.iter().map(|(n, _)| format!("`{n}`")).collect();
                let several = if wanted.len() > 1 { "one of " } else { "" };
                cx.wrong_type(node, path, &format!("{several}{}", wanted.join(", ")));
                return None;
            }
        };
        let Some((form, params)) = forms.iter().find(|(n, _)| n == name) else {
            let names = || forms.iter().map(|(n, _)| *n);
            let mut diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("`{path}` cannot be `{name}`"))
                .at(name_span, "not one of its choices");
            diagnostic = match suggest(name, names()) {
                Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                None => diagnostic.help(format!("it is {}", alternatives(&names().collect::<Vec<_>>()))),
            };
            cx.out.push(diagnostic);
            return None;
        };
        let mut fields: IndexMap<String, (Span, Node)> = IndexMap::new();
        if let Some(args) = args {
            for (i, value) in args.positional.iter().enumerate() {
                match params.get(i) {
                    Some(param) => {
                        fields.insert(param.to_string(), (value.span, value.clone()));
                    }
                    None => cx.out.push(
                        Diagnostic::error(code::UNKNOWN_FIELD, format!("`{form}` takes {}", n_arguments(params.len())))
                            .at(value.span, "one too many")
                            .help(if params.is_empty() {
                                "write the name alone".into()
                            } else {
                                format!("it takes {}", params.join(", "))
                            }),
                    ),
                }
            }
            for (name, (span, value)) in &args.named {
                match fields.get_mut(name) {
                    // A stronger layer reaches what a weaker one gave by position.
                    Some((_, given)) if value.origin.rank() > given.origin.rank() => overlay(given, value.clone()),
                    Some((first, _)) => cx.out.push(
                        Diagnostic::error(code::DUPLICATE_FIELD, format!("`{name}` is given twice"))
                            .at(*span, "again here")
                            .also(*first, "first here")
                            .help("keep one of them"),
                    ),
                    None => {
                        fields.insert(name.clone(), (*span, value.clone()));
                    }
                }
            }
        }
        let what = format!("`{form}`");
        Some((form, Reader { path: path.into(), span: node.span, what, fields, known: vec![] }))
    }

    pub fn sub_path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) }
    }

    fn know(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    /// The field, if it is given. Every field has to be asked for once: the rest is unknown.
    pub fn get(&mut self, name: &'static str) -> Option<Node> {
        self.know(name);
        self.fields.get(name).map(|(_, node)| node.clone())
    }

    /// The field; missing, it is reported with an example of what to write.
    pub fn need(&mut self, name: &'static str, example: &str, cx: &mut Cx<'_>) -> Option<Node> {
        let node = self.get(name);
        // A field that is meant by this name, but misspelt, is reported as that.
        let misspelt = || self.fields.keys().any(|f| !self.known.contains(&f.as_str()) && suggest(f, [name]).is_some());
        if node.is_none() && !misspelt() {
            cx.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("{} has no `{name}`", self.what))
                    .at(self.span, "it has to be given")
                    .help(format!("for example `{name}: {example}`")),
            );
        }
        node
    }

    pub fn is_given(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Reports the fields that nobody asked for.
    pub fn finish(self, cx: &mut Cx<'_>) {
        for (name, (span, _)) in &self.fields {
            if !self.known.contains(&name.as_str()) {
                let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, format!("{} has no `{name}`", self.what))
                    .at(*span, "not known here");
                let closest = if cx.out.is_full() { None } else { suggest(name, self.known.iter().copied()) };
                cx.out.push(match closest {
                    Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                    None if self.known.is_empty() => diagnostic.help("it takes nothing"),
                    None => diagnostic.help(format!("it has {}", self.known.join(", "))),
                });
            }
        }
    }

    /// A number with one of the units that the field takes.
    pub fn quantity(&mut self, name: &'static str, node: &Node, takes: Takes, cx: &mut Cx<'_>) -> Option<Quantity> {
        quantity(&self.sub_path(name), node, takes, cx)
    }

    /// A whole number of at least `min`; noted under its path.
    pub fn whole(
        &mut self,
        name: &'static str,
        takes: Takes,
        min: u64,
        default: Option<u64>,
        example: &str,
        cx: &mut Cx<'_>,
    ) -> Option<u64> {
        let path = self.sub_path(name);
        let unit = takes.units.first().map_or(String::new(), |u| format!(" {}", u.word()));
        let node = if let Some(default) = default {
            let Some(node) = self.get(name) else {
                cx.note(&path, format!("{default}{unit}"), None);
                return Some(default);
            };
            node
        } else {
            self.need(name, example, cx)?
        };
        let quantity = quantity(&path, &node, takes, cx)?;
        let n = whole(&path, quantity, min, cx)?;
        cx.note(&path, format!("{n}{unit}"), Some(&node));
        Some(n)
    }

    /// A real number in `range`.
    pub fn real(
        &mut self,
        name: &'static str,
        takes: Takes,
        range: std::ops::RangeInclusive<f64>,
        default: Option<f64>,
        example: &str,
        cx: &mut Cx<'_>,
    ) -> Option<f64> {
        let path = self.sub_path(name);
        let node = match (self.fields.contains_key(name), default) {
            (false, Some(default)) => {
                self.know(name);
                cx.note(&path, Number::Real(default), None);
                return Some(default);
            }
            _ => self.need(name, example, cx)?,
        };
        let quantity = quantity(&path, &node, takes, cx)?;
        // Fifteen per cent is not 15.
        let percent = (takes.units.contains(&Unit::Percent) && quantity.unit.is_none())
            .then(|| quantity.number.div(Number::int(100)))
            .filter(|share| range.contains(&share.to_f64()))
            .map(|_| format!("write `{}%` for {} per cent", quantity.number, quantity.number));
        let x = in_range_or(&path, quantity, range, percent, cx)?;
        cx.note(&path, Number::Real(x), Some(&node));
        Some(x)
    }

    /// A record in a field; absent, an empty one.
    pub fn sub(&mut self, name: &'static str, cx: &mut Cx<'_>) -> Reader {
        let path = self.sub_path(name);
        match self.get(name) {
            Some(Node { value: Value::Record(record), span, .. }) => {
                Reader::record(&path, &format!("`{path}`"), span, &record, cx)
            }
            Some(node) => {
                cx.wrong_type(&node, &path, "a record `{ ... }`");
                Reader::record(&path, &format!("`{path}`"), node.span, &Record::default(), cx)
            }
            None => Reader::record(&path, &format!("`{path}`"), self.span, &Record::default(), cx),
        }
    }
}

/// `a`, `a or b`, `a, b or c`
pub fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => only.to_string(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}
