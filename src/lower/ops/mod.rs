//! One file per file of `graph/ops`: the same operations as libtorch calls or our kernels. A lowering
//! gives the outputs of `Operation::infer`, in that order, in the element types it names.

pub mod activation;
pub mod add;
pub mod attend;
pub mod cast;
pub mod chunk;
pub mod concat;
pub mod dropout;
pub mod embed;
pub mod gated;
pub mod gather_rows;
pub mod head_loss;
pub mod layer_norm;
pub mod linear;
pub mod linears;
pub mod merge_heads;
pub mod mixture;
pub mod mul;
pub mod nll;
pub mod norm_rope;
pub mod offset;
pub mod rms_norm;
pub mod rope;
pub mod scale;
pub mod sinusoid;
pub mod split_heads;
pub mod sum_to;
pub mod weighted_sum;
pub mod zeros;
pub mod zeros_like;

use super::error::Fault;
use super::{Kinds, kernels};
use crate::graph::Op;
pub use crate::graph::ops::dropout::Key as DrawKey;
use tch::{Device, Tensor};

/// What an operation may know besides its inputs.
pub struct Cx<'a> {
    pub kinds: Kinds,
    pub device: Device,
    pub tables: &'a rope::Tables,
    pub masks: &'a attend::Masks,
    /// The values of `Input::Positions`, which is the only `[T]` of ids: known here without asking the device.
    pub positions: &'a [i64],
    /// The values of `Input::Draw`, for what drops elements.
    pub draw: DrawKey,
    /// Where the outputs of the operation at hand go, for those that have a place already.
    pub into: Vec<Option<Destination>>,
}

/// A tensor that an output is written to, or added to.
pub struct Destination {
    pub tensor: Tensor,
    pub adds: bool,
}

impl Cx<'_> {
    /// The place of output `i`, of its shape and in any layout with whole rows. An operation may leave it alone.
    pub fn into(&self, i: usize) -> Option<&Tensor> {
        let destination = self.into.get(i)?.as_ref()?;
        (!destination.adds).then_some(&destination.tensor)
    }

    /// Output `i`, a gradient, in wide precision: in its place, if it has one.
    pub fn wide_into(&self, i: usize, x: Tensor) -> Result<Tensor, Fault> {
        match self.into.get(i) {
            Some(Some(Destination { tensor, adds })) => {
                let mut tensor = tensor.shallow_clone();
                match adds {
                    true => self.add_wide(&mut tensor, &x)?,
                    false => tensor.f_copy_(&x)?,
                }
                Ok(tensor)
            }
            _ => Ok(x.f_to_kind(self.kinds.wide)?),
        }
    }

    /// Adds to a wide sum.
    pub fn add_wide(&self, sum: &mut Tensor, x: &Tensor) -> Result<(), Fault> {
        match self.is_cpu() && x.kind() == self.kinds.compute && sum.is_contiguous() {
            true => kernels::add_wide(sum, x),
            false => Ok(sum.f_add_(x).map(drop)?),
        }
    }

    pub fn is_cpu(&self) -> bool {
        self.device == Device::Cpu
    }
}

pub type Lowered = Result<Vec<Tensor>, Fault>;

