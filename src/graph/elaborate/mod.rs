//! Elaboration: a model of the language becomes a [`Graph`]. Blocks are functions over tensors;
//! calling one adds its nodes. Nothing here knows a transformer: only operations, calls, `repeat`.

mod calls;
mod frames;
mod operations;
mod repeat;
mod statics;

use super::{BodyId, Dim, Elem, Graph, Init, Op, Param, ParamId, Type, Value};
use crate::ast::{self, BinaryOp, DimExpr, Expr, ExprKind, ParamType, Stmt, UnaryOp};
use crate::base::diag::Label;
use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Diagnostics, FileId, Number, Span};
use crate::check::spec::{ModelCall, Static};
use crate::graph::ops::{
    Input,
    add::{Add, Second},
    cast::Cast,
    mul::Mul,
    offset::Offset,
    scale::Scale,
};
use crate::objective::Pattern;
use crate::resolve::{DefId, Library};
use frames::Frame;
use std::collections::{BTreeMap, BTreeSet};

/// A model with more nodes than this is refused; 2,600 layers of one body are one body.
const MAX_NODES: usize = 50_000;
/// Calls inside calls. Blocks cannot recurse, so only very long chains get here.
const MAX_CALL_DEPTH: usize = 64;
/// Expressions inside expressions, through all calls: what the stack is made for.
const MAX_DEPTH: usize = 4_000;
/// Work on one model: expressions evaluated, names copied into the bodies of repeats.
const MAX_WORK: usize = 300_000;
/// Parameters, over all instances.
const MAX_PARAM_ELEMENTS: u64 = 1 << 46;

/// What a model is built for.
#[derive(Clone, Copy, Debug)]
pub struct ModelInputs {
    /// Rows of a token table.
    pub vocab: u64,
    /// Positions.
    pub seq: u64,
    pub pattern: Pattern,
    /// Whether the objective gives each sequence a noise level.
    pub noise_level: bool,
}

/// A value of the language while a block runs.
#[derive(Clone, Debug)]
enum Val {
    Tensor(Tensor),
    Number(Num),
    Bool(bool),
    Init(Init),
    /// What an optional argument may be.
    None,
    /// Several return values, or a tuple.
    Many(Vec<Val>),
    /// A repeat's label: a scope, not a number.
    Label,
}

/// A tensor: a value of the body at depth `frame`.
#[derive(Clone, Debug)]
struct Tensor {
    frame: usize,
    value: Value,
    /// What the user wrote to make it.
    span: Span,
    /// Where the size of its last dimension was written.
    width: Option<Span>,
}

/// A static number and where it was written.
#[derive(Clone, Copy, Debug)]
struct Num {
    number: Number,
    origin: Span,
}

/// Names while a block runs.
#[derive(Clone, Debug)]
struct Env {
    file: FileId,
    locals: BTreeMap<String, Val>,
    /// Dimensions bound by the block's parameters, with the place that gave their size.
    dims: BTreeMap<String, (Dim, Option<Span>)>,
}

struct Builder<'a> {
    library: &'a Library,
    inputs: ModelInputs,
    graph: Graph,
    frames: Vec<Frame>,
    /// Parts of parameter paths.
    scope: Vec<String>,
    params: BTreeMap<String, (ParamId, Span)>,
    /// The table that `unembed(tied: true)` shares.
    token_table: Option<ParamId>,
    /// Calls being elaborated, outermost first.
    calls: Vec<Span>,
    /// The blocks they call.
    active: Vec<DefId>,
    /// Expressions being evaluated.
    depth: usize,
    n_steps: usize,
    n_work: usize,
    n_elements: u64,
    out: &'a mut Diagnostics,
}

/// Builds the model. `None` after errors, which are in `out`.
pub fn build(call: &ModelCall, inputs: ModelInputs, out: &mut Diagnostics) -> Option<Graph> {
    let block = call.library.block(call.model)?.clone();
    let mut builder = Builder {
        library: &call.library,
        inputs,
        graph: Graph::default(),
        frames: vec![Frame::default()],
        scope: vec![],
        params: BTreeMap::new(),
        token_table: None,
        calls: vec![call.span],
        active: vec![],
        depth: 0,
        n_steps: 0,
        n_work: 0,
        n_elements: 0,
        out,
    };
    // The root is body 0; regions take the ids after it.
    builder.graph.bodies.push(Default::default());
    let logits = builder.model(call, &block);
    let frame = builder.frames.pop()?;
    let mut graph = builder.graph;
    let logits = logits?;
    *graph.bodies.get_mut(0)? = frame.body;
    graph.outputs = vec![("logits".into(), logits)];
    Some(graph)
}

