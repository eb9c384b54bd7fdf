//! Facts about graphs, as side tables: parameters and floating-point operations.

pub mod cost;
pub mod hardware;
pub mod params;

pub use cost::{Cost, flops, flops_conventions};
pub use hardware::Hardware;
pub use params::{ParamCount, count_params};
