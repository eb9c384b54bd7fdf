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

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::check::spec::{AnyOrder, TKind};

    const VOCAB: Vocab = Vocab { n_ids: 20, eod: 20, mask: Some(21), size: 64 };
    const SEED: u32 = 6;

    fn masked() -> Objective {
        Objective::AnyOrder(AnyOrder { draw: TKind::Systematic })
    }

    fn rows(tokens: &[u32], n_answer: usize, item: u64, masks: u64) -> Corrupted {
        answer_rows(&masked(), &VOCAB, Answer { tokens, n_answer, item }, masks, SEED)
    }

    /// A loss that depends on what else is hidden, as a model's does.
    fn loss(position: usize, hidden: &[bool]) -> f64 {
        let others = hidden.iter().enumerate().filter(|(i, h)| **h && *i != position);
        1.0 + position as f64 + others.map(|(i, _)| 0.3 / (1.0 + i as f64)).sum::<f64>()
    }

    #[test]
    fn the_estimate_is_that_of_all_orders() {
        // sum over k of 1/l * l/k * the mean over sets of k of what they lose, set by set.
        let l = 4;
        let sets = 1usize << l;
        let hidden = |set: usize| -> Vec<bool> { (0..l).map(|i| set >> i & 1 == 1).collect() };
        let mut exact = 0.0;
        for k in 1..=l {
            let of_k: Vec<Vec<bool>> =
                (0..sets).map(hidden).filter(|h| h.iter().filter(|h| **h).count() == k).collect();
            let lost = |h: &Vec<bool>| (0..l).filter(|i| h[*i]).map(|i| loss(i, h)).sum::<f64>();
            exact += of_k.iter().map(lost).sum::<f64>() / of_k.len() as f64 / k as f64;
        }
        let (tokens, n_items) = ([1, 2, 3, 4, 5, 6, 7], 4_000u64);
        let estimate = |item: u64| -> f64 {
            let rows = rows(&tokens, l, item, 3);
            assert_eq!(rows.rows, 3);
            let of_row = |row: usize| -> f64 {
                let at = row * tokens.len();
                let hidden: Vec<bool> = (3..7).map(|i| rows.tokens[at + i] == 21).collect();
                assert_eq!(rows.tokens[at..at + 3], tokens[..3]);
                (0..l).map(|i| rows.weights[at + 3 + i] * loss(i, &hidden)).sum()
            };
            (0..rows.rows).map(of_row).sum()
        };
        let all: Vec<f64> = (0..n_items).map(estimate).collect();
        let mean = all.iter().sum::<f64>() / n_items as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n_items as f64;
        // Seeds are fixed; five standard errors tell a bias of a few per mille.
        assert!((mean - exact).abs() < 5.0 * (variance / n_items as f64).sqrt(), "{mean} {exact}");
    }

    #[test]
    fn options_of_an_item_get_the_same_masks_and_one_token_one() {
        let hidden = |rows: &Corrupted| -> Vec<bool> { rows.tokens.iter().map(|t| *t == 21).collect() };
        let (a, b) = (rows(&[1, 2, 3, 4, 5], 3, 7, 8), rows(&[1, 2, 6, 7, 8], 3, 7, 8));
        assert_eq!((hidden(&a), a.weights.clone()), (hidden(&b), b.weights));
        assert_ne!(hidden(&a), hidden(&rows(&[1, 2, 3, 4, 5], 3, 8, 8)));
        let one = rows(&[1, 2, 3], 1, 7, 128);
        assert_eq!((one.rows, one.tokens, one.weights), (1, vec![1, 2, 21], vec![0.0, 0.0, 1.0]));
        // Draws are stratified: of l tokens and l draws each count comes up once.
        let all = rows(&[1, 2, 3, 4, 5], 3, 7, 3);
        let mut counts: Vec<usize> = hidden(&all).chunks(5).map(|row| row.iter().filter(|h| **h).count()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 2, 3]);
    }

    #[test]
    fn next_token_weighs_the_answer_alone() {
        let next = Objective::NextToken(crate::check::spec::NextToken::PLAIN);
        let rows = answer_rows(&next, &VOCAB, Answer { tokens: &[1, 2, 3, 4], n_answer: 2, item: 0 }, 9, SEED);
        assert_eq!((rows.tokens, rows.targets), (vec![1, 2, 3, 4], vec![2, 3, 4, 4]));
        assert_eq!(rows.weights, [0.0, 1.0, 1.0, 0.0]);
    }
}
