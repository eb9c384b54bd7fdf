//! Random ids, to measure with: documents of one chunk each, as many as are asked for. A larger amount only appends.

use super::split::HeldOut;
use super::tokens::{IdWidth, Part, TokenStream, Tokens};
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Data, Seeds, Vocab};

/// Draws of documents are on channel 0.
const CHANNEL: u32 = 1;

/// `n` documents of `seq` tokens, without their ends.
fn documents(stream: Stream, vocab: u64, n: u64, seq: u64, mut put: impl FnMut(&[u32])) {
    let mut ids = vec![];
    for document in 0..n {
        let mut words = stream.words(document as u32, 0, CHANNEL);
        ids.clear();
        ids.extend((1..seq).map(|_| words.below(vocab as u32)));
        put(&ids);
    }
}

pub(super) fn train(data: &Data, ids: u64, vocab: &Vocab, seeds: &Seeds) -> TokenStream {
    let (seq, n) = (data.seq, data.unique_tokens.unwrap_or(data.seq) / data.seq);
    let mut part = Part::new(IdWidth::for_ids(ids));
    documents(Stream::new(seeds.subset, Purpose::Subset), ids, n, seq, |ids| part.push(ids));
    let mut tokens = Tokens::default();
    tokens.push(part);
    let mut stream = TokenStream::new(tokens, vocab.eod as u32);
    (0..n).for_each(|document| stream.push(document * (seq - 1), seq - 1, true));
    stream
}

pub(super) fn valid(data: &Data, ids: u64, need: u64, vocab: &Vocab, seeds: &Seeds) -> HeldOut {
    let n = need / data.seq;
    let mut rows = Vec::with_capacity(need as usize);
    documents(Stream::new(seeds.split, Purpose::Split), ids, n, data.seq, |ids| {
        rows.extend_from_slice(ids);
        rows.push(vocab.eod as u32);
    });
    HeldOut::new(rows, (0..n as u32).collect(), data.seq as usize, &super::Codec::Ids(ids))
}
