//! What the runs say as a document for programs: `dlmc report --json`.

use super::findings::Verdicts;
use super::words;
use super::{ReportInput, evidence};
use crate::claims::{Completion, Point};
use serde_json::{Value, json};
use std::path::Path;

/// Raised whenever the form changes.
const VERSION: u32 = 2;

/// Every run with its best and last evaluation, every claim with its verdict at each place. `left_out` names
/// runs that are not shown.
pub fn json(input: &ReportInput, verdicts: &Verdicts, page: &Path, left_out: &[String]) -> Value {
    let runs: Vec<Value> = input
        .runs
        .iter()
        .map(|run| {
            let series = run.series();
            let point = |p: Option<&Point>| {
                p.map(|p| json!({ "step": p.step, "tokens": p.tokens, "epoch": p.epoch, "loss": p.loss, "se": p.se, "bits_per_byte": p.bits_per_byte, "loss_by_decile": p.loss_by_decile }))
            };
            json!({
                "arm": run.arm,
                "point": run.point,
                "run": run.name(),
                "finished": run.completion() == Completion::Finished,
                "state": run.completion().words(),
                "unit": series.as_ref().map(|s| s.unit.clone()),
                "exact": series.as_ref().map(|s| s.exact),
                "best": point(series.as_ref().and_then(|s| s.best())),
                "last": point(series.as_ref().and_then(|s| s.last())),
                "problems": run.problems,
            })
        })
        .collect();
    let claims: Vec<Value> = verdicts
        .claims
        .iter()
        .map(|claim| {
            let places: Vec<Value> = claim
                .places
                .iter()
                .map(|place| {
                    json!({
                        "place": place.place,
                        "outcome": place.outcome.word(),
                        "evidence": evidence::lines(place, false),
                        "replicates": place.n_replicates,
                        "remarks": place.remarks,
                    })
                })
                .collect();
            json!({
                "claim": claim.text,
                "lets": claim.lets.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
                "outcome": claim.outcome.word(),
                "headline": claim.headline(),
                "method": evidence::method(claim),
                "places": places,
            })
        })
        .collect();
    let races: Vec<Value> = verdicts
        .best
        .iter()
        .map(|best| {
            let (words, why) = match &best.result {
                Ok(result) => (Some(words::best_against_best(result)), None),
                Err(why) => (None, Some(why.clone())),
            };
            json!({ "place": best.place, "of": best.of, "than": best.than, "result": words, "why_none": why })
        })
        .collect();
    let missing: Vec<Value> = input.missing.iter().map(|(arm, point)| json!({ "arm": arm, "point": point })).collect();
    json!({
        "version": VERSION,
        "experiment": input.record.name,
        "runs": runs,
        "missing": missing,
        "left_out": left_out,
        "claims": claims,
        "all_held": verdicts.all_hold(),
        "best_against_best": races,
        "page": page.display().to_string(),
    })
}
