//! Every random draw of dlmc: Philox4x32-10, a function from (key, counter) to 128 bits.
//!
//! The key is (seed, [`Purpose`]), the counter is (step, row, position, channel). So a draw depends on
//! *what it is for* and not on what was drawn before: micro-batch size, device count, evaluation and
//! resuming change none. The same function is in C++ and CUDA, held together by the published known
//! answers (J. Salmon et al., Parallel random numbers: as easy as 1, 2, 3; SC'11).
#![allow(clippy::indexing_slicing)] // fixed-size words and permutations indexed by draws below their length

/// What a draw is for. The numbers are part of every run's identity: never change or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; counted by parameter.
    Init = 1,
    /// Which documents are validation.
    Split = 2,
    /// Which documents are the unique training data.
    Subset = 3,
    /// The order of chunks within an epoch.
    Order = 4,
    /// The order of documents within an epoch, before chunks are cut.
    OrderDocuments = 5,
    /// Where the first chunk of an epoch starts.
    OrderOffset = 6,
    /// Starts of independent windows.
    Windows = 7,
    /// The noise level t of a row.
    Noise = 8,
    /// Which row gets which stratum of t.
    Strata = 9,
    /// Which positions are masked.
    Mask = 10,
    /// How many positions an evaluation masks.
    Eval = 11,
    /// Which positions an evaluation masks.
    EvalMask = 12,
    /// Tokens drawn when sampling text.
    Sample = 13,
    /// Dropout.
    Dropout = 14,
    /// Resampling of documents for intervals.
    Bootstrap = 15,
    /// Which points of a sweep are kept.
    Points = 16,
    /// Noise on weights; counted by parameter and step.
    WeightNoise = 17,
    /// Where the fit of a scaling law starts, and which runs a resample of it holds.
    Fit = 18,
    /// Which items of a task are asked.
    TaskItems = 19,
}

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Ten rounds of Philox4x32.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let (a, b) = (wide(MULTIPLIERS[0], counter[0]), wide(MULTIPLIERS[1], counter[2]));
        counter = [b.0 ^ counter[1] ^ key[0], b.1, a.0 ^ counter[3] ^ key[1], a.1];
    }
    counter
}

/// The (high, low) words of a product.
fn wide(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// All draws of one purpose under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
}

impl Stream {
    pub fn new(seed: u32, purpose: Purpose) -> Stream {
        Stream { key: [seed, purpose as u32] }
    }

    /// 128 random bits at (step, row, position, channel).
    pub fn bits(&self, counter: [u32; 4]) -> [u32; 4] {
        philox4x32(counter, self.key)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&self, counter: [u32; 4]) -> f64 {
        let words = self.bits(counter);
        fraction(words[0], words[1])
    }

    /// Two independent ones, uniform in [0, 1).
    pub fn uniforms(&self, counter: [u32; 4]) -> [f64; 2] {
        let words = self.bits(counter);
        [fraction(words[0], words[1]), fraction(words[2], words[3])]
    }

    /// Two independent standard normals (Box-Muller in f64).
    pub fn normals(&self, counter: [u32; 4]) -> [f64; 2] {
        let words = self.bits(counter);
        // 1 - u is in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - fraction(words[0], words[1])).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * fraction(words[2], words[3])).sin_cos();
        [radius * cos, radius * sin]
    }

    /// The words at (step, row, 0.., channel), one after the other.
    pub fn words(&self, step: u32, row: u32, channel: u32) -> Words {
        Words { stream: *self, counter: [step, row, 0, channel], buffer: [0; 4], used: 4 }
    }

    /// A uniform permutation of `0..n`, one for each step.
    pub fn permutation(&self, n: u32, step: u32) -> Vec<u32> {
        self.sample_without_replacement(n, n, step, 0)
    }

    /// `k` distinct numbers below `n` in random order, uniform over ordered choices; more of the same
    /// (step, row) only appends.
    pub fn sample_without_replacement(&self, n: u32, k: u32, step: u32, row: u32) -> Vec<u32> {
        let mut words = self.words(step, row, 0);
        let mut all: Vec<u32> = (0..n).collect();
        let k = k.min(n);
        for i in 0..k {
            let j = i + words.below(n - i);
            all.swap(i as usize, j as usize);
        }
        all.truncate(k as usize);
        all
    }
}

/// A sequence of words that is itself a pure function of its place.
#[derive(Clone, Debug)]
pub struct Words {
    stream: Stream,
    counter: [u32; 4],
    buffer: [u32; 4],
    used: usize,
}

