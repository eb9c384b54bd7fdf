//! The front half in one call: file to checked spec and valid graphs.

use crate::base::diag::code;
use crate::base::number::grouped;
use crate::base::{Diagnostic, Diagnostics, Severity, SourceMap, Sources, Span};
use crate::check::spec::{Arm, TextSet};
use crate::check::{self, CheckedSpec, Merged, Sketch};
use crate::data::{self, CorpusEnv};
use crate::graph::elaborate::{ModelInputs, build};
use crate::graph::ops::Input;
use crate::graph::validate::validate;
use crate::graph::{Graph, Op, ValidGraph};
use crate::objective::{self, Pattern};
use crate::optimize::{self, Goal, Passes, Room};
use crate::program::{Conditions, Place, StepMemory};
use crate::report::words::bytes;
use crate::resolve::{self, Kind, Override};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Nodes of all models of an experiment: what is built in less than a second.
const MAX_NODES: usize = 75_000;
/// Room for the deepest nesting that the limits allow, in any build.
const STACK: usize = 64 << 20;

/// A checked spec and the graph of each variant's model; variants of one model and pattern share a graph.
pub struct Compiled {
    pub spec: CheckedSpec,
    /// Parallel to `spec.variants()`.
    pub models: Vec<Arc<ValidGraph>>,
    /// The spec's files as they were read, the main one first: (name, text).
    pub files: Vec<(String, String)>,
}

/// What became of a file. `compiled` is there if and only if there is an experiment without errors.
pub struct Outcome {
    pub sources: SourceMap,
    pub diagnostics: Diagnostics,
    pub compiled: Option<Compiled>,
    /// Definitions of the file, for a library that holds no experiment.
    pub n_definitions: usize,
    /// Names of the file's experiments.
    pub experiments: Vec<String>,
}

/// Compiles on a thread with a stack that fits the deepest input.
pub fn compile(
    path: &Path,
    sources: &(dyn Sources + Sync),
    experiment: Option<&str>,
    overrides: &[Override],
    env: Option<&CorpusEnv>,
) -> Outcome {
    compile_choice(path, sources, Choice { experiment, overrides, point: None }, env)
}

/// [`compile`], of a part of the sweep.
pub fn compile_choice(
    path: &Path,
    sources: &(dyn Sources + Sync),
    choice: Choice<'_>,
    env: Option<&CorpusEnv>,
) -> Outcome {
    on_a_large_stack(&|| compile_loaded(&Loaded::read(path, sources), choice, env))
}

/// Compiles every experiment of a file, read once; of a library its definitions alone.
pub fn compile_all(
    path: &Path,
    sources: &(dyn Sources + Sync),
    choice: Choice<'_>,
    env: Option<&CorpusEnv>,
) -> Vec<Outcome> {
    on_a_large_stack(&|| {
        let loaded = Loaded::read(path, sources);
        if loaded.experiments.len() < 2 {
            return vec![compile_loaded(&loaded, choice, env)];
        }
        let one = |name: &String| compile_loaded(&loaded, Choice { experiment: Some(name), ..choice }, env);
        loaded.experiments.iter().map(one).collect()
    })
}

fn on_a_large_stack<T: Send>(work: &(dyn Fn() -> T + Sync)) -> T {
    let result = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.ok().and_then(|t| t.join().ok())
    });
    // No thread to be had: this one may do.
    result.unwrap_or_else(work)
}

/// A file and all it uses, read.
struct Loaded {
    map: SourceMap,
    library: resolve::Library,
    out: Diagnostics,
    /// Names of the file's experiments.
    experiments: Vec<String>,
}

impl Loaded {
    fn read(path: &Path, sources: &dyn Sources) -> Loaded {
        let mut map = SourceMap::default();
        let (library, out) = resolve::load(path, sources, &mut map);
        let experiments = library
            .defs()
            .filter(|(_, d)| Some(d.file()) == library.main && d.kind == Kind::Experiment)
            .map(|(_, d)| d.name.text.clone())
            .collect();
        Loaded { map, library, out, experiments }
    }
}

/// What is compiled of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// Which experiment, where the file has several.
    pub experiment: Option<&'a str>,
    pub overrides: &'a [Override],
    /// Only these points of the sweep; the others are not looked at.
    pub point: Option<&'a str>,
}

