//! Uniform and hybrid noise: the finite-step law by enumeration, from the formulas as they are published.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

/// q_t(z | x) of a process over ids 0, 1, 2 and the mask.
type Marginals = dyn Fn(f64) -> [[f64; 4]; 3];

/// q(z_s | z_t, x_theta) from (t, s, z_t, x_theta), over ids and mask.
type Posterior = dyn Fn(f64, f64, u32, &[f64]) -> Vec<f64>;

fn uniform_marginals(alpha: fn(f64) -> f64) -> impl Fn(f64) -> [[f64; 4]; 3] {
    move |t| {
        let mut q = [[0.0; 4]; 3];
        for (x, row) in q.iter_mut().enumerate() {
            for (z, value) in row.iter_mut().take(N).enumerate() {
                *value = (1.0 - alpha(t)) / N as f64 + if z == x { alpha(t) } else { 0.0 };
            }
        }
        q
    }
}

/// GIDD: B = 2 p/(1-p), c = B sqrt(t (1-t)), C = 1 + c; clean (1-t)/C, mask t/C, uniform c/C.
fn hybrid_marginals(p: f64) -> impl Fn(f64) -> [[f64; 4]; 3] {
    move |t| {
        let c = 2.0 * p / (1.0 - p) * (t * (1.0 - t)).sqrt();
        let mut q = [[0.0; 4]; 3];
        for (x, row) in q.iter_mut().enumerate() {
            for (z, value) in row.iter_mut().enumerate() {
                *value = match z {
                    3 => t,
                    z if z == x => 1.0 - t + c / N as f64,
                    _ => c / N as f64,
                } / (1.0 + c);
            }
        }
        q
    }
}

/// Domain B.7, x_theta in place of x:
/// [N a_t z.x + (a_t/a_s - a_t) z + (a_s - a_t) x + (a_s-a_t)(1-a_s)/(N a_s) 1] / [N a_t <z,x> + 1 - a_t].
fn uniform_posterior(alpha: fn(f64) -> f64) -> impl Fn(f64, f64, u32, &[f64]) -> Vec<f64> {
    move |t, s, z, x| {
        let (at, a_s, n) = (alpha(t), alpha(s), N as f64);
        let here = x[z as usize];
        let each = |j: usize| {
            let same = if j == z as usize { 1.0 } else { 0.0 };
            let up = n * at * same * here + (at / a_s - at) * same + (a_s - at) * x[j];
            (up + (a_s - at) * (1.0 - a_s) / (n * a_s)) / (n * at * here + 1.0 - at)
        };
        (0..N).map(each).chain([0.0]).collect()
    }
}

/// GIDD's q(z_t|z_s) q_s(z_s|x_theta) / q_t(z_t|x_theta), with q(z_t|z_s) solved from the marginals:
/// a_t/a_s on the diagonal, beta_t pi_t - (a_t/a_s) beta_s pi_s everywhere.
fn hybrid_posterior(p: f64) -> impl Fn(f64, f64, u32, &[f64]) -> Vec<f64> {
    let marginals = hybrid_marginals(p);
    move |t, s, z, x| {
        let (qt, qs) = (marginals(t), marginals(s));
        let clean = |q: &[[f64; 4]; 3]| q[0][0] - q[1][0];
        let ratio = clean(&qt) / clean(&qs);
        // The noise alone: what an id gets from another.
        let noise = |q: &[[f64; 4]; 3], z: usize| if z == 3 { q[0][3] } else { q[(z + 1) % 3][z] };
        let z = z as usize;
        let arrives = |j: usize| noise(&qt, z) - ratio * noise(&qs, z) + if j == z { ratio } else { 0.0 };
        let soft = |q: &[[f64; 4]; 3], j: usize| (0..N).map(|i| x[i] * q[i][j]).sum::<f64>();
        (0..4).map(|j| arrives(j) * soft(&qs, j) / soft(&qt, z)).collect()
    }
}

/// p(x_at | z without the token that stands there) at t: what the bounds train x_theta to be.
fn leave_one_out(joint: &[f64], marginals: &Marginals, z: &[u32], t: f64, at: usize) -> Vec<f64> {
    let q = marginals(t);
    let mut odds = vec![0.0; N];
    for (x, p) in all(N, L).iter().zip(joint) {
        let seen: f64 = (0..L).filter(|i| *i != at).map(|i| q[x[i] as usize][z[i] as usize]).product();
        odds[x[at] as usize] += p * seen;
    }
    normalized(odds)
}

/// The law of `steps` equal steps from `start`, the last to clean tokens.
fn posterior_law(start: Law, toy: &Toy, posterior: &Posterior, steps: usize, holes: &[usize]) -> Law {
    let mut law = start;
    for k in 0..steps {
        let [t, s] = [k, k + 1].map(|k| 1.0 - k as f64 / steps as f64);
        law = step(&law, |z| {
            let row = |at: &usize| (*at, posterior(t, s, z[*at], &toy.chances(z, Some(t), *at)));
            let rows: Vec<_> = holes.iter().map(row).collect();
            fillings(z, &rows).into_iter().filter(|(_, p)| *p > 0.0).collect()
        });
    }
    law
}

fn noise() -> Law {
    let texts = all(N, L);
    let p = 1.0 / texts.len() as f64;
    texts.into_iter().map(|x| (x, p)).collect()
}

fn square(t: f64) -> f64 {
    1.0 - t * t
}

const EVERY: [usize; L] = [0, 1, 2, 3];

fn posterior_of(steps: usize) -> Sampler {
    sampler(Method::Posterior { steps: Some(steps as u64) })
}

