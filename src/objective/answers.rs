//! Rows whose weighted loss is the negative log-likelihood of an answer after its context: exactly for next token, and
//! for objectives that mask by the exact counts of LLaDA's estimator. The context is never hidden.

use super::Corrupted;
use super::draws::{exact_mask, word};
use super::evaluate::systematic_count;
use super::rows::Layout;
use super::schedule::MaskRate;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Objective, Targets, Vocab};

/// One option of an item: its tokens, of which the last `n_answer` are the answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub tokens: &'a [u32],
    pub n_answer: usize,
    /// The item's number in its file: all options of an item draw alike.
    pub item: u64,
}

/// Rows for an answer of so many tokens. An answer of one token has one question.
pub fn n_answer_rows(objective: &Objective, n_answer: usize, masks: u64) -> u64 {
    match objective {
        Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) if n_answer > 1 => masks.max(1),
        _ => 1,
    }
}

/// `sum(weights * loss)` over the rows is the estimate of -log p(answer | context) in nats.
///
/// Next token takes one row. Objectives that mask take `masks` rows: row j hides k_j = floor((u + j) / masks * l) + 1 of
/// the l tokens of the answer, weighted l / k_j / masks, with one u per item (domain D.1; S. Nie et al., LLaDA, which
/// draws k systematically too). Every draw is keyed by (seed, item, row), so options of equal length are asked with
/// the same masks and their noise cancels in comparison.
pub fn answer_rows(objective: &Objective, vocab: &Vocab, answer: Answer<'_>, masks: u64, seed: u32) -> Corrupted {
    let Answer { tokens, n_answer, item } = answer;
    let mut out = Corrupted { seq: tokens.len(), ..Corrupted::default() };
    let first = tokens.len().saturating_sub(n_answer);
    if n_answer == 0 || first == 0 {
        return out;
    }
    let (layout, rate) = match objective {
        Objective::MaskedDiffusion(masked) => {
            (Layout { targets: Targets::Matched, shift: masked.shift }, Some(MaskRate::new(masked)))
        }
        Objective::AnyOrder(_) | Objective::MaskedLm(_) => (Layout::PLAIN, None),
        _ => {
            out.push_shifted(tokens, tokens, 0.0);
            // Position i predicts token i + 1.
            out.weights.iter_mut().skip(first - 1).take(n_answer).for_each(|weight| *weight = 1.0);
            return out;
        }
    };
    let draws = n_answer_rows(objective, n_answer, masks);
    let u = Stream::new(seed, Purpose::Eval).uniform([word(item), 0, 0, 0]);
    let noise = Stream::new(seed, Purpose::EvalMask);
    let n_targets = layout.n_targets(tokens.len());
    let hidden_from = n_targets.saturating_sub(n_answer);
    for draw in 0..draws {
        let k = systematic_count(u, draw, draws, n_answer);
        let mut masked = vec![false; hidden_from];
        masked.extend(exact_mask(&noise, item, draw, k, n_answer));
        let weight = n_answer as f64 / k.max(1) as f64 / draws as f64;
        let t = rate.as_ref().map(|rate| rate.level(k as f64 / n_targets.max(1) as f64));
        out.push_masked(layout, tokens, &masked, weight, vocab.mask_id(), t);
    }
    out
}
