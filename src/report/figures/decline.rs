//! How far an arm falls behind its own best evaluation: what the onset of overfitting is read from.

use super::arm_colour;
use crate::check::spec::Metric;
use crate::claims::{Onset, Reading};
use crate::report::ReportInput;
use crate::report::chart::{Axis, Chart, Colour, Figure, Line, Look, Mark, Numbers, Spot, View, share_scales};
use crate::report::curves::{Along, unit};
use crate::report::words;

const CAPTION: &str = "How much higher loss(valid) is than at the arm's best evaluation, on the half of the documents that did \
                       not choose it, with the 95% interval. Overfitting sets in at the first evaluation from which all are \
                       clearly above zero, up to the decay of the learning rate.";

/// A panel for each place.
pub fn figure(input: &ReportInput, readings: &[Reading]) -> Figure {
    let of_loss: Vec<&Reading> = readings.iter().filter(|reading| reading.metric == Metric::valid_loss()).collect();
    let mut panels: Vec<Chart> =
        of_loss.chunk_by(|a, b| a.place == b.place).map(|readings| chart(input, readings)).collect();
    panels.retain(|panel| !panel.is_empty());
    share_scales(&mut panels);
    Figure {
        id: "decline".into(),
        title: "Above the best evaluation".into(),
        caption: CAPTION.into(),
        views: vec![View { along: None, panels }],
    }
}

fn chart(input: &ReportInput, readings: &[&Reading]) -> Chart {
    let known = readings.iter().filter_map(|reading| reading.onset.as_ref().ok());
    let line = |(i, onset): (usize, &Onset)| Line {
        name: onset.arm.clone(),
        colour: arm_colour(input, &onset.arm, i),
        look: Look::Main,
        spots: onset.declines.iter().map(spot).collect(),
    };
    let lines: Vec<Line> = known.clone().enumerate().map(line).collect();
    let note = |onset: &Onset| format!("{}, overfitting: {}", onset.arm, words::onset(onset));
    let mut chart = Chart {
        heading: readings.first().map_or(String::new(), |reading| reading.place.clone()),
        notes: known.map(note).collect(),
        x: Along::Epochs.axis(super::end_of(&lines)),
        y: Axis::linear(&format!("above the best, {}", unit(&input.runs)), (0.0, 1.0), Numbers::Plain),
        marks: vec![Mark::Level { y: 0.0, colour: Colour::Ink, key: String::new() }],
        lines,
    };
    chart.fit_y();
    chart
}

fn spot(decline: &crate::claims::onset::Decline) -> Spot {
    let spread = Some((decline.interval.low, decline.interval.high));
    Spot { x: decline.place.epoch, y: decline.by, spread }
}
