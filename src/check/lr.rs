//! The learning rate of each step: pure f64 functions of the step.

use super::spec::LrSchedule;

impl LrSchedule {
    /// The rate of the update with this index (from 0), for a peak rate.
    ///
    /// Warm-up is linear and never 0: `(step + 1) / (warmup + 1)` (nanoGPT). Cosine falls from the
    /// end of warm-up to the last step (Loshchilov and Hutter 2017). WSD's decay is Megatron's
    /// exponential: `floor + (2 * 0.5^r - 1) * (peak - floor)`, r from 0 to 1 over the window.
    pub fn rate(self, step: u64, peak: f64) -> f64 {
        let warm = |warmup: u64| peak * (step + 1) as f64 / (warmup + 1) as f64;
        match self {
            LrSchedule::Constant { warmup } => {
                if step < warmup {
                    warm(warmup)
                } else {
                    peak
                }
            }
            LrSchedule::Cosine { warmup, floor, steps } => {
                if step < warmup {
                    return warm(warmup);
                }
                let low = floor * peak;
                let r = ((step - warmup) as f64 / (steps - warmup).max(1) as f64).min(1.0);
                low + 0.5 * (1.0 + (std::f64::consts::PI * r).cos()) * (peak - low)
            }
            LrSchedule::Wsd { warmup, decay, floor, steps } => {
                if step < warmup {
                    return warm(warmup);
                }
                let start = steps - decay;
                if step < start || decay == 0 {
                    return peak;
                }
                let low = floor * peak;
                let r = ((step - start + 1) as f64 / decay as f64).min(1.0);
                low + (2.0 * 0.5f64.powf(r) - 1.0) * (peak - low)
            }
        }
    }

    /// The first step (finished updates) whose evaluation the decay may have moved; `steps` where
    /// nothing decays. Cosine decays all along: there the crossover rule has no plateau to look at,
    /// and the decay counts from the end.
    pub fn decay_from(self, steps: u64) -> u64 {
        match self {
            LrSchedule::Wsd { decay, steps, .. } => steps - decay,
            LrSchedule::Constant { .. } | LrSchedule::Cosine { .. } => steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wsd_warms_up_stays_and_decays_to_its_floor() {
        let wsd = LrSchedule::Wsd { warmup: 10, decay: 20, floor: 0.1, steps: 100 };
        assert_eq!(wsd.rate(0, 1.0), 1.0 / 11.0);
        assert_eq!(wsd.rate(10, 1.0), 1.0);
        assert_eq!(wsd.rate(79, 1.0), 1.0);
        assert!(wsd.rate(80, 1.0) < 1.0);
        assert!((wsd.rate(99, 1.0) - 0.1).abs() < 1e-12);
        // Half of the window: 2 * sqrt(1/2) - 1 of the way.
        assert!((wsd.rate(89, 1.0) - (0.1 + (2f64.sqrt() - 1.0) * 0.9)).abs() < 1e-12);
        assert_eq!(wsd.decay_from(100), 80);
    }

    #[test]
    fn cosine_is_nano_gpts() {
        let cosine = LrSchedule::Cosine { warmup: 100, floor: 0.1, steps: 2000 };
        assert_eq!(cosine.rate(99, 1e-3), 1e-3 * 100.0 / 101.0);
        assert_eq!(cosine.rate(100, 1e-3), 1e-3);
        assert!((cosine.rate(1050, 1e-3) - 5.5e-4).abs() < 1e-12);
        assert!((cosine.rate(2000, 1e-3) - 1e-4).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn rates_rise_then_never_rise_again(warmup in 0u64..50, decay in 0u64..50, floor in 0.0f64..1.0, kind in 0..3) {
            let steps = 120;
            let schedule = match kind {
                0 => LrSchedule::Constant { warmup },
                1 => LrSchedule::Cosine { warmup, floor, steps },
                _ => LrSchedule::Wsd { warmup, decay, floor, steps },
            };
            let rates: Vec<f64> = (0..steps).map(|s| schedule.rate(s, 2.0)).collect();
            prop_assert!(rates.iter().all(|r| *r > 0.0 || floor == 0.0));
            prop_assert!(rates.iter().all(|r| *r <= 2.0));
            for (s, (a, b)) in rates.iter().zip(rates.iter().skip(1)).enumerate() {
                let warming = (s as u64) < warmup;
                let ok = if warming { b > a } else { *b <= a + 1e-15 };
                prop_assert!(ok, "step {s}: {a} then {b}");
            }
        }
    }
}
