//! The claims on the page: each with its verdict, what it rests on at each point of the sweep, and the picture
//! of every race behind it.

use super::{capital, ticked};
use crate::claims::{ClaimResult, Crossover, Evidence, MIN_REPLICATES, Outcome, PlaceResult};
use crate::report::chart::{Figure, embed::embed};
use crate::report::figures::difference;
use crate::report::findings::Verdicts;
use crate::report::{ReportInput, evidence};
use maud::{Markup, html};

/// With more places than this, pictures are folded up.
const MAX_OPEN: usize = 3;

/// The section, and the figures in it.
pub fn render(input: &ReportInput, verdicts: &Verdicts, figures: &mut Vec<Figure>) -> Markup {
    html! {
        section #claims {
            h2 { @if verdicts.claims.len() == 1 { "Claim" } @else { "Claims" } }
            @if verdicts.claims.is_empty() { p.quiet { "The spec expects nothing." } }
            @for (i, claim) in verdicts.claims.iter().enumerate() { (one(input, claim, i, figures)) }
        }
    }
}

fn one(input: &ReportInput, claim: &ClaimResult, i: usize, figures: &mut Vec<Figure>) -> Markup {
    let races: Vec<(String, &Crossover)> = claim.places.iter().filter_map(race).collect();
    let new = (!races.is_empty()).then(|| difference::figure(&format!("race-{}", i + 1), input, &races));
    // A claim and its limits may rest on the same races; one picture is enough.
    let picture = new.filter(|new| !new.is_empty() && !figures.iter().any(|known| same(known, new)));
    let (common, own) = evidence::remarks(claim);
    let only = if let [only] = claim.places.as_slice() { Some(only) } else { None };
    let markup = html! {
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
        @if let Some(picture) = &picture {
            @if races.len() > MAX_OPEN {
                details { summary { "The races behind it" } (embed(picture)) }
            } @else {
                (embed(picture))
            }
        }
    };
    figures.extend(picture);
    markup
}

fn race(place: &PlaceResult) -> Option<(String, &Crossover)> {
    match &place.evidence {
        Evidence::Crossover { result, .. } => Some((place.place.clone(), result)),
        Evidence::Nothing { .. } | Evidence::Onset { .. } | Evidence::Comparison { .. } | Evidence::Monotone { .. } => {
            None
        }
    }
}

fn same(a: &Figure, b: &Figure) -> bool {
    let lines = |figure: &Figure| {
        let panels = figure.views.iter().flat_map(|view| &view.panels);
        panels
            .map(|panel| {
                (
                    panel.heading.clone(),
                    panel.y.label.clone(),
                    panel.lines.iter().map(|l| l.spots.clone()).collect::<Vec<_>>(),
                )
            })
            .collect::<Vec<_>>()
    };
    lines(a) == lines(b)
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
