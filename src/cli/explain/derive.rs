//! Which resolved values follow from which: the arithmetic of the budget, the vocabulary and the lengths,
//! in words and with the numbers of one variant.

use crate::base::Number;
use crate::base::number::grouped;
use crate::check::spec::{Arm, FlatField, LrSchedule};

/// How a value came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// With the paths: `floor(total / budget.tokens_per_step)`.
    pub formula: String,
    /// The same with numbers.
    pub numbers: String,
    /// The paths in it.
    pub from: Vec<&'static str>,
}

/// Paths that [`of`] knows.
const DERIVED: &[&str] = &[
    "budget.epochs",
    "budget.steps",
    "budget.tokens_per_step",
    "budget.unique_tokens",
    "data.epochs",
    "data.total",
    "data.unique",
    "eval.batch",
    "eval.times",
    "train.checkpoint_every",
    "train.lr_schedule",
    "train.lr_schedule.decay",
    "train.lr_schedule.warmup",
    "train.micro_batch",
    "vocab.end_of_document",
    "vocab.mask",
    "vocab.size",
];

fn derivation(formula: &str, numbers: String, from: &[&'static str]) -> Option<Derivation> {
    Some(Derivation { formula: formula.to_string(), numbers, from: from.to_vec() })
}

/// What stands behind the field of that path, where something does.
pub fn of(path: &str, arm: &Arm) -> Option<Derivation> {
    let (budget, data, train) = (&arm.budget, &arm.data, &arm.train);
    let (steps, per_step, seq) = (budget.steps, budget.tokens_per_step, data.seq);
    let field = |path: &str| arm.flat.iter().find(|f| f.path == path);
    let is_given = |path: &str| field(path).is_some_and(|f| f.origin != "derived");
    let total = budget.total_tokens;
    match path {
        "budget.tokens_per_step" => derivation(
            "train.batch x data.seq",
            format!("{} x {}", grouped(train.batch_seqs), grouped(seq)),
            &["train.batch", "data.seq"],
        ),
        "budget.unique_tokens" => {
            let unique = budget.unique_tokens?;
            let chunks = unique / seq;
            match data.unique_tokens {
                Some(asked) => derivation(
                    "data.unique, in whole chunks of data.seq",
                    format!(
                        "floor({} / {}) = {} chunks of {}",
                        grouped(asked),
                        grouped(seq),
                        grouped(chunks),
                        grouped(seq)
                    ),
                    &["data.unique", "data.seq"],
                ),
                None => derivation(
                    "data.total / data.epochs, in whole chunks of data.seq",
                    format!("{} chunks of {}", grouped(chunks), grouped(seq)),
                    &["data.total", "data.epochs", "data.seq"],
                ),
            }
        }
        "budget.steps" => {
            let left = match budget.left_over_tokens {
                0 => String::new(),
                n => format!(", {} tokens left over", grouped(n)),
            };
            if is_given("data.total") {
                derivation(
                    "floor(data.total / budget.tokens_per_step)",
                    format!("floor({} / {}){left}", grouped(total), grouped(per_step)),
                    &["data.total", "budget.tokens_per_step"],
                )
            } else {
                derivation(
                    "floor(budget.unique_tokens x data.epochs / budget.tokens_per_step)",
                    format!(
                        "floor({} x {} / {}) = floor({} / {}){left}",
                        grouped(budget.unique_tokens?),
                        field("data.epochs")?.value,
                        grouped(per_step),
                        grouped(total),
                        grouped(per_step)
                    ),
                    &["budget.unique_tokens", "data.epochs", "budget.tokens_per_step"],
                )
            }
        }
        "budget.epochs" => derivation(
            "budget.steps x budget.tokens_per_step / budget.unique_tokens",
            format!("{} x {} / {}", grouped(steps), grouped(per_step), grouped(budget.unique_tokens?)),
            &["budget.steps", "budget.tokens_per_step", "budget.unique_tokens"],
        ),
        "data.unique" | "data.epochs" | "data.total" if !is_given(path) => derivation(
            match path {
                "data.unique" => "data.total / data.epochs",
                "data.epochs" => "data.total / data.unique",
                _ => "data.unique x data.epochs",
            },
            "two of the three decide; a stronger setting of the other two overruled this one".into(),
            match path {
                "data.unique" => &["data.total", "data.epochs"],
                "data.epochs" => &["data.total", "data.unique"],
                _ => &["data.unique", "data.epochs"],
            },
        ),
        "vocab.size" => {
            let mask = if arm.vocab.mask.is_some() { " + mask" } else { "" };
            let n = arm.vocab.n_predictable() + u64::from(arm.vocab.mask.is_some());
            let end = if arm.vocab.eod < arm.vocab.n_ids { "" } else { " + end of document" };
            if is_given("data.vocab") {
                return derivation(
                    "data.vocab",
                    format!("{} ids are in use", grouped(n)),
                    &["data.vocab", "data.tokenizer"],
                );
            }
            derivation(
                "the tokenizer's ids + end of document + mask if an arm needs it, up to a multiple of 64",
                format!("{}{end}{mask} = {}", grouped(arm.vocab.n_ids), grouped(n)),
                &["data.tokenizer"],
            )
        }
        "vocab.end_of_document" if arm.vocab.eod < arm.vocab.n_ids => derivation(
            "one of the tokenizer's ids, as declared",
            format!("0 to {} are the tokenizer's", arm.vocab.n_ids.saturating_sub(1)),
            &["data.tokenizer"],
        ),
        "vocab.end_of_document" => derivation(
            "the first id after the tokenizer's",
            format!("0 to {} are the tokenizer's", arm.vocab.n_ids.saturating_sub(1)),
            &["data.tokenizer"],
        ),
        "vocab.mask" => derivation(
            "the id after all that can be data, in all arms as soon as one needs it",
            String::new(),
            &["data.tokenizer", "objective"],
        ),
        "train.lr_schedule.warmup" | "train.lr_schedule.decay" | "train.checkpoint_every" => {
            let of = field(path)?;
            match &of.written {
                Some(written) => derivation(
                    &format!("{written} of budget.steps"),
                    format!("{written} of {}", grouped(steps)),
                    &["budget.steps"],
                ),
                None if path == "train.checkpoint_every" && of.origin == "default" => derivation(
                    "a fifth of budget.steps, rounded up",
                    format!("{} / 5", grouped(steps)),
                    &["budget.steps"],
                ),
                None => None,
            }
        }
        "train.micro_batch" if !is_set(field(path)) => {
            derivation("train.batch", grouped(train.batch_seqs), &["train.batch"])
        }
        "eval.batch" if !is_set(field(path)) => {
            derivation("train.micro_batch", grouped(train.micro_batch_seqs), &["train.micro_batch"])
        }
        "eval.times" => derivation(
            "the first steps at or past each multiple of eval.every, and the last step",
            match arm.eval.at_steps.as_slice() {
                [first, second, .., last] => format!("steps {first}, {second}, ... {last}"),
                few => format!("steps {}", few.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
            },
            &["eval.every", "budget.steps", "budget.unique_tokens"],
        ),
        "train.lr_schedule" => {
            let lr = train.optimizer.lr;
            let text = match train.lr_schedule {
                LrSchedule::Constant { warmup } => format!("{warmup} steps up to {}, then constant", real(lr)),
                LrSchedule::Cosine { warmup, floor, steps } => {
                    format!("{warmup} steps up to {}, then a cosine to {} at step {steps}", real(lr), real(lr * floor))
                }
                LrSchedule::Wsd { warmup, decay, floor, steps } => format!(
                    "{warmup} steps up to {}, constant to step {}, then {decay} steps down to {}",
                    real(lr),
                    steps.saturating_sub(decay),
                    real(lr * floor)
                ),
            };
            derivation("the learning rate over the run", text, &["train.optimizer.lr", "budget.steps"])
        }
        _ => None,
    }
}

fn is_set(field: Option<&FlatField>) -> bool {
    field.is_some_and(|f| f.origin != "default" && f.origin != "derived")
}

fn real(x: f64) -> String {
    Number::Real(x).to_string()
}

/// The paths of a variant that follow from this one.
pub fn followers<'a>(path: &str, arm: &'a Arm) -> Vec<&'a FlatField> {
    let follows = |f: &&FlatField| of(&f.path, arm).is_some_and(|d| d.from.contains(&path));
    arm.flat.iter().filter(|f| DERIVED.contains(&f.path.as_str())).filter(follows).collect()
}
