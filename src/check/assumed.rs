//! Assumptions of an arm: which of its flat fields have a value that no source states, and why.

use super::spec::FlatField;
use crate::resolve::{Node, Record, Value};
use std::sync::Arc;

/// The reasons of a value that is one field: its own, and those of the parts of a tuple, list or range. What a
/// call or a record holds mostly has fields of its own; [`attach`] looks after the rest.
pub fn reasons(node: &Node) -> Vec<String> {
    let mut all = node.origin.clone();
    if let Value::Tuple(_) | Value::List(_) | Value::Range(..) = node.value {
        all.assume(&node.assumptions());
    }
    texts(&all.assumed)
}

fn texts(reasons: &[Arc<str>]) -> Vec<String> {
    reasons.iter().map(|reason| reason.to_string()).collect()
}

/// Gives every reason of an arm to the field it is about, if that does not have it yet: several written values may make
/// one field, as the patterns of `files(...)` do. A field that stronger ones overruled is derived, not assumed.
pub fn attach(fields: &Record, flat: &mut [FlatField]) {
    for (name, (_, node)) in &fields.fields {
        attach_below(name, node, flat);
    }
}

fn attach_below(path: &str, node: &Node, flat: &mut [FlatField]) {
    if !matches!(node.value, Value::Record(_)) {
        for reason in texts(&node.origin.assumed) {
            put(path, reason, flat);
        }
    }
    let named = match &node.value {
        Value::Record(record) => Some(&record.fields),
        Value::Call { args, .. } => Some(&args.named),
        _ => None,
    };
    for (name, (_, part)) in named.into_iter().flatten() {
        attach_below(&format!("{path}.{name}"), part, flat);
    }
    let unnamed: &[Node] = match &node.value {
        Value::Call { args, .. } => &args.positional,
        Value::Record(record) => &record.bare,
        Value::Tuple(items) | Value::List(items) => items,
        _ => &[],
    };
    for part in unnamed {
        attach_below(path, part, flat);
    }
}

fn put(path: &str, reason: String, flat: &mut [FlatField]) {
    let is_at_or_below = |path: &str, field: &FlatField| {
        field.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if flat.iter().any(|field| is_at_or_below(path, field) && (field.is_derived() || field.assumed.contains(&reason))) {
        return;
    }
    let mut at = Some(path);
    while let Some(whole) = at {
        if let Some(field) = flat.iter_mut().find(|field| field.path == whole) {
            if !field.is_derived() && !field.assumed.contains(&reason) {
                field.assumed.push(reason);
            }
            return;
        }
        at = whole.rsplit_once('.').map(|(above, _)| above);
    }
}
