//! The numbers behind a verdict in words, one line a number, the same in the terminal and on the page.

use super::words;
use crate::check::claims::types::Quantity;
use crate::claims::{Bounds, Choice, ClaimResult, Evidence, Figure, MIN_REPLICATES, N_RESAMPLES, PlaceResult, Verdict};
use serde_json::{Value, json};

/// What was found at one place. Several lines where the claim goes along an axis; each ends without a stop.
/// `method`: a race says itself how its interval was made.
pub fn lines(place: &PlaceResult, method: bool) -> Vec<String> {
    let mut lines = match &place.evidence {
        Evidence::Nothing { why } => vec![why.clone()],
        Evidence::Crossover { result, before } => {
            let mut line = words::finding(result, method);
            if let Some((crossing, limit)) = before
                && crossing.quantity != Quantity::Epochs
            {
                line = format!("{}; {line}", figure(crossing));
                line.push_str(&format!("; the limit is {}", figure(limit)));
            }
            vec![line]
        }
        Evidence::Onset { found } => vec![words::onset(found)],
        Evidence::Comparison { left, right, difference, tolerance } => {
            let mut line = format!("{} against {}", figure(left), figure(right));
            // Beside somebody else's number the reader wants to know by how much ours differs.
            let published = !left.sources.is_empty() || !right.sources.is_empty();
            if !right.constant || tolerance.is_some() || published {
                line.push_str(&format!("; difference {}", figure(difference)));
            }
            if let Some(tolerance) = tolerance {
                line.push_str(&format!(", tolerance {}", amount(*tolerance, difference)));
            }
            vec![line]
        }
        Evidence::Monotone { axis, values, steps } => {
            let step = |i: usize| {
                let step = steps.get(i.checked_sub(1)?)?;
                Some(format!("; {} from {}: {}", signed(&step.difference), step.from, step.outcome.word()))
            };
            let line = |(i, (text, value)): (usize, &(String, Figure))| {
                format!("{axis}={text}: {}{}", figure(value), step(i).unwrap_or_default())
            };
            values.iter().enumerate().map(line).collect()
        }
    };
    if let (Some(last), false) = (lines.last_mut(), place.choices.is_empty()) {
        let each = |choice: &Choice| format!("`{}` at {}, the best of {}", choice.arm, choice.trial, choice.n_trials);
        last.push_str(&format!("; {}", place.choices.iter().map(each).collect::<Vec<_>>().join(", ")));
    }
    lines
}

/// `paired over 1,000 resamplings of documents`, and of seeds where there are enough.
pub fn resamplings(n_replicates: usize) -> String {
    let seeds = match n_replicates {
        MIN_REPLICATES.. => format!(" and of {n_replicates} seeds"),
        2 => ", the mean of 2 seeds".to_owned(),
        _ => String::new(),
    };
    format!("paired over {} resamplings of documents{seeds}", words::count(N_RESAMPLES as u64))
}

/// The numbers of a place for programs: what is ours, what the spec writes, and what was published where.
pub fn figures(place: &PlaceResult) -> Vec<Value> {
    match &place.evidence {
        Evidence::Nothing { .. } => vec![],
        Evidence::Crossover { before, .. } => {
            before.iter().flat_map(|(found, limit)| [number("crossing", found), number("limit", limit)]).collect()
        }
        Evidence::Onset { found } => {
            let end = |x: f64| x.is_finite().then_some(x);
            vec![json!({
                "what": "onset",
                "unit": "epochs",
                "value": found.from.map(|from| from.epoch),
                "interval": [end(found.interval.low), end(found.interval.high)],
                "best": found.best.epoch,
                "last": found.last.epoch,
            })]
        }
        Evidence::Comparison { left, right, difference, tolerance } => {
            let mut all = vec![number("left", left), number("right", right), number("difference", difference)];
            all.extend(tolerance.map(|tolerance| json!({ "what": "tolerance", "value": tolerance })));
            all
        }
        Evidence::Monotone { values, steps, .. } => {
            let values = values.iter().map(|(at, figure)| number(at, figure));
            let steps = steps.iter().map(|step| number(&format!("{} to {}", step.from, step.to), &step.difference));
            values.chain(steps).collect()
        }
    }
}

