//! Network simplex: whole numbers for the nodes of a constraint graph so that every edge has at
//! least its length and the weighted sum of the lengths is as small as can be.
//!
//! Ranks of a layered drawing are such numbers, and so are its x coordinates (Gansner, Koutsofios,
//! North, Vo: "A technique for drawing directed graphs", 1993, sections 2.3 and 4.2). Where the
//! search would take too long it stops with numbers that keep all lengths and are merely not the best.
#![allow(clippy::indexing_slicing)] // all indices are of nodes and edges counted here

/// `value[head] - value[tail] >= length`; a longer edge costs `weight` for each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub tail: usize,
    pub head: usize,
    pub length: i64,
    pub weight: i64,
}

impl Edge {
    pub fn new(tail: usize, head: usize, length: i64, weight: i64) -> Edge {
        Edge { tail, head, length, weight }
    }
}

/// Exchanges of tree edges for each node of the problem, before the search stops.
const EXCHANGES: usize = 30;
/// Edges looked at for the one that leaves the tree.
const CANDIDATES: usize = 30;

/// The least value is 0. Assumes that the edges form no circle; an edge on a circle is ignored.
pub fn solve(n: usize, edges: &[Edge]) -> Vec<i64> {
    if n == 0 {
        return vec![];
    }
    let mut values = longest_paths(n, edges);
    // Edges on a circle were left out above; they take no part.
    let mut all: Vec<Edge> =
        edges.iter().filter(|e| e.tail != e.head && values[e.head] - values[e.tail] >= e.length).copied().collect();
    // One more node before all others keeps the problem in one piece.
    let root = n;
    values.push(values.iter().copied().min().unwrap_or(0));
    all.extend((0..n).map(|v| Edge::new(root, v, 0, 0)));
    let mut tree = Tree::new(values, all);
    tree.grow();
    tree.prepare();
    let mut position = 0;
    for _ in 0..EXCHANGES * (n + 1) {
        let Some(leaving) = tree.leaving(&mut position) else { break };
        let Some(entering) = tree.entering(leaving) else { break };
        tree.exchange(leaving, entering);
    }
    let mut values = tree.values;
    values.pop();
    let least = values.iter().copied().min().unwrap_or(0);
    values.iter_mut().for_each(|v| *v -= least);
    values
}

/// The smallest values that keep every edge's length.
fn longest_paths(n: usize, edges: &[Edge]) -> Vec<i64> {
    let mut out_edges: Vec<Vec<usize>> = vec![vec![]; n];
    let mut waiting = vec![0_usize; n];
    for (i, edge) in edges.iter().enumerate() {
        if edge.tail != edge.head {
            out_edges[edge.tail].push(i);
            waiting[edge.head] += 1;
        }
    }
    let mut values = vec![0_i64; n];
    let mut ready: std::collections::VecDeque<usize> = (0..n).filter(|v| waiting[*v] == 0).collect();
    while let Some(v) = ready.pop_front() {
        for i in &out_edges[v] {
            let edge = edges[*i];
            values[edge.head] = values[edge.head].max(values[v] + edge.length);
            waiting[edge.head] -= 1;
            if waiting[edge.head] == 0 {
                ready.push_back(edge.head);
            }
        }
    }
    values
}

/// A spanning tree of tight edges, with what finding a better one takes.
struct Tree {
    values: Vec<i64>,
    edges: Vec<Edge>,
    /// Edges at each node.
    around: Vec<Vec<usize>>,
    /// Tree edges at each node.
    branches: Vec<Vec<usize>>,
    in_tree: Vec<bool>,
    /// Weight by which the cost falls for each unit that a tree edge grows, negated.
    cut: Vec<i64>,
    /// Edge to the parent; the root has none.
    parent: Vec<Option<usize>>,
    /// Numbers in depth-first post-order: a subtree is `low..=lim`.
    low: Vec<usize>,
    lim: Vec<usize>,
}

impl Tree {
    fn new(values: Vec<i64>, edges: Vec<Edge>) -> Tree {
        let n = values.len();
        let mut around = vec![vec![]; n];
        for (i, edge) in edges.iter().enumerate() {
            around[edge.tail].push(i);
            around[edge.head].push(i);
        }
        Tree {
            in_tree: vec![false; edges.len()],
            cut: vec![0; edges.len()],
            branches: vec![vec![]; n],
            parent: vec![None; n],
            low: vec![0; n],
            lim: vec![0; n],
            values,
            edges,
            around,
        }
    }

    fn slack(&self, i: usize) -> i64 {
        let e = self.edges[i];
        self.values[e.head] - self.values[e.tail] - e.length
    }

    fn other(&self, i: usize, v: usize) -> usize {
        let e = self.edges[i];
        if e.tail == v { e.head } else { e.tail }
    }

