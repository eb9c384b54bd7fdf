//! `at CONDITION`: which points of the sweep a claim is about. A condition tests the values of axes, so it
//! is decided here, once; a value that no axis takes is a mistake and not an empty choice.

use super::Reader;
use super::typed::Typed;
use crate::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::base::diag::code;
use crate::base::suggest::suggest;
use crate::base::{Diagnostic, Number, Span, Unit};
use crate::resolve::{Axis, AxisValue, Layer, Node, Origin, Value as NodeValue};

/// A condition over axes: each test is the set of values of one axis that pass it.
enum Condition {
    Test { axis: usize, passes: Vec<bool> },
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    /// For a point by the index of its value on each axis.
    fn holds(&self, point: &[usize]) -> bool {
        match self {
            Condition::Test { axis, passes } => {
                point.get(*axis).and_then(|value| passes.get(*value)).copied().unwrap_or(false)
            }
            Condition::Both(a, b) => a.holds(point) && b.holds(point),
            Condition::Either(a, b) => a.holds(point) || b.holds(point),
            Condition::Not(a) => !a.holds(point),
        }
    }
}

/// What an axis's value is compared with.
enum Wanted {
    /// In the base unit, and as written without it.
    Number(Number, String),
    Text(String),
}

impl Reader<'_, '_> {
    /// The indices of the points for which the condition holds; `None` where it is wrong, or holds nowhere.
    pub(super) fn select(&mut self, expr: &Expr) -> Option<Vec<usize>> {
        let condition = self.condition(expr)?;
        let chosen: Vec<usize> = self
            .subject
            .points()
            .iter()
            .enumerate()
            .filter(|(_, point)| {
                let indices: Vec<usize> = point.coordinates.iter().map(|c| c.index).collect();
                condition.holds(&indices)
            })
            .map(|(i, _)| i)
            .collect();
        // Points that `--point` leaves out are there when all of the sweep runs.
        if chosen.is_empty() && self.subject.spec.is_part {
            return None;
        }
        if chosen.is_empty() {
            let points = self.subject.points();
            let mut names: Vec<String> = points.iter().take(6).map(|point| format!("`{point}`")).collect();
            if points.len() > names.len() {
                names.push(format!("{} more", points.len() - names.len()));
            }
            self.report(
                Diagnostic::error(code::NO_POINT, "the condition holds at no point of the sweep")
                    .at(expr.span, "a claim about nothing")
                    .help(format!("the points are {}", names.join(", "))),
            );
            return None;
        }
        Some(chosen)
    }

