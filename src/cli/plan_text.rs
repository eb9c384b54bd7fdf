//! What `dlmc plan` prints: the facts that all runs share, then the arms, or a table of the points.

use super::assumptions;
use super::plan::{ArmPlan, Planned, PlannedMemory, n_checkpoints};
use super::plan_eval;
use super::plan_time::{Place, hours_text};
use crate::check::CheckedSpec;
use crate::check::spec::{Arm, AxisKind, LrSchedule, Objective, Point, Precision, Targets};
use crate::objective;
use crate::report::words::{bytes, count};

pub fn text(spec: &CheckedSpec, plans: &[Planned<'_>], place: Option<&Place>) -> String {
    let mut out = Lines::default();
    let cite = spec.cite().map_or(String::new(), |c| format!(" · {c}"));
    let factors = spec.factors().join(", ");
    out.line(format!("{}{cite} · {} · matched: all but {factors}", spec.name(), size(spec, plans)));
    out.line("");
    let mut points: Vec<&[Planned<'_>]> = plans.chunk_by(|(a, _), (b, _)| a.point == b.point).collect();
    shared(spec, &points, &mut out);
    out.line("");
    match points.as_slice() {
        [only] => arms(only, place, &mut out),
        _ => {
            // Replicates differ in their seeds alone.
            points.retain(|arms| arms.first().is_some_and(|(arm, _)| is_first_replicate(spec, &arm.point)));
            table(spec, &points, plans, place, &mut out);
        }
    }
    // Points differ in how often they are evaluated, and hardly in what each evaluation is.
    let parts = plan_eval::rows(points.first().copied().unwrap_or_default());
    if !parts.is_empty() {
        out.line("");
        out.table(&parts, 2);
        out.line("");
    }
    if let Some(place) = place {
        out.line(format!("  {:<11} {}", "time", place.total_text(plans)));
        out.line(format!("  {:<11} {}", "", place.assumption(plans)));
    }
    out.line("");
    if points.len() < 2 {
        out.line("  reads: rows x positions that the model reads of each sequence in training.");
    }
    out.line("  FLOPs of training: 6ND counts 6 x parameters x tokens, without the embedding, without or with the");
    out.line("  head's product; counted: matrix products and attention of the training graph, forward and backward.");
    let variants: Vec<&Arm> = plans.iter().map(|(arm, _)| *arm).collect();
    for (i, assumption) in assumptions::of(&variants).iter().enumerate() {
        if i == 0 {
            out.line("");
        }
        out.line(format!("  {:<11} {}", if i == 0 { "assumed" } else { "" }, assumption.text()));
    }
    for claim in spec.claims() {
        out.line(format!("  claim       {}", claim.text));
    }
    out.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref().trim_end());
        self.0.push('\n');
    }

    /// Columns as wide as they have to be; the first is text, the others stand to the right.
    fn table(&mut self, rows: &[Vec<String>], left: usize) {
        let n = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n).map(width).collect();
        for row in rows {
            let cell = |(i, (cell, w)): (usize, (&String, &usize))| {
                if i < left { format!("{cell:<w$}") } else { format!("{cell:>w$}") }
            };
            let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(cell).collect();
            self.line(format!("  {}", cells.join("  ")));
        }
    }
}

