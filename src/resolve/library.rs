//! Loading: the files that a spec reaches by `use`, and which name means what in each of them.

use crate::ast::{self, Item};
use crate::base::diag::code;
use crate::base::source::{ReadError, Sources, normalize};
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use crate::syntax;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Spec files that are part of the executable, as `use "std/NAME"`.
const STD: &[(&str, &str)] = &[
    ("std/decoder.dlm", include_str!("../../specs/lib/decoder.dlm")),
    ("std/dit.dlm", include_str!("../../specs/lib/dit.dlm")),
    ("std/schedules.dlm", include_str!("../../specs/lib/schedules.dlm")),
];

/// The version of the language that this dlmc reads; a file may name it in its first line.
const LANGUAGE: u64 = 1;

/// A definition of a [`Library`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefId(pub u32);

/// Names of different kinds do not clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A value with a name.
    Let,
    Schedule,
    Objective,
    Data,
    Train,
    Block,
    Model,
    Experiment,
}

impl Kind {
    pub const ALL: &'static [Kind] = &[
        Kind::Let,
        Kind::Schedule,
        Kind::Objective,
        Kind::Data,
        Kind::Train,
        Kind::Block,
        Kind::Model,
        Kind::Experiment,
    ];

    /// With its article, for messages.
    pub fn a_word(self) -> String {
        let article = if matches!(self, Kind::Objective | Kind::Experiment) { "an" } else { "a" };
        format!("{article} {}", self.word())
    }

    pub fn word(self) -> &'static str {
        match self {
            Kind::Let => "let",
            Kind::Schedule => "schedule",
            Kind::Objective => "objective",
            Kind::Data => "data",
            Kind::Train => "train",
            Kind::Block => "block",
            Kind::Model => "model",
            Kind::Experiment => "experiment",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Def {
    pub kind: Kind,
    pub name: ast::Ident,
    pub item: Arc<Item>,
}

impl Def {
    pub fn file(&self) -> FileId {
        self.name.span.file
    }
}

/// A name in scope: where it came into this file, and what it is.
#[derive(Clone, Debug)]
struct Binding {
    def: DefId,
    /// The definition's name, or the import's.
    span: Span,
    imported: bool,
}

/// Every definition that the files of a spec bring in, and each file's scope.
#[derive(Clone, Debug, Default)]
pub struct Library {
    defs: Vec<Def>,
    scopes: BTreeMap<FileId, BTreeMap<(Kind, String), Binding>>,
    /// Names that a faulty `use` was to bring; missing them is reported already.
    failed: BTreeSet<(FileId, String)>,
    /// The file that was asked for.
    pub main: Option<FileId>,
    /// Its `//!` text.
    pub doc: Option<String>,
}

/// What a look-up found.
pub enum Lookup {
    Found(DefId),
    /// The name is there, as something else.
    OtherKind(Kind, Span),
    /// The name should have come with a `use` that failed, which is reported.
    Failed,
    /// Nothing of that name; see [`Library::closest`].
    Unknown,
}

impl Library {
    pub fn def(&self, id: DefId) -> Option<&Def> {
        self.defs.get(id.0 as usize)
    }

    pub fn defs(&self) -> impl Iterator<Item = (DefId, &Def)> {
        self.defs.iter().enumerate().map(|(i, d)| (DefId(i as u32), d))
    }

    /// The block or model of a definition.
    pub fn block(&self, id: DefId) -> Option<&ast::Block> {
        match &*self.def(id)?.item {
            Item::Block(block) | Item::Model(block) => Some(block),
            _ => None,
        }
    }

    pub fn lookup(&self, file: FileId, kind: Kind, name: &str) -> Lookup {
        let Some(scope) = self.scopes.get(&file) else { return Lookup::Unknown };
        if let Some(binding) = scope.get(&(kind, name.to_string())) {
            return Lookup::Found(binding.def);
        }
        if self.failed.contains(&(file, name.to_string())) {
            return Lookup::Failed;
        }
        let other = Kind::ALL.iter().find_map(|k| scope.get(&(*k, name.to_string())).map(|b| (*k, b.span)));
        if let Some((kind, span)) = other {
            return Lookup::OtherKind(kind, span);
        }
        Lookup::Unknown
    }

    /// The name in scope that is most like one that is not.
    pub fn closest(&self, file: FileId, kind: Kind, name: &str) -> Option<&str> {
        let scope = self.scopes.get(&file)?;
        let candidates = || scope.keys().filter(|(k, _)| *k == kind).map(|(_, n)| n.as_str());
        suggest(name, candidates()).or_else(|| {
            // A short list is a better help than none.
            candidates().next().filter(|_| candidates().count() == 1)
        })
    }

    /// The name in scope that a misspelt one is like.
    pub fn similar(&self, file: FileId, kind: Kind, name: &str) -> Option<&str> {
        let scope = self.scopes.get(&file)?;
        suggest(name, scope.keys().filter(|(k, _)| *k == kind).map(|(_, n)| n.as_str()))
    }

    /// What a name that was not found most likely means; a misspelt use is a use.
    pub fn guess(&self, file: FileId, kind: Kind, name: &str) -> Option<DefId> {
        let scope = self.scopes.get(&file)?;
        match self.lookup(file, kind, name) {
            Lookup::Found(def) => Some(def),
            Lookup::OtherKind(other, _) => scope.get(&(other, name.to_string())).map(|b| b.def),
            Lookup::Failed => None,
            Lookup::Unknown => scope.get(&(kind, self.closest(file, kind, name)?.to_string())).map(|b| b.def),
        }
    }

    /// [`Library::lookup`], with the diagnostic for a failure.
    pub fn find(&self, file: FileId, kind: Kind, name: &str, span: Span, out: &mut Diagnostics) -> Option<DefId> {
        match self.lookup(file, kind, name) {
            Lookup::Found(def) => return Some(def),
            Lookup::Failed => {}
            Lookup::OtherKind(other, at) => out.push(
                Diagnostic::error(code::WRONG_KIND, format!("`{name}` is {}, not {}", other.a_word(), kind.a_word()))
                    .at(span, format!("{} is wanted here", kind.a_word()))
                    .also(at, format!("the {} comes from here", other.word()))
                    .help(format!("use the name of {}, or make it one: `{} {name}`", kind.a_word(), kind.word())),
            ),
            Lookup::Unknown => {
                let closest = if out.is_full() { None } else { self.closest(file, kind, name) };
                out.push(unknown_name(kind.word(), name, span, closest));
            }
        }
        None
    }

    fn bind(&mut self, file: FileId, name: &ast::Ident, binding: Binding, kind: Kind, out: &mut Diagnostics) {
        let scope = self.scopes.entry(file).or_default();
        match scope.get(&(kind, name.text.clone())) {
            Some(first) => out.push(
                Diagnostic::error(
                    code::DUPLICATE_NAME,
                    format!("the {} `{}` is defined twice", kind.word(), name.text),
                )
                .at(name.span, "again here")
                .also(first.span, "first here")
                .help("rename one of them, or import it as another name: `name as other`"),
            ),
            None => {
                scope.insert((kind, name.text.clone()), binding);
            }
        }
    }

    /// Everything in the files that hold experiments, and every import there, has to be of use to one.
    pub fn report_unused(&self, reached: &std::collections::BTreeSet<DefId>, out: &mut Diagnostics) {
        for scope in self.scopes.values() {
            let has_experiment = scope.keys().any(|(kind, _)| *kind == Kind::Experiment);
            if !has_experiment {
                continue;
            }
            for ((kind, name), binding) in scope {
                if *kind == Kind::Experiment || reached.contains(&binding.def) {
                    continue;
                }
                let (what, help) = if binding.imported {
                    ("imported", "take it out of the `use`")
                } else {
                    ("defined", "use it in the experiment, or take it out; a file without an experiment is a library")
                };
                out.push(
                    Diagnostic::error(code::UNUSED, format!("the {} `{name}` is {what} and never used", kind.word()))
                        .at(binding.span, "no experiment reaches it")
                        .help(help),
                );
            }
        }
    }
}

pub(crate) fn unknown_name(what: &str, name: &str, span: Span, closest: Option<&str>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(code::UNKNOWN_NAME, format!("there is no {what} `{name}`")).at(span, "not in scope here");
    match closest {
        Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
        None => diagnostic.help(format!("define it, or import a {what} with `use`")),
    }
}

struct Loader<'a> {
    sources: &'a dyn Sources,
    map: &'a mut SourceMap,
    library: Library,
    out: Diagnostics,
    loaded: BTreeMap<PathBuf, FileId>,
    /// Files being loaded, with the `use` that led to each.
    stack: Vec<(PathBuf, Option<Span>)>,
    /// Files with syntax errors.
    faulty: BTreeSet<FileId>,
}

