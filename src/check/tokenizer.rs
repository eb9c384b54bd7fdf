//! How text becomes ids, and whether that fits where the text is from.

use super::reader::{Cx, Reader, Takes};
use super::source::base_of;
use super::spec::{Eod, Source, SourceKind, Tokenizer, TokenizerFile};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Span};
use crate::resolve::{Node, Value};

/// Ids of a tokenizer: they travel as u32 and a table has to fit memory.
const MAX_IDS: u64 = (1 << 24) - 2;
/// A byte is the smallest token of byte pairs.
const BYTES: u64 = 256;
/// Unicode's code points.
const CHARACTERS: u64 = 1_114_112;

/// What takes the place of `data.tokenizer` where random ids need none.
pub fn of_random(vocab: u64) -> Tokenizer {
    Tokenizer::Ids { n: vocab, eod: None }
}

pub fn read(node: &Node, cx: &mut Cx<'_>) -> Option<Tokenizer> {
    let forms: &[(&str, &[&'static str])] = &[
        ("bytes", &[]),
        ("chars", &["n"]),
        ("tokenizer", &["file", "vocab", "eod"]),
        ("bpe", &["vocab"]),
        ("ids", &["n", "eod"]),
    ];
    let (word, mut reader) = Reader::call(node, "data.tokenizer", forms, cx)?;
    cx.note("data.tokenizer", word, Some(node));
    let tokenizer = match word {
        "bytes" => Some(Tokenizer::Bytes),
        "chars" => reader.whole("n", Takes::PLAIN, 1, None, "65", cx).and_then(|n| {
            if n > CHARACTERS {
                cx.out.push(
                    Diagnostic::error(code::OUT_OF_RANGE, format!("there are no {n} characters"))
                        .at(node.span, format!("Unicode has {} code points", grouped(CHARACTERS))),
                );
                return None;
            }
            Some(Tokenizer::Chars { n })
        }),
        "bpe" => n_ids("vocab", BYTES, &mut reader, cx).map(|vocab| Tokenizer::Bpe { vocab }),
        "ids" => {
            let n = n_ids("n", 1, &mut reader, cx);
            let given = reader.get("eod");
            let eod = given.as_ref().and_then(|given| eod_id(given, n, &mut reader, cx));
            // A faulty end is reported.
            if given.is_some() && eod.is_none() { None } else { n.map(|n| Tokenizer::Ids { n, eod }) }
        }
        _ => {
            let file = reader.need("file", "\"tokenizer.json\"", cx).and_then(|given| match &given.value {
                Value::Str(path) if !path.is_empty() => {
                    cx.note("data.tokenizer.file", path, Some(&given));
                    Some(TokenizerFile { path: path.clone(), base: base_of(given.span, cx), span: given.span })
                }
                _ => {
                    cx.wrong_type(&given, "data.tokenizer.file", "the path of a tokenizer.json, in quotes");
                    None
                }
            });
            let vocab = n_ids("vocab", 2, &mut reader, cx);
            let given = reader.get("eod");
            let eod = given.as_ref().and_then(|given| match &given.value {
                Value::Str(token) if !token.is_empty() => {
                    cx.note("data.tokenizer.eod", token, Some(given));
                    Some(Eod::Named(token.clone()))
                }
                Value::Str(_) => {
                    cx.wrong_type(given, "data.tokenizer.eod", "a token of the tokenizer, in quotes, or its id");
                    None
                }
                _ => eod_id(given, vocab, &mut reader, cx).map(Eod::Id),
            });
            match (file, vocab) {
                (Some(file), Some(vocab)) if given.is_none() || eod.is_some() => {
                    Some(Tokenizer::File { file, vocab, eod })
                }
                _ => None,
            }
        }
    };
    reader.finish(cx);
    tokenizer
}

fn n_ids(name: &'static str, min: u64, reader: &mut Reader, cx: &mut Cx<'_>) -> Option<u64> {
    let n = reader.whole(name, Takes::PLAIN, min, None, "50257", cx)?;
    if n > MAX_IDS {
        let span = reader.get(name).map_or(reader.span, |node| node.span);
        let message = format!("a tokenizer of {} ids is too large", grouped(n));
        let wanted = format!("at most {} are possible", grouped(MAX_IDS));
        cx.out.push(Diagnostic::error(code::OUT_OF_RANGE, message).at(span, wanted));
        return None;
    }
    Some(n)
}

/// An id below `n`.
fn eod_id(node: &Node, n: Option<u64>, reader: &mut Reader, cx: &mut Cx<'_>) -> Option<u64> {
    let id = reader.whole("eod", Takes::PLAIN, 0, None, "50256", cx)?;
    if let Some(n) = n.filter(|n| id >= *n) {
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, format!("the end of a document is id {}, of {} ids", id, grouped(n)))
                .at(node.span, format!("ids go from 0 to {}", n - 1))
                .help("leave `eod` out for an id of its own after these"),
        );
        return None;
    }
    Some(id)
}

/// Whether ids come of a source by this tokenizer; reports where not.
pub fn check_fit(source: &Source, tokenizer: &Tokenizer, span: Span, cx: &mut Cx<'_>) -> bool {
    let form = source.form();
    let misfit = match (source.is_tokens(), tokenizer) {
        (false, Tokenizer::Ids { .. }) => Some((
            format!("`{form}` is text, and `ids` makes no ids of text"),
            "take `bytes`, `chars(N)`, `tokenizer(\"tokenizer.json\", vocab: N)` or `bpe(vocab: N)`".to_string(),
        )),
        (true, Tokenizer::Chars { .. } | Tokenizer::Bpe { .. }) => Some((
            format!("`{form}` holds ids, and `{}` is learned from text", tokenizer.form()),
            "say how many ids there are: `ids(N)`, or with the id that ends a document `ids(50257, eod: 50256)`; \
             `tokenizer(\"tokenizer.json\", ...)` also shows their text"
                .to_string(),
        )),
        _ => None,
    };
    if let Some((message, help)) = misfit {
        let diagnostic = Diagnostic::error(code::UNFIT_TOKENIZER, message).at(span, "this tokenizer");
        cx.out.push(diagnostic.also(source.span, "this source").help(help));
        return false;
    }
    if let (SourceKind::Random { vocab }, n) = (&source.kind, tokenizer.n_ids())
        && *vocab > n
    {
        let message = format!("{} random ids are more than the tokenizer's {}", grouped(*vocab), grouped(n));
        cx.out.push(Diagnostic::error(code::OUT_OF_RANGE, message).at(source.span, format!("at most {n} fit")));
        return false;
    }
    true
}
