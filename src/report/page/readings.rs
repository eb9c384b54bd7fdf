//! What each arm came to by itself: best and last of every metric, and from when on it overfits.

use crate::check::spec::Metric;
use crate::claims::{Best, Reading};
use crate::report::words;
use maud::{Markup, html};

/// The validation loss as a table; other metrics folded up, a table each. Places are named where there are several.
pub fn table(readings: &[Reading]) -> Markup {
    let mut metrics: Vec<&Metric> = vec![];
    for reading in readings {
        if !metrics.contains(&&reading.metric) {
            metrics.push(&reading.metric);
        }
    }
    metrics.sort_by_key(|metric| (**metric != Metric::valid_loss(), *metric));
    let of = |metric: &Metric| readings.iter().filter(|reading| reading.metric == *metric).collect::<Vec<_>>();
    html! {
        @if let Some((first, others)) = metrics.split_first() {
            p.quiet { "The best is chosen on one half of what is scored and measured on the other; the last is on all of it. 95% intervals." }
            (of_metric(&of(first)))
            @for metric in others {
                details { summary { code { (metric) } } (of_metric(&of(metric))) }
            }
        } @else {
            p { "No run." }
        }
    }
}

fn of_metric(readings: &[&Reading]) -> Markup {
    let places = readings.iter().any(|reading| !reading.place.is_empty());
    html! {
        div.wide { table.readings {
            thead { tr {
                @if places { th { "point" } }
                th { "metric" } th { "arm" } th.number { "best" } th.number { "at epoch" } th.number { "last" } th { "overfitting sets in" }
            } }
            tbody { @for reading in readings { (row(reading, places)) } }
        } }
    }
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
