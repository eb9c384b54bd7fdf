//! One token after the other, each from the prediction of the next: the exact law of a next-token model.

use super::groups::Group;
use super::session::{Ask, Session};
use super::{DecodeError, Network, Refusal, Request};

pub(super) fn run<N: Network>(session: &mut Session<'_, N>, request: &Request) -> Result<(), DecodeError<N::Error>> {
    let last_given = request.template.iter().rposition(Option::is_some).map(|i| i + 1);
    if let (Some(hole), Some(given)) = (session.holes.first().copied(), last_given)
        && given > hole
    {
        return Err(Refusal::GivenAfterHole { method: "left_to_right", hole, given }.into());
    }
    for position in session.holes.clone() {
        // All that is read stays what it is, so keys and values of it can be kept.
        let group = Group { holes: vec![position], end: position, n_final: position };
        let asks: Vec<Ask> = (0..session.texts.len()).map(|slot| Ask { slot, at: vec![position] }).collect();
        session.settle(&group, &asks)?;
    }
    Ok(())
}
