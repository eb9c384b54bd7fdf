//! Tensors side by side along the last dimension.

use super::chunk::Chunk;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// `([.., w0], [.., w1], ..) -> [.., w0 + w1 + ..]`
#[derive(Clone, Debug, PartialEq)]
pub struct Concat;

impl Operation for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let Some((first, rest)) = inputs.split_first() else {
            return Err(Mismatch("concat takes at least one tensor".into()));
        };
        let mut total = 0u64;
        for x in inputs {
            match (x.shape.split_last(), first.shape.split_last()) {
                (Some((Dim::Fixed(width), rows)), Some((_, wanted)))
                    if rows == wanted && x.elem == first.elem && !matches!(x.elem, Elem::Index { .. }) =>
                {
                    total = total.saturating_add(*width);
                }
                _ if rest.is_empty() => return Err(Mismatch(format!("concat takes a width of fixed size, not {x}"))),
                _ => return Err(Mismatch(format!("concat of {first} and {x}, which differ before their widths"))),
            }
        }
        let rows = first.shape.split_last().map_or(&[][..], |(_, rows)| rows);
        Ok(vec![Type::new(first.elem, [rows, &[Dim::Fixed(total)]].concat())])
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![] };
        let mut widths = vec![];
        while let Some(Dim::Fixed(width)) = cx.input_type(widths.len()).shape.last() {
            widths.push(*width);
        }
        cx.emit(Chunk { widths }, &[dy]).into_iter().map(Some).collect()
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let width: usize = inputs.iter().map(|x| x.width()).sum();
        let n_rows = inputs[0].data.len() / inputs[0].width().max(1);
        let mut shape = inputs[0].shape.clone();
        *shape.last_mut().unwrap_or(&mut 0) = width;
        let row = |i: usize| inputs.iter().flat_map(move |x| x.data[i * x.width()..(i + 1) * x.width()].to_vec());
        vec![Array::new(shape, (0..n_rows).flat_map(row).collect())]
    }
}
