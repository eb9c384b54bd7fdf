//! An objective in words: what it is made of, what of it was proved or derived, and whether its loss is a
//! bound. Data for `explain` and whoever else shows it.

use super::{Pattern, pattern};
use crate::check::formula::Formula;
use crate::check::spec::{Ends, Estimator, LossWeight, MaskedDiffusion, Objective, TKind};

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
pub fn describe(objective: &Objective) -> Vec<Fact> {
    let mut facts = match objective {
        Objective::NextToken(_) => {
            let loss = "cross-entropy of the next token / targets";
            vec![fact("loss", loss, "the exact negative log-likelihood")]
        }
        Objective::MaskedDiffusion(masked) => masked_diffusion(masked),
        _ => vec![],
    };
    let attention = match pattern(objective) {
        Pattern::Causal => "every position sees itself and those before it",
        Pattern::Full => "every position sees every position",
        Pattern::BlockCausal { .. } => "every position sees its own block and those before it",
        Pattern::TwoStream { .. } => "a noisy position sees its own block and the clean ones before it",
    };
    facts.push(fact("attention", attention, ""));
    facts
}

fn masked_diffusion(m: &MaskedDiffusion) -> Vec<Fact> {
    let proof = &m.proof;
    let ends = match m.ends {
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
    let sampling = match m.t.kind {
        TKind::Stratified => "stratified over the global batch",
        TKind::Iid => "drawn for each row on its own",
        TKind::Systematic => "systematic over the global batch",
        TKind::Importance => "by importance",
    };
    let rates = [m.t.low, m.t.high].map(|t| crate::check::schedule::near_one(1.0 - m.schedule.eval(t)));
    let derived = proof.weight.to_string();
    let weight = match &m.weight {
        LossWeight::Elbo => fact("weight(t)", derived, "= -alpha'(t) / (1 - alpha(t)) (derived)"),
        LossWeight::Flat => fact("weight(t)", "1", format!("flat; the bound's would be {derived}")),
        LossWeight::Custom { name, formula } => {
            fact("weight(t)", formula.to_string(), format!("`{name}`, as given; the bound's would be {derived}"))
        }
    };
    let uniform = m.schedule == Formula::from(one_minus_t()) && m.t.low == 0.0 && m.t.high == 1.0;
    let loss = match (m.estimator, &m.weight) {
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
        (Estimator::Bernoulli, LossWeight::Flat) => "estimator bernoulli: sum of cross-entropy over masked / targets",
        (Estimator::RowMean, _) => "estimator row_mean",
        (Estimator::BatchMean, _) => "estimator batch_mean",
        (Estimator::Bernoulli, _) => "estimator bernoulli: weight(t) * sum of cross-entropy over masked / targets",
    };
    let bound = match &m.bound {
        Ok(_) => "a likelihood bound (NELBO), unbiased".to_string(),
        Err(why) => format!("no bound: {why}"),
    };
    vec![
        fact("alpha(t)", m.schedule.to_string(), shape),
        fact("alpha'(t)", proof.derivative.to_string(), "(derived)"),
        weight,
        fact(
            "t",
            format!("{sampling} on [{}, {}]", m.t.low, m.t.high),
            format!("mask rates from {} to {}", rates[0], rates[1]),
        ),
        fact("loss", loss, bound),
    ]
}

fn one_minus_t() -> crate::check::formula::Term {
    use crate::check::formula::Term;
    Term::Sum(vec![Term::ONE, Term::Product(vec![Term::int(-1), Term::T])])
}
