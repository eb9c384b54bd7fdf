//! What can be wrong with a corpus: facts here, words in [`DataError::diagnose`].

use super::jsonl::BadRow;
use crate::base::Span;
use crate::base::diag::{Diagnostic, code};
use crate::base::number::grouped;
use crate::check::spec::{Data, SourceKind, Split, Tokenizer};
use std::path::PathBuf;

/// A pattern that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `{torch}` is used and there is no such folder to put in its place.
    NoTorch {
        pattern: String,
    },
    /// `{data}` is used and `DLMC_DATA` is not set.
    NoData {
        pattern: String,
    },
    /// `{torch}` or `{data}` anywhere but at the start.
    FolderInside {
        pattern: String,
        folder: &'static str,
    },
    /// Not a glob pattern; the reason is the glob parser's.
    BadPattern {
        pattern: String,
        reason: String,
    },
    /// The fixed part of the pattern does not exist.
    NoSuchPath {
        pattern: String,
        path: PathBuf,
    },
    /// The pattern names a folder itself, not files in it.
    IsFolder {
        pattern: String,
        path: PathBuf,
    },
    /// The folder is there, no file in it matches.
    NoMatch {
        pattern: String,
        folder: PathBuf,
    },
    /// One file is wanted, and several are there.
    Several {
        pattern: String,
        n: usize,
    },
    Unreadable {
        path: PathBuf,
        reason: String,
    },
}

/// Fewer tokens than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    pub have: u64,
    pub need: u64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    #[error("{} of the source's patterns cannot be read", .0.len())]
    Missing(Vec<Missing>),
    /// At least one is there. `documents` counts those found.
    #[error("the corpus is smaller than the budget asks for")]
    TooSmall { unique: Option<Shortfall>, valid: Option<Shortfall>, documents: u64, short_documents: u64 },
    #[error("{} is not UTF-8 text", path.display())]
    NotText { path: PathBuf, offset: u64 },
    /// Distinct characters; `extra` are those beyond the declared number, in code-point order.
    #[error("the corpus has {found} distinct characters, declared are {declared}")]
    Alphabet { declared: u64, found: u64, extra: Vec<char> },
    #[error("the tokenizer does not know {character:?}")]
    UnknownCharacter { character: char, position: u64 },
    /// Rows of jsonl that hold no text: the first few, of `n_bad`.
    #[error("{n_bad} rows of the corpus are malformed")]
    BadRows { rows: Vec<(PathBuf, BadRow)>, n_bad: u64 },
    /// A file of ids, or its index, that is not what the source says.
    #[error("{}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String, help: Option<String> },
    /// Not a tokenizer, or one with other ids than declared.
    #[error("{}: {reason}", path.display())]
    BadTokenizer { path: PathBuf, reason: String },
    /// The tokenizer gave up on a text.
    #[error("the tokenizer refuses a text: {reason}")]
    Tokenizer { reason: String },
    /// A token beyond those that are declared as used.
    #[error("the tokenizer makes id {id} of {token:?}, and {n_ids} ids are used")]
    UnusedToken { id: u32, token: String, n_ids: u64 },
    /// Text is asked of ids, or ids of text, where only ids are known.
    #[error("the text of these ids is not known")]
    NoText,
    /// Something is wrong with another source than the training documents'; `Data` as if it were that.
    #[error("{1}")]
    Of(Box<Data>, Box<DataError>),
    /// An id that no data may have: the mask, padding, or one beyond the vocabulary.
    #[error("token id {id} is in the data")]
    ReservedId { id: u32, first_reserved: u64 },
}

