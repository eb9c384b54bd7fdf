//! A chart at a size, as SVG. Elements carry classes; a style sheet gives them colours, so that one drawing is readable
//! on a light page and on a dark one.

use super::{Chart, Colour, Key, Line, Look, Mark, Spot, Swatch};
use maud::{Markup, html};

/// Where a chart is drawn and how large its letters are, in the units of the view box.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub width: f64,
    pub height: f64,
    pub font: f64,
    pub dot: f64,
}

/// A chart over the whole width of a page.
pub const WIDE: Frame = Frame { width: 900.0, height: 400.0, font: 13.0, dot: 3.0 };
/// The same on a telephone.
pub const NARROW: Frame = Frame { width: 360.0, height: 290.0, font: 11.5, dot: 2.2 };
/// One of two.
pub const HALF: Frame = Frame { width: 450.0, height: 300.0, font: 12.0, dot: 2.4 };
/// One of several.
pub const PANEL: Frame = Frame { width: 320.0, height: 230.0, font: 11.0, dot: 2.0 };

const RIGHT: f64 = 16.0;
const TOP: f64 = 8.0;

/// The part of a frame between the axes, with the chart whose values it shows.
pub struct Plot<'a> {
    chart: &'a Chart,
    frame: Frame,
    left: f64,
    bottom: f64,
}

