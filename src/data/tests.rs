#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::base::diag::code;
use crate::base::{FileId, Span};
use crate::check::spec::{Amount, Data, Duplicates, Order, Seeds, Source, SourceKind, Split, Tokenizer, Vocab};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

pub(super) const SEEDS: Seeds = Seeds { init: 1, split: 2, subset: 3, order: 4, noise: 5, eval: 6 };
/// More steps than any test here makes.
const STEPS: u64 = 1000;
const BYTES: Vocab = Vocab { n_ids: 256, eod: 256, mask: Some(257), size: 320 };

pub(super) fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| text.to_string()).collect()
}

pub(super) fn source(base: &Path, kind: SourceKind) -> Source {
    Source { kind, base: base.into(), span: Span::new(FileId(0), 10, 20) }
}

pub(super) fn data(base: &Path, files: &[&str]) -> Data {
    Data {
        name: "test".into(),
        source: source(base, SourceKind::Files { patterns: strings(files) }),
        valid_source: None,
        tokenizer: Tokenizer::Bytes,
        seq: 8,
        unique_tokens: Some(160),
        valid: Amount::Tokens(64),
        max_unique_per_document: None,
        max_valid_per_document: None,
        duplicates: Duplicates::Keep,
        order: Order::Strict { moving: true },
        split: Split::Documents,
    }
}

/// Files whose bytes say which file they are of: document i is `lengths[i]` times the byte i.
pub(super) fn folder(lengths: &[usize]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (i, length) in lengths.iter().enumerate() {
        let sub = dir.path().join(format!("d{}", i % 3));
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::write(sub.join(format!("{i:03}.txt")), vec![i as u8; *length]).unwrap();
    }
    dir
}

fn prepared(data: &Data) -> Result<Prepared, DataError> {
    prepare(data, &BYTES, &SEEDS, &CorpusEnv::default())
}

pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("DLMC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join(path);
    if !shared.exists() {
        eprintln!("skipped: no {} (set DLMC_SHARED)", shared.display());
        return None;
    }
    Some(shared)
}

#[test]
fn files_come_in_byte_order_of_their_paths_once_each() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b.txt", "a/z.txt", "a.txt", "a/y/x.txt", "B.txt", "a/skip.md"] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    let list = |patterns: &[&str]| -> Vec<String> {
        let files = corpus::list_files(&data(dir.path(), patterns).source, &CorpusEnv::default()).unwrap();
        files.iter().map(|f| f.path.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
    };
    assert_eq!(list(&["**/*.txt"]), ["B.txt", "a.txt", "a/y/x.txt", "a/z.txt", "b.txt"]);
    assert_eq!(list(&["*.txt"]), ["B.txt", "a.txt", "b.txt"]);
    assert_eq!(list(&["b.txt", "a/*.{txt,md}", "**/*.txt"])[..3], ["b.txt", "a/skip.md", "a/z.txt"]);
    assert_eq!(list(&["b.txt", "a/*", "**/*.txt"]).len(), 6);
    assert_eq!(list(&["a/../b.txt", "b.txt"]).len(), 1);
}

#[test]
fn the_torch_folder_is_put_in() {
    let dir = folder(&[400]);
    let env = CorpusEnv { torch: Some(dir.path().into()), ..CorpusEnv::default() };
    let elsewhere = data(Path::new("/nowhere"), &["{torch}/**/*.txt"]);
    assert_eq!(corpus::list_files(&elsewhere.source, &env).unwrap().len(), 1);
    assert_eq!(probe(&elsewhere, &env), Ok(None));
}

