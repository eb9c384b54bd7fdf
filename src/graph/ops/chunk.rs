//! A tensor cut along its last dimension, as the six modulations of a DiT block are cut out of one map.

use super::concat::Concat;
use super::zeros_like::ZerosLike;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// `[.., W] -> ([.., w0], [.., w1], ..)`, where the widths add up to W.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    pub widths: Vec<u64>,
}

impl Operation for Chunk {
    fn name(&self) -> &'static str {
        "chunk"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x] = inputs else { return Err(Mismatch("chunk takes one tensor".into())) };
        match x.shape.split_last() {
            Some((Dim::Fixed(width), rows))
                if *width == self.widths.iter().sum::<u64>()
                    && !self.widths.contains(&0)
                    && !matches!(x.elem, Elem::Index { .. }) =>
            {
                let part = |w: &u64| Type::new(x.elem, [rows, &[Dim::Fixed(*w)]].concat());
                Ok(self.widths.iter().map(part).collect())
            }
            _ => Err(Mismatch(format!("chunk into widths of {:?} does not fit {x}", self.widths))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let mut parts: Vec<Option<Value>> = (0..self.widths.len()).map(|i| cx.cotangent(cotangents, i)).collect();
        // A part that the loss does not reach: zeros like one of its width that it does reach.
        for (i, width) in self.widths.iter().enumerate() {
            let alike = parts.iter().zip(&self.widths).find_map(|(p, w)| if w == width { *p } else { None });
            if let Some(part @ None) = parts.get_mut(i) {
                let like = alike.unwrap_or_else(|| cx.output(i));
                *part = cx.emit(ZerosLike, &[like]).first().copied();
            }
        }
        let parts: Vec<Value> = parts.into_iter().flatten().collect();
        vec![cx.emit(Concat, &parts).first().copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let x = inputs[0];
        let mut from = 0;
        let mut parts = vec![];
        for width in self.widths.iter().map(|w| *w as usize) {
            let mut shape = x.shape.clone();
            *shape.last_mut().unwrap_or(&mut 0) = width;
            let data = x.data.chunks(x.width()).flat_map(|row| row[from..from + width].to_vec()).collect();
            parts.push(Array::new(shape, data));
            from += width;
        }
        parts
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        let text = match self.widths.as_slice() {
            [first, rest @ ..] if rest.iter().all(|w| w == first) => format!("{} x {first}", self.widths.len()),
            widths => format!("{widths:?}"),
        };
        vec![("widths", text)]
    }
}
