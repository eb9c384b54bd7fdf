//! The cheap question that `dlmc check` asks of a corpus: can it be there, can it be large enough?
//! Looks at names and sizes, stops as soon as the answer is yes, and says no only where
//! [`super::prepare`] certainly would. Between the two, `prepare` has the exact word.

use super::corpus::{CorpusEnv, Pattern};
use super::error::{DataError, Shortfall};
use super::split::{train_share, valid_share, valid_tokens};
use crate::base::source::normalize;
use crate::check::spec::{Amount, Data, Split, Tokenizer, Vocab};
use std::collections::BTreeSet;

pub fn probe(data: &Data, _vocab: &Vocab, env: &CorpusEnv) -> Result<(), DataError> {
    let (mut patterns, mut missing) = (vec![], vec![]);
    for text in &data.files {
        match Pattern::new(text, &data.base, env) {
            Ok(pattern) => patterns.push(pattern),
            Err(problem) => missing.push(problem),
        }
    }
    if !missing.is_empty() {
        return Err(DataError::Missing(missing));
    }
    let mut sum = Sum::new(data);
    let mut seen = BTreeSet::new();
    for pattern in &patterns {
        let mut found = false;
        for file in pattern.walk() {
            let file = match file {
                Ok(file) => file,
                Err(problem) => {
                    missing.push(problem);
                    break;
                }
            };
            found = true;
            // Once it is enough, each further pattern only has to find something.
            if sum.enough() {
                break;
            }
            if patterns.len() == 1 || seen.insert(normalize(&file.path)) {
                sum.add(file.bytes);
            }
            if sum.enough() {
                break;
            }
        }
        if !found && missing.is_empty() {
            missing.push(pattern.no_match());
        }
    }
    if missing.is_empty() { sum.verdict() } else { Err(DataError::Missing(missing)) }
}

/// What was seen so far, as bounds: a document of b bytes has between `least` and `most` tokens.
struct Sum<'a> {
    data: &'a Data,
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

impl<'a> Sum<'a> {
    fn new(data: &'a Data) -> Sum<'a> {
        Sum {
            data,
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

    fn add(&mut self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let (least, most) = match self.data.tokenizer {
            Tokenizer::Bytes => (bytes + 1, bytes + 1),
            // A character has up to four bytes.
            Tokenizer::Chars { .. } => (bytes.div_ceil(4) + 1, bytes + 1),
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
        let whole = |n: u64| n / self.seq() * self.seq();
        self.data.unique_tokens.map_or(self.seq(), |unique| whole(unique).max(self.seq()))
    }

    /// Of a corpus without a size, so 0 for a fraction.
    fn need_valid(&self) -> u64 {
        valid_tokens(self.data.valid, 0, self.seq())
    }

    fn enough(&self) -> bool {
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
