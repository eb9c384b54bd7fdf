//! Known parameters are recovered from synthetic runs, published fits from published ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::dual::Dual;
use super::*;

const DATABLATIONS: &str = include_str!("../../../tests/fixtures/datablations_val_losses.csv");
/// What the published fit gives on its own runs (datablations, utils/parametric_fit.ipynb), in single precision.
const PUBLISHED_R2: f64 = 0.772_204_6;
const PUBLISHED_OBJECTIVE: f64 = 0.015_825_94;
const PUBLISHED_R_D: f64 = 15.387_756;
const PUBLISHED_R_N: f64 = 5.309_743;

fn c4() -> Vec<Fixed> {
    C4_CONSTANTS.iter().map(|(name, value)| Fixed { name: name.to_string(), value: *value }).collect()
}

fn published() -> Vec<TrainedRun> {
    read_csv(DATABLATIONS).unwrap().runs
}

/// Runs over sizes, unique tokens and epochs whose losses are the law's, but for noise of the given spread.
fn synthetic(law: Law, truth: &[f64], noise: f64, seed: u32) -> Vec<TrainedRun> {
    let theta: Vec<f64> = truth.iter().map(|x| x.ln()).collect();
    let stream = Stream::new(seed, Purpose::Noise);
    let mut runs = vec![];
    for params in [7e6, 2e7, 6e7, 2e8, 6e8, 2e9] {
        for unique in [3e7, 1e8, 5e8, 2e9] {
            for epochs in [1.0, 2.0, 4.0, 10.0, 30.0, 100.0] {
                let mut run = TrainedRun::new("r", params, unique * epochs, unique, 1.0).unwrap();
                let normal = stream.normals([runs.len() as u32, 0, 0, 0])[0];
                run.loss = law.log_loss(&theta, &run).value.exp() * (noise * normal).exp();
                runs.push(run);
            }
        }
    }
    runs
}

const MUENNIGHOFF: [f64; 7] = [1.87, 521.0, 1488.0, 0.353, 0.353, 15.4, 5.3];
const QUOKKA: [f64; 9] = [1535.23, 54.21, 0.42, 0.13, 1.49, 0.40, 254.35, 0.39, 0.55];

