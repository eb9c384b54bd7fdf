//! `hybrid_diffusion(uniform, t, weight)`: GIDD's own schedule, so that only the share of uniform noise is to be said.

use super::{choice, label, t};
use crate::check::reader::{Cx, Reader, Takes};
use crate::check::spec::{HybridDiffusion, HybridWeight, TSampling};

/// Without masks at the middle of t there would be no hybrid; c grows without bound towards it.
const BELOW_ONE: f64 = 1.0 - 1e-9;

pub fn read(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<HybridDiffusion> {
    let uniform = reader.real("uniform", Takes::FRACTION, 0.0..=BELOW_ONE, None, "20%", cx);
    let t = t::read(reader, cx).and_then(|given| t::without_importance(given, "hybrid_diffusion", cx));
    let weight = choice(reader, "weight", &[("elbo", HybridWeight::Elbo), ("dynamic", HybridWeight::Dynamic)], cx);
    let (t, weight) = (t?, weight?);
    Some(HybridDiffusion { uniform: uniform?, t, weight, bound: bound(t, weight) })
}

fn bound(t: TSampling, weight: HybridWeight) -> Result<String, String> {
    if weight == HybridWeight::Dynamic {
        return Err(
            "weight `dynamic` is not that of the bound: 2 for masks, 1 for noise, at most 2 for clean tokens".into()
        );
    }
    // alpha is 1 - t over C > 0: it is 1 at t = 0 and 0 at t = 1, and nowhere else.
    if t.low > 0.0 || t.high < 1.0 {
        return Err(label::tails(t));
    }
    Ok("NELBO of masks and uniform noise (GIDD): w(t, z, x) * (KL + r - log r - 1), unbiased".into())
}
