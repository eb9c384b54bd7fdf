//! What the spec assumes: values that no source states, with the reason that was given for each.

use crate::claims::series::title;
use crate::report::ReportInput;
use crate::store::LockField;
use maud::{Markup, html};

/// One reason with all that it is given for.
struct Assumption<'a> {
    reason: &'a str,
    /// (path, value), each once.
    fields: Vec<(&'a str, &'a str)>,
    /// The runs that assume it.
    runs: Vec<String>,
}

/// The section; nothing where no lock assumes anything.
pub fn render(input: &ReportInput) -> Markup {
    let all = gathered(input);
    let n_runs = input.runs.iter().filter(|run| run.lock.is_some()).count();
    html! {
        @if !all.is_empty() {
            section #assumptions {
                h2 { "Assumptions" }
                p.quiet { "Values that no source states." }
                div.wide { table {
                    thead { tr { th { "value" } th { "why it is this" } th { "runs" } } }
                    tbody {
                        @for assumption in &all {
                            tr {
                                td.value { @for (path, value) in &assumption.fields { div { (path) " = " (value) } } }
                                td { (assumption.reason) }
                                td { @if assumption.runs.len() == n_runs { "all" } @else { (assumption.runs.join(", ")) } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

fn gathered(input: &ReportInput) -> Vec<Assumption<'_>> {
    let mut all: Vec<Assumption<'_>> = vec![];
    for run in &input.runs {
        let fields = run.lock.iter().flat_map(|lock| &lock.fields);
        for (field, reason) in fields.flat_map(|field| field.assumed.iter().map(move |reason| (field, reason))) {
            note(&mut all, field, reason, title(&run.arm, &run.point));
        }
    }
    all
}

fn note<'a>(all: &mut Vec<Assumption<'a>>, field: &'a LockField, reason: &'a str, run: String) {
    let at = all.iter().position(|known| known.reason == reason).unwrap_or_else(|| {
        all.push(Assumption { reason, fields: vec![], runs: vec![] });
        all.len() - 1
    });
    let Some(known) = all.get_mut(at) else { return };
    let value = field.written.as_deref().unwrap_or(&field.value);
    if !known.fields.contains(&(field.path.as_str(), value)) {
        known.fields.push((&field.path, value));
    }
    if !known.runs.contains(&run) {
        known.runs.push(run);
    }
}
