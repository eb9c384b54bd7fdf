//! Symbolic derivatives.

use super::algebra::Algebra;
use super::term::{Function, Term};

/// Nodes beyond which a derivative is not worked out: what is larger nobody reads or proves.
const MAX_SIZE: usize = 4_000;

impl Algebra {
    /// d/dt, or `None` where it would be too large to be of use.
    pub fn derivative(&self, term: &Term) -> Option<Term> {
        let d = match term {
            Term::Number(_) | Term::Pi => Term::ZERO,
            Term::T => Term::ONE,
            Term::Sum(terms) => {
                let each = terms.iter().map(|t| self.derivative(t)).collect::<Option<Vec<_>>>()?;
                self.sum(each)
            }
            Term::Product(factors) => {
                if factors.len() * term.size() > MAX_SIZE {
                    return None;
                }
                let mut terms = vec![];
                for (i, factor) in factors.iter().enumerate() {
                    let others = factors.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, f)| f.clone());
                    let d = self.derivative(factor)?;
                    terms.push(self.product(others.chain([d])));
                }
                self.sum(terms)
            }
            Term::Power(base, exponent) => self.derivative_of_power(term, base, exponent)?,
            Term::Call(function, argument) => {
                let u = (**argument).clone();
                let outer = match function {
                    Function::Exp => term.clone(),
                    Function::Log => self.power(u, Term::int(-1)),
                    Function::Sin => self.call(Function::Cos, u),
                    Function::Cos => self.negated(self.call(Function::Sin, u)),
                    Function::Tan => self.power(self.call(Function::Cos, u), Term::int(-2)),
                };
                let inner = self.derivative(argument)?;
                self.product([outer, inner])
            }
        };
        (d.size() <= MAX_SIZE).then_some(d)
    }

    fn derivative_of_power(&self, power: &Term, base: &Term, exponent: &Term) -> Option<Term> {
        if exponent.is_constant() {
            let inner = self.derivative(base)?;
            let less = self.sum([exponent.clone(), Term::int(-1)]);
            let lower = self.power(base.clone(), less);
            return Some(self.product([exponent.clone(), lower, inner]));
        }
        // a^b = exp(b log a), so its derivative is a^b (b' log a + b a' / a).
        let log = self.call(Function::Log, base.clone());
        let grows = self.product([self.derivative(exponent)?, log]);
        let moves = self.quotient(self.product([exponent.clone(), self.derivative(base)?]), base.clone());
        let rate = self.sum([grows, moves]);
        Some(self.product([power.clone(), rate]))
    }
}
