//! No input makes the front half panic or take long: mutated specs, and texts made to be costly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{DECODER, QUICKSTART, apply, edit, front, front_with, memory};
use dlmc::base::diag::MAX_KEPT;
use dlmc::base::source::Memory;
use dlmc::cli::front::{Outcome, compile};
use dlmc::cli::render;
use dlmc::syntax::MAX_BYTES;
use proptest::prelude::*;

/// A second in a release build; a debug build may take longer, on a machine that does other things too.
const LIMIT: Duration = if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::from_secs(1) };

/// Compiles and renders in both forms, in time; places lie in the text. A machine that does other things
/// too may be slow once, not three times in a row.
fn survives(outcome: impl Fn() -> Outcome) -> Outcome {
    let mut times = vec![];
    loop {
        let started = Instant::now();
        let outcome = outcome();
        let human = render::human(&outcome.diagnostics, &outcome.sources, false);
        let json = render::json(&outcome.diagnostics, &outcome.sources);
        times.push(started.elapsed());
        if times.last().is_some_and(|time| *time < LIMIT) {
            sound_or_faulty(&outcome, &human, &json);
            return outcome;
        }
        assert!(times.len() < 3, "took {times:?}");
    }
}

fn sound_or_faulty(outcome: &Outcome, human: &str, json: &serde_json::Value) {
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), outcome.diagnostics.iter().count());
    assert_eq!(human.is_empty(), outcome.diagnostics.is_empty());
    assert!(outcome.diagnostics.iter().count() <= 2 * MAX_KEPT);
    for diagnostic in outcome.diagnostics.iter() {
        assert!(!diagnostic.message.is_empty());
        assert!(human.contains(&diagnostic.message), "{diagnostic:?}");
        for label in diagnostic.primary.iter().chain(&diagnostic.related) {
            let text = &outcome.sources.get(label.span.file).expect("a file").text;
            assert!(text.get(label.span.start as usize..label.span.end as usize).is_some(), "{diagnostic:?}");
        }
    }
    // A definition begins a line; an edit may have moved the word into a comment.
    let begins = |line: &str| line.split("//").next().is_some_and(|code| code.trim_start().starts_with("experiment"));
    let is_library = !outcome.sources.files().first().is_some_and(|f| f.text.lines().any(begins));
    let decided = outcome.compiled.is_some() != outcome.diagnostics.has_errors();
    assert!(decided || is_library, "neither sound nor faulty");
}

/// Full files; a debug build takes long over them, and is asked a quarter.
const SIZE: usize = if cfg!(debug_assertions) { MAX_BYTES / 4 } else { MAX_BYTES };

/// A file for the experiment `e` around some definitions; `model` is called as it says.
fn spec(definitions: &str, model: &str) -> String {
    let import = if model.contains("decoder(") { "use \"lib/decoder.dlm\" { decoder }\n" } else { "" };
    format!(
        "{import}{definitions}\nobjective ar = next_token()\n\
         data d {{\n source: files(\"*.txt\"), tokenizer: bytes, unique: 100K tokens, epochs: 4, seq: 128\n valid: 64K tokens\n}}\n\
         experiment e {{\n model: {model}\n data: d\n\
         train: {{ batch: 32 seqs, optimizer: adamw(lr: 1e-3), lr_schedule: constant() }}\n\
         eval: {{ every: 1 epoch, loss: valid }}\n arms: {{ a: {{ objective: ar }} }}\n}}\n"
    )
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    let mut codes: Vec<&str> = outcome.diagnostics.iter().map(|d| d.code.0).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

// ---- mutated specs ----

/// Words that fit somewhere, so that edits get past the grammar.
fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "0",
        "-1",
        "1",
        "3",
        "7",
        "0.5",
        "1e-3",
        "1e300",
        "9_000_000_000_000_000_000",
        "1e30",
        "none",
        "true",
        "x",
        "tokens",
        "positions",
        "t",
        "decoder",
        "ar",
        "mdm",
        "python",
        "keep",
        "100K tokens",
        "3 steps",
        "2 epochs",
        "5%",
        "32 seqs",
        "[1, 2]",
        "{}",
        "{ a: 1 }",
        "linear(x, D)",
        "attend(q, k, v)",
        "x + x",
        "x * 2",
        "D / heads",
        "heads",
        "layers",
        "dim",
        "seq",
        "vocab",
        "repeat 3 { x = x }",
        "return x",
        "all",
        "bytes",
        "chars(3)",
        "linear",
        "embed(tokens, 3)",
        "rope(q, positions)",
        "(x, x)",
        "normal(0.1)",
        "zeros",
        "1 / 0",
        "2 ^ 99999999",
        "0 ^ -1",
        "train.clip",
        "bf16",
        "valid",
        "crossover(loss(valid), of: ar, under: mdm)",
    ])
    .prop_map(str::to_string)
}

