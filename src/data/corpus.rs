//! Which files a corpus is, in an order that is the same on every machine.

use super::error::{DataError, Missing};
use crate::base::source::normalize;
use crate::check::spec::{Source, SourceKind, TokenizerFile};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Where this machine keeps what patterns refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorpusEnv {
    /// What `{torch}` stands for: the `torch` folder of the libtorch wheel.
    pub torch: Option<PathBuf>,
    /// What `{data}` stands for: the folder of `DLMC_DATA`.
    pub data: Option<PathBuf>,
    /// Where token stores are kept; without one, ids are made each time and kept in memory.
    pub cache: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorpusFile {
    pub path: PathBuf,
    pub bytes: u64,
}

/// The patterns of a source: of Megatron's pairs of files those of the indices, of random ids none.
pub(super) fn patterns(source: &Source) -> Vec<String> {
    match &source.kind {
        SourceKind::Files { patterns } | SourceKind::Jsonl { patterns, .. } | SourceKind::Tokens { patterns, .. } => {
            patterns.clone()
        }
        SourceKind::Megatron { prefixes } => prefixes.iter().map(|prefix| format!("{prefix}.idx")).collect(),
        SourceKind::Random { .. } => vec![],
    }
}

/// All files of the source: pattern by pattern as written, within a pattern by relative path in byte
/// order. A file that two patterns find counts once. Links are followed.
pub fn list_files(source: &Source, env: &CorpusEnv) -> Result<Vec<CorpusFile>, DataError> {
    let (mut files, mut seen, mut missing) = (vec![], BTreeSet::new(), vec![]);
    for pattern in patterns(source) {
        let found = Pattern::new(&pattern, &source.base, env).and_then(|pattern| pattern.collect());
        match found {
            Ok(found) => files.extend(found.into_iter().filter(|file| seen.insert(normalize(&file.path)))),
            Err(problem) => missing.push(problem),
        }
    }
    if missing.is_empty() { Ok(files) } else { Err(DataError::Missing(missing)) }
}

/// The one file that a tokenizer's path means.
pub(super) fn tokenizer_file(file: &TokenizerFile, env: &CorpusEnv) -> Result<PathBuf, Missing> {
    one_file(&file.path, &file.base, env)
}

/// The one file that a path means.
pub(super) fn one_file(path: &str, base: &Path, env: &CorpusEnv) -> Result<PathBuf, Missing> {
    let found = Pattern::new(path, base, env)?.collect()?;
    match found.as_slice() {
        [one] => Ok(one.path.clone()),
        many => Err(Missing::Several { pattern: path.into(), n: many.len() }),
    }
}

/// A pattern of the spec, split into the folder it starts in and a glob below it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    /// The fixed part: a folder, or the file itself where there is no glob.
    root: PathBuf,
    /// Matches paths relative to `root`.
    glob: Option<GlobMatcher>,
    /// How deep below `root` a match can lie; `None` with `**`.
    depth: Option<usize>,
}

impl Pattern {
    /// Splits a pattern and looks whether its fixed part exists: one look at the file system.
    pub(super) fn new(text: &str, base: &Path, env: &CorpusEnv) -> Result<Pattern, Missing> {
        const TORCH: &str = "{torch}";
        const DATA: &str = "{data}";
        let below = |folder: &Option<PathBuf>, rest: &'_ str, none: Missing| match folder {
            Some(folder) => Ok((folder.clone(), rest.trim_start_matches('/').to_string())),
            None => Err(none),
        };
        let (start, rest) = match (text.strip_prefix(TORCH), text.strip_prefix(DATA)) {
            (Some(rest), _) => below(&env.torch, rest, Missing::NoTorch { pattern: text.into() })?,
            (_, Some(rest)) => below(&env.data, rest, Missing::NoData { pattern: text.into() })?,
            (None, None) => (base.to_path_buf(), text.to_string()),
        };
        if let Some(folder) = [TORCH, DATA].into_iter().find(|folder| rest.contains(folder)) {
            return Err(Missing::FolderInside { pattern: text.into(), folder });
        }
        let mut root = start;
        let mut parts = rest.split('/').peekable();
        if rest.starts_with('/') {
            root = PathBuf::from("/");
        }
        while let Some(part) = parts.next_if(|part| !part.contains(['*', '?', '[', '{'])) {
            if !part.is_empty() {
                root.push(part);
            }
        }
        let wild: Vec<&str> = parts.collect();
        let at = std::fs::metadata(&root).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Missing::NoSuchPath { pattern: text.into(), path: root.clone() },
            _ => Missing::Unreadable { path: root.clone(), reason: e.to_string() },
        })?;
        if wild.is_empty() {
            return match at.is_dir() {
                true => Err(Missing::IsFolder { pattern: text.into(), path: root }),
                false => Ok(Pattern { text: text.into(), root, glob: None, depth: Some(0) }),
            };
        }
        if !at.is_dir() {
            return Err(Missing::NoSuchPath { pattern: text.into(), path: root.join(wild.join("/")) });
        }
        let bad = |e: globset::Error| Missing::BadPattern { pattern: text.into(), reason: e.kind().to_string() };
        let glob = GlobBuilder::new(&wild.join("/")).literal_separator(true).build().map_err(bad)?;
        let depth = if wild.iter().any(|part| part.contains("**")) { None } else { Some(wild.len()) };
        Ok(Pattern { text: text.into(), root, glob: Some(glob.compile_matcher()), depth })
    }

    /// The files, in the order in which the file system gives them; it stops when its user does.
    pub(super) fn walk(&self) -> impl Iterator<Item = Result<CorpusFile, Missing>> {
        // A glob never matches the root itself.
        let min = usize::from(self.glob.is_some());
        WalkDir::new(&self.root)
            .follow_links(true)
            .min_depth(min)
            .max_depth(self.depth.unwrap_or(usize::MAX))
            .into_iter()
            .filter_map(|entry| self.matching(entry).transpose())
    }

    fn matching(&self, entry: walkdir::Result<walkdir::DirEntry>) -> Result<Option<CorpusFile>, Missing> {
        let unreadable = |e: walkdir::Error| Missing::Unreadable {
            path: e.path().unwrap_or(&self.root).to_path_buf(),
            reason: e.io_error().map_or_else(|| e.to_string(), std::io::Error::to_string),
        };
        let entry = entry.map_err(unreadable)?;
        if !entry.file_type().is_file() {
            return Ok(None);
        }
        if let Some(glob) = &self.glob
            && !entry.path().strip_prefix(&self.root).is_ok_and(|relative| glob.is_match(relative))
        {
            return Ok(None);
        }
        let bytes = entry.metadata().map_err(unreadable)?.len();
        Ok(Some(CorpusFile { path: entry.into_path(), bytes }))
    }

    fn collect(&self) -> Result<Vec<CorpusFile>, Missing> {
        let mut files = self.walk().collect::<Result<Vec<_>, _>>()?;
        // All start with `root`, so whole paths sort as relative ones; by bytes, not by components,
        // which would put `a/b` before `a.c`.
        files.sort_by(|a, b| a.path.as_os_str().as_encoded_bytes().cmp(b.path.as_os_str().as_encoded_bytes()));
        if files.is_empty() { Err(self.no_match()) } else { Ok(files) }
    }

    pub(super) fn no_match(&self) -> Missing {
        Missing::NoMatch { pattern: self.text.clone(), folder: self.root.clone() }
    }
}
