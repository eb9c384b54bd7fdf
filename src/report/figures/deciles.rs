//! Loss by how much of the input is noise, or by the place in the row.

use super::{Group, lines};
use crate::report::RunRecord;
use crate::report::chart::{Axis, Chart, Figure, Look, Numbers, Spot, View, share_scales};
use crate::report::curves::evaluations;

/// The share of the last steps that "at the end" means, where no evaluation tells.
const END_SHARE: f64 = 0.1;

pub fn figure(groups: &[Group<'_>], unit: &str) -> Figure {
    let mut panels: Vec<Chart> = groups.iter().map(|group| chart(group, unit)).collect();
    share_scales(&mut panels);
    Figure {
        id: "loss-by-mask-rate".into(),
        title: "Loss by mask rate".into(),
        caption: "Loss of the last evaluation by tenths of how much of the input is noise (masked share, or chance of \
                  noise); a next-token arm by tenths of the position in the sequence: the two axes are not the same thing. Where no evaluation tells, that of the last tenth of the training steps."
            .into(),
        views: vec![View { along: None, panels }],
    }
}

fn chart(group: &Group<'_>, unit: &str) -> Chart {
    let (noise, position): (Vec<_>, Vec<_>) = group.runs.iter().partition(|drawn| by_noise(drawn.run));
    let kind = |of: &RunRecord, wanted: bool| if by_noise(of) == wanted { last(of) } else { vec![] };
    let mut drawn = vec![];
    if !position.is_empty() {
        drawn.extend(lines(group, Look::Dashed, "by position", |run| kind(run, false)));
    }
    if !noise.is_empty() {
        drawn.extend(lines(group, Look::Main, "by noise", |run| kind(run, true)));
    }
    let mut chart = Chart {
        heading: group.heading.clone(),
        notes: vec![],
        x: Axis::linear("tenth of the noise, or of the position", (0.5, 10.5), Numbers::Plain),
        y: Axis::linear(&format!("cross-entropy, {unit}"), (0.0, 1.0), Numbers::Plain),
        marks: vec![],
        lines: drawn.into_iter().filter(|line| !line.spots.is_empty()).collect(),
    };
    chart.fit_y();
    chart
}

fn by_noise(run: &RunRecord) -> bool {
    run.start().is_some_and(|start| !start.exact) || run.steps().any(|step| step.masked_fraction < 1.0)
}

fn last(run: &RunRecord) -> Vec<Spot> {
    let of = |(i, loss): (usize, &Option<f64>)| {
        let y = loss.filter(|x| x.is_finite())?;
        Some(Spot { x: i as f64 + 1.0, y, spread: None })
    };
    let evaluated: Vec<Spot> = match evaluations(run).last() {
        Some(eval) => eval.loss_by_decile.iter().enumerate().filter_map(of).collect(),
        None => vec![],
    };
    if evaluated.is_empty() { of_last_steps(run) } else { evaluated }
}

fn of_last_steps(run: &RunRecord) -> Vec<Spot> {
    let n = run.steps().count();
    let n_end = ((n as f64 * END_SHARE).ceil() as usize).max(1);
    let mut sums = vec![(0.0, 0u32); 10];
    for step in run.steps().skip(n.saturating_sub(n_end)) {
        for ((sum, count), loss) in sums.iter_mut().zip(&step.loss_by_decile) {
            if let Some(loss) = loss.filter(|x| x.is_finite()) {
                *sum += loss;
                *count += 1;
            }
        }
    }
    let mean =
        |(i, (sum, count)): (usize, (f64, u32))| Spot { x: i as f64 + 1.0, y: sum / f64::from(count), spread: None };
    sums.into_iter().enumerate().filter(|(_, (_, count))| *count > 0).map(mean).collect()
}
