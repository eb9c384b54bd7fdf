//! One mistake per file: `tests/cases/<stage>/<claim>.dlm` goes through the whole front half, and what is
//! said about it is pinned beside its text. The first line says what to expect: `// error[E0214]: why`,
//! `// warning[W0302]: why`, `// errors: why` (several codes), or `// passes: why`.
//!
//! Adding a case is adding a file. `every_code_has_a_failing_case` fails when a code has none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{QUICKSTART, front, front_with, memory};
use dlmc::base::diag::{CODES, Severity, code};
use dlmc::base::source::Disk;
use dlmc::base::{Code, Diagnostics};
use dlmc::cli::front::{Choice, Outcome, compile, compile_choice};
use dlmc::cli::render;
use dlmc::data::{self, CorpusEnv};

/// Stages that have a folder of cases. `lib` holds what the cases import.
const STAGES: &[&str] = &["syntax", "resolve", "check", "graph", "data"];

/// `{torch}` of the cases is a small folder of ours, so that they say the same on every machine.
fn env() -> CorpusEnv {
    CorpusEnv { torch: Some("tests/fixtures/torch".into()), ..CorpusEnv::default() }
}

/// Paths are relative to the crate, where cargo runs tests.
fn case_files() -> Vec<(&'static str, PathBuf)> {
    let mut all = vec![];
    for stage in STAGES {
        let folder = Path::new("tests/cases").join(stage);
        let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "dlm"))
            .collect();
        files.sort();
        all.extend(files.into_iter().map(|path| (*stage, path)));
    }
    all
}

fn check(path: &Path) -> Outcome {
    compile(path, &Disk, None, &[], Some(&env()))
}

#[derive(Debug, PartialEq)]
enum Expectation {
    Passes,
    Errors,
    /// All errors have this code; or there are none, and a warning has it.
    Only(Severity, String),
}

fn expectation(text: &str) -> Expectation {
    let first = text.lines().next().unwrap_or("");
    let words = first.strip_prefix("// ").unwrap_or_else(|| panic!("the first line says what to expect: {first}"));
    let (what, _) = words.split_once(':').unwrap_or((words, ""));
    let coded = |severity, rest: &str| Expectation::Only(severity, rest.trim_end_matches(']').into());
    match what.split_once('[') {
        Some(("error", rest)) => coded(Severity::Error, rest),
        Some(("warning", rest)) => coded(Severity::Warning, rest),
        None if what == "passes" => Expectation::Passes,
        None if what == "errors" => Expectation::Errors,
        _ => panic!("`{what}` is no expectation"),
    }
}

fn codes(diagnostics: &Diagnostics, severity: Severity) -> BTreeSet<String> {
    diagnostics.iter().filter(|d| d.severity == severity).map(|d| d.code.to_string()).collect()
}

/// The text of the case, then everything that is said about it.
fn shown(text: &str, outcome: &Outcome) -> String {
    let said = match (&outcome.compiled, outcome.diagnostics.is_empty()) {
        (Some(_), true) => "(sound)".to_string(),
        (None, true) => format!("(a library of {} definitions)", outcome.n_definitions),
        _ => render::human(&outcome.diagnostics, &outcome.sources, false),
    };
    format!("{}\n{}\n{}", text.trim_end(), "-".repeat(100), said.trim_end())
}

