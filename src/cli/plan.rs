//! `dlmc plan`: what a spec would run, before anything is booked. Facts and JSON here, `plan_text` words them.

use super::args::PlanArgs;
use super::plan_eval::{self, Part};
use super::plan_time;
use super::{RUN_FAILED, assumptions, fail, front, graph, plan_text, print};
use crate::analyze::cost::Conventions;
use crate::analyze::{ParamCount, count_params, flops_conventions};
use crate::check::CheckedSpec;
use crate::check::spec::{Arm, AxisKind, Objective, Precision};
use crate::graph::ops::dropout::Drops;
use crate::graph::training::{TrainingError, loss_graph, training_graph};
use crate::graph::{DimSizes, Elem, Op, ValidGraph};
use crate::objective::{self, Loss, Shape};
use crate::optimize::{self, Goal, Passes, Room};
use crate::program::{Conditions, Place, Program, StepMemory, flatten, step_memory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Facts about one variant.
#[derive(Clone, Debug)]
pub struct ArmPlan {
    pub params: ParamCount,
    pub conventions: Conventions,
    /// Matrix-product FLOPs of all evaluations of the run.
    pub evaluation_flops: f64,
    /// What each evaluation is made of.
    pub evaluation: Vec<Part>,
    /// Of a training step, on a CPU and on a GPU.
    pub memory: [PlannedMemory; 2],
    /// Weights, both moments, and the average if there is one.
    pub state_bytes: u64,
    /// Of the checkpoints that a run keeps on disk.
    pub checkpoint_bytes: u64,
    /// What training drops, in the order of the model.
    pub dropout: Arc<[Dropped]>,
}

/// What a step would hold in one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedMemory {
    /// Where the loss reads every position.
    pub most: StepMemory,
    /// Where it reads as many as on average.
    pub expected: StepMemory,
    /// Where the spec says how much a step may hold: whether it fits, and matrix-product FLOPs with what is computed
    /// again over those without.
    pub fits: Option<bool>,
    pub again: f64,
}

impl PlannedMemory {
    /// `training` is the program without limit.
    fn new(arm: &Arm, training: &Training, place: Place) -> Result<PlannedMemory, TrainingError> {
        let of = Conditions::of(arm, place);
        let planned = |program: &Program| {
            let [most, expected] = [of, of.expected(arm)].map(|of| step_memory(program, &of));
            PlannedMemory { most, expected, fits: None, again: 1.0 }
        };
        let Some(memory) = arm.train.memory else { return Ok(planned(&training.program)) };
        let room = Room { bytes: memory.bytes, of };
        let fitted = optimize::fitted(training.graph.clone(), &Passes::default(), room)?;
        let flops = |graph| crate::analyze::flops(graph, of.sizes).total;
        let again = flops(&fitted.graph) / flops(&training.graph);
        Ok(PlannedMemory { fits: Some(fitted.fits()), again, ..planned(&flatten(&fitted.graph)) })
    }
}

/// A place of dropout in a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    pub drops: Drops,
    /// Of attention's probabilities, which the fused attention of libtorch never forms.
    pub of_probabilities: bool,
}

/// Plans variants; those that share a model share what follows from it.
#[derive(Default)]
pub struct Planner {
    by_model: BTreeMap<Key, ModelFacts>,
    items: plan_eval::Reader,
}

/// What the facts of a model follow from: the model, the ids that can be predicted, what is computed of each position,
/// and what is read of a sequence in training and in validation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    model: *const ValidGraph,
    live: u64,
    mixture: bool,
    reads_some: bool,
    read: (u64, u64),
    validated: (u64, u64),
}

impl Key {
    fn new(arm: &Arm, model: &Arc<ValidGraph>) -> Key {
        let sizes = |shape: Shape| (shape.rows, shape.time);
        Key {
            model: Arc::as_ptr(model),
            live: arm.vocab.n_predictable(),
            mixture: objective::loss(&arm.objective) == Loss::Mixture,
            reads_some: objective::reads_some(&arm.objective),
            read: sizes(objective::shape(&arm.objective, arm.data.seq)),
            validated: sizes(validated(&arm.objective, arm.data.seq)),
        }
    }
}

/// What validation reads of a sequence for one draw: x_2..x_L of it is predicted, once.
fn validated(objective: &Objective, seq: u64) -> Shape {
    let time = if let Objective::BlockDiffusion(_) = objective { 2 * seq } else { seq };
    Shape { rows: 1, time, targets: seq.saturating_sub(1) }
}

/// Forward, loss and backward, optimized.
struct Training {
    graph: ValidGraph,
    program: Program,
}

#[derive(Clone)]
struct ModelFacts {
    params: ParamCount,
    /// Of one trained token.
    per_token: Conventions,
    /// Of the forward pass over one sequence of validation.
    forward: f64,
    /// Forward and loss.
    loss: Arc<ValidGraph>,
    training: Arc<Training>,
    dropout: Arc<[Dropped]>,
}

