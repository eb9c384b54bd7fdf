//! Objectives with masks in words.

use super::{Fact, UNBIASED, bound_note, fact, spread, t_fact};
use crate::check::formula::Formula;
use crate::check::objective::one_minus_t;
use crate::check::spec::{
    AnyOrder, BlockDiffusion, Ends, Estimator, LossWeight, MaskedDiffusion, MaskedLm, TKind, Targets,
};

pub fn masked_diffusion(m: &MaskedDiffusion) -> Vec<Fact> {
    let mut facts = masks(m, "row");
    facts.push(fact("loss", loss(m), bound(m)));
    if m.targets == Targets::MegaDlms {
        facts.push(fact(
            "targets",
            "x_2..x_(L-1), without context",
            "next_token predicts x_2..x_L given x_1: losses of training are of other tokens",
        ));
    }
    if m.shift {
        facts.push(fact("outputs", "that of position i predicts x_(i+1)", "shifted, as next_token's"));
    }
    if m.variable_length > 0.0 {
        let share = crate::check::objective::percent(m.variable_length);
        let text = format!("in {share}% of steps all cut to one length");
        facts.push(fact("rows", text, "uniform in 2 to all of a row's tokens; never in validation"));
    }
    facts
}

pub fn block_diffusion(b: &BlockDiffusion) -> Vec<Fact> {
    let tokens = if b.block == 1 { "1 token".into() } else { format!("{} tokens", b.block) };
    let text = format!("of {tokens}, left to right, a noise level for each");
    let mut facts = vec![fact("blocks", text, "the model reads noisy and clean blocks side by side: 2 L positions")];
    facts.extend(masks(&b.noise, "block"));
    let note = match &b.noise.bound {
        Ok(why) if b.block == 1 => why.clone(),
        _ => bound(&b.noise),
    };
    facts.push(fact("loss", format!("of each block, {}", loss(&b.noise)), note));
    facts
}

/// Schedule, weight and t; `each` is what has a noise level.
fn masks(m: &MaskedDiffusion, each: &str) -> Vec<Fact> {
    let mut facts = schedule(&m.schedule, &m.proof, m.ends);
    facts.push(weight(m));
    facts.push(t_fact(m.t, each, "mask rates", |t| 1.0 - m.schedule.eval(t)));
    facts
}

pub fn any_order(any: &AnyOrder) -> Vec<Fact> {
    vec![
        fact("k", format!("uniform in 1 to n, {}", spread(any.draw, "row")), "how many of the n targets are masked"),
        fact(
            "loss",
            "n/k * sum of cross-entropy over k of n targets masked / targets",
            "a bound: the negative log-likelihood averaged over all orders, unbiased",
        ),
    ]
}

pub fn masked_lm(lm: &MaskedLm) -> Vec<Fact> {
    vec![
        fact("masks", format!("at the rate {}", lm.rate), ""),
        fact(
            "loss",
            "sum of cross-entropy over masked / masked tokens of the batch (N3)",
            "no bound: one mask rate is no likelihood bound",
        ),
    ]
}

/// The schedule with what was proved of it, and its derivative.
pub fn schedule(formula: &Formula, proof: &crate::check::formula::prove::Proof, ends: Ends) -> Vec<Fact> {
    let ends = match ends {
        Ends::Exact => "",
        Ends::Near => ", which is near",
        Ends::Open => ", said to be open",
    };
    let method = if proof.defined == proof.falls {
        format!("{}", proof.falls)
    } else {
        format!("values {}, fall {}", proof.defined, proof.falls)
    };
    let shape = format!(
        "alpha(0) = {}, alpha(1) = {}{ends}, decreasing on [0, 1] ({method})",
        proof.start.text, proof.end.text
    );
    vec![fact("alpha(t)", formula.to_string(), shape), fact("alpha'(t)", proof.derivative.to_string(), "(derived)")]
}

fn weight(m: &MaskedDiffusion) -> Fact {
    let derived = m.proof.weight.to_string();
    if matches!(m.estimator, Estimator::RowMean | Estimator::BatchMean) {
        return fact("weight(t)", "none", format!("a mean has none; the bound's would be {derived}"));
    }
    match &m.weight {
        LossWeight::Elbo => fact("weight(t)", derived, "= -alpha'(t) / (1 - alpha(t)) (derived)"),
        LossWeight::Flat => fact("weight(t)", "1", format!("flat; the bound's would be {derived}")),
        LossWeight::Custom { name, formula } => {
            fact("weight(t)", formula.to_string(), format!("`{name}`, as given; the bound's would be {derived}"))
        }
    }
}

fn loss(m: &MaskedDiffusion) -> &'static str {
    let uniform = m.schedule == one_minus_t() && m.t.low == 0.0 && m.t.high == 1.0 && m.t.kind != TKind::Importance;
    match (m.estimator, &m.weight) {
        (Estimator::Count, LossWeight::Elbo) if uniform => {
            "estimator count: n/k * sum of cross-entropy over k of n targets masked / targets"
        }
        (Estimator::Count, LossWeight::Elbo) => {
            "estimator count: 1/(k P(k)) * sum of cross-entropy over k of n targets masked / targets"
        }
        (Estimator::Count, LossWeight::Flat) => {
            "estimator count: sum of cross-entropy over k of n targets masked / targets"
        }
        (Estimator::Count, LossWeight::Custom { .. }) => {
            "estimator count: I(k)/P(k) * sum of cross-entropy over k of n targets masked / targets, I(k) the integral of weight(t) times the chance of k"
        }
        (Estimator::Bernoulli, LossWeight::Flat) => {
            "estimator bernoulli (N4): sum of cross-entropy over masked / targets"
        }
        (Estimator::Bernoulli, LossWeight::Elbo) => {
            "estimator bernoulli (N1): weight(t) * sum of cross-entropy over masked / targets"
        }
        (Estimator::Bernoulli, LossWeight::Custom { .. }) => {
            "estimator bernoulli: weight(t) * sum of cross-entropy over masked / targets"
        }
        (Estimator::RowMean, _) => {
            "estimator row_mean (N2): each row's mean cross-entropy over its masked tokens, one at least / rows"
        }
        (Estimator::BatchMean, _) => {
            "estimator batch_mean (N3): sum of cross-entropy over masked / masked tokens of the batch"
        }
    }
}

fn bound(m: &MaskedDiffusion) -> String {
    match &m.bound {
        // The loss beside it says the rest.
        Ok(_) if m.estimator != Estimator::RowMean && m.variable_length == 0.0 => UNBIASED.into(),
        bound => bound_note(bound),
    }
}