/// Runs one operation.
pub fn lower(op: &Op, cx: &Cx<'_>, inputs: &[&Tensor]) -> Lowered {
    match op {
        // Structure is gone in a program; an instruction never holds it.
        Op::Argument(_) | Op::Input(_) | Op::Param(_) | Op::Repeat(_) | Op::List(_) => {
            Err(Fault::Kernel(format!("{} is structure", op.name())))
        }
        Op::Activation(op) => activation::lower(op, cx, inputs),
        Op::ActivationGrad(op) => activation::lower_grad(op, cx, inputs),
        Op::Add(op) => add::lower(op, cx, inputs),
        Op::Attend(op) => attend::lower(op, cx, inputs),
        Op::AttendGrad(op) => attend::lower_grad(op, cx, inputs),
        Op::Cast(op) => cast::lower(op, cx, inputs),
        Op::Chunk(op) => chunk::lower(op, cx, inputs),
        Op::Concat(op) => concat::lower(op, cx, inputs),
        Op::Dropout(op) => dropout::lower(op, cx, inputs),
        Op::Embed(op) => embed::lower(op, cx, inputs),
        Op::EmbedGrad(op) => embed::lower_grad(op, cx, inputs),
        Op::Gated(op) => gated::lower(op, cx, inputs),
        Op::GatedGrad(op) => gated::lower_grad(op, cx, inputs),
        Op::GatherRows(op) => gather_rows::lower(op, cx, inputs),
        Op::HeadLoss(op) => head_loss::lower(op, cx, inputs),
        Op::HeadLossGrad(op) => head_loss::lower_grad(op, cx, inputs),
        Op::HeadLossStep(op) => head_loss::lower_step(op, cx, inputs),
        Op::LayerNorm(op) => layer_norm::lower(op, cx, inputs),
        Op::LayerNormGrad(op) => layer_norm::lower_grad(op, cx, inputs),
        Op::Linear(op) => linear::lower(op, cx, inputs),
        Op::LinearInputGrad(op) => linear::lower_input_grad(op, cx, inputs),
        Op::LinearWeightGrad(op) => linear::lower_weight_grad(op, cx, inputs),
        Op::Linears(op) => linears::lower(op, cx, inputs),
        Op::LinearsGrad(op) => linears::lower_grad(op, cx, inputs),
        Op::MergeHeads(op) => merge_heads::lower(op, cx, inputs),
        Op::Mixture(op) => mixture::lower(op, cx, inputs),
        Op::MixtureGrad(op) => mixture::lower_grad(op, cx, inputs),
        Op::Mul(op) => mul::lower(op, cx, inputs),
        Op::Nll(op) => nll::lower(op, cx, inputs),
        Op::NllGrad(op) => nll::lower_grad(op, cx, inputs),
        Op::NormRope(op) => norm_rope::lower(op, cx, inputs),
        Op::NormRopeGrad(op) => norm_rope::lower_grad(op, cx, inputs),
        Op::Offset(op) => offset::lower(op, cx, inputs),
        Op::RmsNorm(op) => rms_norm::lower(op, cx, inputs),
        Op::RmsNormGrad(op) => rms_norm::lower_grad(op, cx, inputs),
        Op::Rope(op) => rope::lower(op, cx, inputs),
        Op::Scale(op) => scale::lower(op, cx, inputs),
        Op::ScatterRows(op) => gather_rows::lower_scatter(op, cx, inputs),
        Op::Sinusoid(op) => sinusoid::lower(op, cx, inputs),
        Op::SplitHeads(op) => split_heads::lower(op, cx, inputs),
        Op::SumTo(op) => sum_to::lower(op, cx, inputs),
        Op::WeightedSum(op) => weighted_sum::lower(op, cx, inputs),
        Op::Zeros(op) => zeros::lower(op, cx, inputs),
        Op::ZerosLike(op) => zeros_like::lower(op, cx, inputs),
    }
}

/// The inputs as an array of the number that the operation takes.
fn take<'a, const N: usize>(inputs: &[&'a Tensor]) -> Result<[&'a Tensor; N], Fault> {
    inputs.try_into().map_err(|_| Fault::Arity { got: inputs.len(), takes: N })
}

/// What an operation of one output gave.
fn one(all: Vec<Tensor>) -> Result<Tensor, Fault> {
    let [x] = <[Tensor; 1]>::try_from(all).map_err(|all| Fault::Arity { got: all.len(), takes: 1 })?;
    Ok(x)
}

/// All leading dimensions as one: `[.., d]` to `[N, d]`.
fn rows(x: &Tensor) -> Result<Tensor, Fault> {
    let width = x.size().last().copied().unwrap_or(1);
    Ok(x.f_reshape([-1, width])?)
}

/// The shape without its last dimension, and the last.
fn split_last(x: &Tensor) -> Result<(Vec<i64>, i64), Fault> {
    let mut shape = x.size();
    match shape.pop() {
        Some(last) => Ok((shape, last)),
        None => Err(Fault::Shape(shape)),
    }
}
