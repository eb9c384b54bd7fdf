//! Pairs of the grammar to layout, rule by rule. Assumes a text without mistakes.

use pest::iterators::Pair;

use super::doc::Doc;
use super::list::{Builder, Style};
use crate::syntax::grammar::Rule;

/// The longest name of a field that the values beside it line up with.
const ALIGNED: usize = 12;

type P<'p> = Pair<'p, Rule>;

impl<'a> Builder<'a> {
    /// Any part of a text, with all that belongs to it.
    pub fn part(&mut self, pair: P<'_>) -> Doc {
        match pair.as_rule() {
            Rule::expr | Rule::head_expr => self.chain(pair),
            Rule::fields => Doc::group(self.fields(pair)),
            Rule::record | Rule::extension => self.tight(pair),
            Rule::claims => Doc::group(self.items(pair, Style::Body)),
            Rule::statements => Doc::group(self.items(pair, Style::Body)),
            Rule::params | Rule::arguments | Rule::shape => Doc::group(self.items(pair, Style::Call)),
            Rule::targets | Rule::shapes | Rule::paren => self.maybe_bracketed(pair),
            Rule::list => self.list_with_unit(pair),
            Rule::use_item => self.use_item(pair),
            Rule::schedule => self.schedule(pair),
            Rule::block_type => self.block_type(pair),
            Rule::signature => self.signature(pair),
            Rule::param => self.joined(pair, |rule| !matches!(rule, Rule::colon)),
            Rule::arg => self.words(pair),
            Rule::invoke => self.invoke(pair),
            Rule::choice => self.choice(pair),
            Rule::choice_value => Doc::group(self.items(pair, Style::Body)),
            Rule::branch => self.branch(pair),
            Rule::demand => self.demand(pair),
            Rule::claim => self.claim(pair),
            Rule::top
            | Rule::entry
            | Rule::statement
            | Rule::claim_line
            | Rule::param_type
            | Rule::arg_name
            | Rule::bare_call
            | Rule::path => self.tight(pair),
            Rule::let_item | Rule::objective => self.binding(pair),
            Rule::data
            | Rule::train
            | Rule::experiment
            | Rule::block
            | Rule::model
            | Rule::language
            | Rule::def_name
            | Rule::use_name
            | Rule::give
            | Rule::bind
            | Rule::r#loop
            | Rule::loop_head
            | Rule::branch_head
            | Rule::gather
            | Rule::claim_let
            | Rule::called
            | Rule::sharing
            | Rule::alias
            | Rule::choice_arm
            | Rule::quantity => self.words(pair),
            Rule::number | Rule::string => self.leaf(&pair),
            // Marks, words, names; what looks ahead has an inner one that does not.
            _ => self.tight(pair),
        }
    }

    /// Parts one after the other.
    fn tight(&mut self, pair: P<'_>) -> Doc {
        self.joined(pair, |_| false)
    }

    /// Parts with a blank between them.
    fn words(&mut self, pair: P<'_>) -> Doc {
        self.joined(pair, |_| true)
    }

    /// Parts with a blank before those that ask for one.
    fn joined(&mut self, pair: P<'_>, blank: impl Fn(Rule) -> bool) -> Doc {
        if pair.clone().into_inner().next().is_none() {
            return self.leaf(&pair);
        }
        let mut parts = vec![];
        for (i, part) in pair.into_inner().enumerate() {
            if i > 0 && blank(part.as_rule()) {
                parts.push(Doc::text(" "));
            }
            parts.push(self.part(part));
        }
        Doc::Concat(parts)
    }

