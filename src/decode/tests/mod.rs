//! What the tests of the samplers share: a toy of three ids and four tokens whose laws can be enumerated, objectives
//! without a spec, and the chi-squared test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod accuracy;
mod laws;
mod posteriors;
mod requests;

use super::*;
use crate::base::philox::{Purpose, Stream};
use crate::check::formula::prove::prove;
use crate::check::formula::{Formula, Term};
use crate::check::spec::{
    AnyOrder, BlockDiffusion, Ends, Estimator, Filter, HybridDiffusion, HybridWeight, LossWeight, MaskedDiffusion,
    NextToken, TKind, TSampling, Targets, UniformDiffusion,
};
use std::collections::BTreeMap;

/// Ids 0, 1, 2; the last is the end of document too, which is the context. 3 is the mask.
pub const VOCAB: Vocab = Vocab { n_ids: 2, eod: 2, mask: Some(3), size: 64 };
pub const N: usize = 3;
pub const L: usize = 4;
pub const MASK: u32 = 3;
/// Draws behind every law.
pub const N_DRAWS: u32 = 200_000;
/// Where a law is checked a second time.
pub const FEWER: u32 = 50_000;
/// Enumerations leave rounding alone.
pub const EXACT: f64 = 1e-12;

/// A text, or one that is still in part masked.
pub type State = Vec<u32>;
pub type Law = BTreeMap<State, f64>;

/// How a toy predicts the token at a position (0..L) of a text (of at most L tokens, the context not among them).
pub type Predict = dyn Fn(&[u32], Option<f64>, usize) -> Vec<f64>;

pub struct Toy {
    predict: Box<Predict>,
    known: BTreeMap<(u64, u64, usize), Vec<f64>>,
    /// Texts asked for, one by one.
    pub n_asked: u64,
    /// Of every question: tokens read, and how many are final.
    pub read: Vec<(usize, usize)>,
}

impl Toy {
    pub fn new(predict: impl Fn(&[u32], Option<f64>, usize) -> Vec<f64> + 'static) -> Toy {
        Toy { predict: Box::new(predict), known: BTreeMap::new(), n_asked: 0, read: vec![] }
    }

    /// The exact conditionals of a joint table over L tokens, given what is visible; no other network's bound is as
    /// good. Positions beyond the tokens are not visible.
    pub fn exact(joint: &[f64]) -> Toy {
        let joint = joint.to_vec();
        Toy::new(move |tokens, _, at| conditional(&joint, tokens, at))
    }

    /// Arbitrary predictions, as a network's are: another one for every text, noise level and position.
    pub fn arbitrary(seed: u32) -> Toy {
        let stream = Stream::new(seed, Purpose::Init);
        Toy::new(move |tokens, t, at| {
            let state = tokens.iter().fold(1, |code, token| code * 4 + token);
            let level = t.map_or(0, |t| 1 + (t * 1e6).round() as u32);
            let odds: Vec<f64> =
                (0..N as u32).map(|id| (1.2 * stream.normals([state, level, at as u32, id])[0]).exp()).collect();
            normalized(odds)
        })
    }

    pub fn chances(&self, tokens: &[u32], t: Option<f64>, at: usize) -> Vec<f64> {
        (self.predict)(tokens, t, at)
    }
}

impl Network for Toy {
    type Error = std::convert::Infallible;

    fn logits(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<Vec<f64>>>, Self::Error> {
        let mut answers = vec![];
        for question in questions {
            let tokens = &question.tokens[1..];
            assert_eq!(question.tokens[0], 2, "the context");
            self.n_asked += 1;
            if self.read.len() < 1000 {
                self.read.push((question.tokens.len(), question.n_final));
            }
            let code = tokens.iter().fold(1, |code, token| code * 4 + u64::from(*token));
            let mut rows = vec![];
            for at in question.at {
                let key = (code, question.t.map_or(0, f64::to_bits), at - 1);
                let predict = &self.predict;
                let row = self.known.entry(key).or_insert_with(|| {
                    predict(tokens, question.t, at - 1).into_iter().map(f64::ln).collect::<Vec<f64>>()
                });
                rows.push(row.clone());
            }
            answers.push(rows);
        }
        Ok(answers)
    }
}

pub fn normalized(odds: Vec<f64>) -> Vec<f64> {
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|w| w / total).collect()
}

