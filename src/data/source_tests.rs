//! Every form of a source and of a tokenizer, read whole, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::tests::{SEEDS, data, folder, shared, source, strings};
use super::*;
use crate::base::diag::code;
use crate::check::spec::{
    Amount, Data, Duplicates, Eod, Order, SourceKind, Split, Tokenizer, TokenizerFile, Vocab, Width,
};
use proptest::prelude::*;
use std::path::Path;

fn env(cache: &Path) -> CorpusEnv {
    CorpusEnv { cache: Some(cache.into()), ..CorpusEnv::default() }
}

fn jsonl(base: &Path, patterns: &[&str]) -> Data {
    let kind = SourceKind::Jsonl { patterns: strings(patterns), field: "text".into() };
    Data { source: source(base, kind), duplicates: Duplicates::Remove, ..data(base, &[]) }
}

fn vocab_of(data: &Data) -> Vocab {
    let (n_ids, eod) = (data.tokenizer.n_ids(), data.tokenizer.eod());
    let mask = n_ids.max(eod + 1);
    Vocab { n_ids, eod, mask: Some(mask), size: (mask + 1).next_multiple_of(64) }
}

fn read(data: &Data, env: &CorpusEnv) -> Result<Prepared, DataError> {
    prepare(data, &vocab_of(data), &SEEDS, env)
}

fn row(text: &str) -> String {
    serde_json::json!({ "id": 7, "text": text }).to_string() + "\n"
}

/// Documents of distinct letters and lengths.
fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| char::from(b'a' + (i % 26) as u8).to_string().repeat(9 + i * 7 % 40)).collect()
}

fn message(error: &DataError, data: &Data) -> String {
    let diagnostic = error.diagnose(data);
    [vec![diagnostic.message], diagnostic.notes, diagnostic.help].concat().join("\n")
}

#[test]
fn rows_are_documents_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let text: String = texts(12).iter().map(|text| row(text)).collect();
    std::fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    std::fs::write(dir.path().join("a.jsonl.zst"), zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
    let plain = read(&jsonl(dir.path(), &["a.jsonl"]), &env(dir.path())).unwrap();
    let packed = read(&jsonl(dir.path(), &["a.jsonl.zst"]), &env(dir.path())).unwrap();
    assert_eq!((plain.stats.documents, plain.stats.duplicates), (12, 0));
    assert_eq!((&plain.train, &plain.valid.rows), (&packed.train, &packed.valid.rows));
    assert_ne!(plain.sources.source, packed.sources.source);
    // Without a cache it is the same.
    let memory = read(&jsonl(dir.path(), &["a.jsonl"]), &CorpusEnv::default()).unwrap();
    assert_eq!((&plain.data_hash, &plain.valid.hash), (&memory.data_hash, &memory.valid.hash));
    assert_eq!((plain.stores.len(), memory.stores.len()), (1, 0));
    // Files of the same texts are the same documents, in the same order.
    let files = dir.path().join("files");
    std::fs::create_dir(&files).unwrap();
    for (i, text) in texts(12).iter().enumerate() {
        std::fs::write(files.join(format!("{i:02}.txt")), text).unwrap();
    }
    let of_files = read(&data(&files, &["*.txt"]), &CorpusEnv::default()).unwrap();
    assert_eq!(of_files.data_hash, plain.data_hash);
}

