//! Formulas: simplified forms, derivatives, weights and proofs of the common schedules, pinned; and on
//! random formulas that simplifying, differentiating and writing them down change nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use dlmc::ast::Item;
use dlmc::base::source::Memory;
use dlmc::base::{Diagnostics, FileId, Rational};
use dlmc::check::formula::interval::{Interval, evaluate};
use dlmc::check::formula::prove::prove;
use dlmc::check::formula::range::{Domain, is_defined, range};
use dlmc::check::formula::{Formula, Function, Term, formula};
use dlmc::cli::front::{Outcome, compile};
use dlmc::objective::describe;
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

/// The formula, what is derived from it, and what is proved of it or why not.
fn told(text: &str) -> String {
    let alpha = read(text).simplify();
    let mut out = format!("{text}\n  alpha   {alpha}\n");
    let derived = [("alpha'", alpha.derivative()), ("weight", alpha.elbo_weight())];
    match prove(&alpha) {
        Ok(proof) => {
            assert_eq!(derived.map(|(_, f)| f), [Some(proof.derivative.clone()), Some(proof.weight.clone())]);
            let (start, end) = (&proof.start, &proof.end);
            out += &format!("  alpha'  {}\n  weight  {}\n", proof.derivative, proof.weight);
            out += &format!("  alpha(0) = {}, alpha(1) = {}\n", start.text, end.text);
            out += &format!("  values {}; fall {}\n", proof.defined, proof.falls);
        }
        Err(refutations) => refutations.iter().for_each(|r| out += &format!("  {r:?}\n")),
    }
    out
}

/// Formulas as people write them.
const FORMULAS: &[&str] = &[
    "1 - t",
    "1 - (1 - 1e-3) * t",
    "1 - cos(pi / 2 * (1 - t))",
    "cos(pi / 2 * t)",
    "1e-3 + (1 - 1e-3) * cos(pi / 2 * t)",
    "cos(pi / 2 * t)^2",
    "1e-3 + (1 - 1e-3) * cos(pi / 2 * t)^2",
    "1 - t^2",
    "1 - sqrt(t)",
    "1 - t^3",
    "1 - log(1 + t) / log(2)",
    "exp(-(1e-4^(1 - t) * 20^t))",
    "exp(-(1e-3 + t * (7 - 1e-3)))",
    "1 - 3 * t^2 + 2 * t^3",
    "(1 - t)^2 * (1 + 2 * t)",
    "1 - t + sin(2 * pi * t) / (2 * pi)",
    "(1 - t) / (1 + t)",
    "1 / 2 - 4 * (t - 1 / 2)^3",
    "if t < 0.5 { 1 - t } else { 0.5 - (t - 0.5) }",
    "if t < 0.3 { 1 - t } else { 0.7 * (1 - (t - 0.3) / 0.7)^2 }",
    "sqrt(1 - t)",
    "sqrt(1 - t^2)",
    "exp(-5 * t)",
    "1 - t + 0.2 * sin(2 * pi * t)^2",
    "1 + log(t)",
    "0.7 - 0.7 * t",
    "(exp(1 - t) - 1) / (exp(1) - 1)",
    "1 - tan(pi / 4 * t)",
    "1 / (1 + exp(10 * (t - 0.5)))",
    "1 - t^(1 + t)",
    "1 - sin(pi/2*t)",
    "1 - t - 0.3 * sin(3 * pi * t) / (3 * pi)",
    "exp(-t / (1 - t))",
    "1 - t^t",
    "1 + t * log(t) - t",
    "1/(t - 1/3)",
    "cos(1.5707963268 * t)",
    "if t < 0.5 { 1 - t } else { 0.4 - 0.4 * (t - 0.5) * 2 }",
    "(1 - t) * exp(-t * sin(4 * t)^2)",
    "1 - (t + sin(t) * t) / (1 + sin(1))",
];

#[test]
fn formulas_are_short_and_proved_or_refuted() {
    insta::assert_snapshot!(FORMULAS.iter().map(|text| told(text)).collect::<Vec<_>>().join("\n"));
}

