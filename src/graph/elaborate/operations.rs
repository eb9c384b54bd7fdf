//! The operations of the language: their arguments, and the nodes and parameters they make.

use super::{Atom, Builder, Diagnostic, Dim, Elem, Env, Expr, Init, Input, Op, ParamType, Span, Tensor, Val, code};
use crate::ast::Arg;
use crate::base::Number;
use crate::graph::ops::{
    activation::{Activation, Function},
    add::Add,
    attend::{Attend, Sight},
    chunk::Chunk,
    concat::Concat,
    embed::Embed,
    layer_norm::LayerNorm,
    linear::Linear,
    merge_heads::MergeHeads,
    rms_norm::RmsNorm,
    rope::Rope,
    sinusoid::Sinusoid,
    split_heads::SplitHeads,
};
use crate::resolve::builtins::{self, ArgType, Default as ArgDefault, Operation, StaticParam};
use std::collections::BTreeMap;

/// Parts of one `chunk`.
const MAX_CHUNKS: u64 = 256;

/// A static argument that the graph asked for.
#[derive(Clone, Copy)]
enum Known {
    Atom(Atom, Span),
    Init(Init),
}

/// Static arguments of an operation, typed.
pub(super) struct Statics(BTreeMap<&'static str, Known>);

/// The arguments of an operation.
pub(super) struct Arguments {
    pub tensors: Vec<Tensor>,
    pub statics: Statics,
    /// Whole numbers by position, where an operation takes any number of them.
    pub rest: Vec<u64>,
}

impl Statics {
    /// Where a number was written.
    pub(super) fn origin(&self, name: &str) -> Option<Span> {
        match self.0.get(name) {
            Some(Known::Atom(_, origin)) => Some(*origin),
            Some(Known::Init(_)) | None => None,
        }
    }

    pub(super) fn real(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some(Known::Atom(atom, _)) => atom.to_number().map_or(0.0, Number::to_f64),
            Some(Known::Init(_)) | None => 0.0,
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Known::Atom(Atom::Bool(true), _)))
    }

    fn init(&self) -> Init {
        match self.0.get("init") {
            Some(Known::Init(init)) => *init,
            Some(Known::Atom(..)) | None => Init::Normal { std: builtins::INIT_STD },
        }
    }

    /// A positive whole number, and where it was written.
    fn int(&self, name: &str) -> Option<(u64, Span)> {
        match self.0.get(name) {
            Some(Known::Atom(Atom::Whole(n), origin)) => Some((u64::try_from(*n).ok()?, *origin)),
            Some(Known::Atom(..) | Known::Init(_)) | None => None,
        }
    }
}

