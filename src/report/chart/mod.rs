//! A chart as plain data: two axes, lines, marks. Says nothing about runs and nothing about pixels; `draw` gives it
//! a size, `embed` puts it on a page, `file` makes it a file.
pub mod draw;
pub mod embed;
pub mod file;
pub mod scale;
pub mod values;

pub use scale::{Axis, Numbers, Scale};

/// A picture of one or more panels, in one view or in one for each measure of progress.
#[derive(Clone, Debug)]
pub struct Figure {
    /// A name for its place on the page and for its files: `valid-loss`.
    pub id: String,
    pub title: String,
    /// What it shows and how to read it.
    pub caption: String,
    pub views: Vec<View>,
}

/// The same panels against one measure of progress; a figure that shows no progress has one view without a name.
#[derive(Clone, Debug)]
pub struct View {
    /// `epochs`; the class by which the page shows or hides it.
    pub along: Option<&'static str>,
    pub panels: Vec<Chart>,
}

#[derive(Clone, Debug)]
pub struct Chart {
    /// Above the panel, where a figure has several.
    pub heading: String,
    /// What is to be said of this panel alone: where its arms cross, which runs are missing.
    pub notes: Vec<String>,
    pub x: Axis,
    pub y: Axis,
    /// Bottom first, all below the lines.
    pub marks: Vec<Mark>,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub struct Line {
    /// In the legend, in the table of values and beside the pointer.
    pub name: String,
    pub colour: Colour,
    pub look: Look,
    pub spots: Vec<Spot>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub x: f64,
    /// A value that is not a number breaks the line.
    pub y: f64,
    /// One standard error, or an interval.
    pub spread: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A heavy line with a dot at each spot.
    Main,
    /// The same, broken: a second quantity of the same arm.
    Dashed,
    /// A line without dots: many values.
    Plain,
    /// The same, light: the background of something else.
    Thin,
    /// Dots alone.
    Dots { filled: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The i-th arm.
    Arm(usize),
    /// The i-th of n values that have an order.
    Shade(usize, usize),
    Ink,
    Mark,
}

/// Colours of arms before they repeat with another stroke.
pub const N_ARM_COLOURS: usize = 8;
/// Steps of the ordered colours.
pub const N_SHADES: usize = 9;

impl Colour {
    /// The class that a style sheet gives a colour to.
    pub fn class(self) -> String {
        match self {
            Colour::Arm(i) => format!("arm{}", i % N_ARM_COLOURS),
            Colour::Shade(_, 0 | 1) => "shade0".into(),
            Colour::Shade(i, n) => format!("shade{}", (i * (N_SHADES - 1) + (n - 1) / 2) / (n - 1)),
            Colour::Ink => "ink".into(),
            Colour::Mark => "mark".into(),
        }
    }

    /// Whether colours have run out, so that the stroke must tell it apart.
    pub fn repeats(self) -> bool {
        matches!(self, Colour::Arm(i) if i >= N_ARM_COLOURS)
    }
}

/// What stands behind the lines. `key`: its words in the legend.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A vertical strip; either end may be infinite.
    Strip { from: f64, to: f64, colour: Colour, key: String },
    /// A vertical broken line, inside a strip that says what it is.
    Upright { x: f64, colour: Colour },
    /// A horizontal broken line.
    Level { y: f64, colour: Colour, key: String },
    /// A ring around a place on a curve.
    Ring { x: f64, y: f64, colour: Colour, key: String },
}

impl Chart {
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.spots.is_empty())
    }

    /// The range of y that shows every heavy line with its spread; of light lines only what lies beside them, since the
    /// first steps of a training loss would flatten everything else.
    pub fn fit_y(&mut self) {
        let heavy = |line: &&Line| line.look != Look::Thin;
        let xs = self.lines.iter().filter(heavy).flat_map(|line| &line.spots).map(|spot| spot.x);
        let from = xs.fold(f64::INFINITY, f64::min);
        let from = if from.is_finite() { from } else { f64::NEG_INFINITY };
        let mut range = scale::Range::default();
        for line in &self.lines {
            for spot in line.spots.iter().filter(|spot| line.look != Look::Thin || spot.x >= from) {
                range.include(spot.y);
                let (low, high) = spot.spread.unwrap_or((spot.y, spot.y));
                range.include(low);
                range.include(high);
            }
        }
        for mark in &self.marks {
            if let Mark::Level { y, .. } = mark {
                range.include(*y);
            }
        }
        if let Some(range) = range.padded(self.y.scale) {
            self.y.range = range;
        }
    }
}

/// Gives all panels the same axes, so that heights and places compare across them.
pub fn share_scales(panels: &mut [Chart]) {
    let union = |of: &dyn Fn(&Chart) -> (f64, f64), panels: &[Chart]| {
        let ranges = panels.iter().filter(|panel| !panel.is_empty()).map(of);
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let (x, y) = (union(&|panel| panel.x.range, panels), union(&|panel| panel.y.range, panels));
    for panel in panels {
        panel.x.range = x.unwrap_or(panel.x.range);
        panel.y.range = y.unwrap_or(panel.y.range);
    }
}

/// An entry of the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub text: String,
    pub colour: Colour,
    pub swatch: Swatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swatch {
    Line(Look),
    Box,
    /// A strip with a broken line in it.
    Crossing,
    Ring,
}

impl Figure {
    pub fn is_empty(&self) -> bool {
        self.views.iter().flat_map(|view| &view.panels).all(Chart::is_empty)
    }
}

impl View {
    /// Each thing that is drawn once, in order, over all panels.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = vec![];
        let mut add = |key: Key| {
            if !key.text.is_empty() && !keys.contains(&key) {
                keys.push(key);
            }
        };
        for line in self.panels.iter().flat_map(|panel| &panel.lines).filter(|line| !line.spots.is_empty()) {
            add(Key { text: line.name.clone(), colour: line.colour, swatch: Swatch::Line(line.look) });
        }
        for mark in self.panels.iter().flat_map(|panel| &panel.marks) {
            let (key, colour, swatch) = match mark {
                Mark::Upright { .. } => continue,
                Mark::Strip { colour: Colour::Mark, key, .. } => (key, Colour::Mark, Swatch::Crossing),
                Mark::Strip { colour, key, .. } => (key, *colour, Swatch::Box),
                Mark::Level { colour, key, .. } => (key, *colour, Swatch::Line(Look::Dashed)),
                Mark::Ring { colour, key, .. } => (key, *colour, Swatch::Ring),
            };
            add(Key { text: key.clone(), colour, swatch });
        }
        keys
    }
}
