//! "Did you mean": the closest of the known words, or nothing.

/// The candidate with the fewest typing mistakes between it and `word`. At most a third of the word's
/// letters may differ (at least one); ties go to the first candidate. A difference in case alone always counts.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let distance = if candidate.eq_ignore_ascii_case(word) { 0 } else { distance(word, candidate) };
        // Two words of one letter have nothing in common when that letter differs.
        let related = distance < word.chars().count().max(candidate.chars().count());
        if distance <= limit && related && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`
/// (optimal string alignment). Words over 64 letters are not compared.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = vec![];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |cells: &[usize], k: usize| cells.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&above, j + 1) + 1).min(at(&row, j) + 1).min(at(&above, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = above;
        above = row;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn close_words_are_found_and_far_ones_are_not() {
        let units = ["tokens", "seqs", "steps", "epochs", "KiB", "s", "h"];
        assert_eq!(suggest("tokns", units), Some("tokens"));
        assert_eq!(suggest("tokesn", units), Some("tokens"));
        assert_eq!(suggest("Tokens", units), Some("tokens"));
        assert_eq!(suggest("kib", units), Some("KiB"));
        assert_eq!(suggest("epoch", units), Some("epochs"));
        assert_eq!(suggest("banana", units), None);
        assert_eq!(suggest("x", units), None);
        assert_eq!(suggest("", units), None);
    }
}
