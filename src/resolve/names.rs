//! Names inside blocks: every call finds its block or operation, every argument its parameter,
//! every variable its binding. Types and shapes are `graph`'s.

use super::builtins::{self, CONSTANTS, FUNCTIONS, INITS, INPUTS};
use super::library::{DefId, Kind, Library, Lookup, unknown_name};
use crate::ast::{self, DimExpr, Expr, ExprKind, ParamType, Stmt};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, FileId, Span};
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeMap, BTreeSet};

/// Names that a finding lists.
const MAX_LISTED: usize = 20;
/// Blocks of a circle that a finding shows.
const MAX_SHOWN: usize = 4;

/// Which blocks each block or model calls.
pub type Calls = BTreeMap<DefId, BTreeSet<DefId>>;

/// Checks all blocks of the library. Gives the call graph.
pub fn check_blocks(library: &Library, out: &mut Diagnostics) -> Calls {
    let mut calls = Calls::new();
    for (id, def) in library.defs() {
        if let Some(block) = library.block(id) {
            let mut scope =
                Scope { library, file: def.file(), names: vec![], known: BTreeMap::new(), calls: BTreeSet::new(), out };
            scope.block(block);
            calls.insert(id, scope.calls);
        }
    }
    report_recursion(library, &calls, out);
    calls
}

/// Everything reachable from `from`, itself included.
pub fn reachable(calls: &Calls, from: DefId) -> BTreeSet<DefId> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(id) = todo.pop() {
        if reached.insert(id) {
            todo.extend(calls.get(&id).into_iter().flatten());
        }
    }
    reached
}

/// One finding for each circle of blocks.
fn report_recursion(library: &Library, calls: &Calls, out: &mut Diagnostics) {
    let mut graph: DiGraphMap<DefId, ()> = DiGraphMap::new();
    for (id, called) in calls {
        graph.add_node(*id);
        for callee in called {
            graph.add_edge(*id, *callee, ());
        }
    }
    for mut circle in tarjan_scc(&graph) {
        circle.sort();
        let Some((first, others)) = circle.split_first() else { continue };
        let Some(def) = library.def(*first) else { continue };
        if others.is_empty() && !calls.get(first).is_some_and(|called| called.contains(first)) {
            continue;
        }
        let mut diagnostic = Diagnostic::error(code::RECURSIVE_BLOCK, format!("`{}` calls itself", def.name.text))
            .at(def.name.span, "a block is unrolled into a graph, so it cannot end");
        for other in others.iter().take(MAX_SHOWN).filter_map(|id| library.def(*id)) {
            diagnostic = diagnostic.also(other.name.span, "by way of this block");
        }
        out.push(diagnostic.help("use `repeat` for a fixed number of layers"));
    }
}

struct Scope<'a> {
    library: &'a Library,
    file: FileId,
    /// In order of binding, so that the end of a repeat forgets its own.
    names: Vec<String>,
    /// How often each is bound.
    known: BTreeMap<String, usize>,
    calls: BTreeSet<DefId>,
    out: &'a mut Diagnostics,
}