/// Replaces the `at`-th word or number of a text.
fn replace_word(text: &str, at: usize, new: &str) -> String {
    let mut words = vec![];
    let mut start = None;
    for (i, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_ascii_alphanumeric() || c == '_';
        match (inside, start) {
            (true, None) => start = Some(i),
            (false, Some(s)) => {
                words.push(s..i);
                start = None;
            }
            _ => {}
        }
    }
    match words.get(at % words.len().max(1)) {
        Some(range) => format!("{}{new}{}", &text[..range.start], &text[range.end..]),
        None => new.to_string(),
    }
}

fn both(main: &str, library: &str) -> Outcome {
    let files = [(PathBuf::from("a.dlm"), main.to_string()), (PathBuf::from("lib/decoder.dlm"), library.into())];
    compile(Path::new("a.dlm"), &Memory(files.into()), None, &[], None)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn edited_specs_survive(edits in prop::collection::vec(edit(), 1..6), library in prop::collection::vec(edit(), 0..3)) {
        survives(|| both(&apply(QUICKSTART, &edits), &apply(DECODER, &library)));
    }

    #[test]
    fn exchanged_words_survive(
        main in prop::collection::vec((0usize..400, word()), 0..5),
        library in prop::collection::vec((0usize..400, word()), 0..4),
    ) {
        let exchange = |text: &str, all: &[(usize, String)]| {
            all.iter().fold(text.to_string(), |text, (at, new)| replace_word(&text, *at, new))
        };
        survives(|| both(&exchange(QUICKSTART, &main), &exchange(DECODER, &library)));
    }

    #[test]
    fn exchanged_lines_survive(a in 0usize..60, b in 0usize..60, which in any::<bool>()) {
        let text = if which { QUICKSTART } else { DECODER };
        let mut lines: Vec<&str> = text.lines().collect();
        let n = lines.len();
        lines.swap(a % n, b % n);
        let text = lines.join("\n");
        survives(|| if which { both(&text, DECODER) } else { both(QUICKSTART, &text) });
    }

    #[test]
    fn any_override_survives(path in "[a-z_.]{0,12}|(model|data|train|eval|objective)(\\.[a-z_]{1,10}){0,3}", value in ".{0,20}") {
        survives(|| front_with(QUICKSTART, &[(&path, &value)]));
    }

    #[test]
    fn overrides_of_real_paths_survive(
        path in prop::sample::select(vec![
            "model.layers", "model.heads", "model.dim", "model", "data.unique", "data.seq", "data.epochs", "data.total",
            "data.valid", "train.batch", "train.micro_batch", "train.optimizer.betas", "train.lr_schedule.warmup",
            "train.seeds.init", "train.checkpoint_every", "eval.every", "eval.batch", "eval.sample", "objective",
            "objective.t", "objective.schedule", "data.order.boundaries", "data.max_per_document.valid", "data.vocab",
        ]),
        value in word(),
    ) {
        survives(|| front_with(QUICKSTART, &[(path, &value)]));
    }
}

#[test]
fn the_real_specs_are_sound() {
    assert!(survives(|| front(QUICKSTART)).compiled.is_some());
    assert!(survives(|| front_with(QUICKSTART, &[("model.layers", "2_600")])).compiled.is_some());
}

// ---- texts made to be costly ----

/// Calls that call twice what they call: 2^n nodes from n blocks.
#[test]
fn doubling_calls_are_given_up() {
    let doubling = |body: &str| {
        let mut text = String::from("block b0(x: [B, T, D]) -> [B, T, D] {\n return x + x\n}\n");
        for i in 1..60 {
            let inner = body.replace("NEXT", &format!("b{}", i - 1));
            writeln!(text, "block b{i}(x: [B, T, D]) -> [B, T, D] {{\n {inner}\n}}").unwrap();
        }
        text + "model m() {\n return unembed(b59(embed(tokens, 8)))\n}"
    };
    for body in ["return NEXT(NEXT(x))", "y = NEXT(x), return NEXT(y) + NEXT(x)", "return NEXT(x) as p + NEXT(x) as q"]
    {
        let body = body.replace(", return", "\n return");
        assert_eq!(codes(&survives(|| front(&spec(&doubling(&body), "m()")))), ["E0408"], "{body}");
    }
    // Without any node: numbers only.
    let mut text = String::from("block b0(n: int) {\n return n\n}\n");
    for i in 1..60 {
        writeln!(text, "block b{i}(n: int) {{\n return b{0}(n) + b{0}(n)\n}}", i - 1).unwrap();
    }
    text += "model m() {\n return unembed(embed(tokens, b59(1)))\n}";
    assert_eq!(codes(&survives(|| front(&spec(&text, "m()")))), ["E0408"]);
}

