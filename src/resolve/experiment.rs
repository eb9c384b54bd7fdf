//! An experiment to one value tree per arm: definitions looked up, arms and `--set` laid over.

use super::library::{DefId, Kind, Library};
use super::names::{check_blocks, reachable};
use super::value::{self, Node, Origin, Record, Value, overlay};
use crate::ast::{self, Item};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, SourceMap, Span};
use crate::syntax;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// `--set PATH=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    pub path: String,
    pub value: String,
}

#[derive(Clone, Debug)]
pub struct ResolvedSpec {
    pub name: String,
    /// The experiment's name in the text.
    pub span: Span,
    pub library: Arc<Library>,
    pub doc: Option<String>,
    pub cite: Option<Node>,
    pub arms: Vec<ResolvedArm>,
    pub factors: Option<Node>,
    pub expect: Record,
    /// Where the arms are listed.
    pub arms_span: Span,
}

#[derive(Clone, Debug)]
pub struct ResolvedArm {
    pub name: String,
    pub span: Span,
    /// Fields `model`, `objective`, `data`, `train`, `eval` as far as given; definitions opened.
    pub fields: Record,
    /// Definitions that the fields came from.
    pub names: IndexMap<String, DefId>,
    /// Paths this arm sets, with their places.
    pub sets: IndexMap<String, Span>,
}

/// Arms of an experiment. Each is a training run.
const MAX_ARMS: usize = 64;

/// Fields of an experiment that arms may set.
const ARM_FIELDS: &[&str] = &["model", "objective", "data", "train", "eval"];
const EXPERIMENT_FIELDS: &[&str] =
    &["cite", "model", "objective", "data", "train", "eval", "arms", "factors", "expect"];

/// The experiment of the library's main file (of that `name`, if there are several). Reports names
/// that mean nothing and definitions nobody uses.
pub fn resolve_experiment(
    library: Library,
    map: &mut SourceMap,
    name: Option<&str>,
    overrides: &[Override],
    out: &mut Diagnostics,
) -> Option<ResolvedSpec> {
    let calls = check_blocks(&library, out);
    let library = Arc::new(library);
    let experiments: Vec<(DefId, ast::Definition)> = library
        .defs()
        .filter(|(_, d)| Some(d.file()) == library.main)
        .filter_map(|(id, d)| match &*d.item {
            Item::Experiment(e) => Some((id, e.clone())),
            _ => None,
        })
        .collect();
    let mut reached: BTreeSet<DefId> = BTreeSet::new();
    let mut resolved = vec![];
    for (_, experiment) in &experiments {
        let mut cx = Context { library: &library, reached: &mut reached, out };
        let spec = cx.experiment(experiment, map, overrides);
        resolved.push(spec);
    }
    let models: Vec<DefId> = reached.iter().copied().collect();
    for id in models {
        reached.extend(reachable(&calls, id));
    }
    library.report_unused(&reached, out);
    match (name, resolved.len()) {
        (_, 0) => {
            if !out.has_errors() && name.is_some() {
                out.push(
                    Diagnostic::error(code::WHICH_EXPERIMENT, "the file has no experiment").help("it is a library"),
                );
            }
            None
        }
        (None, 1) => resolved.pop().map(|mut spec| {
            spec.doc = library.doc.clone();
            spec
        }),
        (wanted, _) => {
            let names: Vec<&str> = experiments.iter().map(|(_, e)| e.name.text.as_str()).collect();
            let found = wanted.and_then(|w| resolved.iter().position(|r| r.name == w));
            if let Some(i) = found {
                return Some(resolved.swap_remove(i));
            }
            let mut diagnostic = match wanted {
                Some(wanted) => Diagnostic::error(code::WHICH_EXPERIMENT, format!("there is no experiment `{wanted}`")),
                None => Diagnostic::error(code::WHICH_EXPERIMENT, "the file has several experiments"),
            };
            if let Some((_, last)) = experiments.last() {
                diagnostic = diagnostic.at(last.name.span, "one of them");
            }
            out.push(diagnostic.help(format!("choose with --experiment: {}", names.join(", "))));
            None
        }
    }
}

