//! The report's pictures: which curves, bands and marks are in each of them.

use super::findings::Findings;
use super::frame::{INK, Key, Layer, MARK, Picture, Swatch, arm_colour};
use super::{ReportError, ReportInput, RunRecord, words};
use crate::claims::{Crossover, Point, Series, Side, Verdict};
use plotters::style::RGBColor;

/// Means over bins stand for single steps where there are more.
const N_BINS: usize = 240;
const WIDTH: f64 = 860.0;
/// The share of the last steps that "at the end" means.
const END_SHARE: f64 = 0.1;

/// Validation curves with bands of one standard error, training loss thin, the decay window and the
/// crossings. `None` where no run has a curve.
pub fn validation(input: &ReportInput, findings: &Findings) -> Result<Option<String>, ReportError> {
    let mut range = Range::default();
    let mut x_end: f64 = 0.0;
    let (mut under, mut bands, mut lines, mut keys) = (vec![], vec![], vec![], vec![]);
    for (i, run, series, name) in runs(input, findings) {
        let Some(series) = series else { continue };
        let colour = colour_of(input, run, i);
        let curve: Vec<(f64, f64)> = series.points.iter().map(|p| (p.epoch, p.value)).collect();
        let band: Vec<(f64, f64, f64)> =
            series.points.iter().map(|p| (p.epoch, p.value - p.se, p.value + p.se)).collect();
        let training = binned(run, |s| s.loss);
        band.iter().for_each(|(x, low, high)| {
            range.include(*low);
            range.include(*high);
            x_end = x_end.max(*x);
        });
        // The first steps would flatten everything else; a memorising arm's last ones matter.
        training.iter().skip(training.len() / 20).for_each(|(x, y)| {
            if series.points.first().is_some_and(|p| *x >= p.epoch) {
                range.include(*y);
            }
            x_end = x_end.max(*x);
        });
        let kind = if series.exact { "exact" } else { "upper bound" };
        keys.push(line_key(format!("{name}: validation, {kind}"), colour, 2.4, 1.0));
        if !training.is_empty() {
            keys.push(line_key(format!("{name}: training"), colour, 1.0, 0.6));
        }
        under.push(Layer::Line { points: training, colour, width: 1.0, alpha: 0.6, dashed: false });
        bands.push(Layer::Band { points: band, colour, alpha: 0.2 });
        lines.push(Layer::Line { points: curve.clone(), colour, width: 2.4, alpha: 1.0, dashed: false });
        lines.push(Layer::Dots { points: curve, colour, filled: true });
    }
    let Some(y) = range.padded() else { return Ok(None) };
    let mut layers = vec![];
    if let Some(from) = decay_from(findings).filter(|from| *from < x_end) {
        layers.push(Layer::Strip { from, to: f64::INFINITY, colour: INK, alpha: 0.14 });
        keys.push(box_key("learning-rate decay".into(), INK, 0.3));
    }
    layers.extend(under);
    layers.extend(bands);
    for result in findings.crossovers() {
        if let Some((epoch, low, high)) = crossing(result) {
            layers.push(Layer::Strip { from: low, to: high, colour: MARK, alpha: 0.2 });
            let points = vec![(epoch, y.0), (epoch, y.1)];
            layers.push(Layer::Line { points, colour: MARK, width: 1.6, alpha: 1.0, dashed: true });
            let last = result.differences.last().map_or(0.0, |d| d.epoch);
            let where_ = words::epoch_interval(epoch, low, high, 0.0, last);
            let inside = matches!(result.verdict, Verdict::InsideDecay { .. });
            let text = if inside { "crossing inside the decay" } else { "crossover" };
            keys.push(Key {
                text: format!("{text}: {where_}"),
                colour: MARK,
                swatch: Swatch::Line { width: 1.6, alpha: 1.0, dashed: true },
            });
        }
    }
    layers.extend(lines);
    let picture = Picture {
        width: WIDTH,
        height: 440.0,
        x_label: "epochs of the unique tokens".into(),
        y_label: format!("loss, {}", unit(input)),
        x: (0.0, epochs_end(x_end)),
        y,
        log_y: false,
        layers,
        keys,
    };
    picture.draw().map(Some)
}