impl Planner {
    pub fn plan(&mut self, arm: &Arm, model: &Arc<ValidGraph>) -> Result<ArmPlan, TrainingError> {
        let key = Key::new(arm, model);
        let facts = match self.by_model.get(&key) {
            Some(facts) => facts.clone(),
            None => self.by_model.entry(key).or_insert(model_facts(arm, model, key)?).clone(),
        };
        let trained = (arm.budget.steps * arm.budget.tokens_per_step) as f64;
        let forward = |time| crate::analyze::flops(&facts.loss, DimSizes::all(1, time)).total;
        let evaluation = self.items.parts(arm, facts.forward, &forward);
        let each: f64 = evaluation.iter().map(|part| part.flops).sum();
        let wide = if arm.train.precision == Precision::Fp64 { 8 } else { 4 };
        let copies = 3 + u64::from(arm.train.ema.is_some());
        Ok(ArmPlan {
            params: facts.params,
            conventions: Conventions {
                six_nd_without_head: facts.per_token.six_nd_without_head * trained,
                six_nd_with_head: facts.per_token.six_nd_with_head * trained,
                counted: facts.per_token.counted * trained,
            },
            evaluation_flops: each * arm.eval.at_steps.len() as f64,
            evaluation,
            memory: [
                PlannedMemory::new(arm, &facts.training, Place::Cpu)?,
                PlannedMemory::new(arm, &facts.training, Place::Gpu)?,
            ],
            state_bytes: facts.params.total * wide * copies,
            checkpoint_bytes: facts.params.total * wide * copies * n_checkpoints(arm),
            dropout: facts.dropout,
        })
    }
}

/// Checkpoints that a run has on disk at its end.
pub fn n_checkpoints(arm: &Arm) -> u64 {
    arm.train.checkpoint_keep.n_at_end(arm.budget.steps, arm.train.checkpoint_every_steps)
}

fn model_facts(arm: &Arm, model: &ValidGraph, key: Key) -> Result<ModelFacts, TrainingError> {
    let loss = objective::loss(&arm.objective);
    let whole = training_graph(model, key.live, loss)?;
    let params = count_params(model);
    let sizes = |(batch, time)| DimSizes::all(batch, time);
    let per_token = flops_conventions(&whole, params, head_params(model, arm), sizes(key.read), arm.data.seq, 1);
    let loss = loss_graph(model, key.live, loss)?;
    let goal = Goal::of(&arm.objective, key.live);
    let training_graph = optimize::training(model, goal, &Passes::default())?;
    let training = Training { program: flatten(&training_graph), graph: training_graph };
    let forward = crate::analyze::flops(&loss, sizes(key.validated)).total;
    Ok(ModelFacts {
        params,
        per_token,
        forward,
        loss: Arc::new(loss),
        training: Arc::new(training),
        dropout: dropout(model).into(),
    })
}

/// What the model drops in training, each place of a region's bodies once.
fn dropout(model: &ValidGraph) -> Vec<Dropped> {
    let mut all: Vec<Dropped> = vec![];
    for (_, node) in model.graph().bodies.iter().flat_map(|body| body.nodes()) {
        let (drops, of_probabilities) = match &node.op {
            Op::Dropout(op) => (Some(&op.drops), false),
            Op::Attend(op) => (op.drops.as_ref(), true),
            _ => (None, false),
        };
        let place = drops.map(|drops| Dropped { drops: drops.clone(), of_probabilities });
        all.extend(place.filter(|place| !all.contains(place)));
    }
    all
}

/// Elements of the weight that makes the logits.
fn head_params(model: &ValidGraph, arm: &Arm) -> u64 {
    let root = model.body(crate::graph::Graph::ROOT);
    let logits = model.graph().output("logits");
    // A bias is added to the product.
    let product = logits.map(|value| match root.node(value.node).map(|node| &node.op) {
        Some(Op::Add(_)) => root.inputs(value.node).first().copied().unwrap_or(value),
        _ => value,
    });
    let weight = product
        .and_then(|product| root.inputs(product.node).get(1).copied())
        .and_then(|weight| root.type_of(weight).filter(|t| t.elem == Elem::Compute))
        .map(|ty| ty.n_elements(DimSizes::all(1, 1)));
    weight.unwrap_or(arm.vocab.size)
}

pub fn run(args: &PlanArgs) -> ExitCode {
    let compiled = match graph::compiled(&args.spec) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let chosen = match graph::select(&compiled, None, args.point.as_deref()) {
        Ok(chosen) => chosen,
        Err(code) => return code,
    };
    match plan_all(&compiled, &chosen) {
        Err(error) => fail(&error.to_string(), RUN_FAILED),
        Ok(plans) => {
            let place = args.on.clone().map(|hardware| plan_time::Place { hardware, utilisation: args.mfu });
            let text = match args.json {
                true => format!("{}\n", to_json(&compiled.spec, &plans, place.as_ref())),
                false => plan_text::text(&compiled.spec, &plans, place.as_ref()),
            };
            print(&text);
            ExitCode::SUCCESS
        }
    }
}

/// A variant and its plan.
pub type Planned<'a> = (&'a Arm, ArmPlan);

