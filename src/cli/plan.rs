//! `dlmc plan`: what a spec would run, before anything is booked.

use super::args::PlanArgs;
use super::{RUN_FAILED, fail, graph, print};
use crate::analyze::cost::Conventions;
use crate::analyze::{ParamCount, count_params, flops_conventions};
use crate::check::CheckedSpec;
use crate::check::spec::{Arm, LrSchedule, Objective, Precision};
use crate::graph::ValidGraph;
use crate::graph::training::{TrainingError, loss_graph, training_graph};
use crate::graph::{DimSizes, Elem};
use crate::report::words::count;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Facts about one arm.
pub struct ArmPlan {
    pub params: ParamCount,
    pub conventions: Conventions,
    /// Matrix-product FLOPs of all evaluations of the run.
    pub evaluation_flops: f64,
    /// Weights, both moments, and the average if there is one.
    pub state_bytes: u64,
}

pub fn plan_arm(arm: &Arm, model: &ValidGraph) -> Result<ArmPlan, TrainingError> {
    let live = arm.vocab.n_predictable();
    let training = training_graph(model, live)?;
    let params = count_params(model);
    let seq = arm.data.seq;
    let trained = arm.budget.steps * arm.budget.tokens_per_step;
    let head = head_params(model, arm);
    let conventions = flops_conventions(&training, params, head, seq, trained);
    let forward = crate::analyze::flops(&loss_graph(model, live)?, DimSizes { batch: 1, time: seq }).total;
    let rows = match arm.data.valid {
        crate::check::spec::Amount::Tokens(n) => (n / seq) as f64,
        // A share of a corpus that has not been read.
        crate::check::spec::Amount::Fraction(_) => f64::NAN,
    };
    let evaluation_flops = forward * rows * arm.eval.draws as f64 * arm.eval.at_steps.len() as f64;
    let wide = if arm.train.precision == Precision::Fp64 { 8 } else { 4 };
    let copies = 3 + u64::from(arm.train.ema.is_some());
    Ok(ArmPlan { params, conventions, evaluation_flops, state_bytes: params.total * wide * copies })
}

/// Elements of the weight that makes the logits.
fn head_params(model: &ValidGraph, arm: &Arm) -> u64 {
    let root = model.body(crate::graph::Graph::ROOT);
    let weight = model
        .graph()
        .output("logits")
        .and_then(|logits| root.inputs(logits.node).get(1).copied())
        .and_then(|weight| root.type_of(weight).filter(|t| t.elem == Elem::Compute))
        .map(|ty| ty.n_elements(DimSizes { batch: 1, time: 1 }));
    weight.unwrap_or(arm.vocab.size)
}

pub fn run(args: &PlanArgs) -> ExitCode {
    let compiled = match graph::compiled(&args.spec) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let plans: Result<Vec<ArmPlan>, TrainingError> =
        compiled.spec.variants().iter().zip(&compiled.models).map(|(arm, model)| plan_arm(arm, model)).collect();
    match plans {
        Err(error) => fail(&error.to_string(), RUN_FAILED),
        Ok(plans) if args.json => {
            print(&format!("{}\n", to_json(&compiled.spec, &plans)));
            ExitCode::SUCCESS
        }
        Ok(plans) => {
            print(&text(&compiled.spec, &plans));
            ExitCode::SUCCESS
        }
    }
}

