//! The `train` of an arm.

use super::reader::{Cx, Quantity, Reader, Takes, in_range, whole};
use super::spec::{AdamW, Budget, LrSchedule, Memory, Precision, Seeds, Train};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Unit};
use crate::resolve::{Node, Value};

/// How far to look for a divisor to propose.
const MAX_SEARCH: usize = 10_000;
/// PyTorch's and Megatron's default.
const ADAM_EPS: f64 = 1e-8;

/// The rows of a step, and of a micro-batch. The budget needs them before the rest.
pub fn read_batch(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<(u64, u64)> {
    let batch = reader.whole("batch", Takes::SEQS, 1, None, "32 seqs", cx)?;
    let given = reader.get("micro_batch");
    let micro = reader.whole("micro_batch", Takes::SEQS, 1, Some(batch), "8 seqs", cx)?;
    if batch % micro != 0 {
        let span = given.map_or(reader.span, |n| n.span);
        let divides = |m: &u64| batch.is_multiple_of(*m);
        // The nearest below and above; the search is bounded, since a batch may be any number.
        let below = (1..micro).rev().take(MAX_SEARCH).find(divides);
        let above = (micro..=batch).take(MAX_SEARCH).find(divides);
        let fits: Vec<String> = below.into_iter().chain(above).map(grouped).collect();
        let help = if fits.is_empty() {
            "choose a divisor of the batch".into()
        } else {
            format!("{} would fit", fits.join(" or "))
        };
        cx.out.push(
            Diagnostic::error(
                code::BATCH_SPLIT,
                format!("micro-batches of {} do not divide a batch of {}", grouped(micro), grouped(batch)),
            )
            .at(span, format!("{} left over", grouped(batch % micro)))
            .help(help),
        );
        return None;
    }
    Some((batch, micro))
}

/// `replicate` counts from 1; each further one has other seeds.
pub fn read(reader: &mut Reader, batch: (u64, u64), budget: &Budget, replicate: u64, cx: &mut Cx<'_>) -> Option<Train> {
    let optimizer = reader
        .need("optimizer", "adamw(lr: 1e-3, betas: (0.9, 0.95), weight_decay: 0.1)", cx)
        .and_then(|node| read_optimizer(&node, cx));
    let lr_schedule = reader
        .need("lr_schedule", "wsd(warmup: 2%, decay: 10%, floor: 10%)", cx)
        .and_then(|node| read_lr_schedule(&node, budget, cx));
    let clip = optional_real(reader, "clip", 1e-12..=f64::MAX, "off", cx);
    let precision = match reader.get("precision") {
        None => {
            cx.note("train.precision", "bf16", None);
            Some(Precision::Bf16)
        }
        Some(node) => {
            let all = [Precision::Bf16, Precision::Fp32, Precision::Fp64];
            let forms: Vec<(&str, &[&'static str])> = all.iter().map(|p| (p.name(), &[] as &[_])).collect();
            Reader::call(&node, "train.precision", &forms, cx).and_then(|(word, inner)| {
                inner.finish(cx);
                cx.note("train.precision", word, Some(&node));
                all.into_iter().find(|p| p.name() == word)
            })
        }
    };
    let ema = optional_real(reader, "ema", 0.0..=0.999_999_9, "off", cx);
    let weight_noise = optional_real(reader, "weight_noise", 0.0..=1.0, "off", cx);
    let seeds = read_seeds(reader, replicate, cx);
    let memory = read_memory(reader, cx);
    let checkpoint = match reader.get("checkpoint_every") {
        None => {
            let every = budget.steps.div_ceil(5);
            cx.note("train.checkpoint_every", format!("{every} steps"), None);
            Some(every)
        }
        Some(node) => reader.quantity("checkpoint_every", &node, Takes::SHARE, cx).and_then(|q| {
            let written = (q.unit == Some(Unit::Percent)).then(|| q.words());
            let n = share("train.checkpoint_every", q, budget.steps, cx)?.max(1);
            cx.note_resolved("train.checkpoint_every", format!("{n} steps"), written, Some(&node));
            Some(n)
        }),
    };
    let checkpoint_keep = super::checkpoint::read_keep(reader, budget, cx);
    let start = super::checkpoint::read_start(reader, cx);
    Some(Train {
        batch_seqs: batch.0,
        micro_batch_seqs: batch.1,
        optimizer: optimizer?,
        lr_schedule: lr_schedule?,
        clip: clip?,
        precision: precision?,
        ema: ema?,
        weight_noise: weight_noise?.unwrap_or(0.0),
        seeds: seeds?,
        memory: memory?,
        checkpoint_every_steps: checkpoint?,
        checkpoint_keep: checkpoint_keep?,
        start: start?,
    })
}

/// Seeds that differ between replicates; which documents validate, and the masks they get, stay.
const REPLICATED: &[&str] = &["init", "subset", "order", "noise"];
/// Between the seeds of one replicate and those of the next.
const REPLICATE_STEP: u64 = 100;

fn read_seeds(reader: &mut Reader, replicate: u64, cx: &mut Cx<'_>) -> Option<Seeds> {
    let mut seeds = reader.sub("seeds", cx);
    let mut seed = |name: &'static str, default: u64, cx: &mut Cx<'_>| -> Option<u32> {
        let n = seeds.whole(name, Takes::PLAIN, 0, Some(default), "1", cx)?;
        let step = if REPLICATED.contains(&name) { REPLICATE_STEP * (replicate - 1) } else { 0 };
        let n = n.saturating_add(step);
        if step > 0
            && let Some(field) = cx.flat.last_mut()
        {
            field.value = n.to_string();
            field.origin = format!("{}, {step} more in replicate {replicate}", field.origin);
        }
        let small = u32::try_from(n).ok();
        if small.is_none() {
            cx.out.push(
                Diagnostic::error(code::OUT_OF_RANGE, format!("the seed `{name}` is {n}, above 2^32 - 1"))
                    .at(seeds.span, "seeds are 32 bits"),
            );
        }
        small
    };
    let values = [("init", 1), ("split", 2), ("subset", 3), ("order", 4), ("noise", 5), ("eval", 6)]
        .map(|(name, default)| seed(name, default, cx));
    seeds.finish(cx);
    let [init, split, subset, order, noise, eval] = values;
    Some(Seeds { init: init?, split: split?, subset: subset?, order: order?, noise: noise?, eval: eval? })
}

/// A room for a step, or none; outer `None` after an error.
#[allow(clippy::option_option)]
fn read_memory(reader: &mut Reader, cx: &mut Cx<'_>) -> Option<Option<Memory>> {
    match reader.get("memory") {
        None => {
            cx.note("train.memory", "off", None);
            Some(None)
        }
        Some(node) if node.value == Value::None => {
            cx.note("train.memory", "off", Some(&node));
            Some(None)
        }
        Some(node) => {
            let q = reader.quantity("memory", &node, Takes::BYTES, cx)?;
            let words = q.words();
            // `1.3 GiB` is no whole number of bytes, and no mistake.
            let bytes = in_range("train.memory", q, 1.0..=f64::MAX, cx)?.floor() as u64;
            cx.note("train.memory", words, Some(&node));
            Some(Some(Memory { bytes, span: node.span }))
        }
    }
}

/// A number, or `none`; outer `None` after an error.
#[allow(clippy::option_option)]
fn optional_real(
    reader: &mut Reader,
    name: &'static str,
    range: std::ops::RangeInclusive<f64>,
    off: &str,
    cx: &mut Cx<'_>,
) -> Option<Option<f64>> {
    let path = reader.sub_path(name);
    match reader.get(name) {
        None => {
            cx.note(&path, off, None);
            Some(None)
        }
        Some(node) if node.value == Value::None => {
            cx.note(&path, off, Some(&node));
            Some(None)
        }
        Some(node) => {
            let q = reader.quantity(name, &node, Takes::PLAIN, cx)?;
            let x = in_range(&path, q, range, cx)?;
            cx.note(&path, x, Some(&node));
            Some(Some(x))
        }
    }
}

fn read_optimizer(node: &Node, cx: &mut Cx<'_>) -> Option<AdamW> {
    let forms: &[(&str, &[&'static str])] = &[("adamw", &["lr", "betas", "weight_decay", "eps"])];
    let (_, mut reader) = Reader::call(node, "train.optimizer", forms, cx)?;
    cx.note("train.optimizer", "adamw", Some(node));
    let lr = reader.real("lr", Takes::PLAIN, 0.0..=1e3, None, "1e-3", cx);
    let weight_decay = reader.real("weight_decay", Takes::PLAIN, 0.0..=1e3, Some(0.0), "0.1", cx);
    let eps = reader.real("eps", Takes::PLAIN, f64::MIN_POSITIVE..=1.0, Some(ADAM_EPS), "1e-8", cx);
    let betas = match reader.get("betas") {
        None => {
            cx.note("train.optimizer.betas", "(0.9, 0.95)", None);
            Some((0.9, 0.95))
        }
        Some(ref node @ Node { value: Value::Tuple(ref items), .. }) if items.len() == 2 => {
            let mut read = |item: &Node| {
                let q = super::reader::quantity("train.optimizer.betas", item, Takes::PLAIN, cx)?;
                in_range("train.optimizer.betas", q, 0.0..=0.999_999_999, cx)
            };
            let both: Vec<Option<f64>> = items.iter().map(&mut read).collect();
            match both.as_slice() {
                [Some(a), Some(b)] => {
                    cx.note("train.optimizer.betas", format!("({a}, {b})"), Some(node));
                    Some((*a, *b))
                }
                _ => None,
            }
        }
        Some(other) => {
            cx.wrong_type(&other, "train.optimizer.betas", "two numbers `(0.9, 0.95)`");
            None
        }
    };
    reader.finish(cx);
    let (beta1, beta2) = betas?;
    Some(AdamW { lr: lr?, beta1, beta2, eps: eps?, weight_decay: weight_decay? })
}

/// A share of the run in steps.
fn share(path: &str, q: Quantity, steps: u64, cx: &mut Cx<'_>) -> Option<u64> {
    if q.unit == Some(Unit::Percent) {
        let fraction = in_range(path, q, 0.0..=1.0, cx)?;
        return Some((fraction * steps as f64).round() as u64);
    }
    whole(path, q, 0, cx)
}

fn read_lr_schedule(node: &Node, budget: &Budget, cx: &mut Cx<'_>) -> Option<LrSchedule> {
    let forms: &[(&str, &[&'static str])] =
        &[("constant", &["warmup"]), ("cosine", &["warmup", "floor"]), ("wsd", &["warmup", "decay", "floor"])];
    let (word, mut reader) = Reader::call(node, "train.lr_schedule", forms, cx)?;
    cx.note("train.lr_schedule", word, Some(node));
    let steps = budget.steps;
    let part = |reader: &mut Reader, name: &'static str, default: Option<u64>, cx: &mut Cx<'_>| -> Option<u64> {
        let path = reader.sub_path(name);
        let node = match (reader.is_given(name), default) {
            (false, Some(default)) => {
                reader.get(name);
                cx.note(&path, format!("{default} steps"), None);
                return Some(default);
            }
            _ => reader.need(name, "2%", cx)?,
        };
        let q = reader.quantity(name, &node, Takes::SHARE, cx)?;
        let written = (q.unit == Some(Unit::Percent)).then(|| q.words());
        let n = share(&path, q, steps, cx)?;
        cx.note_resolved(&path, format!("{n} steps"), written, Some(&node));
        Some(n)
    };
    let warmup = part(&mut reader, "warmup", Some(0), cx);
    let decay = if word == "wsd" { part(&mut reader, "decay", None, cx) } else { Some(0) };
    let floor = if word == "constant" {
        Some(1.0)
    } else {
        reader.real("floor", Takes::FRACTION, 0.0..=1.0, Some(0.0), "10%", cx)
    };
    reader.finish(cx);
    let (warmup, decay, floor) = (warmup?, decay?, floor?);
    if warmup + decay > steps {
        cx.out.push(
            Diagnostic::error(
                code::OUT_OF_RANGE,
                format!("warm-up and decay take {} of {steps} steps", warmup + decay),
            )
            .at(node.span, format!("{warmup} steps of warm-up, {decay} of decay"))
            .help("shorten one of them"),
        );
        return None;
    }
    Some(match word {
        "constant" => LrSchedule::Constant { warmup },
        "cosine" => LrSchedule::Cosine { warmup, floor, steps },
        _ => LrSchedule::Wsd { warmup, decay, floor, steps },
    })
}
