//! `next_token(input_mask, auxiliary)`: the exact likelihood, and the noise on its inputs that ablations put there.

use crate::check::reader::{Cx, Reader, Takes};
use crate::check::spec::{MaskedInputs, NextToken};
use crate::resolve::{Node, Value};

pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<NextToken> {
    let input_mask = reader.real("input_mask", Takes::FRACTION, 0.0..=1.0, Some(0.0), "30%", cx);
    let auxiliary = match reader.get("auxiliary") {
        Some(node) if node.value != Value::None => masked_inputs(&node, cx).map(Some),
        none => {
            cx.note("objective.auxiliary", "none", none.as_ref());
            Some(None)
        }
    };
    Some(NextToken { input_mask: input_mask?, auxiliary: auxiliary? })
}

/// At a rate or a weight of 0 the second half of every step would change nothing.
fn masked_inputs(node: &Node, cx: &mut Cx<'_>) -> Option<MaskedInputs> {
    let forms: &[(&str, &[&'static str])] = &[("masked_inputs", &["rate", "weight"])];
    let (name, mut reader) = Reader::call(node, "objective.auxiliary", forms, cx)?;
    cx.note("objective.auxiliary", name, Some(node));
    let rate = reader.real("rate", Takes::FRACTION, f64::MIN_POSITIVE..=1.0, None, "15%", cx);
    let weight = reader.real("weight", Takes::PLAIN, f64::MIN_POSITIVE..=1e6, Some(1.0), "1.0", cx);
    reader.finish(cx);
    Some(MaskedInputs { rate: rate?, weight: weight? })
}