#[test]
fn each_case_says_what_its_first_line_says() {
    let mut failures = vec![];
    for (stage, path) in case_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let outcome = check(&path);
        let found = (codes(&outcome.diagnostics, Severity::Error), codes(&outcome.diagnostics, Severity::Warning));
        let one = |code: &str| BTreeSet::from([code.to_string()]);
        let as_expected = match expectation(&text) {
            Expectation::Passes => found == Default::default(),
            Expectation::Errors => found.0.len() > 1,
            Expectation::Only(Severity::Error, code) => found.0 == one(&code),
            Expectation::Only(Severity::Warning, code) => found.0.is_empty() && found.1.contains(&code),
        };
        if !as_expected {
            failures.push(format!("{}: found {found:?}", path.display()));
        }
        let sound = found.0.is_empty();
        assert_eq!(outcome.compiled.is_some(), sound && text.contains("\nexperiment "), "{}", path.display());
        let name = format!("{stage}__{}", path.file_stem().unwrap().to_string_lossy());
        let shown = shown(&text, &outcome);
        let compared = std::panic::catch_unwind(|| {
            insta::with_settings!({
                snapshot_path => "snapshots/cases", prepend_module_to_snapshot => false, omit_expression => true,
            }, {
                insta::assert_snapshot!(name, shown);
            });
        });
        if compared.is_err() {
            failures.push(format!("{}: the words differ from the snapshot", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Codes that no text file can earn; each has a test below, which is named here.
const INLINE: &[(Code, &str)] = &[
    (code::UNREADABLE, "a_file_is_there_and_readable"),
    (code::NOT_UTF8, "a_file_is_text"),
    (code::TOO_LARGE, "a_file_has_at_most_512_kib"),
    (code::BAD_OVERRIDE, "an_override_names_a_part_of_an_arm"),
    (code::BAD_POINT, "a_point_is_one_of_the_sweep"),
    (code::UNTOKENIZABLE, "a_corpus_fits_its_tokenizer"),
    (code::MALFORMED_ROWS, "rows_and_ids_are_whole"),
    (code::DAMAGED_TOKENS, "rows_and_ids_are_whole"),
    (code::BAD_TOKENIZER, "rows_and_ids_are_whole"),
    (code::CLAIM_LEFT_OUT, "a_claim_about_an_axis_waits_for_the_axis"),
];

#[test]
fn every_code_has_a_failing_case() {
    let mut cases: BTreeMap<String, usize> = BTreeMap::new();
    for (_, path) in case_files() {
        if let Expectation::Only(_, code) = expectation(&std::fs::read_to_string(&path).unwrap()) {
            *cases.entry(code).or_default() += 1;
        }
    }
    let this = include_str!("cases.rs");
    for (code, test) in INLINE {
        assert!(this.contains(&format!("fn {test}()")), "{test}");
        *cases.entry(code.to_string()).or_default() += 1;
    }
    let without: Vec<String> = CODES
        .iter()
        .filter(|(code, ..)| !cases.contains_key(code.0))
        .map(|(code, name, title)| format!("{code} {name}:{title}"))
        .collect();
    assert!(without.is_empty(), "codes without a failing case in tests/cases:\n{}", without.join("\n"));
    for code in cases.keys() {
        assert!(CODES.iter().any(|(known, ..)| known.0 == code), "{code} is no code");
    }
}

#[test]
fn codes_are_sorted_and_unique_and_have_titles() {
    assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(CODES.iter().all(|(_, _, title)| title.trim().len() > 10));
}

// ---- what no text file can show ----

fn only(outcome: &Outcome, code: Code) -> String {
    let text = render::human(&outcome.diagnostics, &outcome.sources, false);
    assert!(outcome.compiled.is_none());
    assert!(outcome.diagnostics.has_errors() && outcome.diagnostics.iter().all(|d| d.code == code), "{text}");
    text
}

fn quickstart(overrides: &[(&str, &str)]) -> Outcome {
    front_with(QUICKSTART, overrides)
}

#[test]
fn a_file_is_there_and_readable() {
    let missing = compile(Path::new("nowhere.dlm"), &Disk, None, &[], None);
    insta::assert_snapshot!("missing", only(&missing, code::UNREADABLE));
    let folder = compile(Path::new("specs"), &Disk, None, &[], None);
    only(&folder, code::UNREADABLE);
}

#[test]
fn a_file_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dlm");
    std::fs::write(&path, b"train a { clip: 1.0 }\n// \xff\xfe\n").unwrap();
    let text = only(&compile(&path, &Disk, None, &[], None), code::NOT_UTF8);
    assert!(text.contains("offset 25") && text.contains("UTF-8"), "{text}");
    // A used file alike, at the place that uses it.
    std::fs::write(folder.path().join("b.dlm"), "use \"a.dlm\" { a }\n").unwrap();
    let text = only(&compile(&folder.path().join("b.dlm"), &Disk, None, &[], None), code::USE_FAILED);
    assert!(text.contains("UTF-8") && text.contains(":1:5"), "{text}");
}

#[test]
fn a_file_has_at_most_512_kib() {
    let text = "// more and more and more and more and more and more and more\n".repeat(9_000);
    let text = only(&front(&text), code::TOO_LARGE);
    insta::assert_snapshot!("too_large", text);
}

#[test]
fn an_override_names_a_part_of_an_arm() {
    insta::assert_snapshot!("override", only(&quickstart(&[("expect.x", "1"), ("sweep", "2")]), code::BAD_OVERRIDE));
    // Values of overrides are checked like the file, and say where they come from.
    let wrong = quickstart(&[("train.clip", "1 epoch"), ("train.clp", "3"), ("data", "nosuch")]);
    insta::assert_snapshot!("override_values", render::human(&wrong.diagnostics, &wrong.sources, false));
    let fine = quickstart(&[("train.precision", "fp32"), ("train.optimizer.lr", "3e-4")]);
    let compiled = fine.compiled.expect("sound");
    assert!(compiled.spec.variants().iter().all(|arm| arm.train.optimizer.lr == 3e-4));
}

#[test]
fn an_experiment_is_chosen_by_name() {
    let two = format!("{QUICKSTART}\n{}", &QUICKSTART[QUICKSTART.find("experiment").unwrap()..]);
    let two = two.replacen("experiment quickstart", "experiment first", 1);
    let with = |name: Option<&str>| compile(Path::new("a.dlm"), &memory(&two), name, &[], None);
    assert_eq!(with(Some("first")).compiled.unwrap().spec.name(), "first");
    assert_eq!(with(Some("quickstart")).compiled.unwrap().spec.name(), "quickstart");
    insta::assert_snapshot!("experiment_by_name", only(&with(Some("firts")), code::WHICH_EXPERIMENT));
    let library = compile(Path::new("lib/decoder.dlm"), &memory(""), Some("x"), &[], None);
    only(&library, code::WHICH_EXPERIMENT);
}

const SWEEP: &str = "sweep: { data.unique: [50K, 100K] tokens, train.optimizer.lr: [1e-3, 3e-4] }
    replicates: 2
    arms:";

#[test]
fn a_point_is_one_of_the_sweep() {
    let swept = QUICKSTART.replace("arms:", SWEEP);
    let at = |point: &str| {
        let choice = Choice { point: Some(point), ..Choice::default() };
        compile_choice(Path::new("a.dlm"), &memory(&swept), choice, None)
    };
    let names = |point: &str| {
        let compiled = at(point).compiled.unwrap_or_else(|| panic!("{point}"));
        compiled.spec.points().iter().map(|p| p.name()).collect::<Vec<_>>()
    };
    assert_eq!(names("unique=100K,lr=3e-4,replicate=2"), ["unique=100K,lr=3e-4,replicate=2"]);
    // Any way to write a number, any end of a path, any subset in any order.
    for point in ["lr=0.0003,unique=100_000", "data.unique=0.1M,optimizer.lr=3e-4"] {
        assert_eq!(names(point), ["unique=100K,lr=3e-4,replicate=1", "unique=100K,lr=3e-4,replicate=2"]);
    }
    assert_eq!(names("replicate=1").len(), 4);
    let said = ["unqiue=100K", "unique=101K", "unique", "lr=1e-2", "unique=50K,unique=100K"]
        .map(|p| only(&at(p), code::BAD_POINT));
    insta::assert_snapshot!("bad_points", said.join("\n"));
    let choice = Choice { point: Some("unique=1K"), ..Choice::default() };
    only(&compile_choice(Path::new("a.dlm"), &memory(QUICKSTART), choice, None), code::BAD_POINT);
}

#[test]
fn an_experiment_extends_another() {
    let larger = "\nexperiment larger = quickstart {
        data: { unique: 200K tokens }
        train.optimizer: { lr: 3e-4 }
        arms: { third: { objective: mdm } }
        sweep: { model.dim: [128, 256] }
    }\n";
    let text = format!("{}{larger}", QUICKSTART.replace("arms:", SWEEP));
    let outcome = compile(Path::new("a.dlm"), &memory(&text), Some("larger"), &[], None);
    let spec = outcome
        .compiled
        .unwrap_or_else(|| panic!("{}", render::human(&outcome.diagnostics, &outcome.sources, false)))
        .spec;
    assert_eq!(spec.arm_names(), ["ar", "mdm", "third"]);
    assert_eq!(spec.axes().iter().map(|a| a.label.as_str()).collect::<Vec<_>>(), ["unique", "lr", "dim", "replicate"]);
    assert_eq!(spec.variants().len(), 3 * 16);
}

#[test]
fn set_takes_an_axis_away() {
    let swept = QUICKSTART.replace("arms:", SWEEP);
    let compiled = front_with(&swept, &[("train.optimizer.lr", "5e-4")]).compiled.expect("sound");
    assert_eq!(compiled.spec.collapsed(), [("lr".to_string(), 2)]);
    assert_eq!(
        compiled.spec.points().iter().map(|p| p.name()).collect::<Vec<_>>(),
        ["unique=50K,replicate=1", "unique=50K,replicate=2", "unique=100K,replicate=1", "unique=100K,replicate=2",]
    );
    let lr = compiled.spec.variants()[0].flat.iter().find(|f| f.path == "train.optimizer.lr").unwrap();
    assert_eq!((lr.value.as_str(), lr.origin.as_str()), ("0.0005", "--set train.optimizer.lr=5e-4"));
    assert_eq!(lr.replaced[0].value, "1e-3");
}

#[test]
fn a_claim_about_an_axis_waits_for_the_axis() {
    let claims = "sweep: { data.unique: [50K, 100K] tokens, train.clip: [0.5, 1] }
    expect: {
        let cross = crossover(loss(valid), of: mdm, under: ar)
        increasing(cross.epoch, along: data.unique)
        cross at unique == 50K tokens and clip == 1
        cross at clip == 1
    }";
    let swept = QUICKSTART.replace("expect: { crossover(loss(valid), of: mdm, under: ar) }", claims);
    let texts = |outcome: &Outcome| -> Vec<String> {
        let compiled = outcome.compiled.as_ref().expect("sound");
        compiled.spec.claims().iter().map(|claim| claim.text.clone()).collect()
    };
    let whole = front(&swept);
    assert_eq!(texts(&whole).len(), 3);
    assert!(whole.diagnostics.is_empty());
    let fixed = front_with(&swept, &[("data.unique", "100K tokens")]);
    assert_eq!(texts(&fixed), ["cross at clip == 1"]);
    assert!(fixed.diagnostics.iter().all(|d| d.code == code::CLAIM_LEFT_OUT));
    insta::assert_snapshot!("claim_left_out", render::human(&fixed.diagnostics, &fixed.sources, false));
    // A part of the points says nothing about claims on the others.
    let choice = Choice { point: Some("unique=100K"), ..Choice::default() };
    let part = compile_choice(Path::new("a.dlm"), &memory(&swept), choice, None);
    assert_eq!(texts(&part), ["cross at clip == 1"]);
    assert!(part.diagnostics.is_empty());
}

#[test]
fn a_corpus_fits_its_tokenizer() {
    let chars =
        quickstart(&[("data.tokenizer", "chars(65)"), ("data.unique", "1K tokens"), ("data.valid", "512 tokens")]);
    let compiled = chars.compiled.expect("sound");
    let arm = &compiled.spec.variants()[0];
    let error = data::prepare(&arm.data, &arm.vocab, &arm.train.seeds, &env()).expect_err("other characters");
    let mut said = Diagnostics::default();
    said.push(error.diagnose(&arm.data));
    assert!(said.iter().all(|d| d.code == code::UNTOKENIZABLE));
    insta::assert_snapshot!("untokenizable", render::human(&said, &chars.sources, false));
}

/// What is wrong with the content of a corpus is said at the source, as soon as the data is read.
#[test]
fn rows_and_ids_are_whole() {
    let jsonl = "jsonl(\"tests/fixtures/corpora/malformed.jsonl\", text: \"text\")";
    let cut = "tokens(\"tests/fixtures/corpora/cut.bin\", u16)";
    let rows: &[(&str, &str)] = &[("data.source", jsonl)];
    let ids: &[(&str, &str)] = &[("data.source", cut), ("data.tokenizer", "ids(100)")];
    let tokenizer = "tokenizer(\"tests/fixtures/corpora/tokenizer.json\", vocab: 50257, eod: \"<|endoftext|>\")";
    let few: &[(&str, &str)] = &[("data.tokenizer", tokenizer)];
    let mut shown = vec![];
    for (set, code) in [(rows, code::MALFORMED_ROWS), (ids, code::DAMAGED_TOKENS), (few, code::BAD_TOKENIZER)] {
        let outcome = front_with(QUICKSTART, set);
        let compiled = outcome.compiled.expect("sound");
        let arm = &compiled.spec.variants()[0];
        let error = data::prepare(&arm.data, &arm.vocab, &arm.train.seeds, &env()).expect_err("damaged");
        let mut said = Diagnostics::default();
        said.push(error.diagnose(&arm.data));
        assert!(said.iter().all(|d| d.code == code), "{error}");
        shown.push(render::human(&said, &outcome.sources, false));
    }
    insta::assert_snapshot!("damaged_corpora", shown.join("\n"));
}

#[test]
fn a_bad_spec_is_refused_whole_and_a_good_one_says_nothing() {
    let good = quickstart(&[]);
    assert!(good.diagnostics.is_empty() && good.compiled.is_some());
}

/// Each error has a code, a place, a reason, and a way to mend it: in its help, or in what its mark wants.
#[test]
fn every_error_has_a_place_and_a_fix() {
    let mut bare = vec![];
    for (stage, path) in case_files() {
        let outcome = check(&path);
        for diagnostic in outcome.diagnostics.iter().filter(|d| d.severity == Severity::Error) {
            assert!(diagnostic.primary.is_some(), "{}: {}", path.display(), diagnostic.message);
            let wants = ["wanted", "at least", "at most", "possible", "possible", "expected"];
            let label = diagnostic.primary.as_ref().map_or("", |p| p.text.as_str());
            let says = wants.iter().any(|w| label.contains(w) || diagnostic.message.contains(w));
            if stage != "syntax" && diagnostic.help.is_empty() && !says {
                bare.push(format!("{}: {}", path.display(), diagnostic.message));
            }
        }
    }
    assert!(bare.is_empty(), "without a fix:\n{}", bare.join("\n"));
}