#[test]
fn each_line_of_a_formula_that_is_wrong_is_told() {
    for (text, wanted) in [
        ("1 - tt", "there is no value `tt`"),
        ("1 - sine(t)", "there is no function `sine`"),
        ("max(1 - t, 0)", "there is no function `max`"),
        ("sin(t, 2)", "`sin` takes one value"),
        ("1 - 10%", "a formula's numbers have no unit"),
        ("1 - [t]", "a formula is made of numbers"),
        ("t < 0.5", "a formula is made of numbers"),
        ("if t { 1 } else { 0 }", "a condition of a formula compares `t` with numbers"),
        ("if t in [0.1, 0.2] { 1 } else { 0 }", "a condition of a formula compares `t` with numbers"),
        ("if t < 2 { 1 } else { 0 }", "no t in [0, 1] comes to this branch"),
    ] {
        let (_, out) = try_read(text);
        let messages: Vec<&str> = out.iter().map(|d| d.message.as_str()).collect();
        assert!(messages.iter().any(|m| m.starts_with(wanted)), "{text}: {messages:?}");
        assert!(out.iter().all(|d| !d.help.is_empty() && d.primary.is_some()), "{text}: {out:?}");
    }
}

#[test]
fn conditions_are_decided_exactly() {
    let pieces = |text: &str| read(text).to_string();
    assert_eq!(pieces("if t <= 1 / 3 { 1 } else { t }"), "if t <= 1 / 3 { 1 } else { t }");
    assert_eq!(pieces("if 0.5 > t { 1 } else { t }"), "if t < 0.5 { 1 } else { t }");
    assert_eq!(pieces("if not (t < 0.5) { 1 } else { t }"), "if t < 0.5 { t } else { 1 }");
    assert_eq!(
        pieces("if t < 0.2 or t > 0.4 and t != 0.7 { 1 } else { t }"),
        "if t < 0.2 { 1 } else if t <= 0.4 { t } else if t < 0.7 { 1 } else if t <= 0.7 { t } else { 1 }"
    );
    assert_eq!(
        pieces("2 * if t in 0.1..0.2 { 1 } else { t }"),
        "if t < 0.1 { 2 * t } else if t <= 0.2 { 2 * 1 } else { 2 * t }"
    );
    assert_eq!(
        pieces("(if t < 0.3 { 1 } else { t }) + if t < 0.6 { 2 } else { 3 }"),
        "if t < 0.3 { 1 + 2 } else if t < 0.6 { t + 2 } else { t + 3 }"
    );
    let f = read("if t < 0.5 { 1 } else if t == 0.5 { 2 } else { 3 }");
    assert_eq!([0.0, 0.49, 0.5, 0.51, 1.0].map(|t| f.eval(t)), [1.0, 1.0, 2.0, 3.0, 3.0]);
}

#[test]
fn identities_are_shown() {
    for (a, b) in [
        ("sin(t)^2 + cos(t)^2", "1"),
        ("cos(2 * t)", "1 - 2 * sin(t)^2"),
        ("sin(pi / 2 * t) / (1 - cos(pi / 2 * t))", "1 / tan(pi / 4 * t)"),
        ("cos(pi / 2 * (1 - t))", "sin(pi / 2 * t)"),
        ("sin(pi * t + pi / 3)", "sin(pi * t) / 2 + sqrt(3) / 2 * cos(pi * t)"),
        ("exp(2 * t) - exp(-2 * t)", "(exp(t) - exp(-t)) * (exp(t) + exp(-t))"),
        ("6^t", "2^t * 3^t"),
        ("exp(t * log(3))", "3^t"),
        ("log(12)", "2 * log(2) + log(3)"),
        ("1 / (1 + sqrt(t))", "(1 - sqrt(t)) / (1 - t)"),
        ("(t^3 - 1) / (t - 1)", "1 + t + t^2"),
        ("sqrt(8)", "2 * sqrt(2)"),
        ("sqrt((t - 1)^2)", "1 - t"),
    ] {
        let (a, b) = (read(a), read(b));
        assert!(a.is_same_as(&b), "{a} = {b}");
        assert!(!a.is_same_as(&read("0.5 + t / 7")));
    }
    // Close is not equal.
    assert!(!read("cos(1.5707963268 * t)").is_same_as(&read("cos(pi / 2 * t)")));
}

