//! What the samplers have to know of an objective's noise: the rate of masks at t, the level a network is told, and
//! the marginals of uniform and hybrid noise.

use crate::check::formula::Formula;
use crate::check::spec::{HybridDiffusion, Objective};
use crate::objective::MaskRate;

/// 1 - alpha(t) of a masked objective; t itself for those without a schedule.
pub(super) enum MaskRates {
    Linear,
    Of(MaskRate),
}

impl MaskRates {
    pub fn of(objective: &Objective) -> MaskRates {
        match objective {
            Objective::MaskedDiffusion(masked) => MaskRates::Of(MaskRate::new(masked)),
            Objective::BlockDiffusion(blocks) => MaskRates::Of(MaskRate::new(&blocks.noise)),
            Objective::NextToken(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => MaskRates::Linear,
            Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => MaskRates::Linear,
        }
    }

    pub fn at(&self, t: f64) -> f64 {
        match self {
            MaskRates::Linear => t.clamp(0.0, 1.0),
            MaskRates::Of(rate) => rate.at(t),
        }
    }
}

/// What a network that reads `t` is told.
pub(super) enum Level {
    None,
    /// alpha^-1(1 - k/n), k of n positions masked: as in training by counts and in every evaluation.
    ByCount(MaskRate),
    /// The grid's t, where every token is noise.
    Told(f64),
}

impl Level {
    pub fn of(objective: &Objective) -> Level {
        match objective {
            Objective::MaskedDiffusion(masked) => Level::ByCount(MaskRate::new(masked)),
            _ => Level::None,
        }
    }
}

/// q(z_t | x) = clean [z = x] + uniform [z predictable] + mask [z is the mask].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marginal {
    pub clean: f64,
    /// Of each predictable id.
    pub uniform: f64,
    pub mask: f64,
}

impl Marginal {
    /// No noise: what the last step goes to, so that nothing of it is left (a schedule may end short of 1).
    pub const CLEAN: Marginal = Marginal { clean: 1.0, uniform: 0.0, mask: 0.0 };
}

/// The forward process of an objective whose tokens change more than once.
pub(super) enum Kernel {
    Uniform { alpha: Formula },
    Hybrid { uniform: f64 },
}

impl Kernel {
    pub fn of(objective: &Objective) -> Option<Kernel> {
        match objective {
            Objective::UniformDiffusion(uniform) => Some(Kernel::Uniform { alpha: uniform.schedule.clone() }),
            Objective::HybridDiffusion(HybridDiffusion { uniform, .. }) => Some(Kernel::Hybrid { uniform: *uniform }),
            _ => None,
        }
    }

    /// At t, over `n` predictable ids.
    pub fn at(&self, t: f64, n: u64) -> Marginal {
        let n = n.max(1) as f64;
        match self {
            Kernel::Uniform { alpha } => {
                let clean = alpha.eval(t).clamp(0.0, 1.0);
                Marginal { clean, uniform: (1.0 - clean) / n, mask: 0.0 }
            }
            // GIDD with g = 1: c = 2 p/(1-p) sqrt(t (1-t)), C = 1 + c (domain B.9; arXiv 2503.04482).
            Kernel::Hybrid { uniform: p } => {
                let c = 2.0 * p / (1.0 - p) * (t * (1.0 - t)).max(0.0).sqrt();
                let total = 1.0 + c;
                Marginal { clean: (1.0 - t) / total, uniform: c / (total * n), mask: t / total }
            }
        }
    }

    /// Whether everything is the mask at t = 1, or a uniform draw.
    pub fn starts_masked(&self) -> bool {
        matches!(self, Kernel::Hybrid { .. })
    }
}