impl Plot<'_> {
    pub fn new(chart: &Chart, frame: Frame) -> Plot<'_> {
        let labels = chart.y.ticks(frame.y_ticks());
        let widest = labels.iter().map(|(_, text)| text_width(text, frame.font)).fold(0.0, f64::max);
        let label = if chart.y.label.is_empty() { 0.0 } else { frame.font * 1.7 };
        Plot { chart, frame, left: label + widest + 8.0, bottom: frame.height - frame.font * 3.1 }
    }

    pub fn x(&self, x: f64) -> f64 {
        self.left + self.chart.x.share(x) * (self.right() - self.left)
    }

    pub fn y(&self, y: f64) -> f64 {
        self.bottom - self.chart.y.share(y) * (self.bottom - TOP)
    }

    fn right(&self) -> f64 {
        self.frame.width - RIGHT
    }

    pub fn top(&self) -> f64 {
        TOP
    }

    pub fn bottom(&self) -> f64 {
        self.bottom
    }

    /// Whether a spot is drawn at all.
    pub fn shows(&self, spot: &Spot) -> bool {
        let ((x0, x1), (y0, y1)) = (self.chart.x.range, self.chart.y.range);
        (x0..=x1).contains(&spot.x) && (y0..=y1).contains(&spot.y)
    }

    /// Everything inside the frame.
    pub fn body(&self) -> Markup {
        html! {
            (self.axes())
            @for mark in &self.chart.marks { (self.mark(mark)) }
            @for line in &self.chart.lines { (self.band(line)) }
            @for line in &self.chart.lines { (self.line(line)) }
        }
    }

    fn axes(&self) -> Markup {
        let (left, right, bottom) = (self.left, self.right(), self.bottom);
        let font = self.frame.font;
        let middle = (TOP + bottom) / 2.0;
        html! {
            g.axes font-size=(number(font)) {
                @for (tick, text) in self.chart.y.ticks(self.frame.y_ticks()) {
                    @let y = number(self.y(tick));
                    line.grid x1=(number(left)) y1=(y) x2=(number(right)) y2=(y) {}
                    text x=(number(left - 6.0)) y=(number(self.y(tick) + font * 0.35)) text-anchor="end" { (text) }
                }
                @for (tick, text) in self.chart.x.ticks(self.frame.x_ticks()) {
                    @let x = number(self.x(tick));
                    line.axis x1=(x) y1=(number(bottom)) x2=(x) y2=(number(bottom + 4.0)) {}
                    text x=(x) y=(number(bottom + 5.0 + font)) text-anchor="middle" { (text) }
                }
                line.axis x1=(number(left)) y1=(number(bottom)) x2=(number(right)) y2=(number(bottom)) {}
                text x=(number((left + right) / 2.0)) y=(number(self.frame.height - font * 0.45)) text-anchor="middle" { (self.chart.x.title()) }
                @if !self.chart.y.label.is_empty() { text x="0" y="0" text-anchor="middle" transform=(format!("translate({} {}) rotate(-90)", number(font), number(middle))) { (self.chart.y.title()) } }
            }
        }
    }

    fn mark(&self, mark: &Mark) -> Markup {
        let (x0, x1) = self.chart.x.range;
        let height = number(self.bottom - TOP);
        let class = |colour: &Colour| colour.class();
        html! {
            @match mark {
                Mark::Strip { from, to, colour, .. } => {
                    @let (from, to) = (from.max(x0), to.min(x1));
                    @if from < to {
                        rect class={ "strip " (class(colour)) } x=(number(self.x(from))) y=(number(TOP)) width=(number(self.x(to) - self.x(from))) height=(height) {}
                    }
                }
                Mark::Upright { x, colour } => {
                    @if (x0..=x1).contains(x) {
                        line class={ "upright " (class(colour)) } x1=(number(self.x(*x))) y1=(number(TOP)) x2=(number(self.x(*x))) y2=(number(self.bottom)) {}
                    }
                }
                Mark::Level { y, colour, .. } => {
                    @let y = number(self.y(*y));
                    line class={ "upright " (class(colour)) } x1=(number(self.left)) y1=(y) x2=(number(self.right())) y2=(y) {}
                }
                Mark::Ring { x, y, colour, .. } => {
                    @if self.shows(&Spot { x: *x, y: *y, spread: None }) {
                        circle class={ "ring " (class(colour)) } cx=(number(self.x(*x))) cy=(number(self.y(*y))) r=(number(self.frame.dot + 4.0)) {}
                    }
                }
            }
        }
    }

    /// The spread around a line.
    fn band(&self, line: &Line) -> Markup {
        let (y0, y1) = self.chart.y.range;
        let finite = |spot: &Spot| spot.spread.filter(|(low, high)| low.is_finite() && high.is_finite());
        let ends: Vec<(f64, f64, f64)> =
            line.spots.iter().filter_map(|spot| finite(spot).map(|(low, high)| (spot.x, low, high))).collect();
        let upper = ends.iter().map(|(x, _, high)| (*x, high.clamp(y0, y1)));
        let lower = ends.iter().rev().map(|(x, low, _)| (*x, low.clamp(y0, y1)));
        let outline: Vec<(f64, f64)> = upper.chain(lower).map(|(x, y)| (self.x(x), self.y(y))).collect();
        html! {
            @if outline.len() > 2 { path class={ "band " (line.colour.class()) } d=(path(&outline) + "Z") {} }
        }
    }

    fn line(&self, line: &Line) -> Markup {
        let points: Vec<(f64, f64)> = line.spots.iter().map(|spot| (spot.x, spot.y)).collect();
        let place = |piece: &Vec<(f64, f64)>| {
            let placed: Vec<(f64, f64)> = piece.iter().map(|(x, y)| (self.x(*x), self.y(*y))).collect();
            path(&placed)
        };
        let stroked = !matches!(line.look, Look::Dots { .. });
        let d: String =
            if stroked { clip(&points, self.chart.y.range).iter().map(place).collect() } else { String::new() };
        // Many dots on one line would be a thicker line.
        let room = 0.4 * (self.right() - self.left) / line.spots.len().max(1) as f64;
        let radius = number(self.frame.dot.min(room).max(1.0));
        let dots = line.spots.iter().filter(|spot| line.look.has_dots() && self.shows(spot));
        html! {
            g class=(classes(line.colour, line.look)) {
                @if !d.is_empty() { path.line d=(d) {} }
                @for spot in dots { circle.dot cx=(number(self.x(spot.x))) cy=(number(self.y(spot.y))) r=(radius) {} }
            }
        }
    }
}

impl Look {
    fn has_dots(self) -> bool {
        match self {
            Look::Main | Look::Dashed | Look::Dots { .. } => true,
            Look::Plain | Look::Thin => false,
        }
    }
}

