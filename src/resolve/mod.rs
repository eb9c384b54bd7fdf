//! Files to one library of definitions, an experiment to one value tree per arm.
//!
//! Resolve decides what every name means and who wins where several places set one value
//! (default < definition < extension < experiment < arm < sweep < `--set`). What the values have to be is `check`'s.

mod alone;
pub mod arguments;
mod arithmetic;
mod assemble;
mod assumed;
pub mod blocks;
pub mod builtins;
mod compute;
mod definitions;
pub mod eval;
pub mod experiment;
mod grid;
pub mod library;
pub mod names;
pub mod point;
pub mod scope;
pub mod series;
pub mod sweep;
pub mod value;

pub use alone::resolve_alone;
pub use experiment::{Override, ResolvedArm, ResolvedSpec, resolve_experiment};
pub use library::{Def, DefId, Kind, Library, load};
pub use point::{Axis, AxisKind, AxisValue, Coordinate, Point};
pub use value::{Args, Layer, LetUse, Node, Origin, Record, Replaced, Value};