#[test]
fn costly_bodies_that_are_called_often_are_given_up() {
    // A body of many expressions, in a block that is called many times.
    let sums = (0..3_000).map(|i| format!(" a{i} = 1 + 2 + 3 + 4 + 5\n")).collect::<String>();
    let calls = (0..3_000).map(|i| format!(" c{i} = f()\n")).collect::<String>();
    let text = format!("block f() {{\n{sums} return 1\n}}\nmodel m() {{\n{calls} return unembed(embed(tokens, 8))\n}}");
    survives(|| front(&spec(&text, "m()")));
    // Many parameters, called many times.
    let params = (0..3_000).map(|i| format!("a{i}: int = 1")).collect::<Vec<_>>().join(", ");
    let text =
        format!("block f({params}) {{\n return 1\n}}\nmodel m() {{\n{calls} return unembed(embed(tokens, 8))\n}}");
    survives(|| front(&spec(&text, "m()")));
    let args = (0..3_000).map(|i| format!("a{i}: 1")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "block f({params}) {{\n return f2({args})\n}}\nblock f2({params}) {{\n return 1\n}}\nmodel m() {{\n n = f({args})\n return unembed(embed(tokens, 8))\n}}"
    );
    survives(|| front(&spec(&text, "m()")));
    // Many names, copied into many repeats.
    let names = (0..5_000).map(|i| format!(" a{i} = {i}\n")).collect::<String>();
    let repeats = " repeat 2 { y = 1 }\n".repeat(5_000);
    let text = format!("model m() {{\n{names}{repeats} return unembed(embed(tokens, 8))\n}}");
    survives(|| front(&spec(&text, "m()")));
}

#[test]
fn tuples_do_not_double() {
    let lines = " (a, b) = ((a, b), (a, b))\n".repeat(100);
    let text = format!("model m() {{\n (a, b) = (1, 2)\n{lines} return unembed(embed(tokens, 8))\n}}");
    assert_eq!(codes(&survives(|| front(&spec(&text, "m()")))), ["E0405"]);
    let mut text = String::from("block b0(n: int) {\n return (n, n)\n}\n");
    for i in 1..60 {
        writeln!(text, "block b{i}(n: int) {{\n (a, b) = b{}(n)\n return (a, b)\n}}", i - 1).unwrap();
    }
    text += "model m() {\n (a, b) = b59(8)\n return unembed(embed(tokens, a))\n}";
    assert!(survives(|| front(&spec(&text, "m()"))).compiled.is_some());
}

#[test]
fn deep_nesting_is_taken_or_refused() {
    let nested =
        |n: usize, open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    for n in [10, 200, 255, 256, 257, 1_000, 100_000] {
        let schedule = format!("schedule s(t) = {}\n", nested(n, "exp(", "t", ")"));
        survives(|| front(&spec(&schedule, "decoder(layers: 1, dim: 8, heads: 2, ffn: 8)")));
        let model =
            format!("model m() {{\n x = embed(tokens, 8)\n return unembed({})\n}}", nested(n, "silu(", "x", ")"));
        survives(|| front(&spec(&model, "m()")));
        let model = format!(
            "model m() {{\n x = embed(tokens, 8)\n {}\n return unembed(x)\n}}",
            nested(n, "repeat 2 {\n", "x = silu(x)\n", "}\n")
        );
        survives(|| front(&spec(&model, "m()")));
        survives(|| front(&spec("", &nested(n, "{ a: ", "1", "}"))));
        survives(|| front(&spec("", &nested(n, "[", "1", "]"))));
        survives(|| front(&spec("", &nested(n, "(", "1", ")"))));
        survives(|| front(&spec("", &nested(n, "decoder(layers: ", "1", ")"))));
        survives(|| front(&spec("", &nested(n, "-", "1", ""))));
    }
}

