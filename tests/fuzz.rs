//! The front half under mutated specs: no panic, and no input that takes a second.
//!
//! `cargo test` spends some seconds on it. `make fuzz` spends ten minutes on a release build, says how many
//! inputs there were and which was the slowest. Every case is drawn from a printed seed, so a failure repeats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{examples, spec_files};
use dlmc::base::source::{Disk, ReadError, Sources};
use dlmc::cli::front::compile;
use dlmc::cli::render;
use dlmc::graph::svg::svg;
use dlmc::graph::training::training_graph;
use dlmc::syntax::format::format;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// How long one input may take in a release build. In a debug build, or beside other work, it is only reported.
const LIMIT: Duration = Duration::from_secs(1);
/// How long `cargo test` fuzzes.
const SHORT: Duration = Duration::from_secs(6);
/// Seconds to spend, from the environment; also makes [`LIMIT`] binding.
const SECONDS: &str = "DLMC_FUZZ_SECONDS";
/// The first seed, from the environment.
const SEED: &str = "DLMC_FUZZ_SEED";
/// Longer files are cut: the many small inputs find more than the few large ones.
const MAX_CHARS: usize = 6_000;

/// What a mutation may put in: words and marks of the language, and numbers at the edges.
const WORDS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\n",
    ",",
    ":",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    "..",
    ".",
    "//",
    "//!",
    "%",
    "^",
    "/",
    "*",
    "-",
    "+",
    "->",
    "é",
    "\u{0}",
    "as",
    "in",
    "not",
    "and",
    "or",
    "if",
    "else",
    "repeat",
    "return",
    "require",
    "collect",
    "share",
    "let",
    "no",
    "at",
    "before",
    "within",
    "block",
    "model",
    "use",
    "schedule",
    "objective",
    "data",
    "train",
    "experiment",
    "language 1",
    "none",
    "true",
    "false",
    "tokens",
    "positions",
    "t",
    "i",
    "seq",
    "vocab",
    "x",
    "D",
    "T",
    "B",
    "0",
    "1",
    "-1",
    "3",
    "0.5",
    "1e-3",
    "1e300",
    "9_000_000_000_000_000_000",
    "10%",
    "2 epochs",
    "100K tokens",
    "3 steps",
    "8 GiB",
    "32 seqs",
    "[1, 2]",
    "[0.5B, 1B] tokens",
    "{}",
    "{ a: 1 }",
    "1..4",
    "log(1e-4..1e-2, 5)",
    "linear(1..9, 3)",
    "random(3, seed: 1)",
    "zip { a: [1] }",
    "cases { a: { b: 1 } }",
    "linear(x, D)",
    "attend(q, k, v)",
    "pick(h, i)",
    "if i % 2 == 0 { x = x }",
    "if t < 0.5 { 1 } else { 0 }",
    "exp(t)",
    "sweep: { model.layers: [1, 2] }",
    "replicates: 3",
    "crossover(loss(valid), of: mdm, under: ar)",
    "best(loss(valid), of: ar) < 2",
    "model.layers",
    "train.optimizer.lr",
];

/// A file of the disk whose text is another.
struct Mutated<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Sources for Mutated<'_> {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        if path == self.path { Ok(self.text.to_string()) } else { Disk.read(path) }
    }
}

/// Every spec there is, under its path: the real ones, the cases, the examples of the language reference.
fn corpus() -> Vec<(PathBuf, String)> {
    let files = spec_files(&["specs", "tests/cases", "tests/golden"]);
    let read = |path: PathBuf| Some((path.clone(), std::fs::read_to_string(path).ok()?));
    let mut texts: Vec<(PathBuf, String)> = files.into_iter().filter_map(read).collect();
    texts.extend(examples().map(|(_, text)| (PathBuf::from("specs/example.dlm"), text.to_string())));
    for (_, text) in &mut texts {
        *text = text.chars().take(MAX_CHARS).collect();
    }
    texts
}

/// A number below `n`.
fn below(rng: &mut TestRng, n: usize) -> usize {
    (rng.next_u64() % n.max(1) as u64) as usize
}

