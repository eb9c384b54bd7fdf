//! The objectives: what is corrupted, what is predicted, what each prediction weighs. Formulas and their
//! sources: `src/objective/README.md`.

use crate::check::formula::Formula;
use crate::check::formula::prove::Proof;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    NextToken(NextToken),
    MaskedDiffusion(MaskedDiffusion),
    AnyOrder(AnyOrder),
    MaskedLm(MaskedLm),
    BlockDiffusion(BlockDiffusion),
    UniformDiffusion(UniformDiffusion),
    HybridDiffusion(HybridDiffusion),
}

impl Objective {
    /// As a spec says it.
    pub fn name(&self) -> &'static str {
        match self {
            Objective::NextToken(_) => "next_token",
            Objective::MaskedDiffusion(m) if m.targets == Targets::MegaDlms => "megadlms",
            Objective::MaskedDiffusion(_) => "masked_diffusion",
            Objective::AnyOrder(_) => "any_order",
            Objective::MaskedLm(_) => "masked_lm",
            Objective::BlockDiffusion(_) => "block_diffusion",
            Objective::UniformDiffusion(_) => "uniform_diffusion",
            Objective::HybridDiffusion(_) => "hybrid_diffusion",
        }
    }

    /// Whether the model ever reads the mask token.
    pub fn needs_mask(&self) -> bool {
        match self {
            Objective::NextToken(ar) => ar.input_mask > 0.0 || ar.auxiliary.is_some(),
            Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => true,
            Objective::BlockDiffusion(_) | Objective::HybridDiffusion(_) => true,
            Objective::UniformDiffusion(_) => false,
        }
    }

    /// Whether validation gives the likelihood itself and not a bound on it, without draws.
    pub fn is_exact(&self) -> bool {
        match self {
            Objective::NextToken(_) => true,
            Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => false,
            // Blocks of one token are predicted one after the other.
            Objective::BlockDiffusion(blocks) => blocks.block == 1,
            Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => false,
        }
    }

    /// Whether the training loss is a likelihood bound, and why.
    pub fn bound(&self) -> Result<&str, &str> {
        match self {
            Objective::NextToken(ar) if *ar == NextToken::PLAIN => Ok("exact likelihood"),
            Objective::NextToken(_) => Err("the likelihood given masked inputs, in part or whole"),
            Objective::MaskedDiffusion(m) => told(&m.bound),
            Objective::AnyOrder(_) => {
                Ok("the likelihood averaged over orders: n/k * sum of cross-entropy over k masked")
            }
            Objective::MaskedLm(_) => Err("one mask rate is no likelihood bound"),
            Objective::BlockDiffusion(b) => told(&b.noise.bound),
            Objective::UniformDiffusion(u) => told(&u.bound),
            Objective::HybridDiffusion(h) => told(&h.bound),
        }
    }
}

fn told(bound: &Result<String, String>) -> Result<&str, &str> {
    bound.as_ref().map(String::as_str).map_err(String::as_str)
}

/// Autoregressive cross-entropy, the exact likelihood (domain B.2), with the noise on its inputs that the
/// paper's ablations put there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NextToken {
    /// Chance that an input token after the first is replaced by the mask token, fresh at each step. All
    /// positions keep their clean targets; evaluation masks nothing.
    pub input_mask: f64,
    pub auxiliary: Option<MaskedInputs>,
}

impl NextToken {
    /// Without noise on its inputs.
    pub const PLAIN: NextToken = NextToken { input_mask: 0.0, auxiliary: None };
}

/// The auxiliary loss of MIR: the same rows again with masked inputs, `weight` times their next-token loss added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedInputs {
    pub rate: f64,
    pub weight: f64,
}

/// Absorbing-state diffusion (domain B.3).
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedDiffusion {
    pub schedule_name: String,
    /// alpha(t), simplified: the chance that a token is still clean.
    pub schedule: Formula,
    /// What is proved of it, with alpha' and the weight of the bound.
    pub proof: Arc<Proof>,
    pub ends: Ends,
    pub t: TSampling,
    pub weight: LossWeight,
    pub estimator: Estimator,
    /// Output i predicts x_{i+1} (as Dream does) and not x_i.
    pub shift: bool,
    /// Chance that a step's rows are all cut to one length, uniform in 2..=T (domain B.4.4).
    pub variable_length: f64,
    pub targets: Targets,
    /// Whether the training loss is a likelihood bound, and why (shown by `plan`).
    pub bound: Result<String, String>,
}

