//! A bounded list of findings: a file that is no spec at all has thousands, and nobody reads them.

use crate::base::diag::code;
use crate::base::{Diagnostic, Diagnostics};

/// Findings of one file that are shown; the others are counted.
pub const MAX_FINDINGS: usize = 100;

#[derive(Debug, Default)]
pub struct Findings {
    shown: Diagnostics,
    n_shown: usize,
    omitted: usize,
    first_omitted: Option<Diagnostic>,
}

impl Findings {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.n_shown < MAX_FINDINGS {
            self.n_shown += 1;
            self.shown.push(diagnostic);
        } else {
            self.omitted += 1;
            self.first_omitted.get_or_insert(diagnostic);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.n_shown == 0
    }

    /// Nothing more will be shown, so nothing more needs wording.
    pub fn is_full(&self) -> bool {
        self.n_shown >= MAX_FINDINGS
    }

    pub fn into_diagnostics(self) -> Diagnostics {
        let mut all = self.shown;
        if let Some(first) = self.first_omitted {
            let message = format!("{} more mistakes in this file", self.omitted);
            let mut more =
                Diagnostic::error(code::SYNTAX, message).help("mend those above first: many may come from one");
            more.primary = first.primary.map(|label| crate::base::Label { text: "for one".to_string(), ..label });
            all.push(more);
        }
        all
    }
}
