//! The documents of a source as ids: read as they are asked for, mapped, or tokenized once into a store.

use super::corpus::{CorpusEnv, CorpusFile, list_files};
use super::error::{DataError, Missing};
use super::jsonl::{self, BadRow, JsonlError, MAX_TOLD, Packing, packing};
use super::probe::binary_of;
use super::store::{self, DOCUMENT_HASH, Sink, Store, document_hash};
use super::tokenize::Codec;
use super::tokens::{IdWidth, Part, Tokens};
use super::{map::Mapped, megatron};
use crate::base::hash::CanonicalHasher;
use crate::check::spec::{Duplicates, Source, SourceKind, Width};
use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// Text that is tokenized at a time: enough for all cores, little enough for any memory.
const BATCH_BYTES: usize = 4 << 20;

/// The documents of a corpus, none of them empty, in the order of its files.
#[derive(Clone, Debug)]
pub(super) struct Documents {
    held: Held,
    /// Which of them count, where duplicates do not; otherwise all.
    kept: Option<Vec<u32>>,
    pub empty: u64,
    /// Documents that are there already, and do not count.
    pub duplicates: u64,
    /// Of the content of all files.
    pub source_hash: String,
    /// The store that holds the ids, if one does.
    pub store: Option<String>,
    /// Why a store could not be written, where one should have been.
    pub not_stored: Option<String>,
}

#[derive(Clone, Debug)]
enum Held {
    /// A file is a document and a byte is a token, so lengths are known without reading.
    Files(Vec<CorpusFile>),
    Tokens {
        tokens: Tokens,
        ranges: Vec<Range<u64>>,
    },
}

impl Documents {
    pub fn open(
        source: &Source,
        codec: &Codec,
        eod: u32,
        duplicates: Duplicates,
        env: &CorpusEnv,
    ) -> Result<Documents, DataError> {
        let files = list_files(source, env)?;
        let source_hash = hash_files(source, &files)?;
        let mut found = match &source.kind {
            SourceKind::Tokens { width, .. } => of_tokens(&files, *width, codec, eod)?,
            SourceKind::Megatron { .. } => of_megatron(&files, eod)?,
            SourceKind::Files { .. } if *codec == Codec::Bytes && files.iter().all(is_plain) => {
                let n = files.len();
                let files: Vec<CorpusFile> = files.into_iter().filter(|file| file.bytes > 0).collect();
                Found { empty: (n - files.len()) as u64, ..Found::new(Held::Files(files)) }
            }
            _ => of_text(source, &files, codec, &source_hash, env)?,
        };
        let kept = match duplicates {
            Duplicates::Keep => None,
            Duplicates::Remove => Some(first_of_each(&mut found)?),
        };
        let n_all = found.held.len();
        let n_removed = kept.as_ref().map_or(0, |kept| n_all - kept.len());
        Ok(Documents {
            held: found.held,
            kept,
            empty: found.empty,
            duplicates: n_removed as u64,
            source_hash,
            store: found.store,
            not_stored: found.not_stored,
        })
    }

    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or(self.held.len(), Vec::len)
    }

    fn index(&self, document: usize) -> usize {
        match &self.kept {
            Some(kept) => kept.get(document).map_or(usize::MAX, |index| *index as usize),
            None => document,
        }
    }

    /// Tokens of a document without its end.
    pub fn text_len(&self, document: usize) -> u64 {
        self.held.text_len(self.index(document))
    }

    /// Tokens of a document with its end.
    pub fn full_len(&self, document: usize) -> u64 {
        self.text_len(document) + 1
    }

    /// The first ids of a document, without its end.
    pub fn text(&self, document: usize, most: u64) -> Result<Vec<u32>, DataError> {
        self.held.text(self.index(document), most)
    }

    /// Where the documents' ids lie, if they lie somewhere.
    pub fn tokens(&self) -> Option<&Tokens> {
        match &self.held {
            Held::Files(_) => None,
            Held::Tokens { tokens, .. } => Some(tokens),
        }
    }

    /// The place of a document's text in [`Documents::tokens`].
    pub fn place(&self, document: usize) -> Range<u64> {
        match &self.held {
            Held::Files(_) => 0..0,
            Held::Tokens { ranges, .. } => ranges.get(self.index(document)).cloned().unwrap_or(0..0),
        }
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Held::Files(files) => files.len(),
            Held::Tokens { ranges, .. } => ranges.len(),
        }
    }

    fn text_len(&self, index: usize) -> u64 {
        match self {
            Held::Files(files) => files.get(index).map_or(0, |file| file.bytes),
            Held::Tokens { ranges, .. } => ranges.get(index).map_or(0, |range| range.end - range.start),
        }
    }

    fn text(&self, index: usize, most: u64) -> Result<Vec<u32>, DataError> {
        match self {
            Held::Files(files) => match files.get(index) {
                Some(file) => Ok(read(file)?.into_iter().take(most as usize).map(u32::from).collect()),
                None => Ok(vec![]),
            },
            Held::Tokens { tokens, ranges } => {
                let range = ranges.get(index).cloned().unwrap_or(0..0);
                let mut ids = vec![];
                tokens.read(range.start..range.end.min(range.start.saturating_add(most)), &mut ids);
                Ok(ids)
            }
        }
    }
}

