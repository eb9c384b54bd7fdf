//! Text to [`ast`](crate::ast): the pest grammar of `grammar/dlm.pest`, limits, recovery by line.