/// Deep expressions in deep calls: together deeper than any one of them may be.
#[test]
fn deep_expressions_in_deep_calls_do_not_exhaust_the_stack() {
    for n in [100, 250] {
        let mut text = String::from("block b0(x: [B, T, D]) -> [B, T, D] {\n return silu(x)\n}\n");
        for i in 1..63 {
            let inner = format!("{}b{}(x){}", "silu(".repeat(n), i - 1, ")".repeat(n));
            writeln!(text, "block b{i}(x: [B, T, D]) -> [B, T, D] {{\n return {inner}\n}}").unwrap();
        }
        text += "model m() {\n return unembed(b62(embed(tokens, 8)))\n}";
        survives(|| front(&spec(&text, "m()")));
    }
}

#[test]
fn long_chains_of_calls_are_taken_or_refused() {
    let mut text = String::from("block b0(x: [B, T, D]) -> [B, T, D] {\n return x\n}\n");
    for i in 1..7_000 {
        writeln!(text, "block b{i}(x: [B, T, D]) -> [B, T, D] {{\n return b{}(x)\n}}", i - 1).unwrap();
    }
    text += "model m() {\n return unembed(b6999(embed(tokens, 8)))\n}";
    assert!(text.len() < MAX_BYTES);
    let outcome = survives(|| front(&spec(&text, "m()")));
    assert!(codes(&outcome).contains(&"E0408"));
    // One large circle, and many small ones.
    let circle = text.replace(
        "block b0(x: [B, T, D]) -> [B, T, D] {\n return x\n",
        "block b0(x: [B, T, D]) -> [B, T, D] {\n return b6999(x)\n",
    );
    assert_eq!(codes(&survives(|| front(&spec(&circle, "m()")))), ["E0207"]);
    let small: String = (0..5_000).map(|i| format!("block b{i}(x: [B]) {{\n return b{i}(x)\n}}\n")).collect();
    survives(|| front(&small));
}

#[test]
fn huge_numbers_are_numbers_or_refused() {
    let numbers = [
        "9_223_372_036_854_775_807",
        "9_223_372_036_854_775_808",
        "1e18",
        "1e300",
        "1e-300",
        "999_999_999T",
        "0",
        "-1",
        "-9_223_372_036_854_775_808",
        "2 ^ 1000000000",
        "2 ^ 62",
        "(1 / 3) ^ 100",
        "1 / 9_223_372_036_854_775_807",
        "10 ^ 38 * 10 ^ 38",
        "-(10 ^ 18) ^ 3",
        "1e18 * 1e18 * 1e18",
    ];
    for n in numbers {
        for field in ["layers", "dim", "heads", "ffn"] {
            let model = "decoder(layers: 1, dim: 8, heads: 2, ffn: 8)"
                .replace(&format!("{field}: "), &format!("{field}: {n} + 0 * "));
            survives(|| front(&spec("", &model)));
        }
        for (path, unit) in [
            ("data.unique", " tokens"),
            ("data.epochs", ""),
            ("data.total", " tokens"),
            ("data.seq", ""),
            ("data.valid", " tokens"),
            ("data.valid", "%"),
            ("data.vocab", ""),
            ("train.batch", " seqs"),
            ("train.micro_batch", " seqs"),
            ("train.clip", ""),
            ("train.ema", ""),
            ("train.seeds.init", ""),
            ("train.optimizer.lr", ""),
            ("train.lr_schedule.warmup", " steps"),
            ("train.lr_schedule.decay", "%"),
            ("train.checkpoint_every", " steps"),
            ("eval.every", " steps"),
            ("eval.every", " epochs"),
            ("eval.every", "%"),
            ("eval.batch", " seqs"),
            ("eval.sample", " tokens"),
            ("eval.draws", ""),
            ("objective.t", ""),
            ("data.max_per_document.valid", " tokens"),
        ] {
            // A unit belongs to a number, not to an expression.
            let value = if n.contains([' ', '(']) { n.to_string() } else { format!("{n}{unit}") };
            survives(|| front_with(QUICKSTART, &[(path, &value)]));
        }
        for body in [
            "x = x * N",
            "x = x / (N)",
            "y = round_to(N, 7, up)",
            "y = sqrt(N)",
            "y = floor(N)",
            "y = linear(x, N)",
            "repeat N { x = silu(x) }",
            "y = (N) ^ (N)",
        ] {
            let model =
                format!("model m() {{\n x = embed(tokens, 8)\n {}\n return unembed(x)\n}}", body.replace('N', n));
            survives(|| front(&spec(&model, "m()")));
        }
        let schedule = format!("schedule keep(t) = (1 - t) * ({n}) ^ t");
        survives(|| front(&QUICKSTART.replace("schedule keep(t) = 1 - t", &schedule)));
    }
    // Together they stay within what can be counted.
    let huge = [
        ("data.unique", "9e18 tokens"),
        ("data.epochs", "1e9"),
        ("train.batch", "9e18 seqs"),
        ("eval.every", "1 steps"),
    ];
    survives(|| front_with(QUICKSTART, &huge));
}

