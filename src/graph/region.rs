//! Regions: `repeat` as one node. What a region is stands in the head of `graph/mod.rs`.

use super::{BodyId, Indices};
use std::collections::{BTreeMap, BTreeSet};

/// How a region uses its bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The repeat's label (`layer`).
    pub label: String,
    /// In the order of the indices, without gaps; a body may come back.
    pub runs: Vec<Run>,
    pub n_carried: usize,
    pub n_invariant: usize,
    /// Who takes an element of each mapped list.
    pub mapped: Vec<Users>,
    /// Who gives an element of each collected list.
    pub collected: Vec<Users>,
    pub reversed: bool,
}

/// `count` iterations of one body, the first of them at absolute index `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub body: BodyId,
    pub first: u64,
    pub count: u64,
}

/// The bodies that take part in a list. The list has an element for each of their iterations and
/// no others, in the order of the indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    All,
    Only(BTreeSet<BodyId>),
}

impl Users {
    pub fn has(&self, body: BodyId) -> bool {
        match self {
            Users::All => true,
            Users::Only(bodies) => bodies.contains(&body),
        }
    }

    /// Some bodies of a region that has `n` distinct ones.
    pub fn of(bodies: BTreeSet<BodyId>, n: usize) -> Users {
        if bodies.len() == n { Users::All } else { Users::Only(bodies) }
    }
}

/// One iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Absolute.
    pub index: u64,
    pub body: BodyId,
    /// The (list, element) that it takes, in the order of the body's arguments.
    pub mapped: Vec<(usize, usize)>,
    /// The (list, element) that it gives, in the order of the body's results.
    pub collected: Vec<(usize, usize)>,
}

impl Region {
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|r| r.count).sum()
    }

    /// The distinct bodies, in the order of their first iteration.
    pub fn bodies(&self) -> Vec<BodyId> {
        /// Up to here a look at each is faster than a set.
        const FEW: usize = 8;
        let (mut found, mut set) = (vec![], BTreeSet::new());
        for body in self.runs.iter().map(|run| run.body) {
            let is_known = if found.len() <= FEW { found.contains(&body) } else { set.contains(&body) };
            if !is_known {
                found.push(body);
                set.insert(body);
            }
        }
        found
    }

    /// Iterations of each body.
    pub fn n_iterations(&self) -> BTreeMap<BodyId, u64> {
        let mut counts = BTreeMap::new();
        self.runs.iter().for_each(|run| *counts.entry(run.body).or_default() += run.count);
        counts
    }

    /// The lengths of lists with these users.
    pub fn lengths(&self, lists: &[Users]) -> Vec<u64> {
        let counts = self.n_iterations();
        let length = |users: &Users| match users {
            Users::All => counts.values().sum(),
            Users::Only(bodies) => bodies.iter().filter_map(|body| counts.get(body)).sum(),
        };
        lists.iter().map(length).collect()
    }

    /// The indices at which these bodies run.
    pub fn indices(&self, users: &Users) -> Indices {
        Indices::of_ranges(self.runs.iter().filter(|run| users.has(run.body)).map(|run| (run.first, run.count)))
    }

    /// For each body the positions in `lists` of those that it takes part in.
    pub fn lists_by_body(&self, lists: &[Users]) -> BTreeMap<BodyId, Vec<usize>> {
        let mut by_body: BTreeMap<BodyId, Vec<usize>> = self.bodies().into_iter().map(|body| (body, vec![])).collect();
        for (i, users) in lists.iter().enumerate() {
            match users {
                Users::All => by_body.values_mut().for_each(|of| of.push(i)),
                Users::Only(bodies) => {
                    for body in bodies {
                        if let Some(of) = by_body.get_mut(body) {
                            of.push(i);
                        }
                    }
                }
            }
        }
        by_body
    }

    /// All iterations in the order of execution.
    pub fn steps(&self) -> Vec<Step> {
        let (mapped, collected) = (self.lists_by_body(&self.mapped), self.lists_by_body(&self.collected));
        let (mut taken, mut given) = (vec![0; self.mapped.len()], vec![0; self.collected.len()]);
        let mut steps = vec![];
        for run in &self.runs {
            for index in run.first..run.first + run.count {
                steps.push(Step {
                    index,
                    body: run.body,
                    mapped: elements(mapped.get(&run.body), &mut taken),
                    collected: elements(collected.get(&run.body), &mut given),
                });
            }
        }
        if self.reversed {
            steps.reverse();
        }
        steps
    }
}

/// The next element of each of these lists.
fn elements(lists: Option<&Vec<usize>>, next: &mut [usize]) -> Vec<(usize, usize)> {
    let mut take = |list: usize| {
        let place = next.get_mut(list)?;
        *place += 1;
        Some((list, *place - 1))
    };
    lists.into_iter().flatten().filter_map(|list| take(*list)).collect()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)] // a test fails by panicking
mod tests {
    use super::*;

    const A: BodyId = BodyId(1);
    const B: BodyId = BodyId(2);

    fn pattern() -> Region {
        let run = |body, first, count| Run { body, first, count };
        Region {
            label: "layer".into(),
            runs: vec![run(A, 0, 3), run(B, 3, 1), run(A, 4, 3), run(B, 7, 1)],
            n_carried: 1,
            n_invariant: 0,
            mapped: vec![Users::All, Users::Only([B].into())],
            collected: vec![Users::Only([A].into())],
            reversed: false,
        }
    }

    #[test]
    fn lists_have_elements_of_their_users_alone() {
        let mut region = pattern();
        assert_eq!(region.bodies(), [A, B]);
        assert_eq!(region.lengths(&region.mapped), [8, 2]);
        assert_eq!(region.lengths(&region.collected), [6]);
        assert_eq!(region.indices(&Users::Only([B].into())).iter().collect::<Vec<_>>(), [3, 7]);
        let steps = region.steps();
        assert_eq!(steps.iter().map(|s| s.index).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert_eq!((&steps[3].mapped, &steps[3].collected), (&vec![(0, 3), (1, 0)], &vec![]));
        assert_eq!((&steps[7].mapped, &steps[4].collected), (&vec![(0, 7), (1, 1)], &vec![(0, 3)]));
        region.reversed = true;
        let back: Vec<Step> = region.steps().into_iter().rev().collect();
        assert_eq!(back, steps);
    }

    #[test]
    fn all_bodies_are_all() {
        assert_eq!(Users::of([A, B].into(), 2), Users::All);
        assert_eq!(Users::of([B].into(), 2), Users::Only([B].into()));
    }
}
