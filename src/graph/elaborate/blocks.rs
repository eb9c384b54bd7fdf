//! Blocks as arguments: what a caller gives for a parameter `norm: block([B, T, D]) -> [B, T, D]`. It is a block or
//! an operation with some of its static arguments; inside, it is called with tensors.
//!
//! Resolve has checked that what is given takes so many tensors and that nothing else is left open. Shapes are
//! checked here, at each call: names of dimensions that the block around does not bind are bound by the call.

use super::calls::{Passed, Site};
use super::operations::Arguments;
use super::{Atom, Builder, Diagnostic, Env, Expr, ExprKind, Fixed, ParamType, Span, Tensor, Val, code};
use crate::ast::{self, Arg, Ident, Param, ShapeExpr};
use crate::check::spec::{BlockArg, Static};
use crate::graph::shape_text;
use crate::resolve::blocks::Target;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A block that was given for a parameter.
#[derive(Clone, Debug)]
pub(super) struct Given {
    target: Target,
    /// Its own name.
    name: String,
    /// Arguments that came with it, typed.
    args: BTreeMap<String, Val>,
    /// Where it was given.
    span: Span,
    /// The parameter.
    param: Ident,
    inputs: Vec<ShapeExpr>,
    returns: Vec<ShapeExpr>,
}

