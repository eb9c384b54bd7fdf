//! The page of an experiment without a sweep.

use super::sections::{self, problems};
use super::{Page, claims, locks, page, switch};
use crate::report::chart::{Figure, embed::embed};
use crate::report::curves::{Along, other_metrics, unit};
use crate::report::figures::{self, conduct, curves, deciles};
use crate::report::findings::Findings;
use crate::report::{ReportInput, table};
use maud::html;

pub fn single(input: &ReportInput, findings: &Findings) -> Page {
    let record = &input.record;
    let groups = [figures::single(input, findings)];
    let [group] = &groups;
    let unit = unit(&input.runs);
    let loss = curves::loss("loss", "Validation and training loss", &groups, &unit);
    let others = other_metrics(input.runs.iter());
    let metrics: Option<Figure> = (!others.is_empty()).then(|| curves::metrics(group, &others, &unit));
    let by_rate = deciles::figure(&groups, &unit);
    let conduct = conduct::all(group);
    let mut drawn: Vec<Figure> = vec![];
    let body = html! {
        header {
            (sections::title(record))
            p.quiet { (table::headline(input).trim_end().trim_start_matches(&record.name).trim_start_matches(": ")) }
        }
        (claims::render(input, &findings.verdicts, &mut drawn))
        (problems(input))
        section #curves {
            h2 { "Curves" }
            (switch(Along::Epochs))
            (embed(&loss))
            @if let Some(metrics) = &metrics { (embed(metrics)) }
        }
        (sections::arms(input, findings))
        (sections::best(findings))
        section #mask-rate { h2 { "Where in the noise" } (embed(&by_rate)) }
        (sections::matched(&findings.matched, input))
        section #training { h2 { "Training" } (embed(&conduct)) }
        (sections::cost(input, &findings.names))
        (sections::samples(input, &findings.names))
        (locks::render(input, &findings.names))
        (sections::environment(input, &findings.names))
    };
    drawn.splice(0..0, std::iter::once(loss).chain(metrics));
    drawn.extend([by_rate, conduct]);
    drawn.retain(|figure| !figure.is_empty());
    Page { html: page(&record.name, body), figures: drawn }
}
