//! What is wrong with a line that recovery swallowed, in the user's words.
//!
//! The known mistakes are looked for first. Otherwise the line is read once more by the rule that should
//! have fitted, and the furthest place it got to is where the message points.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;

use super::grammar::{DlmParser, Rule};
use super::limits::ITEM_WORDS;
use super::parse::{Place, Reader};
use super::words;
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};

/// Longer lines (a record of many lines before the mistake) are not read again.
const PROBED_BYTES: usize = 8 * 1024;

/// Marks of other languages, and what stands for them here.
const FOREIGN: &[(&str, &str)] = &[
    (";", "lines end without a `;`"),
    ("'", "text stands between double quotes: `\"text\"`"),
    ("`", "text stands between double quotes: `\"text\"`"),
    ("#", "a comment begins with `//`"),
    ("/*", "a comment begins with `//` and ends with its line"),
    ("**", "a power is written `^`"),
    ("!", "write `not`, and `!=` between two values"),
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("=>", "a field is written `name: value`"),
    ("==", "`==` compares; a binding is written with one `=`"),
    ("$", "names stand without a mark"),
    ("@", "names stand without a mark"),
    ("...", "write out every value"),
];

/// The furthest a rule got into a text, and what it would have taken there.
struct Failure {
    at: usize,
    expected: Vec<Rule>,
}

fn probe(rule: Rule, text: &str) -> Option<Failure> {
    let error = DlmParser::parse(rule, text).err()?;
    let at = match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    };
    let expected = match error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => vec![],
    };
    Some(Failure { at, expected })
}

fn probe_rule(place: Place) -> Rule {
    match place {
        Place::Item => Rule::probe_item,
        Place::Entry => Rule::probe_entry,
        Place::Claim => Rule::probe_claim,
        Place::Statement => Rule::probe_statement,
        Place::Signature => Rule::probe_signature,
        Place::Name => Rule::probe_name,
        Place::Loop => Rule::probe_loop,
        Place::Condition => Rule::probe_branch,
        Place::Value => Rule::value_only,
    }
}

