//! Reading specs: what is understood, what is refused, and in which words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::{apply, edit, examples, timed};

use dlmc::ast::{BinaryOp, Claim, Expr, ExprKind, Field, File, Item, ParamType, Stmt, UnaryOp};
use dlmc::base::diag::code;
use dlmc::base::{Diagnostics, FileId, Number, SourceMap, Unit};
use dlmc::cli::render;
use dlmc::syntax::{MAX_BYTES, MAX_FINDINGS, parse, parse_value};
use proptest::prelude::*;

const QUICKSTART: &str = include_str!("../specs/quickstart.dlm");
const DECODER: &str = include_str!("../specs/lib/decoder.dlm");
const FILE: FileId = FileId(0);

fn read(text: &str) -> (File, Diagnostics) {
    parse(FILE, text)
}

/// The input, then what is said about it.
fn report(text: &str) -> String {
    let (_, diagnostics) = read(text);
    let mut sources = SourceMap::default();
    sources.add("a.dlm", text);
    format!("{}\n{}\n{}", text.trim_end(), "-".repeat(72), render::human(&diagnostics, &sources, false))
}

/// The tree of a text without mistakes.
fn good(text: &str) -> File {
    let (file, diagnostics) = read(text);
    assert!(diagnostics.is_empty(), "{}", report(text));
    file
}

fn value(text: &str) -> Expr {
    let (value, diagnostics) = parse_value(FILE, text);
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    value.expect(text)
}

/// An expression with every bracket that its tree implies.
fn bracketed(e: &Expr) -> String {
    let all = |items: &[Expr]| items.iter().map(bracketed).collect::<Vec<_>>().join(", ");
    match &e.kind {
        ExprKind::Number(n) => {
            format!("{}{}", n.value, n.unit.map_or(String::new(), |(u, _)| format!(" {}", u.word())))
        }
        ExprKind::Str(s) => format!("{s:?}"),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::None => "none".into(),
        ExprKind::Name(n) => n.clone(),
        ExprKind::Call { callee, args, alias, share } => {
            let args: Vec<String> = args
                .iter()
                .map(|a| a.name.as_ref().map_or(String::new(), |n| format!("{}: ", n.text)) + &bracketed(&a.value))
                .collect();
            let alias = alias.as_ref().map_or(String::new(), |a| format!(" as {}", a.text));
            let share = share.map_or("", |_| "share ");
            format!("{share}{}({}){alias}", callee.text, args.join(", "))
        }
        ExprKind::Unary { op: UnaryOp::Neg, operand } => format!("(-{})", bracketed(operand)),
        ExprKind::Unary { op: UnaryOp::Not, operand } => format!("(not {})", bracketed(operand)),
        ExprKind::If { branches, otherwise } => {
            let arms: Vec<String> =
                branches.iter().map(|(c, v)| format!("if {} {{{}}} else ", bracketed(c), bracketed(v))).collect();
            format!("{}{{{}}}", arms.concat(), bracketed(otherwise))
        }
        ExprKind::Range { low, high } => format!("({}..{})", bracketed(low), bracketed(high)),
        ExprKind::Extend { base, fields } => format!("{} {}", bracketed(base), record(fields)),
        ExprKind::Claims(claims) => claims.iter().map(claim).collect::<Vec<_>>().join("; "),
        ExprKind::Binary { op, left, right, .. } => {
            format!("({} {} {})", bracketed(left), op.symbol(), bracketed(right))
        }
        ExprKind::Tuple(items) => format!("tuple({})", all(items)),
        ExprKind::List { items, unit } => {
            format!("[{}]{}", all(items), unit.map_or(String::new(), |(u, _)| format!(" {}", u.word())))
        }
        ExprKind::Record(fields) => record(fields),
    }
}

fn record(fields: &[Field]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|f| {
            let path: Vec<&str> = f.path.iter().map(|i| i.text.as_str()).collect();
            format!("{}: {}", path.join("."), bracketed(&f.value))
        })
        .collect();
    format!("{{{}}}", fields.join(", "))
}

