//! QK-norm and rotary embedding as one operation. Made by fusion; what lies between is never stored.

use super::rms_norm::{RmsNorm, RmsNormGrad};
use super::rope::Rope;
use super::{AlongT, Mismatch, Operation};
use crate::graph::vjp::Vjp;
use crate::graph::{Array, Type, Value};

/// `(x [B, H, T, d], positions [T], gain [d]) -> (y [B, H, T, d], rstd [B, H, T] wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct NormRope {
    pub eps: f64,
    pub base: f64,
}

/// `(dy, x, rstd, positions, gain) -> (dx, dgain wide)`
#[derive(Clone, Debug, PartialEq)]
pub struct NormRopeGrad {
    pub base: f64,
}

fn rope(base: f64, inverse: bool) -> Rope {
    Rope { base, inverse }
}

impl Operation for NormRope {
    fn name(&self) -> &'static str {
        "norm_rope"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [x, positions, gain] = inputs else {
            return Err(Mismatch("norm_rope takes a tensor, positions and a gain".into()));
        };
        let mut types = RmsNorm { eps: self.eps }.infer(&[x, gain])?;
        if let Some(y) = types.first_mut() {
            *y = rope(self.base, false).infer(&[y, positions])?.pop().unwrap_or_default();
        }
        Ok(types)
    }

    fn along_t(&self) -> AlongT {
        AlongT::RowWise
    }

    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>> {
        let Some(dy) = cx.cotangent(cotangents, 0) else { return vec![None; 3] };
        let all = [dy, cx.input(0), cx.output(1), cx.input(1), cx.input(2)];
        let grads = cx.emit(NormRopeGrad { base: self.base }, &all);
        vec![grads.first().copied(), None, grads.get(1).copied()]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let mut all = RmsNorm { eps: self.eps }.reference(&[inputs[0], inputs[2]]);
        all[0] = rope(self.base, false).reference(&[&all[0], inputs[1]]).remove(0);
        all
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("eps", format!("{:e}", self.eps)), ("base", self.base.to_string())]
    }
}

impl Operation for NormRopeGrad {
    fn name(&self) -> &'static str {
        "norm_rope_grad"
    }

    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        let [dy, x, rstd, positions, gain] = inputs else {
            return Err(Mismatch("norm_rope_grad takes five tensors".into()));
        };
        rope(self.base, true).infer(&[dy, positions])?;
        RmsNormGrad.infer(&[dy, x, rstd, gain])
    }

    fn along_t(&self) -> AlongT {
        AlongT::Reducing
    }

    fn vjp(&self, _: &mut Vjp<'_>, _: &[Option<Value>]) -> Vec<Option<Value>> {
        vec![None; 5]
    }

    #[allow(clippy::indexing_slicing)] // shapes have passed `infer`
    fn reference(&self, inputs: &[&Array]) -> Vec<Array> {
        let turned = rope(self.base, true).reference(&[inputs[0], inputs[3]]).remove(0);
        RmsNormGrad.reference(&[&turned, inputs[1], inputs[2], inputs[4]])
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![("base", self.base.to_string())]
    }
}
