//! Sets of indices of a region, as ranges: where a parameter exists, which iterations a list has
//! elements of. Cost goes with the ranges, not with the indices.

use std::sync::Arc;

/// Whole numbers in rising order, as disjoint ranges (first, count) that do not touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Indices(Arc<[(u64, u64)]>);

impl Indices {
    /// `0..count`
    pub fn all(count: u64) -> Indices {
        Indices::of_ranges([(0, count)])
    }

    /// From ranges (first, count) in any order; those that touch or overlap become one.
    pub fn of_ranges(ranges: impl IntoIterator<Item = (u64, u64)>) -> Indices {
        let mut ranges: Vec<(u64, u64)> = ranges.into_iter().filter(|(_, count)| *count > 0).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, count) in ranges {
            match merged.last_mut() {
                Some((start, n)) if *start + *n >= first => *n = (*n).max(first + count - *start),
                _ => merged.push((first, count)),
            }
        }
        Indices(merged.into())
    }

    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub fn n(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|(first, _)| *first)
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(first, count)| *first..first + count)
    }

    pub fn contains(&self, index: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= index);
        let before = after.checked_sub(1).and_then(|i| self.0.get(i));
        before.is_some_and(|(first, count)| index < first + count)
    }

    /// The places of `some` among these: element k of a list over `some` is element `places[k]` of
    /// a list over all. Leaves out what is not among these.
    pub fn places(&self, some: &Indices) -> Vec<u64> {
        let mut wanted = some.iter().peekable();
        let mut places = vec![];
        for (place, index) in self.iter().enumerate() {
            while wanted.next_if(|other| *other < index).is_some() {}
            if wanted.next_if_eq(&index).is_some() {
                places.push(place as u64);
            }
        }
        places
    }

    /// Whether an index is in both.
    pub fn meets(&self, other: &Indices) -> bool {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some((a, n)), Some((b, m))) = (mine.peek(), theirs.peek()) {
            if a + n <= *b {
                mine.next();
            } else if b + m <= *a {
                theirs.next();
            } else {
                return true;
            }
        }
        false
    }
}

/// `0-25`, `3, 7`, `0-2 by 4 x 650, 2599`: equal steps of equal ranges are written once.
impl std::fmt::Display for Indices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let range = |(first, count): (u64, u64)| match count {
            1 => first.to_string(),
            _ => format!("{first}-{}", first + count - 1),
        };
        let starts: Vec<(i128, u64)> = self.0.iter().map(|(first, count)| (i128::from(*first), *count)).collect();
        let words: Vec<String> = progressions(&starts)
            .into_iter()
            .map(|p| match p.n {
                1 => range((p.first as u64, p.like)),
                n => format!("{} by {} x {n}", range((p.first as u64, p.like)), p.step),
            })
            .collect();
        f.write_str(&words.join(", "))
    }
}

/// A table of indices in its own order: `5, 4, 3 x 2` would be ambiguous, so `5 by -1 x 3`.
pub fn table_text(table: &[u64]) -> String {
    let starts: Vec<(i128, u64)> = table.iter().map(|i| (i128::from(*i), 0)).collect();
    let words: Vec<String> = progressions(&starts)
        .into_iter()
        .map(|p| if p.n == 1 { p.first.to_string() } else { format!("{} by {} x {}", p.first, p.step, p.n) })
        .collect();
    words.join(", ")
}

struct Progression {
    first: i128,
    step: i128,
    n: usize,
    like: u64,
}

/// Cuts a sequence of (number, kind) into stretches of one kind and equal steps, of three or more;
/// what is in none stands alone.
fn progressions(items: &[(i128, u64)]) -> Vec<Progression> {
    let mut found = vec![];
    let mut rest = items;
    while let [(first, like), tail @ ..] = rest {
        let step = tail.first().map_or(0, |(next, _)| next - first);
        let wanted = |k: usize| (first + step * (k as i128 + 1), *like);
        let n = 1 + tail.iter().enumerate().take_while(|(k, item)| **item == wanted(*k)).count();
        let n = if n < 3 { 1 } else { n };
        found.push(Progression { first: *first, step, n, like: *like });
        rest = rest.get(n..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_places_are_found() {
        let some = Indices::of_ranges([(7, 1), (0, 3), (4, 2), (3, 1), (9, 0)]);
        assert_eq!(some.ranges(), [(0, 6), (7, 1)]);
        assert_eq!((some.n(), some.first()), (7, Some(0)));
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 7]);
        for index in 0..10 {
            assert_eq!(some.contains(index), some.iter().any(|i| i == index));
        }
        assert_eq!(some.places(&Indices::of_ranges([(0, 1), (5, 3)])), [0, 5, 6]);
        assert_eq!(Indices::of_ranges([]).n(), 0);
    }

    #[test]
    fn meeting_is_having_an_index_in_common() {
        let of = |ranges: &[(u64, u64)]| Indices::of_ranges(ranges.iter().copied());
        assert!(!of(&[(0, 3), (4, 3)]).meets(&of(&[(3, 1), (7, 1)])));
        assert!(of(&[(0, 3), (4, 3)]).meets(&of(&[(3, 1), (6, 1)])));
        assert!(!of(&[]).meets(&of(&[(0, 9)])));
    }

    #[test]
    fn steps_are_written_once() {
        let every_fourth = Indices::of_ranges((0..650).map(|i| (4 * i + 3, 1)));
        assert_eq!(every_fourth.to_string(), "3 by 4 x 650");
        let others = Indices::of_ranges((0..3).map(|i| (4 * i, 3)));
        assert_eq!(others.to_string(), "0-2 by 4 x 3");
        assert_eq!(Indices::of_ranges([(3, 1), (7, 1)]).to_string(), "3, 7");
        assert_eq!(Indices::all(26).to_string(), "0-25");
        assert_eq!(table_text(&[5, 4, 3, 2, 0, 0]), "5 by -1 x 4, 0, 0");
        assert_eq!(table_text(&[]), "");
    }
}