fn claim(claim: &Claim) -> String {
    let mut text = claim.binds.as_ref().map_or(String::new(), |name| format!("let {} = ", name.text));
    text.push_str(claim.no.map_or("", |_| "no "));
    text.push_str(&bracketed(&claim.value));
    for (word, clause) in [("at", &claim.at), ("before", &claim.before), ("within", &claim.within)] {
        text.push_str(&clause.as_ref().map_or(String::new(), |clause| format!(" {word} {}", bracketed(clause))));
    }
    text
}

fn depth(text: &str) -> Expr {
    value(text)
}

// ---- what is understood ----

#[test]
fn the_real_specs_parse_without_a_word() {
    let file = good(QUICKSTART);
    assert_eq!(file.doc.as_deref(), Some("Does repeating a hundred thousand bytes of Python code favour diffusion?"));
    assert_eq!(file.items.len(), 6);
    let Some(Item::Experiment(experiment)) = file.items.last() else { panic!("{:?}", file.items.last()) };
    let names: Vec<&str> = experiment.fields.iter().map(|f| f.path[0].text.as_str()).collect();
    assert_eq!(names, ["model", "data", "train", "eval", "arms", "expect"]);
    let expect = bracketed(&experiment.fields[5].value);
    assert_eq!(expect, "crossover(loss(valid), of: mdm, under: ar)");
    assert_eq!(good(DECODER).items.len(), 3);
}

#[test]
fn the_examples_of_the_language_reference_parse() {
    let examples: Vec<&str> = examples().map(|(_, text)| text).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        good(example);
    }
}

