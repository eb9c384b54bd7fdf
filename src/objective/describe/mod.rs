//! An objective in words: what it is made of, what of it was proved or derived, whether its loss is a bound, how it
//! is evaluated and how text is drawn. Data for `explain` and whoever else shows it. `masks` words what objectives
//! with masks have in common, `noise` those that replace tokens.

mod masks;
mod noise;
mod sampler;

pub use sampler::sampler_words;

use super::{Pattern, has_noise_level, needs_noise_level, pattern};
use crate::base::Number;
use crate::check::schedule::near_one;
use crate::check::spec::{Ends, NextToken, Objective, Sampler, TKind, TSampling};

/// One line: `alpha(t)`, `1 - t`, `alpha(0) = 1, alpha(1) = 0, decreasing on [0, 1] (proved symbolically)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    pub text: String,
    pub note: String,
}

fn fact(name: &'static str, text: impl Into<String>, note: impl Into<String>) -> Fact {
    Fact { name, text: text.into(), note: note.into() }
}

/// What there is to know of a checked objective, in the order to read it.
pub fn describe(objective: &Objective, sampler: &Sampler) -> Vec<Fact> {
    let mut facts = match objective {
        Objective::NextToken(ar) => next_token(ar),
        Objective::MaskedDiffusion(masked) => masks::masked_diffusion(masked),
        Objective::AnyOrder(any) => masks::any_order(any),
        Objective::MaskedLm(lm) => masks::masked_lm(lm),
        Objective::BlockDiffusion(blocks) => masks::block_diffusion(blocks),
        Objective::UniformDiffusion(uniform) => noise::uniform_diffusion(uniform),
        Objective::HybridDiffusion(hybrid) => noise::hybrid_diffusion(hybrid),
    };
    let attention = match pattern(objective) {
        Pattern::Causal => "every position sees itself and those before it",
        Pattern::Full => "every position sees every position",
        Pattern::BlockCausal { .. } => "every position sees its own block and those before it",
        Pattern::TwoStream { .. } => "a noisy position sees its own block and the clean ones before it",
    };
    facts.push(fact("attention", attention, ""));
    if needs_noise_level(objective) {
        facts.push(fact("model", "has to read the noise level `t`", ""));
    } else if has_noise_level(objective) {
        facts.push(fact("model", "may read the noise level `t`", ""));
    }
    facts.push(fact("evaluation", evaluation(objective), ""));
    facts.push(fact("sampler", sampler_words(sampler, objective), ""));
    facts
}

fn next_token(ar: &NextToken) -> Vec<Fact> {
    let mut facts = vec![];
    if ar.input_mask > 0.0 {
        let text = format!("each token after the first masked with chance {}", ar.input_mask);
        facts.push(fact("inputs", text, "fresh each step; targets stay clean"));
    }
    let loss = "cross-entropy of the next token / targets";
    let note = if *ar == NextToken::PLAIN {
        "the exact negative log-likelihood".to_string()
    } else {
        "no bound: that of the likelihood given masked inputs, in part or whole".to_string()
    };
    match ar.auxiliary {
        None => facts.push(fact("loss", loss, note)),
        Some(auxiliary) => {
            facts.push(fact("loss", format!("{loss}, plus {} times the auxiliary loss", auxiliary.weight), note));
            let text = format!(
                "the same of the same rows again, each token after the first masked with chance {}",
                auxiliary.rate
            );
            facts.push(fact("auxiliary", text, "twice the rows in a step"));
        }
    }
    facts
}

/// What validation measures, on x_2..x_L given x_1 under every objective.
pub fn evaluation(objective: &Objective) -> String {
    match objective {
        Objective::NextToken(_) => "the exact negative log-likelihood, inputs unmasked".into(),
        Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => {
            "the exact-count bound: n/k * cross-entropy of k of n targets masked, k systematic over the draws".into()
        }
        Objective::BlockDiffusion(blocks) if blocks.block == 1 => {
            "the exact negative log-likelihood: blocks of one token".into()
        }
        Objective::BlockDiffusion(_) => {
            "the exact-count bound of each block given the clean blocks before, k systematic over the draws".into()
        }
        Objective::UniformDiffusion(uniform) if uniform.ends != Ends::Exact => {
            "the bound with its own weights, t systematic over the draws on [0, 1], and the prior term at t = 1".into()
        }
        Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => {
            "the bound with its own weights, t systematic over the draws on [0, 1]".into()
        }
    }
}

/// The note of a loss that estimates its bound.
const UNBIASED: &str = "a likelihood bound (NELBO), unbiased";

/// How t is spread over what has one: the rows of a batch, or their blocks.
fn spread(kind: TKind, each: &str) -> String {
    let over = if each == "row" { "the global batch".to_string() } else { format!("all {each}s of the global batch") };
    match kind {
        TKind::Stratified => format!("stratified over {over}"),
        TKind::Iid => format!("drawn for each {each} on its own"),
        TKind::Systematic => format!("systematic over {over}"),
        TKind::Importance => format!("by importance, the log of the mask rate uniform, stratified over {over}"),
    }
}

/// `rate` is the chance of noise at t, called `noise`.
fn t_fact(t: TSampling, each: &str, noise: &str, rate: impl Fn(f64) -> f64) -> Fact {
    let ends = [t.low, t.high].map(|end| near_one(rate(end)));
    let mut note = format!("{noise} from {} to {}", ends[0], ends[1]);
    if t.kind == TKind::Importance {
        note.push_str("; losses are divided by the density of t");
    }
    fact("t", format!("{} on [{}, {}]", spread(t.kind, each), Number::Real(t.low), Number::Real(t.high)), note)
}

fn bound_note(bound: &Result<String, String>) -> String {
    match bound {
        Ok(why) => format!("a bound: {why}"),
        Err(why) => format!("no bound: {why}"),
    }
}
