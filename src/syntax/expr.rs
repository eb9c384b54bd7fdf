//! Pairs to expressions: precedence, numbers, units, and the limits that bound the tree's depth.
//!
//! `^` binds tightest and to the right, then unary minus (`-x^2` is `-(x^2)`), then `*` and `/`, then `+`
//! and `-`. The grammar gives flat chains; the climbing here recurses at most once per operator.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::limits::{MAX_DEPTH, MAX_OPERATORS};
use super::parse::Reader;
use crate::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, NumberLit, UnaryOp};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Number, Rational, Span, Unit};

/// One element of a flat chain.
enum Link {
    Operand(Expr),
    Negation(Span),
    Operator(BinaryOp, Span),
}

type Links = std::iter::Peekable<std::vec::IntoIter<Link>>;

impl Reader<'_> {
    /// An `expr` or a `head_expr` at a depth of the tree. `None` is reported already.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<Expr> {
        let span = self.span(&pair);
        let parts: Vec<Pair<'_, Rule>> = pair.into_inner().collect();
        let operators: Vec<&Pair<'_, Rule>> = parts.iter().filter(|p| is_operator(p.as_rule())).collect();
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
            let operator = match part.as_rule() {
                Rule::negation => {
                    links.push(Link::Negation(at));
                    continue;
                }
                Rule::plus => BinaryOp::Add,
                Rule::minus => BinaryOp::Sub,
                Rule::times => BinaryOp::Mul,
                Rule::divide => BinaryOp::Div,
                Rule::power => BinaryOp::Pow,
                _ => {
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
        if whole { sum(&mut links.into_iter().peekable()) } else { None }
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
            Rule::called => {
                let mut inner = pair.into_inner();
                let mut call = self.call(inner.next()?, depth)?;
                let name = inner.next().and_then(|alias| self.find(alias, Rule::ident));
                match (&mut call.kind, name) {
                    (ExprKind::Call { alias, .. }, Some(name)) => *alias = Some(name),
                    (_, Some(name)) => {
                        let message = format!("`as {}` follows something that is no call", name.text);
                        let help = "`as` names the parameters that a call makes: `linear(x, D) as o`";
                        self.report(Diagnostic::error(code::SYNTAX, message).at(span, "not a call").help(help));
                    }
                    (_, None) => {}
                }
                return Some(Expr { span, ..call });
            }
            Rule::invoke => return self.call(pair, depth),
            _ => return None,
        };
        Some(Expr { kind, span })
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

    fn quantity(&mut self, pair: Pair<'_, Rule>) -> Option<ExprKind> {
        let mut inner = pair.into_inner();
        let number = inner.next()?;
        let span = self.span(&number);
        let text = number.as_str().to_string();
        let (mut digits, mut suffix, mut unit) = ("", None, None);
        for part in number.into_inner() {
            match part.as_rule() {
                Rule::digits => digits = part.as_str(),
                Rule::suffix => suffix = part.as_str().chars().next(),
                Rule::percent => unit = Some((Unit::Percent, self.span(&part))),
                Rule::tail => {
                    self.number_tail(digits, &part);
                    return None;
                }
                _ => {}
            }
        }
        if let Some(word) = inner.next() {
            let (word, at) = (self.unit(word)?, span);
            if unit.is_some() {
                let message = format!("`{text}` has a unit already, and `{}` follows", word.0.word());
                self.report(Diagnostic::error(code::SYNTAX, message).at(at.to(word.1), "a number has one unit"));
                return None;
            }
            unit = Some(word);
        }
        let Some(value) = value_of(digits, suffix) else {
            let message = format!("`{text}` is too large or too small for a number");
            let help = "whole numbers have up to 38 digits, others lie between 1e-307 and 1e308";
            self.report(Diagnostic::error(code::BAD_NUMBER, message).at(span, "cannot be represented").help(help));
            return None;
        };
        Some(ExprKind::Number(NumberLit { value, unit }))
    }

    /// Letters that touch a number: a unit without its space, a suffix in the wrong case, or nonsense.
    fn number_tail(&mut self, digits: &str, tail: &Pair<'_, Rule>) {
        let (word, at) = (tail.as_str(), self.span(tail));
        let upper = word.to_ascii_uppercase();
        let message = format!("`{word}` touches the number {digits}");
        let error = if Unit::parse(word).is_some() {
            Diagnostic::error(code::SYNTAX, message)
                .at(at, "a unit")
                .help(format!("a unit takes a space: `{digits} {word}`"))
        } else if matches!(upper.as_str(), "K" | "M" | "B" | "T" | "G") {
            let suffix = if upper == "G" { "B" } else { &upper };
            let help = format!("thousands are K, millions M, billions B, trillions T: `{digits}{suffix}`");
            Diagnostic::error(code::SYNTAX, message).at(at, "no suffix of numbers").help(help)
        } else {
            let help = "only K, M, B, T and % touch a number; a unit takes a space, a name begins with a letter";
            Diagnostic::error(code::SYNTAX, message).at(at, "").help(help)
        };
        self.report(error);
    }

    fn unit(&mut self, pair: Pair<'_, Rule>) -> Option<(Unit, Span)> {
        let word = pair.into_inner().next()?;
        let (text, at) = (word.as_str(), self.span(&word));
        if let Some(unit) = Unit::parse(text) {
            return Some((unit, at));
        }
        let mut error = Diagnostic::error(code::UNKNOWN_UNIT, format!("`{text}` is no unit")).at(at, "not a unit");
        let words = || Unit::ALL.iter().flat_map(|(_, words)| words.iter().copied());
        let plain = || words().filter(|word| *word != "%");
        error = match suggest(text, plain()) {
            Some(close) => error.help(format!("did you mean `{close}`?")),
            None => {
                let all: Vec<&str> =
                    Unit::ALL.iter().map(|(unit, _)| unit.word()).filter(|word| *word != "%").collect();
                error.help(format!("the units are {}", all.join(", ")))
            }
        };
        self.report(error);
        None
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

fn is_operator(rule: Rule) -> bool {
    matches!(rule, Rule::plus | Rule::minus | Rule::times | Rule::divide | Rule::power | Rule::negation)
}

/// The exact value where a fraction of 128-bit integers holds it, the nearest f64 otherwise.
/// `None` where that is infinite, or zero for digits that are not, or a whole number loses digits.
fn value_of(digits: &str, suffix: Option<char>) -> Option<Number> {
    let clean: String = digits.chars().filter(|c| *c != '_').collect();
    let (mantissa, exponent) = clean.split_once(['e', 'E']).unwrap_or((&clean, "0"));
    let power: i32 = match suffix {
        Some('K') => 3,
        Some('M') => 6,
        Some('B') => 9,
        Some('T') => 12,
        _ => 0,
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if let Some(exact) = exact(whole, fraction, exponent, power) {
        return Some(Number::Exact(exact));
    }
    // Whole numbers count things, so they are never rounded.
    if fraction.is_empty() && clean.len() == mantissa.len() {
        return None;
    }
    let real: f64 = format!("{mantissa}e{}", exponent.parse::<i32>().ok()?.checked_add(power)?).parse().ok()?;
    let zero = mantissa.chars().all(|c| matches!(c, '0' | '.'));
    (real.is_finite() && (real.is_normal() || zero)).then_some(Number::Real(real))
}

fn exact(whole: &str, fraction: &str, exponent: &str, power: i32) -> Option<Rational> {
    let fraction = fraction.trim_end_matches('0');
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    if digits == 0 {
        return Rational::new(0, 1);
    }
    let shift = exponent.parse::<i32>().ok()?.checked_add(power)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let scale = 10i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 { Rational::new(digits.checked_mul(scale)?, 1) } else { Rational::new(digits, scale) }
}

fn binary(op: BinaryOp, op_span: Span, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) }, span }
}

