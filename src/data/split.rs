//! Validation and training tokens of a corpus: the exact word on what a budget gets.

use super::corpus::CorpusEnv;
use super::documents::Documents;
use super::error::{DataError, Shortfall};
use super::tokenize::Codec;
use super::tokens::{IdWidth, Part, TokenStream, Tokens};
use super::{Prepared, SourceHashes, Stats, pairs, random};
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Amount, Data, Duplicates, Order, Seeds, Source, SourceKind, Split, Tokenizer, Vocab};
use std::ops::Range;
use std::sync::Arc;

/// Rows of documents that nothing is trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// Whole chunks, row-major `[n_rows, seq]`; a row lies in one document.
    pub rows: Vec<u32>,
    /// Per row: which document it is from, counted from 0 in order of appearance.
    pub row_document: Vec<u32>,
    pub n_documents: u32,
    /// Of the rows and their documents.
    pub hash: String,
    /// Bytes of text in all targets: each row but its first token.
    pub n_bytes: u64,
}

impl HeldOut {
    pub(super) fn new(rows: Vec<u32>, row_document: Vec<u32>, seq: usize, codec: &Codec) -> HeldOut {
        let mut hasher = CanonicalHasher::new("valid");
        hasher.put_u64(seq as u64).put_u32s(&rows).put_u32s(&row_document);
        let targets = rows.chunks(seq.max(1)).flat_map(|row| row.get(1..).unwrap_or(&[]));
        HeldOut {
            n_bytes: targets.map(|id| codec.n_bytes(*id)).sum(),
            n_documents: row_document.last().map_or(0, |last| last + 1),
            hash: hasher.finish(),
            rows,
            row_document,
        }
    }

    pub fn n_rows(&self) -> usize {
        self.row_document.len()
    }

    /// A row of `seq` tokens; empty beyond the last.
    pub fn row(&self, row: usize) -> &[u32] {
        let seq = self.rows.len() / self.row_document.len().max(1);
        self.rows.get(row * seq..(row + 1) * seq).unwrap_or(&[])
    }
}

/// What a named corpus is asked for, beside the validation of an arm's own data.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOutSpec {
    pub source: Source,
    /// Rounded down to whole chunks, but at least one.
    pub tokens: u64,
    pub max_per_document: Option<u64>,
}

/// Reads a named corpus as validation documents are read: drawn by the split seed, duplicates once, whole chunks of
/// single documents. `prepared` gives the tokenizer and the length of a chunk.
pub fn held_out(
    spec: &HeldOutSpec,
    data: &Data,
    prepared: &Prepared,
    seeds: &Seeds,
    env: &CorpusEnv,
) -> Result<HeldOut, DataError> {
    let vocab = &prepared.vocab;
    let mut asked = data.clone();
    asked.source = spec.source.clone();
    asked.valid_source = None;
    asked.valid = Amount::Tokens(spec.tokens);
    asked.max_valid_per_document = spec.max_per_document;
    (asked.split, asked.duplicates) = (Split::Documents, Duplicates::Remove);
    let of = |error| DataError::Of(Box::new(asked.clone()), Box::new(error));
    let documents = Documents::open(&spec.source, &prepared.codec, vocab.eod as u32, Duplicates::Remove, env);
    let documents = documents.map_err(of)?;
    let need = valid_tokens(asked.valid, 0, data.seq);
    let drawn = Drawn::new(&asked, seeds, &documents, need);
    if drawn.have < need {
        let valid = Some(Shortfall { have: drawn.have, need });
        let (n, short_documents) = (documents.len() as u64, drawn.too_short);
        return Err(of(DataError::TooSmall { unique: None, valid, documents: n, short_documents }));
    }
    let held = drawn.rows(&documents, vocab, data.seq as usize, &prepared.codec).map_err(of)?;
    refuse_reserved(&TokenStream::default(), &held.rows, vocab).map_err(of)?;
    Ok(held)
}

