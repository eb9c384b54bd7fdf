//! What is reported of drawn text besides the text.

use std::collections::BTreeMap;

/// The entropy, in nats, of the tokens of a text as if drawn from one urn: of how often each occurs. Text that repeats
/// itself has little of it, and is likely to any model, so generative perplexity says nothing without it.
pub fn unigram_entropy(tokens: impl IntoIterator<Item = u32>) -> f64 {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    tokens.into_iter().for_each(|token| *counts.entry(token).or_default() += 1);
    let n = counts.values().sum::<u64>() as f64;
    counts.values().map(|count| *count as f64 / n).map(|p| -p * p.ln()).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::unigram_entropy;

    #[test]
    fn counts_make_the_entropy() {
        assert_eq!(unigram_entropy([]), 0.0);
        assert_eq!(unigram_entropy([7; 20]), 0.0);
        assert!((unigram_entropy([1, 2, 3, 4, 1, 2, 3, 4]) - 4f64.ln()).abs() < 1e-12);
        let half = -0.75 * 0.75f64.ln() - 0.25 * 0.25f64.ln();
        assert!((unigram_entropy([5, 5, 5, 9]) - half).abs() < 1e-12);
    }
}
