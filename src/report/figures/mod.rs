//! Which figures a report has, and which curves, bands and marks are in each of them.
pub mod conduct;
pub mod curves;
pub mod deciles;
pub mod decline;
pub mod difference;
pub mod marks;

use super::chart::{Chart, Colour, Figure, Line, Look, Spot, View, share_scales};
use super::curves::Along;
use super::findings::{Findings, Verdicts};
use super::points::Sweep;
use super::{ReportInput, RunRecord};
use crate::claims::{Completion, Crossover, Evidence, Onset};

/// Runs that are drawn together: those of an experiment, of one place of a sweep, or of one arm over all places.
pub struct Group<'a> {
    pub heading: String,
    pub notes: Vec<String>,
    pub runs: Vec<Drawn<'a>>,
    /// Races between arms of the group.
    pub races: Vec<&'a Crossover>,
    /// From when on its arms overfit.
    pub onsets: Vec<&'a Onset>,
    /// Whether training curves are drawn too; beside many runs they would hide them.
    pub with_training: bool,
}

/// A run with the name and the colour it has in the figure; replicates share both.
pub struct Drawn<'a> {
    pub run: &'a RunRecord,
    pub name: String,
    pub colour: Colour,
}

/// The runs of an experiment without a sweep.
pub fn single<'a>(input: &'a ReportInput, findings: &'a Findings) -> Group<'a> {
    let drawn = |(i, (run, name)): (usize, (&'a RunRecord, &String))| Drawn {
        run,
        name: name.clone(),
        colour: arm_colour(input, &run.arm, i),
    };
    Group {
        heading: String::new(),
        notes: vec![],
        runs: input.runs.iter().zip(&findings.names).enumerate().map(drawn).collect(),
        races: findings.crossovers(),
        onsets: onsets(&findings.verdicts, None),
        with_training: true,
    }
}

/// A panel for each place of a sweep, with the arms in their colours; replicates stand in one.
pub fn by_place<'a>(input: &'a ReportInput, sweep: &'a Sweep) -> Vec<Group<'a>> {
    let of_place = |place: &String| {
        let here = |point: &str| places_of(input).any(|(name, of)| name == point && of == *place);
        let runs: Vec<&RunRecord> = input.runs.iter().filter(|run| here(&run.point)).collect();
        // An undecided race is one with a run that is named below anyway.
        let decided = races(&sweep.verdicts, place).into_iter().filter(|race| marks::decided(race));
        let mut notes: Vec<String> = decided.map(marks::words).collect();
        for (arm, point) in input.missing.iter().filter(|(_, point)| here(point)) {
            let replicate = if point == place { String::new() } else { format!(" ({point})") };
            notes.push(format!("{arm}: missing, no run yet{replicate}"));
        }
        notes.extend(runs.iter().filter_map(|run| unfinished(run, &run.arm)));
        let drawn = |(i, run): (usize, &&'a RunRecord)| Drawn {
            run,
            name: run.arm.clone(),
            colour: arm_colour(input, &run.arm, i),
        };
        let heading = if place.is_empty() { "all replicates".to_owned() } else { place.clone() };
        let runs = runs.iter().enumerate().map(drawn).collect();
        Group {
            heading,
            notes,
            runs,
            races: races(&sweep.verdicts, place),
            onsets: onsets(&sweep.verdicts, Some(place)),
            with_training: true,
        }
    };
    places(input).iter().map(of_place).collect()
}

/// A panel for each arm, with the places of the sweep in ordered colours.
pub fn by_arm<'a>(input: &'a ReportInput) -> Vec<Group<'a>> {
    let places = places(input);
    let of_arm = |arm: &String| {
        let drawn = |run: &'a RunRecord| {
            let (_, place) = places_of(input).find(|(point, _)| *point == run.point)?;
            let i = places.iter().position(|known| *known == place)?;
            Some(Drawn { run, name: place, colour: Colour::Shade(i, places.len()) })
        };
        let runs: Vec<&RunRecord> = input.runs.iter().filter(|run| run.arm == *arm).collect();
        let missing = input.missing.iter().filter(|(missing, _)| missing == arm);
        let mut notes: Vec<String> = missing.map(|(_, point)| format!("{point}: missing, no run yet")).collect();
        notes.extend(runs.iter().filter_map(|run| unfinished(run, &run.point)));
        let runs = runs.into_iter().filter_map(drawn).collect();
        Group { heading: arm.clone(), notes, runs, races: vec![], onsets: vec![], with_training: false }
    };
    input.record.arms.iter().map(of_arm).collect()
}

