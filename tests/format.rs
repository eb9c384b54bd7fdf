//! `dlmc fmt`: what it promises, over every spec there is and over texts bent at random.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{examples, spec_files};
use dlmc::base::{FileId, SourceMap};
use dlmc::cli::render;
use dlmc::syntax::format::format;
use dlmc::syntax::parse;
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

/// Every spec of the checkout, and the examples of the language reference.
fn corpus() -> &'static [(String, String)] {
    static CORPUS: OnceLock<Vec<(String, String)>> = OnceLock::new();
    CORPUS.get_or_init(read_corpus)
}

fn read_corpus() -> Vec<(String, String)> {
    let paths = spec_files(&["specs", "tests"]);
    let mut all: Vec<(String, String)> =
        paths.iter().filter_map(|p| Some((p.display().to_string(), std::fs::read_to_string(p).ok()?))).collect();
    all.extend(examples().enumerate().map(|(i, (_, text))| (format!("example {i} of the reference"), text.into())));
    all.push(("all constructs".into(), std::fs::read_to_string("tests/format/constructs.txt").unwrap()));
    assert!(all.len() > 100);
    all
}

/// One of the texts that are read quickly.
fn small(which: usize) -> &'static (String, String) {
    let all: Vec<_> = corpus().iter().filter(|(_, text)| text.len() < 6_000).collect();
    all[which % all.len()]
}

fn is_sound(text: &str) -> bool {
    !parse(FileId(0), text).1.has_errors()
}

fn laid_out(name: &str, text: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    format(id, text).unwrap_or_else(|found| panic!("{name}:\n{text}\n{}", render::human(&found, &sources, false)))
}

/// `format` itself refuses a result whose tree or comments differ.
fn keeps_its_promises(name: &str, text: &str) {
    let once = laid_out(name, text);
    let twice = laid_out(name, &once);
    assert_eq!(once, twice, "{name} is laid out differently the second time; from\n{text}");
    for line in once.lines() {
        assert_eq!(line, line.trim_end(), "{name}");
    }
    assert!(!once.contains("\n\n\n") && once.ends_with('\n') && !once.ends_with("\n\n"), "{name}");
    let count = |text: &str| text.matches("//").count();
    assert_eq!(count(&once), count(text), "{name}: comments");
}

#[test]
fn every_spec_is_laid_out_once_and_for_all() {
    let mut n = 0;
    for (name, text) in corpus().iter().filter(|(_, text)| is_sound(text)) {
        keeps_its_promises(name, text);
        n += 1;
    }
    assert!(n > 100, "{n}");
}

#[test]
fn our_own_specs_are_laid_out() {
    for path in spec_files(&["specs"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, laid_out(&path.display().to_string(), &text));
    }
}

#[test]
fn all_constructs() {
    let path = Path::new("tests/format/constructs.txt");
    let text = std::fs::read_to_string(path).unwrap();
    insta::assert_snapshot!(laid_out("constructs", &text));
}

#[test]
fn mistakes_are_reported_and_nothing_is_laid_out() {
    let mut sources = SourceMap::default();
    let text = "data d { seq 128, unit: 3 apples }\nexperiment e {";
    let id = sources.add("bad.dlm", text);
    let found = format(id, text).unwrap_err();
    assert!(found.n_errors() >= 3, "{}", render::human(&found, &sources, false));
    assert!(!render::human(&found, &sources, false).contains("a mistake of dlmc"));
    let empty = format(id, "").unwrap_err();
    assert!(render::human(&empty, &sources, false).contains("E0103"));
}

/// Puts something at a place where a line may or may not end. Most such texts still read well.
fn bend(text: &str, at: usize, with: &str) -> String {
    let places: Vec<usize> = text
        .char_indices()
        .filter(|(i, c)| {
            let before = text[..*i].chars().next_back();
            "(){}[],+*=:\n ".contains(*c) || before.is_some_and(|b| "(){}[],+*=:\n ".contains(b))
        })
        .map(|(i, _)| i)
        .collect();
    if places.is_empty() {
        return text.to_string();
    }
    let place = places[at % places.len()];
    format!("{}{with}{}", &text[..place], &text[place..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn bent_texts_are_laid_out_too(
        which in 0_usize..1000,
        bends in prop::collection::vec((0_usize..100_000, prop::sample::select(vec![
            "\n", " ", "\n\n\n", " // note\n", "\n// own line\n", "\n\n  // apart\n\n", "\t", ",", " // a\n // b\n",
        ])), 1..12),
    ) {
        let (name, text) = small(which);
        let mut text = text.clone();
        for (at, with) in bends {
            let bent = bend(&text, at, with);
            // A bend that makes a mistake is taken back, so that the others count.
            if is_sound(&bent) {
                text = bent;
            }
        }
        if is_sound(&text) {
            keeps_its_promises(name, &text);
        }
    }

    /// Blanks between words decide nothing.
    #[test]
    fn blanks_do_not_matter(which in 0_usize..1000, at in prop::collection::vec(0_usize..100_000, 1..20)) {
        let (name, text) = small(which);
        let mut bent = text.clone();
        for at in at {
            let again = bend(&bent, at, "  ");
            let quiet = |t: &str| t.lines().all(|l| !l.contains("//") && !l.contains('"'));
            // Not inside comments and strings, where blanks are text.
            let line = again.lines().zip(bent.lines()).find(|(a, b)| a != b).map_or("", |(a, _)| a);
            if quiet(line) && is_sound(&again) {
                bent = again;
            }
        }
        if is_sound(text) {
            prop_assert_eq!(laid_out(name, text), laid_out(name, &bent));
        }
    }
}
