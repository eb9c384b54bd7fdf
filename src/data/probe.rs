//! The cheap question that `dlmc check` asks of a corpus: can it be there, can it be large enough?
//! Looks at names and sizes, stops as soon as the answer is yes, and says no only where
//! [`super::prepare`] certainly would. Between the two, `prepare` has the exact word.

use super::corpus::{CorpusEnv, CorpusFile, Pattern, patterns, tokenizer_file};
use super::error::{DataError, Missing, Shortfall};
use super::jsonl::{Packing, packing};
use super::split::{train_share, valid_share, valid_tokens};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::base::source::normalize;
use crate::check::spec::{Amount, Corpus, Data, Source, SourceKind, Split, Tokenizer};
use std::collections::BTreeSet;
use std::path::Path;

/// `Ok` with a warning where the corpus is in a folder that this machine does not name.
pub fn probe(data: &Data, env: &CorpusEnv) -> Result<Option<Diagnostic>, DataError> {
    let (mut missing, mut elsewhere) = (vec![], vec![]);
    let mut note = |problem: Missing| match problem {
        Missing::NoData { .. } => elsewhere.push(problem),
        other => missing.push(other),
    };
    if let Tokenizer::File { file, .. } = &data.tokenizer
        && let Err(problem) = tokenizer_file(file, env)
    {
        note(problem);
    }
    let mut sums = vec![];
    let (main, other) = (&data.source, data.valid_source.as_ref());
    for (source, is_valid) in std::iter::once((main, false)).chain(other.map(|source| (source, true))) {
        let (patterns, problems): (Vec<_>, Vec<_>) =
            patterns(source).iter().map(|text| Pattern::new(text, &source.base, env)).partition(Result::is_ok);
        let sound = problems.is_empty();
        problems.into_iter().filter_map(Result::err).for_each(&mut note);
        if !sound {
            continue;
        }
        let patterns: Vec<Pattern> = patterns.into_iter().filter_map(Result::ok).collect();
        let mut sum = Sum::new(data, source, is_valid);
        if look(&patterns, source, &mut sum, &mut note) {
            sums.push(sum);
        }
    }
    if !missing.is_empty() {
        missing.append(&mut elsewhere);
        return Err(DataError::Missing(missing));
    }
    sums.iter().try_for_each(Sum::verdict)?;
    if elsewhere.is_empty() { Ok(None) } else { Ok(Some(elsewhere_warning(data, &elsewhere))) }
}

/// The same of a named corpus of `eval`, of whose documents none are trained on: what there is to say, if anything.
pub fn probe_corpus(corpus: &Corpus, data: &Data, env: &CorpusEnv) -> Option<Diagnostic> {
    // Random ids stand for the training tokens that are not asked for: they have no files and are always enough.
    let nothing = Source { kind: SourceKind::Random { vocab: 2 }, ..corpus.source.clone() };
    let asked = Data {
        name: corpus.name.clone(),
        source: nothing,
        valid_source: Some(corpus.source.clone()),
        tokenizer: match &data.tokenizer {
            // It was looked for with the data.
            Tokenizer::File { vocab, .. } => Tokenizer::Bpe { vocab: *vocab },
            other => other.clone(),
        },
        valid: Amount::Tokens(corpus.tokens),
        max_valid_per_document: corpus.max_per_document,
        split: Split::Documents,
        ..data.clone()
    };
    probe(&asked, env).unwrap_or_else(|error| Some(error.diagnose(&asked)))
}

fn elsewhere_warning(data: &Data, elsewhere: &[Missing]) -> Diagnostic {
    let patterns = elsewhere.iter().filter_map(|one| match one {
        Missing::NoData { pattern } => Some(format!("`{pattern}`")),
        _ => None,
    });
    let message = format!("the corpus of `{}` is not looked for: DLMC_DATA is not set", data.name);
    Diagnostic::warning(code::CORPUS_ELSEWHERE, message)
        .at(data.source.span, "in a folder that each machine names itself")
        .note(format!("it would hold {}", patterns.collect::<Vec<_>>().join(", ")))
        .help("set DLMC_DATA to that folder before `dlmc run`; all else needs no corpus")
}

