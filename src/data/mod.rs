//! From files to rows of token ids: corpus, tokenizer, split, subset, order. Every choice is drawn by
//! seed and purpose, so the same spec on the same files gives the same tokens on every machine.
//!
//! # What is kept apart
//! Validation documents are drawn first (split seed); training documents are an order of the rest
//! (subset seed), of which a budget takes a prefix: subsets are nested, 0.5B inside 1B. A document is
//! either validation or training, never both, and validation chunks never span documents.
//!
//! # What is left out, and counted in [`Stats`]
//! Empty files; what a document has beyond its cap; a validation document's last part-chunk; what
//! does not fill a whole training chunk.

pub mod chunks;
pub mod corpus;
pub mod error;
pub mod jsonl;
pub mod order;
pub mod probe;
pub mod split;
#[cfg(test)]
mod tests;
pub mod tokenize;

pub use chunks::Chunks;
pub use corpus::CorpusEnv;
pub use error::{DataError, Missing, Shortfall};
pub use order::{Batches, batch_hash};
pub use probe::probe;
pub use split::prepare;
pub use tokenize::Codec;

use std::ops::Range;

/// The tokens of one experiment: the same for all its arms.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Tokens in a row.
    pub seq: usize,
    /// The unique training tokens: whole chunks, except under `order: windows` with `unique: all`,
    /// which keeps every token as nanoGPT does.
    pub train: Vec<u32>,
    /// Where each training document lies in `train`; they cover it in order.
    pub train_documents: Vec<Range<usize>>,
    /// Whole chunks of validation documents, row-major `[n_valid_rows, seq]`.
    pub valid_rows: Vec<u32>,
    /// Per row: which document it is from, counted from 0 in order of appearance.
    pub valid_row_document: Vec<u32>,
    pub n_valid_documents: u32,
    /// Of the training tokens and their documents.
    pub data_hash: String,
    /// Of the validation rows and their documents.
    pub valid_hash: String,
    /// Ids to text and back.
    pub codec: Codec,
    pub stats: Stats,
}

impl Prepared {
    pub fn n_valid_rows(&self) -> usize {
        self.valid_row_document.len()
    }

    /// A validation row; empty beyond the last.
    pub fn valid_row(&self, row: usize) -> &[u32] {
        self.valid_rows.get(row * self.seq..(row + 1) * self.seq).unwrap_or(&[])
    }

    /// Whole chunks in an epoch.
    pub fn n_train_chunks(&self) -> usize {
        self.train.len() / self.seq.max(1)
    }
}

/// What became of the corpus, for `data inspect` and the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Documents with at least one token.
    pub documents: u64,
    pub empty_files: u64,
    /// Tokens of all documents, ends included, before any cap.
    pub corpus_tokens: u64,
    /// Documents too short for one validation chunk that were passed over and left to training.
    pub too_short_for_validation: u64,
    /// Documents of the training side cut at `max_per_document`.
    pub train_documents_cut: u64,
    /// Tokens the training side would have had in all, after caps.
    pub train_tokens_available: u64,
}