#[test]
fn operators_bind_as_in_mathematics() {
    for (text, tree) in [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("8 / 4 / 2", "((8 / 4) / 2)"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("-x ^ 2", "(-(x ^ 2))"),
        ("x ^ -2", "(x ^ (-2))"),
        ("--a * -b", "((-(-a)) * (-b))"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("a\n  + b", "(a + b)"),
        ("a +\n\n  b", "(a + b)"),
        ("f(a, n: 2) as p * g() as q", "(f(a, n: 2) as p * g() as q)"),
        ("a or b and not c == 1 + 2", "(a or (b and (not (c == (1 + 2)))))"),
        ("not not a", "(not (not a))"),
        ("i % 4 == 3", "((i % 4) == 3)"),
        ("4 % 2 * 3", "((4 % 2) * 3)"),
        ("i in 1 + 1..2 * 4", "(i in ((1 + 1)..(2 * 4)))"),
        ("i in [0, 3] or i >= 7", "((i in [0, 3]) or (i >= 7))"),
        ("1e-4..1e-2", "(0.0001..0.01)"),
        ("0.1..0.9", "(0.1..0.9)"),
        ("5 tokens..9 tokens", "(5 tokens..9 tokens)"),
        ("a.b == 1B tokens and x", "((a.b == 1000000000 tokens) and x)"),
        ("if a < 1 { b } else { c }", "if (a < 1) {b} else {c}"),
        ("if a {\n b\n}\nelse if c { d } else { -1 }", "if a {b} else if c {d} else {(-1)}"),
        ("2 * if a { 1 } else { 3 }", "(2 * if a {1} else {3})"),
        ("base { a: 1, b.c: none }", "base {a: 1, b.c: none}"),
        ("adamw(lr: 1) { lr: 2 }", "adamw(lr: 1) {lr: 2}"),
        ("share f(x) as g + share", "(share f(x) as g + share)"),
        ("(a, b,)", "tuple(a, b)"),
        ("[1, 2] tokens", "[1, 2] tokens"),
        ("{ a.b: 1, c: none }", "{a.b: 1, c: none}"),
        ("f(\n  a,\n  b: 2,\n)", "f(a, b: 2)"),
        (r#""say \"x\" \\ \n""#, r#""say \"x\" \\ \n""#),
    ] {
        assert_eq!(bracketed(&value(text)), tree, "{text}");
    }
}

#[test]
fn claims_are_read() {
    let text = "experiment e {
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        cross at data.unique in [0.5B, 1B] tokens
        no cross at data.unique == 10B tokens before 30 epochs
        best(loss(valid), of: a) < best(loss(valid), of: b), increasing(cross.epoch, along: data.unique)
        final(loss(valid), of: a) == 1.88 within 0.02
            at data.unique in 1..4
    }
}";
    let Item::Experiment(experiment) = &good(text).items[0] else { panic!() };
    insta::assert_snapshot!(bracketed(&experiment.fields[0].value).replace("; ", "\n"), @r"
    let cross = crossover(loss(valid), of: mdm, under: ar)
    cross at (data.unique in [500000000, 1000000000] tokens)
    no cross at (data.unique == 10000000000 tokens) before 30 epochs
    (best(loss(valid), of: a) < best(loss(valid), of: b))
    increasing(cross.epoch, along: data.unique)
    (final(loss(valid), of: a) == 1.88) at (data.unique in (1..4)) within 0.02
    ");
}

#[test]
fn definitions_and_statements_of_every_kind_are_read() {
    let file = good(
        "language 1
let lr = 1e-3
let base = { lr: lr }
data small = web { unique: 1M tokens }
objective late = mdm { t: iid(0.5, 1) }
block layer(x: [B, T, D], norm: block([B, T, D]) -> [B, T, D], n: int = 2) {
    require n > 0 and n <= 8, \"one to eight\"
    repeat n as i {
        if i % 2 == 0 {
            x = norm(x)
        } else if i == 3 { x = x + x }
        else { x = x * 2 }
        collect h = x
        y = share linear(x, D) as w
    }
    return pick(h, n - 1)
}",
    );
    assert_eq!(file.version.unwrap().0, 1);
    assert_eq!(file.items.len(), 5);
    assert!(matches!(&file.items[0], Item::Let(b) if b.name.text == "lr"));
    assert!(matches!(&file.items[2], Item::Data(d) if d.base.as_ref().unwrap().text == "web"));
    assert!(matches!(&file.items[3], Item::Objective(b) if matches!(b.value.kind, ExprKind::Extend { .. })));
    let Item::Block(block) = &file.items[4] else { panic!() };
    assert!(
        matches!(&block.params[1].ty, ParamType::Block { inputs, returns, .. } if (inputs.len(), returns.len()) == (1, 1))
    );
    assert!(matches!(&block.body[0], Stmt::Require { text: Some(t), .. } if t == "one to eight"));
    let Stmt::Repeat { body, .. } = &block.body[1] else { panic!() };
    assert!(matches!(&body[0], Stmt::If { branches, otherwise: Some(_), .. } if branches.len() == 2));
    assert!(matches!(&body[1], Stmt::Collect { target, .. } if target.text == "h"));
    assert!(
        matches!(&body[2], Stmt::Bind { value, .. } if matches!(value.kind, ExprKind::Call { share: Some(_), .. }))
    );
}

#[test]
fn numbers_are_exact_and_know_their_units() {
    for (text, number, unit) in [
        ("10_000", Number::int(10_000), None),
        ("1e-3", Number::ratio(1, 1000), None),
        ("0.1", Number::ratio(1, 10), None),
        ("1.5B tokens", Number::int(1_500_000_000), Some(Unit::Tokens)),
        ("100K", Number::int(100_000), None),
        ("2M seqs", Number::int(2_000_000), Some(Unit::Seqs)),
        ("1T", Number::int(1_000_000_000_000), None),
        ("10%", Number::int(10), Some(Unit::Percent)),
        ("1 epoch", Number::int(1), Some(Unit::Epochs)),
        ("1e300", Number::Real(1e300), None),
    ] {
        let ExprKind::Number(lit) = value(text).kind else { panic!("{text}") };
        assert_eq!((lit.value, lit.unit.map(|(u, _)| u)), (number, unit), "{text}");
    }
    assert!(matches!(value("0.1").kind, ExprKind::Number(n) if matches!(n.value, Number::Exact(_))));
}

#[test]
fn a_unit_never_takes_the_name_of_the_next_field() {
    let file = good("data d {\n epochs: 40\n seq: 128\n total: 3 tokens, steps: 4\n}");
    let Item::Data(data) = &file.items[0] else { panic!() };
    assert_eq!(data.fields.len(), 4);
}

#[test]
fn blocks_take_all_their_forms() {
    let file = good(
        "block pair(x: [B, T, D], n: int = 2, on: bool = true, e: real = 1e-5,) -> ([B, T, D], [D, 4]) {\n\
         (y, v) = split(x), z = y\n\
         repeat n * 2 as layer { z = f(z) as g }\n\
         repeat 3 { z = f(z) }\n\
         return (z, v)\n}",
    );
    let Item::Block(block) = &file.items[0] else { panic!() };
    assert_eq!((block.params.len(), block.returns.len(), block.body.len()), (4, 2, 5));
    assert!(matches!(&block.body[0], Stmt::Bind { targets, .. } if targets.len() == 2));
    assert!(matches!(&block.body[2], Stmt::Repeat { label: Some(l), .. } if l.text == "layer"));
    assert!(matches!(&block.body[4], Stmt::Return { values, .. } if values.len() == 2));
}

#[test]
fn spans_are_places_in_the_text() {
    let text = "//! Doc.\n// é\nschedule keep(t) = 1 - t ^ 2\n";
    let file = good(text);
    let Item::Schedule(s) = &file.items[0] else { panic!() };
    let cut = |span: dlmc::base::Span| &text[span.start as usize..span.end as usize];
    assert_eq!((cut(s.name.span), cut(s.variable.span), cut(s.formula.span)), ("keep", "t", "1 - t ^ 2"));
    let ExprKind::Binary { op: BinaryOp::Sub, op_span, right, .. } = &s.formula.kind else { panic!() };
    assert_eq!((cut(*op_span), cut(right.span)), ("-", "t ^ 2"));
}

#[test]
fn a_file_may_come_from_anywhere() {
    let file = good("\u{FEFF}//! Doc.\r\n//! More.\r\n\r\ntrain a {\r\n\tclip: 1.0\r\n}\r\n// end");
    assert_eq!(file.doc.as_deref(), Some("Doc.\nMore."));
    assert_eq!(file.items.len(), 1);
}

// ---- what is refused, and how ----

macro_rules! refused {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(report($text));
        }
    )*};
}

