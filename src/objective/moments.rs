//! What a loss weight w(t) makes of each number of masked tokens: the integrals
//! I(k) = integral of w(t) Binomial(k; n, r(t)) dt, by which `estimator: count` gives the same expected
//! loss as drawing each mask on its own. See `README.md`.
#![allow(clippy::indexing_slicing)] // tables of n + 1 counts, indexed by counts

/// Nodes and weights of Gauss and Legendre's rule on [-1, 1], the positive half.
const NODES: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];
/// Panels are at most this share of the range of t.
const WIDEST: f64 = 1.0 / 64.0;
/// Halvings towards the ends, where a weight may grow without bound.
const HALVINGS: u32 = 40;
/// Chances below this share of the largest are left out.
const NEGLIGIBLE: f64 = 1e-18;

/// I(k) for k in 0..=n over [low, high]. `places` are values of t at which the mask rate or the weight
/// may bend: the ends of the counts' intervals, and the joints of pieces.
pub fn moments(
    n: usize,
    (low, high): (f64, f64),
    places: &[f64],
    rate: impl Fn(f64) -> f64,
    weight: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut cuts: Vec<f64> = places.iter().copied().filter(|t| *t > low && *t < high).collect();
    cuts.extend([low, high]);
    for i in 1..=HALVINGS {
        let step = (high - low) * WIDEST * 0.5f64.powi(i as i32 - 1);
        cuts.extend([low + step, high - step]);
    }
    cuts.sort_by(f64::total_cmp);
    cuts.dedup();
    let mut sums = vec![0.0; n + 1];
    for pair in cuts.windows(2) {
        let n_panels = ((pair[1] - pair[0]) / (WIDEST * (high - low))).ceil().max(1.0);
        let half = 0.5 * (pair[1] - pair[0]) / n_panels;
        for panel in 0..n_panels as usize {
            let middle = pair[0] + half * (2.0 * panel as f64 + 1.0);
            for (node, share) in NODES {
                for t in [middle - half * node, middle + half * node] {
                    let scale = weight(t) * share * half;
                    if scale != 0.0 && scale.is_finite() {
                        add_binomial(&mut sums, n, rate(t), scale);
                    }
                }
            }
        }
    }
    sums
}

/// Adds `scale` times the chances of 0..=n masked tokens at a mask rate: from the likeliest count
/// outwards by ratios, then divided by their sum, so that nothing under- or overflows.
fn add_binomial(sums: &mut [f64], n: usize, rate: f64, scale: f64) {
    if rate <= 0.0 || rate >= 1.0 {
        sums[if rate <= 0.0 { 0 } else { n }] += scale;
        return;
    }
    let odds = rate / (1.0 - rate);
    let mode = (((n + 1) as f64 * rate) as usize).min(n);
    let up = |k: usize| (n - k) as f64 / (k + 1) as f64 * odds;
    let mut total = 1.0;
    let mut run = |chance: &mut f64, ratio: f64| {
        *chance *= ratio;
        total += *chance;
        *chance > NEGLIGIBLE
    };
    let (mut first, mut last) = (mode, mode);
    let mut chance = 1.0;
    while last < n && run(&mut chance, up(last)) {
        last += 1;
    }
    chance = 1.0;
    while first > 0 && run(&mut chance, 1.0 / up(first - 1)) {
        first -= 1;
    }
    let mut chance = scale / total;
    sums[mode] += chance;
    for k in mode..last {
        chance *= up(k);
        sums[k + 1] += chance;
    }
    chance = scale / total;
    for k in (first..mode).rev() {
        chance /= up(k);
        sums[k] += chance;
    }
}
