//! One uniformly chosen position at a time: the order in which independent masks would be lifted, so the law is the
//! reverse process itself, without a grid (Zheng et al., arXiv 2409.02908; domain C.6). As many network calls as
//! tokens.
//!
//! The time of each is of no use here: a network that reads `t` is told the level at which as many are masked, as in
//! training by counts and in evaluation.

use super::groups::Group;
use super::session::{Ask, Session};
use super::{DecodeError, Network};

pub(super) fn run<N: Network>(session: &mut Session<'_, N>, group: &Group) -> Result<(), DecodeError<N::Error>> {
    let orders = orders(session, group);
    for step in 0..group.holes.len() {
        let ask = |(slot, order): (usize, &Vec<usize>)| Some(Ask { slot, at: vec![*order.get(step)?] });
        let asks: Vec<Ask> = orders.iter().enumerate().filter_map(ask).collect();
        session.settle(group, &asks)?;
    }
    Ok(())
}

/// A uniform order of the group's holes for each text.
pub(super) fn orders<N: Network>(session: &mut Session<'_, N>, group: &Group) -> Vec<Vec<usize>> {
    let round = session.next_round();
    let n = group.holes.len() as u32;
    let order = |index: u32| -> Vec<usize> {
        let order = session.stream.sample_without_replacement(n, n, round, index);
        order.into_iter().filter_map(|i| group.holes.get(i as usize).copied()).collect()
    };
    session.texts.iter().map(|text| order(text.index)).collect()
}
