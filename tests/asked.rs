//! What `plan` says of evaluations: passes and FLOPs by text and by task.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{QUICKSTART, front, front_with};
use dlmc::cli::plan::{ArmPlan, Planner};

fn planned(text: &str, overrides: &[(&str, &str)]) -> Vec<(usize, ArmPlan)> {
    let outcome = if overrides.is_empty() { front(text) } else { front_with(text, overrides) };
    let compiled = outcome.compiled.expect("sound");
    let mut planner = Planner::default();
    let arms = compiled.spec.variants().iter().zip(&compiled.models);
    arms.map(|(arm, model)| (arm.eval.at_steps.len(), planner.plan(arm, model).unwrap())).collect()
}

#[test]
fn evaluations_are_counted_text_by_text_and_task_by_task() {
    let plain = planned(QUICKSTART, &[]);
    assert!(plain.iter().all(|(_, plan)| plan.evaluation.len() == 1));
    // 13 options of 6 items, none of one token; paths are relative to the crate, as the spec is.
    let task = "multiple_choice(\"tests/fixtures/tasks/sense.jsonl\", format: options, masks: 5)";
    let asked = QUICKSTART.replace("loss: valid", &format!("loss: [valid, train], tasks: {{ sense: {task} }}"));
    for ((n, plan), (_, plain), draws) in
        planned(&asked, &[]).iter().zip(&plain).zip([1.0, 4.0]).map(|((a, b), c)| (a, b, c))
    {
        let passes: Vec<(&str, f64)> = plan.evaluation.iter().map(|part| (part.name.as_str(), part.passes)).collect();
        let options = if draws == 1.0 { 13.0 } else { 65.0 };
        assert_eq!(passes, [("loss(valid)", 500.0 * draws), ("loss(train)", 500.0 * draws), ("sense", options)]);
        let each: f64 = plan.evaluation.iter().map(|part| part.flops).sum();
        assert_eq!(plan.evaluation_flops, each * *n as f64);
        assert_eq!(plan.evaluation[0], plain.evaluation[0]);
        assert_eq!(plan.evaluation[0].flops, plan.evaluation[1].flops);
        // An option is some 20 bytes long where a chunk has 128.
        let (row, chunk) = (plan.evaluation[2].flops / options, plan.evaluation[0].flops / plan.evaluation[0].passes);
        assert!(row > 0.05 * chunk && row < 0.4 * chunk, "{row} {chunk}");
    }
    // A file that is not here leaves the cost open, and nothing else.
    let missing = asked.replace("sense.jsonl", "nowhere.jsonl");
    assert!(planned(&missing, &[]).iter().all(|(_, plan)| plan.evaluation[2].flops.is_nan()));
}