/// Walks the files of a source until it is certain that there is enough. Whether each pattern found something.
fn look(patterns: &[Pattern], source: &Source, sum: &mut Sum<'_>, note: &mut dyn FnMut(Missing)) -> bool {
    let mut seen = BTreeSet::new();
    let mut sound = true;
    for pattern in patterns {
        let mut found = false;
        for file in pattern.walk() {
            let file = match file {
                Ok(file) => file,
                Err(problem) => {
                    (sound, found) = (false, true);
                    note(problem);
                    break;
                }
            };
            found = true;
            if let SourceKind::Megatron { .. } = source.kind
                && let Err(problem) = binary_of(&file.path)
            {
                sound = false;
                note(problem);
                break;
            }
            // Once it is enough, each further pattern only has to find something.
            if sum.enough() {
                break;
            }
            if patterns.len() == 1 || seen.insert(normalize(&file.path)) {
                sum.add(&file);
            }
            if sum.enough() {
                break;
            }
        }
        if !found {
            sound = false;
            note(pattern.no_match());
        }
    }
    sound
}

/// The `.bin` beside an `.idx`, and its size.
pub(super) fn binary_of(index: &Path) -> Result<CorpusFile, Missing> {
    let path = index.with_extension("bin");
    match std::fs::metadata(&path) {
        Ok(at) if at.is_file() => Ok(CorpusFile { path, bytes: at.len() }),
        Ok(_) => Err(Missing::IsFolder { pattern: path.display().to_string(), path }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Missing::NoSuchPath { pattern: path.display().to_string(), path })
        }
        Err(e) => Err(Missing::Unreadable { path, reason: e.to_string() }),
    }
}

/// What was seen so far, as bounds: a document of b bytes has between `least` and `most` tokens.
struct Sum<'a> {
    data: &'a Data,
    /// What a file holds, as far as its size tells.
    holds: Holds,
    /// Whether validation comes of these files, and training.
    parts: (bool, bool),
    documents: u64,
    /// Documents that cannot fill a validation chunk.
    short: u64,
    /// A split that surely works, made greedily: validation first.
    sure_valid: u64,
    sure_train: u64,
    /// The most that could be had.
    most_valid: u64,
    most_train: u64,
    most_either: u64,
    most_tokens: u64,
}

/// What the size of a file tells about its documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// One document of so many bytes, a token each.
    Bytes,
    /// One document of so many bytes, up to four a token.
    Characters,
    /// Documents of unknown lengths; so many bytes are one token.
    Ids(u64),
    /// Nothing: text is packed, or a token is of no known length.
    Unknown,
}

impl Holds {
    fn of(source: &Source, tokenizer: &Tokenizer) -> Holds {
        match (&source.kind, tokenizer) {
            (SourceKind::Files { .. }, Tokenizer::Bytes) => Holds::Bytes,
            (SourceKind::Files { .. }, Tokenizer::Chars { .. }) => Holds::Characters,
            (SourceKind::Tokens { width, .. }, _) => Holds::Ids(width.bytes()),
            (SourceKind::Files { .. } | SourceKind::Jsonl { .. }, _) => Holds::Unknown,
            // The width of an id stands in the index.
            (SourceKind::Megatron { .. } | SourceKind::Random { .. }, _) => Holds::Unknown,
        }
    }
}