#[test]
fn duplicates_are_removed_before_the_split_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let once: String = texts(12).iter().map(|text| row(text)).collect();
    std::fs::write(dir.path().join("once.jsonl"), &once).unwrap();
    std::fs::write(dir.path().join("twice.jsonl"), format!("{once}{once}{}", row(""))).unwrap();
    let mut d = jsonl(dir.path(), &["once.jsonl"]);
    let clean = read(&d, &env(dir.path())).unwrap();
    d = jsonl(dir.path(), &["twice.jsonl"]);
    let removed = read(&d, &env(dir.path())).unwrap();
    assert_eq!((removed.stats.documents, removed.stats.duplicates, removed.stats.empty_files), (12, 12, 1));
    assert_eq!((&removed.data_hash, &removed.valid.hash), (&clean.data_hash, &clean.valid.hash));
    d.duplicates = Duplicates::Keep;
    let kept = read(&d, &env(dir.path())).unwrap();
    assert_eq!((kept.stats.documents, kept.stats.duplicates), (24, 0));
    // Files and ids of tokens are compared too.
    let files = folder(&[30, 30, 40]);
    std::fs::write(files.path().join("d0/copy.txt"), [1u8; 30]).unwrap();
    let mut d = data(files.path(), &["**/*.txt"]);
    (d.unique_tokens, d.valid, d.duplicates) = (Some(24), Amount::Tokens(8), Duplicates::Remove);
    assert_eq!(read(&d, &CorpusEnv::default()).unwrap().stats.duplicates, 1);
}

#[test]
fn malformed_rows_of_all_files_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jsonl"), row("x") + "{\"text\": 3}\nnonsense\n").unwrap();
    std::fs::write(dir.path().join("b.jsonl"), "{}\n".repeat(20)).unwrap();
    let d = jsonl(dir.path(), &["*.jsonl"]);
    let error = read(&d, &env(dir.path())).unwrap_err();
    assert_eq!(error.diagnose(&d).code, code::MALFORMED_ROWS);
    let said = message(&error, &d).replace(&dir.path().display().to_string(), "DIR");
    assert!(said.starts_with("22 rows of the corpus are malformed\nDIR/a.jsonl:2: invalid type: integer"), "{said}");
    assert!(said.contains("DIR/a.jsonl:3: expected"), "{said}");
    assert!(said.contains("DIR/b.jsonl:6: it has no field `text`\nand 14 more"), "{said}");
    // Nothing is left of the store that was begun.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// A damaged or older store of the cache is made anew, and the tokens are what they were.
#[test]
fn a_damaged_store_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jsonl"), texts(12).iter().map(|text| row(text)).collect::<String>()).unwrap();
    let d = jsonl(dir.path(), &["a.jsonl"]);
    let first = read(&d, &env(dir.path())).unwrap();
    let path = Path::new(&first.stores[0]).to_path_buf();
    let whole = std::fs::read(&path).unwrap();
    for (at, byte) in [(0, b'X'), (8, 0), (12, 9), (100, 200), (whole.len() - 1, 1)] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        std::fs::write(&path, bytes).unwrap();
        let again = read(&d, &env(dir.path())).unwrap();
        assert_eq!((&again.data_hash, &again.stores), (&first.data_hash, &first.stores));
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{at}");
    }
    // A corpus that changed has another store.
    std::fs::write(dir.path().join("a.jsonl"), texts(13).iter().map(|text| row(text)).collect::<String>()).unwrap();
    let other = read(&d, &env(dir.path())).unwrap();
    assert_ne!((&other.stores, &other.sources.source), (&first.stores, &first.sources.source));
}

fn ids(all: &[u32], width: Width) -> Vec<u8> {
    match width {
        Width::U16 => all.iter().flat_map(|id| (*id as u16).to_le_bytes()).collect(),
        Width::U32 => all.iter().flat_map(|id| id.to_le_bytes()).collect(),
    }
}

fn tokens(base: &Path, file: &str, width: Width, tokenizer: Tokenizer) -> Data {
    let kind = SourceKind::Tokens { patterns: strings(&[file]), width };
    Data { source: source(base, kind), tokenizer, ..data(base, &[]) }
}

/// Twelve documents of distinct ids, each with its end 99.
fn id_documents() -> Vec<Vec<u32>> {
    (1..=12u32).map(|i| vec![i; 10 + i as usize]).collect()
}