/// The next link as an operator, if it is one of `ops`.
fn take(links: &mut Links, ops: &[BinaryOp]) -> Option<(BinaryOp, Span)> {
    let next = links.next_if(|link| matches!(link, Link::Operator(op, _) if ops.contains(op)))?;
    match next {
        Link::Operator(op, span) => Some((op, span)),
        Link::Operand(_) | Link::Negation(_) => None,
    }
}

fn sum(links: &mut Links) -> Option<Expr> {
    let mut left = product(links)?;
    while let Some((op, span)) = take(links, &[BinaryOp::Add, BinaryOp::Sub]) {
        left = binary(op, span, left, product(links)?);
    }
    Some(left)
}

fn product(links: &mut Links) -> Option<Expr> {
    let mut left = signed(links)?;
    while let Some((op, span)) = take(links, &[BinaryOp::Mul, BinaryOp::Div]) {
        left = binary(op, span, left, signed(links)?);
    }
    Some(left)
}

fn signed(links: &mut Links) -> Option<Expr> {
    match links.next()? {
        Link::Negation(at) => {
            let operand = Box::new(signed(links)?);
            let span = at.to(operand.span);
            Some(Expr { kind: ExprKind::Unary { op: UnaryOp::Neg, operand }, span })
        }
        Link::Operand(base) => match take(links, &[BinaryOp::Pow]) {
            Some((op, span)) => Some(binary(op, span, base, signed(links)?)),
            None => Some(base),
        },
        Link::Operator(..) => None,
    }
}