#[test]
fn everything_missing_is_told_at_once() {
    let dir = folder(&[400]);
    let patterns = ["{torch}/**/*.py", "a/{torch}/x", "nosuch/*.txt", "d0", "d0/*.md", "d0/[", "d0/000.txt"];
    let d = data(dir.path(), &patterns);
    let expected = |error: DataError| match &error {
        DataError::Missing(list) => {
            assert!(matches!(list[0], Missing::NoTorch { .. }));
            assert!(matches!(list[1], Missing::FolderInside { .. }));
            assert!(matches!(list[2], Missing::NoSuchPath { .. }));
            assert!(matches!(list[3], Missing::IsFolder { .. }));
            assert!(list.iter().any(|m| matches!(m, Missing::BadPattern { .. })));
            let diagnostic = error.diagnose(&d);
            assert_eq!(diagnostic.code, code::MISSING_CORPUS);
            assert_eq!(diagnostic.notes.len(), list.len());
            assert_eq!(diagnostic.primary.unwrap().span, d.source.span);
            assert!(diagnostic.help.iter().any(|h| h.contains("make setup")));
        }
        other => unreachable!("{other:?}"),
    };
    expected(prepared(&d).unwrap_err());
    expected(probe(&d, &CorpusEnv::default()).unwrap_err());
    let no_match = data(dir.path(), &["d0/*.md"]);
    for error in [prepared(&no_match).unwrap_err(), probe(&no_match, &CorpusEnv::default()).unwrap_err()] {
        assert!(error.diagnose(&no_match).message.contains("no file in"), "{error:?}");
    }
}

#[test]
fn validation_is_whole_chunks_of_whole_documents() {
    let dir = folder(&[30, 5, 17, 60, 8, 7, 0, 100, 3, 44]);
    let mut d = data(dir.path(), &["**/*.txt"]);
    d.valid = Amount::Tokens(70); // 8 chunks and 6 tokens
    d.max_valid_per_document = Some(20); // 2 chunks
    d.unique_tokens = None;
    let p = prepared(&d).unwrap();
    assert_eq!(p.valid.rows.len(), 64);
    assert_eq!(p.stats.empty_files, 1);
    assert_eq!(p.stats.documents, 9);
    for row in 0..p.valid.n_rows() {
        let tokens = p.valid.row(row);
        let text: Vec<&u32> = tokens.iter().filter(|id| **id != 256).collect();
        assert!(text.iter().all(|id| *id == text[0]), "a row of two documents: {tokens:?}");
    }
    // No document is on both sides.
    let valid: std::collections::BTreeSet<u32> = p.valid.rows.iter().copied().filter(|id| *id != 256).collect();
    assert!(p.train.to_vec().iter().all(|id| !valid.contains(id)));
    assert_eq!(valid.len(), p.valid.n_documents as usize);
    assert!(p.valid.row_document.is_sorted());
    // Training is whole chunks, each document in it but the last ends with its end.
    assert_eq!(p.train.len() % 8, 0);
    let train = p.train.to_vec();
    for i in 0..p.train.n_documents() - 1 {
        assert_eq!(train[p.train.document(i).end - 1], 256);
    }
}

#[test]
fn capped_training_documents_keep_their_end() {
    let dir = folder(&[100; 12]);
    let mut d = data(dir.path(), &["**/*.txt"]);
    d.max_unique_per_document = Some(20);
    d.unique_tokens = Some(100);
    let p = prepared(&d).unwrap();
    assert_eq!(p.train.len(), 96);
    assert_eq!(p.train.n_documents(), 5);
    let train = p.train.to_vec();
    for range in (0..4).map(|i| p.train.document(i)) {
        assert_eq!(range.len(), 20);
        assert_eq!(train[range.end - 1], 256);
        assert!(train[range.start..range.end - 1].iter().all(|id| *id == train[range.start]));
    }
    assert_eq!(p.stats.train_documents_cut, 5);
}

