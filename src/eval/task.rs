//! How likely the options of a task's items are, and what follows: accuracy, likelihoods of right and wrong options.
//!
//! Rows of a batch have nothing to do with each other: under a causal pattern shorter rows are filled up on the right,
//! which nothing before can see; elsewhere only rows of equal length are run together. So a score does not depend on
//! how many rows are run at once, but for the rounding of matrix products of other sizes.

use super::text::{ratio, set_seed};
use crate::check::spec::{Arm, Metric, Objective, TaskScore, Vocab};
use crate::data::tasks::TaskSet;
use crate::lower::{Executable, LowerError, inputs};
use crate::objective::{Answer, Corrupted, Pattern, answer_rows, pattern};
use crate::store::metrics::Measured;
use std::sync::Arc;
use tch::{Device, Tensor};

/// A task as it is asked of an arm's model.
#[derive(Clone, Debug)]
pub struct TaskAsked {
    tasks: Arc<[TaskSet]>,
    which: usize,
    objective: Objective,
    vocab: Vocab,
    seq: usize,
    batch_seqs: usize,
    seed: u32,
}

/// Rows that wait to be run, each with the option that it is about.
#[derive(Default)]
struct Waiting {
    rows: Corrupted,
    owners: Vec<(usize, usize)>,
}

impl TaskAsked {
    pub fn new(arm: &Arm, tasks: Arc<[TaskSet]>, which: usize) -> TaskAsked {
        let name = tasks.get(which).map_or("", |task| task.name.as_str());
        TaskAsked {
            seed: set_seed(arm.train.seeds.eval, &format!("task {name}")),
            tasks,
            which,
            objective: arm.objective.clone(),
            vocab: arm.vocab,
            seq: arm.data.seq as usize,
            batch_seqs: arm.eval.batch_seqs.max(1) as usize,
        }
    }

    /// All scores.
    pub fn evaluate(&self, loss: &Executable, weights: &[Tensor], device: Device) -> Result<Vec<Measured>, LowerError> {
        let Some(task) = self.tasks.get(self.which) else { return Ok(vec![]) };
        let nats = self.nats(task, loss, weights, device)?;
        Ok(measured(task, &nats))
    }

    /// -log p of each option of each item.
    fn nats(
        &self,
        task: &TaskSet,
        loss: &Executable,
        weights: &[Tensor],
        device: Device,
    ) -> Result<Vec<Vec<f64>>, LowerError> {
        let mut sums: Vec<Vec<f64>> = task.items.iter().map(|item| vec![0.0; item.n_options()]).collect();
        let mut order: Vec<(usize, usize, usize)> = vec![];
        for (i, item) in task.items.iter().enumerate() {
            order.extend((0..item.n_options()).map(|option| (item.n_tokens(option).min(self.seq), i, option)));
        }
        order.sort_unstable();
        let causal = pattern(&self.objective) == Pattern::Causal;
        let mut waiting = Waiting::default();
        let mut run = |rows: &Corrupted, owners: &[(usize, usize)]| -> Result<(), LowerError> {
            let nll = loss.run(weights, &inputs(rows, device)?)?.floats("nll")?;
            let seq = rows.seq.max(1);
            for ((owner, nll), weights) in owners.iter().zip(nll.chunks(seq)).zip(rows.weights.chunks(seq)) {
                if let Some(sum) = sums.get_mut(owner.0).and_then(|item| item.get_mut(owner.1)) {
                    *sum += nll.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>();
                }
            }
            Ok(())
        };
        for (length, i, option) in order {
            let Some(item) = task.items.get(i) else { continue };
            let Some((tokens, n_answer)) = item.option(option, self.seq) else { continue };
            // As many positions as a batch of whole sequences has.
            let most = (self.batch_seqs * self.seq / length.max(1)).max(1);
            let full = waiting.owners.len() >= most;
            if !waiting.owners.is_empty() && (full || (!causal && waiting.rows.seq != length)) {
                run(&waiting.rows, &waiting.owners)?;
                waiting = Waiting::default();
            }
            let answer = Answer { tokens: &tokens, n_answer, item: item.index };
            let rows = answer_rows(&self.objective, &self.vocab, answer, task.masks, self.seed);
            waiting.owners.extend(std::iter::repeat_n((i, option), rows.rows));
            if causal {
                fill(&mut waiting.rows, rows.seq, self.vocab.eod as u32);
            }
            waiting.rows.extend(rows);
            let mut done = 0;
            while waiting.owners.len() - done > most {
                run(&waiting.rows.part(done..done + most), waiting.owners.get(done..done + most).unwrap_or_default())?;
                done += most;
            }
            if done > 0 {
                waiting.rows = waiting.rows.part(done..waiting.owners.len());
                waiting.owners.drain(..done);
            }
        }
        if !waiting.owners.is_empty() {
            run(&waiting.rows, &waiting.owners)?;
        }
        Ok(sums)
    }
}

