//! Blocks given as arguments: what a name means where a parameter `block(...) -> ...` wants one, and whether what
//! is given can be called with tensors alone. Shapes are `graph`'s.

use super::arguments::{n_arguments, short_list, takes};
use super::builtins::{self, ArgType, Operation};
use super::library::{DefId, Kind, Library, Lookup, unknown_name};
use super::value::Node;
use crate::ast::{self, Ident, ParamType};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Diagnostics, FileId, Span};

/// What is given.
#[derive(Clone, Copy)]
pub enum Target {
    Operation(&'static Operation),
    Block(DefId),
}

/// An operation goes by its name.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Operation(operation) => f.write_str(operation.name),
            Target::Block(id) => write!(f, "{id:?}"),
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        match (self, other) {
            (Target::Operation(a), Target::Operation(b)) => a.name == b.name,
            (Target::Block(a), Target::Block(b)) => a == b,
            (Target::Operation(_), Target::Block(_)) | (Target::Block(_), Target::Operation(_)) => false,
        }
    }
}

/// A parameter's type `block(...) -> ...`, as far as it does not need shapes.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub n_inputs: usize,
    pub n_returns: usize,
    /// Where the type is written.
    pub span: Span,
}

impl Wanted {
    pub fn of(ty: &ParamType) -> Option<Wanted> {
        match ty {
            ParamType::Block { inputs, returns, span } => {
                Some(Wanted { n_inputs: inputs.len(), n_returns: returns.len(), span: *span })
            }
            ParamType::Tensor(_) | ParamType::Int | ParamType::Real | ParamType::Bool => None,
        }
    }
}

impl Target {
    /// What the name means in a file, or nothing.
    pub fn find(library: &Library, file: FileId, name: &str) -> Option<Target> {
        if let Some(operation) = builtins::operation(name) {
            return Some(Target::Operation(operation));
        }
        match library.lookup(file, Kind::Block, name) {
            Lookup::Found(id) => Some(Target::Block(id)),
            Lookup::OtherKind(..) | Lookup::Failed | Lookup::Unknown => None,
        }
    }

    /// (name, whether it is a tensor, whether it has to be given) of each parameter.
    fn params(self, library: &Library) -> Vec<(&str, bool, bool)> {
        match self {
            Target::Operation(operation) => {
                let tensors = operation.tensors.iter().map(|t| (*t, true, true));
                tensors.chain(operation.statics.iter().map(|s| (s.name, false, s.default.is_none()))).collect()
            }
            Target::Block(id) => {
                let params = library.block(id).map_or(&[][..], |block| &block.params);
                let is_tensor = |p: &ast::Param| matches!(p.ty, ParamType::Tensor(_));
                params.iter().map(|p| (p.name.text.as_str(), is_tensor(p), p.default.is_none())).collect()
            }
        }
    }

    /// The type of a static argument; of one that is no block where an operation takes it, too. `None` for a
    /// tensor, and for what only a block can write.
    pub fn param_type(self, library: &Library, param: &str) -> Option<ParamType> {
        match self {
            Target::Operation(operation) => match operation.statics.iter().find(|s| s.name == param)?.ty {
                // Without it, there is none.
                ArgType::Int | ArgType::IntOrNone => Some(ParamType::Int),
                ArgType::Real => Some(ParamType::Real),
                ArgType::Bool => Some(ParamType::Bool),
                ArgType::Init => None,
            },
            Target::Block(id) => {
                let ty = &library.block(id)?.params.iter().find(|p| p.name.text == param)?.ty;
                (!matches!(ty, ParamType::Tensor(_))).then(|| ty.clone())
            }
        }
    }

    /// The block parameter of a block, for a block given with it.
    pub fn wanted(self, library: &Library, param: &str) -> Option<Wanted> {
        let Target::Block(id) = self else { return None };
        Wanted::of(&library.block(id)?.params.iter().find(|p| p.name.text == param)?.ty)
    }

