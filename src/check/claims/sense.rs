//! Whether a claim can be decided at all by the runs to come: enough evaluations, arms that are evaluated
//! alike, points to go along, trials to choose from. Each mistake is reported once a claim, at the first
//! point that has it.

use super::Reader;
use super::call::listed;
use super::types::{Claim, Metric, Progress, Quantity, Reads, Statement};
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Span};
use crate::check::spec::{Arm, AxisKind, Coordinate};
use std::collections::{BTreeMap, BTreeSet};

/// A crossing needs an evaluation on each side, and one that says it stays; so does an onset, after the best one.
pub const MIN_EVALUATIONS: usize = 3;

impl<'a> Reader<'a, '_> {
    /// Reports what makes the claim undecidable. `span`: what it claims.
    pub(super) fn sensible(&mut self, claim: &Claim, span: Span) -> bool {
        let before = self.cx.out.n_errors();
        // Points that `--point` leaves out are there when all of the sweep runs.
        let is_part = self.subject.spec.is_part;
        if let Some(axis) = claim.statement.along()
            && is_part
            && !self.goes_somewhere(claim, axis)
        {
            return false;
        }
        if let Some(axis) = claim.statement.along() {
            self.goes_along(claim, axis, span);
        }
        if claim.statement.reads().iter().any(|read| !read.each().is_empty()) {
            if is_part {
                return false;
            }
            self.has_trials(claim, span);
        }
        if self.variants_are_complete() && self.is_measured(claim, span) {
            self.is_evaluated(claim, span);
            self.is_paired(claim, span);
        }
        self.cx.out.n_errors() == before
    }

    /// Variants stand point by point, unless some of them are wrong and left out.
    fn variants_are_complete(&self) -> bool {
        let subject = self.subject;
        !subject.variants.is_empty() && subject.variants.len() == subject.points().len() * subject.arms.len()
    }

    fn variant(&self, arm: &str, point: usize) -> Option<&'a Arm> {
        let subject = self.subject;
        let arm = subject.arms.iter().position(|name| name == arm)?;
        subject.variants.get(point * subject.arms.len() + arm)
    }

    /// The values of an axis at the points of the claim, as indices, ascending.
    fn values(&self, claim: &Claim, axis: usize) -> BTreeSet<usize> {
        let point = |i: &usize| self.subject.points().get(*i)?.coordinates.get(axis).map(|c| c.index);
        claim.points.iter().filter_map(point).collect()
    }

    /// Whether two points of the claim differ in that axis alone, replicates aside.
    fn goes_somewhere(&self, claim: &Claim, axis: usize) -> bool {
        let mut seen: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for point in claim.points.iter().filter_map(|i| self.subject.points().get(*i)) {
            let rest = |(i, c): (usize, &Coordinate)| (i != axis && !self.repeats(i)).then_some(c.index);
            let key: Vec<usize> = point.coordinates.iter().enumerate().filter_map(rest).collect();
            let own = point.coordinates.get(axis).map_or(0, |c| c.index);
            if *seen.entry(key).or_insert(own) != own {
                return true;
            }
        }
        false
    }

    fn repeats(&self, axis: usize) -> bool {
        self.subject.axes().get(axis).is_some_and(|axis| axis.kind == AxisKind::Replicate)
    }

    /// Something increases along an axis only where two points differ in it alone, and only if its values do.
    fn goes_along(&mut self, claim: &Claim, index: usize, span: Span) {
        let values = self.values(claim, index);
        let Some(axis) = self.subject.axes().get(index) else { return };
        if !self.goes_somewhere(claim, index) {
            self.report(
                Diagnostic::error(code::BAD_CLAIM, format!("no two points differ in `{}` alone", axis.label))
                    .at(span, "at the points of this claim")
                    .also(axis.span, "the axis")
                    .help("let `at` choose more points, or give the axis more values"),
            );
            return;
        }
        let numbers: Vec<f64> =
            values.iter().filter_map(|i| axis.values.get(*i)?.number).map(|number| number.to_f64()).collect();
        let ascends = numbers.windows(2).all(|pair| pair.first() < pair.last());
        if numbers.len() == values.len() && !ascends {
            self.report(
                Diagnostic::error(code::BAD_CLAIM, format!("the values of `{}` do not ascend", axis.label))
                    .at(span, "reads them in the order of the file")
                    .also(axis.span, "the axis")
                    .help("list them from the smallest to the largest"),
            );
        }
    }

    /// `best_over` needs two trials to choose from, and as many of one arm as of the other.
    fn has_trials(&mut self, claim: &Claim, span: Span) {
        let subject = self.subject;
        let reads = claim.statement.reads();
        let arms: BTreeSet<&str> = reads.iter().flat_map(Reads::arms).collect();
        let each = reads.iter().map(Reads::each).max_by_key(|each| each.len()).unwrap_or(&[]);
        let labels: Vec<&str> =
            each.iter().filter_map(|i| subject.axes().get(*i)).map(|axis| axis.label.as_str()).collect();
        let labels = labels.join(", ");
        let less = reads.iter().find(|read| read.each() != each);
        if let (Some(less), true) = (less, arms.len() > 1) {
            let arm = less.arms().first().copied().unwrap_or_default();
            self.report(
                Diagnostic::error(code::UNEQUAL_TRIALS, "the arms have different numbers of trials")
                    .at(span, format!("`{arm}` is not at its best over {labels}, another arm is"))
                    .note("an arm that is tried more often looks better by that alone")
                    .help(format!("write `each: best_over({labels})` for each arm, or for none")),
            );
            return;
        }
        let chosen_by = |axis: usize| each.contains(&axis) || self.repeats(axis);
        // Points that share everything but what is chosen are one place, in which each arm has its trials.
        let mut places: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for i in &claim.points {
            let Some(point) = subject.points().get(*i) else { continue };
            let rest = |(axis, c): (usize, &Coordinate)| (!chosen_by(axis)).then_some(c.index);
            let key: Vec<usize> = point.coordinates.iter().enumerate().filter_map(rest).collect();
            places.entry(key).or_default().push(*i);
        }
        for points in places.values() {
            let counts: Vec<(&str, usize)> = arms.iter().map(|arm| (*arm, self.n_trials(arm, points, each))).collect();
            let fewest = counts.iter().map(|(_, n)| *n).min().unwrap_or(0);
            let unequal = counts.iter().any(|(_, n)| *n != fewest);
            if fewest < 2 || unequal {
                let each: Vec<String> = counts.iter().map(|(arm, n)| format!("{n} of `{arm}`")).collect();
                let at =
                    points.first().and_then(|i| subject.points().get(*i)).map_or(String::new(), |p| format!(" ({p})"));
                self.report(
                    Diagnostic::error(
                        code::UNEQUAL_TRIALS,
                        if unequal { "the arms have different numbers of trials" } else { "one trial to choose from" },
                    )
                    .at(span, format!("different runs along {labels}{at}: {}", each.join(", ")))
                    .note("an arm that is tried more often looks better by that alone")
                    .help(
                        "give each arm the same number of different points, at least two, on the axes of `best_over`",
                    ),
                );
                return;
            }
        }
    }

    /// Runs of the arm at these points that differ in something; with unsound variants, the points.
    fn n_trials(&self, arm: &str, points: &[usize], each: &[usize]) -> usize {
        if self.variants_are_complete() {
            let fields = |i: &usize| {
                let fields = self.variant(arm, *i)?.flat.iter();
                // Seeds are the replicates' to vary.
                let fields = fields.filter(|field| !field.path.starts_with("train.seeds"));
                Some(fields.map(|field| (field.path.as_str(), field.value.as_str())).collect::<Vec<_>>())
            };
            let distinct: BTreeSet<Vec<(&str, &str)>> = points.iter().filter_map(fields).collect();
            return distinct.len();
        }
        let value = |i: &usize| {
            let point = self.subject.points().get(*i)?;
            Some(each.iter().filter_map(|axis| point.coordinates.get(*axis)).map(|c| c.index).collect::<Vec<_>>())
        };
        points.iter().filter_map(value).collect::<BTreeSet<_>>().len()
    }

    /// Every arm of the claim measures, at each of its points, what the claim reads of it.
    fn is_measured(&mut self, claim: &Claim, span: Span) -> bool {
        for read in claim.statement.reads() {
            for point in &claim.points {
                for arm in read.arms().into_iter().filter_map(|arm| self.variant(arm, *point)) {
                    let measured = arm.eval.measures();
                    if measured.contains(read.metric()) {
                        continue;
                    }
                    self.report(
                        Diagnostic::error(
                            code::UNMEASURED,
                            format!("`{}` does not measure `{}`", arm.title(), read.metric()),
                        )
                        .at(span, "reads what another arm or point measures alone")
                        .note(format!("it measures {}", listed(&measured)))
                        .help("give all of the claim's arms and points one `eval`, or choose points with `at`"),
                    );
                    return false;
                }
            }
        }
        true
    }

    /// Enough evaluations for a crossing or an onset, of two arms at the same steps; `before` with an effect.
    fn is_evaluated(&mut self, claim: &Claim, span: Span) {
        for read in claim.statement.reads() {
            let what = match read {
                Reads::Crossover(_) => "a crossover",
                Reads::Onset(_) => "an onset",
                Reads::Best(_) | Reads::BestAt(_) | Reads::Final(_) | Reads::Gap(_) => continue,
            };
            for point in &claim.points {
                let arms: Vec<&Arm> = read.arms().into_iter().filter_map(|arm| self.variant(arm, *point)).collect();
                let (Some(of), Some(than)) = (arms.first().copied(), arms.last().copied()) else { continue };
                for arm in &arms {
                    let n = before_decay(arm).count();
                    if n < MIN_EVALUATIONS {
                        let decays = before_decay(arm).count() < arm.eval.at_steps.len();
                        let until = if decays { " before the learning rate decays" } else { "" };
                        let evaluations = if n == 1 { "evaluation" } else { "evaluations" };
                        self.report(
                            Diagnostic::error(
                                code::FEW_EVALUATIONS,
                                format!("{n} {evaluations} of `{}`{until}", arm.title()),
                            )
                            .at(span, format!("{what} needs at least {MIN_EVALUATIONS}"))
                            .help("evaluate more often: a smaller `eval.every`"),
                        );
                        return;
                    }
                }
                let steps = |arm: &Arm| {
                    arm.eval.at_steps.iter().map(|step| step * arm.budget.tokens_per_step).collect::<Vec<u64>>()
                };
                if of.eval.at_steps != than.eval.at_steps || steps(of) != steps(than) {
                    self.report(
                        Diagnostic::error(
                            code::UNPAIRED_ARMS,
                            format!("`{}` and `{}` are not evaluated at the same steps", of.title(), than.title()),
                        )
                        .at(span, "a crossover compares evaluation by evaluation")
                        .help("give both arms one batch, one budget and one `eval.every`"),
                    );
                    return;
                }
            }
        }
        self.before_matters(claim, span);
    }

    /// A limit beyond the last evaluation before the decay limits nothing.
    fn before_matters(&mut self, claim: &Claim, span: Span) {
        let Statement::CrossoverBefore { crossover, limit, unit } = &claim.statement else { return };
        let last = |point: &usize| {
            let arm = self.variant(&crossover.of, *point)?;
            let step = before_decay(arm).last()?;
            let tokens = (step * arm.budget.tokens_per_step) as f64;
            match unit {
                Progress::Step => Some(step as f64),
                Progress::Tokens => Some(tokens),
                Progress::Epoch => Some(tokens / arm.budget.unique_tokens? as f64),
            }
        };
        let lasts: Option<Vec<f64>> = claim.points.iter().map(last).collect();
        let Some(latest) = lasts.and_then(|lasts| lasts.into_iter().reduce(f64::max)) else { return };
        if *limit > latest {
            let (unit, shown) = match unit {
                Progress::Epoch => ("epochs", format!("{}", (latest * 10.0).round() / 10.0)),
                Progress::Tokens => ("tokens", grouped(latest as u64)),
                Progress::Step => ("steps", grouped(latest as u64)),
            };
            self.report(
                Diagnostic::error(code::NO_EFFECT, "`before` limits nothing")
                    .at(span, format!("the last evaluation that counts is at {shown} {unit}"))
                    .note("a crossing counts up to the start of the learning-rate decay")
                    .help("name an earlier time, or leave out `before`"),
            );
        }
    }

    /// Arms of one claim are judged on the same documents or items; along an axis, in the same unit.
    fn is_paired(&mut self, claim: &Claim, span: Span) {
        let reads = claim.statement.reads();
        let metrics: BTreeSet<&Metric> = reads.iter().map(Reads::metric).collect();
        metrics.into_iter().all(|metric| self.is_paired_on(claim, metric, span));
    }

    /// Of one metric; false where a mistake was reported.
    fn is_paired_on(&mut self, claim: &Claim, metric: &Metric, span: Span) -> bool {
        let reads = claim.statement.reads();
        let reads: Vec<&Reads<'_>> = reads.iter().filter(|read| read.metric() == metric).collect();
        let arms: BTreeSet<&str> = reads.iter().flat_map(|read| read.arms()).collect();
        let each: BTreeSet<usize> = reads.iter().flat_map(|read| read.each()).copied().collect();
        let mut first_of_all: Option<&Arm> = None;
        let mut first_of_place: BTreeMap<Vec<usize>, &Arm> = BTreeMap::new();
        for point in &claim.points {
            let Some(place) = self.subject.points().get(*point) else { continue };
            let key: Vec<usize> =
                place.coordinates.iter().enumerate().filter(|(i, _)| !each.contains(i)).map(|(_, c)| c.index).collect();
            for arm in arms.iter().filter_map(|arm| self.variant(arm, *point)) {
                let first = *first_of_place.entry(key.clone()).or_insert(arm);
                if let Some((message, help)) = differ_on(metric, first, arm) {
                    self.report(
                        Diagnostic::error(code::UNPAIRED_ARMS, message)
                            .at(span, "a claim compares them document by document, item by item")
                            .help(help),
                    );
                    return false;
                }
                let first = *first_of_all.get_or_insert(arm);
                let in_nats = matches!(claim.statement, Statement::Monotone { quantity: Quantity::Loss, .. });
                if in_nats && first.data.tokenizer != arm.data.tokenizer {
                    self.report(
                        Diagnostic::error(
                            code::UNPAIRED_ARMS,
                            format!("the losses of `{}` and `{}` have different units", first.title(), arm.title()),
                        )
                        .at(span, "nats per token of one tokenizer say nothing about another's")
                        .help("choose points of one tokenizer with `at`"),
                    );
                    return false;
                }
            }
        }
        true
    }
}