/// An end that is no number, since a crossing is later than the last evaluation, is `null`.
fn number(what: &str, figure: &Figure) -> Value {
    let end = |x: f64| x.is_finite().then_some(x);
    json!({
        "what": what,
        "unit": unit(figure.quantity).trim(),
        "value": figure.value.number(),
        "interval": (!figure.constant).then(|| [end(figure.interval.low), end(figure.interval.high)]),
        "published": figure.sources,
    })
}

/// How the intervals of a claim were made, where its own lines do not say it.
pub fn method(claim: &ClaimResult) -> Option<String> {
    let says = |place: &PlaceResult| match &place.evidence {
        Evidence::Nothing { .. } => true,
        Evidence::Crossover { result, .. } => {
            claim.places.len() == 1 || matches!(result.verdict, Verdict::Undecided { .. })
        }
        Evidence::Onset { .. } | Evidence::Comparison { .. } | Evidence::Monotone { .. } => false,
    };
    (!claim.places.iter().all(says)).then(|| resamplings(claim.n_replicates()))
}

/// What is to be said of all places alike, and what of each.
pub fn remarks(claim: &ClaimResult) -> (Vec<&String>, Vec<Vec<&String>>) {
    let of_all = |remark: &&String| claim.evident().all(|place| place.remarks.contains(remark));
    let common: Vec<&String> = claim.evident().next().into_iter().flat_map(|p| &p.remarks).filter(of_all).collect();
    let places = claim.places.iter();
    let each = places.map(|place| place.remarks.iter().filter(|remark| !common.contains(remark)).collect()).collect();
    (common, each)
}

/// `2.217 [2.101, 2.340]`, `18 [16, 20] epochs`, `1.88 (nanoGPT README)`.
pub fn figure(figure: &Figure) -> String {
    let mut out = bounds(figure.value, figure);
    if !figure.constant {
        let end = |x: f64| if x.is_finite() { amount(x, figure) } else { "open".into() };
        out.push_str(&format!(" [{}, {}]", end(figure.interval.low), end(figure.interval.high)));
    }
    out.push_str(unit(figure.quantity));
    if !figure.sources.is_empty() {
        out.push_str(&format!(" ({})", figure.sources.join(", ")));
    }
    out
}

/// A difference with its sign: `+12 [8, 15] epochs`.
fn signed(difference: &Figure) -> String {
    let plus = if difference.value.low > 0.0 && difference.value.number().is_some() { "+" } else { "" };
    format!("{plus}{}", figure(difference))
}

fn bounds(value: Bounds, figure: &Figure) -> String {
    let Bounds { low, high } = value;
    match (low.is_finite(), high.is_finite()) {
        _ if low == high => amount(low, figure),
        (true, true) => format!("{} to {}", amount(low, figure), amount(high, figure)),
        (true, false) => format!("over {}", amount(low, figure)),
        (false, true) => format!("under {}", amount(high, figure)),
        (false, false) => "anything".into(),
    }
}

fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Epochs => " epochs",
        Quantity::Tokens => " tokens",
        Quantity::Steps => " steps",
        Quantity::Loss | Quantity::Share | Quantity::Ratio | Quantity::Bare => "",
    }
}

/// As many decimals as the interval gives a meaning to; a number of the spec as it is.
fn amount(x: f64, figure: &Figure) -> String {
    match figure.quantity {
        Quantity::Tokens | Quantity::Steps => words::short_count(x),
        _ if figure.constant => words::exact(x),
        Quantity::Epochs => words::fixed(x, if width(figure) < 4.0 { 1 } else { 0 }),
        Quantity::Loss | Quantity::Share | Quantity::Ratio | Quantity::Bare => {
            let decimals = (1.0 - (width(figure) / 4.0).log10().floor()).clamp(2.0, 4.0);
            words::fixed(x, if decimals.is_finite() { decimals as usize } else { 4 })
        }
    }
}

fn width(figure: &Figure) -> f64 {
    let width = figure.interval.high - figure.interval.low;
    if width.is_finite() { width } else { f64::INFINITY }
}
