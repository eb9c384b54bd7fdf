//! `dlmc`: the front half.
//!
//! The modules are compiled into this executable rather than taken from the library, since the
//! library links libtorch when it has the feature `torch`, and C++ initialisers would drag it in
//! here too. So `dlmc` starts in milliseconds on a machine that has no libtorch at all, however it was
//! built; `tests/cli.rs` reads its dynamic section.
#![allow(dead_code, unused_imports)] // what only `dlmc-torch` and the tests use

mod analyze;
mod ast;
mod base;
mod check;
mod claims;
mod cli;
mod data;
mod graph;
mod objective;
mod optimize;
mod program;
mod report;
mod resolve;
mod store;
mod syntax;

fn main() -> std::process::ExitCode {
    cli::main()
}