#[test]
fn token_files_of_both_widths_are_documents() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<u32> = id_documents().iter().flat_map(|text| [text.as_slice(), &[99]].concat()).collect();
    let tokenizer = Tokenizer::Ids { n: 100, eod: Some(99) };
    let mut hashes = vec![];
    for (name, width) in [("a.bin", Width::U16), ("b.bin", Width::U32)] {
        std::fs::write(dir.path().join(name), ids(&all, width)).unwrap();
        let mut d = tokens(dir.path(), name, width, tokenizer.clone());
        (d.unique_tokens, d.valid) = (Some(96), Amount::Tokens(32));
        assert_eq!(probe(&d, &CorpusEnv::default()), Ok(None));
        let p = read(&d, &CorpusEnv::default()).unwrap();
        assert_eq!((p.stats.documents, p.stats.corpus_tokens), (12, all.len() as u64));
        // Whole documents, ends included, as they lie in the file.
        let train = p.train.to_vec();
        for i in 0..p.train.n_documents() - 1 {
            let text = &train[p.train.document(i)];
            assert!(text.ends_with(&[99]) && text[..text.len() - 1].iter().all(|id| *id == text[0]), "{text:?}");
        }
        assert_eq!(p.codec.decode(&[3, 99, 100], |id| format!("[{id}]")), "<3><99>[100]");
        hashes.push(p.data_hash);
    }
    assert_eq!(hashes[0], hashes[1]);
    // Without an end among the ids the file is one text, as nanoGPT reads it.
    let mut d = tokens(dir.path(), "a.bin", Width::U16, Tokenizer::Ids { n: 100, eod: None });
    (d.split, d.order, d.unique_tokens, d.valid) = (Split::Tail, Order::Windows, None, Amount::Fraction(0.1));
    let p = read(&d, &CorpusEnv::default()).unwrap();
    let n = (all.len() as f64 * 0.9) as usize;
    assert_eq!((p.train.to_vec(), p.stats.documents), (all[..n].to_vec(), 1));
}

#[test]
fn damaged_token_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<u32> = (1..200).collect();
    let said = |bytes: &[u8], width: Width, tokenizer: Tokenizer| {
        std::fs::write(dir.path().join("a.bin"), bytes).unwrap();
        let mut d = tokens(dir.path(), "a.bin", width, tokenizer);
        (d.unique_tokens, d.valid) = (Some(16), Amount::Tokens(8));
        (d.split, d.order) = (Split::Tail, Order::Windows);
        let error = read(&d, &CorpusEnv::default()).unwrap_err();
        (error.diagnose(&d).code, message(&error, &d))
    };
    let plain = Tokenizer::Ids { n: 256, eod: None };
    let (at, words) = said(&ids(&all, Width::U16)[..199], Width::U16, plain.clone());
    assert!(at == code::DAMAGED_TOKENS && words.contains("199 bytes are no whole number of u16"), "{words}");
    let (at, words) = said(&ids(&all, Width::U32), Width::U16, plain.clone());
    assert!(at == code::DAMAGED_TOKENS && words.contains("every second id is 0"), "{words}");
    let (at, words) = said(&ids(&all[..198], Width::U16), Width::U32, plain.clone());
    assert!(at == code::UNTOKENIZABLE && words.contains("as wide as the source says"), "{words}");
    let (at, words) = said(&ids(&all, Width::U16), Width::U16, Tokenizer::Ids { n: 100, eod: None });
    assert!(at == code::UNTOKENIZABLE && words.contains("ids from 101 on"), "{words}");
    let (at, words) = said(&ids(&all, Width::U16), Width::U16, Tokenizer::Ids { n: 256, eod: Some(250) });
    assert!(at == code::DAMAGED_TOKENS && words.contains("id 250 ends a document, and never occurs"), "{words}");
    let (at, words) = said(&[], Width::U16, plain);
    assert!(at == code::CORPUS_TOO_SMALL, "{words}");
}

