//! Layout as data: text, places where a line may end, and groups that stand on one line or on several.
//!
//! A group is written on one line where it fits and nothing in it asks for more; else every place of
//! its own becomes a line end (Wadler's "A prettier printer", as Prettier has it). Comments at the end of a line
//! take no part in that; they are set in columns afterwards.

/// The longest line, comments not counted.
pub const WIDTH: usize = 120;
const INDENT: usize = 4;
/// Code up to this width shares a column of comments with its neighbours; longer lines stand alone.
const COMMENT_COLUMN: usize = 56;

#[derive(Clone, Debug)]
pub enum Doc {
    Text(String),
    /// A blank, or a line end.
    Line,
    /// Nothing, or a line end.
    Soft,
    /// A line end.
    Hard,
    /// An empty line before the next one, where the group stands on several lines.
    Blank,
    /// The group around it stands on several lines.
    Force,
    /// Text where the group around it stands on several lines, and where on one.
    Either(String, &'static str),
    Concat(Vec<Doc>),
    Indent(Box<Doc>),
    Group {
        doc: Box<Doc>,
        broken: bool,
    },
    /// A comment that ends its line.
    Comment(String),
}

impl Doc {
    pub fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }

    pub fn indent(parts: Vec<Doc>) -> Doc {
        Doc::Indent(Box::new(Doc::Concat(parts)))
    }

    pub fn group(parts: Vec<Doc>) -> Doc {
        let doc = Doc::Concat(parts);
        let broken = doc.forces();
        Doc::Group { doc: Box::new(doc), broken }
    }

    /// Whether the group around it has to stand on several lines.
    fn forces(&self) -> bool {
        match self {
            Doc::Hard | Doc::Force | Doc::Comment(_) => true,
            Doc::Text(_) | Doc::Line | Doc::Soft | Doc::Blank | Doc::Either(..) => false,
            Doc::Concat(parts) => parts.iter().any(Doc::forces),
            Doc::Indent(doc) => doc.forces(),
            Doc::Group { broken, .. } => *broken,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Flat,
    Broken,
}

#[derive(Debug, Default)]
struct Row {
    code: String,
    comment: Option<String>,
}

/// The text of a document, with a line end at its end.
pub fn print(doc: &Doc) -> String {
    let mut rows: Vec<Row> = vec![];
    let mut row = Row::default();
    let mut blank = false;
    let mut stack: Vec<(usize, Mode, &Doc)> = vec![(0, Mode::Broken, doc)];
    while let Some((indent, mode, doc)) = stack.pop() {
        match (doc, mode) {
            (Doc::Text(text), _) => row.code.push_str(text),
            (Doc::Either(broken, _), Mode::Broken) => row.code.push_str(broken),
            (Doc::Either(_, flat), Mode::Flat) => row.code.push_str(flat),
            (Doc::Line, Mode::Flat) => row.code.push(' '),
            (Doc::Soft, Mode::Flat) | (Doc::Force | Doc::Blank, Mode::Flat) | (Doc::Force, _) => {}
            (Doc::Blank, Mode::Broken) => blank = true,
            (Doc::Line | Doc::Soft, Mode::Broken) | (Doc::Hard, _) => {
                rows.push(std::mem::take(&mut row));
                if std::mem::take(&mut blank) {
                    rows.push(Row::default());
                }
                row.code = " ".repeat(indent);
            }
            (Doc::Concat(parts), _) => stack.extend(parts.iter().rev().map(|part| (indent, mode, part))),
            (Doc::Indent(inner), _) => stack.push((indent + INDENT, mode, inner)),
            (Doc::Group { doc, broken }, _) => {
                let used = row.code.chars().count();
                let flat = !broken && (mode == Mode::Flat || fits(doc, WIDTH.saturating_sub(used), &stack));
                stack.push((indent, if flat { Mode::Flat } else { Mode::Broken }, doc));
            }
            (Doc::Comment(text), _) => match &mut row.comment {
                Some(comment) => comment.push_str(&format!(" {text}")),
                comment @ None => *comment = Some(text.clone()),
            },
        }
    }
    rows.push(row);
    let rows: Vec<Row> = rows.into_iter().map(|r| Row { code: r.code.trim_end().to_string(), ..r }).collect();
    let columns = comment_columns(&rows);
    let mut out = String::new();
    for (row, column) in rows.iter().zip(columns) {
        out.push_str(&row.code);
        if let Some(comment) = &row.comment {
            let width = row.code.chars().count();
            out.push_str(&" ".repeat(column.saturating_sub(width)));
            out.push_str(comment);
        }
        out.push('\n');
    }
    let trimmed = out.trim_end().len();
    out.truncate(trimmed);
    out.push('\n');
    out
}

/// Whether `doc` on one line, with what follows it up to the next line end, has no more than `room`.
fn fits(doc: &Doc, room: usize, rest: &[(usize, Mode, &Doc)]) -> bool {
    let mut room = room;
    let mut rest = rest.iter().rev();
    let mut stack = vec![(Mode::Flat, doc)];
    loop {
        let (mode, doc) = match stack.pop() {
            Some(next) => next,
            None => match rest.next() {
                Some((_, mode, doc)) => (*mode, *doc),
                None => return true,
            },
        };
        let width = match (doc, mode) {
            (Doc::Text(text), _) => text.chars().count(),
            (Doc::Either(broken, _), Mode::Broken) => broken.chars().count(),
            (Doc::Either(_, flat), Mode::Flat) => flat.chars().count(),
            (Doc::Line, Mode::Flat) => 1,
            (Doc::Line | Doc::Soft, Mode::Broken) | (Doc::Hard, _) => return true,
            (Doc::Soft, Mode::Flat) | (Doc::Blank | Doc::Force | Doc::Comment(_), _) => 0,
            (Doc::Concat(parts), _) => {
                stack.extend(parts.iter().rev().map(|part| (mode, part)));
                0
            }
            (Doc::Indent(inner), _) => {
                stack.push((mode, inner));
                0
            }
            (Doc::Group { doc, broken }, _) => {
                stack.push((if *broken { Mode::Broken } else { mode }, doc));
                0
            }
        };
        match room.checked_sub(width) {
            Some(left) => room = left,
            None => return false,
        }
    }
}

/// Where each line's comment stands: in a column with those of its neighbours, else two blanks after
/// the code. An empty line, another indentation and a line that opens or closes a body end a column.
fn comment_columns(rows: &[Row]) -> Vec<usize> {
    let indent = |row: &Row| row.code.len() - row.code.trim_start().len();
    let alone = |row: &Row| {
        let code = row.code.trim();
        code.is_empty() || code.ends_with(['{', '(', '[']) || code.starts_with(['}', ')', ']'])
    };
    let mut columns = vec![];
    for run in rows.chunk_by(|a, b| !alone(a) && !alone(b) && indent(a) == indent(b)) {
        let width = |row: &Row| row.code.chars().count();
        let sharing = run.iter().filter(|r| r.comment.is_some() && width(r) <= COMMENT_COLUMN);
        let column = sharing.map(width).max().unwrap_or(0) + 2;
        columns.extend(run.iter().map(|row| column.max(width(row) + 2)));
    }
    columns
}