refused! {
    equals_in_a_field: "train a {\n    batch = 32 seqs\n    clip: 1.0\n}";
    colon_in_a_binding: "block a(x: [B, T, D]) {\n    y: f(x)\n    return y\n}";
    equals_in_an_argument: "objective mdm = masked_diffusion(schedule = keep)";
    colon_after_objective: "objective mdm : masked_diffusion(schedule: keep)";
    two_fields_on_a_line: "data d {\n    epochs: 40 seq: 128\n}";
    two_statements_on_a_line: "block a(x: [B, T, D]) {\n    y = f(x) z = g(y)\n    return z\n}";
    two_definitions_on_a_line: "train a { clip: 1.0 } train b { clip: 2.0 }";
    no_colon: "train a {\n    batch 32 seqs\n}";
    no_value: "train a {\n    batch:\n    clip: 1.0\n}";
    no_name: "train a {\n    32 seqs\n}";
    name_alone: "train a {\n    batch\n}";
    unknown_unit: "data d {\n    unique: 100K tokns\n    valid: 3 bananas\n}";
    unit_touches_its_number: "train a {\n    batch: 32seqs\n    unique: 100k\n    x: 12ab\n}";
    reserved_name: "block a(x: [B, T, D]) {\n    return linear(x, D) as in\n}";
    faulty_claims: "experiment a {\n    expect: {\n        first: cross\n        cross at\n        a < b < c\n        no\n        x at 1 at 2\n        2 * not a\n        let y: cross\n    }\n}";
    faulty_choices: "block a(x: [B, T, D], f: block) {\n    return x\n}\nblock b(x: [B, T, D]) {\n    if = 3 { y = x }\n    y = if a { 1 }\n    require\n    collect = x\n    return x\n}";
    late_language: "let a = 1..2..3\nlanguage 1\nlet b: 1";
    percent_apart: "train a {\n    warmup: 10 %\n}";
    number_too_large: "train a {\n    lr: 1e999\n    n: 1000000000000000000000000000000000000000000\n}";
    value_without_a_name: "block a(x: [B, T, D]) {\n    linear(x, D)\n    return x\n}";
    parenthesis_apart: "block a(x: [B, T, D]) {\n    y = linear (x, D)\n    return y\n}";
    operator_at_the_end: "block a(x: [B, T, D]) {\n    y = x +\n    z = y\n    return z *\n}";
    operator_at_the_beginning: "train a {\n    clip: * 2\n}";
    argument_without_a_comma: "block a(x: [B, T, D]) {\n    q = linear(x\n        heads)\n    return q\n}";
    unclosed_parenthesis: "block a(x: [B, T, D]) {\n    q = heads(linear(x, D), 4\n    k = linear(x, D)\n    return k\n}";
    stray_parenthesis: "block a(x: [B, T, D]) {\n    q = linear(x, D))\n    return q\n}";
    unclosed_text: "use \"lib/decoder.dlm { decoder }\n\ntrain a { clip: 1.0 }";
    unclosed_brace_at_the_end: "experiment a {\n    model: m()\n    train: { clip: 1.0 }\n";
    unclosed_brace_inside: "experiment a {\n    train: {\n        clip: 1.0\n    eval: { loss: valid }\n}\n";
    unclosed_brace_before_a_definition: "data d {\n    seq: 128\n\nexperiment a {\n    data: d\n}\n";
    stray_brace: "train a {\n    clip: 1.0\n}\n}\n";
    misspelt_definition: "experimnt a {\n    data: d\n}";
    field_outside: "seq: 128\ny = f(x)\n";
    definition_without_a_name: "experiment {\n    model: m(a b)\n}";
    definition_without_a_body: "experiment a\n\ntrain b { clip: 1.0 }";
    definition_inside: "experiment a {\n    train recipe { clip: 1.0 }\n}";
    parameter_without_a_type: "block a(x: [B, T, D], heads) {\n    return f(x y)\n}";
    parameter_of_unknown_type: "block a(x: [B, T, D], rate: float) {\n    return x\n}";
    shape_without_commas: "block a(x: [B T D]) {\n    return x\n}";
    repeat_without_a_count: "model m(n: int) {\n    repeat as layer {\n        x = f(x)\n    }\n    return x\n}";
    repeat_without_a_body: "model m(n: int) {\n    repeat n as layer\n    return x\n}";
    foreign_marks: "train a {\n    clip: 1.0;\n    note: 'x'\n    # comment\n    lr: 2 ** 3\n}";
    foreign_statements: "block a(x: [B, T, D]) {\n    while on { y = x }\n    return x, x\n}";
    reserved_words: "train as {\n    none: 3\n}\nblock a(x: [B]) {\n    return = 3\n    true = 4\n}";
    alias_of_a_name: "block a(x: [B, T, D]) {\n    y = x as z\n    w = (f(x)) as z\n    return y\n}";
    unknown_escape: "data d {\n    source: files(\"a\\qb\")\n}";
    commas_too_many: "train a { clip: 1.0,, lr: 1e-3 }";
    bad_import: "use lib/decoder.dlm { decoder }\nuse \"a.dlm\"\nuse \"b.dlm\" { }";
    no_text_at_all: "just some words\nand more words\n";
    strange_characters: "train a {\n    clip: 1.0 é\n    α: 2\n    x: \u{7}\n}";
    empty: "";
    nothing_but_comments: "\n// nothing\n//! here\n\n";
}

