//! Claims of `expect`: checked for sense before anything runs.

use super::reader::{Cx, Reader};
use super::spec::{Claim, Metric};
use crate::base::Diagnostic;
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::resolve::{Node, Record, Value};

pub fn read(expect: &Record, arms: &[String], cx: &mut Cx<'_>) -> Vec<Claim> {
    for (name, (span, _)) in &expect.fields {
        cx.out.push(
            Diagnostic::error(code::BAD_CLAIM, format!("`{name}:` in `expect`"))
                .at(*span, "a claim has no name")
                .help("write `crossover(loss(valid), of: mdm, under: ar)`"),
        );
    }
    expect.bare.iter().filter_map(|node| claim(node, arms, cx)).collect()
}

fn claim(node: &Node, arms: &[String], cx: &mut Cx<'_>) -> Option<Claim> {
    let forms: &[(&str, &[&'static str])] = &[("crossover", &["metric"])];
    let (_, mut reader) = Reader::call(node, "expect", forms, cx)?;
    let metric = reader.need("metric", "loss(valid)", cx).and_then(|n| metric(&n, cx));
    let of = reader.need("of", "mdm", cx).and_then(|n| arm(&n, arms, cx));
    let (under, over) = (reader.get("under"), reader.get("over"));
    let (than, is_under) = match (under, over) {
        (Some(n), None) => (arm(&n, arms, cx), true),
        (None, Some(n)) => (arm(&n, arms, cx), false),
        (given, _) => {
            let message = if given.is_some() {
                "a crossover goes under or over, not both"
            } else {
                "a crossover goes under or over another arm"
            };
            cx.out.push(
                Diagnostic::error(code::BAD_CLAIM, message)
                    .at(node.span, "one of `under: ARM` and `over: ARM`")
                    .help("a loss is better under, an accuracy over"),
            );
            (None, true)
        }
    };
    reader.finish(cx);
    let (metric, of, than) = (metric?, of?, than?);
    if of == than {
        cx.out.push(
            Diagnostic::error(code::BAD_CLAIM, format!("`{of}` against itself"))
                .at(node.span, "two different arms are compared")
                .help(format!("the arms are {}", arms.join(", "))),
        );
        return None;
    }
    Some(Claim::Crossover { metric, of, than, under: is_under, text: cx.map.text(node.span).to_string() })
}

fn metric(node: &Node, cx: &mut Cx<'_>) -> Option<Metric> {
    let (_, mut reader) = Reader::call(node, "metric", &[("loss", &["of"])], cx)?;
    let of = reader.need("of", "valid", cx);
    reader.finish(cx);
    let of = of?;
    if of.value == Value::Word("valid".into()) {
        return Some(Metric::ValidLoss);
    }
    cx.out.push(
        Diagnostic::error(code::BAD_CLAIM, "no such metric is measured")
            .at(of.span, "losses are measured on `valid`")
            .help("write `loss(valid)`; `eval` says when"),
    );
    None
}

fn arm(node: &Node, arms: &[String], cx: &mut Cx<'_>) -> Option<String> {
    let Value::Word(name) = &node.value else {
        cx.wrong_type(node, "expect", "the name of an arm");
        return None;
    };
    if arms.contains(name) {
        return Some(name.clone());
    }
    let names = || arms.iter().map(String::as_str);
    cx.out.push(
        Diagnostic::error(code::UNKNOWN_NAME, format!("there is no arm `{name}`")).at(node.span, "not an arm").help(
            match suggest(name, names()) {
                Some(closest) => format!("did you mean `{closest}`?"),
                None => format!("the arms are {}", names().collect::<Vec<_>>().join(", ")),
            },
        ),
    );
    None
}
