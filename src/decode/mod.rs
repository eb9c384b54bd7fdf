//! How text is drawn from a trained model: pure algorithms over a [`Network`] that gives logits, one file for
//! each family. The laws they draw from, their cost and their sources: `README.md` beside this file.
//!
//! A request is a template: tokens and holes in any order, of which a prompt to continue is the special case.
//! Every draw is a function of (seed, step, text, position), so texts drawn together are those drawn alone.

mod ancestral;
pub mod draw;
mod first_hitting;
mod groups;
mod left_to_right;
pub mod measure;
mod noise;
mod posterior;
mod remask;
mod session;
#[cfg(test)]
mod tests;

pub use draw::{Distribution, Unsound};
pub use session::Draft;

use crate::check::spec::{Method, Objective, Sampler, Score, Vocab};
use crate::objective::Process;
use groups::{block_diffusion, n_steps, semi_autoregressive};
use noise::MaskRates;
use session::Session;

/// A model that can be asked.
pub trait Network {
    type Error;

    /// For each question and each of its positions, in order, the logits of the token *at that position* over all
    /// predictable ids. Whether they stand in the output at it or before it (next token, `shift: true`) is the
    /// network's affair. Texts that are drawn together are asked together.
    fn logits(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<Vec<f64>>>, Self::Error>;
}

/// What a network reads, and what it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which of the texts drawn together: a cache belongs to one.
    pub slot: usize,
    pub tokens: &'a [u32],
    /// As many first tokens never change again: with a causal pattern what was computed of them can be kept.
    pub n_final: usize,
    /// The noise level, where the objective has one.
    pub t: Option<f64>,
    /// Ascending. The first after `tokens` is a position too.
    pub at: &'a [usize],
}

/// Texts to be drawn, all from one template.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Given tokens, and `None` where one is to be drawn. A document starts after an end of document, which the
    /// network reads before the first of these.
    pub template: Vec<Option<u32>>,
    /// Which texts: each has its own draws.
    pub texts: std::ops::Range<u32>,
    pub seed: u32,
}

impl Request {
    /// A prompt and so many new tokens.
    pub fn continuation(prompt: &[u32], n_tokens: usize, texts: std::ops::Range<u32>, seed: u32) -> Request {
        let given = prompt.iter().copied().map(Some);
        Request { template: given.chain(std::iter::repeat_n(None, n_tokens)).collect(), texts, seed }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The whole text, given tokens included.
    pub tokens: Vec<u32>,
    pub n_drawn: u64,
    /// How often the network was asked for this text.
    pub n_calls: u64,
    /// The mean entropy, in nats, of the distributions that the drawn tokens were drawn from, each the last one
    /// of its position.
    pub entropy: f64,
}

/// A request that a method cannot serve.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "`{method}` reads what stands before a position alone, so the hole at token {hole} cannot take note of the \
         given text at token {given}; leave the text after the hole out, or sample from a masked, uniform or hybrid \
         objective"
    )]
    GivenAfterHole { method: &'static str, hole: usize, given: usize },
    #[error(
        "block diffusion reads no later block, so the hole at token {hole} (block {hole_block}) cannot take note of \
         the given text at token {given} (block {given_block}); holes have to stand in the last block with given \
         text, or after it (blocks of {block} tokens, the first with the start of the document)"
    )]
    GivenInLaterBlock { hole: usize, given: usize, hole_block: usize, given_block: usize, block: u64 },
    #[error("token {position} of the template is id {id}, which is no text: text has ids 0 to {last}")]
    NoText { position: usize, id: u32, last: u64 },
    #[error("the sampler `{method}` does not draw from `{objective}`")]
    Misfit { method: &'static str, objective: &'static str },
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError<E> {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the network's prediction for token {position} of text {text} cannot be drawn from: {what}")]
    Unsound { text: u32, position: usize, what: Unsound },
    #[error("the network answered {got} questions of {asked}")]
    Answers { asked: usize, got: usize },
    #[error("{0}")]
    Network(E),
}

/// Draws texts. `watch` sees each of them whenever it has changed.
///
/// Assumes a sampler that `check` has found to fit the objective; one that does not is refused.
pub fn decode<N: Network>(
    network: &mut N,
    objective: &Objective,
    vocab: &Vocab,
    sampler: &Sampler,
    request: &Request,
    watch: &mut dyn FnMut(&Draft<'_>),
) -> Result<Vec<Decoded>, DecodeError<N::Error>> {
    if let Some((position, id)) = outside(request, vocab) {
        return Err(Refusal::NoText { position: position + 1, id, last: vocab.n_predictable() - 1 }.into());
    }
    let misfit = || Refusal::Misfit { method: sampler.method.name(), objective: objective.name() };
    let mut session = Session::new(network, *vocab, sampler.filter, request, watch);
    match (objective, sampler.method) {
        (Objective::NextToken(_), Method::LeftToRight) => left_to_right::run(&mut session, request)?,
        (Objective::NextToken(_), _) | (_, Method::LeftToRight) => return Err(misfit().into()),
        (Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_), Method::Posterior { steps }) => {
            let process = Process::of(objective, vocab.n_predictable()).ok_or_else(misfit)?;
            posterior::run(&mut session, &process, steps)?;
        }
        (Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_), _) | (_, Method::Posterior { .. }) => {
            return Err(misfit().into());
        }
        (
            Objective::MaskedDiffusion(_)
            | Objective::AnyOrder(_)
            | Objective::MaskedLm(_)
            | Objective::BlockDiffusion(_),
            method,
        ) => masked(&mut session, objective, method, request)?,
    }
    Ok(session.finish())
}

/// The masked samplers: groups of holes one after the other, each by the method.
fn masked<N: Network>(
    session: &mut Session<'_, N>,
    objective: &Objective,
    method: Method,
    request: &Request,
) -> Result<(), DecodeError<N::Error>> {
    let (steps, block) = match method {
        Method::Ancestral { steps, block } | Method::Remask { steps, block, .. } => (steps, block),
        Method::FirstHitting { block } => (None, block),
        Method::LeftToRight | Method::Posterior { .. } => (None, None),
    };
    let groups = match objective {
        Objective::BlockDiffusion(blocks) => block_diffusion(&request.template, blocks.block)?,
        _ => semi_autoregressive(&request.template, block),
    };
    let rates = MaskRates::of(objective);
    session.tell_levels_by(objective);
    for (group, steps) in groups.iter().zip(n_steps(steps, &groups)) {
        match method {
            Method::Ancestral { .. } => ancestral::run(session, group, steps, &rates)?,
            Method::Remask { score: Score::Random, .. } => remask::at_random(session, group, steps)?,
            Method::Remask { score, .. } => remask::best(session, group, steps, score)?,
            Method::FirstHitting { .. } | Method::LeftToRight | Method::Posterior { .. } => {
                first_hitting::run(session, group)?;
            }
        }
    }
    Ok(())
}

/// The first given id that can be no text.
fn outside(request: &Request, vocab: &Vocab) -> Option<(usize, u32)> {
    let mut given = request.template.iter().enumerate().filter_map(|(i, token)| Some((i, (*token)?)));
    given.find(|(_, id)| u64::from(*id) >= vocab.n_predictable())
}
