//! The scan before pest: refuses what would take too long or nest too deep, and matches brackets.
//!
//! Its second product is *balanced* text: every bracket outside strings and comments has its partner, so
//! the recovery rules of the grammar can swallow whole groups and never run past the brace of a body.
//! An unmatched bracket or quote is replaced by a byte that fits no rule, a missing `}` is inserted; both
//! are reported here, and [`Balanced::original`] leads back to places in the user's text.

use std::collections::BTreeSet;

use super::report::Findings;
use crate::base::diag::code;
use crate::base::{Diagnostic, FileId, Span};

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// The deepest nesting of brackets.
pub const MAX_NESTING: usize = 256;
/// The most operators in one expression.
pub const MAX_OPERATORS: usize = 256;
/// The deepest tree that brackets and operators together may make. Later stages may recurse on it.
pub const MAX_DEPTH: usize = 320;

/// Words that begin a definition at the start of a line. Inside a body none of them is followed by a name.
pub const ITEM_WORDS: &[&str] =
    &["use", "let", "schedule", "objective", "data", "train", "experiment", "block", "model", "language"];

/// Fits no rule; takes the place of an unmatched bracket or quote.
const PLACEHOLDER: u8 = 1;

/// Text with matched brackets.
#[derive(Debug, Default)]
pub struct Balanced {
    pub text: String,
    inserted: Vec<Insertion>,
    /// Places in the user's text that are reported already; a line that holds one needs no second message.
    pub faults: BTreeSet<usize>,
    pub nesting: usize,
}

#[derive(Clone, Copy, Debug)]
struct Insertion {
    /// Where, in the balanced text.
    at: usize,
    length: usize,
    /// Bytes inserted before this one.
    before: usize,
}

impl Balanced {
    /// The place in the user's text that an offset of the balanced text stands for.
    pub fn original(&self, offset: usize) -> usize {
        let n_before = self.inserted.partition_point(|insertion| insertion.at < offset);
        let last = n_before.checked_sub(1).and_then(|i| self.inserted.get(i));
        let shift = last.map_or(0, |last| last.before + last.length.min(offset - last.at));
        offset.saturating_sub(shift)
    }

    /// Whether a place between two offsets of the user's text is reported already.
    pub fn has_fault(&self, start: usize, end: usize) -> bool {
        start < end && self.faults.range(start..end).next().is_some()
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    mark: u8,
    at: usize,
    /// Its place in the balanced text, to which later insertions only append.
    out: usize,
    /// Blanks before the first mark of its line.
    indent: usize,
}

/// Checks the limits and matches brackets. `None` means the text is refused.
pub fn scan(file: FileId, text: &str, findings: &mut Findings) -> Option<Balanced> {
    if text.len() > MAX_BYTES {
        let message = format!("this file has {} KiB; a spec has at most 512 KiB", text.len().div_ceil(1024));
        let data =
            "a spec describes an experiment; what it trains on is named with `source:` and stays in its own files";
        findings.push(Diagnostic::error(code::TOO_LARGE, message).at(Span::new(file, 0, 0), "").help(data));
        return None;
    }
    let mut plain = Scan::new(file, text, false);
    if let Err(too_deep) = plain.run() {
        findings.push(*too_deep);
        return None;
    }
    // Braces do not match: whose is the missing one? The layout of the file tells more than the count.
    let mut best = plain;
    if best.unclosed_braces > 0 {
        let mut by_layout = Scan::new(file, text, true);
        if by_layout.run().is_ok() && by_layout.unclosed_braces > 0 {
            best = by_layout;
        }
    }
    for diagnostic in best.diagnostics {
        findings.push(diagnostic);
    }
    // Insertions and replacements keep UTF-8 whole: they happen at ASCII marks only.
    let text = String::from_utf8(best.out).ok()?;
    Some(Balanced { text, inserted: best.inserted, faults: best.faults, nesting: best.nesting })
}

struct Scan<'a> {
    file: FileId,
    bytes: &'a [u8],
    by_layout: bool,
    at: usize,
    indent: usize,
    /// Nothing but blanks so far on this line.
    line_start: bool,
    stack: Vec<Open>,
    out: Vec<u8>,
    inserted: Vec<Insertion>,
    faults: BTreeSet<usize>,
    diagnostics: Vec<Diagnostic>,
    unclosed_braces: usize,
    nesting: usize,
}