/// Reads, splits and hashes the corpus. A pure function of the files, the data section and the
/// `split` and `subset` seeds.
pub fn prepare(data: &Data, vocab: &Vocab, seeds: &Seeds, env: &CorpusEnv) -> Result<Prepared, DataError> {
    let seq = (data.seq as usize).max(1);
    if let SourceKind::Random { vocab: ids } = data.source.kind {
        return Ok(of_random(data, ids, vocab, seeds));
    }
    let (codec, documents) = open(data, vocab, seeds, env)?;
    let vocab = codec.vocab(vocab);
    let valid_documents = match &data.valid_source {
        None => None,
        Some(source) => Some(
            Documents::open(source, &codec, vocab.eod as u32, data.duplicates, env)
                .map_err(|error| DataError::Of(Box::new(validated(data, source)), Box::new(error)))?,
        ),
    };
    let mut stats = Stats {
        documents: documents.len() as u64,
        empty_files: documents.empty,
        duplicates: documents.duplicates,
        corpus_tokens: (0..documents.len()).map(|i| documents.full_len(i)).sum(),
        ..Stats::default()
    };
    let parts = match data.split {
        Split::Documents => {
            by_documents(data, seeds, &vocab, &codec, &documents, valid_documents.as_ref(), &mut stats)?
        }
        Split::Tail => tail(data, &vocab, &codec, &documents, seq, &mut stats)?,
    };
    refuse_reserved(&parts.train, &parts.valid.rows, &vocab)?;
    let sources = SourceHashes {
        source: documents.source_hash.clone(),
        valid_source: valid_documents.as_ref().map(|documents| documents.source_hash.clone()),
        tokenizer: codec.hash(),
    };
    let stores = [Some(&documents), valid_documents.as_ref()].into_iter().flatten();
    let stores: Vec<String> = stores.clone().filter_map(|documents| documents.store.clone()).collect();
    let not_stored = documents.not_stored.clone();
    Ok(prepared(data, parts, vocab, codec, stats, sources, stores, not_stored))
}

fn prepared(
    data: &Data,
    parts: Parts,
    vocab: Vocab,
    codec: Codec,
    stats: Stats,
    sources: SourceHashes,
    stores: Vec<String>,
    not_stored: Option<String>,
) -> Prepared {
    let train_hash = parts.train.hash();
    let data_hash = match &data.valid_source {
        None => train_hash,
        // What is validated on is then no function of what is trained on.
        Some(_) => {
            let mut hasher = CanonicalHasher::new("train and valid");
            hasher.put_str(&train_hash).put_str(&parts.valid.hash).finish()
        }
    };
    Prepared {
        seq: (data.seq as usize).max(1),
        train: parts.train,
        valid: Arc::new(parts.valid),
        data_hash,
        sources,
        vocab,
        codec,
        stats,
        stores,
        not_stored,
    }
}

fn of_random(data: &Data, ids: u64, vocab: &Vocab, seeds: &Seeds) -> Prepared {
    let need = valid_tokens(data.valid, 0, data.seq);
    let valid = random::valid(data, ids, need, vocab, seeds);
    let train = random::train(data, ids, vocab, seeds);
    let (n, tokens) = (train.n_documents() as u64, train.len() as u64);
    let stats = Stats {
        documents: n + u64::from(valid.n_documents),
        corpus_tokens: tokens + need,
        train_tokens_available: tokens,
        ..Stats::default()
    };
    let codec = Codec::Ids(ids);
    let sources = SourceHashes { source: "random".into(), valid_source: None, tokenizer: codec.hash() };
    prepared(data, Parts { train, valid }, *vocab, codec, stats, sources, vec![], None)
}

/// The data as if its source were that of its validation: errors are then about that one.
fn validated(data: &Data, source: &Source) -> Data {
    Data { source: source.clone(), ..data.clone() }
}

/// The tokenizer and the documents. Byte pairs are learned again until no validation document taught them anything.
fn open(data: &Data, vocab: &Vocab, seeds: &Seeds, env: &CorpusEnv) -> Result<(Codec, Documents), DataError> {
    let documents = |codec: &Codec| {
        let eod = codec.vocab(vocab).eod as u32;
        Documents::open(&data.source, codec, eod, data.duplicates, env)
    };
    if let Some(codec) = Codec::open(data, env)? {
        let documents = documents(&codec)?;
        return Ok((codec, documents));
    }
    let Tokenizer::Bpe { vocab: n_ids } = data.tokenizer else { return Err(DataError::NoText) };
    let mut bytes_per_token = pairs::FIRST_GUESS;
    loop {
        let learned = pairs::open(data, n_ids, seeds, bytes_per_token, env)?;
        let documents = documents(&learned.codec)?;
        let need = if data.valid_source.is_some() { 0 } else { valid_tokens(data.valid, 0, data.seq) };
        if Drawn::new(data, seeds, &documents, need).n_looked_at <= learned.n_aside {
            return Ok((learned.codec, documents));
        }
        bytes_per_token *= 2;
    }
}

