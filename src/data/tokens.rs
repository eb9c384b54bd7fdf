//! Ids as they lie in files or in memory, two bytes or four each, and the stream of training documents over them. The
//! ids of a large corpus are in memory once, as pages of its file.

use super::map::Mapped;
use crate::base::hash::CanonicalHasher;
use std::ops::Range;

/// Ids that are read at a time where all are.
const STRIDE: u64 = 1 << 16;

/// Bytes of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdWidth {
    One,
    Two,
    Four,
}

impl IdWidth {
    pub fn bytes(self) -> usize {
        match self {
            IdWidth::One => 1,
            IdWidth::Two => 2,
            IdWidth::Four => 4,
        }
    }

    /// The narrowest for ids below `n` and their end of document.
    pub fn for_ids(n: u64) -> IdWidth {
        if n <= 1 << 16 { IdWidth::Two } else { IdWidth::Four }
    }
}

/// Ids one after another.
#[derive(Clone, Debug)]
pub enum Part {
    Two(Vec<u16>),
    Four(Vec<u32>),
    /// Little-endian bytes of a file from `start`.
    Mapped {
        map: Mapped,
        start: usize,
        len: u64,
        width: IdWidth,
    },
}

impl Part {
    /// An empty one in memory.
    pub fn new(width: IdWidth) -> Part {
        match width {
            IdWidth::One | IdWidth::Two => Part::Two(vec![]),
            IdWidth::Four => Part::Four(vec![]),
        }
    }