impl Builder<'_> {
    /// Adds an operation's nodes; `path` names its parameters.
    pub(super) fn operation(
        &mut self,
        operation: &'static Operation,
        arguments: Arguments,
        path: &str,
        span: Span,
    ) -> Option<Val> {
        let Arguments { tensors, statics, rest } = arguments;
        if let Some(function) = Function::ALL.into_iter().find(|f| f.name() == operation.name) {
            return self.op(Activation { function }.into(), &tensors, span).map(Val::Tensor);
        }
        if operation.name == "parameter" {
            return self.param(path, &rest, statics.init(), span).map(Val::Tensor);
        }
        let first = tensors.first()?.clone();
        let unmarked = |t: Tensor| Tensor { width: None, ..t };
        let tensor = match operation.name {
            "attend" => {
                let window = self.at_least_one_or_none(operation.name, "window", &statics, span)?;
                let drops = self.drops(operation.name, "dropout", path, &statics, span);
                let draw = drops.is_some().then(|| self.input(Input::Draw, span));
                let tensors: Vec<Tensor> = tensors.into_iter().chain(draw).collect();
                self.op(Attend { sight: Sight { pattern: self.inputs.pattern, window }, drops }.into(), &tensors, span)
            }
            "chunk" => return self.chunk(first, &statics, span),
            "dropout" => self.dropout(first, path, &statics, span),
            "concat" => self.op(Concat.into(), &tensors, span).map(unmarked),
            "merge_heads" => self.op(MergeHeads.into(), &tensors, span).map(unmarked),
            "rope" => self.op(Rope { base: statics.real("base"), inverse: false }.into(), &tensors, span),
            "sinusoid" => {
                let (dim, origin) = self.positive(operation.name, "dim", &statics, span)?;
                let op = Sinusoid { dim, max_period: statics.real("max_period"), scale: statics.real("scale") };
                self.op(op.into(), &tensors, span).map(|t| Tensor { width: Some(origin), ..t })
            }
            "split_heads" => self.split_heads(first, &statics, span),
            "embed" => self.embed(first, path, &statics, span),
            "linear" => {
                let (out, origin) = self.positive(operation.name, "out", &statics, span)?;
                let y = self.linear(&first, path, out, statics.init(), span)?;
                let y = if statics.flag("bias") { self.bias(y, path, out, span)? } else { y };
                Some(Tensor { width: Some(origin), ..y })
            }
            "rmsnorm" => self.norm(first, path, RmsNorm { eps: statics.real("eps") }.into(), &statics, span),
            "layernorm" => self.norm(first, path, LayerNorm { eps: statics.real("eps") }.into(), &statics, span),
            "unembed" => self.unembed(first, path, &statics, span),
            _ => None,
        };
        tensor.map(Val::Tensor)
    }

    /// Arguments of an operation as written: tensors in order, static ones typed, defaults filled in.
    pub(super) fn arguments(
        &mut self,
        operation: &'static Operation,
        args: &[Arg],
        env: &mut Env,
    ) -> Option<Arguments> {
        let names: Vec<&'static str> =
            operation.tensors.iter().copied().chain(operation.statics.iter().map(|s| s.name)).collect();
        let mut given: BTreeMap<&str, (&Expr, Option<Val>)> = BTreeMap::new();
        let mut position = 0;
        let mut rest = vec![];
        let mut sound = true;
        for arg in args {
            if let (Some(name), None) = (operation.rest, &arg.name) {
                match self.size(operation.name, name, &arg.value, env) {
                    Some(n) => rest.push(n),
                    None => sound = false,
                }
                continue;
            }
            let name = match &arg.name {
                Some(name) => names.iter().find(|n| **n == name.text),
                None => {
                    position += 1;
                    names.get(position - 1)
                }
            };
            let value = self.expr(&arg.value, env);
            if let Some(name) = name {
                given.insert(name, (&arg.value, value));
            }
        }
        let mut tensors = vec![];
        for name in operation.tensors {
            match given.remove(name) {
                Some((_, Some(Val::Tensor(tensor)))) => tensors.push(tensor),
                Some((written, Some(other))) => {
                    self.wanted(&format!("a tensor for `{name}` of `{}`", operation.name), &other, written.span);
                    sound = false;
                }
                _ => sound = false,
            }
        }
        let mut typed = BTreeMap::new();
        for param in operation.statics {
            match given.remove(param.name) {
                Some((written, Some(value))) => match self.typed_static(param, value, written, env) {
                    Some(value) => {
                        typed.insert(param.name.to_string(), value);
                    }
                    None => sound = false,
                },
                Some((_, None)) => sound = false,
                None => {}
            }
        }
        let statics = self.statics(operation, &typed);
        if sound { Some(Arguments { tensors, statics: statics?, rest }) } else { None }
    }

    /// A static argument of an operation, of its type.
    pub(super) fn typed_static(
        &mut self,
        param: &StaticParam,
        value: Val,
        written: &Expr,
        env: &mut Env,
    ) -> Option<Val> {
        match (param.ty, value) {
            (ArgType::Init, value @ Val::Init(_)) => Some(value),
            (ArgType::Init, other) => {
                self.wanted(&format!("{} for `{}`", param.ty.word(), param.name), &other, written.span)
            }
            (ArgType::IntOrNone, Val::Static(none)) if none.is_none() => Some(Val::Static(none)),
            (ArgType::Int | ArgType::IntOrNone, value) => self.typed(param.name, &ParamType::Int, value, written, env),
            (ArgType::Real, value) => self.typed(param.name, &ParamType::Real, value, written, env),
            (ArgType::Bool, value) => self.typed(param.name, &ParamType::Bool, value, written, env),
        }
    }

    /// The static arguments that are given, and defaults for the others.
    pub(super) fn statics(&mut self, operation: &'static Operation, given: &BTreeMap<String, Val>) -> Option<Statics> {
        let call = self.calls.last().copied()?;
        let mut statics = BTreeMap::new();
        for param in operation.statics {
            let known = match (given.get(param.name), param.default) {
                (Some(Val::Static(fixed)), _) => Known::Atom(self.know(*fixed), fixed.origin),
                (Some(Val::Init(init)), _) => Known::Init(*init),
                (Some(_), _) | (None, None) => return None,
                (None, Some(ArgDefault::None)) => Known::Atom(Atom::None, call),
                (None, Some(ArgDefault::Bool(b))) => Known::Atom(Atom::Bool(b), call),
                (None, Some(ArgDefault::Number(x))) => Known::Atom(Atom::number(Number::Real(x))?, call),
                (None, Some(ArgDefault::Normal(std))) => Known::Init(Init::Normal { std }),
            };
            statics.insert(param.name, known);
        }
        Some(Statics(statics))
    }

    fn positive(&mut self, operation: &str, name: &str, statics: &Statics, span: Span) -> Option<(u64, Span)> {
        match statics.int(name) {
            Some((n, origin)) if n > 0 => Some((n, origin)),
            _ => {
                let (value, at) = match statics.0.get(name) {
                    Some(Known::Atom(atom, origin)) => (atom.to_string(), *origin),
                    Some(Known::Init(_)) | None => (String::new(), span),
                };
                self.report(
                    Diagnostic::error(
                        code::OUT_OF_RANGE,
                        format!("`{name}` of `{operation}` is at least 1, not {value}"),
                    )
                    .at(at, "this value")
                    .also(span, "for this"),
                );
                None
            }
        }
    }

    /// A whole number of at least 1 by position.
    fn size(&mut self, operation: &str, name: &str, written: &Expr, env: &mut Env) -> Option<u64> {
        let value = self.expr(written, env)?;
        let Val::Static(n) = self.typed(name, &ParamType::Int, value, written, env)? else { return None };
        match self.know(n) {
            Atom::Whole(n) if n > 0 => u64::try_from(n).ok(),
            _ => {
                let message = format!("a {name} of `{operation}` is at least 1");
                self.report(Diagnostic::error(code::OUT_OF_RANGE, message).at(written.span, "this value"));
                None
            }
        }
    }

    /// The outer option: whether the argument is sound; the inner: whether it is there.
    fn at_least_one_or_none(
        &mut self,
        operation: &str,
        name: &'static str,
        statics: &Statics,
        span: Span,
    ) -> Option<Option<u64>> {
        match statics.0.get(name) {
            Some(Known::Atom(Atom::None, _)) => Some(None),
            _ => self.positive(operation, name, statics, span).map(|(n, _)| Some(n)),
        }
    }

    /// A fixed last dimension: parameters have static shapes.
    fn fixed_width(&mut self, tensor: &Tensor, what: &str, span: Span) -> Option<u64> {
        let ty = self.type_of(tensor);
        match (ty.shape.last(), ty.elem) {
            (Some(Dim::Fixed(n)), Elem::Compute) => Some(*n),
            _ => {
                self.report(
                    Diagnostic::error(code::DYNAMIC_SHAPE, format!("{what} needs a last dimension of fixed size"))
                        .at(span, format!("this takes {ty}"))
                        .also(tensor.span, "made here"),
                );
                None
            }
        }
    }

    fn linear(&mut self, x: &Tensor, path: &str, out: u64, init: Init, span: Span) -> Option<Tensor> {
        let width = self.fixed_width(x, "a linear map", span)?;
        let weight = self.param(path, &[out, width], init, span)?;
        self.op(Linear.into(), &[x.clone(), weight], span)
    }

    fn norm(&mut self, x: Tensor, path: &str, op: Op, statics: &Statics, span: Span) -> Option<Tensor> {
        let width = self.fixed_width(&x, "a norm", span)?;
        let mut inputs = vec![x];
        if statics.flag("gain") {
            inputs.push(self.param(path, &[width], Init::Ones, span)?);
        }
        let y = self.op(op, &inputs, span)?;
        if statics.flag("bias") { self.bias(y, path, width, span) } else { Some(y) }
    }

    /// A tensor plus a parameter `PATH.bias` of its width.
    fn bias(&mut self, y: Tensor, path: &str, width: u64, span: Span) -> Option<Tensor> {
        let bias = self.param(&format!("{path}.bias"), &[width], Init::Zeros, span)?;
        self.op(Add::default().into(), &[y, bias], span)
    }

    /// Equal parts of the last dimension: several values.
    fn chunk(&mut self, x: Tensor, statics: &Statics, span: Span) -> Option<Val> {
        let (n, origin) = self.positive("chunk", "n", statics, span)?;
        let width = self.fixed_width(&x, "`chunk`", span)?;
        if width % n != 0 || n > MAX_CHUNKS {
            let mut diagnostic = if n > MAX_CHUNKS {
                Diagnostic::error(code::TOO_MANY, format!("`chunk` into {n} parts"))
                    .at(origin, format!("at most {MAX_CHUNKS} are possible"))
            } else {
                Diagnostic::error(code::SHAPE_MISMATCH, format!("{n} parts do not divide a width of {width}"))
                    .at(origin, format!("{width} / {n} leaves {}", width % n))
                    .help("`linear(x, n)` makes a width of n")
            };
            diagnostic = diagnostic.also(span, "cut here");
            if let Some(width) = x.width {
                diagnostic = diagnostic.also(width, "the width comes from here");
            }
            self.report(diagnostic);
            return None;
        }
        let parts = self.results(Chunk { widths: vec![width / n; n as usize] }.into(), &[x], span)?;
        let parts: Vec<Val> = parts.into_iter().map(|t| Val::Tensor(Tensor { width: None, ..t })).collect();
        // One part is the tensor itself.
        match <[Val; 1]>::try_from(parts) {
            Ok([only]) => Some(only),
            Err(parts) => Some(Val::Many(parts)),
        }
    }

    fn embed(&mut self, index: Tensor, path: &str, statics: &Statics, span: Span) -> Option<Tensor> {
        let (dim, origin) = self.positive("embed", "dim", statics, span)?;
        let ty = self.type_of(&index);
        let Elem::Index { cardinality } = ty.elem else {
            self.report(
                Diagnostic::error(code::TENSOR_OR_NUMBER, "`embed` looks up `tokens` or `positions`")
                    .at(index.span, format!("this is {ty}")),
            );
            return None;
        };
        let table = self.param(path, &[cardinality, dim], statics.init(), span)?;
        let is_tokens = ty.shape.len() == 2;
        // A table of a repeat is one for each layer, and no single one could be shared.
        if is_tokens && self.token_table.is_none() && self.frames.len() == 1 {
            self.token_table = self.param_of(&table);
        }
        let x = self.op(Embed.into(), &[table, index], span)?;
        Some(Tensor { width: Some(origin), ..x })
    }

    /// Logits: a linear map to the vocabulary, of its own or with the token table as its weight.
    fn unembed(&mut self, x: Tensor, path: &str, statics: &Statics, span: Span) -> Option<Tensor> {
        let logits = self.logits(x, path, statics, span)?;
        if statics.flag("bias") { self.bias(logits, path, self.inputs.vocab, span) } else { Some(logits) }
    }

    fn logits(&mut self, x: Tensor, path: &str, statics: &Statics, span: Span) -> Option<Tensor> {
        if !statics.flag("tied") {
            return self.linear(&x, path, self.inputs.vocab, statics.init(), span);
        }
        let Some(table) = self.token_table else {
            self.report(
                Diagnostic::error(code::NO_LOGITS, "`unembed(tied: true)` without an embedding of `tokens`")
                    .at(span, "there is no table to share")
                    .help("embed the tokens first, outside every `repeat`, or write `tied: false`"),
            );
            return None;
        };
        let weight = self.read_param(table, span)?;
        self.op(Linear.into(), &[x, weight], span)
    }

    fn split_heads(&mut self, x: Tensor, statics: &Statics, span: Span) -> Option<Tensor> {
        let (heads, origin) = self.positive("split_heads", "heads", statics, span)?;
        let ty = self.type_of(&x);
        if let Some(Dim::Fixed(width)) = ty.shape.last()
            && width % heads != 0
        {
            let mut diagnostic =
                Diagnostic::error(code::HEADS, format!("{heads} heads do not divide a width of {width}"))
                    .at(origin, format!("{width} / {heads} leaves {}", width % heads))
                    .also(span, "split here");
            if let Some(width) = x.width {
                diagnostic = diagnostic.also(width, "the width comes from here");
            }
            self.report(diagnostic.help(super::statics::fitting_heads(*width, heads)));
            return None;
        }
        self.op(SplitHeads { heads }.into(), &[x], span).map(|t| Tensor { width: None, ..t })
    }
}
