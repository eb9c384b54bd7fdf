//! What is said of a mistake besides the mistake: the calls that led there, and the indices of repeats.

use super::{Builder, Diagnostic, Span, Val, code};
use crate::base::Severity;
use crate::base::diag::Label;

impl Builder<'_> {
    /// Reports with the calls that led here, and with the index where the layers differ. A mistake that an
    /// earlier body of the same repeat has, too, is said once.
    pub(super) fn report(&mut self, mut diagnostic: Diagnostic) {
        let here = diagnostic.primary.as_ref().map(|p| p.span);
        let key = (diagnostic.code, here);
        if self.is_repeated(key) {
            return;
        }
        if !self.quiet {
            self.errors.entry(key).or_default().push(self.n_errors);
            self.n_errors += 1;
        }
        let inside = |call: &Span, label: &Label| {
            label.span.file == call.file && call.start <= label.span.start && label.span.end <= call.end
        };
        let model_is_shown =
            self.calls.first().is_some_and(|call| diagnostic.primary.iter().any(|label| inside(call, label)));
        // The innermost two calls and the experiment's say enough; the first is the model's own.
        for (i, call) in self.calls.iter().enumerate().rev() {
            let shown = if i == 0 { !model_is_shown } else { i + 2 >= self.calls.len() };
            if shown && Some(*call) != here && !diagnostic.related.iter().any(|l| l.span == *call) {
                diagnostic = diagnostic.also(*call, if i == 0 { "for this model" } else { "called from here" });
            }
        }
        let particular = self.levels.iter().filter(|level| level.is_particular()).map(|level| level.place());
        let places: Vec<String> = particular.filter(|place| !diagnostic.message.contains(place)).collect();
        if !places.is_empty() && diagnostic.severity == Severity::Error {
            diagnostic = diagnostic.note(format!("at {}", places.join(", ")));
        }
        self.out.push(diagnostic);
    }

    pub(super) fn wanted(&mut self, wanted: &str, got: &Val, span: Span) -> Option<Val> {
        let mut diagnostic =
            Diagnostic::error(code::TENSOR_OR_NUMBER, format!("{wanted} is wanted, not {}", got.kind()))
                .at(span, format!("this is {}", got.kind()));
        if matches!(got, Val::Failed) {
            return None;
        }
        if let Val::List(list) = got {
            let last = list.count.saturating_sub(1);
            diagnostic = diagnostic.help(format!("`pick(list, k)` gives one of its tensors, k from 0 to {last}"));
        }
        self.report(diagnostic);
        None
    }
}
