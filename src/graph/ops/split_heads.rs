//! `[B, T, H * d]` to `[B, H, T, d]`: each head its own rows.

use super::merge_heads::MergeHeads;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

#[derive(Clone, Debug, PartialEq)]
pub struct SplitHeads {
    pub heads: u64,
}

impl Operation for SplitHeads {
    fn name(&self) -> &'static str {
        "split_heads"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x] = inputs else { return Err(Mismatch("split_heads takes one tensor".into())) };
        match x.shape.as_slice() {
            [b, t, Dim::Fixed(width)] if x.elem == Elem::Compute && self.heads > 0 && width % self.heads == 0 => {
                Ok(vec![Type::compute([*b, Dim::Fixed(self.heads), *t, Dim::Fixed(width / self.heads)])])
            }
            [_, _, Dim::Fixed(width)] if x.elem == Elem::Compute => {
                Err(Mismatch(format!("{} heads do not divide a width of {width}", self.heads)))
            }
            _ => Err(Mismatch(format!("split_heads takes [B, T, width], not {x}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
        vec![cx.emit(MergeHeads, &[dy]).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let (b, t, h) = (x.shape[0], x.shape[1], self.heads as usize);
        let d = x.shape[2] / h;
        let mut y = Array::zeros([b, h, t, d]);
        for (i, row) in x.data.chunks(d).enumerate() {
            let (ib, it, ih) = (i / (t * h), i / h % t, i % h);
            y.data[((ib * h + ih) * t + it) * d..][..d].copy_from_slice(row);
        }
        vec![y]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("heads", self.heads.to_string())]
    }
}
