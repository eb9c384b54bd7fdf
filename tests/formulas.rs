//! Formulas: simplified forms, derivatives, weights and proofs of the common schedules, pinned; and on
//! random formulas that simplifying, differentiating and writing them down change nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dlmc::ast::Item;
use dlmc::base::{Diagnostics, FileId, Rational};
use dlmc::check::formula::interval::{Interval, evaluate};
use dlmc::check::formula::prove::{Refutation, prove};
use dlmc::check::formula::range::{Domain, is_defined, range};
use dlmc::check::formula::{Formula, Function, Term, formula};
use proptest::prelude::*;

fn try_read(text: &str) -> (Option<Formula>, Diagnostics) {
    let (file, found) = dlmc::syntax::parse(FileId(0), &format!("schedule s(t) = {text}\n"));
    let mut out = found;
    let read = file.items.iter().find_map(|item| match item {
        Item::Schedule(s) => formula(&s.formula, "t", &|_| None, &mut out),
        _ => None,
    });
    (read, out)
}

fn read(text: &str) -> Formula {
    let (read, out) = try_read(text);
    assert!(!out.has_errors(), "{text}: {out:?}");
    read.unwrap()
}

#[test]
fn scratch() {
    for text in [
        "1 - t", "1 - (1 - 1e-3) * t", "1 - cos(pi / 2 * (1 - t))", "cos(pi / 2 * t)", "1e-3 + (1 - 1e-3) * cos(pi / 2 * t)",
        "cos(pi / 2 * t)^2", "1e-3 + (1 - 1e-3) * cos(pi / 2 * t)^2", "1 - t^2", "1 - sqrt(t)", "1 - t^3", "1 - log(1 + t) / log(2)",
        "exp(-(1e-4^(1 - t) * 20^t))", "exp(-(1e-3 + t * (7 - 1e-3)))", "1 - 3 * t^2 + 2 * t^3", "(1 - t)^2 * (1 + 2 * t)",
        "1 - t + sin(2 * pi * t) / (2 * pi)", "(1 - t) / (1 + t)", "1 / 2 - 4 * (t - 1 / 2)^3", "if t < 0.5 { 1 - t } else { 0.5 - (t - 0.5) }",
        "if t < 0.3 { 1 - t } else { 0.7 * (1 - (t - 0.3) / 0.7)^2 }", "sqrt(1 - t)", "sqrt(1 - t^2)", "exp(-5 * t)", "1 - t + 0.2 * sin(2 * pi * t)^2",
        "1 + log(t)", "0.7 - 0.7 * t", "(exp(1 - t) - 1) / (exp(1) - 1)", "1 - tan(pi / 4 * t)", "1 / (1 + exp(10 * (t - 0.5)))", "1 - t^(1 + t)", "1 - sin(pi/2*t)",
        "1 - t - 0.3 * sin(3 * pi * t) / (3 * pi)", "exp(-t / (1 - t))", "1 - t^t", "1 + t * log(t) - t", "1/(t - 1/3)", "cos(1.5707963268 * t)", "if t < 0.5 { 1 - t } else { 0.4 - 0.4 * (t - 0.5) * 2 }",
    ] {
        let raw = read(text);
        let start = std::time::Instant::now();
        let f = raw.simplify();
        let a = start.elapsed();
        let p = prove(&f);
        println!("{text}\n   alpha  {f}   [{a:?} {:?}]", start.elapsed());
        match p {
            Ok(p) => println!("   alpha' {}\n   weight {}\n   {} -> {}; {}; {}", p.derivative, p.weight, p.start.text, p.end.text, p.defined, p.falls),
            Err(e) => println!("   {:?} {} {}", e, f.derivative().unwrap(), f.elbo_weight().unwrap()),
        }
    }
}

// ---- random formulas ----

/// As `read` builds them: not simplified.
fn written() -> impl Strategy<Value = Term> {
    let number = prop_oneof![
        4 => (-4i64..5).prop_map(Term::int),
        2 => (1i64..6, 2i64..7).prop_map(|(a, b)| Term::ratio(a, b)),
        1 => Just(Term::ratio(999, 1000)),
    ];
    let leaf = prop_oneof![3 => Just(Term::T), 2 => number, 1 => Just(Term::Pi)];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        let power = |base: Term, exponent: Term| Term::Power(Box::new(base), Box::new(exponent));
        prop_oneof![
            3 => pair.clone().prop_map(|(a, b)| Term::Sum(vec![a, b])),
            3 => pair.clone().prop_map(|(a, b)| Term::Sum(vec![a, Term::Product(vec![Term::int(-1), b])])),
            3 => pair.clone().prop_map(|(a, b)| Term::Product(vec![a, b])),
            2 => pair.clone().prop_map(move |(a, b)| Term::Product(vec![a, power(b, Term::int(-1))])),
            2 => (inner.clone(), -3i64..4).prop_map(move |(a, n)| power(a, Term::int(n))),
            1 => inner.clone().prop_map(move |a| power(a, Term::ratio(1, 2))),
            1 => pair.prop_map(move |(a, b)| power(a, b)),
            3 => (prop::sample::select(Function::ALL), inner.clone()).prop_map(|(f, a)| Term::Call(f, Box::new(a))),
            1 => (prop::sample::select(vec![Function::Sin, Function::Cos]), inner)
                .prop_map(|(f, a)| Term::Call(f, Box::new(Term::Product(vec![Term::ratio(1, 2), Term::Pi, a])))),
        ]
    })
}