#[test]
fn ten_mistakes_give_ten_errors_and_the_rest_is_kept() {
    let text = "\
//! Ten mistakes.
use \"lib/decoder.dlm\" { decoder }
schedule keep(t) = 1 - * t
objective ar = next_token()
objektive mdm = masked_diffusion(schedule: keep)

data python {
    tokenizer: bytes
    unique = 100K tokens
    epochs: 40 seq: 128
    valid: 64K tokns
    order strict()
}

block swiglu(x: [B, T, D], hidden: int) {
    g = linear(x, hidden) as gate
    u : linear(x, hidden) as up
    linear(x, D)
    return linear (g * u, D) as down
}

experiment e {
    data: python
    train: {
        batch: 32seqs
        clip: 1.0
    }
    arms: { ar: { objective: ar } }
}
";
    let (file, diagnostics) = read(text);
    assert_eq!(diagnostics.n_errors(), 10, "{}", report(text));
    assert_eq!(file.items.len(), 6);
    let Item::Data(data) = &file.items[3] else { panic!() };
    assert_eq!(data.fields.len(), 4);
    let Item::Block(block) = &file.items[4] else { panic!() };
    assert_eq!(block.body.len(), 3);
    let Item::Experiment(experiment) = &file.items[5] else { panic!() };
    assert_eq!(experiment.fields.len(), 3);
    insta::assert_snapshot!(report(text));
}

