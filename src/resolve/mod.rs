//! Files to one library of definitions, an experiment to one value tree per arm.
//!
//! Resolve decides what every name means and who wins where several places set one value
//! (default < definition < experiment < arm < `--set`). What the values have to be is `check`'s.

pub mod arguments;
pub mod blocks;
pub mod builtins;
pub mod experiment;
pub mod library;
pub mod names;
pub mod scope;
pub mod value;

pub use experiment::{Override, ResolvedArm, ResolvedSpec, resolve_experiment};
pub use library::{Def, DefId, Kind, Library, load};
pub use value::{Args, Node, Origin, Record, Value};
