//! What was run, word for word: the resolved values of each run, with what differs from the first, and the text that
//! they were compiled from.

use crate::report::ReportInput;
use crate::store::{Lock, LockField};
use maud::{Markup, html};

pub fn render(input: &ReportInput, names: &[String]) -> Markup {
    let locks = || input.runs.iter().filter_map(|run| run.lock.as_ref());
    let first = locks().next();
    html! {
        section #locks {
            h2 { "Locks" }
            @if input.runs.is_empty() { p { "No run." } }
            @if let Some(first) = first { p.quiet { "What differs is against the first, " code { (first.run) } "." } }
            @for (run, name) in input.runs.iter().zip(names) {
                @match (&run.lock, first) {
                    (Some(lock), Some(first)) => (one(lock, first, name, &run.name())),
                    _ => p { (name) ": no readable lock" },
                }
            }
            @if let Some(first) = first { (source(first, locks().all(|lock| lock.source == first.source))) }
        }
    }
}

fn one(lock: &Lock, first: &Lock, name: &str, folder: &str) -> Markup {
    let differences = first.differences(lock);
    let ours = |path: &str| lock.fields.iter().find(|field| field.path == path);
    let dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    html! {
        details {
            summary { (name) " (" (folder) ")" @if let Some(n) = counted(differences.len()) { ", " (n) } }
            @if !differences.is_empty() {
                div.wide { table.difference {
                    thead { tr { th { "" } th { "first" } th { "here" } } }
                    tbody {
                        @for difference in &differences {
                            tr {
                                th scope="row" { (difference.path) }
                                td.value { del { (dash(&difference.left)) } }
                                td.value title=[ours(&difference.path).map(|field| &field.origin)] { ins { (dash(&difference.right)) } }
                            }
                        }
                    }
                } }
            }
            pre { (text(lock)) }
        }
    }
}

fn counted(n: usize) -> Option<String> {
    match n {
        0 => None,
        1 => Some("1 line differs".into()),
        _ => Some(format!("{n} lines differ")),
    }
}

/// One line a fact: `train.clip = 1    # quickstart.dlm:27`.
fn text(lock: &Lock) -> String {
    let facts = [
        ("run", &lock.run),
        ("code", &lock.code),
        ("libtorch", &lock.libtorch),
        ("data hash", &lock.data_hash),
        ("validation hash", &lock.valid_hash),
        ("initial weights", &lock.init_hash),
    ];
    let mut out: String = facts.iter().map(|(name, value)| format!("# {name}: {value}\n")).collect();
    for (path, value) in &lock.source.set {
        out.push_str(&format!("# --set {path}={value}\n"));
    }
    lock.fields.iter().for_each(|field| out.push_str(&line(field)));
    out
}

fn line(field: &LockField) -> String {
    let written = field.written.as_ref().map_or(String::new(), |written| format!(", written {written}"));
    format!("{} = {}  # {}{written}\n", field.path, field.value, field.origin)
}

/// The files of the first run; those of the others are the same, or a reader is told so.
fn source(lock: &Lock, shared: bool) -> Markup {
    html! {
        @if !lock.source.files.is_empty() {
            details {
                summary { "The spec's files as they were compiled" @if !shared { " (of the first run; others differ)" } }
                @for (name, text) in &lock.source.files { h4 { (name) } pre { (text) } }
            }
        }
    }
}