impl DataError {
    /// Whether nothing is wrong but that `DLMC_DATA` is not set.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, DataError::Missing(list) if list.iter().all(|one| matches!(one, Missing::NoData { .. })))
    }

    /// In words, at the place where the source is written.
    pub fn diagnose(&self, data: &Data) -> Diagnostic {
        let span = data.source.span;
        match self {
            DataError::Missing(list) => {
                let message = match list.as_slice() {
                    [one] => what_is_missing(one),
                    many => format!("{} patterns of `{}` find no text", many.len(), data.name),
                };
                let mut d = Diagnostic::error(code::MISSING_CORPUS, message).at(span, "the corpus of this data");
                if list.len() > 1 {
                    d = list.iter().fold(d, |d, one| d.note(what_is_missing(one)));
                }
                let mut helps: Vec<String> = list.iter().map(|one| how_to_mend(one, data)).collect();
                helps.dedup();
                helps.into_iter().fold(d, Diagnostic::help)
            }
            DataError::TooSmall { unique, valid, documents, short_documents } => {
                too_small(data, *unique, *valid, *documents, *short_documents)
            }
            DataError::NotText { path, offset } => {
                let message = format!("{} is not text: byte {offset} starts no UTF-8 character", path.display());
                Diagnostic::error(code::UNTOKENIZABLE, message)
                    .at(span, "`tokenizer: chars` needs UTF-8 text")
                    .help("narrow the pattern to text files, or use `tokenizer: bytes`, which takes any file")
            }
            DataError::Alphabet { declared, found, extra } => {
                let message = format!("the corpus has {found} distinct characters and not {declared}");
                let mut d = Diagnostic::error(code::UNTOKENIZABLE, message).at(span, "the corpus of this data");
                if !extra.is_empty() {
                    let shown: Vec<String> = extra.iter().take(8).map(|c| format!("{c:?}")).collect();
                    let more = if extra.len() > 8 { ", ..." } else { "" };
                    d = d.note(format!("beyond the first {declared}: {}{more}", shown.join(", ")));
                }
                d.help(format!("declare `tokenizer: chars({found})` if these are the files you mean"))
            }
            DataError::UnknownCharacter { character, position } => Diagnostic::error(
                code::UNTOKENIZABLE,
                format!("the tokenizer does not know {character:?} (character {position} of the text)"),
            )
            .at(span, "its characters are those of this corpus")
            .help("use characters of the corpus, or `tokenizer: bytes`"),
            DataError::BadRows { rows, n_bad } => bad_rows(span, rows, *n_bad),
            DataError::Damaged { path, reason, help } => {
                let message = format!("{} cannot be used: {reason}", path.display());
                let d = Diagnostic::error(code::DAMAGED_TOKENS, message).at(span, "the corpus of this data");
                help.iter().fold(d, |d, help| d.help(help.clone()))
            }
            DataError::BadTokenizer { path, reason } => {
                let at = if let Tokenizer::File { file, .. } = &data.tokenizer { file.span } else { span };
                Diagnostic::error(code::BAD_TOKENIZER, format!("{} cannot be used: {reason}", path.display()))
                    .at(at, "the tokenizer of this data")
                    .help("`tokenizer(\"tokenizer.json\", vocab: N, eod: \"TOKEN\")` declares what the file holds")
            }
            DataError::Tokenizer { .. } => {
                Diagnostic::error(code::UNTOKENIZABLE, self.to_string()).at(span, "the corpus of this data")
            }
            DataError::UnusedToken { id, token, n_ids } => Diagnostic::error(
                code::UNTOKENIZABLE,
                format!("the tokenizer makes id {id} ({token:?}) of a text, and {n_ids} ids are declared"),
            )
            .at(span, "the corpus of this data")
            .help("raise `vocab` of the tokenizer to all ids that are used"),
            DataError::NoText => {
                Diagnostic::error(code::UNTOKENIZABLE, "the text of these ids is not known".to_string())
                    .at(span, "`ids(N)` says how many there are, and nothing of their text")
                    .help("name the tokenizer that made them: `tokenizer(\"tokenizer.json\", vocab: N)`")
            }
            DataError::Of(other, error) => error.diagnose(other),
            DataError::ReservedId { id, first_reserved } => Diagnostic::error(
                code::UNTOKENIZABLE,
                format!("token id {id} is in the data, but ids from {first_reserved} on are the mask and padding"),
            )
            .at(span, "the corpus of this data")
            .help(if data.source.is_tokens() {
                "check that the ids are as wide as the source says, and how many `tokenizer` declares"
            } else {
                "the vocabulary is smaller than the tokenizer's: check what `tokenizer` declares"
            }),
        }
    }
}

fn bad_rows(span: Span, rows: &[(PathBuf, BadRow)], n_bad: u64) -> Diagnostic {
    let message = match rows {
        [(path, row)] => format!("{}:{}: {}", path.display(), row.line, row.reason),
        _ => format!("{} rows of the corpus are malformed", grouped(n_bad)),
    };
    let mut d = Diagnostic::error(code::MALFORMED_ROWS, message).at(span, "the corpus of this data");
    if rows.len() > 1 {
        d = rows.iter().fold(d, |d, (path, row)| d.note(format!("{}:{}: {}", path.display(), row.line, row.reason)));
    }
    if n_bad > rows.len() as u64 {
        d = d.note(format!("and {} more", grouped(n_bad - rows.len() as u64)));
    }
    d.help("a row is one JSON object on one line, with its text in the field that `text` names")
}