/// A claim's evidence: the paired difference with its interval at every evaluation.
pub fn difference(input: &ReportInput, result: &Crossover) -> Result<Option<String>, ReportError> {
    let mut range = Range::default();
    range.include(0.0);
    for d in &result.differences {
        range.include(d.interval.low);
        range.include(d.interval.high);
    }
    let (Some(y), Some(last)) = (range.padded(), result.differences.last()) else { return Ok(None) };
    let colour = |arm: &str| input.record.arms.iter().position(|known| known == arm).map_or(INK, arm_colour);
    let (of, than) = (colour(&result.of), colour(&result.than));
    let side = |side: Side| -> Vec<(f64, f64)> {
        result.differences.iter().filter(|d| d.side == side).map(|d| (d.epoch, d.value)).collect()
    };
    let band = result.differences.iter().map(|d| (d.epoch, d.interval.low, d.interval.high)).collect();
    let curve = result.differences.iter().map(|d| (d.epoch, d.value)).collect();
    let mut layers = vec![];
    let word = |arm: &str| if result.under { format!("{arm} lower, at 95%") } else { format!("{arm} higher, at 95%") };
    let mut keys = vec![
        line_key(word(&result.of), of, 5.0, 1.0),
        line_key(word(&result.than), than, 5.0, 1.0),
        line_key("no clear difference".into(), INK, 5.0, 0.8),
        box_key("95% interval".into(), INK, 0.45),
    ];
    if let Some(from) = result.decay_from_epoch.filter(|from| *from < last.epoch) {
        layers.push(Layer::Strip { from, to: f64::INFINITY, colour: INK, alpha: 0.14 });
        keys.push(box_key("learning-rate decay".into(), INK, 0.3));
    }
    layers.push(Layer::Band { points: band, colour: INK, alpha: 0.35 });
    layers.push(Layer::Line {
        points: vec![(0.0, 0.0), (epochs_end(last.epoch), 0.0)],
        colour: INK,
        width: 1.2,
        alpha: 1.0,
        dashed: true,
    });
    if let Some((epoch, low, high)) = crossing(result) {
        layers.push(Layer::Strip { from: low, to: high, colour: MARK, alpha: 0.2 });
        layers.push(Layer::Line {
            points: vec![(epoch, y.0), (epoch, y.1)],
            colour: MARK,
            width: 1.6,
            alpha: 1.0,
            dashed: true,
        });
    }
    layers.push(Layer::Line { points: curve, colour: INK, width: 1.6, alpha: 0.9, dashed: false });
    layers.push(Layer::Dots { points: side(Side::Neither), colour: INK, filled: false });
    layers.push(Layer::Dots { points: side(Side::Of), colour: of, filled: true });
    layers.push(Layer::Dots { points: side(Side::Than), colour: than, filled: true });
    let picture = Picture {
        width: WIDTH,
        height: 300.0,
        x_label: "epochs of the unique tokens".into(),
        y_label: format!("{} - {}, {}", result.of, result.than, unit(input)),
        x: (0.0, epochs_end(last.epoch)),
        y,
        log_y: false,
        layers,
        keys,
    };
    picture.draw().map(Some)
}

