//! What a masking schedule has to be, proved or refuted: a value everywhere, no jumps, 1 at t = 0 and
//! 0 at t = 1, never rising, within [0, 1]; and weights that are finite where t is drawn.
//!
//! Each question is first asked of the exact rules (`range`, `poly`, `equal`): then it is proved
//! symbolically. Else the domain is cut into boxes until interval arithmetic decides on each, or shows
//! a t where it fails, or a box is too small to go on: then it stays open, which is an error too.

use super::Formula;
use super::algebra::Algebra;
use super::equal::is_zero;
use super::interval::{Interval, evaluate};
use super::range::{Domain, is_defined, range};
use super::term::{Function, Term};
use crate::base::{Number, Rational};

/// Work for one question: nodes of a term times boxes.
const MAX_WORK: usize = 1_500_000;
/// Boxes for one question, whatever the term's size.
const MAX_BOXES: usize = 10_000;
/// Boxes narrower than this are not cut any more.
const MIN_WIDTH: f64 = 1.0 / (1u64 << 36) as f64;
/// Derivatives that may vanish at an end before its neighbourhood stays open.
const MAX_ORDER: usize = 5;

/// How something was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// By exact rules.
    Symbolic,
    /// By interval arithmetic on this many boxes.
    Intervals(usize),
}

impl Method {
    /// What rests on both.
    pub fn and(self, other: Method) -> Method {
        match (self, other) {
            (Method::Intervals(a), Method::Intervals(b)) => Method::Intervals(a + b),
            (a, b) => a.max(b),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::Symbolic => f.write_str("proved symbolically"),
            Method::Intervals(1) => f.write_str("proved by interval arithmetic"),
            Method::Intervals(n) => write!(f, "proved by interval arithmetic on {n} intervals"),
        }
    }
}

/// Why something is not so, or not known.
#[derive(Clone, Debug, PartialEq)]
pub enum Refutation {
    /// It has no finite value at (or next to) this t.
    NoValue { t: f64 },
    /// It jumps at a joint of its pieces.
    Jump { t: Rational, left: f64, right: f64 },
    /// It rises at t.
    Rises { t: f64, value: f64, slope: f64 },
    /// It is below 0 or above 1.
    Outside { t: f64, value: f64 },
    /// A weight is negative.
    Negative { t: f64, value: f64 },
    /// Neither proved nor refuted; the smallest interval that is left.
    Open { what: &'static str, low: f64, high: f64 },
    /// Its derivative is too large to look at.
    TooLarge,
}

/// The value at t = 0 or t = 1.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    pub value: f64,
    /// As a formula, where that says more than the number.
    pub text: String,
    /// It is what is wanted, proved symbolically.
    pub exact: bool,
}

/// What is known of a sound schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    pub start: End,
    pub end: End,
    /// It has a value everywhere and joins without jumps.
    pub defined: Method,
    /// It never rises, so that with its ends it stays within [0, 1].
    pub falls: Method,
    pub derivative: Formula,
    pub weight: Formula,
}

/// What a search over boxes says of one.
enum Judgement {
    Holds,
    Fails(Refutation),
    Unclear,
}

