//! Every method draws from its own law, enumerated: 200,000 draws each, chi-squared, seeds fixed. The kernels here are
//! written from the methods' definitions, not from the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

fn masks(state: &State, holes: &[usize]) -> Vec<usize> {
    holes.iter().copied().filter(|i| state[*i] == MASK).collect()
}

/// What a network that reads t is told: the level at which as many of the L tokens are masked.
fn level(schedule: &str, state: &State) -> Option<f64> {
    let share = state.iter().filter(|token| **token == MASK).count() as f64 / L as f64;
    match schedule {
        "1-t" => Some(share),
        "1-t^2" => Some(share.sqrt()),
        "0.9(1-t)" => Some(((share - 0.1) / 0.9).max(0.0)),
        _ => None,
    }
}

/// Subsets of positions, as lists.
fn subsets(positions: &[usize]) -> Vec<Vec<usize>> {
    (0..1usize << positions.len())
        .map(|bits| positions.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, p)| *p).collect())
        .collect()
}

/// The law after the grid: each masked token of `holes` lifted on its own with chance 1 - r(s)/r(t); at the end all
/// that is left, from one prediction.
fn ancestral(law: Law, toy: &Toy, holes: &[usize], steps: usize, schedule: &str, rate: impl Fn(f64) -> f64) -> Law {
    let reveal = |state: &State, lifts: f64| -> Vec<(State, f64)> {
        let open = masks(state, holes);
        let each = |chosen: Vec<usize>| -> Vec<(State, f64)> {
            let n = chosen.len() as i32;
            let mass = lifts.powi(n) * (1.0 - lifts).powi(open.len() as i32 - n);
            let rows: Vec<_> = chosen.iter().map(|at| (*at, toy.chances(state, level(schedule, state), *at))).collect();
            fillings(state, &rows).into_iter().map(|(to, p)| (to, p * mass)).collect()
        };
        subsets(&open).into_iter().flat_map(each).collect()
    };
    let mut law = law;
    for k in 0..steps {
        let [t, s] = [k, k + 1].map(|k| rate(1.0 - k as f64 / steps as f64));
        law = step(&law, |state| reveal(state, 1.0 - s / t));
    }
    step(&law, |state| reveal(state, 1.0))
}

/// The law after steps that keep the best `n` of `holes` each.
fn remask(law: Law, toy: &Toy, holes: &[usize], kept: &[usize], score: Score) -> Law {
    let mut law = law;
    for n in kept {
        law = step(&law, |state| {
            let open = masks(state, holes);
            let rows: Vec<_> = open.iter().map(|at| (*at, toy.chances(state, level("1-t", state), *at))).collect();
            if score == Score::Random {
                let chosen: Vec<Vec<usize>> = subsets(&open).into_iter().filter(|set| set.len() == *n).collect();
                let mass = 1.0 / chosen.len() as f64;
                let each = |set: Vec<usize>| {
                    let rows: Vec<_> = rows.iter().filter(|(at, _)| set.contains(at)).cloned().collect();
                    fillings(state, &rows).into_iter().map(move |(to, p)| (to, p * mass))
                };
                return chosen.into_iter().flat_map(each).collect();
            }
            let keep = |(filled, mass): (State, f64)| {
                let mut ranked: Vec<(f64, usize)> = rows
                    .iter()
                    .map(|(at, p)| {
                        let mut sorted = p.clone();
                        sorted.sort_by(|a, b| b.total_cmp(a));
                        let rank = match score {
                            Score::Confidence => p[filled[*at] as usize],
                            Score::Margin => sorted[0] - sorted[1],
                            Score::Entropy => p.iter().map(|p| p * p.ln()).sum(),
                            Score::Random => unreachable!(),
                        };
                        (rank, *at)
                    })
                    .collect();
                ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
                let mut to = state.clone();
                ranked.iter().take(*n).for_each(|(_, at)| to[*at] = filled[*at]);
                (to, mass)
            };
            fillings(state, &rows).into_iter().map(keep).collect()
        });
    }
    law
}

#[test]
fn left_to_right_and_first_hitting_draw_from_the_true_law() {
    let table = joint(1);
    let true_law = law_of(&table);
    let wrong = law_of(&joint(2));
    let mut toy = Toy::exact(&table);
    let counts = sample(&mut toy, &next_token(), &sampler(Method::LeftToRight), &OPEN, N_DRAWS);
    assert_law("left to right", &counts, &true_law, Some(&wrong));
    for (block, n) in [(None, N_DRAWS), (Some(3), FEWER)] {
        let method = Method::FirstHitting { block };
        let mut toy = Toy::exact(&table);
        let counts = sample(&mut toy, &masked(linear()), &sampler(method), &OPEN, n);
        assert_law("first hitting", &counts, &true_law, Some(&wrong));
    }
    // Block diffusion with first hitting is exact too: it conditions on all that came before.
    let method = Method::FirstHitting { block: None };
    let mut toy = Toy::exact(&table);
    let counts = sample(&mut toy, &blocks(2), &sampler(method), &OPEN, N_DRAWS);
    assert_law("block diffusion, first hitting", &counts, &true_law, Some(&wrong));
}

