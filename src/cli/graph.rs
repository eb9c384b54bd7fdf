//! `dlmc graph`

use super::args::{Format, GraphArgs, Stage};
use super::{SPEC_ERRORS, USAGE, env, fail, front, print, render};
use crate::base::source::Disk;
use crate::base::suggest::suggest;
use crate::check::spec::Arm;
use crate::graph::training::{TrainingError, training_graph};
use crate::graph::{ValidGraph, dot, svg, text, view};
use crate::optimize::{self, Goal, Passes, Room};
use crate::program::{Conditions, Place};
use crate::resolve::point;
use std::process::ExitCode;

/// Compiles; prints what is wrong, and gives what there is.
pub fn compiled(spec: &super::args::SpecArgs) -> Result<front::Compiled, ExitCode> {
    let corpus = env::corpus();
    let outcome = front::compile(&spec.file, &Disk, spec.experiment.as_deref(), &spec.set, Some(&corpus));
    if !outcome.diagnostics.is_empty() {
        eprint!("{}", render::human(&outcome.diagnostics, &outcome.sources, env::color()));
    }
    match outcome.compiled {
        Some(compiled) => Ok(compiled),
        None if outcome.diagnostics.has_errors() => Err(ExitCode::from(SPEC_ERRORS)),
        None => Err(fail(&format!("`{}` is a library: it has no experiment", spec.file.display()), SPEC_ERRORS)),
    }
}

/// The variants (by index) of that arm, or of all, at the points that `--point` means, or at all.
pub fn select(compiled: &front::Compiled, arm: Option<&str>, point: Option<&str>) -> Result<Vec<usize>, ExitCode> {
    let spec = &compiled.spec;
    if let Some(name) = arm.filter(|name| !spec.arm_names().iter().any(|a| a == name)) {
        let names = spec.arm_names();
        let help = match suggest(name, names.iter().map(String::as_str)) {
            Some(closest) => format!("did you mean `{closest}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        return Err(fail(&format!("there is no arm `{name}`\n  = help: {help}"), USAGE));
    }
    let points: Vec<usize> = match point {
        None => (0..spec.points().len()).collect(),
        Some(text) => point::select(spec.axes(), spec.points(), text)
            .map_err(|refused| fail(&format!("{}\n  = help: {}", refused.message, refused.help), USAGE))?,
    };
    let n_arms = spec.arm_names().len();
    let all = points.iter().flat_map(|p| (0..n_arms).map(move |a| p * n_arms + a));
    let is_meant = |i: &usize| arm.is_none_or(|name| spec.variants().get(*i).is_some_and(|v| v.name == name));
    Ok(all.filter(is_meant).collect())
}

/// The first of the variants that [`select`] finds.
pub fn choose<'a>(
    compiled: &'a front::Compiled,
    arm: Option<&str>,
    point: Option<&str>,
) -> Result<(&'a Arm, &'a ValidGraph), ExitCode> {
    let found = select(compiled, arm, point)?;
    let chosen = found.first().and_then(|i| Some((compiled.spec.variants().get(*i)?, compiled.models.get(*i)?)));
    let Some((arm, model)) = chosen else { return Err(fail("the experiment has no arms", SPEC_ERRORS)) };
    let n_points = found.len()
        / found
            .iter()
            .filter(|i| compiled.spec.variants().get(**i).is_some_and(|v| v.point == arm.point))
            .count()
            .max(1);
    if n_points > 1 {
        eprintln!("note: {}, the first of {n_points} points; choose with --point", arm.title());
    }
    Ok((arm, model))
}

pub fn run(args: &GraphArgs) -> ExitCode {
    let compiled = match compiled(&args.spec) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let (arm, model) = match choose(&compiled, args.arm.as_deref(), args.point.as_deref()) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let training;
    let graph = match args.stage {
        Stage::Built | Stage::Checked => model.graph(),
        Stage::Training | Stage::Optimized => {
            let goal = Goal::of(&arm.objective, arm.vocab.n_predictable());
            let (made, what) = match args.stage {
                Stage::Optimized => (optimized(arm, model, goal, &args.no_opt.passes()), "optimized graph"),
                _ => (training_graph(model, goal.live, goal.loss), "backward pass"),
            };
            match made {
                Ok(valid) => {
                    training = valid;
                    training.graph()
                }
                Err(error) => return fail(&format!("no {what}: {error}"), super::RUN_FAILED),
            }
        }
    };
    let types = args.stage != Stage::Built;
    print(&match args.format {
        Format::Ron => view::ron(graph, types) + "\n",
        Format::Json => view::json(graph, types) + "\n",
        Format::Text => text::text(graph, types),
        Format::Dot => dot::dot(graph),
        Format::Svg => svg::svg(graph, &heading(&compiled, arm, model, args.stage)),
    });
    ExitCode::SUCCESS
}

/// As it is trained; on a CPU, where the spec says how much a step may hold.
fn optimized(arm: &Arm, model: &ValidGraph, goal: Goal, passes: &Passes) -> Result<ValidGraph, TrainingError> {
    let Some(memory) = arm.train.memory else { return optimize::training(model, goal, passes) };
    let room = Room { bytes: memory.bytes, of: Conditions::of(arm, Place::Cpu) };
    Ok(optimize::training_within(model, goal, passes, room)?.graph)
}

fn heading(compiled: &front::Compiled, arm: &Arm, model: &ValidGraph, stage: Stage) -> String {
    let stage = match stage {
        Stage::Built | Stage::Checked => "model",
        Stage::Training => "training graph",
        Stage::Optimized => "optimized training graph",
    };
    let n = crate::base::number::grouped(crate::analyze::count_params(model).total);
    format!("{} · {} · {stage} {}, {n} parameters", compiled.spec.name(), arm.title(), arm.model.name)
}
