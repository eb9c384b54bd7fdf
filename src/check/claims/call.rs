//! The calls that a claim is made of: their arguments by position and name, arms, metrics, axes.

use super::Reader;
use super::types::Metric;
use crate::ast::{Arg, Expr, ExprKind, Ident};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};

/// The arguments of one call, being read.
pub(super) struct Args<'e> {
    what: String,
    span: Span,
    given: Vec<(String, &'e Expr)>,
}

impl<'e> Args<'e> {
    pub fn get(&self, name: &str) -> Option<&'e Expr> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, expr)| *expr)
    }
}

/// What every call of a claim says of itself, in the order of its arguments: those before the bar go by position.
pub(super) const FORMS: &[(&str, &[&str], &[&str])] = &[
    ("crossover", &["metric"], &["of", "under", "over", "each"]),
    ("best", &["metric"], &["of", "each"]),
    ("final", &["metric"], &["of", "each"]),
    ("onset", &["metric"], &["of", "each"]),
    ("gap", &["metric"], &["of", "to", "each"]),
    ("increasing", &["value"], &["along"]),
    ("decreasing", &["value"], &["along"]),
    ("published", &["value", "source"], &[]),
];

impl Reader<'_, '_> {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.cx.out.push(diagnostic);
    }

    /// Sorts the arguments of `callee` by name. Reports those that are too many, doubled or unknown.
    pub(super) fn args<'e>(
        &mut self,
        callee: &Ident,
        args: &'e [Arg],
        span: Span,
        by_position: &[&str],
        by_name: &[&str],
    ) -> Args<'e> {
        let what = format!("`{}`", callee.text);
        let mut result = Args { what: what.clone(), span, given: vec![] };
        let known = || by_position.iter().chain(by_name).copied();
        let mut position = 0;
        for arg in args {
            let name = match &arg.name {
                None => {
                    position += 1;
                    let Some(name) = by_position.get(position - 1) else {
                        self.report(
                            Diagnostic::error(code::UNKNOWN_FIELD, format!("{what} takes no such argument"))
                                .at(arg.value.span, "without a name")
                                .help(format!("its arguments are {}", known().collect::<Vec<_>>().join(", "))),
                        );
                        continue;
                    };
                    Ident { text: (*name).to_string(), span: arg.value.span }
                }
                Some(name) => name.clone(),
            };
            if !known().any(|known| known == name.text) {
                let diagnostic =
                    Diagnostic::error(code::UNKNOWN_FIELD, format!("{what} has no argument `{}`", name.text))
                        .at(name.span, "not known here");
                self.report(match suggest(&name.text, known()) {
                    Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                    None => diagnostic.help(format!("its arguments are {}", known().collect::<Vec<_>>().join(", "))),
                });
                // Under the name that was meant, so that nothing follows from it.
                if let Some(closest) = suggest(&name.text, known())
                    && result.get(closest).is_none()
                {
                    result.given.push((closest.to_string(), &arg.value));
                }
                continue;
            }
            if let Some(first) = result.get(&name.text) {
                self.report(
                    Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", name.text))
                        .at(name.span, "again here")
                        .also(first.span, "first here")
                        .help("keep one of them"),
                );
                continue;
            }
            result.given.push((name.text, &arg.value));
        }
        result
    }

    pub(super) fn need<'e>(&mut self, args: &Args<'e>, name: &str, example: &str) -> Option<&'e Expr> {
        let found = args.get(name);
        if found.is_none() {
            self.report(
                Diagnostic::error(code::MISSING_FIELD, format!("{} has no `{name}`", args.what))
                    .at(args.span, "it has to be given")
                    .help(format!("for example `{example}`")),
            );
        }
        found
    }

    /// The metric in the first place of a call.
    pub(super) fn metric(&mut self, args: &Args<'_>) -> Option<Metric> {
        let expr = self.need(args, "metric", "loss(valid)")?;
        let written: String = self.cx.map.text(expr.span).chars().filter(|c| !c.is_whitespace()).collect();
        let measured = self.measured();
        let found = Metric::parse(&written);
        // Whether each arm of the claim measures it at each of its points is asked when these are known.
        if let Some(metric) = &found
            && (measured.is_empty() || measured.contains(metric))
        {
            return found;
        }
        let names: Vec<String> = measured.iter().map(Metric::to_string).collect();
        let diagnostic = match &found {
            Some(metric) => Diagnostic::error(code::UNMEASURED, format!("no arm measures `{metric}`"))
                .at(expr.span, "not measured by any evaluation"),
            None => Diagnostic::error(code::UNMEASURED, format!("`{written}` is no metric"))
                .at(expr.span, "a metric is wanted here")
                .note(
                    "a metric is `loss(SET)` or `TASK.SCORE`, with a set of `eval.corpora` and a task of `eval.tasks`",
                ),
        };
        let diagnostic = match suggest(&written, names.iter().map(String::as_str)) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => diagnostic,
        };
        self.report(diagnostic.help(format!("what is measured: {}", listed(&measured))));
        None
    }

    /// Everything that some arm measures at some point, in the order of the file.
    fn measured(&self) -> Vec<Metric> {
        let mut all: Vec<Metric> = vec![];
        for metric in self.subject.variants.iter().flat_map(|arm| arm.eval.measures()) {
            if !all.contains(&metric) {
                all.push(metric);
            }
        }
        all
    }

    /// The arm that an argument names.
    pub(super) fn arm(&mut self, args: &Args<'_>, name: &str) -> Option<String> {
        let example = format!("{name}: {}", self.subject.arms.first().map_or("ar", String::as_str));
        let expr = self.need(args, name, &example)?;
        self.arm_of(expr)
    }

    pub(super) fn arm_of(&mut self, expr: &Expr) -> Option<String> {
        let arms = self.subject.arms;
        let ExprKind::Name(name) = &expr.kind else {
            self.report(
                Diagnostic::error(code::WRONG_TYPE, "an arm goes by its name")
                    .at(expr.span, "the name of an arm is wanted here")
                    .help(format!("the arms are {}", arms.join(", "))),
            );
            return None;
        };
        if arms.contains(name) {
            return Some(name.clone());
        }
        let diagnostic =
            Diagnostic::error(code::UNKNOWN_NAME, format!("there is no arm `{name}`")).at(expr.span, "not an arm");
        self.report(match suggest(name, arms.iter().map(String::as_str)) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => diagnostic.help(format!("the arms are {}", arms.join(", "))),
        });
        None
    }

    /// Two arms of one call, which have to be two.
    pub(super) fn two_arms(&mut self, of: Option<String>, to: Option<String>, span: Span) -> Option<(String, String)> {
        let (of, to) = (of?, to?);
        if of != to {
            return Some((of, to));
        }
        self.report(
            Diagnostic::error(code::BAD_CLAIM, format!("`{of}` against itself"))
                .at(span, "two different arms are compared")
                .help(format!("the arms are {}", self.subject.arms.join(", "))),
        );
        None
    }

    /// `each: best_over(AXIS, ...)`: the axes along which each arm's best point is taken; empty where it is not given.
    pub(super) fn each(&mut self, args: &Args<'_>) -> Option<Vec<usize>> {
        let Some(expr) = args.get("each") else { return Some(vec![]) };
        let inner = match &expr.kind {
            ExprKind::Call { callee, args, .. } if callee.text == "best_over" && !args.is_empty() => args,
            _ => {
                self.report(
                    Diagnostic::error(code::WRONG_TYPE, "`each` says along which axis an arm is at its best")
                        .at(expr.span, "`best_over(AXIS)` is wanted here")
                        .help(match self.axis_labels().first() {
                            Some(axis) => format!("write `each: best_over({axis})`"),
                            None => "it needs a `sweep` to choose from".into(),
                        }),
                );
                return None;
            }
        };
        let mut axes = vec![];
        for arg in inner {
            let axis = self.axis_of(&arg.value)?;
            if self.is_replicate(axis, arg.value.span, "an arm is not judged by its luckiest seed") {
                return None;
            }
            if !axes.contains(&axis) {
                axes.push(axis);
            }
        }
        axes.sort_unstable();
        Some(axes)
    }

    /// Whether the axis is that of the replicates, which is an error here.
    pub(super) fn is_replicate(&mut self, axis: usize, span: Span, why: &str) -> bool {
        let is = self.subject.axes().get(axis).is_some_and(|axis| axis.kind == crate::resolve::AxisKind::Replicate);
        if is {
            self.report(
                Diagnostic::error(code::BAD_CLAIM, "replicates are no axis of a claim")
                    .at(span, why)
                    .note("every claim is about all replicates: they are what its interval is made of")
                    .help("name an axis of `sweep`"),
            );
        }
        is
    }

    pub(super) fn axis_labels(&self) -> Vec<&str> {
        self.subject.axes().iter().map(|axis| axis.label.as_str()).collect()
    }

    /// The axis that an expression names.
    pub(super) fn axis_of(&mut self, expr: &Expr) -> Option<usize> {
        match &expr.kind {
            ExprKind::Name(name) => self.axis(name, expr.span),
            _ => {
                self.report(
                    Diagnostic::error(code::WRONG_TYPE, "an axis goes by its path or its label")
                        .at(expr.span, "an axis of `sweep` is wanted here"),
                );
                None
            }
        }
    }

    /// By its path, its label, or any end of its path that is no other axis's.
    pub(super) fn axis(&mut self, name: &str, span: Span) -> Option<usize> {
        let axes = self.subject.axes();
        if let Some(exact) = axes.iter().position(|axis| axis.path == name || axis.label == name) {
            return Some(exact);
        }
        let meant: Vec<usize> = (0..axes.len()).filter(|i| axes.get(*i).is_some_and(|a| a.goes_by(name))).collect();
        if let [only] = meant.as_slice() {
            return Some(*only);
        }
        let collapsed = self.subject.spec.collapsed.iter().map(|(label, _)| label);
        if let Some(label) = collapsed.into_iter().find(|l| name == *l || name.ends_with(&format!(".{l}"))) {
            self.left_out = Some(label.clone());
            return None;
        }
        if !meant.is_empty() {
            let paths: Vec<&str> = meant.iter().filter_map(|i| axes.get(*i)).map(|axis| axis.path.as_str()).collect();
            self.report(
                Diagnostic::error(code::AMBIGUOUS_NAME, format!("`{name}` could be several axes"))
                    .at(span, "which is meant?")
                    .help(format!("write {}", paths.join(" or "))),
            );
            return None;
        }
        let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, format!("there is no axis `{name}`"));
        if axes.is_empty() {
            self.report(
                diagnostic
                    .at(span, "this experiment has no `sweep`")
                    .help("an axis is a path with several values: `sweep: { data.unique: [0.5B, 1B] tokens }`"),
            );
            return None;
        }
        let names = axes.iter().flat_map(|axis| [axis.path.as_str(), axis.label.as_str()]);
        self.report(match suggest(name, names) {
            Some(closest) => diagnostic.at(span, "not an axis").help(format!("did you mean `{closest}`?")),
            None => diagnostic.at(span, "not an axis").help(format!("the axes are {}", self.axis_labels().join(", "))),
        });
        None
    }
}

/// `loss(valid)`, `hellaswag.acc`: for a message.
pub(super) fn listed(metrics: &[Metric]) -> String {
    metrics.iter().map(|metric| format!("`{metric}`")).collect::<Vec<_>>().join(", ")
}