/// Loss of the last evaluation by tenth of how much is noise, or of the place in the row; of the last training steps
/// where no evaluation tells.
pub fn deciles(input: &ReportInput, findings: &Findings) -> Result<Option<String>, ReportError> {
    let mut range = Range::default();
    let (mut layers, mut keys) = (vec![], vec![]);
    for (i, run, series, name) in runs(input, findings) {
        let evaluated = series.and_then(Series::last).map(evaluated_deciles).filter(|points| !points.is_empty());
        let points = evaluated.unwrap_or_else(|| end_deciles(run));
        if points.is_empty() {
            continue;
        }
        points.iter().for_each(|(_, y)| range.include(*y));
        let masked = run.steps().any(|s| s.masked_fraction < 1.0) || series.is_some_and(|s| !s.exact);
        let of = if masked { "noise" } else { "position" };
        let colour = colour_of(input, run, i);
        keys.push(line_key(format!("{name}: by {of}"), colour, 2.4, 1.0));
        layers.push(Layer::Line { points: points.clone(), colour, width: 2.4, alpha: 1.0, dashed: false });
        layers.push(Layer::Dots { points, colour, filled: true });
    }
    let Some(y) = range.padded() else { return Ok(None) };
    let picture = Picture {
        width: WIDTH,
        height: 300.0,
        x_label: "decile".into(),
        y_label: format!("cross-entropy, {}", unit(input)),
        x: (0.7, 10.3),
        y,
        log_y: false,
        layers,
        keys,
    };
    picture.draw().map(Some)
}

/// Gradient norm before clipping, on a logarithmic scale, with the clip threshold where the locks agree on one.
pub fn gradient_norm(input: &ReportInput, findings: &Findings) -> Result<Option<String>, ReportError> {
    let mut range = Range::default();
    let mut x_end: f64 = 0.0;
    let (mut layers, mut keys) = (vec![], vec![]);
    for (i, run, _, name) in runs(input, findings) {
        let points: Vec<(f64, f64)> = binned(run, |s| s.grad_norm).into_iter().filter(|(_, y)| *y > 0.0).collect();
        if points.is_empty() {
            continue;
        }
        for (x, y) in &points {
            range.include(*y);
            x_end = x_end.max(*x);
        }
        let colour = colour_of(input, run, i);
        keys.push(line_key(name.to_owned(), colour, 1.6, 1.0));
        layers.push(Layer::Line { points, colour, width: 1.6, alpha: 1.0, dashed: false });
    }
    if let Some(clip) = clip_threshold(input).filter(|_| !layers.is_empty()) {
        range.include(clip);
        layers.push(Layer::Line {
            points: vec![(0.0, clip), (epochs_end(x_end), clip)],
            colour: INK,
            width: 1.2,
            alpha: 1.0,
            dashed: true,
        });
        let swatch = Swatch::Line { width: 1.2, alpha: 1.0, dashed: true };
        keys.push(Key { text: format!("clipped above {}", words::plain(clip)), colour: INK, swatch });
    }
    let Some((low, high)) = range.bounds() else { return Ok(None) };
    let picture = Picture {
        width: WIDTH,
        height: 300.0,
        x_label: "epochs of the unique tokens".into(),
        y_label: "gradient norm before clipping".into(),
        x: (0.0, epochs_end(x_end)),
        y: (low / 1.15, high * 1.15),
        log_y: true,
        layers,
        keys,
    };
    picture.draw().map(Some)
}

/// A picture as a file of its own: it brings the two lines of style that the page gives otherwise.
pub fn standalone(svg: &str) -> String {
    let style = "<style>text[fill=\"#808080\"]{fill:#444}\
                 @media (prefers-color-scheme:dark){text[fill=\"#808080\"]{fill:#c8ccd2}}</style>";
    match svg.find('>') {
        Some(end) => format!("{}>\n{style}{}", svg.get(..end).unwrap_or(svg), svg.get(end + 1..).unwrap_or_default()),
        None => svg.to_owned(),
    }
}

fn runs<'a>(
    input: &'a ReportInput,
    findings: &'a Findings,
) -> impl Iterator<Item = (usize, &'a RunRecord, Option<&'a crate::claims::Series>, &'a str)> {
    let all = input.runs.iter().zip(&findings.series).zip(&findings.names).enumerate();
    all.map(|(i, ((run, series), name))| (i, run, series.as_ref(), name.as_str()))
}

