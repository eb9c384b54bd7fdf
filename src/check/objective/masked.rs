//! `masked_diffusion(...)` over whole sequences, and `megadlms()`, the recipe of that code base.

use super::noise::{self, Estimators};
use super::{Sequences, boolean, one_minus_t, percent};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::check::reader::{Cx, Reader, Takes};
use crate::check::spec::{Ends, Estimator, FlatField, LossWeight, MaskedDiffusion, TKind, TSampling, Targets};

/// Share of steps whose rows MegaDLMs cuts to one length (domain B.4.4; `--difflm-varilen-prob 0.01`).
const MEGADLMS_VARIABLE_LENGTH: f64 = 0.01;
/// Its rows have two tokens less than a sequence, and are cut to lengths from 2.
const MEGADLMS_MIN_SEQ: u64 = 4;

pub fn read(reader: &mut Reader, sequences: Option<Sequences>, cx: &mut Cx<'_>) -> Option<MaskedDiffusion> {
    let n_targets = sequences.map(|s| s.tokens - 1);
    let noise = noise::read(reader, n_targets, Targets::Matched, Estimators::All, cx);
    let shift = boolean(reader, "shift", false, cx);
    let variable_length = reader.real("variable_length", Takes::FRACTION, 0.0..=1.0, Some(0.0), "1%", cx);
    let (mut masked, variable_length) = (noise?, variable_length?);
    if let Ok(why) = &mut masked.bound {
        why.push_str(&cut(variable_length));
    }
    Some(MaskedDiffusion { shift: shift?, variable_length, ..masked })
}

/// What a step with rows cut short estimates. The cut looks at no token, so the loss of such a step is the bound of
/// the shorter rows, divided by their targets: a bound still, on less text with less context. The mean over steps is
/// one of likelihoods of several lengths, and no longer that of whole sequences alone.
fn cut(share: f64) -> String {
    if share == 0.0 {
        return String::new();
    }
    format!("; in {}% of steps of rows cut short, whose own likelihood it bounds", percent(share))
}

/// alpha = 1 - t, t uniform per row, each row's mean (N2), 1% of steps cut short, and the targets that its loader
/// leaves (domain B.4).
pub fn megadlms(reader: &Reader, sequences: Option<Sequences>, cx: &mut Cx<'_>) -> Option<MaskedDiffusion> {
    let schedule = one_minus_t();
    // Proved as any schedule is; that it holds is tested.
    let proof = schedule.proved().ok()?;
    for (name, value) in [
        ("schedule", format!("linear(t) = {schedule}")),
        ("t", "iid(0, 1)".into()),
        ("estimator", "row_mean".into()),
        ("weight", "none".into()),
        ("ends", "closed".into()),
        ("shift", "false".into()),
        ("variable_length", MEGADLMS_VARIABLE_LENGTH.to_string()),
        ("targets", "x_2..x_(L-1), without context".into()),
    ] {
        cx.flat.push(FlatField::new(reader.sub_path(name), value, "preset megadlms"));
    }
    if let Some(Sequences { tokens, span }) = sequences
        && tokens < MEGADLMS_MIN_SEQ
    {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, format!("megadlms has no rows in sequences of {tokens}"))
                .at(span, format!("at least {MEGADLMS_MIN_SEQ} are wanted"))
                .also(reader.span, "its rows are x_2 to x_(L-1), and some are cut to lengths from 2"),
        );
        return None;
    }
    let why = "up to (CE_1 - NELBO)/(n+1), on x_2..x_(L-1) without context where next_token has x_2..x_L given x_1: each \
               row's mean over its masked tokens (N2)";
    Some(MaskedDiffusion {
        bound: Ok(format!("{why}{}", cut(MEGADLMS_VARIABLE_LENGTH))),
        schedule_name: "linear".into(),
        schedule,
        proof,
        ends: Ends::Exact,
        t: TSampling { kind: TKind::Iid, low: 0.0, high: 1.0 },
        weight: LossWeight::Elbo,
        estimator: Estimator::RowMean,
        shift: false,
        variable_length: MEGADLMS_VARIABLE_LENGTH,
        targets: Targets::MegaDlms,
    })
}
