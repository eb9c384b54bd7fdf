//! Accelerators as a plan needs them: how many floating-point operations they do in a second at best, and what time an
//! assumed share of that makes. No promise: the share that a run reaches only a run can say.

use crate::check::spec::Precision;

/// An accelerator, with its peak by precision in FLOP/s, dense, as NVIDIA's data sheets of the SXM modules state it:
/// tensor cores for bf16 and fp64, none for fp32, in which this code multiplies without TF32.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Device {
    name: &'static str,
    bf16: f64,
    fp32: f64,
    fp64: f64,
}

const DEVICES: &[Device] = &[
    Device { name: "a100", bf16: 312e12, fp32: 19.5e12, fp64: 19.5e12 },
    Device { name: "h100", bf16: 989e12, fp32: 67e12, fp64: 67e12 },
    Device { name: "h200", bf16: 989e12, fp32: 67e12, fp64: 67e12 },
];

/// What a run is planned for.
#[derive(Clone, Debug, PartialEq)]
pub struct Hardware {
    /// As the user calls it.
    pub name: String,
    pub n_devices: u64,
    peak: Peak,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Peak {
    Known(Device),
    /// Of whatever precision is trained in.
    Given(f64),
}

impl Hardware {
    /// `h100x8`, `h200`, or the peak of all devices together in FLOP/s: `2e15`.
    pub fn parse(text: &str) -> Result<Hardware, String> {
        let name = text.trim().to_lowercase();
        if let Ok(peak) = name.parse::<f64>() {
            return match peak.is_finite() && peak > 0.0 {
                true => Ok(Hardware { name: format!("{peak:e} FLOP/s"), n_devices: 1, peak: Peak::Given(peak) }),
                false => Err(format!("a peak of {text} FLOP/s is none; write for example 2e15")),
            };
        }
        let (device, n_devices) = match name.split_once('x') {
            None => (name.as_str(), Some(1)),
            Some((device, n)) => (device, n.parse::<u64>().ok().filter(|n| (1..=1_000_000).contains(n))),
        };
        let known = DEVICES.iter().find(|known| known.name == device);
        match (known, n_devices) {
            (Some(known), Some(n_devices)) => Ok(Hardware { name, n_devices, peak: Peak::Known(*known) }),
            _ => {
                let names: Vec<&str> = DEVICES.iter().map(|known| known.name).collect();
                Err(format!(
                    "`{text}` is no accelerator: {}, each with how many there are as in `h100x8`, or the peak of all \
                     together in FLOP/s as in `2e15`",
                    names.join(", ")
                ))
            }
        }
    }

    /// FLOP/s of one device.
    pub fn peak(&self, precision: Precision) -> f64 {
        match (self.peak, precision) {
            (Peak::Given(peak), _) => peak,
            (Peak::Known(device), Precision::Bf16) => device.bf16,
            (Peak::Known(device), Precision::Fp32) => device.fp32,
            (Peak::Known(device), Precision::Fp64) => device.fp64,
        }
    }

    /// Hours that all devices together take, of whose peak this share is used.
    pub fn hours(&self, flops: f64, precision: Precision, utilisation: f64) -> f64 {
        flops / (self.peak(precision) * self.n_devices as f64 * utilisation) / 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_peaks_are_read() -> Result<(), String> {
        let eight = Hardware::parse("H100x8")?;
        assert_eq!((eight.n_devices, eight.peak(Precision::Bf16)), (8, 989e12));
        let given = Hardware::parse("2e15")?;
        assert_eq!((given.n_devices, given.peak(Precision::Fp32)), (1, 2e15));
        for wrong in ["h100x0", "h100x", "v100", "0", "-1", "inf", "nan", "x8", ""] {
            assert!(Hardware::parse(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }

    /// 6e20 FLOPs on one H100 at 40%: 421 hours, the "about 400 H100-hours" of one arm of the paper.
    #[test]
    fn hours_follow_from_the_peak() -> Result<(), String> {
        let hours = Hardware::parse("h100")?.hours(5.8e20, Precision::Bf16, 0.4);
        assert!((hours - 407.3).abs() < 0.1, "{hours}");
        Ok(())
    }
}
