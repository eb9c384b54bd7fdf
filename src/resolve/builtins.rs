//! The words of the language that need no definition: operations on tensors, functions on numbers,
//! names that stand for the batch. Pure data; what they do is `graph`'s.

/// A static argument's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgType {
    Int,
    Real,
    Bool,
    /// `normal(std)`, `zeros`, `ones`
    Init,
}

impl ArgType {
    pub fn word(self) -> &'static str {
        match self {
            ArgType::Int => "a whole number",
            ArgType::Real => "a number",
            ArgType::Bool => "true or false",
            ArgType::Init => "normal(std), zeros or ones",
        }
    }
}

/// A static argument; `default: None` has to be given.
#[derive(Clone, Copy, Debug)]
pub struct StaticParam {
    pub name: &'static str,
    pub ty: ArgType,
    pub default: Option<Default>,
}

#[derive(Clone, Copy, Debug)]
pub enum Default {
    Number(f64),
    Bool(bool),
    /// A normal distribution of this standard deviation.
    Normal(f64),
}

/// An operation as a spec calls it: tensors first, then static arguments.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub name: &'static str,
    pub tensors: &'static [&'static str],
    pub statics: &'static [StaticParam],
    /// Whether it makes parameters, so that `as` names them.
    pub has_params: bool,
}

/// GPT-2's and the paper's standard deviation for every matrix.
pub const INIT_STD: f64 = 0.02;

const INIT: StaticParam = StaticParam { name: "init", ty: ArgType::Init, default: Some(Default::Normal(INIT_STD)) };

const fn int(name: &'static str) -> StaticParam {
    StaticParam { name, ty: ArgType::Int, default: None }
}

const fn real(name: &'static str, default: f64) -> StaticParam {
    StaticParam { name, ty: ArgType::Real, default: Some(Default::Number(default)) }
}

const fn flag(name: &'static str, default: bool) -> StaticParam {
    StaticParam { name, ty: ArgType::Bool, default: Some(Default::Bool(default)) }
}

const fn op(
    name: &'static str,
    tensors: &'static [&'static str],
    statics: &'static [StaticParam],
    has_params: bool,
) -> Operation {
    Operation { name, tensors, statics, has_params }
}

pub const OPERATIONS: &[Operation] = &[
    op("attend", &["q", "k", "v"], &[], false),
    op("embed", &["index"], &[int("dim"), INIT], true),
    op("gelu", &["x"], &[], false),
    op("layernorm", &["x"], &[real("eps", 1e-5)], true),
    op("linear", &["x"], &[int("out"), flag("bias", false), INIT], true),
    op("merge_heads", &["x"], &[], false),
    op("rmsnorm", &["x"], &[real("eps", 1e-6)], true),
    op("rope", &["x", "positions"], &[real("base", 10_000.0)], false),
    op("silu", &["x"], &[], false),
    op("split_heads", &["x"], &[int("heads")], false),
    op("unembed", &["x"], &[flag("tied", false), INIT], true),
];

pub fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|o| o.name == name)
}

/// Functions on static numbers, with their number of arguments.
pub const FUNCTIONS: &[(&str, usize)] =
    &[("floor", 1), ("ceil", 1), ("sqrt", 1), ("min", 2), ("max", 2), ("round_to", 3)];

/// `pick(list, k)`: an element of what a repeat collected.
pub const PICK: &str = "pick";

/// Constructors of the `init:` argument.
pub const INITS: &[&str] = &["normal", "zeros", "ones"];

/// Tensors of the batch that every block may name.
pub const INPUTS: &[&str] = &["tokens", "positions"];

/// Static values that every block may name.
pub const CONSTANTS: &[&str] = &["seq", "vocab"];