/// A pair of Megatron's files; `sequences` of each document.
fn megatron_pair(base: &Path, name: &str, documents: &[Vec<Vec<u32>>], width: Width) -> Vec<u8> {
    let sequences: Vec<&Vec<u32>> = documents.iter().flatten().collect();
    let mut boundaries = vec![0i64];
    documents.iter().for_each(|d| boundaries.push(boundaries[boundaries.len() - 1] + d.len() as i64));
    let bin: Vec<u8> = sequences.iter().flat_map(|s| ids(s, width)).collect();
    let mut idx = b"MMIDIDX\0\0".to_vec();
    idx.extend(1u64.to_le_bytes());
    idx.push(if width == Width::U16 { 8 } else { 4 });
    idx.extend((sequences.len() as u64).to_le_bytes());
    idx.extend((boundaries.len() as u64).to_le_bytes());
    idx.extend(sequences.iter().flat_map(|s| (s.len() as i32).to_le_bytes()));
    let mut at = 0i64;
    for sequence in &sequences {
        idx.extend(at.to_le_bytes());
        at += sequence.len() as i64 * width.bytes() as i64;
    }
    idx.extend(boundaries.iter().flat_map(|b| b.to_le_bytes()));
    std::fs::write(base.join(format!("{name}.bin")), bin).unwrap();
    std::fs::write(base.join(format!("{name}.idx")), &idx).unwrap();
    idx
}

fn megatron(base: &Path, prefix: &str) -> Data {
    let kind = SourceKind::Megatron { prefixes: strings(&[prefix]) };
    let tokenizer = Tokenizer::Ids { n: 100, eod: Some(99) };
    let caps = (Some(96), Amount::Tokens(32));
    Data { source: source(base, kind), tokenizer, unique_tokens: caps.0, valid: caps.1, ..data(base, &[]) }
}

#[test]
fn megatron_pairs_are_the_documents_of_their_index() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<u32> = id_documents().iter().flat_map(|text| [text.as_slice(), &[99]].concat()).collect();
    std::fs::write(dir.path().join("flat.bin"), ids(&all, Width::U16)).unwrap();
    let mut d = tokens(dir.path(), "flat.bin", Width::U16, Tokenizer::Ids { n: 100, eod: Some(99) });
    (d.unique_tokens, d.valid) = (Some(96), Amount::Tokens(32));
    let expected = read(&d, &CorpusEnv::default()).unwrap();
    // With the end appended or without, as one sequence a document or as several, of either width.
    let with_end = |text: Vec<u32>| vec![[text, vec![99]].concat()];
    let in_two = |text: Vec<u32>| vec![text[..4].to_vec(), text[4..].to_vec()];
    let forms: [Vec<Vec<Vec<u32>>>; 3] = [
        id_documents().into_iter().map(with_end).collect(),
        id_documents().into_iter().map(|text| vec![text]).collect(),
        id_documents().into_iter().map(in_two).collect(),
    ];
    for (i, form) in forms.iter().enumerate() {
        for width in [Width::U16, Width::U32] {
            let name = format!("{i}-{}", width.name());
            megatron_pair(dir.path(), &name, form, width);
            let d = megatron(dir.path(), &name);
            assert_eq!(probe(&d, &CorpusEnv::default()), Ok(None));
            let p = read(&d, &CorpusEnv::default()).unwrap();
            assert_eq!(
                (p.data_hash, p.valid.hash.clone()),
                (expected.data_hash.clone(), expected.valid.hash.clone()),
                "{name}"
            );
        }
    }
}

