//! Sines, cosines and tangents in canonical form: angles with a positive sign, quarter turns taken out,
//! exact values where there are some.

use super::algebra::Algebra;
use super::range::over_pi;
use super::term::{Function, Term};
use crate::base::Rational;

impl Algebra {
    pub(super) fn circular(&self, function: Function, argument: Term) -> Term {
        if argument == Term::ZERO {
            return if function == Function::Cos { Term::ONE } else { Term::ZERO };
        }
        if argument.coefficient_of_first().is_negative() {
            let flipped = self.negated(argument);
            let value = self.circular(function, flipped);
            return if function == Function::Cos { value } else { self.negated(value) };
        }
        if let Some(Term::Number(half_turns)) = over_pi(&argument)
            && let Some(value) = self.exact_angle(function, half_turns)
        {
            return value;
        }
        if let Some((quarters, rest)) = quarter_turns(&argument) {
            let rest = self.sum(rest);
            return match (function, quarters.rem_euclid(4)) {
                (Function::Tan, 0 | 2) => self.circular(Function::Tan, rest),
                (Function::Tan, _) => {
                    let tan = self.circular(Function::Tan, rest);
                    let cot = self.power(tan, Term::int(-1));
                    self.negated(cot)
                }
                (_, 0) => self.circular(function, rest),
                (Function::Sin, 1) => self.circular(Function::Cos, rest),
                (Function::Cos, 3) => self.circular(Function::Sin, rest),
                (Function::Cos, 1) => self.negated(self.circular(Function::Sin, rest)),
                (Function::Sin, 3) => self.negated(self.circular(Function::Cos, rest)),
                _ => self.negated(self.circular(function, rest)),
            };
        }
        Term::Call(function, Box::new(argument))
    }

    /// Sines, cosines and tangents of the multiples of pi / 4 and pi / 6.
    fn exact_angle(&self, function: Function, half_turns: Rational) -> Option<Term> {
        let half = Rational::new(1, 2)?;
        match function {
            Function::Sin => self.exact_cosine(half.checked_sub(half_turns)?),
            Function::Cos => self.exact_cosine(half_turns),
            _ => {
                let (sin, cos) = (self.exact_cosine(half.checked_sub(half_turns)?)?, self.exact_cosine(half_turns)?);
                Some(self.quotient(sin, cos))
            }
        }
    }

    fn exact_cosine(&self, half_turns: Rational) -> Option<Term> {
        let twelfths = half_turns.checked_mul(Rational::int(12))?.to_i64()?.rem_euclid(24);
        let first = twelfths.min(24 - twelfths);
        let (first, negative) = if first > 6 { (12 - first, true) } else { (first, false) };
        let root = |n: i64| self.product([Term::ratio(1, 2), self.sqrt(Term::int(n))]);
        let value = match first {
            0 => Term::ONE,
            2 => root(3),
            3 => root(2),
            4 => Term::ratio(1, 2),
            6 => Term::ZERO,
            _ => return None,
        };
        Some(if negative { self.negated(value) } else { value })
    }
}

/// The quarter turns n of an angle n pi/2 + rest, with the rest's terms.
fn quarter_turns(angle: &Term) -> Option<(i64, Vec<Term>)> {
    let Term::Sum(terms) = angle else { return None };
    for (i, term) in terms.iter().enumerate() {
        let (c, rest) = term.split();
        if rest == Term::Pi
            && let Some(n) = c.checked_mul(Rational::int(2)).and_then(Rational::to_i64)
        {
            let others = terms.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, t)| t.clone());
            return Some((n, others.collect()));
        }
    }
    None
}
