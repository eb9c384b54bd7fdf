//! The loss on some text: the exact NLL, or the bound of the objective with its own exact weights whatever it trained
//! with, on the same chunks with the same noise every time, with the standard error over documents.

use crate::base::hash::CanonicalHasher;
use crate::check::spec::{Arm, Objective, Vocab};
use crate::data::Chunks;
use crate::lower::{Executable, LowerError, inputs};
use crate::objective::{Corrupted, Deciles, evaluation_rows, prior};
use tch::{Device, Tensor};

/// What is asked about some text at each evaluation. Rows are made when they are read: text is small beside them.
#[derive(Clone, Debug)]
pub struct TextLoss {
    /// As `loss(NAME)` calls it.
    pub name: String,
    chunks: Chunks,
    objective: Objective,
    vocab: Vocab,
    /// Rows of each chunk.
    draws: u64,
    batch_seqs: usize,
    seed: u32,
    /// Targets of each document.
    targets: Vec<f64>,
    /// Bytes of all targets.
    n_bytes: u64,
    /// What the bound has beside the rows' losses, nats for each target.
    prior: f64,
}

/// A loss with its standard error, and what each document contributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Nats per target.
    pub loss: f64,
    pub se: f64,
    /// None where the targets are no text.
    pub bits_per_byte: Option<f64>,
    pub loss_by_decile: Vec<Option<f64>>,
    /// `[sum of NLL, targets]`
    pub documents: Vec<[f64; 2]>,
}

/// Rows of a text as host data: corrupted rows in order, the document of each, and the targets of each document.
pub struct TextRows {
    pub rows: Corrupted,
    pub documents: Vec<u32>,
    pub targets: Vec<f64>,
}

impl TextLoss {
    pub fn new(name: &str, arm: &Arm, chunks: Chunks) -> TextLoss {
        let mut targets = vec![0.0; chunks.n_documents()];
        for document in chunks.documents() {
            if let Some(n) = targets.get_mut(*document as usize) {
                *n += (arm.data.seq - 1) as f64;
            }
        }
        TextLoss {
            name: name.into(),
            n_bytes: chunks.n_bytes(),
            chunks,
            objective: arm.objective.clone(),
            vocab: arm.vocab,
            draws: arm.eval.draws,
            batch_seqs: arm.eval.batch_seqs.max(1) as usize,
            seed: set_seed(arm.train.seeds.eval, name),
            targets,
            prior: prior(&arm.objective, &arm.vocab),
        }
    }

    /// Of the text that it is measured on.
    pub fn hash(&self) -> &str {
        self.chunks.hash()
    }

    /// The rows of a chunk. Masks depend on the evaluation seed, the text's name, the chunk and the draw alone.
    fn rows_of(&self, chunk: usize) -> Corrupted {
        let clean = self.chunks.row(chunk);
        evaluation_rows(&self.objective, &self.vocab, &clean, chunk as u64, self.draws, self.seed)
    }

    /// All rows at once.
    pub fn rows(&self) -> TextRows {
        let (mut rows, mut documents) = (Corrupted::default(), vec![]);
        for (chunk, document) in self.chunks.documents().iter().enumerate() {
            let one = self.rows_of(chunk);
            documents.extend(std::iter::repeat_n(*document, one.rows));
            rows.seq = one.seq;
            rows.extend(one);
        }
        TextRows { rows, documents, targets: self.targets.clone() }
    }

    /// Runs all rows through a loss program with these compute weights.
    pub fn evaluate(&self, loss: &Executable, weights: &[Tensor], device: Device) -> Result<Evaluation, LowerError> {
        let mut tally = Tally {
            sums: self.targets.iter().map(|n| n * self.prior).collect(),
            deciles: Deciles::default(),
            draws: 0.0,
        };
        let mut waiting = Corrupted::default();
        let mut documents: Vec<u32> = vec![];
        let n_rows = self.chunks.n_rows();
        for (chunk, document) in self.chunks.documents().iter().enumerate() {
            let rows = self.rows_of(chunk);
            tally.draws = rows.rows as f64;
            documents.extend(std::iter::repeat_n(*document, rows.rows));
            waiting.extend(rows);
            let is_last = chunk + 1 == n_rows;
            let mut done = 0;
            while documents.len() - done >= self.batch_seqs || (is_last && documents.len() > done) {
                let end = documents.len().min(done + self.batch_seqs);
                let part = waiting.part(done..end);
                let nll = loss.run(weights, &inputs(&part, device)?)?.floats("nll")?;
                tally.add(&part, documents.get(done..end).unwrap_or_default(), &nll);
                done = end;
            }
            if done > 0 {
                waiting = waiting.part(done..documents.len());
                documents.drain(..done);
            }
        }
        Ok(self.evaluation(tally))
    }

    fn evaluation(&self, tally: Tally) -> Evaluation {
        let documents: Vec<[f64; 2]> = tally.sums.iter().zip(&self.targets).map(|(s, t)| [*s, *t]).collect();
        let (loss, se) = ratio(&documents);
        let nats: f64 = tally.sums.iter().sum();
        let bits_per_byte = (self.n_bytes > 0).then(|| nats / std::f64::consts::LN_2 / self.n_bytes as f64);
        Evaluation { loss, se, bits_per_byte, loss_by_decile: tally.deciles.means(), documents }
    }
}

/// Sums over the rows so far.
struct Tally {
    sums: Vec<f64>,
    deciles: Deciles,
    /// Rows of each chunk.
    draws: f64,
}

impl Tally {
    fn add(&mut self, rows: &Corrupted, documents: &[u32], nll: &[f64]) {
        self.deciles.add(rows, nll, self.draws);
        let seq = rows.seq.max(1);
        for ((document, nll), weights) in documents.iter().zip(nll.chunks(seq)).zip(rows.weights.chunks(seq)) {
            if let Some(sum) = self.sums.get_mut(*document as usize) {
                *sum += nll.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }
}

/// The seed of a text's noise: validation has the evaluation seed itself, others one of their own by name, so that
/// measuring one more text changes the noise of none.
pub(super) fn set_seed(eval_seed: u32, name: &str) -> u32 {
    if name == "valid" {
        return eval_seed;
    }
    let mut hasher = CanonicalHasher::new("evaluation noise");
    let id = hasher.put_u64(u64::from(eval_seed)).put_str(name).finish();
    id.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(eval_seed)
}

/// Sum over sum, and the standard error of that ratio over documents (linearised).
pub fn ratio(documents: &[[f64; 2]]) -> (f64, f64) {
    let (sum, targets) = documents.iter().fold((0.0, 0.0), |(s, t), [a, b]| (s + a, t + b));
    let loss = sum / targets;
    let n = documents.len() as f64;
    let squares: f64 = documents.iter().map(|[s, t]| (s - loss * t).powi(2)).sum();
    (loss, (squares * n / (n - 1.0)).sqrt() / targets)
}
