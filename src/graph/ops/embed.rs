//! Rows of a table by index: token and position embeddings.

use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Dim, Elem, Type, Value};

/// `(table [N, D], index [..]) -> [.., D]`
#[derive(Clone, Debug, PartialEq)]
pub struct Embed;

/// `(dy [.., D], index [..]) -> dtable [rows, D]`, summed wide: half of all positions can be the
/// mask token, and a bf16 sum of 16,384 equal rows stops growing long before its end.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbedGrad {
    pub rows: u64,
}

impl Operation for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [table, index] = inputs else { return Err(Mismatch("embed takes a table and indices".into())) };
        match (table.shape.as_slice(), index.elem) {
            ([Dim::Fixed(rows), width], Elem::Index { cardinality }) if cardinality <= *rows => {
                let mut shape = index.shape.clone();
                shape.push(*width);
                Ok(vec![Type::compute(shape)])
            }
            _ => Err(Mismatch(format!("embed looks up whole numbers in a table, not {index} in {table}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None, None] };
        let rows = match cx.input_type(0).shape.first() {
            Some(Dim::Fixed(n)) => *n,
            _ => 0,
        };
        let index = cx.input(1);
        let dtable = cx.emit(EmbedGrad { rows }, &[dy, index]);
        vec![dtable.first().copied(), None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (table, index) = (inputs[0], inputs[1]);
        let width = table.width();
        let mut shape = index.shape.clone();
        shape.push(width);
        let data = index.data.iter().flat_map(|i| table.data[*i as usize * width..][..width].to_vec()).collect();
        vec![Array::new(shape, data)]
    }
}

impl Operation for EmbedGrad {
    fn name(&self) -> &'static str {
        "embed_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dy, index] = inputs else { return Err(Mismatch("embed_grad takes two tensors".into())) };
        match dy.shape.split_last() {
            Some((width, rows)) if rows == index.shape => Ok(vec![Type::wide([Dim::Fixed(self.rows), *width])]),
            _ => Err(Mismatch(format!("embed_grad of {dy} at {index}"))),
        }
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None, None]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let (dy, index) = (inputs[0], inputs[1]);
        let width = dy.width();
        let mut out = Array::zeros([self.rows as usize, width]);
        for (i, row) in index.data.iter().zip(dy.data.chunks(width)) {
            for (sum, g) in out.data[*i as usize * width..][..width].iter_mut().zip(row) {
                *sum += g;
            }
        }
        vec![out]
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("rows", self.rows.to_string())]
    }
}
