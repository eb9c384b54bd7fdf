//! The draw is that of the distribution, in the tail too, and temperature, top_k and top_p are what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

/// Edges of the distribution function are sums rounded to f64, and the uniforms a grid of 2^-53.
const RESOLUTION: f64 = 4.0 / (1u64 << 53) as f64;

/// How much of [0, 1), in multiples of 2^-bits, gives an id below `id`: the draw rises with u, so halving finds it.
fn below(from: &Distribution, id: u32, bits: u32) -> f64 {
    let n = 1u64 << bits;
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = (low + high) / 2;
        if from.draw(middle as f64 / n as f64) < id { low = middle + 1 } else { high = middle }
    }
    low as f64 / n as f64
}

/// One id near 1 and 49,999 with 1e-9 to 1e-12 each, the likely one in the middle.
fn long_tail() -> Vec<f64> {
    let tail = |i: usize| if i == 25_000 { 0.0 } else { (10f64.powi(-9 - (i % 4) as i32)).ln() };
    (0..50_000).map(tail).collect()
}

#[test]
fn every_id_of_a_long_tail_has_its_chance() {
    let from = Distribution::new(&long_tail(), &Filter::NONE).unwrap();
    for id in [0u32, 3, 25_000, 25_003] {
        let measure = below(&from, id + 1, 53) - below(&from, id, 53);
        let chance = from.chance(id);
        assert!((measure - chance).abs() < RESOLUTION, "{id}: {measure:e} for {chance:e}");
        // 1e-12 is right to three digits.
        assert!((measure / chance - 1.0).abs() < 1e-3, "{id}: {measure:e} for {chance:e}");
    }
    // Uniforms of 24 bits, as fp32 has them, never draw most of the tail.
    let never = (0..60).filter(|id| below(&from, id + 1, 24) - below(&from, *id, 24) == 0.0).count();
    assert!(never > 55, "{never}");
}

/// Gumbel noise from fp32 uniforms never draws what is further below the best than that noise reaches; the draw here
/// has the model's entropy, of which that tail is a part.
#[test]
fn the_entropy_is_the_models_and_not_that_of_fp32_noise() {
    let gumbel = |u: f32| f64::from(-(-u.ln()).ln());
    let reach = gumbel(1.0 - 2f32.powi(-24)) - gumbel(2f32.powi(-24));
    assert!(reach < 19.6, "{reach}");
    // A vocabulary of 50,000, all but one id at e^-20: a ten-thousandth of the mass.
    let mut logits = vec![-20.0; 50_000];
    logits[7] = 0.0;
    let from = Distribution::new(&logits, &Filter::NONE).unwrap();
    let tail = 1.0 - from.chance(7);
    let each = (-20f64).exp() / (1.0 + 49_999.0 * (-20f64).exp());
    assert!((tail - 49_999.0 * each).abs() < EXACT);
    // fp32 noise draws id 7 alone: an entropy of 0. The model's is 2e-3.
    let entropy = -(1.0 - tail) * (1.0 - tail).ln() - tail * each.ln();
    assert!(entropy > 2e-3 && (from.entropy() - entropy).abs() < EXACT, "{entropy} and {}", from.entropy());
    // What is drawn, by measure: the tail has its mass, so the surprise of the draws averages to that entropy.
    let drawn = 1.0 - (below(&from, 8, 53) - below(&from, 7, 53));
    assert!((drawn - tail).abs() < RESOLUTION, "{drawn:e} for {tail:e}");
}

/// Sampled entropy of a distribution as a network's is: spread over many orders of magnitude.
#[test]
fn sampled_entropy_equals_the_models() {
    let normal = Stream::new(6, Purpose::Init);
    let logits: Vec<f64> = (0..300).map(|i| 4.0 * normal.normals([0, 0, i, 0])[0]).collect();
    for temperature in [0.5, 1.0, 2.0] {
        let from = Distribution::new(&logits, &Filter { temperature, ..Filter::NONE }).unwrap();
        let surprise = |u: f64| -from.chance(from.draw(u)).ln();
        let stream = Stream::new(7, Purpose::Sample);
        let mean = (0..N_DRAWS).map(|i| surprise(stream.uniform([0, i, 0, 1]))).sum::<f64>() / f64::from(N_DRAWS);
        let variance: f64 = from.chances().filter(|p| *p > 0.0).map(|p| p * (-p.ln() - from.entropy()).powi(2)).sum();
        let error = (variance / f64::from(N_DRAWS)).sqrt();
        assert!((mean - from.entropy()).abs() < 4.0 * error, "{temperature}: {mean} for {}", from.entropy());
    }
}

