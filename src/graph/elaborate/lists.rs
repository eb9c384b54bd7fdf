//! `pick(list, k)`: one tensor of what a repeat collected.

use super::atoms::Atom;
use super::fixed::Fixed;
use super::frames::Argument;
use super::{Builder, Diagnostic, Env, List, Op, Span, Tensor, Val, code};
use crate::ast::Arg;
use crate::graph::{Indices, ListOp};

impl Builder<'_> {
    /// `resolve` has checked that there are two arguments.
    pub(super) fn pick(&mut self, args: &[Arg], span: Span, env: &mut Env) -> Option<Val> {
        let [list, index] = args else { return None };
        let (list_span, index_span) = (list.value.span, index.value.span);
        let (list, index) = (self.expr(&list.value, env), self.expr(&index.value, env));
        let list = match list? {
            Val::List(list) => list,
            other => {
                self.report(
                    Diagnostic::error(
                        code::TENSOR_OR_NUMBER,
                        format!("`pick` takes what was collected, not {}", other.kind()),
                    )
                    .at(list_span, format!("this is {}", other.kind()))
                    .help("`collect h = x` in a repeat makes a list `h`"),
                );
                return None;
            }
        };
        let index = match index? {
            Val::Static(index) if index.is_number() => index,
            other => return self.wanted("the index of an element", &other, index_span),
        };
        if !self.is_element(index.shown(), &list, None, index.origin, span) {
            return None;
        }
        self.element(&list, index, span).map(Val::Tensor)
    }

    fn element(&mut self, list: &List, index: Fixed, span: Span) -> Option<Tensor> {
        let of = list.of.as_ref()?;
        // By the index of a repeat that the list is outside of: the repeat takes one element at each index.
        if let Some(term) = index.term()
            && let Some(level) = self.terms.level(term)
            && level >= of.frame
        {
            self.ask_outer(term);
            let outer = self.value_at(of, level);
            let ty = self.type_at(level, outer).element()?;
            let frame = self.frames.get_mut(level + 1)?;
            let value = match frame.mapped.get(&(outer, term)) {
                Some((value, _)) => *value,
                None => {
                    let value = frame.argument(Argument::Mapped(outer, term), ty);
                    frame.mapped.insert((outer, term), (value, span));
                    value
                }
            };
            return Some(Tensor { frame: level + 1, value, span, width: None });
        }
        let Atom::Whole(k) = self.know(index) else { return None };
        let k = u64::try_from(k).ok()?;
        let picked = self.frames.get(of.frame)?.picked.get(&(of.value, k)).copied();
        let value = match picked {
            Some(value) => value,
            None => {
                let ty = self.type_of(of).element()?;
                let value = self.add_at(of.frame, Op::List(ListOp::Pick { index: k }), &[of.value], vec![ty], span)?;
                self.frames.get_mut(of.frame)?.picked.insert((of.value, k), value);
                value
            }
        };
        Some(Tensor { frame: of.frame, value, span, width: None })
    }

    /// Whether the elements that the innermost body picks by its index exist at all indices that share it.
    pub(super) fn picks_are_in_range(&mut self, members: &Indices) -> bool {
        let Some(frame) = self.frames.last() else { return true };
        let depth = self.frames.len() - 1;
        let picks: Vec<_> = frame.mapped.iter().map(|((list, term), (_, span))| (*list, *term, *span)).collect();
        let mut sound = true;
        for (list, term, span) in picks {
            let count = self.type_at(depth - 1, list).list.first().copied().unwrap_or(0);
            let list = List { of: None, count };
            let Some(values) = self.values_over(depth - 1, term, members, span) else { return false };
            let wrong = members.iter().zip(values).find(|(_, value)| !is_in(*value, count));
            if let Some((at, value)) = wrong {
                let value = value.unwrap_or(Atom::None);
                sound &= self.is_element(value, &list, Some(at), span, span);
            }
        }
        sound
    }

    /// Whether an index is one of the list's, at an index of the innermost repeat; else reports.
    fn is_element(&mut self, value: Atom, list: &List, at: Option<u64>, origin: Span, span: Span) -> bool {
        if is_in(Some(value), list.count) {
            return true;
        }
        let place = self.levels.last_mut().map(|level| {
            level.index = at.unwrap_or(level.index);
            level.place()
        });
        let place = place.map_or(String::new(), |place| format!(" at {place}"));
        let message = format!("`pick` of element {value}{place}, of a list of {}", list.count);
        let wanted = match list.count {
            0 => "the repeat that collected it never ran; a count of at least 1 is wanted".to_string(),
            n => format!("a whole number from 0 to {} is wanted", n - 1),
        };
        let mut diagnostic = Diagnostic::error(code::OUT_OF_RANGE, message).at(span, wanted);
        if origin != span && !(span.file == origin.file && span.start <= origin.start && origin.end <= span.end) {
            diagnostic = diagnostic.also(origin, format!("{value} comes from here"));
        }
        self.report(diagnostic);
        false
    }
}

fn is_in(value: Option<Atom>, count: u64) -> bool {
    matches!(value, Some(Atom::Whole(k)) if u64::try_from(k).is_ok_and(|k| k < count))
}