struct Context<'a> {
    library: &'a Arc<Library>,
    reached: &'a mut BTreeSet<DefId>,
    out: &'a mut Diagnostics,
}

impl Context<'_> {
    fn experiment(
        &mut self,
        definition: &ast::Definition,
        map: &mut SourceMap,
        overrides: &[Override],
    ) -> ResolvedSpec {
        let file = |span| Origin::File(span);
        let mut fields = value::record(&definition.fields, &file, self.out);
        let mut misspelt = vec![];
        for (name, (span, node)) in &fields.fields {
            if !EXPERIMENT_FIELDS.contains(&name.as_str()) {
                self.out.push(unknown_field("an experiment", name, *span, EXPERIMENT_FIELDS));
                misspelt.extend(suggest(name, EXPERIMENT_FIELDS.iter().copied()).map(|n| (n, *span, node.clone())));
            }
        }
        // A misspelt field goes on under the name that was meant, so that nothing follows from it.
        for (name, span, node) in misspelt {
            fields.fields.entry(name.to_string()).or_insert((span, node));
        }
        for node in &fields.bare {
            self.out.push(
                Diagnostic::error(code::SYNTAX, "an experiment's entries are `name: value`")
                    .at(node.span, "without a name"),
            );
        }
        let arms = fields.fields.shift_remove("arms");
        let factors = fields.fields.shift_remove("factors").map(|(_, n)| n);
        let cite = fields.fields.shift_remove("cite").map(|(_, n)| n);
        let expect = match fields.fields.shift_remove("expect") {
            Some((_, Node { value: Value::Record(record), .. })) => record,
            Some((span, node)) => {
                self.out.push(
                    Diagnostic::error(
                        code::WRONG_TYPE,
                        format!("`expect` is a record of claims, not {}", node.value.kind()),
                    )
                    .at(node.span, "here")
                    .also(span, "for this")
                    .help("write `expect: { crossover(loss(valid), of: mdm, under: ar) }`"),
                );
                Record::default()
            }
            None => Record::default(),
        };
        fields.fields.retain(|name, _| ARM_FIELDS.contains(&name.as_str()));
        let overrides = self.overrides(map, overrides);
        let name = &definition.name;
        let arms_span = arms.as_ref().map_or(name.span, |(span, _)| *span);
        let arms = match arms {
            Some((_, Node { value: Value::Record(record), .. })) if !record.fields.is_empty() => {
                if let Some((_, (beyond, _))) = record.fields.get_index(MAX_ARMS) {
                    self.out.push(
                        Diagnostic::error(
                            code::TOO_MANY,
                            format!("experiment `{}` has {} arms", name.text, record.fields.len()),
                        )
                        .at(*beyond, format!("at most {MAX_ARMS} are possible"))
                        .help("make several experiments of it"),
                    );
                }
                let arms = record.fields.iter().take(MAX_ARMS);
                arms.map(|(arm, (span, node))| self.arm(arm, *span, node, &fields, &overrides)).collect()
            }
            Some((span, node)) => {
                self.out.push(
                    Diagnostic::error(
                        code::WRONG_TYPE,
                        format!("`arms` is a record of arms, not {}", node.value.kind()),
                    )
                    .at(node.span, "here")
                    .also(span, "for this")
                    .help("write `arms: { ar: { objective: ar }, mdm: { objective: mdm } }`"),
                );
                self.open_all(&fields)
            }
            None => {
                self.out.push(
                    Diagnostic::error(code::MISSING_FIELD, format!("experiment `{}` has no `arms`", name.text))
                        .at(name.span, "of this experiment")
                        .help("write `arms: { ar: { objective: ar }, mdm: { objective: mdm } }`"),
                );
                self.open_all(&fields)
            }
        };
        ResolvedSpec {
            name: name.text.clone(),
            span: name.span,
            library: self.library.clone(),
            doc: None,
            cite,
            arms,
            factors,
            expect,
            arms_span,
        }
    }

    /// What an experiment without arms refers to is used all the same.
    fn open_all(&mut self, base: &Record) -> Vec<ResolvedArm> {
        let node = Node {
            value: Value::Record(Record::default()),
            span: Span::new(crate::base::FileId(0), 0, 0),
            origin: Origin::Set(String::new()),
        };
        self.arm("", node.span, &node, base, &[]);
        vec![]
    }

    /// `--set` values, parsed as the text of a spec; each becomes a source of its own.
    fn overrides(&mut self, map: &mut SourceMap, overrides: &[Override]) -> Vec<(Vec<ast::Ident>, Node)> {
        let mut parsed = vec![];
        for over in overrides {
            let text = format!("{}={}", over.path, over.value);
            let file = map.add(format!("--set {text}"), text.clone());
            let value_at = over.path.len() + 1;
            let whole = Span::new(file, 0, over.path.len());
            // Spaces in place of the path keep the columns true.
            let padded = format!("{}{}", " ".repeat(value_at), over.value);
            let (expr, found) = syntax::parse_value(file, &padded);
            self.out.extend(found);
            let path: Vec<ast::Ident> =
                over.path.split('.').map(|part| ast::Ident { text: part.to_string(), span: whole }).collect();
            let known = path.first().is_some_and(|p| ARM_FIELDS.contains(&p.text.as_str()));
            if !known {
                self.out.push(
                    Diagnostic::error(code::BAD_OVERRIDE, format!("`{}` cannot be set", over.path))
                        .at(whole, "not a path of an arm")
                        .help(format!("paths start with {}", ARM_FIELDS.join(", "))),
                );
                continue;
            }
            if let Some(expr) = expr {
                let origin = |_| Origin::Set(text.clone());
                parsed.push((path, value::node(&expr, &origin, self.out)));
            }
        }
        parsed
    }

    fn arm(
        &mut self,
        name: &str,
        span: Span,
        node: &Node,
        base: &Record,
        overrides: &[(Vec<ast::Ident>, Node)],
    ) -> ResolvedArm {
        let mut arm = ResolvedArm {
            name: name.to_string(),
            span,
            fields: base.clone(),
            names: IndexMap::new(),
            sets: IndexMap::new(),
        };
        match &node.value {
            Value::Record(record) => {
                for (field, (field_span, value)) in &record.fields {
                    if !ARM_FIELDS.contains(&field.as_str()) {
                        self.out.push(unknown_field("an arm", field, *field_span, ARM_FIELDS));
                        continue;
                    }
                    leaves(field, value, &mut arm.sets);
                    let mut value = value.clone();
                    mark_arm(&mut value, name);
                    self.lay(&mut arm, field, *field_span, value);
                }
            }
            other => self.out.push(
                Diagnostic::error(code::WRONG_TYPE, format!("an arm is a record, not {}", other.kind()))
                    .at(node.span, format!("for the arm `{name}`"))
                    .help("write `{ objective: NAME }`"),
            ),
        }
        if !overrides.is_empty() {
            // What the file refers to is used by it, even where `--set` puts something else in its place.
            self.open_fields(&mut arm);
        }
        for (path, value) in overrides {
            let Some((first, rest)) = path.split_first() else { continue };
            let wrapped = rest.iter().rev().fold(value.clone(), |inner, part| {
                let mut record = Record::default();
                let (span, origin) = (inner.span, inner.origin.clone());
                record.fields.insert(part.text.clone(), (part.span, inner));
                Node { value: Value::Record(record), span, origin }
            });
            self.lay(&mut arm, &first.text, first.span, wrapped);
        }
        self.open_fields(&mut arm);
        arm
    }

    fn open_fields(&mut self, arm: &mut ResolvedArm) {
        let fields: Vec<String> = arm.fields.fields.keys().cloned().collect();
        for field in fields {
            self.open(arm, &field);
        }
    }

    /// Lays a value over a field, after opening the definition that the field may name.
    fn lay(&mut self, arm: &mut ResolvedArm, field: &str, span: Span, value: Node) {
        if matches!(value.value, Value::Record(_)) {
            self.open(arm, field);
        }
        match arm.fields.fields.get_mut(field) {
            Some((_, existing)) => overlay(existing, value),
            None => {
                arm.fields.fields.insert(field.to_string(), (span, value));
            }
        }
    }

    /// Replaces the name of a definition by what it defines.
    fn open(&mut self, arm: &mut ResolvedArm, field: &str) {
        let kind = match field {
            "data" => Kind::Data,
            "train" => Kind::Train,
            "objective" => Kind::Objective,
            "model" => Kind::Model,
            _ => return,
        };
        let Some((_, node)) = arm.fields.fields.get_mut(field) else { return };
        let (word, span) = match &node.value {
            Value::Word(word) => (word.clone(), node.span),
            Value::Call { name, name_span, .. } if kind == Kind::Model => (name.clone(), *name_span),
            _ => return,
        };
        // A `--set` names things as the main file does.
        let file = match &node.origin {
            Origin::Set(_) => self.library.main.unwrap_or(span.file),
            _ => span.file,
        };
        let Some(id) = self.library.find(file, kind, &word, span, self.out) else {
            node.value = Value::None;
            self.reached.extend(self.library.guess(file, kind, &word));
            return;
        };
        self.reached.insert(id);
        arm.names.insert(field.to_string(), id);
        let Some(def) = self.library.def(id) else { return };
        let origin = |span| Origin::File(span);
        match &*def.item {
            Item::Data(d) | Item::Train(d) => {
                let record = value::record(&d.fields, &origin, self.out);
                node.value = Value::Record(record);
                node.span = d.name.span;
            }
            Item::Objective(binding) => {
                let inner = value::node(&binding.value, &origin, self.out);
                node.value = inner.value;
                node.span = inner.span;
            }
            _ => {}
        }
        if kind == Kind::Objective {
            self.schedules(node);
        }
    }

    /// Marks the formulas that an objective names, as its schedule or its weight, as used.
    fn schedules(&mut self, objective: &Node) {
        let Value::Call { args, .. } = &objective.value else { return };
        let schedule = args.named.get("schedule").map(|(_, n)| n).or_else(|| args.positional.first());
        let weight = args.named.get("weight").map(|(_, n)| n);
        for named in [schedule, weight].into_iter().flatten() {
            if let Node { value: Value::Word(word), span, .. } = named
                && let Some(id) = self.library.guess(span.file, Kind::Schedule, word)
            {
                self.reached.insert(id);
            }
        }
    }
}