impl Reader<'_> {
    /// A line, or a header, that fits no rule.
    pub(super) fn swallowed(&mut self, pair: &Pair<'_, Rule>, place: Place) {
        let start = pair.as_span().start();
        let text = pair.as_str().trim_end();
        let whole = self.place(start, start + text.len());
        if self.findings.is_full() || self.faulty_line(whole) {
            return self.already_reported(whole);
        }
        if let Some(diagnostic) = self.known_mistake(text, whole, place) {
            return self.report(diagnostic);
        }
        let failure = probe(probe_rule(place), text).unwrap_or(Failure { at: 0, expected: vec![] });
        let diagnostic = self.expectation(start, text, failure, place);
        self.report(diagnostic);
    }

    /// Text that follows something good on its line. `from` is where the good part begins.
    pub(super) fn junk(&mut self, from: usize, pair: &Pair<'_, Rule>, place: Place) {
        let start = pair.as_span().start();
        let text = pair.as_str().trim_end();
        let whole = self.place(start, start + text.len());
        if self.findings.is_full() || self.faulty_line(whole) {
            return self.already_reported(whole);
        }
        let before = self.source.get(..whole.start as usize).unwrap_or("");
        if let Some(diagnostic) = known_junk(text, before, whole, place) {
            return self.report(diagnostic);
        }
        let balanced: &str = &self.balanced.text;
        let line = balanced.get(from..start + text.len()).unwrap_or(text);
        let failure = if line.len() <= PROBED_BYTES { probe(probe_rule(place), line) } else { None };
        let diagnostic = match failure {
            Some(failure) => self.expectation(from, line, failure, place),
            None => self.expectation(start, text, Failure { at: 0, expected: vec![] }, place),
        };
        self.report(diagnostic);
    }

    /// The text of a `--set` that is no value.
    pub(super) fn bad_value(&mut self, text: &str) {
        let failure = probe(Rule::value_only, text).unwrap_or(Failure { at: 0, expected: vec![] });
        let diagnostic = self.expectation(0, text, failure, Place::Value);
        self.report(diagnostic);
    }

    /// Whether a bracket or quote on the line, up to the end of `whole`, is reported already.
    fn faulty_line(&self, whole: Span) -> bool {
        let (start, end) = (whole.start as usize, whole.end as usize);
        let line = self.source.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
        self.balanced.has_fault(line, end)
    }

    /// A swallowed line without a message of its own. It still counts where the list is full.
    fn already_reported(&mut self, whole: Span) {
        if self.findings.is_full() {
            self.report(Diagnostic::error(code::SYNTAX, "").at(whole, ""));
        }
    }

    /// "expected this, found that", where the failure is.
    fn expectation(&self, start: usize, text: &str, failure: Failure, place: Place) -> Diagnostic {
        let rest = text.get(failure.at..).unwrap_or("");
        // Past a line end the mistake is what is missing on the line before.
        let blank = rest.trim_start();
        let at = failure.at + (rest.len() - blank.len());
        let (found, length) = found(blank);
        let span = if length == 0 {
            let end = text.get(..failure.at).unwrap_or(text).trim_end().len();
            self.place(start + end, start + end)
        } else {
            self.place(start + at, start + at + length)
        };
        let expected = words::list(&sorted(&failure.expected));
        let message = match expected.as_str() {
            "" => format!("{found} does not fit here"),
            expected => format!("expected {expected}, found {found}"),
        };
        let mut diagnostic = Diagnostic::error(code::SYNTAX, message).at(span, "");
        if let Some((_, help)) = FOREIGN.iter().rev().find(|(mark, _)| blank.starts_with(mark)) {
            diagnostic = diagnostic.help(*help);
        } else if length == 0 && text.trim_end().ends_with('%') {
            diagnostic = diagnostic.help("a per cent sign touches its number: `10%`; after a space it is a remainder");
        } else if is_reserved(found.trim_matches('`')) {
            diagnostic = diagnostic.help(format!("{found} is a word of the language and no name"));
        } else if blank.starts_with(|c: char| c.is_alphabetic() && !c.is_ascii()) {
            diagnostic = diagnostic.help("names are made of the letters a to z and A to Z, digits and `_`");
        } else if !amid_value(&failure.expected, length > 0)
            && let Some(help) = usual_form(text, place)
        {
            diagnostic = diagnostic.help(help);
        }
        diagnostic
    }

    fn known_mistake(&self, text: &str, whole: Span, place: Place) -> Option<Diagnostic> {
        let error = |message: String, label: &str| Diagnostic::error(code::SYNTAX, message).at(whole, label);
        if text.starts_with(',') {
            let comma = Span::new(whole.file, whole.start as usize, whole.start as usize + 1);
            let message = "a comma with nothing before it";
            return Some(Diagnostic::error(code::SYNTAX, message).at(comma, "").help("remove it"));
        }
        let word = leading_word(text);
        let after = text.get(word.len()..).unwrap_or("").trim_start();
        let word_span = Span::new(whole.file, whole.start as usize, whole.start as usize + word.len());
        match place {
            Place::Item if !ITEM_WORDS.contains(&word) && !word.is_empty() => {
                let message = format!("`{word}` begins no definition");
                let diagnostic = Diagnostic::error(code::SYNTAX, message).at(word_span, "");
                Some(if after.starts_with(':') {
                    diagnostic.help("fields stand inside `data`, `train` or `experiment`")
                } else if after.starts_with('=') || matches!(word, "return" | "repeat") {
                    diagnostic.help("statements stand inside `block` or `model`; a formula begins with `schedule`")
                } else if let Some(close) = suggest(word, ITEM_WORDS.iter().copied()) {
                    diagnostic.help(format!("did you mean `{close}`?"))
                } else {
                    diagnostic.help(format!("a definition begins with one of {}", ITEM_WORDS.join(", ")))
                })
            }
            Place::Entry
                if ITEM_WORDS.contains(&word) && probe(Rule::probe_name, after.split('{').next()?).is_none() =>
            {
                let message = "a definition cannot stand inside of another";
                Some(
                    Diagnostic::error(code::SYNTAX, message)
                        .at(word_span, "")
                        .help(format!("move it out of the braces, or write a field: `{word}: ...`")),
                )
            }
            Place::Entry if text.len() <= PROBED_BYTES && !text.is_empty() && text == word && !is_reserved(word) => {
                Some(error(format!("`{word}` has no value"), "").help(format!("a field is written `{word}: value`")))
            }
            Place::Entry if text.len() <= PROBED_BYTES && probe(Rule::value_only, text).is_none() => {
                Some(error("this value has no name".to_string(), "").help("a field is written `name: value`"))
            }
            Place::Statement if text.len() <= PROBED_BYTES && probe(Rule::value_only, text).is_none() => {
                let before = self.source.get(..whole.start as usize).unwrap_or("");
                let line = before.rsplit('\n').next().unwrap_or("").trim_start();
                if leading_word(line) == "return" {
                    return Some(
                        error("a second value after `return`".to_string(), "")
                            .help("several are returned as `return (a, b)`"),
                    );
                }
                let help = "give it one, `y = ...`, or hand it out with `return`";
                Some(error("this value is given no name, so it is lost".to_string(), "").help(help))
            }
            Place::Statement if matches!(word, "for" | "while" | "let" | "def" | "fn") => {
                let message = format!("there is no `{word}` in a block");
                let help = "a block has `name = value`, `repeat COUNT as LABEL { ... }`, `if CONDITION { ... }` and `return value`";
                Some(Diagnostic::error(code::SYNTAX, message).at(word_span, "").help(help))
            }
            _ => None,
        }
    }
}

