//! The `model` of an arm: which model, with which static arguments.

use super::reader::{Cx, Takes, not_whole, quantity};
use super::spec::{BlockArg, ModelCall, Static, StaticArg};
use crate::ast::{ExprKind, Ident, ParamType};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Span};
use crate::resolve::blocks::{Target, Wanted, report_positional, report_unknown, scope_of};
use crate::resolve::names::{n_arguments, short_list, takes};
use crate::resolve::{DefId, Library, Node, Value};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::sync::Arc;

pub fn read(node: &Node, model: DefId, library: &Arc<Library>, cx: &mut Cx<'_>) -> Option<ModelCall> {
    let block = library.block(model)?;
    let (args, span) = match &node.value {
        Value::Call { args, name_span, .. } => (args.clone(), *name_span),
        _ => (Default::default(), node.span),
    };
    let name = block.name.text.clone();
    cx.note("model", &name, Some(node));
    let mut given: IndexMap<String, (Span, Node)> = IndexMap::new();
    for (i, value) in args.positional.iter().enumerate() {
        match block.params.get(i) {
            Some(param) => {
                given.insert(param.name.text.clone(), (value.span, value.clone()));
            }
            None => cx.out.push(
                Diagnostic::error(code::UNKNOWN_FIELD, format!("`{name}` takes {}", n_arguments(block.params.len())))
                    .at(value.span, "one too many")
                    .also(block.name.span, "defined here")
                    .help("take it out"),
            ),
        }
    }
    let known: BTreeSet<&str> = block.params.iter().map(|p| p.name.text.as_str()).collect();
    let mut n_unknown = 0;
    for (arg, (at, value)) in &args.named {
        let names = || block.params.iter().map(|p| p.name.text.as_str());
        if !known.contains(arg.as_str()) {
            n_unknown += 1;
            let diagnostic = Diagnostic::error(code::UNKNOWN_FIELD, format!("`{name}` has no argument `{arg}`"))
                .at(*at, "not an argument of it")
                .also(block.name.span, "defined here");
            cx.out.push(match suggest(arg, names().take(if cx.out.is_full() { 0 } else { usize::MAX })) {
                Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
                None => diagnostic.help(takes(&short_list(names()))),
            });
        } else if let Some((first, _)) = given.get(arg) {
            cx.out.push(
                Diagnostic::error(code::DUPLICATE_FIELD, format!("`{arg}` is given twice"))
                    .at(*at, "again here")
                    .also(*first, "first here")
                    .help("keep one of them"),
            );
        } else {
            given.insert(arg.clone(), (*at, value.clone()));
        }
    }
    let mut result = IndexMap::new();
    let mut sound = true;
    let mut missing = vec![];
    for param in &block.params {
        let path = format!("model.{}", param.name.text);
        if let ParamType::Tensor(shape) = &param.ty {
            cx.out.push(
                Diagnostic::error(code::TENSOR_OR_NUMBER, "a model's parameters are numbers, switches and blocks")
                    .at(shape.span, "a tensor here")
                    .help("a model reads `tokens` and `positions`; make this a block if it takes tensors"),
            );
            sound = false;
            continue;
        }
        match given.get(&param.name.text) {
            Some((_, value)) => match static_arg(&path, value, &param.ty, library, cx) {
                Some(arg) => {
                    result.insert(param.name.text.clone(), arg);
                }
                None => sound = false,
            },
            None => match &param.default {
                None => missing.push(format!("`{}`", param.name.text)),
                Some(default) if matches!(default.kind, ExprKind::Number(_) | ExprKind::Bool(_)) => {
                    let text = cx.map.text(default.span).to_string();
                    cx.note(&path, text, None);
                }
                Some(_) => {}
            },
        }
    }
    if !missing.is_empty() {
        sound = false;
    }
    // An unknown argument most likely is the missing one under a wrong name, and is reported.
    if missing.len() > n_unknown {
        cx.out.push(
            Diagnostic::error(
                code::MISSING_FIELD,
                format!("`{name}` needs {}", short_list(missing.iter().map(String::as_str))),
            )
            .at(span, "not given here")
            .also(block.name.span, "defined here")
            .help(takes(&short_list(block.params.iter().map(|p| p.name.text.as_str())))),
        );
    }
    sound.then(|| ModelCall { model, name, args: result, span: node.span, library: library.clone() })
}

fn static_arg(path: &str, node: &Node, ty: &ParamType, library: &Library, cx: &mut Cx<'_>) -> Option<StaticArg> {
    let value = match (ty, &node.value) {
        (ParamType::Bool, Value::Bool(b)) => Static::Bool(*b),
        (ParamType::Bool, _) => {
            cx.wrong_type(node, path, "true or false");
            return None;
        }
        (ParamType::Block { .. }, _) => Static::Block(block_arg(path, node, Wanted::of(ty)?, library, cx)?),
        _ => {
            let q = quantity(path, node, Takes::FRACTION, cx)?;
            if matches!(ty, ParamType::Int) && q.number.to_i64().is_none() {
                cx.out.push(not_whole(path, q.number, node.span));
                return None;
            }
            Static::Number(q.number)
        }
    };
    cx.note(path, &value, Some(node));
    Some(StaticArg { value, span: node.span })
}

/// A block or an operation for a model's parameter: names mean what they mean where they are written.
fn block_arg(path: &str, node: &Node, wanted: Wanted, library: &Library, cx: &mut Cx<'_>) -> Option<BlockArg> {
    let (name, span, args) = match &node.value {
        Value::Word(word) => (word, node.span, None),
        Value::Call { name, name_span, args } => (name, *name_span, Some(args)),
        _ => {
            cx.wrong_type(node, path, "a block or an operation: its name, or a call without the tensors");
            return None;
        }
    };
    let file = scope_of(node, library);
    let name = Ident { text: name.clone(), span };
    let Some(target) = Target::find(library, file, &name.text) else {
        report_unknown(library, file, &name, &[], cx.out);
        return None;
    };
    let before = cx.out.n_errors();
    let mut given = vec![];
    let mut result = IndexMap::new();
    if let Some(first) = args.and_then(|args| args.positional.first()) {
        report_positional(&name, first.span, args.map_or(0, |args| args.positional.len()), cx.out);
    }
    for (arg, (at, value)) in args.iter().flat_map(|args| &args.named) {
        given.push(Ident { text: arg.clone(), span: *at });
        if let Some(ty) = target.param_type(library, arg)
            && let Some(value) = static_arg(&format!("{path}.{arg}"), value, &ty, library, cx)
        {
            result.insert(arg.clone(), value);
        }
    }
    target.check(library, &name, &given, wanted, cx.out);
    (cx.out.n_errors() == before).then_some(BlockArg { target, name: name.text, args: result })
}