#[test]
fn repeats_cost_nothing_for_their_count() {
    let nested = |n: usize| {
        format!(
            "model m() {{\n x = embed(tokens, 8)\n {}x = x + linear(x, 8)\n{} return unembed(x)\n}}",
            "repeat 1_000 as a {\n".repeat(n),
            "}\n".repeat(n)
        )
    };
    assert!(survives(|| front(&spec(&nested(1), "m()"))).compiled.is_some());
    assert!(survives(|| front(&spec(&nested(3), "m()"))).compiled.is_some());
    assert_eq!(codes(&survives(|| front(&spec(&nested(30), "m()")))), ["E0408"]);
    let layers = |n: &str| front(&spec("", &format!("decoder(layers: {n}, dim: 8, heads: 2, ffn: 8)")));
    assert!(survives(|| layers("100_000")).compiled.is_some());
    assert_eq!(codes(&survives(|| layers("100_001"))), ["E0408"]);
}

#[test]
fn many_arms_and_experiments_are_refused_or_taken() {
    let arms = |n: usize, each: &str| {
        (0..n).map(|i| format!("a{i}: {{ {} }}\n", each.replace('I', &i.to_string()))).collect::<String>()
    };
    for each in [
        "objective: ar",
        "objective: arI",
        "model: decoder(layers: I, dim: 8, heads: 2, ffn: 8)",
        "train.clip: I, eval.draws: I",
    ] {
        for n in [64, 7_000] {
            let text = QUICKSTART.replace("ar: { objective: ar }, mdm: { objective: mdm }", &arms(n, each));
            let outcome = survives(|| front(&text));
            assert!(n == 64 || codes(&outcome).contains(&"E0408"), "{each}");
        }
    }
    let experiment = &QUICKSTART[QUICKSTART.find("experiment").unwrap()..];
    let many: String =
        (0..500).map(|i| experiment.replace("experiment quickstart", &format!("experiment e{i}"))).collect();
    survives(|| front(&QUICKSTART.replace(experiment, &many)));
}

/// Each arm its own model, each as large as a model may be.
#[test]
fn large_models_of_many_arms_are_given_up_together() {
    let layers = " x = silu(x)\n".repeat(20_000);
    let model = format!("model m(n: int) {{\n x = embed(tokens, 8 * n)\n{layers} return unembed(x)\n}}");
    let arms: String = (1..=64).map(|i| format!("a{i}: {{ model: m(n: {i}), objective: ar }}, ")).collect();
    let text = spec(&model, "m(n: 1)").replace("arms: { a: { objective: ar } }", &format!("arms: {{ {arms} }}"));
    survives(|| front(&text));
}