fn mutate(text: &str, other: &str, rng: &mut TestRng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for _ in 0..[1, 1, 1, 2, 4][below(rng, 5)] {
        let at = below(rng, lines.len());
        match below(rng, 8) {
            // Lines: lose one, double one, take one of another file, swap two.
            0 if !lines.is_empty() => drop(lines.remove(at)),
            1 if !lines.is_empty() => lines.insert(at, lines[at].clone()),
            2 => {
                let taken: Vec<&str> = other.lines().collect();
                if !taken.is_empty() {
                    lines.insert(at, taken[below(rng, taken.len())].to_string());
                }
            }
            3 if !lines.is_empty() => {
                let b = below(rng, lines.len());
                lines.swap(at, b);
            }
            // Tokens: replace one, insert one, lose one.
            kind if !lines.is_empty() => {
                let word = WORDS[below(rng, WORDS.len())];
                let line = &lines[at];
                let bounds: Vec<usize> = line.char_indices().map(|(i, _)| i).chain([line.len()]).collect();
                let (a, b) = (bounds[below(rng, bounds.len())], bounds[below(rng, bounds.len())]);
                let (a, b) = (a.min(b), a.max(b));
                lines[at] = match kind {
                    4 => format!("{}{word}{}", &line[..a], &line[a..]),
                    5 => format!("{}{word}{}", &line[..a], &line[b..]),
                    6 => format!("{} {word} {}", &line[..a], &line[a..]),
                    _ => format!("{}{}", &line[..a], &line[b..]),
                };
            }
            _ => {}
        }
    }
    lines.join("\n")
}

/// The whole front half: errors rendered in both forms, or graphs, differentiated and drawn. What reads well is
/// laid out, once and for all.
fn front(path: &Path, text: &str) -> bool {
    let file = dlmc::base::FileId(0);
    if !dlmc::syntax::parse(file, text).1.has_errors() {
        let once = format(file, text).expect("what reads well can be laid out");
        let twice = format(file, &once).expect("what is laid out reads well");
        assert_eq!(once, twice, "laid out differently the second time");
    }
    let outcome = compile(path, &Mutated { path, text }, None, &[], None);
    let human = render::human(&outcome.diagnostics, &outcome.sources, false);
    let json = render::json(&outcome.diagnostics, &outcome.sources);
    assert!(human.is_empty() == outcome.diagnostics.is_empty() && json.is_object());
    let Some(compiled) = outcome.compiled else { return false };
    for (arm, model) in compiled.spec.variants().iter().zip(&compiled.models).take(2) {
        let training = training_graph(model, arm.vocab.n_predictable(), dlmc::objective::loss(&arm.objective))
            .expect("a valid model has a backward pass");
        for graph in [model.graph(), training.graph()] {
            // Drawing thousands of nodes takes its time, and finds no more than drawing some.
            if graph.bodies.iter().map(|body| body.dag.node_count()).sum::<usize>() < 400 {
                assert!(svg(graph, "fuzzed").ends_with("</svg>\n"));
            }
        }
    }
    true
}

#[test]
fn no_mutated_spec_panics_or_takes_long() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seconds = given(SECONDS);
    let budget = seconds.map_or(SHORT, Duration::from_secs);
    let first = given(SEED).unwrap_or(1);
    let texts = corpus();
    assert!(texts.len() > 100, "a corpus of {}", texts.len());
    let started = Instant::now();
    let (mut n, mut n_sound, mut slowest) = (0u64, 0u64, (Duration::ZERO, 0));
    while started.elapsed() < budget {
        let seed = first + n;
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let (path, text) = &texts[below(&mut rng, texts.len())];
        let (_, other) = &texts[below(&mut rng, texts.len())];
        let input = mutate(text, other, &mut rng);
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| front(path, &input)));
        let took = began.elapsed();
        let Ok(sound) = result else { panic!("{SEED}={seed} panics on\n{input}") };
        (n, n_sound) = (n + 1, n_sound + u64::from(sound));
        slowest = slowest.max((took, seed));
        // Once slow may be the machine; three times is the input.
        let again = || {
            let began = Instant::now();
            front(path, &input);
            began.elapsed()
        };
        if seconds.is_some() && took > LIMIT && again() > LIMIT && again() > LIMIT {
            panic!("{SEED}={seed} takes {took:?} on\n{input}");
        }
    }
    println!(
        "{n} mutated specs in {:.0?} from {} texts, {n_sound} of them sound; none panicked; the slowest took {:.1?} (seed {})",
        started.elapsed(),
        texts.len(),
        slowest.0,
        slowest.1
    );
}