/// Which tokens of a chunk x_1..x_L are predicted in training. Evaluation always predicts x_2..x_L.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// x_2..x_L; x_1 is context and never corrupted. The same in every arm.
    Matched,
    /// x_2..x_{L-1}, without context: what MegaDLMs' loader leaves when its next-token arm has x_2..x_L
    /// (domain B.4.1). The model reads L - 2 tokens.
    MegaDlms,
}

/// Any-order autoregression: k uniform in 1..=n, k targets masked (domain B.10). No schedule, no noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnyOrder {
    /// How the u behind k is drawn: never `Importance`.
    pub draw: TKind,
}

/// Masks at one fixed rate; the mean cross-entropy over the batch's masked tokens (N3). No likelihood bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskedLm {
    pub rate: f64,
}

/// Block diffusion (BD3LM, domain B.6): blocks left to right, masked diffusion within each, a noise level for each
/// block. The first token of the first block is context.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockDiffusion {
    /// Tokens in a block; divides `seq`.
    pub block: u64,
    /// Of every block. `t` narrower than [0, 1] is a clipped schedule. Neither shifted nor of variable length;
    /// `estimator` is `Count` or `Bernoulli`, `targets` are `Matched`.
    pub noise: MaskedDiffusion,
}

/// Uniform-state diffusion: q(z|x) = alpha [z = x] + (1 - alpha)/N over the N predictable ids (UDLM, Duo; domain B.7).
#[derive(Clone, Debug, PartialEq)]
pub struct UniformDiffusion {
    pub schedule_name: String,
    pub schedule: Formula,
    pub proof: Arc<Proof>,
    pub ends: Ends,
    /// Never `Importance`.
    pub t: TSampling,
    pub bound: Result<String, String>,
}

/// Masks and uniform noise together (GIDD, domain B.9): alpha = (1-t)/C, mask t/C, uniform c/C, C = 1 + c,
/// c = 2 p/(1-p) sqrt(t (1-t)).
#[derive(Clone, Debug, PartialEq)]
pub struct HybridDiffusion {
    /// p_u: the most that uniform noise holds, at t = 1/2. In [0, 1).
    pub uniform: f64,
    /// Never `Importance`.
    pub t: TSampling,
    pub weight: HybridWeight,
    pub bound: Result<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HybridWeight {
    /// That of the bound.
    Elbo,
    /// GIDD's: 2 where masked, 1 where noise, the signal-to-noise ratio's inverse root times B/N where clean, at most 2.
    Dynamic,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TSampling {
    pub kind: TKind,
    pub low: f64,
    pub high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TKind {
    /// Each row its own uniform draw.
    Iid,
    /// One draw in each of n equal strata over the global batch, dealt to rows by a permutation.
    Stratified,
    /// One draw for the batch: (u + i)/n for its n rows, dealt by a permutation.
    Systematic,
    /// Stratified, with the density of t in proportion to the bound's weight, so that every row weighs alike
    /// (MDLM's importance sampling): log of the mask rate is uniform.
    Importance,
}

impl TKind {
    pub fn name(self) -> &'static str {
        match self {
            TKind::Iid => "iid",
            TKind::Stratified => "stratified",
            TKind::Systematic => "systematic",
            TKind::Importance => "importance",
        }
    }
}

/// How well a schedule's ends are 1 and 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Exact,
    /// They miss by little, which is a warning.
    Near,
    /// They miss, which the spec says it means.
    Open,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LossWeight {
    /// -alpha'/(1-alpha), or its exact-count form.
    Elbo,
    /// 1: the plain masked cross-entropy (N4 with `bernoulli`), no bound.
    Flat,
    /// A formula w(t) of the spec that is not that of the bound, as far as could be shown.
    Custom { name: String, formula: Formula },
}

/// Which positions are masked given t, and what the sum of their losses is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Each token masked on its own with chance 1 - alpha(t) (N1; N4 with a flat weight).
    Bernoulli,
    /// Exactly k tokens masked, k from t; weight L/k (domain B.3, "count").
    Count,
    /// As `Bernoulli`, and at least one; each row's mean over its masked tokens, then the mean over rows (N2).
    /// Takes no weight.
    RowMean,
    /// As `Bernoulli`; the mean over all masked tokens of the global batch (N3). Takes no weight.
    BatchMean,
}