impl Scope<'_> {
    fn block(&mut self, block: &ast::Block) {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for param in &block.params {
            if let Some(first) = seen.insert(&param.name.text, param.name.span) {
                self.out.push(
                    Diagnostic::error(
                        code::DUPLICATE_NAME,
                        format!("the parameter `{}` is there twice", param.name.text),
                    )
                    .at(param.name.span, "again here")
                    .also(first, "first here")
                    .help("rename one of them"),
                );
            }
            if let ParamType::Tensor(shape) = &param.ty {
                for dim in &shape.dims {
                    if let DimExpr::Name(name) = dim {
                        self.bind(&name.text);
                    }
                }
            }
            // A default may use what stands before it.
            if let Some(default) = &param.default {
                self.expr(default);
            }
            self.bind(&param.name.text);
        }
        self.body(&block.body);
        if !ends_in_return(&block.body) {
            self.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("`{}` does not return anything", block.name.text))
                    .at(block.name.span, "its last statement has to be `return`")
                    .help("end it with `return x`"),
            );
        }
        for shape in &block.returns {
            for dim in &shape.dims {
                if let DimExpr::Name(name) = dim {
                    self.name(&name.text, name.span);
                }
            }
        }
    }

    fn body(&mut self, body: &[Stmt]) {
        for (i, stmt) in body.iter().enumerate() {
            match stmt {
                Stmt::Bind { targets, value, .. } => {
                    self.expr(value);
                    targets.iter().for_each(|target| self.bind(&target.text));
                }
                Stmt::Repeat { count, label, body, .. } => {
                    self.expr(count);
                    let outer = self.names.len();
                    label.iter().for_each(|label| self.bind(&label.text));
                    self.body(body);
                    self.forget(outer);
                    if let Some(Stmt::Return { span, .. }) = body.iter().find(|s| matches!(s, Stmt::Return { .. })) {
                        self.out.push(
                            Diagnostic::error(code::SYNTAX, "`return` inside `repeat`")
                                .at(*span, "a layer cannot leave its loop")
                                .help(
                                    "assign to a name that exists before the repeat; it is carried from layer to layer",
                                ),
                        );
                    }
                }
                Stmt::If { .. } | Stmt::Require { .. } | Stmt::Collect { .. } => {}
                Stmt::Return { values, span } => {
                    values.iter().for_each(|v| self.expr(v));
                    if i + 1 < body.len() {
                        self.out.push(
                            Diagnostic::error(code::SYNTAX, "statements after `return`")
                                .at(*span, "nothing after this is reached")
                                .help("move the `return` to the end"),
                        );
                    }
                }
            }
        }
    }

    fn bind(&mut self, name: &str) {
        self.names.push(name.to_string());
        *self.known.entry(name.to_string()).or_default() += 1;
    }

    /// Unbinds what was bound since there were `n` names.
    fn forget(&mut self, n: usize) {
        for name in self.names.drain(n.min(self.names.len())..) {
            if let Some(count) = self.known.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.known.remove(&name);
                }
            }
        }
    }

    fn name(&mut self, name: &str, span: Span) {
        let known = self.known.contains_key(name) || INPUTS.contains(&name) || CONSTANTS.contains(&name);
        if !known && self.out.is_full() {
            self.out.push(unknown_name("value", name, span, None));
        } else if !known {
            let candidates: BTreeSet<&str> =
                self.known.keys().map(String::as_str).chain(INPUTS.iter().chain(CONSTANTS).copied()).collect();
            let closest = suggest(name, candidates).map(str::to_string);
            let mut diagnostic = unknown_name("value", name, span, closest.as_deref());
            if closest.is_none() {
                diagnostic.help =
                    vec!["a value is a parameter, a dimension of one, or assigned with `=` before".into()];
            }
            self.out.push(diagnostic);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number(lit) => {
                if let Some((unit, span)) = lit.unit
                    && unit != crate::base::Unit::Percent
                {
                    self.out.push(
                        Diagnostic::error(code::WRONG_UNIT, format!("`{}` inside a block", unit.word()))
                            .at(span, "numbers of a block are plain")
                            .help("take the unit out"),
                    );
                }
            }
            ExprKind::If { .. } | ExprKind::Range { .. } | ExprKind::Extend { .. } | ExprKind::Claims(_) => {}
            ExprKind::Bool(_) => {}
            ExprKind::Str(_) | ExprKind::None | ExprKind::Record(_) | ExprKind::List { .. } => {
                self.out.push(
                    Diagnostic::error(code::WRONG_TYPE, "a block computes with tensors, numbers, true and false")
                        .at(expr.span, "this is none of them"),
                );
            }
            ExprKind::Name(name) if INITS.contains(&name.as_str()) => {}
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Tuple(items) => items.iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args, alias, .. } => {
                for (i, arg) in args.iter().enumerate() {
                    // `none` is an argument that an operation may know (`window: none`); graph says where not.
                    if matches!(arg.value.kind, ExprKind::None) {
                        continue;
                    }
                    // The last is a choice (`round_to(x, 128, down)`).
                    if callee.text != "round_to" || i != 2 {
                        self.expr(&arg.value);
                    } else if !matches!(&arg.value.kind, ExprKind::Name(n) if n == "up" || n == "down") {
                        self.out.push(
                            Diagnostic::error(code::WRONG_TYPE, "`round_to` goes `up` or `down`")
                                .at(arg.value.span, "neither")
                                .help("for example `round_to(dim, 128, up)`"),
                        );
                    }
                }
                self.call(callee, args, alias.as_ref());
            }
        }
    }

    fn call(&mut self, callee: &ast::Ident, args: &[ast::Arg], alias: Option<&ast::Ident>) {
        let no_alias = |what: &str, out: &mut Diagnostics| {
            if let Some(alias) = alias {
                out.push(
                    Diagnostic::error(code::NO_EFFECT, format!("{what} makes no parameters, so `as` has no effect"))
                        .at(alias.span, "nothing to name")
                        .help("take `as` out"),
                );
            }
        };
        if let Some((name, n)) = FUNCTIONS.iter().find(|(name, _)| *name == callee.text) {
            no_alias(&format!("`{name}`"), self.out);
            if args.len() != *n || args.iter().any(|a| a.name.is_some()) {
                self.out.push(
                    Diagnostic::error(code::MISSING_FIELD, format!("`{name}` takes {n} numbers, by position"))
                        .at(callee.span, format!("{} arguments here", args.len())),
                );
            }
            return;
        }
        if callee.text == "normal" {
            return no_alias("`normal`", self.out);
        }
        if let Some(operation) = builtins::operation(&callee.text) {
            if !operation.has_params {
                no_alias(&format!("`{}`", operation.name), self.out);
            }
            let params: Vec<(&str, bool)> = operation
                .tensors
                .iter()
                .map(|t| (*t, true))
                .chain(operation.statics.iter().map(|s| (s.name, s.default.is_none())))
                .collect();
            // Any number by position is right where they are all of one kind.
            let by_name: Vec<ast::Arg> = args.iter().filter(|a| a.name.is_some()).cloned().collect();
            let args = if operation.rest.is_some() { by_name.as_slice() } else { args };
            return check_args(callee, args, &params, None, self.out);
        }
        match self.library.lookup(self.file, Kind::Block, &callee.text) {
            Lookup::Found(id) => {
                self.calls.insert(id);
                if let (Some(block), Some(def)) = (self.library.block(id), self.library.def(id)) {
                    let params: Vec<(&str, bool)> =
                        block.params.iter().map(|p| (p.name.text.as_str(), p.default.is_none())).collect();
                    check_args(callee, args, &params, Some(def.name.span), self.out);
                }
            }
            Lookup::Failed => {}
            Lookup::OtherKind(kind, at) => self.out.push(
                Diagnostic::error(code::WRONG_KIND, format!("`{}` is {}, not a block", callee.text, kind.a_word()))
                    .at(callee.span, "a block or an operation is wanted here")
                    .also(at, "defined here")
                    .help("use the name of a block, or rename one of the two"),
            ),
            Lookup::Unknown if self.out.is_full() => {
                self.out.push(unknown_name("block or operation", &callee.text, callee.span, None));
            }
            Lookup::Unknown => {
                let blocks: Vec<String> = self
                    .library
                    .defs()
                    .filter(|(_, d)| d.kind == Kind::Block)
                    .filter(|(_, d)| {
                        matches!(self.library.lookup(self.file, Kind::Block, &d.name.text), Lookup::Found(_))
                    })
                    .map(|(_, d)| d.name.text.clone())
                    .collect();
                let names = builtins::OPERATIONS
                    .iter()
                    .map(|o| o.name)
                    .chain(FUNCTIONS.iter().map(|(n, _)| *n))
                    .chain(blocks.iter().map(String::as_str));
                let closest = suggest(&callee.text, names).map(str::to_string);
                self.out.push(unknown_name("block or operation", &callee.text, callee.span, closest.as_deref()));
            }
        }
    }
}

