//! How static values depend on the indices of repeats: terms over the indices, each distinct one once.
//!
//! A level is the depth of a repeat among those that are open: 0 for the outermost. A term knows the
//! innermost level that it depends on, and is a function of the indices of that level and those around.

use super::atoms::{Atom, Binary, Unary};
use super::columns::Column;
use std::collections::{BTreeSet, HashMap};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TermId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Term {
    Constant(Atom),
    /// The index of the repeat at this level.
    Index(usize),
    Unary(Unary, TermId),
    Binary(Binary, TermId, TermId),
}

/// All terms; operands come before what is made of them.
#[derive(Default)]
pub(super) struct Terms {
    terms: Vec<Term>,
    /// The innermost level of each, absent for a constant; and whether it depends on others, too.
    levels: Vec<(Option<usize>, bool)>,
    known: HashMap<Term, TermId>,
}

impl Terms {
    pub fn intern(&mut self, term: Term) -> TermId {
        if let Some(id) = self.known.get(&term) {
            return *id;
        }
        let level = match term {
            Term::Constant(_) => (None, false),
            Term::Index(level) => (Some(level), false),
            Term::Unary(_, a) => (self.level(a), self.is_mixed(a)),
            Term::Binary(_, a, b) => {
                let two = matches!((self.level(a), self.level(b)), (Some(a), Some(b)) if a != b);
                (self.level(a).max(self.level(b)), two || self.is_mixed(a) || self.is_mixed(b))
            }
        };
        let id = TermId(self.terms.len() as u32);
        self.terms.push(term);
        self.levels.push(level);
        self.known.insert(term, id);
        id
    }

    /// The innermost level that the term depends on.
    pub fn level(&self, id: TermId) -> Option<usize> {
        self.levels.get(id.0 as usize).and_then(|(level, _)| *level)
    }

    /// Whether the term depends on indices of several levels.
    pub fn is_mixed(&self, id: TermId) -> bool {
        self.levels.get(id.0 as usize).is_some_and(|(_, mixed)| *mixed)
    }

    fn operands(&self, id: TermId) -> [Option<TermId>; 2] {
        match self.terms.get(id.0 as usize) {
            Some(Term::Unary(_, a)) => [Some(*a), None],
            Some(Term::Binary(_, a, b)) => [Some(*a), Some(*b)],
            Some(Term::Constant(_) | Term::Index(_)) | None => [None, None],
        }
    }

    /// The largest parts of a term that do not depend on its own level, but on levels around it: with
    /// their values given, the term is a function of the index of its level alone. Also how many terms that
    /// looked at.
    pub fn outer_parts(&self, id: TermId) -> (Vec<TermId>, usize) {
        let level = self.level(id);
        let (mut parts, mut seen, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![id]);
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.level(id) {
                None => {}
                here if here == level => todo.extend(self.operands(id).into_iter().flatten()),
                Some(_) => {
                    parts.insert(id);
                }
            }
        }
        (parts.into_iter().collect(), seen.len())
    }

    /// Everything that computing these terms takes, in order.
    pub fn slice(&self, roots: &[TermId]) -> Slice {
        let mut needed = BTreeSet::new();
        let mut todo = roots.to_vec();
        while let Some(id) = todo.pop() {
            if needed.insert(id) {
                todo.extend(self.operands(id).into_iter().flatten());
            }
        }
        let places: HashMap<TermId, usize> = needed.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let place = |id: &TermId| places.get(id).copied().unwrap_or(0);
        let steps = needed.iter().filter_map(|id| {
            Some(match self.terms.get(id.0 as usize)? {
                Term::Constant(atom) => Step::Constant(*atom),
                Term::Index(level) => Step::Index(*level),
                Term::Unary(f, a) => Step::Unary(*f, place(a)),
                Term::Binary(f, a, b) => Step::Binary(*f, place(a), place(b)),
            })
        });
        Slice { steps: steps.collect(), roots: roots.iter().map(place).collect() }
    }
}

enum Step {
    Constant(Atom),
    Index(usize),
    Unary(Unary, usize),
    Binary(Binary, usize, usize),
}

/// The part of the terms that some values need.
pub(super) struct Slice {
    steps: Vec<Step>,
    roots: Vec<usize>,
}

impl Slice {
    pub fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// The values at these `indices` of one repeat; those of the repeats around it are `outer`, outermost
    /// first. One column for each value.
    pub fn over(&self, outer: &[u64], indices: &[u64]) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let of = |place: &usize| columns.get(*place).unwrap_or(&Column::NONE);
            let column = match step {
                Step::Constant(atom) => Column::Same(Some(*atom)),
                Step::Index(level) => match outer.get(*level) {
                    Some(index) => Column::Same(i64::try_from(*index).ok().map(Atom::Whole)),
                    None => Column::Whole(indices.iter().map(|i| *i as i64).collect()),
                },
                Step::Unary(f, a) => of(a).unary(*f, indices.len()),
                Step::Binary(f, a, b) => of(a).binary(*f, of(b), indices.len()),
            };
            columns.push(column);
        }
        self.roots.iter().map(|root| columns.get(*root).cloned().unwrap_or(Column::NONE)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_made_once_and_computed_anywhere() {
        let mut terms = Terms::default();
        let mut is_fourth = || {
            let (i, four, three) = (
                terms.intern(Term::Index(1)),
                terms.intern(Term::Constant(Atom::Whole(4))),
                terms.intern(Term::Constant(Atom::Whole(3))),
            );
            let rest = terms.intern(Term::Binary(Binary::Mod, i, four));
            terms.intern(Term::Binary(Binary::Eq, rest, three))
        };
        let term = is_fourth();
        assert_eq!(is_fourth(), term);
        assert_eq!(terms.level(term), Some(1));
        assert!(!terms.is_mixed(term));
        let column = terms.slice(&[term]).over(&[9], &[0, 3, 4, 7, 8]);
        assert_eq!(column, [Column::Truth(vec![false, true, false, true, false])]);
        assert_eq!(terms.slice(&[term]).over(&[9, 7], &[]), [Column::Same(Some(Atom::Bool(true)))]);
    }

    #[test]
    fn the_outer_parts_of_a_term_decide_it() {
        let mut terms = Terms::default();
        let (i, j) = (terms.intern(Term::Index(0)), terms.intern(Term::Index(1)));
        let two = terms.intern(Term::Constant(Atom::Whole(2)));
        let twice = terms.intern(Term::Binary(Binary::Mul, i, two));
        let both = terms.intern(Term::Binary(Binary::Lt, twice, j));
        assert!(terms.is_mixed(both) && !terms.is_mixed(twice));
        assert_eq!(terms.outer_parts(both).0, [twice]);
    }
}
