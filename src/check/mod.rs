//! Units, types, ranges and cross-field rules: a resolved spec becomes a [`CheckedSpec`].
pub mod formula;
pub mod spec;
pub use formula::Formula;
pub use spec::CheckedSpec;
