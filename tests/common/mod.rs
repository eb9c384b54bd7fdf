//! What several test files use: random edits of a text, and a limit on time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dlmc::base::source::Memory;
use dlmc::cli::front::{Outcome, compile};
use dlmc::resolve::Override;
use proptest::prelude::*;

pub const QUICKSTART: &str = include_str!("../../specs/quickstart.dlm");
pub const DECODER: &str = include_str!("../../specs/lib/decoder.dlm");

/// The language reference.
pub const REFERENCE: &str = include_str!("../../grammar/README.md");

/// Its examples: what follows the word `dlm`, and the text.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fences = REFERENCE.split("```dlm").skip(1);
    fences.filter_map(|rest| rest.split("```").next()?.split_once('\n')).map(|(mark, text)| (mark.trim(), text))
}

/// The specs below some folders, sorted.
pub fn spec_files(folders: &[&str]) -> Vec<PathBuf> {
    let entries = folders.iter().flat_map(|folder| walkdir::WalkDir::new(folder).into_iter().flatten());
    let paths = entries.map(walkdir::DirEntry::into_path);
    let mut specs: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "dlm")).collect();
    specs.sort();
    specs
}

/// The text as `a.dlm`, beside the library of the real specs.
pub fn memory(text: &str) -> Memory {
    Memory([(PathBuf::from("a.dlm"), text.to_string()), (PathBuf::from("lib/decoder.dlm"), DECODER.into())].into())
}

/// The whole front half, without a look at any corpus.
pub fn front(text: &str) -> Outcome {
    compile(Path::new("a.dlm"), &memory(text), None, &[], None)
}

pub fn front_with(text: &str, overrides: &[(&str, &str)]) -> Outcome {
    let overrides: Vec<Override> =
        overrides.iter().map(|(path, value)| Override { path: path.to_string(), value: value.to_string() }).collect();
    compile(Path::new("a.dlm"), &memory(text), None, &overrides, None)
}

pub fn timed<T>(limit: Duration, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let out = f();
    assert!(start.elapsed() < limit, "took {:?}", start.elapsed());
    out
}

#[derive(Clone, Debug)]
pub enum Edit {
    Delete(usize, usize),
    Copy(usize, usize, usize),
    Insert(usize, String),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    let at = 0usize..4000;
    let marks = prop::sample::select(vec![
        "{", "}", "(", ")", "[", "]", "\"", "\n", ",", ":", "=", "//", "é", "as", "1e", "%", "\u{0}",
    ]);
    prop_oneof![
        (at.clone(), 1usize..60).prop_map(|(a, n)| Edit::Delete(a, n)),
        (at.clone(), 1usize..200, at.clone()).prop_map(|(a, n, b)| Edit::Copy(a, n, b)),
        (at.clone(), marks).prop_map(|(a, s)| Edit::Insert(a, s.to_string())),
        (at, ".{0,12}").prop_map(|(a, s)| Edit::Insert(a, s)),
    ]
}

pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let n = chars.len();
        let range = |a: usize, length: usize| (a % (n + 1), (a % (n + 1) + length).min(n));
        match edit {
            Edit::Delete(a, length) => {
                let (a, b) = range(*a, *length);
                chars.drain(a..b);
            }
            Edit::Copy(a, length, to) => {
                let (a, b) = range(*a, *length);
                let part = chars[a..b].to_vec();
                let to = to % (n + 1);
                chars.splice(to..to, part);
            }
            Edit::Insert(a, s) => {
                let a = a % (n + 1);
                chars.splice(a..a, s.chars());
            }
        }
    }
    chars.into_iter().collect()
}