/// A random joint law of L tokens, as a table over all texts in order.
pub fn joint(seed: u32) -> Vec<f64> {
    let stream = Stream::new(seed, Purpose::Init);
    normalized((0..N.pow(L as u32) as u32).map(|i| stream.normals([0, 0, i, 0])[0].exp()).collect())
}

/// All sequences of `len` ids below `n`, in order.
pub fn all(n: usize, len: usize) -> Vec<State> {
    (0..n.pow(len as u32))
        .map(|code| (0..len).rev().map(|place| (code / n.pow(place as u32) % n) as u32).collect())
        .collect()
}

/// p(x_at | visible tokens); what is masked or beyond the tokens is not visible.
pub fn conditional(joint: &[f64], tokens: &[u32], at: usize) -> Vec<f64> {
    let mut odds = vec![0.0; N];
    for (x, p) in all(N, L).iter().zip(joint) {
        if tokens.iter().zip(x).enumerate().all(|(i, (z, x))| i == at || *z == MASK || z == x) {
            odds[x[at] as usize] += p;
        }
    }
    normalized(odds)
}

/// Moves all mass of a law by a kernel.
pub fn step(law: &Law, kernel: impl Fn(&State) -> Vec<(State, f64)>) -> Law {
    let mut next = Law::new();
    for (state, mass) in law {
        for (to, p) in kernel(state) {
            *next.entry(to).or_default() += mass * p;
        }
    }
    next.retain(|_, mass| *mass > 0.0);
    let total: f64 = next.values().sum();
    assert!((total - 1.0).abs() < EXACT, "a kernel's mass is {total}");
    next
}

/// Everything masked.
pub fn blank() -> Law {
    [(vec![MASK; L], 1.0)].into_iter().collect()
}

/// All ways to draw the given positions, each on its own, with their chances.
pub fn fillings(state: &State, rows: &[(usize, Vec<f64>)]) -> Vec<(State, f64)> {
    let mut out = vec![(state.clone(), 1.0)];
    for (at, chances) in rows {
        let each = |(state, mass): &(State, f64)| -> Vec<(State, f64)> {
            chances
                .iter()
                .enumerate()
                .map(|(id, p)| {
                    let mut state = state.clone();
                    state[*at] = id as u32;
                    (state, mass * p)
                })
                .collect()
        };
        out = out.iter().flat_map(each).collect();
    }
    out
}

pub fn linear() -> Formula {
    Formula::from(Term::Sum(vec![Term::ONE, Term::Product(vec![Term::int(-1), Term::T])])).simplify()
}

/// 1 - t^2
pub fn poly2() -> Formula {
    let square = Term::Power(Box::new(Term::T), Box::new(Term::int(2)));
    Formula::from(Term::Sum(vec![Term::ONE, Term::Product(vec![Term::int(-1), square])])).simplify()
}

/// 0.9 (1 - t): a tenth is masked even at t = 0.
pub fn open_ended() -> Formula {
    let falls = Term::Product(vec![Term::ratio(-9, 10), Term::T]);
    Formula::from(Term::Sum(vec![Term::ratio(9, 10), falls])).simplify()
}

pub fn masked_diffusion(schedule: Formula, ends: Ends) -> MaskedDiffusion {
    MaskedDiffusion {
        schedule_name: "test".into(),
        proof: prove(&linear()).expect("a schedule").into(),
        ends,
        schedule,
        t: TSampling { kind: TKind::Iid, low: 0.0, high: 1.0 },
        weight: LossWeight::Elbo,
        estimator: Estimator::Count,
        shift: false,
        variable_length: 0.0,
        targets: Targets::Matched,
        bound: Ok(String::new()),
    }
}

pub fn masked(schedule: Formula) -> Objective {
    Objective::MaskedDiffusion(masked_diffusion(schedule, Ends::Exact))
}

pub fn any_order() -> Objective {
    Objective::AnyOrder(AnyOrder { draw: TKind::Iid })
}

pub fn blocks(block: u64) -> Objective {
    Objective::BlockDiffusion(BlockDiffusion { block, noise: masked_diffusion(linear(), Ends::Exact) })
}

pub fn next_token() -> Objective {
    Objective::NextToken(NextToken::PLAIN)
}

pub fn uniform(schedule: Formula) -> Objective {
    Objective::UniformDiffusion(UniformDiffusion {
        schedule_name: "test".into(),
        proof: prove(&linear()).expect("a schedule").into(),
        schedule,
        ends: Ends::Exact,
        t: TSampling { kind: TKind::Iid, low: 0.0, high: 1.0 },
        bound: Ok(String::new()),
    })
}