    fn condition(&mut self, expr: &Expr) -> Option<Condition> {
        match &expr.kind {
            ExprKind::Unary { op: UnaryOp::Not, operand } => Some(Condition::Not(Box::new(self.condition(operand)?))),
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
                let (a, b) = (self.condition(left), self.condition(right));
                let (a, b) = (Box::new(a?), Box::new(b?));
                Some(if *op == BinaryOp::And { Condition::Both(a, b) } else { Condition::Either(a, b) })
            }
            ExprKind::Binary { op: BinaryOp::In, left, right, .. } => {
                let axis = self.axis_of(left)?;
                self.membership(axis, right)
            }
            ExprKind::Binary { op, left, right, .. } if op.is_logical() => {
                // `0.5B tokens < data.unique` reads from the other side.
                let is_name = |side: &Expr| matches!(side.kind, ExprKind::Name(_));
                let (axis, other, op) =
                    if is_name(left) || !is_name(right) { (left, right, *op) } else { (right, left, turned(*op)) };
                let axis = self.axis_of(axis)?;
                self.comparison(axis, op, other)
            }
            _ => {
                self.report(
                    Diagnostic::error(code::WRONG_TYPE, "`at` takes a condition on the axes of the sweep")
                        .at(expr.span, "a comparison is wanted here")
                        .help(match self.subject.axes().first() {
                            Some(Axis { label, values, .. }) => {
                                format!("for example `at {label} == {}`", values.first().map_or(String::new(), shown))
                            }
                            None => "it needs a `sweep`".into(),
                        }),
                );
                None
            }
        }
    }

    fn comparison(&mut self, axis: usize, op: BinaryOp, other: &Expr) -> Option<Condition> {
        let subject = self.subject;
        let values = &subject.axes().get(axis)?.values;
        let node = self.evaluated(other)?;
        let wanted = self.wanted(axis, &node)?;
        if matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            let passes: Vec<bool> = values.iter().map(|value| is(value, &wanted)).collect();
            self.known(axis, &passes, other.span)?;
            let passes = passes.into_iter().map(|same| same == (op == BinaryOp::Eq)).collect();
            return Some(Condition::Test { axis, passes });
        }
        let Wanted::Number(number, _) = wanted else {
            self.unordered(axis, other.span);
            return None;
        };
        let passes = values
            .iter()
            .map(|value| match (op, value.number) {
                (BinaryOp::Lt, Some(x)) => x < number,
                (BinaryOp::Le, Some(x)) => x <= number,
                (BinaryOp::Gt, Some(x)) => x > number,
                (BinaryOp::Ge, Some(x)) => x >= number,
                _ => false,
            })
            .collect();
        Some(Condition::Test { axis, passes })
    }

    /// `axis in [a, b]`, `axis in a..b`
    fn membership(&mut self, axis: usize, set: &Expr) -> Option<Condition> {
        let subject = self.subject;
        let values = &subject.axes().get(axis)?.values;
        let node = subject.spec.evaluate(set, self.cx.out);
        match &node.value {
            NodeValue::List(items) if !items.is_empty() => {
                let mut passes = vec![false; values.len()];
                let mut all_known = true;
                for item in items {
                    let Some(wanted) = self.wanted(axis, item) else {
                        all_known = false;
                        continue;
                    };
                    let these: Vec<bool> = values.iter().map(|value| is(value, &wanted)).collect();
                    all_known &= self.known(axis, &these, item.span).is_some();
                    passes.iter_mut().zip(these).for_each(|(pass, this)| *pass |= this);
                }
                all_known.then_some(Condition::Test { axis, passes })
            }
            NodeValue::Range(low, high) => {
                let (low, high) = (self.wanted(axis, low), self.wanted(axis, high));
                let (Wanted::Number(a, _), Wanted::Number(b, _)) = (low?, high?) else {
                    self.unordered(axis, set.span);
                    return None;
                };
                let passes = values.iter().map(|value| value.number.is_some_and(|x| a <= x && x <= b)).collect();
                Some(Condition::Test { axis, passes })
            }
            NodeValue::Faulty => None,
            _ => {
                self.report(
                    Diagnostic::error(code::WRONG_TYPE, "`in` takes a list or a range")
                        .at(set.span, "a list `[a, b]` or a range `a..b` is wanted here"),
                );
                None
            }
        }
    }

    /// What an expression of the condition stands for. Conditions choose before anything runs, so results of runs
    /// have no place in them; numbers of the `expect`'s own `let`s do.
    fn evaluated(&mut self, expr: &Expr) -> Option<Node> {
        if let ExprKind::Name(name) = &expr.kind
            && self.lets.contains_key(name.split('.').next().unwrap_or(name))
        {
            let Typed::Constant(number, unit) = self.typed(expr)? else {
                self.report(
                    Diagnostic::error(code::WRONG_TYPE, "a condition knows no results")
                        .at(expr.span, "a value that the spec writes is wanted here")
                        .help("conditions choose points of the sweep before anything runs"),
                );
                return None;
            };
            let origin = Origin::new(Layer::Experiment, expr.span);
            return Some(Node::new(NodeValue::Number { number, unit }, expr.span, origin));
        }
        let node = self.subject.spec.evaluate(expr, self.cx.out);
        (node.value != NodeValue::Faulty).then_some(node)
    }

    /// A value to compare an axis's values with.
    fn wanted(&mut self, axis: usize, node: &Node) -> Option<Wanted> {
        let axis = self.subject.axes().get(axis)?;
        let text = self.cx.map.text(node.span).trim().to_string();
        let of_axis = axis.values.iter().find_map(|value| value.unit);
        let numeric = axis.values.iter().any(|value| value.number.is_some());
        match &node.value {
            NodeValue::Number { number, unit } => {
                if numeric && unit.map(Unit::dimension) != of_axis.map(Unit::dimension) {
                    let words = |unit: Option<Unit>| unit.map_or("no unit", Unit::word);
                    let message = format!("`{}` takes {}, not {}", axis.label, words(of_axis), words(*unit));
                    let example = axis.values.first().map_or(String::new(), shown);
                    self.report(
                        Diagnostic::error(code::WRONG_UNIT, message)
                            .at(node.span, format!("{} here", words(*unit)))
                            .also(axis.span, "the axis")
                            .help(format!("for example `{example}`")),
                    );
                    return None;
                }
                // The text without a unit of its own, as points are named.
                let bare = text.split_whitespace().next().unwrap_or(&text).to_string();
                Some(Wanted::Number(unit.map_or(*number, |unit| number.mul(unit.factor())), bare))
            }
            NodeValue::Faulty => None,
            NodeValue::Str(inner) | NodeValue::Word(inner) => Some(Wanted::Text(inner.clone())),
            _ => Some(Wanted::Text(text)),
        }
    }

    /// Whether a value is one of the axis's; what no point has is a slip of the pen.
    fn known(&mut self, axis: usize, passes: &[bool], span: Span) -> Option<()> {
        if passes.contains(&true) {
            return Some(());
        }
        let axis = self.subject.axes().get(axis)?;
        let text = self.cx.map.text(span).trim().to_string();
        let diagnostic = Diagnostic::error(code::NO_POINT, format!("`{text}` is no value of `{}`", axis.label))
            .at(span, "no point of the sweep has it")
            .also(axis.span, "the axis");
        let names = axis.values.iter().filter(|value| value.number.is_none()).map(|value| value.text.as_str());
        self.report(match suggest(&text, names) {
            Some(closest) => diagnostic.help(format!("did you mean `{closest}`?")),
            None => {
                let all: Vec<String> = axis.values.iter().take(12).map(shown).collect();
                diagnostic.help(format!("its values are {}", all.join(", ")))
            }
        });
        None
    }

    fn unordered(&mut self, axis: usize, span: Span) {
        let label = self.axis_labels().get(axis).copied().unwrap_or_default().to_string();
        self.report(
            Diagnostic::error(code::WRONG_TYPE, format!("the values of `{label}` have no order"))
                .at(span, "a number is wanted here")
                .help("use `==`, `!=` or `in [...]`"),
        );
    }
}

/// `0.5B tokens`: the value with its unit.
fn shown(value: &AxisValue) -> String {
    match value.unit {
        Some(Unit::Percent) | None => value.text.clone(),
        Some(unit) => format!("{} {}", value.text, unit.word()),
    }
}

/// Numbers are equal where their values are, or where they are written alike (points of a logarithmic
/// axis are named by rounded numbers).
fn is(value: &AxisValue, wanted: &Wanted) -> bool {
    match (wanted, value.number) {
        (Wanted::Number(number, text), Some(x)) => *number == x || *text == value.text,
        (Wanted::Number(_, text), None) => *text == value.text,
        (Wanted::Text(text), _) => *text == value.text || value.text.trim_matches('"') == text,
    }
}

/// `a op b` as `b op' a`.
fn turned(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}
