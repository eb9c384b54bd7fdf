//! Several products of the same features, as one: queries, keys and values; gate and up. Made by projection fusion.

use super::linear::{Linear, LinearInputGrad, LinearWeightGrad};
use super::{AlongT, Mismatch, Operation};
use crate::graph::ops::add::Add;
use crate::graph::vjp::Vjp;
use crate::graph::{Array, DimSizes, Type, Value};

/// `(x [.., in], w1 [out1, in], w2 [out2, in], ..) -> ([.., out1], [.., out2], ..)`
#[derive(Clone, Debug, PartialEq)]
pub struct Linears;

/// `(x, w1, .., wn, dy1, .., dyn) -> (dx, dw1 wide, .., dwn wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct LinearsGrad;

impl Operation for Linears {
    fn name(&self) -> &'static str {
        "linears"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, weights @ ..] = inputs else { return Err(Mismatch("linears takes a tensor and weights".into())) };
        if weights.is_empty() {
            return Err(Mismatch("linears takes at least one weight".into()));
        }
        weights.iter().map(|w| Linear.infer(&[x, w])?.pop().ok_or_else(|| Mismatch("no type".into()))).collect()
    }

    fn flops(&self, inputs: &[&Type], outputs: &[Type], sizes: DimSizes) -> f64 {
        outputs.iter().map(|y| Linear.flops(inputs, std::slice::from_ref(y), sizes)).sum()
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let n = cx.n_inputs() - 1;
        let dys: Vec<Option<Value>> = (0..n).map(|i| cx.cotangent(cotangents, i)).collect();
        let x = cx.input(0);
        if let Some(all) = dys.iter().copied().collect::<Option<Vec<Value>>>() {
            let mut inputs = vec![x];
            inputs.extend((1..=n).map(|i| cx.input(i)));
            inputs.extend(all);
            return cx.emit(LinearsGrad, &inputs).into_iter().map(Some).collect();
        }
        // Some of them nobody differentiates.
        let mut leaving = vec![None; n + 1];
        let mut dx: Option<Value> = None;
        for (i, dy) in dys.into_iter().enumerate() {
            let Some(dy) = dy else { continue };
            let w = cx.input(i + 1);
            let part = cx.emit(LinearInputGrad, &[dy, w]).first().copied();
            dx = match (dx, part) {
                (Some(sum), Some(part)) => cx.emit(Add::default(), &[sum, part]).first().copied(),
                (sum, part) => sum.or(part),
            };
            if let Some(entry) = leaving.get_mut(i + 1) {
                *entry = cx.emit(LinearWeightGrad, &[dy, x]).first().copied();
            }
        }
        if let Some(entry) = leaving.first_mut() {
            *entry = dx;
        }
        leaving
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        inputs[1..].iter().flat_map(|w| Linear.reference(&[inputs[0], w])).collect()
    }
}

/// Features, weights and gradients of the products.
fn parts<'a, T>(inputs: &'a [&'a T]) -> Option<(&'a T, &'a [&'a T], &'a [&'a T])> {
    let (x, rest) = inputs.split_first()?;
    let (weights, dys) = rest.split_at(rest.len() / 2);
    (weights.len() == dys.len() && !weights.is_empty()).then_some((*x, weights, dys))
}

impl Operation for LinearsGrad {
    fn name(&self) -> &'static str {
        "linears_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let Some((x, weights, dys)) = parts(inputs) else {
            return Err(Mismatch("linears_grad takes features, weights and as many gradients".into()));
        };
        let mut types = vec![];
        for (w, dy) in weights.iter().zip(dys) {
            let dx = LinearInputGrad.infer(&[dy, w])?;
            if dx.first() != Some(x) {
                return Err(Mismatch(format!("linears_grad of {dy} by {w} for {x}")));
            }
            types.extend(LinearWeightGrad.infer(&[dy, x])?);
        }
        types.insert(0, x.clone());
        Ok(types)
    }

    fn flops(&self, inputs: &[&Type], _: &[Type], sizes: DimSizes) -> f64 {
        let Some((x, _, dys)) = parts(inputs) else { return 0.0 };
        // Two products, each of x's width for each element of dy.
        let width = x.shape.last().map_or(1, |d| d.size(sizes)) as f64;
        dys.iter().map(|dy| 4.0 * dy.n_elements(sizes) as f64 * width).sum()
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, cx: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; cx.n_inputs()]
    }

    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let Some((x, weights, dys)) = parts(inputs) else { return vec![] };
        let mut dx = Array::zeros(x.shape.clone());
        let mut all = vec![];
        for (w, dy) in weights.iter().zip(dys) {
            for part in LinearInputGrad.reference(&[dy, w]) {
                dx = dx.zip(&part, |a, b| a + b);
            }
            all.extend(LinearWeightGrad.reference(&[dy, x]));
        }
        all.insert(0, dx);
        all
    }
}
