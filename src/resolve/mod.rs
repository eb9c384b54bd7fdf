//! Names, imports, overrides.
/// A definition of a [`Library`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefId(pub u32);
/// Every definition that the files of a spec bring in.
#[derive(Clone, Debug, Default)]
pub struct Library {}
