//! Formulas in one variable t: what a `schedule` is. Symbolic, so that dlmc derives the ELBO weight
//! -alpha'/(1-alpha) instead of asking for it.

use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    Const(f64),
    T,
    Neg(Box<Formula>),
    Add(Box<Formula>, Box<Formula>),
    Sub(Box<Formula>, Box<Formula>),
    Mul(Box<Formula>, Box<Formula>),
    Div(Box<Formula>, Box<Formula>),
    Pow(Box<Formula>, Box<Formula>),
    Call(Function, Box<Formula>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Exp,
    Log,
    Sin,
    Cos,
    Sqrt,
}

impl Function {
    pub const ALL: &'static [Function] = &[Function::Exp, Function::Log, Function::Sin, Function::Cos, Function::Sqrt];

    pub fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Log => "log",
            Function::Sin => "sin",
            Function::Cos => "cos",
            Function::Sqrt => "sqrt",
        }
    }

    fn apply(self, x: f64) -> f64 {
        match self {
            Function::Exp => x.exp(),
            Function::Log => x.ln(),
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Sqrt => x.sqrt(),
        }
    }
}

use Formula::{Add, Call, Const, Div, Mul, Neg, Pow, Sub, T};

fn bx(f: Formula) -> Box<Formula> {
    Box::new(f)
}

impl Formula {
    /// The value at `t`; not a number where there is none.
    pub fn eval(&self, t: f64) -> f64 {
        match self {
            Const(c) => *c,
            T => t,
            Neg(a) => -a.eval(t),
            Add(a, b) => a.eval(t) + b.eval(t),
            Sub(a, b) => a.eval(t) - b.eval(t),
            Mul(a, b) => a.eval(t) * b.eval(t),
            Div(a, b) => a.eval(t) / b.eval(t),
            Pow(a, b) => a.eval(t).powf(b.eval(t)),
            Call(f, a) => f.apply(a.eval(t)),
        }
    }

    fn is_constant(&self) -> bool {
        match self {
            Const(_) => true,
            T => false,
            Neg(a) | Call(_, a) => a.is_constant(),
            Add(a, b) | Sub(a, b) | Mul(a, b) | Div(a, b) | Pow(a, b) => a.is_constant() && b.is_constant(),
        }
    }

    /// d/dt, simplified.
    pub fn derivative(&self) -> Formula {
        self.differentiate().simplify()
    }

    fn differentiate(&self) -> Formula {
        match self {
            Const(_) => Const(0.0),
            T => Const(1.0),
            Neg(a) => Neg(bx(a.differentiate())),
            Add(a, b) => Add(bx(a.differentiate()), bx(b.differentiate())),
            Sub(a, b) => Sub(bx(a.differentiate()), bx(b.differentiate())),
            Mul(a, b) => Add(bx(Mul(bx(a.differentiate()), b.clone())), bx(Mul(a.clone(), bx(b.differentiate())))),
            Div(a, b) => Div(
                bx(Sub(bx(Mul(bx(a.differentiate()), b.clone())), bx(Mul(a.clone(), bx(b.differentiate()))))),
                bx(Pow(b.clone(), bx(Const(2.0)))),
            ),
            Pow(a, n) if n.is_constant() => {
                Mul(bx(Mul(n.clone(), bx(Pow(a.clone(), bx(Sub(n.clone(), bx(Const(1.0)))))))), bx(a.differentiate()))
            }
            // a^b = exp(b log a)
            Pow(a, b) => {
                let exponent = Mul(b.clone(), bx(Call(Function::Log, a.clone())));
                Mul(bx(self.clone()), bx(exponent.differentiate()))
            }
            Call(f, a) => {
                let outer = match f {
                    Function::Exp => self.clone(),
                    Function::Log => Div(bx(Const(1.0)), a.clone()),
                    Function::Sin => Call(Function::Cos, a.clone()),
                    Function::Cos => Neg(bx(Call(Function::Sin, a.clone()))),
                    Function::Sqrt => Div(bx(Const(0.5)), bx(self.clone())),
                };
                Mul(bx(outer), bx(a.differentiate()))
            }
        }
    }

