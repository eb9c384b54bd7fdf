//! What the runs say as a document for programs: `dlmc report --json`.

use super::findings::Verdicts;
use super::words;
use super::{ReportInput, evidence};
use crate::claims::{Best, Completion, Interval, Onset, Point, Reading};
use serde_json::{Value, json};
use std::path::Path;

/// Raised whenever the form changes.
const VERSION: u32 = 3;

/// Every run with its best and last evaluation, every claim with its verdict at each place. `left_out` names
/// runs that are not shown.
pub fn json(input: &ReportInput, verdicts: &Verdicts, page: &Path, left_out: &[String]) -> Value {
    let runs: Vec<Value> = input
        .runs
        .iter()
        .map(|run| {
            let series = run.series();
            let point = |p: Option<&Point>| {
                p.map(|p| json!({ "step": p.step, "tokens": p.tokens, "epoch": p.epoch, "loss": p.value, "se": p.se, "bits_per_byte": p.bits_per_byte, "loss_by_decile": p.loss_by_decile }))
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
                        "figures": evidence::figures(place),
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
            json!({ "place": best.place, "metric": best.metric.to_string(), "of": best.of, "than": best.than, "result": words, "why_none": why })
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
        "readings": verdicts.readings.iter().map(reading).collect::<Vec<_>>(),
        "page": page.display().to_string(),
    })
}

/// What an arm says alone; an error is why there is no number.
fn reading(reading: &Reading) -> Value {
    let best = |best: &Result<Best, String>| match best {
        Ok(best) => {
            let Interval { low, high } = best.interval;
            json!({ "value": best.value, "interval": [low, high], "exact": best.exact, "steps": best.steps, "epochs": best.epochs })
        }
        Err(why) => json!({ "why_none": why }),
    };
    let onset = |onset: &Result<Onset, String>| match onset {
        Ok(onset) => {
            let end = |x: f64| x.is_finite().then_some(x);
            json!({
                "words": words::onset(onset),
                "epoch": onset.from.map(|from| from.epoch),
                "tokens": onset.from.map(|from| from.tokens),
                "step": onset.from.map(|from| from.step),
                "interval": [end(onset.interval.low), end(onset.interval.high)],
            })
        }
        Err(why) => json!({ "why_none": why }),
    };
    json!({
        "place": reading.place,
        "arm": reading.arm,
        "metric": reading.metric.to_string(),
        "best": best(&reading.best),
        "last": best(&reading.last),
        "onset": onset(&reading.onset),
    })
}