/// Takes the ids of a document and the hash of its text.
type PutDocument<'a> = dyn FnMut(&[u32], [u8; DOCUMENT_HASH]) -> Result<(), DataError> + 'a;

/// Documents before duplicates are looked for.
struct Found {
    held: Held,
    /// Of each document, where they are known.
    hashes: Option<Vec<[u8; DOCUMENT_HASH]>>,
    empty: u64,
    store: Option<String>,
    not_stored: Option<String>,
}

impl Found {
    fn new(held: Held) -> Found {
        Found { held, hashes: None, empty: 0, store: None, not_stored: None }
    }
}

/// The first of documents with the same text.
fn first_of_each(found: &mut Found) -> Result<Vec<u32>, DataError> {
    let n = found.held.len();
    let hash = |index: usize| -> Result<[u8; DOCUMENT_HASH], DataError> {
        let ids = found.held.text(index, u64::MAX)?;
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        Ok(document_hash(&bytes))
    };
    let hashes = match found.hashes.take() {
        Some(hashes) => hashes,
        None => (0..n).map(hash).collect::<Result<Vec<_>, _>>()?,
    };
    let mut order: Vec<u32> = (0..n as u32).collect();
    let of = |index: u32| hashes.get(index as usize);
    order.sort_unstable_by(|a, b| of(*a).cmp(&of(*b)).then(a.cmp(b)));
    let mut kept: Vec<u32> = order.chunk_by(|a, b| of(*a) == of(*b)).filter_map(|same| same.first().copied()).collect();
    kept.sort_unstable();
    Ok(kept)
}

pub(super) fn is_plain(file: &CorpusFile) -> bool {
    packing(&file.path) == Packing::None
}

fn unreadable(path: &Path, reason: impl ToString) -> DataError {
    DataError::Missing(vec![Missing::Unreadable { path: path.to_owned(), reason: reason.to_string() }])
}

fn read(file: &CorpusFile) -> Result<Vec<u8>, DataError> {
    let bytes = std::fs::read(&file.path).map_err(|e| unreadable(&file.path, e))?;
    // Lengths were used to choose documents; a file that changed meanwhile would falsify the choice.
    if bytes.len() as u64 == file.bytes {
        Ok(bytes)
    } else {
        Err(unreadable(&file.path, "it changed while it was read"))
    }
}

/// Of the content of the files in their order, as they lie there.
fn hash_files(source: &Source, files: &[CorpusFile]) -> Result<String, DataError> {
    let mut hasher = CanonicalHasher::new("source");
    let mut put = |path: &Path| -> Result<(), DataError> {
        let mut content = blake3::Hasher::new();
        let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            let n = file.read(&mut buffer).map_err(|e| unreadable(path, e))?;
            match buffer.get(..n) {
                Some(bytes) if n > 0 => _ = content.update(bytes),
                _ => break,
            }
        }
        hasher.put_bytes(content.finalize().as_bytes());
        Ok(())
    };
    for file in files {
        put(&file.path)?;
        if let SourceKind::Megatron { .. } = source.kind {
            put(&binary_of(&file.path).map_err(|missing| DataError::Missing(vec![missing]))?.path)?;
        }
    }
    Ok(hasher.finish())
}

