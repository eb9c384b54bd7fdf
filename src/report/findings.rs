//! Everything that is computed from the runs before a word of the report is written.

use super::matched::{Matched, names};
use super::{ReportInput, RunRecord};
use crate::check::claims::types::Reads;
use crate::claims::{
    BestAgainstBest, Bootstrap, ClaimResult, Crossover, Evidence, Runs, Series, Slot, best_against_best, judge,
    series::title,
};
use crate::store::ExperimentRecord;

/// A pair of arms at a place of the sweep and the race between their best checkpoints, or why there is none.
#[derive(Clone, Debug)]
pub struct BestFinding {
    /// `unique=0.5B`; empty without a sweep.
    pub place: String,
    pub of: String,
    pub than: String,
    pub result: Result<BestAgainstBest, String>,
}

#[derive(Clone, Debug)]
pub struct Findings {
    pub claims: Vec<ClaimResult>,
    pub best: Vec<BestFinding>,
    /// By point of the sweep: its runs are to differ in nothing but the declared factors.
    pub matched: Vec<(String, Matched)>,
    /// Points without their replicates, in order: what curves are drawn together.
    pub places: Vec<String>,
    /// What each run is called: its arm and point, or its folder where a variant has several.
    pub names: Vec<String>,
    /// By run, in the input's order.
    pub series: Vec<Option<Series>>,
    /// By run, the place it belongs to.
    pub place_of: Vec<String>,
}

impl Findings {
    pub fn of(input: &ReportInput) -> Findings {
        let record = &input.record;
        let series: Vec<Option<Series>> = input.runs.iter().map(RunRecord::series).collect();
        let slots = slots(input, &series);
        let runs = Runs::new(record, &slots);
        let mut bootstrap = Bootstrap::default();
        let claims = record.claims();
        let results = claims.iter().map(|claim| judge(claim, &runs, &mut bootstrap)).collect();
        let mut pairs: Vec<(String, String)> = vec![];
        for read in claims.iter().flat_map(|claim| claim.statement.reads()) {
            let pair = match read {
                Reads::Crossover(crossover) => (crossover.of.clone(), crossover.than.clone()),
                Reads::Best(_) | Reads::BestAt(_) | Reads::Final(_) | Reads::Gap(_) => continue,
            };
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        if let (true, [first, second, ..]) = (pairs.is_empty(), record.arms.as_slice()) {
            pairs.push((second.clone(), first.clone()));
        }
        let all: Vec<usize> = (0..record.points.len()).collect();
        let mut best = vec![];
        for place in runs.places(&all, &[]) {
            for (of, than) in &pairs {
                let found = |arm: &str| runs.of_arm(arm, &all, &place).map_err(|missing| missing.join("; "));
                let result =
                    found(of).and_then(|p| found(than).and_then(|q| best_against_best(&p, &q, &mut bootstrap)));
                best.push(BestFinding { place: runs.name(&place), of: of.clone(), than: than.clone(), result });
            }
        }
        let mut places: Vec<String> = runs.places(&all, &[]).iter().map(|place| runs.name(place)).collect();
        let place_of: Vec<String> = input.runs.iter().map(|run| place_name(record, &run.point)).collect();
        for place in &place_of {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        Findings { claims: results, best, matched: matched(input), places, names: names(&input.runs), series, place_of }
    }

    /// Whether the sweep has more than one place, so that each has to be named.
    pub fn is_sweep(&self) -> bool {
        self.places.len() > 1
    }

    /// Whether the run of that index belongs to the place.
    pub fn is_at(&self, run: usize, place: &str) -> bool {
        self.place_of.get(run).is_some_and(|own| own == place)
    }

    /// The races that claims ask about at a place, each once.
    pub fn crossovers(&self, place: &str) -> Vec<&Crossover> {
        let mut races: Vec<&Crossover> = vec![];
        for found in self.claims.iter().flat_map(|claim| &claim.places).filter(|found| found.place == place) {
            let Evidence::Crossover { result, .. } = &found.evidence else { continue };
            let known =
                |race: &&Crossover| (&race.of, &race.than, race.under) == (&result.of, &result.than, result.under);
            if !races.iter().any(known) {
                races.push(result);
            }
        }
        races
    }

    /// The facts of all points in one line.
    pub fn matched_summary(&self) -> Option<String> {
        match self.matched.as_slice() {
            [] => None,
            [(_, only)] => only.summary(),
            several => {
                let parts = several.iter().filter_map(|(point, matched)| {
                    let different = matched.different().next().is_some();
                    Some((different, format!("at {point}, {}", matched.summary()?)))
                });
                let (different, same): (Vec<_>, Vec<_>) = parts.partition(|(different, _)| *different);
                let n = different.len() + same.len();
                match (different.is_empty(), n) {
                    (_, 0) => None,
                    (true, n) => Some(format!("matched: at each of {n} points the runs' own logs agree")),
                    (false, _) => Some(different.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ")),
                }
            }
        }
    }
}

/// What became of each variant: two runs of one are two different specs, and no claim can mean both.
fn slots(input: &ReportInput, series: &[Option<Series>]) -> Vec<(String, String, Slot)> {
    let several =
        |run: &RunRecord| input.runs.iter().filter(|other| other.arm == run.arm && other.point == run.point).count();
    let slot = |(run, series): (&RunRecord, &Option<Series>)| {
        let name = title(&run.arm, &run.point);
        let slot = match (several(run), series, run.problems.first()) {
            (2.., _, _) => Slot::Unusable(format!("{} runs of `{name}`; a claim needs one", several(run))),
            (_, Some(series), _) => Slot::Run(series.clone()),
            (_, None, Some(problem)) => Slot::Unusable(format!("the run of `{name}` cannot be read: {problem}")),
            (_, None, None) => Slot::Unusable(format!("the run of `{name}` has not started")),
        };
        (run.arm.clone(), run.point.clone(), slot)
    };
    input.runs.iter().zip(series).map(slot).collect()
}

/// The name of a point without its replicate; a point that the record does not know is a place of its own.
fn place_name(record: &ExperimentRecord, point: &str) -> String {
    let known = record.points.iter().find(|indices| record.point_name(indices) == point);
    known.map_or(point.to_owned(), |indices| record.place_name(indices))
}

fn matched(input: &ReportInput) -> Vec<(String, Matched)> {
    let mut points: Vec<&str> = vec![];
    for run in &input.runs {
        if !points.contains(&run.point.as_str()) {
            points.push(&run.point);
        }
    }
    if points.is_empty() {
        points.push("");
    }
    let of_point = |point: &str| {
        let runs: Vec<&RunRecord> = input.runs.iter().filter(|run| run.point == point).collect();
        (point.to_owned(), Matched::of(&runs))
    };
    points.into_iter().map(of_point).collect()
}
