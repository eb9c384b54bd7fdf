//! `dlmc graph`

use super::args::{Format, GraphArgs, Stage};
use super::{SPEC_ERRORS, USAGE, env, fail, front, print, render};
use crate::base::source::Disk;
use crate::check::spec::Arm;
use crate::graph::training::training_graph;
use crate::graph::{ValidGraph, dot, svg, text, view};
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

/// The arm of that name, or the first.
pub fn choose<'a>(compiled: &'a front::Compiled, name: Option<&str>) -> Result<(&'a Arm, &'a ValidGraph), ExitCode> {
    let arms = compiled.spec.variants();
    let index = match name {
        None => Some(0),
        Some(name) => arms.iter().position(|a| a.name == name),
    };
    match index.and_then(|i| Some((arms.get(i)?, compiled.models.get(i)?))) {
        Some((arm, model)) => Ok((arm, model)),
        None => {
            let names: Vec<&str> = arms.iter().map(|a| a.name.as_str()).collect();
            Err(fail(&format!("there is no arm `{}`; there are {}", name.unwrap_or(""), names.join(", ")), USAGE))
        }
    }
}

pub fn run(args: &GraphArgs) -> ExitCode {
    let compiled = match compiled(&args.spec) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let (arm, model) = match choose(&compiled, args.arm.as_deref()) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let training;
    let graph = match args.stage {
        Stage::Built | Stage::Checked => model.graph(),
        Stage::Training => match training_graph(model, arm.vocab.n_predictable()) {
            Ok(valid) => {
                training = valid;
                training.graph()
            }
            Err(error) => return fail(&format!("no backward pass: {error}"), super::RUN_FAILED),
        },
    };
    let types = args.stage != Stage::Built;
    print(&match args.format {
        Format::Ron => view::ron(graph, types) + "\n",
        Format::Text => text::text(graph, types),
        Format::Dot => dot::dot(graph),
        Format::Svg => svg::svg(graph, &heading(&compiled, arm, model, args.stage)),
    });
    ExitCode::SUCCESS
}

fn heading(compiled: &front::Compiled, arm: &Arm, model: &ValidGraph, stage: Stage) -> String {
    let stage = match stage {
        Stage::Built | Stage::Checked => "model",
        Stage::Training => "training graph",
    };
    let n = crate::base::number::grouped(crate::analyze::count_params(model).total);
    format!("{} · {} · {stage} {}, {n} parameters", compiled.spec.name(), arm.name, arm.model.name)
}
