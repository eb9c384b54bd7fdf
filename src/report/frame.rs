//! One picture: two axes, layers in data coordinates, a legend. Says nothing about runs.
//!
//! Pictures have no background and mid-tone colours, so that one file is readable on a light page and
//! on a dark one. Grey text carries one fixed colour that a style sheet may replace.

use super::ReportError;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and axes; `text[fill="#808080"]` in a style sheet.
pub const INK: RGBColor = RGBColor(0x80, 0x80, 0x80);
/// Told apart with common colour blindness, and on white as on black.
const ARM_COLOURS: [RGBColor; 6] = [
    RGBColor(0x3b, 0x82, 0xf6),
    RGBColor(0xe0, 0x7b, 0x16),
    RGBColor(0x1f, 0xa3, 0x7a),
    RGBColor(0xd6, 0x58, 0x9f),
    RGBColor(0x8b, 0x6c, 0xf0),
    RGBColor(0x9a, 0x8b, 0x1f),
];
pub const MARK: RGBColor = RGBColor(0xb0, 0x52, 0xc8);

/// Pixels are whole numbers in plotters; drawing at three times the shown size makes them fine enough.
const SCALE: f64 = 3.0;
const FONT: f64 = 13.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 46.0;
const LEGEND_ROW: f64 = 22.0;

pub fn arm_colour(i: usize) -> RGBColor {
    ARM_COLOURS.get(i % ARM_COLOURS.len()).copied().unwrap_or(INK)
}

/// What to draw, bottom first. Points outside the axes are clipped; a value that is not a number
/// breaks a line.
pub enum Layer {
    /// A vertical strip.
    Strip {
        from: f64,
        to: f64,
        colour: RGBColor,
        alpha: f64,
    },
    /// (x, low, high)
    Band {
        points: Vec<(f64, f64, f64)>,
        colour: RGBColor,
        alpha: f64,
    },
    Line {
        points: Vec<(f64, f64)>,
        colour: RGBColor,
        width: f64,
        alpha: f64,
        dashed: bool,
    },
    Dots {
        points: Vec<(f64, f64)>,
        colour: RGBColor,
        filled: bool,
    },
}

pub enum Swatch {
    Line { width: f64, alpha: f64, dashed: bool },
    Box { alpha: f64 },
}

pub struct Key {
    pub text: String,
    pub colour: RGBColor,
    pub swatch: Swatch,
}

pub struct Picture {
    pub width: f64,
    pub height: f64,
    pub x_label: String,
    pub y_label: String,
    pub x: (f64, f64),
    pub y: (f64, f64),
    /// Ranges and points stay in plain units.
    pub log_y: bool,
    pub layers: Vec<Layer>,
    pub keys: Vec<Key>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), String>;

impl Picture {
    /// The picture as SVG text, scaled by its view box.
    pub fn draw(&self) -> Result<String, ReportError> {
        let mut svg = String::new();
        let size = (px(self.width) as u32, px(self.height) as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            self.draw_on(&area).and_then(|()| area.present().map_err(text)).map_err(ReportError::Plot)?;
        }
        // The size it is shown at; the view box keeps the finer one it was drawn at.
        let drawn = format!("<svg width=\"{}\" height=\"{}\"", size.0, size.1);
        Ok(svg.replacen(&drawn, &format!("<svg width=\"{}\" height=\"{}\" role=\"img\"", self.width, self.height), 1))
    }

    fn draw_on(&self, area: &Area<'_>) -> Drawn {
        self.draw_axes(area)?;
        for layer in &self.layers {
            self.draw_layer(area, layer)?;
        }
        for (key, (x, y)) in self.keys.iter().zip(self.key_places()) {
            draw_key(area, key, x, y)?;
        }
        Ok(())
    }

    fn key_width(key: &Key) -> f64 {
        33.0 + text_width(&key.text) + 20.0
    }

    /// Left ends and middles of the legend's entries, broken into rows.
    fn key_places(&self) -> Vec<(f64, f64)> {
        let (mut x, mut y) = (LEFT, LEGEND_ROW / 2.0 + 2.0);
        let mut places = vec![];
        for key in &self.keys {
            let width = Picture::key_width(key);
            if x > LEFT && x + width > self.width {
                (x, y) = (LEFT, y + LEGEND_ROW);
            }
            places.push((x, y));
            x += width;
        }
        places
    }