struct Parts {
    train: TokenStream,
    valid: HeldOut,
}

/// Tokens that `valid` asks for, of `total`: whole chunks, rounded down, but never silently none.
pub(super) fn valid_tokens(valid: Amount, total: u64, seq: u64) -> u64 {
    let asked = match valid {
        Amount::Tokens(n) => n as f64,
        Amount::Fraction(f) => total as f64 * f,
    };
    if asked > 0.0 { (asked as u64 / seq).max(1) * seq } else { 0 }
}

/// Validation tokens that one document of `full_len` can give: whole chunks within the cap.
pub(super) fn valid_share(data: &Data, full_len: u64) -> u64 {
    let seq = data.seq.max(1);
    full_len.min(data.max_valid_per_document.unwrap_or(u64::MAX)) / seq * seq
}

/// Training tokens that one document of `full_len` can give.
pub(super) fn train_share(data: &Data, full_len: u64) -> u64 {
    full_len.min(data.max_unique_per_document.unwrap_or(u64::MAX))
}

/// Documents in the order of the split seed, as many as give `need` tokens; those too short for a chunk are passed over.
struct Drawn {
    /// (document, tokens to take), in the order of the draw.
    documents: Vec<(usize, usize)>,
    have: u64,
    too_short: u64,
    n_looked_at: usize,
}

impl Drawn {
    fn new(data: &Data, seeds: &Seeds, documents: &Documents, need: u64) -> Drawn {
        let mut drawn = Drawn { documents: vec![], have: 0, too_short: 0, n_looked_at: 0 };
        if need == 0 {
            return drawn;
        }
        for i in Stream::new(seeds.split, Purpose::Split).permutation(documents.len() as u32, 0) {
            if drawn.have >= need {
                break;
            }
            drawn.n_looked_at += 1;
            let i = i as usize;
            let share = valid_share(data, documents.full_len(i)).min(need - drawn.have);
            if share == 0 {
                drawn.too_short += 1;
                continue;
            }
            drawn.have += share;
            drawn.documents.push((i, share as usize));
        }
        drawn
    }

    fn rows(&self, documents: &Documents, vocab: &Vocab, seq: usize, codec: &Codec) -> Result<HeldOut, DataError> {
        let (mut rows, mut row_document) = (vec![], vec![]);
        for (label, (i, take)) in (0u32..).zip(&self.documents) {
            let mut ids = documents.text(*i, *take as u64)?;
            if ids.len() < *take {
                ids.push(vocab.eod as u32);
            }
            rows.append(&mut ids);
            row_document.extend(std::iter::repeat_n(label, take / seq));
        }
        Ok(HeldOut::new(rows, row_document, seq, codec))
    }
}

