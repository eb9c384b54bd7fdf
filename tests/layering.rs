//! Arrows between the folders of `src` go one way. One crate gives no help with that, so this test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each folder may import besides itself and `base`. Two deviations from one neighbour each, on purpose:
/// - blocks stay syntax until a model is built, since only a call gives them shapes; so `graph` (and
///   `check`, for formulas and parameters of models) reads `ast`, and `graph` looks blocks up in the
///   library of `resolve`;
/// - training evaluates on its way, so `train` reads `eval`; weights come and go as `store`'s tensors.
const TABLE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("ast", &[]),
    ("syntax", &["ast"]),
    ("resolve", &["ast", "syntax"]),
    ("check", &["ast", "resolve"]),
    ("objective", &["check"]),
    ("decode", &["check", "objective"]),
    ("data", &["check"]),
    ("graph", &["ast", "resolve", "check", "objective"]),
    ("analyze", &["graph", "check"]),
    ("program", &["graph", "analyze", "check", "objective"]),
    // What recomputation saves only the flat program tells.
    ("optimize", &["graph", "analyze", "check", "objective", "program"]),
    ("reference", &["graph", "analyze"]),
    ("store", &["check"]),
    ("lower", &["program", "graph", "check", "objective", "store"]),
    ("claims", &["check", "store"]),
    ("runner", &["check", "store"]),
    ("report", &["check", "store", "claims"]),
    ("train", &["lower", "program", "optimize", "graph", "analyze", "data", "objective", "check", "store", "eval"]),
    ("eval", &["lower", "program", "graph", "data", "objective", "check", "store"]),
    ("sample", &["lower", "program", "optimize", "graph", "data", "objective", "check", "store", "decode"]),
];

/// Folders whose files may name libtorch's crates.
const TORCH: &[&str] = &["lower", "train", "eval", "sample", "cli_torch"];
const MAX_LINES: usize = 700;

fn files() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                into.push((path.strip_prefix("src").unwrap().to_path_buf(), text));
            }
        }
    }
    let mut all = vec![];
    collect(Path::new("src"), &mut all);
    assert!(all.len() > 90);
    all
}

/// The folder of a file; the files of `src` itself have none.
fn folder(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_string_lossy().to_string();
    parts.next().map(|_| first)
}

/// The text without comments; strings that hold `//` lose their rest, which does no harm here.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Folders named by `crate::X` and `use crate::{X, Y}`.
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        // `$crate::` of macros is the same crate.
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let parts = group.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                parts.map(str::trim).take_while(|p| !p.is_empty()).collect()
            }
            None => vec![rest],
        };
        for name in names {
            let name: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.insert(name);
        }
    }
    found
}

#[test]
fn arrows_go_one_way() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut wrong = vec![];
    for (path, text) in files() {
        let Some(folder) = folder(&path) else { continue };
        if folder == "cli" || folder == "cli_torch" || folder == "bin" {
            continue;
        }
        let Some(allowed) = table.get(folder.as_str()) else {
            wrong.push(format!("src/{folder} has no row in the table"));
            continue;
        };
        for name in imports(&text) {
            if name != folder && name != "base" && !allowed.contains(&name.as_str()) {
                wrong.push(format!("src/{} imports `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle() {
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while done.len() < table.len() {
        let before = done.len();
        for (name, needs) in &table {
            if needs.iter().all(|n| done.contains(n)) {
                done.insert(name);
            }
        }
        assert!(
            done.len() > before,
            "a circle among {:?}",
            table.keys().filter(|k| !done.contains(**k)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn libtorch_is_named_at_the_back_alone() {
    for (path, text) in files() {
        let shown = path.display().to_string();
        if TORCH.iter().any(|folder| shown.starts_with(&format!("{folder}/"))) {
            continue;
        }
        let code = code(&text);
        let words: BTreeSet<&str> = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for name in ["tch", "torch_sys"] {
            assert!(!words.contains(name), "src/{shown} names `{name}`");
        }
    }
}

#[test]
fn the_front_has_no_side_effects() {
    let pure = [
        "ast",
        "syntax",
        "resolve",
        "check",
        "graph",
        "analyze",
        "optimize",
        "program",
        "reference",
        "objective",
        "decode",
    ];
    for (path, text) in files() {
        if !folder(&path).is_some_and(|f| pure.contains(&f.as_str())) {
            continue;
        }
        // Tests in a folder of their own print what they measure.
        if path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let code = code(&text);
        for word in [
            "println!",
            "eprintln!",
            "print!",
            "std::fs",
            "std::env",
            "std::net",
            "process::exit",
            "SystemTime",
            "Instant::now",
        ] {
            assert!(!code.contains(word), "src/{} has `{word}`", path.display());
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for (path, text) in files() {
        let n = text.lines().count();
        assert!(n < MAX_LINES, "src/{} has {n} lines", path.display());
        // A file of tests that stands beside what it tests needs no head.
        let is_tests = path.file_stem().is_some_and(|s| s == "tests");
        // What is not written yet has nothing to say.
        if !is_tests && !text.trim().is_empty() {
            assert!(text.starts_with("//!"), "src/{} does not say what it is", path.display());
        }
    }
}

#[test]
fn every_operation_has_a_file_on_both_sides() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        entries
            .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().to_string())
            .filter(|name| name != "mod")
            .collect()
    };
    let (graph, lower) = (names("src/graph/ops"), names("src/lower/ops"));
    assert!(graph.len() >= 18);
    // A checkout without the back half has no lowerings.
    if !lower.is_empty() {
        assert_eq!(graph, lower);
    }
    let list = std::fs::read_to_string("src/graph/ops/mod.rs").unwrap();
    for name in &graph {
        assert!(list.contains(&format!("pub mod {name};")), "{name}");
    }
}
