//! Text to ids and back. Bytes and characters are exact, so nats per token are nats per byte or character; parts of
//! words are a tokenizer's; bare ids have no text.

use super::corpus::{CorpusEnv, tokenizer_file};
use super::documents::alphabet;
use super::error::DataError;
use super::subword::Subword;
use crate::base::hash::CanonicalHasher;
use crate::check::spec::{Data, Tokenizer, Vocab};
use std::sync::Arc;

/// How ids stand for text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    Bytes,
    /// In code-point order: the id is the index.
    Chars(Vec<char>),
    Subword(Arc<Subword>),
    /// So many ids, of which the text is not known.
    Ids(u64),
}

impl Codec {
    /// The codec of a tokenizer that needs no learning.
    pub(super) fn open(data: &Data, env: &CorpusEnv) -> Result<Option<Codec>, DataError> {
        Ok(Some(match &data.tokenizer {
            Tokenizer::Bytes => Codec::Bytes,
            Tokenizer::Chars { n } => Codec::Chars(alphabet(&data.source, *n, env)?),
            Tokenizer::File { file, vocab, eod } => {
                let path = tokenizer_file(file, env).map_err(|missing| DataError::Missing(vec![missing]))?;
                Codec::Subword(Arc::new(Subword::from_file(&path, *vocab, eod.as_ref())?))
            }
            Tokenizer::Ids { n, .. } => Codec::Ids(*n),
            Tokenizer::Bpe { .. } => return Ok(None),
        }))
    }

    /// The vocabulary with the end of document that a tokenizer's file names.
    pub fn vocab(&self, checked: &Vocab) -> Vocab {
        match self {
            Codec::Subword(subword) => Vocab { eod: subword.eod.map_or(checked.eod, u64::from), ..*checked },
            Codec::Bytes | Codec::Chars(_) | Codec::Ids(_) => *checked,
        }
    }

    /// Ids of its own; that of an end of document may be the next.
    pub fn n_ids(&self) -> u64 {
        match self {
            Codec::Bytes => 256,
            Codec::Chars(alphabet) => alphabet.len() as u64,
            Codec::Subword(subword) => subword.n_ids,
            Codec::Ids(n) => *n,
        }
    }

    /// Whether an id is one of its own.
    pub fn owns(&self, id: u32) -> bool {
        u64::from(id) < self.n_ids()
    }

    /// Of what makes ids of text.
    pub fn hash(&self) -> String {
        let of = |text: &str, n: u64| {
            let mut hasher = CanonicalHasher::new("tokenizer");
            hasher.put_str(text).put_u64(n).finish()
        };
        match self {
            Codec::Bytes => of("bytes", 256),
            Codec::Chars(alphabet) => of(&alphabet.iter().collect::<String>(), alphabet.len() as u64),
            Codec::Subword(subword) => subword.hash.clone(),
            Codec::Ids(n) => of("ids", *n),
        }
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Codec::Bytes => Ok(text.bytes().map(u32::from).collect()),
            Codec::Chars(alphabet) => text
                .chars()
                .enumerate()
                .map(|(i, c)| match alphabet.binary_search(&c) {
                    Ok(id) => Ok(id as u32),
                    Err(_) => Err(DataError::UnknownCharacter { character: c, position: i as u64 }),
                })
                .collect(),
            Codec::Subword(subword) => subword.encode(text),
            Codec::Ids(_) => Err(DataError::NoText),
        }
    }

    /// Ids of texts, each for itself, on all cores where that pays. Texts are UTF-8, except for bytes.
    pub(super) fn encode_all(&self, texts: Vec<Vec<u8>>) -> Result<Vec<Vec<u32>>, DataError> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
        };
        match self {
            Codec::Bytes => Ok(texts.into_iter().map(|text| text.into_iter().map(u32::from).collect()).collect()),
            Codec::Subword(subword) => subword.encode_all(texts.into_iter().map(text).collect()),
            Codec::Chars(_) | Codec::Ids(_) => texts.into_iter().map(|bytes| self.encode(&text(bytes))).collect(),
        }
    }

    /// Ids that stand for no text (end of document, mask) are shown as what `special` says.
    pub fn decode(&self, ids: &[u32], special: impl Fn(u32) -> String) -> String {
        match self {
            Codec::Bytes => {
                let mut bytes = Vec::with_capacity(ids.len());
                for id in ids {
                    match u8::try_from(*id) {
                        Ok(byte) => bytes.push(byte),
                        Err(_) => bytes.extend_from_slice(special(*id).as_bytes()),
                    }
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Codec::Chars(alphabet) => {
                ids.iter().map(|id| alphabet.get(*id as usize).map_or_else(|| special(*id), char::to_string)).collect()
            }
            Codec::Subword(subword) => subword.decode(ids, special),
            Codec::Ids(n) => {
                ids.iter().map(|id| if u64::from(*id) < *n { format!("<{id}>") } else { special(*id) }).collect()
            }
        }
    }

    /// Bytes of text that an id stands for; 0 for ids that are no text.
    pub fn n_bytes(&self, id: u32) -> u64 {
        match self {
            Codec::Bytes => u64::from(id < 256),
            Codec::Chars(alphabet) => alphabet.get(id as usize).map_or(0, |c| c.len_utf8() as u64),
            Codec::Subword(subword) => subword.n_bytes(id),
            Codec::Ids(_) => 0,
        }
    }

    /// What a loss in nats per token is per.
    pub fn loss_unit(&self) -> &'static str {
        match self {
            Codec::Bytes => "nats/byte",
            Codec::Chars(_) => "nats/char",
            Codec::Subword(_) | Codec::Ids(_) => "nats/token",
        }
    }
}
