//! Token stores: the ids of a corpus, its documents and what tells duplicates apart, in one file of the cache. A store
//! appears whole under a name made of what it was made from, and is checked before it is used; a damaged one in the
//! cache is made anew.
//!
//! Layout, little-endian: 8 bytes of magic; version, bytes of an id (u32 each); tokens, documents (u64 each); 32 bytes
//! of blake3 of all after the header; 32 bytes of blake3 of the header up to there; then the ids, the end of each
//! document (u64), and 16 bytes of each document's hash.

use super::map::Mapped;
use super::tokens::{IdWidth, Part};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"DLMCTOK\0";
/// Of the layout; another is no store of this dlmc.
pub const STORE_VERSION: u32 = 1;
const HEADER: usize = 96;
const HASH: usize = 32;
/// Bytes of a document's hash: 16 leave no chance of two documents with the same.
pub const DOCUMENT_HASH: usize = 16;

/// What a store holds.
#[derive(Clone, Debug)]
pub struct Store {
    pub tokens: Part,
    /// Where each document ends; the first starts at 0.
    pub ends: Vec<u64>,
    pub hashes: Vec<[u8; DOCUMENT_HASH]>,
    /// Of all it holds.
    pub hash: String,
    pub width: IdWidth,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreProblem {
    #[error("it is not there")]
    Missing,
    #[error("{0}")]
    Unreadable(String),
    #[error("it is no token store: it does not begin as one")]
    Magic,
    #[error("it is of version {0}, and this dlmc reads {STORE_VERSION}")]
    Version(u32),
    #[error("ids of {0} bytes are not of any store")]
    Width(u32),
    #[error("it has {have} bytes, and its header says {want}")]
    Length { have: u64, want: u64 },
    #[error("its {0} is not what was written")]
    Hash(&'static str),
    #[error("its documents do not lie one after another")]
    Documents,
}

/// Opens and checks a store, its content too.
pub fn open(path: &Path) -> Result<Store, StoreProblem> {
    let map = Mapped::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreProblem::Missing,
        _ => StoreProblem::Unreadable(e.to_string()),
    })?;
    let bytes = map.bytes();
    if !bytes.starts_with(MAGIC) {
        return Err(StoreProblem::Magic);
    }
    let have = bytes.len() as u64;
    let short = |want: u64| StoreProblem::Length { have, want };
    let word = |at: usize| -> Result<u32, StoreProblem> {
        let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or_else(|| short(HEADER as u64))?;
        Ok(u32::from_le_bytes(four))
    };
    let long = |at: usize| -> Result<u64, StoreProblem> {
        let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).ok_or_else(|| short(HEADER as u64))?;
        Ok(u64::from_le_bytes(eight))
    };
    // The version comes first: what follows is laid out by it.
    match word(8)? {
        STORE_VERSION => {}
        other => return Err(StoreProblem::Version(other)),
    }
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or_else(|| short(HEADER as u64))?;
    let (before, own_hash) = header.split_at(HEADER - HASH);
    if blake3::hash(before).as_bytes() != own_hash {
        return Err(StoreProblem::Hash("header"));
    }
    let width = match word(12)? {
        2 => IdWidth::Two,
        4 => IdWidth::Four,
        other => return Err(StoreProblem::Width(other)),
    };
    let (n_tokens, n_documents) = (long(16)?, long(24)?);
    let per_document = 8 + DOCUMENT_HASH as u64;
    let want = n_tokens
        .checked_mul(width.bytes() as u64)
        .and_then(|ids| Some((ids, n_documents.checked_mul(per_document)?)))
        .and_then(|(ids, documents)| ids.checked_add(documents)?.checked_add(HEADER as u64))
        .unwrap_or(u64::MAX);
    if want != have {
        return Err(short(want));
    }
    let payload_hash = blake3::hash(rest);
    if before.get(32..) != Some(payload_hash.as_bytes().as_slice()) {
        return Err(StoreProblem::Hash("content"));
    }
    let tables = rest.get(n_tokens as usize * width.bytes()..).unwrap_or(&[]);
    let (ends, hashes) = tables.split_at_checked(n_documents as usize * 8).unwrap_or((tables, &[]));
    let ends: Vec<u64> = ends.as_chunks::<8>().0.iter().map(|end| u64::from_le_bytes(*end)).collect();
    let hashes = hashes.as_chunks::<DOCUMENT_HASH>().0.to_vec();
    if !ends.is_sorted() || ends.last().copied().unwrap_or(0) != n_tokens {
        return Err(StoreProblem::Documents);
    }
    let hash = payload_hash.to_hex().as_str().chars().take(32).collect();
    let tokens = Part::Mapped { map: map.clone(), start: HEADER, len: n_tokens, width };
    Ok(Store { tokens, ends, hashes, hash, width })
}

