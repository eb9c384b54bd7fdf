#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::base::{FileId, Span};

const BYTES: Vocab = Vocab { n_ids: 256, eod: 256, mask: Some(257), size: 320 };

fn file(dir: &Path, name: &str, text: &str) -> TaskFile {
    std::fs::write(dir.join(name), text).unwrap();
    TaskFile { path: name.into(), base: dir.into(), span: Span::new(FileId(0), 0, 1) }
}

fn task(file: TaskFile, format: TaskFormat) -> Task {
    Task { name: "t".into(), file, format, limit: None, shots: None, masks: 4 }
}

fn options(rows: &[(&str, [&str; 2], usize)]) -> String {
    let row = |(context, options, answer): &(&str, [&str; 2], usize)| {
        serde_json::json!({"context": context, "options": options, "answer": answer}).to_string() + "\n"
    };
    rows.iter().map(row).collect()
}

#[test]
fn context_and_option_are_encoded_together() {
    let dir = tempfile::tempdir().unwrap();
    let text = options(&[("ab ", ["cd", "ce"], 1), ("", ["x", "yz"], 0)]);
    let task = task(file(dir.path(), "a.jsonl", &text), TaskFormat::Options);
    let items = read(&task, 6, &CorpusEnv::default()).unwrap();
    let encoded = encode(&items, &Codec::Bytes, &BYTES, 8).unwrap();
    let ids = |text: &str| text.bytes().map(u32::from).collect::<Vec<u32>>();
    // The blank before the answer belongs to it.
    assert_eq!(encoded[0].option(0, 8), Some((ids("ab cd"), 3)));
    assert_eq!(encoded[0].option(1, 8), Some((ids("ab ce"), 3)));
    assert_eq!(encoded[0].shared, ids("ab c"));
    // Too long: the context is cut from the left.
    assert_eq!(encoded[0].option(1, 4), Some((ids("b ce"), 3)));
    // No context: a document starts.
    assert_eq!(encoded[1].option(1, 8), Some((vec![256, u32::from(b'y'), u32::from(b'z')], 2)));
    assert_eq!((encoded[0].right, encoded[1].n_chars.as_slice()), (1, &[1, 2][..]));
    // An answer that does not fit is told by its line.
    let error = encode(&items, &Codec::Bytes, &BYTES, 3).unwrap_err().to_string();
    assert!(error.contains("line 1: option 1 has 3 tokens; in sequences of 3, 2 fit"), "{error}");
    let few = Codec::Chars(vec![' ', 'a', 'b', 'c', 'd', 'e']);
    let error = encode(&items, &few, &BYTES, 8).unwrap_err().to_string();
    assert!(error.contains("line 2: ") && error.contains("'x'"), "{error}");
}

#[test]
fn a_limit_draws_items_and_a_larger_one_adds_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<(String, [&str; 2], usize)> = (0..20).map(|i| (format!("c{i}"), ["a", "b"], 0)).collect();
    let rows: Vec<(&str, [&str; 2], usize)> = rows.iter().map(|(c, o, a)| (c.as_str(), *o, *a)).collect();
    let file = file(dir.path(), "a.jsonl", &options(&rows));
    let drawn = |limit, seed| -> Vec<u64> {
        let task = Task { limit, ..task(file.clone(), TaskFormat::Options) };
        read(&task, seed, &CorpusEnv::default()).unwrap().items.iter().map(|item| item.index).collect()
    };
    let (five, nine) = (drawn(Some(5), 6), drawn(Some(9), 6));
    assert!(five.len() == 5 && five.is_sorted() && five.iter().all(|i| nine.contains(i)), "{five:?} {nine:?}");
    assert_ne!(five, drawn(Some(5), 7));
    assert_eq!(drawn(Some(99), 6), drawn(None, 6));
    assert_eq!(drawn(None, 6).len(), 20);
}

#[test]
fn examples_are_of_the_same_subject_and_solved() {
    let dir = tempfile::tempdir().unwrap();
    let row = |subject: &str, question: &str| {
        serde_json::json!({"subject": subject, "question": question, "choices": ["p", "q"], "answer": 1}).to_string()
    };
    let dev = [row("a_b", "D1"), row("c", "D2"), row("a_b", "D3"), row("a_b", "D4")].join("\n");
    let shots = file(dir.path(), "dev.jsonl", &dev);
    let asked = file(dir.path(), "test.jsonl", &row("a_b", "Q"));
    let with = |n, format| {
        let task = Task { shots: Some((n, shots.clone())), ..task(asked.clone(), format) };
        read(&task, 6, &CorpusEnv::default())
    };
    let items = with(2, TaskFormat::MmluCloze).unwrap().items;
    assert_eq!(
        items[0].context,
        "The following are questions (with answers) about a b.\n\nQuestion: D1\nAnswer: q\n\nQuestion: D3\nAnswer: \
         q\n\nQuestion: Q\nAnswer:"
    );
    assert_eq!(items[0].options, [" p", " q"]);
    let items = with(1, TaskFormat::MmluLetters).unwrap().items;
    assert!(items[0].context.ends_with("\n\nD1\nA. p\nB. q\nAnswer: B\n\nQ\nA. p\nB. q\nAnswer:"));
    let error = with(4, TaskFormat::MmluLetters).unwrap_err();
    assert!(error.to_string().ends_with("has 3 examples of `a_b` and 4 are asked for"), "{error}");
}

#[test]
fn malformed_rows_are_all_told_with_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let text = options(&[("a", ["b", "c"], 0), ("a", ["b", "c"], 5)]) + "{\"context\": 3}\nnonsense\n\n[]\n";
    let task = task(file(dir.path(), "a.jsonl", &text), TaskFormat::Options);
    let TaskError::Jsonl(JsonlError::BadRows { rows, n_bad, .. }) = read(&task, 6, &CorpusEnv::default()).unwrap_err()
    else {
        unreachable!()
    };
    assert_eq!(n_bad, 4);
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4, 6]);
    assert_eq!(rows[0].reason, "`answer` is 5, which is no option: 0 to 1");
    let empty = super::tests::task(file(dir.path(), "b.jsonl", "\n"), TaskFormat::Options);
    assert!(matches!(read(&empty, 6, &CorpusEnv::default()), Err(TaskError::Empty { .. })));
}

/// The whole files, where they are at hand.
#[test]
fn real_files_are_read() {
    let shared = std::env::var_os("DLMC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("data");
    if !shared.exists() {
        eprintln!("skipped: no {} (set DLMC_SHARED)", shared.display());
        return;
    }
    let at = |path: &str| TaskFile { path: path.into(), base: shared.clone(), span: Span::new(FileId(0), 0, 1) };
    let n = |path: &str, format, shots: Option<(u64, TaskFile)>| {
        let task = Task { shots, ..task(at(path), format) };
        read(&task, 6, &CorpusEnv::default()).unwrap().items.len()
    };
    assert_eq!(n("hellaswag/hellaswag_val_full.jsonl.gz", TaskFormat::Hellaswag, None), 10_042);
    assert_eq!(n("piqa/validation.jsonl.gz", TaskFormat::Piqa, None), 1_838);
    assert_eq!(n("arc_challenge/test.jsonl.gz", TaskFormat::Arc, None), 1_172);
    let dev = Some((5, at("mmlu/dev.jsonl.gz")));
    assert_eq!(n("mmlu/validation.jsonl.gz", TaskFormat::MmluLetters, dev), 1_531);
}