    fn top(&self) -> f64 {
        self.key_places().last().map_or(10.0, |(_, y)| y + LEGEND_ROW / 2.0 + 8.0)
    }

    fn map_x(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (self.width - LEFT - RIGHT)
    }

    fn map_y(&self, y: f64) -> f64 {
        let share = if self.log_y {
            (y.ln() - self.y.0.ln()) / (self.y.1.ln() - self.y.0.ln())
        } else {
            (y - self.y.0) / (self.y.1 - self.y.0)
        };
        self.height - BOTTOM - share * (self.height - BOTTOM - self.top())
    }

    fn map(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (px(self.map_x(x)), px(self.map_y(y)))
    }

    fn draw_axes(&self, area: &Area<'_>) -> Drawn {
        let (left, right) = (LEFT, self.width - RIGHT);
        let (top, bottom) = (self.top(), self.height - BOTTOM);
        let grid = INK.mix(0.22).stroke_width(px(0.7) as u32);
        let axis = INK.mix(0.8).stroke_width(px(1.0) as u32);
        let line = |from: (f64, f64), to: (f64, f64), style: ShapeStyle| {
            area.draw(&PathElement::new(vec![point(from), point(to)], style)).map_err(text)
        };
        let (y_ticks, y_decimals) = if self.log_y { log_ticks(self.y) } else { ticks(self.y, 6) };
        for tick in y_ticks {
            let y = self.map_y(tick);
            line((left, y), (right, y), grid)?;
            let label = if self.log_y { super::words::plain_small(tick) } else { format!("{tick:.y_decimals$}") };
            write(area, &label, (left - 8.0, y), (HPos::Right, VPos::Center), FontTransform::None, INK)?;
        }
        let (x_ticks, x_decimals) = ticks(self.x, 10);
        for tick in x_ticks {
            let x = self.map_x(tick);
            line((x, bottom), (x, bottom + 4.0), axis)?;
            let label = format!("{tick:.x_decimals$}");
            write(area, &label, (x, bottom + 8.0), (HPos::Center, VPos::Top), FontTransform::None, INK)?;
        }
        line((left, bottom), (right, bottom), axis)?;
        let middle = ((left + right) / 2.0, self.height - 14.0);
        write(area, &self.x_label, middle, (HPos::Center, VPos::Center), FontTransform::None, INK)?;
        let beside = (14.0, (top + bottom) / 2.0);
        write(area, &self.y_label, beside, (HPos::Center, VPos::Center), FontTransform::Rotate270, INK)
    }

    fn draw_layer(&self, area: &Area<'_>, layer: &Layer) -> Drawn {
        match layer {
            Layer::Strip { from, to, colour, alpha } => {
                let (from, to) = (from.max(self.x.0), to.min(self.x.1));
                if from < to {
                    let corners = [(self.map_x(from), self.top()), (self.map_x(to), self.height - BOTTOM)];
                    area.draw(&Rectangle::new(corners.map(point), colour.mix(*alpha).filled())).map_err(text)?;
                }
                Ok(())
            }
            Layer::Band { points, colour, alpha } => {
                let inside = |y: f64| y.clamp(self.y.0, self.y.1);
                let finite = || points.iter().filter(|(_, low, high)| low.is_finite() && high.is_finite());
                let mut outline: Vec<(i32, i32)> = finite().map(|(x, low, _)| self.map((*x, inside(*low)))).collect();
                outline.extend(finite().rev().map(|(x, _, high)| self.map((*x, inside(*high)))));
                if outline.len() > 3 {
                    area.draw(&Polygon::new(outline, colour.mix(*alpha).filled())).map_err(text)?;
                }
                Ok(())
            }
            Layer::Line { points, colour, width, alpha, dashed } => {
                let style = colour.mix(*alpha).stroke_width(px(*width) as u32);
                for piece in clip(points, self.y) {
                    let mapped: Vec<(f64, f64)> = piece.iter().map(|(x, y)| (self.map_x(*x), self.map_y(*y))).collect();
                    let pieces = if *dashed { dashes(&mapped, 6.0, 4.0) } else { vec![mapped] };
                    for piece in pieces {
                        let path: Vec<(i32, i32)> = piece.into_iter().map(point).collect();
                        area.draw(&PathElement::new(path, style)).map_err(text)?;
                    }
                }
                Ok(())
            }
            Layer::Dots { points, colour, filled } => {
                for (x, y) in points.iter().filter(|(_, y)| (self.y.0..=self.y.1).contains(y)) {
                    let style = if *filled { colour.filled() } else { colour.stroke_width(px(1.4) as u32) };
                    area.draw(&Circle::new(self.map((*x, *y)), px(2.8), style)).map_err(text)?;
                }
                Ok(())
            }
        }
    }
}