/// All that has to hold of a schedule, except where its ends lie, which the caller judges.
pub fn prove(alpha: &Formula) -> Result<Proof, Vec<Refutation>> {
    let defined = has_values(alpha, Domain::UNIT).and_then(|m| Ok(m.and(joins(alpha)?))).map_err(|r| vec![r])?;
    let (Some(derivative), Some(weight)) = (alpha.derivative(), alpha.elbo_weight()) else {
        return Err(vec![Refutation::TooLarge]);
    };
    let (start, end) = (end_value(alpha, Rational::ZERO, 1), end_value(alpha, Rational::ONE, 0));
    let mut wrong = vec![];
    let falls = match never_rises(alpha, &derivative) {
        Ok(method) => method,
        Err(refutation) => {
            wrong.push(refutation);
            Method::Symbolic
        }
    };
    for (t, value) in [(0.0, start.value), (1.0, end.value)] {
        if !(0.0..=1.0).contains(&value) {
            wrong.push(Refutation::Outside { t, value });
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Proof { start, end, defined, falls, derivative, weight })
}

/// That a formula has a finite value everywhere on a part of [0, 1].
pub fn has_values(formula: &Formula, within: Domain) -> Result<Method, Refutation> {
    let mut method = Method::Symbolic;
    for (on, term) in parts(formula, within) {
        if is_defined(&term, on) {
            continue;
        }
        method = method.and(search(&term, on, "has a value everywhere", |t| {
            let values = evaluate(&term, t);
            if values.defined && values.low.is_finite() && values.high.is_finite() {
                return Judgement::Holds;
            }
            let ends = [t.low, 0.5 * (t.low + t.high), t.high];
            if let Some(at) = ends.into_iter().find(|x| evaluate(&term, Interval::point(*x)).is_empty()) {
                return Judgement::Fails(Refutation::NoValue { t: at });
            }
            match t.high - t.low < 1e-6 && crosses_pole(&term, t) {
                true => Judgement::Fails(Refutation::NoValue { t: short_decimal(t.low, t.high) }),
                false => Judgement::Unclear,
            }
        })?);
    }
    Ok(method)
}

/// That a formula is at least 0 everywhere on a part of [0, 1].
pub fn is_never_negative(formula: &Formula, within: Domain) -> Result<Method, Refutation> {
    let mut method = Method::Symbolic;
    for (on, term) in parts(formula, within) {
        if range(&term, on).is_at_least(Rational::ZERO) {
            continue;
        }
        method = method.and(search(&term, on, "is at least 0 everywhere", |t| {
            if evaluate(&term, t).low >= 0.0 {
                return Judgement::Holds;
            }
            let negative = [0.5 * (t.low + t.high), t.low, t.high].into_iter().find_map(|t| {
                let value = evaluate(&term, Interval::point(t));
                (value.high < 0.0).then_some(Refutation::Negative { t, value: value.certain()? })
            });
            negative.map_or(Judgement::Unclear, Judgement::Fails)
        })?);
    }
    Ok(method)
}

/// The largest and smallest values on a part of [0, 1], roughly: for show, not for proof.
pub fn rough_range(formula: &Formula, within: Domain) -> (f64, f64) {
    let (low, high) = (within.low.to_f64(), within.high.to_f64());
    let values = (0..=256).map(|i| formula.eval(low + (high - low) * f64::from(i) / 256.0));
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)))
}

/// The pieces on a part of [0, 1], cut to it.
fn parts(formula: &Formula, within: Domain) -> Vec<(Domain, Term)> {
    let cut = |on: Domain| Domain { low: on.low.max(within.low), high: on.high.min(within.high) };
    formula
        .pieces()
        .map(|(on, piece)| (cut(on), piece.term.clone()))
        .filter(|(on, _)| on.low < on.high || (on.is_point() && within.is_point()))
        .collect()
}

/// That neighbouring pieces meet.
fn joins(formula: &Formula) -> Result<Method, Refutation> {
    let pieces: Vec<(Domain, &Term)> = formula.pieces().map(|(on, piece)| (on, &piece.term)).collect();
    for pair in pieces.windows(2) {
        let [(on_left, left), (on_right, right)] = pair else { continue };
        let at = on_left.high;
        let value = |on: Domain, term: &Term| {
            let algebra = Algebra { on };
            algebra.simplify(&algebra.substitute(term, &Term::Number(at)))
        };
        let (left, right) = (value(*on_left, left), value(*on_right, right));
        let point = Domain { low: at, high: at };
        if is_zero(&Algebra { on: point }.difference(left.clone(), right.clone()), point) {
            continue;
        }
        let (left, right) = (constant(&left), constant(&right));
        if left.high < right.low || right.high < left.low {
            let middle = |x: Interval| 0.5 * x.low + 0.5 * x.high;
            return Err(Refutation::Jump { t: at, left: middle(left), right: middle(right) });
        }
        return Err(Refutation::Open { what: "joins without a jump", low: at.to_f64(), high: at.to_f64() });
    }
    Ok(Method::Symbolic)
}

fn constant(term: &Term) -> Interval {
    evaluate(term, Interval::point(0.0))
}

fn end_value(alpha: &Formula, at: Rational, wanted: i64) -> End {
    let mut pieces = alpha.pieces();
    let piece = if at.is_zero() { pieces.next() } else { pieces.last() };
    let value = piece.map_or(Term::nowhere(), |(on, piece)| {
        let algebra = Algebra { on };
        algebra.simplify(&algebra.substitute(&piece.term, &Term::Number(at)))
    });
    let on = Domain { low: at, high: at };
    let exact = is_zero(&Algebra { on }.difference(value.clone(), Term::int(wanted)), on);
    let enclosure = constant(&value);
    // A bound beyond 0 or 1 by rounding alone is none; one beyond it for certain stays beyond it.
    let middle = 0.5 * enclosure.low + 0.5 * enclosure.high;
    let near = if enclosure.low <= 1.0 && enclosure.high >= 0.0 { middle.clamp(0.0, 1.0) } else { middle };
    let number = if exact { wanted as f64 } else { near };
    let text = match value {
        Term::Number(r) => Formula::from(Term::Number(r)).to_string(),
        _ if exact => wanted.to_string(),
        value => format!("{value} = {}", rounded(number)),
    };
    End { value: number, text, exact }
}

