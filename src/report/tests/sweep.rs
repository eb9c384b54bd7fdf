//! The page of a sweep: three points, two arms, a run that failed, one that goes on and one that is missing.

use super::*;
use crate::store::experiment::AxisRecord;

const POINTS: [&str; 3] = ["unique=25K", "unique=50K", "unique=100K"];

fn at(arm: Arm, i: usize) -> Arm {
    Arm { point: POINTS[i], unique: [25_000, 50_000, 100_000][i], measured: true, ..arm }
}

/// `cross at unique in [25K, 50K, 100K]`, and the same before a limit.
pub(super) fn sweep_record() -> ExperimentRecord {
    let mut record = record(&["ar", "mdm"]);
    record.axes = vec![AxisRecord {
        label: "unique".into(),
        values: ["25K", "50K", "100K"].map(str::to_owned).to_vec(),
        replicate: false,
    }];
    record.points = vec![vec![0], vec![1], vec![2]];
    record.claims[0].points = vec![0, 1, 2];
    record
}

/// Of the smallest point only one arm is there; at the second one failed, and at the third all is well.
pub(super) fn sweep_input(runs: &Path) -> ReportInput {
    let arms = [
        Arm { end: None, ..at(AR, 0) },
        at(AR, 1),
        Arm { end: Some((500, EndReason::NonFinite)), ..at(MDM, 1) },
        at(AR, 2),
        at(MDM, 2),
    ];
    let loaded = input(runs, &arms, &[]).runs;
    ReportInput::gather(sweep_record(), loaded).0
}

#[test]
fn a_sweep_is_one_page_with_small_multiples() {
    let (runs, _keep) = folder("sweep");
    let input = sweep_input(&runs);
    let sweep = Sweep::of(&input);
    let page = write_sweep(&runs.join("quickstart"), &input, &sweep).unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    super::html::check(&html);
    let mut from = 0;
    for section in
        ["claims", "problems", "curves", "points", "readings", "mask-rate", "matched", "cost", "samples", "locks"]
    {
        let at = html[from..].find(&format!("<section id=\"{section}\">"));
        from += at.unwrap_or_else(|| panic!("no section `{section}` after byte {from}"));
    }
    for figure in [
        "race-1",
        "loss-by-point",
        "loss-by-arm",
        "decline",
        "loss-train",
        "quiz-acc_norm",
        "quiz-nll_gap",
        "quiz-nll_right",
        "quiz-nll_wrong",
        "gradient-norm",
        "clipped",
        "loss-by-mask-rate",
    ] {
        assert!(html.contains(&format!("<figure id=\"{figure}\">")), "no figure `{figure}`");
        let folder = runs.join("quickstart").join(FIGURES);
        assert!(folder.join(format!("{figure}.csv")).exists(), "no file of `{figure}`");
    }
    for run in &input.runs {
        assert!(html.contains(&run.name()), "{} is dropped", run.name());
    }
    for word in ["mdm: missing, no run yet", "mdm at unique=25K", "loss is NaN in batch 1f3a", "last seen at step"] {
        assert!(html.contains(word), "`{word}` is not on the page");
    }
    // Points make different numbers of epochs, so the tokens that they share are chosen.
    assert!(html.contains("id=\"along-tokens\" checked"));
}

#[test]
fn replicates_stand_in_one_panel_with_their_mean() {
    let (runs, _keep) = folder("replicates");
    let arms = [
        Arm { point: "replicate=1", ..AR },
        Arm { point: "replicate=2", ..AR },
        Arm { point: "replicate=1", ..MDM },
        Arm { point: "replicate=2", ..MDM },
    ];
    let loaded = input(&runs, &arms, &[]).runs;
    let mut record = record(&["ar", "mdm"]);
    record.axes = vec![AxisRecord { label: "replicate".into(), values: vec!["1".into(), "2".into()], replicate: true }];
    record.points = vec![vec![0], vec![1]];
    record.claims[0].points = vec![0, 1];
    let (input, _) = ReportInput::gather(record, loaded);
    let sweep = Sweep::of(&input);
    let page = page::sweep(&input, &sweep);
    super::html::check(&page.html);
    let loss = page.figures.iter().find(|figure| figure.id == "loss-by-point").unwrap();
    let panels = &loss.views[0].panels;
    assert_eq!(panels.len(), 1);
    let names: Vec<&str> = panels[0].lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.contains("validation") && name.contains("each replicate")).count(), 4);
    assert_eq!(names.iter().filter(|name| name.contains("validation") && name.contains("mean of")).count(), 2);
}

#[test]
fn runs_that_share_no_spec_are_told_apart_by_name() {
    let (runs, _keep) = folder("comparison");
    let all = sweep_input(&runs).runs;
    let input = compare::input([all.clone(), vec![all[0].clone()]].concat());
    assert_eq!(input.record.arms.len(), 6, "the same run given twice is there twice");
    let input = compare::input(all);
    assert_eq!(input.record.arms[..2], ["ar at unique=25K", "ar at unique=50K"]);
    let page = page::comparison(&input, &Findings::of(&input));
    super::html::check(&page.html);
    assert!(!page.html.contains("id=\"claims\""));
    for figure in ["loss", "metrics", "conduct"] {
        assert!(page.html.contains(&format!("<figure id=\"{figure}\">")), "no figure `{figure}`");
    }
}
