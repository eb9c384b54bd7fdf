//! Text on the terminal while it is drawn. Standard output gets text alone. What is drawn from left to right, blocks
//! included, is printed as far as it is final; of other methods a terminal shows the draft, on standard error.

use super::load::Run;
use super::special;
use crate::check::spec::{Arm, Method, Objective, Sampler};
use crate::cli::print;
use crate::data::Codec;
use crate::decode::{Draft, Request};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Stands for a token that is not final.
const OPEN: char = '\u{2591}';

pub struct Screen<'a> {
    codec: &'a Codec,
    arm: &'a Arm,
    /// Prints what is final; otherwise a text is printed when it is done.
    streams: bool,
    to_terminal: bool,
    json: bool,
    /// How much of the text is printed.
    printed: usize,
    /// Shows the draft.
    bar: Option<ProgressBar>,
    /// Whether one text is drawn at a time.
    one: bool,
}

impl<'a> Screen<'a> {
    pub fn new(run: &'a Run, sampler: &Sampler, json: bool) -> Screen<'a> {
        let arm = &run.trained.arm;
        let in_order = match sampler.method {
            Method::LeftToRight => true,
            Method::Ancestral { block, .. } | Method::FirstHitting { block } | Method::Remask { block, .. } => {
                block.is_some() || matches!(arm.objective, Objective::BlockDiffusion(_))
            }
            Method::Posterior { .. } => false,
        };
        let shows_draft = !json && !in_order && std::io::stderr().is_terminal();
        Screen {
            codec: &run.codec,
            arm,
            streams: in_order && !json,
            to_terminal: std::io::stdout().is_terminal(),
            json,
            printed: 0,
            bar: shows_draft.then(draft_bar),
            one: false,
        }
    }

    /// Whether somebody looks on, so that texts had better come one by one.
    pub fn is_watched(&self) -> bool {
        self.bar.is_some() || (self.streams && self.to_terminal)
    }

    pub fn start(&mut self, request: &Request) {
        self.printed = 0;
        self.one = request.texts.len() == 1;
    }

    pub fn watch(&mut self, draft: &Draft<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_message(clean(&self.draft(draft)));
        } else if self.streams && self.one {
            let n_final = draft.settled.iter().take_while(|settled| **settled).count();
            let text = self.text(draft.tokens.get(..n_final).unwrap_or_default());
            // The end may be the beginning of a character.
            self.print_from(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
        }
    }

    /// Takes the draft away.
    pub fn pause(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message("");
        }
    }

    /// Prints what of a finished text is not printed yet.
    pub fn finish(&mut self, text: &str) {
        if self.json {
            return;
        }
        self.print_from(text);
        print("\n");
        self.printed = 0;
    }

    fn print_from(&mut self, text: &str) {
        if let Some(new) = text.get(self.printed..).filter(|new| !new.is_empty()) {
            print(&if self.to_terminal { clean(new) } else { new.to_string() });
            self.printed = text.len();
        }
    }

    fn text(&self, ids: &[u32]) -> String {
        self.codec.decode(ids, |id| special(self.arm, id))
    }

    fn draft(&self, draft: &Draft<'_>) -> String {
        let mut text = String::new();
        for part in draft.settled.chunk_by(|a, b| a == b).scan(0, |from, part| {
            let range = *from..*from + part.len();
            *from = range.end;
            Some((range, part.first() == Some(&true)))
        }) {
            match part {
                (range, true) => text.push_str(&self.text(draft.tokens.get(range).unwrap_or_default())),
                (range, false) => text.extend(std::iter::repeat_n(OPEN, range.len())),
            }
        }
        text
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draft_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Without what would command a terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