/// Four digits are enough for a number that stands beside its formula.
pub fn rounded(x: f64) -> String {
    let shown: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    Number::Real(shown).to_string()
}

fn never_rises(alpha: &Formula, derivative: &Formula) -> Result<Method, Refutation> {
    let mut method = Method::Symbolic;
    for (on, slope) in parts(derivative, Domain::UNIT) {
        if range(&slope, on).is_at_most(Rational::ZERO) {
            continue;
        }
        let ends = [vanishing(&slope, on, on.low), vanishing(&slope, on, on.high)];
        let outer = [enclosing(on.low, false), enclosing(on.high, true)];
        method = method.and(search(&slope, on, "never rises", |t| {
            let slopes = evaluate(&slope, t);
            if slopes.high <= 0.0 {
                return Judgement::Holds;
            }
            // Next to an end where the slope is 0 its first derivative that is not decides.
            for (side, end) in ends.iter().enumerate() {
                let touches = if side == 0 { Some(&t.low) == outer.first() } else { Some(&t.high) == outer.get(1) };
                if let (true, Some((higher, order))) = (touches, end) {
                    let values = evaluate(higher, t);
                    let flips = side == 1 && order % 2 == 1;
                    let falls = if flips { values.low >= 0.0 } else { values.high <= 0.0 };
                    if slopes.defined && values.defined && falls {
                        return Judgement::Holds;
                    }
                }
            }
            let rising = [0.5 * (t.low + t.high), t.low, t.high].into_iter().find_map(|t| {
                let slope = evaluate(&slope, Interval::point(t));
                (slope.low > 0.0).then_some(Refutation::Rises { t, value: alpha.eval(t), slope: slope.certain()? })
            });
            rising.map_or(Judgement::Unclear, Judgement::Fails)
        })?);
    }
    Ok(method)
}

/// The first derivative of a slope that does not vanish at an end where the slope does, and its order.
fn vanishing(slope: &Term, on: Domain, at: Rational) -> Option<(Term, usize)> {
    let algebra = Algebra { on };
    let point = Domain { low: at, high: at };
    let mut current = slope.clone();
    for order in 0..MAX_ORDER {
        let value = algebra.substitute(&current, &Term::Number(at));
        if !is_zero(&value, point) {
            return (order > 0).then_some((current, order));
        }
        current = algebra.simplify(&algebra.derivative(&current)?);
    }
    None
}

/// Cuts the domain into boxes, from the left, until all hold.
fn search(
    term: &Term,
    on: Domain,
    what: &'static str,
    mut judge: impl FnMut(Interval) -> Judgement,
) -> Result<Method, Refutation> {
    let whole = Interval::new(enclosing(on.low, false), enclosing(on.high, true));
    let most = (MAX_WORK / term.size().max(1)).min(MAX_BOXES);
    let mut todo = vec![whole];
    let mut n_boxes = 0;
    while let Some(t) = todo.pop() {
        n_boxes += 1;
        match judge(t) {
            Judgement::Holds => {}
            Judgement::Fails(refutation) => return Err(refutation),
            Judgement::Unclear if t.high - t.low < MIN_WIDTH || n_boxes > most => {
                return Err(Refutation::Open { what, low: t.low, high: t.high });
            }
            Judgement::Unclear => {
                let middle = 0.5 * (t.low + t.high);
                todo.push(Interval::new(middle, t.high));
                todo.push(Interval::new(t.low, middle));
            }
        }
    }
    Ok(Method::Intervals(n_boxes))
}

/// A float that is not above (below) the number.
fn enclosing(r: Rational, above: bool) -> f64 {
    let interval = Interval::of_rational(r);
    if above { interval.high } else { interval.low }
}

/// Whether something that is divided by, or the cosine under a tangent, changes sign in the box for
/// certain, so that it is 0 somewhere in it.
fn crosses_pole(term: &Term, t: Interval) -> bool {
    let changes_sign = |part: &Term| {
        let (low, high) = (evaluate(part, Interval::point(t.low)), evaluate(part, Interval::point(t.high)));
        evaluate(part, t).defined && ((low.high < 0.0 && high.low > 0.0) || (low.low > 0.0 && high.high < 0.0))
    };
    term.any(&mut |part| match part {
        Term::Power(base, exponent) => exponent.number().is_some_and(Rational::is_negative) && changes_sign(base),
        Term::Call(Function::Tan, angle) => changes_sign(&Term::Call(Function::Cos, angle.clone())),
        _ => false,
    })
}

/// The decimal with the fewest digits between two numbers.
fn short_decimal(low: f64, high: f64) -> f64 {
    (0..17)
        .map(|digits| 10f64.powi(digits))
        .map(|scale| ((0.5 * (low + high)) * scale).round() / scale)
        .find(|x| (low..=high).contains(x))
        .unwrap_or(0.5 * (low + high))
}