/// `2 arms`, `2 arms x 5 points = 10 runs`, `2 arms x 5 points x 3 replicates = 30 runs`
fn size(spec: &CheckedSpec, plans: &[Planned<'_>]) -> String {
    let n_arms = spec.arm_names().len();
    if spec.axes().is_empty() {
        return format!("{n_arms} arms");
    }
    let n_points = plans.len() / n_arms.max(1);
    let n_replicates =
        spec.axes().iter().find(|axis| axis.kind == AxisKind::Replicate).map_or(1, |axis| axis.values.len());
    // A choice of points may have cut through the replicates.
    let (points, times) = match n_points % n_replicates {
        0 if n_replicates > 1 => (n_points / n_replicates, format!(" x {n_replicates} replicates")),
        _ => (n_points, String::new()),
    };
    let plural = if points == 1 { "" } else { "s" };
    format!("{n_arms} arms x {points} point{plural}{times} = {} runs", plans.len())
}

fn is_first_replicate(spec: &CheckedSpec, point: &Point) -> bool {
    let replicate = spec.axes().iter().position(|axis| axis.kind == AxisKind::Replicate);
    replicate.and_then(|i| point.coordinates.get(i)).is_none_or(|c| c.index == 0)
}

/// One line for each fact, or several where arms differ in it; where points do, that is said.
fn shared(spec: &CheckedSpec, points: &[&[Planned<'_>]], out: &mut Lines) {
    type Say = fn(&Arm, &ArmPlan) -> String;
    let facts: [(&str, Say); 10] = [
        ("model", |arm, _| {
            let args = arm.flat.iter().filter_map(|f| Some((f.path.strip_prefix("model.")?, &f.value)));
            let args: Vec<String> = args.map(|(path, value)| format!("{path}: {value}")).collect();
            format!("{}({})", arm.model.name, args.join(", "))
        }),
        ("", |arm, plan| {
            let (all, body) = (count(plan.params.total), count(plan.params.without_embedding()));
            format!("{all} parameters ({body} without embedding), vocabulary {}", arm.vocab.size)
        }),
        ("data", |arm, _| {
            let unique = arm.budget.unique_tokens.map_or("all".into(), count);
            let epochs = arm.budget.epochs.map_or(String::new(), |e| format!(" x {e:.2} epochs"));
            format!("{unique} unique tokens{epochs}, sequences of {}", arm.data.seq)
        }),
        ("budget", |arm, _| {
            let budget = &arm.budget;
            format!(
                "{} x {} = {} tokens a step, {} steps = {} tokens ({} left over)",
                arm.train.batch_seqs,
                arm.data.seq,
                count(budget.tokens_per_step),
                count(budget.steps),
                count(budget.steps * budget.tokens_per_step),
                count(budget.left_over_tokens)
            )
        }),
        ("lr", |arm, _| lr_text(arm)),
        ("precision", |arm, _| {
            let precision = arm.train.precision;
            format!(
                "{}: compute, residual stream, rotary; wide ({}): master weights, norm statistics, softmax, loss, \
                 gradient sums, moments",
                precision.name(),
                if precision == Precision::Fp64 { "fp64" } else { "fp32" }
            )
        }),
        ("decay", |_, plan| {
            format!(
                "{} of {} parameters (two dimensions or more, embeddings included)",
                count(plan.params.decayed),
                count(plan.params.total)
            )
        }),
        ("memory", |_, plan| memory_text(plan)),
        ("state", |arm, plan| {
            let n = n_checkpoints(arm);
            let kept = if n == 1 { "1 checkpoint is kept".into() } else { format!("{n} checkpoints are kept") };
            format!(
                "{} of weights and moments; {kept}: {} of disk",
                bytes(plan.state_bytes),
                bytes(plan.checkpoint_bytes)
            )
        }),
        ("evaluation", |arm, _| format!("{} times, of x_2..x_L given x_1 in every arm", arm.eval.at_steps.len())),
    ];
    for (name, fact) in facts {
        let mut all = points.iter().map(|arms| grouped_by(arms, &|arm, plan| Some(fact(arm, plan))));
        let Some(first) = all.next() else { continue };
        let differs = if all.any(|other| other != first) { "   <- differs by point; this is the first" } else { "" };
        for (i, (text, arms)) in first.iter().enumerate() {
            let arms = if first.len() > 1 { format!("{arms}: ") } else { String::new() };
            out.line(format!("  {:<11} {arms}{text}{differs}", if i == 0 { name } else { "" }));
        }
    }
    let first: &[Planned<'_>] = points.first().copied().unwrap_or_default();
    for (text, arms) in grouped_by(first, &|arm, _| Some(objective::evaluation(&arm.objective))) {
        out.line(format!("  {:<11} {arms}: {text}", ""));
    }
    for (i, (text, arms)) in grouped_by(first, &noise_text).iter().enumerate() {
        out.line(format!("  {:<11} {arms}: {text}", if i == 0 { "noise" } else { "" }));
    }
    for (i, (text, arms)) in grouped_by(first, &start_text).iter().enumerate() {
        out.line(format!("  {:<11} {arms}: {text}", if i == 0 { "start" } else { "" }));
    }
    for (label, n) in spec.collapsed() {
        out.line(format!("  {:<11} `{label}` is set by --set, so its axis of {n} values falls away", "sweep"));
    }
}

/// `0.75 GB on a GPU: 0.22 GB of state, 0.53 GB of activations; 1.2 GB of a process on a CPU`
fn memory_text(plan: &ArmPlan) -> String {
    let [cpu, gpu] = plan.memory;
    let usual = |memory: PlannedMemory| match memory.expected.peak() == memory.most.peak() {
        true => String::new(),
        false => format!(" (as a rule {})", bytes(memory.expected.peak())),
    };
    let again = |memory: PlannedMemory| match memory.fits {
        Some(false) => ", which is more than it may hold".into(),
        Some(true) if memory.again > 1.0 => {
            format!(", computing a part again for {:.0}% more FLOPs", 100.0 * (memory.again - 1.0))
        }
        _ => String::new(),
    };
    format!(
        "at most {}{} on a GPU: {} of state, {} of activations{}; {}{} of a process on a CPU{}",
        bytes(gpu.most.peak()),
        usual(gpu),
        bytes(gpu.most.state),
        bytes(gpu.most.activations),
        again(gpu),
        bytes(cpu.most.peak()),
        usual(cpu),
        again(cpu),
    )
}

/// What is said of arms, with the names of those that it is said of.
fn grouped_by(arms: &[Planned<'_>], of: &dyn Fn(&Arm, &ArmPlan) -> Option<String>) -> Vec<(String, String)> {
    let mut all: Vec<(String, Vec<&str>)> = vec![];
    for (arm, plan) in arms {
        let Some(text) = of(arm, plan) else { continue };
        match all.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(&arm.name),
            None => all.push((text, vec![&arm.name])),
        }
    }
    let names = |names: Vec<&str>| if names.len() == arms.len() { "every arm".into() } else { names.join(", ") };
    all.into_iter().map(|(text, of)| (text, names(of))).collect()
}

/// Where a run starts, if not at its initial weights.
fn start_text(arm: &Arm, _: &ArmPlan) -> Option<String> {
    let start = arm.train.start.as_ref()?;
    let step =
        start.step.map_or("the last checkpoint".into(), |step| format!("the checkpoint of step {}", count(step)));
    let moments = if start.keeps_optimizer { "with" } else { "without" };
    Some(format!("{step} of `{}`, {moments} the optimizer's moments; steps, schedule and data begin anew", start.from))
}

/// Noise of training that is no part of the objective.
fn noise_text(arm: &Arm, plan: &ArmPlan) -> Option<String> {
    let mut words: Vec<String> = vec![];
    let std = arm.train.weight_noise;
    if std > 0.0 {
        words.push(format!(
            "Gaussian of standard deviation {std} on every weight of two dimensions or more, fresh each step"
        ));
    }
    let mut kinds: Vec<(bool, f64)> = vec![];
    for kind in plan.dropout.iter().map(|place| (place.of_probabilities, place.drops.rate)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (of_probabilities, rate) in kinds {
        let alike = plan.dropout.iter().filter(|p| (p.of_probabilities, p.drops.rate) == (of_probabilities, rate));
        let sites = alike.map(|place| place.drops.site.as_str()).collect::<Vec<_>>().join(", ");
        words.push(match of_probabilities {
            true => format!("dropout of {rate} of the probabilities at {sites}, which leave the fused attention"),
            false => format!("dropout of {rate} at {sites}"),
        });
    }
    (!words.is_empty()).then(|| words.join("; "))
}

/// What keeps the training losses of two arms from being of the same tokens.
fn mismatch_text(arm: &Arm) -> Option<String> {
    match &arm.objective {
        Objective::MaskedDiffusion(masked) if masked.targets == Targets::MegaDlms => Some(
            "trains on x_2..x_(L-1) without context, where next_token has x_2..x_L given x_1: training losses are of \
             other tokens"
                .into(),
        ),
        _ => None,
    }
}

/// `2 x 128`: rows and positions that the model reads for each sequence in training.
fn read_text(arm: &Arm) -> String {
    let shape = objective::shape(&arm.objective, arm.data.seq);
    format!("{} x {}", shape.rows, shape.time)
}

fn flops(x: f64) -> String {
    if x.is_finite() { format!("{x:.3e}") } else { "after reading".into() }
}

/// The arms of the only point.
fn arms(plans: &[Planned<'_>], place: Option<&Place>, out: &mut Lines) {
    let header = [
        "arm",
        "objective",
        "attention",
        "reads",
        "6ND, no head",
        "6ND + head",
        "counted",
        "evaluation",
        "training loss",
    ];
    let mut header = header.map(String::from).to_vec();
    // Before the label, which is long.
    let time_at = header.len() - 1;
    if place.is_some() {
        header.insert(time_at, "time".into());
    }
    let n_columns = header.len();
    let mut rows: Vec<Vec<String>> = vec![header];
    for (arm, plan) in plans {
        let label = match arm.objective.bound() {
            Ok(why) if arm.objective.is_exact() => why.to_string(),
            Ok(why) => format!("a bound: {why}"),
            Err(why) => format!("no bound: {why}"),
        };
        let mut row = vec![
            arm.name.clone(),
            arm.objective.name().into(),
            objective::pattern(&arm.objective).name().into(),
            read_text(arm),
            flops(plan.conventions.six_nd_without_head),
            flops(plan.conventions.six_nd_with_head),
            flops(plan.conventions.counted),
            flops(plan.evaluation_flops),
            label,
        ];
        if let Some(place) = place {
            row.insert(time_at, hours_text(place.hours(arm, plan).all()));
        }
        rows.push(row);
    }
    out.table(&rows, n_columns);
    notes(plans, out);
}

/// What the table leaves unsaid.
fn notes(plans: &[Planned<'_>], out: &mut Lines) {
    let notes = grouped_by(plans, &|arm, _| mismatch_text(arm));
    if !notes.is_empty() {
        out.line("");
    }
    for (text, arms) in notes {
        out.line(format!("  {arms}: {text}"));
    }
}

/// One row a point, with what each arm counts there, and the sum over all runs.
fn table(spec: &CheckedSpec, points: &[&[Planned<'_>]], all: &[Planned<'_>], place: Option<&Place>, out: &mut Lines) {
    let mut header: Vec<String> = ["point", "epochs", "steps", "parameters", "6ND + head"].map(String::from).to_vec();
    header.extend(spec.arm_names().iter().map(|arm| format!("counted: {arm}")));
    header.push("evaluation".into());
    header.extend(place.map(|place| format!("time on {}", place.hardware.name)));
    header.extend(["state", "checkpoints"].map(String::from));
    let replicate = spec.axes().iter().position(|axis| axis.kind == AxisKind::Replicate);
    let mut rows = vec![header];
    for arms in points {
        let Some((first, _)) = arms.first() else { continue };
        let coordinates = first.point.coordinates.iter().enumerate().filter(|(i, _)| Some(*i) != replicate);
        let point = Point { coordinates: coordinates.map(|(_, c)| c.clone()).collect() };
        let name = if point.is_only() { "(all)".into() } else { point.name() };
        // A figure that the arms share stands once.
        let each = |of: &dyn Fn(&Arm, &ArmPlan) -> String| {
            let mut texts: Vec<String> = arms.iter().map(|(arm, plan)| of(arm, plan)).collect();
            texts.dedup();
            texts.join(" / ")
        };
        let mut row = vec![
            name,
            each(&|arm, _| arm.budget.epochs.map_or("?".into(), |e| format!("{e:.2}"))),
            each(&|arm, _| count(arm.budget.steps)),
            each(&|_, plan| count(plan.params.total)),
            each(&|_, plan| flops(plan.conventions.six_nd_with_head)),
        ];
        row.extend(arms.iter().map(|(_, plan)| flops(plan.conventions.counted)));
        row.push(flops(arms.iter().map(|(_, plan)| plan.evaluation_flops).sum()));
        row.extend(place.map(|place| place.cell(arms)));
        row.push(each(&|_, plan| bytes(plan.state_bytes)));
        row.push(bytes(arms.iter().map(|(_, plan)| plan.checkpoint_bytes).sum()));
        rows.push(row);
    }
    let sum = |of: &dyn Fn(&Planned<'_>) -> f64| all.iter().map(of).sum::<f64>();
    let mut total = vec!["total".to_string()];
    total.extend([String::new(), count(all.iter().map(|(arm, _)| arm.budget.steps).sum()), String::new()]);
    total.push(flops(sum(&|(_, plan)| plan.conventions.six_nd_with_head)));
    for arm in spec.arm_names() {
        total.push(flops(sum(&|(a, plan)| if a.name == *arm { plan.conventions.counted } else { 0.0 })));
    }
    total.push(flops(sum(&|(_, plan)| plan.evaluation_flops)));
    total.extend(place.map(|place| hours_text(place.total(all).all())));
    total.push(String::new());
    total.push(bytes(all.iter().map(|(_, plan)| plan.checkpoint_bytes).sum()));
    rows.push(total);
    out.table(&rows, 1);
    notes(points.first().copied().unwrap_or_default(), out);
    let training = sum(&|(_, plan)| plan.conventions.counted);
    out.line("");
    out.line(format!("  {} runs, {} FLOPs of training counted", all.len(), flops(training)));
    if let Some(axis) = spec.axes().iter().find(|axis| axis.kind == AxisKind::Replicate)
        && points.len() < all.len() / spec.arm_names().len().max(1)
    {
        out.line(format!(
            "  each point is run {} times, under other seeds; the total counts them all",
            axis.values.len()
        ));
    }
}

fn lr_text(arm: &Arm) -> String {
    let lr = arm.train.optimizer.lr;
    match arm.train.lr_schedule {
        LrSchedule::Constant { warmup } => format!("{lr:e} constant after {warmup} steps of warm-up"),
        LrSchedule::Cosine { warmup, floor, .. } => {
            format!("{lr:e}, {warmup} steps of warm-up, cosine to {:e}", written(lr * floor))
        }
        LrSchedule::Wsd { warmup, decay, floor, .. } => {
            format!("{lr:e}, {warmup} steps of warm-up, decay over the last {decay} to {:e}", written(lr * floor))
        }
    }
}

/// A product as one would write it: 3e-3 times 10% is 3e-4, whatever binary makes of it.
fn written(x: f64) -> f64 {
    format!("{x:.12e}").parse().unwrap_or(x)
}
