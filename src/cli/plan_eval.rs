//! What an evaluation costs, text by text and task by task: passes of the model and their FLOPs.

use super::env;
use super::plan::{ArmPlan, Planned};
use crate::check::spec::{Amount, Arm, Metric, Task, TextSet, Tokenizer, scores_answers};
use crate::data::tasks;
use crate::objective::n_answer_rows;
use crate::report::words::count;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One part of an evaluation; NaN where only data that has not been read says how much it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `loss(valid)`, or the name of a task.
    pub name: String,
    /// Rows that the model reads.
    pub passes: f64,
    pub flops: f64,
    /// Whether lengths are estimated from characters, since the tokenizer is not read.
    pub about: bool,
}

/// How long the options of a task's items are.
#[derive(Clone, Debug, Default)]
pub struct Lengths {
    /// Of context and option in tokens, and of the option; about, where the tokenizer is not read.
    options: Vec<(u64, u64)>,
    about: bool,
}

/// Items that were read, by task and by what makes tokens of them.
#[derive(Default)]
pub struct Reader {
    known: Vec<(Task, u32, Tokenizer, Option<Arc<Lengths>>)>,
}

impl Reader {
    /// `None` where the items cannot be read.
    fn lengths(&mut self, task: &Task, arm: &Arm) -> Option<Arc<Lengths>> {
        let (seed, tokenizer) = (arm.train.seeds.eval, &arm.data.tokenizer);
        if let Some((.., known)) = self.known.iter().find(|(t, s, k, _)| t == task && *s == seed && k == tokenizer) {
            return known.clone();
        }
        let items = tasks::read(task, seed, &env::corpus()).ok();
        let lengths = items.map(|items| Arc::new(Lengths::of(&items, tokenizer)));
        self.known.push((task.clone(), seed, tokenizer.clone(), lengths.clone()));
        lengths
    }

    /// The parts of each evaluation; `forward` gives the FLOPs of a pass over one row of so many positions, and
    /// `validated` those over a row of validation.
    pub fn parts(&mut self, arm: &Arm, validated: f64, forward: &dyn Fn(u64) -> f64) -> Vec<Part> {
        let valid = match arm.data.valid {
            Amount::Tokens(n) => Some(n / arm.data.seq),
            // A share of a corpus that has not been read.
            Amount::Fraction(_) => None,
        };
        let text = |name: &str, chunks: Option<u64>| {
            let passes = chunks.map_or(f64::NAN, |n| (n * arm.eval.draws) as f64);
            Part { name: Metric::Loss(name.into()).to_string(), passes, flops: passes * validated, about: false }
        };
        let mut parts = vec![text("valid", valid)];
        for set in &arm.eval.sets {
            let chunks = match set {
                TextSet::Train => match (valid, arm.budget.unique_tokens) {
                    (Some(valid), Some(unique)) => Some(valid.min(unique / arm.data.seq)),
                    (valid, _) => valid,
                },
                TextSet::Corpus(corpus) => Some((corpus.tokens / arm.data.seq).max(1)),
            };
            parts.push(text(set.name(), chunks));
        }
        for task in arm.eval.tasks.iter().filter(|_| scores_answers(&arm.objective)) {
            parts.push(self.task(task, arm, forward));
        }
        parts
    }

    fn task(&mut self, task: &Task, arm: &Arm, forward: &dyn Fn(u64) -> f64) -> Part {
        let name = task.name.clone();
        let Some(lengths) = self.lengths(task, arm) else {
            return Part { name, passes: f64::NAN, flops: f64::NAN, about: false };
        };
        // Passes by length: many options are as long as others.
        let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
        for (all, answer) in &lengths.options {
            let n = n_answer_rows(&arm.objective, *answer as usize, task.masks);
            *rows.entry((*all).min(arm.data.seq)).or_default() += n;
        }
        let passes = rows.values().sum::<u64>() as f64;
        let flops = rows.iter().map(|(length, n)| forward(*length) * *n as f64).sum();
        Part { name, passes, flops, about: lengths.about }
    }
}

impl Lengths {
    fn of(items: &tasks::Items, tokenizer: &Tokenizer) -> Lengths {
        /// Characters of a token of English text, about, under the common subword tokenizers.
        const CHARACTERS: u64 = 4;
        let (measure, about): (fn(&str) -> u64, bool) = match tokenizer {
            Tokenizer::Bytes => (|text| text.len() as u64, false),
            Tokenizer::Chars { .. } => (|text| text.chars().count() as u64, false),
            Tokenizer::File { .. } | Tokenizer::Bpe { .. } | Tokenizer::Ids { .. } => {
                (|text| (text.chars().count() as u64).div_ceil(CHARACTERS), true)
            }
        };
        let mut options = vec![];
        for item in &items.items {
            // Nothing stands for an empty context but an end of document.
            let context = measure(&item.context).max(1);
            options.extend(item.options.iter().map(|option| (context + measure(option), measure(option))));
        }
        Lengths { options, about }
    }
}

/// The parts of a variant's plan as JSON.
pub fn to_json(plan: &ArmPlan) -> Value {
    let number = |x: f64| x.is_finite().then_some(x);
    let part = |part: &Part| json!({ "name": part.name, "passes": number(part.passes), "flops": number(part.flops), "about": part.about });
    plan.evaluation.iter().map(part).collect::<Vec<_>>().into()
}

/// A table of the parts, where there are others than the validation loss.
pub fn rows(plans: &[Planned<'_>]) -> Vec<Vec<String>> {
    if plans.iter().all(|(_, plan)| plan.evaluation.len() < 2) {
        return vec![];
    }
    let header = ["each evaluation", "", "passes", "FLOPs", "in the whole run"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (arm, plan) in plans {
        for (i, part) in plan.evaluation.iter().enumerate() {
            let about = if part.about { "about " } else { "" };
            let whole = part.flops * arm.eval.at_steps.len() as f64;
            let share = whole / (plan.conventions.counted + plan.evaluation_flops);
            let known = |text: String| if part.flops.is_finite() { text } else { "after reading".into() };
            let share = if share.is_finite() { format!(", {:.1}% of it", 100.0 * share) } else { String::new() };
            rows.push(vec![
                if i == 0 { arm.name.clone() } else { String::new() },
                part.name.clone(),
                known(count(part.passes as u64)),
                known(format!("{about}{:.3e}", part.flops)),
                known(format!("{about}{whole:.3e}{share}")),
            ]);
        }
    }
    rows
}
