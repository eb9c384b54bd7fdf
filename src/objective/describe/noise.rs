//! Objectives that replace tokens by others in words.

use super::masks::schedule;
use super::{Fact, UNBIASED, bound_note, fact, t_fact};
use crate::check::spec::{HybridDiffusion, HybridWeight, UniformDiffusion};

/// GIDD's form, of which the bound of uniform noise is a case.
const LOSS: &str = "weight * (KL(q(.|x) || q(.|x_theta)) + r - log r - 1), r = q(z|x)/q(z|x_theta), summed over targets / \
                    targets";

pub fn uniform_diffusion(u: &UniformDiffusion) -> Vec<Fact> {
    let mut facts = schedule(&u.schedule, &u.proof, u.ends);
    facts.push(fact("q(z|x)", "alpha(t) [z = x] + (1 - alpha(t))/N", "N: the ids that can be predicted"));
    facts.push(fact("weight", "-alpha'(t) / (alpha(t) N q(z|x))", "the bound's"));
    facts.push(t_fact(u.t, "row", "chances of noise", |t| 1.0 - u.schedule.eval(t)));
    facts.push(fact("loss", LOSS, bound(&u.bound)));
    facts
}

pub fn hybrid_diffusion(h: &HybridDiffusion) -> Vec<Fact> {
    let p = h.uniform;
    let c = format!("C = 1 + c, c = 2 p/(1 - p) sqrt(t (1 - t)), p = {p}: alpha(0) = 1, alpha(1) = 0");
    let uniform = match p {
        0.0 => "none: c = 0".to_string(),
        _ => format!("at most {p}, at t = 1/2, over the N - 1 ids that can be predicted"),
    };
    let weight = match h.weight {
        HybridWeight::Elbo if p == 0.0 => fact("weight", "masked: 1/(t (1 - t))", "the bound's"),
        HybridWeight::Elbo => fact(
            "weight",
            "masked: 1/(t (1 - t)); noise: (c + (1 - t) c')/((1 - t) c); clean: (c + (1 - t) c')/((N - 1) (1 - t) (1 - t + c/(N - 1)))",
            "the bound's, c' the derivative of c",
        ),
        HybridWeight::Dynamic => {
            fact("weight", "dynamic: 2 where masked, 1 where noise, at most 2 where clean", "GIDD's, in training alone")
        }
    };
    vec![
        fact("alpha(t)", "(1 - t)/C", c),
        fact("mask", "t/C", ""),
        fact("uniform", "c/C", uniform),
        weight,
        t_fact(h.t, "row", "chances of noise", |t| {
            1.0 - (1.0 - t) / (1.0 + 2.0 * p / (1.0 - p) * (t * (1.0 - t)).sqrt())
        }),
        fact("loss", LOSS, bound(&h.bound)),
    ]
}

fn bound(bound: &Result<String, String>) -> String {
    // The loss beside it says the rest.
    if bound.is_ok() { UNBIASED.into() } else { bound_note(bound) }
}
