//! Which holes are drawn together, and what the network reads meanwhile: semi-autoregressive blocks of a masked
//! objective, and the blocks of block diffusion.

use super::Refusal;

/// Holes that are drawn before any of the next group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Positions, ascending; position 0 is the context.
    pub holes: Vec<usize>,
    /// The network reads the tokens before this.
    pub end: usize,
    /// As many first tokens are final, and nothing after them is read to predict them.
    pub n_final: usize,
}

/// Every `block` holes from the left (LLaDA, arXiv 2502.09992); the network reads all of the text, masks after the
/// group included. Without `block` all holes are one group.
pub(super) fn semi_autoregressive(template: &[Option<u32>], block: Option<u64>) -> Vec<Group> {
    let holes = holes(template);
    let n = block.map_or(holes.len(), |block| usize::try_from(block).unwrap_or(usize::MAX)).max(1);
    let group = |holes: &[usize]| Group { holes: holes.to_vec(), end: template.len() + 1, n_final: 0 };
    holes.chunks(n).map(group).collect()
}

/// The blocks of the objective, as they are cut in training: positions 0..block (the first of them the context),
/// and so on. Blocks before are final, and those after are not read.
pub(super) fn block_diffusion(template: &[Option<u32>], block: u64) -> Result<Vec<Group>, Refusal> {
    let size = usize::try_from(block).unwrap_or(usize::MAX).max(1);
    let holes = holes(template);
    let last_given = template.iter().rposition(Option::is_some).map(|i| i + 1);
    if let (Some(hole), Some(given)) = (holes.first().copied(), last_given)
        && given / size > hole / size
    {
        let (hole_block, given_block) = (hole / size + 1, given / size + 1);
        return Err(Refusal::GivenInLaterBlock { hole, given, hole_block, given_block, block });
    }
    let mut groups: Vec<Group> = vec![];
    for hole in holes {
        let start = hole / size * size;
        match groups.last_mut() {
            Some(group) if group.n_final == start => group.holes.push(hole),
            _ => groups.push(Group { holes: vec![hole], end: start.saturating_add(size), n_final: start }),
        }
    }
    Ok(groups)
}

/// The steps of each group: as many as holes where the sampler does not say; otherwise equally many, the first ones
/// one more where they do not divide, and at least one each.
pub(super) fn n_steps(steps: Option<u64>, groups: &[Group]) -> Vec<u64> {
    let n = groups.len() as u64;
    let each = |(i, group): (usize, &Group)| match steps {
        None => group.holes.len() as u64,
        Some(steps) => share(steps, n, i as u64).max(1),
    };
    groups.iter().enumerate().map(each).collect()
}

/// Part `i` of `total` cut into `n` parts, the first ones one larger where they do not divide.
pub(super) fn share(total: u64, n: u64, i: u64) -> u64 {
    total / n.max(1) + u64::from(i < total % n.max(1))
}

fn holes(template: &[Option<u32>]) -> Vec<usize> {
    template.iter().enumerate().filter(|(_, token)| token.is_none()).map(|(i, _)| i + 1).collect()
}
