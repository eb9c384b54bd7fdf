//! A claim's evidence: the paired difference of two arms with its interval at every evaluation.

use super::{arm_colour, marks};
use crate::claims::{Crossover, Side};
use crate::report::ReportInput;
use crate::report::chart::{Axis, Chart, Colour, Figure, Line, Look, Mark, Numbers, Spot, View};
use crate::report::curves::{Along, metric_label, unit};

const CAPTION: &str = "Paired difference on the same documents (or items of the task), with its 95% bootstrap \
                       interval. The crossover is the last \
                       change of sign before the learning rate falls, if every evaluation from there on is clear.";

/// The races of a claim, a panel for each (place, race).
pub fn figure(id: &str, input: &ReportInput, races: &[(String, &Crossover)]) -> Figure {
    let mut panels: Vec<Chart> = races.iter().map(|(place, race)| chart(input, place, race)).collect();
    crate::report::chart::share_scales(&mut panels);
    let title =
        races.first().map_or(String::new(), |(_, race)| format!("{}: {} against {}", race.metric, race.of, race.than));
    Figure { id: id.into(), title, caption: CAPTION.into(), views: vec![View { along: None, panels }] }
}

fn chart(input: &ReportInput, place: &str, race: &Crossover) -> Chart {
    let differences = || race.differences.iter();
    let end = race.differences.last().map_or(1.0, |d| d.epoch);
    let mut marks = vec![Mark::Level { y: 0.0, colour: Colour::Ink, key: String::new() }];
    if let Some(from) = race.decay_from_epoch.filter(|from| *from < end) {
        let key = "learning-rate decay".into();
        marks.push(Mark::Strip { from, to: f64::INFINITY, colour: Colour::Ink, key });
    }
    if let Some((x, from, to, inside)) = marks::crossing(race) {
        marks.push(Mark::Strip { from, to, colour: Colour::Mark, key: marks::key_of(inside).into() });
        marks.push(Mark::Upright { x, colour: Colour::Mark });
    }
    let spot = |d: &crate::claims::Difference| Spot {
        x: d.epoch,
        y: d.value,
        spread: Some((d.interval.low, d.interval.high)),
    };
    let dots = |side: Side, arm: Option<&str>| {
        let word = if race.under { "lower" } else { "higher" };
        let at = arm.and_then(|arm| input.record.arms.iter().position(|known| known == arm)).unwrap_or(0);
        Line {
            name: arm.map_or("no clear difference".into(), |arm| format!("{arm} {word}, at 95%")),
            colour: arm.map_or(Colour::Ink, |arm| arm_colour(input, arm, at)),
            look: Look::Dots { filled: arm.is_some() },
            spots: differences().filter(|d| d.side == side).map(|d| Spot { spread: None, ..spot(d) }).collect(),
        }
    };
    let curve = Line {
        name: format!("{} - {}, 95% interval", race.of, race.than),
        colour: Colour::Ink,
        look: Look::Thin,
        spots: differences().map(spot).collect(),
    };
    let lines =
        vec![curve, dots(Side::Neither, None), dots(Side::Of, Some(&race.of)), dots(Side::Than, Some(&race.than))];
    let label = metric_label(&race.metric, &unit(&input.runs));
    let unit = label.split_once(", ").map_or("", |(_, unit)| unit);
    let mut chart = Chart {
        heading: place.to_owned(),
        notes: if place.is_empty() { vec![] } else { vec![marks::words(race)] },
        x: Along::Epochs.axis(end),
        y: Axis::linear(&format!("{} - {}, {unit}", race.of, race.than), (0.0, 1.0), Numbers::Plain),
        marks,
        lines,
    };
    chart.fit_y();
    chart
}
