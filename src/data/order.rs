//! Which tokens stand in which row of which step: a pure function, so resuming needs only the step.
#![allow(clippy::indexing_slicing)] // permutations of 0..n index tables of n entries

use super::Prepared;
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Data, Order};
use std::collections::VecDeque;
use std::ops::Range;

/// Steps count from 0, rows of a step from 0 to `batch_seqs`. Chunk number g = step * batch + row
/// goes on across the ends of epochs: a batch may hold the last chunks of one and the first of the next.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    prepared: &'a Prepared,
    order: Order,
    batch_seqs: u64,
    seed: u32,
    /// Plans of the epochs used last; a batch across an epoch's end needs two.
    plans: VecDeque<Plan>,
}

/// One epoch of a strict order.
#[derive(Clone, Debug)]
struct Plan {
    epoch: u64,
    /// The order of chunks.
    chunks: Vec<u32>,
    /// `boundaries: moving`: how the epoch's stream is made.
    stream: Option<MovedStream>,
}

/// All documents in a new order, read round from a drawn start.
#[derive(Clone, Debug)]
struct MovedStream {
    documents: Vec<u32>,
    /// Where each of `documents` starts before the rotation.
    starts: Vec<usize>,
    offset: usize,
}

impl<'a> Batches<'a> {
    pub fn new(prepared: &'a Prepared, data: &Data, batch_seqs: u64, order_seed: u32) -> Batches<'a> {
        Batches { prepared, order: data.order, batch_seqs, seed: order_seed, plans: VecDeque::new() }
    }

    /// Rows `rows` of the batch of `step`, row-major `[rows, seq]`. Depends on nothing but its
    /// arguments; calling it in order of steps is merely faster.
    pub fn rows(&mut self, step: u64, rows: Range<u64>) -> Vec<u32> {
        let seq = self.prepared.seq;
        let mut out = Vec::with_capacity((rows.end.saturating_sub(rows.start)) as usize * seq);
        for row in rows {
            match self.order {
                Order::Windows => self.window(step, row, &mut out),
                Order::Interleaved => self.chunk(step * self.batch_seqs + row, true, &mut out),
                Order::Strict { moving } => self.chunk(step * self.batch_seqs + row, moving, &mut out),
            }
        }
        out
    }

    /// The whole batch of `step`.
    pub fn batch(&mut self, step: u64) -> Vec<u32> {
        self.rows(step, 0..self.batch_seqs)
    }

    /// Passes over the unique data after `tokens` training tokens.
    pub fn epoch_at(&self, tokens: u64) -> f64 {
        tokens as f64 / (self.prepared.train.len().max(1)) as f64
    }

    /// nanoGPT draws `i < len - block_size` and reads block_size + 1 tokens from there. A row here is
    /// those block_size + 1 tokens, so the last start is len - seq.
    fn window(&self, step: u64, row: u64, out: &mut Vec<u32>) {
        let (train, seq) = (&self.prepared.train, self.prepared.seq);
        if train.len() < seq {
            return;
        }
        let mut words = Stream::new(self.seed, Purpose::Windows).words(step as u32, row as u32, 0);
        let start = words.below_u64((train.len() - seq + 1) as u64) as usize;
        out.extend_from_slice(&train[start..start + seq]);
    }

    fn chunk(&mut self, number: u64, moving: bool, out: &mut Vec<u32>) {
        let (prepared, seq) = (self.prepared, self.prepared.seq);
        let n_chunks = prepared.n_train_chunks() as u64;
        if n_chunks == 0 {
            return;
        }
        let plan = self.plan(number / n_chunks, moving);
        let start = plan.chunks[(number % n_chunks) as usize] as usize * seq;
        match &plan.stream {
            None => out.extend_from_slice(&prepared.train[start..start + seq]),
            Some(stream) => stream.read(prepared, start, seq, out),
        }
    }

    fn plan(&mut self, epoch: u64, moving: bool) -> &Plan {
        let at = match self.plans.iter().position(|plan| plan.epoch == epoch) {
            Some(at) => at,
            None => {
                if self.plans.len() == 2 {
                    self.plans.pop_front();
                }
                self.plans.push_back(Plan::new(self.prepared, epoch, moving, self.seed));
                self.plans.len() - 1
            }
        };
        &self.plans[at]
    }
}

impl Plan {
    fn new(prepared: &Prepared, epoch: u64, moving: bool, seed: u32) -> Plan {
        let chunks = Stream::new(seed, Purpose::Order).permutation(prepared.n_train_chunks() as u32, epoch as u32);
        let stream = moving.then(|| MovedStream::new(prepared, epoch as u32, seed));
        Plan { epoch, chunks, stream }
    }
}

impl MovedStream {
    fn new(prepared: &Prepared, epoch: u32, seed: u32) -> MovedStream {
        let n = prepared.train_documents.len() as u32;
        let documents = Stream::new(seed, Purpose::OrderDocuments).permutation(n, epoch);
        let mut starts = Vec::with_capacity(documents.len());
        let mut total = 0usize;
        for document in &documents {
            starts.push(total);
            total += prepared.train_documents[*document as usize].len();
        }
        let mut words = Stream::new(seed, Purpose::OrderOffset).words(epoch, 0, 0);
        MovedStream { documents, starts, offset: words.below_u64(total as u64) as usize }
    }

    /// `len` tokens of the rotated stream from `start`.
    fn read(&self, prepared: &Prepared, start: usize, len: usize, out: &mut Vec<u32>) {
        let total = prepared.train.len();
        let mut at = (self.offset + start) % total;
        let mut left = len;
        while left > 0 {
            // The last document that starts at or before `at`.
            let i = self.starts.partition_point(|s| *s <= at) - 1;
            let document = &prepared.train_documents[self.documents[i] as usize];
            let from = document.start + (at - self.starts[i]);
            let take = left.min(document.end - from);
            out.extend_from_slice(&prepared.train[from..from + take]);
            left -= take;
            at = (at + take) % total;
        }
    }
}

/// The id of a batch's clean tokens: equal in all arms at the same step.
pub fn batch_hash(rows: &[u32]) -> String {
    CanonicalHasher::new("batch").put_u32s(rows).finish()
}