#[test]
fn full_files_of_anything_are_read_in_time() {
    let fill = |before: &str, line: &dyn Fn(usize) -> String, after: &str| {
        let mut text = before.to_string();
        for i in 0.. {
            let line = line(i);
            if text.len() + line.len() + after.len() > SIZE {
                break;
            }
            text += &line;
        }
        text + after
    };
    let tail = spec("", "m()");
    let model_end = " return unembed(x)\n}\n".to_string() + &tail;
    let model = "model m() {\n x = embed(tokens, 8)\n";
    let texts = [
        ("names", fill(model, &|i| format!(" a{i} = {i}\n"), &model_end)),
        ("chain of names", fill(model, &|i| format!(" a{} = a{i}\n", i + 1), &model_end)),
        ("nodes", fill(model, &|_| " x = x + x\n".into(), &model_end)),
        ("parameters", fill(model, &|i| format!(" x = linear(x, 8) as p{i}\n"), &model_end)),
        ("colliding parameters", fill(model, &|_| " x = linear(x, 8)\n".into(), &model_end)),
        ("unknown values", fill(model, &|i| format!(" a{i} = b{i}\n"), &model_end)),
        ("unknown callees", fill(model, &|i| format!(" a{i} = g{i}(x)\n"), &model_end)),
        ("faulty shapes", fill(model, &|i| format!(" a{i} = x + linear(x, 3) as b{i}\n"), &model_end)),
        ("repeats", fill(model, &|_| " repeat 2 { x = silu(x) }\n".into(), &model_end)),
        ("blocks", fill("", &|i| format!("block b{i}(x: [B, T, D]) {{\n return x\n}}\n"), &tail)),
        ("schedules", fill("", &|i| format!("schedule s{i}(t) = 1 - t\n"), &tail)),
        ("double definitions", fill("", &|_| "schedule s(t) = 1 - t\n".into(), &tail)),
        ("objectives", fill("", &|i| format!("objective o{i} = masked_diffusion(schedule: s{i})\n"), &tail)),
        ("imports", fill("", &|i| format!("use \"lib/decoder.dlm\" {{ decoder as d{i} }}\n"), &tail)),
        ("failed imports", fill("", &|i| format!("use \"lib/{i}.dlm\" {{ a{i} }}\n"), &tail)),
        ("fields", fill("train t {\n", &|i| format!(" a{i}: {i}\n"), &format!("}}\n{tail}"))),
        ("double fields", fill("train t {\n", &|_| " clip: 1\n".into(), &format!("}}\n{tail}"))),
        ("arguments", fill("objective o = masked_diffusion(", &|i| format!("a{i}: {i},\n"), &format!(")\n{tail}"))),
        (
            "parameters of a block",
            fill("block b(", &|i| format!("a{i}: int,\n"), &format!(") {{\n return 1\n}}\n{tail}")),
        ),
        ("double parameters", fill("block b(", &|_| "a: int,\n".into(), &format!(") {{\n return 1\n}}\n{tail}"))),
        ("dimensions", fill("block b(x: [", &|i| format!("D{i},\n"), &format!("]) {{\n return x\n}}\n{tail}"))),
        (
            "claims",
            fill(
                "experiment e {\n expect: {\n",
                &|i| format!("crossover(loss(valid), of: a{i}, under: b{i})\n"),
                "}\n}\n",
            ),
        ),
        ("factors", fill("experiment e {\n arms: { a: {} }\n factors: [", &|i| format!("a{i}.b,\n"), "]\n}\n")),
        ("patterns", fill("data d {\n source: files(", &|i| format!("\"a{i}/*\",\n"), ")\n}\n")),
        (
            "seeds",
            fill("experiment e {\n train: { seeds: {\n", &|i| format!("s{i}: 1\n"), "} }\n arms: { a: {} }\n}\n"),
        ),
        ("sum", format!("schedule s(t) = {}t\n", "t + ".repeat(255))),
    ];
    for (name, text) in &texts {
        let started = Instant::now();
        survives(|| front(text));
        if started.elapsed() > LIMIT / 5 {
            eprintln!("{name}: {:?}", started.elapsed());
        }
    }
}

#[test]
fn costly_schedules_are_bounded() {
    let powers = format!("{}t{}", "(t ^ ".repeat(200), ")".repeat(200));
    let sums = "0.001 * sin(t) + ".repeat(85) + "1 - t";
    let arms: String = (0..64).map(|i| format!("a{i}: {{ objective: o{i} }}, ")).collect();
    for formula in [powers, sums, format!("{}t{}", "exp(".repeat(250), ")".repeat(250))] {
        let objectives: String =
            (0..64).map(|i| format!("objective o{i} = masked_diffusion(schedule: keep)\n")).collect();
        let text = QUICKSTART
            .replace("schedule keep(t) = 1 - t", &format!("schedule keep(t) = {formula}\n{objectives}"))
            .replace("ar: { objective: ar }, mdm: { objective: mdm }", &arms);
        survives(|| front(&text));
    }
}

#[test]
fn long_chains_of_files_are_read_in_time() {
    let mut files = memory(QUICKSTART);
    let n = 3_000;
    for i in 0..n {
        let next = if i + 1 < n { format!("use \"f{}.dlm\" {{ s{} }}\n", i + 1, i + 1) } else { String::new() };
        files.0.insert(PathBuf::from(format!("f{i}.dlm")), format!("{next}schedule s{i}(t) = 1 - t\n"));
    }
    survives(|| compile(Path::new("f0.dlm"), &files, None, &[], None));
    // Every file uses the same one, and a circle of all.
    files.0.insert(PathBuf::from(format!("f{}.dlm", n - 1)), "use \"f0.dlm\" { s0 }\n".into());
    survives(|| compile(Path::new("f0.dlm"), &files, None, &[], None));
}
