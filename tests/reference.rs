//! The language reference says what is true: every example of `grammar/README.md` compiles. An example that is
//! marked `fragment` shows a part of a file, and is only read (`tests/syntax.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::front;
use dlmc::base::diag::CODES;
use dlmc::cli::render;

const REFERENCE: &str = include_str!("../grammar/README.md");

/// (what follows the word `dlm`, text) of each example.
fn examples() -> Vec<(&'static str, &'static str)> {
    let fences = REFERENCE.split("```dlm").skip(1);
    fences
        .filter_map(|rest| rest.split("```").next()?.split_once('\n'))
        .map(|(mark, text)| (mark.trim(), text))
        .collect()
}

#[test]
fn every_example_compiles() {
    let mut failures = vec![];
    for (mark, text) in examples() {
        assert!(matches!(mark, "" | "fragment"), "an example is marked `{mark}`");
        if mark == "fragment" {
            continue;
        }
        let outcome = front(text);
        if !outcome.diagnostics.is_empty() {
            failures.push(format!("{text}\n{}", render::human(&outcome.diagnostics, &outcome.sources, false)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_code_it_names_exists() {
    let words = REFERENCE.split(|c: char| !c.is_ascii_alphanumeric());
    let named =
        words.filter(|w| w.len() == 5 && w.starts_with(['E', 'W']) && w[1..].bytes().all(|b| b.is_ascii_digit()));
    for code in named {
        assert!(CODES.iter().any(|(known, ..)| known.0 == code), "{code} is no code");
    }
}
