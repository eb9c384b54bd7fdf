//! The words of the language that need no definition: operations on tensors, functions on numbers,
//! names that stand for the batch. Pure data; what they do is `graph`'s.

/// A static argument's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgType {
    Int,
    /// A whole number of at least 1, or `none`.
    IntOrNone,
    Real,
    Bool,
    /// `normal(std)`, `uniform(bound)`, `zeros`, `ones`
    Init,
}

impl ArgType {
    pub fn word(self) -> &'static str {
        match self {
            ArgType::Int => "a whole number",
            ArgType::IntOrNone => "a whole number or none",
            ArgType::Real => "a number",
            ArgType::Bool => "true or false",
            ArgType::Init => "normal(std), uniform(bound), zeros or ones",
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
    None,
    /// A normal distribution of this standard deviation.
    Normal(f64),
}

/// An operation as a spec calls it: tensors first, then static arguments.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub name: &'static str,
    pub tensors: &'static [&'static str],
    pub statics: &'static [StaticParam],
    /// What all arguments by position are, any number of whole numbers; the static ones then come by name.
    pub rest: Option<&'static str>,
    /// Whether it makes parameters, so that `as` names them.
    pub has_params: bool,
}

/// GPT-2's and the paper's standard deviation for every matrix.
pub const INIT_STD: f64 = 0.02;

const INIT: StaticParam = StaticParam { name: "init", ty: ArgType::Init, default: Some(Default::Normal(INIT_STD)) };

const WINDOW: StaticParam = StaticParam { name: "window", ty: ArgType::IntOrNone, default: Some(Default::None) };

const RATE: StaticParam = StaticParam { name: "rate", ty: ArgType::Real, default: None };

const fn int(name: &'static str) -> StaticParam {
    StaticParam { name, ty: ArgType::Int, default: None }
}

const fn real(name: &'static str, default: f64) -> StaticParam {
    StaticParam { name, ty: ArgType::Real, default: Some(Default::Number(default)) }
}

const fn flag(name: &'static str, default: bool) -> StaticParam {
    StaticParam { name, ty: ArgType::Bool, default: Some(Default::Bool(default)) }
}

/// An operation on tensors that makes no parameters.
const fn op(name: &'static str, tensors: &'static [&'static str], statics: &'static [StaticParam]) -> Operation {
    Operation { name, tensors, statics, rest: None, has_params: false }
}

impl Operation {
    const fn with_params(self) -> Operation {
        Operation { has_params: true, ..self }
    }

    const fn with_rest(self, name: &'static str) -> Operation {
        Operation { rest: Some(name), ..self }
    }
}

pub const OPERATIONS: &[Operation] = &[
    op("attend", &["q", "k", "v"], &[WINDOW, real("dropout", 0.0)]),
    op("chunk", &["x"], &[int("n")]),
    op("concat", &["a", "b"], &[]),
    op("dropout", &["x"], &[RATE]),
    op("embed", &["index"], &[int("dim"), INIT]).with_params(),
    op("exp", &["x"], &[]),
    op("gelu", &["x"], &[]),
    op("gelu_tanh", &["x"], &[]),
    op("layernorm", &["x"], &[real("eps", 1e-5), flag("gain", true), flag("bias", false)]).with_params(),
    op("linear", &["x"], &[int("out"), flag("bias", false), INIT]).with_params(),
    op("log", &["x"], &[]),
    op("merge_heads", &["x"], &[]),
    op("parameter", &[], &[INIT]).with_params().with_rest("size"),
    op("relu", &["x"], &[]),
    op("rmsnorm", &["x"], &[real("eps", 1e-6), flag("gain", true)]).with_params(),
    op("rope", &["x", "positions"], &[real("base", 10_000.0)]),
    op("sigmoid", &["x"], &[]),
    op("silu", &["x"], &[]),
    op("sinusoid", &["x"], &[int("dim"), real("max_period", 10_000.0), real("scale", 1_000.0)]),
    op("split_heads", &["x"], &[int("heads")]),
    op("tanh", &["x"], &[]),
    op("unembed", &["x"], &[flag("tied", false), flag("bias", false), INIT]).with_params(),
];

pub fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|o| o.name == name)
}

/// Functions on static numbers, with their number of arguments.
pub const FUNCTIONS: &[(&str, usize)] =
    &[("floor", 1), ("ceil", 1), ("sqrt", 1), ("min", 2), ("max", 2), ("round_to", 3)];

/// `assumed(VALUE, "reason")`: the value, of which no source says that it is this one.
pub const ASSUMED: &str = "assumed";

/// `pick(list, k)`: an element of what a repeat collected.
pub const PICK: &str = "pick";

/// Values of the `init:` argument: those that a width makes, and all.
pub const DISTRIBUTIONS: &[&str] = &["normal", "uniform"];
pub const INITS: &[&str] = &["normal", "uniform", "zeros", "ones"];

/// Tensors of the batch that every block may name.
pub const INPUTS: &[&str] = &["tokens", "positions", "t"];

/// Static values that every block may name.
pub const CONSTANTS: &[&str] = &["seq", "vocab"];
