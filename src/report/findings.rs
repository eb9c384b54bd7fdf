//! Everything that is computed from the runs before a word of the report is written.

use super::matched::{Matched, names};
use super::{ReportInput, RunRecord};
use crate::check::claims::types::{Metric, Reads};
use crate::claims::{
    BestAgainstBest, Bootstrap, ClaimResult, Crossover, Evidence, Outcome, Reading, Runs, Series, Slot,
    best_against_best, judge, readings, series::title,
};

/// A pair of arms at a place of the sweep and the race between their best checkpoints, or why there is none.
#[derive(Clone, Debug)]
pub struct BestFinding {
    /// `unique=0.5B`; empty without a sweep.
    pub place: String,
    pub metric: Metric,
    pub of: String,
    pub than: String,
    pub result: Result<BestAgainstBest, String>,
}

/// What the runs say about the claims.
#[derive(Clone, Debug)]
pub struct Verdicts {
    pub claims: Vec<ClaimResult>,
    pub best: Vec<BestFinding>,
    /// Each arm alone, for every metric that was measured.
    pub readings: Vec<Reading>,
}

impl Verdicts {
    pub fn of(input: &ReportInput) -> Verdicts {
        let record = &input.record;
        let slots = slots(input);
        let runs = Runs::new(record, &slots);
        let mut bootstrap = Bootstrap::default();
        let claims = record.claims();
        let results = claims.iter().map(|claim| judge(claim, &runs, &mut bootstrap)).collect();
        let mut pairs: Vec<(Metric, String, String)> = vec![];
        for read in claims.iter().flat_map(|claim| claim.statement.reads()) {
            let Reads::Crossover(crossover) = read else { continue };
            let pair = (crossover.metric.clone(), crossover.of.clone(), crossover.than.clone());
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        if let (true, [first, second, ..]) = (pairs.is_empty(), record.arms.as_slice()) {
            pairs.push((Metric::valid_loss(), second.clone(), first.clone()));
        }
        let all: Vec<usize> = (0..record.points.len()).collect();
        let mut best = vec![];
        for place in runs.places(&all, &[]) {
            for (metric, of, than) in &pairs {
                let found = |arm: &str| runs.of_arm(arm, metric, &all, &place).map_err(|missing| missing.join("; "));
                let result =
                    found(of).and_then(|p| found(than).and_then(|q| best_against_best(&p, &q, &mut bootstrap)));
                let (metric, of, than) = (metric.clone(), of.clone(), than.clone());
                best.push(BestFinding { place: runs.name(&place), metric, of, than, result });
            }
        }
        let readings = readings(&runs, &record.arms, record.points.len(), &mut bootstrap);
        Verdicts { claims: results, best, readings }
    }

    /// What they say about one place of the sweep.
    pub fn at(&self, place: &str) -> Verdicts {
        let claim = |claim: &ClaimResult| {
            let places: Vec<_> = claim.places.iter().filter(|found| found.place == place).cloned().collect();
            let outcome = Outcome::of_all(places.iter().map(|found| found.outcome));
            (!places.is_empty()).then(|| ClaimResult { places, outcome, ..claim.clone() })
        };
        Verdicts {
            claims: self.claims.iter().filter_map(claim).collect(),
            best: self.best.iter().filter(|best| best.place == place).cloned().collect(),
            readings: self.readings.iter().filter(|reading| reading.place == place).cloned().collect(),
        }
    }

    pub fn all_hold(&self) -> bool {
        self.claims.iter().all(|claim| claim.outcome == Outcome::Held)
    }
}

/// What there is to say about the runs of one point.
#[derive(Clone, Debug)]
pub struct Findings {
    pub verdicts: Verdicts,
    pub matched: Matched,
    /// What each run is called: its arm, or its folder where an arm has several.
    pub names: Vec<String>,
    /// By run, in the input's order.
    pub series: Vec<Option<Series>>,
}

impl Findings {
    /// Of an experiment without a sweep.
    pub fn of(input: &ReportInput) -> Findings {
        Findings::new(input, Verdicts::of(input))
    }

    pub fn new(input: &ReportInput, verdicts: Verdicts) -> Findings {
        let series = input.runs.iter().map(RunRecord::series).collect();
        Findings { verdicts, matched: Matched::of(&input.runs), names: names(&input.runs), series }
    }

    /// The races that claims ask about, each once.
    pub fn crossovers(&self) -> Vec<&Crossover> {
        let mut races: Vec<&Crossover> = vec![];
        for found in self.verdicts.claims.iter().flat_map(|claim| &claim.places) {
            let Evidence::Crossover { result, .. } = &found.evidence else { continue };
            let question = |race: &Crossover| (race.metric.clone(), race.of.clone(), race.than.clone(), race.under);
            let known = |race: &&Crossover| question(race) == question(result);
            if !races.iter().any(known) {
                races.push(result);
            }
        }
        races
    }
}

/// What became of each variant: two runs of one are two different specs, and no claim can mean both.
fn slots(input: &ReportInput) -> Vec<(String, String, Slot)> {
    let several =
        |run: &RunRecord| input.runs.iter().filter(|other| other.arm == run.arm && other.point == run.point).count();
    let slot = |run: &RunRecord| {
        let name = title(&run.arm, &run.point);
        let slot = match (several(run), run.curves(), run.problems.first()) {
            (2.., _, _) => Slot::Unusable(format!("{} runs of `{name}`; a claim needs one", several(run))),
            (_, Some(curves), _) => Slot::Run(curves),
            (_, None, Some(problem)) => Slot::Unusable(format!("the run of `{name}` cannot be read: {problem}")),
            (_, None, None) => Slot::Unusable(format!("the run of `{name}` has not started")),
        };
        (run.arm.clone(), run.point.clone(), slot)
    };
    input.runs.iter().map(slot).collect()
}