impl Frame {
    fn x_ticks(self) -> usize {
        ((self.width / (self.font * 5.5)) as usize).clamp(3, 10)
    }

    fn y_ticks(self) -> usize {
        ((self.height / (self.font * 3.3)) as usize).clamp(3, 8)
    }
}

/// The look of a line as classes.
fn classes(colour: Colour, look: Look) -> String {
    let look = match look {
        Look::Main if colour.repeats() => "main again",
        Look::Main => "main",
        Look::Dashed => "dashed",
        Look::Plain if colour.repeats() => "plain again",
        Look::Plain => "plain",
        Look::Thin => "thin",
        Look::Dots { filled: true } => "dots",
        Look::Dots { filled: false } => "dots open",
    };
    format!("{look} {}", colour.class())
}

/// A sample of what a key stands for, 26 wide, around a middle line.
pub fn swatch(key: &Key, x: f64, y: f64) -> Markup {
    let at = |dx: f64| number(x + dx);
    html! {
        @match key.swatch {
            Swatch::Line(look @ Look::Dots { .. }) => g class=(classes(key.colour, look)) { circle.dot cx=(at(13.0)) cy=(number(y)) r="4" {} },
            Swatch::Line(look) => g class=(classes(key.colour, look)) { path.line d=(path(&[(x, y), (x + 26.0, y)])) {} },
            Swatch::Box => rect class={ "strip " (key.colour.class()) } x=(at(0.0)) y=(number(y - 6.0)) width="26" height="12" {},
            Swatch::Crossing => {
                rect class={ "strip " (key.colour.class()) } x=(at(0.0)) y=(number(y - 7.0)) width="26" height="14" {}
                line class={ "upright " (key.colour.class()) } x1=(at(13.0)) y1=(number(y - 7.0)) x2=(at(13.0)) y2=(number(y + 7.0)) {}
            }
            Swatch::Ring => circle class={ "ring " (key.colour.class()) } cx=(at(13.0)) cy=(number(y)) r="6" {},
        }
    }
}

/// A coordinate, to a tenth: finer cannot be seen.
pub fn number(x: f64) -> String {
    let text = format!("{:.1}", if x.is_finite() { x } else { 0.0 });
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn path(points: &[(f64, f64)]) -> String {
    let step =
        |(i, (x, y)): (usize, &(f64, f64))| format!("{}{} {}", if i == 0 { 'M' } else { 'L' }, number(*x), number(*y));
    points.iter().enumerate().map(step).collect()
}

/// Text cannot be measured here; a guess for a wide proportional face.
pub fn text_width(words: &str, font: f64) -> f64 {
    let ems = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' | '[' | ']' => 0.36,
        'f' | 't' | 'r' | '-' => 0.44,
        'm' | 'w' | 'M' | 'W' | '%' => 0.98,
        _ => 0.62,
    };
    words.chars().map(ems).sum::<f64>() * font
}

/// The pieces of a line inside a range of y, cut where it crosses the range's ends.
pub fn clip(points: &[(f64, f64)], (low, high): (f64, f64)) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = vec![];
    let mut piece: Vec<(f64, f64)> = vec![];
    let mut close = |piece: &mut Vec<(f64, f64)>| {
        if piece.len() > 1 {
            pieces.push(std::mem::take(piece));
        }
        piece.clear();
    };
    for pair in points.windows(2) {
        let &[(x0, y0), (x1, y1)] = pair else { continue };
        if !(y0.is_finite() && y1.is_finite()) || y0.max(y1) < low || y0.min(y1) > high {
            close(&mut piece);
            continue;
        }
        let at = |y: f64| if y1 == y0 { x0 } else { x0 + (y - y0) / (y1 - y0) * (x1 - x0) };
        let inside = |x: f64, y: f64| match y {
            _ if y < low => (at(low), low),
            _ if y > high => (at(high), high),
            _ => (x, y),
        };
        if piece.is_empty() {
            piece.push(inside(x0, y0));
        }
        piece.push(inside(x1, y1));
        if !(low..=high).contains(&y1) {
            close(&mut piece);
        }
    }
    close(&mut piece);
    pieces
}
