//! The page of an experiment without a sweep.

use super::sections::{self, problems};
use super::{Page, assumptions, claims, locks, page, readings, switch};
use crate::report::chart::{Figure, embed::embed};
use crate::report::curves::{Along, other_metrics, unit};
use crate::report::figures::{self, conduct, curves, deciles, decline};
use crate::report::findings::Findings;
use crate::report::{ReportInput, table};
use maud::{Markup, html};

pub fn single(input: &ReportInput, findings: &Findings) -> Page {
    let headline = table::headline(input);
    let headline = headline.trim_end().trim_start_matches(&input.record.name).trim_start_matches(": ");
    of(input, findings, html! { p.quiet { (headline) } }, true)
}

/// Runs that no spec holds together; see `compare`.
pub fn comparison(input: &ReportInput, findings: &Findings) -> Page {
    let starts = input.runs.iter().filter_map(|run| run.start());
    let mut experiments: Vec<&str> = starts.map(|start| start.experiment.as_str()).collect();
    experiments.sort_unstable();
    experiments.dedup();
    let n = input.runs.len();
    let from = html! { p.quiet { (n) @if n == 1 { " run" } @else { " runs" } " of " (experiments.join(", ")) } };
    of(input, findings, from, false)
}

fn of(input: &ReportInput, findings: &Findings, headline: Markup, with_claims: bool) -> Page {
    let record = &input.record;
    let groups = [figures::single(input, findings)];
    let [group] = &groups;
    let unit = unit(&input.runs);
    let loss = curves::loss("loss", "Validation and training loss", &groups, &unit);
    let others = other_metrics(input.runs.iter());
    let metrics: Option<Figure> = (!others.is_empty()).then(|| curves::metrics(group, &others, &unit));
    let by_rate = deciles::figure(&groups, &unit);
    let decline = decline::figure(input, &findings.verdicts.readings);
    let conduct = conduct::all(group);
    let mut drawn: Vec<Figure> = vec![];
    let body = html! {
        header {
            (sections::title(record))
            (headline)
        }
        @if with_claims { (claims::render(input, &findings.verdicts, &mut drawn)) }
        (problems(input))
        section #curves {
            h2 { "Curves" }
            (switch(Along::Epochs))
            (embed(&loss))
            @if let Some(metrics) = &metrics { (embed(metrics)) }
        }
        (sections::arms(input, findings))
        section #readings {
            h2 { "Best, last, overfitting" }
            (readings::table(&findings.verdicts.readings))
            (embed(&decline))
        }
        (sections::best(findings))
        section #mask-rate { h2 { "Where in the noise" } (embed(&by_rate)) }
        (sections::matched(&findings.matched, input))
        section #training { h2 { "Training" } (embed(&conduct)) }
        (sections::cost(input, &findings.names))
        (sections::samples(input, &findings.names))
        (assumptions::render(input))
        (locks::render(input, &findings.names))
        (sections::environment(input, &findings.names))
    };
    drawn.splice(0..0, std::iter::once(loss).chain(metrics));
    drawn.extend([decline, by_rate, conduct]);
    drawn.retain(|figure| !figure.is_empty());
    Page { html: page(&record.name, body), figures: drawn }
}
