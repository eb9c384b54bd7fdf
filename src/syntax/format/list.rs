//! Items between brackets, and the file: where their comments and empty lines go.

use std::collections::BTreeMap;

use pest::iterators::Pair;

use super::comments::Comment;
use super::doc::Doc;
use crate::syntax::grammar::Rule;

/// Walks the pairs of a text and hands out its comments on the way.
pub struct Builder<'a> {
    pub text: &'a str,
    pub comments: Vec<Comment>,
    /// The first comment that has no place yet.
    next: usize,
    /// Comments from places where none can stand; they go before the item around.
    hoisted: Vec<String>,
    /// The end of what was written last.
    last: usize,
    /// Blanks after the name of a binding, by where the binding begins.
    pub pads: BTreeMap<usize, usize>,
}

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `(a, b)`: commas, also after the last of several lines.
    Call,
    /// `(a)`: as above, and no comma after the last.
    Paren,
    /// `(a,)`: a tuple of one keeps its comma.
    Single,
    /// `{ a, b }` on one line, `a` and `b` on lines of their own without commas on several. Where the
    /// first item begins a line it stays so.
    Body,
}

pub type Build<'b, 'a, 'p> = &'b mut dyn FnMut(&mut Builder<'a>, Pair<'p, Rule>) -> Doc;

impl<'a> Builder<'a> {
    pub fn new(text: &'a str, comments: Vec<Comment>) -> Builder<'a> {
        Builder { text, comments, next: 0, hoisted: vec![], last: 0, pads: BTreeMap::new() }
    }

    /// Comments before a place that have none yet.
    pub fn take_before(&mut self, at: usize) -> Vec<Comment> {
        let rest = self.comments.get(self.next..).unwrap_or_default();
        let taken: Vec<Comment> = rest.iter().take_while(|c| c.start < at).cloned().collect();
        self.next += taken.len();
        taken
    }

    /// The text of a pair without children that matter.
    pub fn leaf(&mut self, pair: &Pair<'_, Rule>) -> Doc {
        let text = pair.as_str().trim_end();
        self.token(pair.as_span().start(), text)
    }

    pub fn token(&mut self, start: usize, text: &str) -> Doc {
        let early = self.take_before(start);
        self.hoisted.extend(early.into_iter().map(|c| c.text));
        self.last = start + text.len();
        Doc::text(text)
    }

    /// Comments between what was written last and `at`: one that ends the line, and those after it.
    pub fn slot(&mut self, at: usize) -> (Option<String>, Vec<Comment>) {
        let mut found = self.take_before(at).into_iter().peekable();
        let trailing = found.next_if(|c| !c.own_line).map(|c| c.text);
        (trailing, found.collect())
    }

    /// `open items close`, not yet grouped.
    pub fn list<'p>(
        &mut self,
        open: &Pair<'p, Rule>,
        items: Vec<Pair<'p, Rule>>,
        close: &Pair<'p, Rule>,
        style: Style,
        build: Build<'_, 'a, 'p>,
    ) -> Vec<Doc> {
        let mut parts = vec![self.leaf(open)];
        let first = items.first().map_or(close.as_span().start(), |p| p.as_span().start());
        let starts_line = self.text.get(self.last..first).is_some_and(|t| t.contains('\n'));
        if items.is_empty() && !self.has_comment_before(close.as_span().start()) {
            parts.push(self.leaf(close));
            return parts;
        }
        let pad = if style == Style::Body { Doc::Line } else { Doc::Soft };
        let (trailing, comments) = self.slot(first);
        parts.extend(trailing.map(Doc::Comment));
        if style == Style::Body && starts_line {
            parts.push(Doc::Force);
        }
        // Lines of the broken form: whether an empty one stands before, and what is on it.
        let mut lines: Vec<(bool, Vec<Doc>)> = vec![];
        lines.extend(comments.into_iter().map(|c| self.comment_line(c)));
        let n = items.len();
        let mut items = items.into_iter().enumerate().peekable();
        while let Some((i, item)) = items.next() {
            let mut blank = self.blank_before(item.as_span().start());
            let mut line = vec![build(self, item)];
            for comment in std::mem::take(&mut self.hoisted) {
                lines.push((std::mem::take(&mut blank), vec![Doc::Text(comment), Doc::Force]));
            }
            line.push(match style {
                Style::Call if i + 1 == n => Doc::Either(",".into(), ""),
                Style::Call | Style::Paren if i + 1 < n => Doc::text(","),
                Style::Single => Doc::text(","),
                Style::Body if i + 1 < n => Doc::Either(String::new(), ","),
                _ => Doc::Concat(vec![]),
            });
            let next = items.peek().map_or(close.as_span().start(), |(_, p)| p.as_span().start());
            let (trailing, comments) = self.slot(next);
            line.extend(trailing.map(Doc::Comment));
            lines.push((blank, line));
            lines.extend(comments.into_iter().map(|c| self.comment_line(c)));
        }
        let mut inner = vec![];
        for (i, (blank, line)) in lines.into_iter().enumerate() {
            if blank && i > 0 && style == Style::Body {
                inner.push(Doc::Blank);
            }
            inner.push(if i == 0 { pad.clone() } else { Doc::Line });
            inner.extend(line);
        }
        parts.push(Doc::indent(inner));
        parts.push(pad);
        parts.push(self.leaf(close));
        parts
    }

    fn comment_line(&self, comment: Comment) -> (bool, Vec<Doc>) {
        (self.blank_before(comment.start), vec![Doc::Text(comment.text), Doc::Force])
    }

    /// The definitions of a file, each on its own lines.
    pub fn file<'p>(&mut self, items: Vec<Pair<'p, Rule>>, build: Build<'_, 'a, 'p>) -> Doc {
        let mut lines: Vec<(bool, Vec<Doc>)> = vec![];
        let end = self.text.len();
        let mut items = items.into_iter().peekable();
        let first = items.peek().map_or(end, |p| p.as_span().start());
        // The first comment of a file may follow a mark that is no text.
        lines.extend(self.take_before(first).into_iter().map(|c| self.comment_line(c)));
        while let Some(item) = items.next() {
            let mut blank = self.blank_before(item.as_span().start());
            let mut line = vec![build(self, item)];
            for comment in std::mem::take(&mut self.hoisted) {
                lines.push((std::mem::take(&mut blank), vec![Doc::Text(comment)]));
            }
            let next = items.peek().map_or(end, |p| p.as_span().start());
            let (trailing, comments) = self.slot(next);
            line.extend(trailing.map(Doc::Comment));
            lines.push((blank, line));
            lines.extend(comments.into_iter().map(|c| self.comment_line(c)));
        }
        let mut parts = vec![];
        for (i, (blank, line)) in lines.into_iter().enumerate() {
            if blank && i > 0 {
                parts.push(Doc::Blank);
            }
            if i > 0 {
                parts.push(Doc::Hard);
            }
            parts.extend(line);
        }
        Doc::Concat(parts)
    }

    /// Whether an empty line stands right before `at`.
    pub fn blank_before(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        let blanks = before.get(before.trim_end().len()..).unwrap_or_default();
        blanks.matches('\n').count() >= 2
    }

    fn has_comment_before(&self, at: usize) -> bool {
        self.comments.get(self.next).is_some_and(|c| c.start < at)
    }
}