#[test]
fn uniform_noise_draws_from_its_finite_step_law() {
    for steps in [2, 3] {
        let mut toy = Toy::arbitrary(21);
        let law = posterior_law(noise(), &toy, &uniform_posterior(square), steps, &EVERY);
        let other = posterior_law(noise(), &toy, &uniform_posterior(|t| 1.0 - t), steps, &EVERY);
        let counts = sample(&mut toy, &uniform(poly2()), &posterior_of(steps), &OPEN, N_DRAWS);
        assert_law(&format!("uniform, {steps} steps"), &counts, &law, Some(&other));
    }
}

#[test]
fn hybrid_noise_draws_from_its_finite_step_law() {
    for steps in [2, 3] {
        let mut toy = Toy::arbitrary(22);
        let law = posterior_law(blank(), &toy, &hybrid_posterior(0.2), steps, &EVERY);
        let other = posterior_law(blank(), &toy, &hybrid_posterior(0.3), steps, &EVERY);
        let counts = sample(&mut toy, &hybrid(0.2), &posterior_of(steps), &OPEN, N_DRAWS);
        assert!(counts.keys().all(|text| !text.contains(&MASK)));
        assert_law(&format!("hybrid, {steps} steps"), &counts, &law, Some(&other));
    }
}

/// Holes among given tokens: the given ones are read as they are at every step.
#[test]
fn infilling_under_noise_draws_from_its_finite_step_law() {
    let template = [Some(2), None, Some(0), None];
    let start: Law = noise().into_iter().filter(|(x, _)| x[0] == 2 && x[2] == 0).map(|(x, p)| (x, 9.0 * p)).collect();
    let mut toy = Toy::arbitrary(23);
    let law = posterior_law(start, &toy, &uniform_posterior(square), 2, &[1, 3]);
    let counts = sample(&mut toy, &uniform(poly2()), &posterior_of(2), &template, N_DRAWS);
    assert_law("uniform, infilling", &counts, &law, None);
    let start: Law = [(vec![2, MASK, 0, MASK], 1.0)].into_iter().collect();
    let mut toy = Toy::arbitrary(23);
    let law = posterior_law(start, &toy, &hybrid_posterior(0.2), 2, &[1, 3]);
    let counts = sample(&mut toy, &hybrid(0.2), &posterior_of(2), &template, N_DRAWS);
    assert_law("hybrid, infilling", &counts, &law, None);
}

/// The transition that the posterior is made of brings the marginal at s to that at t, for every pair.
#[test]
fn forward_steps_compose() {
    for objective in [uniform(poly2()), hybrid(0.2)] {
        let process = Process::of(&objective, 3).unwrap();
        for (s, t) in [(0.0, 0.3), (0.1, 0.5), (0.5, 0.9), (0.6, 1.0), (0.0, 1.0)] {
            let (from, to) = (process.mixing(t), process.mixing(s));
            let kept = from.alpha / to.alpha;
            let (added, masked) = (from.uniform - kept * to.uniform, from.mask - kept * to.mask);
            assert!(kept <= 1.0 && added > -EXACT && masked > -EXACT, "{s} to {t}");
            // From any token at s: kept, or replaced by the added noise.
            assert!((kept + 3.0 * added + masked - 1.0).abs() < EXACT, "{s} to {t}");
            assert!((from.alpha + 3.0 * from.uniform + from.mask - 1.0).abs() < EXACT);
        }
    }
}

/// Without uniform noise hybrid diffusion is masked diffusion, sampler included.
#[test]
fn hybrid_without_uniform_noise_is_ancestral() {
    let table = joint(1);
    let hybrid_toy = Toy::exact(&table);
    let law = posterior_law(blank(), &hybrid_toy, &hybrid_posterior(0.0), 3, &EVERY);
    let mut toy = Toy::exact(&table);
    let method = Method::Ancestral { steps: Some(3), block: None };
    let counts = sample(&mut toy, &masked(linear()), &sampler(method), &OPEN, FEWER);
    assert_law("ancestral", &counts, &law, None);
    let mut toy = Toy::exact(&table);
    let counts = sample(&mut toy, &hybrid(0.0), &posterior_of(3), &OPEN, FEWER);
    assert_law("hybrid(0)", &counts, &law, None);
}

/// With the leave-one-out posterior the law tends to the true one as steps grow; with the ordinary posterior, which
/// sees the token it is to replace, it does not.
#[test]
fn the_leave_one_out_posterior_is_the_one_that_converges() {
    let table = joint(1);
    let distance = |law: &Law| -> f64 {
        law_of(&table).iter().map(|(x, p)| 0.5 * (p - law.get(x).copied().unwrap_or(0.0)).abs()).sum()
    };
    let right = {
        let table = table.clone();
        Toy::new(move |z, t, at| leave_one_out(&table, &uniform_marginals(square), z, t.unwrap(), at))
    };
    let ordinary = {
        let table = table.clone();
        Toy::new(move |z, t, at| {
            let t = t.unwrap();
            let q = uniform_marginals(square)(t);
            let others = leave_one_out(&table, &uniform_marginals(square), z, t, at);
            normalized((0..N).map(|x| others[x] * q[x][z[at] as usize]).collect())
        })
    };
    let posterior = uniform_posterior(square);
    let few = distance(&posterior_law(noise(), &right, &posterior, 2, &EVERY));
    let many = distance(&posterior_law(noise(), &right, &posterior, 12, &EVERY));
    let wrong = distance(&posterior_law(noise(), &ordinary, &posterior, 12, &EVERY));
    // First order in the step: a sixth of the distance, and a good half more.
    assert!(many < few / 4.0, "{few} and {many}");
    assert!(wrong > 4.0 * many, "{wrong} and {many}");
}
