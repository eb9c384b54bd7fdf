//! Formulas of one variable t on [0, 1]: what a `schedule` is. Symbolic, so that dlmc derives the
//! weight of the likelihood bound instead of asking for it, and proves what a masking schedule has to be.
//!
//! A formula is a list of pieces, each a smooth [`Term`]; nearly all have one. `read` takes them from
//! the syntax tree, `algebra` (with `angles`) and `simplify` bring terms into canonical and short form, `derive`
//! differentiates, `equal` decides identities, `range` and `poly` prove by exact rules, `interval` by
//! outward rounded arithmetic, `prove` asks the questions, `render` writes formulas as a spec would.

pub mod algebra;
mod angles;
mod circle;
mod derive;
mod equal;
pub mod interval;
mod memo;
mod poly;
pub mod prove;
pub mod range;
pub mod read;
mod render;
mod simplify;
pub mod term;

pub use read::formula;
pub use term::{Function, Term};

use crate::base::Rational;
use algebra::Algebra;
use range::Domain;

/// A place between two values of t: just before `at`, or just after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cut {
    pub at: Rational,
    pub after: bool,
}

impl Cut {
    pub const START: Cut = Cut { at: Rational::ZERO, after: false };
    pub const END: Cut = Cut { at: Rational::ONE, after: true };
}

/// A term that holds from the end of the piece before it up to `end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    pub end: Cut,
    pub term: Term,
}

/// Pieces from t = 0 to t = 1, in order; never empty, and the last ends at [`Cut::END`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Formula {
    pieces: Vec<Piece>,
}

impl From<Term> for Formula {
    fn from(term: Term) -> Formula {
        Formula { pieces: vec![Piece { end: Cut::END, term }] }
    }
}

impl Formula {
    /// The formula t.
    pub fn t() -> Formula {
        Term::T.into()
    }

    /// The pieces with the part of [0, 1] that each holds on, ends included.
    pub fn pieces(&self) -> impl Iterator<Item = (Domain, &Piece)> {
        let lows = std::iter::once(Cut::START).chain(self.pieces.iter().map(|piece| piece.end));
        lows.zip(&self.pieces).map(|(low, piece)| (Domain { low: low.at, high: piece.end.at }, piece))
    }

    /// The term, where it is the same on all of [0, 1].
    pub fn single(&self) -> Option<&Term> {
        match self.pieces.as_slice() {
            [only] => Some(&only.term),
            _ => None,
        }
    }

    /// The value at `t`; not finite where there is none.
    pub fn eval(&self, t: f64) -> f64 {
        let holds = |piece: &&Piece| {
            let end = piece.end.at.to_f64();
            t < end || (t == end && piece.end.after)
        };
        let piece = self.pieces.iter().find(holds).or(self.pieces.last());
        piece.map_or(f64::NAN, |piece| piece.term.eval(t))
    }

    pub fn simplify(&self) -> Formula {
        self.map(|algebra, term| Some(algebra.simplify(term))).unwrap_or_else(|| self.clone())
    }

    /// 1 - alpha, simplified: the chance that a token is masked.
    pub fn complement(&self) -> Formula {
        let complement =
            |algebra: &Algebra, term: &Term| Some(algebra.simplify(&algebra.difference(Term::ONE, term.clone())));
        self.map(complement).unwrap_or_else(|| self.clone())
    }

    /// d/dt of each piece, simplified; `None` where it would be too large to be of use.
    pub fn derivative(&self) -> Option<Formula> {
        self.map(|algebra, term| Some(algebra.simplify(&algebra.derivative(term)?)))
    }

    /// -alpha'(t) / (1 - alpha(t)) of this alpha: the weight of the continuous-time masked bound.
    pub fn elbo_weight(&self) -> Option<Formula> {
        self.map(|algebra, alpha| {
            let slope = algebra.derivative(alpha)?;
            let masked = algebra.difference(Term::ONE, alpha.clone());
            // What cancels depends on the form, so the forms of both are tried.
            let slopes = [algebra.simplify(&slope), slope];
            let rates = [algebra.simplify(&masked), masked];
            let pairs = slopes.iter().flat_map(|s| rates.iter().map(move |r| (s, r)));
            let weights = pairs.map(|(slope, rate)| {
                let weight = algebra.quotient(algebra.negated(slope.clone()), rate.clone());
                let weight = algebra.simplify(&weight);
                (simplify::cost(&weight), weight)
            });
            weights.min().map(|(_, weight)| weight)
        })
    }

    /// Whether two formulas are shown to be the same function wherever both have a value. False says
    /// that it could not be shown.
    pub fn is_same_as(&self, other: &Formula) -> bool {
        let difference =
            combine(self, other, &|a, b| Term::Sum(vec![a.clone(), Term::Product(vec![Term::int(-1), b.clone()])]));
        difference.pieces().all(|(on, piece)| equal::is_zero(&piece.term, on))
    }

    /// Each piece's term made into another, on its domain; pieces that became the same are one.
    fn map(&self, change: impl Fn(&Algebra, &Term) -> Option<Term>) -> Option<Formula> {
        let mut pieces: Vec<Piece> = vec![];
        for (on, piece) in self.pieces() {
            let term = change(&Algebra { on }, &piece.term)?;
            match pieces.last_mut() {
                Some(last) if last.term == term => last.end = piece.end,
                _ => pieces.push(Piece { end: piece.end, term }),
            }
        }
        Some(Formula { pieces })
    }

    /// The part of it between two cuts.
    fn between(&self, from: Cut, to: Cut) -> Vec<Piece> {
        let mut low = Cut::START;
        let mut out = vec![];
        for piece in &self.pieces {
            let end = piece.end.min(to);
            if low.max(from) < end {
                out.push(Piece { end, term: piece.term.clone() });
            }
            low = piece.end;
        }
        out
    }
}

/// A formula from two, piece by piece.
fn combine(a: &Formula, b: &Formula, with: &dyn Fn(&Term, &Term) -> Term) -> Formula {
    let mut pieces = vec![];
    let (mut left, mut right) = (a.pieces.iter().peekable(), b.pieces.iter().peekable());
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        let end = x.end.min(y.end);
        pieces.push(Piece { end, term: with(&x.term, &y.term) });
        let (x_ends, y_ends) = (x.end == end, y.end == end);
        if x_ends {
            left.next();
        }
        if y_ends {
            right.next();
        }
    }
    Formula { pieces }
}
