//! Diagnostics as text and as JSON. The one place that knows how a finding looks.

use std::io::Write;
use std::ops::Range;

use codespan_reporting::diagnostic::{Diagnostic as Shown, Label as ShownLabel, Severity as ShownSeverity};
use codespan_reporting::files::{Error as FilesError, Files};
use codespan_reporting::term::termcolor::{Buffer, WriteColor};
use codespan_reporting::term::{self, Chars, Config, Styles, StylesWriter};
use serde_json::{Value, json};

use crate::base::{Diagnostic, Diagnostics, FileId, Label, Severity, SourceMap, Span};

/// The version of the document that [`json`] makes.
const JSON_VERSION: u32 = 1;

/// For people: each finding with its lines of source, in reading order, then how many there are.
pub fn human(diagnostics: &Diagnostics, sources: &SourceMap, color: bool) -> String {
    let mut out = if color { Buffer::ansi() } else { Buffer::no_color() };
    let files = Lines::new(sources);
    let config = Config { chars: Chars::ascii(), ..Config::default() };
    let styles = if color { Styles::default() } else { Styles::no_color() };
    let all = diagnostics.sorted();
    for diagnostic in &all {
        let shown = shown(diagnostic, &files);
        let mut block = if color { Buffer::ansi() } else { Buffer::no_color() };
        let drawn = term::emit_to_write_style(&mut StylesWriter::new(&mut block, &styles), &config, &files, &shown);
        let text = match drawn {
            Ok(()) => String::from_utf8_lossy(block.as_slice()).into_owned(),
            // What cannot be drawn is still said.
            Err(_) => plain(diagnostic, sources),
        };
        // One empty line between findings. Writing to memory does not fail.
        let _ = writeln!(out, "{}\n", text.trim_end_matches('\n'));
    }
    if !all.is_empty() {
        let _ = out.reset();
        let more = match diagnostics.n_dropped() {
            0 => String::new(),
            n => format!(", and {n} more that are not shown"),
        };
        let _ = writeln!(out, "{}{more}", summary(&all));
    }
    String::from_utf8_lossy(out.as_slice()).into_owned()
}

/// For programs: a stable document.
pub fn json(diagnostics: &Diagnostics, sources: &SourceMap) -> Value {
    let list: Vec<Value> = diagnostics.sorted().into_iter().map(|diagnostic| document(diagnostic, sources)).collect();
    json!({ "version": JSON_VERSION, "diagnostics": list })
}

fn summary(all: &[&Diagnostic]) -> String {
    let count = |severity, word: &str| {
        let n = all.iter().filter(|d| d.severity == severity).count();
        (n > 0).then(|| format!("{n} {word}{}", if n == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    parts.join(", ")
}

fn document(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let severity = severity_word(diagnostic.severity);
    let mut object = json!({
        "code": diagnostic.code.0,
        "severity": severity,
        "message": diagnostic.message,
        "file": null, "line": null, "column": null, "end_line": null, "end_column": null, "label": null,
        "related": diagnostic.related.iter().map(|label| place(label, sources)).collect::<Vec<_>>(),
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    });
    if let (Some(label), Value::Object(fields)) = (&diagnostic.primary, &mut object)
        && let Value::Object(known) = place(label, sources)
    {
        fields.extend(known);
    }
    object
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Where a label stands; lines and columns count from 1, columns in characters, the end is exclusive.
fn place(label: &Label, sources: &SourceMap) -> Value {
    let start = sources.locate(label.span);
    let end = sources.locate(Span { start: label.span.end, ..label.span });
    json!({
        "file": start.file, "line": start.line, "column": start.column,
        "end_line": end.line, "end_column": end.column, "label": label.text,
    })
}

/// A finding without its lines of source.
fn plain(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let mut text = format!("{}[{}]: {}", severity_word(diagnostic.severity), diagnostic.code, diagnostic.message);
    if let Some(label) = &diagnostic.primary {
        text.push_str(&format!("\n  --> {}", sources.locate(label.span)));
    }
    for note in notes(diagnostic) {
        text.push_str(&format!("\n  = {note}"));
    }
    text
}

fn notes(diagnostic: &Diagnostic) -> Vec<String> {
    let notes = diagnostic.notes.iter().map(|text| format!("note: {text}"));
    notes.chain(diagnostic.help.iter().map(|text| format!("help: {text}"))).collect()
}

fn shown(diagnostic: &Diagnostic, files: &Lines<'_>) -> Shown<u32> {
    let severity = match diagnostic.severity {
        Severity::Error => ShownSeverity::Error,
        Severity::Warning => ShownSeverity::Warning,
    };
    let mut labels = vec![];
    if let Some(label) = &diagnostic.primary {
        labels.extend(
            files.range(label.span).map(|r| ShownLabel::primary(label.span.file.0, r).with_message(&label.text)),
        );
    }
    for label in &diagnostic.related {
        labels.extend(
            files.range(label.span).map(|r| ShownLabel::secondary(label.span.file.0, r).with_message(&label.text)),
        );
    }
    Shown::new(severity)
        .with_code(diagnostic.code)
        .with_message(&diagnostic.message)
        .with_labels(labels)
        .with_notes(notes(diagnostic))
}

/// A source map as codespan reads it: where each line of each file begins, found once.
struct Lines<'a> {
    sources: &'a SourceMap,
    starts: Vec<Vec<usize>>,
}

impl<'a> Lines<'a> {
    fn new(sources: &'a SourceMap) -> Lines<'a> {
        let starts = |text: &str| std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Lines { sources, starts: sources.files().iter().map(|file| starts(&file.text)).collect() }
    }

    fn text(&self, id: u32) -> Result<&'a str, FilesError> {
        self.sources.get(FileId(id)).map(|file| file.text.as_str()).ok_or(FilesError::FileMissing)
    }

    /// A span as a range that surely lies in its file and cuts no character.
    fn range(&self, span: Span) -> Option<Range<usize>> {
        let text = self.text(span.file.0).ok()?;
        let start = text.floor_char_boundary((span.start as usize).min(text.len()));
        let end = text.ceil_char_boundary((span.end as usize).min(text.len()));
        Some(start..end.max(start))
    }
}

impl<'a> Files<'a> for Lines<'_> {
    type FileId = u32;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: u32) -> Result<&'a str, FilesError> {
        self.sources.get(FileId(id)).map(|file| file.name.as_str()).ok_or(FilesError::FileMissing)
    }

    fn source(&'a self, id: u32) -> Result<&'a str, FilesError> {
        self.text(id)
    }

    fn line_index(&'a self, id: u32, byte: usize) -> Result<usize, FilesError> {
        let starts = self.starts.get(id as usize).ok_or(FilesError::FileMissing)?;
        Ok(starts.partition_point(|start| *start <= byte).saturating_sub(1))
    }

    fn line_range(&'a self, id: u32, line: usize) -> Result<Range<usize>, FilesError> {
        let starts = self.starts.get(id as usize).ok_or(FilesError::FileMissing)?;
        let max = starts.len().saturating_sub(1);
        let start = *starts.get(line).ok_or(FilesError::LineTooLarge { given: line, max })?;
        let end = starts.get(line + 1).copied().unwrap_or(self.text(id)?.len());
        Ok(start..end)
    }
}
