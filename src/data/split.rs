//! Validation and training tokens of a corpus: the exact word on what a budget gets.

use super::corpus::{CorpusEnv, list_files};
use super::error::{DataError, Shortfall};
use super::tokenize::Documents;
use super::{Prepared, Stats};
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Amount, Data, Order, Seeds, Split, Vocab};
use std::ops::Range;

/// Reads, splits and hashes the corpus. A pure function of the files, the data section and the
/// `split` and `subset` seeds.
pub fn prepare(data: &Data, vocab: &Vocab, seeds: &Seeds, env: &CorpusEnv) -> Result<Prepared, DataError> {
    let documents = Documents::open(list_files(&data.source, env)?, &data.tokenizer, vocab)?;
    let seq = (data.seq as usize).max(1);
    let mut stats = Stats {
        documents: documents.len() as u64,
        empty_files: documents.empty_files,
        corpus_tokens: (0..documents.len()).map(|i| documents.full_len(i)).sum(),
        ..Stats::default()
    };
    let parts = match data.split {
        Split::Documents => by_documents(data, seeds, &documents, seq, &mut stats)?,
        Split::Tail => tail(data, &documents, seq, &mut stats)?,
    };
    refuse_reserved(&parts, vocab)?;
    let (data_hash, valid_hash) = hashes(&parts, seq);
    Ok(Prepared {
        seq,
        train: parts.train,
        train_documents: parts.train_documents,
        valid_rows: parts.valid_rows,
        n_valid_documents: parts.valid_row_document.last().map_or(0, |last| last + 1),
        valid_row_document: parts.valid_row_document,
        data_hash,
        valid_hash,
        codec: documents.codec,
        stats,
    })
}

#[derive(Default)]
struct Parts {
    train: Vec<u32>,
    train_documents: Vec<Range<usize>>,
    valid_rows: Vec<u32>,
    valid_row_document: Vec<u32>,
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

/// Documents in the order of the split seed go to validation until it is covered, those too short
/// for a chunk are passed over; the rest is training, in the order of the subset seed.
fn by_documents(
    data: &Data,
    seeds: &Seeds,
    documents: &Documents,
    seq: usize,
    stats: &mut Stats,
) -> Result<Parts, DataError> {
    let n = documents.len();
    let need_valid = valid_tokens(data.valid, stats.corpus_tokens, seq as u64);
    let mut is_valid = vec![false; n];
    // (document, tokens to take), in the order of the draw.
    let mut valid: Vec<(usize, usize)> = vec![];
    let mut have_valid = 0u64;
    for i in Stream::new(seeds.split, Purpose::Split).permutation(n as u32, 0) {
        if have_valid >= need_valid {
            break;
        }
        let i = i as usize;
        let share = valid_share(data, documents.full_len(i)).min(need_valid - have_valid);
        if share == 0 {
            stats.too_short_for_validation += 1;
            continue;
        }
        have_valid += share;
        valid.push((i, share as usize));
        if let Some(flag) = is_valid.get_mut(i) {
            *flag = true;
        }
    }

    let rest: Vec<usize> = is_valid.iter().enumerate().filter(|(_, valid)| !**valid).map(|(i, _)| i).collect();
    stats.train_tokens_available = rest.iter().map(|i| train_share(data, documents.full_len(*i))).sum();
    let need_train = wanted_train(data, stats.train_tokens_available, seq);
    let short_train = need_train.filter(|need| *need > stats.train_tokens_available || *need == 0);
    let short = |need: u64, have: u64| Shortfall { have, need };
    if have_valid < need_valid || short_train.is_some() {
        return Err(DataError::TooSmall {
            unique: short_train.map(|need| short(need.max(seq as u64), stats.train_tokens_available)),
            valid: (have_valid < need_valid).then(|| short(need_valid, have_valid)),
            documents: n as u64,
            short_documents: stats.too_short_for_validation,
        });
    }
    let need_train = need_train.unwrap_or(stats.train_tokens_available) as usize;

    let mut parts = Parts::default();
    for (label, (i, take)) in (0u32..).zip(&valid) {
        parts.valid_rows.extend(documents.full(*i)?.into_iter().take(*take));
        parts.valid_row_document.extend(std::iter::repeat_n(label, take / seq));
    }
    for at in Stream::new(seeds.subset, Purpose::Subset).permutation(rest.len() as u32, 0) {
        if parts.train.len() >= need_train {
            break;
        }
        let Some(i) = rest.get(at as usize).copied() else { continue };
        let share = train_share(data, documents.full_len(i)) as usize;
        stats.train_documents_cut += u64::from((share as u64) < documents.full_len(i));
        // A document that is cut still ends: the end is its last token.
        let mut ids = documents.text(i)?;
        ids.truncate(share.saturating_sub(1));
        ids.push(documents.eod());
        push_document(&mut parts, ids, need_train);
    }
    Ok(parts)
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

fn push_document(parts: &mut Parts, mut ids: Vec<u32>, limit: usize) {
    let start = parts.train.len();
    ids.truncate(limit.saturating_sub(start));
    parts.train.append(&mut ids);
    if parts.train.len() > start {
        parts.train_documents.push(start..parts.train.len());
    }
}

/// The concatenated text, its last part for validation, as nanoGPT splits: `int(n * (1 - f))`
/// characters are training. One document stands alone without an end; several are each followed by
/// theirs. Caps per document have no meaning here.
fn tail(data: &Data, documents: &Documents, seq: usize, stats: &mut Stats) -> Result<Parts, DataError> {
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

    let mut parts = Parts::default();
    let valid = train_len..train_len + have_valid;
    let mut start = 0u64;
    for (i, length) in lengths.iter().enumerate() {
        let whole = start..start + length;
        start = whole.end;
        if whole.start >= need_train && (whole.end <= valid.start || whole.start >= valid.end) {
            continue;
        }
        let ids = if single { documents.text(i)? } else { documents.full(i)? };
        let inside = |wanted: &Range<u64>| {
            let from = wanted.start.clamp(whole.start, whole.end) - whole.start;
            let to = wanted.end.clamp(whole.start, whole.end) - whole.start;
            ids.get(from as usize..to as usize).unwrap_or(&[])
        };
        push_document(&mut parts, inside(&(0..need_train)).to_vec(), need_train as usize);
        parts.valid_rows.extend_from_slice(inside(&valid));
    }
    parts.valid_row_document = vec![0; parts.valid_rows.len() / seq];
    Ok(parts)
}

/// The mask and padding are in no data: the model could not be asked to predict them.
fn refuse_reserved(parts: &Parts, vocab: &Vocab) -> Result<(), DataError> {
    let allowed = |id: u32| {
        let id = u64::from(id);
        id < vocab.n_predictable() && Some(id) != vocab.mask && (id < vocab.n_ids || id == vocab.eod)
    };
    match parts.train.iter().chain(&parts.valid_rows).find(|id| !allowed(**id)) {
        Some(id) => Err(DataError::ReservedId { id: *id, first_reserved: vocab.n_predictable() }),
        None => Ok(()),
    }
}

fn hashes(parts: &Parts, seq: usize) -> (String, String) {
    let mut train = CanonicalHasher::new("train");
    let starts: Vec<u64> = parts.train_documents.iter().map(|range| range.start as u64).collect();
    train.put_u32s(&parts.train).put_u64s(&starts);
    let mut valid = CanonicalHasher::new("valid");
    valid.put_u64(seq as u64).put_u32s(&parts.valid_rows).put_u32s(&parts.valid_row_document);
    (train.finish(), valid.finish())
}