#[test]
fn subsets_are_nested_and_validation_does_not_move() {
    let dir = folder(&[40, 33, 70, 12, 90, 28, 55, 61, 80, 19, 47]);
    let mut d = data(dir.path(), &["**/*.txt"]);
    let sizes = [40, 80, 160, 240];
    let all: Vec<Prepared> = sizes
        .iter()
        .map(|n| {
            d.unique_tokens = Some(*n);
            prepared(&d).unwrap()
        })
        .collect();
    for pair in all.windows(2) {
        assert!(pair[1].train.to_vec().starts_with(&pair[0].train.to_vec()));
        assert_eq!(pair[0].valid.hash, pair[1].valid.hash);
        assert_ne!(pair[0].data_hash, pair[1].data_hash);
    }
    let other = prepare(&d, &BYTES, &Seeds { subset: 9, ..SEEDS }, &CorpusEnv::default()).unwrap();
    assert_eq!(other.valid.hash, all[3].valid.hash);
    assert_ne!(other.data_hash, all[3].data_hash);
    let other = prepare(&d, &BYTES, &Seeds { split: 9, ..SEEDS }, &CorpusEnv::default()).unwrap();
    assert_ne!(other.valid.hash, all[3].valid.hash);
    // Seeds of other purposes change nothing.
    let other = prepare(&d, &BYTES, &Seeds { init: 9, noise: 9, order: 9, eval: 9, ..SEEDS }, &CorpusEnv::default());
    assert_eq!(other.as_ref(), Ok(&all[3]));
}

#[test]
fn too_small_says_both_and_by_how_much() {
    let dir = folder(&[20, 20, 5]);
    let mut d = data(dir.path(), &["**/*.txt"]);
    (d.unique_tokens, d.valid) = (Some(1000), Amount::Tokens(800));
    for error in [prepared(&d).unwrap_err(), probe(&d, &CorpusEnv::default()).unwrap_err()] {
        let DataError::TooSmall { unique: Some(unique), valid: Some(valid), .. } = &error else {
            unreachable!("{error:?}")
        };
        assert_eq!((unique.need, valid.need, valid.have), (1000, 800, 32));
        let diagnostic = error.diagnose(&d);
        assert_eq!(diagnostic.code, code::CORPUS_TOO_SMALL);
        assert!(diagnostic.message.contains("32 tokens for valid, 800 asked for"), "{}", diagnostic.message);
        assert!(!diagnostic.help.is_empty());
    }
    // A cap below a chunk lets no document be validation.
    (d.unique_tokens, d.valid, d.max_valid_per_document) = (Some(8), Amount::Tokens(8), Some(7));
    let error = prepared(&d).unwrap_err();
    assert!(error.diagnose(&d).help[0].contains("max_per_document.valid"), "{:?}", error.diagnose(&d));
    assert!(probe(&d, &CorpusEnv::default()).is_err());
}

#[test]
fn a_fraction_is_of_all_tokens_and_never_silently_none() {
    let dir = folder(&[99; 10]);
    let mut d = data(dir.path(), &["**/*.txt"]);
    (d.unique_tokens, d.valid) = (None, Amount::Fraction(0.25));
    assert_eq!(prepared(&d).unwrap().valid.rows.len(), 248);
    d.valid = Amount::Fraction(1e-6);
    assert_eq!(prepared(&d).unwrap().valid.rows.len(), 8);
}

#[test]
fn characters_have_ids_in_code_point_order() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "zaß\nb€a".repeat(20)).unwrap();
    std::fs::write(dir.path().join("b.txt"), "bab".repeat(20)).unwrap();
    let mut d = data(dir.path(), &["*.txt"]);
    (d.tokenizer, d.unique_tokens, d.valid) = (Tokenizer::Chars { n: 6 }, Some(40), Amount::Tokens(16));
    let vocab = Vocab { n_ids: 6, eod: 6, mask: Some(7), size: 64 };
    let p = prepare(&d, &vocab, &SEEDS, &CorpusEnv::default()).unwrap();
    assert_eq!(p.codec, Codec::Chars(vec!['\n', 'a', 'b', 'z', 'ß', '€']));
    assert_eq!(p.codec.encode("ß a".trim_end_matches(" a")).unwrap(), [4]);
    assert_eq!(p.codec.decode(&[3, 1, 6, 5], |id| format!("<{id}>")), "za<6>€");
    assert_eq!(p.codec.encode("abx"), Err(DataError::UnknownCharacter { character: 'x', position: 2 }));
    d.tokenizer = Tokenizer::Chars { n: 4 };
    let error = prepare(&d, &vocab, &SEEDS, &CorpusEnv::default()).unwrap_err();
    assert_eq!(error, DataError::Alphabet { declared: 4, found: 6, extra: vec!['ß', '€'] });
    let diagnostic = error.diagnose(&d);
    assert_eq!(diagnostic.code, code::UNTOKENIZABLE);
    assert!(diagnostic.help[0].contains("chars(6)"));
}

