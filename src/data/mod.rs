//! From files to rows of token ids: corpus, tokenizer, split, subset, order. Every choice is drawn by
//! seed and purpose, so the same spec on the same files gives the same tokens on every machine.
//!
//! # What is kept apart
//! Validation documents are drawn first (split seed); training documents are an order of the rest
//! (subset seed), of which a budget takes a prefix: subsets are nested, 0.5B inside 1B. A document is
//! either validation or training, never both, and validation chunks never span documents.
//!
//! # What is left out, and counted in [`Stats`]
//! Empty documents; duplicates; what a document has beyond its cap; a validation document's last part-chunk; what
//! does not fill a whole training chunk.

pub mod chunks;
pub mod corpus;
mod documents;
pub mod error;
pub mod jsonl;
mod map;
mod megatron;
pub mod order;
mod pairs;
pub mod probe;
mod random;
#[cfg(test)]
mod source_tests;
pub mod split;
pub mod store;
pub mod subword;
pub mod tasks;
#[cfg(test)]
mod tests;
pub mod tokenize;
pub mod tokens;

pub use chunks::Chunks;
pub use corpus::CorpusEnv;
pub use error::{DataError, Missing, Shortfall};
pub use order::{Batches, batch_hash};
pub use probe::{probe, probe_corpus};
pub use split::{HeldOut, HeldOutSpec, held_out, prepare};
pub use tokenize::Codec;
pub use tokens::TokenStream;

use crate::check::spec::{FlatField, Vocab};
use std::sync::Arc;

/// The tokens of one experiment: the same for all its arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Tokens in a row.
    pub seq: usize,
    /// The unique training tokens: whole chunks, except under `order: windows` with `unique: all`,
    /// which keeps every token as nanoGPT does.
    pub train: TokenStream,
    /// The validation documents.
    pub valid: Arc<HeldOut>,
    /// Of the training tokens and their documents, and of the validation rows where those are from another corpus.
    pub data_hash: String,
    pub sources: SourceHashes,
    /// With the end of document that the tokenizer's file names.
    pub vocab: Vocab,
    /// Ids to text and back.
    pub codec: Codec,
    pub stats: Stats,
    /// Files of the cache that hold the ids.
    pub stores: Vec<String>,
    /// Why ids are in memory that should be in the cache.
    pub not_stored: Option<String>,
}

/// Of what the tokens were made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceHashes {
    /// Of the content of the source's files.
    pub source: String,
    pub valid_source: Option<String>,
    pub tokenizer: String,
}

impl Prepared {
    /// Whole chunks in an epoch.
    pub fn n_train_chunks(&self) -> usize {
        self.train.len() / self.seq.max(1)
    }

    /// A chunk of the training tokens as they lie, before any order.
    pub fn train_chunk(&self, chunk: usize) -> Vec<u32> {
        self.train.get(chunk * self.seq..(chunk + 1) * self.seq)
    }

    /// Every hash and what was found, as fields of a lock.
    pub fn lock_fields(&self) -> Vec<FlatField> {
        let field = |name: &str, value: &str| FlatField::new(format!("data.hash.{name}"), value, "derived");
        let mut fields = vec![
            field("source", &self.sources.source),
            field("tokenizer", &self.sources.tokenizer),
            field("subset", &self.data_hash),
            field("valid", &self.valid.hash),
        ];
        let found = |name: &str, n: u64| FlatField::new(format!("data.corpus.{name}"), n.to_string(), "derived");
        fields.push(found("documents", self.stats.documents));
        fields.push(found("duplicates", self.stats.duplicates));
        fields.extend(self.sources.valid_source.iter().map(|hash| field("valid_source", hash)));
        fields
    }
}

/// What became of the corpus, for `data inspect` and the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Documents with at least one token.
    pub documents: u64,
    pub empty_files: u64,
    /// Documents of the source that are there already, and were removed.
    pub duplicates: u64,
    /// The same, of the source of validation.
    pub valid_duplicates: u64,
    /// Tokens of all documents, ends included, before any cap.
    pub corpus_tokens: u64,
    /// Documents too short for one validation chunk that were passed over and left to training.
    pub too_short_for_validation: u64,
    /// Documents of the training side cut at `max_per_document`.
    pub train_documents_cut: u64,
    /// Tokens the training side would have had in all, after caps.
    pub train_tokens_available: u64,
}