#[test]
fn an_index_that_does_not_match_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let documents: Vec<Vec<Vec<u32>>> = id_documents().into_iter().map(|text| vec![text]).collect();
    let idx = megatron_pair(dir.path(), "a", &documents, Width::U16);
    let bin = std::fs::read(dir.path().join("a.bin")).unwrap();
    let said = |idx: &[u8], bin: &[u8]| {
        std::fs::write(dir.path().join("a.idx"), idx).unwrap();
        std::fs::write(dir.path().join("a.bin"), bin).unwrap();
        let d = megatron(dir.path(), "a");
        let error = read(&d, &CorpusEnv::default()).unwrap_err();
        assert_eq!(error.diagnose(&d).code, code::DAMAGED_TOKENS, "{error}");
        message(&error, &d)
    };
    assert!(said(&idx[..idx.len() - 8], &bin).contains("ends within its table of documents"));
    assert!(said(&idx[..30], &bin).contains("ends within its header"));
    assert!(said(&idx, &bin[..bin.len() - 2]).contains("sequence 11 reaches to byte"));
    assert!(said(b"something else", &bin).contains("no Megatron index"));
    let changed = |at: usize, byte: u8| {
        let mut idx = idx.clone();
        idx[at] = byte;
        idx
    };
    assert!(said(&changed(9, 7), &bin).contains("version 7"));
    assert!(said(&changed(17, 6), &bin).contains("type 6"));
    assert!(said(&changed(18, 200), &bin).contains("which should have"));
    assert!(said(&changed(idx.len() - 8, 77), &bin).contains("of 12"));
    std::fs::remove_file(dir.path().join("a.bin")).unwrap();
    let d = megatron(dir.path(), "a");
    assert_eq!(read(&d, &CorpusEnv::default()).unwrap_err().diagnose(&d).code, code::MISSING_CORPUS);
    assert!(probe(&d, &CorpusEnv::default()).is_err());
    // Any bytes at all end in words.
    for at in 0..idx.len() {
        let mut idx = idx.clone();
        idx[at] ^= 0x80;
        std::fs::write(dir.path().join("a.idx"), &idx).unwrap();
        std::fs::write(dir.path().join("a.bin"), &bin).unwrap();
        _ = read(&d, &CorpusEnv::default());
    }
}

fn of_file(folder: &Path, vocab: u64, eod: Option<Eod>) -> Tokenizer {
    let file =
        TokenizerFile { path: "tokenizer.json".into(), base: folder.into(), span: data(folder, &[]).source.span };
    Tokenizer::File { file, vocab, eod }
}

/// The counts are nanoGPT's, for its own split of tiny Shakespeare with GPT-2's tokens.
#[test]
fn tiny_shakespeare_has_the_published_number_of_gpt2_tokens() {
    let Some(folder) = shared("data/tinyshakespeare") else { return };
    let Some(gpt2) = shared("data/tokenizers/gpt2") else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(folder.join("input.txt")).unwrap();
    let cut = (text.len() as f64 * 0.9) as usize;
    std::fs::write(dir.path().join("train.txt"), &text[..cut]).unwrap();
    std::fs::write(dir.path().join("valid.txt"), &text[cut..]).unwrap();
    let mut d = data(dir.path(), &["train.txt"]);
    d.tokenizer = of_file(&gpt2, 50257, Some(Eod::Named("<|endoftext|>".into())));
    d.valid_source = Some(source(dir.path(), SourceKind::Files { patterns: strings(&["valid.txt"]) }));
    (d.seq, d.unique_tokens, d.valid, d.order) = (1024, None, Amount::Tokens(35_840), Order::Windows);
    let env = env(dir.path());
    let p = read(&d, &env).unwrap();
    // One more for the end of the document.
    assert_eq!(p.train.len(), 301_966 + 1);
    assert_eq!(p.train.get(301_966..301_967), [50_256]);
    assert_eq!((p.vocab.eod, p.vocab.n_predictable(), p.vocab.mask), (50_256, 50_257, Some(50_257)));
    let whole = p.codec.encode(&text[cut..]).unwrap();
    assert_eq!(whole.len(), 36_059);
    assert_eq!(p.codec.decode(&whole, |_| String::new()), text[cut..]);
    assert_eq!(whole.iter().map(|id| p.codec.n_bytes(*id)).sum::<u64>(), (text.len() - cut) as u64);
    assert_eq!(p.codec.decode(&p.train.get(0..3), |_| String::new()), "First Citizen:");
    assert_eq!(p.codec.decode(&[50_256, 50_257], |id| format!("[{id}]")), "[50256][50257]");
    // What looks like a special token is text.
    assert!(!p.codec.encode("a<|endoftext|>b").unwrap().contains(&50_256));
    // The second time the store is read.
    assert_eq!(p.stores.len(), 2);
    let again = read(&d, &env).unwrap();
    assert_eq!((again.data_hash, again.stores), (p.data_hash, p.stores));
}