    /// Reports what keeps it from being called with the wanted tensors, given these arguments by name.
    pub fn check(self, library: &Library, name: &Ident, given: &[Ident], wanted: Wanted, out: &mut Diagnostics) {
        let params = self.params(library);
        let callee = &name.text;
        let before = out.n_errors();
        for (i, arg) in given.iter().enumerate() {
            let again = given.iter().take(i).find(|other| other.text == arg.text);
            let diagnostic = match (params.iter().find(|(name, ..)| *name == arg.text), again) {
                (_, Some(first)) => Diagnostic::error(code::DUPLICATE_FIELD, format!("`{}` is given twice", arg.text))
                    .at(arg.span, "again here")
                    .also(first.span, "first here")
                    .help("keep one of them"),
                (Some((_, false, _)), None) => continue,
                (Some(_), None) => {
                    let message = format!("`{callee}` is given with its tensor `{}`", arg.text);
                    Diagnostic::error(code::BLOCK_ARGUMENT, message)
                        .at(arg.span, "the block that calls it passes the tensors")
                        .help("leave the tensors out")
                }
                (None, None) => {
                    let names = || params.iter().filter(|(_, tensor, _)| !tensor).map(|(name, ..)| *name);
                    let help = match suggest(&arg.text, names().take(if out.is_full() { 0 } else { usize::MAX })) {
                        Some(closest) => format!("did you mean `{closest}`?"),
                        None => takes(&short_list(names())),
                    };
                    Diagnostic::error(code::UNKNOWN_FIELD, format!("`{callee}` has no argument `{}`", arg.text))
                        .at(arg.span, "not an argument of it")
                        .help(help)
                }
            };
            out.push(diagnostic);
        }
        let n_tensors = params.iter().filter(|(_, tensor, _)| *tensor).count();
        let n_stated = match self {
            Target::Block(id) => library.block(id).map_or(0, |block| block.returns.len()),
            Target::Operation(_) => 0,
        };
        if n_tensors != wanted.n_inputs {
            let message = format!("`{callee}` takes {}, not {}", tensors(n_tensors), tensors(wanted.n_inputs));
            out.push(misfit(name, message, wanted).help("give a block that takes what the type says"));
        } else if n_stated > 0 && n_stated != wanted.n_returns {
            let message = format!("`{callee}` returns {}, not {}", tensors(n_stated), tensors(wanted.n_returns));
            out.push(misfit(name, message, wanted).help("give a block that returns what the type says"));
        }
        let open =
            params.iter().filter(|(name, tensor, due)| *due && !tensor && !given.iter().any(|g| g.text == *name));
        let open: Vec<&str> = open.map(|(name, ..)| *name).collect();
        // A misspelt argument most likely is the one that is missing.
        if !open.is_empty() && out.n_errors() == before {
            let list = open.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let message = format!("`{callee}` needs {}", short_list(list.iter().map(String::as_str)));
            let example = open.iter().map(|name| format!("{name}: ...")).collect::<Vec<_>>().join(", ");
            out.push(misfit(name, message, wanted).help(format!("give it along: `{callee}({example})`")));
        }
    }
}

fn misfit(name: &Ident, message: String, wanted: Wanted) -> Diagnostic {
    Diagnostic::error(code::BLOCK_ARGUMENT, message).at(name.span, "given here").also(wanted.span, "for this")
}

fn tensors(n: usize) -> String {
    if n == 1 { "1 tensor".into() } else { format!("{n} tensors") }
}

/// Reports a name that is no block where a block or an operation is wanted.
pub(crate) fn report_unknown(library: &Library, file: FileId, name: &Ident, others: &[&str], out: &mut Diagnostics) {
    match library.lookup(file, Kind::Block, &name.text) {
        Lookup::Found(_) | Lookup::Failed => {}
        Lookup::OtherKind(kind, at) => out.push(
            Diagnostic::error(code::WRONG_KIND, format!("`{}` is {}, not a block", name.text, kind.a_word()))
                .at(name.span, "a block or an operation is wanted here")
                .also(at, "defined here")
                .help("use the name of a block, or rename one of the two"),
        ),
        Lookup::Unknown if out.is_full() => {
            out.push(unknown_name("block or operation", &name.text, name.span, None));
        }
        Lookup::Unknown => {
            let is_here = |name: &str| matches!(library.lookup(file, Kind::Block, name), Lookup::Found(_));
            let blocks = library.defs().filter(|(_, d)| d.kind == Kind::Block && is_here(&d.name.text));
            let blocks: Vec<String> = blocks.map(|(_, d)| d.name.text.clone()).collect();
            let names = builtins::OPERATIONS.iter().map(|o| o.name).chain(others.iter().copied());
            let closest = suggest(&name.text, names.chain(blocks.iter().map(String::as_str))).map(str::to_string);
            out.push(unknown_name("block or operation", &name.text, name.span, closest.as_deref()));
        }
    }
}

/// Reports arguments by position where a block is given: which it is only its name says.
pub(crate) fn report_positional(name: &Ident, at: Span, n: usize, out: &mut Diagnostics) {
    out.push(
        Diagnostic::error(
            code::BLOCK_ARGUMENT,
            format!("`{}` is given with {} by position", name.text, n_arguments(n)),
        )
        .at(at, "its name is wanted: `name: value`")
        .help("the tensors are left out, so positions say nothing"),
    );
}

/// Where the names in a value mean something: a `--set` names things as the main file does, a `let` brings its
/// file with it.
pub fn scope_of(node: &Node, library: &Library) -> FileId {
    if node.origin.is_set() && node.origin.lets.is_empty() {
        library.main.unwrap_or(node.span.file)
    } else {
        node.span.file
    }
}
