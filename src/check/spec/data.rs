//! The data of an arm: where text comes from, how it becomes ids, which part of it is used, in which order.

use crate::base::Span;
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    pub name: String,
    pub source: Source,
    /// Where validation documents come from, if not from `source`.
    pub valid_source: Option<Source>,
    pub tokenizer: Tokenizer,
    /// Tokens in a sequence.
    pub seq: u64,
    /// As asked for; `Budget::unique_tokens` is what fits whole chunks. `None`: all there are.
    pub unique_tokens: Option<u64>,
    pub valid: Amount,
    pub max_unique_per_document: Option<u64>,
    pub max_valid_per_document: Option<u64>,
    /// Whether a document that is there twice counts once.
    pub duplicates: Duplicates,
    pub order: Order,
    pub split: Split,
}

impl Data {
    /// Where validation documents come from.
    pub fn validated(&self) -> &Source {
        self.valid_source.as_ref().unwrap_or(&self.source)
    }
}

/// A corpus, with the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub kind: SourceKind,
    /// Paths are relative to this: the folder of the spec file.
    pub base: PathBuf,
    pub span: Span,
}

/// Paths are globs. At their start `{torch}` stands for the folder of the libtorch wheel, `{data}` for that of
/// `DLMC_DATA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// A file is a document; `.gz` and `.zst` are unpacked.
    Files { patterns: Vec<String> },
    /// A line is a document, its text in a field; `.gz` and `.zst` are unpacked.
    Jsonl { patterns: Vec<String>, field: String },
    /// Bare little-endian ids, as nanoGPT writes them; an end-of-document id ends a document.
    Tokens { patterns: Vec<String>, width: Width },
    /// `PREFIX.bin` and `PREFIX.idx`, as Megatron writes them.
    Megatron { prefixes: Vec<String> },
    /// Ids drawn from 0..vocab, to measure with: as many as are asked for.
    Random { vocab: u64 },
}

impl Source {
    /// Whether it holds ids and no text.
    pub fn is_tokens(&self) -> bool {
        match self.kind {
            SourceKind::Files { .. } | SourceKind::Jsonl { .. } => false,
            SourceKind::Tokens { .. } | SourceKind::Megatron { .. } | SourceKind::Random { .. } => true,
        }
    }

    pub fn is_random(&self) -> bool {
        matches!(self.kind, SourceKind::Random { .. })
    }

    /// The name of its form.
    pub fn form(&self) -> &'static str {
        match self.kind {
            SourceKind::Files { .. } => "files",
            SourceKind::Jsonl { .. } => "jsonl",
            SourceKind::Tokens { .. } => "tokens",
            SourceKind::Megatron { .. } => "megatron",
            SourceKind::Random { .. } => "random",
        }
    }
}

/// As it is written; `files` by its patterns alone.
impl std::fmt::Display for SourceKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted = |all: &[String]| all.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
        match self {
            SourceKind::Files { patterns } => f.write_str(&patterns.join(", ")),
            SourceKind::Jsonl { patterns, field } => write!(f, "jsonl({}, text: {field:?})", quoted(patterns)),
            SourceKind::Tokens { patterns, width } => write!(f, "tokens({}, {})", quoted(patterns), width.name()),
            SourceKind::Megatron { prefixes } => write!(f, "megatron({})", quoted(prefixes)),
            SourceKind::Random { vocab } => write!(f, "random(vocab: {vocab})"),
        }
    }
}

/// Bytes of an id in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    U16,
    U32,
}