#[test]
fn the_end_of_a_document_may_be_any_token() {
    let Some(neox) = shared("data/tokenizers/gpt-neox") else { return };
    let dir = tempfile::tempdir().unwrap();
    let text: String = texts(12).iter().map(|text| row(text)).collect();
    std::fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    let mut d = jsonl(dir.path(), &["a.jsonl"]);
    (d.unique_tokens, d.valid, d.seq) = (Some(40), Amount::Tokens(4), 4);
    d.tokenizer = of_file(&neox, 50277, Some(Eod::Named("<|endoftext|>".into())));
    let p = read(&d, &env(dir.path())).unwrap();
    assert_eq!((p.vocab.eod, p.vocab.mask), (0, Some(50_277)));
    assert_eq!(p.train.get(p.train.document(0)).last(), Some(&0));
    assert!(p.train.n_documents() > 1);
    d.tokenizer = of_file(&neox, 50277, Some(Eod::Id(0)));
    assert_eq!(read(&d, &env(dir.path())).unwrap().data_hash, p.data_hash);
    let said = |tokenizer: Tokenizer, expected: Code| {
        let d = Data { tokenizer, ..d.clone() };
        let error = read(&d, &env(dir.path())).unwrap_err();
        assert_eq!(error.diagnose(&d).code, expected, "{error}");
        message(&error, &d)
    };
    use crate::base::diag::Code;
    let words = said(of_file(&neox, 60_000, None), code::BAD_TOKENIZER);
    assert!(words.contains("it has 50289 ids, and 60000 are declared"), "{words}");
    let words = said(of_file(&neox, 50277, Some(Eod::Named("<eos>".into()))), code::BAD_TOKENIZER);
    assert!(words.contains("no token \"<eos>\""), "{words}");
    let words = said(of_file(&neox, 10, Some(Eod::Named("<|endoftext|>".into()))), code::UNTOKENIZABLE);
    assert!(words.contains("10 ids are declared"), "{words}");
    std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
    let words = said(of_file(dir.path(), 10, None), code::BAD_TOKENIZER);
    assert!(words.contains("no tokenizer"), "{words}");
}

/// Sentences of a few words, so that there are pairs to learn; each distinct.
fn sentences(n: usize) -> Vec<String> {
    let words = ["the", "winter", "river", "of", "a", "mountain", "sings", "und", "über", "quickly", "again", "houses"];
    let word = |i: usize, j: usize| words[(i * 7 + j * j * 3 + i * j) % words.len()];
    let all = (0..n).map(|i| (0..30).map(|j| word(i, j)).collect::<Vec<_>>().join(" ")).enumerate();
    all.map(|(i, text)| format!("{i:03} {text}")).collect()
}