fn unfinished(run: &RunRecord, name: &str) -> Option<String> {
    let state = run.completion();
    (state != Completion::Finished).then(|| format!("{name}: {}", state.words()))
}

/// The places of a sweep in order: points without their replicates.
pub fn places(input: &ReportInput) -> Vec<String> {
    let mut places: Vec<String> = vec![];
    for (_, place) in places_of(input) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// (point, place)
fn places_of(input: &ReportInput) -> impl Iterator<Item = (String, String)> + '_ {
    let record = &input.record;
    record.points.iter().map(|point| (record.point_name(point), record.place_name(point)))
}

/// The races that claims ask about at a place, each once.
fn races<'a>(verdicts: &'a Verdicts, place: &str) -> Vec<&'a Crossover> {
    let mut races: Vec<&Crossover> = vec![];
    for found in verdicts.claims.iter().flat_map(|claim| &claim.places).filter(|found| found.place == place) {
        let Evidence::Crossover { result, .. } = &found.evidence else { continue };
        if !races.iter().any(|race| marks::same(race, result)) {
            races.push(result);
        }
    }
    races
}

/// What was found at a place, or at all.
fn onsets<'a>(verdicts: &'a Verdicts, place: Option<&str>) -> Vec<&'a Onset> {
    let here = verdicts.readings.iter().filter(|reading| place.is_none_or(|place| reading.place == place));
    here.filter_map(|reading| reading.onset.as_ref().ok()).collect()
}

/// An arm has one colour on the whole page; a run of no arm of the spec takes its own.
pub fn arm_colour(input: &ReportInput, arm: &str, i: usize) -> Colour {
    Colour::Arm(input.record.arms.iter().position(|known| known == arm).unwrap_or(i))
}

/// A figure against every measure of progress, its panels on the same axes if `shared`.
pub fn along(id: &str, title: &str, caption: &str, shared: bool, panels: impl Fn(Along) -> Vec<Chart>) -> Figure {
    let view = |along: Along| {
        let mut panels = panels(along);
        if shared {
            share_scales(&mut panels);
        }
        View { along: Some(along.name()), panels }
    };
    Figure { id: id.into(), title: title.into(), caption: caption.into(), views: Along::ALL.map(view).into() }
}

/// The lines of one quantity: a heavy one for a run; for replicates a light one each and a heavy one for their mean.
pub fn lines(group: &Group<'_>, look: Look, what: &str, of: impl Fn(&RunRecord) -> Vec<Spot>) -> Vec<Line> {
    let mut names: Vec<&str> = vec![];
    for drawn in &group.runs {
        if !names.contains(&drawn.name.as_str()) {
            names.push(&drawn.name);
        }
    }
    let mut lines = vec![];
    for name in names {
        let same: Vec<&Drawn<'_>> = group.runs.iter().filter(|drawn| drawn.name == name).collect();
        let curves: Vec<Vec<Spot>> = same.iter().map(|drawn| of(drawn.run)).filter(|spots| !spots.is_empty()).collect();
        let Some(colour) = same.first().map(|drawn| drawn.colour) else { continue };
        let line = |name: String, look: Look, spots: Vec<Spot>| Line { name, colour, look, spots };
        let title = if what.is_empty() { name.to_owned() } else { format!("{name}: {what}") };
        match <[Vec<Spot>; 1]>::try_from(curves) {
            Ok([only]) => lines.push(line(title, look, only)),
            Err(curves) if curves.is_empty() => {}
            Err(curves) => {
                let mean = mean(&curves);
                lines.extend(
                    curves.into_iter().map(|spots| line(format!("{title}, each replicate"), Look::Thin, spots)),
                );
                lines.push(line(format!("{title}, mean of replicates"), look, mean));
            }
        }
    }
    lines
}

/// The mean over curves, as far as all of them go and where they stand at the same places.
fn mean(curves: &[Vec<Spot>]) -> Vec<Spot> {
    let Some((first, others)) = curves.split_first() else { return vec![] };
    let at = |spot: &Spot| {
        let same = |curve: &Vec<Spot>| curve.iter().find(|other| other.x == spot.x).map(|other| other.y);
        let ys: Vec<f64> = others.iter().map(same).collect::<Option<Vec<f64>>>()?;
        let y = (spot.y + ys.iter().sum::<f64>()) / curves.len() as f64;
        Some(Spot { x: spot.x, y, spread: None })
    };
    first.iter().filter_map(at).collect()
}

/// Where the lines of a chart end.
pub fn end_of(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|line| &line.spots).map(|spot| spot.x).fold(0.0, f64::max)
}
