//! The budget: unique, epochs and total tokens, batch, sequence length and steps as one system.

use super::data::{Amounts, Given};
use super::reader::Cx;
use super::spec::{Budget, Data, Order, Setting};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Number, Span};

/// unique x epochs may miss total by rounding to whole chunks, not by more.
const CONSISTENT: f64 = 1e-3;

/// Solves for what is not given. Of three, the two that stronger layers set win; three of one layer
/// have to agree.
pub fn solve(data: &Data, mut amounts: Amounts, batch: (u64, Span), cx: &mut Cx<'_>) -> Option<Budget> {
    if amounts.faulty {
        return None;
    }
    let (batch_seqs, batch_span) = batch;
    let rank = |rank: Option<u32>| rank.unwrap_or(u32::MAX);
    let ranks = [
        rank(amounts.unique.map(|g| g.rank)),
        rank(amounts.epochs.map(|g| g.rank)),
        rank(amounts.total.map(|g| g.rank)),
    ];
    let mut overruled = None;
    if let (Some(unique), Some(epochs), Some(total)) = (amounts.unique, amounts.epochs, amounts.total) {
        let weakest = ranks.iter().min().copied().unwrap_or(0);
        match ranks.map(|r| r == weakest) {
            [true, false, false] => {
                amounts.unique = None;
                overruled = Some("data.unique");
            }
            [false, true, false] => {
                amounts.epochs = None;
                overruled = Some("data.epochs");
            }
            [false, false, true] => {
                amounts.total = None;
                overruled = Some("data.total");
            }
            _ => agree(unique, epochs, total, cx)?,
        }
    }
    let whole_chunks = |tokens: u64| tokens / data.seq * data.seq;
    let open = |what: &str, cx: &mut Cx<'_>| {
        cx.out.push(
            Diagnostic::error(code::BUDGET_OPEN, format!("the budget leaves {what} open"))
                .at(amounts.span, "any two of `unique`, `epochs` and `total` are needed")
                .help("for example `unique: 100K tokens` and `epochs: 40`"),
        );
        None
    };
    let (unique, total) = match (amounts.unique, amounts.epochs, amounts.total) {
        (Some(Given { value: Some(unique), .. }), Some(epochs), None) => {
            let unique = whole_chunks(unique);
            (Some(unique), (unique as f64 * epochs.value).round() as u64)
        }
        (Some(Given { value: unique, .. }), _, Some(total)) => (unique.map(whole_chunks), total.value),
        (None, Some(epochs), Some(total)) => {
            (Some(whole_chunks((total.value as f64 / epochs.value).round() as u64)), total.value)
        }
        (Some(Given { value: None, .. }), _, None) => return open("`total`", cx),
        (None, None, Some(_)) => return open("`unique` and `epochs`", cx),
        (Some(_), None, None) => return open("`epochs` and `total`", cx),
        (None, _, None) => return open("`unique` and `total`", cx),
    };
    if unique == Some(0) {
        let span = amounts.unique.map_or(amounts.span, |g| g.span);
        cx.out.push(
            Diagnostic::error(
                code::OUT_OF_RANGE,
                format!("the unique data is less than one chunk of {} tokens", data.seq),
            )
            .at(span, "no whole chunk fits")
            .help("raise `unique`, or lower `seq`"),
        );
        return None;
    }
    let tokens_per_step = batch_seqs.checked_mul(data.seq);
    let steps = tokens_per_step.map(|per_step| total / per_step);
    let (Some(tokens_per_step), Some(steps @ 1..)) = (tokens_per_step, steps) else {
        let span = amounts.total.map(|g| g.span).or(amounts.unique.map(|g| g.span)).unwrap_or(amounts.span);
        cx.out.push(
            Diagnostic::error(code::OUT_OF_RANGE, "the budget is less than one step")
                .at(span, format!("{} tokens in all", grouped(total)))
                .also(batch_span, format!("a step takes {} x {} tokens", grouped(batch_seqs), grouped(data.seq)))
                .help("raise the budget, or lower `train.batch`"),
        );
        return None;
    };
    let epochs = unique.map(|u| (steps * tokens_per_step) as f64 / u as f64);
    let budget = Budget {
        unique_tokens: unique,
        epochs,
        total_tokens: total,
        tokens_per_step,
        steps,
        left_over_tokens: total - steps * tokens_per_step,
    };
    if let Some(field) = cx.flat.iter_mut().find(|f| Some(f.path.as_str()) == overruled) {
        let value = match field.path.as_str() {
            "data.unique" => unique.map_or("all".into(), |u| format!("{u} tokens")),
            "data.epochs" => epochs.map_or("as the data gives".into(), |e| Number::Real(e).to_string()),
            _ => format!("{total} tokens"),
        };
        let (value, origin) =
            (std::mem::replace(&mut field.value, value), std::mem::replace(&mut field.origin, "derived".into()));
        field.replaced.push(Setting { value, origin });
        field.assumed.clear();
    }
    cx.note_derived("budget.unique_tokens", unique.map_or("all".into(), |u| u.to_string()));
    cx.note_derived("budget.epochs", epochs.map_or("as the data gives".into(), |e| Number::Real(e).to_string()));
    cx.note_derived("budget.tokens_per_step", tokens_per_step);
    cx.note_derived("budget.steps", steps);
    if data.order == Order::Windows && data.unique_tokens.is_some() {
        // Windows of a part of the corpus are windows of its first `unique` tokens.
        cx.note_derived("budget.windows_of", unique.unwrap_or(0));
    }
    Some(budget)
}

fn agree(unique: Given<Option<u64>>, epochs: Given<f64>, total: Given<u64>, cx: &mut Cx<'_>) -> Option<()> {
    let Some(n) = unique.value else {
        cx.out.push(
            Diagnostic::error(code::BUDGET_CONFLICT, "`unique: all`, `epochs` and `total` are one too many")
                .at(epochs.span, "this")
                .also(total.span, "or this has to go")
                .help("`unique: all` is an amount; one of the other two decides how long to train"),
        );
        return None;
    };
    let product = n as f64 * epochs.value;
    if ((product - total.value as f64) / total.value as f64).abs() <= CONSISTENT {
        return Some(());
    }
    cx.out.push(
        Diagnostic::error(
            code::BUDGET_CONFLICT,
            format!("{} unique tokens x {} epochs are not {} tokens", grouped(n), epochs.value, grouped(total.value)),
        )
        .at(total.span, format!("{} tokens in all", grouped(total.value)))
        .also(unique.span, format!("{} unique tokens", grouped(n)))
        .also(epochs.span, format!("{} epochs, so {} tokens", epochs.value, grouped(product as u64)))
        .help("take one of the three out; it is derived from the other two"),
    );
    None
}
