//! The back end: programs on libtorch. Everything below here is tensors; what a run does with them
//! (batches, schedules, checkpoints) is `train`'s.
//!
//! - [`Executable`] runs a program's instructions in order, without libtorch's autograd: the backward
//!   pass is part of the program. `ops/X.rs` lowers the operation of `graph/ops/X.rs`.
//! - [`Weights`] and [`AdamWState`] hold all parameters in one flat tensor each.
//! - Our C++ is loops over rows (`rows.cpp`), attention (`attention.cpp`), and what calls them on tensors
//!   (`kernels.cpp`, `losses.cpp`, `attention_door.cpp`); `pool.cpp` is where CPU tensors lie. `kernels.rs` is the
//!   only way there.
//!
//! # Precision
//! `Elem::Compute` is the run's precision, `Elem::Wide` fp32 (f64 in fp64). Norm statistics, softmax,
//! losses and sums over positions are wide inside an operation, whatever its inputs are.

pub mod batch;
pub mod cache;
pub mod device;
pub mod error;
pub mod execute;
pub mod kernels;
pub mod ops;
pub mod optimizer;
pub mod places;
pub mod timings;
pub mod weights;

pub use batch::inputs;
pub use cache::Cache;
pub use error::{Fault, LowerError};
pub use execute::{Executable, Outputs};
pub use optimizer::{AdamWState, Ema, GradBuffer, StepStats};
pub use timings::{Part, Timings};
pub use weights::{Weights, hash_tensors};

use crate::check::spec::Precision;
use tch::Kind;

/// The element types that a precision stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds {
    pub compute: Kind,
    pub wide: Kind,
}

impl From<Precision> for Kinds {
    fn from(precision: Precision) -> Kinds {
        match precision {
            Precision::Bf16 => Kinds { compute: Kind::BFloat16, wide: Kind::Float },
            Precision::Fp32 => Kinds { compute: Kind::Float, wide: Kind::Float },
            Precision::Fp64 => Kinds { compute: Kind::Double, wide: Kind::Double },
        }
    }
}