impl Width {
    pub fn name(self) -> &'static str {
        match self {
            Width::U16 => "u16",
            Width::U32 => "u32",
        }
    }

    pub fn bytes(self) -> u64 {
        match self {
            Width::U16 => 2,
            Width::U32 => 4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Tokens(u64),
    Fraction(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Tokenizer {
    /// UTF-8 bytes, 256 ids.
    Bytes,
    /// The corpus's distinct characters in code-point order; the spec declares how many.
    Chars { n: u64 },
    /// A `tokenizer.json`, of which the ids below `vocab` are used.
    File { file: TokenizerFile, vocab: u64, eod: Option<Eod> },
    /// Byte-level pairs learned from the training documents.
    Bpe { vocab: u64 },
    /// Ids of which the text is not known.
    Ids { n: u64, eod: Option<u64> },
}

/// A path with the place where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenizerFile {
    pub path: String,
    /// Relative to this: the folder of the spec file.
    pub base: PathBuf,
    pub span: Span,
}

/// The token of a tokenizer's own that ends a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eod {
    /// Its id is known once the file is read.
    Named(String),
    Id(u64),
}

impl Tokenizer {
    pub fn n_ids(&self) -> u64 {
        match self {
            Tokenizer::Bytes => 256,
            Tokenizer::Chars { n } | Tokenizer::Ids { n, .. } => *n,
            Tokenizer::File { vocab, .. } | Tokenizer::Bpe { vocab } => *vocab,
        }
    }

    /// The id that ends a document: one of its own, or the next one. Of a token that only the file can tell, the last
    /// one stands in until then.
    pub fn eod(&self) -> u64 {
        match self {
            Tokenizer::File { eod: Some(Eod::Id(id)), .. } | Tokenizer::Ids { eod: Some(id), .. } => *id,
            Tokenizer::File { eod: Some(Eod::Named(_)), vocab, .. } => vocab.saturating_sub(1),
            Tokenizer::Bytes | Tokenizer::Chars { .. } | Tokenizer::Bpe { .. } => self.n_ids(),
            Tokenizer::File { eod: None, .. } | Tokenizer::Ids { eod: None, .. } => self.n_ids(),
        }
    }

    /// Whether text becomes ids by it.
    pub fn reads_text(&self) -> bool {
        !matches!(self, Tokenizer::Ids { .. })
    }

    /// The name of its form.
    pub fn form(&self) -> &'static str {
        match self {
            Tokenizer::Bytes => "bytes",
            Tokenizer::Chars { .. } => "chars",
            Tokenizer::File { .. } => "tokenizer",
            Tokenizer::Bpe { .. } => "bpe",
            Tokenizer::Ids { .. } => "ids",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Each document counts as often as it is there.
    Keep,
    /// Of documents with the same tokens the first counts.
    Remove,
}

impl Duplicates {
    pub fn name(self) -> &'static str {
        match self {
            Duplicates::Keep => "keep",
            Duplicates::Remove => "remove",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Every token once an epoch; `moving` cuts the chunks anew each epoch.
    Strict { moving: bool },
    /// Documents of all epochs in one order, cut into chunks, which are put in another order, as Megatron does.
    Interleaved,
    /// Independent uniform windows, as nanoGPT draws them.
    Windows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Whole documents, drawn by the split seed.
    Documents,
    /// The last part of the concatenated text, as nanoGPT splits.
    Tail,
}

/// Token ids: 0..n_ids from the tokenizer, end of document among them or the next, then (if any arm needs it) mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocab {
    pub n_ids: u64,
    /// Of a token that only the tokenizer's file can tell, this is known once data is read.
    pub eod: u64,
    pub mask: Option<u64>,
    /// Rows of the embedding: everything above is padding and never predicted.
    pub size: u64,
}

impl Vocab {
    /// Ids that can be data: all below are, all from here on (mask, padding) have logit -inf.
    pub fn n_predictable(&self) -> u64 {
        self.n_ids.max(self.eod + 1)
    }

    /// What stands where a token is hidden. `check` gives the vocabulary a mask wherever an arm reads one; without it
    /// the first padding id serves, which is in no data either.
    pub fn mask_id(&self) -> u32 {
        self.mask.unwrap_or(self.n_predictable()) as u32
    }
}
