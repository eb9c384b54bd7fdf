//! The pages of the codes: each code has one, and its examples do what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod shop;

use dlmc::ast::{Definition, File, Item};
use dlmc::base::diag::{CODES, Severity};
use dlmc::base::source::Memory;
use dlmc::base::{FileId, Span};
use dlmc::cli::explain::page;
use dlmc::cli::front::{Outcome, compile};
use dlmc::cli::render;
use dlmc::data::CorpusEnv;
use dlmc::syntax::format::format;
use dlmc::syntax::parse;
use shop::{OK, SPEC_ERRORS, Shop, expect};
use std::collections::BTreeSet;
use std::path::Path;

const PAGES: &str = include_str!("../grammar/codes.md");
/// Codes whose mistake no text alone can show: the data has to be read.
const WITHOUT_EXAMPLES: &[&str] = &["E0503", "E0505", "E0506", "E0507", "E0510"];

/// The spec that the examples change.
fn base() -> &'static str {
    let (_, rest) = PAGES.split_once("```dlm base\n").unwrap();
    rest.split("```").next().unwrap()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

fn kind(item: &Item) -> (&'static str, String) {
    let kind = match item {
        Item::Use(_) => "use",
        Item::Let(_) => "let",
        Item::Schedule(_) => "schedule",
        Item::Objective(_) => "objective",
        Item::Data(_) => "data",
        Item::Train(_) => "train",
        Item::Experiment(_) => "experiment",
        Item::Block(_) => "block",
        Item::Model(_) => "model",
    };
    (kind, item.name().map_or(String::new(), |n| n.text.clone()))
}

fn span(item: &Item) -> Span {
    match item {
        Item::Use(u) => u.span,
        Item::Let(b) | Item::Objective(b) => b.span,
        Item::Schedule(s) => s.span,
        Item::Data(d) | Item::Train(d) | Item::Experiment(d) => d.span,
        Item::Block(b) | Item::Model(b) => b.span,
    }
}

fn definition(item: &Item) -> Option<&Definition> {
    match item {
        Item::Data(d) | Item::Train(d) | Item::Experiment(d) => Some(d),
        _ => None,
    }
}

fn read(text: &str) -> File {
    parse(FileId(0), text).0
}

/// The base with an example laid over it, as `grammar/codes.md` says.
fn laid_over(example: &str) -> String {
    let (base, base_text) = (read(base()), base());
    let (over, found) = parse(FileId(0), example);
    if found.has_errors() {
        return example.to_string();
    }
    let mut out = over.version.map_or(String::new(), |(_, span)| slice(example, span).to_string() + "\n");
    let has = |name: &str| over.items.iter().any(|i| kind(i).0 == name);
    let model = over.items.iter().find(|i| kind(i).0 == "model").map(|i| kind(i).1);
    let mut used = BTreeSet::new();
    let mut rest = String::new();
    for item in &base.items {
        let text = slice(base_text, span(item));
        if kind(item).0 == "use" {
            if !has("use") && model.is_none() {
                out.push_str(&format!("{text}\n"));
            }
            continue;
        }
        let same = over.items.iter().position(|i| kind(i) == kind(item));
        used.extend(same);
        match (definition(item), same.map(|i| &over.items[i])) {
            (Some(below), above) => {
                let above = above.and_then(definition);
                if above.is_some_and(|a| a.base.is_some()) {
                    rest.push_str(&format!("{}\n", slice(example, above.unwrap().span)));
                    continue;
                }
                let first = |path: &[dlmc::ast::Ident]| path.first().map(|i| i.text.clone());
                let overridden: Vec<_> = above.iter().flat_map(|a| &a.fields).map(|f| first(&f.path)).collect();
                let mut fields: Vec<String> = vec![];
                for field in below.fields.iter().filter(|f| !overridden.contains(&first(&f.path))) {
                    let trains = kind(item).0 == "experiment" && first(&field.path).as_deref() == Some("model");
                    match (&model, trains) {
                        (Some(model), true) => fields.push(format!("model: {model}()")),
                        _ => fields.push(slice(base_text, field.span).to_string()),
                    }
                }
                fields.extend(above.iter().flat_map(|a| &a.fields).map(|f| slice(example, f.span).to_string()));
                let (kind, name) = kind(item);
                rest.push_str(&format!("{kind} {name} {{\n{}\n}}\n", fields.join("\n")));
            }
            (None, None) => rest.push_str(&format!("{text}\n")),
            (None, Some(_)) => used.retain(|i| Some(*i) != same),
        }
    }
    for (_, item) in over.items.iter().enumerate().filter(|(i, _)| !used.contains(i)) {
        let text = slice(example, span(item));
        if kind(item).0 == "use" { out.push_str(&format!("{text}\n")) } else { rest.push_str(&format!("{text}\n")) }
    }
    out + &rest
}

/// Whether it says that a part of the base is of no use beside the example.
fn is_about_the_base(diagnostic: &dlmc::base::Diagnostic) -> bool {
    let base = read(base());
    let mut names = base.items.iter().map(|item| kind(item).1);
    diagnostic.code.0 == "E0203" && names.any(|name| diagnostic.message.contains(&format!("`{name}`")))
}