#[test]
fn only_characters_need_text() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.bin"), [b'a', 0xff, b'b'].repeat(100)).unwrap();
    std::fs::write(dir.path().join("b.bin"), [0u8; 200]).unwrap();
    let mut d = data(dir.path(), &["*.bin"]);
    assert!(prepared(&d).is_ok());
    d.tokenizer = Tokenizer::Chars { n: 2 };
    let error = prepared(&d).unwrap_err();
    assert_eq!(error, DataError::NotText { path: dir.path().join("a.bin"), offset: 1 });
    assert_eq!(error.diagnose(&d).code, code::UNTOKENIZABLE);
}

#[test]
fn the_mask_is_never_in_the_data() {
    let dir = folder(&[100; 4]);
    let d = data(dir.path(), &["**/*.txt"]);
    let vocab = Vocab { n_ids: 256, eod: 256, mask: Some(2), size: 320 };
    let error = prepare(&d, &vocab, &SEEDS, &CorpusEnv::default()).unwrap_err();
    assert!(matches!(error, DataError::ReservedId { id: 2, .. }), "{error:?}");
    assert_eq!(error.diagnose(&d).code, code::UNTOKENIZABLE);
}

#[test]
fn the_tail_is_validation() {
    let dir = tempfile::tempdir().unwrap();
    let text: Vec<u8> = (0..105u8).collect();
    std::fs::write(dir.path().join("a.txt"), &text).unwrap();
    let mut d = data(dir.path(), &["a.txt"]);
    (d.split, d.valid, d.unique_tokens) = (Split::Tail, Amount::Fraction(0.1), None);
    // int(105 * 0.9) = 94 for training, rounded down to chunks of 8; the 11 after it are one chunk.
    let p = prepared(&d).unwrap();
    assert_eq!(p.train.to_vec(), (0..88).collect::<Vec<u32>>());
    assert_eq!(p.valid.rows, (94..102).collect::<Vec<u32>>());
    assert_eq!((p.valid.n_documents, p.train.n_documents()), (1, 1));
    d.order = Order::Windows;
    assert_eq!(prepared(&d).unwrap().train.len(), 94);
    (d.valid, d.unique_tokens) = (Amount::Tokens(20), Some(43));
    let p = prepared(&d).unwrap();
    assert_eq!((p.train.len(), p.valid.rows[0], p.valid.rows.len()), (40, 85, 16));
    // Two files: each with its end, the tail across both.
    std::fs::write(dir.path().join("b.txt"), [200u8; 3]).unwrap();
    d.source = source(dir.path(), SourceKind::Files { patterns: strings(&["*.txt"]) });
    let p = prepared(&d).unwrap();
    assert_eq!(p.valid.rows, (90..105).chain([256]).collect::<Vec<u32>>());
}

#[test]
fn tiny_shakespeare_splits_as_nano_gpt_does() {
    let Some(folder) = shared("data/tinyshakespeare") else { return };
    let mut d = data(&folder, &["input.txt"]);
    (d.tokenizer, d.split, d.order) = (Tokenizer::Chars { n: 65 }, Split::Tail, Order::Windows);
    (d.seq, d.valid, d.unique_tokens) = (257, Amount::Fraction(0.1), None);
    let vocab = Vocab { n_ids: 65, eod: 65, mask: Some(66), size: 128 };
    assert_eq!(probe(&d, &CorpusEnv::default()), Ok(None));
    let p = prepare(&d, &vocab, &SEEDS, &CorpusEnv::default()).unwrap();
    assert_eq!(p.stats.corpus_tokens, 1_115_394);
    assert_eq!(p.train.len(), 1_003_854);
    assert_eq!(p.valid.rows.len(), (1_115_394 - 1_003_854) / 257 * 257);
    assert_eq!(p.codec.decode(&p.train.get(0..14), |_| String::new()), "First Citizen:");
    assert!(p.codec.encode("\n !$&',-.3:;?ABCabcxyz").unwrap().is_sorted());
    let mut batches = Batches::new(&p, &d, 64, STEPS, 4);
    assert_eq!(batches.batch(0).len(), 64 * 257);
    assert_eq!(batches.rows(9, 3..5), batches.batch(9)[3 * 257..5 * 257]);
    assert!((batches.epoch_at(1_003_854) - 1.0).abs() < 1e-12);
}

