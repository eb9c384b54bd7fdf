//! The claims of an `expect`, checked for sense before anything runs: what each says becomes a typed
//! [`Claim`], or an error that says why it says nothing. Whether a claim holds is decided on finished
//! runs, by `crate::claims`.

mod call;
mod condition;
mod sense;
mod typed;
pub mod types;

pub use types::Claim;

use super::reader::Cx;
use super::spec::{Arm, Axis, Point};
use crate::ast::{self, Expr};
use crate::base::diag::code;
use crate::base::{Diagnostic, Span};
use crate::resolve::ResolvedSpec;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use typed::Typed;
use types::{Progress, Quantity, Statement, Tolerance, Value};

/// The experiment that claims are about.
pub struct Subject<'a> {
    pub spec: &'a ResolvedSpec,
    pub arms: &'a [String],
    /// Those that are sound: what is known of the runs to come.
    pub variants: &'a [Arm],
}

impl<'a> Subject<'a> {
    fn axes(&self) -> &'a [Axis] {
        &self.spec.axes
    }

    fn points(&self) -> &'a [Point] {
        &self.spec.points
    }
}

/// Reads every claim. Those that are wrong are reported and left out; so are, with a warning, those about an
/// axis that `--set` took away, and silently those about points that `--point` did.
pub fn read(subject: &Subject<'_>, cx: &mut Cx<'_>) -> Vec<Claim> {
    let claims = &subject.spec.claims;
    let mut all_lets: BTreeMap<String, Span> = BTreeMap::new();
    for name in claims.iter().filter_map(|claim| claim.binds.as_ref()) {
        all_lets.entry(name.text.clone()).or_insert(name.span);
    }
    let mut reader = Reader {
        subject,
        cx,
        lets: IndexMap::new(),
        all_lets,
        defining: None,
        used_early: BTreeSet::new(),
        needs: vec![],
        left_out: None,
    };
    let read = claims.iter().filter_map(|claim| reader.claim(claim)).collect();
    reader.unused();
    read
}

/// A `let` of the `expect`.
struct Let {
    span: Span,
    text: String,
    /// `None`: it is wrong, and reported.
    typed: Option<Typed>,
    /// The `let`s that it is made of itself.
    needs: Vec<String>,
    used: bool,
    left_out: Option<String>,
}

struct Reader<'a, 'c> {
    subject: &'a Subject<'a>,
    cx: &'a mut Cx<'c>,
    /// Those that stand above.
    lets: IndexMap<String, Let>,
    /// Those of the whole `expect`, with their places.
    all_lets: BTreeMap<String, Span>,
    /// The `let` that is being read.
    defining: Option<String>,
    used_early: BTreeSet<String>,
    /// The `let`s that the claim at hand has used so far.
    needs: Vec<String>,
    /// The axis that the claim at hand names and `--set` took away.
    left_out: Option<String>,
}

impl Reader<'_, '_> {
    fn claim(&mut self, claim: &ast::Claim) -> Option<Claim> {
        self.needs.clear();
        self.left_out = None;
        if let Some(name) = &claim.binds {
            self.bind(name, &claim.value);
            return None;
        }
        let typed = self.typed(&claim.value);
        let statement = self.statement(typed, claim);
        let points = match &claim.at {
            Some(condition) => self.select(condition),
            None => Some((0..self.subject.points().len()).collect()),
        };
        if let Some(label) = self.left_out.take() {
            self.report(
                Diagnostic::warning(code::CLAIM_LEFT_OUT, format!("left out: this claim is about `{label}`"))
                    .at(claim.span, "needs all points of that axis")
                    .note(format!("`--set` gives `{label}` one value, so there is no such axis in this run"))
                    .help("run without that `--set` to decide it"),
            );
            return None;
        }
        let lets = self.lets_of_claim();
        let text = one_line(self.cx.map.text(claim.span));
        let claim_span = claim.value.span;
        let claim = Claim { text, lets, negated: claim.no.is_some(), statement: statement?, points: points? };
        self.sensible(&claim, claim_span).then_some(claim)
    }

    fn bind(&mut self, name: &ast::Ident, value: &Expr) {
        self.defining = Some(name.text.clone());
        let typed = self.typed(value);
        self.defining = None;
        if let Some(first) = self.lets.get(&name.text) {
            let diagnostic = Diagnostic::error(code::DUPLICATE_NAME, format!("`{}` is defined twice", name.text))
                .at(name.span, "again here")
                .also(first.span, "first here")
                .help("give one of them another name");
            self.report(diagnostic);
            return;
        }
        let text = one_line(self.cx.map.text(value.span));
        let used = self.used_early.contains(&name.text);
        let (needs, left_out) = (std::mem::take(&mut self.needs), self.left_out.take());
        let bound = Let { span: name.span, text, typed, needs, used, left_out };
        self.lets.insert(name.text.clone(), bound);
    }

    /// The names that the claim uses and their meanings, in the order of the file.
    fn lets_of_claim(&self) -> Vec<(String, String)> {
        let used = self.lets.iter().filter(|(name, _)| self.needs.contains(name));
        used.map(|(name, bound)| (name.clone(), bound.text.clone())).collect()
    }

    fn unused(&mut self) {
        let unused: Vec<(String, Span)> =
            self.lets.iter().filter(|(_, l)| !l.used).map(|(name, l)| (name.clone(), l.span)).collect();
        for (name, span) in unused {
            self.report(
                Diagnostic::error(code::UNUSED, format!("no claim uses `{name}`"))
                    .at(span, "a `let` claims nothing by itself")
                    .help("use it below, or take it out; to claim it, leave out `let NAME =`"),
            );
        }
    }