/// Validation documents are drawn first; the rest is training, in the order of the subset seed.
fn by_documents(
    data: &Data,
    seeds: &Seeds,
    vocab: &Vocab,
    codec: &Codec,
    documents: &Documents,
    elsewhere: Option<&Documents>,
    stats: &mut Stats,
) -> Result<Parts, DataError> {
    let seq = (data.seq as usize).max(1);
    let need_valid = valid_tokens(data.valid, stats.corpus_tokens, seq as u64);
    let validated_on = elsewhere.unwrap_or(documents);
    let drawn = Drawn::new(data, seeds, validated_on, need_valid);
    stats.too_short_for_validation = drawn.too_short;
    stats.valid_duplicates = elsewhere.map_or(0, |documents| documents.duplicates);
    let mut is_valid = vec![false; documents.len()];
    if elsewhere.is_none() {
        for (i, _) in &drawn.documents {
            if let Some(flag) = is_valid.get_mut(*i) {
                *flag = true;
            }
        }
    }

    let rest: Vec<usize> = is_valid.iter().enumerate().filter(|(_, valid)| !**valid).map(|(i, _)| i).collect();
    stats.train_tokens_available = rest.iter().map(|i| train_share(data, documents.full_len(*i))).sum();
    let need_train = wanted_train(data, stats.train_tokens_available, seq);
    let short_train = need_train.filter(|need| *need > stats.train_tokens_available || *need == 0);
    let short = |need: u64, have: u64| Shortfall { have, need };
    if drawn.have < need_valid || short_train.is_some() {
        let unique = short_train.map(|need| short(need.max(seq as u64), stats.train_tokens_available));
        let valid = (drawn.have < need_valid).then(|| short(need_valid, drawn.have));
        let too_small = |unique, valid, of: &Documents| DataError::TooSmall {
            unique,
            valid,
            documents: of.len() as u64,
            short_documents: drawn.too_short,
        };
        return Err(match &data.valid_source {
            Some(source) if valid.is_some() && unique.is_none() => {
                let error = too_small(None, valid, validated_on);
                DataError::Of(Box::new(validated(data, source)), Box::new(error))
            }
            _ => too_small(unique, valid, documents),
        });
    }
    let need_train = need_train.unwrap_or(stats.train_tokens_available);

    let valid = drawn.rows(validated_on, vocab, seq, codec)?;
    let mut train = Taker::new(documents, vocab, need_train);
    for at in Stream::new(seeds.subset, Purpose::Subset).permutation(rest.len() as u32, 0) {
        if train.is_full() {
            break;
        }
        let Some(i) = rest.get(at as usize).copied() else { continue };
        let share = train_share(data, documents.full_len(i));
        stats.train_documents_cut += u64::from(share < documents.full_len(i));
        // A document that is cut still ends: the end is its last token.
        train.take(i, 0..share.saturating_sub(1).min(documents.text_len(i)), true)?;
    }
    Ok(Parts { train: train.finish(), valid })
}

/// Gathers training documents up to a number of tokens: their places where ids lie in a file, else the ids themselves.
struct Taker<'a> {
    documents: &'a Documents,
    stream: TokenStream,
    /// What is not mapped is copied here.
    copied: Option<Part>,
    at: u64,
    pieces: Vec<(u64, u64, bool)>,
    len: u64,
    limit: u64,
}

