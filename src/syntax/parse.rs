//! Pairs to the tree: the file, definitions, fields. What recovery swallowed goes to `mistakes`.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::limits::Balanced;
use super::report::Findings;
use crate::ast::{Binding, Definition, Expr, ExprKind, Field, File, Item, Schedule, Use, UseName};
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

    /// A pair's place, without the blanks and comments that the grammar takes before an optional part that is
    /// not there: it ends with the last mark or word in it.
    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let mut last = pair.clone();
        // The quotes of a text are no pairs.
        while last.as_rule() != Rule::string
            && let Some(inner) = last.clone().into_inner().next_back()
        {
            last = inner;
        }
        let end = last.as_span().start() + last.as_str().trim_end().len();
        self.place(pair.as_span().start(), end)
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

    /// A mark that belongs to another construct; what it joins is kept.
    pub(super) fn wrong_mark(&mut self, pair: &Pair<'_, Rule>, message: &str, right: &str) {
        let at = self.span(pair);
        let help = format!("write `{right}` here");
        self.report(Diagnostic::error(code::SYNTAX, message).at(at, "").help(help));
    }

    pub(super) fn missing_separator(&mut self, pair: &Pair<'_, Rule>, message: &str, help: &str) {
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