    fn add(&mut self, i: usize) {
        let e = self.edges[i];
        self.in_tree[i] = true;
        self.branches[e.tail].push(i);
        self.branches[e.head].push(i);
    }

    fn remove(&mut self, i: usize) {
        let e = self.edges[i];
        self.in_tree[i] = false;
        self.branches[e.tail].retain(|b| *b != i);
        self.branches[e.head].retain(|b| *b != i);
    }

    /// A spanning tree of edges without slack: grown from node 0, the rest moved up to it.
    fn grow(&mut self) {
        let n = self.values.len();
        let mut reached = vec![false; n];
        reached[0] = true;
        let mut members = vec![0];
        let mut next = 0;
        loop {
            while next < members.len() {
                let v = members[next];
                next += 1;
                for k in 0..self.around[v].len() {
                    let i = self.around[v][k];
                    let w = self.other(i, v);
                    if !reached[w] && self.slack(i) == 0 {
                        reached[w] = true;
                        members.push(w);
                        self.add(i);
                    }
                }
            }
            if members.len() == n {
                return;
            }
            // The edge at the border with the least slack; the tree moves until it has none.
            let border = members.iter().flat_map(|v| self.around[*v].iter().map(move |i| (*v, *i)));
            let nearest = border.filter(|(v, i)| !reached[self.other(*i, *v)]).min_by_key(|(_, i)| self.slack(*i));
            let Some((inside, i)) = nearest else { return };
            let by = if self.edges[i].tail == inside { self.slack(i) } else { -self.slack(i) };
            for v in &members {
                self.values[*v] += by;
            }
            let w = self.other(i, inside);
            reached[w] = true;
            members.push(w);
            self.add(i);
        }
    }

    /// Parents, post-order numbers and cut values.
    fn prepare(&mut self) {
        self.number(0, None, 1);
        // Children first: a tree edge's cut value follows from those below its lower end.
        let mut order: Vec<usize> = (0..self.values.len()).collect();
        order.sort_by_key(|v| self.lim[*v]);
        for v in order {
            let Some(up) = self.parent[v] else { continue };
            let upward = self.edges[up].tail == v;
            let mut cut = 0;
            for i in &self.around[v] {
                let e = self.edges[*i];
                // +1 where the edge leaves the subtree in the direction of `up`.
                let sign = if (e.tail == v) == upward { 1 } else { -1 };
                if *i == up {
                    cut += e.weight;
                } else if self.in_tree[*i] {
                    // A child's edge: its weight and cut value cross the same way or back.
                    cut += sign * (e.weight - self.cut[*i]);
                } else {
                    cut += sign * e.weight;
                }
            }
            self.cut[up] = cut;
        }
    }

    /// Numbers the subtree of `v` from `first` on.
    fn number(&mut self, v: usize, parent: Option<usize>, first: usize) -> usize {
        let mut next = first;
        self.parent[v] = parent;
        self.low[v] = first;
        let mut stack = vec![(v, 0_usize)];
        while let Some((v, k)) = stack.pop() {
            match self.branches[v].get(k).copied() {
                Some(i) => {
                    stack.push((v, k + 1));
                    if self.parent[v] != Some(i) {
                        let w = self.other(i, v);
                        self.parent[w] = Some(i);
                        self.low[w] = next;
                        stack.push((w, 0));
                    }
                }
                None => {
                    self.lim[v] = next;
                    next += 1;
                }
            }
        }
        next
    }

    fn is_below(&self, v: usize, top: usize) -> bool {
        self.low[top] <= self.lim[v] && self.lim[v] <= self.lim[top]
    }