pub fn hybrid(p: f64) -> Objective {
    Objective::HybridDiffusion(HybridDiffusion {
        uniform: p,
        t: TSampling { kind: TKind::Iid, low: 1e-4, high: 0.9999 },
        weight: HybridWeight::Elbo,
        bound: Ok(String::new()),
    })
}

pub fn sampler(method: Method) -> Sampler {
    Sampler { method, filter: Filter::NONE }
}

pub fn scored(score: Score, steps: u64, block: Option<u64>) -> Method {
    Method::Remask { score, steps: Some(steps), block }
}

/// Texts of a template, counted.
pub fn sample(
    toy: &mut Toy,
    objective: &Objective,
    sampler: &Sampler,
    template: &[Option<u32>],
    n: u32,
) -> BTreeMap<State, u64> {
    let mut counts = BTreeMap::new();
    // In parts, so that they fit into memory; the draws are those of one.
    for first in (0..n).step_by(20_000) {
        let request = Request { template: template.to_vec(), texts: first..(first + 20_000).min(n), seed: 11 };
        for text in decode(toy, objective, &VOCAB, sampler, &request, &mut |_| {}).unwrap() {
            *counts.entry(text.tokens).or_default() += 1;
        }
    }
    counts
}

/// The chi-squared statistic, its degrees of freedom, and whether it passes. Cells that expect fewer than 5 are put
/// together; what the law rules out must not occur.
///
/// The seeds are fixed, so a test passes always or never; the level says how unlikely a right sampler was to fail when
/// the seed was chosen: one in 10,000.
pub fn chi_squared(counts: &BTreeMap<State, u64>, law: &Law) -> (f64, usize, bool) {
    let n: u64 = counts.values().sum();
    let (mut statistic, mut cells) = (0.0, 0usize);
    let (mut rare_seen, mut rare_expected) = (0.0, 0.0);
    let mut cell = |seen: f64, expected: f64| {
        statistic += (seen - expected).powi(2) / expected;
        cells += 1;
    };
    let possible = counts.keys().all(|text| law.get(text).is_some_and(|p| *p > 0.0));
    for (text, p) in law {
        let (seen, expected) = (counts.get(text).copied().unwrap_or(0) as f64, p * n as f64);
        if expected < 5.0 {
            rare_seen += seen;
            rare_expected += expected;
        } else {
            cell(seen, expected);
        }
    }
    if rare_expected >= 5.0 {
        cell(rare_seen, rare_expected);
    }
    let freedom = cells - 1;
    (statistic, freedom, possible && statistic <= critical(freedom))
}

/// The value that chi-squared of so many degrees of freedom exceeds once in 10,000 (E. B. Wilson and M. M. Hilferty,
/// *The distribution of chi-square*, 1931; right to 1% from 3 degrees on).
fn critical(freedom: usize) -> f64 {
    const Z: f64 = 3.719;
    let spread = 2.0 / (9.0 * freedom as f64);
    freedom as f64 * (1.0 - spread + Z * spread.sqrt()).powi(3)
}

#[test]
fn the_critical_values_are_those_of_the_tables() {
    // Of 1e-4: from tables of the distribution.
    for (freedom, value) in [(10, 35.564), (20, 52.386), (50, 95.969), (80, 135.783)] {
        let got = critical(freedom);
        assert!((got / value - 1.0).abs() < 0.012, "{freedom}: {got}");
    }
}

/// Draws and compares. `unlike` is a law that the same draws must not pass for.
pub fn assert_law(what: &str, counts: &BTreeMap<State, u64>, law: &Law, unlike: Option<&Law>) {
    assert!((law.values().sum::<f64>() - 1.0).abs() < EXACT);
    let (statistic, freedom, passes) = chi_squared(counts, law);
    assert!(passes, "{what}: chi-squared {statistic:.1} with {freedom} degrees of freedom");
    if let Some(other) = unlike {
        let (statistic, freedom, passes) = chi_squared(counts, other);
        assert!(!passes, "{what} passes for another law: chi-squared {statistic:.1} with {freedom}");
    }
}

/// The toy's joint as a law.
pub fn law_of(joint: &[f64]) -> Law {
    all(N, L).into_iter().zip(joint.iter().copied()).collect()
}

pub const OPEN: [Option<u32>; L] = [None; L];
