//! Megatron's pairs of files: `.bin` holds ids, `.idx` where sequences and documents lie.
//!
//! Layout of the index (NVIDIA/Megatron-LM, megatron/core/datasets/indexed_dataset.py): the magic `MMIDIDX\0\0`, a u64
//! version 1, a byte that codes the type of an id, the number of sequences and of document boundaries (u64 each), the
//! length of each sequence (i32), its byte offset in the `.bin` (i64), and the sequence at which each document begins,
//! with the number of sequences as the last boundary (i64).

use super::map::Mapped;
use super::tokens::{IdWidth, Part};
use std::ops::Range;
use std::path::Path;

const MAGIC: &[u8; 9] = b"MMIDIDX\0\0";
const VERSION: u64 = 1;

/// Ids and documents of one pair. An id that ends a document is a part of it here.
pub struct Pair {
    pub tokens: Part,
    pub documents: Vec<Range<u64>>,
}

/// Reads a pair. What is wrong is said of the index.
pub fn open(index: &Path, binary: &Path) -> Result<Pair, String> {
    let map = Mapped::open(index).map_err(|e| e.to_string())?;
    let ids = Mapped::open(binary).map_err(|e| format!("{}: {e}", binary.display()))?;
    let mut bytes = Bytes(map.bytes());
    if bytes.take(MAGIC.len())? != MAGIC {
        return Err("it is no Megatron index: it does not begin as one".into());
    }
    match bytes.u64()? {
        VERSION => {}
        other => return Err(format!("it is of version {other}, and version {VERSION} is read")),
    }
    let width = match bytes.take(1)? {
        [1] => IdWidth::One,
        [8] => IdWidth::Two,
        // Negative ids would be too large for any vocabulary.
        [4] => IdWidth::Four,
        other => {
            let code = other.first().copied().unwrap_or(0);
            return Err(format!("ids of type {code} are not read: uint8 (1), int32 (4) and uint16 (8) are"));
        }
    };
    let (n_sequences, n_boundaries) = (bytes.u64()?, bytes.u64()?);
    let lengths = bytes.table::<4>(n_sequences, "lengths")?;
    let offsets = bytes.table::<8>(n_sequences, "offsets")?;
    let boundaries = bytes.table::<8>(n_boundaries, "documents")?;
    let per_id = width.bytes() as u64;
    let n_bytes = ids.bytes().len() as u64;
    let n_ids = n_bytes / per_id;
    let sequence = |i: u64| -> Result<Range<u64>, String> {
        let length = lengths.get(i as usize).map(|l| i32::from_le_bytes(*l)).unwrap_or(-1);
        let offset = offsets.get(i as usize).map(|o| i64::from_le_bytes(*o)).unwrap_or(-1);
        let place = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
        let (offset, length) = place.ok_or_else(|| format!("sequence {i} lies at {offset} and is {length} long"))?;
        let start = offset / per_id;
        if !offset.is_multiple_of(per_id) || start.saturating_add(length) > n_ids {
            return Err(format!(
                "sequence {i} reaches to byte {}, and {} has {n_bytes}",
                offset.saturating_add(length * per_id),
                binary.display()
            ));
        }
        Ok(start..start + length)
    };
    let mut documents = Vec::with_capacity(boundaries.len().saturating_sub(1));
    for pair in boundaries.windows(2) {
        let [from, to] = pair else { continue };
        let (from, to) = (i64::from_le_bytes(*from), i64::from_le_bytes(*to));
        let (Ok(from), Ok(to)) = (u64::try_from(from), u64::try_from(to)) else {
            return Err(format!("a document goes from sequence {from} to {to}"));
        };
        if from > to || to > n_sequences {
            return Err(format!("a document goes from sequence {from} to {to}, of {n_sequences}"));
        }
        let mut whole: Option<Range<u64>> = None;
        for i in from..to {
            let part = sequence(i)?;
            whole = Some(match whole {
                None => part,
                Some(before) if before.end == part.start => before.start..part.end,
                Some(_) => return Err(format!("sequence {i} does not follow the one before it in its document")),
            });
        }
        documents.extend(whole.filter(|range| !range.is_empty()));
    }
    if let Some(last) = boundaries.last().map(|last| i64::from_le_bytes(*last))
        && u64::try_from(last).ok() != Some(n_sequences)
    {
        return Err(format!("its documents end at sequence {last}, of {n_sequences}"));
    }
    let tokens = Part::Mapped { map: ids.clone(), start: 0, len: n_ids, width };
    Ok(Pair { tokens, documents })
}

/// What is left of an index.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("it ends within its header")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u64(&mut self) -> Result<u64, String> {
        let bytes = self.take(8)?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| "it ends within its header".into())
    }

    fn table<const N: usize>(&mut self, n: u64, of: &str) -> Result<&'a [[u8; N]], String> {
        let wanted = usize::try_from(n).ok().and_then(|n| n.checked_mul(N));
        let cut = || format!("it ends within its table of {of}, which should have {n} entries");
        let (table, rest) = wanted.and_then(|n| self.0.split_at_checked(n)).ok_or_else(cut)?;
        self.0 = rest;
        Ok(table.as_chunks::<N>().0)
    }
}