impl<'a> Taker<'a> {
    fn new(documents: &'a Documents, vocab: &Vocab, limit: u64) -> Taker<'a> {
        let tokens = documents.tokens().cloned();
        let copied = tokens.is_none().then(|| Part::new(IdWidth::Two));
        let stream = TokenStream::new(tokens.unwrap_or_default(), vocab.eod as u32);
        Taker { documents, stream, copied, at: 0, pieces: vec![], len: 0, limit }
    }

    fn is_full(&self) -> bool {
        self.len >= self.limit
    }

    /// A part of a document's text, with an end where it fits.
    fn take(&mut self, document: usize, text: Range<u64>, ends: bool) -> Result<(), DataError> {
        let room = self.limit.saturating_sub(self.len);
        let len = (text.end - text.start).min(room);
        let ends = ends && len < room;
        let at = match &mut self.copied {
            None => self.documents.place(document).start + text.start,
            Some(part) => {
                let ids = self.documents.text(document, text.start + len)?;
                part.push(ids.get(text.start as usize..).unwrap_or(&[]));
                self.at += len;
                self.at - len
            }
        };
        self.pieces.push((at, len, ends));
        self.len += len + u64::from(ends);
        Ok(())
    }

    fn finish(self) -> TokenStream {
        let mut stream = match self.copied {
            None => self.stream,
            Some(part) => {
                let mut tokens = Tokens::default();
                tokens.push(part);
                self.stream.of(tokens)
            }
        };
        self.pieces.iter().for_each(|(at, len, ends)| stream.push(*at, *len, *ends));
        stream
    }
}

/// Training tokens to take: whole chunks of `unique`, or of all there are; `None` for all of them
/// whatever their number. `Some(0)` where not even one chunk is there.
fn wanted_train(data: &Data, available: u64, seq: usize) -> Option<u64> {
    let seq = seq as u64;
    match (data.unique_tokens, data.order) {
        (Some(unique), _) => Some(unique / seq * seq),
        (None, Order::Windows) if available >= seq => None,
        (None, _) => Some(available / seq * seq),
    }
}

/// The concatenated text, its last part for validation, as nanoGPT splits: `int(n * (1 - f))`
/// characters are training. One document stands alone without an end; several are each followed by
/// theirs. Caps per document have no meaning here.
fn tail(
    data: &Data,
    vocab: &Vocab,
    codec: &Codec,
    documents: &Documents,
    seq: usize,
    stats: &mut Stats,
) -> Result<Parts, DataError> {
    let single = documents.len() == 1;
    let lengths: Vec<u64> =
        (0..documents.len()).map(|i| if single { documents.text_len(i) } else { documents.full_len(i) }).collect();
    let total: u64 = lengths.iter().sum();
    stats.corpus_tokens = total;
    let train_len = match data.valid {
        Amount::Fraction(f) => (total as f64 * (1.0 - f)) as u64,
        Amount::Tokens(n) => total.saturating_sub(n),
    };
    let have_valid = (total - train_len) / seq as u64 * seq as u64;
    let need_valid = match data.valid {
        Amount::Fraction(f) if f > 0.0 => seq as u64,
        Amount::Fraction(_) => 0,
        Amount::Tokens(_) => valid_tokens(data.valid, total, seq as u64),
    };
    stats.train_tokens_available = train_len;
    let need_train = wanted_train(data, train_len, seq);
    let short_train = need_train.filter(|need| *need > train_len || *need == 0);
    if have_valid < need_valid || short_train.is_some() {
        return Err(DataError::TooSmall {
            unique: short_train.map(|need| Shortfall { have: train_len, need: need.max(seq as u64) }),
            valid: (have_valid < need_valid).then_some(Shortfall { have: have_valid, need: need_valid }),
            documents: documents.len() as u64,
            short_documents: 0,
        });
    }
    let need_train = need_train.unwrap_or(train_len);

    let mut train = Taker::new(documents, vocab, need_train);
    let mut rows = Vec::with_capacity(have_valid as usize);
    let valid = train_len..train_len + have_valid;
    let mut start = 0u64;
    for (i, length) in lengths.iter().enumerate() {
        let whole = start..start + length;
        start = whole.end;
        let text_len = documents.text_len(i);
        // The part of a wanted range that lies in this document, counted from its start.
        let inside = |wanted: &Range<u64>| {
            wanted.start.clamp(whole.start, whole.end) - whole.start
                ..wanted.end.clamp(whole.start, whole.end) - whole.start
        };
        let trained = inside(&(0..need_train));
        if !trained.is_empty() {
            train.take(i, trained.start..trained.end.min(text_len), trained.end > text_len)?;
        }
        let held = inside(&valid);
        if !held.is_empty() {
            let mut ids = documents.text(i, held.end.min(text_len))?;
            if held.end > text_len {
                ids.push(vocab.eod as u32);
            }
            rows.extend_from_slice(ids.get(held.start as usize..).unwrap_or(&[]));
        }
    }
    let row_document = vec![0; rows.len() / seq];
    Ok(Parts { train: train.finish(), valid: HeldOut::new(rows, row_document, seq, codec) })
}

/// The mask and padding are in no data: the model could not be asked to predict them.
fn refuse_reserved(train: &TokenStream, valid: &[u32], vocab: &Vocab) -> Result<(), DataError> {
    let allowed = |id: u32| {
        let id = u64::from(id);
        id < vocab.n_predictable() && Some(id) != vocab.mask && (id < vocab.n_ids || id == vocab.eod)
    };
    let mut found = valid.iter().copied().find(|id| !allowed(*id));
    train.for_each_stretch(|ids| {
        found = found.or_else(|| ids.iter().copied().find(|id| !allowed(*id)));
        found.is_none()
    });
    match found {
        Some(id) => Err(DataError::ReservedId { id, first_reserved: vocab.n_predictable() }),
        None => Ok(()),
    }
}