fn draw_key(area: &Area<'_>, key: &Key, x: f64, y: f64) -> Drawn {
    match key.swatch {
        Swatch::Line { width, alpha, dashed } => {
            let style = key.colour.mix(alpha).stroke_width(px(width) as u32);
            let whole = vec![(x, y), (x + 26.0, y)];
            for piece in if dashed { dashes(&whole, 6.0, 4.0) } else { vec![whole] } {
                let path: Vec<(i32, i32)> = piece.into_iter().map(point).collect();
                area.draw(&PathElement::new(path, style)).map_err(text)?;
            }
        }
        Swatch::Box { alpha } => {
            let corners = [(x, y - 6.0), (x + 26.0, y + 6.0)].map(point);
            area.draw(&Rectangle::new(corners, key.colour.mix(alpha).filled())).map_err(text)?;
        }
    }
    write(area, &key.text, (x + 33.0, y), (HPos::Left, VPos::Center), FontTransform::None, INK)
}

fn write(
    area: &Area<'_>,
    words: &str,
    place: (f64, f64),
    (h, v): (HPos, VPos),
    turn: FontTransform,
    colour: RGBColor,
) -> Drawn {
    // plotters divides the size by 1.24 when it writes SVG.
    let font = ("system-ui, sans-serif", FONT * 1.24 * SCALE).into_font().transform(turn);
    let style = TextStyle::from(font).color(&colour).pos(Pos::new(h, v));
    area.draw(&Text::new(words.to_owned(), point(place), style)).map_err(text)
}

/// Text cannot be measured here; a generous guess for a wide proportional face.
fn text_width(words: &str) -> f64 {
    let ems = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' | '[' | ']' => 0.36,
        'f' | 't' | 'r' | '-' => 0.44,
        'm' | 'w' | 'M' | 'W' | '%' => 0.98,
        _ => 0.66,
    };
    words.chars().map(ems).sum::<f64>() * FONT
}

fn px(x: f64) -> i32 {
    (x * SCALE).round() as i32
}

fn point((x, y): (f64, f64)) -> (i32, i32) {
    (px(x), px(y))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Round numbers inside a range, about `n` of them, and the decimals they need.
pub fn ticks((low, high): (f64, f64), n: usize) -> (Vec<f64>, usize) {
    let rough = (high - low) / n as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return (vec![low], 2);
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= rough * 0.999).unwrap_or(power);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    ((first..=last).map(|i| i as f64 * step).collect(), decimals)
}

/// 1, 2 and 5 times the powers of ten inside a range; powers alone where that is enough.
fn log_ticks((low, high): (f64, f64)) -> (Vec<f64>, usize) {
    let decades = (high / low).log10();
    let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = (low.log10().floor() as i32..=high.log10().ceil() as i32)
        .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
        .filter(|tick| *tick >= low * 0.999 && *tick <= high * 1.001)
        .collect();
    (all, 0)
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
        let inside = |x: f64, y: f64| {
            if y < low {
                (at(low), low)
            } else if y > high {
                (at(high), high)
            } else {
                (x, y)
            }
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

/// A line cut into strokes of `on` pixels with gaps of `off`.
fn dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut strokes = vec![];
    let mut stroke: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let &[(x0, y0), (x1, y1)] = pair else { continue };
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let here = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
            if drawing {
                stroke.push(here);
                strokes.push(std::mem::take(&mut stroke));
            } else {
                stroke = vec![here];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length - done;
        if drawing {
            stroke.push((x1, y1));
        }
    }
    if stroke.len() > 1 {
        strokes.push(stroke);
    }
    strokes
}
