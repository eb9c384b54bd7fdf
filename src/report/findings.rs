//! Everything that is computed from the runs before a word of the report is written.

use super::matched::{Matched, names};
use super::{ReportInput, RunRecord};
use crate::check::spec::Claim;
use crate::claims::{BestAgainstBest, Crossover, Question, Series, Verdict, best_against_best, crossover};

/// A claim with its verdict.
#[derive(Clone, Debug)]
pub struct ClaimFinding {
    /// As the spec writes it.
    pub text: String,
    pub result: Crossover,
}

/// A pair of arms and the race between their best checkpoints, or why there is none.
#[derive(Clone, Debug)]
pub struct BestFinding {
    pub of: String,
    pub than: String,
    pub result: Result<BestAgainstBest, String>,
}

#[derive(Clone, Debug)]
pub struct Findings {
    pub claims: Vec<ClaimFinding>,
    pub best: Vec<BestFinding>,
    pub matched: Matched,
    /// What each run is called: its arm, or its folder where an arm has several runs.
    pub names: Vec<String>,
    /// By run, in the input's order.
    pub series: Vec<Option<Series>>,
}

impl Findings {
    pub fn of(input: &ReportInput) -> Findings {
        let series: Vec<Option<Series>> = input.runs.iter().map(RunRecord::series).collect();
        let claims: Vec<ClaimFinding> = input
            .claims
            .iter()
            .map(|claim| match claim {
                Claim::Crossover { metric: _, of, than, under, text } => {
                    ClaimFinding { text: text.clone(), result: judge(input, &series, of, than, *under) }
                }
            })
            .collect();
        let mut pairs: Vec<(String, String)> =
            claims.iter().map(|c| (c.result.of.clone(), c.result.than.clone())).collect();
        if let (true, [first, second, ..]) = (pairs.is_empty(), input.runs.as_slice()) {
            pairs.push((second.arm.clone(), first.arm.clone()));
        }
        pairs.dedup();
        let best = pairs
            .into_iter()
            .map(|(of, than)| {
                let result = only(input, &series, &of)
                    .and_then(|p| only(input, &series, &than).and_then(|q| best_against_best(p, q)));
                BestFinding { of, than, result }
            })
            .collect();
        Findings { claims, best, matched: Matched::of(&input.runs), names: names(&input.runs), series }
    }
}

fn judge(input: &ReportInput, series: &[Option<Series>], of: &str, than: &str, under: bool) -> Crossover {
    let question = Question { of, than, under };
    let (p, q) = (only(input, series, of), only(input, series, than));
    let mut result = crossover(question, p.as_ref().ok().copied(), q.as_ref().ok().copied());
    let whys: Vec<String> = [p.err(), q.err()].into_iter().flatten().collect();
    if !whys.is_empty() {
        result.verdict = Verdict::Undecided { why: whys.join("; ") };
    }
    result
}

/// The one curve of an arm; two runs of one arm are two different specs, and no claim can mean both.
fn only<'a>(input: &ReportInput, series: &'a [Option<Series>], arm: &str) -> Result<&'a Series, String> {
    let of_arm: Vec<(&RunRecord, &'a Option<Series>)> =
        input.runs.iter().zip(series).filter(|(run, _)| run.arm == arm).collect();
    match of_arm.as_slice() {
        [] => Err(format!("no run of `{arm}`")),
        [(_, Some(series))] => Ok(series),
        [(run, None)] => Err(match run.problems.first() {
            Some(problem) => format!("the run of `{arm}` cannot be read: {problem}"),
            None => format!("the run of `{arm}` has not started"),
        }),
        several => Err(format!("{} runs of `{arm}`; a claim needs one", several.len())),
    }
}
