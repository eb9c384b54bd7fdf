//! `dlmc`: the front half. Links no libtorch.

fn main() -> std::process::ExitCode {
    dlmc::cli::main()
}
