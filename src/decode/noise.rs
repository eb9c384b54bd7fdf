//! What the samplers have to know of an objective's noise: the rate of masks at t, and the level a network is told.

use crate::check::spec::Objective;
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