#[test]
fn values_on_the_command_line_are_checked_alike() {
    for (text, n) in
        [("", 1), ("1 +", 1), ("a b", 1), ("(1", 1), ("3 bananas", 1), ("f(a: 1)", 0), ("{ a 1 }", 1), ("'x'", 1)]
    {
        let (value, diagnostics) = parse_value(FILE, text);
        assert_eq!(diagnostics.n_errors(), n, "{text}: {diagnostics:?}");
        assert!(value.is_some() == (n == 0) || text.starts_with('{'), "{text}");
    }
}

#[test]
fn the_json_document_is_stable() {
    let text = "train a {\n    batch = 32 seqs\n    x: 3 bananas\n";
    let (_, mut diagnostics) = read(text);
    diagnostics.push(dlmc::base::Diagnostic::warning(code::FEW_DOCUMENTS, "no place").note("a note"));
    let mut sources = SourceMap::default();
    sources.add("a.dlm", text);
    let document = serde_json::to_string_pretty(&render::json(&diagnostics, &sources)).unwrap();
    insta::assert_snapshot!(format!("{text}{}\n{document}", "-".repeat(72)));
}

#[test]
fn rendering_takes_any_diagnostic() {
    use dlmc::base::{Diagnostic, Span};
    let mut sources = SourceMap::default();
    let a = sources.add("a.dlm", "é: 1\nb: 2\n");
    let b = sources.add("lib/b.dlm", "c: 3");
    let mut all = Diagnostics::default();
    all.push(Diagnostic::error(code::UNREADABLE, "cannot read `x.dlm`: no such file").help("check the path"));
    all.push(
        Diagnostic::error(code::HEADS, "two files").at(Span::new(a, 8, 9), "here").also(Span::new(b, 0, 1), "and here"),
    );
    all.push(
        Diagnostic::warning(code::FEW_DOCUMENTS, "a span beyond the end").at(Span::new(a, 5, 999), "").note("so it is"),
    );
    all.push(Diagnostic::error(code::SYNTAX, "a span that cuts a character").at(Span::new(a, 1, 1), "x"));
    all.push(Diagnostic::error(code::SYNTAX, "no such file").at(Span::new(FileId(9), 1, 1), "x"));
    insta::assert_snapshot!(render::human(&all, &sources, false));
    assert!(render::human(&all, &sources, true).contains("\u{1b}["));
    assert_eq!(render::human(&Diagnostics::default(), &sources, false), "");
}

/// One file per code that a short text can earn; the first line says which.
#[test]
fn each_case_file_earns_its_code() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/syntax");
    let mut codes = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let wanted = text.split(['[', ']']).nth(1).unwrap().to_string();
        let (_, diagnostics) = read(&text);
        assert!(
            diagnostics.iter().all(|d| d.code.0 == wanted) && diagnostics.has_errors(),
            "{wanted}: {diagnostics:?}"
        );
        codes.insert(wanted);
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["E0103", "E0105", "E0106", "E0107", "E0108", "E0109"]);
}

// ---- limits ----

fn only_code(text: &str) -> &'static str {
    let (_, diagnostics) = read(text);
    let codes: Vec<&str> = diagnostics.iter().map(|d| d.code.0).collect();
    assert_eq!(codes.len(), 1, "{codes:?}");
    codes[0]
}

#[test]
fn nesting_is_bounded_at_256() {
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    timed(Duration::from_millis(500), || depth(&nested(256)));
    assert_eq!(only_code(&format!("schedule a(t) = f{}", nested(257))), "E0105");
    let calls = format!("schedule a(t) = {}t{}", "f(".repeat(256 - 1) + "g(", ")".repeat(256));
    timed(Duration::from_millis(500), || good(&calls));
    let records = format!("train a {}{}", "{ a: ".repeat(255) + "{ a: 1", "}".repeat(256));
    timed(Duration::from_millis(500), || good(&records));
    let loops = format!("model m() {}x = 1{}", "{ repeat 2 ".repeat(255) + "{ ", " }".repeat(256));
    timed(Duration::from_millis(500), || good(&loops));
    timed(Duration::from_millis(500), || assert_eq!(only_code(&"(".repeat(100_000)), "E0105"));
}

