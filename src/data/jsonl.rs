//! Text files line by line, plain or packed (`.gz`, `.zst`, `.zstd` by name), and jsonl rows with their line numbers. A malformed
//! row does not hide the next: the first few are told, all are counted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Malformed rows that are told one by one; the others are counted.
pub const MAX_TOLD: usize = 8;
/// A line longer than this is no row of anything, and would fill the memory of a small machine.
const MAX_LINE: u64 = 256 << 20;

/// A row that cannot be used. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub line: u64,
    pub reason: String,
}

impl std::fmt::Display for BadRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonlError {
    /// Not there, not readable, or a damaged archive.
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// `rows` are the first [`MAX_TOLD`] of `n_bad`.
    #[error("{} of {} malformed: {}", n_rows(*.n_bad), path.display(), told(.rows, *.n_bad))]
    BadRows { path: PathBuf, rows: Vec<BadRow>, n_bad: u64 },
}

fn n_rows(n: u64) -> String {
    if n == 1 { "1 row".into() } else { format!("{n} rows") }
}

fn told(rows: &[BadRow], n_bad: u64) -> String {
    let mut text = rows.iter().map(BadRow::to_string).collect::<Vec<_>>().join("; ");
    if n_bad > rows.len() as u64 {
        text.push_str("; ...");
    }
    text
}

/// Opens a file for reading, unpacked if its name ends in `.gz`, `.zst` or `.zstd`.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    Ok(match packing(path) {
        Packing::None => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Packing::Zstd => Box::new(zstd::Decoder::new(file)?),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

pub(super) fn packing(path: &Path) -> Packing {
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Packing::Gzip,
        Some("zst" | "zstd") => Packing::Zstd,
        _ => Packing::None,
    }
}

/// Gives every line that is not blank to `row`, with its number. What `row` refuses is gathered with its reason, as is
/// a line that is no UTF-8; reading goes on to the end, so that all malformed rows are known at once.
pub fn for_each_row(path: &Path, mut row: impl FnMut(u64, &str) -> Result<(), String>) -> Result<(), JsonlError> {
    let unreadable = |e: io::Error| JsonlError::Unreadable { path: path.to_owned(), reason: e.to_string() };
    let mut reader = BufReader::with_capacity(1 << 16, open(path).map_err(unreadable)?);
    let (mut bytes, mut line) = (Vec::new(), 0u64);
    let (mut rows, mut n_bad) = (vec![], 0u64);
    loop {
        bytes.clear();
        let n_read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(unreadable)?;
        if n_read == 0 {
            break;
        }
        line += 1;
        if n_read as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            let reason = format!("line {line} is longer than {} MiB", MAX_LINE >> 20);
            return Err(JsonlError::Unreadable { path: path.to_owned(), reason });
        }
        let found = match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim().is_empty() => Ok(()),
            Ok(text) => row(line, text.trim_end_matches(['\n', '\r'])),
            Err(error) => Err(format!("byte {} of it starts no UTF-8 character", error.valid_up_to() + 1)),
        };
        if let Err(reason) = found {
            n_bad += 1;
            if rows.len() < MAX_TOLD {
                rows.push(BadRow { line, reason });
            }
        }
    }
    if n_bad > 0 { Err(JsonlError::BadRows { path: path.to_owned(), rows, n_bad }) } else { Ok(()) }
}

/// All rows of a jsonl file as `T`, each with its line number. `T` may be `serde_json::Value`.
pub fn read_rows<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<(u64, T)>, JsonlError> {
    let mut rows = vec![];
    for_each_row(path, |line, text| {
        rows.push((line, serde_json::from_str(text).map_err(|e| json_reason(&e))?));
        Ok(())
    })?;
    Ok(rows)
}

/// serde_json's words, with the column in this line and without its own line number, which is always 1.
pub fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    if error.column() == 0 { what.to_string() } else { format!("{what} (column {})", error.column()) }
}

/// The text in `field` of a row; other fields are passed over without being kept.
pub fn text_of(row: &str, field: &str) -> Result<String, String> {
    use serde::de::DeserializeSeed;
    let mut deserializer = serde_json::Deserializer::from_str(row);
    let text = TextField(field).deserialize(&mut deserializer).map_err(|e| json_reason(&e))?;
    deserializer.end().map_err(|e| json_reason(&e))?;
    text.ok_or_else(|| format!("it has no field `{field}`"))
}