pub(super) fn what_is_missing(missing: &Missing) -> String {
    match missing {
        Missing::NoTorch { pattern } => format!("`{pattern}` needs the libtorch wheel's folder, and there is none"),
        Missing::NoData { pattern } => format!("`{pattern}` is in the folder of DLMC_DATA, which is not set"),
        Missing::FolderInside { pattern, folder } => format!("`{pattern}` has `{folder}` in the middle"),
        Missing::Several { pattern, n } => format!("`{pattern}` finds {n} files, and one is wanted"),
        Missing::BadPattern { pattern, reason } => format!("`{pattern}` is no file pattern: {reason}"),
        Missing::NoSuchPath { pattern, path } => format!("`{pattern}` finds nothing: no {}", path.display()),
        Missing::IsFolder { pattern, .. } => format!("`{pattern}` is a folder, not a file"),
        Missing::NoMatch { pattern, folder } => {
            format!("`{pattern}` finds nothing: no file in {} matches", folder.display())
        }
        Missing::Unreadable { path, reason } => format!("{} cannot be read: {reason}", path.display()),
    }
}

fn how_to_mend(missing: &Missing, data: &Data) -> String {
    match missing {
        Missing::NoTorch { .. } => {
            "`make setup` installs the wheel; or name files of your own: source: files(\"corpus/**/*.txt\")".into()
        }
        Missing::NoData { .. } => "set DLMC_DATA to the folder that holds the corpora".into(),
        Missing::FolderInside { folder, .. } => {
            format!("`{folder}` is a folder of its own: start the pattern with it")
        }
        Missing::Several { .. } => "name the one file".into(),
        Missing::BadPattern { .. } => "`*` is any part of a name, `**` any folders, `[ab]` a choice".into(),
        Missing::NoSuchPath { pattern, .. } if matches!(data.source.kind, SourceKind::Megatron { .. }) => {
            format!("a prefix stands for two files, .bin and .idx: `{}`", pattern.trim_end_matches(".idx"))
        }
        Missing::NoSuchPath { .. } => {
            format!("patterns are relative to {}, where the spec file is", shown(&data.source.base))
        }
        Missing::IsFolder { pattern, .. } => {
            format!("for every file in it: files(\"{}/**/*\")", pattern.trim_end_matches('/'))
        }
        Missing::NoMatch { .. } => "`*` stays within one folder, `**/*` reaches into all below".into(),
        Missing::Unreadable { .. } => "check its permissions".into(),
    }
}

fn shown(base: &std::path::Path) -> String {
    if base.as_os_str().is_empty() { "the current folder".into() } else { base.display().to_string() }
}

fn n_documents(n: u64) -> String {
    match n {
        // How many a file of ids holds is known once it is read.
        0 => "the corpus of this data".into(),
        1 => "1 document".into(),
        n => format!("{} documents", grouped(n)),
    }
}

fn too_small(
    data: &Data,
    unique: Option<Shortfall>,
    valid: Option<Shortfall>,
    documents: u64,
    short_documents: u64,
) -> Diagnostic {
    let asked =
        |name: &str, s: Shortfall| format!("{} tokens for {name}, {} asked for", grouped(s.have), grouped(s.need));
    let parts: Vec<String> =
        unique.map(|s| asked("unique", s)).into_iter().chain(valid.map(|s| asked("valid", s))).collect();
    let message = format!("the corpus of `{}` is too small: {}", data.name, parts.join("; "));
    let mut d = Diagnostic::error(code::CORPUS_TOO_SMALL, message).at(data.source.span, n_documents(documents));
    if valid.is_some() && data.split == Split::Documents {
        if let Some(cap) = data.max_valid_per_document.filter(|cap| *cap < data.seq) {
            let text =
                format!("max_per_document.valid is {cap}, and a chunk is {} tokens: no document fills one", data.seq);
            return d.note(text).help(format!("raise max_per_document.valid to {} or more", data.seq));
        }
        if short_documents > 0 {
            let n = grouped(short_documents);
            d = d.note(format!("validation takes whole chunks of single documents, and {n} are shorter than seq"));
        }
        if let Some(cap) = data.max_valid_per_document {
            d = d.note(format!(
                "validation takes at most {} tokens of a document (max_per_document.valid)",
                grouped(cap)
            ));
        }
    }
    if let (Some(_), Some(cap)) = (unique, data.max_unique_per_document.filter(|_| data.split == Split::Documents)) {
        d = d.note(format!("training takes at most {} tokens of a document (max_per_document.unique)", grouped(cap)));
    }
    let unit = match data.tokenizer {
        Tokenizer::Chars { .. } => " (a character is a token)",
        Tokenizer::Bytes => " (a byte is a token)",
        Tokenizer::File { .. } | Tokenizer::Bpe { .. } | Tokenizer::Ids { .. } => "",
    };
    if let Some(s) = unique.filter(|s| s.have >= data.seq) {
        d = d.help(format!("ask for unique: {} tokens or fewer, or add files{unit}", s.have / data.seq * data.seq));
    } else {
        d = d.help(format!("add files to the source{unit}, or ask for fewer tokens"));
    }
    d
}