/// The evaluations that no decay of the learning rate has touched, as steps.
fn before_decay(arm: &Arm) -> impl Iterator<Item = u64> {
    let from = arm.train.lr_schedule.decay_from(arm.budget.steps);
    arm.eval.at_steps.iter().copied().filter(move |step| *step <= from)
}

/// What is wrong, and the way out, where two arms do not measure a metric on the same documents or items.
fn differ_on(metric: &Metric, a: &Arm, b: &Arm) -> Option<(String, String)> {
    let titles = || format!("`{}` and `{}`", a.title(), b.title());
    let validated = || {
        let message = format!("{} are validated on different documents", titles());
        (message, "give them one source, split, tokenizer, `seq` and `valid`".to_owned())
    };
    let settings = |path: String| {
        let own = |arm: &Arm| {
            let under =
                |at: &str| at == path || at.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.'));
            let fields = arm.flat.iter().filter(|field| under(&field.path));
            fields.map(|field| (field.path.clone(), field.value.clone())).collect::<Vec<_>>()
        };
        let message = format!("{} measure `{metric}` on different {}", titles(), metric.item_word());
        (own(a) != own(b)).then(|| (message, format!("give them one `{path}`")))
    };
    match metric {
        Metric::Loss(set) if set == "valid" => (!same_documents(a, b)).then(validated),
        // What each trains on decides it; the hashes of the runs say whether they agree.
        Metric::Loss(set) if set == "train" => None,
        Metric::Loss(set) => settings(format!("eval.corpora.{set}")),
        Metric::Task(task, _) => settings(format!("eval.tasks.{task}")),
    }
}

fn same_documents(a: &Arm, b: &Arm) -> bool {
    let (x, y) = (&a.data, &b.data);
    let (p, q) = (x.validated(), y.validated());
    (&p.kind, &p.base) == (&q.kind, &q.base)
        && (&x.tokenizer, x.seq, x.valid, x.max_valid_per_document, x.split, x.duplicates)
            == (&y.tokenizer, y.seq, y.valid, y.max_valid_per_document, y.split, y.duplicates)
        && a.train.seeds.split == b.train.seeds.split
}