#[test]
fn byte_pairs_are_learned_from_training_documents_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = sentences(60);
    let text: String = all.iter().map(|text| row(text)).collect();
    std::fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    let mut d = jsonl(dir.path(), &["a.jsonl"]);
    d.tokenizer = Tokenizer::Bpe { vocab: 300 };
    (d.unique_tokens, d.valid) = (Some(400), Amount::Tokens(64));
    let p = read(&d, &CorpusEnv::default()).unwrap();
    for _ in 0..3 {
        let again = read(&d, &CorpusEnv::default()).unwrap();
        assert_eq!((&again.data_hash, &again.sources.tokenizer), (&p.data_hash, &p.sources.tokenizer));
    }
    let cached = env(dir.path());
    for _ in 0..2 {
        assert_eq!(read(&d, &cached).unwrap().sources.tokenizer, p.sources.tokenizer);
    }
    let text = "the winter river, über 日本\n";
    let ids = p.codec.encode(text).unwrap();
    assert!(ids.len() < text.len() && ids.iter().all(|id| *id < 300), "{ids:?}");
    assert_eq!(p.codec.decode(&ids, |_| String::new()), text);
    assert_eq!(ids.iter().map(|id| p.codec.n_bytes(*id)).sum::<u64>(), text.len() as u64);
    assert_eq!((p.vocab.eod, p.codec.loss_unit()), (300, "nats/token"));
    // A larger subset has the same tokenizer. What is validated on taught it nothing: with other texts there, the
    // pairs are the same.
    d.unique_tokens = Some(800);
    let larger = read(&d, &CorpusEnv::default()).unwrap();
    assert_eq!((&larger.sources.tokenizer, &larger.valid.hash), (&p.sources.tokenizer, &p.valid.hash));
    assert!(larger.train.to_vec().starts_with(&p.train.to_vec()));
    let shown = |ids: &[u32]| p.codec.decode(ids, |_| String::new());
    let row_of = |i: usize| shown(p.valid.row(i));
    let validated: Vec<usize> =
        (0..all.len()).filter(|i| (0..p.valid.n_rows()).any(|r| all[*i].starts_with(&row_of(r)))).collect();
    assert!(!validated.is_empty());
    for i in validated {
        // Of the same length, so that the same documents are set aside.
        all[i] = all[i].replace('e', "x").replace('r', "q");
    }
    let text: String = all.iter().map(|text| row(text)).collect();
    std::fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    assert_eq!(read(&d, &CorpusEnv::default()).unwrap().sources.tokenizer, p.sources.tokenizer);
    // Fewer pairs than declared.
    d.tokenizer = Tokenizer::Bpe { vocab: 5000 };
    let error = read(&d, &CorpusEnv::default()).unwrap_err();
    assert!(message(&error, &d).contains("and 5000 are declared"), "{error}");
}

#[test]
fn random_ids_are_nested_and_within_their_vocabulary() {
    let mut d = data(Path::new(""), &[]);
    d.source = source(Path::new(""), SourceKind::Random { vocab: 500 });
    d.tokenizer = Tokenizer::Ids { n: 500, eod: None };
    let p = read(&d, &CorpusEnv::default()).unwrap();
    assert_eq!((p.train.len(), p.valid.rows.len(), p.valid.n_documents), (160, 64, 8));
    d.unique_tokens = Some(320);
    let larger = read(&d, &CorpusEnv::default()).unwrap();
    assert!(larger.train.to_vec().starts_with(&p.train.to_vec()));
    assert_eq!(larger.valid.hash, p.valid.hash);
    let train = larger.train.to_vec();
    assert!(train.iter().all(|id| *id <= 500) && train.iter().max() == Some(&500));
    assert!(train.iter().filter(|id| **id > 250 && **id < 500).count() > 100);
    assert_ne!(&larger.valid.rows[..8], &train[..8]);
    assert_eq!(probe(&d, &CorpusEnv::default()), Ok(None));
}

