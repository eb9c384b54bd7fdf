//! Flat weights, gradient sums and AdamW.
#![cfg(feature = "torch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use dlmc::check::spec::{AdamW, Precision};
use dlmc::graph::Init;
use dlmc::lower::{AdamWState, Ema, GradBuffer, Weights};
use dlmc::program::ParamInstance;
use support::{Draws, distance};
use tch::{Device, Kind, Tensor};

const OPTIMIZER: AdamW = AdamW { lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

fn params() -> Vec<ParamInstance> {
    let param =
        |path: &str, shape: &[u64], init| ParamInstance { path: path.into(), shape: shape.into(), init, place: 0 };
    let normal = Init::Normal { std: 0.5 };
    vec![
        param("a.gain", &[5], Init::Ones),
        param("a.w", &[7, 5], normal),
        param("b.bias", &[3], Init::Zeros),
        param("b.w", &[130, 301], normal),
    ]
}

fn weights(precision: Precision) -> Weights {
    Weights::init(&params(), 4, precision, Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

fn grads(draws: &mut Draws, scale: f64) -> Vec<Vec<f64>> {
    params().iter().map(|p| draws.array(&[p.n_elements() as usize], scale).data).collect()
}

fn tensors(grads: &[Vec<f64>], kind: Kind) -> Vec<Option<Tensor>> {
    let tensor = |(p, g): (&ParamInstance, &Vec<f64>)| {
        let shape: Vec<i64> = p.shape.iter().map(|n| *n as i64).collect();
        Some(Tensor::from_slice(g).view(&shape[..]).to_kind(kind))
    };
    params().iter().zip(grads).map(tensor).collect()
}

/// The formulas of `torch.optim.AdamW` and `clip_grad_norm_`, element by element.
struct Plain {
    p: Vec<Vec<f64>>,
    m: Vec<Vec<f64>>,
    v: Vec<Vec<f64>>,
}

impl Plain {
    fn step(&mut self, grads: &[Vec<f64>], lr: f64, clip: Option<f64>, n: i32) -> (f64, f64) {
        let norm = grads.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let factor = clip.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
        let AdamW { beta1, beta2, eps, weight_decay, .. } = OPTIMIZER;
        let (mut squares, mut changes) = (0.0, 0.0);
        for (i, param) in params().iter().enumerate() {
            for (j, g) in grads[i].iter().enumerate() {
                let (old, g) = (self.p[i][j], g * factor);
                let mut p = old;
                if param.decays() {
                    p *= 1.0 - lr * weight_decay;
                }
                self.m[i][j] = beta1 * self.m[i][j] + (1.0 - beta1) * g;
                self.v[i][j] = beta2 * self.v[i][j] + (1.0 - beta2) * g * g;
                let (m, v) = (self.m[i][j] / (1.0 - beta1.powi(n)), self.v[i][j] / (1.0 - beta2.powi(n)));
                p -= lr * m / (v.sqrt() + eps);
                self.p[i][j] = p;
                squares += old * old;
                changes += (p - old) * (p - old);
            }
        }
        (norm, (changes / squares).sqrt())
    }
}

#[test]
fn adamw_is_the_plain_formula() {
    for (precision, tolerance) in [(Precision::Fp64, 1e-12), (Precision::Fp32, 1e-5), (Precision::Bf16, 1e-5)] {
        for on_device in [false, true] {
            let mut weights = weights(precision);
            let kind = weights.views().unwrap()[0].kind();
            let zeros: Vec<Vec<f64>> = params().iter().map(|p| vec![0.0; p.n_elements() as usize]).collect();
            let p = weights.views().unwrap().iter().map(values).collect();
            let mut plain = Plain { p, m: zeros.clone(), v: zeros };
            let mut state = AdamWState::new(&weights).unwrap();
            let mut buffer = GradBuffer::new(&weights).unwrap();
            let mut draws = Draws::new(2);
            for n in 1..=6 {
                // Small gradients are not clipped, large ones are.
                let scale = if n % 2 == 0 { 1e-4 } else { 1.0 };
                let (a, b) = (grads(&mut draws, scale), grads(&mut draws, scale));
                buffer.accumulate(&tensors(&a, kind)).unwrap();
                buffer.accumulate(&tensors(&b, kind)).unwrap();
                let sum: Vec<Vec<f64>> =
                    a.iter().zip(&b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + b).collect()).collect();
                let lr = 0.01 / f64::from(n);
                let (norm, ratio) = plain.step(&sum, lr, Some(1.0), n);
                let stats = if on_device {
                    state.step_on_device(&mut weights, &mut buffer, &OPTIMIZER, lr, Some(1.0), n as u64)
                } else {
                    state.step(&mut weights, &mut buffer, &OPTIMIZER, lr, Some(1.0), n as u64)
                };
                let stats = stats.unwrap();
                assert!((stats.grad_norm / norm - 1.0).abs() < tolerance, "{} {norm}", stats.grad_norm);
                assert!((stats.update_ratio / ratio - 1.0).abs() < 100.0 * tolerance, "{} {ratio}", stats.update_ratio);
                assert_eq!(stats.clipped, norm > 1.0);
                assert!(stats.finite);
                for (view, plain) in weights.views().unwrap().iter().zip(&plain.p) {
                    let error = distance(&values(view), plain);
                    assert!(error < tolerance, "step {n}, {precision:?}, on_device {on_device}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing() {
    for bad in [f64::NAN, f64::INFINITY] {
        for on_device in [false, true] {
            let mut weights = weights(Precision::Bf16);
            let mut state = AdamWState::new(&weights).unwrap();
            let mut buffer = GradBuffer::new(&weights).unwrap();
            let mut all = grads(&mut Draws::new(2), 1.0);
            let mut step = |weights: &mut Weights, state: &mut AdamWState, all: &[Vec<f64>]| {
                buffer.accumulate(&tensors(all, Kind::Float)).unwrap();
                match on_device {
                    true => state.step_on_device(weights, &mut buffer, &OPTIMIZER, 0.1, Some(1.0), 1),
                    false => state.step(weights, &mut buffer, &OPTIMIZER, 0.1, Some(1.0), 1),
                }
                .unwrap()
            };
            step(&mut weights, &mut state, &all);
            let before = (weights.export().unwrap(), state.export().unwrap());
            all[1][3] = bad;
            let stats = step(&mut weights, &mut state, &all);
            assert!(!stats.finite && !stats.clipped && stats.update_ratio == 0.0 && !stats.grad_norm.is_finite());
            assert_eq!(before, (weights.export().unwrap(), state.export().unwrap()));
            // The next good one is taken, and the bad gradient is gone.
            all[1][3] = 0.0;
            assert!(step(&mut weights, &mut state, &all).finite);
        }
    }
}

#[test]
fn gradients_start_anew_after_a_step() {
    let mut weights = weights(Precision::Fp32);
    let mut state = AdamWState::new(&weights).unwrap();
    let mut buffer = GradBuffer::new(&weights).unwrap();
    let all = grads(&mut Draws::new(2), 1.0);
    buffer.accumulate(&tensors(&all, Kind::Float)).unwrap();
    state.step(&mut weights, &mut buffer, &OPTIMIZER, 0.1, None, 1).unwrap();
    let mut some = tensors(&all, Kind::Float);
    some[1] = None;
    buffer.accumulate(&some).unwrap();
    assert_eq!(values(&buffer.views()[1]), vec![0.0; 35]);
    assert!(distance(&values(&buffer.views()[3]), &all[3]) < 1e-6);
}

#[test]
fn initial_weights_depend_on_path_and_seed_alone() {
    let (a, b) = (weights(Precision::Fp32), weights(Precision::Bf16));
    assert_eq!(a.hash().unwrap(), b.hash().unwrap());
    let other_seed = Weights::init(&params(), 5, Precision::Fp32, Device::Cpu).unwrap();
    assert_ne!(a.hash().unwrap(), other_seed.hash().unwrap());
    // Another model that shares a path shares its values.
    let fewer = Weights::init(&params()[3..], 4, Precision::Fp32, Device::Cpu).unwrap();
    assert_eq!(a.export().unwrap()[3], fewer.export().unwrap()[0]);
    let wide = weights(Precision::Fp64).views().unwrap();
    let (w, small) = (values(&wide[3]), values(&wide[1]));
    assert!(distance(&values(&a.views().unwrap()[3]), &w) < 1e-7);
    assert!(w[..35] != small[..], "two paths, one stream");
    let mean = w.iter().sum::<f64>() / w.len() as f64;
    let variance = w.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / w.len() as f64;
    // Five standard errors of 39,130 draws.
    assert!(mean.abs() < 0.0127 && (variance.sqrt() / 0.5 - 1.0).abs() < 0.018);
    assert_eq!((values(&wide[0]), values(&wide[2])), (vec![1.0; 5], vec![0.0; 3]));
}

#[test]
fn exports_come_back_and_strangers_are_refused() {
    let (a, mut b) = (weights(Precision::Fp32), Weights::init(&params(), 9, Precision::Fp32, Device::Cpu).unwrap());
    let data = a.export().unwrap();
    assert!(data.is_sorted_by(|a, b| a.name < b.name));
    b.import(&data).unwrap();
    assert_eq!(a.hash().unwrap(), b.hash().unwrap());
    let refused = |data: &[_]| {
        Weights::init(&params(), 9, Precision::Fp32, Device::Cpu).unwrap().import(data).unwrap_err().to_string()
    };
    assert_eq!(refused(&data[1..]), "weights: `a.gain` is missing");
    let mut renamed = data.clone();
    renamed[0].name = "z".into();
    assert_eq!(refused(&renamed), "weights: the model has no parameter `z`");
    let wide = weights(Precision::Fp64).export().unwrap();
    assert!(refused(&wide).contains("is F64"), "{}", refused(&wide));
    let mut reshaped = data.clone();
    reshaped[1].shape = vec![5, 7];
    assert!(refused(&reshaped).contains("has shape [5, 7], not [7, 5]"));
    assert!(b.set("nope", &[]).is_err() && b.set("a.gain", &[1.0]).is_err());
}

#[test]
fn compute_copies_are_in_the_runs_precision() {
    for (precision, kind) in
        [(Precision::Bf16, Kind::BFloat16), (Precision::Fp32, Kind::Float), (Precision::Fp64, Kind::Double)]
    {
        let weights = weights(precision);
        let copies = weights.compute().unwrap();
        assert!(copies.iter().all(|t| t.kind() == kind));
        let shares = copies[1].data_ptr() == weights.views().unwrap()[1].data_ptr();
        assert_eq!(shares, precision != Precision::Bf16);
    }
}

#[test]
fn averages_follow_the_weights() {
    let mut weights = weights(Precision::Fp64);
    let mut ema = Ema::new(&weights, 0.9).unwrap();
    weights.set("b.bias", &[1.0, 2.0, 3.0]).unwrap();
    ema.update(&weights).unwrap();
    ema.update(&weights).unwrap();
    let average = values(&ema.weights().views().unwrap()[2]);
    assert!(distance(&average, &[0.19, 0.38, 0.57]) < 1e-12, "{average:?}");
}

/// Sums of as many draws stray by some standard deviations at most; the draws are fixed, so this holds or not.
const SIGMAS: f64 = 4.0;

#[test]
fn noise_on_weights_is_of_its_size_and_anew_each_step() {
    let (std, n) = (0.03, 130 * 301);
    for precision in [Precision::Fp64, Precision::Fp32] {
        let weights = weights(precision);
        let before: Vec<Vec<f64>> = weights.views().unwrap().iter().map(values).collect();
        let noise = |std: f64, seed: u32, step: u64| -> Vec<Vec<f64>> {
            let noisy = weights.compute_noisy(std, seed, step).unwrap();
            let moved =
                noisy.iter().zip(&before).map(|(noisy, w)| values(noisy).iter().zip(w).map(|(a, b)| a - b).collect());
            moved.collect()
        };
        let (first, next) = (noise(std, 6, 0), noise(std, 6, 1));
        // The master stays, and what is no matrix has no noise.
        assert_eq!(weights.views().unwrap().iter().map(values).collect::<Vec<_>>(), before);
        assert!([0, 2].iter().all(|i| first[*i].iter().all(|x| *x == 0.0)));
        assert!(first[1].iter().all(|x| *x != 0.0));
        let all = &first[3];
        let mean = all.iter().sum::<f64>() / n as f64;
        let got = (all.iter().map(|x| x * x).sum::<f64>() / n as f64).sqrt();
        assert!(mean.abs() < SIGMAS * std / (n as f64).sqrt(), "{mean}");
        assert!((got / std - 1.0).abs() < SIGMAS / (2.0 * n as f64).sqrt(), "{got}");
        // Other steps, seeds and parameters get other noise; the same ones the same, in proportion.
        let correlation = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (std * std * a.len().min(b.len()) as f64)
        };
        for other in [&next[3], &noise(std, 7, 0)[3]] {
            assert!(correlation(all, other).abs() < SIGMAS / (n as f64).sqrt());
        }
        assert!(correlation(&first[1], all).abs() < SIGMAS / 35f64.sqrt());
        assert_eq!(noise(std, 6, 0), first);
        assert!(distance(&noise(2.0 * std, 6, 0)[3], &all.iter().map(|x| 2.0 * x).collect::<Vec<_>>()) < 1e-4);
        assert_eq!(noise(0.0, 6, 0)[3], vec![0.0; n]);
    }
    // In bf16 it is rounded with the weight.
    let bf16 = weights(Precision::Bf16);
    let noisy = bf16.compute_noisy(std, 6, 0).unwrap();
    assert!(noisy.iter().all(|x| x.kind() == Kind::BFloat16));
    let exact: Vec<f64> = values(&weights(Precision::Fp32).compute_noisy(std, 6, 0).unwrap()[3]);
    assert!(distance(&values(&noisy[3]), &exact) < 4e-3);
}

/// The gradient at the noisy weights is the one that moves the weights without noise.
#[test]
fn the_master_moves_by_the_gradient_at_the_noisy_weights() {
    let mut master = weights(Precision::Fp64);
    let at = master.compute_noisy(0.1, 6, 3).unwrap();
    // Of the loss sum(w^2) / 2 the gradient is w.
    let grads: Vec<Option<Tensor>> = at.iter().map(|w| Some(w.copy())).collect();
    let mut plain = weights(Precision::Fp64);
    let step = |weights: &mut Weights| {
        let (mut sums, mut state) = (GradBuffer::new(weights).unwrap(), AdamWState::new(weights).unwrap());
        sums.accumulate(&grads).unwrap();
        state.step(weights, &mut sums, &OPTIMIZER, 0.01, None, 1).unwrap();
        weights.views().unwrap().iter().map(values).collect::<Vec<_>>()
    };
    assert_eq!(step(&mut master), step(&mut plain));
}
