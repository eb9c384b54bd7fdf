//! Uniform and hybrid noise: every token is drawn again at every step from the posterior
//! q(z_s | z_t, x_theta) = q(z_t | z_s) q(z_s | x_theta) / q(z_t | x_theta) (D3PM, arXiv 2107.03006; UDLM, arXiv
//! 2412.10193; GIDD, arXiv 2503.04482; domain B.7, B.9, C).
//!
//! With q_t(z|x) = a_t [z=x] + u_t + m_t [z is the mask] the forward step from s to t keeps a token with chance
//! a_t/a_s and adds the noise that is missing:
//! q(z_t | z_s) = (a_t/a_s) [z_t = z_s] + (u_t - (a_t/a_s) u_s) or, for the mask, (m_t - (a_t/a_s) m_s).
//! x_theta enters through q(z_s | x_theta)_j = a_s x_theta_j + u_s: exact where x_theta is the prediction *without*
//! the token that stands there, which is what the bound trains.
#![allow(clippy::indexing_slicing)] // texts by slot

use super::draw::Distribution;
use super::groups::Group;
use super::session::{Ask, START, Session, TOKEN};
use super::{DecodeError, Network};
use crate::objective::{Mixing, Process};

/// No noise: what the last step goes to, so that nothing of it is left (a schedule may end short of 1).
const CLEAN: Mixing = Mixing { alpha: 1.0, mask: 0.0, uniform: 0.0 };

/// t runs from 1 to 0 in equal steps, and the network is told it. The last step draws the clean token, so that no
/// mask and no noise is left. Temperature and cuts change x_theta, not the posterior made of it.
pub(super) fn run<N: Network>(
    session: &mut Session<'_, N>,
    process: &Process,
    steps: Option<u64>,
) -> Result<(), DecodeError<N::Error>> {
    let holes = session.holes.clone();
    if holes.is_empty() {
        return Ok(());
    }
    start(session, process, &holes);
    let n_ids = session.vocab.n_predictable();
    let mask = session.vocab.mask_id();
    let group = Group { holes: holes.clone(), end: session.len, n_final: 0 };
    let steps = steps.unwrap_or(holes.len() as u64).max(1);
    for step in 0..steps {
        let t = 1.0 - step as f64 / steps as f64;
        let last = step + 1 == steps;
        let from = process.mixing(t);
        let to = if last { CLEAN } else { process.mixing(1.0 - (step + 1) as f64 / steps as f64) };
        let asks: Vec<Ask> = (0..session.texts.len()).map(|slot| Ask { slot, at: holes.clone() }).collect();
        let answers = session.ask_at(t, &group, &asks)?;
        let round = session.next_round();
        for (ask, rows) in asks.iter().zip(answers) {
            for (position, logits) in ask.at.iter().zip(rows) {
                let predicted = session.distribution(ask.slot, *position, &logits)?;
                let text = &session.texts[ask.slot];
                let posterior = posterior(&predicted, text.tokens[*position], mask, from, to);
                let drawn = posterior.draw(session.uniform(round, text.index, *position, TOKEN));
                // Behind all ids stands the mask.
                let token = if u64::from(drawn) < n_ids { drawn } else { mask };
                let text = &mut session.texts[ask.slot];
                text.tokens[*position] = token;
                text.entropy[*position] = posterior.entropy();
                text.settled[*position] = last;
            }
            session.show(ask.slot);
        }
    }
    Ok(())
}

/// Everything noise: masks, or ids drawn uniformly.
fn start<N: Network>(session: &mut Session<'_, N>, process: &Process, holes: &[usize]) {
    if matches!(process, Process::Hybrid { .. }) {
        return;
    }
    let round = session.next_round();
    let n = session.vocab.n_predictable();
    for slot in 0..session.texts.len() {
        for position in holes {
            let u = session.uniform(round, session.texts[slot].index, *position, START);
            session.texts[slot].tokens[*position] = ((u * n as f64) as u64).min(n - 1) as u32;
        }
    }
}

/// Of z_s, over all predictable ids and, last, the mask.
fn posterior(predicted: &Distribution, z: u32, mask: u32, from: Mixing, to: Mixing) -> Distribution {
    // Where nothing clean is left at s either, nothing has to change.
    let kept = if to.alpha > 0.0 { from.alpha / to.alpha } else { 1.0 };
    // Rounding aside both are at least 0: noise only grows.
    let uniform = (from.uniform - kept * to.uniform).max(0.0);
    let masked = (from.mask - kept * to.mask).max(0.0);
    let arrives = |j: u32| {
        let noise = if z == mask { masked } else { uniform };
        if j == z { kept + noise } else { noise }
    };
    let ids = predicted.chances().enumerate().map(|(j, p)| arrives(j as u32) * (to.alpha * p + to.uniform));
    let mut odds: Vec<f64> = ids.chain(std::iter::once(arrives(mask) * to.mask)).collect();
    // Without uniform noise an id is never changed. If x_theta rules it out (by a cut), nothing could have become it.
    if odds.iter().all(|w| *w <= 0.0) {
        odds.iter_mut().skip(z as usize).take(1).for_each(|w| *w = 1.0);
    }
    Distribution::of_odds(odds)
}
