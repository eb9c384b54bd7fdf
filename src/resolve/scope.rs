//! Names inside one block: every call finds its block or operation, every argument its parameter, every variable
//! its binding. Types and shapes are `graph`'s, and so is which branch is taken: a name that some branch binds is
//! known here after the `if`, one that a repeat binds is known everywhere in it, and `graph` reports where it is read
//! on a way that does not bind it.

use super::arguments::check_args;
use super::blocks::{Target, Wanted, report_positional, report_unknown};
use super::builtins::{self, CONSTANTS, DISTRIBUTIONS, FUNCTIONS, INITS, INPUTS, PICK};
use super::library::{DefId, Kind, Library, Lookup, unknown_name};
use super::names::assigned;
use crate::ast::{self, Arg, BinaryOp, DimExpr, Expr, ExprKind, Ident, ParamType, Stmt};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, FileId, Span, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// Checks a block, and gives the blocks that it calls or passes on.
pub(super) fn calls_of(block: &ast::Block, file: FileId, library: &Library, out: &mut Diagnostics) -> BTreeSet<DefId> {
    let mut scope = Scope {
        library,
        file,
        names: vec![],
        known: BTreeMap::new(),
        blocks: BTreeMap::new(),
        loops: vec![],
        calls: BTreeSet::new(),
        out,
    };
    scope.block(block);
    scope.calls
}

struct Scope<'a> {
    library: &'a Library,
    file: FileId,
    /// In order of binding, so that the end of a repeat forgets its own.
    names: Vec<String>,
    /// How often each is bound.
    known: BTreeMap<String, usize>,
    /// Parameters that are blocks.
    blocks: BTreeMap<String, Wanted>,
    /// Repeats around, outermost first.
    loops: Vec<Loop>,
    calls: BTreeSet<DefId>,
    out: &'a mut Diagnostics,
}

/// A repeat around a statement.
struct Loop {
    /// What its body binds anywhere: a later index may read it before.
    assigned: BTreeSet<String>,
    collects: BTreeSet<String>,
}