fn plan_all<'a>(compiled: &'a front::Compiled, chosen: &[usize]) -> Result<Vec<Planned<'a>>, TrainingError> {
    let mut planner = Planner::default();
    let found = chosen.iter().filter_map(|i| Some((compiled.spec.variants().get(*i)?, compiled.models.get(*i)?)));
    found.map(|(arm, model)| Ok((arm, planner.plan(arm, model)?))).collect()
}

fn to_json(spec: &CheckedSpec, plans: &[Planned<'_>], place: Option<&plan_time::Place>) -> Value {
    let arms: Vec<Value> = plans
        .iter()
        .map(|(arm, plan)| {
            let shape = objective::shape(&arm.objective, arm.data.seq);
            let [cpu, gpu] = &plan.memory;
            json!({
                "arm": arm.name,
                "point": arm.point.name(),
                "objective": arm.objective.name(),
                "sampler": arm.sampler.method.name(),
                "bound": arm.objective.bound().ok(),
                "no_bound": arm.objective.bound().err(),
                "rows_read": shape.rows,
                "positions_read": shape.time,
                "targets": shape.targets,
                "evaluation": objective::evaluation(&arm.objective),
                "params": plan.params.total,
                "params_without_embedding": plan.params.without_embedding(),
                "steps": arm.budget.steps,
                "tokens_per_step": arm.budget.tokens_per_step,
                "unique_tokens": arm.budget.unique_tokens,
                "epochs": arm.budget.epochs,
                "left_over_tokens": arm.budget.left_over_tokens,
                "evaluations": arm.eval.at_steps.len(),
                "flops_6nd_without_head": plan.conventions.six_nd_without_head,
                "flops_6nd_with_head": plan.conventions.six_nd_with_head,
                "flops_counted": plan.conventions.counted,
                "evaluation_flops": plan.evaluation_flops.is_finite().then_some(plan.evaluation_flops),
                "evaluation_parts": plan_eval::to_json(plan),
                "memory": { "cpu": memory_json(cpu), "gpu": memory_json(gpu) },
                "state_bytes": plan.state_bytes,
                "checkpoint_bytes": plan.checkpoint_bytes,
                "hours_training": place.map(|place| place.hours(arm, plan).training),
                "hours_evaluation": place.and_then(|place| place.hours(arm, plan).evaluation),
                "weight_noise": arm.train.weight_noise,
                "dropout": plan.dropout.iter().map(dropped).collect::<Vec<_>>(),
                "fields": arm.flat.iter().map(field).collect::<Vec<_>>(),
            })
        })
        .collect();
    let axis = |axis: &crate::check::spec::Axis| {
        json!({
            "label": axis.label,
            "path": axis.path,
            "kind": match axis.kind {
                AxisKind::Values => "values",
                AxisKind::Zip => "zip",
                AxisKind::Cases => "cases",
                AxisKind::Replicate => "replicate",
            },
            "values": axis.values.iter().map(|v| v.text.as_str()).collect::<Vec<_>>(),
        })
    };
    let counted: f64 = plans.iter().map(|(_, plan)| plan.conventions.counted).sum();
    let evaluation: f64 = plans.iter().map(|(_, plan)| plan.evaluation_flops).sum();
    let variants: Vec<&Arm> = plans.iter().map(|(arm, _)| *arm).collect();
    json!({
        "version": 1,
        "experiment": spec.name(),
        "cite": spec.cite(),
        "factors": spec.factors(),
        "axes": spec.axes().iter().map(axis).collect::<Vec<_>>(),
        "n_points": spec.points().len(),
        "n_runs": plans.len(),
        "total_flops_counted": counted,
        "total_evaluation_flops": evaluation.is_finite().then_some(evaluation),
        "total_checkpoint_bytes": plans.iter().map(|(_, plan)| plan.checkpoint_bytes).sum::<u64>(),
        "on": place.map(|place| place.to_json(plans)),
        "assumed": assumptions::of(&variants).iter().map(assumptions::Assumption::to_json).collect::<Vec<_>>(),
        "arms": arms,
    })
}

fn memory_json(memory: &PlannedMemory) -> Value {
    let most = memory.most;
    json!({
        "peak_bytes": most.peak(),
        "state_bytes": most.state,
        "activation_bytes": most.activations,
        "process_bytes": most.process,
        "expected_peak_bytes": memory.expected.peak(),
        "fits": memory.fits,
        "flops_with_recomputation": memory.again,
    })
}

fn dropped(place: &Dropped) -> Value {
    json!({ "site": place.drops.site, "rate": place.drops.rate, "of_probabilities": place.of_probabilities })
}

fn field(field: &crate::check::spec::FlatField) -> Value {
    let mut value = json!({ "path": field.path, "value": field.value, "origin": field.origin });
    if let Some(object) = value.as_object_mut() {
        if let Some(written) = &field.written {
            object.insert("written".into(), written.as_str().into());
        }
        if !field.assumed.is_empty() {
            object.insert("assumed".into(), field.assumed.clone().into());
        }
        if !field.replaced.is_empty() {
            let all = field.replaced.iter().map(|s| json!({ "value": s.value, "origin": s.origin }));
            object.insert("replaced".into(), all.collect::<Vec<_>>().into());
        }
    }
    value
}
