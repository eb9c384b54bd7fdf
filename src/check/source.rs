//! A corpus as it is written: `files(...)`, `jsonl(...)`, `tokens(...)`, `megatron(...)`, `random(...)`.

use super::reader::{Cx, Reader, Takes};
use super::spec::{Source, SourceKind, Width};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};
use crate::resolve::value::Args;
use crate::resolve::{Node, Value};
use std::path::{Path, PathBuf};

/// The largest vocabulary of random ids: ids travel as u32 and a table has to fit memory.
const MAX_RANDOM: u64 = 1 << 24;

const FORMS: [&str; 5] = ["files", "jsonl", "tokens", "megatron", "random"];

/// What each form looks like.
fn example(form: &str) -> &'static str {
    match form {
        "jsonl" => "`jsonl(\"*.jsonl.gz\", text: \"text\")`",
        "tokens" => "`tokens(\"train.bin\", u16)`",
        "megatron" => "`megatron(\"corpus_text_document\")`, of its .bin and .idx",
        "random" => "`random(vocab: 512)`",
        _ => "`files(\"{torch}/**/*.py\")`, or `files(\"a.txt\", \"b/*.txt\")` relative to this file",
    }
}

/// Reads the source that stands at `path` and notes it there.
pub fn read(node: &Node, path: &str, cx: &mut Cx<'_>) -> Option<Source> {
    let Value::Call { name, name_span, args } = &node.value else {
        cx.wrong_type(node, path, "a source such as `files(\"pattern\", ...)`");
        return None;
    };
    let kind = match name.as_str() {
        "files" => patterns(args, node, path, "files", &[], cx).map(|patterns| SourceKind::Files { patterns }),
        "jsonl" => {
            let found = patterns(args, node, path, "jsonl", &["text"], cx);
            let field = text_field(args, node, path, cx);
            found.zip(field).map(|(patterns, field)| SourceKind::Jsonl { patterns, field })
        }
        "tokens" => tokens(args, node, path, cx),
        "megatron" => patterns(args, node, path, "megatron", &[], cx).map(|prefixes| SourceKind::Megatron { prefixes }),
        "random" => {
            let (_, mut reader) = Reader::call(node, path, &[("random", &["vocab"])], cx)?;
            let before = cx.flat.len();
            let vocab = reader.whole("vocab", Takes::PLAIN, 2, None, "512", cx);
            // The whole is noted below.
            cx.flat.truncate(before);
            reader.finish(cx);
            vocab.filter(|n| within(*n, MAX_RANDOM, node, cx)).map(|vocab| SourceKind::Random { vocab })
        }
        other => {
            let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("`{path}` cannot be `{other}`"))
                .at(*name_span, "no form of a source");
            cx.out.push(match suggest(other, FORMS) {
                Some(closest) => diagnostic.help(format!("did you mean {}?", example(closest))),
                None => FORMS.iter().fold(diagnostic, |d, form| d.help(example(form))),
            });
            return None;
        }
    }?;
    cx.note(path, &kind, Some(node));
    Some(Source { kind, base: base_of(node.span, cx), span: node.span })
}

/// A file's paths start in its folder, those of `--set` in the current one.
pub fn base_of(span: Span, cx: &Cx<'_>) -> PathBuf {
    let name = cx.map.get(span.file).map_or("", |f| f.name.as_str());
    match name.strip_prefix("--set ") {
        Some(_) => PathBuf::new(),
        None => Path::new(name).parent().map(PathBuf::from).unwrap_or_default(),
    }
}

fn within(n: u64, most: u64, node: &Node, cx: &mut Cx<'_>) -> bool {
    if n > most {
        let message = format!("a vocabulary of {n} is too large");
        cx.out
            .push(Diagnostic::error(code::OUT_OF_RANGE, message).at(node.span, format!("at most {most} is possible")));
    }
    n <= most
}

/// Paths in quotes, all by position; `named` are the names that the form takes besides.
fn patterns(args: &Args, node: &Node, path: &str, form: &str, named: &[&str], cx: &mut Cx<'_>) -> Option<Vec<String>> {
    let mut sound = unknown_names(args, form, named, cx);
    let mut all = vec![];
    for arg in &args.positional {
        match &arg.value {
            Value::Str(pattern) if pattern.is_empty() => {
                let diagnostic = Diagnostic::error(code::OUT_OF_RANGE, "an empty file pattern");
                cx.out.push(diagnostic.at(arg.span, "names no file"));
                sound = false;
            }
            Value::Str(pattern) => all.push(pattern.clone()),
            _ => {
                cx.wrong_type(arg, path, "a text in quotes");
                sound = false;
            }
        }
    }
    if args.positional.is_empty() {
        let what = if form == "megatron" { "prefix" } else { "pattern" };
        cx.out.push(
            Diagnostic::error(code::MISSING_FIELD, format!("`{form}` has no {what}"))
                .at(node.span, "at least one is needed")
                .help(format!("for example {}", example(form))),
        );
        return None;
    }
    sound.then_some(all)
}

fn unknown_names(args: &Args, form: &str, named: &[&str], cx: &mut Cx<'_>) -> bool {
    let mut sound = true;
    for (name, (span, _)) in args.named.iter().filter(|(name, _)| !named.contains(&name.as_str())) {
        cx.out.push(
            Diagnostic::error(code::UNKNOWN_FIELD, format!("`{form}` has no `{name}`"))
                .at(*span, "not known here")
                .help(format!("write {}", example(form))),
        );
        sound = false;
    }
    sound
}

fn text_field(args: &Args, node: &Node, path: &str, cx: &mut Cx<'_>) -> Option<String> {
    let Some((_, field)) = args.named.get("text") else {
        cx.out.push(
            Diagnostic::error(code::MISSING_FIELD, "`jsonl` has no `text`")
                .at(node.span, "which field of a row is its text?")
                .help(format!("for example {}", example("jsonl"))),
        );
        return None;
    };
    match &field.value {
        Value::Str(name) => Some(name.clone()),
        _ => {
            cx.wrong_type(field, &format!("{path}.text"), "the name of a field, in quotes");
            None
        }
    }
}

/// The last argument by position is the width of an id.
fn tokens(args: &Args, node: &Node, path: &str, cx: &mut Cx<'_>) -> Option<SourceKind> {
    let (widths, files): (Vec<&Node>, Vec<&Node>) =
        args.positional.iter().partition(|arg| matches!(arg.value, Value::Word(_)));
    let files = Args { positional: files.into_iter().cloned().collect(), named: args.named.clone(), def: None };
    let patterns = patterns(&files, node, path, "tokens", &[], cx);
    let words: Vec<Option<Width>> = widths
        .iter()
        .map(|width| match &width.value {
            Value::Word(word) if word == "u16" => Some(Width::U16),
            Value::Word(word) if word == "u32" => Some(Width::U32),
            _ => {
                let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, "an id in a file is `u16` or `u32`");
                cx.out.push(diagnostic.at(width.span, "not a width").help(format!("write {}", example("tokens"))));
                None
            }
        })
        .collect();
    let width = match words.as_slice() {
        [width] => *width,
        [] => {
            cx.out.push(
                Diagnostic::error(code::MISSING_FIELD, "`tokens` does not say how wide an id is")
                    .at(node.span, "`u16` or `u32` is needed")
                    .help(format!("for example {}", example("tokens"))),
            );
            None
        }
        _ => {
            cx.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, "`tokens` says twice how wide an id is")
                    .at(node.span, "all files of one source have one width"),
            );
            None
        }
    };
    Some(SourceKind::Tokens { patterns: patterns?, width: width? })
}