/// nanoGPT's files: ids, and nothing else. An id that ends a document belongs to none.
fn of_tokens(files: &[CorpusFile], width: Width, codec: &Codec, eod: u32) -> Result<Found, DataError> {
    let (mut tokens, mut ranges, mut empty) = (Tokens::default(), vec![], 0);
    let id_width = match width {
        Width::U16 => IdWidth::Two,
        Width::U32 => IdWidth::Four,
    };
    for file in files {
        let damaged = |reason: String, help: &str| DataError::Damaged {
            path: file.path.clone(),
            reason,
            help: Some(help.to_string()),
        };
        let map = Mapped::open(&file.path).map_err(|e| unreadable(&file.path, e))?;
        let n_bytes = map.bytes().len() as u64;
        if !n_bytes.is_multiple_of(width.bytes()) {
            let reason = format!("its {n_bytes} bytes are no whole number of {}", width.name());
            return Err(damaged(reason, "it was cut off, or its ids have another width: `u16` or `u32`"));
        }
        let part = Part::Mapped { map, start: 0, len: n_bytes / width.bytes(), width: id_width };
        if width == Width::U16 && looks_like_u32(&part) {
            let reason = "every second id is 0, as where ids have 4 bytes".to_string();
            return Err(damaged(reason, "say `tokens(\"...\", u32)`"));
        }
        let base = tokens.len();
        let before = ranges.len();
        let (mut start, mut at, mut n_ends) = (0u64, 0u64, 0u64);
        let mut ids = vec![];
        while at < part.len() {
            ids.clear();
            part.read(at..at + (1 << 16), &mut ids);
            for (offset, _) in ids.iter().enumerate().filter(|(_, id)| **id == eod) {
                let end = at + offset as u64;
                if end > start {
                    ranges.push(base + start..base + end)
                } else {
                    empty += 1
                }
                n_ends += 1;
                start = end + 1;
            }
            at += ids.len().max(1) as u64;
        }
        if start < part.len() {
            ranges.push(base + start..base + part.len());
        }
        if n_ends == 0 && codec.owns(eod) && ranges.len() > before {
            let reason = format!("id {eod} ends a document, and never occurs in it");
            return Err(damaged(reason, "check `eod` of the tokenizer; without it, each file is one document"));
        }
        tokens.push(part);
    }
    Ok(Found { empty, ..Found::new(Held::Tokens { tokens, ranges }) })
}

/// Whether every second of the first ids is 0 and the others are not: the upper halves of small numbers.
fn looks_like_u32(part: &Part) -> bool {
    const LOOKED_AT: u64 = 1 << 12;
    const ENOUGH: usize = 32;
    let mut ids = vec![];
    part.read(0..LOOKED_AT, &mut ids);
    let (pairs, _) = ids.as_chunks::<2>();
    pairs.len() >= ENOUGH && pairs.iter().all(|[_, high]| *high == 0) && pairs.iter().any(|[low, _]| *low != 0)
}

fn of_megatron(indices: &[CorpusFile], eod: u32) -> Result<Found, DataError> {
    let (mut tokens, mut ranges, mut empty) = (Tokens::default(), vec![], 0);
    for index in indices {
        let binary = binary_of(&index.path).map_err(|missing| DataError::Missing(vec![missing]))?;
        let pair = megatron::open(&index.path, &binary.path).map_err(|reason| DataError::Damaged {
            path: index.path.clone(),
            reason,
            help: Some("the .idx and the .bin have to be of one run of Megatron's preprocessing".into()),
        })?;
        let base = tokens.len();
        let mut last = vec![];
        for document in pair.documents {
            // `--append-eod` makes the end a part of the document.
            last.clear();
            pair.tokens.read(document.end - 1..document.end, &mut last);
            let end = document.end - u64::from(last.first() == Some(&eod));
            if end > document.start { ranges.push(base + document.start..base + end) } else { empty += 1 }
        }
        tokens.push(pair.tokens);
    }
    Ok(Found { empty, ..Found::new(Held::Tokens { tokens, ranges }) })
}

/// Text, tokenized into a store of the cache or out of it.
fn of_text(
    source: &Source,
    files: &[CorpusFile],
    codec: &Codec,
    source_hash: &str,
    env: &CorpusEnv,
) -> Result<Found, DataError> {
    let mut key = CanonicalHasher::new("token store");
    let (form, field) = match &source.kind {
        SourceKind::Jsonl { field, .. } => ("jsonl", field.as_str()),
        _ => ("files", ""),
    };
    key.put_u64(store::STORE_VERSION.into()).put_str(form).put_str(field).put_str(source_hash).put_str(&codec.hash());
    // An alphabet is read off the text each time, so its ids are too.
    let cache = env.cache.as_ref().filter(|_| !matches!(codec, Codec::Chars(_)));
    let path = cache.map(|cache| cache.join(format!("{}.tokens", key.finish())));
    let shown = path.as_ref().map(|path| path.display().to_string());
    // Whatever is wrong with a store of the cache, a new one takes its place.
    if let Some(store) = path.as_ref().and_then(|path| store::open(path).ok()) {
        return Ok(of_store(store, shown, None));
    }
    let width = IdWidth::for_ids(codec.n_ids());
    let mut sink = path.as_ref().map_or_else(|| Sink::memory(width), |path| Sink::new(path, width));
    let not_written = |e: std::io::Error| {
        let path = path.clone().unwrap_or_default();
        unreadable(&path, format!("it cannot be written: {e}; DLMC_CACHE names another folder"))
    };
    tokenize(source, files, codec, &mut |ids, hash| sink.push(ids, hash).map_err(not_written))?;
    let (store, not_stored) = sink.finish().map_err(not_written)?;
    Ok(of_store(store, shown.filter(|_| not_stored.is_none()), not_stored))
}