struct TextField<'a>(&'a str);

impl<'de> serde::de::DeserializeSeed<'de> for TextField<'_> {
    type Value = Option<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> serde::de::Visitor<'de> for TextField<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an object with a text in `{}`", self.0)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.0 {
                let text = map.next_value::<String>()?;
                if found.replace(text).is_some() {
                    return Err(serde::de::Error::custom(format!("`{}` stands in it twice", self.0)));
                }
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::io::Write;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn rows_have_their_line_numbers_plain_and_packed() {
        let text = "{\"a\": 1}\n\n  \n{\"a\": 2}\r\n{\"a\": 3}".as_bytes();
        let two_members = [gzip(&text[..9]), gzip(&text[9..])].concat();
        let zst = zstd::encode_all(text, 3).unwrap();
        for (name, bytes) in
            [("a.jsonl", text), ("a.jsonl.gz", &two_members), ("a.jsonl.zst", &zst), ("a.jsonl.zstd", &zst)]
        {
            let (_dir, path) = file(name, bytes);
            let rows: Vec<(u64, serde_json::Value)> = read_rows(&path).unwrap();
            let found: Vec<(u64, i64)> = rows.iter().map(|(line, row)| (*line, row["a"].as_i64().unwrap())).collect();
            assert_eq!(found, [(1, 1), (4, 2), (5, 3)], "{name}");
        }
    }

    #[test]
    fn all_malformed_rows_are_known_at_once() {
        let mut bytes = b"{\"text\": \"x\"}\n{\"text\": \"x\"\n[1]\n{\"text\": 3}\n{\"other\": \"x\"}\n".to_vec();
        bytes.extend(b"{\"text\": \"\xff\"}\n{\"text\": \"x\", \"text\": \"y\"}\n{\"text\": \"x\"} 3\n");
        bytes.extend(b"nonsense\n".repeat(5));
        let (_dir, path) = file("a.jsonl", &bytes);
        let error = for_each_row(&path, |_, row| text_of(row, "text").map(drop)).unwrap_err();
        let JsonlError::BadRows { rows, n_bad, .. } = &error else { unreachable!("{error}") };
        assert_eq!((rows.len(), *n_bad), (MAX_TOLD, 12));
        let shown: Vec<String> = rows.iter().map(BadRow::to_string).collect();
        let expected = [
            "line 2: EOF while parsing an object (column 12)",
            "line 3: invalid type: sequence, expected an object with a text in `text`",
            "line 4: invalid type: integer `3`, expected a string (column 10)",
            "line 5: it has no field `text`",
            "line 6: byte 11 of it starts no UTF-8 character",
            "line 7: `text` stands in it twice (column 26)",
            "line 8: trailing characters (column 15)",
            "line 9: expected ident (column 2)",
        ];
        assert_eq!(shown, expected);
        assert!(error.to_string().starts_with("12 rows of "), "{error}");
    }

    #[test]
    fn damaged_archives_are_refused() {
        let packed = gzip(&b"{\"text\": \"some text that is long enough\"}\n".repeat(50));
        for (name, bytes) in
            [("a.jsonl.gz", &packed[..packed.len() - 9]), ("a.jsonl.gz", b"plain"), ("a.jsonl.zst", b"plain text")]
        {
            let (_dir, path) = file(name, bytes);
            let error = read_rows::<serde_json::Value>(&path).unwrap_err();
            assert!(matches!(error, JsonlError::Unreadable { .. }), "{error}");
        }
        let error = read_rows::<serde_json::Value>(Path::new("/nowhere/a.jsonl")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/a.jsonl cannot be read"), "{error}");
    }

    #[test]
    fn the_field_is_found_among_others() {
        assert_eq!(
            text_of(r#"{"id": [1, {"text": "no"}], "text": "a\nb\u00e9", "n": null}"#, "text").unwrap(),
            "a\nbé"
        );
        assert_eq!(text_of(r#"{"te\u0078t": ""}"#, "text").unwrap(), "");
    }
}