fn term(formula: &Formula) -> Term {
    formula.single().expect("one piece").clone()
}

fn meet(a: Interval, b: Interval) -> bool {
    a.low <= b.high && b.low <= a.high
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Both intervals hold the true value, so they meet; no tolerance is needed.
    #[test]
    fn simplifying_keeps_every_value(raw in written(), ts in prop::collection::vec(0u32..=64, 6)) {
        let short = term(&Formula::from(raw.clone()).simplify());
        for t in ts {
            let t = Interval::point(f64::from(t) / 64.0);
            let (before, after) = (evaluate(&raw, t), evaluate(&short, t));
            if before.defined && before.low.is_finite() && before.high.is_finite() {
                prop_assert!(!after.is_empty() && meet(before, after), "{raw} = {short} at {}: {before:?} {after:?}", t.low);
            }
        }
    }

    #[test]
    fn simplifying_twice_is_simplifying_once(raw in written()) {
        let once = Formula::from(raw).simplify();
        let twice = once.simplify();
        prop_assert_eq!(&once, &twice, "{} {}", once, twice);
    }

    #[test]
    fn what_is_written_reads_back(raw in written(), more in written(), cut in 1i64..9) {
        let short = Formula::from(raw).simplify();
        let back = read(&short.to_string()).simplify();
        prop_assert_eq!(&back, &short, "{}", short);
        let pieces = read(&format!("if t <= 0.{cut} {{ {short} }} else {{ {more} }}")).simplify();
        let back = read(&pieces.to_string()).simplify();
        prop_assert_eq!(&back, &pieces, "{}", pieces);
    }

    /// The mean value theorem, in intervals.
    #[test]
    fn a_slope_is_one_of_the_derivatives(raw in written(), from in 0u32..63, width in 1u32..20) {
        let function = term(&Formula::from(raw).simplify());
        let Some(derivative) = Formula::from(function.clone()).derivative() else { return Ok(()) };
        let (low, high) = (f64::from(from) / 64.0, f64::from((from + width).min(64)) / 64.0);
        let slopes = evaluate(&term(&derivative), Interval::new(low, high));
        let ends = [low, high].map(|t| evaluate(&function, Interval::point(t)));
        if evaluate(&function, Interval::new(low, high)).defined && slopes.defined {
            let rise = Interval::new(ends[1].low - ends[0].high, ends[1].high - ends[0].low);
            let slope = Interval::new((rise.low / (high - low)).next_down(), (rise.high / (high - low)).next_up());
            prop_assert!(meet(slope, slopes), "{function}: {slope:?} {} {slopes:?}", derivative);
        }
    }

    /// What the exact rules say holds of the values.
    #[test]
    fn ranges_hold_all_values(raw in written(), ts in prop::collection::vec(0u32..=64, 6)) {
        let defined = is_defined(&raw, Domain::UNIT);
        let bounds = range(&raw, Domain::UNIT);
        for t in ts {
            let values = evaluate(&raw, Interval::point(f64::from(t) / 64.0));
            prop_assert!(!defined || !values.is_empty(), "{raw}");
            if values.is_empty() || !values.defined {
                continue;
            }
            let bound = |r: Rational| Interval::of_rational(r);
            prop_assert!(bounds.low.is_none_or(|b| values.high >= bound(b.at).low), "{raw} {bounds:?} {values:?}");
            prop_assert!(bounds.high.is_none_or(|b| values.low <= bound(b.at).high), "{raw} {bounds:?} {values:?}");
        }
    }

    /// Intervals over boxes hold the values at points in them.
    #[test]
    fn boxes_hold_their_points(raw in written(), from in 0u32..64, width in 1u32..20, share in 0u32..=8) {
        let (low, high) = (f64::from(from) / 64.0, f64::from((from + width).min(64)) / 64.0);
        let t = low + (high - low) * f64::from(share) / 8.0;
        let (whole, point) = (evaluate(&raw, Interval::new(low, high)), evaluate(&raw, Interval::point(t)));
        prop_assert!(!whole.defined || !point.is_empty(), "{raw}");
        if !point.is_empty() && point.defined {
            prop_assert!(meet(whole, point), "{raw} at {t}: {whole:?} {point:?}");
            let value = raw.eval(t);
            // What the floats lose, the interval shows as its width.
            let slack = 1e-9 * (1.0 + value.abs()) + 1e3 * (point.high - point.low);
            let off = (value - point.low).min(point.high - value);
            prop_assert!(!value.is_finite() || off >= -slack, "{raw} at {t}: {value} {point:?}");
        }
    }

    /// An identity that is shown is one.
    #[test]
    fn equal_formulas_have_equal_values(a in written(), b in written(), ts in prop::collection::vec(1u32..64, 6)) {
        let (f, g) = (Formula::from(a.clone()), Formula::from(b.clone()));
        if f.is_same_as(&g) {
            for t in ts {
                let t = Interval::point(f64::from(t) / 64.0);
                let (x, y) = (evaluate(&a, t), evaluate(&b, t));
                prop_assert!(!x.defined || !y.defined || meet(x, y), "{a} {b}");
            }
        }
    }
}
