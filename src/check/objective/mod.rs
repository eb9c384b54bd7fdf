//! The `objective` of an arm: what is written, what it has to be, and whether its loss bounds the likelihood.
//! One file per objective; `noise` is what masked and block diffusion share, `t` and `sampler` are read alike
//! everywhere, `label` says which loss is a bound.

mod any_order;
mod block;
mod hybrid;
mod label;
mod masked;
mod masked_lm;
mod next_token;
mod noise;
pub mod sampler;
mod t;
mod uniform;

use super::formula::{Formula, Term};
use super::reader::{Cx, Reader};
use super::spec::{Objective, Sampler};
use crate::base::diag::code;
use crate::base::{Diagnostic, Span};
use crate::resolve::{Node, Value};

/// Chances of noise at the ends of t are 0 and 1 up to rounding.
const EXACT_RATE: f64 = 1e-12;

/// Every objective's call, with the arguments that may stand without their names.
const FORMS: &[(&str, &[&str])] = &[
    ("next_token", &[]),
    ("masked_diffusion", &["schedule", "t", "weight", "estimator", "ends"]),
    ("megadlms", &[]),
    ("any_order", &["t"]),
    ("masked_lm", &["rate"]),
    ("block_diffusion", &["block", "schedule", "t", "weight", "estimator", "ends"]),
    ("uniform_diffusion", &["schedule", "t", "ends"]),
    ("hybrid_diffusion", &["uniform", "t", "weight"]),
];

/// The sequences that an objective is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequences {
    /// Tokens of each; at least 2.
    pub tokens: u64,
    /// Where that is written.
    pub span: Span,
}

/// Without sequences (`data` may be wrong) what depends on their length is left unchecked.
pub fn read(node: &Node, sequences: Option<Sequences>, cx: &mut Cx<'_>) -> Option<(Objective, Sampler)> {
    let (name, mut reader) = Reader::call(node, "objective", FORMS, cx)?;
    cx.note("objective", name, Some(node));
    let objective = match name {
        "next_token" => next_token::read(&mut reader, cx).map(Objective::NextToken),
        "masked_diffusion" => masked::read(&mut reader, sequences, cx).map(Objective::MaskedDiffusion),
        "megadlms" => masked::megadlms(&reader, sequences, cx).map(Objective::MaskedDiffusion),
        "any_order" => any_order::read(&mut reader, cx).map(Objective::AnyOrder),
        "masked_lm" => masked_lm::read(&mut reader, cx).map(Objective::MaskedLm),
        "block_diffusion" => block::read(&mut reader, sequences, cx).map(Objective::BlockDiffusion),
        "uniform_diffusion" => uniform::read(&mut reader, cx).map(Objective::UniformDiffusion),
        _ => hybrid::read(&mut reader, cx).map(Objective::HybridDiffusion),
    };
    let sampler = sampler::read(name, &mut reader, cx);
    reader.finish(cx);
    let (objective, sampler) = (objective?, sampler?);
    note_bound(&objective, node.span, cx);
    Some((objective, sampler))
}

/// Notes whether the loss bounds the likelihood, and warns where it does not.
fn note_bound(objective: &Objective, span: Span, cx: &mut Cx<'_>) {
    match objective.bound() {
        // The likelihood itself, as everybody expects of it.
        Ok(_) if matches!(objective, Objective::NextToken(_)) => {}
        Ok(why) => cx.note_derived("objective.bound", why),
        Err(why) => {
            cx.note_derived("objective.bound", format!("no: {why}"));
            let validation = match objective {
                Objective::NextToken(_) => "validation masks no input and gives the exact likelihood",
                Objective::MaskedDiffusion(_) | Objective::AnyOrder(_) | Objective::MaskedLm(_) => {
                    "validation always uses the exact-count bound, whatever the training weights are"
                }
                Objective::BlockDiffusion(_) => {
                    "validation always uses the exact-count bound of each block, whatever the training weights are"
                }
                Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => {
                    "validation always uses the bound's own weights on all of [0, 1], whatever the training weights are"
                }
            };
            cx.out.push(
                Diagnostic::warning(code::NOT_A_BOUND, "the training loss is no bound on the likelihood")
                    .at(span, why)
                    .note(validation),
            );
        }
    }
}

/// A share as one would write it before `%`: 0.01 is 1, whatever binary makes of it.
pub fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// alpha(t) = 1 - t.
pub fn one_minus_t() -> Formula {
    Formula::from(Term::Sum(vec![Term::ONE, Term::Product(vec![Term::int(-1), Term::T])])).simplified()
}

/// One of a few words, each with its meaning; the first is the default.
fn choice<T: Copy>(
    reader: &mut Reader,
    name: &'static str,
    choices: &[(&'static str, T)],
    cx: &mut Cx<'_>,
) -> Option<T> {
    let path = reader.sub_path(name);
    match reader.get(name) {
        None => choices.first().map(|(word, value)| {
            cx.note(&path, word, None);
            *value
        }),
        Some(node) => {
            let forms: Vec<(&str, &[&'static str])> = choices.iter().map(|(word, _)| (*word, &[] as &[_])).collect();
            let (word, inner) = Reader::call(&node, &path, &forms, cx)?;
            inner.finish(cx);
            cx.note(&path, word, Some(&node));
            choices.iter().find(|(w, _)| *w == word).map(|(_, value)| *value)
        }
    }
}

fn boolean(reader: &mut Reader, name: &'static str, default: bool, cx: &mut Cx<'_>) -> Option<bool> {
    let path = reader.sub_path(name);
    let node = reader.get(name);
    let value = match &node {
        None => default,
        Some(Node { value: Value::Bool(value), .. }) => *value,
        Some(other) => {
            cx.wrong_type(other, &path, "`true` or `false`");
            return None;
        }
    };
    cx.note(&path, value, node.as_ref());
    Some(value)
}