/// The data of `specs/quickstart.dlm`, where the wheel is installed.
#[test]
fn quickstart_fits_the_torch_wheel() {
    let torch = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/libtorch");
    if !torch.exists() {
        eprintln!("skipped: no {}", torch.display());
        return;
    }
    let mut d = data(Path::new("/nowhere"), &["{torch}/**/*.py"]);
    (d.seq, d.unique_tokens, d.valid) = (128, Some(100_000), Amount::Tokens(64_000));
    (d.max_unique_per_document, d.max_valid_per_document) = (Some(2000), Some(512));
    let env = CorpusEnv { torch: Some(torch), ..CorpusEnv::default() };
    let start = std::time::Instant::now();
    assert_eq!(probe(&d, &env), Ok(None));
    let probed = start.elapsed();
    let p = prepare(&d, &BYTES, &SEEDS, &env).unwrap();
    eprintln!("probe {probed:?}, prepare {:?}, {:?}", start.elapsed() - probed, p.stats);
    assert_eq!((p.train.len(), p.valid.rows.len()), (99_968, 64_000));
    assert!(p.valid.n_documents >= 125);
}

/// Prepared data without files, with documents of the given lengths; each token is distinct.
fn made(lengths: &[usize], seq: usize) -> Prepared {
    let total = lengths.iter().sum::<usize>() / seq * seq;
    let mut train_documents = vec![];
    let mut start = 0;
    for length in lengths {
        let end = (start + length).min(total);
        if end > start {
            train_documents.push(start..end);
        }
        start = end;
    }
    Prepared {
        seq,
        train: TokenStream::of_ids((0..total as u32).collect(), &train_documents),
        valid: HeldOut::new(vec![], vec![], seq, &Codec::Bytes).into(),
        data_hash: String::new(),
        sources: SourceHashes::default(),
        vocab: BYTES,
        codec: Codec::Bytes,
        stats: Stats::default(),
        stores: vec![],
        not_stored: None,
    }
}

fn ordered(order: Order) -> Data {
    Data { order, ..data(Path::new(""), &[]) }
}

/// The tokens of epoch `e`, whatever steps they fall into.
fn epoch(batches: &mut Batches, p: &Prepared, batch: u64, e: u64) -> Vec<u32> {
    let n = p.n_train_chunks() as u64;
    (e * n..(e + 1) * n).flat_map(|g| batches.rows(g / batch, g % batch..g % batch + 1)).collect()
}

#[test]
fn fixed_boundaries_only_reorder_chunks() {
    let p = made(&[20, 30, 14], 8);
    let mut batches = Batches::new(&p, &ordered(Order::Strict { moving: false }), 3, STEPS, 4);
    for e in 0..4 {
        let tokens = epoch(&mut batches, &p, 3, e);
        assert!(tokens.chunks(8).all(|row| row[0] % 8 == 0 && row.windows(2).all(|w| w[1] == w[0] + 1)));
    }
    assert_ne!(epoch(&mut batches, &p, 3, 0), epoch(&mut batches, &p, 3, 1));
}

#[test]
fn moving_boundaries_cut_anew() {
    let p = made(&[20, 30, 14], 8);
    let mut batches = Batches::new(&p, &ordered(Order::Strict { moving: true }), 3, STEPS, 4);
    let firsts: std::collections::BTreeSet<u32> =
        (0..20).flat_map(|e| epoch(&mut batches, &p, 3, e)).step_by(8).collect();
    assert!(firsts.len() > 40, "nearly every token starts a chunk at some time: {}", firsts.len());
}