    /// Folds constants and drops neutral elements; keeps the value everywhere it had one.
    pub fn simplify(&self) -> Formula {
        let f = match self {
            Const(_) | T => return self.clone(),
            Neg(a) => Neg(bx(a.simplify())),
            Add(a, b) => Add(bx(a.simplify()), bx(b.simplify())),
            Sub(a, b) => Sub(bx(a.simplify()), bx(b.simplify())),
            Mul(a, b) => Mul(bx(a.simplify()), bx(b.simplify())),
            Div(a, b) => Div(bx(a.simplify()), bx(b.simplify())),
            Pow(a, b) => Pow(bx(a.simplify()), bx(b.simplify())),
            Call(g, a) => Call(*g, bx(a.simplify())),
        };
        if f.is_constant() {
            let value = f.eval(0.0);
            if value.is_finite() {
                return Const(value);
            }
        }
        match f {
            Neg(a) => match *a {
                Neg(inner) => *inner,
                Sub(x, y) => Sub(y, x),
                other => Neg(bx(other)),
            },
            Add(a, b) => match (*a, *b) {
                (Const(0.0), x) | (x, Const(0.0)) => x,
                (x, Neg(y)) => Sub(bx(x), y),
                (x, y) => Add(bx(x), bx(y)),
            },
            Sub(a, b) => match (*a, *b) {
                (x, Const(0.0)) => x,
                (Const(0.0), x) => Neg(bx(x)).simplify(),
                (x, Neg(y)) => Add(bx(x), y),
                // c - (c - x) = x
                (Const(c), Sub(d, x)) if *d == Const(c) => *x,
                (x, y) if x == y => Const(0.0),
                (x, y) => Sub(bx(x), bx(y)),
            },
            Mul(a, b) => match (*a, *b) {
                (Const(0.0), _) | (_, Const(0.0)) => Const(0.0),
                (Const(1.0), x) | (x, Const(1.0)) => x,
                (Const(-1.0), x) | (x, Const(-1.0)) => Neg(bx(x)).simplify(),
                (Neg(x), Neg(y)) => Mul(x, y).simplify(),
                (Neg(x), y) => Neg(bx(Mul(x, bx(y)).simplify())),
                (x, Neg(y)) => Neg(bx(Mul(bx(x), y).simplify())),
                (Const(x), Mul(y, z)) if matches!(*y, Const(_)) => {
                    Mul(bx(Mul(bx(Const(x)), y).simplify()), z).simplify()
                }
                (x, Const(c)) => Mul(bx(Const(c)), bx(x)),
                (x, y) => Mul(bx(x), bx(y)),
            },
            Div(a, b) => match (*a, *b) {
                (Const(0.0), _) => Const(0.0),
                (x, Const(1.0)) => x,
                (Neg(x), y) => Neg(bx(Div(x, bx(y)).simplify())),
                (x, y) if x == y => Const(1.0),
                (x, y) => Div(bx(x), bx(y)),
            },
            Pow(a, b) => match (*a, *b) {
                (x, Const(1.0)) => x,
                (_, Const(0.0)) => Const(1.0),
                (x, y) => Pow(bx(x), bx(y)),
            },
            other => other,
        }
    }

    /// -alpha'(t) / (1 - alpha(t)) of this alpha: the weight of the continuous-time masked bound.
    pub fn elbo_weight(&self) -> Formula {
        let masked = Sub(bx(Const(1.0)), bx(self.clone())).simplify();
        Div(bx(Neg(bx(self.derivative())).simplify()), bx(masked)).simplify()
    }

    fn precedence(&self) -> u8 {
        match self {
            Add(..) | Sub(..) => 1,
            Mul(..) | Div(..) => 2,
            Neg(_) => 3,
            Pow(..) => 4,
            Const(c) if *c < 0.0 => 3,
            Const(_) | T | Call(..) => 5,
        }
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `strict`: the operand needs brackets at equal precedence too (right of - and /, left of ^).
        let part = |f: &mut fmt::Formatter<'_>, x: &Formula, strict: bool| {
            let (inner, outer) = (x.precedence(), self.precedence());
            if inner < outer || (strict && inner == outer) { write!(f, "({x})") } else { write!(f, "{x}") }
        };
        let (a, symbol, b, left_strict, right_strict) = match self {
            Const(c) if (*c - std::f64::consts::PI).abs() < 1e-15 => return f.write_str("pi"),
            Const(c) => return write!(f, "{c}"),
            T => return f.write_str("t"),
            Call(g, a) => return write!(f, "{}({a})", g.name()),
            Neg(a) => {
                f.write_str("-")?;
                return part(f, a, false);
            }
            Add(a, b) => (a, " + ", b, false, false),
            Sub(a, b) => (a, " - ", b, false, true),
            Mul(a, b) => (a, " * ", b, false, false),
            Div(a, b) => (a, " / ", b, false, true),
            Pow(a, b) => (a, "^", b, true, false),
        };
        part(f, a, left_strict)?;
        f.write_str(symbol)?;
        part(f, b, right_strict)
    }
}
