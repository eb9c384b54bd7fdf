//! What of the surroundings the commands use: where the libtorch wheel's folder is.

use crate::data::CorpusEnv;
use std::path::{Path, PathBuf};

/// The folder of the libtorch wheel: `LIBTORCH`, or `.venv/libtorch` of this checkout.
pub fn corpus() -> CorpusEnv {
    let given = std::env::var_os("LIBTORCH").map(PathBuf::from);
    let exe = std::env::current_exe().ok();
    let roots =
        std::env::current_dir().ok().into_iter().chain(exe.iter().flat_map(|e| e.ancestors().map(Path::to_path_buf)));
    let mut candidates = given.into_iter().chain(roots.map(|root| root.join(".venv/libtorch")));
    CorpusEnv { torch: candidates.find(|path| path.is_dir()) }
}

/// Whether to colour what goes to standard error.
pub fn color() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
