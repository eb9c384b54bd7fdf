//! The `data` of an arm.

use super::reader::{Cx, Reader, Takes, in_range, whole};
use super::spec::{Amount, Data, Order, Split, Tokenizer};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Span, Unit};
use crate::resolve::{Node, Value};
use std::path::PathBuf;

/// Tokens of a sequence. Beyond, a row of attention alone fills a machine.
const MAX_SEQ: u64 = 1 << 24;

/// What `unique`, `epochs` and `total` say, before the budget is solved.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// `None` inside: `unique: all`.
    pub unique: Option<Given<Option<u64>>>,
    pub epochs: Option<Given<f64>>,
    pub total: Option<Given<u64>>,
    /// One of them is given and could not be read, which is reported.
    pub faulty: bool,
    /// The whole `data` record.
    pub span: Span,
}

/// A value with its place and how strong the layer is that set it.
#[derive(Clone, Copy, Debug)]
pub struct Given<T> {
    pub value: T,
    pub span: Span,
    /// [`crate::resolve::Origin::rank`]
    pub rank: u32,
}

impl<T> Given<T> {
    fn new(value: T, node: &Node) -> Given<T> {
        Given { value, span: node.span, rank: node.origin.rank() }
    }
}

pub fn read(name: &str, reader: &mut Reader, cx: &mut Cx<'_>) -> (Option<Data>, Amounts) {
    let source = reader.need("source", "files(\"corpus/**/*.txt\")", cx);
    let files = source.as_ref().and_then(|node| read_source(node, cx));
    let tokenizer = reader.need("tokenizer", "bytes", cx).and_then(|node| read_tokenizer(&node, cx));
    let seq_span = reader.get("seq").map(|node| node.span);
    let seq = reader.whole("seq", Takes::PLAIN, 2, None, "128", cx).filter(|n| {
        let fits = *n <= MAX_SEQ;
        if let (false, Some(span)) = (fits, seq_span) {
            cx.out.push(
                Diagnostic::error(code::OUT_OF_RANGE, format!("sequences of {} tokens", grouped(*n)))
                    .at(span, format!("at most {} are possible", grouped(MAX_SEQ))),
            );
        }
        fits
    });
    let unique = match reader.get("unique") {
        Some(node) if node.value == Value::Word("all".into()) => {
            cx.note("data.unique", "all", Some(&node));
            Some(Given::new(None, &node))
        }
        Some(node) => {
            reader.quantity("unique", &node, Takes::TOKENS, cx).and_then(|q| whole("data.unique", q, 1, cx)).map(|n| {
                cx.note("data.unique", format!("{n} tokens"), Some(&node));
                Given::new(Some(n), &node)
            })
        }
        None => None,
    };
    let epochs = reader.get("epochs").and_then(|node| {
        let q = reader.quantity("epochs", &node, Takes::EPOCHS, cx)?;
        let x = in_range("data.epochs", q, f64::MIN_POSITIVE..=1e9, cx)?;
        cx.note("data.epochs", x, Some(&node));
        Some(Given::new(x, &node))
    });
    let total = reader.get("total").and_then(|node| {
        let q = reader.quantity("total", &node, Takes::TOKENS, cx)?;
        let n = whole("data.total", q, 1, cx)?;
        cx.note("data.total", format!("{n} tokens"), Some(&node));
        Some(Given::new(n, &node))
    });
    let valid = reader.need("valid", "64K tokens", cx).and_then(|node| {
        let takes = Takes { units: &[Unit::Tokens, Unit::Percent], bare: false };
        let q = reader.quantity("valid", &node, takes, cx)?;
        let amount = if q.unit == Some(Unit::Percent) {
            Amount::Fraction(in_range("data.valid", q, 1e-6..=0.9, cx)?)
        } else {
            Amount::Tokens(whole("data.valid", q, 1, cx)?)
        };
        let text = match amount {
            Amount::Tokens(n) => format!("{n} tokens"),
            Amount::Fraction(f) => f.to_string(),
        };
        cx.note("data.valid", text, Some(&node));
        Some(amount)
    });
    let mut caps = reader.sub("max_per_document", cx);
    let mut cap = |name: &'static str, cx: &mut Cx<'_>| {
        caps.is_given(name).then(|| caps.whole(name, Takes::TOKENS, 2, None, "2K tokens", cx)).flatten().or_else(|| {
            caps.get(name);
            None
        })
    };
    let (max_unique, max_valid) = (cap("unique", cx), cap("valid", cx));
    caps.finish(cx);
    let order = match reader.get("order") {
        None => {
            cx.note("data.order", "strict(boundaries: moving)", None);
            Some(Order::Strict { moving: true })
        }
        Some(node) => read_order(&node, cx),
    };
    let split = match reader.get("split") {
        None => {
            cx.note("data.split", "documents", None);
            Some(Split::Documents)
        }
        Some(node) => {
            Reader::call(&node, "data.split", &[("documents", &[]), ("tail", &[])], cx).map(|(word, inner)| {
                inner.finish(cx);
                cx.note("data.split", word, Some(&node));
                if word == "tail" { Split::Tail } else { Split::Documents }
            })
        }
    };
    if let (Some(Split::Tail), true) = (split, max_unique.is_some() || max_valid.is_some())
        && let Some(node) = reader.get("max_per_document")
    {
        cx.out.push(
            Diagnostic::error(code::NO_EFFECT, "`max_per_document` has no effect with `split: tail`")
                .at(node.span, "a tail split does not look at documents")
                .help("take one of the two out"),
        );
    }
    if let (Some(Amount::Fraction(_)), Some(Split::Documents)) = (valid, split)
        && let Some(node) = reader.get("valid")
    {
        cx.out.push(
            Diagnostic::error(code::WRONG_UNIT, "with `split: documents`, `valid` is a number of tokens")
                .at(node.span, "a share of documents has no fixed size")
                .help("write tokens, or `split: tail`"),
        );
    }
    let faulty = (reader.is_given("unique") && unique.is_none())
        || (reader.is_given("epochs") && epochs.is_none())
        || (reader.is_given("total") && total.is_none());
    let amounts = Amounts { unique, epochs, total, faulty, span: reader.span };
    let data = (|| {
        let (files, source_span, base) = files?;
        Some(Data {
            name: name.to_string(),
            files,
            base,
            source_span,
            tokenizer: tokenizer?,
            seq: seq?,
            unique_tokens: unique.and_then(|given| given.value),
            valid: valid?,
            max_unique_per_document: max_unique,
            max_valid_per_document: max_valid,
            order: order?,
            split: split?,
        })
    })();
    (data, amounts)
}