#[test]
fn windows_reach_from_the_first_to_the_last_token() {
    let p = made(&[24], 8);
    let mut batches = Batches::new(&p, &ordered(Order::Windows), 4, STEPS, 4);
    let starts: Vec<u32> = (0..300).flat_map(|step| batches.batch(step)).step_by(8).collect();
    assert_eq!(starts.iter().min(), Some(&0));
    assert_eq!(starts.iter().max(), Some(&16));
    assert_ne!(batches.batch(0), batches.batch(1));
}

/// Runs are found by id and continued by step: if this test fails, every older run changes its batches.
#[test]
fn orders_stay_what_they_are() {
    let p = made(&[20, 30, 14, 64], 8);
    let mut hasher = crate::base::hash::CanonicalHasher::new("orders");
    for order in [Order::Windows, Order::Strict { moving: true }, Order::Strict { moving: false }] {
        let mut batches = Batches::new(&p, &ordered(order), 5, STEPS, 4);
        (0..6).for_each(|step| _ = hasher.put_u32s(&batches.batch(step)));
    }
    assert_eq!(hasher.finish(), "40d3be7f14928715d3660e0905170456");
    let dir = folder(&[40, 33, 70, 12, 90, 28, 55, 61, 80, 19, 47]);
    let p = prepared(&data(dir.path(), &["**/*.txt"])).unwrap();
    assert_eq!(
        (p.data_hash.as_str(), p.valid.hash.as_str()),
        ("83fe60876a7d9c7e21578458b04c442c", "71a91a9b634db9e37a2eba0fa9fee064")
    );
}

/// Megatron's order made directly: tile, shuffle, concatenate, cut, shuffle.
fn interleaved_directly(p: &Prepared, n_chunks: usize, seed: u32) -> Vec<u32> {
    use crate::base::philox::{Purpose, Stream};
    let (unique, seq, n) = (p.train.len(), p.seq, p.train.n_documents());
    let epochs = (n_chunks * seq).div_ceil(unique);
    let before = (epochs - 1) * unique / seq;
    let apart = epochs > 1 && n_chunks - before < (0.8 * (unique / seq) as f64) as usize;
    let shuffle = |purpose, first: usize, all: usize| -> Vec<usize> {
        let draw = |n: usize, at| Stream::new(seed, purpose).permutation(n as u32, at).into_iter().map(|i| i as usize);
        if apart {
            draw(first, 0).chain(draw(all - first, 1).map(|i| first + i)).collect()
        } else {
            draw(all, 0).collect()
        }
    };
    let documents = shuffle(Purpose::OrderDocuments, (epochs - 1) * n, epochs * n);
    let stream: Vec<u32> = documents.iter().flat_map(|i| p.train.get(p.train.document(i % n))).collect();
    shuffle(Purpose::Order, before, n_chunks).iter().flat_map(|i| stream[i * seq..(i + 1) * seq].to_vec()).collect()
}

#[test]
fn interleaved_is_what_megatron_does() {
    let p = made(&[20, 30, 14, 5, 91], 8);
    assert_eq!(p.train.len(), 160);
    // Whole epochs, a last one that joins (85% of it), one that stays apart (15%), and less than one.
    for (batch, steps) in [(4u64, 15u64), (1, 57), (1, 43), (3, 5)] {
        let n = batch * steps;
        let mut batches = Batches::new(&p, &ordered(Order::Interleaved), batch, steps, 4);
        let all: Vec<u32> = (0..steps).flat_map(|step| batches.batch(step)).collect();
        assert_eq!(all, interleaved_directly(&p, n as usize, 4), "{n} chunks");
        // Each token about as often as there are epochs: in whole epochs exactly.
        let mut counts = vec![0; 160];
        all.iter().for_each(|id| counts[*id as usize] += 1);
        let epochs = batches.epoch_at(n * 8);
        assert_eq!(epochs, n as f64 / 20.0);
        assert_eq!(counts.iter().sum::<u64>(), n * 8);
        if n % 20 == 0 {
            assert!(counts.iter().all(|count| *count as f64 == epochs), "{counts:?}");
        }
    }
    // Apart: what of the last epoch is used comes last, and no document of it before.
    let mut batches = Batches::new(&p, &ordered(Order::Interleaved), 1, 43, 4);
    let first: Vec<u32> = (0..40).flat_map(|step| batches.batch(step)).collect();
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..320).map(|i| i / 2).collect::<Vec<u32>>());
    // Chunks of the first epoch's length hold tokens twice: epochs are mixed.
    let distinct: std::collections::BTreeSet<&u32> = first[..160].iter().collect();
    assert!(distinct.len() < 160);
}