fn to_json(spec: &CheckedSpec, plans: &[ArmPlan]) -> Value {
    let arms: Vec<Value> = spec
        .variants()
        .iter()
        .zip(plans)
        .map(|(arm, plan)| {
            json!({
                "arm": arm.name,
                "objective": arm.objective.name(),
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
                "state_bytes": plan.state_bytes,
                "fields": arm.flat.iter().map(|f| json!({"path": f.path, "value": f.value, "origin": f.origin})).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "version": 1, "experiment": spec.name(), "cite": spec.cite(), "factors": spec.factors(), "arms": arms })
}

fn text(spec: &CheckedSpec, plans: &[ArmPlan]) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let cite = spec.cite().map_or(String::new(), |c| format!(" · {c}"));
    let factors = spec.factors().join(", ");
    line(format!("{}{cite} · {} arms · matched: all but {factors}", spec.name(), spec.variants().len()));
    line(String::new());
    let (Some(first), Some(plan)) = (spec.variants().first(), plans.first()) else { return out };
    let args: Vec<String> =
        first.flat.iter().filter_map(|f| Some(format!("{}: {}", f.path.strip_prefix("model.")?, f.value))).collect();
    line(format!("  model       {}({})", first.model.name, args.join(", ")));
    line(format!(
        "              {} parameters ({} without embedding), vocabulary {}",
        count(plan.params.total),
        count(plan.params.without_embedding()),
        first.vocab.size
    ));
    let budget = &first.budget;
    let unique = budget.unique_tokens.map_or("all".into(), count);
    let epochs = budget.epochs.map_or(String::new(), |e| format!(" x {e:.2} epochs"));
    line(format!("  data        {unique} unique tokens{epochs}, sequences of {}", first.data.seq));
    line(format!(
        "  budget      {} x {} = {} tokens a step, {} steps = {} tokens ({} left over)",
        first.train.batch_seqs,
        first.data.seq,
        count(budget.tokens_per_step),
        count(budget.steps),
        count(budget.steps * budget.tokens_per_step),
        count(budget.left_over_tokens)
    ));
    line(format!("  lr          {}", lr_text(first)));
    line(format!(
        "  precision   {}: compute, residual stream, rotary; wide ({}): master weights, norm statistics, softmax, loss, gradient sums, moments",
        first.train.precision.name(),
        if first.train.precision == Precision::Fp64 { "fp64" } else { "fp32" }
    ));
    line(format!(
        "  decay       {} of {} parameters (two dimensions or more, embeddings included)",
        count(plan.params.decayed),
        count(plan.params.total)
    ));
    line(format!("  state       {} of weights and moments", crate::report::words::bytes(plan.state_bytes)));
    line(format!(
        "  evaluation  {} times, {}",
        first.eval.at_steps.len(),
        "the exact NLL for next token, the exact-count bound for masked diffusion"
    ));
    line(String::new());
    let header =
        ["arm", "objective", "attention", "6ND, no head", "6ND + head", "counted", "evaluation", "training loss"];
    let mut rows: Vec<[String; 8]> = vec![header.map(String::from)];
    for (arm, plan) in spec.variants().iter().zip(plans) {
        let flops = |x: f64| if x.is_finite() { format!("{x:.3e}") } else { "after reading".into() };
        let label = match &arm.objective {
            Objective::NextToken => "exact likelihood".to_string(),
            Objective::MaskedDiffusion(m) => match &m.bound {
                Ok(why) => format!("a bound: {why}"),
                Err(why) => format!("no bound: {why}"),
            },
        };
        rows.push([
            arm.name.clone(),
            arm.objective.name().into(),
            crate::objective::pattern(&arm.objective).name().into(),
            flops(plan.conventions.six_nd_without_head),
            flops(plan.conventions.six_nd_with_head),
            flops(plan.conventions.counted),
            flops(plan.evaluation_flops),
            label,
        ]);
    }
    let widths: Vec<usize> =
        (0..8).map(|i| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        line(format!("  {}", cells.join("  ")));
    }
    line(String::new());
    line("  FLOPs of training: 6ND counts 6 x parameters x tokens, without the embedding, without or with the".into());
    line(
        "  head's product; counted: matrix products and attention of the training graph, forward and backward.".into(),
    );
    for claim in spec.claims() {
        line(format!("  claim       {}", claim.text));
    }
    out
}

fn lr_text(arm: &Arm) -> String {
    let lr = arm.train.optimizer.lr;
    match arm.train.lr_schedule {
        LrSchedule::Constant { warmup } => format!("{lr:e} constant after {warmup} steps of warm-up"),
        LrSchedule::Cosine { warmup, floor, .. } => {
            format!("{lr:e}, {warmup} steps of warm-up, cosine to {:e}", lr * floor)
        }
        LrSchedule::Wsd { warmup, decay, floor, .. } => {
            format!("{lr:e}, {warmup} steps of warm-up, decay over the last {decay} to {:e}", lr * floor)
        }
    }
}
