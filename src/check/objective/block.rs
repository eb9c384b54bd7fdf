//! `block_diffusion(block, schedule, t, weight, estimator, ends)`: masked diffusion within blocks that divide the
//! sequence.

use super::Sequences;
use super::noise::{self, Estimators};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Span};
use crate::check::reader::{Cx, Reader, Takes};
use crate::check::spec::{BlockDiffusion, Estimator, Targets};

pub fn read(reader: &mut Reader, sequences: Option<Sequences>, cx: &mut Cx<'_>) -> Option<BlockDiffusion> {
    let given = reader.get("block");
    let block = reader.whole("block", Takes::PLAIN, 1, None, "16", cx);
    let block = block.filter(|block| match (sequences, &given) {
        (Some(sequences), Some(node)) => divides(*block, node.span, sequences, cx),
        _ => true,
    });
    let mut noise = noise::read(reader, block, Targets::Matched, Estimators::Masks, cx)?;
    let block = block?;
    if block == 1 && noise.bound.is_ok() && noise.estimator == Estimator::Count {
        noise.bound = Ok("exact likelihood: blocks of one token, predicted one after the other".into());
    }
    Some(BlockDiffusion { block, noise })
}

fn divides(block: u64, span: Span, sequences: Sequences, cx: &mut Cx<'_>) -> bool {
    let Sequences { tokens, span: seq_span } = sequences;
    if tokens.is_multiple_of(block) {
        return true;
    }
    let label = if block > tokens {
        "longer than a sequence".to_string()
    } else {
        format!("{} / {} leaves {}", grouped(tokens), grouped(block), grouped(tokens % block))
    };
    // Sequences are bounded, and so is the search.
    let below = (1..block.min(tokens)).rev().find(|n| tokens.is_multiple_of(*n));
    let above = (block..=tokens).find(|n| tokens.is_multiple_of(*n)).or((block > tokens).then_some(tokens));
    let mut fits: Vec<u64> = below.into_iter().chain(above).collect();
    fits.dedup();
    let fits: Vec<String> = fits.into_iter().map(grouped).collect();
    cx.out.push(
        Diagnostic::error(
            code::BLOCK_SPLIT,
            format!("blocks of {} do not divide sequences of {}", grouped(block), grouped(tokens)),
        )
        .at(span, label)
        .also(seq_span, "the length of a sequence")
        .note("blocks are trained side by side, so each has to be whole")
        .help(format!("blocks of {} would fit", fits.join(" or "))),
    );
    false
}