/// Known mistakes in text that follows a good part; `before` is all text before it.
fn known_junk(text: &str, before: &str, whole: Span, place: Place) -> Option<Diagnostic> {
    let mark = Span::new(whole.file, whole.start as usize, whole.start as usize + 1);
    let at = |span: Span, message: &str| Diagnostic::error(code::SYNTAX, message).at(span, "");
    let line = before.rsplit('\n').next().unwrap_or("");
    if text.starts_with('(') && line.ends_with([' ', '\t']) && line.trim_end().ends_with(is_word_char) {
        return Some(at(mark, "the parenthesis of a call touches its name").help("remove the space before `(`"));
    }
    if leading_word(text) == "as" {
        let name = leading_word(text.get(2..).unwrap_or("").trim_start());
        let help = match is_reserved(name) {
            true => format!("`{name}` is a word of the language and no name"),
            false => "`as` names the parameters that a call makes: `linear(x, D) as o`".to_string(),
        };
        let word = Span::new(whole.file, whole.start as usize, whole.start as usize + 2);
        let message = if is_reserved(name) { "`as` without a name" } else { "`as` follows something that is no call" };
        return Some(at(word, message).help(help));
    }
    if text.starts_with('{') {
        let help = match place {
            Place::Entry => "a record is a value: `name: { ... }`",
            Place::Claim => "a claim has no record",
            _ => "only `repeat`, `if`, and definitions, have a body in braces",
        };
        return Some(at(mark, "a record does not fit here").help(help));
    }
    if place == Place::Claim && text.starts_with(':') {
        let help = "write the claim alone: `crossover(loss(valid), of: mdm, under: ar)`";
        return Some(at(mark, "a claim has no name").help(help));
    }
    // `a +` and on the next line `b: 3`: the operator has taken the next line's name.
    if text.starts_with([':', '=']) {
        let name = line.trim_end().trim_start();
        let above = before.strip_suffix(line).unwrap_or("").trim_end();
        let operator = above.chars().next_back().filter(|c| matches!(c, '+' | '-' | '*' | '/' | '^'));
        if let Some(operator) = operator
            && !name.is_empty()
            && name.chars().all(is_word_char)
        {
            let end = above.len();
            let span = Span::new(whole.file, end - operator.len_utf8(), end);
            let message = format!("nothing follows this `{operator}`");
            return Some(
                at(span, &message).help("an expression goes on after an operator, on the next line if need be"),
            );
        }
    }
    if matches!(place, Place::Item) && ITEM_WORDS.contains(&leading_word(text)) {
        let message = "two definitions on one line";
        let diagnostic = Diagnostic::error(code::MISSING_SEPARATOR, message).at(whole, "the second begins here");
        return Some(diagnostic.help("begin each definition on a line of its own"));
    }
    None
}

