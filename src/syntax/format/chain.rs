//! Expressions: chains of operands and operators. One that is too long for its line breaks before the
//! operators that bind loosest.

use pest::iterators::Pair;

use super::doc::Doc;
use super::list::Builder;
use crate::syntax::grammar::Rule;

/// An operand with its signs, and the operator before it with its binding strength (higher is tighter).
struct Link {
    /// Comments before the operator; then the operator's text.
    comments: Vec<Doc>,
    operator: Option<(u8, String)>,
    operand: Doc,
}

impl Builder<'_> {
    pub fn chain(&mut self, pair: Pair<'_, Rule>) -> Doc {
        let mut links = vec![];
        let (mut comments, mut operator, mut signs) = (vec![], None, vec![]);
        for part in pair.into_inner() {
            match (strength(&part), part.as_rule()) {
                (Some(strength), _) => {
                    comments = self.before_line(part.as_span().start());
                    let text = part.as_str().trim_end().to_string();
                    operator = Some((strength, text, part.as_span().start()));
                }
                (None, Rule::negation) => {
                    self.link_comments(part.as_span().start(), &operator, &mut comments);
                    signs.push(self.leaf(&part));
                }
                (None, Rule::inverse) => {
                    self.link_comments(part.as_span().start(), &operator, &mut comments);
                    signs.extend([self.leaf(&part), Doc::text(" ")]);
                }
                (None, _) => {
                    self.link_comments(part.as_span().start(), &operator, &mut comments);
                    signs.push(self.part(part));
                    links.push(Link {
                        comments: std::mem::take(&mut comments),
                        operator: operator.take().map(|(strength, text, _)| (strength, text)),
                        operand: Doc::Concat(std::mem::take(&mut signs)),
                    });
                }
            }
        }
        nest(links)
    }

    /// A comment after an operator goes before it: what follows an operator stands on its line.
    fn link_comments(&mut self, at: usize, operator: &Option<(u8, String, usize)>, comments: &mut Vec<Doc>) {
        if operator.is_none() {
            return;
        }
        for doc in self.before_line(at) {
            match doc {
                // One comment ends a line; a second one has its own.
                Doc::Comment(text) if !comments.is_empty() => comments.extend([Doc::Hard, Doc::Text(text)]),
                doc => comments.push(doc),
            }
        }
    }
}

/// Groups by strength: the loosest operators of a chain break together.
fn nest(mut links: Vec<Link>) -> Doc {
    let loosest = links.iter().skip(1).filter_map(|l| l.operator.as_ref()).map(|(s, _)| *s).min();
    let Some(loosest) = loosest else {
        return links.pop().map_or(Doc::Concat(vec![]), |link| link.operand);
    };
    let mut parts: Vec<Vec<Link>> = vec![];
    for link in links {
        match &link.operator {
            Some((strength, _)) if *strength > loosest => {
                if let Some(part) = parts.last_mut() {
                    part.push(link);
                }
            }
            _ => parts.push(vec![link]),
        }
    }
    // Powers bind tightest and look it; a range of plain ends needs no blanks either.
    let tight = loosest == POWER || loosest == RANGE && parts.iter().all(|part| part.len() == 1);
    let mut first = Doc::Concat(vec![]);
    let mut rest = vec![];
    for (i, mut part) in parts.into_iter().enumerate() {
        let head = part.first_mut();
        let (comments, operator) =
            head.map(|l| (std::mem::take(&mut l.comments), l.operator.take())).unwrap_or_default();
        let inner = nest(part);
        if i == 0 {
            first = inner;
            continue;
        }
        let text = operator.map_or(String::new(), |(_, text)| text);
        rest.extend(comments);
        if tight {
            rest.extend([Doc::Soft, Doc::Text(text), inner]);
        } else {
            rest.extend([Doc::Line, Doc::Text(format!("{text} ")), inner]);
        }
    }
    Doc::group(vec![first, Doc::indent(rest)])
}

const RANGE: u8 = 4;
const POWER: u8 = 7;

fn strength(pair: &Pair<'_, Rule>) -> Option<u8> {
    Some(match pair.as_rule() {
        Rule::either => 1,
        Rule::both => 2,
        Rule::comparison | Rule::member => 3,
        Rule::span_mark => RANGE,
        Rule::plus | Rule::minus => 5,
        Rule::times | Rule::divide | Rule::modulo => 6,
        Rule::power => POWER,
        _ => return None,
    })
}