/// The hash by which duplicates are known.
pub fn document_hash(bytes: &[u8]) -> [u8; DOCUMENT_HASH] {
    let mut out = [0; DOCUMENT_HASH];
    out.iter_mut().zip(blake3::hash(bytes).as_bytes()).for_each(|(out, byte)| *out = *byte);
    out
}

/// Where documents go one by one: a file of the cache, or memory where none can be written.
pub struct Sink {
    ends: Vec<u64>,
    hashes: Vec<[u8; DOCUMENT_HASH]>,
    n_tokens: u64,
    width: IdWidth,
    to: To,
    /// Why it goes to memory.
    refused: Option<String>,
}

enum To {
    File { file: Box<std::io::BufWriter<tempfile::NamedTempFile>>, path: PathBuf, hasher: Box<blake3::Hasher> },
    Memory(Part),
}

impl Sink {
    /// Writes a store that will be at `path`.
    pub fn new(path: &Path, width: IdWidth) -> Sink {
        let (to, refused) = match new_file(path) {
            Ok(file) => {
                let file = Box::new(std::io::BufWriter::with_capacity(1 << 20, file));
                (To::File { file, path: path.to_owned(), hasher: Box::new(blake3::Hasher::new()) }, None)
            }
            Err(e) => (To::Memory(Part::new(width)), Some(e.to_string())),
        };
        Sink { ends: vec![], hashes: vec![], n_tokens: 0, width, to, refused }
    }

    /// In memory, for what is not worth a file.
    pub fn memory(width: IdWidth) -> Sink {
        Sink { ends: vec![], hashes: vec![], n_tokens: 0, width, to: To::Memory(Part::new(width)), refused: None }
    }

