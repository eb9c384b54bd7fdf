//! The `data` of an arm.

use super::reader::{Cx, Reader, Takes, in_range, whole};
use super::spec::{Amount, Data, Duplicates, Order, Source, SourceKind, Split, Tokenizer};
use super::{source, tokenizer};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Span, Unit};
use crate::resolve::{Node, Value};

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
    let given = reader.need("source", "files(\"corpus/**/*.txt\")", cx);
    let source = given.as_ref().and_then(|node| source::read(node, "data.source", cx));
    let valid_source = reader.get("valid_source").map(|node| source::read(&node, "data.valid_source", cx));
    let tokenizer = read_tokenizer(reader, source.as_ref(), cx);
    let fits = fit(reader, source.as_ref(), valid_source.as_ref().and_then(Option::as_ref), tokenizer.as_ref(), cx);
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
    let duplicates = read_duplicates(reader, source.as_ref(), cx);
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
    if let (Some(Split::Tail), Some(node)) = (split, reader.get("valid_source")) {
        cx.out.push(
            Diagnostic::error(code::NO_EFFECT, "`split: tail` has no effect with `valid_source`")
                .at(node.span, "all validation documents come from here")
                .help("take one of the two out"),
        );
    }
    if let (Some(Split::Tail), Some(Tokenizer::Bpe { .. }), Some(node)) = (split, &tokenizer, reader.get("tokenizer")) {
        cx.out.push(
            Diagnostic::error(
                code::UNFIT_TOKENIZER,
                "`bpe` learns from training documents, and a tail cuts one in two",
            )
            .at(node.span, "what is validated on would teach it")
            .help("take `split: documents`, or a `tokenizer(\"tokenizer.json\", ...)`"),
        );
    }
    if let Some(source) = source.as_ref().filter(|source| source.is_random()) {
        without_effect_on_random(reader, unique, source, cx);
    }
    let data = (|| {
        Some(Data {
            name: name.to_string(),
            source: source.filter(|_| fits)?,
            valid_source: match valid_source {
                Some(found) => Some(found?),
                None => None,
            },
            tokenizer: tokenizer?,
            seq: seq?,
            unique_tokens: unique.and_then(|given| given.value),
            valid: valid?,
            max_unique_per_document: max_unique,
            max_valid_per_document: max_valid,
            duplicates: duplicates?,
            order: order?,
            split: split?,
        })
    })();
    (data, amounts)
}

/// Random ids are their own tokens; everything else needs to say what its ids are.
fn read_tokenizer(reader: &mut Reader, source: Option<&Source>, cx: &mut Cx<'_>) -> Option<Tokenizer> {
    if let Some(Source { kind: SourceKind::Random { vocab }, span, .. }) = source {
        let Some(node) = reader.get("tokenizer") else { return Some(tokenizer::of_random(*vocab)) };
        cx.out.push(
            Diagnostic::error(code::NO_EFFECT, "`tokenizer` has no effect on random ids")
                .at(node.span, "there is no text")
                .also(*span, "this says which ids there are")
                .help("take it out"),
        );
        return None;
    }
    let node = reader.need("tokenizer", "bytes", cx)?;
    tokenizer::read(&node, cx)
}

/// Whether both sources and the tokenizer go together.
fn fit(
    reader: &mut Reader,
    source: Option<&Source>,
    valid: Option<&Source>,
    tokenizer: Option<&Tokenizer>,
    cx: &mut Cx<'_>,
) -> bool {
    if let Some(valid) = valid.filter(|valid| valid.is_random() || source.is_some_and(Source::is_random)) {
        cx.out.push(
            Diagnostic::error(code::NO_EFFECT, "random ids are all alike: `valid_source` has no effect")
                .at(valid.span, "random, or beside a random `source`")
                .help("take it out: a random source draws its own validation documents"),
        );
        return false;
    }
    let (Some(tokenizer), Some(node)) = (tokenizer, reader.get("tokenizer")) else { return true };
    let both = [source, valid].into_iter().flatten();
    // Both are looked at, whatever is wrong with the first.
    let misfits = both.filter(|source| !tokenizer::check_fit(source, tokenizer, node.span, cx)).count();
    misfits == 0
}

fn split_is_tail(reader: &mut Reader) -> bool {
    reader.get("split").is_some_and(|node| node.value == Value::Word("tail".into()))
}

/// Rows of a corpus that somebody gathered are there once; files that the spec names, and a text that is read through
/// to its tail, are what they are.
fn read_duplicates(reader: &mut Reader, source: Option<&Source>, cx: &mut Cx<'_>) -> Option<Duplicates> {
    if let Some(node) = reader.get("duplicates") {
        let forms: &[(&str, &[&'static str])] = &[("keep", &[]), ("remove", &[])];
        let (word, inner) = Reader::call(&node, "data.duplicates", forms, cx)?;
        inner.finish(cx);
        cx.note("data.duplicates", word, Some(&node));
        return Some(if word == "keep" { Duplicates::Keep } else { Duplicates::Remove });
    }
    let tail = split_is_tail(reader);
    match source.map(|source| &source.kind) {
        Some(SourceKind::Jsonl { .. }) if !tail => {
            cx.note("data.duplicates", Duplicates::Remove.name(), None);
            Some(Duplicates::Remove)
        }
        _ => Some(Duplicates::Keep),
    }
}

/// What says how a text is taken apart says nothing where ids are drawn.
fn without_effect_on_random(reader: &mut Reader, unique: Option<Given<Option<u64>>>, source: &Source, cx: &mut Cx<'_>) {
    for name in ["max_per_document", "duplicates", "split"] {
        if let Some(node) = reader.get(name) {
            cx.out.push(
                Diagnostic::error(code::NO_EFFECT, format!("`{name}` has no effect on random ids"))
                    .at(node.span, "random documents are as long as is needed")
                    .also(source.span, "ids are drawn from here")
                    .help("take it out"),
            );
        }
    }
    if let Some(Given { value: None, span, .. }) = unique {
        cx.out.push(
            Diagnostic::error(code::BUDGET_OPEN, "random ids have no end: `unique: all` is no amount")
                .at(span, "how many of them?")
                .help("for example `unique: 1M tokens`"),
        );
    }
}

fn read_order(node: &Node, cx: &mut Cx<'_>) -> Option<Order> {
    let forms: &[(&str, &[&'static str])] = &[("strict", &["boundaries"]), ("interleaved", &[]), ("windows", &[])];
    let (word, mut reader) = Reader::call(node, "data.order", forms, cx)?;
    let order = match word {
        "windows" => Some(Order::Windows),
        "interleaved" => Some(Order::Interleaved),
        _ => match reader.get("boundaries") {
            None => Some(Order::Strict { moving: true }),
            Some(inner) => {
                let forms: &[(&str, &[&'static str])] = &[("moving", &[]), ("fixed", &[])];
                Reader::call(&inner, "data.order.boundaries", forms, cx).map(|(word, inner)| {
                    inner.finish(cx);
                    Order::Strict { moving: word == "moving" }
                })
            }
        },
    };
    reader.finish(cx);
    let text = match order? {
        Order::Strict { moving: true } => "strict(boundaries: moving)",
        Order::Strict { moving: false } => "strict(boundaries: fixed)",
        Order::Interleaved => "interleaved",
        Order::Windows => "windows",
    };
    cx.note("data.order", text, Some(node));
    order
}
