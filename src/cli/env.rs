//! What of the surroundings the commands use: where corpora are, and where their tokens are kept.

use crate::data::CorpusEnv;
use std::path::{Path, PathBuf};

/// The folder of the libtorch wheel: `LIBTORCH`, or `.venv/libtorch` of this checkout. The folder of corpora:
/// `DLMC_DATA`. The folder of token stores: `DLMC_CACHE`, or `.cache` in `runs`.
pub fn corpus() -> CorpusEnv {
    let given = std::env::var_os("LIBTORCH").map(PathBuf::from);
    let exe = std::env::current_exe().ok();
    let roots =
        std::env::current_dir().ok().into_iter().chain(exe.iter().flat_map(|e| e.ancestors().map(Path::to_path_buf)));
    let mut candidates = given.into_iter().chain(roots.map(|root| root.join(".venv/libtorch")));
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    CorpusEnv {
        torch: candidates.find(|path| path.is_dir()),
        data: variable("DLMC_DATA"),
        cache: variable("DLMC_CACHE").or_else(|| Some(Path::new("runs").join(".cache"))),
    }
}

/// Whether to colour what goes to standard error.
pub fn color() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