/// The work on one formula is bounded, whatever it is.
#[test]
fn no_formula_takes_long() {
    let nested = |open: &str, close: &str, n: usize| format!("{}t{}", open.repeat(n), close.repeat(n));
    let texts = [
        nested("sin(1 + ", ")", 60),
        nested("exp(t * ", ")", 60),
        nested("1 / (1 + ", ")", 60),
        nested("(t + ", ")^2", 60),
        nested("t^(", ")", 60),
        nested("(", ")^t", 60),
        nested("(1 - ", ")^7", 40),
        format!("1{}", " - t^2 * sin(3 * t)".repeat(60)),
        format!("1{}", " * (1 - t / 3)".repeat(100)),
        format!("1{}", " * (1 - sin(t) / cos(t))".repeat(40)),
        format!("1 / (1{})", " + sqrt(1 + t)^0.5 * log(2 + t)".repeat(30)),
        "9^9^9^9 * t".to_string(),
        "1 - t^99999999".to_string(),
        "1 - t^0.99999999".to_string(),
        "1 - 1e-300 * t - 1e300^2 * t^2".to_string(),
        format!("1 - {} * t", "9".repeat(38)),
        format!("{} - t", "1e-30 + ".repeat(100) + "1"),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let (formula, out) = try_read(&text);
        let Some(formula) = formula else { panic!("{text}: {out:?}") };
        let alpha = formula.simplify();
        let _ = prove(&alpha);
        let _ = alpha.to_string();
        let _ = alpha.is_same_as(&read("1 - t"));
        let limit = std::time::Duration::from_millis(if cfg!(debug_assertions) { 3000 } else { 300 });
        println!("{:?} {}", start.elapsed(), &text[..text.len().min(50)]);
        assert!(start.elapsed() < limit, "{:?}: {text}", start.elapsed());
    }
}

// ---- the schedules of the executable ----

const SCHEDULES: &str = include_str!("../specs/lib/schedules.dlm");

/// A spec whose only arm trains with this objective.
fn compiled(arguments: &str) -> Outcome {
    let names: Vec<&str> =
        SCHEDULES.lines().filter_map(|line| line.strip_prefix("schedule ")?.split('(').next()).collect();
    let used: Vec<&str> =
        names.into_iter().filter(|name| arguments.split([' ', ',']).any(|word| word == *name)).collect();
    let text = format!(
        "use \"lib/small.dlm\" {{ small, recipe, tiny }}\nuse \"std/schedules.dlm\" {{ {} }}\n\
         objective mdm = masked_diffusion({arguments})\n\
         experiment e {{\n    model: tiny()\n    data: small\n    train: recipe\n    eval: {{ every: 1 epoch, loss: valid }}\n    arms: {{ a: {{ objective: mdm }} }}\n}}\n",
        used.join(", ")
    );
    let small = include_str!("cases/lib/small.dlm").to_string();
    let files = Memory([(PathBuf::from("a.dlm"), text), (PathBuf::from("lib/small.dlm"), small)].into());
    compile(Path::new("a.dlm"), &files, None, &[], None)
}

/// What is said of an objective, as `explain` would.
fn described(arguments: &str) -> String {
    let outcome = compiled(arguments);
    let mut out = format!("masked_diffusion({arguments})\n");
    for diagnostic in outcome.diagnostics.sorted() {
        out += &format!("  {}: {}\n", diagnostic.code, diagnostic.message);
    }
    if let Some(compiled) = &outcome.compiled {
        let arm = compiled.spec.variants().first().expect("an arm");
        for fact in describe(&arm.objective, &arm.sampler) {
            out += format!("  {:<10} {}   {}", fact.name, fact.text, fact.note).trim_end();
            out.push('\n');
        }
    }
    out
}

#[test]
fn schedules_of_the_executable_are_what_they_are() {
    let names = SCHEDULES.lines().filter_map(|line| line.strip_prefix("schedule ")?.split('(').next());
    let mut out = vec![];
    for (i, line) in SCHEDULES.lines().enumerate().filter(|(_, line)| line.starts_with("schedule ")) {
        assert!(SCHEDULES.lines().nth(i - 1).unwrap().starts_with("/// "), "{line} says where it comes from");
    }
    for name in names {
        out.push(described(&format!("schedule: {name}")));
        out.push(described(&format!("schedule: {name}, estimator: bernoulli")));
    }
    insta::assert_snapshot!(out.join("\n"));
}

#[test]
fn objectives_are_described() {
    let all = [
        "schedule: linear, t: iid(1e-3, 1), weight: flat",
        "schedule: linear, t: stratified(0.1, 0.9), weight: square, estimator: bernoulli",
        "schedule: linear, weight: cosine",
        "schedule: geometric, ends: open",
    ];
    insta::assert_snapshot!(all.map(described).join("\n"));
}

/// A sweep of a thousand points checks the same schedules a thousand times.
#[test]
fn a_thousand_checks_of_one_schedule_are_one_proof() {
    let formulas: Vec<Formula> = FORMULAS.iter().map(|text| read(text)).collect();
    let check = || formulas.iter().for_each(|f| drop(f.simplified().proved()));
    check();
    let start = std::time::Instant::now();
    (0..1000).for_each(|_| check());
    let each = start.elapsed() / (1000 * formulas.len() as u32);
    assert!(each < std::time::Duration::from_micros(if cfg!(debug_assertions) { 100 } else { 20 }), "{each:?}");
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
