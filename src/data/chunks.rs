//! The chunks that a loss is measured on, whatever text they are of: rows of `seq` tokens, each with the document that
//! resampling takes it with.

use super::{HeldOut, Prepared};
use crate::base::hash::CanonicalHasher;
use std::borrow::Cow;
use std::sync::Arc;

/// Rows of some text, looked up where they lie.
#[derive(Clone, Debug)]
pub struct Chunks {
    data: Arc<Prepared>,
    rows: Rows,
    /// Of each row, counted from 0 in order of appearance.
    documents: Vec<u32>,
    hash: String,
}

#[derive(Clone, Debug)]
enum Rows {
    /// Which of the training chunks.
    Train(Vec<usize>),
    /// Of validation, or of another corpus.
    HeldOut(Arc<HeldOut>),
}

impl Chunks {
    /// All validation rows.
    pub fn valid(data: &Arc<Prepared>) -> Chunks {
        Chunks::held_out(data, &data.valid)
    }

    /// A slice of the training chunks, evenly spread over the unique data, with the boundaries of its order as it is
    /// stored: as many chunks as are validated on, or all where there are fewer. A chunk may hold several documents;
    /// it counts for the one that it begins in, so what is resampled are neighbours that share no chunk.
    pub fn train(data: &Arc<Prepared>) -> Chunks {
        let all = data.n_train_chunks();
        let n = data.valid.n_rows().min(all);
        let rows: Vec<usize> = (0..n).map(|i| i * all / n).collect();
        let begins_in = |chunk: &usize| data.train.document_at(chunk * data.seq);
        let mut documents = vec![];
        let (mut last, mut label) = (None, 0);
        for document in rows.iter().map(begins_in) {
            label += u32::from(last.is_some_and(|last| last != document));
            last = Some(document);
            documents.push(label);
        }
        let mut chunks = Chunks { data: data.clone(), rows: Rows::Train(rows), documents, hash: String::new() };
        let mut hasher = CanonicalHasher::new("train slice");
        hasher.put_u64(data.seq as u64).put_u32s(&chunks.documents);
        (0..n).for_each(|row| _ = hasher.put_u32s(&chunks.row(row)));
        chunks.hash = hasher.finish();
        chunks
    }

    /// All rows of a named corpus.
    pub fn held_out(data: &Arc<Prepared>, rows: &Arc<HeldOut>) -> Chunks {
        let (documents, hash) = (rows.row_document.clone(), rows.hash.clone());
        Chunks { data: data.clone(), rows: Rows::HeldOut(rows.clone()), documents, hash }
    }

    pub fn n_rows(&self) -> usize {
        self.documents.len()
    }

    /// The tokens of a row; empty beyond the last.
    pub fn row(&self, row: usize) -> Cow<'_, [u32]> {
        match &self.rows {
            Rows::Train(chunks) => Cow::Owned(chunks.get(row).map_or(vec![], |chunk| self.data.train_chunk(*chunk))),
            Rows::HeldOut(rows) => Cow::Borrowed(rows.row(row)),
        }
    }

    /// The document of each row.
    pub fn documents(&self) -> &[u32] {
        &self.documents
    }

    pub fn n_documents(&self) -> usize {
        self.documents.last().map_or(0, |last| *last as usize + 1)
    }

    /// Of the rows and their documents.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Bytes of text in all targets: each row but its first token.
    pub fn n_bytes(&self) -> u64 {
        if let Rows::HeldOut(rows) = &self.rows {
            return rows.n_bytes;
        }
        let of = |row: usize| -> u64 { self.row(row).iter().skip(1).map(|id| self.data.codec.n_bytes(*id)).sum() };
        (0..self.n_rows()).map(of).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Codec, SourceHashes, Stats, TokenStream};
    use super::*;
    use crate::check::spec::Vocab;

    /// Documents of the given lengths, every token another, and so many validation rows.
    fn made(lengths: &[usize], seq: usize, valid: usize) -> Arc<Prepared> {
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        let documents: Vec<_> = ends.zip(lengths).map(|(end, length)| end - length..end).collect();
        let total = documents.last().unwrap().end as u32;
        Arc::new(Prepared {
            seq,
            train: TokenStream::of_ids((0..total).collect(), &documents),
            valid: Arc::new(HeldOut {
                rows: vec![7; valid * seq],
                row_document: (0..valid as u32).collect(),
                n_documents: valid as u32,
                hash: "v".into(),
                n_bytes: (valid * (seq - 1)) as u64,
            }),
            data_hash: String::new(),
            sources: SourceHashes::default(),
            vocab: Vocab { n_ids: 256, eod: 256, mask: None, size: 320 },
            codec: Codec::Bytes,
            stats: Stats::default(),
            stores: vec![],
            not_stored: None,
        })
    }

    #[test]
    fn a_slice_of_training_is_spread_and_counts_for_the_documents_that_its_chunks_begin_in() {
        // Chunks of 4 at 0, 4, ..., 36; documents at 0, 5, 30, 33.
        let data = made(&[5, 25, 3, 7], 4, 5);
        let slice = Chunks::train(&data);
        let firsts: Vec<u32> = (0..slice.n_rows()).map(|row| slice.row(row).first().copied().unwrap()).collect();
        assert_eq!(firsts, [0, 8, 16, 24, 32]);
        assert_eq!(*slice.row(4), [32, 33, 34, 35]);
        assert_eq!(slice.documents(), [0, 1, 1, 1, 2]);
        assert_eq!(slice.n_documents(), 3);
        assert!(slice.row(5).is_empty());
        // Targets alone: 1..=3, 9..=11 and so on, all of them bytes.
        assert_eq!(slice.n_bytes(), 15);
        // As many chunks as are validated on, or all.
        let all = Chunks::train(&made(&[5, 25, 3, 7], 4, 50));
        assert_eq!((all.n_rows(), all.n_documents()), (10, 4));
        assert_ne!(all.hash(), slice.hash());
        assert_eq!(slice.hash(), Chunks::train(&made(&[5, 25, 3, 7], 4, 5)).hash());
        assert_ne!(slice.hash(), Chunks::train(&made(&[5, 28, 1, 6], 4, 5)).hash());
        let valid = Chunks::valid(&data);
        assert_eq!((valid.n_rows(), valid.n_documents(), valid.hash(), &*valid.row(0)), (5, 5, "v", &[7; 4][..]));
    }
}
