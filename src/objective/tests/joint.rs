//! A random joint table over sequences of four tokens of three, models of it, and what they make of rows: the exact
//! side of every proof by enumeration.

use super::*;

pub(super) const N: usize = 3;
pub(super) const L: usize = 4;
/// The targets x_2..x_4; x_1 is context.
pub(super) const TARGETS: usize = L - 1;
/// Three ids that are data, and the mask.
pub(super) const TABLE: Vocab = Vocab { n_ids: 2, eod: 2, mask: Some(3), size: 64 };
pub(super) const MASK: u32 = 3;

pub(super) type Sequence = [u32; L];
/// What is known of a sequence.
pub(super) type Known = [Option<u32>; L];

/// All 81 sequences.
pub(super) fn sequences() -> impl Iterator<Item = Sequence> {
    (0..N.pow(4) as u32).map(|cell| [cell / 27, cell / 9 % 3, cell / 3 % 3, cell % 3])
}

pub(super) struct Joint(Vec<f64>);

impl Joint {
    pub fn random(seed: u32) -> Joint {
        let stream = Stream::new(seed, Purpose::Init);
        let cells: Vec<f64> = (0..81).map(|i| stream.uniform([0, 0, i, 0]).powi(2) + 0.01).collect();
        let total: f64 = cells.iter().sum();
        Joint(cells.iter().map(|p| p / total).collect())
    }

    /// The chance of what is known.
    pub fn mass(&self, known: &Known) -> f64 {
        let agrees = |x: &Sequence| x.iter().zip(known).all(|(x, known)| known.is_none_or(|known| known == *x));
        sequences().zip(&self.0).filter(|(x, _)| agrees(x)).map(|(_, p)| p).sum()
    }

    pub fn p(&self, x: &Sequence) -> f64 {
        self.mass(&x.map(Some))
    }

    /// -log p(x_2..x_4 | x_1)
    pub fn nll(&self, x: &Sequence) -> f64 {
        -(self.p(x) / self.mass(&[Some(x[0]), None, None, None])).ln()
    }

    /// Its mean over x: the entropy of x_2..x_4 given x_1.
    pub fn entropy(&self) -> f64 {
        sequences().map(|x| self.p(&x) * self.nll(&x)).sum()
    }
}

/// Who predicts.
pub(super) enum Model {
    /// With the joint's own conditionals.
    Exact(Joint),
    /// As a network might: some distribution, another for each context.
    Arbitrary(u32),
}

impl Model {
    pub fn all() -> Vec<Model> {
        vec![Model::Exact(Joint::random(1)), Model::Exact(Joint::random(2)), Model::Arbitrary(3), Model::Arbitrary(4)]
    }

    /// -log p(token `i` is `x` | known)
    pub fn cross_entropy(&self, known: &Known, i: usize, x: u32) -> f64 {
        assert_eq!(known[i], None, "position {i} is predicted by one who sees it");
        match self {
            Model::Exact(joint) => {
                let mut with = *known;
                with[i] = Some(x);
                -(joint.mass(&with) / joint.mass(known)).ln()
            }
            Model::Arbitrary(seed) => {
                let context = known.iter().fold(0, |code, known| code * 4 + known.map_or(3, |id| id));
                let logits =
                    [0, 1, 2].map(|x| Stream::new(*seed, Purpose::Init).uniform([1, context, i as u32, x]) * 4.0);
                logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[x as usize]
            }
        }
    }

    /// The likelihood that it gives in the order of the text.
    pub fn left_to_right(&self, x: &Sequence) -> f64 {
        let seen = |i: usize| std::array::from_fn(|j| (j < i).then(|| x[j]));
        (1..L).map(|i| self.cross_entropy(&seen(i), i, x[i])).sum()
    }

    /// The mean over all orders of x_2..x_4 of predicting them one by one.
    pub fn any_order(&self, x: &Sequence) -> f64 {
        let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
        let along = |order: &[usize; 3]| -> f64 {
            let mut known = [Some(x[0]), None, None, None];
            let mut total = 0.0;
            for i in order {
                total += self.cross_entropy(&known, *i, x[*i]);
                known[*i] = Some(x[*i]);
            }
            total
        };
        orders.iter().map(along).sum::<f64>() / 6.0
    }

