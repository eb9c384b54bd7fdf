//! Tokenizers of `tokenizer.json`, and byte-level pairs learned from a corpus (crate `tokenizers`).

use super::error::DataError;
use crate::base::hash::CanonicalHasher;
use crate::check::spec::Eod;
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{
    DecoderWrapper, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer,
    TokenizerBuilder, TokenizerImpl,
};

/// A pair is worth a token only from two places on.
const MIN_FREQUENCY: u64 = 2;

/// A tokenizer whose ids stand for parts of words.
pub struct Subword {
    tokenizer: Tokenizer,
    /// Ids that are used: all below this.
    pub n_ids: u64,
    /// The id of its own that ends a document.
    pub eod: Option<u32>,
    /// Bytes of text of each id; where the tokenizer is byte-level, exactly.
    n_bytes: Vec<u32>,
    /// Of all that makes ids of text.
    pub hash: String,
}

impl std::fmt::Debug for Subword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subword({} ids, {})", self.n_ids, self.hash)
    }
}

impl PartialEq for Subword {
    fn eq(&self, other: &Subword) -> bool {
        (&self.hash, self.n_ids, self.eod) == (&other.hash, other.n_ids, other.eod)
    }
}

impl Eq for Subword {}

impl Subword {
    /// Reads a `tokenizer.json`, of which `n_ids` ids are used.
    pub fn from_file(path: &Path, n_ids: u64, eod: Option<&Eod>) -> Result<Subword, DataError> {
        let refused = |reason: String| DataError::BadTokenizer { path: path.to_owned(), reason };
        let json = std::fs::read(path).map_err(|e| refused(e.to_string()))?;
        Subword::from_json(&json, n_ids, eod).map_err(refused)
    }

    pub fn from_json(json: &[u8], n_ids: u64, eod: Option<&Eod>) -> Result<Subword, String> {
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| format!("it is no tokenizer: {e}"))?;
        // A corpus is tokenized whole, and what looks like a special token in a text is text.
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        tokenizer.set_encode_special_tokens(true);
        let has = tokenizer.get_vocab_size(true) as u64;
        if has < n_ids {
            return Err(format!("it has {has} ids, and {n_ids} are declared"));
        }
        let eod = match eod {
            None => None,
            Some(Eod::Id(id)) => Some(*id as u32),
            Some(Eod::Named(token)) => match tokenizer.token_to_id(token) {
                None => return Err(format!("it has no token {token:?} to end a document with")),
                Some(id) if u64::from(id) >= n_ids => {
                    return Err(format!("its token {token:?} has id {id}, beyond the {n_ids} that are used"));
                }
                Some(id) => Some(id),
            },
        };
        let byte_level = matches!(tokenizer.get_decoder(), Some(DecoderWrapper::ByteLevel(_)));
        let added = tokenizer.get_added_tokens_decoder();
        let n_bytes = |id: u32| match tokenizer.id_to_token(id) {
            _ if Some(id) == eod => 0,
            None => 0,
            Some(token) if added.contains_key(&id) => token.len() as u32,
            // A byte is written as one character.
            Some(token) if byte_level => token.chars().count() as u32,
            Some(_) => tokenizer.decode(&[id], false).map_or(0, |text| text.len() as u32),
        };
        let n_bytes = (0..n_ids as u32).map(n_bytes).collect();
        let mut hasher = CanonicalHasher::new("tokenizer");
        hasher.put_bytes(json).put_u64(n_ids).put_u64(eod.map_or(u64::MAX, u64::from));
        let hash = hasher.finish();
        Ok(Subword { tokenizer, n_ids, eod, n_bytes, hash })
    }

    /// Ids of texts, each for itself.
    pub fn encode_all(&self, texts: Vec<String>) -> Result<Vec<Vec<u32>>, DataError> {
        let failed = |e: tokenizers::Error| DataError::Tokenizer { reason: e.to_string() };
        let encodings = self.tokenizer.encode_batch_fast(texts, false).map_err(failed)?;
        encodings.iter().map(|encoding| self.checked(encoding.get_ids())).collect()
    }

    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let failed = |e: tokenizers::Error| DataError::Tokenizer { reason: e.to_string() };
        self.checked(self.tokenizer.encode_fast(text, false).map_err(failed)?.get_ids())
    }

    fn checked(&self, ids: &[u32]) -> Result<Vec<u32>, DataError> {
        match ids.iter().find(|id| u64::from(**id) >= self.n_ids) {
            None => Ok(ids.to_vec()),
            Some(id) => {
                let token = self.tokenizer.id_to_token(*id).unwrap_or_default();
                Err(DataError::UnusedToken { id: *id, token, n_ids: self.n_ids })
            }
        }
    }

    /// Text of ids; those that stand for none are shown as what `special` says.
    pub fn decode(&self, ids: &[u32], special: impl Fn(u32) -> String) -> String {
        let is_text = |id: &u32| u64::from(*id) < self.n_ids && Some(*id) != self.eod;
        let mut out = String::new();
        for run in ids.chunk_by(|a, b| is_text(a) == is_text(b)) {
            match run.first().is_some_and(is_text) {
                true => out.push_str(&self.tokenizer.decode(run, false).unwrap_or_default()),
                false => run.iter().for_each(|id| out.push_str(&special(*id))),
            }
        }
        out
    }

    pub fn n_bytes(&self, id: u32) -> u64 {
        self.n_bytes.get(id as usize).copied().unwrap_or(0).into()
    }
}

/// How often each word of the texts occurs, with bytes written as characters: what pairs are learned from.
#[derive(Default)]
pub struct Words(BTreeMap<String, u64>);

impl Words {
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let mut pieces = PreTokenizedString::from(text);
        byte_level().pre_tokenize(&mut pieces).map_err(|e| e.to_string())?;
        for (word, ..) in pieces.get_splits(OffsetReferential::Original, OffsetType::None) {
            match self.0.get_mut(word) {
                Some(n) => *n += 1,
                None => _ = self.0.insert(word.to_string(), 1),
            }
        }
        Ok(())
    }
}

/// Spaces belong to the word that follows, as in GPT-2.
fn byte_level() -> ByteLevel {
    ByteLevel::new(false, true, true)
}

/// Learns `vocab` byte-level pairs; gives a `tokenizer.json`. Words are counted, not met in an order, and of pairs that
/// are equally frequent the one of smaller ids is taken: the same texts give the same tokenizer.
pub fn learn(words: &Words, vocab: u64) -> Result<Vec<u8>, String> {
    let trainer = BpeTrainer::builder()
        .vocab_size(vocab as usize)
        .min_frequency(MIN_FREQUENCY)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut model = BPE::default();
    let counts = words.0.iter().map(|(word, n)| (word.as_str().into(), *n)).collect();
    trainer.do_train(&counts, &mut model).map_err(|e| e.to_string())?;
    let tokenizer: TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, ByteLevel, ByteLevel> = TokenizerBuilder::new()
        .with_model(model)
        .with_pre_tokenizer(Some(byte_level()))
        .with_decoder(Some(byte_level()))
        .build()
        .map_err(|e| e.to_string())?;
    let n = tokenizer.get_vocab_size(true) as u64;
    if n < vocab {
        return Err(format!("the training documents give only {n} tokens, and {vocab} are declared"));
    }
    tokenizer.to_string(false).map(String::into_bytes).map_err(|e| e.to_string())
}