#[test]
fn operators_are_bounded_at_256() {
    for (part, end) in [("1 + ", "1"), ("t ^ ", "t"), ("-", "t"), ("1 - -", "t")] {
        let n = part.matches(['+', '^', '-']).count();
        good(&format!("schedule a(t) = {}{end}", part.repeat(256 / n)));
        assert_eq!(only_code(&format!("schedule a(t) = {}{end}", part.repeat(256 / n + 1))), "E0105", "{part}");
    }
    // Together they are bounded as well.
    let both = format!("schedule a(t) = {}t{}", "(1 + ".repeat(200), ")".repeat(200));
    assert_eq!(only_code(&both), "E0105");
}

#[test]
fn size_is_bounded_at_512_kib() {
    let line = "// a comment that fills the file with something to read past\n";
    let comments = line.repeat(MAX_BYTES / line.len());
    assert_eq!(only_code(&comments), "E0103");
    assert_eq!(only_code(&(comments + line)), "E0104");
}

#[test]
fn the_worst_text_is_read_in_reasonable_time() {
    // A debug build on a busy machine; a release build takes far less.
    let limit = Duration::from_secs(10);
    let full = |part: &str, bytes: usize| part.repeat(bytes / part.len());
    for part in ["x\n", "}\n", ")", "data a {\n", "\"\n", "a: 1\n", "1 + ", "\n", "é", "x.", "f(a) "] {
        timed(limit, || read(&full(part, MAX_BYTES / 4)));
        let body = full(part, MAX_BYTES / 16);
        timed(limit, || read(&format!("train a {{\n{body}\n}}")));
        timed(limit, || read(&format!("block a(x: [B]) {{\n{body}\n}}")));
    }
    let (_, diagnostics) = timed(limit, || read(&full("x\n", MAX_BYTES)));
    assert_eq!(diagnostics.n_errors(), MAX_FINDINGS + 1);
    // Recovery inside recovery: every other level of brackets holds a mistake. A debug build is asked a quarter.
    let bytes = if cfg!(debug_assertions) { MAX_BYTES / 4 } else { MAX_BYTES };
    for line in ["x: 1\n", "x/\n"] {
        let (body, n) = (full(line, bytes * 3 / 4), 120);
        timed(limit, || read(&format!("train a {{ {}{body}{} }}", "a: ({ ".repeat(n), "} j) ".repeat(n))));
        timed(limit, || read(&format!("train a {{ {}{body}{} }}", "a: { ".repeat(n), "} j ".repeat(n))));
    }
}

#[test]
fn the_largest_correct_file_is_read() {
    for entry in ["a:{}\n", "a:-1,", "a: f(x, [1K tokens])\n"] {
        good(&format!("train a {{\n{}}}", entry.repeat((MAX_BYTES - 20) / entry.len())));
    }
}

// ---- anything at all ----

/// Reads and renders; places must lie in the text.
fn survives(text: &str) {
    timed(Duration::from_secs(1), || {
        let (_, diagnostics) = read(text);
        for diagnostic in diagnostics.iter() {
            let span = diagnostic.primary.as_ref().expect("a place").span;
            assert!(text.get(span.start as usize..span.end as usize).is_some(), "{diagnostic:?} in {text:?}");
            assert!(!diagnostic.message.is_empty());
        }
        report(text)
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn mutated_specs_never_break_the_reader(which in 0..2usize, edits in prop::collection::vec(edit(), 1..8)) {
        survives(&apply([QUICKSTART, DECODER][which], &edits));
    }

    #[test]
    fn random_bytes_never_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_marks_never_break_the_reader(text in "[a-c1 \\n{}()\\[\\]\",:=+*^/.-]{0,300}") {
        survives(&text);
        survives(&format!("block a(x: [B]) {{\n{text}\n}}"));
    }
}
