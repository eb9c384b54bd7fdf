//! Static values while a model is built, and what of them the graph gets to know.
//!
//! A value may depend on the index of a repeat. It then carries its term besides its value at the
//! indices being elaborated, and the only way from it to the graph is [`Builder::know`], which notes in the
//! trace of the repeat that the value was asked for. A body is a function of what was asked for: the
//! elaborator is deterministic and learns of an index in no other way. So all indices at which the
//! terms of a body's trace have the values that they had while it was built would give the very same body,
//! and share it ([`Builder::members`]); what they cost is computing these terms.
//!
//! Where a term depends on indices of several repeats, the trace of the inner one is compared for fixed
//! outer indices. The outer one then notes the values of the parts that are its own, which decide the
//! term as a function of the inner index.

use super::atoms::{Atom, Binary, Unary, binary, unary};
use super::terms::{Term, TermId};
use super::{Builder, Diagnostic, Number, Span, Tensor, Type, code};
use crate::base::Code;
use crate::base::number::grouped;
use crate::graph::Indices;
use std::collections::{BTreeMap, HashSet};

/// Values of terms computed to find out which indices share a body.
const MAX_COMPARED: usize = 20_000_000;

/// A static value and where it was written. The value is private: words may show it, the graph has to
/// ask for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    atom: Atom,
    term: Option<TermId>,
    pub origin: Span,
}

/// What is in a name that the body of a repeat assigns and that does not exist before the repeat.
#[derive(Clone, Debug)]
pub(super) enum Late {
    /// Nothing so far.
    Unassigned,
    /// A tensor of this type, which later indices may read.
    Assigned { ty: Type, width: Option<Span> },
    /// Something that is not carried.
    Other { kind: &'static str, index: u64 },
    /// Nothing, after an error that was reported.
    Failed,
}

/// An open repeat, at one of its indices.
pub(super) struct Level {
    /// Of the region, unique in the model; siblings have the same.
    pub region: u32,
    /// Which of the region's bodies this is.
    pub body: u32,
    pub label: Option<String>,
    pub count: u64,
    pub index: u64,
    /// What was asked for, and what it was.
    trace: Vec<(TermId, Option<Atom>)>,
    asked: HashSet<TermId>,
    /// Names first assigned in the body, with what earlier indices left in them.
    pub late: BTreeMap<String, Late>,
    /// `collect NAME = ...`
    pub collected: BTreeMap<String, Tensor>,
    /// Errors before the region's first body and before this one.
    pub n_errors: (usize, usize),
}

impl Level {
    pub fn new(region: u32, body: u32, label: Option<String>, count: u64, index: u64) -> Level {
        Level {
            region,
            body,
            label,
            count,
            index,
            trace: vec![],
            asked: HashSet::new(),
            late: BTreeMap::new(),
            collected: BTreeMap::new(),
            n_errors: (0, 0),
        }
    }

    /// `index 3 of `layer``
    pub fn place(&self) -> String {
        match &self.label {
            Some(label) => format!("index {} of `{label}`", self.index),
            None => format!("index {} of the repeat", self.index),
        }
    }

    /// Whether the body depends on the index, as far as it has been built.
    pub fn is_particular(&self) -> bool {
        !self.trace.is_empty()
    }
}

impl Fixed {
    pub fn new(atom: Atom, origin: Span) -> Fixed {
        Fixed { atom, term: None, origin }
    }

    pub fn whole(n: u64, origin: Span) -> Option<Fixed> {
        i64::try_from(n).ok().map(|n| Fixed::new(Atom::Whole(n), origin))
    }

    pub fn number(number: Number, origin: Span) -> Option<Fixed> {
        Atom::number(number).map(|atom| Fixed::new(atom, origin))
    }

    /// For words alone.
    pub fn shown(&self) -> Atom {
        self.atom
    }

    /// Whether it is a number, whatever the index.
    pub fn is_number(&self) -> bool {
        self.atom == Atom::Wrong || self.atom.to_number().is_some()
    }

    pub fn is_none(&self) -> bool {
        self.atom == Atom::None
    }

    pub fn is_bool(&self) -> bool {
        self.atom == Atom::Wrong || self.atom.to_bool().is_some()
    }

    /// The term, where it depends on an index.
    pub fn term(&self) -> Option<TermId> {
        self.term
    }

    pub fn kind(&self) -> &'static str {
        match self.atom {
            Atom::None => "`none`",
            Atom::Bool(_) => "true or false",
            Atom::Whole(_) | Atom::Fraction(_) | Atom::Real(_) | Atom::Wrong => "a number",
        }
    }
}

