//! How training went: what the steps logged about the update.

use super::{Group, along, end_of, lines, marks};
use crate::report::RunRecord;
use crate::report::chart::{Axis, Chart, Colour, Figure, Look, Mark, Numbers, Scale};
use crate::report::curves::{self, Along};
use crate::report::words;
use crate::store::metrics::Step;

/// A quantity of steps.
#[derive(Clone, Copy)]
pub struct Quantity {
    pub id: &'static str,
    pub title: &'static str,
    of: fn(&Step) -> f64,
    scale: Scale,
}

pub const QUANTITIES: [Quantity; 5] = [
    Quantity { id: "gradient-norm", title: "gradient norm before clipping", of: |s| s.grad_norm, scale: Scale::Log },
    Quantity { id: "clipped", title: "share of steps clipped so far", of: |s| s.clip_fraction, scale: Scale::Linear },
    Quantity { id: "step-loss", title: "training loss of the steps", of: |s| s.loss, scale: Scale::Linear },
    Quantity { id: "update-ratio", title: "update / weights", of: |s| s.update_ratio, scale: Scale::Log },
    Quantity { id: "learning-rate", title: "learning rate", of: |s| s.lr, scale: Scale::Linear },
];

const CAPTION: &str = "Means over equal stretches of steps.";

/// All quantities of one group, a panel for each.
pub fn all(group: &Group<'_>) -> Figure {
    along("conduct", "Conduct of the runs", CAPTION, false, |along| {
        let panel = |quantity: &Quantity| {
            let mut chart = Chart { heading: quantity.title.into(), ..chart(group, *quantity, along) };
            chart.y.label.clear();
            chart
        };
        QUANTITIES.iter().map(panel).collect()
    })
}

/// One quantity, a panel for each group, on shared axes.
pub fn one(quantity: Quantity, groups: &[Group<'_>]) -> Figure {
    let mut title = quantity.title.to_owned();
    if let Some(first) = title.get(..1).map(str::to_uppercase) {
        title.replace_range(..1, &first);
    }
    along(quantity.id, &title, CAPTION, true, |along| {
        groups.iter().map(|group| chart(group, quantity, along)).collect()
    })
}

fn chart(group: &Group<'_>, quantity: Quantity, along: Along) -> Chart {
    let positive = |y: f64| quantity.scale == Scale::Linear || y > 0.0;
    let spots = |run: &RunRecord| {
        let all = curves::binned(run, along, quantity.of);
        all.into_iter().filter(|spot| positive(spot.y)).collect()
    };
    let lines = lines(group, Look::Plain, "", spots);
    let mut marks: Vec<Mark> = marks::decay(group, along).into_iter().collect();
    if let (Some(clip), "gradient-norm", false) = (clip_threshold(group), quantity.id, lines.is_empty()) {
        marks.push(Mark::Level { y: clip, colour: Colour::Ink, key: format!("clipped above {}", words::plain(clip)) });
    }
    let mut y = Axis::linear(quantity.title, (0.0, 1.0), Numbers::Plain);
    y.scale = quantity.scale;
    if quantity.id == "learning-rate" {
        y.numbers = Numbers::Small;
    }
    let x = along.axis(end_of(&lines));
    let mut chart = Chart { heading: group.heading.clone(), notes: vec![], x, y, marks, lines };
    chart.fit_y();
    chart
}

/// Where the locks agree on one.
fn clip_threshold(group: &Group<'_>) -> Option<f64> {
    let of = |run: &RunRecord| -> Option<f64> {
        run.lock.as_ref()?.fields.iter().find(|f| f.path == "train.clip")?.value.parse().ok()
    };
    let mut all: Vec<f64> = group.runs.iter().filter_map(|drawn| of(drawn.run)).filter(|clip| *clip > 0.0).collect();
    all.dedup();
    if let [clip] = all.as_slice() { Some(*clip) } else { None }
}