fn compile_loaded(loaded: &Loaded, choice: Choice<'_>, env: Option<&CorpusEnv>) -> Outcome {
    let (mut map, library, mut out) = (loaded.map.clone(), loaded.library.clone(), loaded.out.clone());
    let experiments = loaded.experiments.clone();
    let n_definitions = library.defs().filter(|(_, d)| Some(d.file()) == library.main).count();
    // Text that could not be read leaves names undefined; reporting those too would bury the cause.
    let readable = !out.iter().any(|d| d.severity == Severity::Error && d.code < code::UNKNOWN_NAME);
    let mut names = Diagnostics::default();
    let mut resolved = resolve::resolve_experiment(library, &mut map, choice.experiment, choice.overrides, &mut names);
    if let (Some(spec), Some(point)) = (&mut resolved, choice.point)
        && (!spec.axes.is_empty() || !names.has_errors())
    {
        spec.keep_points(point, &mut map, &mut names);
    }
    if readable {
        out.extend(names);
    } else {
        extend_unless_missing(&mut out, names, &map);
    }
    let recursive = out.iter().any(|d| d.code == code::RECURSIVE_BLOCK);
    let spec = resolved.as_ref().and_then(|resolved| {
        let mut found = Diagnostics::default();
        let (spec, sketches) = check::check(resolved, &map, &mut found);
        if spec.is_none() && readable && !recursive {
            look_at(&sketches, env, &mut found);
        }
        if readable {
            out.extend(found);
        } else {
            extend_unless_missing(&mut out, found, &map);
        }
        spec
    });
    let models = spec.as_ref().and_then(|spec| {
        // A circle of blocks has no graph, and is reported.
        let models = if recursive { None } else { build_models(spec, &mut out) };
        if let Some(env) = env {
            probe(spec, env, &mut out);
            probe_asked(spec, env, &mut out);
        }
        if let Some(models) = models.as_ref().filter(|_| !out.has_errors()) {
            find_room(spec, models, &mut out);
        }
        if models.is_none() && !out.has_errors() {
            let message = "dlmc gave up on a model without saying why, which is a mistake of dlmc";
            out.push(Diagnostic::error(code::SHAPE_MISMATCH, message).help("please report it, with the spec"));
        }
        models
    });
    if let Some(resolved) = &resolved {
        check::allow::apply(resolved, choice.point.is_none(), &mut out);
    }
    let compiled = spec.zip(models).and_then(|(spec, models)| {
        let shown = |name: &str| !name.starts_with("--set ") && !name.starts_with("--point ");
        let files = map.files().iter().filter(|f| shown(&f.name)).map(|f| (f.name.clone(), f.text.clone())).collect();
        (!out.has_errors()).then_some(Compiled { spec, models, files })
    });
    Outcome { sources: map, diagnostics: out, compiled, n_definitions, experiments }
}

/// Looks for the corpora: once for each that is asked for.
fn probe(spec: &CheckedSpec, env: &CorpusEnv, out: &mut Diagnostics) {
    let mut merged = Merged::default();
    let mut seen: Vec<(&check::spec::Data, Option<Diagnostics>)> = vec![];
    for (i, arm) in spec.variants().iter().enumerate() {
        let known = seen.iter().position(|(data, _)| **data == arm.data);
        let at = known.unwrap_or_else(|| {
            let mut found = Diagnostics::default();
            probe_one(&arm.data, env, &mut found);
            seen.push((&arm.data, (!found.is_empty()).then_some(found)));
            seen.len() - 1
        });
        if let Some((_, Some(found))) = seen.get(at) {
            merged.add(i / spec.arm_names().len().max(1), found.clone());
        }
    }
    merged.finish(spec.points(), out);
}

fn probe_one(data: &check::spec::Data, env: &CorpusEnv, out: &mut Diagnostics) {
    match data::probe(data, env) {
        Ok(elsewhere) => elsewhere.into_iter().for_each(|finding| out.push(finding)),
        Err(error) => out.push(error.diagnose(data)),
    }
}

/// Looks for what evaluations read besides the data. The items of tasks are read: they are small, and a malformed row
/// should not be found out hours later.
fn probe_asked(spec: &CheckedSpec, env: &CorpusEnv, out: &mut Diagnostics) {
    let mut merged = Merged::default();
    let mut seen: Vec<(&Arm, Diagnostics)> = vec![];
    for (i, arm) in spec.variants().iter().enumerate() {
        let asked = |arm: &Arm| (arm.train.seeds.eval, arm.data.seq, arm.data.tokenizer.form());
        let same = |(other, _): &&(&Arm, Diagnostics)| {
            other.eval.sets == arm.eval.sets && other.eval.tasks == arm.eval.tasks && asked(other) == asked(arm)
        };
        let found = match seen.iter().find(same) {
            Some((_, found)) => found.clone(),
            None => {
                let mut found = Diagnostics::default();
                for set in &arm.eval.sets {
                    let TextSet::Corpus(corpus) = set else { continue };
                    let finding = data::probe_corpus(corpus, &arm.data, env);
                    finding.into_iter().for_each(|finding| found.push(finding));
                }
                for task in &arm.eval.tasks {
                    let error = data::tasks::probe(task, arm, env).err();
                    error.into_iter().for_each(|error| found.push(error.diagnose(task)));
                }
                seen.push((arm, found.clone()));
                found
            }
        };
        if !found.is_empty() {
            merged.add(i / spec.arm_names().len().max(1), found);
        }
    }
    merged.finish(spec.points(), out);
}

