//! The order of the entries within each rank, so that few lines cross: sweeps down and up that sort
//! by the middle of the neighbours (barycentre), then swaps of neighbours; the best order seen wins.
#![allow(clippy::indexing_slicing)] // entries, ranks and links are counted here

/// A line from an entry to one of the next rank. Ports tell lines of one entry apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub from: usize,
    pub from_port: i64,
    pub to: usize,
    pub to_port: i64,
    pub weight: i64,
}

/// Sweeps down and up. Drawings of this kind settle after a few.
const SWEEPS: usize = 16;

/// Reorders `ranks` (entries by rank, in a first order).
pub fn reduce_crossings(ranks: &mut [Vec<usize>], links: &[Link], n: usize) {
    let mut down: Vec<Vec<Link>> = vec![vec![]; n];
    let mut up: Vec<Vec<Link>> = vec![vec![]; n];
    for link in links {
        down[link.from].push(*link);
        up[link.to].push(*link);
    }
    let mut state = State { down, up, place: vec![0; n] };
    state.number(ranks);
    let mut best = ranks.to_vec();
    let mut fewest = state.crossings(ranks);
    for sweep in 0..SWEEPS {
        if fewest == 0 && sweep > 1 {
            break;
        }
        let downward = sweep % 2 == 0;
        for step in 1..ranks.len() {
            let r = if downward { step } else { ranks.len() - 1 - step };
            state.sort(&mut ranks[r], downward);
        }
        for _ in 0..4 {
            let mut moved = false;
            for rank in ranks.iter_mut() {
                moved |= state.swap(rank);
            }
            if !moved {
                break;
            }
        }
        let crossings = state.crossings(ranks);
        if crossings < fewest {
            fewest = crossings;
            best = ranks.to_vec();
        }
    }
    ranks.clone_from_slice(&best);
}

struct State {
    down: Vec<Vec<Link>>,
    up: Vec<Vec<Link>>,
    /// Of each entry in its rank.
    place: Vec<usize>,
}

impl State {
    fn number(&mut self, ranks: &[Vec<usize>]) {
        for rank in ranks {
            for (i, entry) in rank.iter().enumerate() {
                self.place[*entry] = i;
            }
        }
    }

    /// Sorts a rank by the middle of the neighbours above (or below). Entries without any stay.
    fn sort(&mut self, rank: &mut [usize], downward: bool) {
        let mut moving: Vec<(f64, usize)> = vec![];
        let mut slots = vec![];
        for (slot, entry) in rank.iter().enumerate() {
            let links = if downward { &self.up[*entry] } else { &self.down[*entry] };
            let total: i64 = links.iter().map(|l| l.weight).sum();
            if total == 0 {
                continue;
            }
            let sum: f64 = links
                .iter()
                .map(|l| {
                    let (other, port) = if downward { (l.from, l.from_port) } else { (l.to, l.to_port) };
                    l.weight as f64 * (self.place[other] as f64 + fraction(port))
                })
                .sum();
            moving.push((sum / total as f64, *entry));
            slots.push(slot);
        }
        moving.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (slot, (_, entry)) in slots.into_iter().zip(moving) {
            rank[slot] = entry;
        }
        for (i, entry) in rank.iter().enumerate() {
            self.place[*entry] = i;
        }
    }

    /// Swaps neighbours where that takes crossings away.
    fn swap(&mut self, rank: &mut [usize]) -> bool {
        let mut moved = false;
        for i in 1..rank.len() {
            let (a, b) = (rank[i - 1], rank[i]);
            let (as_is, swapped) = self.between(a, b);
            if swapped < as_is {
                rank.swap(i - 1, i);
                self.place[a] = i;
                self.place[b] = i - 1;
                moved = true;
            }
        }
        moved
    }

    /// Crossings of the lines of `a` with those of `b`: with `a` on the left, and on the right.
    fn between(&self, a: usize, b: usize) -> (i64, i64) {
        let mut counts = (0, 0);
        let up = |l: &Link| (self.place[l.from], l.from_port);
        let down = |l: &Link| (self.place[l.to], l.to_port);
        for (x, y, key) in
            [(&self.up[a], &self.up[b], &up as &dyn Fn(&Link) -> (usize, i64)), (&self.down[a], &self.down[b], &down)]
        {
            for p in x {
                for q in y {
                    let weight = p.weight * q.weight;
                    match key(p).cmp(&key(q)) {
                        std::cmp::Ordering::Greater => counts.0 += weight,
                        std::cmp::Ordering::Less => counts.1 += weight,
                        std::cmp::Ordering::Equal => {}
                    }
                }
            }
        }
        counts
    }

    /// All crossings: inversions among the lower ends of the lines in the order of their upper ends.
    fn crossings(&self, ranks: &[Vec<usize>]) -> i64 {
        let mut total = 0;
        for rank in ranks {
            let mut lines: Vec<((usize, i64), (usize, i64))> = rank
                .iter()
                .flat_map(|entry| &self.down[*entry])
                .map(|l| ((self.place[l.from], l.from_port), (self.place[l.to], l.to_port)))
                .collect();
            lines.sort_unstable();
            let mut ends: Vec<(usize, i64)> = lines.iter().map(|(_, end)| *end).collect();
            ends.sort_unstable();
            ends.dedup();
            // A Fenwick tree of how many lines end where.
            let mut counts = vec![0_i64; ends.len() + 1];
            for (seen, (_, end)) in lines.iter().enumerate() {
                let at = ends.binary_search(end).unwrap_or(0) + 1;
                let mut up_to = 0;
                let mut i = at;
                while i > 0 {
                    up_to += counts[i];
                    i &= i - 1;
                }
                total += seen as i64 - up_to;
                let mut i = at;
                while i < counts.len() {
                    counts[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
        }
        total
    }
}

/// A port's offset from the middle as a part of the distance between two places.
fn fraction(port: i64) -> f64 {
    (port as f64 / 400.0).clamp(-0.45, 0.45)
}

#[cfg(test)]
mod tests {
    use super::{Link, reduce_crossings};

    fn link(from: usize, to: usize) -> Link {
        Link { from, from_port: 0, to, to_port: 0, weight: 1 }
    }

    #[test]
    fn crossed_lines_are_uncrossed() {
        let mut ranks = vec![vec![0, 1, 2], vec![3, 4, 5]];
        reduce_crossings(&mut ranks, &[link(0, 5), link(1, 4), link(2, 3)], 6);
        let place = |e: usize| ranks.iter().flatten().position(|x| *x == e).unwrap_or(0);
        assert!((place(5) < place(4)) == (place(0) < place(1)) && (place(4) < place(3)) == (place(1) < place(2)));
    }

    #[test]
    fn ports_decide_among_the_lines_of_one_entry() {
        let left = Link { from: 0, from_port: -20, to: 2, to_port: 0, weight: 1 };
        let right = Link { from: 0, from_port: 20, to: 1, to_port: 0, weight: 1 };
        let mut ranks = vec![vec![0], vec![1, 2]];
        reduce_crossings(&mut ranks, &[left, right], 3);
        assert_eq!(ranks, [vec![0], vec![2, 1]]);
    }
}