/// An arm has one colour at all points; a run of no arm of the spec takes its own.
fn colour_of(input: &ReportInput, run: &RunRecord, i: usize) -> RGBColor {
    arm_colour(input.record.arms.iter().position(|arm| *arm == run.arm).unwrap_or(i))
}

fn unit(input: &ReportInput) -> String {
    input.runs.iter().find_map(RunRecord::start).map_or("nats".into(), |start| start.loss_unit.clone())
}

fn decay_from(findings: &Findings) -> Option<f64> {
    findings.series.iter().flatten().find_map(crate::claims::Series::decay_from_epoch)
}

/// The axis ends with the last epoch, which the budget may miss by part of a step.
fn epochs_end(last: f64) -> f64 {
    if last.ceil() - last < 0.05 { last.ceil().max(1e-9) } else { last.max(1e-9) }
}

fn crossing(result: &Crossover) -> Option<(f64, f64, f64)> {
    match result.verdict {
        Verdict::Held { epoch, low, high, .. } | Verdict::InsideDecay { epoch, low, high, .. } => {
            Some((epoch, low, high))
        }
        Verdict::Censored { .. } | Verdict::NeverBehind { .. } | Verdict::Undecided { .. } => None,
    }
}

fn line_key(text: String, colour: RGBColor, width: f64, alpha: f64) -> Key {
    Key { text, colour, swatch: Swatch::Line { width, alpha, dashed: false } }
}

fn box_key(text: String, colour: RGBColor, alpha: f64) -> Key {
    Key { text, colour, swatch: Swatch::Box { alpha } }
}

/// Means of a step's quantity over equal bins of steps, against the epoch at the bin's middle.
fn binned(run: &RunRecord, of: impl Fn(&crate::store::metrics::Step) -> f64) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = run.steps().map(|s| (s.epoch, of(s))).filter(|(_, y)| y.is_finite()).collect();
    let size = all.len().div_ceil(N_BINS).max(1);
    all.chunks(size)
        .map(|bin| {
            let n = bin.len() as f64;
            (bin.iter().map(|(x, _)| x).sum::<f64>() / n, bin.iter().map(|(_, y)| y).sum::<f64>() / n)
        })
        .collect()
}

fn evaluated_deciles(point: &Point) -> Vec<(f64, f64)> {
    let of = |(i, loss): (usize, &Option<f64>)| Some((i as f64 + 1.0, loss.filter(|x| x.is_finite())?));
    point.loss_by_decile.iter().enumerate().filter_map(of).collect()
}

fn end_deciles(run: &RunRecord) -> Vec<(f64, f64)> {
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
    let mean = |(i, (sum, count)): (usize, (f64, u32))| (i as f64 + 1.0, sum / f64::from(count));
    sums.into_iter().enumerate().filter(|(_, (_, count))| *count > 0).map(mean).collect()
}

fn clip_threshold(input: &ReportInput) -> Option<f64> {
    let of = |run: &RunRecord| -> Option<f64> {
        run.lock.as_ref()?.fields.iter().find(|f| f.path == "train.clip")?.value.parse().ok()
    };
    let mut all: Vec<f64> = input.runs.iter().filter_map(of).filter(|clip| *clip > 0.0).collect();
    all.dedup();
    if let [clip] = all.as_slice() { Some(*clip) } else { None }
}

/// The smallest range that holds what was shown to it; what is not finite is not shown.
#[derive(Clone, Copy, Default)]
struct Range(Option<(f64, f64)>);

impl Range {
    fn include(&mut self, y: f64) {
        if y.is_finite() {
            let (low, high) = self.0.unwrap_or((y, y));
            self.0 = Some((low.min(y), high.max(y)));
        }
    }

    fn bounds(self) -> Option<(f64, f64)> {
        self.0
    }

    fn padded(self) -> Option<(f64, f64)> {
        let (low, high) = self.0?;
        let room = if high > low { 0.05 * (high - low) } else { 0.5 };
        Some((low - room, high + room))
    }
}
