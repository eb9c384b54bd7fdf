//! The page of each code: `grammar/codes.md`, one section a code.

use crate::base::diag::CODES;

/// All pages as one text.
const PAGES: &str = include_str!("../../../grammar/codes.md");

/// An example of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub text: String,
    /// A command line, where no text alone can show the mistake.
    pub is_command: bool,
}

/// What there is to know about a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub code: String,
    pub title: &'static str,
    pub text: String,
    /// Examples that get the code, and the same mended.
    pub wrong: Vec<Example>,
    pub right: Vec<Example>,
}

/// The page of a code, written `E0402`.
pub fn page(code: &str) -> Option<Page> {
    let (.., title) = CODES.iter().find(|(c, ..)| c.0 == code)?;
    let section = PAGES.split("\n## ").skip(1).find(|s| s.split_whitespace().next() == Some(code))?;
    let (_, body) = section.split_once('\n')?;
    let mut page = Page { code: code.into(), title: title.trim(), text: String::new(), wrong: vec![], right: vec![] };
    let mut rest = body;
    // Text, then a fenced example, and so on.
    while let Some((before, after)) = rest.split_once("\n```") {
        page.text.push_str(before);
        let (mark, after) = after.split_once('\n')?;
        let (example, after) = after.split_once("```")?;
        let examples = if mark.ends_with("wrong") { &mut page.wrong } else { &mut page.right };
        examples.push(Example { text: example.to_string(), is_command: mark.starts_with("sh") });
        rest = after;
    }
    page.text.push_str(rest);
    page.text = page.text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()).collect::<Vec<_>>().join("\n\n");
    Some(page)
}

impl Page {
    /// For reading in a terminal.
    pub fn shown(&self) -> String {
        let mut out = format!("{}: {}\n\n{}\n", self.code, self.title, self.text);
        for (word, examples) in [("wrong", &self.wrong), ("right", &self.right)] {
            for example in examples {
                out.push_str(&format!("\n{word}:\n\n"));
                for line in example.text.lines() {
                    out.push_str(if line.is_empty() { "" } else { "    " });
                    out.push_str(line);
                    out.push('\n');
                }
            }
        }
        out
    }
}