fn read_source(node: &Node, cx: &mut Cx<'_>) -> Option<(Vec<String>, Span, PathBuf)> {
    let Value::Call { name, args, .. } = &node.value else {
        cx.wrong_type(node, "data.source", "`files(\"pattern\", ...)`");
        return None;
    };
    if name != "files" || !args.named.is_empty() || args.positional.is_empty() {
        cx.out.push(
            Diagnostic::error(code::UNKNOWN_NAME, "`data.source` is `files(\"pattern\", ...)`")
                .at(node.span, "not that")
                .help("`files(\"{torch}/**/*.py\")`, or `files(\"a.txt\", \"b/*.txt\")` relative to this file"),
        );
        return None;
    }
    let mut files = vec![];
    for arg in &args.positional {
        match &arg.value {
            Value::Str(pattern) if pattern.is_empty() => {
                cx.out
                    .push(Diagnostic::error(code::OUT_OF_RANGE, "an empty file pattern").at(arg.span, "names no file"));
            }
            Value::Str(pattern) => files.push(pattern.clone()),
            _ => cx.wrong_type(arg, "data.source", "a text in quotes"),
        }
    }
    if files.len() != args.positional.len() {
        return None;
    }
    cx.note("data.source", files.join(", "), Some(node));
    let name = cx.map.get(node.span.file).map_or("", |f| f.name.as_str());
    // A file's patterns start in its folder, those of `--set` in the current one.
    let base = match name.strip_prefix("--set ") {
        Some(_) => PathBuf::new(),
        None => std::path::Path::new(name).parent().map(PathBuf::from).unwrap_or_default(),
    };
    Some((files, node.span, base))
}

fn read_tokenizer(node: &Node, cx: &mut Cx<'_>) -> Option<Tokenizer> {
    let (word, mut reader) = Reader::call(node, "data.tokenizer", &[("bytes", &[]), ("chars", &["n"])], cx)?;
    cx.note("data.tokenizer", word, Some(node));
    let tokenizer = match word {
        "bytes" => Some(Tokenizer::Bytes),
        _ => reader.whole("n", Takes::PLAIN, 1, None, "65", cx).and_then(|n| {
            if n > 1_114_112 {
                cx.out.push(
                    Diagnostic::error(code::OUT_OF_RANGE, format!("there are no {n} characters"))
                        .at(node.span, "Unicode has 1,114,112 code points"),
                );
                return None;
            }
            Some(Tokenizer::Chars { n })
        }),
    };
    reader.finish(cx);
    tokenizer
}

fn read_order(node: &Node, cx: &mut Cx<'_>) -> Option<Order> {
    let (word, mut reader) = Reader::call(node, "data.order", &[("strict", &["boundaries"]), ("windows", &[])], cx)?;
    let order = if word == "windows" {
        Some(Order::Windows)
    } else {
        match reader.get("boundaries") {
            None => Some(Order::Strict { moving: true }),
            Some(inner) => {
                let forms: &[(&str, &[&'static str])] = &[("moving", &[]), ("fixed", &[])];
                Reader::call(&inner, "data.order.boundaries", forms, cx).map(|(word, inner)| {
                    inner.finish(cx);
                    Order::Strict { moving: word == "moving" }
                })
            }
        }
    };
    reader.finish(cx);
    let text = match order? {
        Order::Strict { moving: true } => "strict(boundaries: moving)",
        Order::Strict { moving: false } => "strict(boundaries: fixed)",
        Order::Windows => "windows",
    };
    cx.note("data.order", text, Some(node));
    order
}
