//! Calls: functions, operations, and blocks, whose nodes are made in a scope of their name.

use super::params::Part;
use super::{
    Builder, Diagnostic, Dim, DimExpr, Elem, Env, Expr, Init, MAX_CALL_DEPTH, ParamType, Span, Tensor, Type, Val, code,
};
use crate::ast::{self, Arg, Ident};
use crate::graph::shape_text;
use crate::resolve::builtins::{self, FUNCTIONS};
use crate::resolve::{Kind, library::Lookup};
use std::collections::BTreeMap;

/// Where and as what something is called.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// Of the scope: the callee's name, or its alias.
    pub name: &'a Ident,
    pub share: bool,
    pub span: Span,
}

/// An argument of a block.
pub(super) enum Passed<'a> {
    /// As written, still to be typed; absent after an error.
    Written(&'a Expr, Option<Val>),
    /// Of the parameter's type; absent after an error.
    Typed(Option<Val>),
}

impl Builder<'_> {
    pub(super) fn call(&mut self, callee: &Ident, args: &[Arg], site: Site<'_>, env: &mut Env) -> Option<Val> {
        if let Some(Val::Block(given)) = env.locals.get(&callee.text) {
            let given = given.clone();
            return self.call_given(&given, args, site, env);
        }
        if FUNCTIONS.iter().any(|(name, _)| *name == callee.text) {
            return self.function(callee, args, site.span, env);
        }
        match callee.text.as_str() {
            builtins::PICK => return self.pick(args, site.span, env),
            name if builtins::DISTRIBUTIONS.contains(&name) => return self.distribution(name, args, site.span, env),
            _ => {}
        }
        if let Some(operation) = builtins::operation(&callee.text) {
            let arguments = self.arguments(operation, args, env)?;
            return self.shared(site, |builder| builder.operation(operation, arguments, &site.name.text, site.span));
        }
        // Anything else is reported by resolve.
        let Lookup::Found(id) = self.library.lookup(env.file, Kind::Block, &callee.text) else { return None };
        let library = self.library;
        let block = library.block(id)?;
        let mut given: BTreeMap<String, Passed<'_>> = BTreeMap::new();
        for (i, arg) in args.iter().enumerate() {
            let param = match &arg.name {
                Some(name) => block.params.iter().find(|p| p.name.text == name.text),
                None => block.params.get(i),
            };
            let value = match param {
                Some(param) if matches!(param.ty, ParamType::Block { .. }) => {
                    Passed::Typed(self.block_argument(param, &arg.value, env))
                }
                _ => Passed::Written(&arg.value, self.expr(&arg.value, env)),
            };
            if let Some(param) = param {
                given.insert(param.name.text.clone(), value);
            }
        }
        self.block(block, given, site, env)
    }

    /// `normal(std)`, `uniform(bound)`
    fn distribution(&mut self, name: &str, args: &[Arg], span: Span, env: &mut Env) -> Option<Val> {
        let value = match args {
            [only] => self.expr(&only.value, env)?,
            _ => Val::Many(vec![]),
        };
        if let Val::Static(n) = &value
            && n.is_number()
        {
            let width = self.know_number(*n).to_f64();
            if width >= 0.0 {
                let normal = name == "normal";
                let init = if normal { Init::Normal { std: width } } else { Init::Uniform { bound: width } };
                return Some(Val::Init(init));
            }
        }
        let what = if name == "normal" { "standard deviation" } else { "bound" };
        self.wanted(&format!("one {what} of at least 0 for `{name}`"), &value, span)
    }

    /// Makes what a call makes, shared where the call says so.
    pub(super) fn shared<T>(&mut self, site: Site<'_>, make: impl FnOnce(&mut Self) -> T) -> T {
        if !site.share {
            return make(self);
        }
        let outer = self.enter_share();
        let made = make(self);
        self.leave_share(outer);
        made
    }

    /// A block's nodes, in a scope of its name (or alias).
    pub(super) fn block(
        &mut self,
        block: &ast::Block,
        mut given: BTreeMap<String, Passed<'_>>,
        site: Site<'_>,
        env: &mut Env,
    ) -> Option<Val> {
        // Counts as a step, so that blocks without nodes cannot run away either.
        if !self.step(site.span) {
            return None;
        }
        if self.calls.len() > MAX_CALL_DEPTH {
            self.report(
                Diagnostic::error(code::TOO_MANY, format!("calls nested deeper than {MAX_CALL_DEPTH}"))
                    .at(site.span, "this one")
                    .help("put what several blocks do into one"),
            );
            return None;
        }
        let mut inner = Env::new(block.name.span.file);
        self.calls.push(site.span);
        let mut sound = true;
        for param in &block.params {
            let value = match (given.remove(&param.name.text), &param.default) {
                (Some(Passed::Written(written, Some(value))), _) => match &param.ty {
                    ParamType::Tensor(shape) => self.tensor_param(&param.name, shape, value, written, &mut inner),
                    // Diagnostics about the argument belong to the caller's text.
                    ty => self.typed(&param.name.text, ty, value, written, env),
                },
                (Some(Passed::Typed(value)), _) => value,
                (Some(Passed::Written(_, None)), _) => None,
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
            self.shared(site, |builder| {
                builder.scope.push(Part::of_call(&site.name.text));
                let result = builder.run(&block.body, &mut inner);
                builder.scope.pop();
                result
            })
            .and_then(|value| self.returned(block, value, &mut inner))
        } else {
            None
        };
        self.calls.pop();
        // Outside, the result is what the call made.
        result.map(|value| match value {
            Val::Tensor(t) => Val::Tensor(Tensor { span: site.span, ..t }),
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
    pub(super) fn unify(&mut self, shape: &ast::ShapeExpr, ty: &Type, width: Option<Span>, env: &mut Env) -> bool {
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
    pub(super) fn shape_with(&self, shape: &ast::ShapeExpr, env: &Env) -> String {
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