/// Lengthens rows to `seq` by positions that are read by nobody and weigh nothing.
fn fill(rows: &mut Corrupted, seq: usize, id: u32) {
    if rows.rows == 0 || rows.seq >= seq {
        return;
    }
    let more = seq - rows.seq;
    let ids = |all: &[u32]| -> Vec<u32> {
        all.chunks(rows.seq.max(1)).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(id, more))).collect()
    };
    let numbers = |all: &[f64]| -> Vec<f64> {
        all.chunks(rows.seq.max(1)).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, more))).collect()
    };
    (rows.tokens, rows.targets) = (ids(&rows.tokens), ids(&rows.targets));
    (rows.weights, rows.share) = (numbers(&rows.weights), numbers(&rows.share));
    rows.seq = seq;
}

/// The scores of an item from its options' -log p: for each of [`TaskScore::ALL`] its number.
///
/// `n_tokens` and `n_chars` are those of the answers. The likeliest option is the first of equals; `acc_norm` divides by
/// characters, as lm-evaluation-harness does.
pub fn scores(nats: &[f64], n_tokens: &[usize], n_chars: &[u64], right: usize) -> [f64; 5] {
    let is_right = |values: &[f64]| {
        if values.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        let mut best = 0;
        for (i, value) in values.iter().enumerate() {
            if values.get(best).is_some_and(|least| value < least) {
                best = i;
            }
        }
        f64::from(u8::from(best == right))
    };
    let by_char: Vec<f64> = nats.iter().zip(n_chars).map(|(nats, n)| nats / (*n).max(1) as f64).collect();
    let by_token: Vec<f64> = nats.iter().zip(n_tokens).map(|(nats, n)| nats / (*n).max(1) as f64).collect();
    let nll_right = by_token.get(right).copied().unwrap_or(f64::NAN);
    let wrong: Vec<f64> = by_token.iter().enumerate().filter(|(i, _)| *i != right).map(|(_, nll)| *nll).collect();
    let nll_wrong = wrong.iter().sum::<f64>() / wrong.len() as f64;
    TaskScore::ALL.map(|score| match score {
        TaskScore::Acc => is_right(nats),
        TaskScore::AccNorm => is_right(&by_char),
        TaskScore::NllRight => nll_right,
        TaskScore::NllWrong => nll_wrong,
        TaskScore::NllGap => nll_wrong - nll_right,
    })
}

fn measured(task: &TaskSet, nats: &[Vec<f64>]) -> Vec<Measured> {
    let of_items: Vec<[f64; 5]> = task
        .items
        .iter()
        .zip(nats)
        .map(|(item, nats)| {
            let n_tokens: Vec<usize> = (0..item.n_options()).map(|option| item.n_answer(option)).collect();
            scores(nats, &n_tokens, &item.n_chars, item.right)
        })
        .collect();
    let one = |(i, score): (usize, TaskScore)| {
        let items: Vec<[f64; 2]> = of_items.iter().filter_map(|scores| Some([*scores.get(i)?, 1.0])).collect();
        let (value, se) = ratio(&items);
        let metric = Metric::Task(task.name.clone(), score).to_string();
        Measured { metric, value, se, set: task.hash.clone(), items }
    };
    TaskScore::ALL.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_scored_by_sums_by_characters_and_by_tokens() {
        let [acc, acc_norm, right, wrong, gap] = scores(&[4.0, 3.0, 9.0], &[4, 2, 3], &[8, 2, 9], 0);
        assert_eq!((acc, acc_norm), (0.0, 1.0));
        assert_eq!((right, wrong, gap), (1.0, 2.25, 1.25));
        // The first of equals.
        assert_eq!(scores(&[1.0, 1.0], &[1, 1], &[1, 1], 0).first(), Some(&1.0));
        assert_eq!(scores(&[1.0, 1.0], &[1, 1], &[1, 1], 1).first(), Some(&0.0));
        assert!(scores(&[f64::NAN, 1.0], &[1, 1], &[1, 1], 1).first().is_some_and(|acc| acc.is_nan()));
    }

    #[test]
    fn rows_are_filled_up_on_the_right() {
        let mut rows = Corrupted {
            rows: 2,
            seq: 2,
            tokens: vec![1, 2, 3, 4],
            targets: vec![2, 2, 4, 4],
            weights: vec![1.0, 0.0, 1.0, 0.0],
            share: vec![0.0, 0.5, 0.0, 0.5],
            ..Corrupted::default()
        };
        fill(&mut rows, 3, 9);
        assert_eq!(rows.tokens, [1, 2, 9, 3, 4, 9]);
        assert_eq!((rows.weights.as_slice(), rows.seq), (&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0][..], 3));
    }
}