impl Builder<'_> {
    /// A block given for a parameter: a name, or a call that leaves the tensors out.
    pub(super) fn block_argument(&mut self, param: &Param, written: &Expr, env: &mut Env) -> Option<Val> {
        let none: &[Arg] = &[];
        let (name, args) = match &written.kind {
            ExprKind::Name(name) => (name.as_str(), none),
            ExprKind::Call { callee, args, .. } => (callee.text.as_str(), args.as_slice()),
            // Reported by resolve.
            _ => return None,
        };
        let mut given = match env.locals.get(name) {
            // Passed on.
            Some(Val::Block(given)) => Given { span: written.span, ..Given::clone(given) },
            _ => {
                let target = Target::find(self.library, env.file, name)?;
                self.given(target, name.to_string(), written.span, param)?
            }
        };
        let ParamType::Block { inputs, returns, .. } = &param.ty else { return None };
        (given.param, given.inputs, given.returns) = (param.name.clone(), inputs.clone(), returns.clone());
        let mut sound = true;
        for arg in args {
            let Some(name) = &arg.name else { continue };
            match self.argument_of(given.target, &name.text, &arg.value, env) {
                Some(value) => {
                    given.args.insert(name.text.clone(), value);
                }
                None => sound = false,
            }
        }
        sound.then(|| Val::Block(Arc::new(given)))
    }

    /// A static argument, or a block again, of what is given.
    fn argument_of(&mut self, target: Target, name: &str, written: &Expr, env: &mut Env) -> Option<Val> {
        match target {
            Target::Operation(operation) => {
                let param = operation.statics.iter().find(|p| p.name == name)?;
                let value = self.expr(written, env)?;
                self.typed_static(param, value, written, env)
            }
            Target::Block(id) => {
                let library = self.library;
                let param = library.block(id)?.params.iter().find(|p| p.name.text == name)?;
                match &param.ty {
                    ParamType::Block { .. } => self.block_argument(param, written, env),
                    ty => {
                        let value = self.expr(written, env)?;
                        self.typed(name, ty, value, written, env)
                    }
                }
            }
        }
    }

    fn given(&self, target: Target, name: String, span: Span, param: &Param) -> Option<Given> {
        let ParamType::Block { inputs, returns, .. } = &param.ty else { return None };
        let (inputs, returns) = (inputs.clone(), returns.clone());
        Some(Given { target, name, args: BTreeMap::new(), span, param: param.name.clone(), inputs, returns })
    }

    /// What an experiment gives for a parameter of its model.
    pub(super) fn block_of_experiment(&mut self, arg: &BlockArg, span: Span, param: &Param) -> Option<Val> {
        let mut given = self.given(arg.target, arg.name.clone(), span, param)?;
        for (name, arg) in &arg.args {
            let value = match &arg.value {
                Static::Number(number) => Val::Static(Fixed::number(*number, arg.span)?),
                Static::Bool(b) => Val::Static(Fixed::new(Atom::Bool(*b), arg.span)),
                Static::Block(inner) => {
                    let Target::Block(id) = given.target else { return None };
                    let library = self.library;
                    let param = library.block(id)?.params.iter().find(|p| p.name.text == *name)?;
                    self.block_of_experiment(inner, arg.span, param)?
                }
            };
            given.args.insert(name.clone(), value);
        }
        Some(Val::Block(Arc::new(given)))
    }

    /// Calls a block that was given; the scope is the parameter's name, or the alias.
    pub(super) fn call_given(&mut self, given: &Given, args: &[Arg], site: Site<'_>, env: &mut Env) -> Option<Val> {
        let mut tensors: Vec<(&Expr, Tensor)> = vec![];
        for arg in args {
            match self.expr(&arg.value, env) {
                Some(Val::Tensor(tensor)) => tensors.push((&arg.value, tensor)),
                Some(other) => {
                    self.wanted(&format!("a tensor for `{}`", given.param.text), &other, arg.value.span);
                }
                None => {}
            }
        }
        if tensors.len() != given.inputs.len() {
            return None;
        }
        // Dimensions that only the parameter's type names are bound by this call.
        let mut dims = env.clone();
        for ((written, tensor), shape) in tensors.iter().zip(&given.inputs) {
            self.input_fits(given, shape, tensor, written, &mut dims)?;
        }
        let value = match given.target {
            Target::Operation(operation) => {
                // Reported by resolve.
                if tensors.len() != operation.tensors.len() {
                    return None;
                }
                let statics = self.statics(operation, &given.args)?;
                let tensors = tensors.into_iter().map(|(_, tensor)| tensor).collect();
                let arguments = Arguments { tensors, statics, rest: vec![] };
                self.shared(site, |builder| builder.operation(operation, arguments, &site.name.text, site.span))?
            }
            Target::Block(id) => {
                let library = self.library;
                let block: &ast::Block = library.block(id)?;
                let mut passed: BTreeMap<String, Passed<'_>> =
                    given.args.iter().map(|(name, value)| (name.clone(), Passed::Typed(Some(value.clone())))).collect();
                let params = block.params.iter().filter(|p| matches!(p.ty, ParamType::Tensor(_)));
                for (param, (written, tensor)) in params.zip(tensors) {
                    passed.insert(param.name.text.clone(), Passed::Written(written, Some(Val::Tensor(tensor))));
                }
                self.block(block, passed, site, env)?
            }
        };
        self.result_fits(given, value, site.span, &mut dims)
    }

    fn input_fits(
        &mut self,
        given: &Given,
        shape: &ShapeExpr,
        tensor: &Tensor,
        written: &Expr,
        env: &mut Env,
    ) -> Option<()> {
        let ty = self.type_of(tensor);
        if self.unify(shape, &ty, tensor.width, env) {
            return Some(());
        }
        let bound = self.shape_with(shape, env);
        let mut diagnostic = Diagnostic::error(
            code::SHAPE_MISMATCH,
            format!("`{}` takes {bound}, not {}", given.param.text, shape_text(&ty.shape)),
        )
        .at(written.span, format!("this is {ty}"))
        .also(shape.span, format!("{bound} is declared here"));
        if let Some(width) = tensor.width {
            diagnostic = diagnostic.also(width, "its width comes from here");
        }
        self.report(diagnostic.help("name another dimension in the parameter's type if they may differ"));
        None
    }

    fn result_fits(&mut self, given: &Given, value: Val, span: Span, env: &mut Env) -> Option<Val> {
        let values = match &value {
            Val::Many(values) => values.clone(),
            single => vec![single.clone()],
        };
        let what = format!("`{}`, given for `{}`,", given.name, given.param.text);
        if values.len() != given.returns.len() {
            let message = format!("{what} returns {}, not {}", results(values.len()), results(given.returns.len()));
            let diagnostic = Diagnostic::error(code::BLOCK_ARGUMENT, message).at(span, "called here");
            self.report(
                diagnostic
                    .also(given.span, "given here")
                    .help("give a block that returns what the parameter's type says"),
            );
            return None;
        }
        for (shape, value) in given.returns.iter().zip(&values) {
            let Val::Tensor(tensor) = value else {
                return self.wanted(&format!("a tensor from {what}"), value, span);
            };
            let ty = self.type_of(tensor);
            if self.unify(shape, &ty, tensor.width, env) {
                continue;
            }
            let bound = self.shape_with(shape, env);
            let message = format!("{what} returns {}, not {bound}", shape_text(&ty.shape));
            let mut diagnostic = Diagnostic::error(code::SHAPE_MISMATCH, message)
                .at(span, format!("this is {ty}"))
                .also(shape.span, format!("{bound} is declared here"))
                .also(given.span, "given here");
            if let Some(width) = tensor.width {
                diagnostic = diagnostic.also(width, "its width comes from here");
            }
            self.report(diagnostic.help("give a block that returns what the parameter's type says"));
            return None;
        }
        Some(value)
    }
}

fn results(n: usize) -> String {
    if n == 1 { "1 value".into() } else { format!("{n} values") }
}
