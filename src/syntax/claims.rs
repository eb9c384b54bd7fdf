//! The claims of an `expect`.

use pest::iterators::Pair;

use super::grammar::Rule;
use super::parse::{Place, Reader};
use crate::ast::Claim;
use crate::base::Diagnostic;
use crate::base::diag::code;

impl Reader<'_> {
    /// The body of an `expect`.
    pub(super) fn claims(&mut self, pair: Pair<'_, Rule>) -> Vec<Claim> {
        let mut claims = vec![];
        for line in pair.into_inner().filter(|part| part.as_rule() == Rule::claim_line) {
            let start = line.as_span().start();
            for part in line.into_inner() {
                match part.as_rule() {
                    Rule::claim => claims.extend(self.claim(part)),
                    Rule::bad_claim => self.swallowed(&part, Place::Claim),
                    Rule::junk => self.junk(start, &part, Place::Claim),
                    _ => {}
                }
            }
        }
        claims
    }

    fn claim(&mut self, pair: Pair<'_, Rule>) -> Option<Claim> {
        let span = self.span(&pair);
        let (mut binds, mut no, mut value) = (None, None, None);
        let (mut at, mut before, mut within) = (None, None, None);
        for part in pair.into_inner() {
            let place = self.span(&part);
            match part.as_rule() {
                Rule::claim_let => {
                    for inner in part.into_inner() {
                        match inner.as_rule() {
                            Rule::ident => binds = Some(self.ident(&inner)),
                            Rule::wrong_colon => self.wrong_mark(&inner, "a `let` takes `=`, not `:`", "="),
                            Rule::expr => value = self.expr(inner, 0),
                            _ => {}
                        }
                    }
                }
                Rule::kw_no => no = Some(place),
                Rule::expr => value = self.expr(part, 0),
                Rule::clause => {
                    let mut parts = part.into_inner();
                    let word = parts.next().map(|p| p.as_rule());
                    let given = parts.find(|p| p.as_rule() == Rule::expr).and_then(|p| self.expr(p, 0))?;
                    let slot = match word {
                        Some(Rule::kw_at) => &mut at,
                        Some(Rule::kw_before) => &mut before,
                        _ => &mut within,
                    };
                    if slot.is_some() {
                        let diagnostic =
                            Diagnostic::error(code::SYNTAX, "this is said twice of one claim").at(place, "");
                        self.report(diagnostic.help("join two conditions with `and`"));
                    }
                    *slot = Some(given);
                }
                _ => {}
            }
        }
        Some(Claim { binds, no, value: value?, at, before, within, span })
    }
}
