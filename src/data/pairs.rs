//! `bpe(vocab: N)`: byte pairs learned from the training documents. Which documents are validation depends on how many
//! tokens they have, so on the pairs: first those documents are set aside that come first in the order of the split
//! and surely are enough, the pairs are learned from all others, and with the pairs it is seen whether they were.

use super::corpus::{CorpusEnv, list_files};
use super::documents::for_each_text;
use super::error::DataError;
use super::split::{valid_share, valid_tokens};
use super::store::{document_hash, put_in_place};
use super::subword::{Subword, Words, learn};
use super::tokenize::Codec;
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Data, Duplicates, Seeds};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Bytes that a token is first thought to have at most, when documents are set aside; doubled until it is true.
pub(super) const FIRST_GUESS: u64 = 8;

/// Byte pairs, and how many documents of the split's order they were not learned from.
pub(super) struct Learned {
    pub codec: Codec,
    pub n_aside: usize,
}

pub(super) fn open(
    data: &Data,
    vocab: u64,
    seeds: &Seeds,
    bytes_per_token: u64,
    env: &CorpusEnv,
) -> Result<Learned, DataError> {
    let files = list_files(&data.source, env)?;
    // (bytes, hash) of the documents that count, in order.
    let mut lengths: Vec<u64> = vec![];
    let mut seen = BTreeSet::new();
    let mut all = CanonicalHasher::new("texts");
    let mut counts = |text: &[u8]| -> bool {
        let remove = data.duplicates == Duplicates::Remove;
        !text.is_empty() && (!remove || seen.insert(document_hash(text)))
    };
    for_each_text(&data.source, &files, true, &mut |text| {
        if counts(&text) {
            lengths.push(text.len() as u64);
            all.put_bytes(&document_hash(&text));
        }
        Ok(())
    })?;
    let aside = set_aside(data, seeds, &lengths, bytes_per_token);
    let n_aside = aside.iter().filter(|aside| **aside).count();
    if n_aside == lengths.len() {
        let reason = "no training documents are left to learn byte pairs from".to_string();
        return Err(DataError::Tokenizer { reason });
    }
    let bits: Vec<u32> = aside.iter().map(|aside| u32::from(*aside)).collect();
    let key = all.put_u32s(&bits).put_u64(vocab).finish();
    let path = env.cache.as_ref().map(|cache| cache.join(format!("{key}.tokenizer.json")));
    let refused = |reason: String| DataError::Tokenizer { reason };
    let kept = path.as_ref().and_then(|path| std::fs::read(path).ok());
    let kept = kept.and_then(|json| Subword::from_json(&json, vocab, None).ok());
    let subword = match kept {
        Some(subword) => subword,
        None => {
            let (mut words, mut index, mut seen) = (Words::default(), 0usize, BTreeSet::new());
            for_each_text(&data.source, &files, true, &mut |text| {
                let remove = data.duplicates == Duplicates::Remove;
                if text.is_empty() || (remove && !seen.insert(document_hash(&text))) {
                    return Ok(());
                }
                let learned_from = aside.get(index) == Some(&false);
                index += 1;
                if learned_from { words.add(&String::from_utf8_lossy(&text)).map_err(refused) } else { Ok(()) }
            })?;
            let json = learn(&words, vocab).map_err(refused)?;
            // A tokenizer that cannot be kept is learned again.
            _ = path.map(|path| keep(&path, &json));
            Subword::from_json(&json, vocab, None).map_err(refused)?
        }
    };
    Ok(Learned { codec: Codec::Subword(Arc::new(subword)), n_aside })
}

/// Which documents may be validation if a token has at most so many bytes.
fn set_aside(data: &Data, seeds: &Seeds, lengths: &[u64], bytes_per_token: u64) -> Vec<bool> {
    let mut aside = vec![false; lengths.len()];
    if data.valid_source.is_some() {
        return aside;
    }
    let need = valid_tokens(data.valid, 0, data.seq);
    let mut have = 0;
    for i in Stream::new(seeds.split, Purpose::Split).permutation(lengths.len() as u32, 0) {
        if have >= need {
            break;
        }
        let (Some(bytes), Some(flag)) = (lengths.get(i as usize), aside.get_mut(i as usize)) else { continue };
        *flag = true;
        have += valid_share(data, bytes.div_ceil(bytes_per_token) + 1);
    }
    aside
}

fn keep(path: &Path, json: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    file.write_all(json)?;
    put_in_place(file, path)
}