/// Reads `path` and all it uses. What cannot be read or parsed is reported; the rest is loaded.
pub fn load(path: &Path, sources: &dyn Sources, map: &mut SourceMap) -> (Library, Diagnostics) {
    let mut loader = Loader {
        sources,
        map,
        library: Library::default(),
        out: Diagnostics::default(),
        loaded: BTreeMap::new(),
        stack: vec![],
        faulty: BTreeSet::new(),
    };
    let path = normalize(path);
    match loader.read(&path) {
        Ok(text) => loader.library.main = Some(loader.file(&path, text, None)),
        Err(error) => {
            let code = if matches!(error, ReadError::NotUtf8(_)) { code::NOT_UTF8 } else { code::UNREADABLE };
            loader.out.push(Diagnostic::error(code, format!("cannot read `{}`: {error}", path.display())).help(
                match error {
                    ReadError::Missing => "check the path; it is relative to the current folder",
                    ReadError::NotUtf8(_) => "save the file as UTF-8 text",
                    ReadError::Unreadable(_) => "check that it is a file and that you may read it",
                },
            ));
        }
    }
    (loader.library, loader.out)
}

impl Loader<'_> {
    fn read(&self, path: &Path) -> Result<String, ReadError> {
        let name = path.to_string_lossy();
        match STD.iter().find(|(std, _)| *std == name) {
            Some((_, text)) => Ok(text.to_string()),
            None => self.sources.read(path),
        }
    }

    fn file(&mut self, path: &Path, text: String, by: Option<Span>) -> FileId {
        let file = self.map.add(path.to_string_lossy(), text.clone());
        self.loaded.insert(path.to_path_buf(), file);
        self.stack.push((path.to_path_buf(), by));
        let (tree, found) = syntax::parse(file, &text);
        if found.has_errors() {
            self.faulty.insert(file);
        }
        self.out.extend(found);
        if let Some((version, span)) = tree.version
            && version != LANGUAGE
        {
            self.faulty.insert(file);
            self.out.push(
                Diagnostic::error(code::LANGUAGE_VERSION, format!("a file for version {version} of the language"))
                    .at(span, format!("this dlmc reads version {LANGUAGE}"))
                    .help(format!("write `language {LANGUAGE}`, or take the dlmc that the file was written for")),
            );
        }
        self.library.scopes.entry(file).or_default();
        if self.stack.len() == 1 {
            self.library.doc = tree.doc.clone();
        }
        for item in tree.items {
            match &item {
                Item::Use(import) => self.import(file, path, import),
                _ => self.define(file, item),
            }
        }
        self.stack.pop();
        file
    }

    fn fail(&mut self, file: FileId, import: &ast::Use) {
        let here = import.names.iter().map(|n| n.alias.as_ref().unwrap_or(&n.name).text.clone());
        self.library.failed.extend(here.map(|name| (file, name)));
    }

    fn define(&mut self, file: FileId, item: Item) {
        let kind = match &item {
            Item::Use(_) => return,
            Item::Let(_) => Kind::Let,
            Item::Schedule(_) => Kind::Schedule,
            Item::Objective(_) => Kind::Objective,
            Item::Data(_) => Kind::Data,
            Item::Train(_) => Kind::Train,
            Item::Experiment(_) => Kind::Experiment,
            Item::Block(_) => Kind::Block,
            Item::Model(_) => Kind::Model,
        };
        let Some(name) = item.name().cloned() else { return };
        if kind == Kind::Block && super::builtins::operation(&name.text).is_some() {
            self.out.push(
                Diagnostic::error(code::DUPLICATE_NAME, format!("`{}` is an operation of the language", name.text))
                    .at(name.span, "a block cannot take its name")
                    .help("choose another name"),
            );
            return;
        }
        let def = DefId(self.library.defs.len() as u32);
        let span = name.span;
        self.library.defs.push(Def { kind, name: name.clone(), item: Arc::new(item) });
        self.library.bind(file, &name, Binding { def, span, imported: false }, kind, &mut self.out);
    }

    fn import(&mut self, file: FileId, from: &Path, import: &ast::Use) {
        let target = if import.path.starts_with("std/") || from.starts_with("std") {
            // Files of the executable import each other by their `std/` names.
            PathBuf::from(&import.path)
        } else {
            normalize(&from.parent().unwrap_or(Path::new("")).join(&import.path))
        };
        if let Some(position) = self.stack.iter().position(|(path, _)| *path == target) {
            let circle: Vec<String> = self
                .stack
                .iter()
                .skip(position)
                .map(|(path, _)| path.display().to_string())
                .chain([target.display().to_string()])
                .collect();
            self.fail(file, import);
            if position + 1 == self.stack.len() {
                let alone = Diagnostic::error(code::CIRCULAR_USE, "this file uses itself")
                    .at(import.path_span, "the file it stands in")
                    .help("take the `use` out: what a file defines it has");
                return self.out.push(alone);
            }
            let mut diagnostic = Diagnostic::error(code::CIRCULAR_USE, "files use each other in a circle")
                .at(import.path_span, "this closes the circle")
                .note(circle.join(" -> "));
            for (_, by) in self.stack.iter().skip(position + 1) {
                if let Some(span) = by {
                    diagnostic = diagnostic.also(*span, "by way of this");
                }
            }
            self.out.push(diagnostic.help("move what both need into a third file"));
            return;
        }
        let loaded = match self.loaded.get(&target) {
            Some(id) => *id,
            None => match self.read(&target) {
                Ok(text) => self.file(&target, text, Some(import.path_span)),
                Err(error) => {
                    let mut diagnostic =
                        Diagnostic::error(code::USE_FAILED, format!("cannot use `{}`: {error}", import.path))
                            .at(import.path_span, format!("looked for `{}`", target.display()));
                    diagnostic = if import.path.starts_with("std/") {
                        let names: Vec<&str> = STD.iter().map(|(name, _)| *name).collect();
                        diagnostic.help(format!("the executable carries {}", names.join(", ")))
                    } else {
                        diagnostic.help("paths are relative to the file that says `use`")
                    };
                    self.out.push(diagnostic);
                    return self.fail(file, import);
                }
            },
        };
        for wanted in &import.names {
            let name = &wanted.name;
            let found: Vec<(Kind, DefId)> = self.library.scopes.get(&loaded).map_or(vec![], |scope| {
                Kind::ALL
                    .iter()
                    .filter_map(|k| scope.get(&(*k, name.text.clone())).map(|b| (*k, b.def)))
                    .filter(|(k, _)| *k != Kind::Experiment)
                    .collect()
            });
            if found.is_empty() {
                // A file with mistakes of its own may have lost the definition.
                let here = wanted.alias.as_ref().unwrap_or(name);
                self.library.failed.insert((file, here.text.clone()));
                if self.faulty.contains(&loaded) {
                    continue;
                }
                let names: Vec<String> = self
                    .library
                    .scopes
                    .get(&loaded)
                    .map_or(vec![], |scope| scope.keys().map(|(_, name)| name.clone()).collect());
                let message = format!("`{}` has no `{}`", import.path, name.text);
                let mut diagnostic = Diagnostic::error(code::UNKNOWN_NAME, message).at(name.span, "not defined there");
                if let Some(closest) = suggest(&name.text, names.iter().map(String::as_str)) {
                    diagnostic = diagnostic.help(format!("did you mean `{closest}`?"));
                } else if !names.is_empty() {
                    diagnostic = diagnostic.help(format!("it defines {}", names.join(", ")));
                }
                self.out.push(diagnostic);
            }
            let here = wanted.alias.as_ref().unwrap_or(name);
            for (kind, def) in found {
                let binding = Binding { def, span: here.span, imported: true };
                self.library.bind(file, here, binding, kind, &mut self.out);
            }
        }
    }
}
