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
/// `order: interleaved` knows no epochs but their number.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    prepared: &'a Prepared,
    order: Order,
    batch_seqs: u64,
    seed: u32,
    /// Chunks of the whole run.
    n_chunks: u64,
    /// Plans of the epochs used last; a batch across an epoch's end needs two.
    plans: VecDeque<Plan>,
    interleaved: Option<Interleaved>,
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
    /// Of a run of `steps` steps, however many of them are made: an order over all epochs at once has to know.
    pub fn new(prepared: &'a Prepared, data: &Data, batch_seqs: u64, steps: u64, order_seed: u32) -> Batches<'a> {
        let n_chunks = batch_seqs.saturating_mul(steps);
        let (order, seed, plans) = (data.order, order_seed, VecDeque::new());
        Batches { prepared, order, batch_seqs, seed, n_chunks, plans, interleaved: None }
    }

    /// Rows `rows` of the batch of `step`, row-major `[rows, seq]`. Depends on nothing but its
    /// arguments; calling it in order of steps is merely faster.
    pub fn rows(&mut self, step: u64, rows: Range<u64>) -> Vec<u32> {
        let seq = self.prepared.seq;
        let mut out = Vec::with_capacity((rows.end.saturating_sub(rows.start)) as usize * seq);
        for row in rows {
            match self.order {
                Order::Windows => self.window(step, row, &mut out),
                Order::Interleaved => self.interleaved_chunk(step * self.batch_seqs + row, &mut out),
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
        train.read(start..start + seq, out);
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
            None => prepared.train.read(start..start + seq, out),
            Some(stream) => stream.read(prepared, start, seq, out),
        }
    }

    fn interleaved_chunk(&mut self, number: u64, out: &mut Vec<u32>) {
        let (prepared, seq) = (self.prepared, self.prepared.seq);
        if prepared.n_train_chunks() == 0 {
            return;
        }
        let (seed, n_chunks) = (self.seed, self.n_chunks.max(1));
        let plan = self.interleaved.get_or_insert_with(|| Interleaved::new(prepared, n_chunks, seed));
        // Beyond the run there is nothing; it would begin again.
        let chunk = plan.chunks[(number % n_chunks) as usize] as u64;
        plan.read(prepared, chunk * seq as u64, seq, out);
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
        let n = prepared.train.n_documents() as u32;
        let documents = Stream::new(seed, Purpose::OrderDocuments).permutation(n, epoch);
        let mut starts = Vec::with_capacity(documents.len());
        let mut total = 0usize;
        for document in &documents {
            starts.push(total);
            total += prepared.train.document(*document as usize).len();
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
            let document = prepared.train.document(self.documents[i] as usize);
            let from = document.start + (at - self.starts[i]);
            let take = left.min(document.end - from);
            prepared.train.read(from..from + take, out);
            left -= take;
            at = (at + take) % total;
        }
    }
}

/// The share of an epoch from which the last one is shuffled with the others (Megatron-LM, GPTDataset).
const LAST_EPOCH_JOINS_FROM: f64 = 0.80;
/// Documents between two whose start is remembered.
const STARTS_EVERY: usize = 64;

/// Megatron's order (megatron/core/datasets/gpt_dataset.py): all documents of all epochs in one random order, one after
/// another, cut into chunks, and the chunks in another random order. A last epoch of which less than 80% is used is
/// shuffled by itself, documents and chunks, and comes last.
///
/// Megatron's samples share a token with the next, which is a target there and a context here; ours share none.
#[derive(Clone, Debug)]
struct Interleaved {
    /// Documents in order, those of all epochs.
    documents: Vec<u32>,
    /// Where every 64th of them starts.
    starts: Vec<u64>,
    /// Which chunk of that stream is the run's g-th.
    chunks: Vec<u32>,
}

impl Interleaved {
    fn new(prepared: &Prepared, n_chunks: u64, seed: u32) -> Interleaved {
        let (per_epoch, seq) = (prepared.train.len() as u64, prepared.seq as u64);
        let n_epochs = (n_chunks * seq).div_ceil(per_epoch).max(1);
        let before_last = (n_epochs - 1) * per_epoch / seq;
        let joined = n_chunks - before_last >= (LAST_EPOCH_JOINS_FROM * (per_epoch / seq) as f64) as u64;
        let n_documents = prepared.train.n_documents() as u64;
        let shuffled = |purpose: Purpose, n: u64, per_epoch: u64, before_last: u64| -> Vec<u32> {
            let stream = Stream::new(seed, purpose);
            if joined || n_epochs == 1 {
                return stream
                    .permutation(n as u32, 0)
                    .into_iter()
                    .map(|i| (u64::from(i) % per_epoch) as u32)
                    .collect();
            }
            let first = stream.permutation(before_last as u32, 0);
            let last = stream.permutation((n - before_last) as u32, 1);
            let last = last.into_iter().map(|i| before_last + u64::from(i));
            first.into_iter().map(u64::from).chain(last).map(|i| (i % per_epoch) as u32).collect()
        };
        let (all, before) = (n_epochs * n_documents, (n_epochs - 1) * n_documents);
        let documents = shuffled(Purpose::OrderDocuments, all, n_documents, before);
        let chunks = shuffled(Purpose::Order, n_chunks, n_chunks, before_last);
        let (mut starts, mut total) = (vec![], 0u64);
        for (i, document) in documents.iter().enumerate() {
            if i % STARTS_EVERY == 0 {
                starts.push(total);
            }
            total += prepared.train.document(*document as usize).len() as u64;
        }
        Interleaved { documents, starts, chunks }
    }

    /// `len` tokens of the stream from `start`.
    fn read(&self, prepared: &Prepared, start: u64, len: usize, out: &mut Vec<u32>) {
        let group = self.starts.partition_point(|at| *at <= start).saturating_sub(1);
        let mut begins = self.starts[group];
        let mut left = len;
        for document in self.documents.iter().skip(group * STARTS_EVERY) {
            let range = prepared.train.document(*document as usize);
            let ends = begins + range.len() as u64;
            if ends > start {
                let from = range.start + start.saturating_sub(begins) as usize;
                let take = left.min(range.end - from);
                prepared.train.read(from..from + take, out);
                left -= take;
                if left == 0 {
                    return;
                }
            }
            begins = ends;
        }
    }
}

/// The id of a batch's clean tokens: equal in all arms at the same step.
pub fn batch_hash(rows: &[u32]) -> String {
    CanonicalHasher::new("batch").put_u32s(rows).finish()
}
