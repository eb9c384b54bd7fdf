//! The claims on the page: each with its verdict, what it rests on at each point of the sweep, and the picture
//! of every race behind it.

use super::findings::Verdicts;
use super::html::{capital, figure, ticked};
use super::{ReportError, ReportInput, evidence, plot};
use crate::claims::{ClaimResult, Evidence, MIN_REPLICATES, Outcome, PlaceResult};
use maud::{Markup, html};

const DIFFERENCE: &str = "Paired difference on the same documents, with its 95% bootstrap interval. The crossover is the last change of sign before the learning rate falls, if every evaluation from there on is clear.";
/// With more places than this, pictures are folded up.
const MAX_OPEN: usize = 3;

pub fn render(input: &ReportInput, verdicts: &Verdicts) -> Result<Markup, ReportError> {
    let mut shown = vec![];
    for claim in &verdicts.claims {
        shown.push(one(input, claim)?);
    }
    Ok(html! {
        section #claims {
            h2 { @if shown.len() == 1 { "Claim" } @else { "Claims" } }
            @if shown.is_empty() { p.quiet { "The spec expects nothing." } }
            @for claim in shown { (claim) }
        }
    })
}

fn one(input: &ReportInput, claim: &ClaimResult) -> Result<Markup, ReportError> {
    let mut pictures = vec![];
    for place in &claim.places {
        if let Evidence::Crossover { result, .. } = &place.evidence {
            pictures.push((place, plot::difference(input, result)?));
        }
    }
    let (common, own) = evidence::remarks(claim);
    let only = if let [only] = claim.places.as_slice() { Some(only) } else { None };
    Ok(html! {
        div.claim.(class_of(claim.outcome)) {
            p.verdict { (claim.headline()) }
            p { code { (claim.text) } }
            @for (name, meaning) in &claim.lets { p.quiet { code { (name) " = " (meaning) } } }
            @if let Some(only) = only {
                @for line in evidence::lines(only, true) { p { (ticked(&capital(&line))) "." } }
            } @else {
                div.wide { table { tbody { @for (place, remarks) in claim.places.iter().zip(&own) { (row(place, remarks)) } } } }
            }
            @for remark in common { p { (ticked(&capital(remark))) "." } }
            @if let Some(method) = evidence::method(claim) { p.quiet { (capital(&method)) "." } }
            @if let (true, Some(seeds)) = (claim.outcome != Outcome::Undecided, few_seeds(claim.n_replicates())) {
                p.quiet { (capital(seeds)) ": three replicates would make it a verdict." }
            }
        }
        @for (place, picture) in pictures {
            @if claim.places.len() > MAX_OPEN {
                details { summary { (place.place) } (figure(picture, DIFFERENCE)) }
            } @else if picture.is_some() {
                @if !place.place.is_empty() { h3 { (place.place) } }
                (figure(picture, DIFFERENCE))
            }
        }
    })
}

fn row(place: &PlaceResult, remarks: &[&String]) -> Markup {
    html! {
        tr {
            th scope="row" { (place.place) }
            td.(class_of(place.outcome)) { (place.outcome.word()) }
            td {
                @for line in evidence::lines(place, false) { div { (ticked(&line)) } }
                @for remark in remarks { div.quiet { (ticked(remark)) } }
            }
        }
    }
}

/// What stands where there are too few replicates for a verdict.
pub fn few_seeds(n_replicates: usize) -> Option<&'static str> {
    match n_replicates {
        MIN_REPLICATES.. => None,
        2 => Some("two seeds"),
        _ => Some("one seed"),
    }
}

fn class_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Failed => "failed",
        Outcome::Undecided => "undecided",
    }
}