impl Words {
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.buffer = self.stream.bits(self.counter);
            self.counter[2] = self.counter[2].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.buffer[self.used - 1]
    }

    /// Uniform below `n` without bias: the few words that would favour small numbers are passed over
    /// (D. Lemire, Fast random integer generation in an interval, 2019). 0 where `n` is 0 or 1.
    pub fn below(&mut self, n: u32) -> u32 {
        if n <= 1 {
            return 0;
        }
        let surplus = n.wrapping_neg() % n;
        loop {
            let (high, low) = wide(self.word(), n);
            if low >= surplus {
                return high;
            }
        }
    }

    /// As [`Words::below`] for numbers beyond 32 bits.
    pub fn below_u64(&mut self, n: u64) -> u64 {
        if let Ok(n) = u32::try_from(n) {
            return u64::from(self.below(n));
        }
        let surplus = u128::from(n.wrapping_neg() % n);
        loop {
            let product = ((u128::from(self.word()) << 32) | u128::from(self.word())) * u128::from(n);
            if product & u128::from(u64::MAX) >= surplus {
                return (product >> 64) as u64;
            }
        }
    }
}

/// The top 53 of 64 bits as a fraction.
fn fraction(high: u32, low: u32) -> f64 {
    (((u64::from(high) << 32) | u64::from(low)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn seeds_and_purposes_give_different_draws() {
        let draw = |seed, purpose| Stream::new(seed, purpose).bits([1, 2, 3, 4]);
        assert_ne!(draw(1, Purpose::Noise), draw(2, Purpose::Noise));
        assert_ne!(draw(1, Purpose::Noise), draw(1, Purpose::Mask));
    }

    #[test]
    fn uniforms_and_normals_have_their_moments() {
        let stream = Stream::new(7, Purpose::Init);
        let n = 40_000u32;
        let (mut u1, mut u2, mut z1, mut z2, mut z4, mut cross) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for i in 0..n {
            let u = stream.uniform([0, 0, i, 0]);
            assert!((0.0..1.0).contains(&u));
            (u1, u2) = (u1 + u, u2 + u * u);
            let [a, b] = stream.normals([0, 0, i, 1]);
            (z1, z2, z4, cross) = (z1 + a + b, z2 + a * a + b * b, z4 + a.powi(4) + b.powi(4), cross + a * b);
        }
        let n = f64::from(n);
        // Each bound is about five standard errors.
        assert!((u1 / n - 0.5).abs() < 0.0075 && (u2 / n - 1.0 / 3.0).abs() < 0.0075);
        assert!((z1 / (2.0 * n)).abs() < 0.018 && (z2 / (2.0 * n) - 1.0).abs() < 0.025);
        assert!((z4 / (2.0 * n) - 3.0).abs() < 0.18 && (cross / n).abs() < 0.025);
    }

    #[test]
    fn every_order_of_four_is_equally_likely() {
        let stream = Stream::new(3, Purpose::Order);
        let mut counts = std::collections::BTreeMap::new();
        for step in 0..24_000 {
            *counts.entry(stream.permutation(4, step)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Chi-square with 23 degrees of freedom: below 60 but for one time in 30,000.
        let chi: f64 = counts.values().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 60.0, "chi-square {chi}");
    }

    #[test]
    fn bounded_draws_have_no_bias_where_a_plain_remainder_has() {
        let mut words = Stream::new(1, Purpose::Split).words(0, 0, 0);
        let n = 3_000_000_000u32; // x % n would hit the lower 1.29e9 twice as often
        let low = (0..20_000).filter(|_| words.below(n) < n / 2).count();
        assert!((low as f64 / 20_000.0 - 0.5).abs() < 0.018, "{low}");
        let mut wide = Stream::new(1, Purpose::Split).words(0, 1, 0);
        let n = 3u64 << 62;
        let low = (0..20_000).filter(|_| wide.below_u64(n) < n / 2).count();
        assert!((low as f64 / 20_000.0 - 0.5).abs() < 0.018, "{low}");
    }

    proptest! {
        #[test]
        fn permutations_hold_every_number_once(n in 0u32..300, step: u32, seed: u32) {
            let mut p = Stream::new(seed, Purpose::Order).permutation(n, step);
            p.sort_unstable();
            prop_assert!(p.into_iter().eq(0..n));
        }

        #[test]
        fn a_larger_sample_only_appends(n in 1u32..200, a: u32, b: u32, row: u32) {
            let stream = Stream::new(5, Purpose::Mask);
            let (a, b) = (a % (n + 1), b % (n + 1));
            let (few, many) = (a.min(b), a.max(b));
            let small = stream.sample_without_replacement(n, few, 9, row);
            prop_assert_eq!(&small[..], &stream.sample_without_replacement(n, many, 9, row)[..few as usize]);
        }
    }
}