impl<'a> Sum<'a> {
    fn new(data: &'a Data, source: &Source, is_valid: bool) -> Sum<'a> {
        Sum {
            data,
            holds: Holds::of(source, &data.tokenizer),
            parts: (is_valid || data.valid_source.is_none(), !is_valid),
            documents: 0,
            short: 0,
            sure_valid: 0,
            sure_train: 0,
            most_valid: 0,
            most_train: 0,
            most_either: 0,
            most_tokens: 0,
        }
    }

    fn add(&mut self, file: &CorpusFile) {
        let bytes = file.bytes;
        if bytes == 0 {
            return;
        }
        if packing(&file.path) != Packing::None {
            self.holds = Holds::Unknown;
        }
        let (least, most) = match self.holds {
            Holds::Bytes => (bytes + 1, bytes + 1),
            // A character has up to four bytes.
            Holds::Characters => (bytes.div_ceil(4) + 1, bytes + 1),
            // Nothing is sure; an end may have to be added to the last document.
            Holds::Ids(width) => {
                let most = bytes / width + 1;
                self.most_valid += most;
                self.most_train += most;
                self.most_either += most;
                self.most_tokens += most;
                return;
            }
            Holds::Unknown => return,
        };
        self.documents += 1;
        self.most_tokens += most;
        let (valid, train) = match self.data.split {
            Split::Documents => (valid_share(self.data, most), train_share(self.data, most)),
            Split::Tail => (most, most),
        };
        self.short += u64::from(valid == 0);
        self.most_valid += valid;
        self.most_train += train;
        self.most_either += valid.max(train);
        let (valid, train) = match self.data.split {
            Split::Documents => (valid_share(self.data, least), train_share(self.data, least)),
            // One long text: what one part does not need is the other's. The end may be missing.
            Split::Tail => (least - 1, least - 1),
        };
        if self.sure_valid < self.need_valid() && valid > 0 {
            self.sure_valid += valid;
        } else {
            self.sure_train += train;
        }
    }

    fn seq(&self) -> u64 {
        self.data.seq.max(1)
    }

    fn need_train(&self) -> u64 {
        if !self.parts.1 {
            return 0;
        }
        let whole = |n: u64| n / self.seq() * self.seq();
        self.data.unique_tokens.map_or(self.seq(), |unique| whole(unique).max(self.seq()))
    }

    /// Of a corpus without a size, so 0 for a fraction.
    fn need_valid(&self) -> u64 {
        if !self.parts.0 {
            return 0;
        }
        valid_tokens(self.data.valid, 0, self.seq())
    }

    fn enough(&self) -> bool {
        if self.holds == Holds::Unknown {
            return true;
        }
        match (self.data.split, self.data.valid) {
            (Split::Documents, Amount::Tokens(_)) => {
                self.sure_valid >= self.need_valid() && self.sure_train >= self.need_train()
            }
            (Split::Tail, Amount::Tokens(n)) => self.sure_valid + self.sure_train >= n + self.need_train(),
            // The rest of the walk only adds: half as much again covers what caps and chunks take.
            (_, Amount::Fraction(f)) => {
                let train = (self.sure_train as f64) * (1.0 - f) / 1.5;
                let valid = (self.sure_train as f64) * f;
                train >= self.need_train() as f64 && (f == 0.0 || valid >= self.seq() as f64)
            }
        }
    }

    fn verdict(&self) -> Result<(), DataError> {
        if self.enough() {
            return Ok(());
        }
        // A fraction's own need grows with the corpus and is left to `prepare`.
        let need_valid = self.need_valid();
        let need_train = self.need_train();
        let both = need_valid + need_train;
        let most_either = if self.data.split == Split::Tail { self.most_tokens } else { self.most_either };
        let valid = (self.most_valid < need_valid).then_some(Shortfall { have: self.most_valid, need: need_valid });
        let have_train = self.most_train.min(most_either.saturating_sub(need_valid));
        let unique = (self.most_train < need_train || (valid.is_none() && most_either < both))
            .then_some(Shortfall { have: have_train, need: need_train });
        if valid.is_none() && unique.is_none() {
            return Ok(());
        }
        Err(DataError::TooSmall { unique, valid, documents: self.documents, short_documents: self.short })
    }
}
