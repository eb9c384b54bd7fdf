//! The reverse of masking on a grid of t: from t to s a masked token stays masked with chance
//! (1 - alpha_s)/(1 - alpha_t), else it is drawn (Sahoo et al., arXiv 2406.07524; domain C.1).
#![allow(clippy::indexing_slicing)] // texts by slot

use super::groups::Group;
use super::noise::MaskRates;
use super::session::{Ask, REVEAL, Session};
use super::{DecodeError, Network};

/// t runs from 1 to 0 in `steps` equal steps. Which tokens are drawn does not depend on what they are drawn from,
/// so the network is asked only at steps that draw one: between them nothing changes. Masks that are left (alpha(0)
/// below 1) are drawn from a last prediction; taking the likeliest there, as is customary, lowers the entropy.
pub(super) fn run<N: Network>(
    session: &mut Session<'_, N>,
    group: &Group,
    steps: u64,
    rates: &MaskRates,
) -> Result<(), DecodeError<N::Error>> {
    for step in 0..steps {
        let [t, s] = [step, step + 1].map(|k| rates.at(1.0 - k as f64 / steps as f64));
        // No mask is left where none can be.
        let stays = if t > 0.0 { s / t } else { 0.0 };
        let round = session.next_round();
        let mut asks = vec![];
        for (slot, text) in session.texts.iter().enumerate() {
            let mut at = text.open(&group.holes);
            at.retain(|position| session.uniform(round, text.index, *position, REVEAL) >= stays);
            asks.push(Ask { slot, at });
        }
        asks.retain(|ask| !ask.at.is_empty());
        session.settle(group, &asks)?;
    }
    let left = |slot: usize| Ask { slot, at: session.texts[slot].open(&group.holes) };
    let mut asks: Vec<Ask> = (0..session.texts.len()).map(left).collect();
    asks.retain(|ask| !ask.at.is_empty());
    session.settle(group, &asks)
}
