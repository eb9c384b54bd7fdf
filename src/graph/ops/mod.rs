//! The operations: one closed enum, one file each. A file holds its operation's shape rule, FLOPs,
//! behaviour along the sequence, backward pass and f64 reference; `src/lower/ops` has a file of
//! the same name for libtorch, which a test demands. Adding an operation is adding a line to the
//! list below and following the compiler.

use super::vjp::Vjp;
use super::{Array, DimSizes, Type, Value};

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

use super::{ListOp, ParamId, Region};

/// What an operation does along T: what row pruning and block-wise evaluation need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlongT {
    /// Each position on its own.
    RowWise,
    /// A position reads others.
    Mixing,
    /// Positions are summed over.
    Reducing,
    /// Has no T.
    Free,
}

/// Input types that do not fit; the words name both sides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// What every operation but the structural ones gives.
pub trait Operation {
    fn name(&self) -> &'static str;

    /// The output types, or why the inputs do not fit.
    fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch>;

    /// Floating-point operations of its matrix products, a multiply-add as two. Elementwise work
    /// counts nothing, as in every published FLOP count.
    fn flops(&self, _inputs: &[&Type], _outputs: &[Type], _sizes: DimSizes) -> f64 {
        0.0
    }

    fn along_t(&self) -> AlongT;

    /// Cotangents of the inputs from those of the outputs (`None`: zero, or not differentiable).
    /// Operations of a backward pass have none: dlmc takes no second derivatives.
    fn vjp(&self, cx: &mut Vjp<'_>, cotangents: &[Option<Value>]) -> Vec<Option<Value>>;

    /// The outputs in plain f64. Inputs have passed `infer`.
    fn reference(&self, inputs: &[&Array]) -> Vec<Array>;

    /// Attributes as text, for listings and snapshots.
    fn attributes(&self) -> Vec<(&'static str, String)> {
        vec![]
    }
}

/// What a body reads from the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// The token ids the model sees, `[B, T]`.
    Tokens,
    /// 0, 1, 2, ... `[T]`.
    Positions,
    /// The ids to be predicted, `[B, T]`.
    Targets,
    /// The weight of each position's loss, `[B, T]`; global denominators are in it.
    Weights,
    /// The noise level of each sequence, in 0..1, `[B]`; for objectives that have one.
    NoiseLevel,
    /// The chance that a token is still clean, `[B]`; for losses that mix noise in.
    Alpha,
    /// The chance of each predictable id by uniform noise, `[B]`; for losses that mix noise in.
    Uniform,
    /// Where dropout takes its draws: seed, step and the first row, `[3]`.
    Draw,
    /// The positions that are read, by the loss or by whoever asks for logits, `[R]`: position t of sequence b is `b * T + t`.
    Rows,
    /// The same the other way, `[B, T]`: each position's place in `Rows`, counted from 1, or 0.
    Places,
}

impl Input {
    pub fn name(self) -> &'static str {
        match self {
            Input::Tokens => "tokens",
            Input::Positions => "positions",
            Input::Targets => "targets",
            Input::Weights => "weights",
            Input::NoiseLevel => "t",
            Input::Alpha => "alpha",
            Input::Uniform => "uniform",
            Input::Draw => "draw",
            Input::Rows => "rows",
            Input::Places => "places",
        }
    }
}

macro_rules! operations {
    ($($variant:ident($ty:path),)*) => {
        /// A node's operation. The first five are structure; the rest are [`Operation`]s.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            /// The body's argument of this index.
            Argument(usize),
            Input(Input),
            Param(ParamId),
            Repeat(Region),
            List(ListOp),
            $($variant($ty),)*
        }

        impl Op {
            /// The operation, unless it is structure.
            pub fn operation(&self) -> Option<&dyn Operation> {
                match self {
                    Op::Argument(_) | Op::Input(_) | Op::Param(_) | Op::Repeat(_) | Op::List(_) => None,
                    $(Op::$variant(op) => Some(op),)*
                }
            }
        }

        $(impl From<$ty> for Op {
            fn from(op: $ty) -> Op {
                Op::$variant(op)
            }
        })*
    };
}

operations! {
    Activation(activation::Activation),
    ActivationGrad(activation::ActivationGrad),
    Add(add::Add),
    Attend(attend::Attend),
    AttendGrad(attend::AttendGrad),
    Cast(cast::Cast),
    Chunk(chunk::Chunk),
    Concat(concat::Concat),
    Dropout(dropout::Dropout),
    Embed(embed::Embed),
    EmbedGrad(embed::EmbedGrad),
    Gated(gated::Gated),
    GatedGrad(gated::GatedGrad),
    GatherRows(gather_rows::GatherRows),
    HeadLoss(head_loss::HeadLoss),
    HeadLossGrad(head_loss::HeadLossGrad),
    HeadLossStep(head_loss::HeadLossStep),
    LayerNorm(layer_norm::LayerNorm),
    LayerNormGrad(layer_norm::LayerNormGrad),
    Linear(linear::Linear),
    LinearInputGrad(linear::LinearInputGrad),
    LinearWeightGrad(linear::LinearWeightGrad),
    Linears(linears::Linears),
    LinearsGrad(linears::LinearsGrad),
    MergeHeads(merge_heads::MergeHeads),
    Mixture(mixture::Mixture),
    MixtureGrad(mixture::MixtureGrad),
    Mul(mul::Mul),
    Nll(nll::Nll),
    NllGrad(nll::NllGrad),
    NormRope(norm_rope::NormRope),
    NormRopeGrad(norm_rope::NormRopeGrad),
    Offset(offset::Offset),
    RmsNorm(rms_norm::RmsNorm),
    RmsNormGrad(rms_norm::RmsNormGrad),
    Rope(rope::Rope),
    Scale(scale::Scale),
    ScatterRows(gather_rows::ScatterRows),
    Sinusoid(sinusoid::Sinusoid),
    SplitHeads(split_heads::SplitHeads),
    SumTo(sum_to::SumTo),
    WeightedSum(weighted_sum::WeightedSum),
    Zeros(zeros::Zeros),
    ZerosLike(zeros_like::ZerosLike),
}

impl Op {
    /// The operation in the instance at `indices`, one for each enclosing region: what it draws depends on them.
    pub fn at(&self, indices: &[u64]) -> Op {
        let mut op = self.clone();
        if let Some(drops) = op.drops_mut() {
            *drops = drops.at(indices);
        }
        op
    }

    /// The output types of a list operation or an [`Operation`]. Other structure has types that its inputs do not say.
    pub fn infer(&self, inputs: &[&Type]) -> Result<Vec<Type>, Mismatch> {
        match (self, self.operation()) {
            (Op::List(list), _) => Ok(vec![list.infer(inputs)?]),
            (_, Some(_)) if inputs.iter().any(|ty| !ty.list.is_empty()) => {
                Err(Mismatch(format!("{} of a list", self.name())))
            }
            (_, Some(operation)) => operation.infer(inputs),
            (_, None) => Err(Mismatch(format!("{} is structure", self.name()))),
        }
    }

    /// What it drops, if anything.
    pub fn drops_mut(&mut self) -> Option<&mut dropout::Drops> {
        match self {
            Op::Dropout(op) => Some(&mut op.drops),
            Op::Attend(op) => op.drops.as_mut(),
            Op::AttendGrad(op) => op.drops.as_mut(),
            _ => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Op::Argument(_) => "argument",
            Op::Input(input) => input.name(),
            Op::Param(_) => "param",
            Op::Repeat(_) => "repeat",
            Op::List(op) => op.name(),
            other => other.operation().map_or("", Operation::name),
        }
    }
}