fn of_store(store: Store, path: Option<String>, not_stored: Option<String>) -> Found {
    let Store { tokens, ends, hashes, hash, .. } = store;
    let (mut ranges, mut kept_hashes, mut empty, mut start) = (vec![], vec![], 0, 0);
    for (end, hash) in ends.into_iter().zip(hashes) {
        if end > start {
            ranges.push(start..end);
            kept_hashes.push(hash);
        } else {
            empty += 1;
        }
        start = end;
    }
    let mut all = Tokens::default();
    all.push(tokens);
    // Memory has no hash of its own.
    let store = path.filter(|_| !hash.is_empty());
    Found { hashes: Some(kept_hashes), empty, store, not_stored, ..Found::new(Held::Tokens { tokens: all, ranges }) }
}

fn tokenize(source: &Source, files: &[CorpusFile], codec: &Codec, put: &mut PutDocument<'_>) -> Result<(), DataError> {
    let mut waiting: Vec<Vec<u8>> = vec![];
    let mut n_bytes = 0;
    let mut flush = |waiting: &mut Vec<Vec<u8>>| -> Result<(), DataError> {
        let hashes: Vec<[u8; DOCUMENT_HASH]> = waiting.iter().map(|text| document_hash(text)).collect();
        for (ids, hash) in codec.encode_all(std::mem::take(waiting))?.iter().zip(hashes) {
            put(ids, hash)?;
        }
        Ok(())
    };
    for_each_text(source, files, *codec != Codec::Bytes, &mut |text| {
        n_bytes += text.len();
        waiting.push(text);
        if n_bytes >= BATCH_BYTES {
            n_bytes = 0;
            flush(&mut waiting)?;
        }
        Ok(())
    })?;
    flush(&mut waiting)
}

/// The text of each document in order; `utf8`: what is not is refused. Malformed rows of all files are told at once.
pub(super) fn for_each_text(
    source: &Source,
    files: &[CorpusFile],
    utf8: bool,
    look: &mut dyn FnMut(Vec<u8>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let SourceKind::Jsonl { field, .. } = &source.kind else {
        for file in files {
            let mut text = vec![];
            jsonl::open(&file.path)
                .and_then(|mut reader| reader.read_to_end(&mut text))
                .map_err(|e| unreadable(&file.path, e))?;
            if let (true, Err(e)) = (utf8, std::str::from_utf8(&text)) {
                return Err(DataError::NotText { path: file.path.clone(), offset: e.valid_up_to() as u64 });
            }
            look(text)?;
        }
        return Ok(());
    };
    let (mut bad, mut n_bad) = (vec![], 0u64);
    for file in files {
        let mut failed = None;
        let read = jsonl::for_each_row(&file.path, |_, row| {
            let text = jsonl::text_of(row, field)?;
            // With a malformed row there is no corpus, and only further ones are looked for.
            if failed.is_none() && n_bad == 0 {
                failed = look(text.into_bytes()).err();
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        match read {
            Ok(()) => {}
            Err(JsonlError::Unreadable { path, reason }) => return Err(unreadable(&path, reason)),
            Err(JsonlError::BadRows { path, rows, n_bad: n }) => {
                n_bad += n;
                let room = MAX_TOLD.saturating_sub(bad.len());
                bad.extend(rows.into_iter().take(room).map(|row: BadRow| (path.clone(), row)));
            }
        }
    }
    if n_bad > 0 { Err(DataError::BadRows { rows: bad, n_bad }) } else { Ok(()) }
}

/// The distinct characters of a source, in code-point order.
pub(super) fn alphabet(source: &Source, declared: u64, env: &CorpusEnv) -> Result<Vec<char>, DataError> {
    let mut seen = BTreeSet::new();
    for_each_text(source, &list_files(source, env)?, true, &mut |text| {
        seen.extend(String::from_utf8_lossy(&text).chars());
        Ok(())
    })?;
    let found = seen.len() as u64;
    if found == declared {
        return Ok(seen.into_iter().collect());
    }
    Err(DataError::Alphabet { declared, found, extra: seen.into_iter().skip(declared as usize).collect() })
}