    pub fn len(&self) -> u64 {
        match self {
            Part::Two(ids) => ids.len() as u64,
            Part::Four(ids) => ids.len() as u64,
            Part::Mapped { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds to one in memory. Ids fit the width that it was made for.
    pub fn push(&mut self, new: &[u32]) {
        match self {
            Part::Two(ids) => ids.extend(new.iter().map(|id| *id as u16)),
            Part::Four(ids) => ids.extend_from_slice(new),
            Part::Mapped { .. } => {}
        }
    }

    /// Appends the ids of a range; what lies beyond the end is left out.
    pub fn read(&self, range: Range<u64>, out: &mut Vec<u32>) {
        let (from, to) = (range.start as usize, range.end.min(self.len()) as usize);
        match self {
            Part::Two(ids) => out.extend(ids.get(from..to).unwrap_or(&[]).iter().map(|id| u32::from(*id))),
            Part::Four(ids) => out.extend_from_slice(ids.get(from..to).unwrap_or(&[])),
            Part::Mapped { map, start, width, .. } => {
                let at = |index: usize| start + index * width.bytes();
                let bytes = map.bytes().get(at(from)..at(to)).unwrap_or(&[]);
                match width {
                    IdWidth::One => out.extend(bytes.iter().map(|id| u32::from(*id))),
                    IdWidth::Two => {
                        let (ids, _) = bytes.as_chunks::<2>();
                        out.extend(ids.iter().map(|id| u32::from(u16::from_le_bytes(*id))));
                    }
                    IdWidth::Four => {
                        let (ids, _) = bytes.as_chunks::<4>();
                        out.extend(ids.iter().map(|id| u32::from_le_bytes(*id)));
                    }
                }
            }
        }
    }
}

/// Several parts as one.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    parts: Vec<Part>,
    /// Where each part starts.
    starts: Vec<u64>,
    len: u64,
}

impl Tokens {
    pub fn push(&mut self, part: Part) {
        self.starts.push(self.len);
        self.len += part.len();
        self.parts.push(part);
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the ids of a range.
    pub fn read(&self, range: Range<u64>, out: &mut Vec<u32>) {
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        let parts = self.parts.iter().zip(&self.starts).skip(first);
        for (part, start) in parts.take_while(|(_, start)| **start < range.end) {
            part.read(range.start.saturating_sub(*start)..range.end - start, out);
        }
    }
}

/// A document's place in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Where its text lies in the tokens.
    at: u64,
    /// Tokens of text.
    len: u64,
    /// Where it starts in the stream.
    start: u64,
    /// Whether an end of document follows the text.
    ends: bool,
}

/// The training tokens: documents one after another, each with its end.
#[derive(Clone, Debug, Default)]
pub struct TokenStream {
    tokens: Tokens,
    pieces: Vec<Piece>,
    eod: u32,
    len: u64,
}

impl TokenStream {
    pub fn new(tokens: Tokens, eod: u32) -> TokenStream {
        TokenStream { tokens, pieces: vec![], eod, len: 0 }
    }

    /// An empty one with the same end of document.
    pub fn of(&self, tokens: Tokens) -> TokenStream {
        TokenStream::new(tokens, self.eod)
    }

    /// Ids in memory that are a stream as they are, ends included.
    pub fn of_ids(ids: Vec<u32>, documents: &[Range<usize>]) -> TokenStream {
        let mut tokens = Tokens::default();
        tokens.push(Part::Four(ids));
        let mut stream = TokenStream::new(tokens, 0);
        documents.iter().for_each(|range| stream.push(range.start as u64, range.len() as u64, false));
        stream
    }

    /// Appends the text at that place of the tokens, with an end.
    pub fn push(&mut self, at: u64, len: u64, ends: bool) {
        if len + u64::from(ends) > 0 {
            self.pieces.push(Piece { at, len, start: self.len, ends });
            self.len += len + u64::from(ends);
        }
    }

    /// Tokens, ends included.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn n_documents(&self) -> usize {
        self.pieces.len()
    }

    /// Where a document lies in the stream; they cover it in order.
    pub fn document(&self, index: usize) -> Range<usize> {
        let start = self.pieces.get(index).map_or(self.len, |piece| piece.start);
        let end = self.pieces.get(index + 1).map_or(self.len, |piece| piece.start);
        start as usize..end as usize
    }

    /// Which document holds a position; counted from 0.
    pub fn document_at(&self, position: usize) -> usize {
        self.pieces.partition_point(|piece| piece.start <= position as u64).saturating_sub(1)
    }

    /// Appends the tokens of a range.
    pub fn read(&self, range: Range<usize>, out: &mut Vec<u32>) {
        let (mut at, to) = (range.start as u64, (range.end as u64).min(self.len));
        let mut index = self.pieces.partition_point(|piece| piece.start <= at).saturating_sub(1);
        while at < to {
            let Some(piece) = self.pieces.get(index) else { break };
            let from = at - piece.start;
            let text_to = (to - piece.start).min(piece.len);
            if from < text_to {
                self.tokens.read(piece.at + from..piece.at + text_to, out);
                at += text_to - from;
            }
            if at < to && at == piece.start + piece.len && piece.ends {
                out.push(self.eod);
                at += 1;
            }
            index += 1;
        }
    }

    /// The tokens of a range.
    pub fn get(&self, range: Range<usize>) -> Vec<u32> {
        let mut out = Vec::with_capacity(range.len());
        self.read(range, &mut out);
        out
    }

    /// All tokens; for tests and small corpora.
    pub fn to_vec(&self) -> Vec<u32> {
        self.get(0..self.len())
    }

    /// Gives all tokens, a stretch at a time, until `look` says false.
    pub fn for_each_stretch(&self, mut look: impl FnMut(&[u32]) -> bool) {
        let mut stretch = Vec::with_capacity(STRIDE as usize);
        let mut at = 0;
        while at < self.len {
            stretch.clear();
            self.read(at as usize..(at + STRIDE).min(self.len) as usize, &mut stretch);
            if stretch.is_empty() || !look(&stretch) {
                return;
            }
            at += stretch.len() as u64;
        }
    }

    /// Of the tokens and where documents start.
    pub fn hash(&self) -> String {
        let mut hasher = CanonicalHasher::new("train");
        hasher.put_u32s_in_parts(self.len(), |put| {
            self.for_each_stretch(|stretch| {
                put(stretch);
                true
            });
        });
        let starts: Vec<u64> = self.pieces.iter().map(|piece| piece.start).collect();
        hasher.put_u64s(&starts).finish()
    }
}

/// Streams are the same that give the same documents, wherever the ids lie.
impl PartialEq for TokenStream {
    fn eq(&self, other: &TokenStream) -> bool {
        let starts = |stream: &TokenStream| stream.pieces.iter().map(|piece| piece.start).collect::<Vec<_>>();
        self.len == other.len && starts(self) == starts(other) && self.to_vec() == other.to_vec()
    }
}