    /// What stands between the first opening and the last closing bracket, without separators.
    fn items<'p>(&mut self, pair: P<'p>, style: Style) -> Vec<Doc> {
        self.items_by(pair, style, &mut |builder, item| builder.part(item))
    }

    fn items_by<'p>(&mut self, pair: P<'p>, style: Style, build: super::list::Build<'_, 'a, 'p>) -> Vec<Doc> {
        let parts: Vec<P<'p>> = pair.into_inner().collect();
        let (Some(open), Some(close)) = (parts.iter().position(is_open), parts.iter().rposition(is_close)) else {
            return parts.into_iter().map(|part| build(self, part)).collect();
        };
        let mut before: Vec<Doc> = vec![];
        let mut items = vec![];
        let mut brackets = vec![];
        for (i, part) in parts.into_iter().enumerate() {
            if i < open {
                before.push(self.part(part));
            } else if i == open || i == close {
                brackets.push(part);
            } else if i < close && part.as_rule() != Rule::comma {
                items.push(part);
            }
        }
        if let [open, close] = brackets.as_slice() {
            before.extend(self.list(open, items, close, style, build));
        }
        before
    }

    /// Fields whose values line up where the body stands on several lines.
    fn fields(&mut self, pair: P<'_>) -> Vec<Doc> {
        let names: Vec<usize> = pair.clone().into_inner().filter_map(|entry| Some(field_name(&entry)?.1)).collect();
        let column = names.iter().copied().filter(|n| *n <= ALIGNED).max().unwrap_or(0);
        self.items_by(pair, Style::Body, &mut |builder, entry| {
            let Some((field, width)) = field_name(&entry) else { return builder.part(entry) };
            let pad = if width <= ALIGNED { column - width } else { 0 };
            let mut parts = vec![];
            for part in field.into_inner() {
                let is_mark = matches!(part.as_rule(), Rule::colon | Rule::wrong_equals);
                parts.push(builder.part(part));
                if is_mark {
                    parts.push(Doc::Either(" ".repeat(pad + 1), " "));
                }
            }
            Doc::Concat(parts)
        })
    }

    /// One thing, or several between brackets.
    fn maybe_bracketed(&mut self, pair: P<'_>) -> Doc {
        let (mut n_commas, mut n_brackets, mut n_items) = (0, 0, 0);
        for part in pair.clone().into_inner() {
            match part.as_rule() {
                Rule::comma => n_commas += 1,
                _ if is_open(&part) || is_close(&part) => n_brackets += 1,
                _ => n_items += 1,
            }
        }
        let style = match (n_items, n_commas) {
            _ if n_brackets == 0 => return self.tight(pair),
            (1, 0) => Style::Paren,
            (1, _) => Style::Single,
            _ => Style::Call,
        };
        Doc::group(self.items(pair, style))
    }

    /// `[a, b] tokens`
    fn list_with_unit(&mut self, pair: P<'_>) -> Doc {
        let unit = pair.clone().into_inner().find(|p| p.as_rule() == Rule::unit);
        let mut parts = vec![Doc::group(self.items(pair, Style::Call))];
        if let Some(unit) = unit {
            parts.extend([Doc::text(" "), self.part(unit)]);
        }
        Doc::Concat(parts)
    }

    /// `objective NAME = CALL`, with its `=` below that of its neighbours.
    fn binding(&mut self, pair: P<'_>) -> Doc {
        let pad = self.pads.get(&pair.as_span().start()).copied().unwrap_or(0);
        let mut parts = vec![];
        for (i, part) in pair.into_inner().enumerate() {
            if i > 0 {
                parts.push(Doc::text(" "));
            }
            let is_name = part.as_rule() == Rule::ident;
            parts.push(self.part(part));
            if is_name {
                parts.push(Doc::text(" ".repeat(pad)));
            }
        }
        Doc::Concat(parts)
    }

    /// How far the `=` of neighbouring bindings of one kind move to stand below each other.
    pub fn line_up(&mut self, tops: &[P<'_>]) {
        let binding = |top: &P<'_>| {
            let item = top.clone().into_inner().next()?;
            let name = item.clone().into_inner().find(|p| p.as_rule() == Rule::ident)?.as_str().len();
            matches!(item.as_rule(), Rule::let_item | Rule::objective).then_some((
                item.as_rule(),
                item.as_span().start(),
                name,
            ))
        };
        let all: Vec<_> = tops.iter().map(binding).collect();
        let together = |a: &Option<(Rule, usize, usize)>, b: &Option<(Rule, usize, usize)>| match (a, b) {
            (Some((kind, ..)), Some((other, at, _))) => kind == other && !self.blank_before(*at),
            _ => false,
        };
        let mut pads = vec![];
        for run in all.chunk_by(together) {
            let names = run.iter().flatten().filter(|(.., name)| *name <= ALIGNED);
            let widest = names.clone().map(|(.., name)| *name).max().unwrap_or(0);
            pads.extend(names.map(|(_, at, name)| (*at, widest - name)));
        }
        self.pads.extend(pads);
    }

    /// `use "path" { names }`
    fn use_item(&mut self, pair: P<'_>) -> Doc {
        let (mut parts, mut names, mut brackets) = (vec![], vec![], vec![]);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::use_name => names.push(part),
                Rule::comma => {}
                _ if is_open(&part) || is_close(&part) => brackets.push(part),
                _ => parts.extend([self.part(part), Doc::text(" ")]),
            }
        }
        if let [open, close] = brackets.as_slice() {
            let list = self.list(open, names, close, Style::Body, &mut |builder, name| builder.part(name));
            parts.push(Doc::group(list));
        }
        Doc::Concat(parts)
    }

    /// `schedule NAME(VARIABLE) = FORMULA`
    fn schedule(&mut self, pair: P<'_>) -> Doc {
        let mut names = 0;
        let mut parts = vec![];
        for part in pair.into_inner() {
            names += usize::from(part.as_rule() == Rule::ident);
            let blank = match part.as_rule() {
                Rule::ident => names == 1,
                Rule::equals | Rule::expr => true,
                _ => false,
            };
            if blank {
                parts.push(Doc::text(" "));
            }
            parts.push(self.part(part));
        }
        Doc::Concat(parts)
    }

    /// `NAME(parameters) -> shapes`
    fn signature(&mut self, pair: P<'_>) -> Doc {
        self.joined(pair, |rule| matches!(rule, Rule::arrow | Rule::shapes))
    }

    /// `block(shapes) -> shapes`
    fn block_type(&mut self, pair: P<'_>) -> Doc {
        let result = pair.clone().into_inner().filter(|p| matches!(p.as_rule(), Rule::arrow | Rule::shapes));
        let result: Vec<P<'_>> = result.collect();
        let mut parts = vec![Doc::group(self.items(pair, Style::Call))];
        for part in result {
            parts.extend([Doc::text(" "), self.part(part)]);
        }
        Doc::Concat(parts)
    }

    /// `f(...)`, `a.b.c`
    fn invoke(&mut self, pair: P<'_>) -> Doc {
        let mut parts = vec![];
        for (i, part) in pair.into_inner().enumerate() {
            if i > 0 && part.as_rule() == Rule::ident {
                parts.push(Doc::text("."));
            }
            parts.push(self.part(part));
        }
        Doc::Concat(parts)
    }

    /// `require CONDITION, "text"`
    fn demand(&mut self, pair: P<'_>) -> Doc {
        let mut parts = vec![];
        let mut text = vec![];
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::comma => text.extend([self.part(part), Doc::Line]),
                Rule::string => text.push(self.part(part)),
                Rule::kw_require => parts.extend([self.part(part), Doc::text(" ")]),
                _ => parts.push(self.part(part)),
            }
        }
        parts.push(Doc::indent(text));
        Doc::group(parts)
    }

    /// `no e at c before q within d`
    fn claim(&mut self, pair: P<'_>) -> Doc {
        let mut parts = vec![];
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_no => parts.extend([self.part(part), Doc::text(" ")]),
                Rule::clause => {
                    // The clause itself begins where the value ends.
                    let word = part.clone().into_inner().next().map_or(part.as_span().start(), |p| p.as_span().start());
                    let mut clause = self.before_line(word);
                    clause.push(Doc::Line);
                    clause.push(self.words(part));
                    parts.push(Doc::indent(clause));
                }
                _ => parts.push(self.part(part)),
            }
        }
        Doc::group(parts)
    }

    /// `if a { x } else if b { y } else { z }` as a value.
    fn choice(&mut self, pair: P<'_>) -> Doc {
        let mut parts = vec![];
        let mut rest = vec![];
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_else => {
                    rest.extend(self.before_line(part.as_span().start()));
                    rest.extend([Doc::Line, self.part(part), Doc::text(" ")]);
                }
                _ if rest.is_empty() => parts.push(self.part(part)),
                _ => rest.push(self.part(part)),
            }
        }
        parts.push(Doc::indent(rest));
        Doc::group(parts)
    }

    /// `if a { ... } else if b { ... } else { ... }` as a statement: all on one line, or none.
    fn branch(&mut self, pair: P<'_>) -> Doc {
        let mut parts = vec![];
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_else => {
                    let comments = self.before_line(part.as_span().start());
                    let mark = if comments.is_empty() { Doc::text(" ") } else { Doc::Hard };
                    parts.extend(comments);
                    parts.extend([mark, self.part(part), Doc::text(" ")]);
                }
                Rule::branch_arm => {
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::statements => parts.extend(self.items(part, Style::Body)),
                            _ => parts.extend([self.part(part), Doc::text(" ")]),
                        }
                    }
                }
                Rule::statements => parts.extend(self.items(part, Style::Body)),
                _ => parts.push(self.part(part)),
            }
        }
        Doc::group(parts)
    }

    /// Comments between what was written last and a place where a line may end: the first may end the
    /// line, the others have lines of their own.
    pub fn before_line(&mut self, at: usize) -> Vec<Doc> {
        let (trailing, own) = self.slot(at);
        let mut parts: Vec<Doc> = trailing.map(Doc::Comment).into_iter().collect();
        for comment in own {
            parts.extend([Doc::Hard, Doc::Text(comment.text)]);
        }
        parts
    }
}

fn is_open(pair: &P<'_>) -> bool {
    matches!(pair.as_rule(), Rule::open_paren | Rule::open_bracket | Rule::open_brace)
}

fn is_close(pair: &P<'_>) -> bool {
    matches!(pair.as_rule(), Rule::close_paren | Rule::close_bracket | Rule::close_brace)
}

/// The field of an entry, and how wide its name is.
fn field_name<'p>(entry: &P<'p>) -> Option<(P<'p>, usize)> {
    let field = entry.clone().into_inner().next()?;
    let name = field.clone().into_inner().next()?;
    match (field.as_rule(), name.as_rule()) {
        (Rule::field, _) => {
            let parts = name.into_inner().filter(|p| p.as_rule() == Rule::ident);
            let widths: Vec<usize> = parts.map(|p| p.as_str().len()).collect();
            Some((field, widths.iter().sum::<usize>() + widths.len().saturating_sub(1)))
        }
        (Rule::expect_field, _) => Some((field, name.as_str().trim_end().len())),
        _ => None,
    }
}
