//! The language reference says what is true: every example of `grammar/README.md` compiles. An example that is
//! marked `fragment` shows a part of a file, and is only read (`tests/syntax.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{QUICKSTART, REFERENCE, examples, front};
use dlmc::base::diag::CODES;
use dlmc::cli::render;

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

/// A library is only read; its models are built when an experiment trains them.
#[test]
fn every_model_of_an_example_is_built() {
    let rest = QUICKSTART.split_once("data python").unwrap().1;
    let mut n_built = 0;
    for (mark, text) in examples() {
        let has_model = text.starts_with("model ") || text.contains("\nmodel ");
        if !mark.is_empty() || text.contains("experiment") || !has_model {
            continue;
        }
        let model = text.split("model ").last().unwrap();
        let name = model.split('(').next().unwrap();
        let experiment = format!("data python{rest}");
        let start = experiment.find("model:").unwrap();
        let end = start + experiment[start..].find('\n').unwrap();
        let experiment = format!("{}model: {name}(){}", &experiment[..start], &experiment[end..]);
        let objectives = "schedule keep(t) = 1 - t\nobjective ar = next_token()\n\
            objective mdm = masked_diffusion(schedule: keep)\n";
        let outcome = front(&format!("{text}\n{objectives}{experiment}"));
        let said = render::human(&outcome.diagnostics, &outcome.sources, false);
        assert!(outcome.compiled.is_some(), "{text}\n{said}");
        n_built += 1;
    }
    assert!(n_built >= 5, "{n_built}");
}