impl Builder<'_> {
    /// The index of the innermost repeat.
    pub(super) fn index(&mut self, origin: Span) -> Option<Fixed> {
        let level = self.levels.len().checked_sub(1)?;
        let fixed = Fixed::whole(self.levels.last()?.index, origin)?;
        Some(Fixed { term: Some(self.terms.intern(Term::Index(level))), ..fixed })
    }

    /// The value, for the graph or a decision: it becomes part of the traces.
    pub(super) fn know(&mut self, fixed: Fixed) -> Atom {
        if let Some(term) = fixed.term {
            self.ask(term, Some(fixed.atom));
        }
        fixed.atom
    }

    fn ask(&mut self, term: TermId, value: Option<Atom>) {
        let Some(level) = self.terms.level(term).and_then(|level| self.levels.get_mut(level)) else { return };
        if level.asked.insert(term) {
            level.trace.push((term, value));
            self.ask_outer(term);
        }
    }

    /// Notes what a term depends on besides the index of its own level.
    pub(super) fn ask_outer(&mut self, term: TermId) {
        if !self.terms.is_mixed(term) {
            return;
        }
        let (parts, n_seen) = self.terms.outer_parts(term);
        let at = self.calls.last().copied();
        let indices: Vec<u64> = self.levels.iter().map(|level| level.index).collect();
        let slice = self.terms.slice(&parts);
        // Looking for parts is slower than computing them.
        if !at.is_some_and(|at| self.compare(1, n_seen * 16 + slice.n_steps() * 16, at)) {
            return;
        }
        let values: Vec<Option<Atom>> = slice.over(&indices, &[]).iter().map(|column| column.at(0)).collect();
        for (part, value) in parts.into_iter().zip(values) {
            self.ask(part, value);
        }
    }

    /// Whether there is still room for computing so many terms so often; says once that there is not.
    fn compare(&mut self, n: usize, n_steps: usize, span: Span) -> bool {
        let before = self.n_compared;
        self.n_compared = before.saturating_add(n.saturating_mul(n_steps));
        if self.n_compared > MAX_COMPARED && before <= MAX_COMPARED {
            let message = format!("the layers take more than {} steps to compare", grouped(MAX_COMPARED as u64));
            let diagnostic = Diagnostic::error(code::TOO_MANY, message).at(span, "given up here");
            self.report(diagnostic.help("let what differs depend on the index in fewer, simpler ways"));
        }
        self.n_compared <= MAX_COMPARED
    }

    /// Values of a term at these indices of the repeat that is inside of so many others. `None` where there
    /// are too many, which is reported.
    pub(super) fn values_over(
        &mut self,
        n_outer: usize,
        term: TermId,
        over: &Indices,
        span: Span,
    ) -> Option<Vec<Option<Atom>>> {
        let slice = self.terms.slice(&[term]);
        if !self.compare(over.n() as usize, slice.n_steps(), span) {
            return None;
        }
        let outer: Vec<u64> = self.levels.iter().take(n_outer).map(|level| level.index).collect();
        let indices: Vec<u64> = over.iter().collect();
        let column = slice.over(&outer, &indices).into_iter().next()?;
        Some((0..indices.len()).map(|i| column.at(i)).collect())
    }

    /// A number at the indices being elaborated; the caller has seen that it is one.
    pub(super) fn know_number(&mut self, fixed: Fixed) -> Number {
        self.know(fixed).to_number().unwrap_or(Number::int(0))
    }

    /// Whether a number is whole, without asking which.
    pub(super) fn is_whole(&mut self, fixed: Fixed) -> bool {
        let whole = self.unary(Unary::IsWhole, fixed, fixed.origin);
        whole.is_some_and(|whole| self.know(whole) == Atom::Bool(true))
    }

    pub(super) fn unary(&mut self, f: Unary, a: Fixed, origin: Span) -> Option<Fixed> {
        let term = a.term.map(|term| self.terms.intern(Term::Unary(f, term)));
        let atom = self.or_wrong(unary(f, Some(a.atom)), term)?;
        Some(Fixed { atom, term, origin })
    }

    pub(super) fn binary(&mut self, f: Binary, a: Fixed, b: Fixed, origin: Span) -> Option<Fixed> {
        let term = (a.term.is_some() || b.term.is_some()).then(|| {
            let (a, b) = (self.term_of(a), self.term_of(b));
            self.terms.intern(Term::Binary(f, a, b))
        });
        let atom = self.or_wrong(binary(f, Some(a.atom), Some(b.atom)), term)?;
        Some(Fixed { atom, term, origin })
    }

    /// Where a value does not matter at this index, a wrong one does as well: its term is what is wanted.
    fn or_wrong(&self, atom: Option<Atom>, term: Option<TermId>) -> Option<Atom> {
        atom.or((self.quiet && term.is_some()).then_some(Atom::Wrong))
    }

    fn term_of(&mut self, fixed: Fixed) -> TermId {
        fixed.term.unwrap_or_else(|| self.terms.intern(Term::Constant(fixed.atom)))
    }

    /// Those of the `remaining` indices of the innermost repeat that share the body just built, and
    /// the others. `None` where finding out takes too long, which is reported.
    pub(super) fn members(&mut self, remaining: Vec<u64>, span: Span) -> Option<(Vec<u64>, Vec<u64>)> {
        let level = self.levels.last()?;
        if level.trace.is_empty() {
            return Some((remaining, vec![]));
        }
        let (terms, wanted): (Vec<TermId>, Vec<Option<Atom>>) = level.trace.iter().copied().unzip();
        let slice = self.terms.slice(&terms);
        if !self.compare(remaining.len(), slice.n_steps(), span) {
            return None;
        }
        let n_outer = self.levels.len().saturating_sub(1);
        let outer: Vec<u64> = self.levels.iter().take(n_outer).map(|level| level.index).collect();
        let mut kept = vec![true; remaining.len()];
        for (column, wanted) in slice.over(&outer, &remaining).iter().zip(wanted) {
            column.keep(wanted, &mut kept);
        }
        let mut kept = kept.into_iter();
        Some(remaining.into_iter().partition(|_| kept.next().unwrap_or(false)))
    }

    /// Whether an error is one that an earlier body of an open repeat has, too.
    pub(super) fn is_repeated(&self, key: (Code, Option<Span>)) -> bool {
        let Some(places) = self.errors.get(&key) else { return false };
        let is_earlier = |level: &Level| {
            let (first, end) = level.n_errors;
            places.get(places.partition_point(|place| *place < first)).is_some_and(|place| *place < end)
        };
        self.levels.iter().any(is_earlier)
    }
}
