//! `metrics.jsonl`: appended line by line, each line handed to the system before training goes on,
//! so a kill costs at most the line being written.

use super::archive::read_log;
use super::error::{At, Result, StoreError};
use super::metrics::{End, Record};
use super::run_folder::write_atomic;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// An open log. One process writes it.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens (or makes) the log for appending. A torn last line, left by a kill, is cut off first:
    /// the next record would otherwise continue it.
    pub fn open(path: &Path) -> Result<MetricsLog> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => vec![],
            Err(e) => return Err(e).at(path),
        };
        let file = OpenOptions::new().create(true).append(true).open(path).at(path)?;
        let whole = whole_lines(&bytes).len();
        if whole < bytes.len() {
            file.set_len(whole as u64).at(path)?;
        }
        Ok(MetricsLog { path: path.to_owned(), file })
    }

    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).map_err(|e| StoreError::Record {
            path: self.path.clone(),
            line: 0,
            message: e.to_string(),
        })?;
        line.push(b'\n');
        // One write call a line: a reader beside us never sees half of one for long.
        self.file.write_all(&line).at(&self.path)?;
        self.file.flush().at(&self.path)
    }

    /// Makes all lines so far last through a power cut; called before a checkpoint is written.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().at(&self.path)
    }

    /// Drops every record past `step`, those steps being about to be done again, and starts that led nowhere; returns
    /// what stays.
    pub fn truncate_after(&mut self, step: u64) -> Result<Vec<Record>> {
        let kept = truncate_after(&self.path, step)?;
        self.file = OpenOptions::new().append(true).open(&self.path).at(&self.path)?;
        Ok(kept)
    }

    /// Drops everything: the run begins anew.
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).at(&self.path)
    }
}

/// All records of a log. One torn line at the very end is the trace of a kill and is left out; an
/// unreadable line anywhere else is an error that names it. A log that is not there is an error.
/// In an archive it is compressed.
pub fn read_metrics(path: &Path) -> Result<Vec<Record>> {
    let bytes = read_log(path)?;
    Ok(parse(path, &bytes)?.into_iter().map(|(record, _)| record).collect())
}

/// Rewrites the log without the records past `step`, and without starts from there: what followed them is gone, and
/// the one that is about to be written takes their place. The lines that stay keep every byte. Returns their records.
pub fn truncate_after(path: &Path, step: u64) -> Result<Vec<Record>> {
    let bytes = std::fs::read(path).at(path)?;
    let mut kept = Vec::with_capacity(bytes.len());
    let mut records = vec![];
    for (record, line) in parse(path, &bytes)? {
        let led_nowhere = matches!(&record, Record::Start(start) if start.from_step >= step);
        if record.step() <= step && !led_nowhere {
            kept.extend_from_slice(line);
            kept.push(b'\n');
            records.push(record);
        }
    }
    if kept != bytes {
        write_atomic(path, &kept)?;
    }
    Ok(records)
}

/// Every end that a log tells of, without a look at its other lines; none where there is no log.
pub fn read_ends(path: &Path) -> Result<Vec<End>> {
    let bytes = match read_log(path) {
        Ok(bytes) => bytes,
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let ends = whole_lines(&bytes).split(|b| *b == b'\n').filter(|line| line.starts_with(b"{\"kind\":\"end\""));
    Ok(ends
        .filter_map(|line| serde_json::from_slice(line).ok())
        .filter_map(|r| if let Record::End(end) = r { Some(end) } else { None })
        .collect())
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Vec<(Record, &'a [u8])>> {
    let mut records = vec![];
    let whole = whole_lines(bytes);
    let n_lines = whole.iter().filter(|b| **b == b'\n').count();
    for (i, line) in whole.split(|b| *b == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => records.push((record, line)),
            // After a power cut the last line can be whole in length and empty in content.
            Err(_) if i + 1 == n_lines && line.contains(&0) => {}
            Err(e) => {
                return Err(StoreError::Record { path: path.to_owned(), line: i + 1, message: e.to_string() });
            }
        }
    }
    Ok(records)
}

/// Up to and with the last line end.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    bytes.get(..end).unwrap_or_default()
}