/// After a syntax error only those later findings count that a lost line cannot have caused, and
/// none about a line of which only a part was read.
fn extend_unless_missing(out: &mut Diagnostics, found: Diagnostics, map: &SourceMap) {
    let caused = [code::UNKNOWN_NAME, code::MISSING_FIELD, code::UNUSED, code::WRONG_KIND, code::BUDGET_OPEN];
    let line = |d: &Diagnostic| d.primary.as_ref().map(|p| (p.span.file, map.locate(p.span).line));
    let faulty: Vec<_> = out.iter().filter(|d| d.code < code::UNKNOWN_NAME).map(line).collect();
    for diagnostic in found.iter().filter(|d| !caused.contains(&d.code) && !faulty.contains(&line(d))) {
        out.push(diagnostic.clone());
    }
}

/// Builds what can be built of a spec that has errors elsewhere, for the mistakes in it.
fn look_at(sketches: &[Sketch], env: Option<&CorpusEnv>, out: &mut Diagnostics) {
    /// Stand in where `data` is wrong: no rule about shapes depends on them.
    const VOCAB: u64 = 320;
    const SEQ: u64 = 128;
    /// What a model counts for that could not be built, so that not all of many faulty ones are tried.
    const FAULTY: usize = 5_000;
    let mut seen = BTreeSet::new();
    let mut built = Built::default();
    for sketch in sketches {
        if let Some(call) = &sketch.model
            && built.has_room()
            && seen.insert(format!("{:?} {:?}", call.model, values(call)))
        {
            let seq = sketch.data.as_ref().map_or(SEQ, |data| data.seq);
            // The graph itself is of no use; what matters went to `out`.
            let inputs = ModelInputs { vocab: VOCAB, seq, pattern: Pattern::Causal, noise_level: true };
            built.add(build(call, inputs, out).as_ref().map_or(FAULTY, n_nodes));
        }
        if let (Some(data), Some(env)) = (&sketch.data, env) {
            probe_one(data, env, out);
        }
    }
}

/// Nodes of all bodies.
fn n_nodes(graph: &Graph) -> usize {
    graph.bodies.iter().map(|body| body.dag.node_count()).sum()
}

/// How much of the models of an experiment is built.
#[derive(Default)]
struct Built {
    n_nodes: usize,
    /// Nodes of the largest model: the next may be as large.
    largest: usize,
}

impl Built {
    fn has_room(&self) -> bool {
        self.n_nodes + self.largest <= MAX_NODES
    }

    fn add(&mut self, n_nodes: usize) {
        self.n_nodes += n_nodes;
        self.largest = self.largest.max(n_nodes);
    }
}

/// One graph per distinct (model, arguments, pattern, vocabulary, length).
fn build_models(spec: &CheckedSpec, out: &mut Diagnostics) -> Option<Vec<Arc<ValidGraph>>> {
    let mut known: BTreeMap<String, (Option<Arc<ValidGraph>>, Diagnostics)> = BTreeMap::new();
    let mut merged = Merged::default();
    let mut models = vec![];
    let mut built = Built::default();
    for (i, arm) in spec.variants().iter().enumerate() {
        let inputs = model_inputs(arm);
        let key = format!("{:?} {:?} {:?}", arm.model.model, values(&arm.model), inputs);
        let point = i / spec.arm_names().len().max(1);
        let (graph, found) = match known.entry(key) {
            Entry::Occupied(same) => same.into_mut(),
            Entry::Vacant(new) => {
                let mut found = Diagnostics::default();
                if !built.has_room() {
                    let n = new_models(&models);
                    let message = format!("{n} models of this experiment have {} nodes", grouped(built.n_nodes as u64));
                    merged.finish(spec.points(), out);
                    out.push(
                        Diagnostic::error(code::TOO_MANY, message)
                            .at(arm.model.span, "no room for this one")
                            .help("use `repeat` for layers that are alike, or make several experiments of it"),
                    );
                    return None;
                }
                let graph = build(&arm.model, inputs, &mut found).and_then(|graph| valid(graph, arm, &mut found));
                let graph = graph.map(Arc::new);
                built.add(graph.as_ref().map_or(0, |graph| n_nodes(graph.graph())));
                new.insert((graph, found))
            }
        };
        let mut found = found.clone();
        if let (true, Some(graph)) = (objective::needs_noise_level(&arm.objective), &graph)
            && !reads_noise_level(graph)
        {
            found.push(unread_noise_level(arm));
        }
        if !found.is_empty() {
            merged.add(point, found.clone());
        }
        let too_many = found.iter().any(|d| d.code == code::TOO_MANY);
        models.push(graph.clone());
        if too_many || merged.is_spent() {
            break;
        }
    }
    merged.finish(spec.points(), out);
    models.into_iter().collect::<Option<Vec<_>>>().filter(|models| models.len() == spec.variants().len())
}

