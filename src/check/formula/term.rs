//! Smooth expressions of t: what a piece of a formula is. Differences are sums with a factor -1,
//! quotients powers with a negative exponent, so that there is one way to write each thing.
//! `algebra` keeps them in canonical form; numbers are exact, and what has no exact number
//! (log 2, pi) stays a symbol.

use super::circle;
use crate::base::Rational;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    Number(Rational),
    Pi,
    T,
    /// Base and exponent; `sqrt(x)` is x to the power of 1/2.
    Power(Box<Term>, Box<Term>),
    Call(Function, Box<Term>),
    /// At least two factors; a coefficient stands first.
    Product(Vec<Term>),
    /// At least two terms; a constant stands first.
    Sum(Vec<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
}

impl Function {
    pub const ALL: &'static [Function] = &[Function::Exp, Function::Log, Function::Sin, Function::Cos, Function::Tan];

    pub fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Log => "log",
            Function::Sin => "sin",
            Function::Cos => "cos",
            Function::Tan => "tan",
        }
    }

    /// By libm rather than the platform, so that every machine draws the same masks.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Function::Exp => libm::exp(x),
            Function::Log => libm::log(x),
            Function::Sin => libm::sin(x),
            Function::Cos => libm::cos(x),
            Function::Tan => libm::tan(x),
        }
    }
}

impl Term {
    pub const ZERO: Term = Term::Number(Rational::ZERO);
    pub const ONE: Term = Term::Number(Rational::ONE);

    pub fn int(n: i64) -> Term {
        Term::Number(Rational::int(n))
    }

    /// `num / den`; only for a denominator that is not 0.
    pub fn ratio(num: i64, den: i64) -> Term {
        Term::Number(Rational::new(i128::from(num), i128::from(den)).unwrap_or(Rational::ZERO))
    }

    /// 1 / 0, which stands for every expression without a value.
    pub fn nowhere() -> Term {
        Term::Power(Box::new(Term::ZERO), Box::new(Term::int(-1)))
    }

    pub fn is_nowhere(&self) -> bool {
        match self {
            Term::Power(base, exponent) => **base == Term::ZERO && **exponent == Term::int(-1),
            _ => false,
        }
    }

    pub fn number(&self) -> Option<Rational> {
        match self {
            Term::Number(r) => Some(*r),
            _ => None,
        }
    }

    /// The whole number this is, if it is one.
    pub fn whole(&self) -> Option<i64> {
        self.number()?.to_i64()
    }

    pub fn is_constant(&self) -> bool {
        !self.any(&mut |term| *term == Term::T)
    }

    /// Whether it or a part of it is as asked for.
    pub fn any(&self, test: &mut dyn FnMut(&Term) -> bool) -> bool {
        test(self) || self.parts().iter().any(|part| part.any(test))
    }

    /// What it is made of directly.
    pub fn parts(&self) -> Vec<&Term> {
        match self {
            Term::Number(_) | Term::Pi | Term::T => vec![],
            Term::Power(base, exponent) => vec![base, exponent],
            Term::Call(_, argument) => vec![argument],
            Term::Product(parts) | Term::Sum(parts) => parts.iter().collect(),
        }
    }

    /// The number of nodes.
    pub fn size(&self) -> usize {
        1 + match self {
            Term::Number(_) | Term::Pi | Term::T => 0,
            Term::Power(base, exponent) => base.size() + exponent.size(),
            Term::Call(_, argument) => argument.size(),
            Term::Product(parts) | Term::Sum(parts) => parts.iter().map(Term::size).sum(),
        }
    }

    /// Base and exponent; everything is a power of itself.
    pub fn as_power(&self) -> (&Term, &Term) {
        match self {
            Term::Power(base, exponent) => (base, exponent),
            other => (other, &Term::ONE),
        }
    }

    /// The angle, if it is a tangent. A negative power of one is the cotangent's: 0 at the tangent's poles.
    pub fn angle_of_tangent(&self) -> Option<&Term> {
        match self {
            Term::Call(Function::Tan, angle) => Some(angle),
            _ => None,
        }
    }

    /// The factors of a product; everything else is one factor.
    pub fn factors(&self) -> &[Term] {
        match self {
            Term::Product(factors) => factors,
            other => std::slice::from_ref(other),
        }
    }

    /// The terms of a sum; everything else is one term.
    pub fn terms(&self) -> &[Term] {
        match self {
            Term::Sum(terms) => terms,
            other => std::slice::from_ref(other),
        }
    }

    /// The coefficient and what it multiplies: (3, t) of 3 t, (3, 1) of 3.
    pub fn split(&self) -> (Rational, Term) {
        match self {
            Term::Number(r) => (*r, Term::ONE),
            Term::Product(factors) => match factors.as_slice() {
                [Term::Number(r), rest] => (*r, rest.clone()),
                [Term::Number(r), rest @ ..] => (*r, Term::Product(rest.to_vec())),
                _ => (Rational::ONE, self.clone()),
            },
            other => (Rational::ONE, other.clone()),
        }
    }

    /// The coefficient alone.
    pub fn coefficient(&self) -> Rational {
        match self {
            Term::Number(r) => *r,
            Term::Product(factors) => factors.first().and_then(Term::number).unwrap_or(Rational::ONE),
            _ => Rational::ONE,
        }
    }

    /// The value at `t` in floating point; not finite where there is none.
    pub fn eval(&self, t: f64) -> f64 {
        match self {
            Term::Number(r) => r.to_f64(),
            Term::Pi => std::f64::consts::PI,
            Term::T => t,
            Term::Power(base, exponent) => raise(base.eval(t), exponent, t),
            Term::Call(function, argument) => match (function, argument.eval_over_pi(t)) {
                (Function::Sin, Some(v)) => circle::sin_pi(v),
                (Function::Cos, Some(v)) => circle::cos_pi(v),
                (Function::Tan, Some(v)) => circle::tan_pi(v),
                _ => function.apply(argument.eval(t)),
            },
            Term::Sum(terms) => terms.iter().map(|term| term.eval(t)).sum(),
            Term::Product(factors) => {
                // One division at the end rounds less than a product of reciprocals.
                let (mut above, mut below) = (1.0, 1.0);
                for factor in factors {
                    match factor {
                        Term::Power(base, exponent) => match exponent.number() {
                            Some(e) if e.is_negative() => {
                                below *= raise(base.eval(t), &Term::Number(e.negated()), t);
                            }
                            _ => above *= factor.eval(t),
                        },
                        _ => above *= factor.eval(t),
                    }
                }
                above / below
            }
        }
    }

    /// The value over pi, where each term has pi as a factor.
    fn eval_over_pi(&self, t: f64) -> Option<f64> {
        self.terms().iter().try_fold(0.0, |sum, term| {
            let at = term.factors().iter().position(|f| *f == Term::Pi)?;
            let others = term.factors().iter().enumerate().filter(|(i, _)| *i != at);
            Some(sum + others.map(|(_, f)| f.eval(t)).product::<f64>())
        })
    }
}

fn raise(base: f64, exponent: &Term, t: f64) -> f64 {
    let Some(r) = exponent.number() else { return libm::pow(base, exponent.eval(t)) };
    match r.to_i64() {
        Some(1) => base,
        Some(2) => base * base,
        Some(3) => base * base * base,
        Some(-1) => 1.0 / base,
        Some(-2) => 1.0 / (base * base),
        _ if r.num() == 1 && r.den() == 2 => base.sqrt(),
        _ => libm::pow(base, r.to_f64()),
    }
}
