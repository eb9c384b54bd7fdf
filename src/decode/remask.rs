//! Everything masked is predicted, the best-ranked are kept, the rest is masked again (MaskGIT; LLaDA, arXiv
//! 2502.09992, with confidence or at random; domain C.2). Drawing several positions from one prediction treats them as
//! independent, and ranking prefers what is sure: neither is the model's law, even for a perfect network.

use super::draw::Distribution;
use super::first_hitting::orders;
use super::groups::{Group, share};
use super::session::{Ask, Session, TOKEN};
use super::{DecodeError, Network};
use crate::check::spec::{Filter, Score};

/// By rank. The rank is taken from the model's own distribution, whatever temperature and cuts the token was drawn
/// with; of equals the first position is kept.
pub(super) fn best<N: Network>(
    session: &mut Session<'_, N>,
    group: &Group,
    steps: u64,
    score: Score,
) -> Result<(), DecodeError<N::Error>> {
    for n_kept in kept(group, steps) {
        let ask = |(slot, text): (usize, &super::session::Text)| Ask { slot, at: text.open(&group.holes) };
        let asks: Vec<Ask> = session.texts.iter().enumerate().map(ask).collect();
        let answers = session.ask(group, &asks)?;
        let round = session.next_round();
        for (ask, rows) in asks.iter().zip(answers) {
            let index = session.texts.get(ask.slot).map_or(0, |text| text.index);
            let mut ranked = vec![];
            for (position, logits) in ask.at.iter().zip(rows) {
                let from = session.distribution(ask.slot, *position, &logits)?;
                let own = Distribution::new(&logits, &Filter::NONE)
                    .map_err(|what| session.unsound(ask.slot, *position, what))?;
                let token = from.draw(session.uniform(round, index, *position, TOKEN));
                ranked.push((rank(&own, token, score), *position, token, from.entropy()));
            }
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for (_, position, token, entropy) in ranked.into_iter().take(n_kept) {
                session.put(ask.slot, position, token, entropy);
            }
            session.show(ask.slot);
        }
    }
    Ok(())
}

/// Without a rank: the positions are chosen first, so only they are asked for.
pub(super) fn at_random<N: Network>(
    session: &mut Session<'_, N>,
    group: &Group,
    steps: u64,
) -> Result<(), DecodeError<N::Error>> {
    let orders = orders(session, group);
    let mut done = 0;
    for n_kept in kept(group, steps) {
        let chosen = |order: &Vec<usize>| {
            let mut at = order.get(done..done + n_kept).unwrap_or_default().to_vec();
            at.sort_unstable();
            at
        };
        let asks: Vec<Ask> = orders.iter().enumerate().map(|(slot, order)| Ask { slot, at: chosen(order) }).collect();
        session.settle(group, &asks)?;
        done += n_kept;
    }
    Ok(())
}

/// How many positions each step keeps: equally many, earlier steps one more where they do not divide. More steps than
/// positions are as many as positions.
fn kept(group: &Group, steps: u64) -> Vec<usize> {
    let n = group.holes.len() as u64;
    let steps = steps.min(n);
    (0..steps).map(|step| share(n, steps, step) as usize).collect()
}

fn rank(own: &Distribution, token: u32, score: Score) -> f64 {
    match score {
        Score::Confidence => own.chance(token),
        Score::Margin => {
            let (first, second) =
                own.chances().fold(
                    (0.0f64, 0.0f64),
                    |(first, second), p| {
                        if p > first { (p, first) } else { (first, second.max(p)) }
                    },
                );
            first - second
        }
        Score::Entropy => -own.entropy(),
        Score::Random => 0.0,
    }
}