/// Looks whether training steps fit where the spec says how much they may hold: on a GPU, where they need least.
fn find_room(spec: &CheckedSpec, models: &[Arc<ValidGraph>], out: &mut Diagnostics) {
    let mut merged = Merged::default();
    let mut known: Vec<(*const ValidGraph, Goal, Room, Option<Diagnostic>)> = vec![];
    for (i, (arm, model)) in spec.variants().iter().zip(models).enumerate() {
        let Some(memory) = arm.train.memory else { continue };
        let (at, goal) = (Arc::as_ptr(model), Goal::of(&arm.objective, arm.vocab.n_predictable()));
        let room = Room { bytes: memory.bytes, of: Conditions::of(arm, Place::Gpu) };
        let same = known.iter().find(|(a, b, c, _)| (*a, *b, *c) == (at, goal, room));
        let found = match same {
            Some((.., found)) => found.clone(),
            None => {
                let fitted = optimize::training_within(model, goal, &Passes::default(), room);
                // A graph that could not be made is reported by whoever needs it.
                let fitted = fitted.ok().filter(|fitted| !fitted.fits());
                let found = fitted.map(|fitted| no_room(arm, memory.span, fitted.memory));
                known.push((at, goal, room, found.clone()));
                found
            }
        };
        if let Some(found) = found {
            let mut all = Diagnostics::default();
            all.push(found);
            merged.add(i / spec.arm_names().len().max(1), all);
        }
    }
    merged.finish(spec.points(), out);
}

fn no_room(arm: &Arm, span: Span, memory: StepMemory) -> Diagnostic {
    let (peak, state, rest) = (bytes(memory.peak()), bytes(memory.state), bytes(memory.activations));
    let micro = grouped(arm.train.micro_batch_seqs);
    let help = match arm.train.micro_batch_seqs {
        1 => "give it more, or make the model smaller".into(),
        _ => format!("give it more, or split the batch: `micro_batch`, which changes no draw, is {micro} seqs"),
    };
    Diagnostic::error(code::NO_ROOM, format!("a training step of the arm `{}` holds at least {peak}", arm.name))
        .at(span, "this is less")
        .note(format!(
            "{state} of weights, moments and gradients, {rest} of activations, as much as can be of it computed again"
        ))
        .help(help)
}

fn reads_noise_level(graph: &ValidGraph) -> bool {
    let mut nodes = graph.graph().bodies.iter().flat_map(|body| body.nodes());
    nodes.any(|(_, node)| node.op == Op::Input(Input::NoiseLevel))
}

fn unread_noise_level(arm: &Arm) -> Diagnostic {
    let (model, objective) = (&arm.model.name, arm.objective.name());
    Diagnostic::error(code::UNREAD_NOISE_LEVEL, format!("`{model}` does not read `t`, which {objective} needs"))
        .at(arm.model.span, format!("the model of the arm `{}`", arm.name))
        .note("a token may be noise or not, and nothing in a sequence tells how much of it is: the noise level does")
        .help("take a model that reads `t`, such as `dit` of \"std/dit.dlm\"")
}

/// How many different ones there are.
fn new_models(models: &[Option<Arc<ValidGraph>>]) -> usize {
    let mut all: Vec<_> = models.iter().flatten().map(Arc::as_ptr).collect();
    all.sort();
    all.dedup();
    all.len()
}

fn values(call: &check::spec::ModelCall) -> Vec<(&String, &check::spec::Static)> {
    call.args.iter().map(|(name, arg)| (name, &arg.value)).collect()
}

/// What an arm's model is built for.
pub fn model_inputs(arm: &Arm) -> ModelInputs {
    ModelInputs {
        vocab: arm.vocab.size,
        seq: arm.data.seq,
        pattern: objective::pattern(&arm.objective),
        noise_level: objective::has_noise_level(&arm.objective),
    }
}

fn valid(graph: Graph, arm: &Arm, out: &mut Diagnostics) -> Option<ValidGraph> {
    match validate(graph) {
        Ok(valid) => Some(valid),
        Err(invalid) => {
            for problem in invalid {
                let message = format!("dlmc made an unsound graph, which is a mistake of dlmc: {problem}");
                out.push(Diagnostic::error(code::SHAPE_MISMATCH, message).at(arm.model.span, "from this model"));
            }
            None
        }
    }
}