    /// The mean over the sets of k masked targets of their summed cross-entropy.
    pub fn mean_over_sets(&self, x: &Sequence, k: u32) -> f64 {
        let of = |set: usize| -> f64 {
            let known: Known = std::array::from_fn(|i| (i == 0 || set & (1 << (i - 1)) == 0).then(|| x[i]));
            (1..L).filter(|i| known[*i].is_none()).map(|i| self.cross_entropy(&known, i, x[i])).sum()
        };
        let sets: Vec<usize> = (0..1 << TARGETS).filter(|set: &usize| set.count_ones() == k).collect();
        sets.iter().map(|set| of(*set)).sum::<f64>() / sets.len() as f64
    }

    /// The loss at each position of a row that weighs anything, by what that position may see: [`Pattern::sees`] of
    /// the row's tokens that are not masked, at the places in the sequence that the row gives them.
    pub fn losses(&self, objective: &Objective, rows: &Corrupted, row: usize) -> Vec<f64> {
        let (pattern, seq) = (pattern(objective), rows.seq);
        let next = match objective {
            Objective::NextToken(_) => 1,
            Objective::MaskedDiffusion(masked) => usize::from(masked.shift),
            _ => 0,
        };
        let place = |i: usize| rows.positions.get(i).map_or(i, |at| *at as usize);
        let tokens = &rows.tokens[row * seq..][..seq];
        let at = |query: usize| -> f64 {
            if rows.weights[row * seq + query] == 0.0 {
                return 0.0;
            }
            let mut known: Known = [None; L];
            for (i, token) in tokens.iter().enumerate() {
                if pattern.sees(query, i, seq) && *token != MASK {
                    known[place(i)] = Some(*token);
                }
            }
            self.cross_entropy(&known, place(query) + next, rows.targets[row * seq + query])
        };
        (0..seq).map(at).collect()
    }

    /// `sum(weights * loss)`.
    pub fn loss(&self, objective: &Objective, rows: &Corrupted) -> f64 {
        let losses = (0..rows.rows).flat_map(|row| self.losses(objective, rows, row));
        losses.zip(&rows.weights).map(|(loss, weight)| loss * weight).sum()
    }
}

/// The integral over [0, 1], by Gauss and Legendre's rule of eight points on equal panels.
pub(super) fn integral<const M: usize>(panels: usize, of: impl Fn(f64) -> [f64; M]) -> [f64; M] {
    let cuts: Vec<f64> = (0..=panels).map(|i| i as f64 / panels as f64).collect();
    integral_between(&cuts, of)
}

/// The same on panels that halve towards both ends, where an integrand may bend as x log x does.
pub(super) fn integral_to_the_ends(of: impl Fn(f64) -> f64) -> f64 {
    let halves: Vec<f64> = (1..14).rev().map(|i| 0.5f64.powi(i)).collect();
    let other: Vec<f64> = halves.iter().rev().skip(1).map(|s| 1.0 - s).collect();
    integral_between(&[vec![0.0], halves, other, vec![1.0]].concat(), |s| [of(s)])[0]
}

fn integral_between<const M: usize>(cuts: &[f64], of: impl Fn(f64) -> [f64; M]) -> [f64; M] {
    let mut sum = [0.0; M];
    let rule = legendre(8);
    for pair in cuts.windows(2) {
        let (middle, half) = (0.5 * (pair[0] + pair[1]), 0.5 * (pair[1] - pair[0]));
        for (node, weight) in &rule {
            let value = of(middle + half * node);
            (0..M).for_each(|i| sum[i] += value[i] * half * weight);
        }
    }
    sum
}

/// Nodes and weights on [-1, 1]: roots of Legendre's polynomial by Newton's method.
fn legendre(n: usize) -> Vec<(f64, f64)> {
    let value_and_slope = |x: f64| {
        let (mut before, mut now) = (1.0, x);
        for k in 2..=n {
            (before, now) = (now, ((2 * k - 1) as f64 * x * now - (k - 1) as f64 * before) / k as f64);
        }
        (now, n as f64 * (x * now - before) / (x * x - 1.0))
    };
    let root = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        for _ in 0..20 {
            let (value, slope) = value_and_slope(x);
            x -= value / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * value_and_slope(x).1.powi(2)))
    };
    (0..n).map(root).collect()
}

/// Mean and standard error of the mean.
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}