/// The mean entropy that a text reports is that of the distributions: averaged over texts, the entropy of the law.
#[test]
fn texts_report_the_entropy_of_the_law() {
    let table = joint(1);
    let entropy: f64 = table.iter().map(|p| -p * p.ln()).sum();
    let mut toy = Toy::exact(&table);
    let request = Request { template: OPEN.to_vec(), texts: 0..20_000, seed: 3 };
    for (objective, method) in
        [(next_token(), Method::LeftToRight), (masked(linear()), Method::FirstHitting { block: None })]
    {
        let texts = decode(&mut toy, &objective, &VOCAB, &sampler(method), &request, &mut |_| {}).unwrap();
        let sums: Vec<f64> = texts.iter().map(|text| text.entropy * L as f64).collect();
        let n = sums.len() as f64;
        let mean = sums.iter().sum::<f64>() / n;
        let error = (sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        assert!((mean - entropy).abs() < 4.0 * error, "{mean} for {entropy} ± {error}");
    }
}

fn distribution(chances: &[f64], filter: Filter) -> Vec<f64> {
    let logits: Vec<f64> = chances.iter().map(|p| p.ln()).collect();
    Distribution::new(&logits, &filter).unwrap().chances().collect()
}

fn near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < EXACT)
}

#[test]
fn temperature_and_cuts_are_what_they_say() {
    let p = [0.1, 0.4, 0.05, 0.3, 0.15];
    let of = |temperature, top_k, top_p| distribution(&p, Filter { temperature, top_k, top_p });
    assert!(near(&of(1.0, None, None), &p));
    // A temperature of 1/2 squares the chances.
    assert!(near(&of(0.5, None, None), &normalized(p.iter().map(|p| p * p).collect())));
    // 0 takes the likeliest, and so does anything close.
    assert!(near(&of(0.0, None, None), &[0.0, 1.0, 0.0, 0.0, 0.0]));
    assert!(near(&of(1e-300, None, None), &[0.0, 1.0, 0.0, 0.0, 0.0]));
    assert!(near(&of(1.0, Some(2), None), &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]));
    assert!(near(&of(1.0, Some(1), None), &[0.0, 1.0, 0.0, 0.0, 0.0]));
    assert!(near(&of(1.0, Some(99), Some(1.0)), &p));
    // The fewest that hold 0.75: 0.4 + 0.3 do not, with 0.15 they do.
    assert!(near(&of(1.0, None, Some(0.75)), &[0.0, 0.4 / 0.85, 0.0, 0.3 / 0.85, 0.15 / 0.85]));
    assert!(near(&of(1.0, None, Some(1e-9)), &[0.0, 1.0, 0.0, 0.0, 0.0]));
    // top_p is of what top_k leaves: 0.4 of 0.7 is less than 0.6.
    assert!(near(&of(1.0, Some(2), Some(0.55)), &[0.0, 1.0, 0.0, 0.0, 0.0]));
    assert!(near(&of(1.0, Some(2), Some(0.6)), &[0.0, 4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]));
    // Equals: the smaller ids.
    assert!(near(&distribution(&[0.25; 4], Filter { top_k: Some(2), ..Filter::NONE }), &[0.5, 0.5, 0.0, 0.0]));
    assert!(near(&distribution(&[0.25; 4], Filter { top_p: Some(0.5), ..Filter::NONE }), &[0.5, 0.5, 0.0, 0.0]));
}

/// The law of a text under temperature and cuts, drawn.
#[test]
fn filtered_texts_have_the_filtered_law() {
    let table = joint(1);
    let filter = Filter { temperature: 0.7, top_k: Some(2), top_p: Some(0.9) };
    let toy = Toy::exact(&table);
    let mut law = blank();
    for at in 0..L {
        law = step(&law, |state| fillings(state, &[(at, distribution(&toy.chances(&state[..at], None, at), filter))]));
    }
    let mut toy = Toy::exact(&table);
    let sampler = Sampler { method: Method::LeftToRight, filter };
    let counts = sample(&mut toy, &next_token(), &sampler, &OPEN, FEWER);
    assert_law("filtered", &counts, &law, Some(&law_of(&table)));
}

#[test]
fn what_is_no_distribution_is_said() {
    let of = |logits: &[f64]| Distribution::new(logits, &Filter::NONE).err();
    assert_eq!(of(&[0.0, f64::NAN]), Some(Unsound::NotANumber));
    assert_eq!(of(&[f64::NEG_INFINITY; 3]), Some(Unsound::Nothing));
    assert_eq!(of(&[]), Some(Unsound::Nothing));
    assert_eq!(of(&[f64::INFINITY, 0.0]), Some(Unsound::Infinite));
    assert_eq!(of(&[f64::NEG_INFINITY, 0.0]), None);
}

proptest! {
    #[test]
    fn a_draw_has_a_chance_whatever_the_logits(
        logits in proptest::collection::vec(-800.0f64..800.0, 1..40),
        u in 0.0f64..1.0,
        temperature in 0.0f64..4.0,
        k in 1u64..50,
        p in 0.0f64..1.2,
    ) {
        let filter = Filter { temperature, top_k: Some(k), top_p: Some(p) };
        let from = Distribution::new(&logits, &filter).unwrap();
        for u in [u, 0.0, 1.0 - 2f64.powi(-53)] {
            let id = from.draw(u);
            prop_assert!(from.chance(id) > 0.0);
        }
        prop_assert!((from.chances().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(from.entropy() >= 0.0 && from.entropy() <= (logits.len() as f64).ln() + 1e-9);
        prop_assert!(from.chances().filter(|p| *p > 0.0).count() as u64 <= k);
    }
}
