//! Validation: the exact NLL, or the bound of the objective with its own exact weights whatever it trained with, on
//! the same chunks with the same noise every time, with the standard error over documents.

use crate::check::spec::Arm;
use crate::data::Prepared;
use crate::lower::{Executable, LowerError, inputs};
use crate::objective::{Corrupted, Deciles, evaluation_rows, prior};
use tch::{Device, Tensor};

/// Validation rows on the device, ready to be run.
pub struct Evaluator {
    batches: Vec<EvalBatch>,
    /// Targets of each document.
    targets: Vec<f64>,
    /// Bytes of all targets.
    n_bytes: u64,
    /// Rows of each chunk.
    draws: f64,
    /// What the bound has beside the rows' losses, nats for each target.
    prior: f64,
}

struct EvalBatch {
    inputs: Vec<(crate::graph::ops::Input, Tensor)>,
    rows: Corrupted,
    /// The document of each row.
    documents: Vec<u32>,
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

/// Validation rows as host data: corrupted rows in order, the document of each, and the targets of
/// each document.
pub struct ValidRows {
    pub rows: Corrupted,
    pub documents: Vec<u32>,
    pub targets: Vec<f64>,
}

/// All evaluation rows of an arm. Masks depend on the evaluation seed, the chunk and the draw alone.
pub fn valid_rows(arm: &Arm, data: &Prepared) -> ValidRows {
    let mut rows = Corrupted::default();
    let mut documents = vec![];
    let mut targets = vec![0.0; data.n_valid_documents as usize];
    for chunk in 0..data.n_valid_rows() {
        let seed = arm.train.seeds.eval;
        let one =
            evaluation_rows(&arm.objective, &arm.vocab, data.valid_row(chunk), chunk as u64, arm.eval.draws, seed);
        let document = data.valid_row_document.get(chunk).copied().unwrap_or(0);
        if let Some(n) = targets.get_mut(document as usize) {
            *n += (arm.data.seq - 1) as f64;
        }
        documents.extend(std::iter::repeat_n(document, one.rows));
        rows.seq = one.seq;
        rows.extend(one);
    }
    ValidRows { rows, documents, targets }
}

impl Evaluator {
    pub fn new(arm: &Arm, data: &Prepared, device: Device) -> Result<Evaluator, LowerError> {
        let ValidRows { rows, documents, targets } = valid_rows(arm, data);
        let (n, n_rows) = (arm.eval.batch_seqs.max(1) as usize, rows.rows);
        let mut batches = vec![];
        for (i, documents) in documents.chunks(n).enumerate() {
            let part = rows.part(i * n..i * n + documents.len());
            batches.push(EvalBatch { inputs: inputs(&part, device)?, rows: part, documents: documents.to_vec() });
        }
        let draws = n_rows as f64 / data.n_valid_rows().max(1) as f64;
        let prior = prior(&arm.objective, &arm.vocab);
        Ok(Evaluator { batches, targets, n_bytes: data.n_valid_bytes(), draws, prior })
    }

    /// Runs all rows through a loss program with these compute weights.
    pub fn evaluate(&mut self, loss: &Executable, weights: &[Tensor]) -> Result<Evaluation, LowerError> {
        let mut sums: Vec<f64> = self.targets.iter().map(|n| n * self.prior).collect();
        let mut deciles = Deciles::default();
        for batch in &self.batches {
            let nll = loss.run(weights, &batch.inputs)?.floats("nll")?;
            deciles.add(&batch.rows, &nll, self.draws);
            let seq = nll.len() / batch.documents.len().max(1);
            for ((document, nll), weights) in
                batch.documents.iter().zip(nll.chunks(seq)).zip(batch.rows.weights.chunks(seq))
            {
                if let Some(sum) = sums.get_mut(*document as usize) {
                    *sum += nll.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>();
                }
            }
        }
        let documents: Vec<[f64; 2]> = sums.iter().zip(&self.targets).map(|(s, t)| [*s, *t]).collect();
        let (loss, se) = ratio(&documents);
        let nats: f64 = sums.iter().sum();
        let bits_per_byte = (self.n_bytes > 0).then(|| nats / std::f64::consts::LN_2 / self.n_bytes as f64);
        Ok(Evaluation { loss, se, bits_per_byte, loss_by_decile: deciles.means(), documents })
    }
}

/// Sum over sum, and the standard error of that ratio over documents (linearised).
pub fn ratio(documents: &[[f64; 2]]) -> (f64, f64) {
    let (sum, targets) = documents.iter().fold((0.0, 0.0), |(s, t), [a, b]| (s + a, t + b));
    let loss = sum / targets;
    let n = documents.len() as f64;
    let squares: f64 = documents.iter().map(|[s, t]| (s - loss * t).powi(2)).sum();
    (loss, (squares * n / (n - 1.0)).sqrt() / targets)
}