impl<'a> Scan<'a> {
    fn new(file: FileId, text: &'a str, by_layout: bool) -> Scan<'a> {
        Scan {
            file,
            bytes: text.as_bytes(),
            by_layout,
            at: 0,
            indent: 0,
            line_start: true,
            stack: vec![],
            out: Vec::with_capacity(text.len()),
            inserted: vec![],
            faults: BTreeSet::new(),
            diagnostics: vec![],
            unclosed_braces: 0,
            nesting: 0,
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    /// Copies bytes up to `end` unseen.
    fn skip_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.bytes.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    fn run(&mut self) -> Result<(), Box<Diagnostic>> {
        while self.at < self.bytes.len() {
            if self.line_start && self.indent == 0 && !self.stack.is_empty() && self.at_item() {
                self.close_all(self.at, "this begins a definition, which stands outside of all brackets");
            }
            let byte = self.byte(self.at);
            match byte {
                b'\n' => {
                    self.skip_to(self.at + 1);
                    (self.line_start, self.indent) = (true, 0);
                    continue;
                }
                b' ' | b'\t' | b'\r' => {
                    self.indent += usize::from(self.line_start);
                    self.skip_to(self.at + 1);
                    continue;
                }
                b'/' if self.byte(self.at + 1) == b'/' => self.skip_to(self.line_end()),
                b'"' => match self.string_end() {
                    Some(end) => self.skip_to(end),
                    None => {
                        let end = self.line_end();
                        let message = "this text has no closing `\"` on its line";
                        self.fault(self.at, end, message, "opened here", Some("text stands between `\"` on one line"));
                        self.replace();
                    }
                },
                b'(' | b'[' | b'{' => {
                    self.stack.push(Open { mark: byte, at: self.at, out: self.out.len(), indent: self.indent });
                    self.nesting = self.nesting.max(self.stack.len());
                    if self.stack.len() > MAX_NESTING {
                        return Err(Box::new(self.too_deep()));
                    }
                    self.skip_to(self.at + 1);
                }
                b')' | b']' => self.close_group(if byte == b')' { b'(' } else { b'[' }),
                b'}' => self.close_brace(),
                _ => self.skip_to(self.at + 1),
            }
            self.line_start = false;
        }
        self.close_all(self.bytes.len(), "");
        Ok(())
    }

    fn line_end(&self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter().position(|b| *b == b'\n').map_or(self.bytes.len(), |i| self.at + i)
    }

    /// One past the closing quote, where there is one on this line.
    fn string_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at)? {
                b'\n' => return None,
                b'"' => return Some(at + 1),
                b'\\' if self.byte(at + 1) != b'\n' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// Whether `data NAME`, `use "..."` and the like stand here.
    fn at_item(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        ITEM_WORDS.iter().any(|word| {
            rest.strip_prefix(word.as_bytes()).is_some_and(|after| {
                let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
                blanks > 0 && after.get(blanks).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'"'))
            })
        })
    }

    fn fault(&mut self, start: usize, end: usize, message: impl Into<String>, label: &str, help: Option<&str>) {
        let mut diagnostic = Diagnostic::error(code::SYNTAX, message).at(Span::new(self.file, start, end), label);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.faults.insert(start);
        self.diagnostics.push(diagnostic);
    }

    /// Takes the byte here out of pest's sight.
    fn replace(&mut self) {
        self.out.push(PLACEHOLDER);
        self.at += 1;
    }

    /// Puts the byte of an opening bracket that nothing closes out of pest's sight.
    fn replace_open(&mut self, open: Open) {
        if let Some(byte) = self.out.get_mut(open.out) {
            *byte = PLACEHOLDER;
        }
    }

    fn close_group(&mut self, partner: u8) {
        let depth = self.stack.iter().rev().take_while(|open| open.mark != b'{').count();
        let known = self.stack.iter().rev().take(depth).position(|open| open.mark == partner);
        match known {
            Some(above) => {
                for _ in 0..above {
                    self.unclosed_group();
                }
                self.stack.pop();
                self.skip_to(self.at + 1);
            }
            None => self.stray(),
        }
    }

    fn close_brace(&mut self) {
        while self.stack.last().is_some_and(|open| open.mark != b'{') && self.stack.iter().any(|open| open.mark == b'{')
        {
            self.unclosed_group();
        }
        if self.by_layout && self.line_start {
            let aligned = |open: &Open, indent| open.mark == b'{' && open.indent == indent;
            let partner = self.stack.iter().rev().position(|open| aligned(open, self.indent));
            let above = partner.unwrap_or(0);
            if above > 0 {
                let related = Span::new(self.file, self.at, self.at + 1);
                self.insert_braces(above, Some((related, "this `}` stands where that of an outer `{` belongs")), "");
            }
        }
        if self.stack.last().is_some_and(|open| open.mark == b'{') {
            self.stack.pop();
            self.skip_to(self.at + 1);
        } else {
            self.stray();
        }
    }

    fn stray(&mut self) {
        let mark = char::from(self.byte(self.at));
        self.fault(
            self.at,
            self.at + 1,
            format!("this `{mark}` closes nothing"),
            "",
            Some("remove it, or open what it should close"),
        );
        self.replace();
    }

    /// Reports and forgets the innermost open parenthesis or square bracket.
    fn unclosed_group(&mut self) {
        if let Some(open) = self.stack.pop() {
            let (mark, partner) = (char::from(open.mark), if open.mark == b'(' { ')' } else { ']' });
            let help = format!("close it with `{partner}`");
            self.fault(open.at, open.at + 1, format!("this `{mark}` is never closed"), "opened here", Some(&help));
            self.replace_open(open);
        }
    }

    /// Reports the innermost `count` brackets, braces among them, and closes the braces here.
    fn insert_braces(&mut self, count: usize, related: Option<(Span, &str)>, after: &str) {
        let mut braces = 0;
        for _ in 0..count {
            match self.stack.last().map(|open| (open.mark, open.at)) {
                Some((b'{', at)) => {
                    self.stack.pop();
                    braces += 1;
                    let mut diagnostic = Diagnostic::error(code::SYNTAX, "this `{` is never closed")
                        .at(Span::new(self.file, at, at + 1), "opened here")
                        .help("close it with `}`");
                    if let Some((span, text)) = related {
                        diagnostic = diagnostic.also(span, text);
                    }
                    self.diagnostics.push(diagnostic);
                    // No fault: the body is whole again, so its lines speak for themselves.
                }
                Some(_) => self.unclosed_group(),
                None => {}
            }
        }
        if braces > 0 {
            self.unclosed_braces += braces;
            let start = self.out.len();
            // A comment may end the file without a line end; a brace behind it would be part of it.
            if after.is_empty() && self.at == self.bytes.len() {
                self.out.push(b'\n');
            }
            self.out.extend(std::iter::repeat_n(b'}', braces));
            self.out.extend_from_slice(after.as_bytes());
            let before = self.inserted.last().map_or(0, |last| last.before + last.length);
            self.inserted.push(Insertion { at: start, length: self.out.len() - start, before });
        }
    }

    fn close_all(&mut self, at: usize, reason: &str) {
        let related = (!reason.is_empty()).then(|| (Span::new(self.file, at, at + 1), reason));
        self.insert_braces(self.stack.len(), related, if reason.is_empty() { "" } else { "\n" });
    }

    fn too_deep(&self) -> Diagnostic {
        let message = format!("brackets nest deeper than {MAX_NESTING} here");
        Diagnostic::error(code::TOO_DEEP, message)
            .at(Span::new(self.file, self.at, self.at + 1), "one too many")
            .help("give inner parts a name of their own, a `block` or a `schedule` say, and use that")
    }
}
