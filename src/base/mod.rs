//! What every stage shares and nothing else: places in source text, diagnostics as plain data,
//! exact numbers with units, hashing and counter-based randomness. Knows no stage.
pub mod diag;
pub mod hash;
pub mod number;
pub mod philox;
pub mod source;
pub mod suggest;
pub mod units;

pub use diag::{Code, Diagnostic, Diagnostics, Label, Severity};
pub use number::{Number, Rational};
pub use source::{FileId, SourceMap, Sources, Span, Spanned};
pub use units::Unit;
