//! Dropout (Srivastava et al. 2014), inverted: an element is 0 with chance `rate`, else divided by `1 - rate`, so
//! that means stay. Which elements are dropped is drawn anew each step and the same in forward and backward pass:
//! it is computed again, not kept.
//!
//! A draw is a function of its place: seed, step, row of the global batch, place of the operation in the model,
//! element of the row. So it depends neither on the size of micro-batches nor on what else draws. A region has one
//! node for all its layers; a layer's own place comes of its index, as a parameter's path does ([`Drops::at`]).
//! An element is dropped where its word is below `rate * 2^32`. 64 Philox blocks give 256 elements their words,
//! the first words of all before the second ones, so that a machine can compute the blocks side by side.

use super::gather_rows::{places_type, rows_type};
use super::{AlongT, Mismatch, Operation};
use crate::base::philox::{Purpose, Stream};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// What is drawn for a tensor without rows is drawn for this row.
pub const NO_ROW: u32 = u32::MAX;

/// Philox blocks that are computed side by side, of four words each.
const BLOCKS: usize = 64;

/// Which elements are dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Drops {
    /// In 0..1, and above 0.
    pub rate: f64,
    /// The place in the model, with a `*` for the index of each enclosing region: `layer.*.attention.attend`.
    pub site: String,
}

/// `(x, draw [3]) -> x`'s type; also its own gradient. After row pruning `(x [R, ..], draw, rows, places)`: what is
/// drawn is drawn for all positions, of which the rows are taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropout {
    pub drops: Drops,
    /// Whether the first dimension is that of the batch. Else all rows share what is drawn.
    pub has_rows: bool,
}

/// The values of `Input::Draw`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Key {
    pub seed: u32,
    pub step: u32,
    /// Of the global batch: that of the first of these rows.
    pub first_row: u32,
}

impl Key {
    pub fn of(draw: &[f64]) -> Key {
        let word = |i: usize| draw.get(i).copied().unwrap_or(0.0) as u32;
        Key { seed: word(0), step: word(1), first_row: word(2) }
    }
}

impl Drops {
    /// These in the instance at `indices`, one for each enclosing region.
    pub fn at(&self, indices: &[u64]) -> Drops {
        let mut indices = indices.iter();
        let part = |part: &str| match part {
            "*" => indices.next().map_or("*".to_string(), u64::to_string),
            other => other.to_string(),
        };
        Drops { rate: self.rate, site: self.site.split('.').map(part).collect::<Vec<_>>().join(".") }
    }

    /// The site as a word of the counter.
    pub fn word(&self) -> u32 {
        blake3::hash(self.site.as_bytes()).as_bytes().iter().take(4).rev().fold(0, |w, b| (w << 8) | u32::from(*b))
    }

    /// Words below this are dropped.
    pub fn threshold(&self) -> u32 {
        (self.rate * 2f64.powi(32)).round().min(f64::from(u32::MAX)) as u32
    }

    /// What is left is multiplied by this.
    pub fn scale(&self) -> f64 {
        1.0 / (1.0 - self.rate)
    }

    /// Whether each of the first `n` elements of a row is dropped.
    pub fn row(&self, key: Key, row: u32, n: usize) -> Vec<bool> {
        let stream = Stream::new(key.seed, Purpose::Dropout);
        let (word, threshold) = (self.word(), self.threshold());
        let group = |group: usize| {
            let blocks: [[u32; 4]; BLOCKS] =
                std::array::from_fn(|j| stream.bits([key.step, row, (group * BLOCKS + j) as u32, word]));
            (0..4).flat_map(move |w| blocks.into_iter().filter_map(move |block| block.get(w).copied()))
        };
        let words = (0..n.div_ceil(4 * BLOCKS)).flat_map(group);
        words.take(n).map(|word| word < threshold).collect()
    }

    /// What the elements of a whole tensor are multiplied by.
    pub fn factors(&self, key: Key, n_rows: Option<usize>, n: usize) -> Vec<f64> {
        let factor = |dropped: bool| if dropped { 0.0 } else { self.scale() };
        let rows: Vec<u32> = match n_rows {
            Some(rows) => (0..rows as u32).map(|i| key.first_row.wrapping_add(i)).collect(),
            None => vec![NO_ROW],
        };
        let per_row = n / rows.len().max(1);
        rows.into_iter().flat_map(|row| self.row(key, row, per_row)).map(factor).collect()
    }

    pub fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("rate", self.rate.to_string()), ("site", self.site.clone())]
    }
}

/// Whether this is what `Input::Draw` gives.
pub fn is_draw(ty: &Type) -> bool {
    matches!(ty.elem, Elem::Index { .. }) && ty.shape == [Dim::Fixed(3)]
}

impl Operation for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let (x, draw, has_rows) = match inputs {
            [x, draw] => (x, draw, x.shape.first() == Some(&Dim::Batch)),
            [x, draw, rows, places] if **rows == rows_type() && **places == places_type() => {
                (x, draw, x.shape.first() == Some(&Dim::Rows))
            }
            _ => return Err(Mismatch("dropout takes a tensor and the place of its draws".into())),
        };
        if matches!(x.elem, Elem::Index { .. }) || !is_draw(draw) || has_rows != self.has_rows {
            return Err(Mismatch(format!("dropout takes a tensor of numbers, not {x}")));
        }
        Ok(vec![(*x).clone()])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let n = cx.n_inputs();
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None; n] };
        let all: Vec<Value> = std::iter::once(dy).chain((1..n).map(|i| cx.input(i))).collect();
        let mut leaving = vec![None; n];
        if let Some(first) = leaving.first_mut() {
            *first = cx.emit(self.clone(), &all).first().copied();
        }
        leaving
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        if let [_, draw, rows, places] = inputs {
            let width: usize = x.shape[1..].iter().product();
            let all = self.drops.factors(Key::of(&draw.data), Some(places.shape[0]), places.data.len() * width);
            let factors = rows.data.iter().flat_map(|row| all[*row as usize * width..][..width].to_vec()).collect();
            return vec![x.zip(&Array::new(x.shape.clone(), factors), |x, factor| x * factor)];
        }
        let n_rows = self.has_rows.then(|| x.shape.first().copied().unwrap_or(1));
        let factors = self.drops.factors(Key::of(&inputs[1].data), n_rows, x.data.len());
        vec![x.zip(&Array::new(x.shape.clone(), factors), |x, factor| x * factor)]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.drops.attributes()
    }
}