    pub fn push(&mut self, ids: &[u32], hash: [u8; DOCUMENT_HASH]) -> std::io::Result<()> {
        self.n_tokens += ids.len() as u64;
        self.ends.push(self.n_tokens);
        self.hashes.push(hash);
        match &mut self.to {
            To::Memory(part) => part.push(ids),
            To::File { file, hasher, .. } => {
                let bytes: Vec<u8> = match self.width {
                    IdWidth::One | IdWidth::Two => ids.iter().flat_map(|id| (*id as u16).to_le_bytes()).collect(),
                    IdWidth::Four => ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
                };
                hasher.update(&bytes);
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// The store, in its place; with it, why it is in memory alone where it should have been a file.
    pub fn finish(self) -> std::io::Result<(Store, Option<String>)> {
        let Sink { ends, hashes, n_tokens, width, to, refused } = self;
        match to {
            To::Memory(tokens) => Ok((Store { tokens, ends, hashes, hash: String::new(), width }, refused)),
            To::File { mut file, path, mut hasher } => {
                let mut tables: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
                tables.extend(hashes.iter().flatten());
                hasher.update(&tables);
                file.write_all(&tables)?;
                let mut header = Vec::with_capacity(HEADER);
                header.extend_from_slice(MAGIC);
                header.extend_from_slice(&STORE_VERSION.to_le_bytes());
                header.extend_from_slice(&(width.bytes() as u32).to_le_bytes());
                header.extend_from_slice(&n_tokens.to_le_bytes());
                header.extend_from_slice(&(ends.len() as u64).to_le_bytes());
                header.extend_from_slice(hasher.finalize().as_bytes());
                let own = blake3::hash(&header);
                header.extend_from_slice(own.as_bytes());
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header)?;
                let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
                put_in_place(file, &path)?;
                let opened = open(&path).map_err(|problem| std::io::Error::other(problem.to_string()))?;
                Ok((opened, None))
            }
        }
    }
}

fn new_file(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    file.write_all(&[0; HEADER])?;
    Ok(file)
}

/// Renames a finished file into place: of several writers the last one wins, and all wrote the same.
pub(super) fn put_in_place(file: tempfile::NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    // A temporary is readable by its owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn write(path: &Path, width: IdWidth) -> Store {
        let mut sink = Sink::new(path, width);
        for document in [&[1u32, 2, 3][..], &[], &[60_000, 5]] {
            sink.push(document, document_hash(&document.iter().map(|id| *id as u8).collect::<Vec<_>>())).unwrap();
        }
        let (store, refused) = sink.finish().unwrap();
        assert_eq!(refused, None);
        store
    }

    #[test]
    fn a_store_gives_back_what_was_put_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/folder/a.tokens");
        for width in [IdWidth::Two, IdWidth::Four] {
            let written = write(&path, width);
            let read = open(&path).unwrap();
            let mut ids = vec![];
            read.tokens.read(0..9, &mut ids);
            assert_eq!(ids, [1, 2, 3, 60_000, 5]);
            assert_eq!((&read.ends, &read.hash), (&vec![3, 3, 5], &written.hash));
            assert_eq!(read.hashes[1], document_hash(&[]));
            assert_eq!(read.width, width);
        }
        // Nothing but the store is left.
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tokens");
        write(&path, IdWidth::Two);
        let whole = std::fs::read(&path).unwrap();
        let found = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            open(&path).unwrap_err()
        };
        let changed = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(found(&whole[..whole.len() - 1]), StoreProblem::Length { have: 177, want: 178 });
        assert_eq!(found(&whole[..50]), StoreProblem::Length { have: 50, want: 96 });
        assert_eq!(found(&changed(0, b'X')), StoreProblem::Magic);
        assert_eq!(found(b""), StoreProblem::Magic);
        assert_eq!(found(&changed(8, 0)), StoreProblem::Version(0));
        assert_eq!(found(&changed(HEADER + 1, 9)), StoreProblem::Hash("content"));
        assert_eq!(found(&changed(16, 9)), StoreProblem::Hash("header"));
        // Headers that are whole, and say something else.
        let rewritten = |at: usize, byte: u8| {
            let mut bytes = changed(at, byte);
            let own = blake3::hash(&bytes[..HEADER - HASH]);
            bytes[HEADER - HASH..HEADER].copy_from_slice(own.as_bytes());
            bytes
        };
        assert_eq!(found(&rewritten(12, 3)), StoreProblem::Width(3));
        assert!(matches!(found(&rewritten(12, 4)), StoreProblem::Length { .. }));
        assert!(matches!(found(&rewritten(23, 255)), StoreProblem::Length { .. }));
        assert_eq!(found(&rewritten(40, 1)), StoreProblem::Hash("content"));
        assert_eq!(open(&dir.path().join("none")).unwrap_err(), StoreProblem::Missing);
        // Any change of a byte at all is found.
        for (at, byte) in whole.iter().enumerate() {
            found(&changed(at, byte ^ 1));
        }
        assert_eq!(found(&changed(8, 7)).to_string(), "it is of version 7, and this dlmc reads 1");
    }

    #[test]
    fn of_several_writers_each_leaves_a_whole_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tokens");
        write(&path, IdWidth::Two);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| _ = write(&path, IdWidth::Two)));
                scope.spawn(|| (0..50).for_each(|_| assert_eq!(open(&path).unwrap().ends, [3, 3, 5])));
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_nothing_can_be_written_ids_stay_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let mut sink = Sink::new(&dir.path().join("file/a.tokens"), IdWidth::Two);
        sink.push(&[7, 8], document_hash(b"x")).unwrap();
        let (store, refused) = sink.finish().unwrap();
        assert!(refused.is_some());
        assert_eq!((store.ends, store.tokens.len()), (vec![2], 2));
    }
}