#[test]
fn batch_hashes_tell_batches_apart() {
    let p = made(&[64], 8);
    let mut batches = Batches::new(&p, &ordered(Order::Strict { moving: true }), 2, STEPS, 4);
    assert_eq!(batch_hash(&batches.batch(1)), batch_hash(&batches.batch(1)));
    assert_ne!(batch_hash(&batches.batch(1)), batch_hash(&batches.batch(2)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_strict_epoch_has_every_token_once(
        lengths in proptest::collection::vec(1usize..40, 1..20), seq in 1usize..12, batch in 1u64..9,
        moving: bool, seed: u32, e in 0u64..50,
    ) {
        let p = made(&lengths, seq);
        prop_assume!(!p.train.is_empty());
        let mut batches = Batches::new(&p, &ordered(Order::Strict { moving }), batch, STEPS, seed);
        let mut tokens = epoch(&mut batches, &p, batch, e);
        prop_assert_eq!(tokens.len(), p.train.len());
        tokens.sort_unstable();
        prop_assert_eq!(tokens, p.train.to_vec());
    }

    #[test]
    fn rows_depend_on_step_and_row_alone(
        lengths in proptest::collection::vec(1usize..40, 1..10), seq in 1usize..10, batch in 1u64..9,
        which in 0usize..4, steps in proptest::collection::vec(0u64..60, 1..8), cut in 0u64..9,
    ) {
        let p = made(&lengths, seq);
        prop_assume!(!p.train.is_empty());
        let strict = |moving| Order::Strict { moving };
        let order = [Order::Windows, strict(true), strict(false), Order::Interleaved][which];
        let mut used = Batches::new(&p, &ordered(order), batch, STEPS, 4);
        for step in steps {
            let fresh = Batches::new(&p, &ordered(order), batch, STEPS, 4).batch(step);
            let cut = cut.min(batch);
            prop_assert_eq!([used.rows(step, 0..cut), used.rows(step, cut..batch)].concat(), fresh);
        }
    }

    #[test]
    fn the_probe_refuses_only_what_prepare_refuses(
        lengths in proptest::collection::vec(0usize..60, 1..8), unique in 1u64..300, valid in 0u64..120,
        cap_unique in proptest::option::of(1u64..40), cap_valid in proptest::option::of(8u64..40),
        tail: bool, chars: bool,
    ) {
        let dir = folder(&lengths);
        let mut d = data(dir.path(), &["**/*.txt"]);
        (d.unique_tokens, d.valid) = (Some(unique), Amount::Tokens(valid));
        (d.max_unique_per_document, d.max_valid_per_document) = (cap_unique, cap_valid);
        if tail {
            d.split = Split::Tail;
        }
        let distinct = lengths.iter().filter(|n| **n > 0).count() as u64;
        if chars {
            d.tokenizer = Tokenizer::Chars { n: distinct };
        }
        let exact = prepared(&d);
        if probe(&d, &CorpusEnv::default()).is_err() {
            prop_assert!(exact.is_err());
        }
        // And it refuses what is clearly too small.
        let total: u64 = lengths.iter().map(|n| *n as u64 + 1).sum();
        if unique / 8 * 8 > total {
            prop_assert!(probe(&d, &CorpusEnv::default()).is_err());
        }
        if let Ok(p) = exact {
            prop_assert_eq!(p.train.len() as u64, unique / 8 * 8);
            prop_assert_eq!((0..p.train.n_documents()).map(|i| p.train.document(i).len()).sum::<usize>(), p.train.len());
            prop_assert_eq!(p.valid.rows.len() as u64, if valid == 0 { 0 } else { (valid / 8).max(1) * 8 });
        }
    }
}
