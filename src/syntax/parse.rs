//! Pairs to the tree: definitions, blocks, statements, fields. What recovery swallowed goes to `mistakes`.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::limits::Balanced;
use super::report::Findings;
use crate::ast::{
    Binding, Block, Definition, DimExpr, Expr, ExprKind, Field, File, Ident, Item, Param, ParamType, Schedule,
    ShapeExpr, Stmt, Use, UseName,
};
use crate::base::diag::code;
use crate::base::{Diagnostic, FileId, Span};

/// What is read where; decides how a swallowed line is probed and worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Item,
    Entry,
    /// A line of an `expect`.
    Claim,
    Statement,
    /// The header of a block or model.
    Signature,
    /// The name of a data, train or experiment definition.
    Name,
    /// The header of a repeat.
    Loop,
    /// The condition of an `if`.
    Condition,
    Value,
}

/// The state of reading one file.
pub(super) struct Reader<'a> {
    pub file: FileId,
    /// The user's text, for what is quoted in messages.
    pub source: &'a str,
    pub balanced: &'a Balanced,
    pub findings: &'a mut Findings,
}

impl Reader<'_> {
    /// A range of the balanced text as a place in the user's.
    pub(super) fn place(&self, start: usize, end: usize) -> Span {
        let (start, end) = (self.balanced.original(start), self.balanced.original(end));
        Span::new(self.file, start.min(self.source.len()), end.min(self.source.len()))
    }

    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        self.place(span.start(), span.end())
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.findings.push(diagnostic);
    }

    /// The whole file.
    pub(super) fn read_file(&mut self, pair: Pair<'_, Rule>) -> File {
        let mut file = File::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::head_doc => file.doc = Some(doc_text(part.as_str())),
                Rule::items => {
                    for top in part.into_inner().filter(|p| p.as_rule() == Rule::top) {
                        self.top(top, &mut file);
                    }
                }
                _ => {}
            }
        }
        file
    }

    fn top(&mut self, pair: Pair<'_, Rule>, file: &mut File) {
        let start = pair.as_span().start();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::bad_item => self.swallowed(&part, Place::Item),
                Rule::rest => self.junk(start, &part, Place::Item),
                Rule::language => self.language(part, file),
                Rule::joined_item => {
                    self.missing_separator(
                        &part,
                        "two definitions on one line",
                        "begin each definition on a line of its own",
                    );
                    if let Some(item) = part.into_inner().next() {
                        file.items.extend(self.item(item));
                    }
                }
                _ => file.items.extend(self.item(part)),
            }
        }
    }

    /// `language 1`, before all else.
    fn language(&mut self, pair: Pair<'_, Rule>, file: &mut File) {
        let span = self.span(&pair);
        if !file.items.is_empty() || file.version.is_some() {
            let message = "the version of the language stands before all definitions, and once";
            self.report(Diagnostic::error(code::SYNTAX, message).at(span, "").help("move it to the top of the file"));
            return;
        }
        let digits = pair.into_inner().find(|p| p.as_rule() == Rule::whole);
        let digits: String = digits.map_or("", |p| p.as_str()).chars().filter(char::is_ascii_digit).collect();
        // A number beyond u64 is no version either; which ones there are, resolve says.
        file.version = Some((digits.parse().unwrap_or(u64::MAX), span));
    }

    fn item(&mut self, pair: Pair<'_, Rule>) -> Option<Item> {
        match pair.as_rule() {
            Rule::use_item => self.use_item(pair).map(Item::Use),
            Rule::let_item => self.binding(pair, "a `let` takes `=`, not `:`").map(Item::Let),
            Rule::schedule => self.schedule(pair).map(Item::Schedule),
            Rule::objective => self.binding(pair, "an objective takes `=`, not `:`").map(Item::Objective),
            Rule::data => self.definition(pair).map(Item::Data),
            Rule::train => self.definition(pair).map(Item::Train),
            Rule::experiment => self.definition(pair).map(Item::Experiment),
            Rule::block => self.block(pair).map(Item::Block),
            Rule::model => self.block(pair).map(Item::Model),
            _ => None,
        }
    }

    fn use_item(&mut self, pair: Pair<'_, Rule>) -> Option<Use> {
        let span = self.span(&pair);
        let (mut path, mut names) = (None, vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::string => {
                    let at = self.span(&part);
                    path = Some((self.string(part)?, at));
                }
                Rule::use_name => {
                    let mut words = part.into_inner().filter(|p| p.as_rule() == Rule::ident).map(|p| self.ident(&p));
                    names.push(UseName { name: words.next()?, alias: words.next() });
                }
                _ => {}
            }
        }
        let (path, path_span) = path?;
        Some(Use { path, path_span, names, span })
    }

    fn schedule(&mut self, pair: Pair<'_, Rule>) -> Option<Schedule> {
        let span = self.span(&pair);
        let (mut words, mut formula) = (vec![], None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => words.push(self.ident(&part)),
                Rule::wrong_colon => self.wrong_mark(&part, "a formula takes `=`, not `:`", "="),
                Rule::expr => formula = self.expr(part, 0),
                _ => {}
            }
        }
        let mut words = words.into_iter();
        Some(Schedule { name: words.next()?, variable: words.next()?, formula: formula?, span })
    }

    /// `NAME = VALUE`
    fn binding(&mut self, pair: Pair<'_, Rule>, wrong: &str) -> Option<Binding> {
        let span = self.span(&pair);
        let (mut name, mut value) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::wrong_colon => self.wrong_mark(&part, wrong, "="),
                Rule::expr => value = self.expr(part, 0),
                _ => {}
            }
        }
        Some(Binding { name: name?, value: value?, span })
    }

    fn definition(&mut self, pair: Pair<'_, Rule>) -> Option<Definition> {
        let span = self.span(&pair);
        let (mut name, mut base, mut fields) = (None, None, vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::def_name => {
                    let mut words = part.into_inner().filter(|p| p.as_rule() == Rule::ident).map(|p| self.ident(&p));
                    (name, base) = (words.next(), words.next());
                }
                Rule::bad_head => self.swallowed(&part, Place::Name),
                Rule::open_brace => {}
                Rule::fields => fields = self.fields(part, 0),
                _ => {}
            }
        }
        Some(Definition { name: name?, base, fields, span })
    }

    /// The entries between two braces.
    pub(super) fn fields(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Vec<Field> {
        let mut fields = vec![];
        for entry in pair.into_inner().filter(|p| p.as_rule() == Rule::entry) {
            let start = entry.as_span().start();
            for part in entry.into_inner() {
                match part.as_rule() {
                    Rule::bad_entry => self.swallowed(&part, Place::Entry),
                    Rule::junk => self.junk(start, &part, Place::Entry),
                    Rule::joined_field => {
                        let help = "put a comma or a new line between them";
                        self.missing_separator(&part, "two fields on one line", help);
                        if let Some(field) = part.into_inner().find(|p| p.as_rule() == Rule::field) {
                            fields.extend(self.field(field, depth));
                        }
                    }
                    Rule::bare_call => {
                        let span = self.span(&part);
                        fields.extend(self.bare_call(part, depth).map(|value| Field { path: vec![], value, span }));
                    }
                    Rule::expect_field => fields.extend(self.expect_field(part)),
                    Rule::field => fields.extend(self.field(part, depth)),
                    _ => {}
                }
            }
        }
        fields
    }

    fn field(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Field> {
        let span = self.span(&pair);
        let (mut path, mut value) = (vec![], None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => {
                    path = part.into_inner().filter(|p| p.as_rule() == Rule::ident).map(|p| self.ident(&p)).collect()
                }
                Rule::wrong_equals => self.wrong_mark(&part, "a field takes `:`, not `=`", ":"),
                Rule::expr => value = self.expr(part, depth),
                _ => {}
            }
        }
        Some(Field { path, value: value?, span })
    }

    fn expect_field(&mut self, pair: Pair<'_, Rule>) -> Option<Field> {
        let span = self.span(&pair);
        let (mut name, mut value) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expect_name => name = Some(self.ident(&part)),
                Rule::wrong_equals => self.wrong_mark(&part, "a field takes `:`, not `=`", ":"),
                Rule::claims => {
                    let at = self.span(&part);
                    value = Some(Expr { kind: ExprKind::Claims(self.claims(part)), span: at });
                }
                _ => {}
            }
        }
        Some(Field { path: vec![name?], value: value?, span })
    }

    fn bare_call(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let call = pair.into_inner().find(|p| p.as_rule() == Rule::invoke)?;
        self.call(call, depth)
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Option<Block> {
        let span = self.span(&pair);
        let (mut head, mut body) = (None, vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::signature => head = self.signature(part),
                Rule::bad_head => self.swallowed(&part, Place::Signature),
                Rule::statements => body = self.statements(part),
                _ => {}
            }
        }
        let (name, params, returns) = head?;
        Some(Block { name, params, returns, body, span })
    }

    fn signature(&mut self, pair: Pair<'_, Rule>) -> Option<(Ident, Vec<Param>, Vec<ShapeExpr>)> {
        let (mut name, mut params, mut returns, mut whole) = (None, vec![], vec![], true);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::params => {
                    for param in part.into_inner().filter(|p| p.as_rule() == Rule::param) {
                        match self.param(param) {
                            Some(param) => params.push(param),
                            None => whole = false,
                        }
                    }
                }
                Rule::shapes => {
                    for shape in part.into_inner().filter(|p| p.as_rule() == Rule::shape) {
                        returns.push(self.shape(shape)?);
                    }
                }
                _ => {}
            }
        }
        if whole { Some((name?, params, returns)) } else { None }
    }

    fn param(&mut self, pair: Pair<'_, Rule>) -> Option<Param> {
        let span = self.span(&pair);
        let (mut name, mut ty, mut default) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::param_type => ty = self.param_type(part),
                Rule::expr => default = Some(self.expr(part, 0)?),
                _ => {}
            }
        }
        Some(Param { name: name?, ty: ty?, default, span })
    }

    fn param_type(&mut self, pair: Pair<'_, Rule>) -> Option<ParamType> {
        let part = pair.into_inner().next()?;
        match (part.as_rule(), part.as_str()) {
            (Rule::shape, _) => self.shape(part).map(ParamType::Tensor),
            (Rule::block_type, _) => self.block_type(part),
            (_, "int") => Some(ParamType::Int),
            (_, "real") => Some(ParamType::Real),
            (_, "bool") => Some(ParamType::Bool),
            _ => None,
        }
    }

    fn block_type(&mut self, pair: Pair<'_, Rule>) -> Option<ParamType> {
        let span = self.span(&pair);
        let (mut inputs, mut returns) = (vec![], vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::shape => inputs.push(self.shape(part)?),
                Rule::shapes => {
                    for shape in part.into_inner().filter(|p| p.as_rule() == Rule::shape) {
                        returns.push(self.shape(shape)?);
                    }
                }
                _ => {}
            }
        }
        Some(ParamType::Block { inputs, returns, span })
    }

    fn shape(&mut self, pair: Pair<'_, Rule>) -> Option<ShapeExpr> {
        let span = self.span(&pair);
        let mut dims = vec![];
        for dim in pair.into_inner().filter(|p| p.as_rule() == Rule::dim) {
            let part = dim.into_inner().next()?;
            let at = self.span(&part);
            if part.as_rule() == Rule::ident {
                dims.push(DimExpr::Name(self.ident(&part)));
                continue;
            }
            let digits: String = part.as_str().chars().filter(char::is_ascii_digit).collect();
            match digits.parse() {
                Ok(size) => dims.push(DimExpr::Fixed(size, at)),
                Err(_) => {
                    let message = format!("`{}` is too large for a dimension", part.as_str());
                    self.report(Diagnostic::error(code::BAD_NUMBER, message).at(at, "cannot be represented"));
                    return None;
                }
            }
        }
        Some(ShapeExpr { dims, span })
    }

    fn statements(&mut self, pair: Pair<'_, Rule>) -> Vec<Stmt> {
        let mut statements = vec![];
        for statement in pair.into_inner().filter(|p| p.as_rule() == Rule::statement) {
            let start = statement.as_span().start();
            for part in statement.into_inner() {
                match part.as_rule() {
                    Rule::bad_statement => self.swallowed(&part, Place::Statement),
                    Rule::junk => self.junk(start, &part, Place::Statement),
                    Rule::joined_statement => {
                        let help = "put a comma or a new line between them";
                        self.missing_separator(&part, "two statements on one line", help);
                        if let Some(inner) = part.into_inner().next() {
                            statements.extend(self.statement(inner));
                        }
                    }
                    _ => statements.extend(self.statement(part)),
                }
            }
        }
        statements
    }

    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Stmt> {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::give => {
                let value = pair.into_inner().find(|p| p.as_rule() == Rule::expr)?;
                let value = self.expr(value, 0)?;
                let values = match value.kind {
                    ExprKind::Tuple(items) => items,
                    _ => vec![value],
                };
                Some(Stmt::Return { values, span })
            }
            Rule::bind => {
                let (mut targets, mut value) = (vec![], None);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::targets => {
                            let words = part.into_inner().filter(|p| p.as_rule() == Rule::ident);
                            targets = words.map(|p| self.ident(&p)).collect();
                        }
                        Rule::wrong_colon => self.wrong_mark(&part, "a binding takes `=`, not `:`", "="),
                        Rule::expr => value = self.expr(part, 0),
                        _ => {}
                    }
                }
                Some(Stmt::Bind { targets, value: value?, span })
            }
            Rule::r#loop => {
                let (mut count, mut label, mut body) = (None, None, vec![]);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::loop_head => {
                            for word in part.into_inner() {
                                match word.as_rule() {
                                    Rule::head_expr => count = self.expr(word, 0),
                                    Rule::ident => label = Some(self.ident(&word)),
                                    _ => {}
                                }
                            }
                        }
                        Rule::bad_head => self.swallowed(&part, Place::Loop),
                        Rule::statements => body = self.statements(part),
                        _ => {}
                    }
                }
                Some(Stmt::Repeat { count: count?, label, body, span })
            }
            Rule::branch => self.branch(pair, span),
            Rule::demand => {
                let (mut condition, mut text) = (None, None);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::expr => condition = self.expr(part, 0),
                        Rule::string => text = self.string(part),
                        _ => {}
                    }
                }
                Some(Stmt::Require { condition: condition?, text, span })
            }
            Rule::gather => {
                let (mut target, mut value) = (None, None);
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::ident => target = Some(self.ident(&part)),
                        Rule::wrong_colon => self.wrong_mark(&part, "a binding takes `=`, not `:`", "="),
                        Rule::expr => value = self.expr(part, 0),
                        _ => {}
                    }
                }
                Some(Stmt::Collect { target: target?, value: value?, span })
            }
            _ => None,
        }
    }

    fn branch(&mut self, pair: Pair<'_, Rule>, span: Span) -> Option<Stmt> {
        let (mut branches, mut otherwise, mut whole) = (vec![], None, true);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::branch_arm => {
                    let (mut condition, mut body) = (None, vec![]);
                    for inner in part.into_inner() {
                        match inner.as_rule() {
                            Rule::branch_head => {
                                condition = inner.into_inner().next().and_then(|head| self.expr(head, 0));
                            }
                            Rule::bad_head => self.swallowed(&inner, Place::Condition),
                            Rule::statements => body = self.statements(inner),
                            _ => {}
                        }
                    }
                    match condition {
                        Some(condition) => branches.push((condition, body)),
                        None => whole = false,
                    }
                }
                Rule::statements => otherwise = Some(self.statements(part)),
                _ => {}
            }
        }
        whole.then_some(Stmt::If { branches, otherwise, span })
    }

    /// A mark that belongs to another construct; what it joins is kept.
    pub(super) fn wrong_mark(&mut self, pair: &Pair<'_, Rule>, message: &str, right: &str) {
        let at = self.span(pair);
        let help = format!("write `{right}` here");
        self.report(Diagnostic::error(code::SYNTAX, message).at(at, "").help(help));
    }

    fn missing_separator(&mut self, pair: &Pair<'_, Rule>, message: &str, help: &str) {
        let start = self.span(pair).start as usize;
        let word = self.source.get(start..).unwrap_or("").chars().take_while(|c| c.is_alphanumeric() || *c == '_');
        let length = word.map(char::len_utf8).sum::<usize>().max(1);
        let at = Span::new(self.file, start, (start + length).min(self.source.len()));
        self.report(Diagnostic::error(code::MISSING_SEPARATOR, message).at(at, "the second begins here").help(help));
    }
}

/// `//!` lines without their marks.
fn doc_text(text: &str) -> String {
    let lines = text.trim().lines().map(|line| {
        let line = line.trim().trim_start_matches('\u{feff}').trim_start_matches("//!");
        line.strip_prefix(' ').unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}
