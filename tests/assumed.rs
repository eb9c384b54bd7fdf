//! Assumed values keep their reason on every way into a run, lose it where something is laid over them, and change no run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::front_with;
use dlmc::check::spec::Arm;
use dlmc::cli::front::Compiled;
use dlmc::store::{Lock, run_folder::run_id};

const SPEC: &str = r#"
use "lib/decoder.dlm" { decoder }

let width = assumed(8, "no table names it")
let many = assumed(true, "the figure looks like it")
let low = assumed(0.25, "nobody says where it bends")
let adam = assumed(adamw(lr: 1e-3, betas: (0.9, assumed(0.95, "usual"))), "as in the sister paper")

schedule keep(t) = if t < 0.5 { 1 - 2 * low * t } else { 1.5 - 1.5 * t }
objective ar = next_token()
objective plain = assumed(masked_diffusion(schedule: keep), "their name for it")
objective mdm = plain { weight: flat }

data text {
    source: files("{torch}/**/*.py", assumed("other/*.py", "a second corpus is likely")), tokenizer: bytes
    unique: 10K tokens, epochs: assumed(2, "not said"), seq: 16
    valid: assumed(1K tokens, "not published")
    order: strict(boundaries: assumed(fixed, "as most loaders do"))
}

train recipe {
    batch: 4 seqs
    optimizer: adam { lr: 2e-3 }
    lr_schedule: constant(warmup: assumed(2%, "the curve begins so"))
    seeds: { init: assumed(7, "any") }
}

experiment e {
    model: decoder(layers: if many { 2 } else { 1 }, dim: 2 * width, heads: 2, ffn: 8)
    data:  DATA
    train: recipe
    eval:  { every: 50%, loss: valid }
    arms:  {
        ar:  { objective: assumed(ar, "the released script is empty") }
        mdm: { objective: mdm }
    }
    sweep: { train.clip: [assumed(0.5, "half"), 1.0], train.ema: log(assumed(0.5..0.9, "the range"), 2) }
    allow: [not_a_bound]
}
"#;

const TEXT: &str = "assumed(text, \"which corpus it was\")";
const LONGER: &str = "assumed(text, \"which corpus it was\") { epochs: 3 }";

fn compiled(data: &str, set: &[(&str, &str)]) -> Compiled {
    let outcome = front_with(&SPEC.replace("DATA", data), set);
    let said: Vec<&str> = outcome.diagnostics.iter().map(|d| d.message.as_str()).collect();
    outcome.compiled.unwrap_or_else(|| panic!("{said:?}"))
}

fn arm<'a>(compiled: &'a Compiled, name: &str, point: &str) -> &'a Arm {
    let found = compiled.spec.variants().iter().find(|arm| arm.name == name && arm.point.name() == point);
    found.unwrap_or_else(|| panic!("{name} at {point}"))
}

fn reasons<'a>(arm: &'a Arm, path: &str) -> Vec<&'a str> {
    let field = arm.flat.iter().find(|field| field.path == path).unwrap_or_else(|| panic!("{path}"));
    field.assumed.iter().map(String::as_str).collect()
}

const FIRST: &str = "clip=0.5,ema=0.5";

#[test]
fn a_reason_stays_with_its_value_on_every_way() {
    let compiled = compiled(TEXT, &[]);
    let ar = arm(&compiled, "ar", FIRST);
    let corpus = "which corpus it was";
    // By way of a let, of arithmetic with one, of a condition on one.
    assert_eq!(reasons(ar, "model.dim"), ["no table names it"]);
    assert_eq!(reasons(ar, "model.layers"), ["the figure looks like it"]);
    // A call: its arguments too, each with its own reasons besides; what is laid over it is not assumed.
    assert_eq!(reasons(ar, "train.optimizer"), ["as in the sister paper"]);
    assert_eq!(reasons(ar, "train.optimizer.betas"), ["as in the sister paper", "usual"]);
    assert!(reasons(ar, "train.optimizer.lr").is_empty());
    // A definition: all that it holds.
    assert_eq!(reasons(ar, "data.valid"), ["not published", corpus]);
    assert_eq!(reasons(ar, "data.seq"), [corpus]);
    assert_eq!(reasons(ar, "data.epochs"), ["not said", corpus]);
    // Parts that have no field of their own.
    assert_eq!(reasons(ar, "data.source"), [corpus, "a second corpus is likely"]);
    assert_eq!(reasons(ar, "data.order"), [corpus, "as most loaders do"]);
    // In an arm, in a sweep, and where a value is resolved.
    assert_eq!(reasons(ar, "objective"), ["the released script is empty"]);
    assert_eq!(reasons(ar, "train.clip"), ["half"]);
    assert_eq!(reasons(ar, "train.ema"), ["the range"]);
    assert_eq!(reasons(ar, "train.lr_schedule.warmup"), ["the curve begins so"]);
    assert_eq!(reasons(ar, "train.seeds.init"), ["any"]);
    // A formula is as assumed as the lets in it.
    assert_eq!(
        reasons(arm(&compiled, "mdm", FIRST), "objective.schedule"),
        ["their name for it", "nobody says where it bends"]
    );
    // A definition of a call brings its reasons along, extended or not.
    assert_eq!(reasons(arm(&compiled, "mdm", FIRST), "objective"), ["their name for it"]);
    assert!(reasons(arm(&compiled, "mdm", FIRST), "objective.weight").is_empty());
    // Defaults and what follows are no assumptions.
    assert!(reasons(ar, "train.precision").is_empty() && reasons(ar, "budget.steps").is_empty());
}

#[test]
fn what_is_laid_over_is_no_assumption() {
    let other = compiled(LONGER, &[("data.valid", "2K tokens"), ("train.seeds.init", "8")]);
    let ar = arm(&other, "ar", "clip=1.0,ema=0.5");
    assert_eq!(reasons(ar, "data.seq"), ["which corpus it was"]);
    assert!(reasons(ar, "data.epochs").is_empty());
    assert!(reasons(ar, "data.valid").is_empty());
    assert!(reasons(ar, "train.seeds.init").is_empty());
    assert!(reasons(ar, "train.clip").is_empty());
    // Two of the budget decide the third, which then follows.
    let overruled = compiled(TEXT, &[("data.total", "40K tokens"), ("data.unique", "20K tokens")]);
    assert!(reasons(arm(&overruled, "ar", FIRST), "data.epochs").is_empty());
    // What is set may be assumed too.
    let set = compiled(TEXT, &[("train.clip", "assumed(2, \"to see\")")]);
    assert_eq!(reasons(arm(&set, "ar", "ema=0.5"), "train.clip"), ["to see"]);
}

#[test]
fn a_lock_holds_the_reasons_and_the_id_does_not() {
    let with = compiled(TEXT, &[]);
    let without = compiled(TEXT, &[("data.valid", "1K tokens"), ("train.seeds.init", "7")]);
    let (with, without) = (arm(&with, "ar", FIRST), arm(&without, "ar", FIRST));
    assert_ne!(reasons(with, "data.valid"), reasons(without, "data.valid"));
    assert_eq!(run_id(with, "data"), run_id(without, "data"));
    let text = Lock::of_arm("e", with, "run").to_text();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.lock.ron");
    std::fs::write(&path, &text).unwrap();
    let read = Lock::read(&path).unwrap();
    let clip = read.fields.iter().find(|field| field.path == "train.clip").unwrap();
    assert_eq!(clip.assumed, ["half"]);
    assert!(read.spec_differences(&Lock::of_arm("e", without, "run")).is_empty());
}
