//! Pairs to blocks: headers, types, shapes and statements.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::parse::{Place, Reader};
use crate::ast::{Block, DimExpr, ExprKind, Ident, Param, ParamType, ShapeExpr, Stmt};
use crate::base::diag::code;
use crate::base::{Diagnostic, Span};

impl Reader<'_> {
    pub(super) fn block(&mut self, pair: Pair<'_, Rule>) -> Option<Block> {
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
}