/// The first of many names.
pub(crate) fn short_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(MAX_LISTED + 1).collect();
    if names.len() > MAX_LISTED {
        names.truncate(MAX_LISTED);
        names.push("...");
    }
    names.join(", ")
}

/// "it takes a, b", of a list that may be empty.
pub(crate) fn takes(list: &str) -> String {
    if list.is_empty() { "it takes no arguments".into() } else { format!("it takes {list}") }
}

pub(crate) fn n_arguments(n: usize) -> String {
    match n {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        n => format!("{n} arguments"),
    }
}

fn ends_in_return(body: &[Stmt]) -> bool {
    matches!(body.last(), Some(Stmt::Return { .. }))
}

/// Arguments against parameters: (name, has to be given).
pub(crate) fn check_args(
    callee: &ast::Ident,
    args: &[ast::Arg],
    params: &[(&str, bool)],
    defined: Option<Span>,
    out: &mut Diagnostics,
) {
    let mut given: BTreeMap<&str, Span> = BTreeMap::new();
    let known: BTreeSet<&str> = params.iter().map(|(n, _)| *n).collect();
    let mut position = 0;
    let mut n_unknown = 0;
    let list = || short_list(params.iter().map(|(n, _)| *n));
    let with_definition = |d: Diagnostic| match defined {
        Some(span) => d.also(span, "defined here"),
        None => d,
    };
    for arg in args {
        let name = match &arg.name {
            Some(name) => known.get(name.text.as_str()).copied(),
            None => {
                position += 1;
                params.get(position - 1).map(|(n, _)| *n)
            }
        };
        match (name, &arg.name) {
            (Some(name), _) => {
                if let Some(first) = given.insert(name, arg.span) {
                    out.push(
                        Diagnostic::error(code::DUPLICATE_FIELD, format!("`{name}` is given twice"))
                            .at(arg.span, "again here")
                            .also(first, "first here")
                            .help("keep one of them"),
                    );
                }
            }
            (None, Some(name)) => {
                n_unknown += 1;
                let diagnostic = Diagnostic::error(
                    code::UNKNOWN_FIELD,
                    format!("`{}` has no argument `{}`", callee.text, name.text),
                )
                .at(name.span, "not an argument of it");
                let candidates = params.iter().map(|(n, _)| *n).take(if out.is_full() { 0 } else { usize::MAX });
                let help = match suggest(&name.text, candidates) {
                    Some(closest) => format!("did you mean `{closest}`?"),
                    None => takes(&list()),
                };
                out.push(with_definition(diagnostic.help(help)));
            }
            (None, None) => {
                let message = format!("`{}` takes {}", callee.text, n_arguments(params.len()));
                out.push(with_definition(
                    Diagnostic::error(code::UNKNOWN_FIELD, message).at(arg.span, "one too many").help(takes(&list())),
                ));
            }
        }
    }
    let missing: Vec<&str> = params.iter().filter(|(n, due)| *due && !given.contains_key(n)).map(|(n, _)| *n).collect();
    // An unknown argument most likely is the missing one under a wrong name, and is reported.
    if missing.len() > n_unknown {
        let message = format!(
            "`{}` needs {}",
            callee.text,
            short_list(missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().iter().map(String::as_str))
        );
        out.push(with_definition(
            Diagnostic::error(code::MISSING_FIELD, message).at(callee.span, "not given here").help(takes(&list())),
        ));
    }
}