    /// What is claimed, with the clauses `before` and `within`.
    fn statement(&mut self, typed: Option<Typed>, claim: &ast::Claim) -> Option<Statement> {
        let before = claim.before.as_ref().and_then(|limit| self.before(limit));
        let within = claim.within.as_ref().map(|tolerance| (self.typed(tolerance), tolerance.span));
        let typed = typed?;
        let span = claim.value.span;
        if let (Some(limit), false) = (&claim.before, matches!(typed, Typed::Crossover(_))) {
            let words = typed.words();
            self.report(
                Diagnostic::error(code::CLAIM_TYPE, format!("`before` of {words}"))
                    .at(limit.span, "only a crossover comes before something")
                    .also(span, words)
                    .help("write `crossover(...) before 30 epochs`; numbers compare with `<`"),
            );
            return None;
        }
        if let (Some((_, place)), false) = (&within, matches!(typed, Typed::Equality(..))) {
            let words = typed.words();
            self.report(
                Diagnostic::error(code::CLAIM_TYPE, "`within` without `==`")
                    .at(*place, "a tolerance is that of an equality")
                    .also(span, words)
                    .help("write `x == y within z`; for `!=`, `no x == y within z`"),
            );
            return None;
        }
        match typed {
            Typed::Crossover(crossover) => match &claim.before {
                None => Some(Statement::Crossover(crossover)),
                Some(_) => before.map(|(limit, unit)| Statement::CrossoverBefore { crossover, limit, unit }),
            },
            Typed::Onset(measure) => Some(Statement::Onset(measure)),
            Typed::Statement(statement) => Some(statement),
            Typed::Equality(left, right, quantity) => {
                let Some((tolerance, place)) = within else {
                    self.report(
                        Diagnostic::error(code::CLAIM_TYPE, "`==` without a tolerance")
                            .at(span, "two measured numbers are never quite equal")
                            .help("say how close: `x == y within 0.02`, or `within 1%` of the right side"),
                    );
                    return None;
                };
                let tolerance = self.tolerance(tolerance?, quantity, place)?;
                Some(Statement::Equal { left, right, tolerance, quantity })
            }
            Typed::Constant(..) | Typed::Number(..) | Typed::Best(_) => {
                self.claims_nothing(span, &format!("{} alone", typed.words()));
                None
            }
        }
    }

    /// `before 30 epochs`: a length of training that the spec writes.
    fn before(&mut self, limit: &Expr) -> Option<(f64, Progress)> {
        let typed = self.typed(limit)?;
        let (value, quantity) = self.number(typed, limit.span)?;
        let progress = Progress::ALL.into_iter().find(|progress| progress.quantity() == quantity);
        match (value, progress) {
            (Value::Number(limit), Some(progress)) if limit > 0.0 => Some((limit, progress)),
            (Value::Number(x), Some(_)) => {
                self.report(
                    Diagnostic::error(code::OUT_OF_RANGE, format!("nothing happens before {x}"))
                        .at(limit.span, "more than 0 is wanted here"),
                );
                None
            }
            (Value::Number(_), None) => {
                let text = self.cx.map.text(limit.span).to_string();
                self.report(
                    Diagnostic::error(code::WRONG_UNIT, "`before` needs its unit: `epochs`, `tokens` or `steps`")
                        .at(limit.span, quantity.words())
                        .help(format!("for example `before {} epochs`", text.split(' ').next().unwrap_or("30"))),
                );
                None
            }
            _ => {
                self.report(
                    Diagnostic::error(code::CLAIM_TYPE, "`before` a number that only the runs give")
                        .at(limit.span, "a number that the spec writes is wanted here")
                        .help("compare members: `cross.epoch < other.epoch`"),
                );
                None
            }
        }
    }

    /// The tolerance of an equality of that quantity.
    fn tolerance(&mut self, typed: Typed, quantity: Quantity, span: Span) -> Option<Tolerance> {
        let relative = matches!(typed, Typed::Constant(_, Some(crate::base::Unit::Percent)));
        let (value, own) = self.number(typed, span)?;
        let Value::Number(value) = value else {
            self.report(
                Diagnostic::error(code::CLAIM_TYPE, "a tolerance that only the runs give")
                    .at(span, "a number that the spec writes is wanted here"),
            );
            return None;
        };
        let plain = matches!(quantity, Quantity::Loss | Quantity::Share | Quantity::Ratio | Quantity::Bare);
        let fits = relative || own == quantity || (plain && own == Quantity::Bare);
        if !fits {
            self.report(
                Diagnostic::error(
                    code::WRONG_UNIT,
                    format!("a tolerance that is {}, where {} is compared", own.words(), quantity.words()),
                )
                .at(span, own.words())
                .help("the tolerance measures what both sides do; `5%` is a share of the right side"),
            );
            return None;
        }
        if value <= 0.0 {
            self.report(
                Diagnostic::error(code::OUT_OF_RANGE, format!("a tolerance is above 0, not {value}"))
                    .at(span, "above 0 is wanted here"),
            );
            return None;
        }
        Some(if relative { Tolerance::Relative(value) } else { Tolerance::Absolute(value) })
    }
}

/// Text of the spec on one line, without its comments.
fn one_line(text: &str) -> String {
    let without_comment = |line: &str| {
        let mut quoted = false;
        let bytes = line.as_bytes();
        let end = bytes.iter().enumerate().position(|(i, byte)| {
            quoted ^= *byte == b'"';
            !quoted && *byte == b'/' && bytes.get(i + 1) == Some(&b'/')
        });
        line.get(..end.unwrap_or(line.len())).unwrap_or(line).to_string()
    };
    let words: Vec<String> = text
        .lines()
        .map(without_comment)
        .flat_map(|l| l.split_whitespace().map(str::to_string).collect::<Vec<_>>())
        .collect();
    words.join(" ")
}