impl Builder<'_> {
    fn model(&mut self, call: &ModelCall, block: &ast::Block) -> Option<Value> {
        let mut env = Env { file: block.name.span.file, locals: BTreeMap::new(), dims: BTreeMap::new() };
        for param in &block.params {
            let value = match (call.args.get(&param.name.text), &param.default) {
                (Some(arg), _) => match arg.value {
                    Static::Number(number) => Val::Number(Num { number, origin: arg.span }),
                    Static::Bool(b) => Val::Bool(b),
                },
                (None, Some(default)) => self.default_value(param, default, &mut env)?,
                (None, None) => return None,
            };
            env.locals.insert(param.name.text.clone(), value);
        }
        let returned = self.body(&block.body, &mut env)?;
        let wanted = Type::compute([Dim::Batch, Dim::Time, Dim::Fixed(self.inputs.vocab)]);
        match returned {
            Val::Tensor(tensor) if self.type_of(&tensor) == wanted => Some(self.here(&tensor)),
            other => {
                let got = match &other {
                    Val::Tensor(tensor) => self.type_of(tensor).to_string(),
                    other => other.kind().to_string(),
                };
                let at = block.body.last().map_or(block.span, stmt_span);
                self.report(
                    Diagnostic::error(code::NO_LOGITS, format!("model `{}` returns {got}", block.name.text))
                        .at(at, format!("logits {wanted} are wanted here"))
                        .help("end with `return unembed(x)`"),
                );
                None
            }
        }
    }

    /// Runs statements; gives what `return` returns.
    fn body(&mut self, stmts: &[Stmt], env: &mut Env) -> Option<Val> {
        // After an error the rest still runs, so that all mistakes show; names that an error left
        // unbound are not reported again, since resolve has checked them.
        let mut result = None;
        for stmt in stmts {
            match stmt {
                Stmt::Bind { targets, value, span } => {
                    let value = self.expr(value, env);
                    self.bind(targets, value, *span, env);
                }
                Stmt::Repeat { count, label, body, span } => {
                    self.repeat(count, label.as_ref(), body, *span, env);
                }
                Stmt::If { .. } | Stmt::Require { .. } | Stmt::Collect { .. } => {}
                Stmt::Return { values, .. } => {
                    result = match values.as_slice() {
                        [only] => self.expr(only, env),
                        several => {
                            let values: Option<Vec<Val>> = several.iter().map(|v| self.single(v, env)).collect();
                            values.map(Val::Many)
                        }
                    };
                }
            }
        }
        result
    }

    fn bind(&mut self, targets: &[ast::Ident], value: Option<Val>, span: Span, env: &mut Env) {
        match (targets, value) {
            (targets, None) => {
                for target in targets {
                    env.locals.remove(&target.text);
                }
            }
            ([_], Some(Val::Many(values))) => self.return_count(1, values.len(), span),
            ([target], Some(value)) => {
                env.locals.insert(target.text.clone(), value);
            }
            (targets, Some(Val::Many(values))) if values.len() == targets.len() => {
                for (target, value) in targets.iter().zip(values) {
                    env.locals.insert(target.text.clone(), value);
                }
            }
            (targets, Some(value)) => {
                let n = if let Val::Many(values) = &value { values.len() } else { 1 };
                self.return_count(targets.len(), n, span);
            }
        }
    }

    /// One value of several: not several itself, or a line could double what the one before made.
    fn single(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        match self.expr(expr, env)? {
            many @ Val::Many(_) => self.wanted("a single value", &many, expr.span),
            value => Some(value),
        }
    }

    fn return_count(&mut self, wanted: usize, got: usize, span: Span) {
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        self.report(
            Diagnostic::error(code::RETURN_COUNT, format!("{} for {}", plural(wanted, "name"), plural(got, "value")))
                .at(span, "these do not match")
                .help("write one name per value: `(y, v) = f(x)`"),
        );
    }

    /// Whether there is still room for so much work; says once that there is not.
    fn work(&mut self, n: usize, span: Span) -> bool {
        let before = self.n_work;
        self.n_work = self.n_work.saturating_add(n);
        if self.n_work > MAX_WORK && before <= MAX_WORK {
            self.report(
                Diagnostic::error(code::TOO_MANY, "the model takes too many steps to build")
                    .at(span, format!("given up after {} expressions", grouped(MAX_WORK as u64)))
                    .help("use `repeat` for layers that are alike"),
            );
        }
        self.n_work <= MAX_WORK
    }

    fn expr(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        if !self.work(1, expr.span) {
            return None;
        }
        if self.depth >= MAX_DEPTH {
            self.report(
                Diagnostic::error(code::TOO_MANY, format!("expressions and calls nest deeper than {MAX_DEPTH}"))
                    .at(expr.span, "this one")
                    .help("give parts a name of their own"),
            );
            // The first says it.
            self.n_work = MAX_WORK + 1;
            return None;
        }
        self.depth += 1;
        let value = self.value(expr, env);
        self.depth -= 1;
        value
    }

    fn value(&mut self, expr: &Expr, env: &mut Env) -> Option<Val> {
        match &expr.kind {
            ExprKind::Number(lit) => {
                let number = match lit.unit {
                    Some((unit, _)) => lit.value.mul(unit.factor()),
                    None => lit.value,
                };
                Some(Val::Number(Num { number, origin: expr.span }))
            }
            ExprKind::Bool(b) => Some(Val::Bool(*b)),
            ExprKind::Name(name) => self.name(name, expr.span, env),
            ExprKind::Unary { op: UnaryOp::Not, .. } => None,
            ExprKind::Unary { op: UnaryOp::Neg, operand } => match self.expr(operand, env)? {
                Val::Number(n) => Some(Val::Number(Num { number: n.number.neg(), origin: expr.span })),
                Val::Tensor(t) => self.op(Scale { factor: -1.0 }.into(), &[t], expr.span).map(Val::Tensor),
                other => self.wanted("a tensor or a number", &other, operand.span),
            },
            ExprKind::Binary { op, left, right, .. } => {
                let (a, b) = (self.expr(left, env), self.expr(right, env));
                self.binary(*op, a?, b?, expr)
            }
            ExprKind::Tuple(items) => {
                let values: Option<Vec<Val>> = items.iter().map(|e| self.single(e, env)).collect();
                Some(Val::Many(values?))
            }
            ExprKind::Call { callee, args, alias, .. } => self.call(callee, args, alias.as_ref(), expr.span, env),
            ExprKind::None => Some(Val::None),
            ExprKind::Str(_) | ExprKind::List { .. } | ExprKind::Record(_) => None,
            ExprKind::If { .. } | ExprKind::Range { .. } | ExprKind::Extend { .. } | ExprKind::Claims(_) => None,
        }
    }

    fn name(&mut self, name: &str, span: Span, env: &Env) -> Option<Val> {
        if let Some(value) = env.locals.get(name) {
            return Some(match value {
                Val::Tensor(t) => Val::Tensor(Tensor { span, ..t.clone() }),
                other => other.clone(),
            });
        }
        if let Some((dim, origin)) = env.dims.get(name) {
            return match dim {
                Dim::Fixed(n) => {
                    let number = Number::int(i64::try_from(*n).ok()?);
                    Some(Val::Number(Num { number, origin: origin.unwrap_or(span) }))
                }
                Dim::Batch | Dim::Time => {
                    self.report(
                        Diagnostic::error(code::DYNAMIC_SHAPE, format!("`{name}` is the symbolic dimension {dim}"))
                            .at(span, "a static number is wanted here")
                            .help(if *dim == Dim::Time {
                                "`seq` is the number of positions"
                            } else {
                                "nothing may depend on the batch size"
                            }),
                    );
                    None
                }
            };
        }
        let number = |n: u64| i64::try_from(n).ok().map(|n| Val::Number(Num { number: Number::int(n), origin: span }));
        match name {
            "tokens" => Some(Val::Tensor(self.input(Input::Tokens, span))),
            "positions" => Some(Val::Tensor(self.input(Input::Positions, span))),
            "t" => {
                if !self.inputs.noise_level {
                    self.report(
                        Diagnostic::error(
                            code::NO_NOISE_LEVEL,
                            "the model reads `t`, and `next_token` has no noise level",
                        )
                        .at(span, "the noise level of a sequence")
                        .help("give this arm a model that does not read `t`, or an objective with a noise level"),
                    );
                }
                Some(Val::Tensor(self.input(Input::NoiseLevel, span)))
            }
            "seq" => number(self.inputs.seq),
            "vocab" => number(self.inputs.vocab),
            "zeros" => Some(Val::Init(Init::Zeros)),
            "ones" => Some(Val::Init(Init::Ones)),
            // Unbound after an error that was reported.
            _ => None,
        }
    }

    fn binary(&mut self, op: BinaryOp, a: Val, b: Val, expr: &Expr) -> Option<Val> {
        let span = expr.span;
        match (a, b) {
            (Val::Number(a), Val::Number(b)) => {
                let number = crate::resolve::value::arithmetic(op, a.number, b.number);
                if !number.is_finite() {
                    let message = format!("{} {} {} has no value", a.number, op.symbol(), b.number);
                    let mut diagnostic = Diagnostic::error(code::BAD_ARITHMETIC, message)
                        .at(span, "infinite, or not a number")
                        .help("divide by something else than 0, and stay below 10^308");
                    for n in [a, b] {
                        // A number written in the expression itself needs no second mark.
                        if n.origin.file != span.file || n.origin.end < span.start || n.origin.start > span.end {
                            diagnostic = diagnostic.also(n.origin, format!("{} comes from here", n.number));
                        }
                    }
                    self.report(diagnostic);
                    return None;
                }
                Some(Val::Number(Num { number, origin: span }))
            }
            (Val::Tensor(a), Val::Tensor(b)) => match op {
                BinaryOp::Add => self.commute(|second| Add { second }.into(), a, b, span),
                BinaryOp::Mul => self.commute(|second| Mul { second }.into(), a, b, span),
                BinaryOp::Sub => {
                    let b = self.op(Scale { factor: -1.0 }.into(), &[b], span)?;
                    self.commute(|second| Add { second }.into(), a, b, span)
                }
                _ => {
                    self.report(
                        Diagnostic::error(code::TENSOR_OR_NUMBER, format!("`{}` between tensors", op.symbol()))
                            .at(span, "tensors are added, subtracted and multiplied")
                            .help("a tensor is scaled with `*` and `/` by a number"),
                    );
                    None
                }
            },
            (Val::Tensor(t), Val::Number(n)) | (Val::Number(n), Val::Tensor(t)) if op == BinaryOp::Mul => {
                self.op(Scale { factor: n.number.to_f64() }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Number(n)) | (Val::Number(n), Val::Tensor(t)) if op == BinaryOp::Add => {
                self.op(Offset { by: n.number.to_f64() }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Number(n)) if op == BinaryOp::Sub => {
                self.op(Offset { by: -n.number.to_f64() }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Number(n), Val::Tensor(t)) if op == BinaryOp::Sub => {
                let t = self.op(Scale { factor: -1.0 }.into(), &[t], span)?;
                self.op(Offset { by: n.number.to_f64() }.into(), &[t], span).map(Val::Tensor)
            }
            (Val::Tensor(t), Val::Number(n)) if op == BinaryOp::Div && n.number.to_f64() != 0.0 => {
                self.op(Scale { factor: 1.0 / n.number.to_f64() }.into(), &[t], span).map(Val::Tensor)
            }
            (a, b) => {
                self.report(
                    Diagnostic::error(
                        code::TENSOR_OR_NUMBER,
                        format!("`{}` between {} and {}", op.symbol(), a.kind(), b.kind()),
                    )
                    .at(span, "these do not combine")
                    .help("a tensor takes a number with `+`, `-` and `*`, and is divided by one"),
                );
                None
            }
        }
    }

    /// A commutative operation, the larger operand first: the second is broadcast.
    fn commute(&mut self, op: impl Fn(Second) -> Op, a: Tensor, b: Tensor, span: Span) -> Option<Val> {
        let swap = self.type_of(&a).shape.len() < self.type_of(&b).shape.len();
        let (a, b) = if swap { (b, a) } else { (a, b) };
        let second = Second::between(&self.type_of(&a), &self.type_of(&b));
        self.op(op(second), &[a, b], span).map(Val::Tensor)
    }

    fn wanted(&mut self, wanted: &str, got: &Val, span: Span) -> Option<Val> {
        self.report(
            Diagnostic::error(code::TENSOR_OR_NUMBER, format!("{wanted} is wanted, not {}", got.kind()))
                .at(span, format!("this is {}", got.kind())),
        );
        None
    }

    /// Adds an operation; gives its first result.
    fn op(&mut self, op: Op, inputs: &[Tensor], span: Span) -> Option<Tensor> {
        self.ops(op, inputs, span)?.into_iter().next()
    }

    /// Adds an operation; a mismatch names what every operand is. The noise level comes in wide precision;
    /// what computes with it gets it in the model's.
    fn ops(&mut self, op: Op, inputs: &[Tensor], span: Span) -> Option<Vec<Tensor>> {
        let keeps = matches!(op, Op::Scale(_) | Op::Offset(_) | Op::Sinusoid(_) | Op::Cast(_));
        let inputs: Option<Vec<Tensor>> = inputs
            .iter()
            .map(|input| match self.type_of(input).elem {
                Elem::Wide if !keeps => self.op(Cast { wide: false }.into(), std::slice::from_ref(input), input.span),
                _ => Some(input.clone()),
            })
            .collect();
        let inputs = inputs?;
        let width = inputs.first().and_then(|t| t.width);
        let values: Vec<Value> = inputs.iter().map(|t| self.here(t)).collect();
        let types: Vec<Type> = inputs.iter().map(|t| self.type_of(t)).collect();
        let inferred = op.operation()?.infer(&types.iter().collect::<Vec<_>>());
        match inferred {
            Ok(types) => {
                let n = types.len();
                let node = self.add(op, &values, types, span)?.node;
                let frame = self.frames.len() - 1;
                let result = |port| Tensor { frame, value: Value { node, port: port as u16 }, span, width };
                Some((0..n).map(result).collect())
            }
            Err(mismatch) => {
                let mut diagnostic = Diagnostic::error(code::SHAPE_MISMATCH, mismatch.to_string())
                    .at(span, format!("in this {}", op.name()));
                let mut marked = BTreeSet::new();
                for (tensor, ty) in inputs.iter().zip(&types) {
                    if tensor.span != span && marked.insert(tensor.span) {
                        diagnostic = diagnostic.also(tensor.span, format!("this is {ty}"));
                    }
                    if let Some(width) = tensor.width.filter(|w| marked.insert(*w)) {
                        diagnostic = diagnostic.also(width, "a width comes from here");
                    }
                }
                let help = match op.name() {
                    "attend" if types.iter().all(|ty| ty.shape.len() == 4) => {
                        "split k and v into as many heads as q, or into a number that divides it"
                    }
                    "attend" => "split the heads first: `split_heads(x, heads)` gives [B, heads, T, width]",
                    "add" | "mul" => {
                        "one shape ends like the other, or both begin with B and do; `linear(x, n)` makes a width of n"
                    }
                    _ => "`linear(x, n)` makes a width of n, `split_heads` and `merge_heads` the rest",
                };
                self.report(diagnostic.help(help));
                None
            }
        }
    }

    /// Reports with the calls that led here.
    fn report(&mut self, mut diagnostic: Diagnostic) {
        let here = diagnostic.primary.as_ref().map(|p| p.span);
        let inside = |call: &Span, label: &Label| {
            label.span.file == call.file && call.start <= label.span.start && label.span.end <= call.end
        };
        let model_is_shown =
            self.calls.first().is_some_and(|call| diagnostic.primary.iter().any(|label| inside(call, label)));
        // The innermost two calls and the experiment's say enough; the first is the model's own.
        for (i, call) in self.calls.iter().enumerate().rev() {
            let shown = if i == 0 { !model_is_shown } else { i + 2 >= self.calls.len() };
            if shown && Some(*call) != here && !diagnostic.related.iter().any(|l| l.span == *call) {
                diagnostic = diagnostic.also(*call, if i == 0 { "for this model" } else { "called from here" });
            }
        }
        self.out.push(diagnostic);
    }
}

impl Val {
    fn kind(&self) -> &'static str {
        match self {
            Val::Tensor(_) => "a tensor",
            Val::Number(_) => "a number",
            Val::Bool(_) => "true or false",
            Val::Init(_) => "an initialisation",
            Val::None => "`none`",
            Val::Many(_) => "several values",
            Val::Label => "the label of a repeat",
        }
    }
}

fn stmt_span(stmt: &Stmt) -> Span {
    match stmt {
        Stmt::Bind { span, .. } | Stmt::Repeat { span, .. } | Stmt::Return { span, .. } => *span,
        Stmt::If { span, .. } | Stmt::Require { span, .. } | Stmt::Collect { span, .. } => *span,
    }
}