#[test]
fn validation_may_be_another_corpus() {
    let dir = tempfile::tempdir().unwrap();
    let (train, valid) = (dir.path().join("train.jsonl"), dir.path().join("valid.jsonl"));
    std::fs::write(&train, texts(12).iter().map(|text| row(text)).collect::<String>()).unwrap();
    std::fs::write(&valid, (0..9).map(|i| row(&format!("{i}").repeat(40))).collect::<String>()).unwrap();
    let mut d = jsonl(dir.path(), &["train.jsonl"]);
    d.valid_source = Some(jsonl(dir.path(), &["valid.jsonl"]).source);
    let p = read(&d, &env(dir.path())).unwrap();
    assert!(p.valid.rows.iter().all(|id| *id == 256 || (48..58).contains(id)));
    assert!(p.train.to_vec().iter().all(|id| *id == 256 || *id >= 97));
    assert_eq!(p.stats.documents, 12);
    // Every document of the source may be trained on, and another validation is another experiment.
    let total: u64 = texts(12).iter().map(|text| text.len() as u64 + 1).sum();
    assert_eq!(p.stats.train_tokens_available, total);
    std::fs::write(&valid, (0..9).map(|i| row(&format!("{}", 8 - i).repeat(41))).collect::<String>()).unwrap();
    let other = read(&d, &env(dir.path())).unwrap();
    assert_ne!((&other.data_hash, &other.valid.hash), (&p.data_hash, &p.valid.hash));
    assert_eq!(other.train, p.train);
    // A named corpus is read in the same way.
    let asked = |tokens| HeldOutSpec { source: d.validated().clone(), tokens, max_per_document: None };
    let held = held_out(&asked(64), &d, &other, &SEEDS, &env(dir.path())).unwrap();
    assert_eq!(
        (&held.rows, &held.hash, held.n_documents),
        (&other.valid.rows, &other.valid.hash, other.valid.n_documents)
    );
    let valid = Chunks::valid(&std::sync::Arc::new(other.clone()));
    assert_eq!((held.n_rows(), held.row(3), held.n_bytes), (8, other.valid.row(3), valid.n_bytes()));
    let error = held_out(&asked(4000), &d, &other, &SEEDS, &env(dir.path())).unwrap_err();
    assert_eq!(error.diagnose(&d).code, code::CORPUS_TOO_SMALL);
    // Errors are about the source that they are of.
    let mut elsewhere = d.validated().clone();
    elsewhere.kind = SourceKind::Jsonl { patterns: strings(&["none.jsonl"]), field: "text".into() };
    elsewhere.span.start = 30;
    d.valid_source = Some(elsewhere);
    for error in [read(&d, &env(dir.path())).unwrap_err(), probe(&d, &CorpusEnv::default()).unwrap_err()] {
        assert!(message(&error, &d).contains("none.jsonl"), "{error}");
    }
}

#[test]
fn a_corpus_elsewhere_is_a_warning_until_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.jsonl"), texts(12).iter().map(|text| row(text)).collect::<String>()).unwrap();
    let d = jsonl(Path::new("/nowhere"), &["{data}/a.jsonl"]);
    let warning = probe(&d, &CorpusEnv::default()).unwrap().unwrap();
    assert_eq!(warning.code, code::CORPUS_ELSEWHERE);
    let error = read(&d, &CorpusEnv::default()).unwrap_err();
    assert!(error.is_elsewhere() && error.diagnose(&d).code == code::MISSING_CORPUS);
    assert!(message(&error, &d).contains("set DLMC_DATA"));
    let here = CorpusEnv { data: Some(dir.path().into()), ..CorpusEnv::default() };
    assert_eq!(probe(&d, &here), Ok(None));
    assert_eq!(read(&d, &here).unwrap().stats.documents, 12);
    // What else is missing is still an error.
    let both = jsonl(Path::new("/nowhere"), &["{data}/a.jsonl", "b.jsonl"]);
    assert!(matches!(probe(&both, &CorpusEnv::default()), Err(DataError::Missing(list)) if list.len() == 2));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// A bigger `unique` holds the smaller, and what is held out does not move, whatever the documents and caps.
    #[test]
    fn a_larger_subset_holds_the_smaller(
        lengths in proptest::collection::vec(1usize..60, 4..30), small in 8u64..200, more in 0u64..200,
        cap in proptest::option::of(4u64..40), remove: bool, subset: u32,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let text: String = lengths.iter().map(|n| row(&"x".repeat(*n))).collect();
        std::fs::write(dir.path().join("a.jsonl"), text).unwrap();
        let mut d = jsonl(dir.path(), &["a.jsonl"]);
        (d.unique_tokens, d.valid, d.max_unique_per_document) = (Some(small), Amount::Tokens(16), cap);
        d.duplicates = if remove { Duplicates::Remove } else { Duplicates::Keep };
        let seeds = crate::check::spec::Seeds { subset, ..SEEDS };
        let of = |d: &Data| prepare(d, &vocab_of(d), &seeds, &CorpusEnv::default());
        let smaller = of(&d);
        d.unique_tokens = Some(small + more);
        if let (Ok(smaller), Ok(larger)) = (smaller, of(&d)) {
            prop_assert!(larger.train.to_vec().starts_with(&smaller.train.to_vec()));
            prop_assert_eq!(&smaller.valid.hash, &larger.valid.hash);
        }
    }
}
