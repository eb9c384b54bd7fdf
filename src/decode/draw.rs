//! From logits to a token. The distribution is f64 throughout and the draw is its inverse distribution function
//! at one uniform of 53 bits, so every id has its own chance to within 2^-52, whatever the vocabulary.
//!
//! The customary Gumbel noise from fp32 uniforms has no value above 16.7 and none below -2.9: ids that are e^19.5
//! times less likely than the best are never drawn, which acts as a lower temperature and flatters generative
//! perplexity (K. Zheng et al., *Masked diffusion models are secretly time-agnostic masked models and exploit
//! inaccurate categorical sampling*, arXiv 2409.02908). `tests/accuracy.rs` compares both.

use crate::check::spec::Filter;

/// Logits that give no distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    #[error("a logit is not a number")]
    NotANumber,
    #[error("every id has probability 0")]
    Nothing,
    #[error("a logit is infinite")]
    Infinite,
}

/// What a token is drawn from.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Chances before they are divided by their sum; 0 where cut.
    odds: Vec<f64>,
    total: f64,
    entropy: f64,
}

impl Distribution {
    /// Of logits over all predictable ids: divided by the temperature, cut to the `top_k` likeliest, then to the
    /// fewest likeliest that hold `top_p` of what is left. Of equals the smaller id is the likelier.
    pub fn new(logits: &[f64], filter: &Filter) -> Result<Distribution, Unsound> {
        let (best, max) = likeliest(logits)?;
        if filter.temperature <= 0.0 {
            let mut odds = vec![0.0; logits.len()];
            odds.iter_mut().skip(best).take(1).for_each(|w| *w = 1.0);
            return Ok(Distribution { odds, total: 1.0, entropy: 0.0 });
        }
        let scaled = |x: f64| (x - max) / filter.temperature;
        let mut odds: Vec<f64> = logits.iter().map(|x| scaled(*x).exp()).collect();
        cut(&mut odds, filter);
        Ok(Distribution::of_odds(odds))
    }

    /// Of weights that are at least 0, some of them above.
    pub(super) fn of_odds(odds: Vec<f64>) -> Distribution {
        let total = Sum::of(odds.iter().copied()).value();
        // - sum of w/W log(w/W)
        let spread = Sum::of(odds.iter().filter(|w| **w > 0.0).map(|w| w * w.ln())).value();
        let entropy = (total.ln() - spread / total).max(0.0);
        Distribution { odds, total, entropy }
    }

    /// Of an id.
    pub fn chance(&self, id: u32) -> f64 {
        self.odds.get(id as usize).map_or(0.0, |w| w / self.total)
    }

    pub fn chances(&self) -> impl Iterator<Item = f64> + '_ {
        self.odds.iter().map(|w| w / self.total)
    }

    /// In nats.
    pub fn entropy(&self) -> f64 {
        self.entropy
    }

    /// The id at a uniform draw of [0, 1).
    pub fn draw(&self, u: f64) -> u32 {
        let target = u * self.total;
        let (mut below, mut last) = (Sum::default(), 0);
        for (id, w) in self.odds.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            below.add(*w);
            last = id;
            if target < below.value() {
                break;
            }
        }
        last as u32
    }
}

/// A sum that loses nothing to its length (A. Neumaier, 1974): 50,000 terms of 1e-12 beside one near 1 come out right.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn of(terms: impl Iterator<Item = f64>) -> Sum {
        let mut sum = Sum::default();
        terms.for_each(|x| sum.add(x));
        sum
    }

    fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        self.lost += if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        self.sum = sum;
    }

    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// The first of the largest logits.
fn likeliest(logits: &[f64]) -> Result<(usize, f64), Unsound> {
    if logits.iter().any(|x| x.is_nan()) {
        return Err(Unsound::NotANumber);
    }
    let larger = |(i, m): (usize, f64), (j, x): (usize, &f64)| if *x > m { (j, *x) } else { (i, m) };
    match logits.iter().enumerate().fold((0, f64::NEG_INFINITY), larger) {
        (_, f64::NEG_INFINITY) => Err(Unsound::Nothing),
        (_, f64::INFINITY) => Err(Unsound::Infinite),
        best => Ok(best),
    }
}

fn cut(odds: &mut [f64], filter: &Filter) {
    let n = odds.len();
    let k = filter.top_k.map_or(n, |k| usize::try_from(k).unwrap_or(n).clamp(1, n));
    let p = filter.top_p.filter(|p| *p < 1.0);
    if k == n && p.is_none() {
        return;
    }
    // From the likeliest on; of equals the smaller id first.
    let mut order: Vec<usize> = (0..n).collect();
    let weight = |i: &usize| odds.get(*i).copied().unwrap_or(0.0);
    let likelier = |a: &usize, b: &usize| weight(b).total_cmp(&weight(a)).then(a.cmp(b));
    if k < n {
        order.select_nth_unstable_by(k - 1, likelier);
        order.truncate(k);
    }
    if let Some(p) = p {
        order.sort_unstable_by(likelier);
        let held = p * Sum::of(order.iter().map(weight)).value();
        let mut sum = Sum::default();
        let fewest = order.iter().position(|i| {
            sum.add(weight(i));
            sum.value() >= held
        });
        order.truncate(fewest.map_or(order.len(), |i| i + 1));
    }
    let mut keep = vec![false; n];
    order.iter().for_each(|i| keep.iter_mut().skip(*i).take(1).for_each(|kept| *kept = true));
    odds.iter_mut().zip(keep).filter(|(_, kept)| !kept).for_each(|(w, _)| *w = 0.0);
}