/// The paths that a value sets, with their places.
fn leaves(path: &str, node: &Node, into: &mut IndexMap<String, Span>) {
    match &node.value {
        Value::Record(record) => {
            for (name, (_, inner)) in &record.fields {
                leaves(&format!("{path}.{name}"), inner, into);
            }
        }
        _ => {
            into.insert(path.to_string(), node.span);
        }
    }
}

fn mark_arm(node: &mut Node, arm: &str) {
    if let Origin::File(span) = node.origin {
        node.origin = Origin::Arm(arm.to_string(), span);
    }
    match &mut node.value {
        Value::Record(record) => record.fields.values_mut().for_each(|(_, n)| mark_arm(n, arm)),
        Value::Call { args, .. } => {
            args.positional.iter_mut().for_each(|n| mark_arm(n, arm));
            args.named.values_mut().for_each(|(_, n)| mark_arm(n, arm));
        }
        Value::Tuple(items) | Value::List(items) => items.iter_mut().for_each(|n| mark_arm(n, arm)),
        Value::Number { .. } | Value::Str(_) | Value::Bool(_) | Value::None | Value::Word(_) => {}
    }
}

pub(crate) fn unknown_field(of: &str, name: &str, span: Span, known: &[&str]) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(code::UNKNOWN_FIELD, format!("{of} has no field `{name}`")).at(span, "not a field of it");
    match suggest(name, known.iter().copied()) {
        Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
        None => diagnostic.help(format!("its fields are {}", known.join(", "))),
    }
}
