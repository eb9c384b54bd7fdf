//! Calls of blocks; those of operations are `operations.rs`'s.

use super::{
    Builder, Diagnostic, Dim, DimExpr, Elem, Env, Init, MAX_CALL_DEPTH, ParamType, Span, Tensor, Type, Val, code,
};
use crate::ast::{self, Arg, Expr, Ident};
use crate::graph::shape_text;
use crate::resolve::builtins::{self, FUNCTIONS};
use crate::resolve::{DefId, Kind, library::Lookup};
use std::collections::BTreeMap;

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
            return self.operation(operation, callee, args, alias, span, env);
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
}