fn laws() -> [(Law, &'static [f64]); 2] {
    [(Law::DataConstrained, &MUENNIGHOFF), (Law::Epochs, &QUOKKA)]
}

#[test]
fn the_published_fit_is_found_from_random_points() {
    let runs = published();
    assert_eq!(runs.len(), 182);
    // The formula is theirs: at their estimates it explains what they print, digit by digit.
    let ln = |x: f64| x.ln();
    let constants = C4_CONSTANTS.iter().map(|(_, x)| ln(*x));
    let theirs: Vec<f64> = constants.chain([ln(PUBLISHED_R_D), ln(PUBLISHED_R_N)]).collect();
    assert!((explained(Law::DataConstrained, &theirs, &runs) - PUBLISHED_R2).abs() < 1e-6);

    let fit = fit(Law::DataConstrained, &runs, &c4(), Effort { n_starts: 24, n_resamples: 40 }).unwrap();
    // Most random points lead to the published minimum, and no less deep into it.
    let theirs = fit.minima.iter().max_by_key(|minimum| minimum.n_starts).unwrap();
    let (r_d, r_n) = (theirs.values[5], theirs.values[6]);
    assert!((r_d / PUBLISHED_R_D - 1.0).abs() < 2e-3 && (r_n / PUBLISHED_R_N - 1.0).abs() < 2e-3, "{theirs:?}");
    assert!((theirs.r2 - PUBLISHED_R2).abs() < 1e-4 && theirs.n_starts >= 12, "{theirs:?}");
    assert!(theirs.objective <= PUBLISHED_OBJECTIVE && theirs.objective > PUBLISHED_OBJECTIVE * 0.9999, "{theirs:?}");
    // It is not the lowest: a little deeper one has more repetitions and fewer excess parameters worth something.
    assert!(fit.objective < PUBLISHED_OBJECTIVE && fit.r2 > PUBLISHED_R2, "{} {}", fit.objective, fit.r2);
    for (name, truth) in [("R_D*", PUBLISHED_R_D), ("R_N*", PUBLISHED_R_N)] {
        assert!(fit.value(name).unwrap().interval.unwrap().contains(truth), "{name}");
    }
    assert!(fit.value("alpha").unwrap().interval.is_none());
}

#[test]
fn without_noise_the_truth_is_found_exactly() {
    for (law, truth) in laws() {
        let runs = synthetic(law, truth, 0.0, 1);
        let fit = fit(law, &runs, &[], Effort { n_starts: 24, n_resamples: 0 }).unwrap();
        for (estimated, truth) in fit.parameters.iter().zip(truth) {
            assert!((estimated.value / truth - 1.0).abs() < 0.02, "{law:?} {estimated:?} {truth}");
        }
        assert!(fit.r2 > 0.999_99, "{}", fit.r2);
    }
}

/// Several noisy sweeps: the intervals hold the truth about as often as they say.
#[test]
fn intervals_hold_the_truth() {
    for (law, truth) in laws() {
        let (mut n_held, mut n_all) = (0, 0);
        for seed in 1..=3 {
            let runs = synthetic(law, truth, 0.01, seed);
            let fit = fit(law, &runs, &[], Effort { n_starts: 6, n_resamples: 40 }).unwrap();
            for (estimated, truth) in fit.parameters.iter().zip(truth) {
                n_all += 1;
                n_held += usize::from(estimated.interval.unwrap().contains(*truth));
            }
        }
        assert!(n_held * 100 >= n_all * 85, "{law:?}: {n_held} of {n_all}");
    }
}

#[test]
fn derivatives_are_those_of_the_formula() {
    for (law, truth) in laws() {
        let theta: Vec<f64> = truth.iter().map(|x| x.ln()).collect();
        // At one epoch, repeated, and with more parameters than the unique tokens can use.
        for (params, tokens, unique) in [(2e8, 1e9, 1e9), (2e8, 4e10, 1e9), (8e9, 4e9, 1e8)] {
            let run = TrainedRun::new("r", params, tokens, unique, 3.0).unwrap();
            let exact = law.log_loss(&theta, &run);
            for i in 0..theta.len() {
                let at = |h: f64| {
                    let mut moved = theta.clone();
                    moved[i] += h;
                    law.log_loss(&moved, &run).value
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((slope - exact.by[i]).abs() < 1e-7, "{law:?} {i}: {slope} for {}", exact.by[i]);
            }
        }
    }
    let x = Dual::parameter(1e-12, 0);
    assert!((x.saturation().value / 1e-12 - 1.0).abs() < 1e-9);
}

#[test]
fn the_laws_say_what_was_published() {
    // Quokka: repeating 1B unique tokens with 1B parameters turns harmful after about 260 epochs (table 3), which the
    // rounded coefficients give to a tenth.
    let theta: Vec<f64> = QUOKKA.iter().map(|x| x.ln()).collect();
    let loss = |epochs: f64| {
        let run = TrainedRun::new("r", 1e9, epochs * 1e9, 1e9, 1.0).unwrap();
        Law::Epochs.log_loss(&theta, &run).value
    };
    let best = (1..1000).map(f64::from).min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap();
    assert!((230.0..290.0).contains(&best), "{best}");
    // Muennighoff: the first repetitions are worth nearly as much as new data, many are worth R_D* times it.
    let theta: Vec<f64> = MUENNIGHOFF.iter().map(|x| x.ln()).collect();
    let loss = |tokens: f64, unique: f64| {
        let run = TrainedRun::new("r", 1e7, tokens, unique, 1.0).unwrap();
        Law::DataConstrained.log_loss(&theta, &run).value.exp()
    };
    assert!((loss(4e10, 1e10) - loss(4e10, 4e10)).abs() < 0.02);
    assert!((loss(1e14, 1e9) - loss(16.4e9, 16.4e9)).abs() < 1e-3);
}

#[test]
fn what_a_sweep_lacks_is_said() {
    let run = |params: f64, tokens: f64, unique: f64| TrainedRun::new("r", params, tokens, unique, 3.0).unwrap();
    let one_size: Vec<TrainedRun> = (1..=12).map(|i| run(1e7, f64::from(i) * 1e8, 1e8)).collect();
    let small = Effort { n_starts: 1, n_resamples: 0 };
    let lacks = |law, runs: &[TrainedRun], fixed: &[Fixed]| fit(law, runs, fixed, small).unwrap_err();
    assert_eq!(
        lacks(Law::DataConstrained, &one_size, &[]),
        ["1 distinct sizes of the model, of which A / N^alpha needs at least 3"]
    );
    let once: Vec<TrainedRun> = one_size.iter().map(|r| run(r.tokens, r.tokens, r.tokens)).collect();
    assert_eq!(
        lacks(Law::DataConstrained, &once, &[]),
        ["0 runs of more than one epoch, of which R_D* needs at least 2"]
    );
    assert_eq!(lacks(Law::Epochs, &one_size[..2], &[]).len(), 5);
    // What is fixed needs nothing.
    assert!(fit(Law::DataConstrained, &one_size, &c4(), small).is_ok());
    let fixed = |name: &str, value| Fixed { name: name.into(), value };
    let wrong = lacks(Law::Epochs, &one_size, &[fixed("E", 1.0), fixed("A", -1.0), fixed("B", 1.0), fixed("B", 2.0)]);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    let all: Vec<Fixed> = Law::Epochs.parameters().iter().map(|p| fixed(p.name, 1.0)).collect();
    assert_eq!(lacks(Law::Epochs, &one_size, &all), ["every parameter is fixed, so there is nothing to fit"]);
}

#[test]
fn what_the_runs_do_not_tell_is_marked() {
    // No model is larger than its data can use, so nothing is said of what excess parameters are worth.
    let constants = C4_CONSTANTS.iter().map(|(_, x)| x.ln());
    let truth: Vec<f64> = constants.chain([15.4f64.ln(), 5.3f64.ln()]).collect();
    let mut runs = vec![];
    for params in [1e6, 3e6, 1e7] {
        for epochs in [1.0, 4.0, 20.0, 80.0] {
            let mut run = TrainedRun::new("r", params, epochs * 1e10, 1e10, 1.0).unwrap();
            run.loss = Law::DataConstrained.log_loss(&truth, &run).value.exp();
            runs.push(run);
        }
    }
    let fit = fit(Law::DataConstrained, &runs, &c4(), Effort { n_starts: 8, n_resamples: 20 }).unwrap();
    let (r_d, r_n) = (fit.value("R_D*").unwrap(), fit.value("R_N*").unwrap());
    assert!(r_d.unidentified.is_none() && (r_d.value / 15.4 - 1.0).abs() < 0.01, "{r_d:?}");
    assert!(r_n.unidentified.as_ref().unwrap().starts_with("the runs depend on it not at all"), "{r_n:?}");
    // Three sizes, each at one number of tokens in one ratio: what is due to which nobody can say.
    let mut runs = vec![];
    for (i, params) in [1e7, 1e8, 1e9].into_iter().enumerate() {
        for epochs in [1.0, 1.0001, 1.0002] {
            let mut run = TrainedRun::new("r", params, params * 20.0 * epochs, params * 20.0, 1.0).unwrap();
            run.loss = 4.0 - i as f64 / 2.0;
            runs.push(run);
        }
    }
    let fixed: Vec<Fixed> = ["E", "R_D*", "R_N*"].map(|name| Fixed { name: name.into(), value: 1.5 }).into();
    let fit = super::fit(Law::DataConstrained, &runs, &fixed, Effort { n_starts: 8, n_resamples: 0 }).unwrap();
    assert!(fit.parameters.iter().any(|estimated| estimated.unidentified.is_some()), "{fit:?}");
}

#[test]
fn a_table_is_read_with_its_mistakes_named() {
    let table = read_csv("run,params,tokens,unique,loss\n\"a,b\",1e6,2e9,1e9,3.5\n\nc,1e6,1e8,1e9,3.6\n").unwrap();
    assert_eq!((table.runs.len(), table.n_left_out), (2, 0));
    assert_eq!((table.runs[0].name.as_str(), table.runs[0].tokens), ("a,b", 2e9));
    // Of a billion tokens 100 million were reached.
    assert_eq!(table.runs[1].unique, 1e8);
    assert_eq!(read_csv(DATABLATIONS).unwrap().n_left_out, 114);
    assert_eq!(read_csv("").unwrap_err(), ["the table is empty"]);
    assert_eq!(
        read_csv("params,tokens,loss\n1,2,3\n").unwrap_err(),
        ["no column `unique`; the first line has params, tokens, loss"]
    );
    assert_eq!(
        read_csv("params,tokens,unique,loss\n1e6,2e9,1e9,x\n1e6,,1e9,3\n1e6,2e9,-1,3\n1,2,3,nan\n").unwrap_err(),
        [
            "line 2: `loss` is `x`; a number is wanted",
            "line 3: `tokens` is missing",
            "line 4: unique is -1; a number above 0 is wanted",
            "line 5: loss is NaN; a number above 0 is wanted"
        ]
    );
}