/// With predictions that are no conditionals the order matters, and so does what the network is told.
#[test]
fn first_hitting_averages_over_orders() {
    let mut toy = Toy::arbitrary(3);
    let one_by_one = |state: &State| -> Vec<(State, f64)> {
        let open = masks(state, &[0, 1, 2, 3]);
        let mass = 1.0 / open.len() as f64;
        let each = |at: &usize| {
            let rows = [(*at, toy.chances(state, level("1-t^2", state), *at))];
            fillings(state, &rows).into_iter().map(|(to, p)| (to, p * mass)).collect::<Vec<_>>()
        };
        open.iter().flat_map(each).collect()
    };
    let law = (0..L).fold(blank(), |law, _| step(&law, one_by_one));
    let method = Method::FirstHitting { block: None };
    let counts = sample(&mut toy, &masked(poly2()), &sampler(method), &OPEN, N_DRAWS);
    assert_law("first hitting, arbitrary", &counts, &law, Some(&law_of(&joint(1))));
}

#[test]
fn ancestral_draws_from_its_finite_step_law() {
    let table = joint(1);
    let holes = [0, 1, 2, 3];
    // Even a perfect network leaves the error of few steps.
    let toy = Toy::exact(&table);
    let law = ancestral(blank(), &toy, &holes, 2, "1-t", |t| t);
    let method = Method::Ancestral { steps: Some(2), block: None };
    let mut exact = Toy::exact(&table);
    let counts = sample(&mut exact, &any_order(), &sampler(method), &OPEN, N_DRAWS);
    assert_law("ancestral(steps: 2)", &counts, &law, Some(&law_of(&table)));
    // A network that reads t, and schedules that are not linear.
    type Case = (&'static str, Formula, fn(f64) -> f64, usize);
    let cases: [Case; 3] = [
        ("1-t", linear(), |t| t, 3),
        ("1-t^2", poly2(), |t| t * t, 4),
        // A tenth stays masked at t = 0, and is drawn from a last prediction.
        ("0.9(1-t)", open_ended(), |t| 0.1 + 0.9 * t, 2),
    ];
    for (name, schedule, rate, steps) in cases {
        let mut toy = Toy::arbitrary(4);
        let law = ancestral(blank(), &toy, &holes, steps, name, rate);
        let method = Method::Ancestral { steps: Some(steps as u64), block: None };
        let counts = sample(&mut toy, &masked(schedule), &sampler(method), &OPEN, N_DRAWS);
        let other = ancestral(blank(), &toy, &holes, steps + 1, name, rate);
        assert_law(name, &counts, &law, Some(&other));
    }
}

#[test]
fn ancestral_goes_block_by_block() {
    let mut toy = Toy::arbitrary(5);
    let law = ancestral(blank(), &toy, &[0, 1], 2, "1-t", |t| t);
    let law = ancestral(law, &toy, &[2, 3], 2, "1-t", |t| t);
    let method = Method::Ancestral { steps: Some(4), block: Some(2) };
    let counts = sample(&mut toy, &masked(linear()), &sampler(method), &OPEN, N_DRAWS);
    let whole = ancestral(blank(), &toy, &[0, 1, 2, 3], 4, "1-t", |t| t);
    assert_law("ancestral(steps: 4, block: 2)", &counts, &law, Some(&whole));
}

#[test]
fn remasking_draws_from_its_finite_step_law() {
    let scores = [Score::Confidence, Score::Margin, Score::Entropy, Score::Random];
    let laws_of = |seed: u32| -> Vec<Law> {
        let toy = Toy::arbitrary(seed);
        scores.map(|score| remask(blank(), &toy, &[0, 1, 2, 3], &[2, 2], score)).to_vec()
    };
    // Margin and entropy often rank alike. A network for which all four laws are far apart can tell them.
    let apart = |a: &Law, b: &Law| a.iter().map(|(x, p)| (p - b.get(x).unwrap_or(&0.0)).abs()).sum::<f64>() > 0.1;
    let differ = |laws: &[Law]| (0..4).all(|i| (0..i).all(|j| apart(&laws[i], &laws[j])));
    let seed = (30..200).find(|seed| differ(&laws_of(*seed))).unwrap();
    let laws = laws_of(seed);
    for (i, score) in scores.into_iter().enumerate() {
        let mut toy = Toy::arbitrary(seed);
        let counts = sample(&mut toy, &masked(linear()), &sampler(scored(score, 2, None)), &OPEN, N_DRAWS);
        for (j, other) in laws.iter().enumerate() {
            assert_law(&format!("{score:?}"), &counts, &laws[i], (j != i).then_some(other));
        }
    }
}

#[test]
fn remasking_splits_masks_over_steps_and_goes_block_by_block() {
    for score in [Score::Confidence, Score::Random] {
        // Four masks in three steps: two in the first.
        let mut toy = Toy::arbitrary(7);
        let law = remask(blank(), &toy, &[0, 1, 2, 3], &[2, 1, 1], score);
        let other = remask(blank(), &toy, &[0, 1, 2, 3], &[1, 1, 2], score);
        let counts = sample(&mut toy, &masked(linear()), &sampler(scored(score, 3, None)), &OPEN, N_DRAWS);
        assert_law(&format!("{score:?}, three steps"), &counts, &law, Some(&other));
        // Blocks of three and one: of three steps the first block has two.
        let mut toy = Toy::arbitrary(8);
        let law = remask(blank(), &toy, &[0, 1, 2], &[2, 1], score);
        let law = remask(law, &toy, &[3], &[1], score);
        let other = remask(blank(), &toy, &[0, 1, 2, 3], &[2, 1, 1], score);
        let counts = sample(&mut toy, &masked(linear()), &sampler(scored(score, 3, Some(3))), &OPEN, N_DRAWS);
        assert_law(&format!("{score:?}, blocks"), &counts, &law, Some(&other));
    }
}

/// Blocks of two, the first of which starts with the context: tokens 1; 2 and 3; 4. Later blocks are not read, and the
/// last is read to its end.
#[test]
fn block_diffusion_draws_block_by_block() {
    let read = |toy: Toy, end: usize| {
        Toy::new(move |state: &[u32], _, at| {
            let mut tokens = state.to_vec();
            tokens.resize(end, MASK);
            toy.chances(&tokens, None, at)
        })
    };
    let inner =
        |law: Law, end: usize, holes: &[usize]| ancestral(law, &read(Toy::arbitrary(9), end), holes, 2, "none", |t| t);
    let law = inner(inner(inner(blank(), 1, &[0]), 3, &[1, 2]), 5, &[3]);
    let whole = inner(inner(inner(blank(), 4, &[0]), 4, &[1, 2]), 4, &[3]);
    let method = Method::Ancestral { steps: Some(6), block: None };
    let mut toy = Toy::arbitrary(9);
    let counts = sample(&mut toy, &blocks(2), &sampler(method), &OPEN, N_DRAWS);
    assert_law("block diffusion, ancestral", &counts, &law, Some(&whole));
    assert!(toy.read.iter().all(|read| [(2, 0), (4, 2), (6, 4)].contains(read)));
}

/// A block of one is next token: no masked token beside the one that is drawn.
#[test]
fn block_diffusion_of_one_token_is_next_token() {
    let table = joint(1);
    for steps in [None, Some(1)] {
        let mut toy = Toy::exact(&table);
        let method = Method::Ancestral { steps, block: None };
        let counts = sample(&mut toy, &blocks(1), &sampler(method), &OPEN, FEWER);
        assert_law("block 1", &counts, &law_of(&table), None);
        assert_eq!(toy.n_asked, u64::from(FEWER) * L as u64);
    }
}

/// Holes anywhere: the law is the conditional one.
#[test]
fn infilling_draws_from_the_conditional_law() {
    let table = joint(1);
    let template = [None, Some(1), None, Some(0)];
    let fits = |x: &State| template.iter().zip(x).all(|(given, x)| given.is_none_or(|given| given == *x));
    let mut law: Law = law_of(&table).into_iter().filter(|(x, _)| fits(x)).collect();
    let total: f64 = law.values().sum();
    law.values_mut().for_each(|p| *p /= total);
    let method = Method::FirstHitting { block: None };
    let mut toy = Toy::exact(&table);
    let counts = sample(&mut toy, &any_order(), &sampler(method), &template, N_DRAWS);
    assert_law("infilling", &counts, &law, None);
    // Left to right gives a prompt's law, and with two steps the holes are drawn one by one as well.
    let prompt = [Some(1), Some(2), None, None];
    let mut law: Law = law_of(&table).into_iter().filter(|(x, _)| x[..2] == [1, 2]).collect();
    let total: f64 = law.values().sum();
    law.values_mut().for_each(|p| *p /= total);
    for (objective, method) in [(next_token(), Method::LeftToRight), (masked(linear()), scored(Score::Random, 2, None))]
    {
        let counts = sample(&mut Toy::exact(&table), &objective, &sampler(method), &prompt, FEWER);
        assert_law("a prompt", &counts, &law, None);
    }
}