    /// A tree edge that should grow: the worst of the next few, looked for round and round.
    fn leaving(&self, position: &mut usize) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut seen = 0;
        let n = self.edges.len();
        for k in 0..n {
            let i = (*position + k) % n;
            if self.in_tree[i] && self.cut[i] < 0 {
                if best.is_none_or(|b| self.cut[i] < self.cut[b]) {
                    best = Some(i);
                }
                seen += 1;
                if seen >= CANDIDATES {
                    *position = (i + 1) % n;
                    return best;
                }
            }
        }
        *position = 0;
        best
    }

    /// The edge with the least slack that reconnects the two parts the other way round.
    fn entering(&self, leaving: usize) -> Option<usize> {
        let e = self.edges[leaving];
        let tail_is_below = self.lim[e.tail] < self.lim[e.head];
        let top = if tail_is_below { e.tail } else { e.head };
        let mut best: Option<usize> = None;
        // Nodes of the subtree by walking it.
        let mut stack = vec![top];
        while let Some(v) = stack.pop() {
            for i in &self.around[v] {
                let other = self.other(*i, v);
                if self.in_tree[*i] {
                    if self.parent[other] == Some(*i) && *i != leaving {
                        stack.push(other);
                    }
                    continue;
                }
                let enters = (self.edges[*i].head == v) == tail_is_below;
                if enters
                    && !self.is_below(other, top)
                    && best.is_none_or(|b| (self.slack(*i), *i) < (self.slack(b), b))
                {
                    best = Some(*i);
                }
            }
        }
        best
    }

    fn exchange(&mut self, leaving: usize, entering: usize) {
        let e = self.edges[leaving];
        let f = self.edges[entering];
        let delta = self.slack(entering);
        if delta != 0 {
            if self.lim[e.tail] < self.lim[e.head] {
                self.shift(e.tail, -delta);
            } else {
                self.shift(e.head, delta);
            }
        }
        let cut = self.cut[leaving];
        let top = self.adjust(f.tail, f.head, cut, true);
        self.adjust(f.head, f.tail, cut, false);
        self.cut[entering] = -cut;
        self.cut[leaving] = 0;
        self.remove(leaving);
        self.add(entering);
        let (parent, low) = (self.parent[top], self.low[top]);
        self.number(top, parent, low);
    }

    fn shift(&mut self, top: usize, by: i64) {
        let mut stack = vec![top];
        while let Some(v) = stack.pop() {
            self.values[v] += by;
            for i in &self.branches[v] {
                if self.parent[v] != Some(*i) {
                    stack.push(self.other(*i, v));
                }
            }
        }
    }

    /// Cut values on the tree path from `v` up to the first node above both.
    fn adjust(&mut self, mut v: usize, w: usize, cut: i64, from_tail: bool) -> usize {
        while !self.is_below(w, v) {
            let Some(up) = self.parent[v] else { break };
            let forward = if self.edges[up].tail == v { from_tail } else { !from_tail };
            self.cut[up] += if forward { cut } else { -cut };
            v = self.other(up, v);
        }
        v
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Edge, longest_paths, solve};
    use proptest::prelude::*;

    fn cost(values: &[i64], edges: &[Edge]) -> i64 {
        edges.iter().map(|e| e.weight * (values[e.head] - values[e.tail])).sum()
    }

    fn feasible(values: &[i64], edges: &[Edge]) -> bool {
        edges.iter().all(|e| values[e.head] - values[e.tail] >= e.length)
    }

    /// The least cost by trying all values up to `most`.
    fn brute(n: usize, edges: &[Edge], most: i64) -> i64 {
        let mut best = i64::MAX;
        let mut values = vec![0; n];
        loop {
            if feasible(&values, edges) {
                best = best.min(cost(&values, edges));
            }
            let Some(i) = values.iter().position(|v| *v < most) else { return best };
            values[..i].fill(0);
            values[i] += 1;
        }
    }

    #[test]
    fn a_node_with_more_successors_stays_near_them() {
        // 0 -> 1 -> 2 -> 3, and 4 -> 3 twice: 4 belongs next to 3, not to the top.
        let edges = [Edge::new(0, 1, 1, 1), Edge::new(1, 2, 1, 1), Edge::new(2, 3, 1, 1), Edge::new(4, 3, 1, 2)];
        assert_eq!(solve(5, &edges), [0, 1, 2, 3, 2]);
        assert_eq!(solve(0, &[]), Vec::<i64>::new());
        assert_eq!(solve(2, &[]), [0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn lengths_are_kept_and_the_cost_is_least(
            raw in prop::collection::vec((0_usize..5, 0_usize..5, 0_i64..3, 0_i64..4), 0..8)
        ) {
            let edges: Vec<Edge> = raw
                .iter()
                .filter(|(a, b, ..)| a != b)
                .map(|(a, b, length, weight)| Edge::new(*a.min(b), *a.max(b), *length, *weight))
                .collect();
            let values = solve(5, &edges);
            prop_assert!(feasible(&values, &edges), "{values:?}");
            // Some best solution needs no more than all lengths together.
            let most: i64 = edges.iter().map(|e| e.length).sum();
            if most <= 5 {
                prop_assert_eq!(cost(&values, &edges), brute(5, &edges, most));
            }
        }

        #[test]
        fn large_problems_are_feasible_and_no_worse_than_longest_paths(
            raw in prop::collection::vec((0_usize..80, 0_usize..80, 0_i64..40, 0_i64..9), 0..250)
        ) {
            let edges: Vec<Edge> = raw
                .iter()
                .filter(|(a, b, ..)| a != b)
                .map(|(a, b, length, weight)| Edge::new(*a.min(b), *a.max(b), *length, *weight))
                .collect();
            let values = solve(80, &edges);
            prop_assert!(feasible(&values, &edges));
            prop_assert!(cost(&values, &edges) <= cost(&longest_paths(80, &edges), &edges));
        }
    }
}
