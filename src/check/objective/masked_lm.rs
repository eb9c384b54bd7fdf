//! `masked_lm(rate)`: masks at one fixed rate.

use crate::check::reader::{Cx, Reader, Takes};
use crate::check::spec::MaskedLm;

/// At a rate of 0 there would be nothing to predict.
pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<MaskedLm> {
    let rate = reader.real("rate", Takes::FRACTION, f64::MIN_POSITIVE..=1.0, None, "15%", cx)?;
    Some(MaskedLm { rate })
}
