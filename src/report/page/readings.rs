//! What each arm came to by itself: best and last of every metric, and from when on it overfits.

use crate::claims::{Best, Reading};
use crate::report::words;
use maud::{Markup, html};

/// One table; places are named where there are several.
pub fn table(readings: &[Reading]) -> Markup {
    let places = readings.iter().any(|reading| !reading.place.is_empty());
    html! {
        @if readings.is_empty() { p { "No run." } } @else {
            p.quiet { "The best is chosen on one half of what is scored and measured on the other; the last is on all of it. 95% intervals." }
            div.wide { table {
                thead { tr {
                    @if places { th { "point" } }
                    th { "metric" } th { "arm" } th.number { "best" } th.number { "at epoch" } th.number { "last" } th { "overfitting sets in" }
                } }
                tbody { @for reading in sorted(readings) { (row(reading, places)) } }
            } }
        }
    }
}

/// By place and metric, so that arms stand below each other.
fn sorted(readings: &[Reading]) -> Vec<&Reading> {
    let mut places: Vec<&str> = vec![];
    for reading in readings {
        if !places.contains(&reading.place.as_str()) {
            places.push(&reading.place);
        }
    }
    let mut sorted: Vec<&Reading> = readings.iter().collect();
    let is_other = |reading: &Reading| reading.metric != crate::check::spec::Metric::valid_loss();
    let place = |reading: &Reading| places.iter().position(|place| *place == reading.place);
    sorted.sort_by_cached_key(|reading| (place(reading), is_other(reading), reading.metric.clone()));
    sorted
}

fn row(reading: &Reading, places: bool) -> Markup {
    let epochs = |best: &Best| best.epochs.iter().map(|x| words::epoch(*x)).collect::<Vec<_>>().join(", ");
    html! {
        tr {
            @if places { th scope="row" { (reading.place) } }
            td { code { (reading.metric) } }
            td { (reading.arm) }
            @match (&reading.best, &reading.last) {
                (Err(why), _) | (_, Err(why)) => td colspan="4" { (super::ticked(why)) },
                (Ok(best), Ok(last)) => {
                    td.number { (figure(best)) }
                    td.number { (epochs(best)) }
                    td.number { (figure(last)) }
                    td { @match &reading.onset { Ok(onset) => (words::onset(onset)), Err(why) => span.quiet { (super::ticked(why)) } } }
                }
            }
        }
    }
}

fn figure(best: &Best) -> String {
    format!("{} {}", words::fixed(best.value, 3), words::interval(best.interval, 3))
}
