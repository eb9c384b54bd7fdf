//! Elaboration: a model of the language becomes a [`Graph`]. Blocks are functions over tensors;
//! calling one adds its nodes. Nothing here knows a transformer: only operations, calls, `repeat`.
//!
//! [`statements`] and [`expressions`] run a block's text, [`calls`] the blocks and [`operations`] the
//! operations it calls ([`dropout`] one of them); [`blocks`] are blocks given as arguments. [`repeat`] elaborates each distinct
//! body of a repeat once, which [`fixed`] (with [`atoms`], [`terms`] and
//! [`columns`]) decides; [`region`] makes one node of
//! the bodies. [`params`] says which parameter a path means.

mod atoms;
mod blocks;
mod calls;
mod columns;
mod dropout;
mod expressions;
mod fixed;
mod frames;
mod lists;
mod operations;
mod params;
mod region;
mod repeat;
mod report;
mod statements;
mod statics;
mod terms;

use super::{BodyId, Dim, Elem, Graph, Init, Op, Param, ParamId, Type, Value};
use crate::ast::{self, DimExpr, Expr, ExprKind, ParamType, Stmt};
use crate::base::diag::code;
use crate::base::{Code, Diagnostic, Diagnostics, FileId, Number, Span};
use crate::check::spec::{ModelCall, Static};
use crate::graph::ops::Input;
use crate::objective::Pattern;
use crate::resolve::Library;
use atoms::Atom;
use fixed::{Fixed, Level};
use frames::Frame;
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// What a repeat collected.
    List(List),
    Static(Fixed),
    Init(Init),
    /// A block or an operation that the caller gave.
    Block(Arc<blocks::Given>),
    /// Several return values, or a tuple.
    Many(Vec<Val>),
    /// What the repeat at this level carries since an earlier index assigned it; an argument of the
    /// body as soon as it is read.
    Late(usize),
    /// Left unbound by an error that was reported.
    Failed,
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

/// A list of tensors, one for each index of the repeat that collected it.
#[derive(Clone, Debug)]
struct List {
    /// Absent for a repeat that never ran.
    of: Option<Tensor>,
    count: u64,
}

/// Why a name has no value here, though the text binds it somewhere before.
#[derive(Clone, Debug)]
enum Unbound {
    /// It is bound under a condition (the first) that did not hold, or in the `else` of one that did.
    Untaken { condition: Span, held: bool, bound: Span },
    /// The body of a repeat binds it, at no earlier index and not yet at this one.
    Unassigned { bound: Span },
    /// An earlier index bound it to something that is not carried.
    NotCarried { kind: &'static str, index: u64, bound: Span },
}

/// Names while a block runs.
#[derive(Clone, Debug)]
struct Env {
    file: FileId,
    locals: BTreeMap<String, Val>,
    /// Dimensions bound by the block's parameters, with the place that gave their size.
    dims: BTreeMap<String, (Dim, Option<Span>)>,
    unbound: BTreeMap<String, Unbound>,
    /// The level of the repeat whose body this is.
    level: Option<usize>,
}

impl Env {
    fn new(file: FileId) -> Env {
        Env { file, locals: BTreeMap::new(), dims: BTreeMap::new(), unbound: BTreeMap::new(), level: None }
    }
}

struct Builder<'a> {
    library: &'a Library,
    inputs: ModelInputs,
    graph: Graph,
    frames: Vec<Frame>,
    /// Repeats being elaborated, outermost first; the body of level l is frame l + 1.
    levels: Vec<Level>,
    terms: terms::Terms,
    /// Parts of parameter paths.
    scope: Vec<params::Part>,
    params: params::Params,
    /// The table that `unembed(tied: true)` shares.
    token_table: Option<ParamId>,
    /// Calls being elaborated, outermost first.
    calls: Vec<Span>,
    n_regions: u32,
    /// Expressions being evaluated.
    depth: usize,
    n_steps: usize,
    n_work: usize,
    n_compared: usize,
    /// What was reported where, with its places among all that was reported.
    errors: BTreeMap<(Code, Option<Span>), Vec<usize>>,
    n_errors: usize,
    /// Whether what is reported goes nowhere.
    quiet: bool,
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
        levels: vec![],
        terms: terms::Terms::default(),
        scope: vec![],
        params: params::Params::default(),
        token_table: None,
        calls: vec![call.span],
        n_regions: 0,
        depth: 0,
        n_steps: 0,
        n_work: 0,
        n_compared: 0,
        errors: BTreeMap::new(),
        n_errors: 0,
        quiet: false,
        out,
    };
    // The root is body 0; regions take the ids after it.
    builder.graph.bodies.push(Default::default());
    let logits = builder.model(call, &block);
    let frame = builder.frames.pop()?;
    let logits = logits.filter(|_| builder.n_errors == 0)?;
    *builder.graph.bodies.get_mut(0)? = frame.body;
    builder.graph.outputs = vec![("logits".into(), logits)];
    builder.finish_params()?;
    dropout::number_sites(&mut builder.graph);
    Some(builder.graph)
}

impl Builder<'_> {
    fn model(&mut self, call: &ModelCall, block: &ast::Block) -> Option<Value> {
        let mut env = Env::new(block.name.span.file);
        for param in &block.params {
            let value = match (call.args.get(&param.name.text), &param.default) {
                (Some(arg), _) => match &arg.value {
                    Static::Number(number) => Val::Static(Fixed::number(*number, arg.span)?),
                    Static::Bool(b) => Val::Static(Fixed::new(Atom::Bool(*b), arg.span)),
                    Static::Block(given) => self.block_of_experiment(given, arg.span, param)?,
                },
                (None, Some(default)) => self.default_value(param, default, &mut env)?,
                (None, None) => return None,
            };
            env.locals.insert(param.name.text.clone(), value);
        }
        let returned = self.run(&block.body, &mut env)?;
        let wanted = Type::compute([Dim::Batch, Dim::Time, Dim::Fixed(self.inputs.vocab)]);
        match returned {
            Val::Tensor(tensor) if self.type_of(&tensor) == wanted => Some(self.here(&tensor)),
            other => {
                let got = match &other {
                    Val::Tensor(tensor) => self.type_of(tensor).to_string(),
                    other => other.kind().to_string(),
                };
                let at = block.body.last().map_or(block.span, statements::span_of);
                self.report(
                    Diagnostic::error(code::NO_LOGITS, format!("model `{}` returns {got}", block.name.text))
                        .at(at, format!("logits {wanted} are wanted here"))
                        .help("end with `return unembed(x)`"),
                );
                None
            }
        }
    }
}

impl Val {
    fn kind(&self) -> &'static str {
        match self {
            Val::Tensor(_) | Val::Late(_) => "a tensor",
            Val::List(_) => "a collected list",
            Val::Static(fixed) => fixed.kind(),
            Val::Init(_) => "an initialisation",
            Val::Block(_) => "a block",
            Val::Many(_) => "several values",
            Val::Failed => "nothing",
        }
    }
}
