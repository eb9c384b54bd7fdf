//! The comments of a text, in order: where each stands and whether it has its line to itself.

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub start: usize,
    pub end: usize,
    /// With its mark, without blanks at its end.
    pub text: String,
    /// Nothing but blanks before it on its line.
    pub own_line: bool,
}

/// Every comment of `text`. Marks inside strings are no comments.
pub fn comments(text: &str) -> Vec<Comment> {
    let mut all = vec![];
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied();
    let line_end = |at: usize| text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| at + n);
    let mut at = 0;
    let mut own_line = true;
    while let Some(here) = byte(at) {
        match here {
            b'\n' => own_line = true,
            b'"' => {
                own_line = false;
                at += 1;
                while byte(at).is_some_and(|b| b != b'"' && b != b'\n') {
                    at += if byte(at) == Some(b'\\') && byte(at + 1) != Some(b'\n') { 2 } else { 1 };
                }
            }
            b'/' if byte(at + 1) == Some(b'/') => {
                let end = line_end(at);
                let text = text.get(at..end).unwrap_or_default().trim_end().to_string();
                all.push(Comment { start: at, end, text, own_line });
                at = end;
                continue;
            }
            // A byte order mark is no text.
            b' ' | b'\t' | b'\r' | 0xEF | 0xBB | 0xBF => {}
            _ => own_line = false,
        }
        at += 1;
    }
    all
}
