//! Rotary position embedding (Su et al. 2021), halves rotated against each other as in GPT-NeoX:
//! for pair (j, j + d/2) the angle is `position * base^(-2j/d)`. Tables are computed in f64.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// `(x [B, H, T, d], positions [T]) -> [B, H, T, d]`; `inverse` turns backwards, which is the gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub base: f64,
    pub inverse: bool,
}

impl Rope {
    /// The angle of each pair at a position.
    pub fn angles(&self, position: f64, d: usize) -> impl Iterator<Item = f64> + '_ {
        let sign = if self.inverse { -1.0 } else { 1.0 };
        (0..d / 2).map(move |j| sign * position * self.base.powf(-((2 * j) as f64) / d as f64))
    }
}

impl Operation for Rope {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, positions] = inputs else { return Err(Mismatch("rope takes a tensor and positions".into())) };
        match (x.shape.as_slice(), positions.shape.as_slice(), positions.elem) {
            ([_, _, t, Dim::Fixed(d)], [p], Elem::Index { .. }) if t == p && x.elem == Elem::Compute => {
                if d % 2 == 0 {
                    Ok(vec![(*x).clone()])
                } else {
                    Err(Mismatch(format!("rope turns pairs: a head width of {d} is odd")))
                }
            }
            _ => Err(Mismatch(format!("rope takes [B, heads, T, width] and positions [T], not {x} and {positions}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let positions = cx.input(1);
        let back = Rope { base: self.base, inverse: !self.inverse };
        vec![cx.emit(back, &[dy, positions]).first().copied(), None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (x, positions) = (inputs[0], inputs[1]);
        let (t, d) = (x.shape[2], x.shape[3]);
        let mut y = x.clone();
        for (i, row) in y.data.chunks_mut(d).enumerate() {
            let (first, second) = row.split_at_mut(d / 2);
            for (j, angle) in self.angles(positions.data[i % t], d).enumerate() {
                let (sin, cos) = angle.sin_cos();
                let (a, b) = (first[j], second[j]);
                first[j] = a * cos - b * sin;
                second[j] = b * cos + a * sin;
            }
        }
        vec![y]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("base", self.base.to_string()), ("inverse", self.inverse.to_string())]
    }
}