fn usual_form(text: &str, place: Place) -> Option<&'static str> {
    Some(match place {
        Place::Entry => "a field is written `name: value`",
        Place::Statement => match leading_word(text) {
            "repeat" => "a loop is written `repeat COUNT as LABEL { ... }`",
            "if" => "a choice is written `if CONDITION { ... } else { ... }`",
            "require" => "a requirement is written `require CONDITION, \"text\"`",
            "collect" => "it is written `collect name = value`",
            "return" => "a result is written `return value` or `return (a, b)`",
            _ => "a statement is written `name = value`",
        },
        Place::Signature => "a header is written `NAME(x: [B, T, D], n: int = 4) -> [B, T, D]`",
        Place::Name => "a definition is written `experiment NAME { ... }`",
        Place::Loop => "a loop is written `repeat COUNT as LABEL { ... }`",
        Place::Condition => "a choice is written `if CONDITION { ... } else { ... }`",
        Place::Claim => {
            "a claim is written `crossover(loss(valid), of: mdm, under: ar)`, with `at`, `before` or `within` after it"
        }
        Place::Item => match leading_word(text) {
            "use" => "an import is written `use \"path.dlm\" { name, other as alias }`",
            "let" => "it is written `let NAME = VALUE`",
            "language" => "it is written `language 1`",
            "schedule" => "a schedule is written `schedule NAME(t) = FORMULA`",
            "objective" => "an objective is written `objective NAME = kind(...)`",
            "data" => "it is written `data NAME { ... }`",
            "train" => "it is written `train NAME { ... }`",
            "experiment" => "it is written `experiment NAME { ... }`",
            "block" => "a block is written `block NAME(x: [B, T, D]) { ... }`",
            "model" => "a model is written `model NAME(layers: int) { ... }`",
            _ => return None,
        },
        Place::Value => return None,
    })
}

/// What stands at the beginning of a text, as a message names it, and its length in bytes.
fn found(text: &str) -> (String, usize) {
    let Some(first) = text.chars().next() else {
        return ("the end of the line".to_string(), 0);
    };
    let length = if is_word_char(first) {
        text.find(|c| !is_word_char(c)).unwrap_or(text.len())
    } else if first == '"' {
        text.get(1..).and_then(|rest| rest.find('"')).map_or(1, |i| i + 2)
    } else {
        let marks = ["...", "**", "=>", "==", "->", "//", ":=", "<=", ">="];
        marks.iter().find(|mark| text.starts_with(**mark)).map_or(first.len_utf8(), |mark| mark.len())
    };
    let shown = text.get(..length).unwrap_or("");
    let name =
        if first.is_control() { format!("the character U+{:04X}", u32::from(first)) } else { format!("`{shown}`") };
    (name, length)
}

/// Specific marks first, then kinds of values; the grammar's order within.
fn sorted(rules: &[Rule]) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    rules.sort_by_key(|rule| (!words::word(*rule).starts_with('`'), *rule == Rule::EOI));
    rules
}

/// Whether the mistake lies inside a value, so that the form around it is not the question.
fn amid_value(expected: &[Rule], found_something: bool) -> bool {
    let inside = |rule: &Rule| matches!(words::word(*rule), "an operator" | "`)`" | "`]`" | "`}`");
    expected.iter().any(inside) || (found_something && expected.contains(&Rule::digits))
}

fn leading_word(text: &str) -> &str {
    let end = text.find(|c| !is_word_char(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_reserved(word: &str) -> bool {
    let structure = matches!(word, "as" | "repeat" | "return" | "true" | "false" | "none" | "if" | "else");
    structure || matches!(word, "and" | "or" | "not" | "in")
}
