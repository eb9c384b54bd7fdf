//! Calls: operations of the language and blocks of the spec.

use super::{
    Builder, Diagnostic, Dim, DimExpr, Elem, Env, Init, MAX_CALL_DEPTH, Num, Number, Op, ParamType, Span, Tensor, Type,
    Val, code,
};
use crate::ast::{self, Arg, Expr, Ident};
use crate::graph::ops::{
    add::Add, attend::Attend, embed::Embed, gelu::Gelu, layer_norm::LayerNorm, linear::Linear, merge_heads::MergeHeads,
    rms_norm::RmsNorm, rope::Rope, silu::Silu, split_heads::SplitHeads,
};
use crate::graph::shape_text;
use crate::resolve::builtins::{self, ArgType, Default as ArgDefault, FUNCTIONS};
use crate::resolve::{DefId, Kind, library::Lookup};
use std::collections::BTreeMap;

/// Static arguments of an operation, typed.
struct Statics(BTreeMap<&'static str, (Val, Option<Span>)>);

impl Statics {
    fn real(&self, name: &str) -> f64 {
        match self.0.get(name) {
            Some((Val::Number(n), _)) => n.number.to_f64(),
            _ => 0.0,
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some((Val::Bool(true), _)))
    }

    fn init(&self) -> Init {
        match self.0.get("init") {
            Some((Val::Init(init), _)) => *init,
            _ => Init::Normal { std: builtins::INIT_STD },
        }
    }

    /// A positive whole number, and where it was written.
    fn int(&self, name: &str) -> Option<(u64, Span)> {
        match self.0.get(name) {
            Some((Val::Number(n), _)) => Some((u64::try_from(n.number.to_i64()?).ok()?, n.origin)),
            _ => None,
        }
    }
}

impl Builder<'_> {
    pub(super) fn call(
        &mut self,
        callee: &Ident,
        args: &[Arg],
        alias: Option<&Ident>,
        span: Span,
        env: &mut Env,
    ) -> Option<Val> {
        if FUNCTIONS.iter().any(|(name, _)| *name == callee.text) {
            return self.function(callee, args, span, env);
        }
        if callee.text == "normal" {
            let value = match args {
                [only] => self.expr(&only.value, env)?,
                _ => Val::Many(vec![]),
            };
            return match value {
                Val::Number(n) if n.number.to_f64() >= 0.0 => Some(Val::Init(Init::Normal { std: n.number.to_f64() })),
                other => self.wanted("one standard deviation of at least 0 for `normal`", &other, span),
            };
        }
        if let Some(operation) = builtins::operation(&callee.text) {
            return self.operation(operation, callee, args, alias, span, env).map(Val::Tensor);
        }
        match self.library.lookup(env.file, Kind::Block, &callee.text) {
            Lookup::Found(id) => {
                // A circle is reported by resolve.
                if self.active.contains(&id) {
                    return None;
                }
                let library = self.library;
                let block = library.block(id)?;
                self.block(id, block, callee, args, alias, span, env)
            }
            // Reported by resolve.
            _ => None,
        }
    }

    /// A block's nodes, in a scope of its name (or alias).
    fn block(
        &mut self,
        id: DefId,
        block: &ast::Block,
        callee: &Ident,
        args: &[Arg],
        alias: Option<&Ident>,
        span: Span,
        env: &mut Env,
    ) -> Option<Val> {
        // Counts as a step, so that blocks without nodes cannot run away either.
        if !self.step(span) {
            return None;
        }
        if self.calls.len() > MAX_CALL_DEPTH {
            self.report(
                Diagnostic::error(code::TOO_MANY, format!("calls nested deeper than {MAX_CALL_DEPTH}"))
                    .at(span, "this one")
                    .help("put what several blocks do into one"),
            );
            return None;
        }
        let mut given: BTreeMap<String, (&Expr, Option<Val>)> = BTreeMap::new();
        for (i, arg) in args.iter().enumerate() {
            let name = match &arg.name {
                Some(name) => Some(name.text.clone()),
                None => block.params.get(i).map(|p| p.name.text.clone()),
            };
            let value = self.expr(&arg.value, env);
            if let Some(name) = name {
                given.insert(name, (&arg.value, value));
            }
        }
        let mut inner = Env { file: block.name.span.file, locals: BTreeMap::new(), dims: BTreeMap::new() };
        self.calls.push(span);
        let mut sound = true;
        for param in &block.params {
            let value = match (given.remove(&param.name.text), &param.default) {
                (Some((written, Some(value))), _) => match &param.ty {
                    ParamType::Tensor(shape) => self.tensor_param(&param.name, shape, value, written, &mut inner),
                    // Diagnostics about the argument belong to the caller's text.
                    ty => self.typed(&param.name.text, ty, value, written, env),
                },
                (Some((_, None)), _) => None,
                (None, Some(default)) => self.default_value(param, default, &mut inner),
                (None, None) => None,
            };
            match value {
                Some(value) => {
                    inner.locals.insert(param.name.text.clone(), value);
                }
                None => sound = false,
            }
        }
        let result = if sound {
            self.scope.push(alias.unwrap_or(callee).text.clone());
            self.active.push(id);
            let result = self.body(&block.body, &mut inner);
            self.active.pop();
            self.scope.pop();
            result.and_then(|value| self.returned(block, value, &mut inner))
        } else {
            None
        };
        self.calls.pop();
        // Outside, the result is what the call made.
        result.map(|value| match value {
            Val::Tensor(t) => Val::Tensor(Tensor { span, ..t }),
            other => other,
        })
    }

    /// Binds the named dimensions of a tensor parameter to the argument's.
    fn tensor_param(
        &mut self,
        name: &Ident,
        shape: &ast::ShapeExpr,
        value: Val,
        written: &Expr,
        env: &mut Env,
    ) -> Option<Val> {
        let Val::Tensor(tensor) = value else {
            return self.wanted(&format!("a tensor for `{}`", name.text), &value, written.span);
        };
        let ty = self.type_of(&tensor);
        if self.unify(shape, &ty, tensor.width, env) {
            return Some(Val::Tensor(Tensor { span: name.span, ..tensor }));
        }
        let bound = self.shape_with(shape, env);
        let mut diagnostic = Diagnostic::error(
            code::SHAPE_MISMATCH,
            format!("`{}` is {bound}, not {}", name.text, shape_text(&ty.shape)),
        )
        .at(written.span, format!("this is {ty}"))
        .also(shape.span, format!("{bound} is declared here"));
        if let Some(width) = tensor.width {
            diagnostic = diagnostic.also(width, "its width comes from here");
        }
        let help = "name another dimension in the block if they may differ, or map it: `linear(x, n)`";
        self.report(diagnostic.help(help));
        None
    }

    /// Whether the shape fits; names that are not bound yet are bound.
    fn unify(&mut self, shape: &ast::ShapeExpr, ty: &Type, width: Option<Span>, env: &mut Env) -> bool {
        if shape.dims.len() != ty.shape.len() || matches!(ty.elem, Elem::Index { .. }) && shape.dims.is_empty() {
            return false;
        }
        let last = ty.shape.len().saturating_sub(1);
        shape.dims.iter().zip(&ty.shape).enumerate().all(|(i, (wanted, got))| match wanted {
            DimExpr::Fixed(n, _) => Dim::Fixed(*n) == *got,
            DimExpr::Name(name) => {
                let origin = if i == last { width } else { None };
                env.dims.entry(name.text.clone()).or_insert((*got, origin)).0 == *got
            }
        })
    }

    /// `[B, T, D = 128]`: the declared shape with what its names stand for.
    fn shape_with(&self, shape: &ast::ShapeExpr, env: &Env) -> String {
        let dims: Vec<String> = shape
            .dims
            .iter()
            .map(|dim| match dim {
                DimExpr::Fixed(n, _) => n.to_string(),
                DimExpr::Name(name) => match env.dims.get(&name.text) {
                    Some((dim, _)) if dim.to_string() != name.text => format!("{} = {dim}", name.text),
                    _ => name.text.clone(),
                },
            })
            .collect();
        format!("[{}]", dims.join(", "))
    }

    /// Checks a block's result against its stated shapes.
    fn returned(&mut self, block: &ast::Block, value: Val, env: &mut Env) -> Option<Val> {
        if block.returns.is_empty() {
            return Some(value);
        }
        let values = match &value {
            Val::Many(values) => values.clone(),
            single => vec![single.clone()],
        };
        if values.len() != block.returns.len() {
            self.report(
                Diagnostic::error(
                    code::RETURN_COUNT,
                    format!(
                        "`{}` states {} results and returns {}",
                        block.name.text,
                        block.returns.len(),
                        values.len()
                    ),
                )
                .at(block.name.span, "here"),
            );
            return None;
        }
        for (shape, value) in block.returns.iter().zip(&values) {
            let Val::Tensor(tensor) = value else {
                return self.wanted(&format!("a tensor to be returned by `{}`", block.name.text), value, shape.span);
            };
            let ty = self.type_of(tensor);
            if !self.unify(shape, &ty, tensor.width, env) {
                let bound = self.shape_with(shape, env);
                let (span, width) = (tensor.span, tensor.width);
                let mut diagnostic = Diagnostic::error(
                    code::SHAPE_MISMATCH,
                    format!("`{}` returns {}, not {bound}", block.name.text, shape_text(&ty.shape)),
                )
                .at(span, format!("this is {ty}"))
                .also(shape.span, format!("{bound} is stated here"));
                if let Some(width) = width {
                    diagnostic = diagnostic.also(width, "its width comes from here");
                }
                self.report(diagnostic.help("state the shape it has, or map it back: `linear(x, D)`"));
                return None;
            }
        }
        Some(value)
    }

    fn operation(
        &mut self,
        operation: &'static builtins::Operation,
        callee: &Ident,
        args: &[Arg],
        alias: Option<&Ident>,
        span: Span,
        env: &mut Env,
    ) -> Option<Tensor> {
        let (tensors, statics) = self.arguments(operation, args, env)?;
        let path = alias.unwrap_or(callee).text.clone();
        let first = tensors.first()?.clone();
        match operation.name {
            "attend" => self.op(Attend { pattern: self.inputs.pattern }.into(), &tensors, span),
            "gelu" => self.op(Gelu.into(), &tensors, span),
            "silu" => self.op(Silu.into(), &tensors, span),
            "merge_heads" => self.op(MergeHeads.into(), &tensors, span).map(|t| Tensor { width: None, ..t }),
            "rope" => self.op(Rope { base: statics.real("base"), inverse: false }.into(), &tensors, span),
            "split_heads" => self.split_heads(first, &statics, span),
            "embed" => self.embed(first, &path, &statics, span),
            "linear" => {
                let (out, origin) = self.positive(operation.name, "out", &statics, span)?;
                let y = self.linear(&first, &path, out, statics.init(), span)?;
                let y = if statics.flag("bias") {
                    let bias = self.param(&format!("{path}.bias"), &[out], Init::Zeros, span)?;
                    self.op(Add.into(), &[y, bias], span)?
                } else {
                    y
                };
                Some(Tensor { width: Some(origin), ..y })
            }
            "rmsnorm" => self.norm(first, &path, RmsNorm { eps: statics.real("eps") }.into(), span),
            "layernorm" => self.norm(first, &path, LayerNorm { eps: statics.real("eps") }.into(), span),
            "unembed" => self.unembed(first, &path, &statics, span),
            _ => None,
        }
    }

    /// Arguments of an operation: tensors in order, static ones typed, defaults filled in.
    fn arguments(
        &mut self,
        operation: &'static builtins::Operation,
        args: &[Arg],
        env: &mut Env,
    ) -> Option<(Vec<Tensor>, Statics)> {
        let names: Vec<&'static str> =
            operation.tensors.iter().copied().chain(operation.statics.iter().map(|s| s.name)).collect();
        let mut given: BTreeMap<&str, (&Expr, Option<Val>)> = BTreeMap::new();
        let mut position = 0;
        for arg in args {
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
        let mut sound = true;
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
        let mut statics = BTreeMap::new();
        for param in operation.statics {
            let value = match (given.remove(param.name), param.default) {
                (Some((written, Some(value))), _) => {
                    let typed = match (param.ty, value) {
                        (ArgType::Init, value @ Val::Init(_)) => Some(value),
                        (ArgType::Init, other) => {
                            self.wanted(&format!("{} for `{}`", param.ty.word(), param.name), &other, written.span)
                        }
                        (ArgType::Int, value) => self.typed(param.name, &ParamType::Int, value, written, env),
                        (ArgType::Real, value) => self.typed(param.name, &ParamType::Real, value, written, env),
                        (ArgType::Bool, value) => self.typed(param.name, &ParamType::Bool, value, written, env),
                    };
                    typed.map(|v| (v, Some(written.span)))
                }
                (Some((_, None)), _) => None,
                (None, Some(ArgDefault::Bool(b))) => Some((Val::Bool(b), None)),
                (None, Some(ArgDefault::Normal(std))) => Some((Val::Init(Init::Normal { std }), None)),
                (None, Some(ArgDefault::Number(x))) => {
                    let origin = self.calls.last().copied()?;
                    Some((Val::Number(Num { number: Number::Real(x), origin }), None))
                }
                (None, None) => None,
            };
            match value {
                Some(value) => {
                    statics.insert(param.name, value);
                }
                None => sound = false,
            }
        }
        sound.then_some((tensors, Statics(statics)))
    }

    fn positive(&mut self, operation: &str, name: &str, statics: &Statics, span: Span) -> Option<(u64, Span)> {
        match statics.int(name) {
            Some((n, origin)) if n > 0 => Some((n, origin)),
            _ => {
                let (value, at) = match statics.0.get(name) {
                    Some((Val::Number(n), _)) => (n.number.to_string(), n.origin),
                    _ => (String::new(), span),
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

    fn norm(&mut self, x: Tensor, path: &str, op: Op, span: Span) -> Option<Tensor> {
        let width = self.fixed_width(&x, "a norm", span)?;
        let gain = self.param(path, &[width], Init::Ones, span)?;
        self.op(op, &[x, gain], span)
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
            self.token_table = self.graph.params.len().checked_sub(1).map(|i| super::ParamId(i as u32));
        }
        let x = self.op(Embed.into(), &[table, index], span)?;
        Some(Tensor { width: Some(origin), ..x })
    }

    /// Logits: a linear map to the vocabulary, of its own or with the token table as its weight.
    fn unembed(&mut self, x: Tensor, path: &str, statics: &Statics, span: Span) -> Option<Tensor> {
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
