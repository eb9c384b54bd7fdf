//! `[B, H, T, d]` to `[B, T, H * d]`: the inverse of `split_heads`.

use super::split_heads::SplitHeads;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

#[derive(Clone, Debug, PartialEq)]
pub struct MergeHeads;

impl Operation for MergeHeads {
    fn name(&self) -> &'static str {
        "merge_heads"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x] = inputs else { return Err(Mismatch("merge_heads takes one tensor".into())) };
        match x.shape.as_slice() {
            [b, Dim::Fixed(h), t, Dim::Fixed(d)] if x.elem == Elem::Compute => {
                Ok(vec![Type::compute([*b, *t, Dim::Fixed(h * d)])])
            }
            _ => Err(Mismatch(format!("merge_heads takes [B, heads, T, width], not {x}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None] };
        let heads = match cx.input_type(0).shape.get(1) {
            Some(Dim::Fixed(h)) => *h,
            _ => 1,
        };
        vec![cx.emit(SplitHeads { heads }, &[dy]).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let (b, h, t, d) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]);
        let mut y = Array::zeros([b, t, h * d]);
        for (i, row) in x.data.chunks(d).enumerate() {
            let (ib, ih, it) = (i / (t * h), i / t % h, i % t);
            y.data[((ib * t + it) * h + ih) * d..][..d].copy_from_slice(row);
        }
        vec![y]
    }
}