/// What statements are the body of.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Block,
    Repeat,
    Branch,
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
            let wanted = Wanted::of(&param.ty);
            match (&param.default, wanted) {
                (Some(default), Some(wanted)) => self.given(default, wanted),
                (Some(default), None) => self.expr(default),
                (None, _) => {}
            }
            if let Some(wanted) = wanted {
                self.blocks.insert(param.name.text.clone(), wanted);
            }
            self.bind(&param.name.text);
        }
        self.body(&block.body, Place::Block);
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

    fn body(&mut self, body: &[Stmt], place: Place) {
        for (i, stmt) in body.iter().enumerate() {
            match stmt {
                Stmt::Bind { targets, value, .. } => {
                    self.expr(value);
                    targets.iter().for_each(|target| self.bind(&target.text));
                }
                Stmt::Repeat { count, label, body, .. } => self.repeat(count, label.as_ref(), body),
                Stmt::If { branches, otherwise, .. } => self.branches(branches, otherwise.as_deref()),
                Stmt::Require { condition, .. } => self.expr(condition),
                Stmt::Collect { target, value, span } => {
                    self.expr(value);
                    self.collect(target, *span, place);
                }
                Stmt::Return { values, .. } => values.iter().for_each(|v| self.expr(v)),
            }
            if let Some(span) = returns(stmt)
                && i + 1 < body.len()
            {
                self.out.push(
                    Diagnostic::error(code::SYNTAX, "statements after `return`")
                        .at(span, "nothing after this is reached")
                        .help("move the `return` to the end"),
                );
            }
        }
    }

    fn repeat(&mut self, count: &Expr, label: Option<&Ident>, body: &[Stmt]) {
        self.expr(count);
        let outer = self.names.len();
        label.iter().for_each(|label| self.bind(&label.text));
        let bound = assigned(body, true);
        let mut collects: BTreeMap<&str, Span> = BTreeMap::new();
        for stmt in body {
            let Stmt::Collect { target, .. } = stmt else { continue };
            let first = collects.insert(&target.text, target.span).or(bound.get(target.text.as_str()).copied());
            if let Some(first) = first {
                self.out.push(
                    Diagnostic::error(code::DUPLICATE_NAME, format!("`{}` is collected and bound", target.text))
                        .at(target.span, "collected here")
                        .also(first, "and here it is another value")
                        .help("collect under a name of its own"),
                );
            }
        }
        self.loops.push(Loop {
            assigned: bound.keys().map(|name| name.to_string()).collect(),
            collects: collects.keys().map(|name| name.to_string()).collect(),
        });
        self.body(body, Place::Repeat);
        self.loops.pop();
        self.forget(outer);
        collects.keys().for_each(|name| self.bind(name));
        if let Some(span) = first_return(body) {
            self.out.push(
                Diagnostic::error(code::SYNTAX, "`return` inside `repeat`")
                    .at(span, "a layer cannot leave its loop")
                    .help("assign to a name that exists before the repeat; it is carried from layer to layer"),
            );
        }
    }

    /// What a branch binds is known after it, unless it returns.
    fn branches(&mut self, branches: &[(Expr, Vec<Stmt>)], otherwise: Option<&[Stmt]>) {
        let mut bound: BTreeSet<String> = BTreeSet::new();
        for (condition, _) in branches {
            self.expr(condition);
        }
        for body in branches.iter().map(|(_, body)| body.as_slice()).chain(otherwise) {
            let outer = self.names.len();
            self.body(body, Place::Branch);
            if !ends_in_return(body) {
                bound.extend(self.names.iter().skip(outer).cloned());
            }
            self.forget(outer);
        }
        bound.iter().for_each(|name| self.bind(name));
    }

    fn collect(&mut self, target: &Ident, span: Span, place: Place) {
        let diagnostic = match place {
            Place::Repeat => return,
            Place::Block => Diagnostic::error(code::SYNTAX, format!("`collect {}` outside of a repeat", target.text))
                .at(span, "there is nothing to collect over")
                .help("it belongs into the body of a `repeat`"),
            Place::Branch => Diagnostic::error(code::SYNTAX, format!("`collect {}` inside of `if`", target.text))
                .at(span, "a list has an element for each index of its repeat")
                .help("bind a name in each branch, and collect it after the `if`"),
        };
        self.out.push(diagnostic);
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
        // Whether an earlier index has bound it, `graph` says.
        let may_be_carried = || self.loops.iter().any(|l| l.assigned.contains(name));
        if self.known.contains_key(name) || INPUTS.contains(&name) || CONSTANTS.contains(&name) || may_be_carried() {
            return;
        }
        if self.out.is_full() {
            return self.out.push(unknown_name("value", name, span, None));
        }
        if self.loops.iter().any(|l| l.collects.contains(name)) {
            return self.out.push(
                Diagnostic::error(code::UNKNOWN_NAME, format!("`{name}` is collected in this repeat"))
                    .at(span, "it is a list only after the repeat")
                    .help("read it after the repeat, or carry a value: assign it, and read it at the next index"),
            );
        }
        let candidates: BTreeSet<&str> =
            self.known.keys().map(String::as_str).chain(INPUTS.iter().chain(CONSTANTS).copied()).collect();
        let closest = suggest(name, candidates).map(str::to_string);
        let mut diagnostic = unknown_name("value", name, span, closest.as_deref());
        if closest.is_none() {
            diagnostic.help = vec!["a value is a parameter, a dimension of one, or assigned with `=` before".into()];
        }
        self.out.push(diagnostic);
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number(lit) => {
                if let Some((unit, span)) = lit.unit
                    && unit != Unit::Percent
                {
                    self.out.push(
                        Diagnostic::error(code::WRONG_UNIT, format!("`{}` inside a block", unit.word()))
                            .at(span, "numbers of a block are plain")
                            .help("take the unit out"),
                    );
                }
            }
            ExprKind::Bool(_) | ExprKind::None => {}
            ExprKind::Str(_) | ExprKind::Record(_) | ExprKind::Extend { .. } | ExprKind::Claims(_) => {
                self.no_value(expr.span);
            }
            ExprKind::List { .. } | ExprKind::Range { .. } => self.out.push(
                Diagnostic::error(code::WRONG_TYPE, "a list or a range stands after `in` alone")
                    .at(expr.span, "no value of a block")
                    .help("for example `i in [0, 4]`, `i in 1..3`"),
            ),
            ExprKind::Name(name) if INITS.contains(&name.as_str()) => {}
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { op: BinaryOp::In, left, right, .. } => {
                self.expr(left);
                self.members(right);
            }
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::If { branches, otherwise } => {
                branches.iter().for_each(|(condition, _)| self.expr(condition));
                branches.iter().for_each(|(_, value)| self.expr(value));
                self.expr(otherwise);
            }
            ExprKind::Tuple(items) => items.iter().for_each(|e| self.expr(e)),
            ExprKind::Call { callee, args, alias, share } => self.call(callee, args, alias.as_ref(), *share),
        }
    }

    fn no_value(&mut self, span: Span) {
        self.out.push(
            Diagnostic::error(code::WRONG_TYPE, "a block computes with tensors, numbers, true, false and none")
                .at(span, "this is none of them"),
        );
    }

    /// What stands after `in`.
    fn members(&mut self, list: &Expr) {
        match &list.kind {
            ExprKind::List { items, unit } => {
                items.iter().for_each(|item| self.expr(item));
                if let Some((unit, span)) = unit {
                    self.out.push(
                        Diagnostic::error(code::WRONG_UNIT, format!("`{}` inside a block", unit.word()))
                            .at(*span, "numbers of a block are plain")
                            .help("take the unit out"),
                    );
                }
            }
            ExprKind::Range { low, high } => {
                self.expr(low);
                self.expr(high);
            }
            _ => {
                self.expr(list);
                self.out.push(
                    Diagnostic::error(code::WRONG_TYPE, "`in` takes a list or a range")
                        .at(list.span, "neither")
                        .help("for example `i in [0, 4]`, `i in 1..3`"),
                );
            }
        }
    }

    fn call(&mut self, callee: &Ident, args: &[Arg], alias: Option<&Ident>, share: Option<Span>) {
        if let Some(wanted) = self.blocks.get(&callee.text).copied() {
            return self.call_given(callee, args, wanted);
        }
        let function = FUNCTIONS.iter().find(|(name, _)| *name == callee.text).map(|(_, n)| *n);
        let operation = builtins::operation(&callee.text);
        let is_plain = function.is_some() || DISTRIBUTIONS.contains(&callee.text.as_str()) || callee.text == PICK;
        if is_plain || operation.is_some_and(|operation| !operation.has_params) {
            self.no_parameters(&format!("`{}`", callee.text), alias.map(|a| a.span), share);
        }
        if is_plain || operation.is_some() {
            for (i, arg) in args.iter().enumerate() {
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
        }
        if callee.text == PICK {
            if args.len() != 2 || args.iter().any(|a| a.name.is_some()) {
                self.out.push(
                    Diagnostic::error(
                        code::MISSING_FIELD,
                        "`pick` takes a list and the number of an element, by position",
                    )
                    .at(callee.span, format!("{} arguments here", args.len()))
                    .help("for example `pick(h, 0)`"),
                );
            }
        } else if let Some(n) = function {
            if args.len() != n || args.iter().any(|a| a.name.is_some()) {
                let name = &callee.text;
                self.out.push(
                    Diagnostic::error(code::MISSING_FIELD, format!("`{name}` takes {n} numbers, by position"))
                        .at(callee.span, format!("{} arguments here", args.len())),
                );
            }
        } else if let Some(operation) = operation {
            let params: Vec<(&str, bool)> = operation
                .tensors
                .iter()
                .map(|t| (*t, true))
                .chain(operation.statics.iter().map(|s| (s.name, s.default.is_none())))
                .collect();
            // Any number by position is right where they are all of one kind.
            let by_name: Vec<Arg> = args.iter().filter(|a| a.name.is_some()).cloned().collect();
            let args = if operation.rest.is_some() { by_name.as_slice() } else { args };
            check_args(callee, args, &params, None, self.out);
        } else if !is_plain {
            self.call_block(callee, args);
        }
    }

    fn no_parameters(&mut self, what: &str, alias: Option<Span>, share: Option<Span>) {
        for (word, span) in [("as", alias), ("share", share)] {
            if let Some(span) = span {
                self.out.push(
                    Diagnostic::error(
                        code::NO_EFFECT,
                        format!("{what} makes no parameters, so `{word}` has no effect"),
                    )
                    .at(span, if word == "as" { "nothing to name" } else { "nothing to share" })
                    .help(format!("take `{word}` out")),
                );
            }
        }
    }

    fn call_block(&mut self, callee: &Ident, args: &[Arg]) {
        let found = match self.library.lookup(self.file, Kind::Block, &callee.text) {
            Lookup::Found(id) => self.library.block(id).map(|block| (id, block)),
            Lookup::OtherKind(..) | Lookup::Failed | Lookup::Unknown => None,
        };
        let Some((id, block)) = found else {
            args.iter().for_each(|arg| self.expr(&arg.value));
            let functions: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).chain([PICK]).collect();
            let names: Vec<&str> = functions.into_iter().chain(self.blocks.keys().map(String::as_str)).collect();
            return report_unknown(self.library, self.file, callee, &names, self.out);
        };
        self.calls.insert(id);
        for (i, arg) in args.iter().enumerate() {
            let param = match &arg.name {
                Some(name) => block.params.iter().find(|p| p.name.text == name.text),
                None => block.params.get(i),
            };
            match param.and_then(|param| Wanted::of(&param.ty)) {
                Some(wanted) => self.given(&arg.value, wanted),
                None => self.expr(&arg.value),
            }
        }
        let params: Vec<(&str, bool)> =
            block.params.iter().map(|p| (p.name.text.as_str(), p.default.is_none())).collect();
        check_args(callee, args, &params, Some(block.name.span), self.out);
    }

    /// A call of a block that the caller gave.
    fn call_given(&mut self, callee: &Ident, args: &[Arg], wanted: Wanted) {
        args.iter().for_each(|arg| self.expr(&arg.value));
        let name = &callee.text;
        let help = "static arguments are given with the block: `norm: rmsnorm(eps: 1e-5)`";
        if let Some(named) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.out.push(
                Diagnostic::error(code::UNKNOWN_FIELD, format!("`{name}` takes its tensors by position"))
                    .at(named.span, "what it calls this is not known here")
                    .also(wanted.span, "its type")
                    .help(help),
            );
        } else if args.len() != wanted.n_inputs {
            let n = wanted.n_inputs;
            let plural = if n == 1 { "" } else { "s" };
            self.out.push(
                Diagnostic::error(code::MISSING_FIELD, format!("`{name}` takes {n} tensor{plural}"))
                    .at(callee.span, format!("{} arguments here", args.len()))
                    .also(wanted.span, "its type")
                    .help(help),
            );
        }
    }

    /// A block given for a parameter: a name, or a call that leaves the tensors out.
    fn given(&mut self, written: &Expr, wanted: Wanted) {
        let none: &[Arg] = &[];
        let (name, args, alias, share) = match &written.kind {
            ExprKind::Name(name) => (Ident { text: name.clone(), span: written.span }, none, None, None),
            ExprKind::Call { callee, args, alias, share } => (callee.clone(), args.as_slice(), alias.as_ref(), *share),
            _ => {
                return self.out.push(
                    Diagnostic::error(code::BLOCK_ARGUMENT, "a block is wanted")
                        .at(written.span, "neither a block nor an operation")
                        .also(wanted.span, "for this")
                        .help("write its name, or a call without the tensors: `rmsnorm`, `swiglu(hidden: 344)`"),
                );
            }
        };
        self.no_parameters("a block that is given", alias.map(|a| a.span), share);
        if let Some(received) = self.blocks.get(&name.text).copied() {
            return self.pass_on(&name, args, received, wanted);
        }
        let Some(target) = Target::find(self.library, self.file, &name.text) else {
            args.iter().for_each(|arg| self.expr(&arg.value));
            let others: Vec<&str> = self.blocks.keys().map(String::as_str).collect();
            return report_unknown(self.library, self.file, &name, &others, self.out);
        };
        if let Target::Block(id) = target {
            self.calls.insert(id);
        }
        let mut given = vec![];
        for arg in args {
            let wanted = arg.name.as_ref().and_then(|arg| target.wanted(self.library, &arg.text));
            match wanted {
                Some(wanted) => self.given(&arg.value, wanted),
                None => self.expr(&arg.value),
            }
            given.extend(arg.name.clone());
        }
        if given.len() < args.len() {
            let at = args.iter().find(|arg| arg.name.is_none()).map_or(name.span, |arg| arg.span);
            return report_positional(&name, at, args.len() - given.len(), self.out);
        }
        target.check(self.library, &name, &given, wanted, self.out);
    }

    fn pass_on(&mut self, name: &Ident, args: &[Arg], received: Wanted, wanted: Wanted) {
        args.iter().for_each(|arg| self.expr(&arg.value));
        let diagnostic = if let Some(arg) = args.first() {
            Diagnostic::error(code::BLOCK_ARGUMENT, format!("`{}` is given already, with its arguments", name.text))
                .at(arg.span, "no argument can be added here")
                .help("give static arguments where the block comes from")
        } else if (received.n_inputs, received.n_returns) != (wanted.n_inputs, wanted.n_returns) {
            Diagnostic::error(code::BLOCK_ARGUMENT, format!("`{}` is a block of another type", name.text))
                .at(name.span, "passed on here")
                .help("both types have to take and return as many tensors")
        } else {
            return;
        };
        self.out.push(diagnostic.also(received.span, "its type").also(wanted.span, "for this"));
    }
}

/// The place of a `return` that a statement always reaches.
fn returns(stmt: &Stmt) -> Option<Span> {
    match stmt {
        Stmt::Return { span, .. } => Some(*span),
        Stmt::If { branches, otherwise: Some(otherwise), span } => {
            let all = branches.iter().map(|(_, body)| body).chain([otherwise]).all(|body| ends_in_return(body));
            all.then_some(*span)
        }
        _ => None,
    }
}

fn ends_in_return(body: &[Stmt]) -> bool {
    body.last().is_some_and(|stmt| returns(stmt).is_some())
}

/// A `return` among statements and their branches; inner repeats report their own.
fn first_return(body: &[Stmt]) -> Option<Span> {
    body.iter().find_map(|stmt| match stmt {
        Stmt::Return { span, .. } => Some(*span),
        Stmt::If { branches, otherwise, .. } => {
            branches.iter().map(|(_, body)| body).chain(otherwise).find_map(|body| first_return(body))
        }
        _ => None,
    })
}