fn compiled(text: &str) -> Outcome {
    let sources = Memory([("e.dlm".into(), text.to_string())].into());
    let env = CorpusEnv { torch: Some("tests/fixtures/torch".into()), ..CorpusEnv::default() };
    compile(Path::new("e.dlm"), &sources, None, &[], Some(&env))
}

fn shop() -> Shop {
    let experiment = &base()[base().find("experiment").unwrap()..];
    let two = format!("{}{}", base(), experiment.replace("experiment e", "experiment f"));
    let swept = base().replace("    arms:", "    sweep: { data.unique: [2K, 4K] tokens }\n    arms:");
    let claim = "let cross = crossover(loss(valid), of: mdm, under: ar), increasing(cross.epoch, along: data.unique)";
    let claimed = swept.replace("    arms:", &format!("    expect: {{ {claim} }}\n    arms:"));
    let deep = format!("let deep = {}1{}\n", "(".repeat(300), ")".repeat(300));
    let large = "// Mostly a corpus.\n".repeat(30_000);
    let shop = Shop::new(&[
        ("e.dlm", base()),
        ("two.dlm", &two),
        ("swept.dlm", &swept),
        ("claimed.dlm", &claimed),
        ("deep.dlm", &deep),
        ("large.dlm", &large),
    ]);
    std::fs::write(shop.folder.path().join("latin1.dlm"), b"// caf\xe9\n").unwrap();
    shop
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let headings: Vec<(&str, &str)> =
        PAGES.split("\n## ").skip(1).map(|s| s.lines().next().unwrap().split_once(' ').unwrap()).collect();
    let codes: Vec<(&str, &str)> = CODES.iter().map(|(code, name, _)| (code.0, *name)).collect();
    for (code, name) in &codes {
        assert!(headings.contains(&(code, name)), "grammar/codes.md has no page `## {code} {name}`");
    }
    assert_eq!(headings, codes, "grammar/codes.md has its pages in the order of the codes, and no others");
    for (code, ..) in CODES {
        let page = page(code.0).unwrap();
        assert!(page.text.len() > 40, "{code}");
        let examples = !page.wrong.is_empty() && !page.right.is_empty();
        assert_eq!(examples, !WITHOUT_EXAMPLES.contains(&code.0), "{code} has a wrong and a right example");
        assert!(page.shown().starts_with(&format!("{code}: {}", page.title)));
    }
}

#[test]
fn examples_of_specs_do_what_they_say() {
    let mut wrong = vec![];
    for (code, ..) in CODES {
        let page = page(code.0).unwrap();
        for (examples, fails) in [(&page.wrong, true), (&page.right, false)] {
            for example in examples.iter().filter(|e| !e.is_command) {
                let text = laid_over(&example.text);
                let outcome = compiled(&text);
                let has = outcome.diagnostics.iter().any(|d| d.code == *code);
                let is_other = |d: &dlmc::base::Diagnostic| d.severity == Severity::Error && !is_about_the_base(d);
                let others = outcome.diagnostics.iter().any(is_other);
                if has != fails || (!fails && others) {
                    let said = render::human(&outcome.diagnostics, &outcome.sources, false);
                    wrong.push(format!("{code}, {}:\n{text}\n{said}", if fails { "wrong" } else { "right" }));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n================\n"));
}

#[test]
fn examples_of_commands_do_what_they_say() {
    let shop = shop();
    let mut n = 0;
    for (code, ..) in CODES {
        let page = page(code.0).unwrap();
        for (examples, fails) in [(&page.wrong, true), (&page.right, false)] {
            for example in examples.iter().filter(|e| e.is_command) {
                // A quoted argument may hold blanks.
                let quoted = example.text.trim().strip_prefix("dlmc ").unwrap().split('\'').enumerate();
                let args: Vec<&str> = quoted
                    .flat_map(|(i, part)| if i % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
                    .collect();
                let output = shop.run(&args);
                let is_warning = code.0.starts_with('W');
                let (_, err) = expect(&output, if fails && !is_warning { SPEC_ERRORS } else { OK });
                assert_eq!(err.contains(&format!("[{code}]")), fails, "{code}: {err}");
                n += 1;
            }
        }
    }
    assert!(n > 10);
}

/// What is shown as right is laid out as `dlmc fmt` would.
#[test]
fn examples_are_laid_out() {
    for (code, ..) in CODES {
        for example in page(code.0).unwrap().right.iter().filter(|e| !e.is_command) {
            let laid_out = format(FileId(0), &example.text).unwrap_or_default();
            assert_eq!(laid_out, example.text, "{code}");
        }
    }
    assert_eq!(format(FileId(0), base()).unwrap(), base());
}

#[test]
fn a_page_is_printed() {
    let shop = shop();
    let output = shop.run(&["explain", "e0402"]);
    insta::assert_snapshot!(expect(&output, OK).0);
}
