//! Pairs to expressions, and the limits that bound the tree's depth. Precedence is `climb`'s.

use pest::iterators::Pair;

use super::climb::{Link, Misfit, either, infix, is_operator};
use super::grammar::Rule;
use super::limits::{MAX_DEPTH, MAX_OPERATORS};
use super::parse::Reader;
use crate::ast::{Arg, Expr, ExprKind, Ident, UnaryOp};
use crate::base::diag::code;
use crate::base::{Diagnostic, Span};

impl Reader<'_> {
    /// An `expr` or a `head_expr` at a depth of the tree. `None` is reported already.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let parts: Vec<Pair<'_, Rule>> = pair.into_inner().collect();
        let operators: Vec<&Pair<'_, Rule>> = parts.iter().filter(|p| is_operator(p)).collect();
        let n_operators = operators.len();
        if n_operators > MAX_OPERATORS || depth + n_operators > MAX_DEPTH {
            let last = operators.get(MAX_OPERATORS.min(n_operators.saturating_sub(1))).map_or(span, |p| self.span(p));
            let message = if n_operators > MAX_OPERATORS {
                format!("an expression of {n_operators} operators; it may have {MAX_OPERATORS}")
            } else {
                format!("brackets and operators together nest deeper than {MAX_DEPTH} here")
            };
            let help = "give parts of it a name of their own and combine those";
            self.report(Diagnostic::error(code::TOO_DEEP, message).at(last, "one too many").help(help));
            return None;
        }
        let mut links = vec![];
        let mut whole = true;
        for part in parts {
            let at = self.span(&part);
            let operator = match infix(&part) {
                Some(operator) => operator,
                None if part.as_rule() == Rule::negation => {
                    links.push(Link::Prefix(UnaryOp::Neg, at));
                    continue;
                }
                None if part.as_rule() == Rule::inverse => {
                    links.push(Link::Prefix(UnaryOp::Not, at));
                    continue;
                }
                None => {
                    // The other operands are read all the same: each has mistakes of its own.
                    match self.operand(part, depth + n_operators) {
                        Some(operand) => links.push(Link::Operand(operand)),
                        None => whole = false,
                    }
                    continue;
                }
            };
            links.push(Link::Operator(operator, at));
        }
        if !whole {
            return None;
        }
        match either(&mut links.into_iter().peekable()) {
            Ok(value) => Some(value),
            Err(Misfit { at, message, help }) => {
                self.report(Diagnostic::error(code::SYNTAX, message).at(at.unwrap_or(span), "").help(help));
                None
            }
        }
    }

    fn operand(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::quantity => self.quantity(pair)?,
            Rule::string => ExprKind::Str(self.string(pair)?),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::none => ExprKind::None,
            Rule::paren => return self.paren(pair, depth),
            Rule::list => self.list(pair, depth)?,
            Rule::record => {
                let fields = pair.into_inner().next()?;
                ExprKind::Record(self.fields(fields, depth + 1))
            }
            Rule::called => return self.called(pair, depth),
            Rule::choice => self.choice(pair, depth)?,
            Rule::invoke => return self.call(pair, depth),
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    /// A call or a name with what stands around it: `share`, `as`, an extension.
    fn called(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let (mut share, mut base) = (None, None);
        for part in pair.into_inner() {
            let at = self.span(&part);
            match part.as_rule() {
                // The word alone, without the look-ahead to the call.
                Rule::sharing => share = Some(Span::new(at.file, at.start as usize, at.start as usize + 5)),
                Rule::invoke => base = Some(self.call(part, depth)?),
                Rule::alias => {
                    let name = self.find(part, Rule::ident);
                    match (&mut base.as_mut()?.kind, name) {
                        (ExprKind::Call { alias, .. }, name) => *alias = name,
                        (_, name) => {
                            let message = format!("`as {}` follows something that is no call", name?.text);
                            let help = "`as` names the parameters that a call makes: `linear(x, D) as o`";
                            self.report(Diagnostic::error(code::SYNTAX, message).at(span, "not a call").help(help));
                        }
                    }
                }
                Rule::extension => {
                    let fields = part.into_inner().next()?;
                    let fields = self.fields(fields, depth + 1);
                    base = base.map(|base| Expr { kind: ExprKind::Extend { base: Box::new(base), fields }, span });
                }
                _ => {}
            }
        }
        let mut base = base?;
        if let ExprKind::Call { share: shared, .. } = &mut base.kind {
            *shared = share;
        }
        Some(Expr { span, ..base })
    }

    fn choice(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<ExprKind> {
        let (mut branches, mut otherwise, mut whole) = (vec![], None, true);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::choice_arm => {
                    let (mut condition, mut value) = (None, None);
                    for inner in part.into_inner() {
                        match inner.as_rule() {
                            Rule::head_expr => condition = self.expr(inner, depth + 1),
                            Rule::choice_value => value = self.choice_value(inner, depth),
                            _ => {}
                        }
                    }
                    match condition.zip(value) {
                        Some(branch) => branches.push(branch),
                        None => whole = false,
                    }
                }
                Rule::choice_value => otherwise = self.choice_value(part, depth),
                _ => {}
            }
        }
        if !whole {
            return None;
        }
        Some(ExprKind::If { branches, otherwise: Box::new(otherwise?) })
    }

    fn choice_value(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let value = pair.into_inner().find(|part| part.as_rule() == Rule::expr)?;
        self.expr(value, depth + 1)
    }

    /// An `invoke`: a name alone, a path of names, or a call with its arguments.
    pub(super) fn call(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let callee = self.ident(&inner.next()?);
        let arguments = match inner.next() {
            Some(arguments) if arguments.as_rule() == Rule::arguments => arguments,
            // Spaces cannot stand inside, so the path is as written.
            path => {
                let text = match path {
                    Some(_) => self.source.get(span.start as usize..span.end as usize)?.to_string(),
                    None => callee.text,
                };
                return Some(Expr { kind: ExprKind::Name(text), span });
            }
        };
        let mut args = vec![];
        let mut whole = true;
        for arg in arguments.into_inner().filter(|p| p.as_rule() == Rule::arg) {
            match self.arg(arg, depth + 1) {
                Some(arg) => args.push(arg),
                None => whole = false,
            }
        }
        whole.then_some(Expr { kind: ExprKind::Call { callee, args, alias: None, share: None }, span })
    }

    fn arg(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Arg> {
        let span = self.span(&pair);
        let mut name = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::arg_name => {
                    for word in part.into_inner() {
                        match word.as_rule() {
                            Rule::ident => name = Some(self.ident(&word)),
                            Rule::wrong_equals => self.wrong_mark(&word, "a named argument takes `:`, not `=`", ":"),
                            _ => {}
                        }
                    }
                }
                Rule::expr => return self.expr(part, depth).map(|value| Arg { name, value, span }),
                _ => {}
            }
        }
        None
    }

    fn paren(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let mut items = vec![];
        let mut n_items = 0;
        let mut tuple = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::comma => tuple = true,
                Rule::expr => {
                    n_items += 1;
                    items.extend(self.expr(part, depth + 1));
                }
                _ => {}
            }
        }
        if items.len() < n_items {
            return None;
        }
        if tuple {
            Some(Expr { kind: ExprKind::Tuple(items), span })
        } else {
            items.pop().map(|item| Expr { span, ..item })
        }
    }

    fn list(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<ExprKind> {
        let (mut items, mut unit, mut whole) = (vec![], None, true);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expr => match self.expr(part, depth + 1) {
                    Some(item) => items.push(item),
                    None => whole = false,
                },
                Rule::unit => match self.unit(part) {
                    Some(found) => unit = Some(found),
                    None => whole = false,
                },
                _ => {}
            }
        }
        whole.then_some(ExprKind::List { items, unit })
    }

    /// The text between the quotes, escapes resolved.
    pub(super) fn string(&mut self, pair: Pair<'_, Rule>) -> Option<String> {
        let inner = pair.into_inner().next()?;
        let start = inner.as_span().start();
        let mut text = String::new();
        let mut chars = inner.as_str().char_indices();
        while let Some((at, c)) = chars.next() {
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, '"')) => text.push('"'),
                Some((_, '\\')) => text.push('\\'),
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, other)) => {
                    let span = self.place(start + at, start + at + 1 + other.len_utf8());
                    let message = format!("`\\{other}` is no escape");
                    let help = "the escapes are `\\\"`, `\\\\`, `\\n` and `\\t`; a backslash itself is `\\\\`";
                    self.report(Diagnostic::error(code::SYNTAX, message).at(span, "").help(help));
                    return None;
                }
                None => {}
            }
        }
        Some(text)
    }

    pub(super) fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident { text: pair.as_str().to_string(), span: self.span(pair) }
    }

    /// The first name directly inside.
    pub(super) fn find(&self, pair: Pair<'_, Rule>, rule: Rule) -> Option<Ident> {
        pair.into_inner().find(|p| p.as_rule() == rule).map(|p| self.ident(&p))
    }
}
